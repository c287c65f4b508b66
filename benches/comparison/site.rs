//! Topics, offsets and keys on the services that were started for the benchmark.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::time::Duration;

pub const PARTITIONS: i32 = 4;
/// An output is its intent and more: its topic takes more than the input's.
const MAX_OUTPUT_BYTES: &str = "2097152";
const PATIENCE: Duration = Duration::from_secs(60);

/// Where everything is.
pub struct Services {
    pub brokers: String,
    pub redis_url: String,
    pub kafka_pid: u32,
    pub redis_pid: u32,
    runtime: tokio::runtime::Runtime,
    admin: AdminClient<DefaultClientContext>,
}

impl Services {
    pub fn of_the_environment() -> Services {
        let variable = |name: &str| {
            crate::text(name)
                .unwrap_or_else(|| panic!("{name} is not set: run `make bench`, which starts the services"))
        };
        let brokers = variable("SESSIONGATE_TEST_BROKERS");
        let admin = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
        Services {
            redis_url: variable("SESSIONGATE_TEST_REDIS_URL"),
            kafka_pid: variable("SESSIONGATE_TEST_KAFKA_PID").parse().unwrap(),
            redis_pid: variable("SESSIONGATE_TEST_REDIS_PID").parse().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            brokers,
            admin,
        }
    }

    pub fn create_inputs(&self, names: &[String], partitions: i32) {
        self.create(names.iter().map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(1))).collect());
    }

    pub fn create_outputs(&self, names: &[String]) {
        let topic = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1));
        self.create(names.iter().map(|name| topic(name).set("max.message.bytes", MAX_OUTPUT_BYTES)).collect());
    }

    fn create(&self, topics: Vec<NewTopic<'_>>) {
        let created = self.runtime.block_on(self.admin.create_topics(&topics, &AdminOptions::new())).unwrap();
        created.into_iter().for_each(|topic| drop(topic.unwrap()));
    }

    pub fn delete_topics(&self, names: &[String]) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let deleted = self.runtime.block_on(self.admin.delete_topics(&names, &AdminOptions::new())).unwrap();
        deleted.into_iter().for_each(|topic| drop(topic.unwrap()));
    }

    pub fn empty_redis(&self) {
        redis::cmd("FLUSHALL").exec(&mut self.redis()).unwrap();
    }

    pub fn redis(&self) -> redis::Connection {
        redis::Client::open(self.redis_url.as_str()).unwrap().get_connection().unwrap()
    }

    /// The memory that Redis uses for what it holds.
    pub fn redis_bytes(&self) -> u64 {
        let info: String = redis::cmd("INFO").arg("memory").query(&mut self.redis()).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
        line.trim().parse().unwrap()
    }
}

/// How far a group has come in some topics, all partitions together.
pub struct Progress {
    client: BaseConsumer,
    topics: Vec<String>,
    partitions: i32,
}

impl Progress {
    pub fn of(services: &Services, group: &str, topics: &[String], partitions: i32) -> Progress {
        let client = ClientConfig::new()
            .set("bootstrap.servers", &services.brokers)
            .set("group.id", group)
            // What is committed, without waiting for what is being committed.
            .set("isolation.level", "read_uncommitted")
            .create()
            .unwrap();
        Progress { client, topics: topics.to_vec(), partitions }
    }

    pub fn committed(&self) -> u64 {
        let mut list = TopicPartitionList::new();
        for topic in &self.topics {
            list.add_partition_range(topic, 0, self.partitions - 1);
        }
        let Ok(committed) = self.client.committed_offsets(list, PATIENCE) else { return 0 };
        let offsets = committed.elements().iter().filter_map(|e| e.offset().to_raw()).filter(|o| *o > 0).sum::<i64>();
        offsets as u64
    }
}
