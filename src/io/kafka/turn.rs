//! One transactional producer and how far its transaction has come.

use super::consumer::Consumer;
use super::producer::Producer;
use super::settings::{KafkaSettings, SettingsError};
use super::sys::{self, GroupMetadata, NativeError};
use crate::core::record::StreamPartition;
use crate::ports::{CommitOutcome, LogError, OutputRecord, Progress};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// No transaction.
    Closed,
    /// One that takes records.
    Open,
    /// One whose commit was asked for and not confirmed.
    Committing,
    /// One whose abort was asked for and not confirmed.
    Aborting,
}

/// A producer that takes its turn with others.
pub(super) struct Turn {
    producer: Producer,
    stage: Stage,
    /// The transactional id is ours.
    initialized: bool,
    call_timeout: Duration,
}

/// Consumed offsets, and the membership that they are committed with.
pub(super) struct Offering {
    offsets: TopicPartitionList,
    group: Option<GroupMetadata>,
}

/// An abort that has to wait is called again after so long.
const ABORT_STEP: Duration = Duration::from_millis(200);

/// What a transactional call's error asks for.
enum Remedy {
    Again,
    Abort(String),
    Fatal(LogError),
}

impl Offering {
    pub(super) fn new(
        progress: &BTreeMap<StreamPartition, Progress>,
        consumer: &Consumer,
    ) -> Result<Offering, LogError> {
        let list = consumer.offer(progress);
        if progress.is_empty() {
            return Ok(Offering { offsets: list, group: None });
        }
        // Fresh for every commit: the generation in it is what fences a member that lost its partitions. Below zero
        // the broker would take the offsets unchecked.
        match GroupMetadata::of(consumer.handle()).filter(GroupMetadata::is_of_member) {
            Some(group) => Ok(Offering { offsets: list, group: Some(group) }),
            None => Err(LogError::Unavailable(consumer.explain("not a member of the group: nothing is committed"))),
        }
    }
}

impl Turn {
    pub(super) fn new(settings: &KafkaSettings, number: usize) -> Result<Turn, SettingsError> {
        let id = format!("{}-{number}", settings.transactional_id);
        let producer = Producer::start(settings, Some(&id))?;
        Ok(Turn { producer, stage: Stage::Closed, initialized: false, call_timeout: settings.call_timeout })
    }

    /// Its client.
    pub(super) fn handle(&self) -> &sys::Handle {
        self.producer.handle()
    }

    /// Takes errors and logs that wait.
    pub(super) fn serve(&self) {
        self.producer.serve();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stage == Stage::Closed
    }

    /// Its transaction may be committed by now, and nobody knows.
    pub(super) fn is_unconfirmed(&self) -> bool {
        self.stage == Stage::Committing
    }

    /// Takes the transactional id over, once.
    pub(super) fn initialize(&mut self) -> Result<(), LogError> {
        if self.stage == Stage::Aborting {
            // Offsets that hang in it would not be told.
            self.abort()?;
        }
        if !self.initialized {
            if let Err(error) = sys::init(self.producer.handle(), self.call_timeout) {
                self.producer.serve();
                let text = self.producer.explain(&format!("taking over the transactional id: {}", error.text));
                let fatal = self.producer.fatal().filter(|_| !error.retriable);
                return Err(fatal.unwrap_or(LogError::Unavailable(text)));
            }
            self.initialized = true;
        }
        Ok(())
    }

    /// Opens a transaction where there is none.
    pub(super) fn open(&mut self) -> Result<(), LogError> {
        match self.stage {
            Stage::Open => return Ok(()),
            Stage::Closed => {}
            Stage::Aborting => self.abort()?,
            Stage::Committing => {
                let text = self.producer.explain("the last commit is not confirmed yet");
                return Err(LogError::Unavailable(text));
            }
        }
        self.initialize()?;
        if let Err(error) = sys::begin(self.producer.handle()) {
            return Err(match self.judge("beginning a transaction", &error) {
                Remedy::Again => LogError::Unavailable(error.text),
                Remedy::Abort(reason) => LogError::MustAbort(reason),
                Remedy::Fatal(fatal) => fatal,
            });
        }
        self.stage = Stage::Open;
        Ok(())
    }

    pub(super) fn produce(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        self.open()?;
        self.producer.produce(outputs, self.call_timeout)
    }

    /// Commits, or goes on with a commit that was not confirmed. `flushed` is called once every output is in its topic.
    pub(super) fn commit(&mut self, offering: &Offering, flushed: impl Fn()) -> Result<CommitOutcome, LogError> {
        if self.stage != Stage::Committing {
            self.open()?;
            // The last outputs travel while the offsets are added: only the commit needs both.
            self.producer.hurry();
            let added = self.send_offsets(offering);
            if !matches!(added, Ok(Some(_))) {
                // Also when the offsets found nobody: outputs that come behind these wait for them only.
                self.producer.flush(self.call_timeout)?;
                flushed();
            }
            if let Some(reason) = added? {
                return self.give_up(reason);
            }
            self.stage = Stage::Committing;
        }
        match self.repeat("the commit", self.call_timeout, sys::commit)? {
            None => {
                self.stage = Stage::Closed;
                Ok(CommitOutcome::Committed)
            }
            Some(reason) => self.give_up(reason),
        }
    }

    /// Adds the offsets; the reason when the transaction must be aborted.
    fn send_offsets(&self, Offering { offsets, group }: &Offering) -> Result<Option<String>, LogError> {
        let Some(group) = group else { return Ok(None) };
        let send = |producer: &sys::Handle, wait| sys::send_offsets(producer, offsets, group, wait);
        self.repeat("sending offsets", self.call_timeout, send)
    }

    /// Makes a call until it is through or the call time-out has passed; the reason when it asks for an abort.
    ///
    /// Every call gets the whole of its time: one that gives up after a moment may leave librdkafka (2.12) without the
    /// name of what is under way, and the broker's answer to a commit then counts as an abort's, which ends the process.
    fn repeat(
        &self,
        what: &str,
        step: Duration,
        call: impl Fn(&sys::Handle, Duration) -> Result<(), NativeError>,
    ) -> Result<Option<String>, LogError> {
        let deadline = Instant::now() + self.call_timeout;
        loop {
            let Err(error) = call(self.producer.handle(), step) else {
                return Ok(None);
            };
            self.producer.serve();
            match self.judge(what, &error) {
                Remedy::Abort(reason) => return Ok(Some(reason)),
                Remedy::Fatal(fatal) => return Err(fatal),
                Remedy::Again if Instant::now() >= deadline => {
                    return Err(LogError::Unavailable(self.producer.explain(&format!("{what}: {}", error.text))));
                }
                Remedy::Again => {}
            }
        }
    }

    fn judge(&self, what: &str, error: &NativeError) -> Remedy {
        let text = format!("{what}: {}", error.text);
        if let Some(fatal) = self.producer.fatal() {
            return Remedy::Fatal(fatal);
        }
        if error.requires_abort {
            return Remedy::Abort(text);
        }
        if error.retriable {
            return Remedy::Again;
        }
        Remedy::Fatal(LogError::Fatal(text))
    }

    /// Nothing of the transaction will ever be visible, whether or not the brokers answer the abort in time: it is
    /// finished before the next one begins.
    fn give_up(&mut self, reason: String) -> Result<CommitOutcome, LogError> {
        self.stage = Stage::Aborting;
        let reason = match self.producer.take_failure() {
            Some(failure) => format!("{reason} ({failure})"),
            None => reason,
        };
        match self.abort() {
            Ok(()) | Err(LogError::Unavailable(_)) => Ok(CommitOutcome::Aborted(reason)),
            Err(error) => Err(error),
        }
    }

    /// Gives an open transaction up, if there is one.
    pub(super) fn abort(&mut self) -> Result<(), LogError> {
        match self.stage {
            Stage::Closed => return Ok(()),
            Stage::Open | Stage::Aborting => self.stage = Stage::Aborting,
            // Only a new start reads from the offsets that then hold.
            Stage::Committing => {
                let text = "the transaction's commit was not confirmed, so it cannot be given up";
                return Err(LogError::Fatal(text.to_owned()));
            }
        }
        // In small steps: outputs that are given up wait as delivery reports, which are taken between two calls.
        match self.repeat("aborting", ABORT_STEP, sys::abort)? {
            None => {
                self.producer.take_failure();
                self.stage = Stage::Closed;
                Ok(())
            }
            Some(reason) => Err(LogError::Fatal(reason)),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Open | Stage::Aborting) {
            // Readers downstream wait for an open transaction until its time-out.
            self.call_timeout = self.call_timeout.min(Duration::from_secs(1));
            if let Err(error) = self.abort() {
                tracing::debug!("the open transaction could not be aborted while closing: {error}");
            }
        }
    }
}
