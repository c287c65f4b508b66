//! Brokers inside this process, for a demonstration on one machine. They keep records in memory and prove nothing
//! about exactly-once.

use super::sys::{Handle, set_first_rebalance_delay};
use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::sync::Arc;
use std::time::Duration;

/// A group's first members wait so long for others: shards that start together then share at once, and nobody waits
/// for the three seconds that are the default.
const FIRST_REBALANCE_DELAY: Duration = Duration::from_millis(400);

/// A cluster that ends with this value.
pub struct MockCluster {
    /// The client whose brokers they are.
    owner: Arc<BaseProducer>,
}

impl MockCluster {
    /// One broker with these topics, of so many partitions each.
    pub fn start(topics: &[&str], partitions: i32) -> anyhow::Result<MockCluster> {
        let owner: BaseProducer = ClientConfig::new().set("test.mock.num.brokers", "1").create()?;
        let cluster = MockCluster { owner: Arc::new(owner) };
        let handle: Handle = cluster.owner.clone();
        set_first_rebalance_delay(&handle, FIRST_REBALANCE_DELAY);
        let brokers = cluster.owner.client().mock_cluster().context("librdkafka has no embedded brokers")?;
        for topic in topics {
            brokers.create_topic(topic, partitions, 1)?;
        }
        drop(brokers);
        Ok(cluster)
    }

    /// Tells the next member that asks that it is none, or that its group has gone on without it.
    pub fn expel_one(&self, has_gone_on: bool) {
        let error = match has_gone_on {
            true => RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
            false => RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
        };
        if let Some(brokers) = self.owner.client().mock_cluster() {
            brokers.request_errors(RDKafkaApiKey::Heartbeat, &[error]);
        }
    }

    /// Where clients connect to.
    pub fn bootstrap_servers(&self) -> String {
        self.owner.client().mock_cluster().map(|brokers| brokers.bootstrap_servers()).unwrap_or_default()
    }
}
