//! Everything outside the workers: time, the log, the store, the people who write, and what goes wrong.

use crate::log::{DownstreamTransaction, Entry, Group, Output, PartitionLog, TopicLog, Upstream};
use crate::rng::Rng;
use crate::store::FakeRedis;
use bytes::Bytes;
use sessiongate::core::advice::Advice;
use sessiongate::core::ids::{BusinessId, Channel, CustomerId, Offset, Partition, Position, TopicId, WindowKey};
use sessiongate::core::partitioner::murmur2_partition;
use sessiongate::core::record::{Header, Stream, StreamPartition};
use sessiongate::core::time::{Now, Span, Timestamp};
use sessiongate::ports::{AdviceWrite, Clock, Progress};
use sessiongate::shard::engine::applied::Applied;
use sessiongate::wire::letter::REDRIVEN;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

pub type Shared = Rc<RefCell<World>>;
pub type InstanceId = u32;

pub const LENGTH_MS: i64 = 10_000;
pub const GUARD_MS: i64 = 1_000;
/// The clocks of most workers are at most so far from the right time.
pub const CLOCK_SKEW_MS: i64 = 150;
pub const DEDUP_RECORDS: u32 = 30;
pub const START_MS: i64 = 1_800_000_000_000;

/// One deliberate mistake each. A simulation that does not find them proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    WindowsBeforeCommit,
    FrontierByItself,
    WindowsThenFrontiers,
    FrontiersThenWindows,
    ReadFoldSet,
    EndAtLastStableOffset,
    GuardIgnored,
    OffsetsBeforeOutputs,
    RecordsBeforeSeekKept,
    CacheKeptAfterAbort,
    CommitBelievedAtOnce,
    NextKeptAfterAbort,
    NeighboursTellHalf,
    FailedPollTakesNewsAlong,
}

pub const MUTANTS: [Mutant; 14] = [
    Mutant::WindowsBeforeCommit,
    Mutant::FrontierByItself,
    Mutant::WindowsThenFrontiers,
    Mutant::FrontiersThenWindows,
    Mutant::ReadFoldSet,
    Mutant::EndAtLastStableOffset,
    Mutant::GuardIgnored,
    Mutant::OffsetsBeforeOutputs,
    Mutant::RecordsBeforeSeekKept,
    Mutant::CacheKeptAfterAbort,
    Mutant::CommitBelievedAtOnce,
    Mutant::NextKeptAfterAbort,
    Mutant::NeighboursTellHalf,
    Mutant::FailedPollTakesNewsAlong,
];

/// An inbound record as its writer knows it.
#[derive(Clone, Debug)]
pub struct Said {
    pub topic: TopicId,
    pub position: Position,
    pub transaction: Option<usize>,
    /// Whose windows it opens, when it is one that opens.
    pub opens: Vec<String>,
    /// The time that counts.
    pub at: i64,
    pub is_garbage: bool,
    pub written_at: i64,
}

/// An intent record as its writer knows it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub position: Position,
    pub transaction: Option<usize>,
    pub id: Option<String>,
    /// How often it was redriven.
    pub redriven: Option<i64>,
    pub customer: String,
    pub is_garbage: bool,
    pub is_template_only: bool,
    pub expires_at: Option<i64>,
}

/// A send that the provider refused, as it was reported.
#[derive(Clone, Debug)]
pub struct Refused {
    pub customer: String,
    pub at: i64,
}

/// Which instance took which intent.
pub type ReadBy = (InstanceId, TopicId, Position);

pub struct World {
    pub rng: Rng,
    pub now: i64,
    pub mutant: Option<Mutant>,
    pub faults: bool,
    pub at_least_once: bool,
    pub co_partitioned: bool,
    /// Where nobody reports refusals, windows seen a moment ago need not be read again.
    pub heeds_refusals: bool,
    pub session_timeout: i64,
    pub transaction_timeout: i64,
    pub redis_skew: i64,
    pub latest_redis_clock: i64,
    /// In half of the worlds the store's clock steps.
    pub redis_clock_steps: bool,
    /// Acts that had ended by some reading of the store's clock when their offset was first committed: nobody was told.
    pub committed_late: BTreeSet<(TopicId, Position)>,
    pub inbound: TopicLog,
    pub intents: TopicLog,
    pub upstream: Vec<Upstream>,
    pub group: Group,
    pub zombies: BTreeMap<InstanceId, bool>,
    pub downstream: BTreeMap<String, DownstreamTransaction>,
    pub fenced: BTreeSet<String>,
    pub outputs: Vec<Output>,
    pub redis: FakeRedis,
    pub said: Vec<Said>,
    pub asked: Vec<Asked>,
    pub refused: Vec<Refused>,
    /// The high watermarks of the inbound topic when an instance last took an intent.
    pub reads: BTreeMap<ReadBy, (TopicId, Vec<i64>)>,
    /// What workers have told each other so far.
    told: Vec<Arc<Applied>>,
    serial: u64,
}

fn topic(id: String, partitions: usize) -> TopicLog {
    TopicLog { id: TopicId::new(id), partitions: (0..partitions).map(|_| PartitionLog::default()).collect() }
}

impl World {
    pub fn new(seed: u64, mutant: Option<Mutant>) -> World {
        let mut rng = Rng::new(seed);
        let partitions = 1 + rng.below(3) as usize;
        let at_least_once = mutant == Some(Mutant::OffsetsBeforeOutputs) || (mutant.is_none() && rng.permille(150));
        World {
            now: START_MS,
            mutant,
            faults: true,
            at_least_once,
            co_partitioned: rng.permille(250),
            heeds_refusals: rng.permille(500),
            session_timeout: 400,
            transaction_timeout: 600,
            redis_skew: 0,
            latest_redis_clock: 0,
            redis_clock_steps: rng.permille(500),
            committed_late: BTreeSet::new(),
            inbound: topic("inbound-1".into(), partitions),
            intents: topic("intent-1".into(), partitions),
            upstream: Vec::new(),
            group: Group::default(),
            zombies: BTreeMap::new(),
            downstream: BTreeMap::new(),
            fenced: BTreeSet::new(),
            outputs: Vec::new(),
            redis: FakeRedis::default(),
            said: Vec::new(),
            asked: Vec::new(),
            refused: Vec::new(),
            reads: BTreeMap::new(),
            told: Vec::new(),
            serial: 0,
            rng,
        }
    }

    pub fn pass_time(&mut self, ms: i64) {
        self.now += ms;
        let clock = self.redis_clock();
        self.latest_redis_clock = self.latest_redis_clock.max(clock.as_millis());
        self.redis.expire(clock);
    }

    /// These offsets are committed now, some for the first time.
    pub fn commit_offsets(&mut self, offsets: &BTreeMap<StreamPartition, Progress>, reads: Option<&TopicId>) {
        let clock = self.latest_redis_clock.max(self.redis_clock().as_millis());
        for said in self.said.iter().filter(|said| said.topic == self.inbound.id && said.at + LENGTH_MS <= clock) {
            let at = StreamPartition::inbound(said.position.partition);
            let before = self.group.committed.get(&at).is_none_or(|committed| *committed <= said.position.offset);
            if before && offsets.get(&at).is_some_and(|progress| said.position.offset < progress.next) {
                self.committed_late.insert((said.topic.clone(), said.position));
            }
        }
        self.group.committed.extend(offsets.iter().map(|(at, progress)| (*at, progress.next)));
        let inbound = offsets.iter().filter(|(at, _)| at.stream == Stream::Inbound);
        self.group.said.extend(inbound.map(|(at, progress)| (*at, (reads.cloned(), progress.newest))));
    }

    /// What was told once stays true: now and then it is heard again, much later, also from the dead.
    pub fn tell_again(&mut self, others: &mut Vec<Arc<Applied>>) {
        self.told.extend(others.iter().cloned());
        if self.faults && !self.told.is_empty() && self.rng.permille(200) {
            others.push(self.rng.pick(&self.told).clone());
        }
    }

    fn place(&mut self, customer: &str) -> usize {
        let count = self.inbound.partitions.len();
        match self.co_partitioned {
            true => murmur2_partition(format!("106:{customer}").as_bytes(), count as i32) as usize,
            false => self.rng.below(count as u64) as usize,
        }
    }

    /// An open transaction upstream, sometimes.
    fn upstream_transaction(&mut self) -> Option<usize> {
        if !self.faults || !self.rng.permille(250) {
            return None;
        }
        let open: Vec<usize> = (0..self.upstream.len()).filter(|id| self.upstream[*id] == Upstream::Open).collect();
        if !open.is_empty() && self.rng.permille(700) {
            return Some(*self.rng.pick(&open));
        }
        self.upstream.push(Upstream::Open);
        Some(self.upstream.len() - 1)
    }

    /// Ends a transaction upstream: a marker in every partition that it touched.
    pub fn end_upstream(&mut self, id: usize, outcome: Upstream) {
        self.upstream[id] = outcome;
        for partition in self.inbound.partitions.iter_mut().chain(&mut self.intents.partitions) {
            let touched = |entry: &Entry| matches!(entry, Entry::Record { transaction: Some(t), .. } if *t == id);
            if partition.entries.iter().any(touched) {
                partition.entries.push(Entry::Marker);
            }
        }
    }

    pub fn end_some_upstream(&mut self) {
        let open: Vec<usize> = (0..self.upstream.len()).filter(|id| self.upstream[*id] == Upstream::Open).collect();
        if !open.is_empty() {
            let id = *self.rng.pick(&open);
            let outcome = if self.rng.permille(300) { Upstream::Aborted } else { Upstream::Committed };
            self.end_upstream(id, outcome);
        }
    }

    fn append(
        &mut self,
        stream: Stream,
        partition: usize,
        value: Bytes,
        headers: Vec<Header>,
    ) -> (Position, Option<usize>) {
        let transaction = self.upstream_transaction();
        let timestamp = Timestamp::from_millis(self.now);
        let topic = match stream {
            Stream::Inbound => &mut self.inbound,
            Stream::Intent => &mut self.intents,
        };
        let log = &mut topic.partitions[partition];
        log.entries.push(Entry::Record { value, headers, timestamp, transaction });
        let offset = Offset(log.entries.len() as i64 - 1);
        (Position { partition: Partition(partition as i32), offset }, transaction)
    }

    fn customer(&mut self) -> String {
        format!("55110000{}", self.rng.below(5))
    }

    pub fn say(&mut self) {
        let customer = self.customer();
        let partition = self.place(&customer);
        let now = self.now;
        let is_garbage = self.rng.permille(40);
        let kind = *self.rng.pick(&["text", "text", "text", "image", "status", "call"]);
        let occurred = match self.rng.below(10) {
            0 => now - self.rng.between(0, 2 * LENGTH_MS),
            1 => now + self.rng.between(0, 20_000),
            // Equal timestamps.
            2 => now - now.rem_euclid(1_000),
            3 => now - LENGTH_MS + GUARD_MS + self.rng.between(-50, 400),
            _ => now - self.rng.between(0, 30),
        };
        let alias = (!self.co_partitioned && self.rng.permille(100)).then(|| self.customer());
        self.serial += 1;
        let value = serde_json::json!({
            "message_id": format!("wamid.{}", self.serial),
            "business_id": "106",
            "customer_id": customer,
            "customer_aliases": alias.iter().collect::<Vec<_>>(),
            "type": kind,
            "occurred_at": rfc3339(occurred),
        });
        let value = if is_garbage { "{\"message_id\":".to_owned() } else { value.to_string() };
        let at = if occurred > now + 5_000 { now } else { occurred };
        let mut opens = vec![customer];
        opens.extend(alias);
        if is_garbage || kind == "status" {
            opens.clear();
        }
        let copies = if self.rng.permille(80) { 2 } else { 1 };
        for _ in 0..copies {
            let (position, transaction) = self.append(Stream::Inbound, partition, Bytes::from(value.clone()), vec![]);
            let (topic, opens) = (self.inbound.id.clone(), opens.clone());
            self.said.push(Said { topic, position, transaction, opens, at, is_garbage, written_at: now });
        }
    }

    pub fn ask(&mut self) {
        let customer = self.customer();
        let partition = self.place(&customer);
        let is_garbage = self.rng.permille(40);
        let is_template_only = self.rng.permille(60);
        let expires_at = self.rng.permille(80).then(|| self.now + self.rng.between(-100, 3_000));
        self.serial += 1;
        let serial = if self.rng.permille(80) { self.serial - self.rng.below(8).min(self.serial) } else { self.serial };
        let id = format!("intent-{serial}");
        let mut value = serde_json::json!({
            "intent_id": id,
            "business_id": "106",
            "customer_id": customer,
            "template": { "name": "hello", "language": "en" },
        });
        if !is_template_only {
            value["message"] = serde_json::json!({ "type": "text", "serial": self.serial });
        }
        if let Some(end) = expires_at {
            value["expires_at"] = rfc3339(end).into();
        }
        let value = if is_garbage { "[1,2".to_owned() } else { value.to_string() };
        let redriven = self.rng.permille(60).then(|| self.rng.between(1, 3));
        let header = |times: &i64| Header { name: REDRIVEN.into(), value: Some(Bytes::from(times.to_string())) };
        let headers = redriven.iter().map(header).collect();
        let (position, transaction) = self.append(Stream::Intent, partition, Bytes::from(value), headers);
        let id = (!is_garbage).then_some(id);
        self.asked.push(Asked {
            position,
            transaction,
            id,
            redriven,
            customer,
            is_garbage,
            is_template_only,
            expires_at,
        });
    }

    /// The provider refuses a send, and somebody notes it in the store: at once, or much later.
    pub fn refuse(&mut self) {
        let customer = self.customer();
        let late = if self.rng.permille(300) { self.rng.between(0, LENGTH_MS) } else { 0 };
        let at = self.now - late;
        let key = WindowKey::new(&Channel::new("whatsapp"), &BusinessId::new("106"), &CustomerId::new(&customer));
        let advice = Advice { refused_at: Timestamp::from_millis(at) };
        let clock = self.redis_clock();
        self.redis.advise(&AdviceWrite { key, advice, length: Span::from_millis(LENGTH_MS) }, clock);
        self.refused.push(Refused { customer, at });
    }

    /// Retention deletes inbound records that can matter no more.
    pub fn truncate(&mut self) {
        let old = self.now - 3 * LENGTH_MS;
        let committed = self.group.committed.clone();
        for (partition, log) in self.inbound.partitions.iter_mut().enumerate() {
            let at = StreamPartition::inbound(Partition(partition as i32));
            let read = committed.get(&at).map_or(0, |offset| offset.0);
            let keeps =
                |entry: &Entry| matches!(entry, Entry::Record { timestamp, .. } if timestamp.as_millis() >= old);
            let first = log.entries.iter().position(keeps).unwrap_or(log.entries.len());
            log.start = log.start.max((first as i64).min(read));
        }
    }

    /// Somebody deletes what was read, however young it is.
    pub fn purge(&mut self) {
        for (partition, log) in self.inbound.partitions.iter_mut().enumerate() {
            let read = self.group.committed.get(&StreamPartition::inbound(Partition(partition as i32)));
            log.start = log.start.max(read.map_or(0, |offset| offset.0.min(log.high())));
            log.purged_to = log.start;
        }
    }

    /// Both topics get one more partition. Where keys decide, customers would move: that is not for co-partitioning.
    pub fn add_partition(&mut self) {
        if !self.co_partitioned && self.inbound.partitions.len() < 5 {
            self.inbound.partitions.push(PartitionLog::default());
            self.intents.partitions.push(PartitionLog::default());
            self.group.rebalancing = true;
        }
    }

    /// The inbound topic is deleted and made again under its name.
    pub fn make_inbound_anew(&mut self) {
        self.serial += 1;
        let count = self.inbound.partitions.len();
        self.inbound = topic(format!("inbound-{}", self.serial), count);
        self.group.committed.retain(|at, _| at.stream != Stream::Inbound);
    }
}

pub fn rfc3339(ms: i64) -> String {
    sessiongate::wire::time::format(Timestamp::from_millis(ms))
}

/// A worker's clock: it runs with the world's, some milliseconds beside it.
pub struct FakeClock {
    pub world: Shared,
    pub skew_ms: i64,
}

impl Clock for FakeClock {
    fn now(&self) -> Now {
        let now = self.world.borrow().now;
        Now { wall: Timestamp::from_millis(now + self.skew_ms), mono_ms: now - START_MS }
    }
}
