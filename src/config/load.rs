//! Reads the sections and puts the configuration together.

use super::checks::{
    admin_is_guarded, channel_key, guards_fit, topics_are_distinct, transaction_timeout, transactions_end_in_time,
};
use super::error::{ConfigErrors, Fault, Origin, Warning};
use super::keys::{self, span_text};
use super::reader::Reader;
use super::reserved::{RESERVED_CONSUMER, RESERVED_PRODUCER};
use super::{
    AdminConfig, ChannelConfig, Config, KafkaConfig, Sources, TemplatesConfig, TopicsConfig, WindowConfig,
    WorkerConfig, redis, telemetry,
};
use crate::core::policy::length_of_channel;
use crate::core::window::WindowRules;
use std::collections::BTreeMap;

/// See [`Config::load`].
pub(super) fn load(sources: &Sources<'_>) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    let mut reader = Reader::new(sources);
    let kafka = kafka(&mut reader);
    let redis = redis::read(&mut reader);
    let topics = topics(&mut reader);
    let worker = worker(&mut reader);
    let window = window(&mut reader);
    let channels = channels(&mut reader, &window);
    let templates = TemplatesConfig { accounts: reader.accounts(&keys::TEMPLATES_ACCOUNTS) };
    let admin = admin(&mut reader);
    let telemetry = telemetry::read(&mut reader);
    if reader.file_is_whole {
        topics_are_distinct(&mut reader, &topics);
        transactions_end_in_time(&mut reader, worker.commit_interval, kafka.transaction_timeout);
        guards_fit(&mut reader, &window, &channels, kafka.transaction_timeout);
        admin_is_guarded(&mut reader, &admin);
        redis::fits_together(&mut reader, &redis);
    }
    let (errors, entries, warnings) = reader.finish();
    if errors.0.is_empty() {
        Ok((Config { kafka, redis, topics, worker, window, channels, templates, admin, telemetry, entries }, warnings))
    } else {
        Err(errors)
    }
}

fn kafka(reader: &mut Reader<'_>) -> KafkaConfig {
    let brokers = reader.required(&keys::KAFKA_BROKERS);
    let group_id: String = reader.required(&keys::KAFKA_GROUP_ID);
    let key = keys::KAFKA_TRANSACTIONAL_ID;
    let transactional_id = reader.optional(key.name, &key).unwrap_or_else(|| {
        reader.record(key.name, &group_id, Origin::Default);
        group_id.clone()
    });
    let consumer = reader.properties(&keys::KAFKA_CONSUMER, RESERVED_CONSUMER);
    let producer = reader.properties(&keys::KAFKA_PRODUCER, RESERVED_PRODUCER);
    let transaction_timeout = transaction_timeout(reader, &producer);
    let accept_missing_offsets = reader.required(&keys::KAFKA_ACCEPT_MISSING_OFFSETS);
    KafkaConfig { brokers, group_id, transactional_id, consumer, producer, transaction_timeout, accept_missing_offsets }
}

fn topics(reader: &mut Reader<'_>) -> TopicsConfig {
    TopicsConfig {
        inbound_message: reader.required(&keys::TOPICS_INBOUND_MESSAGE),
        inbound_format: reader.required(&keys::TOPICS_INBOUND_FORMAT),
        outbound_intent: reader.required(&keys::TOPICS_OUTBOUND_INTENT),
        session_send: reader.required(&keys::TOPICS_SESSION_SEND),
        template_required: reader.required(&keys::TOPICS_TEMPLATE_REQUIRED),
        window_event: reader.required(&keys::TOPICS_WINDOW_EVENT),
        dead_letter: reader.required(&keys::TOPICS_DEAD_LETTER),
        template_status: reader.optional(keys::TOPICS_TEMPLATE_STATUS.name, &keys::TOPICS_TEMPLATE_STATUS),
        template_status_format: reader.required(&keys::TOPICS_TEMPLATE_STATUS_FORMAT),
        delivery_status: reader.optional(keys::TOPICS_DELIVERY_STATUS.name, &keys::TOPICS_DELIVERY_STATUS),
        delivery_status_format: reader.required(&keys::TOPICS_DELIVERY_STATUS_FORMAT),
    }
}

fn worker(reader: &mut Reader<'_>) -> WorkerConfig {
    let key = keys::WORKER_SHARDS;
    // A shard keeps two busy: its own thread, and those of librdkafka that read and write for it.
    let default = reader.sources.cores.div_ceil(2).clamp(1, 64);
    let shards = reader.optional(key.name, &key).unwrap_or_else(|| {
        reader.record(key.name, default.to_string(), Origin::Default);
        default
    });
    WorkerConfig {
        shards,
        instance: reader.optional(keys::WORKER_INSTANCE.name, &keys::WORKER_INSTANCE),
        guarantee: reader.required(&keys::WORKER_GUARANTEE),
        partitioning: reader.required(&keys::WORKER_PARTITIONING),
        commit_interval: reader.required(&keys::WORKER_COMMIT_INTERVAL),
        max_wait: reader.required(&keys::WORKER_MAX_WAIT),
        dedup_records: reader.required(&keys::WORKER_DEDUP_RECORDS),
    }
}

fn window(reader: &mut Reader<'_>) -> WindowConfig {
    let rules =
        WindowRules { length: reader.required(&keys::WINDOW_LENGTH), guard: reader.required(&keys::WINDOW_GUARD) };
    WindowConfig {
        rules,
        reapply_margin: reader.required(&keys::WINDOW_REAPPLY_MARGIN),
        refreshed_events: reader.required(&keys::WINDOW_REFRESHED_EVENTS),
    }
}

fn channels(reader: &mut Reader<'_>, window: &WindowConfig) -> BTreeMap<String, ChannelConfig> {
    let names = reader.channel_names();
    names.into_iter().map(|name| (name.clone(), channel(reader, &name, window.rules))).collect()
}

fn channel(reader: &mut Reader<'_>, name: &str, inherited: WindowRules) -> ChannelConfig {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    if name.is_empty() || name.len() > 32 || !name.chars().all(is_plain) {
        let fault =
            Fault::new("is not a channel's name", "take 1 to 32 lower-case letters, digits, dashes or underscores");
        reader.errors.0.push(fault.without_value(format!("channels.{name}"), Origin::File));
    }
    let mut span = |key: keys::KeySpec, inherited| {
        let name = channel_key(key.name, name);
        reader.optional(&name, &key).unwrap_or_else(|| {
            reader.record(&name, span_text(inherited), Origin::Default);
            inherited
        })
    };
    let rules = WindowRules {
        length: span(keys::CHANNELS_LENGTH, length_of_channel(name).unwrap_or(inherited.length)),
        guard: span(keys::CHANNELS_GUARD, inherited.guard),
    };
    let key = keys::CHANNELS_OPENS;
    ChannelConfig { rules, opens: reader.kinds(&channel_key(key.name, name), &key) }
}

fn admin(reader: &mut Reader<'_>) -> AdminConfig {
    let key = keys::ADMIN_TOKEN;
    AdminConfig { listen: reader.required(&keys::ADMIN_LISTEN), token: reader.optional(key.name, &key) }
}
