//! From the configuration to what each part wants to be told.

use super::preflight::Found;
use crate::config::{self, COMMIT_CAP, Config, Guarantee, Partitioning, RedisConfig, Secret};
use crate::core::time::Span;
use crate::io::kafka::{self, HistorySource, KafkaSettings};
use crate::io::otlp::{Naming, OtlpSettings};
use crate::io::redis::{Access, Login, Node, SentinelAccess, Tls};
use crate::shard::engine::rules::{self, Rules};
use crate::wire::decoder::{Format, Formats};
use crate::wire::output::Topics;
use std::time::Duration;

/// While there is more to take, a transaction grows to so many records: a crash repeats at most these, twice over.
const MAX_TRANSACTION_RECORDS: usize = 50_000;
/// Partitions that are behind gather at most so many windows, at 100 to 200 bytes each, before Redis gets them: those of all
/// shards together.
const GATHERED_WINDOWS: usize = 200_000;
/// Each shard gathers so many at first, and where they do not come again: enough for transactions that are worth a commit.
/// Three times as many, each with a turn's records on top, fill less than half of a table of 65,536 places: what is deleted
/// from it leaves marks, and a table that is half full of windows grows to be rid of them.
const GATHERED_AT_FIRST: usize = 6_500;
/// One call of the merge script holds about so many: Redis serves nobody else meanwhile.
const WINDOWS_PER_CALL: usize = 500;
/// Windows are gathered for no longer than this; a crash repeats as much of the log, and what was on its way to Redis.
const GATHERS_FOR: Span = Span::from_secs(5);
/// A poll takes at most so many records of each stream.
const BATCH_RECORDS: usize = 3_000;
/// At least so many windows, at 56 bytes each, that were seen a moment ago are remembered by all shards together.
const SEEN_WINDOWS: usize = 200_000;
/// The intents of one partition that wait for proof take at most so much memory before they are not fetched.
const LANE_BYTES: usize = 8 * 1024 * 1024;

/// The process's name within the group: configured, or random.
pub(super) fn instance(config: &Config) -> String {
    config.worker.instance.clone().unwrap_or_else(|| {
        let mut bytes = [0; 6];
        // Without randomness the process id still tells processes of one machine apart.
        if getrandom::fill(&mut bytes).is_err() {
            bytes[..4].copy_from_slice(&std::process::id().to_le_bytes());
        }
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

pub(super) fn kafka(config: &Config, instance: &str, shard: usize) -> KafkaSettings {
    let topics =
        kafka::Topics { inbound: config.topics.inbound_message.clone(), intent: config.topics.outbound_intent.clone() };
    let transactional_id = format!("{}-{instance}-{shard}", config.kafka.transactional_id);
    let mut settings = KafkaSettings::new(&config.kafka.brokers, &config.kafka.group_id, &transactional_id, topics);
    settings.instance = config.worker.instance.as_ref().map(|instance| format!("{instance}-{shard}"));
    settings.guarantee = match config.worker.guarantee {
        Guarantee::ExactlyOnce => kafka::Guarantee::ExactlyOnce,
        Guarantee::AtLeastOnce => kafka::Guarantee::AtLeastOnce,
    };
    settings.history = HistorySource::ByTime;
    settings.transaction_timeout = Duration::from_millis(config.kafka.transaction_timeout.as_millis().unsigned_abs());
    settings.consumer = config.kafka.consumer.iter().map(|(name, value)| (name.into(), value.into())).collect();
    // The time-out of transactions is told by its own setting, which the guard was checked against.
    let producer = config.kafka.producer.iter().filter(|(name, _)| *name != "transaction.timeout.ms");
    settings.producer = producer.map(|(name, value)| (name.into(), value.into())).collect();
    settings
}

/// The same for a shard, whose batches every output topic takes: one that is refused is refused again.
pub(super) fn shard_kafka(config: &Config, found: &Found, instance: &str, shard: usize) -> KafkaSettings {
    let mut settings = kafka(config, instance, shard);
    settings.max_batch_bytes = settings.max_batch_bytes.min(found.max_output_bytes).min(found.max_dead_letter_bytes);
    settings
}

pub(super) fn redis_access(config: &RedisConfig) -> Access {
    let RedisConfig { url: _, key_prefix: _, username, password, tls, sentinel, cluster } = config;
    let nodes = |nodes: &str| nodes.split(',').filter_map(Node::parse).collect();
    let login = |username: &Option<String>, password: &Option<Secret>| Login {
        username: username.clone(),
        password: password.as_ref().map(|password| password.expose().to_owned()),
    };
    let identity = tls.certificate.clone().zip(tls.key.as_ref().map(|key| key.expose().to_owned()));
    Access {
        login: login(username, password),
        tls: Tls { authorities: tls.authorities.clone(), identity },
        sentinel: sentinel.as_ref().map(|sentinel| SentinelAccess {
            nodes: nodes(&sentinel.nodes),
            master: sentinel.master.clone(),
            login: login(&sentinel.username, &sentinel.password),
        }),
        cluster: cluster.as_deref().map(nodes).unwrap_or_default(),
    }
}

pub(super) fn rules(config: &Config, found: &Found) -> Rules {
    // A customer's messages mostly lie with one of the shards. Beyond eight of them each has an eighth.
    let sharing = config.worker.shards.clamp(1, 8);
    Rules {
        policy: config.policy(),
        partitioning: match config.worker.partitioning {
            Partitioning::Any => rules::Partitioning::Any,
            Partitioning::CoPartitioned => rules::Partitioning::CoPartitioned,
        },
        max_wait: config.worker.max_wait,
        commit_interval: config.worker.commit_interval,
        longest_transaction: config.worker.commit_interval + COMMIT_CAP,
        max_transaction_records: MAX_TRANSACTION_RECORDS,
        gathered_windows: GATHERED_WINDOWS / sharing,
        gathered_at_first: GATHERED_AT_FIRST,
        windows_per_call: WINDOWS_PER_CALL,
        gathers_for: GATHERS_FOR,
        dedup_records: u32::try_from(config.worker.dedup_records).unwrap_or(u32::MAX),
        reapply_margin: config.window.reapply_margin,
        emit_refreshed: config.window.refreshed_events,
        delivery_status: config.topics.delivery_status.is_some(),
        template_status: config.topics.template_status.is_some(),
        accept_missing_offsets: config.kafka.accept_missing_offsets,
        history_is_kept: found.history_is_kept,
        seen_windows: SEEN_WINDOWS / sharing,
        batch_records: BATCH_RECORDS,
        lane_bytes: LANE_BYTES,
    }
}

/// Where traces go; none when they are off.
pub(super) fn otlp(config: &Config, instance: &str) -> Option<OtlpSettings> {
    Some(OtlpSettings {
        endpoint: config.telemetry.traces_endpoint.clone()?,
        headers: config.telemetry.headers(),
        service_name: config.telemetry.service_name.clone(),
        instance: instance.to_owned(),
        naming: Naming {
            inbound_topic: config.topics.inbound_message.clone(),
            intent_topic: config.topics.outbound_intent.clone(),
            group_id: config.kafka.group_id.clone(),
        },
    })
}

pub(super) fn topics(config: &Config) -> Topics {
    let topics = &config.topics;
    Topics {
        session_send: topics.session_send.as_str().into(),
        template_required: topics.template_required.as_str().into(),
        window_event: topics.window_event.as_str().into(),
        dead_letter: topics.dead_letter.as_str().into(),
        inbound_message: topics.inbound_message.as_str().into(),
        outbound_intent: topics.outbound_intent.as_str().into(),
        delivery_status: topics.delivery_status.as_deref().map(Into::into),
        template_status: topics.template_status.as_deref().map(Into::into),
    }
}

pub(super) fn formats(config: &Config) -> Formats {
    let format = |format| match format {
        config::Format::Auto => Format::Auto,
        config::Format::Canonical => Format::Canonical,
        config::Format::Meta => Format::Meta,
        config::Format::Bird => Format::Bird,
        config::Format::Twilio => Format::Twilio,
    };
    Formats {
        inbound_message: format(config.topics.inbound_format),
        delivery_status: format(config.topics.delivery_status_format),
        template_status: format(config.topics.template_status_format),
    }
}

#[cfg(test)]
mod tests {
    use crate::config;
    use crate::io::kafka::{self, KafkaSettings};

    #[test]
    fn a_property_that_librdkafka_does_not_know_is_named_without_its_value() {
        let topics = kafka::Topics { inbound: "in".into(), intent: "out".into() };
        let mut settings = KafkaSettings::new("127.0.0.1:9", "group", "id", topics);
        assert_eq!(settings.refused(), Vec::<String>::new());
        settings.consumer.insert("sasl.passwrd".into(), "hunter2".into());
        let refused = settings.refused().join(" ");
        assert!(refused.contains("kafka.consumer") && refused.contains("sasl.passwrd"), "{refused}");
        assert!(!refused.contains("hunter2"), "{refused}");
    }

    #[test]
    fn what_the_kafka_clients_refuse_is_refused_with_the_configuration() {
        // The time-out of transactions is a setting of the worker's under librdkafka's name.
        let own = ["transaction.timeout.ms"];
        for (refused, reserved) in [
            (kafka::RESERVED_CONSUMER, config::RESERVED_CONSUMER),
            (kafka::RESERVED_PRODUCER, config::RESERVED_PRODUCER),
        ] {
            for (name, _) in refused.iter().filter(|(name, _)| !own.contains(name)) {
                assert!(config::reserved_reason(reserved, name).is_some(), "{name} would pass `check` and stop `run`");
            }
        }
    }
}
