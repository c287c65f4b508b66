//! The machine's clocks.

use crate::core::time::{Now, Timestamp};
use crate::ports::Clock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Reads the machine's wall clock, and its monotonic clock since this value was made. Copies share that start.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts at zero now.
    pub fn new() -> SystemClock {
        SystemClock { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now { wall: to_timestamp(SystemTime::now()), mono_ms: saturating_ms(self.started.elapsed().as_millis()) }
    }
}

fn to_timestamp(time: SystemTime) -> Timestamp {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => Timestamp::from_millis(saturating_ms(since.as_millis())),
        Err(before) => Timestamp::from_millis(-saturating_ms(before.duration().as_millis())),
    }
}

fn saturating_ms(ms: u128) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_monotonic_reading_never_goes_back_and_copies_share_it() {
        let clock = SystemClock::new();
        let copy = clock;
        let (first, second) = (clock.now(), copy.now());
        assert!(0 <= first.mono_ms && first.mono_ms <= second.mono_ms);
    }

    #[test]
    fn times_before_1970_are_negative() {
        assert_eq!(to_timestamp(UNIX_EPOCH - Duration::from_millis(1_500)), Timestamp::from_millis(-1_500));
        assert_eq!(to_timestamp(UNIX_EPOCH + Duration::from_micros(1_500_999)), Timestamp::from_millis(1_500));
    }
}
