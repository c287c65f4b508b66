//! The state machine of a shard: it says what to do next (`Step`) and is told what came of it (`Input`).
//!
//! It knows no clock, no I/O and no threads: the shell performs the steps on Kafka and Redis, the simulation on
//! fakes, and both see the same order.

pub mod applied;
mod cursor;
mod flow;
mod fold;
mod holding;
mod judge;
mod known;
pub mod notice;
mod pace;
mod place;
mod plan;
mod report;
pub mod rules;
mod seen;
mod settle;
pub mod status;
pub mod step;
mod take;
#[cfg(test)]
mod tests;
mod transaction;

use crate::core::frontier::Topology;
use crate::core::ids::{Offset, Partition};
use crate::core::lane::Lane;
use crate::core::record::StreamPartition;
use crate::core::time::Now;
use crate::ports::{Assignment, ReachedEnd};
use cursor::InboundCursor;
use holding::{Given, Holding};
use notice::Notice;
use pace::{Excused, Pace};
use place::Placing;
use rules::Rules;
use seen::SeenWindows;
use settle::Merging;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use step::{InboundItem, Input, Step, Take};
use transaction::{Sealed, Transaction};

/// Why the shard lets its partitions go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Leaving {
    /// They go elsewhere: commit first.
    Revoked,
    /// They went elsewhere: nothing may be committed.
    Lost,
    /// The worker stops: commit first.
    Stopping,
}

/// A shard's state.
pub struct Engine {
    rules: Rules,
    topology: Option<Arc<Topology>>,
    inbound: BTreeMap<Partition, InboundCursor>,
    lanes: BTreeMap<Partition, Lane>,
    /// Taken and not yet applied.
    incoming: Vec<InboundItem>,
    /// When the first of them was taken, on the monotonic clock.
    incoming_since_ms: i64,
    reached: Vec<ReachedEnd>,
    /// The open one.
    transaction: Transaction,
    /// The one before, which is being committed.
    sealed: Option<Sealed>,
    /// What the store may not have.
    holding: Holding,
    /// What it has, or had a moment ago.
    seen: SeenWindows,
    /// Committed, and to be given to the store.
    unmerged: Given,
    /// Given to the store, which has not answered.
    merging: Option<Merging>,
    /// The store did not take what it was given last: nothing more is committed until it has.
    merge_failed: bool,
    to_locate: BTreeSet<StreamPartition>,
    /// The next placing answers an assignment.
    assigning: bool,
    placing: Option<Placing>,
    leaving: Option<Leaving>,
    must_abort: bool,
    stopped: bool,
    halted: Option<step::Halt>,
    /// A frontier of a newer version was there when it was last looked.
    meets_newer: bool,
    /// Since when the brokers tell an end below a committed offset, on the monotonic clock.
    beyond_since_ms: Option<i64>,
    /// The furthest frontier of each inbound partition that was read: records lie below it, whoever applied them.
    reached_by_all: BTreeMap<Partition, Offset>,
    epoch: u32,
    /// The last poll left nothing behind.
    took_all: bool,
    /// It brought as many inbound records as it could.
    inbound_is_behind: bool,
    /// The next poll's answer says nothing of what there is to take.
    is_resting: bool,
    /// What rests; none when nobody knows.
    paused: Option<BTreeSet<StreamPartition>>,
    pace: Pace,
    excused: Excused,
    notices: Vec<Notice>,
}

impl Engine {
    /// A shard that is assigned nothing yet.
    pub fn new(rules: Rules) -> Engine {
        Engine {
            seen: SeenWindows::new(rules.seen_windows),
            rules,
            topology: None,
            inbound: BTreeMap::new(),
            lanes: BTreeMap::new(),
            incoming: Vec::new(),
            incoming_since_ms: 0,
            reached: Vec::new(),
            transaction: Transaction::default(),
            sealed: None,
            holding: Holding::default(),
            unmerged: Given::default(),
            merging: None,
            merge_failed: false,
            to_locate: BTreeSet::new(),
            assigning: false,
            placing: None,
            leaving: None,
            must_abort: false,
            stopped: false,
            halted: None,
            meets_newer: false,
            beyond_since_ms: None,
            reached_by_all: BTreeMap::new(),
            epoch: 0,
            took_all: true,
            inbound_is_behind: false,
            is_resting: false,
            paused: None,
            pace: Pace::default(),
            excused: Excused::default(),
            notices: Vec::new(),
        }
    }

    /// Asks it to commit what is in flight and to leave.
    pub fn stop(&mut self) {
        self.leaving.get_or_insert(Leaving::Stopping);
        if self.leaving == Some(Leaving::Revoked) {
            self.leaving = Some(Leaving::Stopping);
        }
    }

    /// Whether an intent waits for proof.
    pub fn has_stalled(&self) -> bool {
        self.lanes.values().any(|lane| lane.stalled)
    }

    /// What happened since the last call.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// What to do next.
    pub fn step(&mut self, now: Now) -> Step {
        if let Some(halt) = &self.halted {
            return Step::Halt(halt.clone());
        }
        if self.stopped {
            return Step::Stopped;
        }
        if let Some(wait_ms) = self.pace.hold_off_ms(now.mono_ms) {
            return self.step_rest(wait_ms);
        }
        if self.must_abort {
            return self.step_abort();
        }
        match self.leaving {
            Some(leaving) => self.step_leaving(leaving, now),
            None => self.step_working(now),
        }
    }

    fn step_working(&mut self, now: Now) -> Step {
        if let Some(step) = self.step_settling(now) {
            return step;
        }
        let moves = self.placing.is_some() || !self.to_locate.is_empty() || self.assigning;
        if moves && self.has_unsettled() {
            // What is in flight belongs to the log as it was before cursors move.
            self.force();
            return self.step_settling(now).unwrap_or_else(|| self.step_await());
        }
        if let Some(placing) = &self.placing {
            return placing.step();
        }
        if moves {
            return self.step_locate(now);
        }
        if self.must_wait(now) {
            return self.step_await();
        }
        if self.wants_read(now) {
            return Step::Read(self.plan(now));
        }
        let paused = self.wanted_pauses();
        if self.assigned() && self.paused.as_ref() != Some(&paused) {
            let step = Step::SetPaused(paused.iter().copied().collect());
            self.paused = Some(paused);
            return step;
        }
        self.is_resting = false;
        Step::Poll(Take {
            wait_ms: self.poll_wait_ms(now),
            max_inbound: self.rules.batch_records,
            max_intents: self.rules.batch_records,
        })
    }

    fn assigned(&self) -> bool {
        !self.inbound.is_empty() || !self.lanes.is_empty()
    }

    fn step_leaving(&mut self, leaving: Leaving, now: Now) -> Step {
        self.incoming.clear();
        self.reached.clear();
        self.placing = None;
        if leaving == Leaving::Lost {
            return if self.has_uncommitted() || self.merging.is_some() { self.step_abort() } else { Step::Release };
        }
        if self.pace.is_failing() && !self.unmerged.is_empty() {
            // Whoever comes next applies the log from the frontier that is there.
            self.unmerged = Given::default();
            self.merge_failed = false;
            self.holding = Holding::default();
        }
        if self.pace.failures() > 5 && self.has_unsettled() {
            return self.step_abort();
        }
        self.force();
        if let Some(step) = self.step_settling(now) {
            return step;
        }
        if self.has_unsettled() { self.step_await() } else { Step::Release }
    }

    /// Gives up what is not committed. What is being merged is committed, and ends first.
    fn step_abort(&mut self) -> Step {
        if self.merging.is_some() { self.step_await() } else { Step::Abort }
    }

    /// Takes the answer to the last step.
    pub fn feed(&mut self, input: Input, now: Now) {
        if !matches!(input, Input::Failed(_) | Input::Polled(_) | Input::CommitBegun | Input::MergeBegun) {
            self.pace.succeeded();
        }
        match input {
            Input::Polled(batch) => self.take(*batch, now),
            Input::Located(found) => self.located(*found, now),
            Input::FrontiersStarted(started) => self.frontiers_started(&started),
            Input::Read(reading) => self.decide(*reading, now),
            Input::Produced | Input::PausesSet | Input::CommitBegun | Input::MergeBegun => {}
            Input::Merged(outcomes) => self.merged(&outcomes, now),
            Input::CursorsMoved => self.placed(),
            Input::MustAbort => self.must_abort = true,
            Input::Aborted => self.forget_uncommitted(now),
            Input::Released => self.left(),
            Input::Failed(step) => self.failed(step, now),
        }
    }

    fn failed(&mut self, step: Step, now: Now) {
        self.pace.failed(now.mono_ms);
        self.excused.begin(now.mono_ms);
        match step {
            Step::Merge(calls) => self.merge_again(calls),
            // Outputs that may or may not be in the transaction must not be written a second time.
            Step::Produce(_) => self.must_abort = true,
            Step::SetPaused(_) => self.paused = None,
            // Asked for again from the state as it is.
            Step::Assign(_) | Step::Seek(_) | Step::StartFrontiers(_) | Step::Locate(_) | Step::Read(_) => {}
            Step::Commit(_) => self.ask_again(),
            Step::Abort | Step::Release => {}
            Step::Poll(_) | Step::Halt(_) | Step::Stopped => {}
        }
    }

    /// The store lacks something of this partition: its cursor goes back.
    fn lose(&mut self, partition: Partition) {
        let Some(cursor) = self.inbound.get_mut(&partition) else { return };
        if cursor.placed {
            cursor.placed = false;
            self.notices.push(Notice::FrontierLost { partition });
        }
        self.to_locate.insert(StreamPartition::inbound(partition));
    }

    /// Nothing uncommitted is remembered: everything assigned is placed anew at what is committed.
    fn forget_uncommitted(&mut self, now: Now) {
        // First hear whether the partitions are still ours: a member that slept too long can commit nothing.
        self.pace.failed(now.mono_ms);
        self.must_abort = false;
        self.notices.push(Notice::Aborted);
        self.forget_unsettled();
        self.incoming.clear();
        self.reached.clear();
        // Whoever was on the way to its first place still is.
        self.assigning |= self.placing.take().is_some_and(|placing| placing.assigns);
        let inbound = self.inbound.iter_mut().map(|(partition, cursor)| {
            cursor.placed = false;
            StreamPartition::inbound(*partition)
        });
        self.to_locate.extend(inbound);
        self.to_locate.extend(self.lanes.keys().map(|partition| StreamPartition::intent(*partition)));
    }

    /// The partitions are no longer ours.
    fn left(&mut self) {
        self.inbound.clear();
        self.lanes.clear();
        self.paused = None;
        self.to_locate.clear();
        self.forget_unsettled();
        self.assigning = false;
        self.stopped = self.leaving == Some(Leaving::Stopping);
        self.leaving = None;
    }

    fn assignment(&mut self, change: Assignment) {
        match change {
            Assignment::Assigned(partitions) => {
                self.assigning = true;
                self.to_locate = partitions.into_iter().collect();
            }
            Assignment::Revoked => {
                self.leaving.get_or_insert(Leaving::Revoked);
            }
            Assignment::Lost => {
                if self.leaving != Some(Leaving::Stopping) || self.has_unsettled() {
                    self.leaving = Some(Leaving::Lost);
                }
            }
        }
    }
}
