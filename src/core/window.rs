//! The session window: what one customer's last act lets a business do, and until when.

use super::ids::Position;
use super::time::{Span, Timestamp};

/// One customer's window as it is kept: it says nothing about whether it is open now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The customer's last act. The verdict hangs on this alone, and it only grows.
    pub last_inbound_at: Timestamp,
    /// When the present session began. For people and analytics.
    pub opened_at: Timestamp,
    /// The record of the last act.
    pub position: Position,
}

impl Window {
    /// The window that one act opens.
    pub fn opened_by(occurred_at: Timestamp, position: Position) -> Window {
        Window { last_inbound_at: occurred_at, opened_at: occurred_at, position }
    }

    /// The end of a window of that length: the first instant at which it is closed.
    pub fn expires_at(&self, length: Span) -> Timestamp {
        self.last_inbound_at + length
    }

    /// Both as one (W1): the later act wins, a tie goes to the higher position. Sessions that touch become one
    /// that began with the earlier.
    pub fn merge(self, other: Window, length: Span) -> Window {
        let (later, earlier) = if self.order() >= other.order() { (self, other) } else { (other, self) };
        let touches = later.opened_at < earlier.last_inbound_at + length;
        let opened_at = if touches { later.opened_at.min(earlier.opened_at) } else { later.opened_at };
        Window { opened_at, ..later }
    }

    fn order(&self) -> (Timestamp, Position) {
        (self.last_inbound_at, self.position)
    }
}

/// How long a window lasts, and when we stop calling it open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowRules {
    /// From the customer's act to the end.
    pub length: Span,
    /// The margin before the end in which we already say closed: a verdict takes time to become a send.
    pub guard: Span,
}

/// Where `now` lies in a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WindowState {
    /// Free-form sends are allowed.
    Open,
    /// Within the guard before the end.
    Closing,
    /// Over. Half-open: at the instant of the end it is closed.
    Closed,
}

impl WindowRules {
    /// Where `now` lies in the window (V3).
    pub fn state(&self, window: &Window, now: Timestamp) -> WindowState {
        let end = window.expires_at(self.length);
        if now >= end {
            WindowState::Closed
        } else if now >= end - self.guard {
            WindowState::Closing
        } else {
            WindowState::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, Partition};

    const DAY: i64 = 86_400_000;
    const RULES: WindowRules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn window(ms: i64, offset: i64) -> Window {
        Window::opened_by(at(ms), Position { partition: Partition(0), offset: Offset(offset) })
    }

    #[test]
    fn a_window_is_half_open_and_says_closing_within_the_guard() {
        let table = [
            (0, WindowState::Open, "at the act itself"),
            (DAY - 60_001, WindowState::Open, "a millisecond before the guard"),
            (DAY - 60_000, WindowState::Closing, "at the guard"),
            (DAY - 1, WindowState::Closing, "a millisecond before the end"),
            (DAY, WindowState::Closed, "at exactly 24 h"),
            (DAY + 1, WindowState::Closed, "after"),
            (-5_000, WindowState::Open, "a clock that is a little behind"),
        ];
        for (now, state, what) in table {
            assert_eq!(RULES.state(&window(0, 1), at(now)), state, "{what}");
        }
    }

    #[test]
    fn a_reply_refreshes_and_an_older_one_never_shortens() {
        let refreshed = window(0, 1).merge(window(1_000, 2), RULES.length);
        assert_eq!((refreshed.last_inbound_at, refreshed.opened_at), (at(1_000), at(0)));
        assert_eq!(refreshed.merge(window(500, 3), RULES.length), refreshed, "late");
        assert_eq!(refreshed.merge(window(1_000, 2), RULES.length), refreshed, "duplicate");
    }

    #[test]
    fn a_session_that_begins_after_the_end_is_a_new_one() {
        let touching = window(0, 1).merge(window(DAY - 1, 2), RULES.length);
        assert_eq!(touching.opened_at, at(0), "a millisecond before the end it is the same session");
        let new = window(0, 1).merge(window(DAY, 2), RULES.length);
        assert_eq!(new.opened_at, at(DAY), "at the end it is another");
    }

    #[test]
    fn of_two_acts_at_one_instant_the_higher_position_is_kept() {
        let (a, b) = (window(7, 1), window(7, 2));
        assert_eq!(a.merge(b, RULES.length).position, b.position);
        assert_eq!(b.merge(a, RULES.length).position, b.position);
    }
}
