//! Readers of the topics that are beside the shards' work: a group that hands records over at least once, and one
//! process that follows a whole topic by itself.

use super::client;
use super::context::{Events, is_fatal, is_outage};
use super::producer::Producer;
use super::settings::{KafkaSettings, SettingsError};
use crate::core::ids::{Offset, Partition};
use crate::core::record::{Header, Record, Stream};
use crate::core::time::Timestamp;
use crate::ports::{LogError, OutputRecord};
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a followed topic is asked for new partitions.
const LOOK_EVERY: Duration = Duration::from_secs(30);

type Client = BaseConsumer<Events>;

fn reader(settings: &KafkaSettings, name: &'static str) -> Result<Arc<Client>, SettingsError> {
    // Members come and go with their processes: a static one would have to be told from the shards' own.
    let settings =
        KafkaSettings { group_id: format!("{}-{name}", settings.group_id), instance: None, ..settings.clone() };
    let mut config = settings.consumer_config()?;
    config.set("auto.offset.reset", "earliest");
    // Nothing hurries here, and an answer with records is never held back.
    for (name, value) in [("fetch.wait.max.ms", "500"), ("queued.max.messages.kbytes", "8192")] {
        if !settings.consumer.contains_key(name) {
            config.set(name, value);
        }
    }
    client::start(&config, Events::alone(name))
}

/// What a poll of a client said.
enum Heard {
    Record(String, Box<Record>),
    End(i32),
    Nothing,
}

fn hear(client: &Client, wait: Duration) -> Result<Heard, LogError> {
    match client.poll(wait) {
        None => Ok(Heard::Nothing),
        Some(Ok(message)) => Ok(Heard::Record(message.topic().to_owned(), Box::new(record(&message)))),
        Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Heard::End(partition)),
        Some(Err(KafkaError::MessageConsumption(code))) if is_fatal(code) => Err(LogError::Fatal(code.to_string())),
        Some(Err(KafkaError::MessageConsumptionFatal(code))) => Err(LogError::Fatal(code.to_string())),
        Some(Err(KafkaError::MessageConsumption(code))) if is_outage(code) => {
            Err(LogError::Unavailable(client.context().reports.explain(&code.to_string())))
        }
        // Whatever passes by itself is in the log of the client.
        Some(Err(error)) => {
            tracing::debug!("{error}");
            Ok(Heard::Nothing)
        }
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        let header = |header: rdkafka::message::Header<'_, &[u8]>| Header {
            name: header.key.into(),
            value: header.value.map(Bytes::copy_from_slice),
        };
        headers.iter().map(header).collect()
    });
    Record {
        stream: Stream::Inbound,
        partition: Partition(message.partition()),
        offset: Offset(message.offset()),
        timestamp: Timestamp::from_millis(message.timestamp().to_millis().unwrap_or(-1)),
        key: message.key().map(Bytes::copy_from_slice),
        value: message.payload().map(Bytes::copy_from_slice),
        headers: headers.unwrap_or_default(),
    }
}

/// Records of some topics, shared out within a group, and a place for what they lead to. Offsets are committed after
/// that, so that every record is handled at least once.
pub struct SharedReader {
    client: Arc<Client>,
    producer: Producer,
    call_timeout: Duration,
}

impl SharedReader {
    /// Joins the group `GROUP-NAME` (in the background; nothing is waited for).
    pub fn start(settings: &KafkaSettings, name: &'static str, topics: &[&str]) -> Result<SharedReader, SettingsError> {
        let client = reader(settings, name)?;
        client.subscribe(topics).map_err(|error| SettingsError::Refused(error.to_string()))?;
        let producer = Producer::start(settings, None)?;
        Ok(SharedReader { client, producer, call_timeout: settings.call_timeout })
    }

    /// Takes what is there, each record with its topic, waiting for the first of them at most so long.
    pub fn take(&mut self, most: usize, wait: Duration) -> Result<Vec<(String, Record)>, LogError> {
        self.producer.serve();
        let mut taken = Vec::new();
        let mut patience = wait;
        while taken.len() < most {
            match hear(&self.client, patience) {
                Ok(Heard::Record(topic, record)) => taken.push((topic, *record)),
                Ok(Heard::End(_)) => {}
                Ok(Heard::Nothing) => break,
                // What was taken would not come again.
                Err(_) if !taken.is_empty() => break,
                Err(error) => return Err(error),
            }
            patience = Duration::ZERO;
        }
        Ok(taken)
    }

    /// Writes records, and waits until each is acknowledged. After an error all of them may be written again.
    pub fn deliver(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        let delivered = self.try_deliver(outputs);
        if delivered.is_err() {
            self.producer.purge();
            self.producer.take_failure();
        }
        delivered
    }

    fn try_deliver(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        self.producer.produce(outputs, self.call_timeout)?;
        self.producer.flush(self.call_timeout)?;
        if let Some(fatal) = self.producer.fatal() {
            return Err(fatal);
        }
        self.producer.take_failure().map_or(Ok(()), |failure| Err(LogError::Unavailable(failure)))
    }

    /// Commits that these records are done. Partitions that went elsewhere meanwhile are handled again there.
    pub fn commit(&mut self, done: &[(String, Record)]) -> Result<(), LogError> {
        let mut next: BTreeMap<(&str, i32), i64> = BTreeMap::new();
        for (topic, record) in done {
            let next = next.entry((topic, record.partition.0)).or_default();
            *next = (*next).max(record.offset.next().0);
        }
        if next.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(next.len());
        for ((topic, partition), offset) in next {
            list.add_partition_offset(topic, partition, ListOffset::Offset(offset))
                .map_err(|error| LogError::Unavailable(error.to_string()))?;
        }
        match self.client.commit(&list, CommitMode::Sync) {
            Ok(()) => Ok(()),
            Err(KafkaError::ConsumerCommit(code)) if went_elsewhere(code) => {
                tracing::debug!("offsets were not taken: {code}");
                Ok(())
            }
            Err(error) => {
                let reports = &self.client.context().reports;
                Err(LogError::Unavailable(reports.explain(&format!("committing offsets: {error}"))))
            }
        }
    }
}

fn went_elsewhere(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::AssignmentLost
            | RDKafkaErrorCode::NoOffset
    )
}

/// The whole of a topic from its beginning, and what comes later, without a group.
pub struct WholeReader {
    client: Arc<Client>,
    topic: String,
    partitions: i32,
    /// Partitions whose end was reached once.
    read_once: BTreeSet<i32>,
    look_at: Instant,
    call_timeout: Duration,
}

impl WholeReader {
    /// Connects to nothing yet.
    pub fn start(settings: &KafkaSettings, name: &'static str, topic: &str) -> Result<WholeReader, SettingsError> {
        Ok(WholeReader {
            client: reader(settings, name)?,
            topic: topic.to_owned(),
            partitions: 0,
            read_once: BTreeSet::new(),
            look_at: Instant::now(),
            call_timeout: settings.call_timeout,
        })
    }

    /// The next record, if one comes in that time.
    pub fn take(&mut self, wait: Duration) -> Result<Option<Record>, LogError> {
        if Instant::now() >= self.look_at {
            self.look_for_partitions()?;
            self.look_at = Instant::now() + LOOK_EVERY;
        }
        match hear(&self.client, wait)? {
            Heard::Record(_, record) => Ok(Some(*record)),
            Heard::End(partition) => {
                self.read_once.insert(partition);
                Ok(None)
            }
            Heard::Nothing => Ok(None),
        }
    }

    /// Whether every partition was read to its end once.
    pub fn has_read_all(&self) -> bool {
        self.partitions > 0 && (0..self.partitions).all(|partition| self.read_once.contains(&partition))
    }

    fn look_for_partitions(&mut self) -> Result<(), LogError> {
        let unavailable = |text: &str| LogError::Unavailable(self.client.context().reports.explain(text));
        let metadata = self.client.fetch_metadata(Some(&self.topic), self.call_timeout);
        let metadata = metadata.map_err(|error| unavailable(&error.to_string()))?;
        let described = metadata.topics().iter().find(|topic| topic.name() == self.topic);
        let count = described.filter(|topic| topic.error().is_none()).map_or(0, |topic| topic.partitions().len());
        if count == 0 {
            return Err(unavailable(&format!(
                "topic {} does not exist; create it: sessiongate topics create",
                self.topic
            )));
        }
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        let mut added = TopicPartitionList::new();
        for partition in self.partitions..count {
            added
                .add_partition_offset(&self.topic, partition, ListOffset::Beginning)
                .map_err(|error| unavailable(&error.to_string()))?;
        }
        if added.count() > 0 {
            self.client.incremental_assign(&added).map_err(|error| unavailable(&error.to_string()))?;
            self.partitions = count;
        }
        Ok(())
    }
}

/// The record at that place; none when there is none, or it was never committed.
pub fn read_at(
    settings: &KafkaSettings,
    topic: &str,
    partition: i32,
    offset: i64,
    patience: Duration,
) -> Result<Option<Record>, LogError> {
    let unavailable = |text: String| LogError::Unavailable(text);
    let client = reader(settings, "look").map_err(|error| unavailable(error.to_string()))?;
    let end = Instant::now() + patience;
    let metadata = client.fetch_metadata(Some(topic), patience);
    let metadata =
        metadata.map_err(|error| unavailable(client.context().reports.explain(&format!("topic {topic}: {error}"))))?;
    let partitions = metadata.topics().iter().map(|known| known.partitions().len()).sum::<usize>();
    if usize::try_from(partition).map_or(true, |number| number >= partitions) {
        return Err(unavailable(match partitions {
            0 => format!("there is no topic {topic}"),
            _ => format!("topic {topic} has the partitions 0 to {}", partitions - 1),
        }));
    }
    let mut place = TopicPartitionList::new();
    place
        .add_partition_offset(topic, partition, ListOffset::Offset(offset))
        .and_then(|()| client.assign(&place))
        .map_err(|error| unavailable(error.to_string()))?;
    while Instant::now() < end {
        match hear(&client, Duration::from_millis(250)) {
            // A place that is gone or unused leads to the next record that is there.
            Ok(Heard::Record(_, record)) => return Ok(Some(*record).filter(|record| record.offset.0 == offset)),
            Ok(Heard::End(_)) => return Ok(None),
            Ok(Heard::Nothing) | Err(LogError::Unavailable(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(unavailable(client.context().reports.explain(&format!("topic {topic}: no answer within {patience:?}"))))
}
