//! What the open transaction holds: outputs, offsets, and the windows to be merged once it is committed.

use super::cursor::InboundCursor;
use super::rules::Rules;
use crate::core::emission::Emission;
use crate::core::ids::{KeyPrint, Offset, Partition, WindowKey};
use crate::core::noted::Passthrough;
use crate::core::record::StreamPartition;
use crate::core::time::Span;
use crate::core::window::Window;
use crate::ports::{MergeCall, WindowWrite};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::collections::BTreeMap;
use std::hash::BuildHasherDefault;

/// A merge call holds about so many windows: the store serves nobody else meanwhile.
const WINDOWS_PER_CALL: usize = 2_000;

/// Records [from, to) of a partition, and which windows they touched.
#[derive(Debug)]
struct Range {
    from: Offset,
    to: Offset,
    windows: Vec<KeyPrint>,
}

#[derive(Debug)]
struct Held {
    key: WindowKey,
    window: Window,
    length: Span,
    /// The last partition among whose windows it is listed. The call that holds it comes before those of the
    /// partition's later records.
    listed_in: Option<Partition>,
}

/// The work since the last commit. Windows stay here until the store has acknowledged them: until then it may not
/// have them.
#[derive(Default, Debug)]
pub(super) struct Transaction {
    begun_at_ms: Option<i64>,
    forced: bool,
    records: usize,
    produced: bool,
    offsets: BTreeMap<StreamPartition, Offset>,
    emissions: Vec<Emission>,
    ranges: BTreeMap<Partition, Vec<Range>>,
    held: HashMap<KeyPrint, Held, BuildHasherDefault<Passthrough>>,
}

/// What a closed transaction leaves.
pub(super) struct Closed {
    /// These are committed now.
    pub offsets: BTreeMap<StreamPartition, Offset>,
    /// These follow.
    pub calls: Vec<MergeCall>,
}

impl Transaction {
    /// Notes that there is something to commit.
    pub(super) fn touch(&mut self, now_ms: i64) {
        self.begun_at_ms.get_or_insert(now_ms);
    }

    /// Extends the range of a partition from `from` to `to`.
    pub(super) fn extend(&mut self, partition: Partition, from: Offset, to: Offset, now_ms: i64) {
        self.touch(now_ms);
        let ranges = self.ranges.entry(partition).or_default();
        match ranges.last_mut() {
            Some(range) if range.windows.len() < WINDOWS_PER_CALL => range.to = range.to.max(to),
            _ => ranges.push(Range { from, to, windows: Vec::new() }),
        }
    }

    /// Merges a window that a record of the partition's last range touched.
    pub(super) fn hold(
        &mut self,
        partition: Partition,
        (key, print): (&WindowKey, KeyPrint),
        window: Window,
        length: Span,
    ) {
        let Some(range) = self.ranges.get_mut(&partition).and_then(|ranges| ranges.last_mut()) else { return };
        let held = match self.held.entry(print) {
            Entry::Occupied(held) => {
                let held = held.into_mut();
                held.window = held.window.merge(window, length);
                held
            }
            Entry::Vacant(place) => place.insert(Held { key: key.clone(), window, length, listed_in: None }),
        };
        if held.listed_in != Some(partition) {
            held.listed_in = Some(partition);
            range.windows.push(print);
        }
    }

    /// How many windows its records made.
    pub(super) fn count_held(&self) -> usize {
        self.held.len()
    }

    /// Each of those windows, with the length of its channel's.
    pub(super) fn all_held(&self) -> impl Iterator<Item = (KeyPrint, Window, Span)> {
        self.held.iter().map(|(print, held)| (*print, held.window, held.length))
    }

    /// What the records of this transaction made of a window.
    fn held(&self, print: KeyPrint) -> Option<Window> {
        self.held.get(&print).map(|held| held.window)
    }

    pub(super) fn count_record(&mut self, now_ms: i64) {
        self.touch(now_ms);
        self.records += 1;
    }

    pub(super) fn emit(&mut self, emission: Emission) {
        self.emissions.push(emission);
    }

    /// Everything below `offset` is done, once this is committed.
    pub(super) fn set_offset(&mut self, partition: StreamPartition, offset: Offset, now_ms: i64) {
        self.touch(now_ms);
        self.offsets.insert(partition, offset);
    }

    /// Commit at the next occasion.
    pub(super) fn force(&mut self) {
        self.forced = !self.is_empty();
    }

    pub(super) fn take_emissions(&mut self) -> Option<Vec<Emission>> {
        if self.emissions.is_empty() {
            return None;
        }
        self.produced = true;
        Some(std::mem::take(&mut self.emissions))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begun_at_ms.is_none()
    }

    /// Whether anything in it is for Kafka; else only the store has to be told.
    pub(super) fn needs_commit(&self) -> bool {
        self.produced || !self.offsets.is_empty() || !self.emissions.is_empty()
    }

    pub(super) fn offsets(&self) -> &BTreeMap<StreamPartition, Offset> {
        &self.offsets
    }

    /// When it was begun, on the monotonic clock; `None` when there is nothing in it.
    pub(super) fn begun_at_ms(&self) -> Option<i64> {
        self.begun_at_ms
    }

    /// Whether it is to be committed whatever may still come.
    pub(super) fn is_full(&self, rules: &Rules) -> bool {
        self.forced || self.records >= rules.max_transaction_records
    }

    /// Closes it after its commit (or when there was nothing to commit): the offsets that are committed now, and
    /// the merges that follow. The windows stay held.
    pub(super) fn close(&mut self, cursors: &BTreeMap<Partition, InboundCursor>) -> Closed {
        let mut calls = Vec::new();
        for (partition, ranges) in std::mem::take(&mut self.ranges) {
            let Some(cursor) = cursors.get(&partition) else { continue };
            for Range { from, to, windows } in ranges {
                let windows = windows.into_iter().filter_map(|print| {
                    let Held { key, window, length, .. } = self.held.get(&print)?;
                    Some(WindowWrite { key: key.clone(), window: *window, length: *length })
                });
                let windows = windows.collect();
                calls.push(MergeCall { partition, from, to, topic_id: cursor.topic_id.clone(), windows });
            }
        }
        Closed { offsets: std::mem::take(&mut self.offsets), calls }
    }
}

/// Where a transaction that takes nothing more stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Its commit is to be asked for (again).
    ToCommit,
    /// Its commit is under way.
    Committing,
    /// It is committed, and the store is to follow.
    Committed,
}

/// A transaction that takes nothing more.
pub(super) struct Sealed {
    pub transaction: Transaction,
    pub stage: Stage,
}

/// The windows that the store may not have yet.
#[derive(Clone, Copy)]
pub(super) struct Holding<'a> {
    pub open: &'a Transaction,
    pub sealed: Option<&'a Sealed>,
}

impl Holding<'_> {
    pub(super) fn window(&self, print: KeyPrint, length: Span) -> Option<Window> {
        let sealed = self.sealed.and_then(|sealed| sealed.transaction.held(print));
        match (self.open.held(print), sealed) {
            (Some(open), Some(sealed)) => Some(sealed.merge(open, length)),
            (open, sealed) => open.or(sealed),
        }
    }
}
