//! What a shard has counted and measured: whoever watches reads it when it likes.

use super::engine::notice::Notice;
use super::engine::step::{Batch, Input, Step};
use super::meter::{BATCH_BOUNDS, Count, Histogram, STAGE_BOUNDS_US, VERDICT_BOUNDS_US};
use crate::core::emission::{DecidedIntent, Emission, WindowChange};
use crate::core::record::ReasonCode;
use crate::core::time::Timestamp;
use crate::core::verdict::{Basis, TemplateReason, Verdict};
use crate::ports::Settled;
use std::time::Duration;

/// A part of a shard's turn whose time is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Taking records and decoding them, when there were some.
    Poll,
    /// Reading ends from Kafka and windows from Redis, side by side.
    Read,
    /// Folding inbound and judging intents.
    Decide,
    /// Writing outputs into the transaction.
    Produce,
    /// Committing it, from the beginning until it is known; other stages go on meanwhile.
    Commit,
    /// Writing windows and frontiers to Redis, from the beginning until it is known; other stages go on meanwhile.
    Merge,
}

impl Stage {
    /// Every stage, in the order of a turn.
    pub const ALL: [Stage; 6] = [Stage::Poll, Stage::Read, Stage::Decide, Stage::Produce, Stage::Commit, Stage::Merge];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Poll => "poll",
            Stage::Read => "read",
            Stage::Decide => "decide",
            Stage::Produce => "produce",
            Stage::Commit => "commit",
            Stage::Merge => "merge",
        }
    }

    /// The stage that a step is, if it is one by itself. Commits and merges go on while other steps are taken.
    pub(super) fn of(step: &Step) -> Option<Stage> {
        match step {
            Step::Poll(_) => Some(Stage::Poll),
            Step::Read(_) => Some(Stage::Read),
            Step::Produce(_) => Some(Stage::Produce),
            _ => None,
        }
    }
}

/// A call of the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreCall {
    /// Windows and frontiers are read.
    Read,
    /// Windows are merged and frontiers advanced.
    Merge,
    /// Frontiers are set.
    Start,
}

impl StoreCall {
    /// Every call.
    pub const ALL: [StoreCall; 3] = [StoreCall::Read, StoreCall::Merge, StoreCall::Start];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            StoreCall::Read => "read",
            StoreCall::Merge => "merge",
            StoreCall::Start => "start",
        }
    }
}

/// Counters of one shard. Outputs are counted when they are written, whether or not their transaction comes through;
/// records when they are taken, again when they are taken again.
#[derive(Default, Debug)]
pub struct Tally {
    /// Inbound records taken.
    pub inbound: Count,
    /// Those of them in which something could not be used.
    pub inbound_rejected: Count,
    /// Intent records taken.
    pub intents: Count,
    /// Those of them that could not be used.
    pub intents_rejected: Count,
    /// Verdicts: session send.
    pub session_sends: Count,
    /// Verdicts: template required.
    pub templates: Count,
    /// Windows that opened.
    pub opened: Count,
    /// Windows that were refreshed (when those are told).
    pub refreshed: Count,
    /// Dead letters.
    pub dead_letters: Count,
    /// Refusals by the provider that were passed on.
    pub refusals: Count,
    /// Changes of templates that were passed on.
    pub template_changes: Count,
    /// Refusals and changes of templates that there is no topic for.
    pub feedback_dropped: Count,
    /// Transactions committed.
    pub commits: Count,
    /// Transactions given up.
    pub aborts: Count,
    /// Times that Redis gave no answer.
    pub store_faults: Count,
    /// Times that Kafka gave no answer.
    pub log_faults: Count,
    /// Events that came after their window had ended.
    pub late: Count,
    /// Events from the future.
    pub future: Count,
    /// Events that changed nothing: they came twice, or after a later one.
    pub unmoved: Count,
    /// Negative verdicts without proof.
    pub timed_out: Count,
    /// Inbound records that lie elsewhere than co-partitioning asserts.
    pub misplaced: Count,
    /// Events, and parts of webhooks, of a kind that the table does not know.
    pub unknown_kinds: Count,
    /// Times that the store had lost something.
    pub frontiers_lost: Count,
    templates_by: [[Count; Basis::ALL.len()]; TemplateReason::ALL.len()],
    dead_letters_by: [Count; ReasonCode::ALL.len()],
    store_errors: [Count; StoreCall::ALL.len()],
    /// What was measured.
    pub measured: Measured,
}

/// Times and sizes of one shard.
#[derive(Debug)]
pub struct Measured {
    /// From an intent's timestamp until its session send is handed to Kafka, in microseconds.
    pub session_sends: Histogram,
    /// The same for templates.
    pub templates: Histogram,
    /// Inbound records that came at once.
    pub inbound_batches: Histogram,
    /// Intents that came at once.
    pub intent_batches: Histogram,
    stages: [Histogram; Stage::ALL.len()],
    store_calls: [Histogram; StoreCall::ALL.len()],
}

impl Default for Measured {
    fn default() -> Measured {
        Measured {
            session_sends: Histogram::new(VERDICT_BOUNDS_US),
            templates: Histogram::new(VERDICT_BOUNDS_US),
            inbound_batches: Histogram::new(BATCH_BOUNDS),
            intent_batches: Histogram::new(BATCH_BOUNDS),
            stages: std::array::from_fn(|_| Histogram::new(STAGE_BOUNDS_US)),
            store_calls: std::array::from_fn(|_| Histogram::new(STAGE_BOUNDS_US)),
        }
    }
}

impl Tally {
    /// How often a template was required for that reason on that basis.
    pub fn templates_by(&self, reason: TemplateReason, basis: Basis) -> &Count {
        &self.templates_by[reason as usize][basis as usize]
    }

    /// How many dead letters have that reason.
    pub fn dead_letters_by(&self, reason: ReasonCode) -> &Count {
        &self.dead_letters_by[reason as usize]
    }

    /// How long a stage took, in microseconds.
    pub fn stage(&self, stage: Stage) -> &Histogram {
        &self.measured.stages[stage as usize]
    }

    /// How long a call of the store took until its answer, in microseconds.
    pub fn store_call(&self, call: StoreCall) -> &Histogram {
        &self.measured.store_calls[call as usize]
    }

    /// How often a call of the store failed.
    pub fn store_errors(&self, call: StoreCall) -> &Count {
        &self.store_errors[call as usize]
    }

    /// Counts what a step writes at the time `now`.
    pub(super) fn count_step(&self, step: &Step, now: Timestamp) {
        let Step::Produce(emissions) = step else { return };
        for emission in emissions {
            match emission {
                Emission::Verdict(decided) => self.count_verdict(decided, now),
                Emission::WindowEvent(event) => match event.change {
                    WindowChange::Opened => self.opened.add(1),
                    WindowChange::Refreshed => self.refreshed.add(1),
                },
                Emission::DeadLetter(letter) => {
                    self.dead_letters.add(1);
                    self.dead_letters_by(letter.reject.code).add(1);
                }
                Emission::Delivery(_) => self.refusals.add(1),
                Emission::Template(_) => self.template_changes.add(1),
                // What customers did is here already.
                Emission::Inbound(_) => {}
            }
        }
    }

    fn count_verdict(&self, decided: &DecidedIntent, now: Timestamp) {
        let took_ms = (now - decided.record.timestamp).as_millis().max(0).unsigned_abs();
        let times = match &decided.verdict {
            Verdict::SessionSend { .. } => {
                self.session_sends.add(1);
                &self.measured.session_sends
            }
            Verdict::TemplateRequired { reason, basis, .. } => {
                self.templates.add(1);
                self.templates_by(*reason, *basis).add(1);
                &self.measured.templates
            }
        };
        times.observe(took_ms.saturating_mul(1_000));
    }

    pub(super) fn count_input(&self, input: &Input) {
        match input {
            Input::Polled(batch) => self.count_batch(batch),
            Input::Aborted => self.aborts.add(1),
            _ => {}
        }
    }

    fn count_batch(&self, batch: &Batch) {
        match &batch.settled {
            Some(Settled::Committed) => self.commits.add(1),
            Some(Settled::Unconfirmed(_)) => self.log_faults.add(1),
            Some(Settled::Aborted(_)) | None => {}
        }
        if !batch.inbound.is_empty() {
            self.inbound.add(batch.inbound.len());
            self.measured.inbound_batches.observe(batch.inbound.len() as u64);
            self.inbound_rejected.add(batch.inbound.iter().filter(|item| !item.decoded.rejects.is_empty()).count());
        }
        if !batch.intents.is_empty() {
            self.intents.add(batch.intents.len());
            self.measured.intent_batches.observe(batch.intents.len() as u64);
            self.intents_rejected.add(batch.intents.iter().filter(|item| item.decoded.intent.is_err()).count());
        }
    }

    /// Counts how long a stage took until its answer.
    pub(super) fn time_stage(&self, stage: Stage, input: &Input, time: Duration) {
        let waited_only = matches!(input, Input::Polled(batch) if batch.inbound.is_empty() && batch.intents.is_empty());
        if !waited_only {
            self.stage(stage).observe_time(time);
        }
    }

    /// Counts a call of the store.
    pub(super) fn count_store_call(&self, call: StoreCall, succeeded: bool, time: Duration) {
        match succeeded {
            true => self.store_call(call).observe_time(time),
            false => self.store_errors(call).add(1),
        }
    }

    pub(super) fn count_fault(&self, is_store: bool) {
        match is_store {
            true => self.store_faults.add(1),
            false => self.log_faults.add(1),
        }
    }

    /// The Kafka clients are of no more use: what was not committed is given up with them.
    pub(super) fn count_breakdown(&self, has_uncommitted: bool) {
        self.log_faults.add(1);
        self.aborts.add(usize::from(has_uncommitted));
    }

    pub(super) fn count_notice(&self, notice: &Notice) {
        match notice {
            Notice::LateInbound => self.late.add(1),
            Notice::FutureInbound => self.future.add(1),
            Notice::UnmovedWindow => self.unmoved.add(1),
            Notice::FeedbackDropped => self.feedback_dropped.add(1),
            Notice::UnknownKind { times, .. } => self.unknown_kinds.add(*times as usize),
            Notice::TimedOut => self.timed_out.add(1),
            Notice::Misplaced { .. } => self.misplaced.add(1),
            Notice::FrontierLost { .. } => self.frontiers_lost.add(1),
            Notice::Reapplying { .. } | Notice::Reapplied { .. } => {}
            Notice::Moved { .. } | Notice::EndBelowCommitted { .. } => {}
            Notice::NewerVersion | Notice::Aborted => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are kept by place: a code that stands elsewhere in its list would be told as another.
    #[test]
    fn every_code_stands_in_its_list_where_its_number_says() {
        let places = |numbers: Vec<usize>| assert!(numbers.iter().enumerate().all(|(place, number)| place == *number));
        places(ReasonCode::ALL.iter().map(|code| *code as usize).collect());
        places(TemplateReason::ALL.iter().map(|reason| *reason as usize).collect());
        places(Basis::ALL.iter().map(|basis| *basis as usize).collect());
        places(Stage::ALL.iter().map(|stage| *stage as usize).collect());
        places(StoreCall::ALL.iter().map(|call| *call as usize).collect());
    }
}
