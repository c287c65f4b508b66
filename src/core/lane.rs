//! The intents of one partition, in order, waiting for their verdicts.

use super::frontier::Ends;
use super::ids::{KeyPrint, Offset};
use super::intent::Intent;
use super::noted::NotedIds;
use super::record::{Record, Reject};
use super::window::Window;
use std::collections::VecDeque;
use std::sync::Arc;

/// What is to be done with a record of the lane once those before it are done.
#[derive(Clone, Debug)]
pub enum Pending {
    /// It wants a verdict.
    Judge(Question),
    /// It becomes a dead letter.
    Refuse(Reject),
}

/// An intent and whose window it asks about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The intent.
    pub intent: Box<Intent>,
    /// The window's key.
    pub print: KeyPrint,
    /// The window as it was known when its turn was planned.
    pub seen: Option<Window>,
}

/// A record in the lane.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The record.
    pub record: Record,
    /// What is to be done.
    pub pending: Pending,
    /// When it was read, on the clock that counts towards `max_wait`.
    pub read_at_ms: i64,
    /// The ends that a negative verdict must wait for, once observed; then they stay as they are.
    pub ends: Option<Arc<Ends>>,
}

impl Waiting {
    fn bytes(&self) -> usize {
        let len = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |b| b.len());
        let headers = self.record.headers.iter().map(|header| header.name.len() + len(&header.value)).sum::<usize>();
        std::mem::size_of::<Waiting>() + len(&self.record.key) + len(&self.record.value) + headers
    }
}

/// One partition's intents. Order is kept: a lane stops at the first that has to wait.
pub struct Lane {
    /// What its records carry.
    pub epoch: u32,
    /// Below it, intents had their verdicts before: their ids are noted and nothing else.
    pub emit_from: Offset,
    /// The next offset to be taken.
    pub next: Offset,
    /// The last offset given to a transaction.
    pub offered_to: Offset,
    /// The ids of the preceding offsets.
    pub noted: NotedIds,
    /// A negative went out without proof: others below this offset may pass in the same way, until proof is there again.
    pub passes_below: Offset,
    /// The first record was looked at and has to wait.
    pub stalled: bool,
    entries: VecDeque<Waiting>,
    bytes: usize,
}

impl Lane {
    /// An empty lane whose cursor stands at `next`.
    pub fn new(epoch: u32, next: Offset, emit_from: Offset, noted: NotedIds) -> Lane {
        let entries = VecDeque::new();
        Lane {
            epoch,
            emit_from,
            next,
            offered_to: emit_from,
            noted,
            passes_below: Offset(0),
            stalled: false,
            entries,
            bytes: 0,
        }
    }

    /// Adds a record at the back.
    pub fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.bytes();
        self.entries.push_back(waiting);
    }

    /// The first record.
    pub fn front(&self) -> Option<&Waiting> {
        self.entries.front()
    }

    /// Takes the first record out.
    pub fn pop(&mut self) -> Option<Waiting> {
        let waiting = self.entries.pop_front()?;
        self.bytes -= waiting.bytes();
        Some(waiting)
    }

    /// Puts the record that was taken out last back to the front.
    pub fn put_back(&mut self, waiting: Waiting) {
        self.bytes += waiting.bytes();
        self.entries.push_front(waiting);
    }

    /// The last record.
    pub fn back(&self) -> Option<&Waiting> {
        self.entries.back()
    }

    /// The records from the front.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.entries.iter()
    }

    /// The records from the front, to note what was observed for them.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Waiting> {
        self.entries.iter_mut()
    }

    /// The offset that may be committed: everything below it is done.
    pub fn done_to(&self) -> Offset {
        self.entries.front().map_or(self.next, |waiting| waiting.record.offset).max(self.emit_from)
    }

    /// How many records wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// About how much memory they take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
