//! The log on Kafka: one consumer of both streams, and producers whose transactions carry outputs and offsets.

pub mod admin;
mod consumer;
mod context;
mod cursors;
mod follower;
mod locate;
mod log;
pub mod mock;
mod output;
pub mod positions;
mod producer;
mod settings;
mod sys;
mod topology;
mod transactions;
mod turn;

pub use follower::{SharedReader, WholeReader};
pub use log::KafkaLog;
pub use settings::{
    Guarantee, HistorySource, KafkaSettings, MAX_OUTPUT_BYTES, RESERVED_CONSUMER, RESERVED_PRODUCER, SettingsError,
    Topics,
};
