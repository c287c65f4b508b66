//! Windows and frontiers in one Redis: one round trip for a read, one for any number of merges.

use super::link::{Link, ScriptFile};
use super::server::Server;
use super::text::{self, Keys};
use super::{MAX_WINDOWS_A_MERGE, RedisOptions, clock, errors, texts, yes_or_no};
use crate::core::frontier::Stored;
use crate::core::time::Timestamp;
use crate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore, WindowWrite,
};
use redis::{Cmd, Pipeline};

/// The windows and frontiers of one deployment in a Redis (or Valkey) without cluster mode.
///
/// Any error gives the connection up; the next call makes another.
pub struct Standalone {
    pub(super) link: Link,
    pub(super) keys: Keys,
    merge: ScriptFile,
    start: ScriptFile,
    advise: ScriptFile,
}

impl Standalone {
    /// Connects to nothing yet. Refused when the URL is not usable.
    pub(super) fn new(options: &RedisOptions) -> Result<Standalone, StoreError> {
        Ok(Standalone::of(Server::new(&options.url, &options.access)?, options))
    }

    /// On that server.
    pub(super) fn of(server: Server, options: &RedisOptions) -> Standalone {
        Standalone {
            link: Link::new(server, options.patience),
            keys: Keys::new(&options.key_prefix, &options.inbound_topic),
            merge: ScriptFile::new(concat!(include_str!("window_merge.lua"), "\n", include_str!("merge.lua"))),
            start: ScriptFile::new(include_str!("start.lua")),
            advise: ScriptFile::new(include_str!("advise.lua")),
        }
    }

    fn merge_command(&self, call: &MergeCall) -> Cmd {
        debug_assert!(call.windows.len() <= MAX_WINDOWS_A_MERGE, "a merge of {} windows", call.windows.len());
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.merge.hash()).arg(1 + call.windows.len()).arg(self.keys.frontier(call.partition));
        for write in &call.windows {
            command.arg(self.keys.window(&write.key));
        }
        let ends = call.windows.iter().map(|write| write.window.expires_at(write.length));
        let first_end = ends.min().unwrap_or(Timestamp::MAX);
        command.arg(call.from.0).arg(call.to.0).arg(call.topic_id.as_str()).arg(first_end.as_millis());
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
        let mut answers = self.link.ask(&pipeline)?.into_iter();
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
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(calls.len());
        for call in calls {
            pipeline.add_command(self.merge_command(call));
        }
        let answers = self.link.run_script(&self.merge, &pipeline)?;
        let outcome = |merged| if merged { MergeOutcome::Merged } else { MergeOutcome::Refused };
        answers.iter().map(|answer| Ok(outcome(yes_or_no(answer, "merge")?))).collect()
    }

    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
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
