//! Where each assigned partition is read: the epoch of its cursor and the next offset.

use crate::core::ids::{Offset, Partition};
use crate::core::record::{Stream, StreamPartition};
use crate::ports::CursorStart;
use std::collections::BTreeSet;

/// One partition's cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    /// What was given with the last start.
    pub(super) epoch: u32,
    /// The next offset to hand out.
    pub(super) next: Offset,
    /// librdkafka gave up fetching (the offset was out of range): only a new assignment starts it again.
    pub(super) stopped: bool,
}

/// All of them, found by partition number: every record asks for its own.
#[derive(Default)]
pub(super) struct Cursors {
    by_stream: [Vec<Option<Cursor>>; 2],
    paused: BTreeSet<StreamPartition>,
}

fn slot(stream: Stream) -> usize {
    match stream {
        Stream::Inbound => 0,
        Stream::Intent => 1,
    }
}

impl Cursors {
    /// Places a cursor, new or not.
    pub(super) fn place(&mut self, start: &CursorStart) {
        let Ok(index) = usize::try_from(start.partition.partition.0) else { return };
        let cursors = &mut self.by_stream[slot(start.partition.stream)];
        if cursors.len() <= index {
            cursors.resize(index + 1, None);
        }
        cursors[index] = Some(Cursor { epoch: start.epoch, next: start.offset, stopped: false });
    }

    /// The cursor of a partition that is assigned.
    pub(super) fn get_mut(&mut self, stream: Stream, partition: i32) -> Option<&mut Cursor> {
        self.by_stream[slot(stream)].get_mut(usize::try_from(partition).ok()?)?.as_mut()
    }

    /// Every assigned partition, with its next offset.
    pub(super) fn all(&self) -> impl Iterator<Item = (StreamPartition, Cursor)> + '_ {
        [Stream::Inbound, Stream::Intent].into_iter().flat_map(|stream| {
            (0..).zip(&self.by_stream[slot(stream)]).filter_map(move |(number, cursor)| {
                cursor.map(|cursor| (StreamPartition { stream, partition: Partition(number) }, cursor))
            })
        })
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Cursors::default();
    }

    /// The paused partitions.
    pub(super) fn paused(&self) -> &BTreeSet<StreamPartition> {
        &self.paused
    }

    /// Sets the paused partitions, all of which are assigned.
    pub(super) fn set_paused(&mut self, paused: BTreeSet<StreamPartition>) {
        self.paused = paused;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_found_by_stream_and_number_and_listed_in_order() {
        let mut cursors = Cursors::default();
        for (partition, offset) in
            [(StreamPartition::intent(Partition(1)), 7), (StreamPartition::inbound(Partition(2)), 3)]
        {
            cursors.place(&CursorStart { partition, offset: Offset(offset), epoch: 4 });
        }
        assert_eq!(cursors.get_mut(Stream::Intent, 1).map(|cursor| cursor.next), Some(Offset(7)));
        assert_eq!(cursors.get_mut(Stream::Inbound, 1), None);
        assert_eq!(cursors.get_mut(Stream::Inbound, -1), None);
        let all: Vec<_> = cursors.all().map(|(partition, cursor)| (partition, cursor.next.0)).collect();
        assert_eq!(all, [(StreamPartition::inbound(Partition(2)), 3), (StreamPartition::intent(Partition(1)), 7)]);
    }
}
