//! Tests on a real Kafka and a real Redis. `make test` starts both; without them every test here fails and says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod admin;
mod at_least_once;
mod bad_input;
mod cluster_store;
mod commands;
mod dead_letters;
mod exactly_once;
mod faults;
mod feedback;
mod group;
mod kafka_log;
mod outputs;
mod readers;
mod redis_store;
mod security;
mod senders;
mod setup;
mod status;
mod stopping;
mod support;
mod templates;
mod too_large;
mod traces;
mod verdicts;
mod webhooks;
mod windows;
mod worker;
