//! What an operator may want to know. The engine cannot log: it says what happened, and the shell tells it.

use crate::core::ids::{Offset, Partition};
use crate::core::record::StreamPartition;
use compact_str::CompactString;

/// Something worth telling or counting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The store no longer holds what it held: the log is applied again from its frontier.
    FrontierLost {
        /// The inbound partition.
        partition: Partition,
    },
    /// A cursor goes back to fill the store.
    Reapplying {
        /// The inbound partition.
        partition: Partition,
        /// From here.
        from: Offset,
        /// To here nothing is sent out again.
        to: Offset,
    },
    /// The store has caught up with what was sent out.
    Reapplied {
        /// The inbound partition.
        partition: Partition,
    },
    /// A cursor does not go on at the committed offset.
    Moved {
        /// Which stream and partition.
        partition: StreamPartition,
        /// The committed offset.
        from: Offset,
        /// Where it goes on.
        to: Offset,
        /// What became of the records there.
        why: Moved,
    },
    /// The brokers told an end below the committed offset: they are asked again for a while.
    EndBelowCommitted {
        /// Which stream and partition.
        partition: StreamPartition,
        /// The committed offset.
        committed: Offset,
        /// The end that was told.
        end: Offset,
    },
    /// A value in the store was written by a newer version.
    NewerVersion,
    /// The transaction was given up; everything since the last commit is read again.
    Aborted,
    /// An event came after its window had ended.
    LateInbound,
    /// An event changed nothing: it came twice, or after a later one.
    UnmovedWindow,
    /// An event's time lay in the future.
    FutureInbound,
    /// Something of a kind that the table does not know.
    UnknownKind {
        /// The kind, as it came.
        kind: CompactString,
        /// How many there were.
        times: u32,
    },
    /// A refusal or a template's change arrived, and there is no topic for it.
    FeedbackDropped,
    /// An inbound record does not lie where its customer's key says, although co-partitioning was asserted.
    Misplaced {
        /// Where it lay.
        partition: Partition,
    },
    /// A negative verdict went out without proof.
    TimedOut,
}

/// Why a cursor does not go on at the committed offset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Moved {
    /// The log was truncated below what was not read yet.
    RecordsDeleted,
    /// The log ends below the committed offset: records are gone that were decided.
    RecordsLost,
    /// The committed offset is one of another topic, which had the same name.
    TopicMadeAnew,
}
