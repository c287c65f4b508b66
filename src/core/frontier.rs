//! How far the inbound log is reflected in Redis, and what proves that nothing is missing.

use super::ids::{Offset, Partition, TopicId};
use super::policy::FUTURE_TOLERANCE;
use super::time::{Now, Span, Timestamp};
use std::collections::BTreeMap;

/// Per inbound partition: every window of a record below `next` is in the very Redis that holds this (F1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frontier {
    /// The next offset to apply.
    pub next: Offset,
    /// The topic it speaks of: a topic made anew has another id.
    pub topic_id: TopicId,
    /// The log behind this frontier reaches back to here; windows of earlier acts may be unknown.
    /// `Timestamp::MIN` when nothing was ever deleted.
    pub reaches_back_to: Timestamp,
    /// While `next` is below this, a lost Redis (or an empty one) is being filled from the log.
    pub reapply_to: Offset,
}

impl Frontier {
    /// Whether records that were applied before are being applied again.
    pub fn is_reapplying(&self) -> bool {
        self.next < self.reapply_to
    }

    /// Whether it can prove something of this topic's windows that may still be open when acts from before `since` no
    /// longer count: the log behind it must reach back to then. A future act is clamped, so it may lie a little apart.
    pub fn speaks_for(&self, topic_id: &TopicId, since: Timestamp) -> bool {
        let reaches_back = self.reaches_back_to == Timestamp::MIN || since >= self.reaches_back_to + FUTURE_TOLERANCE;
        self.topic_id == *topic_id && reaches_back
    }
}

/// What a store holds under a key. A newer worker may have written what this one cannot read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stored<T> {
    /// Nothing.
    Missing,
    /// A value of ours.
    Known(T),
    /// A value of a newer version: it is not touched, and proves nothing.
    Newer,
    /// Something that no version of ours wrote: it proves nothing.
    Damaged(String),
}

impl<T> Stored<T> {
    /// The value, if it is one of ours.
    pub fn known(&self) -> Option<&T> {
        match self {
            Stored::Known(value) => Some(value),
            Stored::Missing | Stored::Newer | Stored::Damaged(_) => None,
        }
    }
}

/// The inbound topic as the broker describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topology {
    /// The topic's id.
    pub topic_id: TopicId,
    /// Its number of partitions, numbered from 0.
    pub partitions: i32,
}

impl Topology {
    /// All its partitions.
    pub fn all(&self) -> impl Iterator<Item = Partition> + use<> {
        (0..self.partitions).map(Partition)
    }
}

/// The high watermarks of inbound partitions, observed after an intent was read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ends(pub BTreeMap<Partition, Offset>);

/// Two clocks agree closely enough for a proof when they are at most half the guard apart.
///
/// `clock` was read by the other side at some time between `sent` and `received`.
pub fn clocks_agree(clock: Timestamp, sent: Now, received: Now, guard: Span) -> bool {
    clock >= sent.wall - guard.half() && clock <= received.wall + guard.half()
}
