//! The log port, on Kafka.

use super::consumer::Consumer;
use super::locate::{Locating, answer, ask, offset_of};
use super::output::Output;
use super::producer::Producer;
use super::settings::{HistorySource, KafkaSettings, SettingsError};
use super::sys::{OffsetSpec, PendingOffsets};
use super::topology::TopologyWatch;
use crate::core::frontier::Ends;
use crate::core::ids::Partition;
use crate::core::record::StreamPartition;
use crate::core::time::Timestamp;
use crate::ports::{CursorStart, Location, Log, LogError, OutputRecord, PollRequest, Polled, Progress, Waker};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// One shard's log.
pub struct KafkaLog {
    // The producer goes first: it aborts what is open while the consumer is still a member.
    output: Output,
    ends: Option<AskedEnds>,
    topology: TopologyWatch,
    /// Questions get a connection of their own: on the consumer's, an answer waits behind a fetch that the broker
    /// holds back.
    lookup: Producer,
    consumer: Consumer,
    /// Somebody asked for a wait to be ended.
    is_called: Arc<AtomicBool>,
    history: HistorySource,
    call_timeout: Duration,
}

/// High watermarks that were asked for.
struct AskedEnds {
    partitions: Vec<StreamPartition>,
    answer: Option<PendingOffsets>,
}

impl KafkaLog {
    /// Starts the clients. Nothing is waited for: brokers that are away show in the calls.
    pub fn start(settings: &KafkaSettings) -> Result<KafkaLog, SettingsError> {
        let consumer = Consumer::start(settings)?;
        Ok(KafkaLog {
            output: Output::start(settings, &consumer)?,
            ends: None,
            topology: TopologyWatch::new(settings),
            lookup: Producer::for_lookup(settings)?,
            consumer,
            is_called: Arc::default(),
            history: settings.history,
            call_timeout: settings.call_timeout,
        })
    }
}

impl Log for KafkaLog {
    fn waker(&self) -> Waker {
        let (is_called, wake_up) = (self.is_called.clone(), self.consumer.wake_up().clone());
        Arc::new(move || {
            is_called.store(true, Ordering::Release);
            wake_up.raise();
        })
    }

    fn poll(&mut self, request: PollRequest) -> Result<Polled, LogError> {
        let deadline = Instant::now() + request.wait;
        self.output.serve();
        self.lookup.serve();
        loop {
            let mut polled = Polled::default();
            self.consumer.take(&request, &mut polled)?;
            // Behind the consumer, whose trouble must not take the end of a commit along: nobody would hear of it again. And
            // behind the clearing of the wake-up: an end that comes from here on is not slept over.
            polled.settled = self.output.settled()?;
            // A topology that cannot be read must not take records along that were read.
            let tended = self.topology.tend(&self.lookup);
            polled.topology = self.topology.news();
            let left = deadline.saturating_duration_since(Instant::now());
            // Whoever calls from here on ends the wait below.
            if !is_empty(&polled) || self.is_called.swap(false, Ordering::Acquire) {
                return Ok(polled);
            }
            tended?;
            if left.is_zero() {
                return Ok(polled);
            }
            self.consumer.wait(left.min(self.topology.patience()));
        }
    }

    fn locate(&mut self, partitions: &[StreamPartition], since: Timestamp) -> Result<Location, LogError> {
        self.output.prepare()?;
        let known = self.topology.require(&self.lookup)?;
        self.consumer.reads([&known.inbound.topic_id, &known.intents_id]);
        let (consumer, lookup, history, call_timeout) = (&self.consumer, &self.lookup, self.history, self.call_timeout);
        Locating { consumer, lookup, known: &known, history, call_timeout }.locate(partitions, since)
    }

    fn assign(&mut self, starts: &[CursorStart]) -> Result<(), LogError> {
        self.consumer.assign(starts)
    }

    fn seek(&mut self, starts: &[CursorStart]) -> Result<(), LogError> {
        self.consumer.seek(starts)
    }

    fn release(&mut self) -> Result<(), LogError> {
        self.consumer.release()
    }

    fn set_paused(&mut self, paused: &[StreamPartition]) -> Result<(), LogError> {
        self.consumer.set_paused(paused)
    }

    fn request_ends(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        let partitions: Vec<StreamPartition> = partitions.iter().copied().map(StreamPartition::inbound).collect();
        self.topology.require_fresh(&self.lookup)?;
        let answer = ask(&self.consumer, &self.lookup, &partitions, OffsetSpec::Latest, self.call_timeout)?;
        self.ends = Some(AskedEnds { partitions, answer });
        Ok(())
    }

    fn take_ends(&mut self) -> Result<Ends, LogError> {
        let Some(AskedEnds { partitions, answer: pending }) = self.ends.take() else {
            return Err(LogError::Unavailable("no ends were asked for".to_owned()));
        };
        let Some(pending) = pending else { return Ok(Ends::default()) };
        let listed = answer(&self.consumer, &self.lookup, &pending, self.call_timeout)?;
        let ends = partitions.iter().map(|place| Ok((place.partition, offset_of(&listed, place)?)));
        ends.collect::<Result<_, _>>().map(Ends)
    }

    fn produce(&mut self, outputs: Vec<OutputRecord>) -> Result<(), LogError> {
        self.output.produce(&outputs)
    }

    fn begin_commit(&mut self, progress: &BTreeMap<StreamPartition, Progress>) -> Result<(), LogError> {
        self.output.begin_commit(progress, &self.consumer)
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.output.abort()
    }
}

fn is_empty(polled: &Polled) -> bool {
    let Polled { settled, assignment, records, is_cut: _, ends, out_of_range, topology } = polled;
    settled.is_none()
        && assignment.is_none()
        && records.is_empty()
        && ends.is_empty()
        && out_of_range.is_empty()
        && topology.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_may_be_moved_to_the_thread_of_its_shard() {
        fn may_be_moved<T: Send>() {}
        may_be_moved::<KafkaLog>();
    }
}
