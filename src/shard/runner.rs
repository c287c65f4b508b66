//! The loop of a shard: asks the engine what to do, does it, and tells what happened.

use super::ahead::Ahead;
use super::engine::notice::Notice;
use super::engine::status::Status;
use super::engine::step::{Halt, Input, Step};
use super::engine::{Engine, rules::Rules};
use super::hands::{Fault, Hands, Performed};
use super::neighbours::Neighbours;
use super::tally::{Stage, Tally};
use super::teller::Teller;
use crate::ports::{Assignment, Clock, Log, LogError, Settled, WindowStore};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the published status is renewed, in milliseconds.
const STATUS_EVERY_MS: i64 = 200;

/// What a shard shares with those who watch it.
pub struct Board {
    status: Mutex<Status>,
    /// What it has counted since it started.
    pub tally: Tally,
    made: Instant,
    /// When its loop last turned, in milliseconds since `made`.
    turned_ms: AtomicU64,
    joined: AtomicBool,
}

impl Default for Board {
    fn default() -> Board {
        Board {
            status: Mutex::default(),
            tally: Tally::default(),
            made: Instant::now(),
            turned_ms: AtomicU64::new(0),
            joined: AtomicBool::new(false),
        }
    }
}

impl Board {
    /// The shard's loop moves, or it pauses on purpose.
    pub fn turned(&self) {
        let ms = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.turned_ms.store(ms, Ordering::Relaxed);
    }

    /// How long ago its loop turned.
    pub fn since_turn(&self) -> Duration {
        self.made.elapsed().saturating_sub(Duration::from_millis(self.turned_ms.load(Ordering::Relaxed)))
    }

    /// Whether it is a member of the group that knows its partitions, even if there are none.
    pub fn has_joined(&self) -> bool {
        self.joined.load(Ordering::Relaxed)
    }

    fn note_membership(&self, input: &Input) {
        let joined = match input {
            Input::Polled(batch) => match &batch.assignment {
                Some(Assignment::Revoked | Assignment::Lost) => false,
                Some(Assignment::Assigned(_)) | None => return,
            },
            Input::Released => false,
            // The answer to an assignment, also to one of nothing.
            Input::CursorsMoved => true,
            _ => return,
        };
        self.joined.store(joined, Ordering::Relaxed);
    }

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
    let mut stopwatch = Stopwatch::default();
    let mut publish_at_ms = i64::MIN;
    loop {
        if stop.load(Ordering::Relaxed) {
            engine.stop();
        }
        board.turned();
        let now = hands.clock.now();
        let step = engine.step(now);
        board.tally.count_step(&step, now.wall);
        stopwatch.begin(&step);
        hands.ahead.begin_step();
        let input = match hands.perform(step) {
            Performed::Answer(input) => {
                stopwatch.end(&input, &board.tally, &hands.ahead);
                board.note_membership(&input);
                teller.answered(&input);
                input
            }
            Performed::Partly(input, fault) => {
                stopwatch.end(&input, &board.tally, &hands.ahead);
                teller.unavailable(&fault);
                board.tally.count_fault(false);
                input
            }
            Performed::Unavailable(input, fault) => {
                teller.unavailable(&fault);
                board.tally.count_fault(matches!(fault, Fault::Store(_)));
                input
            }
            Performed::Broken(error) => {
                board.joined.store(false, Ordering::Relaxed);
                board.tally.count_breakdown(engine.has_uncommitted());
                return Exit::Broken(error);
            }
            Performed::Left(Some(halt)) => return Exit::Halted(halt),
            Performed::Left(None) => return Exit::Stopped,
        };
        let now = hands.clock.now();
        board.tally.count_input(&input);
        let decides = matches!(input, Input::Read(_));
        let neighbours = hands.neighbours.as_ref().filter(|_| Neighbours::care_for(&input));
        let began = Instant::now();
        engine.feed(input, now);
        if decides {
            board.tally.stage(Stage::Decide).observe_time(began.elapsed());
        }
        if let Some(neighbours) = neighbours {
            neighbours.tell(&engine);
        }
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

/// Measures the stages of a turn.
#[derive(Default)]
struct Stopwatch {
    stage: Option<(Stage, Instant)>,
    /// A commit that is not known to have ended.
    commit: Option<Instant>,
    /// A merge that is not known to have ended.
    merge: Option<Instant>,
}

impl Stopwatch {
    fn begin(&mut self, step: &Step) {
        let now = Instant::now();
        self.stage = Stage::of(step).map(|stage| (stage, now));
        match step {
            Step::Commit(_) => _ = self.commit.get_or_insert(now),
            Step::Merge(_) => _ = self.merge.get_or_insert(now),
            _ => {}
        }
    }

    fn end(&mut self, input: &Input, tally: &Tally, ahead: &Ahead) {
        if let Some((stage, began)) = self.stage.take() {
            tally.time_stage(stage, input, ahead.correct(began.elapsed()));
        }
        match input {
            Input::Polled(batch) if batch.settled == Some(Settled::Committed) => {
                if let Some(began) = self.commit.take() {
                    tally.stage(Stage::Commit).observe_time(began.elapsed());
                }
            }
            Input::Merged(_) => {
                if let Some(began) = self.merge.take() {
                    tally.stage(Stage::Merge).observe_time(began.elapsed());
                }
            }
            Input::Aborted => self.commit = None,
            _ => {}
        }
    }
}

fn tell(teller: &mut Teller, board: &Board, notices: &[Notice]) {
    for notice in notices {
        board.tally.count_notice(notice);
        teller.notice(notice);
    }
}
