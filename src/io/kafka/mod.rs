//! The log on Kafka: one consumer of both streams, and producers whose transactions carry outputs and offsets.

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
mod turn;

pub use follower::{SharedReader, WholeReader, read_at};
pub use log::KafkaLog;
pub use reach::Unanswered;
pub use settings::{
    Guarantee, HistorySource, KafkaSettings, MAX_OUTPUT_BYTES, RESERVED_CONSUMER, RESERVED_PRODUCER, SettingsError,
    Topics,
};
