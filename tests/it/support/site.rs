//! A place to test in: topics and keys of its own on a Kafka and a Redis.

use super::collect::Collector;
use super::wait_longer;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, ToBytes};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub const BUSINESS: &str = "106540352242922";
pub const INBOUND: &str = "inbound-message";
pub const INTENTS: &str = "outbound-intent";
pub const SEND: &str = "session-send";
pub const TEMPLATE: &str = "template-required";
pub const EVENT: &str = "window-event";
pub const DEAD: &str = "dead-letter";
pub const TOPICS: [&str; 6] = [INBOUND, INTENTS, SEND, TEMPLATE, EVENT, DEAD];

/// A record as a consumer sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Seen {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(self.value.as_deref().unwrap_or_default()).expect("an output is JSON")
    }

    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

/// Topics, a consumer group and a key prefix that nobody else uses.
pub struct Site {
    pub brokers: String,
    pub redis_url: String,
    /// Stands before every topic's name and every Redis key.
    pub prefix: String,
    producer: BaseProducer,
}

static SITES: AtomicU32 = AtomicU32::new(0);

impl Site {
    /// On the services that `make test` starts.
    pub fn new(name: &str, partitions: i32) -> Site {
        let brokers = super::variable("SESSIONGATE_TEST_BROKERS");
        let redis_url = super::variable("SESSIONGATE_TEST_REDIS_URL");
        Site::on(&brokers, &redis_url, name, partitions)
    }

    /// On those services.
    pub fn on(brokers: &str, redis_url: &str, name: &str, partitions: i32) -> Site {
        let site = Site::bare(brokers, redis_url, name);
        site.create_topics(partitions);
        site
    }

    /// On the services that `make test` starts, before any topic was created.
    pub fn without_topics(name: &str) -> Site {
        let brokers = super::variable("SESSIONGATE_TEST_BROKERS");
        let redis_url = super::variable("SESSIONGATE_TEST_REDIS_URL");
        Site::bare(&brokers, &redis_url, name)
    }

    fn bare(brokers: &str, redis_url: &str, name: &str) -> Site {
        let number = SITES.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{name}-{}-{number}.", std::process::id());
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("partitioner", "murmur2_random").set("linger.ms", "1");
        config.set("queue.buffering.max.messages", "2000000").set("queue.buffering.max.kbytes", "1048576");
        let producer = config.create().unwrap();
        Site { brokers: brokers.into(), redis_url: redis_url.into(), prefix, producer }
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn create_topics(&self, partitions: i32) {
        TOPICS.iter().for_each(|name| self.create_topic(name, partitions, &[]));
    }

    /// Creates one of the topics with these settings.
    pub fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let name = self.topic(name);
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (setting, value)| topic.set(setting, value));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for created in runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap() {
            created.unwrap();
        }
    }

    /// Writes a record; it is on its way when this returns, and there after `flush`.
    pub fn write(&self, topic: &str, key: Option<&str>, value: &[u8], headers: &[(&str, &str)]) {
        let topic = self.topic(topic);
        let mut all = OwnedHeaders::new();
        for (name, value) in headers {
            all = all.insert(Header { key: name, value: Some(*value) });
        }
        let mut record = BaseRecord::<str, [u8]>::to(&topic).payload(value).headers(all);
        if let Some(key) = key {
            record = record.key(key);
        }
        self.send(record);
    }

    /// Hands a record to the producer, and waits while its queue is full.
    pub fn send<K: ToBytes + ?Sized>(&self, mut record: BaseRecord<'_, K, [u8]>) {
        while let Err((error, back)) = self.producer.send(record) {
            assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
            record = back;
            self.producer.poll(Duration::from_millis(5));
        }
        self.producer.poll(Duration::ZERO);
    }

    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(60)).unwrap();
    }

    /// Everything committed in a topic, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<Seen> {
        let mut seen = Vec::new();
        self.read_each(topic, |record| seen.push(record));
        seen
    }

    /// The same, one at a time: for more than should be kept.
    pub fn read_each(&self, topic: &str, mut take: impl FnMut(Seen)) {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", format!("{}reader", self.prefix))
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut collector = Collector::of(&self.prefix, topic);
        let topic = self.topic(topic);
        let mut left = self.assign_all(&consumer, &topic);
        let end = Instant::now() + Duration::from_secs(120);
        while left > 0 {
            assert!(Instant::now() < end, "{topic} could not be read to its end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let seen = see(&message);
                    collector.take(&seen);
                    take(seen);
                }
                Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
                // A busy broker may drop a connection; the client makes a new one.
                Some(Err(KafkaError::MessageConsumption(
                    RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
                ))) => {}
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => {}
            }
        }
    }

    fn assign_all(&self, consumer: &BaseConsumer, topic: &str) -> usize {
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30)).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        list.count()
    }

    /// How many records a topic holds, markers and aborted ones included.
    pub fn end(&self, topic: &str) -> i64 {
        let consumer: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let topic = self.topic(topic);
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(30)).unwrap();
        let partitions = metadata.topics()[0].partitions().iter();
        let ends = partitions.map(|p| consumer.fetch_watermarks(&topic, p.id(), Duration::from_secs(30)).unwrap().1);
        ends.sum()
    }

    /// How far the worker's group has committed in a topic.
    pub fn committed(&self, topic: &str) -> i64 {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).set("group.id", self.group()).create().unwrap();
        let topic = self.topic(topic);
        let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(30)).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition(&topic, partition.id());
        }
        let Ok(committed) = consumer.committed_offsets(list, Duration::from_secs(30)) else { return 0 };
        committed.elements().iter().filter_map(|e| e.offset().to_raw()).filter(|offset| *offset > 0).sum()
    }

    /// Waits until the worker has committed everything that was written to both inputs.
    pub fn wait_for_worker(&self, at_most: Duration) {
        let (inbound, intents) = (self.end(INBOUND), self.end(INTENTS));
        wait_longer("the worker to commit all of its input", at_most, || {
            self.committed(INTENTS) >= intents && self.committed(INBOUND) >= inbound
        });
    }

    pub fn group(&self) -> String {
        format!("{}worker", self.prefix)
    }

    pub fn redis(&self) -> redis::Connection {
        redis::Client::open(self.redis_url.as_str()).unwrap().get_connection().unwrap()
    }

    pub fn window_key(&self, customer: &str) -> String {
        format!("{}window:whatsapp:{BUSINESS}:{customer}", self.prefix)
    }

    pub fn frontier_key(&self, partition: i32) -> String {
        format!("{}frontier:{}:{partition}", self.prefix, self.topic(INBOUND))
    }

    /// What a worker needs to know to work here.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        let mut set = |name: &str, value: &str| environment.insert(format!("SESSIONGATE_{name}"), value.to_owned());
        set("KAFKA_BROKERS", &self.brokers);
        set("KAFKA_GROUP_ID", &self.group());
        set("REDIS_URL", &self.redis_url);
        set("REDIS_KEY_PREFIX", &self.prefix);
        set("ADMIN_LISTEN", "127.0.0.1:0");
        for topic in TOPICS {
            set(&format!("TOPICS_{}", topic.to_uppercase().replace('-', "_")), &self.topic(topic));
        }
        environment
    }
}

fn see(message: &rdkafka::message::BorrowedMessage<'_>) -> Seen {
    let headers = message.headers().map(|headers| {
        let pairs = headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec()));
        pairs.collect()
    });
    Seen {
        partition: message.partition(),
        offset: message.offset(),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
    }
}
