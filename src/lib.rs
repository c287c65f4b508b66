//! sessiongate answers one question for every message a business wants to send: may it go out freely right now
//! (the customer's session window is open), or does it need a template?
//!
//! `core` holds the rules, `shard::engine` the state machine that applies them, `wire` the formats, `io` the
//! adapters of the `ports`, and `app` puts them together.

pub mod admin;
pub mod app;
pub mod cli;
pub mod config;
pub mod contract;
pub mod core;
pub mod demo;
pub mod io;
pub mod job_thread;
pub mod ports;
pub mod replay;
pub mod shard;
pub mod telemetry;
pub mod wire;
