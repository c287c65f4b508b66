//! What the threads beside the shards share with those who watch them.

use super::templates::Templates;
use crate::core::record::ReasonCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the thread has done since its process started.
#[derive(Default, Debug)]
pub struct FeedbackTally {
    /// Refusals that were remembered.
    pub refusals: AtomicU64,
    /// Records that were written: what belongs elsewhere, and dead letters.
    pub forwarded: AtomicU64,
    /// Parts that no topic wants.
    pub dropped: AtomicU64,
    /// Times that Kafka or Redis gave no answer.
    pub faults: AtomicU64,
    /// What came from each topic.
    pub topics: Vec<ReportTally>,
    dead_letters_by: [AtomicU64; ReasonCode::ALL.len()],
}

/// What came from a topic of reports.
#[derive(Default, Debug)]
pub struct ReportTally {
    /// The topic's name.
    pub topic: String,
    /// Records of which everything could be used.
    pub decoded: AtomicU64,
    /// Records in which something could not be used.
    pub rejected: AtomicU64,
}

impl FeedbackTally {
    /// Nothing was done yet, with these topics.
    pub fn new(topics: impl Iterator<Item = String>) -> FeedbackTally {
        let topics = topics.map(|topic| ReportTally { topic, ..ReportTally::default() }).collect();
        FeedbackTally { topics, ..FeedbackTally::default() }
    }

    /// How many dead letters have that reason.
    pub fn dead_letters_by(&self, reason: ReasonCode) -> u64 {
        self.dead_letters_by[reason as usize].load(Ordering::Relaxed)
    }

    /// Counts a record that is done, and the reasons for which parts of it became dead letters.
    pub fn count_record(&self, topic: &str, rejects: &[ReasonCode]) {
        if let Some(tally) = self.topics.iter().find(|tally| tally.topic == topic) {
            let outcome = if rejects.is_empty() { &tally.decoded } else { &tally.rejected };
            outcome.fetch_add(1, Ordering::Relaxed);
        }
        for reason in rejects {
            self.dead_letters_by[*reason as usize].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What these threads tell of themselves.
#[derive(Clone)]
pub struct AsideBoard {
    /// The registry of templates; none when there is no topic for it.
    pub templates: Option<Arc<Templates>>,
    /// What was done with reports; none when there is no topic for them.
    pub feedback: Option<Arc<FeedbackTally>>,
}

impl AsideBoard {
    /// How many dead letters of theirs have that reason.
    pub fn dead_letters_by(&self, reason: ReasonCode) -> u64 {
        self.feedback.as_ref().map_or(0, |tally| tally.dead_letters_by(reason))
    }
}
