//! Where a shard stands in one inbound partition.

use crate::core::frontier::{Frontier, Stored, Topology};
use crate::core::ids::{Offset, TopicId};
use crate::core::time::Timestamp;

/// A cursor in an inbound partition that is assigned to this shard.
#[derive(Clone, Debug)]
pub(super) struct InboundCursor {
    /// What its records carry.
    pub epoch: u32,
    /// The topic that it stands in: one made anew under the same name is another log.
    pub topic_id: TopicId,
    /// False while it has to be placed (anew).
    pub placed: bool,
    /// The next offset to be taken from the log.
    pub taken: Offset,
    /// The next offset to be applied: everything below was folded.
    pub next: Offset,
    /// Below it, records were sent out before: they are applied and nothing else.
    pub emit_from: Offset,
    /// No record below `next` is younger.
    pub newest: Timestamp,
    /// What the store must hold at least, or it has lost something. While the cursor is placed and the shard is not leaving,
    /// everything between here and `next` is held here: others rely on it (`applied.rs`).
    pub merged_to: Offset,
    /// The high watermark when it was placed.
    pub behind_until: Offset,
    /// The end was reached at least once since.
    pub caught_up: bool,
    /// While a lost store is being filled: where it will be whole again.
    pub reapply_to: Option<Offset>,
}

/// What a stored frontier says to the owner of its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FrontierLook {
    /// The store has what it should have.
    Sound,
    /// It has not: the log must be applied again.
    Lost,
    /// A newer version wrote it: hands off.
    Newer,
}

impl InboundCursor {
    pub(super) fn look(&self, stored: &Stored<Frontier>, topology: &Topology) -> FrontierLook {
        if self.topic_id != topology.topic_id {
            return FrontierLook::Lost;
        }
        match stored {
            Stored::Newer => FrontierLook::Newer,
            Stored::Missing | Stored::Damaged(_) => FrontierLook::Lost,
            Stored::Known(frontier) if frontier.topic_id != self.topic_id => FrontierLook::Lost,
            Stored::Known(frontier) if frontier.next < self.merged_to => FrontierLook::Lost,
            Stored::Known(_) => FrontierLook::Sound,
        }
    }

    pub(super) fn note_progress(&mut self) {
        if self.next >= self.behind_until {
            self.caught_up = true;
        }
    }
}
