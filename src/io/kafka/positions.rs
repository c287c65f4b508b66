//! Where the inputs begin and end, and how far the group has come, for somebody who only looks on.

use super::client;
use super::context::Events;
use super::settings::KafkaSettings;
use super::sys::{Handle, NativeError, OffsetSpec, PendingOffsets, PendingTopics};
use super::topology::topic_id;
use crate::core::frontier::Ends;
use crate::core::ids::{Offset, Partition, TopicId};
use crate::core::time::Timestamp;
use anyhow::anyhow;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic as the brokers tell it. What they did not tell is in `problems`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicPositions {
    /// The topic's id.
    pub topic_id: TopicId,
    /// Its partitions in order.
    pub partitions: Vec<PartitionPosition>,
    /// What could not be read and why.
    pub problems: Vec<String>,
}

/// One partition; none where the brokers did not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartitionPosition {
    /// The partition.
    pub partition: Partition,
    /// The group's committed offset.
    pub committed: Option<Committed>,
    /// The first offset that is still there.
    pub low: Option<Offset>,
    /// The high watermark.
    pub high: Option<Offset>,
    /// The first offset whose record is not older than the time asked for; the high watermark if there is none.
    pub history: Option<Offset>,
}

/// How far a group has come in a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Committed {
    /// The next offset to be sent out.
    At(Offset),
    /// It never committed there, or its offset has expired.
    Nowhere,
}

/// A topic that exists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: TopicId,
    /// Its number of partitions, numbered from 0.
    pub partitions: i32,
}

/// A client of the group that never becomes a member, and changes nothing.
pub struct Onlooker {
    client: Arc<BaseConsumer<Events>>,
    handle: Handle,
    settings: KafkaSettings,
}

impl Onlooker {
    /// Connects to nothing yet.
    pub fn new(settings: &KafkaSettings) -> anyhow::Result<Onlooker> {
        // A static member's name is the worker's own.
        let settings = KafkaSettings { instance: None, ..settings.clone() };
        let mut config = settings.consumer_config()?;
        // A worker at full speed has offsets in an open transaction at almost any time: who waits for none to be in
        // one may wait for ever.
        config.set("isolation.level", "read_uncommitted");
        let client: Arc<BaseConsumer<Events>> = client::start(&config, Events::alone("consumer"))?;
        let handle: Handle = client.clone();
        Ok(Onlooker { client, handle, settings })
    }

    /// Looks topics up by name: an error when the brokers do not answer at all, else an entry for each, in order.
    pub fn topics(&self, names: &[&str]) -> anyhow::Result<Vec<anyhow::Result<Topic>>> {
        let described = PendingTopics::ask(&self.handle, names, self.settings.call_timeout)
            .map_err(|error| anyhow!("describing topics: {}", error.text))?
            .take(self.settings.call_timeout)
            .ok_or_else(|| anyhow!(self.explain("the brokers do not answer")))?
            .map_err(|error| anyhow!(self.explain(&format!("describing topics: {}", error.text))))?;
        let found = |name: &&str| {
            let topic = described.iter().find(|topic| topic.name == **name);
            let topic = topic.ok_or_else(|| anyhow!("topic {name}: no answer"))?;
            match topic.error {
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                    Err(anyhow!("topic {name} does not exist; create it: sessiongate topics create"))
                }
                Some(code) => Err(anyhow!("topic {name}: {code}")),
                None => Ok(Topic {
                    name: topic.name.clone(),
                    id: topic_id(topic.id.as_deref()),
                    partitions: topic.partitions,
                }),
            }
        };
        Ok(names.iter().map(found).collect())
    }

    /// Looks up how many partitions a topic of the embedded brokers has: they describe no topics.
    pub fn embedded_topic(&self, name: &str) -> anyhow::Result<Topic> {
        let metadata = self.client.fetch_metadata(Some(name), self.settings.call_timeout)?;
        let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        Ok(Topic { name: name.to_owned(), id: topic_id(None), partitions })
    }

    /// Reads the high watermarks of all partitions; an error when one of them cannot be read.
    pub fn ends(&self, topic: &Topic) -> anyhow::Result<Ends> {
        let (offsets, problems) = self.list(topic, OffsetSpec::Latest);
        match problems.into_iter().next() {
            Some(problem) => Err(anyhow!(problem)),
            None => Ok(Ends(offsets.into_iter().map(|(number, offset)| (Partition(number), Offset(offset))).collect())),
        }
    }

    /// Reads how far the group has come, where it has committed anything.
    pub fn committed_offsets(&self, topic: &Topic) -> anyhow::Result<BTreeMap<Partition, Offset>> {
        let at = |(number, committed)| match committed {
            Committed::At(offset) => Some((Partition(number), offset)),
            Committed::Nowhere => None,
        };
        Ok(self.committed(topic)?.into_iter().filter_map(at).collect())
    }

    /// Reads the topic's offsets; history begins at `since`.
    pub fn positions(&self, topic: &Topic, since: Timestamp) -> TopicPositions {
        let mut problems = Vec::new();
        let mut list = |spec| {
            let (offsets, unread) = self.list(topic, spec);
            problems.extend(unread);
            offsets
        };
        // Ends last: what the group has committed is then never seen ahead of them.
        let low = list(OffsetSpec::Earliest);
        let history = list(OffsetSpec::NotBefore(since.as_millis()));
        let committed = self.committed(topic);
        let high = list(OffsetSpec::Latest);
        let committed = committed.unwrap_or_else(|problem| {
            problems.push(problem.to_string());
            BTreeMap::new()
        });
        problems.dedup();
        let partitions = (0..topic.partitions).map(|number| {
            let at = |offsets: &BTreeMap<i32, i64>| offsets.get(&number).copied();
            let high = at(&high);
            PartitionPosition {
                partition: Partition(number),
                committed: committed.get(&number).copied(),
                low: at(&low).map(Offset),
                high: high.map(Offset),
                history: at(&history).and_then(|offset| if offset < 0 { high } else { Some(offset) }).map(Offset),
            }
        });
        let partitions = partitions.collect();
        TopicPositions { topic_id: topic.id.clone(), partitions, problems }
    }

    /// An offset of each partition that could be asked, and why others could not.
    fn list(&self, topic: &Topic, spec: OffsetSpec) -> (BTreeMap<i32, i64>, Vec<String>) {
        let unread = |why: &str| format!("listing offsets of topic {}: {why}", topic.name);
        let places: Vec<(&str, i32)> = (0..topic.partitions).map(|number| (topic.name.as_str(), number)).collect();
        let wait = self.settings.call_timeout;
        let answer = PendingOffsets::ask(&self.handle, &places, spec, wait).and_then(|asked| {
            let nothing = || NativeError::local(&self.explain("no answer in time"));
            asked.take(wait).ok_or_else(nothing)?
        });
        let listed = match answer {
            Ok(listed) => listed,
            Err(error) => return (BTreeMap::new(), vec![unread(&error.text)]),
        };
        let (mut offsets, mut problems) = (BTreeMap::new(), Vec::new());
        for entry in listed {
            match entry.error {
                Some(code) => problems.push(unread(&format!("partition {}: {code}", entry.partition))),
                None => drop(offsets.insert(entry.partition, entry.offset)),
            }
        }
        (offsets, problems)
    }

    fn committed(&self, topic: &Topic) -> anyhow::Result<BTreeMap<i32, Committed>> {
        let group = &self.settings.group_id;
        let mut list = TopicPartitionList::with_capacity(usize::try_from(topic.partitions).unwrap_or_default());
        for number in 0..topic.partitions {
            list.add_partition(&topic.name, number);
        }
        let answer = self.client.committed_offsets(list, self.settings.call_timeout);
        let answer = answer.map_err(|error| {
            anyhow!(self.explain(&format!("reading the offsets that group {group} committed: {error}")))
        })?;
        let mut committed = BTreeMap::new();
        for element in answer.elements() {
            let (name, number) = (&topic.name, element.partition());
            element.error().map_err(|error| {
                anyhow!("reading the offset that group {group} committed in {name}, partition {number}: {error}")
            })?;
            let at = match element.offset() {
                ListOffset::Offset(offset) => Committed::At(Offset(offset)),
                _ => Committed::Nowhere,
            };
            committed.insert(number, at);
        }
        Ok(committed)
    }

    /// Adds what the client last complained of.
    fn explain(&self, what: &str) -> String {
        client::explain(&self.client, what)
    }
}
