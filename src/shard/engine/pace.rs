//! When to try again, when to look again, and which waiting does not count.

/// The longest pause between two attempts.
const LONGEST_PAUSE_MS: i64 = 1_000;
/// How often a shard looks at its frontiers without any other reason.
const LOOK_EVERY_MS: i64 = 1_000;
/// When ends are asked for again that nobody told. Each time the shard may wait for as long as a call takes.
const ASK_AGAIN_MS: i64 = 5_000;
/// How often ends are asked for while there is more inbound than a poll takes.
const ASK_EVERY_MS: i64 = 100;

/// Attempts and looks, on the monotonic clock.
#[derive(Default, Debug)]
pub(super) struct Pace {
    failures: u32,
    retry_at_ms: i64,
    look_at_ms: i64,
    evaluate_at_ms: i64,
    evaluate_pause_ms: i64,
    ask_at_ms: i64,
    lacks_ends: bool,
}

impl Pace {
    /// A step failed: the next attempts come later and later.
    pub(super) fn failed(&mut self, now_ms: i64) {
        let pause = 50_i64 << self.failures.min(7);
        self.failures += 1;
        self.retry_at_ms = now_ms + pause.min(LONGEST_PAUSE_MS);
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// How long to hold off before the next attempt.
    pub(super) fn hold_off_ms(&self, now_ms: i64) -> Option<i64> {
        (self.failures > 0 && now_ms < self.retry_at_ms).then(|| self.retry_at_ms - now_ms)
    }

    /// Waiting intents should be looked at at once: something moved.
    pub(super) fn evaluate_soon(&mut self, now_ms: i64) {
        self.evaluate_at_ms = now_ms;
        self.evaluate_pause_ms = 1;
    }

    /// Everything was looked at. While nothing moves, the looks come less and less often.
    pub(super) fn looked(&mut self, now_ms: i64) {
        self.look_at_ms = now_ms + LOOK_EVERY_MS;
        self.evaluate_pause_ms = (self.evaluate_pause_ms * 2).clamp(2, 10);
        self.evaluate_at_ms = now_ms + self.evaluate_pause_ms;
    }

    /// Whether ends that nobody knows yet are asked for now. A shard that is behind will not have applied all below them at
    /// once: there is time to ask for many intents together.
    pub(super) fn asks_for_ends(&mut self, is_behind: bool, now_ms: i64) -> bool {
        let asks = (!is_behind && !self.lacks_ends) || now_ms >= self.ask_at_ms;
        if asks {
            self.ask_at_ms = now_ms + ASK_EVERY_MS;
        }
        asks
    }

    /// Ends were asked for, and told or not.
    pub(super) fn asked_for_ends(&mut self, were_told: bool, now_ms: i64) {
        self.lacks_ends = !were_told;
        if self.lacks_ends {
            self.ask_at_ms = now_ms + ASK_AGAIN_MS;
        }
    }

    /// Nobody told them when they were asked for last.
    pub(super) fn lacks_ends(&self) -> bool {
        self.lacks_ends
    }

    pub(super) fn look_at_ms(&self) -> i64 {
        self.look_at_ms
    }

    pub(super) fn evaluate_at_ms(&self) -> i64 {
        self.evaluate_at_ms
    }
}

/// Time that does not count towards `max_wait`: while the store is away or is being filled again, nobody can know.
#[derive(Default, Debug)]
pub(super) struct Excused {
    total_ms: i64,
    since_ms: Option<i64>,
}

impl Excused {
    pub(super) fn begin(&mut self, now_ms: i64) {
        self.since_ms.get_or_insert(now_ms);
    }

    pub(super) fn end(&mut self, now_ms: i64) {
        if let Some(since) = self.since_ms.take() {
            self.total_ms += now_ms - since;
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.since_ms.is_some()
    }

    /// The clock that counts.
    pub(super) fn counting_ms(&self, now_ms: i64) -> i64 {
        self.since_ms.unwrap_or(now_ms) - self.total_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_asked_for_at_once_and_now_and_then_by_who_is_behind() {
        let mut pace = Pace::default();
        let asked: Vec<i64> = (1..=250).filter(|now_ms| pace.asks_for_ends(true, *now_ms)).collect();
        assert_eq!(asked, [1, 101, 201]);
        assert!(pace.asks_for_ends(false, 251) && pace.asks_for_ends(false, 252));
        assert!(!pace.asks_for_ends(true, 351) && pace.asks_for_ends(true, 352));
    }

    #[test]
    fn ends_that_nobody_told_are_asked_for_again_a_little_later() {
        let mut pace = Pace::default();
        assert!(pace.asks_for_ends(false, 1));
        pace.asked_for_ends(false, 10);
        assert!(pace.lacks_ends() && !pace.asks_for_ends(false, 5_009) && pace.asks_for_ends(false, 5_010));
        pace.asked_for_ends(true, 5_011);
        assert!(!pace.lacks_ends() && pace.asks_for_ends(false, 5_011));
    }
}
