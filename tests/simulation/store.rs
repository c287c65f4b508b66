//! A store that forgets: flushed, restarted from any earlier state, out of memory, silent at the wrong moment.

use crate::world::{Mutant, Shared, World};
use sessiongate::core::advice::Advice;
use sessiongate::core::frontier::{Frontier, Stored};
use sessiongate::core::ids::{Partition, WindowKey};
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::window::Window;
use sessiongate::ports::*;
use sessiongate::shard::merging::{Merged, Merging};
use std::collections::BTreeMap;

#[derive(Clone, Default, Debug)]
pub struct State {
    pub frontiers: BTreeMap<Partition, Frontier>,
    pub windows: BTreeMap<WindowKey, (Window, Timestamp)>,
    pub advice: BTreeMap<WindowKey, (Advice, Timestamp)>,
    /// The last call that a store merged of a partition.
    links: BTreeMap<(u64, Partition), (u64, u64)>,
}

/// How many earlier states a restart may come back to.
const REMEMBERED: usize = 40;

#[derive(Default, Debug)]
pub struct FakeRedis {
    pub state: State,
    pub earlier: Vec<State>,
    pub out_of_memory: bool,
    pub away_until: i64,
    names: u64,
}

impl FakeRedis {
    fn new_name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    pub fn expire(&mut self, clock: Timestamp) {
        self.state.windows.retain(|_, (_, end)| *end > clock);
        self.state.advice.retain(|_, (_, end)| *end > clock);
    }

    pub fn remember(&mut self) {
        self.earlier.push(self.state.clone());
        if self.earlier.len() > REMEMBERED {
            self.earlier.remove(0);
        }
    }

    pub fn flush(&mut self) {
        self.state = State::default();
    }

    /// What was lost is lost: a replica that lagged has the same past, and another future.
    pub fn roll_back(&mut self, to: usize) {
        if let Some(state) = self.earlier.get(to).cloned() {
            self.earlier.truncate(to);
            self.state = state;
        }
    }

    fn frontier(&self, partition: Partition) -> Stored<Frontier> {
        self.state.frontiers.get(&partition).map_or(Stored::Missing, |frontier| Stored::Known(frontier.clone()))
    }

    pub fn windows(&self, keys: &[WindowKey]) -> Vec<Stored<Window>> {
        let get = |key| self.state.windows.get(key).map_or(Stored::Missing, |(window, _)| Stored::Known(*window));
        keys.iter().map(get).collect()
    }

    pub fn advice(&self, keys: &[WindowKey]) -> Vec<Stored<Advice>> {
        let get = |key| self.state.advice.get(key).map_or(Stored::Missing, |(advice, _)| Stored::Known(*advice));
        keys.iter().map(get).collect()
    }

    pub fn advise(&mut self, AdviceWrite { key, advice, length }: &AdviceWrite, clock: Timestamp) {
        let expires_at = advice.expires_at(*length);
        let is_later = self.state.advice.get(key).is_none_or(|(stored, _)| stored < advice);
        if expires_at > clock && is_later {
            self.state.advice.insert(key.clone(), (*advice, expires_at));
        }
    }

    pub fn frontiers(&self, partitions: &[Partition]) -> Vec<Stored<Frontier>> {
        partitions.iter().map(|partition| self.frontier(*partition)).collect()
    }

    fn may_merge(&self, call: &MergeCall) -> bool {
        let frontier = self.state.frontiers.get(&call.partition);
        frontier.is_some_and(|frontier| frontier.topic_id == call.topic_id && frontier.next >= call.from)
    }

    pub fn write_windows(&mut self, call: &MergeCall, clock: Timestamp, merges: bool) {
        for WindowWrite { key, window, length } in &call.windows {
            let old = self.state.windows.get(key).map(|(old, _)| *old).filter(|_| merges);
            let new = old.map_or(*window, |old| old.merge(*window, *length));
            if new.expires_at(*length) > clock {
                self.state.windows.insert(key.clone(), (new, new.expires_at(*length)));
            }
        }
    }

    pub fn advance(&mut self, call: &MergeCall) -> MergeOutcome {
        if !self.may_merge(call) {
            return MergeOutcome::Refused;
        }
        if let Some(frontier) = self.state.frontiers.get_mut(&call.partition) {
            frontier.next = frontier.next.max(call.to);
        }
        MergeOutcome::Merged
    }

    fn merge(&mut self, call: &MergeCall, clock: Timestamp, merges: bool) -> MergeOutcome {
        if !self.may_merge(call) {
            return MergeOutcome::Refused;
        }
        self.remember();
        self.write_windows(call, clock, merges);
        self.advance(call)
    }
}

impl World {
    pub fn redis_clock(&self) -> Timestamp {
        Timestamp::from_millis(self.now) + Span::from_millis(self.redis_skew)
    }
}

pub struct FakeStore {
    pub world: Shared,
    /// Of this value alone.
    name: u64,
    merges: u64,
}

/// The calls of one merge: the later ones of a partition rest on the earlier.
struct Chain {
    number: u64,
    links: BTreeMap<Partition, u64>,
}

fn no_answer() -> StoreError {
    StoreError::Unavailable("no answer".into())
}

fn away<T>() -> Result<T, StoreError> {
    Err(no_answer())
}

impl FakeStore {
    pub fn new(world: Shared) -> FakeStore {
        let name = world.borrow_mut().redis.new_name();
        FakeStore { world, name, merges: 0 }
    }

    fn chain(&mut self) -> Chain {
        self.merges += 1;
        Chain { number: self.merges, links: BTreeMap::new() }
    }

    fn merge_one(&mut self, call: &MergeCall, chain: &mut Chain) -> Result<MergeOutcome, StoreError> {
        if self.fault(10) {
            // Some of the pipeline arrived.
            return away();
        }
        let mut world = self.world.borrow_mut();
        if world.faults && world.redis.out_of_memory && world.rng.permille(500) {
            return Err(StoreError::Refused("out of memory".into()));
        }
        let clock = world.redis_clock();
        world.redis.expire(clock);
        let merges = world.mutant != Some(Mutant::ReadFoldSet);
        let links = chain.links.entry(call.partition).or_default();
        let (place, before) = ((self.name, call.partition), *links);
        *links += 1;
        let is_broken = before > 0 && world.redis.state.links.get(&place) != Some(&(chain.number, before));
        if is_broken {
            return Ok(MergeOutcome::Refused);
        }
        let outcome = world.redis.merge(call, clock, merges);
        if outcome == MergeOutcome::Merged {
            world.redis.state.links.insert(place, (chain.number, before + 1));
        }
        Ok(outcome)
    }

    fn fault(&self, permille: u64) -> bool {
        let mut world = self.world.borrow_mut();
        world.faults && (world.redis.away_until > world.now || world.rng.permille(permille))
    }
}

impl WindowStore for FakeStore {
    /// The answer is of a moment before what is done meanwhile, or after it.
    fn read_beside(&mut self, request: &ReadRequest, meanwhile: &mut dyn FnMut()) -> Result<Snapshot, StoreError> {
        if self.world.borrow_mut().rng.permille(500) {
            meanwhile();
            return self.read(request);
        }
        let answer = self.read(request);
        meanwhile();
        answer
    }

    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError> {
        if self.fault(10) {
            return away();
        }
        let mut world = self.world.borrow_mut();
        let clock = world.redis_clock();
        world.redis.expire(clock);
        let frontiers = world.redis.frontiers(&request.frontiers);
        let (windows, advice) = (world.redis.windows(&request.windows), world.redis.advice(&request.advice));
        Ok(Snapshot { frontiers, windows, advice, clock })
    }

    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
        if self.fault(15) {
            return away();
        }
        let (mut chain, mut outcomes) = (self.chain(), Vec::new());
        for call in calls {
            outcomes.push(self.merge_one(call, &mut chain)?);
        }
        if self.fault(15) {
            return away();
        }
        Ok(outcomes)
    }

    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
        if self.fault(15) {
            return away();
        }
        let mut world = self.world.borrow_mut();
        let mut started = Vec::new();
        for FrontierStart { partition, seen, frontier } in starts {
            let is_as_seen = world.redis.frontier(*partition) == *seen;
            if is_as_seen {
                world.redis.remember();
                world.redis.state.frontiers.insert(*partition, frontier.clone());
            }
            started.push(is_as_seen);
        }
        Ok(started)
    }

    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        let mut world = self.world.borrow_mut();
        let clock = world.redis_clock();
        writes.iter().for_each(|write| world.redis.advise(write, clock));
        Ok(())
    }
}

/// Merges that happen some time after they were begun, one call after the other.
pub struct FakeMerging {
    store: FakeStore,
    begun: Option<(Vec<MergeCall>, Chain, Vec<MergeOutcome>)>,
}

impl FakeMerging {
    pub fn new(world: Shared) -> FakeMerging {
        FakeMerging { store: FakeStore::new(world), begun: None }
    }
}

impl Merging for FakeMerging {
    fn begin(&mut self, calls: Vec<MergeCall>) {
        assert!(self.begun.is_none(), "one batch at a time");
        self.begun = Some((calls, self.store.chain(), Vec::new()));
    }

    fn ended(&mut self) -> Option<Merged> {
        if self.store.world.borrow_mut().rng.permille(600) {
            return None;
        }
        let (calls, chain, outcomes) = self.begun.as_mut()?;
        let error = match calls.get(outcomes.len()).map(|call| self.store.merge_one(call, chain)) {
            Some(Ok(outcome)) => {
                outcomes.push(outcome);
                return None;
            }
            Some(Err(error)) => Some(error),
            // All of it arrived, and the answer did not.
            None => self.store.fault(15).then(no_answer),
        };
        let (calls, _, outcomes) = self.begun.take()?;
        Some(match error {
            None => Merged::Answered(outcomes),
            Some(error) => Merged::Unanswered(calls, error),
        })
    }
}
