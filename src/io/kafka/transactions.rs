//! Outputs and offsets in one transaction, by two producers that take turns.
//!
//! A producer that begins again right after its commit is told CONCURRENT_TRANSACTIONS while the markers are written,
//! and librdkafka then waits a fixed 20 ms. The other one is not: its own markers were written long ago. Turns never
//! overlap: one ends with everything committed before the next begins.

use super::consumer::Consumer;
use super::producer::Producer;
use super::settings::{KafkaSettings, SettingsError};
use super::sys::{self, GroupMetadata, NativeError};
use crate::core::ids::Offset;
use crate::core::record::StreamPartition;
use crate::ports::{CommitOutcome, LogError, OutputRecord};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How far the producer whose turn it is has come.
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

struct Turn {
    producer: Producer,
    /// The transactional id is ours.
    initialized: bool,
}

/// Both producers.
pub(super) struct Transactions {
    turns: [Turn; 2],
    current: usize,
    stage: Stage,
    call_timeout: Duration,
}

/// An abort that has to wait is called again after so long.
const ABORT_STEP: Duration = Duration::from_millis(200);

/// What a transactional call's error asks for.
enum Remedy {
    Again,
    Abort(String),
    Fatal(LogError),
}

impl Transactions {
    pub(super) fn start(settings: &KafkaSettings) -> Result<Transactions, SettingsError> {
        let turn = |number: usize| {
            let id = format!("{}-{number}", settings.transactional_id);
            Producer::start(settings, Some(&id)).map(|producer| Turn { producer, initialized: false })
        };
        let turns = [turn(0)?, turn(1)?];
        Ok(Transactions { turns, current: 0, stage: Stage::Closed, call_timeout: settings.call_timeout })
    }

    fn producer(&self) -> &Producer {
        &self.turns[self.current].producer
    }

    /// Takes errors and logs that wait.
    pub(super) fn serve(&self) {
        for turn in &self.turns {
            turn.producer.serve();
        }
    }

    pub(super) fn produce(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        self.open()?;
        let call_timeout = self.call_timeout;
        self.turns[self.current].producer.produce(outputs, call_timeout)
    }

    pub(super) fn commit(
        &mut self,
        offsets: &BTreeMap<StreamPartition, Offset>,
        consumer: &Consumer,
    ) -> Result<CommitOutcome, LogError> {
        if self.stage != Stage::Committing {
            self.open()?;
            self.producer().flush(self.call_timeout)?;
            if let Some(reason) = self.send_offsets(offsets, consumer)? {
                return self.give_up(reason);
            }
            self.stage = Stage::Committing;
        }
        match self.repeat("the commit", self.call_timeout, sys::commit)? {
            None => {
                self.end_turn();
                Ok(CommitOutcome::Committed)
            }
            Some(reason) => self.give_up(reason),
        }
    }

    pub(super) fn abort(&mut self) -> Result<(), LogError> {
        match self.stage {
            Stage::Closed => Ok(()),
            Stage::Open | Stage::Aborting => self.finish_abort(),
            // It may be committed by now. Only a new start reads from the offsets that then hold.
            Stage::Committing => {
                Err(LogError::Fatal("the transaction's commit was not confirmed, so it cannot be given up".to_owned()))
            }
        }
    }

    /// Opens a transaction where there is none.
    fn open(&mut self) -> Result<(), LogError> {
        match self.stage {
            Stage::Open => return Ok(()),
            Stage::Closed => {}
            Stage::Aborting => self.finish_abort()?,
            Stage::Committing => {
                let text = self.producer().explain("the last commit is not confirmed yet");
                return Err(LogError::Unavailable(text));
            }
        }
        self.initialize()?;
        if let Err(error) = sys::begin(self.producer().handle()) {
            return Err(match self.judge("beginning a transaction", &error) {
                Remedy::Again => LogError::Unavailable(error.text),
                Remedy::Abort(reason) => LogError::MustAbort(reason),
                Remedy::Fatal(fatal) => fatal,
            });
        }
        self.stage = Stage::Open;
        Ok(())
    }

    /// Takes both ids over, once: a predecessor's transaction that hangs under either of them would hold readers back,
    /// and us too when we ask for the offsets in it.
    pub(super) fn initialize(&mut self) -> Result<(), LogError> {
        if self.stage == Stage::Aborting {
            // Offsets that hang in it would not be told.
            self.finish_abort()?;
        }
        for turn in &mut self.turns {
            if !turn.initialized {
                if let Err(error) = sys::init(turn.producer.handle(), self.call_timeout) {
                    turn.producer.serve();
                    let text = turn.producer.explain(&format!("taking over the transactional id: {}", error.text));
                    let fatal = turn.producer.fatal().filter(|_| !error.retriable);
                    return Err(fatal.unwrap_or(LogError::Unavailable(text)));
                }
                turn.initialized = true;
            }
        }
        Ok(())
    }

    /// Adds the offsets; the reason when the transaction must be aborted.
    fn send_offsets(
        &self,
        offsets: &BTreeMap<StreamPartition, Offset>,
        consumer: &Consumer,
    ) -> Result<Option<String>, LogError> {
        if offsets.is_empty() {
            return Ok(None);
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            consumer.add(&mut list, *partition, *offset);
        }
        // Fresh for every commit: the generation in it is what fences a member that lost its partitions. Below zero
        // the broker would take the offsets unchecked.
        let group = GroupMetadata::of(consumer.handle()).filter(|group| group.generation() >= 0);
        let Some(group) = group else {
            return Err(LogError::Unavailable(consumer.explain("not a member of the group: nothing is committed")));
        };
        let send = |producer: &sys::Handle, wait| sys::send_offsets(producer, &list, &group, wait);
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
            let Err(error) = call(self.producer().handle(), step) else {
                return Ok(None);
            };
            self.producer().serve();
            match self.judge(what, &error) {
                Remedy::Abort(reason) => return Ok(Some(reason)),
                Remedy::Fatal(fatal) => return Err(fatal),
                Remedy::Again if Instant::now() >= deadline => {
                    return Err(LogError::Unavailable(self.producer().explain(&format!("{what}: {}", error.text))));
                }
                Remedy::Again => {}
            }
        }
    }

    fn judge(&self, what: &str, error: &NativeError) -> Remedy {
        let text = format!("{what}: {}", error.text);
        if let Some(fatal) = self.producer().fatal() {
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
        let reason = match self.producer().take_failure() {
            Some(failure) => format!("{reason} ({failure})"),
            None => reason,
        };
        match self.finish_abort() {
            Ok(()) | Err(LogError::Unavailable(_)) => Ok(CommitOutcome::Aborted(reason)),
            Err(error) => Err(error),
        }
    }

    fn finish_abort(&mut self) -> Result<(), LogError> {
        self.stage = Stage::Aborting;
        // In small steps: outputs that are given up wait as delivery reports, which are taken between two calls.
        match self.repeat("aborting", ABORT_STEP, sys::abort)? {
            None => {
                self.producer().take_failure();
                self.end_turn();
                Ok(())
            }
            Some(reason) => Err(LogError::Fatal(reason)),
        }
    }

    fn end_turn(&mut self) {
        self.stage = Stage::Closed;
        self.current = (self.current + 1) % self.turns.len();
    }
}

impl Drop for Transactions {
    fn drop(&mut self) {
        if matches!(self.stage, Stage::Open | Stage::Aborting) {
            // Readers downstream wait for an open transaction until its time-out.
            self.call_timeout = self.call_timeout.min(Duration::from_secs(1));
            if let Err(error) = self.finish_abort() {
                tracing::debug!("the open transaction could not be aborted while closing: {error}");
            }
        }
    }
}
