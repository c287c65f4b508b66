//! What a shard tells of itself.

use super::Engine;
use crate::core::ids::{Offset, Partition};

/// A shard, seen from outside.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Status {
    /// Its inbound partitions.
    pub inbound: Vec<InboundStatus>,
    /// Its intent partitions.
    pub lanes: Vec<LaneStatus>,
    /// Steps that failed in a row.
    pub failures: u32,
    /// A newer version's frontier is in the way: nothing is decided.
    pub meets_newer: bool,
}

/// An inbound partition of a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboundStatus {
    /// The partition.
    pub partition: Partition,
    /// The next offset to be applied.
    pub next: Offset,
    /// What the store has acknowledged.
    pub merged_to: Offset,
    /// While a lost store is being filled: where it will be whole again.
    pub reapply_to: Option<Offset>,
}

/// An intent partition of a shard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneStatus {
    /// The partition.
    pub partition: Partition,
    /// The next offset to be taken.
    pub next: Offset,
    /// Intents that were taken and have no verdict yet.
    pub waiting: usize,
    /// How long the first of them has waited, in milliseconds that count.
    pub oldest_ms: i64,
}

impl Engine {
    /// The present state; `mono_ms` is the present on the monotonic clock.
    pub fn status(&self, mono_ms: i64) -> Status {
        let counting_ms = self.excused.counting_ms(mono_ms);
        let inbound = self.inbound.iter().map(|(partition, cursor)| InboundStatus {
            partition: *partition,
            next: cursor.next,
            merged_to: cursor.merged_to,
            reapply_to: cursor.reapply_to,
        });
        let lanes = self.lanes.iter().map(|(partition, lane)| LaneStatus {
            partition: *partition,
            next: lane.next,
            waiting: lane.len(),
            oldest_ms: lane.front().map_or(0, |waiting| counting_ms - waiting.read_at_ms),
        });
        Status {
            inbound: inbound.collect(),
            lanes: lanes.collect(),
            failures: self.pace.failures(),
            meets_newer: self.meets_newer,
        }
    }
}
