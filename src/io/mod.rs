//! The adapters of the ports: what talks to the world outside the process.

pub mod clock;
pub mod kafka;
pub mod memory;
pub mod otlp;
pub mod redis;
#[doc(hidden)]
pub mod store_contract;
