//! The windows that the store may not have: they are held here from the moment a record is applied until the store has
//! acknowledged them.
//!
//! They are given to the store with a transaction that is to be committed. A partition that is behind gathers them over
//! several: its backlog speaks of the same customers again and again, and nobody can rest a negative on its frontier yet.

use super::cursor::InboundCursor;
use super::rules::Rules;
use crate::core::ids::{KeyPrint, Offset, Partition, WindowKey};
use crate::core::noted::Passthrough;
use crate::core::time::Span;
use crate::core::window::Window;
use crate::ports::{MergeCall, WindowWrite};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use std::collections::BTreeMap;
use std::hash::BuildHasherDefault;

/// The room for windows that is kept when there are fewer.
const ROOM: usize = 2_000;

/// Gathering is worth its memory when one window in so many comes again while it is remembered.
const WORTH_GATHERING: usize = 8;

/// Records [from, to) of a partition, and which windows they touched.
#[derive(Debug)]
struct Range {
    from: Offset,
    to: Offset,
    windows: Vec<KeyPrint>,
}

/// The records of a partition that the store has not been told of.
#[derive(Debug)]
struct Gathered {
    since_ms: i64,
    ranges: Vec<Range>,
    /// How many of the windows it lists were known here before.
    again: usize,
}

#[derive(Debug)]
struct Held {
    key: WindowKey,
    window: Window,
    length: Span,
    /// The last partition among whose windows it is listed. The call that holds it comes before those of the
    /// partition's later records.
    listed_in: Option<Partition>,
    /// How many lists it stands in. It may go when the store has all of them.
    lists: u32,
}

/// What the store is given.
#[derive(Default)]
pub(super) struct Given {
    /// The calls, in order.
    pub calls: Vec<MergeCall>,
    /// Their windows; `let_go` takes them back.
    pub lists: Vec<Vec<KeyPrint>>,
}

impl Given {
    pub(super) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Puts what was given later behind it.
    pub(super) fn append(&mut self, later: Given) {
        self.calls.extend(later.calls);
        self.lists.extend(later.lists);
    }
}

/// The windows that the store may not have.
#[derive(Default, Debug)]
pub(super) struct Holding {
    windows: HashMap<KeyPrint, Held, BuildHasherDefault<Passthrough>>,
    gathered: BTreeMap<Partition, Gathered>,
    /// How many windows the gathered ranges list: more than there are, where two partitions speak of one customer in turns.
    listed: usize,
    /// When the store was told last because there was no room, windows had come again that it had been told of before.
    gathers_much: bool,
    forced: bool,
}

impl Holding {
    /// The records [from, to) of a partition are applied.
    pub(super) fn extend(
        &mut self,
        partition: Partition,
        (from, to): (Offset, Offset),
        most_windows: usize,
        now_ms: i64,
    ) {
        let gathered = self.gathered.entry(partition);
        let ranges =
            &mut gathered.or_insert_with(|| Gathered { since_ms: now_ms, ranges: Vec::new(), again: 0 }).ranges;
        match ranges.last_mut() {
            Some(range) if range.windows.len() < most_windows => range.to = range.to.max(to),
            _ => ranges.push(Range { from, to, windows: Vec::new() }),
        }
    }

    /// Merges what a record of the partition's last range did to a window with what is held of it, and with what was `read` of
    /// it or `seen` when the turn was planned: the window as it was before, and as it is held now.
    pub(super) fn hold(
        &mut self,
        partition: Partition,
        (print, key): (KeyPrint, impl FnOnce() -> WindowKey),
        own: Window,
        (read, seen): (Option<Window>, Option<Window>),
        length: Span,
    ) -> (Option<Window>, Window) {
        let gathered = self.gathered.get_mut(&partition);
        let range = gathered.and_then(|gathered| Some((gathered.ranges.last_mut()?, &mut gathered.again)));
        debug_assert!(range.is_some(), "a record of {partition} is applied within no range");
        let elsewhere = read.or(seen);
        let alone = elsewhere.map_or(own, |elsewhere| elsewhere.merge(own, length));
        let Some((range, again)) = range else { return (elsewhere, alone) };
        let (before, held) = match self.windows.entry(print) {
            Entry::Occupied(held) => {
                let held = held.into_mut();
                let before = elsewhere.map_or(held.window, |elsewhere| held.window.merge(elsewhere, length));
                held.window = before.merge(own, length);
                (Some(before), held)
            }
            Entry::Vacant(place) => {
                let held = Held { key: key(), window: alone, length, listed_in: None, lists: 0 };
                (elsewhere, place.insert(held))
            }
        };
        if held.listed_in != Some(partition) {
            held.listed_in = Some(partition);
            held.lists += 1;
            self.listed += 1;
            *again += usize::from(seen.is_some());
            range.windows.push(print);
        }
        (before, held.window)
    }

    /// A window as it is held.
    pub(super) fn window(&self, print: KeyPrint) -> Option<Window> {
        self.windows.get(&print).map(|held| held.window)
    }

    /// Looks for a window without telling anything: it lies in the processor's caches then.
    pub(super) fn fetch(&self, print: KeyPrint) {
        std::hint::black_box(self.window(print));
    }

    /// How many windows are held.
    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }

    /// Each of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (KeyPrint, Window)> {
        self.windows.iter().map(|(print, held)| (*print, held.window))
    }

    /// Whether the store is yet to be told of anything.
    pub(super) fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }

    /// Nothing is gathered any longer.
    pub(super) fn force(&mut self) {
        self.forced = self.has_gathered();
    }

    /// Whether there is anything to be given to the store now.
    pub(super) fn is_due(&self, cursors: &BTreeMap<Partition, InboundCursor>, rules: &Rules, now_ms: i64) -> bool {
        self.gathered.iter().any(|(partition, gathered)| self.gives(*partition, gathered, cursors, rules, now_ms))
    }

    fn gives(
        &self,
        partition: Partition,
        gathered: &Gathered,
        cursors: &BTreeMap<Partition, InboundCursor>,
        rules: &Rules,
        now_ms: i64,
    ) -> bool {
        self.forced
            || self.is_full(rules)
            || now_ms - gathered.since_ms >= rules.gathers_for.as_millis()
            || cursors.get(&partition).is_none_or(|cursor| cursor.caught_up)
    }

    /// Whether as much is gathered as may be.
    pub(super) fn is_full(&self, rules: &Rules) -> bool {
        self.listed >= self.most_listed(rules)
    }

    fn most_listed(&self, rules: &Rules) -> usize {
        let most = if self.gathers_much { rules.gathered_windows } else { rules.gathered_at_first };
        most.max(1)
    }

    /// Whether it pays to gather shows by how many windows come again after the store was told of them. Where hardly any does,
    /// as with millions of customers, waiting for them would only take memory.
    fn learn_what_gathering_spares(&mut self, rules: &Rules) {
        if self.is_full(rules) {
            let again: usize = self.gathered.values().map(|gathered| gathered.again).sum();
            self.gathers_much = again * WORTH_GATHERING >= self.listed;
        }
    }

    /// What is due, as everything that was applied until now has made it. All of that has to be committed before the store
    /// is told; the windows stay held.
    pub(super) fn give(&mut self, cursors: &BTreeMap<Partition, InboundCursor>, rules: &Rules, now_ms: i64) -> Given {
        let due: Vec<_> = self
            .gathered
            .iter()
            .filter(|(partition, gathered)| self.gives(**partition, gathered, cursors, rules, now_ms))
            .map(|(partition, _)| *partition)
            .collect();
        self.learn_what_gathering_spares(rules);
        let mut given = Given::default();
        for partition in due {
            let ranges = self.gathered.remove(&partition).into_iter().flat_map(|gathered| gathered.ranges);
            for Range { from, to, windows: list } in ranges {
                let windows = list.iter().filter_map(|print| {
                    let held = self.windows.get_mut(print);
                    debug_assert!(held.is_some(), "a window of {partition} is listed and not held");
                    let held = held?;
                    // From now on it would be listed anew.
                    if held.listed_in == Some(partition) {
                        held.listed_in = None;
                    }
                    Some(WindowWrite { key: held.key.clone(), window: held.window, length: held.length })
                });
                let windows = windows.collect();
                self.listed -= list.len();
                given.lists.push(list);
                if let Some(cursor) = cursors.get(&partition) {
                    given.calls.push(MergeCall { partition, from, to, topic_id: cursor.topic_id.clone(), windows });
                }
            }
        }
        self.forced &= self.has_gathered();
        given
    }

    /// The store has answered. What was applied since is held on; `gone` hears of what is not.
    pub(super) fn let_go(&mut self, list: Vec<KeyPrint>, mut gone: impl FnMut(KeyPrint, Window)) {
        for print in list {
            if let Entry::Occupied(mut held) = self.windows.entry(print) {
                held.get_mut().lists -= 1;
                if held.get().lists == 0 {
                    gone(print, held.remove().window);
                }
            }
        }
        // The room that a backlog took.
        if self.windows.capacity() > 8 * self.windows.len().max(ROOM) {
            self.windows.shrink_to(ROOM);
        }
    }
}
