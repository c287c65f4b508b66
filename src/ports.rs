//! What a shard needs from the world: the log (Kafka), the store of windows (Redis), and a clock.
//!
//! Calls block. An error means that nothing is known of the outcome and that the call may be made again.

pub mod location;
pub mod output;
pub mod spans;

use crate::core::advice::Advice;
use crate::core::frontier::{Ends, Frontier, Stored, Topology};
use crate::core::ids::{Offset, Partition, WindowKey};
use crate::core::record::{Record, StreamPartition};
use crate::core::time::{Now, Span, Timestamp};
use crate::core::window::Window;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use location::{Located, Location};
pub use output::OutputRecord;

/// Reads both clocks.
pub trait Clock {
    /// The time.
    fn now(&self) -> Now;
}

/// What to read together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReadRequest {
    /// Frontiers of these inbound partitions.
    pub frontiers: Vec<Partition>,
    /// Windows under these keys.
    pub windows: Vec<WindowKey>,
    /// Advice on the windows under these keys.
    pub advice: Vec<WindowKey>,
}

/// What was read together, in the order of the request: what the frontiers prove held when each window was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// The frontiers.
    pub frontiers: Vec<Stored<Frontier>>,
    /// The windows.
    pub windows: Vec<Stored<Window>>,
    /// The advice.
    pub advice: Vec<Stored<Advice>>,
    /// The store's own clock, read by the same call: keys expire by it.
    pub clock: Timestamp,
}

/// A window to be merged, with the length that says when it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowWrite {
    /// Where it is kept.
    pub key: WindowKey,
    /// What it should be at least.
    pub window: Window,
    /// The length of its channel's windows.
    pub length: Span,
}

/// Advice to be remembered until it can say nothing any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdviceWrite {
    /// The window that it speaks of.
    pub key: WindowKey,
    /// The advice; a stored one that is later stays.
    pub advice: Advice,
    /// The length of its channel's windows.
    pub length: Span,
}

/// Merges the windows of the records [from, to) of a partition and advances its frontier: never the frontier alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MergeCall {
    /// The inbound partition.
    pub partition: Partition,
    /// The first offset: the call is refused unless the stored frontier has reached it.
    pub from: Offset,
    /// The frontier afterwards (or the stored one, if that is further).
    pub to: Offset,
    /// The topic that must be the stored frontier's.
    pub topic_id: crate::core::ids::TopicId,
    /// The windows of these records.
    pub windows: Vec<WindowWrite>,
}

/// What became of a merge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MergeOutcome {
    /// Windows and frontier are in the store.
    Merged,
    /// The stored frontier is missing, of another topic, or short of the range: it was left as it is.
    Refused,
}

/// Sets a frontier, if what is stored is still what was seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FrontierStart {
    /// The inbound partition.
    pub partition: Partition,
    /// What was read there.
    pub seen: Stored<Frontier>,
    /// What should be there.
    pub frontier: Frontier,
}

/// The store of windows and frontiers. Every write may be made again: it changes nothing the second time.
pub trait WindowStore {
    /// Reads frontiers, windows and the store's clock. A single server gives all of one instant; a cluster gives windows
    /// that were read between two readings of the frontiers, and what both of these prove (see decision 0009).
    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError>;

    /// The same, and `meanwhile` is called at most once: while the answer is on its way, where that can be.
    fn read_beside(&mut self, request: &ReadRequest, meanwhile: &mut dyn FnMut()) -> Result<Snapshot, StoreError> {
        meanwhile();
        self.read(request)
    }

    /// Performs merges in order. After a refusal, later calls of that partition are refused too. A single server changes
    /// windows and frontier of a call together or not at all; in a cluster windows come first, and are merged again when
    /// their frontier did not follow.
    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError>;

    /// Sets frontiers where the stored value is still the one seen; false where it is not.
    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError>;

    /// Remembers advice, the latest of each window. It may be lost: nothing rests on it.
    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError>;
}

/// Why a store did not answer.
#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    /// No answer, a lost connection, or a time-out: the outcome is unknown, waiting may help.
    #[error("{0}")]
    Unavailable(String),
    /// The store refuses writes (out of memory, a read-only replica): waiting may help once someone acts.
    #[error("{0}")]
    Refused(String),
    /// What this process was told of the store is wrong (where it is, as whom, how the line is guarded): only another
    /// configuration helps.
    #[error("{0}")]
    Misconfigured(String),
}

/// A change of what this shard is assigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Assignment {
    /// These partitions are ours from now on.
    Assigned(Vec<StreamPartition>),
    /// They all go elsewhere; until they are released nobody else gets them.
    Revoked,
    /// They went elsewhere already: nothing of ours may be committed.
    Lost,
}

/// A record with the epoch of the cursor that fetched it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// The epoch given with the last `assign` or `seek` of its partition.
    pub epoch: u32,
    /// The record.
    pub record: Record,
}

/// A cursor's report that it is at the end (the last stable offset) of its partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReachedEnd {
    /// The epoch of the cursor.
    pub epoch: u32,
    /// The partition.
    pub partition: StreamPartition,
    /// Everything below was delivered, or is nothing that is ever delivered (markers, aborted records).
    pub offset: Offset,
}

/// A cursor that stands where the log no longer (or not yet) is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfRange {
    /// The epoch of the cursor.
    pub epoch: u32,
    /// The partition.
    pub partition: StreamPartition,
}

/// How much a poll may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PollRequest {
    /// How long to wait when there is nothing.
    pub wait: Duration,
    /// At most so many inbound records; they are taken first.
    pub max_inbound: usize,
    /// At most so many intents.
    pub max_intents: usize,
}

/// What a poll brought. Records of one partition are in offset order, inbound before intents.
#[derive(Clone, Debug, Default)]
pub struct Polled {
    /// How a commit that was begun has ended.
    pub settled: Option<Settled>,
    /// A change of the assignment. It is answered (`assign`, `release`) before the next poll.
    pub assignment: Option<Assignment>,
    /// Records.
    pub records: Vec<Fetched>,
    /// There are more, although fewer came than were asked for: they were large.
    pub is_cut: bool,
    /// Partitions whose end was reached after those records.
    pub ends: Vec<ReachedEnd>,
    /// Cursors to be placed anew.
    pub out_of_range: Vec<OutOfRange>,
    /// The inbound topic, when it is not as it was at the last poll.
    pub topology: Option<Arc<Topology>>,
}

/// Where a cursor goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CursorStart {
    /// The partition.
    pub partition: StreamPartition,
    /// The next offset to be fetched.
    pub offset: Offset,
    /// What its records carry from now on.
    pub epoch: u32,
}

/// What became of a commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommitOutcome {
    /// Outputs and offsets are visible together.
    Committed,
    /// Nothing of it is visible, and nothing ever will be.
    Aborted(String),
}

/// How far a partition is done, as it is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Everything below it is done.
    pub next: Offset,
    /// Inbound only: no record below is younger. It is still known when the records are gone.
    pub newest: Option<Timestamp>,
}

/// Offsets without anything else.
impl From<Offset> for Progress {
    fn from(next: Offset) -> Progress {
        Progress { next, newest: None }
    }
}

/// What is known of a commit that was begun.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Outputs and offsets are visible together.
    Committed,
    /// Nothing of it is visible, and nothing ever will be. What was written since is to be given up too.
    Aborted(String),
    /// No answer in time: `begin_commit` asks again.
    Unconfirmed(String),
}

impl From<CommitOutcome> for Settled {
    fn from(outcome: CommitOutcome) -> Settled {
        match outcome {
            CommitOutcome::Committed => Settled::Committed,
            CommitOutcome::Aborted(reason) => Settled::Aborted(reason),
        }
    }
}

/// Ends a wait for records, from any thread.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// The log: two streams in, outputs and offsets out in one transaction.
pub trait Log {
    /// What ends a wait in `poll`, or the next one, at once.
    fn waker(&self) -> Waker {
        Arc::new(|| {})
    }

    /// Takes what is there, waiting for the first of it at most as long as asked. Also keeps the group membership
    /// alive: call it (with room for nothing) while waiting for something else. After an error nothing is lost that it would
    /// have told: the next call tells it.
    fn poll(&mut self, request: PollRequest) -> Result<Polled, LogError>;

    /// Reads committed offsets, bounds, and where the history after `since` begins.
    fn locate(&mut self, partitions: &[StreamPartition], since: Timestamp) -> Result<Location, LogError>;

    /// Answers an assignment: fetching starts at these offsets.
    fn assign(&mut self, starts: &[CursorStart]) -> Result<(), LogError>;

    /// Moves cursors; what was fetched before is discarded.
    fn seek(&mut self, starts: &[CursorStart]) -> Result<(), LogError>;

    /// Answers a revocation: nothing is fetched any more.
    fn release(&mut self) -> Result<(), LogError>;

    /// Stops fetching these partitions (and no others).
    fn set_paused(&mut self, paused: &[StreamPartition]) -> Result<(), LogError>;

    /// Asks for the high watermarks of these inbound partitions; `take_ends` waits for the answer.
    fn request_ends(&mut self, partitions: &[Partition]) -> Result<(), LogError>;

    /// The answer to `request_ends`.
    fn take_ends(&mut self) -> Result<Ends, LogError>;

    /// Writes into the open transaction, which is begun when there is none.
    fn produce(&mut self, outputs: Vec<OutputRecord>) -> Result<(), LogError>;

    /// Adds the offsets to the open transaction (begun when there is none) and begins to commit it; a later poll tells
    /// how that ended, and until then there is no other commit. What is written meanwhile goes into the next transaction.
    fn begin_commit(&mut self, progress: &BTreeMap<StreamPartition, Progress>) -> Result<(), LogError>;

    /// Gives everything up that is not committed. What is being committed ends in one way or the other first.
    fn abort(&mut self) -> Result<(), LogError>;
}

/// Why a log did not answer.
#[derive(thiserror::Error, Debug)]
pub enum LogError {
    /// No answer for now: the call may be made again.
    #[error("{0}")]
    Unavailable(String),
    /// The open transaction cannot be committed any more: it must be given up.
    #[error("{0}")]
    MustAbort(String),
    /// This client is of no more use (fenced by another with its id, or broken): start a new one.
    #[error("{0}")]
    Fatal(String),
}

impl<S: WindowStore + ?Sized> WindowStore for Box<S> {
    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError> {
        (**self).read(request)
    }

    fn read_beside(&mut self, request: &ReadRequest, meanwhile: &mut dyn FnMut()) -> Result<Snapshot, StoreError> {
        (**self).read_beside(request, meanwhile)
    }

    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
        (**self).merge(calls)
    }

    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
        (**self).start_frontiers(starts)
    }

    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        (**self).advise(writes)
    }
}
