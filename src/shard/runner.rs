//! The loop of a shard: asks the engine what to do, does it, and tells what happened.

use super::engine::notice::Notice;
use super::engine::status::Status;
use super::engine::step::Halt;
use super::engine::{Engine, rules::Rules};
use super::hands::{Fault, Hands, Performed};
use super::tally::Tally;
use super::teller::Teller;
use crate::ports::{Clock, Log, LogError, WindowStore};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How often the published status is renewed, in milliseconds.
const STATUS_EVERY_MS: i64 = 200;

/// What a shard shares with those who watch it.
#[derive(Default)]
pub struct Board {
    status: Mutex<Status>,
    /// What it has counted since it started.
    pub tally: Tally,
}

impl Board {
    /// The last published status.
    pub fn status(&self) -> Status {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn publish(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}

/// Why a shard's loop ended.
#[derive(Debug)]
pub enum Exit {
    /// As asked: everything in flight is committed.
    Stopped,
    /// Going on would break the promise.
    Halted(Halt),
    /// Its Kafka clients are of no more use; a new shard may do better.
    Broken(LogError),
}

/// Runs a shard until it is asked to stop, or cannot go on.
pub fn run<L: Log, S: WindowStore, C: Clock>(
    rules: Rules,
    mut hands: Hands<L, S, C>,
    stop: &AtomicBool,
    board: &Arc<Board>,
) -> Exit {
    let mut engine = Engine::new(rules);
    let mut teller = Teller::default();
    let mut publish_at_ms = i64::MIN;
    loop {
        if stop.load(Ordering::Relaxed) {
            engine.stop();
        }
        let step = engine.step(hands.clock.now());
        board.tally.count_step(&step);
        let input = match hands.perform(step) {
            Performed::Answer(input) => {
                teller.answered(&input);
                input
            }
            Performed::Unavailable(input, fault) => {
                teller.unavailable(&fault);
                board.tally.count_fault(matches!(fault, Fault::Store(_)));
                input
            }
            Performed::Broken(error) => return Exit::Broken(error),
            Performed::Left(Some(halt)) => return Exit::Halted(halt),
            Performed::Left(None) => return Exit::Stopped,
        };
        let now = hands.clock.now();
        board.tally.count_input(&input);
        engine.feed(input, now);
        let notices = engine.take_notices();
        tell(&mut teller, board, &notices);
        if now.mono_ms >= publish_at_ms {
            publish_at_ms = now.mono_ms + STATUS_EVERY_MS;
            let status = engine.status(now.mono_ms);
            teller.progress(&status);
            board.publish(status);
        }
    }
}

fn tell(teller: &mut Teller, board: &Board, notices: &[Notice]) {
    for notice in notices {
        board.tally.count_notice(notice);
        teller.notice(notice);
    }
}
