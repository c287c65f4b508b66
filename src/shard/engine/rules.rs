//! What a shard is told once, at its start.

use crate::core::policy::Policy;
use crate::core::time::Span;

/// Which inbound partitions a negative verdict asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Partitioning {
    /// All of them: nothing is assumed about keys.
    Any,
    /// The one with the intent's number: the operator asserts that a customer's inbound and intents share it.
    CoPartitioned,
}

/// What a shard is told once, at its start.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What opens windows, and for how long.
    pub policy: Policy,
    /// Which inbound partitions a negative verdict asks.
    pub partitioning: Partitioning,
    /// How long an intent waits for the proof of its negative, from its reading.
    pub max_wait: Span,
    /// How long a transaction grows at least.
    pub commit_interval: Span,
    /// How long it goes on growing while there is more to take.
    pub longest_transaction: Span,
    /// A transaction with so many records is committed as soon as the one before it is.
    pub max_transaction_records: usize,
    /// Partitions that are behind gather at most so many windows before the store is told of them, while the same ones come
    /// again.
    pub gathered_windows: usize,
    /// And so many where they do not, and to begin with.
    pub gathered_at_first: usize,
    /// A merge call holds about so many: the store serves nobody else meanwhile.
    pub windows_per_call: usize,
    /// Windows are gathered for no longer than this.
    pub gathers_for: Span,
    /// Ids are remembered for so many offsets of a partition; 0: no duplicate is found.
    pub dedup_records: u32,
    /// How much further back than the longest window a lost store is filled.
    pub reapply_margin: Span,
    /// Whether refreshed windows are told, as opened ones always are.
    pub emit_refreshed: bool,
    /// Whether refusals by the provider are passed on and heeded.
    pub delivery_status: bool,
    /// Whether changes of templates are passed on.
    pub template_status: bool,
    /// Start although the group's committed offsets vanished while frontiers are there.
    pub accept_missing_offsets: bool,
    /// The inbound topic keeps records at least as long as windows last: what was deleted is too old to matter.
    pub history_is_kept: bool,
    /// A poll takes at most so many records of each stream.
    pub batch_records: usize,
    /// At least so many windows are remembered for a moment.
    pub seen_windows: usize,
    /// A lane above so many bytes is not fetched until it is below half of it.
    pub lane_bytes: usize,
}
