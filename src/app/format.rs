//! From the configuration to the formats that records are read and written in.

use super::preflight::Found;
use super::{ShardParts, settings};
use crate::config::Config;
use crate::core::ids::BusinessId;
use crate::io::kafka;
use crate::shard::codec::Codec;
use crate::wire::output::{Encoder, Topics};
use crate::wire::trace_context::MAX_ADDED_BYTES;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// An encoder of this configuration's topics, for outputs of any size.
pub fn encoder(config: &Config) -> Encoder {
    encoder_for(settings::topics(config), &config.kafka.group_id, kafka::MAX_OUTPUT_BYTES)
}

/// What this configuration reads and writes, for outputs of any size.
pub fn codec(config: &Config) -> Codec {
    Codec::with_formats(settings::formats(config), config.policy(), encoder(config))
}

/// What a shard reads and writes.
pub(super) fn codec_of(parts: &ShardParts) -> Codec {
    // Whoever adds to the headers of an output must leave it as small as its topic asks for.
    let added = if parts.tracing.is_some() { MAX_ADDED_BYTES } else { 0 };
    let max_output_bytes = parts.max_output_bytes.saturating_sub(added);
    let encoder = encoder_for(parts.topics.clone(), &parts.kafka.group_id, max_output_bytes)
        .with_max_dead_letter_bytes(parts.max_dead_letter_bytes);
    Codec::with_formats(parts.formats, parts.rules.policy.clone(), encoder).with_templates(parts.templates.clone())
}

/// An encoder for what records of that topic lead to, as large as the outputs' topics take it.
pub(super) fn encoder_of(config: &Config, found: &Found, topic: &str) -> Encoder {
    encoder_for(settings::topics(config), &config.kafka.group_id, found.max_output_bytes)
        .with_max_dead_letter_bytes(found.max_dead_letter_bytes)
        .with_origin(topic)
}

/// The one place that says what the events of a group have as their source.
fn encoder_for(topics: Topics, group: &str, max_output_bytes: usize) -> Encoder {
    Encoder::new(topics, group, &format!("/sessiongate/{group}"), max_output_bytes)
}

/// Which account a business belongs to, as configured.
pub fn accounts(config: &Config) -> BTreeMap<BusinessId, CompactString> {
    let accounts = config.templates.accounts.iter();
    accounts.map(|(business, account)| (BusinessId::new(business), account.as_str().into())).collect()
}
