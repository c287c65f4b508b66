//! How fast records are taken: which partitions rest, and how long a poll may wait.

use super::Engine;
use crate::core::record::StreamPartition;
use crate::core::time::Now;
use std::collections::BTreeSet;

/// A shard with nothing to do still polls so often.
const IDLE_POLL_MS: i64 = 250;

impl Engine {
    /// Intents rest while inbound is behind (it is served first) and while their lane is full.
    pub(super) fn wanted_pauses(&self) -> BTreeSet<StreamPartition> {
        let behind = self.inbound.values().any(|cursor| !cursor.caught_up);
        let rests = |(partition, lane): (&_, &crate::core::lane::Lane)| {
            let partition = StreamPartition::intent(*partition);
            // Pausing and going on is not free: once paused, a lane first gets half empty.
            let limit = if self.paused.as_ref().is_some_and(|paused| paused.contains(&partition)) {
                self.rules.lane_bytes / 2
            } else {
                self.rules.lane_bytes
            };
            (behind || lane.bytes() > limit).then_some(partition)
        };
        self.lanes.iter().filter_map(rests).collect()
    }

    /// Until something is due.
    pub(super) fn poll_wait_ms(&self, now: Now) -> i64 {
        // The end of a commit that is under way ends the wait by itself.
        let commit_at = self.commit_at_ms().filter(|_| self.may_seal());
        let stalled = self.has_stalled().then(|| self.pace.evaluate_at_ms());
        let look_at = (!self.inbound.is_empty()).then(|| self.pace.look_at_ms());
        let due = [commit_at, stalled, look_at].into_iter().flatten().min();
        due.map_or(IDLE_POLL_MS, |due| due.saturating_sub(now.mono_ms).clamp(0, IDLE_POLL_MS))
    }
}
