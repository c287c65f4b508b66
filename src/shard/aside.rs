//! What the threads beside the shards share with those who watch them.

use super::templates::Templates;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

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
}

/// What these threads tell of themselves.
#[derive(Clone)]
pub struct AsideBoard {
    /// The registry of templates; none when there is no topic for it.
    pub templates: Option<Arc<Templates>>,
    /// What was done with reports; none when there is no topic for them.
    pub feedback: Option<Arc<FeedbackTally>>,
}
