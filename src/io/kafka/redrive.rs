//! Records written back into partitions of their own choice, in one transaction with the offsets that say so.

use super::client;
use super::context::Events;
use super::producer::Producer;
use super::settings::KafkaSettings;
use crate::core::record::Record;
use anyhow::anyhow;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// How far each group has come: by its name, the next offset of each partition.
pub type Progress = BTreeMap<String, BTreeMap<i32, i64>>;

/// Writes records back, and remembers what was written. Of two with one transactional id, the later one stops the
/// earlier: nothing is written twice.
pub struct Redriver {
    producer: Producer,
    settings: KafkaSettings,
    topic: String,
    partitions: i32,
    groups: BTreeMap<String, Group>,
}

/// A group that nobody is a member of: a place for offsets.
struct Group {
    client: Arc<BaseConsumer<Events>>,
    next: BTreeMap<i32, i64>,
}

/// A commit waits for the brokers at most so long.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(60);

impl Redriver {
    /// Takes the transactional id over and ends what another left open under it. Offsets are of `topic`.
    pub fn start(settings: KafkaSettings, topic: &str, partitions: i32) -> anyhow::Result<Redriver> {
        let redriver = Redriver::look(settings, topic, partitions)?;
        let taken = redriver.producer.client().init_transactions(COMMIT_TIMEOUT);
        taken.map_err(|error| redriver.failed("taking over the transactional id", error))?;
        Ok(redriver)
    }

    /// One that stops nobody, and can send nothing.
    pub fn look(settings: KafkaSettings, topic: &str, partitions: i32) -> anyhow::Result<Redriver> {
        let producer = Producer::start(&settings, Some(&settings.transactional_id))?;
        Ok(Redriver { producer, settings, topic: topic.to_owned(), partitions, groups: BTreeMap::new() })
    }

    /// The first offset of a partition that a group has not done.
    pub fn next(&mut self, group: &str, partition: i32) -> anyhow::Result<i64> {
        Ok(self.group(group)?.next.get(&partition).copied().unwrap_or(0))
    }

    fn group(&mut self, name: &str) -> anyhow::Result<&mut Group> {
        let group = match self.groups.entry(name.to_owned()) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(Group::read(&self.settings, name, &self.topic, self.partitions)?),
        };
        Ok(group)
    }

    /// Writes records into these topics and partitions, in order, and how far the groups have come: all or nothing.
    pub fn send(&mut self, records: &[(&str, i32, &Record)], done: &Progress) -> anyhow::Result<()> {
        self.producer.client().begin_transaction()?;
        if let Err(error) = self.try_send(records, done) {
            // Not even an abort may get through: then the brokers end the transaction after its time-out.
            let _ = self.producer.client().abort_transaction(COMMIT_TIMEOUT);
            return Err(error);
        }
        for (name, offsets) in done {
            self.group(name)?.next.extend(offsets);
        }
        Ok(())
    }

    fn try_send(&mut self, records: &[(&str, i32, &Record)], done: &Progress) -> anyhow::Result<()> {
        for (topic, partition, record) in records {
            let headers = record.headers.iter().fold(OwnedHeaders::new_with_capacity(8), |headers, header| {
                headers.insert(Header { key: &header.name, value: header.value.as_deref() })
            });
            let mut message = BaseRecord::<[u8], [u8]>::to(topic).partition(*partition).headers(headers);
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            message.timestamp = Some(record.timestamp.as_millis()).filter(|ms| *ms >= 0);
            let written = self.producer.send(message, COMMIT_TIMEOUT);
            written
                .map_err(|error| self.failed(&format!("writing to partition {partition} of topic {topic}"), error))?;
        }
        for (name, offsets) in done {
            let mut list = TopicPartitionList::with_capacity(offsets.len());
            for (partition, offset) in offsets {
                list.add_partition_offset(&self.topic, *partition, Offset::Offset(*offset))?;
            }
            let topic = &self.topic;
            let group = self.groups.get(name).and_then(|group| group.client.group_metadata());
            let group = group.ok_or_else(|| anyhow!("group {name} has no place for offsets of {topic}"))?;
            let sent = self.producer.client().send_offsets_to_transaction(&list, &group, COMMIT_TIMEOUT);
            sent.map_err(|error| self.failed(&format!("remembering in group {name}"), error))?;
        }
        let committed = self.producer.client().commit_transaction(COMMIT_TIMEOUT);
        committed.map_err(|error| self.failed("committing", error))
    }

    /// With what the client knows of the cause: a time-out or an aborted transaction alone names none.
    fn failed(&self, what: &str, error: impl Display) -> anyhow::Error {
        let why = self.producer.take_failure().map_or_else(String::new, |failure| format!(" ({failure})"));
        anyhow!("{}{why}", self.producer.explain(&format!("{what}: {error}")))
    }
}

impl Group {
    fn read(settings: &KafkaSettings, name: &str, topic: &str, partitions: i32) -> anyhow::Result<Group> {
        let settings = KafkaSettings { group_id: name.to_owned(), instance: None, ..settings.clone() };
        let client: Arc<BaseConsumer<Events>> = client::start(&settings.consumer_config()?, Events::alone("redrive"))?;
        let unread = |error: &dyn Display| {
            anyhow!(client::explain(&client, &format!("reading what group {name} remembers: {error}")))
        };
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition(topic, partition);
        }
        let committed = client.committed_offsets(list, settings.call_timeout).map_err(|error| unread(&error))?;
        let mut next = BTreeMap::new();
        for element in committed.elements() {
            element.error().map_err(|error| unread(&error))?;
            if let Offset::Offset(offset) = element.offset() {
                next.insert(element.partition(), offset);
            }
        }
        Ok(Group { client, next })
    }
}
