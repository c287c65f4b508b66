//! The consumer of both streams: messages on two queues of our own, rebalances on the consumer's.

use super::client;
use super::context::ConsumerEvents;
use super::cursors::Cursors;
use super::settings::{KafkaSettings, SettingsError, Topics};
use super::shelf::Shelf;
use super::sorting::sort;
use super::sys::{GroupMetadata, Handle, Queue, WakeUp};
use super::words::Words;
use crate::core::ids::{Offset, TopicId};
use crate::core::record::{Stream, StreamPartition};
use crate::ports::{Assignment, CursorStart, LogError, PollRequest, Polled, Progress};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList, TopicPartitionListElem};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A poll takes so much of each stream, and what lay in the same chunk: large records are fewer, so that a turn's memory
/// stays as it is.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// The consumer of one shard.
pub(super) struct Consumer {
    // Queues before the client: they are given back while it still lives.
    inbound: Queue,
    intents: Queue,
    events: Queue,
    wake_up: Arc<WakeUp>,
    handle: Handle,
    base: Arc<BaseConsumer<ConsumerEvents>>,
    topics: Topics,
    /// The topics' ids, as they were when cursors were last placed: of inbound and of intents.
    topic_ids: [Option<TopicId>; 2],
    cursors: Cursors,
    /// For what is remembered of either stream.
    inbound_shelf: Shelf,
    intent_shelf: Shelf,
    /// What a message's place in a queue said, to be told at the next poll: records taken with it come first.
    failed: Option<LogError>,
    /// An assignment was told, and neither taken up nor given back since.
    is_asked: bool,
    call_timeout: Duration,
}

impl Consumer {
    /// Joins the group (in the background; nothing is waited for).
    pub(super) fn start(settings: &KafkaSettings) -> Result<Consumer, SettingsError> {
        let refused = |error: &dyn std::fmt::Display| SettingsError::Refused(error.to_string());
        let events = ConsumerEvents::new(settings.topics.clone());
        let base: Arc<BaseConsumer<ConsumerEvents>> = client::start(&settings.consumer_config()?, events)?;
        let handle: Handle = base.clone();
        let wake_up = WakeUp::new().map_err(|error| refused(&error))?;
        let (mut inbound, mut intents) = (Queue::new(&handle), Queue::new(&handle));
        let mut events = Queue::of_consumer(&handle).ok_or_else(|| refused(&"the consumer has no group"))?;
        for queue in [&mut inbound, &mut intents, &mut events] {
            queue.watch(&wake_up);
        }
        base.subscribe(&[&settings.topics.inbound, &settings.topics.intent]).map_err(|error| refused(&error))?;
        Ok(Consumer {
            inbound,
            intents,
            events,
            wake_up,
            handle,
            base,
            topics: settings.topics.clone(),
            topic_ids: [None, None],
            cursors: Cursors::default(),
            inbound_shelf: Shelf::default(),
            intent_shelf: Shelf::default(),
            failed: None,
            is_asked: false,
            call_timeout: settings.call_timeout,
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What ends a wait.
    pub(super) fn wake_up(&self) -> &Arc<WakeUp> {
        &self.wake_up
    }

    pub(super) fn client(&self) -> &Arc<BaseConsumer<ConsumerEvents>> {
        &self.base
    }

    /// Adds what the client last complained of.
    pub(super) fn explain(&self, what: &str) -> String {
        self.base.context().reports.explain(what)
    }

    /// The topic of a stream.
    pub(super) fn topic(&self, stream: Stream) -> &str {
        match stream {
            Stream::Inbound => &self.topics.inbound,
            Stream::Intent => &self.topics.intent,
        }
    }

    /// From now on cursors, and the offsets that are committed, are of the topics with these ids.
    pub(super) fn reads(&mut self, ids: [&TopicId; 2]) {
        self.topic_ids = ids.map(|id| Some(id.clone()).filter(|id| !id.is_unknown()));
    }

    /// The topic that offsets of a stream are committed for.
    fn topic_id(&self, stream: Stream) -> Option<&TopicId> {
        let [inbound, intents] = &self.topic_ids;
        match stream {
            Stream::Inbound => inbound.as_ref(),
            Stream::Intent => intents.as_ref(),
        }
    }

    /// Takes what is there, without waiting: a change of the assignment alone, or else records and reports.
    pub(super) fn take(&mut self, request: &PollRequest, polled: &mut Polled) -> Result<(), LogError> {
        self.wake_up.clear();
        if let Some(failed) = self.failed.take() {
            return Err(failed);
        }
        self.serve_events()?;
        polled.assignment = self.next_assignment()?;
        if polled.assignment.is_some() {
            return Ok(());
        }
        for (stream, max) in [(Stream::Inbound, request.max_inbound), (Stream::Intent, request.max_intents)] {
            let (cursors, failed) = (&mut self.cursors, &mut self.failed);
            let (queue, shelf) = match stream {
                Stream::Inbound => (&self.inbound, &mut self.inbound_shelf),
                Stream::Intent => (&self.intents, &mut self.intent_shelf),
            };
            let mut bytes = 0;
            queue.take(max, |message| {
                bytes += message.value().map_or(0, <[u8]>::len);
                if let Err(error) = sort(stream, &message, cursors, shelf, polled) {
                    failed.get_or_insert(error);
                }
                bytes < MOST_BYTES
            });
            polled.is_cut |= bytes >= MOST_BYTES;
        }
        Ok(())
    }

    /// The next change of the assignment.
    ///
    /// While librdkafka waits for the answer to an assignment it says nothing of a membership that ends meanwhile, and
    /// joins again only once it was answered.
    fn next_assignment(&mut self) -> Result<Option<Assignment>, LogError> {
        let told = self.base.context().take_assignment();
        if let Some(change) = &told {
            self.is_asked = matches!(change, Assignment::Assigned(_));
        } else if self.is_asked && !self.is_member() {
            self.release()?;
            return Ok(Some(Assignment::Lost));
        }
        Ok(told)
    }

    fn is_member(&self) -> bool {
        GroupMetadata::of(&self.handle).is_some_and(|group| group.is_of_member())
    }

    /// Waits until something arrives, at most so long.
    pub(super) fn wait(&self, at_most: Duration) {
        self.wake_up.wait(at_most);
    }

    /// Serves rebalances, errors and logs. No message comes this way: partitions are forwarded before they are
    /// assigned.
    fn serve_events(&self) -> Result<(), LogError> {
        loop {
            if let Some(Ok(_)) = self.base.poll(Duration::ZERO) {
                return Err(LogError::Fatal("a message came past its partition's queue".to_owned()));
            }
            let context = self.base.context();
            if context.has_assignment() || self.events.len() == 0 {
                return context.reports.take_trouble().map_or(Ok(()), Err);
            }
        }
    }

    /// Starts fetching at these offsets, and nothing else.
    pub(super) fn assign(&mut self, starts: &[CursorStart]) -> Result<(), LogError> {
        self.cursors.clear();
        for start in starts {
            self.cursors.place(start);
        }
        self.apply_assignment()?;
        self.is_asked = false;
        Ok(())
    }

    /// Stops fetching altogether.
    pub(super) fn release(&mut self) -> Result<(), LogError> {
        let paused: Vec<StreamPartition> = self.cursors.paused().iter().copied().collect();
        if !paused.is_empty() {
            // A pause outlives an assignment: the next owner of the partition may be this very client.
            self.base.resume(&self.list(&paused)).map_err(|error| self.unavailable("resuming", &error))?;
        }
        self.cursors.clear();
        if self.is_asked {
            // Giving back is no answer to an assignment, taking up nothing is.
            let nothing = TopicPartitionList::new();
            self.base.assign(&nothing).map_err(|error| self.unavailable("taking up nothing", &error))?;
            self.is_asked = false;
            return Ok(());
        }
        self.base.unassign().map_err(|error| self.unavailable("giving partitions back", &error))
    }

    /// Moves cursors.
    ///
    /// A seek raises the partition's version before it is queued, so that from this call on nothing that was fetched
    /// before comes out of `Queue::take`.
    pub(super) fn seek(&mut self, starts: &[CursorStart]) -> Result<(), LogError> {
        let mut must_assign = false;
        let mut list = TopicPartitionList::with_capacity(starts.len());
        for start in starts {
            let stream = start.partition.stream;
            match self.cursors.get_mut(stream, start.partition.partition.0) {
                None => return Err(LogError::Fatal(format!("{:?} is not assigned", start.partition))),
                Some(cursor) => must_assign |= cursor.stopped,
            }
            self.cursors.place(start);
            self.add(&mut list, start.partition, start.offset);
        }
        if starts.is_empty() {
            return Ok(());
        }
        if must_assign {
            return self.apply_assignment();
        }
        let sought = self
            .base
            .seek_partitions(list, self.call_timeout)
            .map_err(|error| LogError::Unavailable(self.explain(&format!("moving cursors: {error}"))))?;
        if sought.elements().iter().any(|element| element.error().is_err()) {
            // librdkafka seeks only where it fetches already; a fresh assignment always works.
            return self.apply_assignment();
        }
        Ok(())
    }

    /// Stops fetching these partitions and lets the others go on where they were.
    pub(super) fn set_paused(&mut self, paused: &[StreamPartition]) -> Result<(), LogError> {
        let wanted: BTreeSet<StreamPartition> = paused
            .iter()
            .copied()
            .filter(|partition| self.cursors.get_mut(partition.stream, partition.partition.0).is_some())
            .collect();
        let stop: Vec<StreamPartition> = wanted.difference(self.cursors.paused()).copied().collect();
        let go: Vec<StreamPartition> = self.cursors.paused().difference(&wanted).copied().collect();
        if !stop.is_empty() {
            self.base.pause(&self.list(&stop)).map_err(|error| self.unavailable("pausing", &error))?;
        }
        self.cursors.set_paused(wanted.iter().chain(&go).copied().collect());
        if !go.is_empty() {
            // Pausing throws away what was fetched, and librdkafka would go on after the last event it handed out:
            // one too far, when that was the end of the partition. Our own next offset is the right one.
            let starts: Vec<CursorStart> = go.iter().filter_map(|partition| self.start_again(*partition)).collect();
            self.seek(&starts)?;
            self.base.resume(&self.list(&go)).map_err(|error| self.unavailable("resuming", &error))?;
        }
        self.cursors.set_paused(wanted);
        Ok(())
    }

    fn start_again(&mut self, partition: StreamPartition) -> Option<CursorStart> {
        let cursor = self.cursors.get_mut(partition.stream, partition.partition.0)?;
        Some(CursorStart { partition, offset: cursor.next, epoch: cursor.epoch })
    }

    /// Assigns all cursors where they stand. Everything fetched before is outdated by it.
    ///
    /// Forwarded before it is assigned, a partition's queue never leads to the consumer's own. But a partition that
    /// was being fetched is stopped first, in librdkafka's main thread, and that takes the forward away: it is set
    /// again once that thread has answered a later question.
    fn apply_assignment(&mut self) -> Result<(), LogError> {
        let places: Vec<(StreamPartition, Offset)> =
            self.cursors.all().map(|(partition, cursor)| (partition, cursor.next)).collect();
        let mut list = TopicPartitionList::with_capacity(places.len());
        for (partition, offset) in &places {
            self.add(&mut list, *partition, *offset);
        }
        self.forward(&places);
        self.base.assign(&list).map_err(|error| self.unavailable("assigning", &error))?;
        self.base.assignment().map_err(|error| self.unavailable("assigning", &error))?;
        self.forward(&places);
        for (partition, _) in &places {
            if let Some(cursor) = self.cursors.get_mut(partition.stream, partition.partition.0) {
                cursor.stopped = false;
            }
        }
        let paused: Vec<StreamPartition> = self.cursors.paused().iter().copied().collect();
        if !paused.is_empty() {
            self.base.pause(&self.list(&paused)).map_err(|error| self.unavailable("pausing", &error))?;
        }
        Ok(())
    }

    fn forward(&self, places: &[(StreamPartition, Offset)]) {
        for (partition, _) in places {
            let queue = match partition.stream {
                Stream::Inbound => &self.inbound,
                Stream::Intent => &self.intents,
            };
            queue.forward_partition(self.topic(partition.stream), partition.partition.0);
        }
    }

    fn list(&self, partitions: &[StreamPartition]) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition(self.topic(partition.stream), partition.partition.0);
        }
        list
    }

    fn add<'a>(
        &self,
        list: &'a mut TopicPartitionList,
        partition: StreamPartition,
        offset: Offset,
    ) -> TopicPartitionListElem<'a> {
        let mut element = list.add_partition(self.topic(partition.stream), partition.partition.0);
        // A number that is not negative is always a valid offset.
        let _ = element.set_offset(ListOffset::Offset(offset.0.max(0)));
        element
    }

    /// Offsets as they are committed: each with the id of its topic, so that they are not taken for another's.
    pub(super) fn offer(&self, progress: &BTreeMap<StreamPartition, Progress>) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(progress.len());
        for (partition, Progress { next, newest }) in progress {
            let mut element = self.add(&mut list, *partition, *next);
            if let Some(id) = self.topic_id(partition.stream) {
                element.set_metadata(Words::written(id, *newest));
            }
        }
        list
    }

    fn unavailable(&self, what: &str, error: &KafkaError) -> LogError {
        LogError::Unavailable(self.explain(&format!("{what}: {error}")))
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // The client leaves the group when it is dropped, and waits until its partitions are given back.
        self.base.context().start_closing();
        if let Err(error) = self.base.unassign() {
            tracing::debug!("partitions could not be given back while closing: {error}");
        }
    }
}
