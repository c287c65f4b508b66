//! Where outputs go: into transactions, or at least once.

use super::consumer::Consumer;
use super::producer::Producer;
use super::settings::{Guarantee, KafkaSettings, SettingsError};
use super::sys::{GroupMetadata, WakeUp};
use super::transactions::Transactions;
use crate::core::ids::Offset;
use crate::core::record::StreamPartition;
use crate::ports::{CommitOutcome, LogError, OutputRecord, Settled};
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The producing side, by its guarantee.
pub(super) enum Output {
    /// Outputs and offsets together.
    ExactlyOnce(Transactions),
    /// Outputs, then offsets.
    AtLeastOnce(Plain),
}

impl Output {
    /// The wake-up is raised when a commit has ended.
    pub(super) fn start(settings: &KafkaSettings, wake_up: &Arc<WakeUp>) -> Result<Output, SettingsError> {
        match settings.guarantee {
            Guarantee::ExactlyOnce => Transactions::start(settings, wake_up.clone()).map(Output::ExactlyOnce),
            Guarantee::AtLeastOnce => Plain::start(settings).map(Output::AtLeastOnce),
        }
    }

    pub(super) fn serve(&self) {
        match self {
            Output::ExactlyOnce(transactions) => transactions.serve(),
            Output::AtLeastOnce(plain) => plain.producer.serve(),
        }
    }

    /// Ends what a predecessor left open.
    pub(super) fn prepare(&mut self) -> Result<(), LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.initialize(),
            Output::AtLeastOnce(_) => Ok(()),
        }
    }

    pub(super) fn produce(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.produce(outputs),
            Output::AtLeastOnce(plain) => plain.producer.produce(outputs, plain.call_timeout),
        }
    }

    pub(super) fn begin_commit(
        &mut self,
        offsets: &BTreeMap<StreamPartition, Offset>,
        consumer: &Consumer,
    ) -> Result<(), LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.begin_commit(offsets, consumer),
            Output::AtLeastOnce(plain) => {
                plain.settled = Some(plain.commit(offsets, consumer)?.into());
                Ok(())
            }
        }
    }

    /// How a commit ended, once.
    pub(super) fn settled(&mut self) -> Result<Option<Settled>, LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.settled(),
            Output::AtLeastOnce(plain) => Ok(plain.settled.take()),
        }
    }

    pub(super) fn abort(&mut self) -> Result<(), LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.abort(),
            Output::AtLeastOnce(plain) => {
                // What has left cannot be called back: it comes again, which is what "at least once" says.
                plain.producer.purge();
                plain.producer.flush(plain.call_timeout)?;
                plain.producer.take_failure();
                plain.settled = None;
                Ok(())
            }
        }
    }
}

/// An idempotent producer without transactions.
pub(super) struct Plain {
    producer: Producer,
    /// How the last commit ended, until somebody asks.
    settled: Option<Settled>,
    call_timeout: Duration,
}

impl Plain {
    fn start(settings: &KafkaSettings) -> Result<Plain, SettingsError> {
        Ok(Plain { producer: Producer::start(settings, None)?, settled: None, call_timeout: settings.call_timeout })
    }

    fn commit(
        &mut self,
        offsets: &BTreeMap<StreamPartition, Offset>,
        consumer: &Consumer,
    ) -> Result<CommitOutcome, LogError> {
        self.producer.flush(self.call_timeout)?;
        if let Some(fatal) = self.producer.fatal() {
            return Err(fatal);
        }
        if let Some(failure) = self.producer.take_failure() {
            return Ok(CommitOutcome::Aborted(failure));
        }
        if offsets.is_empty() {
            return Ok(CommitOutcome::Committed);
        }
        if GroupMetadata::of(consumer.handle()).is_none_or(|group| group.generation() < 0) {
            return Err(LogError::Unavailable(consumer.explain("not a member of the group: nothing is committed")));
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for (partition, offset) in offsets {
            consumer.add(&mut list, *partition, *offset);
        }
        match consumer.client().commit(&list, CommitMode::Sync) {
            Ok(()) => Ok(CommitOutcome::Committed),
            Err(KafkaError::ConsumerCommit(code)) if lost_membership(code) => {
                Ok(CommitOutcome::Aborted(format!("offsets were refused: {code:?}")))
            }
            Err(error) => Err(LogError::Unavailable(consumer.explain(&format!("committing offsets: {error}")))),
        }
    }
}

fn lost_membership(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::AssignmentLost
            | RDKafkaErrorCode::FencedInstanceId
    )
}
