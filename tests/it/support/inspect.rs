//! A site's topics made to measure, records as a test wants them, and what lies in Kafka and Redis afterwards.

use super::site::{BUSINESS, DEAD, EVENT, INBOUND, INTENTS, SEND, Seen, Site, TEMPLATE, TOPICS};
use super::wait_until;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;
use rdkafka::topic_partition_list::TopicPartitionList;
use sessiongate::core::frontier::Stored;
use sessiongate::core::window::Window;
use sessiongate::io::redis::text::decode_window;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// A record to be written.
#[derive(Clone, Default, Debug)]
pub struct Writing {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp_ms: Option<i64>,
}

/// A window as it lies in Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    pub opened_at_ms: i64,
    pub last_inbound_at_ms: i64,
    /// When its key ends (PEXPIRETIME).
    pub ends_at_ms: i64,
    pub partition: i32,
    pub offset: i64,
}

impl Site {
    /// A site whose topics have these settings besides (`(topic, setting, value)`).
    pub fn with_settings(name: &str, partitions: i32, settings: &[(&str, &str, &str)]) -> Site {
        let site = Site::without_topics(name);
        for topic in TOPICS {
            let own: Vec<_> = settings.iter().filter(|(of, ..)| *of == topic).map(|(_, key, to)| (*key, *to)).collect();
            site.create_topic(topic, partitions, &own);
        }
        site
    }

    /// Writes a record as it is given; it is on its way when this returns, and there after `flush`.
    pub fn write_exactly(&self, topic: &str, writing: &Writing) {
        let topic = self.topic(topic);
        let headers = writing.headers.iter().fold(OwnedHeaders::new(), |headers, (name, value)| {
            headers.insert(Header { key: name, value: Some(value.as_slice()) })
        });
        let mut record = BaseRecord::<[u8], [u8]>::to(&topic).headers(headers);
        record.key = writing.key.as_deref();
        record.payload = writing.value.as_deref();
        record.timestamp = writing.timestamp_ms;
        self.send(record);
    }

    /// Waits until Redis holds every window of the inbound records that were written.
    pub fn wait_for_windows(&self) {
        let ends = self.ends(INBOUND);
        let mut redis = self.redis();
        wait_until("Redis to hold every window", || {
            ends.iter().all(|(partition, end)| {
                let key = self.frontier_key(*partition);
                let frontier: Option<String> = redis::cmd("GET").arg(key).query(&mut redis).unwrap();
                let next = frontier.and_then(|text| text.split(' ').nth(1)?.parse::<i64>().ok());
                next.is_some_and(|next| next >= *end)
            })
        });
    }

    /// Waits until no transaction of a killed worker holds readers of committed outputs back.
    pub fn wait_for_readers(&self) {
        wait_until("every output to be readable", || {
            [SEND, TEMPLATE, EVENT, DEAD].iter().all(|topic| self.end(topic) == self.ends(topic).values().sum::<i64>())
        });
    }

    /// The window of one customer.
    pub fn window(&self, customer: &str) -> Option<Kept> {
        let mut redis = self.redis();
        let key = self.window_key(customer);
        let value: Option<Vec<u8>> = redis::cmd("GET").arg(&key).query(&mut redis).unwrap();
        let Stored::Known(Window { last_inbound_at, opened_at, position }) = decode_window(value.as_deref()) else {
            assert_eq!(value, None, "{key} cannot be read");
            return None;
        };
        Some(Kept {
            opened_at_ms: opened_at.as_millis(),
            last_inbound_at_ms: last_inbound_at.as_millis(),
            ends_at_ms: redis::cmd("PEXPIRETIME").arg(&key).query(&mut redis).unwrap(),
            partition: position.partition.0,
            offset: position.offset.0,
        })
    }

    /// The customers that have a window of the business under test.
    pub fn customers_with_a_window(&self) -> BTreeSet<String> {
        let everyone = self.window_key("");
        let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{everyone}*")).query(&mut self.redis()).unwrap();
        keys.iter().filter_map(|key| key.strip_prefix(&everyone)).map(str::to_owned).collect()
    }

    /// Each partition's first offset that was not given out yet, for records of open transactions too.
    pub fn ends(&self, topic: &str) -> BTreeMap<i32, i64> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("isolation.level", "read_uncommitted")
            .create()
            .unwrap();
        let topic = self.topic(topic);
        let end = |partition| {
            let mut end = None;
            // A topic that was created just now has no leaders until the broker has heard of it.
            wait_until(&format!("partition {partition} of {topic} to have a leader"), || {
                end = consumer.fetch_watermarks(&topic, partition, PATIENCE).ok().map(|(_, end)| end);
                end.is_some()
            });
            (partition, end.unwrap())
        };
        partitions(&consumer, &topic).into_iter().map(end).collect()
    }

    /// How far the worker's group has committed in each partition; 0 where it has not.
    pub fn committed_by_partition(&self, topic: &str) -> BTreeMap<i32, i64> {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).set("group.id", self.group()).create().unwrap();
        let topic = self.topic(topic);
        let mut list = TopicPartitionList::new();
        for partition in partitions(&consumer, &topic) {
            list.add_partition(&topic, partition);
        }
        let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
        let offset = |offset: rdkafka::Offset| offset.to_raw().filter(|offset| *offset > 0).unwrap_or(0);
        committed.elements().iter().map(|element| (element.partition(), offset(element.offset()))).collect()
    }

    /// An inbound record, as JSON text with further fields or others than usual.
    pub fn say_exactly(&self, customer: &str, text: &str, timestamp_ms: Option<i64>) {
        let key = Some(format!("{BUSINESS}:{customer}").into_bytes());
        self.write_exactly(INBOUND, &Writing { key, value: Some(text.into()), timestamp_ms, ..Writing::default() });
    }

    /// An intent as JSON text.
    pub fn ask_exactly(&self, customer: &str, text: &str) {
        let key = Some(format!("{BUSINESS}:{customer}").into_bytes());
        self.write_exactly(INTENTS, &Writing { key, value: Some(text.into()), ..Writing::default() });
    }

    /// The one record of a topic that passes.
    pub fn read_one(&self, topic: &str, what: &str, is_it: impl Fn(&Seen) -> bool) -> Seen {
        let mut found: Vec<Seen> = self.read(topic).into_iter().filter(is_it).collect();
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        found.remove(0)
    }
}

fn partitions(consumer: &BaseConsumer, topic: &str) -> Vec<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    metadata.topics()[0].partitions().iter().map(|partition| partition.id()).collect()
}
