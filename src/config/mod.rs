//! The configuration, typed once: one table of keys, one file, and the environment over it.
//!
//! Every key of the file is also an environment variable, and the environment wins. Nothing here reads the process:
//! `Sources` hands everything in, and `process` makes one of the real environment. What is wrong is reported all at
//! once, and a secret is shown by none of the types.

mod checks;
mod error;
mod keys;
mod load;
pub mod process;
mod properties;
mod reader;
mod redis;
pub mod remainder;
mod reserved;
mod secret;
mod sources;
mod telemetry;
mod value;

#[cfg(test)]
mod tests;

pub use error::{ConfigError, ConfigErrors, Origin, Warning};
pub use keys::{ENVIRONMENT_PREFIX, Fallback, KeySpec, Kind, keys, span_text};
pub use properties::Properties;
pub use redis::{RedisConfig, SentinelConfig, TlsConfig};
pub use reserved::{RESERVED_CONSUMER, RESERVED_PRODUCER, Reserved, reserved_reason};
pub use secret::{Secret, redact_url};
pub use sources::Sources;
pub use telemetry::TelemetryConfig;

use crate::core::ids::Channel;
use crate::core::policy::{ChannelPolicy, Policy};
use crate::core::time::Span;
use crate::core::window::WindowRules;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// The time-out of a transaction unless `kafka.producer` sets `transaction.timeout.ms`.
pub const DEFAULT_TRANSACTION_TIMEOUT: Span = Span::from_secs(15);

/// The room that a commit itself may take.
pub const COMMIT_CAP: Span = Span::from_millis(300);

/// Everything that an operator can set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// How to reach Kafka and as whom.
    pub kafka: KafkaConfig,
    /// Where the windows are kept.
    pub redis: RedisConfig,
    /// The topics.
    pub topics: TopicsConfig,
    /// How the work is done.
    pub worker: WorkerConfig,
    /// What holds for windows of all channels.
    pub window: WindowConfig,
    /// The channels by name.
    pub channels: BTreeMap<String, ChannelConfig>,
    /// What is known of templates beforehand.
    pub templates: TemplatesConfig,
    /// The HTTP side.
    pub admin: AdminConfig,
    /// Where traces go.
    pub telemetry: TelemetryConfig,
    entries: Vec<Entry>,
}

/// How to reach Kafka and as whom.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KafkaConfig {
    /// `host:port`, with commas between.
    pub brokers: String,
    /// The consumer group.
    pub group_id: String,
    /// What all transactional ids begin with.
    pub transactional_id: String,
    /// Further properties of the consumers.
    pub consumer: Properties,
    /// Further properties of the producers.
    pub producer: Properties,
    /// How long the broker lets a transaction hang.
    pub transaction_timeout: Span,
    /// Start although the group's offsets have vanished.
    pub accept_missing_offsets: bool,
}

/// The topics. Those that are off are `None`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicsConfig {
    /// What customers sent.
    pub inbound_message: String,
    /// What it looks like.
    pub inbound_format: Format,
    /// What services want to send.
    pub outbound_intent: String,
    /// Intents whose window is open.
    pub session_send: String,
    /// Intents that need a template.
    pub template_required: String,
    /// Windows that opened.
    pub window_event: String,
    /// What could not be used.
    pub dead_letter: String,
    /// Changes of template status.
    pub template_status: Option<String>,
    /// What they look like.
    pub template_status_format: Format,
    /// Delivery reports.
    pub delivery_status: Option<String>,
    /// What they look like.
    pub delivery_status_format: Format,
}

/// What a crash may do to the outputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guarantee {
    /// Nothing: every verdict is there once.
    ExactlyOnce,
    /// Verdicts since the last commit may be there twice.
    AtLeastOnce,
}

/// What the values of a topic look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// Each is recognised by its shape.
    Auto,
    /// The form of this project.
    Canonical,
    /// Webhooks of Meta.
    Meta,
    /// Webhooks of Bird.
    Bird,
    /// Webhooks of Twilio.
    Twilio,
}

/// What is known of where a customer's inbound messages lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partitioning {
    /// Nothing: in any partition.
    Any,
    /// In the partition with the same number as the customer's intents.
    CoPartitioned,
}

/// How the work is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkerConfig {
    /// Threads.
    pub shards: usize,
    /// This process's lasting name; without one, a start takes a random name.
    pub instance: Option<String>,
    /// With transactions or without.
    pub guarantee: Guarantee,
    /// Which inbound partitions a proof needs.
    pub partitioning: Partitioning,
    /// How long a transaction gathers records when there are few.
    pub commit_interval: Span,
    /// How long an intent waits for proof.
    pub max_wait: Span,
    /// How many preceding records of its partition an intent's id is compared with; 0 is off.
    pub dedup_records: usize,
}

/// What holds for windows of all channels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowConfig {
    /// Length and guard of channels that don't say otherwise.
    pub rules: WindowRules,
    /// How much further back than the longest window a lost Redis is filled from.
    pub reapply_margin: Span,
    /// Whether acts that move the end of an open window are told too.
    pub refreshed_events: bool,
}

/// One channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelConfig {
    /// Length and guard.
    pub rules: WindowRules,
    /// Kinds of events whose effect differs from the built-in table.
    pub opens: BTreeMap<String, bool>,
}

/// What is known of templates beforehand.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplatesConfig {
    /// Which account a business belongs to.
    pub accounts: BTreeMap<String, String>,
}

/// The HTTP side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// What a client must present.
    pub token: Option<Secret>,
}

/// A share of a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    millionths: u32,
}

impl Ratio {
    /// As a number from 0 to 1.
    pub fn as_f64(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }
}

/// A key with its value in effect, as it may be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `section.key`.
    pub key: String,
    /// Its value, secrets hidden; empty when it is off.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Config {
    /// Reads everything. Either all of it is right, or all that is wrong is in the errors.
    pub fn load(sources: &Sources<'_>) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        load::load(sources)
    }

    /// Every key with its value in effect, secrets hidden.
    pub fn redacted(&self) -> &[Entry] {
        &self.entries
    }

    /// The rules of all channels.
    pub fn policy(&self) -> Policy {
        Policy::new(self.channels.iter().map(|(name, channel)| {
            let mut policy = ChannelPolicy::new(channel.rules);
            for (kind, opens) in &channel.opens {
                policy.set_opens(kind, *opens);
            }
            (Channel::new(name), policy)
        }))
    }

    /// The shortest guard of all channels: what holds for clocks must hold for the strictest channel.
    pub fn shortest_guard(&self) -> Span {
        self.channels.values().map(|channel| channel.rules.guard).min().unwrap_or(self.window.rules.guard)
    }
}
