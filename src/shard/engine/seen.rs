//! Windows that were seen a moment ago: facts about the past, in a bounded space, that spare a look into the store.
//!
//! More inbound data can only lengthen a window, so whatever is open here is open. That one is absent or closed says
//! nothing: for a negative the store is asked.
//!
//! They are looked up when a turn is planned, and what was found stays with the turn's records: what the store was not
//! asked for is still known when its answer comes.

use crate::core::ids::KeyPrint;
use crate::core::noted::Passthrough;
use crate::core::time::Now;
use crate::core::window::Window;
use hashbrown::HashMap;
use std::hash::BuildHasherDefault;

/// What was seen longer ago is looked up again: an operator may have deleted the window since.
const BELIEVED_MS: i64 = 10_000;

#[derive(Clone, Copy)]
struct Sight {
    window: Window,
    at_ms: i64,
}

type Generation = HashMap<KeyPrint, Sight, BuildHasherDefault<Passthrough>>;

/// Two generations: what is noted goes into the young one; a turn that leaves it full lets the old one go.
#[derive(Default)]
pub(super) struct SeenWindows {
    young: Generation,
    old: Generation,
    capacity: usize,
}

impl SeenWindows {
    /// Room for about that many windows.
    pub(super) fn new(capacity: usize) -> SeenWindows {
        SeenWindows { capacity: capacity / 2, ..SeenWindows::default() }
    }

    /// Notes a window as it is now known.
    pub(super) fn note(&mut self, print: KeyPrint, window: Window, now: Now) {
        if self.capacity > 0 {
            self.young.insert(print, Sight { window, at_ms: now.mono_ms });
        }
    }

    /// A turn is over: what is older makes room.
    pub(super) fn make_room(&mut self) {
        if self.young.len() >= self.capacity {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
    }

    /// A window that was seen a moment ago.
    pub(super) fn get(&self, print: KeyPrint, now: Now) -> Option<Window> {
        let sight = self.young.get(&print).or_else(|| self.old.get(&print))?;
        (now.mono_ms - sight.at_ms < BELIEVED_MS).then_some(sight.window)
    }

    /// Nothing is known any more.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, Partition, Position};
    use crate::core::time::Timestamp;

    fn window(offset: i64) -> Window {
        let position = Position { partition: Partition(0), offset: Offset(offset) };
        Window::opened_by(Timestamp::from_millis(0), position)
    }

    fn at(mono_ms: i64) -> Now {
        Now { wall: Timestamp::from_millis(mono_ms), mono_ms }
    }

    #[test]
    fn what_a_turn_notes_stays_until_it_is_over_and_space_is_bounded() {
        let mut seen = SeenWindows::new(20);
        for turn in 0..300 {
            let of_turn = || (0..1 + turn % 25).map(|number| KeyPrint([turn, number]));
            of_turn().for_each(|print| seen.note(print, window(turn as i64), at(0)));
            assert!(of_turn().all(|print| seen.get(print, at(0)) == Some(window(turn as i64))));
            seen.make_room();
            assert!(of_turn().all(|print| seen.get(print, at(0)).is_some()), "those of turn {turn} are the newest");
            assert!(seen.young.len() < 10 && seen.old.len() < 10 + 25);
        }
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
