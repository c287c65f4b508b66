//! What a shard has counted. Plain atomic counters: whoever watches reads them when it likes.

use super::engine::notice::Notice;
use super::engine::step::{Input, Step};
use crate::core::emission::{Emission, WindowChange};
use crate::core::verdict::Verdict;
use crate::ports::Settled;
use std::sync::atomic::{AtomicU64, Ordering};

/// One counter.
#[derive(Default, Debug)]
pub struct Count(AtomicU64);

impl Count {
    fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one shard. Outputs are counted when they are written, whether or not their transaction comes through.
#[derive(Default, Debug)]
pub struct Tally {
    /// Inbound records taken.
    pub inbound: Count,
    /// Intent records taken.
    pub intents: Count,
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
    /// Negative verdicts without proof.
    pub timed_out: Count,
    /// Inbound records that lie elsewhere than co-partitioning asserts.
    pub misplaced: Count,
    /// Events, and parts of webhooks, of a kind that the table does not know.
    pub unknown_kinds: Count,
    /// Times that the store had lost something.
    pub frontiers_lost: Count,
}

impl Tally {
    pub(super) fn count_step(&self, step: &Step) {
        let Step::Produce(emissions) = step else { return };
        for emission in emissions {
            match emission {
                Emission::Verdict(decided) => match decided.verdict {
                    Verdict::SessionSend { .. } => self.session_sends.add(1),
                    Verdict::TemplateRequired { .. } => self.templates.add(1),
                },
                Emission::WindowEvent(event) => match event.change {
                    WindowChange::Opened => self.opened.add(1),
                    WindowChange::Refreshed => self.refreshed.add(1),
                },
                Emission::DeadLetter(_) => self.dead_letters.add(1),
                Emission::Delivery(_) => self.refusals.add(1),
                Emission::Template(_) => self.template_changes.add(1),
                // What customers did is here already.
                Emission::Inbound(_) => {}
            }
        }
    }

    pub(super) fn count_input(&self, input: &Input) {
        match input {
            Input::Polled(batch) => {
                self.inbound.add(batch.inbound.len());
                self.intents.add(batch.intents.len());
                self.commits.add(usize::from(batch.settled == Some(Settled::Committed)));
            }
            Input::Aborted => self.aborts.add(1),
            _ => {}
        }
    }

    pub(super) fn count_fault(&self, is_store: bool) {
        match is_store {
            true => self.store_faults.add(1),
            false => self.log_faults.add(1),
        }
    }

    pub(super) fn count_notice(&self, notice: &Notice) {
        match notice {
            Notice::LateInbound => self.late.add(1),
            Notice::FutureInbound => self.future.add(1),
            Notice::FeedbackDropped => self.feedback_dropped.add(1),
            Notice::TimedOut => self.timed_out.add(1),
            Notice::Misplaced { .. } => self.misplaced.add(1),
            Notice::FrontierLost { .. } => self.frontiers_lost.add(1),
            Notice::Reapplying { .. } | Notice::Reapplied { .. } | Notice::RecordsDeleted { .. } => {}
            Notice::UnknownKind { times, .. } => self.unknown_kinds.add(*times as usize),
            Notice::NewerVersion | Notice::Aborted => {}
        }
    }
}
