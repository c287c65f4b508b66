//! What the engine wants done next, and what it is told.

use super::applied::Applied;
use crate::core::decoded::{DecodedInbound, DecodedIntent};
use crate::core::emission::Emission;
use crate::core::frontier::{Ends, Frontier, Stored, Topology};
use crate::core::ids::{KeyPrint, Partition, WindowKey};
use crate::core::inbound::InboundEvent;
use crate::core::record::{Record, StreamPartition};
use crate::core::time::{Now, Timestamp};
use crate::core::window::Window;
use crate::ports::{
    Assignment, CursorStart, FrontierStart, Location, MergeCall, MergeOutcome, OutOfRange, Progress, ReachedEnd,
    ReadRequest, Settled, Snapshot,
};
use smallvec::SmallVec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One thing for the shell to do; then it feeds the answer and asks again. The order in which steps come is the
/// engine's promise: outputs, then their offsets and the commit, then windows and frontier.
#[derive(Clone, Debug)]
pub enum Step {
    /// Take records. Answer: `Input::Polled`, or how merges have ended.
    Poll(Take),
    /// Read the frontiers of these inbound partitions, then where their logs lie. Answer: `Input::Located`.
    Locate(Locate),
    /// Set frontiers. Answer: `Input::FrontiersStarted`.
    StartFrontiers(Vec<FrontierStart>),
    /// Start fetching. Answer: `Input::CursorsMoved`.
    Assign(Vec<CursorStart>),
    /// Move cursors. Answer: `Input::CursorsMoved`.
    Seek(Vec<CursorStart>),
    /// Fetch everything but these. Answer: `Input::PausesSet`.
    SetPaused(Vec<StreamPartition>),
    /// Ask for ends and read the store, side by side. Answer: `Input::Read`.
    Read(Plan),
    /// Write into the transaction. Answer: `Input::Produced`, or `Input::MustAbort`.
    Produce(Vec<Emission>),
    /// Begin to commit outputs and offsets. Answer: `Input::CommitBegun`, or `Input::MustAbort`; a later poll tells how
    /// it ended. What is produced meanwhile belongs to the next transaction.
    Commit(BTreeMap<StreamPartition, Progress>),
    /// Write windows and frontiers. Answer: `Input::Merged`, or `Input::MergeBegun`: then a later poll tells how it ended.
    Merge(Vec<MergeCall>),
    /// Give the open transaction up. Answer: `Input::Aborted`.
    Abort,
    /// Stop fetching and let the partitions go. Answer: `Input::Released`.
    Release,
    /// Leave: going on would break the promise.
    Halt(Halt),
    /// All is done: leave.
    Stopped,
}

/// How much to take from the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Take {
    /// How long to wait when there is nothing, in milliseconds.
    pub wait_ms: i64,
    /// At most so many inbound records.
    pub max_inbound: usize,
    /// At most so many intents.
    pub max_intents: usize,
}

impl Take {
    /// Nothing but news.
    pub(in crate::shard) fn takes_nothing(&self) -> bool {
        self.max_inbound == 0 && self.max_intents == 0
    }
}

/// Partitions to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Locate {
    /// The partitions.
    pub partitions: Vec<StreamPartition>,
    /// How far back windows may still be open.
    pub since: Timestamp,
}

/// What a turn reads.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Plan {
    /// Frontiers and windows, read together.
    pub request: ReadRequest,
    /// The keys of those windows as hashes, in the same order.
    pub prints: Vec<KeyPrint>,
    /// Partitions whose ends are wanted; none when no ends are.
    pub ends: Vec<Partition>,
}

impl Plan {
    /// Adds a window.
    pub fn ask_for(&mut self, key: WindowKey, print: KeyPrint) {
        self.request.windows.push(key);
        self.prints.push(print);
    }
}

/// Why a worker refuses to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Halt {
    /// The group's committed offsets are gone although frontiers are there: starting over would send again what was sent.
    OffsetsVanished,
}

/// An inbound record, decoded.
#[derive(Clone, Debug)]
pub struct InboundItem {
    /// The epoch of the cursor that fetched it.
    pub epoch: u32,
    /// The record.
    pub record: Record,
    /// What is in it.
    pub decoded: DecodedInbound,
    /// The windows that its events may open, in order.
    pub(super) touched: SmallVec<[Touched; 1]>,
}

/// A window that an event may open.
#[derive(Clone, Debug)]
pub(super) struct Touched {
    /// Its key.
    pub print: KeyPrint,
    /// The window as it was known when the turn was planned.
    pub seen: Option<Window>,
}

impl InboundItem {
    /// A record and what is in it.
    pub fn new(epoch: u32, record: Record, decoded: DecodedInbound) -> InboundItem {
        let prints = decoded.events.iter().flat_map(InboundEvent::key_prints);
        let touched = prints.map(|print| Touched { print, seen: None }).collect();
        InboundItem { epoch, record, decoded, touched }
    }

    /// Which cursor fetched it: its partition, and the epoch.
    pub(super) fn cursor(&self) -> (Partition, u32) {
        (self.record.partition, self.epoch)
    }

    /// Each event with its windows.
    pub(super) fn events(&self) -> impl Iterator<Item = (&InboundEvent, &[Touched])> {
        let mut rest = self.touched.as_slice();
        self.decoded.events.iter().map(move |event| {
            let (own, others) = rest.split_at(event.customers().count().min(rest.len()));
            rest = others;
            (event, own)
        })
    }
}

/// An intent record, decoded.
#[derive(Clone, Debug)]
pub struct IntentItem {
    /// The epoch of the cursor that fetched it.
    pub epoch: u32,
    /// The record.
    pub record: Record,
    /// What is in it.
    pub decoded: DecodedIntent,
}

/// What a poll brought, decoded.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// How a commit that was begun has ended.
    pub settled: Option<Settled>,
    /// A change of the assignment.
    pub assignment: Option<Assignment>,
    /// Other shards of the process have applied more since the last read.
    pub has_news: bool,
    /// There are more records, although fewer came than were asked for.
    pub is_cut: bool,
    /// Inbound records, in order per partition.
    pub inbound: Vec<InboundItem>,
    /// Intent records, in order per partition.
    pub intents: Vec<IntentItem>,
    /// Partitions whose end was reached after those records.
    pub ends: Vec<ReachedEnd>,
    /// Cursors to be placed anew.
    pub out_of_range: Vec<OutOfRange>,
    /// The inbound topic, when it changed.
    pub topology: Option<Arc<Topology>>,
}

/// Where partitions and frontiers were found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where the logs lie.
    pub location: Location,
    /// The frontiers of the inbound partitions asked for, in order, read before the bounds.
    pub frontiers: Vec<Stored<Frontier>>,
    /// When the group has no offsets at all: the frontiers of all inbound partitions.
    pub others: Vec<Stored<Frontier>>,
    /// The store's clock.
    pub clock: Timestamp,
}

/// What a turn has read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What was asked.
    pub plan: Plan,
    /// What other shards had applied before the store was read.
    pub others: Vec<Arc<Applied>>,
    /// What the store holds.
    pub snapshot: Snapshot,
    /// The ends; none when none were asked for, or nobody answered.
    pub ends: Ends,
    /// When the requests went out.
    pub sent: Now,
}

/// The answer to a step.
#[derive(Clone, Debug)]
pub enum Input {
    /// To `Poll`.
    Polled(Box<Batch>),
    /// To `Locate`.
    Located(Box<Found>),
    /// To `StartFrontiers`.
    FrontiersStarted(Vec<bool>),
    /// To `Read`.
    Read(Box<Reading>),
    /// To `Commit`.
    CommitBegun,
    /// To `Merge`.
    MergeBegun,
    /// To `Merge`, or to a poll after it.
    Merged(Vec<MergeOutcome>),
    /// To `Assign` and `Seek`.
    CursorsMoved,
    /// To `SetPaused`.
    PausesSet,
    /// To `Produce`.
    Produced,
    /// To `Produce` and `Commit`: the open transaction cannot be committed.
    MustAbort,
    /// To `Abort`: nothing that was not committed will ever be visible.
    Aborted,
    /// To `Release`.
    Released,
    /// No answer; the outcome is unknown. The step comes back, to be tried again later.
    Failed(Step),
}
