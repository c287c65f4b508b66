//! Where logs lie: what cursors and frontiers are placed by.

use crate::core::frontier::Topology;
use crate::core::ids::{Offset, TopicId};
use crate::core::record::{Stream, StreamPartition};
use crate::core::time::Timestamp;
use std::sync::Arc;

/// Where a partition's log, its committed offset and its history lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    /// The partition.
    pub partition: StreamPartition,
    /// The group's committed offset.
    pub committed: Option<Offset>,
    /// The topic that it was committed for; none where an older version committed it, or nothing is.
    pub committed_for: Option<TopicId>,
    /// Inbound only: no record below the committed offset is younger, in the words of whoever committed it.
    pub newest: Option<Timestamp>,
    /// The first offset that is still there.
    pub low: Offset,
    /// The high watermark, observed before `history`.
    pub high: Offset,
    /// The last stable offset, up to which records can be read.
    pub stable: Offset,
    /// Inbound only: the first offset whose record is not older than the asked time; `high` if there is none.
    pub history: Offset,
    /// Inbound only: the timestamp of the first record that is left, where earlier ones were deleted. What ends a transaction
    /// is no record.
    pub oldest: Option<Timestamp>,
    /// Inbound only: the timestamp of the record at `history`, where earlier ones were deleted.
    pub truncated_at: Option<Timestamp>,
}

/// All that is needed to place cursors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// The inbound topic.
    pub topology: Arc<Topology>,
    /// The intents' topic.
    pub intents_id: TopicId,
    /// Whether the group has a committed offset for any partition of either topic.
    pub group_has_offsets: bool,
    /// The time that history was asked for.
    pub since: Timestamp,
    /// The partitions asked for, in order.
    pub partitions: Vec<Located>,
}

impl Location {
    /// The topic of a stream.
    pub fn topic_id(&self, stream: Stream) -> &TopicId {
        match stream {
            Stream::Inbound => &self.topology.topic_id,
            Stream::Intent => &self.intents_id,
        }
    }
}
