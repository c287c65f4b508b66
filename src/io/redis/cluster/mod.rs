//! Windows and frontiers in a Redis Cluster.
//!
//! No command spans servers, so what one script does elsewhere takes steps here:
//!
//! - A merge first looks whether the frontiers lead up to it, then writes the windows and behind them a nonce, and only
//!   when every server has answered advances the frontiers, each on condition that the nonce is still there. A server
//!   that went back to an earlier state in between has no such nonce. Windows of a merge that breaks off are ahead of
//!   the frontier, which is harmless: they are written again.
//! - Every owner of slots has a frontier of its own (see `frontier`), read before the windows and again after them: what
//!   both readings prove is what held in between.
//! - Slots that move make all frontiers start again: a frontier carries the mark of the map that it was written under. A
//!   map that is outdated is noticed by the epoch of a server, for which each step asks (it is raised when a server is
//!   promoted, or takes slots over without having the highest epoch already), by a key that is not where the map has it,
//!   or by a frontier of another map: that is lost only when no server knows a later map. While a slot is on its way, a
//!   key that is not found there is nowhere for sure: that is an error, and never "closed".

mod fleet;
mod frontier;
mod map;
mod operator;
mod slots;

use super::link::ScriptFile;
use super::text::{self, Keys};
use super::{RedisOptions, clock, errors, random_name, texts, yes_or_no};
use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::Partition;
use crate::core::time::Timestamp;
use crate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore, WindowWrite,
};
use fleet::{Fleet, Trouble};
use map::{Owner, SlotMap};
use redis::{Pipeline, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::vec::IntoIter;

/// A nonce is of no use once its merge is over.
const NONCE_LIVES_MS: i64 = 600_000;
/// A map that has just been asked for may be outdated already, but not for ever.
const ATTEMPTS: usize = 3;

/// The windows and frontiers of one deployment in a cluster.
pub(super) struct Cluster {
    fleet: Fleet,
    keys: Keys,
    options: RedisOptions,
    window: ScriptFile,
    advance: ScriptFile,
    start: ScriptFile,
    advise: ScriptFile,
    /// Of this value alone.
    name: String,
    merges: u64,
}

/// What every owner holds of some partitions, in their order.
struct Look {
    partitions: Vec<Partition>,
    of_owners: Vec<Vec<Option<Vec<u8>>>>,
}

impl Look {
    /// What all owners together prove of a partition.
    fn of(&self, partition: Partition, map: &SlotMap) -> Stored<Frontier> {
        let Some(index) = self.partitions.iter().position(|it| *it == partition) else { return Stored::Missing };
        frontier::of_all(self.of_owners.iter().map(|raws| frontier::of_this_map(raws[index].as_deref(), map)))
    }

    /// Whether someone else goes by another map.
    fn shows_another_map(&self, map: &SlotMap) -> bool {
        self.of_owners.iter().flatten().any(|raw| frontier::is_of_another_map(raw.as_deref(), map))
    }
}

impl Cluster {
    /// Connects to nothing yet.
    pub(super) fn new(options: &RedisOptions) -> Result<Cluster, StoreError> {
        let window = ScriptFile::new(concat!(include_str!("../window_merge.lua"), "\n", include_str!("window.lua")));
        let advance = ScriptFile::new(include_str!("advance.lua"));
        let start = ScriptFile::new(include_str!("../start.lua"));
        let advise = ScriptFile::new(include_str!("../advise.lua"));
        Ok(Cluster {
            fleet: Fleet::new(options, &[&window, &advance, &start, &advise])?,
            keys: Keys::new(&options.key_prefix, &options.inbound_topic),
            options: options.clone(),
            window,
            advance,
            start,
            advise,
            name: random_name()?,
            merges: 0,
        })
    }

    /// Does something under the slot map; again under the next when it turns out to be outdated.
    fn under_map<T>(
        &mut self,
        mut work: impl FnMut(&mut Cluster, &SlotMap) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        for _ in 0..ATTEMPTS {
            let map = self.fleet.map()?;
            match work(self, &map) {
                Ok(done) => return Ok(done),
                Err(Trouble::Outdated) => self.fleet.forget(),
                Err(Trouble::Remapped) => {}
                Err(Trouble::Store(error)) => return Err(error),
            }
        }
        Err(errors::slots_keep_moving())
    }

    fn frontier_key(&self, partition: Partition, owner: &Owner) -> String {
        format!("{}:{{{}}}", self.keys.frontier(partition), owner.tag)
    }

    fn nonce_key(&self, owner: &Owner) -> String {
        self.keys.nonce(&self.name, &owner.tag)
    }

    /// Asks for frontiers, in one command: on one server they have one tag.
    fn ask_frontiers(&self, pipeline: &mut Pipeline, partitions: &[Partition], owner: &Owner) {
        if !partitions.is_empty() {
            pipeline.cmd("MGET");
            for partition in partitions {
                pipeline.arg(self.frontier_key(*partition, owner));
            }
        }
    }

    /// Reads every owner's frontiers of these partitions, and whether the map still holds.
    fn look(&mut self, map: &SlotMap, partitions: Vec<Partition>) -> Result<Look, Trouble> {
        let pipelines: Vec<Pipeline> = map
            .owners
            .iter()
            .map(|owner| {
                let mut pipeline = redis::pipe();
                pipeline.cmd("CLUSTER").arg("INFO");
                self.ask_frontiers(&mut pipeline, &partitions, owner);
                pipeline
            })
            .collect();
        let mut of_owners = Vec::with_capacity(map.owners.len());
        for (owner, answers) in map.owners.iter().zip(self.fleet.ask(map, &pipelines)?) {
            let mut answers = answers.into_iter();
            same_epoch(owner, answers.next())?;
            of_owners.push(frontiers(&mut answers, &partitions)?);
        }
        let look = Look { partitions, of_owners };
        self.settle_map(map, std::slice::from_ref(&look))?;
        Ok(look)
    }

    /// A frontier of another map is lost only if no server knows a later map: else two shards that go by different maps
    /// would take each other's frontiers for lost again and again.
    fn settle_map(&mut self, map: &SlotMap, looks: &[Look]) -> Result<(), Trouble> {
        match looks.iter().any(|look| look.shows_another_map(map)) {
            true => self.fleet.confirm(map),
            false => Ok(()),
        }
    }

    fn read_under(&mut self, map: &SlotMap, request: &ReadRequest) -> Result<Snapshot, Trouble> {
        let ReadRequest { frontiers: partitions, windows, advice } = request;
        let mut pipelines: Vec<Pipeline> = Vec::with_capacity(map.owners.len());
        for owner in &map.owners {
            let mut pipeline = redis::pipe();
            pipeline.cmd("CLUSTER").arg("INFO").cmd("TIME");
            self.ask_frontiers(&mut pipeline, partitions, owner);
            pipelines.push(pipeline);
        }
        let names =
            windows.iter().map(|key| self.keys.window(key)).chain(advice.iter().map(|key| self.keys.advice(key)));
        let mut owners = Vec::with_capacity(windows.len() + advice.len());
        let mut values_of = vec![0; map.owners.len()];
        for name in names {
            let owner = map.owner_of(&name);
            pipelines[owner].cmd("GET").arg(name);
            values_of[owner] += 1;
            owners.push(owner);
        }
        for (owner, pipeline) in map.owners.iter().zip(&mut pipelines) {
            self.ask_frontiers(pipeline, partitions, owner);
        }

        let mut clocks: Vec<Timestamp> = Vec::with_capacity(map.owners.len());
        let mut looks = [vec![], vec![]];
        let mut values: Vec<IntoIter<Option<Vec<u8>>>> = Vec::with_capacity(map.owners.len());
        for ((owner, count), answers) in map.owners.iter().zip(values_of).zip(self.fleet.ask(map, &pipelines)?) {
            let mut answers = answers.into_iter();
            same_epoch(owner, answers.next())?;
            let clock = answers.next().as_ref().and_then(clock).ok_or_else(|| errors::unexpected_answer("TIME"))?;
            clocks.push(clock);
            looks[0].push(frontiers(&mut answers, partitions)?);
            let of_owner: Vec<Value> = answers.by_ref().take(count).collect();
            values.push(texts(Value::Array(of_owner), "GET")?.into_iter());
            looks[1].push(frontiers(&mut answers, partitions)?);
        }
        let mut value = |index: usize| values[owners[index]].next().flatten();
        let looks = looks.map(|of_owners| Look { partitions: partitions.clone(), of_owners });
        self.settle_map(map, &looks)?;
        Ok(Snapshot {
            windows: (0..windows.len()).map(|index| text::decode_window(value(index).as_deref())).collect(),
            advice: (windows.len()..owners.len()).map(|index| text::decode_advice(value(index).as_deref())).collect(),
            frontiers: partitions
                .iter()
                .map(|partition| frontier::of_all(looks.iter().map(|look| look.of(*partition, map))))
                .collect(),
            // A clock that is ahead makes windows end too early. One that is behind only keeps them longer.
            clock: clocks.into_iter().max().ok_or(Trouble::Outdated)?,
        })
    }

    fn merge_under(&mut self, map: &SlotMap, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, Trouble> {
        let partitions: BTreeSet<Partition> = calls.iter().map(|call| call.partition).collect();
        let look = self.look(map, partitions.iter().copied().collect())?;
        let mut reached: BTreeMap<Partition, Frontier> = BTreeMap::new();
        for partition in partitions {
            if let Stored::Known(frontier) = look.of(partition, map) {
                reached.insert(partition, frontier);
            }
        }
        let taken = calls.iter().map(|call| match reached.get_mut(&call.partition) {
            Some(frontier) if frontier.topic_id == call.topic_id && frontier.next >= call.from => {
                frontier.next = frontier.next.max(call.to);
                true
            }
            _ => false,
        });
        let taken: Vec<bool> = taken.collect();
        let to_do: Vec<&MergeCall> =
            calls.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(call, _)| call).collect();
        let mut advanced = match to_do.is_empty() {
            true => Vec::new(),
            false => self.write_and_advance(map, &to_do)?,
        }
        .into_iter();
        let outcomes = taken.into_iter().map(|taken| match taken && advanced.next().unwrap_or(false) {
            true => MergeOutcome::Merged,
            false => MergeOutcome::Refused,
        });
        Ok(outcomes.collect())
    }

    /// Whether the frontiers were advanced, for each call.
    fn write_and_advance(&mut self, map: &SlotMap, calls: &[&MergeCall]) -> Result<Vec<bool>, Trouble> {
        self.merges += 1;
        let nonce = self.merges;
        let mut pipelines = vec![redis::pipe(); map.owners.len()];
        for WindowWrite { key, window, length } in calls.iter().flat_map(|call| &call.windows) {
            let name = self.keys.window(key);
            let pipeline = &mut pipelines[map.owner_of(&name)];
            pipeline.cmd("EVALSHA").arg(self.window.hash()).arg(1).arg(name).arg(text::encode_window(window));
            pipeline.arg(window.expires_at(*length).as_millis()).arg(length.as_millis());
        }
        for (owner, pipeline) in map.owners.iter().zip(&mut pipelines) {
            pipeline.cmd("SET").arg(self.nonce_key(owner)).arg(nonce).arg("PX").arg(NONCE_LIVES_MS);
        }
        // An error of any server ends it here.
        self.fleet.run(map, &pipelines)?;

        let advances = map.owners.iter().map(|owner| {
            let mut pipeline = redis::pipe();
            for MergeCall { partition, from, to, topic_id, windows: _ } in calls {
                pipeline.cmd("EVALSHA").arg(self.advance.hash()).arg(2);
                pipeline.arg(self.frontier_key(*partition, owner)).arg(self.nonce_key(owner));
                pipeline.arg(from.0).arg(to.0).arg(frontier::marked(topic_id, map).as_str()).arg(nonce);
            }
            pipeline
        });
        let advances: Vec<Pipeline> = advances.collect();
        let mut all = vec![true; calls.len()];
        for answers in self.fleet.run(map, &advances)? {
            for (advanced, answer) in all.iter_mut().zip(&answers) {
                if *answer == Value::Int(-1) {
                    return Err(errors::written_and_lost().into());
                }
                *advanced &= yes_or_no(answer, "an advance")?;
            }
        }
        Ok(all)
    }

    fn start_under(&mut self, map: &SlotMap, starts: &[FrontierStart]) -> Result<Vec<bool>, Trouble> {
        let look = self.look(map, starts.iter().map(|start| start.partition).collect())?;
        let is_as_seen =
            |start: &FrontierStart| start.seen != Stored::Newer && look.of(start.partition, map) == start.seen;
        let as_seen: Vec<bool> = starts.iter().map(is_as_seen).collect();
        let mut pipelines = vec![redis::pipe(); map.owners.len()];
        for ((owner, pipeline), raws) in map.owners.iter().zip(&mut pipelines).zip(&look.of_owners) {
            for ((start, raw), _) in starts.iter().zip(raws).zip(&as_seen).filter(|(_, as_seen)| **as_seen) {
                let topic_id = frontier::marked(&start.frontier.topic_id, map);
                let marked = Frontier { topic_id, ..start.frontier.clone() };
                pipeline.cmd("EVALSHA").arg(self.start.hash()).arg(1).arg(self.frontier_key(start.partition, owner));
                pipeline.arg(raw.as_deref().unwrap_or_default()).arg(text::encode_frontier(&marked));
            }
        }
        let mut started = as_seen.clone();
        for answers in self.fleet.run(map, &pipelines)? {
            let asked = started.iter_mut().zip(&as_seen).filter(|(_, as_seen)| **as_seen);
            for ((started, _), answer) in asked.zip(&answers) {
                *started &= yes_or_no(answer, "start")?;
            }
        }
        Ok(started)
    }

    fn advise_under(&mut self, map: &SlotMap, writes: &[AdviceWrite]) -> Result<(), Trouble> {
        let mut pipelines = vec![redis::pipe(); map.owners.len()];
        for AdviceWrite { key, advice, length } in writes {
            let name = self.keys.advice(key);
            let pipeline = &mut pipelines[map.owner_of(&name)];
            pipeline.cmd("EVALSHA").arg(self.advise.hash()).arg(1).arg(name);
            pipeline.arg(advice.refused_at.as_millis()).arg(advice.expires_at(*length).as_millis());
        }
        self.fleet.run(map, &pipelines).map(drop)
    }
}

impl WindowStore for Cluster {
    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError> {
        self.under_map(|cluster, map| cluster.read_under(map, request))
    }

    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        self.under_map(|cluster, map| cluster.merge_under(map, calls))
    }

    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
        if starts.is_empty() {
            return Ok(Vec::new());
        }
        self.under_map(|cluster, map| cluster.start_under(map, starts))
    }

    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        self.under_map(|cluster, map| cluster.advise_under(map, writes))
    }
}

/// The answers to `ask_frontiers`.
fn frontiers(
    answers: &mut impl Iterator<Item = Value>,
    partitions: &[Partition],
) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let raws = texts(answers.next().unwrap_or(Value::Nil), "MGET")?;
    if raws.len() == partitions.len() { Ok(raws) } else { Err(errors::unexpected_answer("MGET")) }
}

/// Whether the server still owns what the map says, by its answer to `CLUSTER INFO`.
fn same_epoch(owner: &Owner, answer: Option<Value>) -> Result<(), Trouble> {
    let Some(Value::BulkString(info)) = answer else {
        return Err(errors::unexpected_answer("CLUSTER INFO").into());
    };
    let info = String::from_utf8_lossy(&info);
    let epoch = info.lines().find_map(|line| line.strip_prefix("cluster_my_epoch:")?.trim_end().parse::<u64>().ok());
    if epoch == Some(owner.epoch) { Ok(()) } else { Err(Trouble::Outdated) }
}
