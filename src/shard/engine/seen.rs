//! Windows that were seen a moment ago: facts about the past, in a bounded space, that spare a look into the store.
//!
//! More inbound data can only lengthen a window, so whatever is open here is open. That one is absent or closed says
//! nothing: for a negative the store is asked.
//!
//! What a turn did not ask the store for is still here when the answer comes: a sight counts by the time at which the turn
//! was planned, and nothing goes before the turn is over.

use crate::core::ids::KeyPrint;
use crate::core::noted::Passthrough;
use crate::core::time::{Now, Timestamp};
use crate::core::window::{Window, WindowRules, WindowState};
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

    /// Notes a window as it is now known. The space may be exceeded by what one turn notes.
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

    /// A window that had been seen a moment before that time, or since.
    pub(super) fn get(&self, print: KeyPrint, as_of_ms: i64) -> Option<Window> {
        let sight = self.young.get(&print).or_else(|| self.old.get(&print))?;
        (as_of_ms - sight.at_ms < BELIEVED_MS).then_some(sight.window)
    }

    /// Whether it is known to be open.
    pub(super) fn is_open(&self, print: KeyPrint, rules: WindowRules, now: Now) -> bool {
        self.get(print, now.mono_ms).is_some_and(|window| rules.state(&window, now.wall) == WindowState::Open)
    }

    /// Whether an act at that time surely falls into a session that was told.
    pub(super) fn covers(&self, print: KeyPrint, act: Timestamp, rules: WindowRules, now: Now) -> bool {
        self.get(print, now.mono_ms).is_some_and(|window| act < window.expires_at(rules.length))
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
            assert!(of_turn().all(|print| seen.get(print, 0) == Some(window(turn as i64))));
            seen.make_room();
            assert!(of_turn().all(|print| seen.get(print, 0).is_some()), "those of turn {turn} are the newest");
            assert!(seen.young.len() < 10 && seen.old.len() < 10 + 25);
        }
    }

    #[test]
    fn a_sight_is_believed_for_ten_seconds_and_not_after_a_clearing() {
        let mut seen = SeenWindows::new(20);
        seen.note(KeyPrint([1, 1]), window(1), at(0));
        assert!(seen.get(KeyPrint([1, 1]), 9_999).is_some());
        assert!(seen.get(KeyPrint([1, 1]), 10_000).is_none());
        seen.clear();
        assert!(seen.get(KeyPrint([1, 1]), 0).is_none());
    }

    #[test]
    fn without_room_nothing_is_noted() {
        let mut seen = SeenWindows::new(0);
        seen.note(KeyPrint([1, 1]), window(1), at(0));
        assert!(seen.get(KeyPrint([1, 1]), 0).is_none());
    }
}
