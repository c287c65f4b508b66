//! Time as data: milliseconds since 1970 (wall clock), spans, and a monotonic reading.

use std::fmt;
use std::ops::{Add, Sub};

/// A point on the wall clock, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 0000-01-01T00:00:00Z, the earliest that RFC 3339 can write.
    pub const MIN: Timestamp = Timestamp(-62_167_219_200_000);
    /// 9999-12-31T23:59:59.999Z, the latest that RFC 3339 can write.
    pub const MAX: Timestamp = Timestamp(253_402_300_799_999);

    /// Takes milliseconds since 1970; what RFC 3339 cannot write is brought to the nearest that it can.
    pub fn from_millis(ms: i64) -> Timestamp {
        Timestamp(ms.clamp(Self::MIN.0, Self::MAX.0))
    }

    /// Milliseconds since 1970.
    pub fn as_millis(self) -> i64 {
        self.0
    }
}

/// A span of time in milliseconds; may be negative as the difference of two points.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Span(i64);

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);

    /// A span of that many milliseconds.
    pub const fn from_millis(ms: i64) -> Span {
        Span(ms)
    }

    /// A span of that many seconds.
    pub const fn from_secs(secs: i64) -> Span {
        Span(secs * 1000)
    }

    /// A span of that many hours.
    pub const fn from_hours(hours: i64) -> Span {
        Span(hours * 3_600_000)
    }

    /// Its milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Half of it, rounded towards zero.
    pub const fn half(self) -> Span {
        Span(self.0 / 2)
    }

    /// Its length whatever its sign.
    pub const fn abs(self) -> Span {
        Span(self.0.abs())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Timestamp;
    fn sub(self, span: Span) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_sub(span.0))
    }
}

impl Sub for Timestamp {
    type Output = Span;
    fn sub(self, other: Timestamp) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

/// One reading of both clocks. The wall clock judges windows; the monotonic one measures waiting, since the wall
/// clock may step.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Now {
    /// The wall clock.
    pub wall: Timestamp,
    /// Milliseconds of a clock that never goes back, from an arbitrary start.
    pub mono_ms: i64,
}
