//! From what was read to what is shown: a row for each partition.

use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::{Offset, Partition, TopicId};
use crate::core::policy::FUTURE_TOLERANCE;
use crate::core::time::{Span, Timestamp};
use crate::io::kafka::positions::{Committed, PartitionPosition, TopicPositions};
use crate::wire::time;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The frontiers of all inbound partitions.
pub(super) type Frontiers = BTreeMap<Partition, Stored<Frontier>>;

/// What waits in the intent partitions of one worker.
pub(super) type Waiting = BTreeMap<Partition, Lane>;

/// The intents of a partition that wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Lane {
    /// How many.
    pub waiting: usize,
    /// For how long the first of them has.
    pub oldest_ms: i64,
}

/// What a state is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judging {
    /// The present.
    pub now: Timestamp,
    /// The length of the longest window.
    pub longest: Span,
}

/// A number in a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cell {
    /// This one.
    Number(i64),
    /// There is none.
    Nothing,
    /// It could not be read.
    Unknown,
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Cell::Number(number) => serializer.serialize_some(number),
            Cell::Nothing | Cell::Unknown => serializer.serialize_none(),
        }
    }
}

/// An inbound partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct InboundRow {
    /// Its number.
    pub partition: i32,
    /// The group's committed offset.
    pub committed: Cell,
    /// The next offset to be applied to Redis.
    pub frontier: Cell,
    /// The high watermark.
    pub end: Cell,
    /// Offsets between the committed one and the end.
    pub lag: Cell,
    /// How Redis stands to it.
    #[serde(flatten)]
    pub state: State,
}

/// An intent partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct IntentRow {
    /// Its number.
    pub partition: i32,
    /// The group's committed offset.
    pub committed: Cell,
    /// The high watermark.
    pub end: Cell,
    /// Offsets between the committed one and the end.
    pub lag: Cell,
    /// Intents that were taken and have no verdict yet.
    pub waiting: Cell,
    /// How long the first of them has waited, in milliseconds.
    pub oldest_ms: Cell,
}

/// How Redis stands to an inbound partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum State {
    /// Every record is reflected in Redis.
    Applied,
    /// All but the last ones are.
    Behind {
        /// Offsets between the frontier and the end.
        records: i64,
    },
    /// Redis lost what it held and gets it again from the log.
    Filling {
        /// Offsets that it got again.
        filled: i64,
        /// Of so many.
        to_fill: i64,
    },
    /// The frontier speaks of a topic that had this name before.
    ForeignTopic,
    /// There is no frontier.
    Missing,
    /// A newer version of the worker wrote the frontier.
    NewerVersion,
    /// No version of the worker wrote what is there.
    Damaged,
    /// The frontier lies outside of the log: the log lost records that Redis still reflects, or never got.
    OutsideTheLog,
    /// Every record is reflected, and earlier ones were deleted that may hold windows open.
    HistoryIncomplete {
        /// From then on they no longer matter.
        #[serde(serialize_with = "as_text")]
        until: Timestamp,
    },
    /// Redis or Kafka could not be asked.
    Unknown,
}

fn as_text<S: Serializer>(until: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time::format(*until))
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Applied => f.write_str("applied"),
            State::Behind { records: 1 } => f.write_str("1 record behind"),
            State::Behind { records } => write!(f, "{records} records behind"),
            State::Filling { filled, to_fill } => {
                let percent = filled.saturating_mul(100) / (*to_fill).max(1);
                write!(f, "filling Redis: {filled} of {to_fill} ({percent} %)")
            }
            State::ForeignTopic => f.write_str("foreign topic"),
            State::Missing => f.write_str("missing"),
            State::NewerVersion => f.write_str("written by a newer version"),
            State::Damaged => f.write_str("damaged"),
            State::OutsideTheLog => f.write_str("outside of the log"),
            State::HistoryIncomplete { until } => write!(f, "history incomplete until {}", time::format(*until)),
            State::Unknown => f.write_str("?"),
        }
    }
}

/// The rows of the inbound topic; without frontiers when Redis did not answer.
pub(super) fn inbound(topic: &TopicPositions, frontiers: Option<&Frontiers>, judging: Judging) -> Vec<InboundRow> {
    let row = |position: &PartitionPosition| {
        let stored = frontiers.and_then(|frontiers| frontiers.get(&position.partition));
        let frontier = match stored {
            None => Cell::Unknown,
            Some(stored) => stored.known().map_or(Cell::Nothing, |frontier| Cell::Number(frontier.next.0)),
        };
        InboundRow {
            partition: position.partition.0,
            committed: committed(position),
            frontier,
            end: number(position.high),
            lag: lag(position),
            state: stored.map_or(State::Unknown, |stored| state(stored, position, &topic.topic_id, judging)),
        }
    };
    topic.partitions.iter().map(row).collect()
}

/// The rows of the intents' topic; without what waits when no worker answered.
pub(super) fn intents(topic: &TopicPositions, waiting: Option<&Waiting>) -> Vec<IntentRow> {
    let row = |position: &PartitionPosition| {
        let lane = waiting.and_then(|waiting| waiting.get(&position.partition));
        let (waiting, oldest_ms) = match lane {
            None => (Cell::Unknown, Cell::Unknown),
            Some(Lane { waiting: 0, .. }) => (Cell::Number(0), Cell::Nothing),
            Some(Lane { waiting, oldest_ms }) => {
                (Cell::Number(i64::try_from(*waiting).unwrap_or(i64::MAX)), Cell::Number((*oldest_ms).max(0)))
            }
        };
        IntentRow {
            partition: position.partition.0,
            committed: committed(position),
            end: number(position.high),
            lag: lag(position),
            waiting,
            oldest_ms,
        }
    };
    topic.partitions.iter().map(row).collect()
}

fn number(offset: Option<Offset>) -> Cell {
    offset.map_or(Cell::Unknown, |offset| Cell::Number(offset.0))
}

fn committed(position: &PartitionPosition) -> Cell {
    match position.committed {
        None => Cell::Unknown,
        Some(Committed::Nowhere) => Cell::Nothing,
        Some(Committed::At(offset)) => Cell::Number(offset.0),
    }
}

/// From where the worker would go on. It starts with the first record that is left when nothing is committed, or what
/// is lies in a log that is no more.
fn lag(position: &PartitionPosition) -> Cell {
    let (Some(committed), Some(low), Some(high)) = (position.committed, position.low, position.high) else {
        return Cell::Unknown;
    };
    let next = match committed {
        Committed::At(offset) if offset >= low && offset <= high => offset,
        Committed::At(_) | Committed::Nowhere => low,
    };
    Cell::Number((high.0 - next.0).max(0))
}

/// What the frontier proves comes last: it proves nothing when it is not of this log.
fn state(stored: &Stored<Frontier>, position: &PartitionPosition, topic: &TopicId, judging: Judging) -> State {
    let frontier = match stored {
        Stored::Missing => return State::Missing,
        Stored::Newer => return State::NewerVersion,
        Stored::Damaged(_) => return State::Damaged,
        Stored::Known(frontier) => frontier,
    };
    if frontier.topic_id != *topic {
        return State::ForeignTopic;
    }
    let (Some(low), Some(high)) = (position.low, position.high) else { return State::Unknown };
    if frontier.next < low || frontier.next > high {
        return State::OutsideTheLog;
    }
    if frontier.is_reapplying() {
        // Filling began where the history that matters began at that time, or at what a snapshot still held.
        let began = position.history.unwrap_or(low).min(frontier.next);
        return State::Filling { filled: frontier.next.0 - began.0, to_fill: frontier.reapply_to.0 - began.0 };
    }
    if frontier.next < high {
        return State::Behind { records: high.0 - frontier.next.0 };
    }
    let until = frontier.reaches_back_to + FUTURE_TOLERANCE + judging.longest;
    if frontier.reaches_back_to != Timestamp::MIN && judging.now < until {
        return State::HistoryIncomplete { until };
    }
    State::Applied
}

#[cfg(test)]
mod tests;
