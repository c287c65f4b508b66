//! From the configuration to the formats that records are read and written in.

use super::preflight::Found;
use super::settings;
use crate::config::Config;
use crate::core::ids::BusinessId;
use crate::io::kafka;
use crate::shard::codec::Codec;
use crate::wire::output::Encoder;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// An encoder of this configuration's topics, for outputs of any size.
pub fn encoder(config: &Config) -> Encoder {
    let group = &config.kafka.group_id;
    Encoder::new(settings::topics(config), group, &format!("/sessiongate/{group}"), kafka::MAX_OUTPUT_BYTES)
}

/// What this configuration reads and writes, for outputs of any size.
pub fn codec(config: &Config) -> Codec {
    Codec::with_formats(settings::formats(config), config.policy(), encoder(config))
}

/// An encoder for what records of that topic lead to, as large as the outputs' topics take it.
pub(super) fn encoder_of(config: &Config, found: &Found, topic: &str) -> Encoder {
    let group = &config.kafka.group_id;
    Encoder::new(settings::topics(config), group, &format!("/sessiongate/{group}"), found.max_output_bytes)
        .with_max_dead_letter_bytes(found.max_dead_letter_bytes)
        .with_origin(topic)
}

/// Which account a business belongs to, as configured.
pub fn accounts(config: &Config) -> BTreeMap<BusinessId, CompactString> {
    let accounts = config.templates.accounts.iter();
    accounts.map(|(business, account)| (BusinessId::new(business), account.as_str().into())).collect()
}
