//! Windows that were seen a moment ago: facts about the past, in a bounded space, that spare a look into the store.
//!
//! More inbound data can only lengthen a window, so whatever is open here is open. That one is absent or closed says
//! nothing: for a negative the store is asked.
//!
//! They are looked up when a turn is planned, and what was found stays with the turn's records: what the store was not
//! asked for is still known when its answer comes.

use crate::core::ids::{KeyPrint, Offset, Partition, Position};
use crate::core::time::{Now, Timestamp};
use crate::core::window::Window;

/// What was seen longer ago is looked up again: an operator may have deleted the window since.
const BELIEVED_MS: i64 = 10_000;

/// A window has so many places to be in: their prints fill a line of the processor's caches.
const WAYS: usize = 4;

/// Nobody's print: of hashes it is as unlikely as any. Not zero, so that the memory is there from the start.
const NOBODY: [u64; 2] = [u64::MAX; 2];

#[derive(Clone, Copy)]
struct Sight {
    window: Window,
    at_ms: i64,
}

/// A table of a fixed size: whoever comes anew takes the place of another when both of its sets are full. It is as large from
/// the start as it ever will be, and nothing in it is moved.
pub(super) struct SeenWindows {
    prints: Vec<[[u64; 2]; WAYS]>,
    sights: Vec<[Sight; WAYS]>,
}

impl SeenWindows {
    /// Room for at least that many windows.
    pub(super) fn new(capacity: usize) -> SeenWindows {
        let sets = if capacity == 0 { 0 } else { capacity.div_ceil(WAYS).next_power_of_two() };
        let position = Position { partition: Partition(0), offset: Offset(0) };
        let nothing = Sight { window: Window::opened_by(Timestamp::from_millis(0), position), at_ms: 0 };
        SeenWindows { prints: vec![[NOBODY; WAYS]; sets], sights: vec![[nothing; WAYS]; sets] }
    }

    /// Notes a window as it is now known.
    pub(super) fn note(&mut self, print: KeyPrint, window: Window, now: Now) {
        let free = || self.sets(print).into_iter().find_map(|set| self.way(set, NOBODY));
        let Some((set, way)) = self.find(print).or_else(free).or_else(|| self.oldest(print)) else { return };
        if let (Some(prints), Some(sights)) = (self.prints.get_mut(set), self.sights.get_mut(set)) {
            prints[way] = print.0;
            sights[way] = Sight { window, at_ms: now.mono_ms };
        }
    }

    /// Of all places that a window may have, the one whose sight is the oldest.
    fn oldest(&self, print: KeyPrint) -> Option<(usize, usize)> {
        let places = self.sets(print).into_iter().flat_map(|set| (0..WAYS).map(move |way| (set, way)));
        places.min_by_key(|(set, way)| self.sights.get(*set).map(|sights| sights[*way].at_ms))
    }

    /// A window that was seen a moment ago.
    pub(super) fn get(&self, print: KeyPrint, now: Now) -> Option<Window> {
        let (set, way) = self.find(print)?;
        let sight = self.sights.get(set)?.get(way)?;
        (now.mono_ms - sight.at_ms < BELIEVED_MS).then_some(sight.window)
    }

    fn find(&self, print: KeyPrint) -> Option<(usize, usize)> {
        if print.0 == NOBODY {
            return None;
        }
        self.sets(print).into_iter().find_map(|set| self.way(set, print.0))
    }

    fn way(&self, set: usize, print: [u64; 2]) -> Option<(usize, usize)> {
        let way = self.prints.get(set)?.iter().position(|known| *known == print)?;
        Some((set, way))
    }

    /// The two sets that a window may be in: prints are hashes, of which any part serves as one.
    fn sets(&self, print: KeyPrint) -> [usize; 2] {
        print.0.map(|half| half as usize & self.prints.len().wrapping_sub(1))
    }

    /// Nothing is known any more.
    pub(super) fn clear(&mut self) {
        self.prints.fill([NOBODY; WAYS]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    fn window(offset: i64) -> Window {
        let position = Position { partition: Partition(0), offset: Offset(offset) };
        Window::opened_by(Timestamp::from_millis(0), position)
    }

    fn at(mono_ms: i64) -> Now {
        Now { wall: Timestamp::from_millis(mono_ms), mono_ms }
    }

    #[test]
    fn the_newest_are_found_and_nothing_is_confused() {
        let mut seen = SeenWindows::new(20);
        assert_eq!(seen.prints.len(), 8);
        // All may be in the sets 0 and 1, and some share a half.
        let print = |number: u64| KeyPrint([number % 3 * 8, number * 8 + 1]);
        for number in 0..300 {
            seen.note(print(number), window(number as i64), at(number as i64));
            let known = (0..=number).filter_map(|known| Some((known, seen.get(print(known), at(number as i64))?)));
            let known: Vec<_> = known.collect();
            assert!(known.iter().all(|(known, found)| *found == window(*known as i64)));
            let newest = (number + 1).saturating_sub(2 * WAYS as u64)..=number;
            assert!(known.iter().map(|(known, _)| *known).eq(newest), "{known:?}");
        }
        seen.note(print(299), window(7), at(300));
        assert_eq!(seen.get(print(299), at(300)), Some(window(7)), "as it was noted last");
        seen.note(KeyPrint(NOBODY), window(1), at(300));
        assert_eq!(seen.get(KeyPrint(NOBODY), at(300)), None);
    }

    #[test]
    fn a_sight_is_believed_for_ten_seconds_and_not_after_a_clearing() {
        let mut seen = SeenWindows::new(20);
        seen.note(KeyPrint([1, 1]), window(1), at(0));
        assert!(seen.get(KeyPrint([1, 1]), at(9_999)).is_some());
        assert!(seen.get(KeyPrint([1, 1]), at(10_000)).is_none());
        seen.clear();
        assert!(seen.get(KeyPrint([1, 1]), at(0)).is_none());
    }

    #[test]
    fn without_room_nothing_is_noted() {
        let mut seen = SeenWindows::new(0);
        seen.note(KeyPrint([1, 1]), window(1), at(0));
        assert!(seen.get(KeyPrint([1, 1]), at(0)).is_none());
    }
}
