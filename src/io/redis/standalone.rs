//! Windows and frontiers in one Redis: one round trip for a read, one for some hundred windows to be merged.

use super::link::{Link, ScriptFile};
use super::server::Server;
use super::text::{self, Keys};
use super::{MAX_WINDOWS_A_MERGE, RedisOptions, clock, errors, random_name, texts, yes_or_no};
use crate::core::frontier::Stored;
use crate::core::ids::Partition;
use crate::core::time::Timestamp;
use crate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore, WindowWrite,
};
use redis::{Cmd, Pipeline};
use std::collections::BTreeMap;

/// A round trip merges about so many windows: reads that come meanwhile wait for all of them.
const WINDOWS_A_TRIP: usize = 500;

/// The windows and frontiers of one deployment in a Redis (or Valkey) without cluster mode.
///
/// Any error gives the connection up; the next call makes another.
pub struct Standalone {
    pub(super) link: Link,
    pub(super) keys: Keys,
    merge: ScriptFile,
    start: ScriptFile,
    advise: ScriptFile,
    /// Of this value alone.
    name: String,
    merges: u64,
}

/// The calls of one merge: the later ones of a partition rest on those before.
struct Chain {
    merge: u64,
    /// Of each partition: how many calls there were, and how many are to come.
    links: BTreeMap<Partition, (usize, usize)>,
}

impl Chain {
    fn new(merge: u64, calls: &[MergeCall]) -> Chain {
        let mut links = BTreeMap::<_, (usize, usize)>::new();
        for call in calls {
            links.entry(call.partition).or_default().1 += 1;
        }
        Chain { merge, links }
    }

    /// The nonce that the partition's next call must find, and the one that it leaves; empty where there is none.
    fn next(&mut self, partition: Partition) -> (String, String) {
        let (done, to_come) = self.links.entry(partition).or_default();
        let nonce =
            |is_there: bool, link: usize| if is_there { format!("{}.{link}", self.merge) } else { String::new() };
        *to_come = to_come.saturating_sub(1);
        *done += 1;
        (nonce(*done > 1, *done - 1), nonce(*to_come > 0, *done))
    }
}

/// How many of the calls go into one round trip.
fn of_one_trip(calls: &[MergeCall]) -> usize {
    let mut windows = 0;
    let fits = |call: &&MergeCall| {
        let has_room = windows < WINDOWS_A_TRIP;
        windows += call.windows.len();
        has_room
    };
    calls.iter().take_while(fits).count()
}

impl Standalone {
    /// Connects to nothing yet. Refused when the URL is not usable.
    pub(super) fn new(options: &RedisOptions) -> Result<Standalone, StoreError> {
        Standalone::of(Server::new(&options.url, &options.access)?, options)
    }

    /// On that server.
    pub(super) fn of(server: Server, options: &RedisOptions) -> Result<Standalone, StoreError> {
        Ok(Standalone {
            link: Link::new(server, options.patience, options.renewals.clone()),
            keys: Keys::new(&options.key_prefix, &options.inbound_topic),
            merge: ScriptFile::new(concat!(include_str!("window_merge.lua"), "\n", include_str!("merge.lua"))),
            start: ScriptFile::new(include_str!("start.lua")),
            advise: ScriptFile::new(include_str!("advise.lua")),
            name: random_name()?,
            merges: 0,
        })
    }

    fn merge_command(&self, call: &MergeCall, chain: &mut Chain) -> Cmd {
        debug_assert!(call.windows.len() <= MAX_WINDOWS_A_MERGE, "a merge of {} windows", call.windows.len());
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.merge.hash()).arg(2 + call.windows.len()).arg(self.keys.frontier(call.partition));
        command.arg(self.keys.nonce(&self.name, &call.partition.to_string()));
        for write in &call.windows {
            command.arg(self.keys.window(&write.key));
        }
        let ends = call.windows.iter().map(|write| write.window.expires_at(write.length));
        let first_end = ends.min().unwrap_or(Timestamp::MAX);
        command.arg(call.from.0).arg(call.to.0).arg(call.topic_id.as_str()).arg(first_end.as_millis());
        let (before, after) = chain.next(call.partition);
        command.arg(before).arg(after);
        for WindowWrite { key: _, window, length } in &call.windows {
            command
                .arg(text::encode_window(window))
                .arg(window.expires_at(*length).as_millis())
                .arg(length.as_millis());
        }
        command
    }
}

impl WindowStore for Standalone {
    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError> {
        self.read_beside(request, &mut || {})
    }

    fn read_beside(&mut self, request: &ReadRequest, meanwhile: &mut dyn FnMut()) -> Result<Snapshot, StoreError> {
        let ReadRequest { frontiers, windows, advice } = request;
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME");
        let count = frontiers.len() + windows.len() + advice.len();
        if count > 0 {
            // One command, so that frontiers and windows are of one instant.
            pipeline.cmd("MGET");
            for partition in frontiers {
                pipeline.arg(self.keys.frontier(*partition));
            }
            for key in windows {
                pipeline.arg(self.keys.window(key));
            }
            for key in advice {
                pipeline.arg(self.keys.advice(key));
            }
        }
        let mut answers = self.link.ask_beside(&pipeline, meanwhile)?.into_iter();
        let clock = answers.next().as_ref().and_then(clock).ok_or_else(|| errors::unexpected_answer("TIME"))?;
        let values = answers.next().map_or_else(|| Ok(Vec::new()), |values| texts(values, "MGET"))?;
        if values.len() != count {
            return Err(errors::unexpected_answer("MGET"));
        }
        let (frontiers, others) = values.split_at(frontiers.len());
        let (windows, advice) = others.split_at(windows.len());
        Ok(Snapshot {
            frontiers: frontiers.iter().map(|text| text::decode_frontier(text.as_deref())).collect(),
            windows: windows.iter().map(|text| text::decode_window(text.as_deref())).collect(),
            advice: advice.iter().map(|text| text::decode_advice(text.as_deref())).collect(),
            clock,
        })
    }

    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
        self.merges += 1;
        let (mut chain, mut outcomes, mut rest) = (Chain::new(self.merges, calls), Vec::new(), calls);
        while !rest.is_empty() {
            let (trip, later) = rest.split_at(of_one_trip(rest));
            let mut pipeline = Pipeline::with_capacity(trip.len());
            for call in trip {
                pipeline.add_command(self.merge_command(call, &mut chain));
            }
            for answer in self.link.run_script(&self.merge, &pipeline)? {
                let merged = yes_or_no(&answer, "merge")?;
                outcomes.push(if merged { MergeOutcome::Merged } else { MergeOutcome::Refused });
            }
            rest = later;
        }
        if outcomes.contains(&MergeOutcome::Refused) {
            self.link.renew_all();
        }
        Ok(outcomes)
    }

    /// Whoever starts a frontier found none, or one that is of no use: it is looked for where the address leads now, and
    /// everybody else goes there too.
    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
        self.link.renew_all();
        let mut pipeline = Pipeline::with_capacity(starts.len());
        for FrontierStart { partition, seen, frontier } in starts {
            let Some(seen) = text::seen_bytes(seen) else {
                continue;
            };
            pipeline.cmd("EVALSHA").arg(self.start.hash()).arg(1).arg(self.keys.frontier(*partition));
            pipeline.arg(seen).arg(text::encode_frontier(frontier));
        }
        if pipeline.is_empty() {
            return Ok(vec![false; starts.len()]);
        }
        let mut answers = self.link.run_script(&self.start, &pipeline)?.into_iter();
        let mut started = Vec::with_capacity(starts.len());
        for start in starts {
            let was_asked = start.seen != Stored::Newer;
            started.push(was_asked && answers.next().map_or(Ok(false), |answer| yes_or_no(&answer, "start"))?);
        }
        Ok(started)
    }

    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::with_capacity(writes.len());
        for AdviceWrite { key, advice, length } in writes {
            pipeline.cmd("EVALSHA").arg(self.advise.hash()).arg(1).arg(self.keys.advice(key));
            pipeline.arg(advice.refused_at.as_millis()).arg(advice.expires_at(*length).as_millis());
        }
        self.link.run_script(&self.advise, &pipeline).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, TopicId};

    fn call(partition: i32, windows: usize) -> MergeCall {
        use crate::core::ids::{Position, WindowKey};
        use crate::core::time::Span;
        use crate::core::window::Window;
        let position = Position { partition: Partition(partition), offset: Offset(0) };
        let write = WindowWrite {
            key: WindowKey::parse("a:b:c").unwrap(),
            window: Window::opened_by(Timestamp::from_millis(0), position),
            length: Span::from_hours(24),
        };
        let windows = vec![write; windows];
        MergeCall {
            partition: Partition(partition),
            from: Offset(0),
            to: Offset(1),
            topic_id: TopicId::unknown(),
            windows,
        }
    }

    #[test]
    fn each_call_of_a_partition_rests_on_the_one_before() {
        let calls = [call(0, 0), call(1, 0), call(0, 0), call(0, 0)];
        let mut chain = Chain::new(7, &calls);
        let nonces: Vec<_> = calls.iter().map(|call| chain.next(call.partition)).collect();
        let nonces: Vec<_> = nonces.iter().map(|(before, after)| (before.as_str(), after.as_str())).collect();
        assert_eq!(nonces, [("", "7.1"), ("", ""), ("7.1", "7.2"), ("7.2", "")]);
    }

    #[test]
    fn a_round_trip_takes_some_hundred_windows_and_always_a_call() {
        assert_eq!(of_one_trip(&[call(0, 200), call(0, 200), call(0, 500), call(0, 1)]), 3);
        assert_eq!(of_one_trip(&[call(0, 9_000), call(0, 1)]), 1);
        assert_eq!(of_one_trip(&vec![call(0, 0); 40]), 40);
    }
}
