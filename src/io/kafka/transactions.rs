//! Outputs and offsets in one transaction, by producers that take turns: one is filled while the one before it is
//! committed on a thread of its own.
//!
//! A producer that begins again right after its commit is told CONCURRENT_TRANSACTIONS while the markers are written,
//! and librdkafka then waits a fixed 20 ms. With three of them, each rests for a turn. At most one commit is under way,
//! and the next is begun only when that one is known to be through.

use super::consumer::Consumer;
use super::plain::{THREAD_IS_GONE, thread_is_gone};
use super::settings::{KafkaSettings, SettingsError};
use super::sys::{self, Handle, WakeUp};
use super::turn::{Offering, Turn};
use crate::core::record::StreamPartition;
use crate::job_thread::{Ended, JobThread};
use crate::ports::{CommitOutcome, LogError, OutputRecord, Progress, Settled};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

const TURNS: usize = 3;

/// A commit makes no more calls than this, each of which may take the whole of its time: the offsets, once more when they
/// were refused for now, the outputs, and the commit itself, likewise.
const CALLS_OF_A_COMMIT: u32 = 5;

/// How long outputs are waited for before the committing thread is heard again.
const FLUSH_STEP: Duration = Duration::from_millis(2);

/// A filled transaction on its way to the committing thread, and back.
struct Job {
    turn: Turn,
    offering: Offering,
    /// When its commit was first asked for.
    since: Instant,
}

/// What the committing thread tells.
enum Told {
    /// Every output is in its topic: those of the next transaction come behind them.
    Flushed,
    /// It is over, for now.
    Ended(Box<Job>, Result<CommitOutcome, LogError>),
}

/// All producers.
pub(super) struct Transactions {
    /// Those that are here; the first has its turn.
    turns: VecDeque<Turn>,
    /// One whose commit was not confirmed in time.
    unconfirmed: Option<Box<Job>>,
    /// One is with the committing thread.
    is_committing: bool,
    /// The producer of the one before, while outputs of it may still be on their way.
    flushing: Option<Handle>,
    /// How a commit ended, until somebody asks.
    news: Option<Settled>,
    /// A commit ended with this: nothing goes on.
    broken: Option<String>,
    committer: JobThread<Box<Job>, Told>,
    call_timeout: Duration,
    transaction_timeout: Duration,
}

impl Transactions {
    pub(super) fn start(settings: &KafkaSettings, wake_up: Arc<WakeUp>) -> Result<Transactions, SettingsError> {
        let turns = (0..TURNS).map(|number| Turn::new(settings, number)).collect::<Result<_, _>>()?;
        let committer = JobThread::start("commits", commit, move || wake_up.raise())
            .map_err(|error| SettingsError::Refused(error.to_string()))?;
        Ok(Transactions {
            turns,
            unconfirmed: None,
            is_committing: false,
            flushing: None,
            news: None,
            broken: None,
            committer,
            call_timeout: settings.call_timeout,
            transaction_timeout: settings.transaction_timeout,
        })
    }

    /// Takes errors and logs that wait.
    pub(super) fn serve(&self) {
        self.turns.iter().for_each(Turn::serve);
    }

    /// Takes all ids over, once: a predecessor's transaction that hangs under any of them would hold readers back, and
    /// us too when we ask for the offsets in it.
    pub(super) fn initialize(&mut self) -> Result<(), LogError> {
        self.turns.iter_mut().try_for_each(Turn::initialize)
    }

    /// Writes into the open transaction, behind everything that was written before.
    pub(super) fn produce(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        self.await_flush()?;
        self.current()?.produce(outputs)
    }

    /// Waits until every output of the transaction before is in its topic, or given up: then its commit ends in an abort,
    /// which takes these along.
    ///
    /// The committing thread adds offsets meanwhile and tells of the outputs only behind that: they are looked for from
    /// here, which also makes them go at once.
    fn await_flush(&mut self) -> Result<(), LogError> {
        // That thread ends by itself in a few call time-outs: giving up before it would be an abort.
        let deadline = Instant::now() + self.call_timeout * CALLS_OF_A_COMMIT;
        loop {
            self.hear();
            if let Some(text) = &self.broken {
                return Err(LogError::Fatal(text.clone()));
            }
            let Some(producer) = &self.flushing else { return Ok(()) };
            if !self.is_committing || Instant::now() >= deadline {
                return Err(LogError::Unavailable("the outputs before these are still on their way".to_owned()));
            }
            if sys::flush(producer, FLUSH_STEP) {
                self.flushing = None;
            }
        }
    }

    /// Begins to commit the open transaction with these offsets, or asks again how the last commit ended.
    pub(super) fn begin_commit(
        &mut self,
        progress: &BTreeMap<StreamPartition, Progress>,
        consumer: &Consumer,
    ) -> Result<(), LogError> {
        self.hear();
        if self.is_committing || self.news.is_some() {
            return Ok(());
        }
        let job = match self.unconfirmed.take() {
            // Its verdicts would become visible long after they were decided, and a window may have ended since.
            Some(job) if job.since.elapsed() > self.transaction_timeout => {
                let is_asked_for = job.turn.is_unconfirmed();
                self.unconfirmed = Some(job);
                let text = "a transaction was not committed within its time-out".to_owned();
                // Where the commit was asked for, only whoever takes the transactional id over ends it.
                return Err(if is_asked_for { LogError::Fatal(text) } else { LogError::MustAbort(text) });
            }
            // What was not accepted yet is offered with the membership of this moment.
            Some(mut job) if !job.turn.is_unconfirmed() => match Offering::new(progress, consumer) {
                Ok(offering) => {
                    job.offering = offering;
                    job
                }
                Err(error) => {
                    self.unconfirmed = Some(job);
                    return Err(error);
                }
            },
            Some(job) => job,
            None => {
                let offering = Offering::new(progress, consumer)?;
                self.current()?.open()?;
                let turn = self.turns.pop_front().ok_or_else(no_turn)?;
                Box::new(Job { turn, offering, since: Instant::now() })
            }
        };
        let producer = job.turn.handle().clone();
        self.committer.give(job).map_err(thread_is_gone)?;
        (self.is_committing, self.flushing) = (true, Some(producer));
        Ok(())
    }

    /// How a commit ended, once.
    pub(super) fn settled(&mut self) -> Result<Option<Settled>, LogError> {
        self.hear();
        match &self.broken {
            Some(text) => Err(LogError::Fatal(text.clone())),
            None => Ok(self.news.take()),
        }
    }

    /// Gives everything up that is not committed; what is being committed ends in one way or the other.
    pub(super) fn abort(&mut self) -> Result<(), LogError> {
        self.hear_until(|transactions| !transactions.is_committing, self.call_timeout, "a commit is still under way")?;
        if let Some(mut job) = self.unconfirmed.take() {
            if let Err(error) = job.turn.abort() {
                self.unconfirmed = Some(job);
                return Err(error);
            }
            self.turns.push_back(job.turn);
        }
        for turn in self.turns.iter_mut().filter(|turn| !turn.is_closed()) {
            turn.abort()?;
        }
        (self.news, self.flushing) = (None, None);
        Ok(())
    }

    fn current(&mut self) -> Result<&mut Turn, LogError> {
        self.turns.front_mut().ok_or_else(no_turn)
    }

    /// Takes what the committing thread has told.
    fn hear(&mut self) {
        loop {
            match self.committer.told() {
                Ok(Some(told)) => self.learn(told),
                Ok(None) => return,
                Err(Ended) => {
                    self.broken = Some(THREAD_IS_GONE.to_owned());
                    return;
                }
            }
        }
    }

    fn hear_until(
        &mut self,
        done: impl Fn(&Transactions) -> bool,
        at_most: Duration,
        otherwise: &str,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + at_most;
        self.hear();
        while !done(self) && self.broken.is_none() {
            match self.committer.wait(deadline.saturating_duration_since(Instant::now())) {
                Ok(Some(told)) => self.learn(told),
                Ok(None) => return Err(LogError::Unavailable(otherwise.to_owned())),
                Err(ended) => return Err(thread_is_gone(ended)),
            }
        }
        match &self.broken {
            Some(text) => Err(LogError::Fatal(text.clone())),
            None => Ok(()),
        }
    }

    fn learn(&mut self, told: Told) {
        let (job, outcome) = match told {
            Told::Flushed => {
                self.flushing = None;
                return;
            }
            Told::Ended(job, outcome) => (job, outcome),
        };
        self.is_committing = false;
        match outcome {
            Ok(outcome) => {
                self.flushing = None;
                self.turns.push_back(job.turn);
                self.news = Some(outcome.into());
            }
            Err(LogError::MustAbort(reason)) => {
                self.turns.push_back(job.turn);
                self.news = Some(Settled::Aborted(reason));
            }
            Err(LogError::Unavailable(reason)) => {
                self.unconfirmed = Some(job);
                self.news = Some(Settled::Unconfirmed(reason));
            }
            Err(LogError::Fatal(reason)) => self.broken = Some(reason),
        }
    }
}

fn commit(mut job: Box<Job>, tell: &dyn Fn(Told)) {
    let Job { turn, offering, .. } = &mut *job;
    let outcome = turn.commit(offering, || tell(Told::Flushed));
    tell(Told::Ended(job, outcome));
}

fn no_turn() -> LogError {
    LogError::Fatal("no producer is left".to_owned())
}
