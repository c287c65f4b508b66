//! Tests on a real Kafka and a real Redis. `make test` starts both; without them every test here fails and says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kafka_log;
mod redis_store;
mod status;
mod support;
mod worker;
