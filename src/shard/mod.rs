//! One shard: a thread with its own consumer, transactional producers and store connections.

pub mod ahead;
pub mod aside;
pub mod codec;
pub mod engine;
pub mod hands;
pub mod merging;
pub mod meter;
pub mod metered;
pub mod neighbours;
pub mod runner;
pub mod tally;
mod teller;
pub mod templates;
pub mod tracer;
