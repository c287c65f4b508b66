//! The rules of the session window: plain values and functions of (state, input, now).
//!
//! Nothing in here knows a clock, I/O, threads, logging or randomness; time comes in as an argument.

pub mod advice;
pub mod decoded;
pub mod delivery;
pub mod emission;
pub mod frontier;
pub mod ids;
pub mod inbound;
pub mod intent;
pub mod lane;
pub mod noted;
pub mod partitioner;
pub mod policy;
pub mod record;
pub mod registry;
pub mod routing;
pub mod template;
pub mod time;
pub mod verdict;
pub mod window;
