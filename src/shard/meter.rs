//! Counters and histograms that one thread writes and anybody reads.
//!
//! A shard's meters are written by its own thread alone, so that a write is a load and a store: no locked instruction
//! stands in the way of the work.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One counter.
#[derive(Default, Debug)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to it. Only one thread may.
    pub fn add(&self, n: usize) {
        self.0.store(self.get().wrapping_add(n as u64), Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of what one step or round trip takes, in microseconds.
pub const STAGE_BOUNDS_US: &[u64] = &[
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];
/// Upper bounds from an intent's timestamp to its verdict, in microseconds.
pub const VERDICT_BOUNDS_US: &[u64] = &[
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    300_000_000,
    3_600_000_000,
];
/// Upper bounds of how many records came at once.
pub const BATCH_BOUNDS: &[u64] = &[1, 10, 50, 100, 250, 500, 1_000, 2_000, 4_000, 8_000];

/// How often which values occurred, between fixed bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One for each bound, and one for what lies above them all.
    counts: Box<[Count]>,
    sum: Count,
}

impl Histogram {
    /// Nothing has occurred yet. The bounds ascend.
    pub fn new(bounds: &'static [u64]) -> Histogram {
        Histogram { bounds, counts: (0..=bounds.len()).map(|_| Count::default()).collect(), sum: Count::default() }
    }

    /// Counts a value. Only one thread may.
    pub fn observe(&self, value: u64) {
        let place = self.bounds.partition_point(|bound| *bound < value);
        self.counts[place].add(1);
        self.sum.add(usize::try_from(value).unwrap_or(usize::MAX));
    }

    /// Counts a time, in microseconds.
    pub fn observe_time(&self, time: Duration) {
        self.observe(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// What it holds.
    pub fn read(&self) -> HistogramReading {
        let counts = self.counts.iter().map(Count::get).collect();
        HistogramReading { bounds: self.bounds, counts, sum: self.sum.get() }
    }
}

/// What a histogram held at some time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistogramReading {
    /// The upper bounds.
    pub bounds: &'static [u64],
    /// How many values lay at or below each bound and above the one before; then those above all bounds.
    pub counts: Vec<u64>,
    /// All values together.
    pub sum: u64,
}

impl HistogramReading {
    /// Both as one; they have the same bounds.
    pub fn merge(mut self, other: &HistogramReading) -> HistogramReading {
        debug_assert_eq!(self.bounds, other.bounds);
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.sum += other.sum;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_counts_at_the_first_bound_that_it_does_not_exceed() {
        let histogram = Histogram::new(&[10, 100]);
        [0, 10, 11, 100, 101, 5_000].into_iter().for_each(|value| histogram.observe(value));
        assert_eq!(histogram.read(), HistogramReading { bounds: &[10, 100], counts: vec![2, 2, 2], sum: 5_222 });
        histogram.observe_time(Duration::from_millis(1));
        assert_eq!(histogram.read().counts, [2, 2, 3], "a millisecond is a thousand microseconds");
    }

    #[test]
    fn two_shards_are_read_as_one() {
        let (one, other) = (Histogram::new(&[10]), Histogram::new(&[10]));
        one.observe(3);
        other.observe(30);
        let both = one.read().merge(&other.read());
        assert_eq!((both.counts, both.sum), (vec![1, 1], 33));
    }

    #[test]
    fn all_bounds_ascend() {
        for bounds in [STAGE_BOUNDS_US, VERDICT_BOUNDS_US, BATCH_BOUNDS] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
        }
    }
}
