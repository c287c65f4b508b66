//! The log on Kafka: one consumer of both streams, and producers whose transactions carry outputs and offsets.
//!
//! - `log` is the port. Records come through `consumer`, `sorting` and `shelf`; `cursors` says which of them count.
//! - Outputs leave through `output`: by `transactions`, whose producers are a `turn` each, or by `plain`; both use `producer`.
//! - `locate` and `topology` ask where the log begins and ends, and which partitions there are; `words` is what is committed
//!   with an offset.
//! - `settings`, `client`, `context`, `login` and `oauth` make clients and hear what they report; `sys` is librdkafka itself.
//! - `trial` makes clients to see whether it can be done. `follower`, `positions`, `reach`, `admin`, `redrive` and `mock` serve others than shards.

pub mod admin;
mod client;
mod consumer;
mod context;
mod cursors;
mod follower;
mod locate;
mod log;
mod login;
pub mod mock;
mod oauth;
mod output;
mod plain;
pub mod positions;
mod producer;
mod reach;
pub mod redrive;
mod settings;
mod shelf;
mod sorting;
mod sys;
mod topology;
mod transactions;
mod trial;
mod turn;
mod words;

pub use follower::{SharedReader, WholeReader, read_at};
pub use log::KafkaLog;
pub use reach::Unanswered;
pub use settings::{
    Guarantee, HistorySource, KafkaSettings, MAX_OUTPUT_BYTES, RESERVED_CONSUMER, RESERVED_PRODUCER, SettingsError,
    Topics,
};
pub use trial::Unmakeable;
