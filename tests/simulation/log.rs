//! A log with what makes real ones hard: transactions upstream that hang or abort, markers that occupy offsets, a
//! group that rebalances, members that sleep, commits whose answer is lost.

use crate::world::{InstanceId, Mutant, Shared, World};
use bytes::Bytes;
use sessiongate::core::frontier::{Ends, Topology};
use sessiongate::core::ids::{Offset, Partition, TopicId};
use sessiongate::core::record::{Header, Record, Stream, StreamPartition};
use sessiongate::core::time::Timestamp;
use sessiongate::ports::*;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Upstream {
    Open,
    Committed,
    Aborted,
}

#[derive(Clone, Debug)]
pub enum Entry {
    Record { value: Bytes, headers: Vec<Header>, timestamp: Timestamp, transaction: Option<usize> },
    Marker,
}

#[derive(Default, Debug)]
pub struct PartitionLog {
    pub start: i64,
    pub entries: Vec<Entry>,
    /// Below it, somebody deleted records that still mattered.
    pub purged_to: i64,
}

impl PartitionLog {
    pub fn high(&self) -> i64 {
        self.entries.len() as i64
    }
}

#[derive(Debug)]
pub struct TopicLog {
    pub id: TopicId,
    pub partitions: Vec<PartitionLog>,
}

/// An output as a read_committed consumer may come to see it.
#[derive(Clone, Debug)]
pub struct Output {
    pub instance: InstanceId,
    pub written_at: i64,
    pub record: OutputRecord,
}

#[derive(Default, Debug)]
pub struct DownstreamTransaction {
    pub outputs: Vec<Output>,
    pub offsets: BTreeMap<StreamPartition, Progress>,
    /// The inbound topic that they are of, as far as the worker knew.
    pub reads: Option<TopicId>,
    pub touched_at: i64,
}

#[derive(Debug, Default)]
pub struct Member {
    pub assigned: Option<BTreeSet<StreamPartition>>,
    pub generation: u64,
    pub told: VecDeque<Assignment>,
    /// A revocation that it has not answered.
    pub revoking: bool,
    pub last_seen: i64,
}

#[derive(Default, Debug)]
pub struct Group {
    pub members: BTreeMap<InstanceId, Member>,
    pub generation: u64,
    pub rebalancing: bool,
    pub committed: BTreeMap<StreamPartition, Offset>,
    /// What was said with those of inbound: which topic they are of, and that no record below is younger.
    pub said: BTreeMap<StreamPartition, (Option<TopicId>, Option<Timestamp>)>,
}

impl World {
    pub fn topic(&self, stream: Stream) -> &TopicLog {
        match stream {
            Stream::Inbound => &self.inbound,
            Stream::Intent => &self.intents,
        }
    }

    fn partition(&self, at: StreamPartition) -> &PartitionLog {
        &self.topic(at.stream).partitions[at.partition.0 as usize]
    }

    /// The last stable offset: nothing at or above an open transaction is shown.
    pub fn stable(&self, at: StreamPartition) -> i64 {
        let log = self.partition(at);
        let open = log.entries.iter().position(|entry| match entry {
            Entry::Record { transaction: Some(id), .. } => self.upstream[*id] == Upstream::Open,
            _ => false,
        });
        open.map_or(log.high(), |offset| offset as i64)
    }

    pub fn join(&mut self, instance: InstanceId) {
        let now = self.now;
        self.group.members.insert(instance, Member { last_seen: now, ..Member::default() });
        self.group.rebalancing = true;
    }

    /// A member is gone: its partitions are free at once.
    pub fn evict(&mut self, instance: InstanceId) {
        if let Some(member) = self.group.members.remove(&instance) {
            self.group.rebalancing = true;
            self.zombies.insert(instance, member.assigned.is_some());
        }
    }

    /// Moves the group on: asks for partitions back, and deals them out when all are free.
    pub fn coordinate(&mut self) {
        let (now, timeout) = (self.now, self.session_timeout);
        let dead: Vec<_> =
            self.group.members.iter().filter(|(_, m)| now - m.last_seen > timeout).map(|(id, _)| *id).collect();
        dead.into_iter().for_each(|id| self.evict(id));
        if !self.group.rebalancing || self.group.members.is_empty() {
            return;
        }
        let mut waiting = false;
        for member in self.group.members.values_mut() {
            if member.assigned.is_some() {
                waiting = true;
                if !member.revoking {
                    member.revoking = true;
                    member.told.push_back(Assignment::Revoked);
                }
            } else if !member.told.is_empty() {
                waiting = true;
            }
        }
        if waiting {
            return;
        }
        self.group.rebalancing = false;
        self.group.generation += 1;
        let mut shares: Vec<BTreeSet<StreamPartition>> = vec![BTreeSet::new(); self.group.members.len()];
        let count = shares.len();
        for stream in [Stream::Inbound, Stream::Intent] {
            // The two halves of a pair need not go to the same member.
            let shift = self.rng.below(2) as usize;
            for partition in 0..self.topic(stream).partitions.len() {
                let to = (partition + shift) % count;
                shares[to].insert(StreamPartition { stream, partition: Partition(partition as i32) });
            }
        }
        let generation = self.group.generation;
        for (member, share) in self.group.members.values_mut().zip(shares) {
            member.generation = generation;
            member.told.push_back(Assignment::Assigned(share.iter().copied().collect()));
            member.assigned = Some(share);
        }
    }

    /// Ends a transaction of a worker: its outputs and offsets become visible, or nothing does.
    pub fn end_downstream(&mut self, id: &str, commit: bool) {
        let Some(transaction) = self.downstream.remove(id) else { return };
        if commit {
            self.outputs.extend(transaction.outputs);
            self.commit_offsets(&transaction.offsets, transaction.reads.as_ref());
        }
    }

    pub fn expire_downstream(&mut self) {
        let (now, timeout) = (self.now, self.transaction_timeout);
        let old: Vec<_> =
            self.downstream.iter().filter(|(_, t)| now - t.touched_at > timeout).map(|(id, _)| id.clone()).collect();
        for id in old {
            self.end_downstream(&id, false);
            self.fenced.insert(id);
        }
    }
}

#[derive(Default)]
struct Cursor {
    epoch: u32,
    fetch: i64,
    told_end: Option<i64>,
    queue: VecDeque<(u32, i64)>,
}

/// Producers that take turns.
const TURNS: usize = 3;

/// How far a commit that was begun has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// Outputs are in their topics.
    Flushed,
    /// The offsets are in the transaction too.
    Offered,
    /// It is committed; the worker may not know.
    Committed,
}

struct Sealed {
    id: String,
    offsets: BTreeMap<StreamPartition, Progress>,
    reads: Option<TopicId>,
    /// The membership that they are offered with.
    generation: Option<u64>,
    stage: Stage,
    /// Its end was not heard of in time: nothing goes on until somebody asks again.
    unconfirmed: bool,
}

/// One worker's view of the log.
pub struct FakeLog {
    world: Shared,
    instance: InstanceId,
    transactional_id: String,
    cursors: BTreeMap<StreamPartition, Cursor>,
    paused: BTreeSet<StreamPartition>,
    topology: Option<Topology>,
    /// The inbound topic when it was last located.
    reads: Option<TopicId>,
    ends: Option<Ends>,
    turn: usize,
    /// It was told that it is no member any more, and has not let its partitions go: until then it does not join again.
    is_lost: bool,
    sealed: Option<Sealed>,
    /// A commit without transactions that is under way.
    plain: Option<BTreeMap<StreamPartition, Progress>>,
    /// How one ended.
    news: Option<Settled>,
}

fn away<T>() -> Result<T, LogError> {
    Err(LogError::Unavailable("the broker is away".into()))
}

impl FakeLog {
    pub fn new(world: Shared, instance: InstanceId, transactional_id: String) -> FakeLog {
        {
            let mut world = world.borrow_mut();
            // A producer that begins with the id of another ends that one's transaction.
            for turn in 0..TURNS {
                let id = format!("{transactional_id}/{turn}");
                world.end_downstream(&id, false);
                world.fenced.remove(&id);
            }
            world.join(instance);
        }
        FakeLog {
            world,
            instance,
            transactional_id,
            cursors: BTreeMap::new(),
            paused: BTreeSet::new(),
            topology: None,
            reads: None,
            ends: None,
            turn: 0,
            is_lost: false,
            sealed: None,
            plain: None,
            news: None,
        }
    }

    /// The id of the open transaction.
    fn id(&self) -> String {
        format!("{}/{}", self.transactional_id, self.turn)
    }

    fn fault(&self, permille: u64) -> bool {
        let mut world = self.world.borrow_mut();
        world.faults && world.rng.permille(permille)
    }

    fn fetch(&mut self, world: &World, at: StreamPartition) {
        let Some(cursor) = self.cursors.get_mut(&at) else { return };
        let stable = world.stable(at);
        while cursor.fetch < stable && cursor.queue.len() < 20 {
            let visible = match &world.partition(at).entries[cursor.fetch as usize] {
                Entry::Marker => false,
                Entry::Record { transaction, .. } => {
                    transaction.is_none_or(|id| world.upstream[id] == Upstream::Committed)
                }
            };
            if visible {
                cursor.queue.push_back((cursor.epoch, cursor.fetch));
            }
            cursor.fetch += 1;
        }
    }

    fn record(world: &World, at: StreamPartition, offset: i64) -> Option<Record> {
        let log = world.partition(at);
        match log.entries.get(offset as usize) {
            Some(Entry::Record { value, headers, timestamp, .. }) => Some(Record {
                stream: at.stream,
                partition: at.partition,
                offset: Offset(offset),
                timestamp: *timestamp,
                key: None,
                value: Some(value.clone()),
                headers: headers.clone(),
            }),
            _ => None,
        }
    }

    fn deliver(&mut self, at: StreamPartition, limit: usize, polled: &mut Polled) {
        let shared = self.world.clone();
        let mut world = shared.borrow_mut();
        if self
            .cursors
            .get(&at)
            .is_some_and(|c| c.fetch < world.partition(at).start || c.fetch > world.partition(at).high())
        {
            let epoch = self.cursors[&at].epoch;
            polled.out_of_range.push(OutOfRange { epoch, partition: at });
            return;
        }
        self.fetch(&world, at);
        let Some(cursor) = self.cursors.get_mut(&at) else { return };
        for _ in 0..limit {
            let Some((mut epoch, offset)) = cursor.queue.pop_front() else { break };
            if world.mutant == Some(Mutant::RecordsBeforeSeekKept) {
                epoch = cursor.epoch;
            }
            let Some(record) = FakeLog::record(&world, at, offset) else { continue };
            // What lies below the committed offset has its verdict: it is read to note the ids.
            let decided = world.group.committed.get(&at).is_some_and(|committed| offset < committed.0);
            if at.stream == Stream::Intent && !decided {
                let highs = world.inbound.partitions.iter().map(PartitionLog::high).collect();
                let key = (self.instance, world.intents.id.clone(), record.position());
                let topic = world.inbound.id.clone();
                match world.at_least_once {
                    // An answer may stand although the intent was read again: it knew what the first reading knew.
                    true => drop(world.reads.entry(key).or_insert((topic, highs))),
                    false => drop(world.reads.insert(key, (topic, highs))),
                }
            }
            polled.records.push(Fetched { epoch, record });
        }
        polled.is_cut |= !cursor.queue.is_empty();
        if cursor.queue.is_empty() && cursor.fetch == world.stable(at) && cursor.told_end != Some(cursor.fetch) {
            cursor.told_end = Some(cursor.fetch);
            polled.ends.push(ReachedEnd { epoch: cursor.epoch, partition: at, offset: Offset(cursor.fetch) });
        }
    }

    fn member<T>(&self, read: impl FnOnce(&mut Member) -> T) -> Option<T> {
        self.world.borrow_mut().group.members.get_mut(&self.instance).map(read)
    }

    fn set_cursors(&mut self, starts: &[CursorStart], clear: bool) {
        if clear {
            self.cursors.clear();
        }
        for start in starts {
            let cursor = self.cursors.entry(start.partition).or_default();
            // What was fetched before stays in the queue, with its old epoch.
            cursor.epoch = start.epoch;
            cursor.fetch = start.offset.0;
            cursor.told_end = None;
        }
    }
}

impl Log for FakeLog {
    fn poll(&mut self, request: PollRequest) -> Result<Polled, LogError> {
        if self.fault(2) {
            return away();
        }
        let mut polled = Polled { settled: self.settled()?, ..Polled::default() };
        let is_careless = self.world.borrow().mutant == Some(Mutant::FailedPollTakesNewsAlong);
        if is_careless && polled.settled.is_some() && self.fault(100) {
            return away();
        }
        {
            let mut world = self.world.borrow_mut();
            let now = world.now;
            if !world.group.members.contains_key(&self.instance) && !self.is_lost {
                // Evicted while asleep: it hears of it, lets go what it had, and joins again.
                self.cursors.clear();
                self.is_lost = world.zombies.remove(&self.instance).unwrap_or(false);
                if self.is_lost {
                    polled.assignment = Some(Assignment::Lost);
                    return Ok(polled);
                }
                world.join(self.instance);
            }
            let known =
                Topology { topic_id: world.inbound.id.clone(), partitions: world.inbound.partitions.len() as i32 };
            if self.topology.as_ref() != Some(&known) {
                self.topology = Some(known.clone());
                polled.topology = Some(Arc::new(known));
            }
            if let Some(member) = world.group.members.get_mut(&self.instance) {
                member.last_seen = now;
                polled.assignment = member.told.pop_front();
            }
        }
        if polled.assignment.is_some() {
            return Ok(polled);
        }
        for (stream, limit) in [(Stream::Inbound, request.max_inbound), (Stream::Intent, request.max_intents)] {
            let partitions: Vec<_> = self.cursors.keys().filter(|at| at.stream == stream).copied().collect();
            for at in partitions {
                if limit > 0 && !self.paused.contains(&at) {
                    self.deliver(at, limit.min(7), &mut polled);
                }
            }
        }
        Ok(polled)
    }

    fn locate(&mut self, partitions: &[StreamPartition], since: Timestamp) -> Result<Location, LogError> {
        if self.fault(30) {
            return away();
        }
        // A leader that was replaced and does not know it tells an end that was.
        let by_former_leaders = self.fault(60);
        let world = self.world.borrow();
        // Offsets that hang in a transaction are not told before it ends.
        let own = |id: &String| id.starts_with(&format!("{}/", self.transactional_id));
        let hangs = |at| world.downstream.iter().any(|(id, t)| !own(id) && t.offsets.contains_key(at));
        if partitions.iter().any(hangs) {
            return away();
        }
        let topology =
            Topology { topic_id: world.inbound.id.clone(), partitions: world.inbound.partitions.len() as i32 };
        self.reads = Some(topology.topic_id.clone());
        let located = partitions.iter().map(|at| {
            let log = world.partition(*at);
            let committed = world.group.committed.get(at).copied();
            let high = match committed {
                Some(Offset(offset)) if by_former_leaders => log.high().min((offset - 1).max(log.start)),
                _ => log.high(),
            };
            let history = (log.start..high).find(|offset| {
                matches!(&log.entries[*offset as usize], Entry::Record { timestamp, .. } if *timestamp >= since)
            });
            let found = history.and_then(|offset| match log.entries.get(offset as usize) {
                Some(Entry::Record { timestamp, .. }) => Some(*timestamp),
                _ => None,
            });
            let first = log.entries.iter().skip(log.start as usize).find_map(|entry| match entry {
                Entry::Record { timestamp, .. } => Some(*timestamp),
                _ => None,
            });
            let said = world.group.said.get(at).cloned().unwrap_or_default();
            Located {
                partition: *at,
                committed,
                committed_for: match at.stream {
                    Stream::Inbound => committed.and(said.0),
                    Stream::Intent => committed.map(|_| world.intents.id.clone()),
                },
                newest: said.1,
                low: Offset(log.start),
                high: Offset(high),
                stable: Offset(world.stable(*at).min(high)),
                history: Offset(history.unwrap_or(high)),
                oldest: first,
                truncated_at: found.filter(|_| log.start > 0),
            }
        });
        let partitions = located.collect();
        let group_has_offsets = !world.group.committed.is_empty();
        let intents_id = world.topic(Stream::Intent).id.clone();
        Ok(Location { topology: Arc::new(topology), intents_id, group_has_offsets, since, partitions })
    }

    fn assign(&mut self, starts: &[CursorStart]) -> Result<(), LogError> {
        if self.fault(50) {
            return away();
        }
        self.paused.clear();
        self.set_cursors(starts, true);
        Ok(())
    }

    fn seek(&mut self, starts: &[CursorStart]) -> Result<(), LogError> {
        if self.fault(30) {
            return away();
        }
        if starts.iter().any(|start| !self.cursors.contains_key(&start.partition)) {
            return Err(LogError::Fatal("a partition that is not assigned cannot be sought".into()));
        }
        self.set_cursors(starts, false);
        Ok(())
    }

    fn release(&mut self) -> Result<(), LogError> {
        self.is_lost = false;
        self.cursors.clear();
        self.paused.clear();
        self.member(|member| {
            member.assigned = None;
            member.revoking = false;
            member.told.clear();
        });
        self.world.borrow_mut().group.rebalancing = true;
        Ok(())
    }

    fn set_paused(&mut self, paused: &[StreamPartition]) -> Result<(), LogError> {
        if self.fault(100) {
            return away();
        }
        self.paused = paused.iter().copied().collect();
        Ok(())
    }

    fn request_ends(&mut self, partitions: &[Partition]) -> Result<(), LogError> {
        if self.fault(10) {
            return away();
        }
        let world = self.world.borrow();
        let end = |partition: &Partition| {
            let at = StreamPartition::inbound(*partition);
            let offset = match world.mutant {
                Some(Mutant::EndAtLastStableOffset) => world.stable(at),
                _ => world.partition(at).high(),
            };
            (*partition, Offset(offset))
        };
        self.ends = Some(Ends(partitions.iter().map(end).collect()));
        Ok(())
    }

    fn take_ends(&mut self) -> Result<Ends, LogError> {
        if self.fault(10) {
            return away();
        }
        self.ends.take().map_or_else(away, Ok)
    }

    fn produce(&mut self, outputs: Vec<OutputRecord>) -> Result<(), LogError> {
        if self.fault(5) {
            return Err(LogError::MustAbort("a message was lost".into()));
        }
        let instance = self.instance;
        let mut world = self.world.borrow_mut();
        let written_at = world.now;
        let outputs = outputs.into_iter().map(|record| Output { instance, written_at, record });
        if world.at_least_once {
            world.outputs.extend(outputs);
            return Ok(());
        }
        let id = self.id();
        if world.fenced.contains(&id) {
            return Err(LogError::Fatal("fenced".into()));
        }
        let now = world.now;
        let transaction = world.downstream.entry(id).or_default();
        transaction.touched_at = now;
        transaction.outputs.extend(outputs);
        Ok(())
    }

    fn begin_commit(&mut self, offsets: &BTreeMap<StreamPartition, Progress>) -> Result<(), LogError> {
        if self.fault(10) {
            return away();
        }
        let generation = self.member(|member| member.generation);
        let offers = self.sealed.as_ref().is_none_or(|sealed| sealed.stage == Stage::Flushed);
        if offers && generation.is_none() && !offsets.is_empty() {
            // Nothing is offered for somebody who is no member.
            return away();
        }
        if let Some(sealed) = &mut self.sealed {
            if sealed.unconfirmed && sealed.stage == Stage::Flushed {
                sealed.generation = generation;
            }
            sealed.unconfirmed = false;
            return Ok(());
        }
        if self.world.borrow().at_least_once {
            if self.news.is_none() {
                self.plain.get_or_insert_with(|| offsets.clone());
            }
            return Ok(());
        }
        if self.fault(5) {
            return Err(LogError::MustAbort("the coordinator says so".into()));
        }
        self.seal(offsets);
        // Its thread may be quick.
        if self.fault(300) {
            self.news = self.commit_goes_on().transpose()?;
        }
        Ok(())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        if self.fault(30) {
            return away();
        }
        if let Some(sealed) = self.sealed.take() {
            match sealed.stage {
                Stage::Offered | Stage::Committed if sealed.unconfirmed => {
                    return Err(LogError::Fatal("it may be committed by now".into()));
                }
                // What is under way ends in one way or the other.
                Stage::Offered if self.fault(500) => self.world.borrow_mut().end_downstream(&sealed.id, true),
                Stage::Flushed | Stage::Offered => self.world.borrow_mut().end_downstream(&sealed.id, false),
                Stage::Committed => {}
            }
        }
        if let Some(offsets) = self.plain.take() {
            self.commit_plainly(&offsets);
        }
        self.news = None;
        let id = self.id();
        self.world.borrow_mut().end_downstream(&id, false);
        Ok(())
    }
}

/// The committing side.
impl FakeLog {
    fn seal(&mut self, offsets: &BTreeMap<StreamPartition, Progress>) {
        let (id, offsets) = (self.id(), offsets.clone());
        // Whoever comes back as another member must not commit what it took as the one before.
        let generation = self.member(|member| member.generation);
        let reads = self.reads.clone();
        self.sealed = Some(Sealed { id, offsets, reads, generation, stage: Stage::Flushed, unconfirmed: false });
        self.turn = (self.turn + 1) % TURNS;
    }

    fn is_current(&self) -> bool {
        let world = self.world.borrow();
        world.group.members.get(&self.instance).is_some_and(|m| m.generation == world.group.generation)
    }

    fn commit_plainly(&mut self, offsets: &BTreeMap<StreamPartition, Progress>) -> Settled {
        if !self.is_current() && !offsets.is_empty() {
            return Settled::Aborted("illegal generation".into());
        }
        self.world.borrow_mut().commit_offsets(offsets, self.reads.as_ref());
        if self.fault(20) { Settled::Unconfirmed("no answer".into()) } else { Settled::Committed }
    }

    /// One call of the committing thread: its end, when it was the last.
    fn commit_goes_on(&mut self) -> Option<Result<Settled, LogError>> {
        let is_member = self.is_current();
        let sealed = self.sealed.as_mut().filter(|sealed| !sealed.unconfirmed)?;
        let mut world = self.world.borrow_mut();
        let now = world.now;
        let is_current = is_member && sealed.generation == Some(world.group.generation);
        match sealed.stage {
            Stage::Flushed | Stage::Offered if world.fenced.contains(&sealed.id) => {
                return Some(Err(LogError::Fatal("fenced".into())));
            }
            // Only the offsets are held against the generation: after that, the end is the producer's alone.
            Stage::Flushed if !is_current && !sealed.offsets.is_empty() => {
                world.end_downstream(&sealed.id, false);
                drop(world);
                self.sealed = None;
                return Some(Ok(Settled::Aborted("illegal generation".into())));
            }
            Stage::Flushed => {
                let transaction = world.downstream.entry(sealed.id.clone()).or_default();
                transaction.offsets.extend(sealed.offsets.clone());
                transaction.reads = sealed.reads.clone();
                transaction.touched_at = now;
                sealed.stage = Stage::Offered;
                return None;
            }
            Stage::Offered => {
                world.end_downstream(&sealed.id, true);
                sealed.stage = Stage::Committed;
                return None;
            }
            Stage::Committed => {}
        }
        drop(world);
        self.sealed = None;
        Some(Ok(Settled::Committed))
    }

    fn settled(&mut self) -> Result<Option<Settled>, LogError> {
        if let Some(news) = self.news.take() {
            return Ok(Some(news));
        }
        if self.plain.is_some() && !self.fault(500) {
            return Ok(self.plain.take().map(|offsets| self.commit_plainly(&offsets)));
        }
        let Some(sealed) = self.sealed.as_ref().filter(|sealed| !sealed.unconfirmed) else { return Ok(None) };
        let (id, stage) = (sealed.id.clone(), sealed.stage);
        if self.fault(15) {
            self.sealed.iter_mut().for_each(|sealed| sealed.unconfirmed = true);
            return Ok(Some(Settled::Unconfirmed("no answer".into())));
        }
        if stage == Stage::Flushed && self.fault(15) {
            self.world.borrow_mut().end_downstream(&id, false);
            self.sealed = None;
            return Ok(Some(Settled::Aborted("the coordinator says so".into())));
        }
        // In calm weather it goes on at every look.
        if self.fault(500) {
            return Ok(None);
        }
        self.commit_goes_on().transpose()
    }

    /// Commits without letting anything happen between.
    pub fn commit_at_once(&mut self, offsets: &BTreeMap<StreamPartition, Progress>) -> Result<Settled, LogError> {
        self.begin_commit(offsets)?;
        loop {
            if let Some(settled) = self.settled()? {
                return Ok(settled);
            }
        }
    }
}

/// A worker that is killed may have a commit under way, which goes on or does not.
impl Drop for FakeLog {
    fn drop(&mut self) {
        if let Some(offsets) = self.plain.take()
            && self.fault(400)
        {
            self.commit_plainly(&offsets);
        }
        for _ in 0..2 {
            if self.fault(400) {
                self.commit_goes_on();
            }
        }
    }
}
