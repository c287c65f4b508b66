//! What is remembered between the reading of a record and the deciding: bounded, and only while spans are made.

use crate::core::ids::{Offset, Position};
use crate::core::record::StreamPartition;
use crate::core::time::Timestamp;
use crate::ports::spans::TraceContext;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The spans that the latest inbound records were sent in.
///
/// Two generations: what is noted goes into the young one, and once that is full, the old one goes.
#[derive(Default)]
pub(super) struct InboundContexts {
    young: HashMap<Position, TraceContext>,
    old: HashMap<Position, TraceContext>,
    capacity: usize,
}

impl InboundContexts {
    /// Room for about that many records.
    pub(super) fn new(capacity: usize) -> InboundContexts {
        InboundContexts { capacity: capacity / 2, ..InboundContexts::default() }
    }

    pub(super) fn note(&mut self, position: Position, context: TraceContext) {
        if self.young.len() >= self.capacity {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(position, context);
    }

    pub(super) fn get(&self, position: Position) -> Option<TraceContext> {
        self.young.get(&position).or_else(|| self.old.get(&position)).copied()
    }
}

/// From that offset on, records were read at that time.
type Mark = (Offset, Timestamp);

/// When records were read: a mark for each batch, until what came of it is told.
#[derive(Default)]
pub(super) struct ReadTimes(BTreeMap<StreamPartition, VecDeque<Mark>>);

impl ReadTimes {
    /// So many batches of one partition are remembered. Records that nothing comes of leave marks behind.
    const MOST: usize = 256;

    pub(super) fn note(&mut self, partition: StreamPartition, offset: Offset, now: Timestamp) {
        let marks = self.0.entry(partition).or_default();
        // Read again: what was before is of no account.
        while marks.back().is_some_and(|(from, _)| *from >= offset) {
            marks.pop_back();
        }
        if marks.back().is_none_or(|(_, at)| *at != now) {
            marks.push_back((offset, now));
        }
        if marks.len() > ReadTimes::MOST {
            marks.pop_front();
        }
    }

    /// When that record was read. Questions come in the order of offsets.
    pub(super) fn get(&mut self, partition: StreamPartition, offset: Offset) -> Option<Timestamp> {
        let marks = self.0.get_mut(&partition)?;
        while marks.get(1).is_some_and(|(from, _)| *from <= offset) {
            marks.pop_front();
        }
        marks.front().filter(|(from, _)| *from <= offset).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Partition;

    fn position(offset: i64) -> Position {
        Position { partition: Partition(1), offset: Offset(offset) }
    }

    #[test]
    fn the_latest_inbound_records_are_remembered_and_space_is_bounded() {
        let mut contexts = InboundContexts::new(20);
        for number in 1..1_000 {
            let context = TraceContext { trace_id: number as u128, span_id: number as u64, flags: 0 };
            contexts.note(position(number), context);
            assert_eq!(contexts.get(position(number)), Some(context));
            let before = (number - 9).max(1);
            assert!(contexts.get(position(before)).is_some(), "nine before {number}");
        }
        assert!(contexts.young.len() + contexts.old.len() <= 20);
        assert_eq!(contexts.get(position(1)), None);
    }

    #[test]
    fn a_record_was_read_with_its_batch_also_when_it_is_read_again() {
        let at = Timestamp::from_millis;
        let partition = StreamPartition::intent(Partition(0));
        let mut times = ReadTimes::default();
        for (offset, now) in [(10, 1), (11, 1), (12, 2), (15, 3)] {
            times.note(partition, Offset(offset), at(now));
        }
        let mut got = |offset| times.get(partition, Offset(offset)).map(Timestamp::as_millis);
        assert_eq!([got(9), got(10), got(11), got(14), got(15)], [None, Some(1), Some(1), Some(2), Some(3)]);
        times.note(partition, Offset(12), at(7));
        assert_eq!(times.get(partition, Offset(20)), Some(at(7)));
        assert_eq!(times.get(StreamPartition::inbound(Partition(0)), Offset(20)), None);
        for number in 0..10_000 {
            times.note(partition, Offset(100 + number), at(100 + number));
        }
        assert_eq!(times.0[&partition].len(), ReadTimes::MOST);
    }
}
