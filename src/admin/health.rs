//! Does the worker live, and may it be relied on?

use super::Worker;
use crate::shard::runner::Board;
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;

/// A loop that has not turned for so long hangs: every call in it gives up sooner.
const TURNS_WITHIN: Duration = Duration::from_secs(60);
/// A look that is older than this says nothing of now.
const LOOK_HOLDS: Duration = Duration::from_secs(12);
/// While a lost Redis is being filled and more records than this are left, negatives wait too long to call it ready.
const FILLING_AT_MOST: i64 = 10_000;
/// So many steps that failed in a row are an outage and no hiccup.
const FAILURES_AT_MOST: u32 = 4;

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) ok: bool,
    /// What was found. Left out for those who have no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

impl Check {
    fn new(name: &'static str, found: Result<String, String>) -> Check {
        Check { name, ok: found.is_ok(), detail: Some(found.unwrap_or_else(|problem| problem)) }
    }
}

/// The answer of `/healthz` and `/readyz`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Health {
    pub(super) ok: bool,
    pub(super) checks: Vec<Check>,
}

impl Health {
    fn of(checks: Vec<Check>) -> Health {
        Health { ok: checks.iter().all(|check| check.ok), checks }
    }

    pub(super) fn without_details(mut self) -> Health {
        self.checks.iter_mut().for_each(|check| check.detail = None);
        self
    }
}

/// Whether every shard's loop moves. One that waits for Kafka or Redis does.
pub(super) fn liveness(worker: Option<&Worker>) -> Health {
    let boards = worker.map_or(&[][..], |worker| &worker.boards);
    let silent: Vec<Duration> = boards.iter().map(|board| board.since_turn()).collect();
    Health::of(vec![Check::new("loops", loops(&silent))])
}

fn loops(silent: &[Duration]) -> Result<String, String> {
    let hanging: Vec<String> = silent
        .iter()
        .enumerate()
        .filter(|(_, silent)| **silent > TURNS_WITHIN)
        .map(|(shard, silent)| format!("shard {shard} has not turned for {} s", silent.as_secs()))
        .collect();
    match hanging.is_empty() {
        true => Ok(format!("{} loops turn", silent.len())),
        false => Err(hanging.join(", ")),
    }
}

/// Whether verdicts come, negative ones too. `misplaced` says whether co-partitioning was broken lately.
pub(super) fn readiness(worker: Option<&Worker>, misplaced: bool) -> Health {
    let Some(worker) = worker else {
        return Health::of(vec![Check::new("started", Err("waits for Kafka and Redis".to_owned()))]);
    };
    Health::of(vec![
        Check::new("started", Ok("at work".to_owned())),
        Check::new("group", group(&worker.boards)),
        Check::new("redis", redis(worker)),
        Check::new("kafka", kafka(worker)),
        Check::new("steps", steps(&worker.boards)),
        Check::new("version", version(&worker.boards)),
        Check::new("filling", filling(&worker.boards)),
        Check::new("partitioning", partitioning(misplaced)),
    ])
}

fn group(boards: &[Arc<Board>]) -> Result<String, String> {
    let outside = boards.iter().filter(|board| !board.has_joined()).count();
    if outside > 0 {
        return Err(format!("{outside} of {} shards have not joined the group", boards.len()));
    }
    let idle = boards.iter().map(|board| board.status()).filter(|it| it.inbound.is_empty() && it.lanes.is_empty());
    Ok(format!("{} shards have joined, {} of them without partitions", boards.len(), idle.count()))
}

fn redis(worker: &Worker) -> Result<String, String> {
    let look = worker.store.last().ok_or_else(|| "was not looked at yet".to_owned())?;
    look.found?;
    match look.at.elapsed() {
        age if age > LOOK_HOLDS => Err(format!("has not answered for {} s", age.as_secs())),
        _ => Ok("takes writes and throws nothing away".to_owned()),
    }
}

fn kafka(worker: &Worker) -> Result<String, String> {
    let look = worker.log.last();
    match look.answered.map(|at| at.elapsed()) {
        Some(age) if age <= LOOK_HOLDS => Ok("answers".to_owned()),
        _ => Err(look.problem.clone().unwrap_or_else(|| "was not looked at yet".to_owned())),
    }
}

fn steps(boards: &[Arc<Board>]) -> Result<String, String> {
    let worst = boards.iter().map(|board| board.status().failures).max().unwrap_or(0);
    match worst <= FAILURES_AT_MOST {
        true => Ok("steps succeed".to_owned()),
        false => Err(format!("{worst} steps of a shard failed in a row")),
    }
}

fn version(boards: &[Arc<Board>]) -> Result<String, String> {
    match boards.iter().any(|board| board.status().meets_newer) {
        false => Ok("what is in Redis can be read".to_owned()),
        true => Err("a newer version wrote to this Redis: upgrade this worker; until then it waits".to_owned()),
    }
}

fn filling(boards: &[Arc<Board>]) -> Result<String, String> {
    let inbound = boards.iter().flat_map(|board| board.status().inbound);
    let left: i64 = inbound.filter_map(|at| Some((at.reapply_to?.0 - at.merged_to.0).max(0))).sum();
    match left <= FILLING_AT_MOST {
        true => Ok(format!("{left} records left to fill a lost Redis")),
        false => Err(format!("a lost Redis is being filled: {left} records left, \"closed\" waits for proof")),
    }
}

fn partitioning(misplaced: bool) -> Result<String, String> {
    match misplaced {
        false => Ok("inbound records lie where they should".to_owned()),
        true => {
            Err("inbound records lie elsewhere than their customer's key says: worker.partitioning must be `any`, or \
                     their writer must key by BUSINESS:CUSTOMER with murmur2"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_hangs_is_named_and_a_short_silence_is_none() {
        let second = Duration::from_secs(1);
        assert_eq!(loops(&[]), Ok("0 loops turn".to_owned()), "who waits for Kafka at the start lives");
        assert_eq!(loops(&[second, 59 * second]), Ok("2 loops turn".to_owned()));
        assert_eq!(loops(&[second, 61 * second]), Err("shard 1 has not turned for 61 s".to_owned()));
    }

    #[test]
    fn before_the_start_it_lives_and_is_not_ready() {
        assert!(liveness(None).ok);
        let ready = readiness(None, false);
        assert!(!ready.ok && ready.checks[0].detail.is_some());
        assert_eq!(ready.without_details().checks[0].detail, None);
    }
}
