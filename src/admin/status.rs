//! The worker's status as JSON: what `GET /v1/status` answers and what `sessiongate status` reads.

use crate::core::record::ReasonCode;
use crate::shard::aside::{AsideBoard, FeedbackTally};
use crate::shard::engine::status::{InboundStatus, LaneStatus, Status};
use crate::shard::runner::Board;
use crate::shard::tally::Tally;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A worker, seen from outside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// The version that runs.
    pub version: String,
    /// The process's name within the group; none while it waits for Kafka and Redis.
    pub instance: Option<String>,
    /// The consumer group.
    pub group_id: String,
    /// Its shards; none while it waits for Kafka and Redis.
    pub shards: Vec<ShardStatus>,
    /// The registry of templates; none without `topics.template_status`.
    #[serde(default)]
    pub templates: Option<TemplatesStatus>,
    /// What was done with reports; none without a topic of reports.
    #[serde(default)]
    pub feedback: Option<FeedbackStatus>,
}

/// The registry of templates.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TemplatesStatus {
    /// Whether everything is known that was there at the start; no intent is judged before.
    pub ready: bool,
    /// How many templates are known.
    pub known: usize,
}

/// What was done with reports since the process started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FeedbackStatus {
    /// Refusals that were remembered.
    pub refusals: u64,
    /// Records that were written: what belongs elsewhere, and dead letters.
    pub forwarded: u64,
    /// Parts that no topic wants.
    pub dropped: u64,
    /// Times that Kafka or Redis gave no answer.
    pub faults: u64,
    /// Dead letters by reason; only those that occurred.
    #[serde(default)]
    pub dead_letters: BTreeMap<String, u64>,
}

/// A shard of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShardStatus {
    /// Its number within the worker.
    pub shard: usize,
    /// The inbound partitions that it is assigned.
    pub inbound: Vec<InboundPartition>,
    /// The intent partitions that it is assigned.
    pub intents: Vec<IntentPartition>,
    /// Steps that failed in a row.
    pub consecutive_failures: u32,
    /// What it has counted since it started.
    pub counters: Counters,
}

/// An inbound partition of a shard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InboundPartition {
    /// The partition.
    pub partition: i32,
    /// The next offset to be applied.
    pub next: i64,
    /// What Redis has acknowledged.
    pub merged_to: i64,
    /// While a lost Redis is being filled: where it will be whole again.
    pub reapply_to: Option<i64>,
}

/// An intent partition of a shard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IntentPartition {
    /// The partition.
    pub partition: i32,
    /// The next offset to be taken.
    pub next: i64,
    /// Intents that were taken and have no verdict yet.
    pub waiting: usize,
    /// How long the first of them has waited, in milliseconds that count towards `worker.max_wait`.
    pub oldest_ms: i64,
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident)*) => {
        /// Counters of one shard, as [`Tally`] keeps them.
        #[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl From<&Tally> for Counters {
            fn from(tally: &Tally) -> Counters {
                Counters { $($name: tally.$name.get()),* }
            }
        }
    };
}

counters! {
    /// Inbound records taken.
    inbound
    /// Those of them in which something could not be used.
    inbound_rejected
    /// Intent records taken.
    intents
    /// Those of them that could not be used.
    intents_rejected
    /// Verdicts: session send.
    session_sends
    /// Verdicts: template required.
    templates
    /// Windows that opened.
    opened
    /// Windows that were refreshed (when those are told).
    refreshed
    /// Dead letters.
    dead_letters
    /// Refusals by the provider that were passed on.
    refusals
    /// Changes of templates that were passed on.
    template_changes
    /// Refusals and changes of templates that there is no topic for.
    feedback_dropped
    /// Transactions committed.
    commits
    /// Transactions given up.
    aborts
    /// Times that Redis gave no answer.
    store_faults
    /// Times that Kafka gave no answer.
    log_faults
    /// Events that came after their window had ended.
    late
    /// Events from the future.
    future
    /// Events that changed nothing: they came twice, or after a later one.
    unmoved
    /// Negative verdicts without proof.
    timed_out
    /// Inbound records that lie elsewhere than co-partitioning asserts.
    misplaced
    /// Events, and parts of webhooks, of a kind that the table does not know.
    unknown_kinds
    /// Times that Redis had lost something.
    frontiers_lost
}

impl WorkerStatus {
    /// What these boards say at this moment.
    pub fn new(group_id: &str, instance: Option<&str>, boards: &[Arc<Board>]) -> WorkerStatus {
        let shards = boards.iter().enumerate();
        WorkerStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: instance.map(str::to_owned),
            group_id: group_id.to_owned(),
            shards: shards.map(|(number, board)| ShardStatus::new(number, &board.status(), &board.tally)).collect(),
            templates: None,
            feedback: None,
        }
    }

    /// The same with what the threads beside the shards say.
    pub fn with_aside(self, board: Option<&AsideBoard>) -> WorkerStatus {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let templates = board.and_then(|board| board.templates.as_ref());
        let feedback = board.and_then(|board| board.feedback.as_ref());
        WorkerStatus {
            templates: templates.map(|known| TemplatesStatus { ready: known.is_ready(), known: known.len() }),
            feedback: feedback.map(|tally| FeedbackStatus {
                refusals: read(&tally.refusals),
                forwarded: read(&tally.forwarded),
                dropped: read(&tally.dropped),
                faults: read(&tally.faults),
                dead_letters: dead_letters(tally),
            }),
            ..self
        }
    }
}

fn dead_letters(tally: &FeedbackTally) -> BTreeMap<String, u64> {
    let counts = ReasonCode::ALL.map(|reason| (reason.as_str().to_owned(), tally.dead_letters_by(reason)));
    counts.into_iter().filter(|(_, count)| *count > 0).collect()
}

impl ShardStatus {
    fn new(number: usize, status: &Status, tally: &Tally) -> ShardStatus {
        let Status { inbound, lanes, failures, meets_newer: _ } = status;
        ShardStatus {
            shard: number,
            inbound: inbound.iter().map(InboundPartition::from).collect(),
            intents: lanes.iter().map(IntentPartition::from).collect(),
            consecutive_failures: *failures,
            counters: Counters::from(tally),
        }
    }
}

impl From<&InboundStatus> for InboundPartition {
    fn from(status: &InboundStatus) -> InboundPartition {
        let InboundStatus { partition, next, merged_to, reapply_to } = status;
        let reapply_to = reapply_to.map(|offset| offset.0);
        InboundPartition { partition: partition.0, next: next.0, merged_to: merged_to.0, reapply_to }
    }
}

impl From<&LaneStatus> for IntentPartition {
    fn from(status: &LaneStatus) -> IntentPartition {
        let LaneStatus { partition, next, waiting, oldest_ms } = status;
        IntentPartition { partition: partition.0, next: next.0, waiting: *waiting, oldest_ms: *oldest_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, Partition};
    use serde_json::json;

    #[test]
    fn a_shard_tells_what_its_board_says() {
        let status = Status {
            inbound: vec![InboundStatus {
                partition: Partition(3),
                next: Offset(12),
                merged_to: Offset(10),
                reapply_to: Some(Offset(40)),
            }],
            lanes: vec![LaneStatus { partition: Partition(4), next: Offset(7), waiting: 2, oldest_ms: 1_500 }],
            failures: 1,
            meets_newer: false,
        };
        let mut told = serde_json::to_value(ShardStatus::new(1, &status, &Tally::default())).unwrap();
        let counters = told.as_object_mut().unwrap().remove("counters").unwrap();
        let expected = json!({
            "shard": 1,
            "inbound": [{ "partition": 3, "next": 12, "merged_to": 10, "reapply_to": 40 }],
            "intents": [{ "partition": 4, "next": 7, "waiting": 2, "oldest_ms": 1_500 }],
            "consecutive_failures": 1,
        });
        assert_eq!(told, expected);
        assert_eq!((counters["session_sends"].as_u64(), counters["frontiers_lost"].as_u64()), (Some(0), Some(0)));
    }

    #[test]
    fn a_worker_of_another_version_may_count_something_else() {
        let counters: Counters = serde_json::from_value(json!({ "inbound": 5, "unheard_of": 1 })).unwrap();
        assert_eq!(counters, Counters { inbound: 5, ..Counters::default() });
    }
}
