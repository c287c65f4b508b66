//! What a Kafka client is told, and what nobody else may tell it.

use super::login;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a reader downstream can rely on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guarantee {
    /// Outputs and offsets become visible together or not at all, to readers of committed records.
    ExactlyOnce,
    /// Outputs first, offsets after: a crash between repeats outputs.
    AtLeastOnce,
}

/// How the beginning of the history is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HistorySource {
    /// By the brokers' index of timestamps.
    ByTime,
    /// The start of the log: for the embedded brokers of a demonstration, which have neither such an index nor topic
    /// ids.
    FromStart,
}

/// The topics that are read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// What customers did.
    pub inbound: String,
    /// What services want to say.
    pub intent: String,
}

/// All that one shard's Kafka clients need to know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaSettings {
    /// The bootstrap brokers, `host:port,host:port`.
    pub brokers: String,
    /// The consumer group.
    pub group_id: String,
    /// Of this shard alone, and the same after a restart: what its transactional ids begin with.
    pub transactional_id: String,
    /// The static member's name, of this shard alone; without it membership is dynamic.
    pub instance: Option<String>,
    /// The topics that are read.
    pub topics: Topics,
    /// What readers downstream can rely on.
    pub guarantee: Guarantee,
    /// How the beginning of the history is found.
    pub history: HistorySource,
    /// Without a heartbeat for so long, the group gives this shard's partitions to others.
    pub session_timeout: Duration,
    /// How long a broker may hold an empty fetch back.
    pub fetch_wait: Duration,
    /// After so long the brokers abort a transaction whose producer went silent.
    pub transaction_timeout: Duration,
    /// A batch of outputs takes at most so many bytes before compression; one output alone may take more.
    pub max_batch_bytes: usize,
    /// How long one call waits for the brokers before it reports that they are away.
    pub call_timeout: Duration,
    /// librdkafka properties for the consumer, applied last.
    pub consumer: BTreeMap<String, String>,
    /// librdkafka properties for the producers, applied last.
    pub producer: BTreeMap<String, String>,
}

/// Settings that cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum SettingsError {
    /// A property that the promise rests on.
    #[error("{property} is not to be set: {why}")]
    Reserved {
        /// Its name.
        property: String,
        /// Why.
        why: &'static str,
    },
    /// librdkafka refuses a property, its value, or their combination.
    #[error("{0}")]
    Refused(String),
    /// The token that a client logs in with cannot be had now: somebody else keeps it fresh.
    #[error("{0}")]
    NoToken(String),
}

impl From<KafkaError> for SettingsError {
    fn from(error: KafkaError) -> SettingsError {
        SettingsError::Refused(without_value(&error))
    }
}

/// An output takes at most so many bytes, whatever its topic takes.
pub const MAX_OUTPUT_BYTES: usize = 10 * 1024 * 1024;

/// What bounds how much of values is on its way to the brokers.
const QUEUE_PROPERTY: &str = "queue.buffering.max.kbytes";
/// Unless it is set: one of the largest outputs fits in beside others.
const QUEUE_KBYTES: usize = 16_384;
/// And at least: usual outputs fit in, and the dead letter of anything, cut.
const LEAST_QUEUE_KBYTES: usize = 64;

/// Consumer properties that are not for overriding, and why.
pub const RESERVED_CONSUMER: &[(&str, &str)] = &[
    ("auto.commit.enable", "offsets are committed with the outputs they stand for, never by a timer"),
    ("auto.offset.reset", "a cursor that lost its place is placed by the frontier, never at one end of the log"),
    ("bootstrap.servers", "it is set by kafka.brokers"),
    ("enable.auto.commit", "offsets are committed with the outputs they stand for, never by a timer"),
    ("enable.auto.offset.store", "offsets are committed with the outputs they stand for, never by a timer"),
    ("enable.partition.eof", "the end of a partition proves that nothing is missing"),
    ("group.id", "it is set by kafka.group_id"),
    ("group.instance.id", "it is set by worker.instance"),
    ("group.protocol", "assignments are answered in the classic protocol"),
    ("group.remote.assignor", "assignments are answered in the classic protocol"),
    ("isolation.level", "uncommitted records may still be aborted"),
    ("log.queue", "logs are taken from it"),
    ("metadata.broker.list", "it is set by kafka.brokers"),
    ("partition.assignment.strategy", "both topics' partitions are shared out by range, and moved all at once"),
    ("test.mock.num.brokers", "it replaces the brokers by ones inside this process"),
    ("topic.blacklist", "both topics are read in full"),
];

/// Producer properties that are not for overriding, and why.
pub const RESERVED_PRODUCER: &[(&str, &str)] = &[
    ("acks", "an output that one broker alone has may vanish with it"),
    ("bootstrap.servers", "it is set by kafka.brokers"),
    ("delivery.report.only.error", "only failures are looked at"),
    ("enable.gapless.guarantee", "a failed output ends its transaction"),
    ("enable.idempotence", "without it a lost answer doubles or reorders outputs"),
    ("log.queue", "logs are taken from it"),
    ("message.max.bytes", "what the output topics take decides"),
    ("metadata.broker.list", "it is set by kafka.brokers"),
    ("partitioner", "a customer's outputs lie where their key says, for every client alike"),
    ("partitioner_cb", "a customer's outputs lie where their key says, for every client alike"),
    ("queuing.strategy", "outputs of a partition keep their order"),
    ("request.required.acks", "an output that one broker alone has may vanish with it"),
    ("test.mock.num.brokers", "it replaces the brokers by ones inside this process"),
    ("transaction.timeout.ms", "how late a verdict can become visible is checked against the guard"),
    ("transactional.id", "it is set by kafka.transactional_id"),
];

/// A misspelled name may hide that its value is a secret.
fn without_value(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, text, key, _) => format!("{key}: {text}"),
        KafkaError::ClientCreation(text) => text.clone(),
        other => other.to_string(),
    }
}

impl KafkaSettings {
    /// Settings with the default times and no overrides.
    pub fn new(brokers: &str, group_id: &str, transactional_id: &str, topics: Topics) -> KafkaSettings {
        KafkaSettings {
            brokers: brokers.to_owned(),
            group_id: group_id.to_owned(),
            transactional_id: transactional_id.to_owned(),
            instance: None,
            topics,
            guarantee: Guarantee::ExactlyOnce,
            history: HistorySource::ByTime,
            session_timeout: Duration::from_secs(10),
            fetch_wait: Duration::from_millis(50),
            transaction_timeout: Duration::from_secs(15),
            max_batch_bytes: 1_000_000,
            call_timeout: Duration::from_secs(5),
            consumer: BTreeMap::new(),
            producer: BTreeMap::new(),
        }
    }

    /// What librdkafka would refuse of these settings: a property that it does not know, or a value. Nothing is
    /// connected for it.
    pub fn refused(&self) -> Vec<String> {
        let refused = |client: &str, properties, config: Result<ClientConfig, SettingsError>| {
            let made = config.and_then(|config| {
                config.create_native_config()?;
                login::check(properties)
            });
            made.err().map(|error| format!("kafka.{client}: {error}; correct the name or the value of the property"))
        };
        let consumer = refused("consumer", &self.consumer, self.consumer_config());
        let producer = refused("producer", &self.producer, self.producer_config(Some(&self.transactional_id)));
        consumer.into_iter().chain(producer).collect()
    }

    pub(super) fn consumer_config(&self) -> Result<ClientConfig, SettingsError> {
        let mut config = self.client_config();
        config
            .set("group.id", &self.group_id)
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "range")
            .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", (self.session_timeout.as_millis() / 5).clamp(100, 3000).to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("check.crcs", "false")
            .set("fetch.min.bytes", "1")
            .set("fetch.wait.max.ms", self.fetch_wait.as_millis().to_string())
            // Its default of a second stands between a full queue and the next fetch. A poll takes a part of the queue, so
            // that a few milliseconds never empty it, and waking up more often only costs.
            .set("fetch.queue.backoff.ms", "5")
            .set("fetch.error.backoff.ms", "50")
            // What is fetched ahead, per stream: two or three polls, so that a poll never waits while there is more.
            .set("queued.min.messages", "10000")
            .set("queued.max.messages.kbytes", "16384")
            // One fetch may come on top of that, several times larger once it is unpacked: so much of a partition, and so
            // much of all together, however many there are. A larger batch comes alone.
            .set("max.partition.fetch.bytes", "262144")
            .set("fetch.max.bytes", "2097152");
        if let Some(instance) = &self.instance {
            config.set("group.instance.id", instance);
        }
        apply(config, &self.consumer, RESERVED_CONSUMER)
    }

    pub(super) fn producer_config(&self, transactional_id: Option<&str>) -> Result<ClientConfig, SettingsError> {
        let transaction_timeout = self.transaction_timeout.as_millis().to_string();
        let mut config = self.client_config();
        config
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            // Hardly any patience, which every verdict would pay for: while one batch is on its way, the next one fills.
            .set("linger.ms", "0.2")
            .set("delivery.report.only.error", "true")
            // A backlog writes faster than brokers take it. What is on its way to them is bounded here, by number since
            // each brings its headers along, and by size for those that are large.
            .set("queue.buffering.max.messages", "4000")
            .set(QUEUE_PROPERTY, QUEUE_KBYTES.to_string())
            // The topic's own limit decides, not the client's.
            .set("message.max.bytes", (MAX_OUTPUT_BYTES + 1024).to_string())
            .set("batch.size", self.max_batch_bytes.to_string())
            // Not longer than the transaction: an output that is late for it is of no use.
            .set("message.timeout.ms", &transaction_timeout);
        if let Some(id) = transactional_id {
            config
                .set("transactional.id", id)
                .set("transaction.timeout.ms", &transaction_timeout)
                // Nobody sees an output before its commit. But those that are in their topics by then need not be waited for.
                .set("linger.ms", "1");
        }
        if self.queue_kbytes() < LEAST_QUEUE_KBYTES {
            let text = format!("{QUEUE_PROPERTY}: an output may not fit in, {LEAST_QUEUE_KBYTES} or more are needed");
            return Err(SettingsError::Refused(text));
        }
        apply(config, &self.producer, RESERVED_PRODUCER)
    }

    /// What one output may take at most, in bytes, whatever its topic takes: one that the producers' queue has no room for
    /// would be tried for ever.
    pub fn largest_output(&self) -> usize {
        MAX_OUTPUT_BYTES.min(self.queue_kbytes().saturating_mul(1024))
    }

    fn queue_kbytes(&self) -> usize {
        // librdkafka refuses what is no number.
        self.producer.get(QUEUE_PROPERTY).and_then(|kbytes| kbytes.parse().ok()).unwrap_or(QUEUE_KBYTES)
    }

    /// What all clients have in common; for administration with the producers' overrides, which hold the security.
    pub(super) fn admin_config(&self) -> Result<ClientConfig, SettingsError> {
        apply(self.client_config(), &self.producer, RESERVED_PRODUCER)
    }

    fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set_log_level(RDKafkaLogLevel::Info);
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "sessiongate")
            .set("socket.nagle.disable", "true")
            // Partitions that were added to a topic are found at this pace, and a leader that was replaced and does not know
            // it is asked no longer than this for where the log ends.
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("retry.backoff.ms", "2")
            .set("retry.backoff.max.ms", "200")
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000");
        config
    }
}

fn apply(
    mut config: ClientConfig,
    overrides: &BTreeMap<String, String>,
    reserved: &[(&str, &'static str)],
) -> Result<ClientConfig, SettingsError> {
    for (property, value) in overrides {
        if let Some((_, why)) = reserved.iter().find(|(name, _)| name == property) {
            return Err(SettingsError::Reserved { property: property.clone(), why });
        }
        if property == "debug" {
            config.set_log_level(RDKafkaLogLevel::Debug);
        }
        config.set(property, value);
    }
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> KafkaSettings {
        let topics = Topics { inbound: "inbound-message".into(), intent: "outbound-intent".into() };
        KafkaSettings::new("127.0.0.1:9092", "group", "worker-0", topics)
    }

    #[test]
    fn a_property_that_the_promise_rests_on_is_refused_by_name() {
        for (property, _) in RESERVED_CONSUMER {
            let mut settings = settings();
            settings.consumer.insert((*property).to_owned(), "x".to_owned());
            let refused = settings.consumer_config().unwrap_err().to_string();
            assert!(refused.starts_with(property), "{refused}");
        }
        for (property, _) in RESERVED_PRODUCER {
            let mut settings = settings();
            settings.producer.insert((*property).to_owned(), "x".to_owned());
            let refused = settings.producer_config(None).unwrap_err().to_string();
            assert!(refused.starts_with(property), "{refused}");
        }
    }

    #[test]
    fn an_override_comes_last() {
        let mut settings = settings();
        settings.consumer.insert("fetch.wait.max.ms".into(), "7".into());
        settings.producer.insert("compression.type".into(), "zstd".into());
        assert_eq!(settings.consumer_config().unwrap().get("fetch.wait.max.ms"), Some("7"));
        assert_eq!(settings.producer_config(Some("id")).unwrap().get("compression.type"), Some("zstd"));
    }

    #[test]
    fn an_output_fits_into_the_producers_queue() {
        let mut settings = settings();
        assert_eq!(settings.largest_output(), MAX_OUTPUT_BYTES);
        settings.producer.insert(QUEUE_PROPERTY.into(), "2048".into());
        assert_eq!(settings.largest_output(), 2048 * 1024);
        assert!(settings.producer_config(None).is_ok());
        settings.producer.insert(QUEUE_PROPERTY.into(), "63".into());
        let refused = settings.producer_config(None).unwrap_err().to_string();
        assert!(refused.contains("queue.buffering.max.kbytes") && refused.contains("64 or more"), "{refused}");
    }

    #[test]
    fn librdkafka_knows_every_property_that_is_set() {
        settings().consumer_config().unwrap().create_native_config().unwrap();
        settings().producer_config(Some("id")).unwrap().create_native_config().unwrap();
        settings().admin_config().unwrap().create_native_config().unwrap();
    }
}
