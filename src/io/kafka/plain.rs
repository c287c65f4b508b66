//! Outputs at least once: a producer without transactions, and offsets that are committed behind it.
//!
//! Outputs are in their topics before their offsets are committed, which a thread of its own does: the shard goes on
//! meanwhile. At most one commit is under way.

use super::consumer::Consumer;
use super::context::ConsumerEvents;
use super::producer::Producer;
use super::settings::{KafkaSettings, SettingsError};
use super::sys::GroupMetadata;
use crate::core::record::StreamPartition;
use crate::job_thread::{Ended, JobThread};
use crate::ports::{LogError, OutputRecord, Progress, Settled};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;
use std::time::Duration;

/// An idempotent producer, and the thread that commits offsets.
pub(super) struct Plain {
    producer: Producer,
    committer: JobThread<TopicPartitionList, Settled>,
    is_committing: bool,
    /// How the last commit ended, until somebody asks.
    news: Option<Settled>,
    call_timeout: Duration,
}

fn commit(client: &BaseConsumer<ConsumerEvents>, offsets: &TopicPartitionList) -> Settled {
    match client.commit(offsets, CommitMode::Sync) {
        Ok(()) => Settled::Committed,
        Err(KafkaError::ConsumerCommit(code)) if lost_membership(code) => {
            Settled::Aborted(format!("offsets were refused: {code:?}"))
        }
        Err(error) => Settled::Unconfirmed(client.context().reports.explain(&format!("committing offsets: {error}"))),
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

impl Plain {
    /// The consumer's wake-up is raised when a commit has ended.
    pub(super) fn start(settings: &KafkaSettings, consumer: &Consumer) -> Result<Plain, SettingsError> {
        let (client, wake_up) = (consumer.client().clone(), consumer.wake_up().clone());
        let work = move |offsets, tell: &dyn Fn(Settled)| tell(commit(&client, &offsets));
        let committer = JobThread::start("commits", work, move || wake_up.raise())
            .map_err(|error| SettingsError::Refused(error.to_string()))?;
        Ok(Plain {
            producer: Producer::start(settings, None)?,
            committer,
            is_committing: false,
            news: None,
            call_timeout: settings.call_timeout,
        })
    }

    /// Takes errors and logs that wait.
    pub(super) fn serve(&self) {
        self.producer.serve();
    }

    pub(super) fn produce(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        self.producer.produce(outputs, self.call_timeout)
    }

    /// Waits for the outputs, then begins to commit these offsets, unless a commit is under way.
    pub(super) fn begin_commit(
        &mut self,
        progress: &BTreeMap<StreamPartition, Progress>,
        consumer: &Consumer,
    ) -> Result<(), LogError> {
        self.hear()?;
        if self.is_committing || self.news.is_some() {
            return Ok(());
        }
        self.producer.flush(self.call_timeout)?;
        if let Some(fatal) = self.producer.fatal() {
            return Err(fatal);
        }
        if let Some(failure) = self.producer.take_failure() {
            self.news = Some(Settled::Aborted(failure));
            return Ok(());
        }
        if progress.is_empty() {
            self.news = Some(Settled::Committed);
            return Ok(());
        }
        if !GroupMetadata::of(consumer.handle()).is_some_and(|group| group.is_of_member()) {
            return Err(LogError::Unavailable(consumer.explain("not a member of the group: nothing is committed")));
        }
        self.committer.give(consumer.offer(progress)).map_err(thread_is_gone)?;
        self.is_committing = true;
        Ok(())
    }

    /// How a commit ended, once.
    pub(super) fn settled(&mut self) -> Result<Option<Settled>, LogError> {
        self.hear()?;
        Ok(self.news.take())
    }

    /// What has left cannot be called back: it comes again, which is what "at least once" says.
    pub(super) fn abort(&mut self) -> Result<(), LogError> {
        // First: whoever joins again meanwhile must not commit what it took as another member.
        if self.is_committing {
            match self.committer.wait(self.call_timeout) {
                Ok(Some(_)) => self.is_committing = false,
                Ok(None) => return Err(LogError::Unavailable("a commit is still under way".to_owned())),
                Err(ended) => return Err(thread_is_gone(ended)),
            }
        }
        self.producer.purge();
        self.producer.flush(self.call_timeout)?;
        self.producer.take_failure();
        self.news = None;
        Ok(())
    }

    fn hear(&mut self) -> Result<(), LogError> {
        if let Some(settled) = self.committer.told().map_err(thread_is_gone)? {
            self.is_committing = false;
            self.news = Some(settled);
        }
        Ok(())
    }
}

pub(super) const THREAD_IS_GONE: &str = "the committing thread has ended";

pub(super) fn thread_is_gone(_: Ended) -> LogError {
    LogError::Fatal(THREAD_IS_GONE.to_owned())
}
