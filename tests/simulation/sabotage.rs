//! The deliberate mistakes that are made between the engine and the world: steps taken apart or out of order.

use crate::driver::Worker;
use crate::world::{Mutant, World};
use sessiongate::core::emission::Emission;
use sessiongate::core::frontier::Stored;
use sessiongate::core::ids::WindowKey;
use sessiongate::core::policy::FUTURE_TOLERANCE;
use sessiongate::core::record::StreamPartition;
use sessiongate::core::time::Now;
use sessiongate::core::window::Window;
use sessiongate::ports::{Clock, Log, LogError, MergeCall, Progress, Settled, Snapshot};
use sessiongate::shard::engine::step::{Batch, Input, Plan, Reading, Step};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a mutant keeps between two steps.
pub struct Sabotage {
    mutant: Option<Mutant>,
    /// One half of a read that should have been one.
    half_read: Option<(Plan, Snapshot, Now)>,
    /// A commit that should have come before the windows.
    late_commit: Option<BTreeMap<StreamPartition, Progress>>,
    /// Outputs that should have come before their offsets.
    late_outputs: Vec<Emission>,
    offsets_are_out: bool,
    /// Frontiers that should have come with their windows.
    late_frontiers: Vec<MergeCall>,
    uncommitted: BTreeMap<WindowKey, Window>,
    committing: BTreeMap<WindowKey, Window>,
    /// Windows that should have been forgotten.
    kept: BTreeMap<WindowKey, Window>,
}

impl Sabotage {
    pub fn new(mutant: Option<Mutant>) -> Sabotage {
        Sabotage {
            mutant,
            half_read: None,
            late_commit: None,
            late_outputs: Vec::new(),
            offsets_are_out: false,
            late_frontiers: Vec::new(),
            uncommitted: BTreeMap::new(),
            committing: BTreeMap::new(),
            kept: BTreeMap::new(),
        }
    }

    /// Sees every answer on its way to the engine: a cache that remembers what an abort should have taken away.
    pub fn see(&mut self, mut input: Input) -> Input {
        if let (Some(Mutant::CommitBelievedAtOnce), Input::Polled(batch)) = (self.mutant, &mut input) {
            batch.settled = None;
        }
        if let (Some(Mutant::NeighboursTellHalf), Input::Read(reading)) = (self.mutant, &mut input) {
            reading.others.iter_mut().for_each(|other| Arc::make_mut(other).windows.clear());
        }
        if self.mutant != Some(Mutant::CacheKeptAfterAbort) {
            return input;
        }
        match &mut input {
            Input::CommitBegun => self.committing.append(&mut self.uncommitted),
            Input::Polled(batch) => {
                if batch.settled == Some(Settled::Committed) {
                    self.committing.clear();
                }
                for item in &batch.inbound {
                    let events = item.decoded.events.iter().filter(|event| event.kind != "status");
                    for event in events {
                        // As the policy has it: what lies far in the future counts from its record's time.
                        let is_far = event.occurred_at > item.record.timestamp + FUTURE_TOLERANCE;
                        let at = if is_far { item.record.timestamp } else { event.occurred_at };
                        let opened = Window::opened_by(at, item.record.position());
                        self.uncommitted.extend(event.window_keys().map(|(key, _)| (key, opened)));
                    }
                }
            }
            Input::Aborted => {
                self.kept.append(&mut self.committing);
                self.kept.append(&mut self.uncommitted);
            }
            Input::Read(reading) => {
                for (key, stored) in reading.plan.request.windows.iter().zip(&mut reading.snapshot.windows) {
                    if let (Some(kept), Stored::Missing) = (self.kept.get(key), &stored) {
                        *stored = Stored::Known(*kept);
                    }
                }
            }
            _ => {}
        }
        input
    }
}

impl Worker {
    /// The half of a step that a mutant has put off; none when there is none.
    pub fn other_half(&mut self, mutant: Mutant) -> Option<bool> {
        if let Some((plan, half, sent)) = self.sabotage.half_read.take() {
            return Some(self.read_other_half(mutant, plan, half, sent));
        }
        if !self.sabotage.late_frontiers.is_empty() {
            let calls = std::mem::take(&mut self.sabotage.late_frontiers);
            let outcomes = {
                let mut world = self.hands.store.world.borrow_mut();
                calls.iter().map(|call| world.redis.advance(call)).collect()
            };
            self.feed(Input::Merged(outcomes));
            return Some(true);
        }
        if self.sabotage.offsets_are_out && !self.sabotage.late_outputs.is_empty() {
            self.sabotage.offsets_are_out = false;
            let step = Step::Produce(std::mem::take(&mut self.sabotage.late_outputs));
            let _ = self.hands.perform(step);
            return Some(true);
        }
        None
    }

    pub fn step_sabotaged(&mut self, mutant: Mutant, step: Step) -> bool {
        match (mutant, step) {
            // The windows come first, whenever there are any.
            (Mutant::WindowsBeforeCommit, step) if self.sabotage.late_commit.is_some() => match step {
                step @ Step::Merge(_) => self.perform(step),
                step => self.commit_late() && self.perform(step),
            },
            (Mutant::WindowsBeforeCommit, Step::Commit(offsets)) => {
                self.sabotage.late_commit = Some(offsets);
                self.feed(Input::CommitBegun);
                self.feed_committed();
                true
            }
            (Mutant::CommitBelievedAtOnce, step @ Step::Commit(_)) => {
                let goes_on = self.perform(step);
                self.feed_committed();
                goes_on
            }
            // The log goes on with what was written behind a transaction that came to nothing.
            (Mutant::NextKeptAfterAbort, Step::Abort) => {
                self.feed(Input::Aborted);
                true
            }
            (Mutant::FrontierByItself, Step::Merge(calls)) => {
                self.hands.store.world.borrow_mut().write_windows_alone(&calls);
                self.sabotage.late_frontiers = calls;
                true
            }
            (Mutant::WindowsThenFrontiers | Mutant::FrontiersThenWindows, Step::Read(plan)) => {
                let sent = self.hands.clock.now();
                let half = self.hands.store.world.borrow_mut().read_alone(&plan);
                // Between both halves anything may happen: a flush, more often than elsewhere.
                let mut world = self.hands.store.world.borrow_mut();
                if world.faults && world.rng.permille(100) {
                    world.redis.flush();
                }
                drop(world);
                self.sabotage.half_read = Some((plan, half, sent));
                true
            }
            (Mutant::OffsetsBeforeOutputs, Step::Produce(emissions)) => {
                self.sabotage.late_outputs.extend(emissions);
                self.feed(Input::Produced);
                true
            }
            (Mutant::OffsetsBeforeOutputs, step @ Step::Commit(_)) => {
                self.sabotage.offsets_are_out = true;
                self.perform(step)
            }
            (_, step) => self.perform(step),
        }
    }

    fn feed_committed(&mut self) {
        let batch = Batch { settled: Some(Settled::Committed), ..Batch::default() };
        self.engine.feed(Input::Polled(Box::new(batch)), self.hands.clock.now());
    }

    fn commit_late(&mut self) -> bool {
        let Some(offsets) = self.sabotage.late_commit.clone() else { return true };
        match self.hands.log.commit_at_once(&offsets) {
            Ok(Settled::Committed) => self.sabotage.late_commit = None,
            Ok(Settled::Unconfirmed(_)) | Err(LogError::Unavailable(_)) => {}
            Err(LogError::Fatal(_)) => return false,
            Ok(Settled::Aborted(_)) | Err(LogError::MustAbort(_)) => {
                self.sabotage.late_commit = None;
                self.feed(Input::MustAbort);
            }
        }
        true
    }

    fn read_other_half(&mut self, mutant: Mutant, plan: Plan, half: Snapshot, sent: Now) -> bool {
        let other = self.hands.store.world.borrow_mut().read_alone(&plan);
        let ends = match plan.ends.is_empty() {
            true => Ok(Default::default()),
            false => self.hands.log.request_ends(&plan.ends).and_then(|()| self.hands.log.take_ends()),
        };
        let Ok(ends) = ends else {
            self.feed(Input::Failed(Step::Read(plan)));
            return true;
        };
        let (frontiers, windows) = match mutant {
            Mutant::WindowsThenFrontiers => (other.frontiers, half.windows),
            _ => (half.frontiers, other.windows),
        };
        let snapshot = Snapshot { frontiers, windows, advice: other.advice, clock: other.clock };
        self.feed(Input::Read(Box::new(Reading { plan, others: Vec::new(), snapshot, ends, sent })));
        true
    }
}

impl World {
    fn read_alone(&mut self, plan: &Plan) -> Snapshot {
        let clock = self.redis_clock();
        self.redis.expire(clock);
        let frontiers = self.redis.frontiers(&plan.request.frontiers);
        let (windows, advice) = (self.redis.windows(&plan.request.windows), self.redis.advice(&plan.request.advice));
        Snapshot { frontiers, windows, advice, clock }
    }

    fn write_windows_alone(&mut self, calls: &[MergeCall]) {
        let clock = self.redis_clock();
        for call in calls {
            self.redis.remember();
            self.redis.write_windows(call, clock, true);
        }
    }
}
