//! Where outputs go: into transactions, or at least once.

use super::consumer::Consumer;
use super::plain::Plain;
use super::settings::{Guarantee, KafkaSettings, SettingsError};
use super::transactions::Transactions;
use crate::core::record::StreamPartition;
use crate::ports::{LogError, OutputRecord, Progress, Settled};
use std::collections::BTreeMap;

/// The producing side, by its guarantee.
pub(super) enum Output {
    /// Outputs and offsets together.
    ExactlyOnce(Transactions),
    /// Outputs, then offsets.
    AtLeastOnce(Plain),
}

impl Output {
    /// The consumer's wake-up is raised when a commit has ended.
    pub(super) fn start(settings: &KafkaSettings, consumer: &Consumer) -> Result<Output, SettingsError> {
        match settings.guarantee {
            Guarantee::ExactlyOnce => {
                Transactions::start(settings, consumer.wake_up().clone()).map(Output::ExactlyOnce)
            }
            Guarantee::AtLeastOnce => Plain::start(settings, consumer).map(Output::AtLeastOnce),
        }
    }

    pub(super) fn serve(&self) {
        match self {
            Output::ExactlyOnce(transactions) => transactions.serve(),
            Output::AtLeastOnce(plain) => plain.serve(),
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
            Output::AtLeastOnce(plain) => plain.produce(outputs),
        }
    }

    pub(super) fn begin_commit(
        &mut self,
        progress: &BTreeMap<StreamPartition, Progress>,
        consumer: &Consumer,
    ) -> Result<(), LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.begin_commit(progress, consumer),
            Output::AtLeastOnce(plain) => plain.begin_commit(progress, consumer),
        }
    }

    /// How a commit ended, once.
    pub(super) fn settled(&mut self) -> Result<Option<Settled>, LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.settled(),
            Output::AtLeastOnce(plain) => plain.settled(),
        }
    }

    pub(super) fn abort(&mut self) -> Result<(), LogError> {
        match self {
            Output::ExactlyOnce(transactions) => transactions.abort(),
            Output::AtLeastOnce(plain) => plain.abort(),
        }
    }
}
