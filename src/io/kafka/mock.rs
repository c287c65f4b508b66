//! Brokers inside this process, for a demonstration on one machine. They keep records in memory and prove nothing
//! about exactly-once.

use rdkafka::mocking::MockCluster as Brokers;
use rdkafka::producer::DefaultProducerContext;

/// A cluster that ends with this value.
pub struct MockCluster {
    brokers: Brokers<'static, DefaultProducerContext>,
}

impl MockCluster {
    /// One broker with these topics, of so many partitions each.
    pub fn start(topics: &[&str], partitions: i32) -> anyhow::Result<MockCluster> {
        let brokers = Brokers::new(1)?;
        for topic in topics {
            brokers.create_topic(topic, partitions, 1)?;
        }
        Ok(MockCluster { brokers })
    }

    /// Where clients connect to.
    pub fn bootstrap_servers(&self) -> String {
        self.brokers.bootstrap_servers()
    }
}
