//! What a shard has applied and the store may lack, told to the other shards of its process: they need not wait for its
//! commit to know that a customer has not written.
//!
//! It is a statement about the log: the records [from, to) of a partition do this to windows, and nothing else. The log
//! does not change, so that it stays true whatever becomes of the shard, its transaction and its partitions. It says
//! nothing of the records below `from`: those have to be in the store (F1), and one that lost them has a lower frontier.

use super::Engine;
use crate::core::ids::{KeyPrint, Offset, Partition, TopicId};
use crate::core::noted::Passthrough;
use crate::core::window::Window;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::hash::BuildHasherDefault;
use std::ops::Range;

/// Nothing is told while there is more: copying it again and again would cost more than the others' waiting.
const MOST_WINDOWS: usize = 1_000;

/// What a shard has applied and the store may lack.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The inbound topic.
    pub topic_id: TopicId,
    /// The records of each partition.
    pub ranges: BTreeMap<Partition, Range<Offset>>,
    /// What they did to windows.
    pub windows: HashMap<KeyPrint, Window, BuildHasherDefault<Passthrough>>,
}

impl Applied {
    /// Up to where each partition is known.
    pub fn ends(&self) -> impl Iterator<Item = (Partition, Offset)> {
        self.ranges.iter().map(|(partition, range)| (*partition, range.end))
    }

    /// How far a partition is known, beside a store that has everything below `frontier`.
    pub(super) fn reaches(&self, partition: Partition, frontier: Offset) -> Option<Offset> {
        let range = self.ranges.get(&partition)?;
        (range.start <= frontier).then_some(range.end)
    }
}

impl Engine {
    /// What it has applied and the store may lack; none when there is nothing, or too much, to tell.
    pub fn applied(&self) -> Option<Applied> {
        // Whoever leaves may have let go of windows before the store has them.
        let topology = self.topology.as_ref().filter(|_| self.leaving.is_none())?;
        let speaks = self.inbound.iter().filter(|(_, cursor)| cursor.placed && cursor.topic_id == topology.topic_id);
        let ranges: BTreeMap<_, _> =
            speaks.map(|(partition, cursor)| (*partition, cursor.merged_to..cursor.next)).collect();
        if self.holding.len() > MOST_WINDOWS || ranges.is_empty() || topology.topic_id.is_unknown() {
            return None;
        }
        let windows = self.holding.all().collect();
        Some(Applied { topic_id: topology.topic_id.clone(), ranges, windows })
    }
}
