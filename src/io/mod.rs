//! Adapters: what stands behind the ports.

pub mod kafka;
