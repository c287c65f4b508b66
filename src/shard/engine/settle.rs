//! Bringing finished work out, in the order that the promise rests on: outputs, then their offsets and the commit, then
//! windows and frontiers.
//!
//! A transaction grows while the one before it is committed, and is sealed when that one is: if it comes to nothing, so
//! does everything behind it. At most one commit and one merge are under way, and a merge may be so beside the next
//! commit; what that one gives the store waits for it, and so does the next transaction then.

use super::Engine;
use super::holding::{Given, Holding};
use super::notice::Notice;
use super::step::{Step, Take};
use super::transaction::{Sealed, Stage, Transaction};
use crate::core::ids::{KeyPrint, Offset, Partition};
use crate::core::record::{Stream, StreamPartition};
use crate::core::time::Now;
use crate::ports::{MergeCall, MergeOutcome, Settled};

/// Windows on their way to the store.
#[derive(Debug)]
pub(super) struct Merging {
    /// Where each call leads.
    reaches: Vec<(Partition, Offset)>,
    lists: Vec<Vec<KeyPrint>>,
}

/// Whoever waits for a commit is woken by its end.
const REST_MS: i64 = 250;

impl Engine {
    /// What settles something, if there is anything to settle now.
    pub(super) fn step_settling(&mut self, now: Now) -> Option<Step> {
        if let Some(step) = self.step_merge(now) {
            return Some(step);
        }
        if let Some(sealed) = self.sealed.as_mut().filter(|sealed| sealed.stage == Stage::ToCommit) {
            // Before anything is written: until its commit has begun, outputs would still go into it.
            sealed.stage = Stage::Committing;
            return Some(Step::Commit(sealed.transaction.progress().clone()));
        }
        if let Some(emissions) = self.transaction.take_emissions() {
            return Some(Step::Produce(emissions));
        }
        if !self.may_seal() || !self.is_due(now) {
            return None;
        }
        let transaction = std::mem::take(&mut self.transaction);
        let needs_commit = transaction.needs_commit();
        let given = self.holding.give(&self.inbound, &self.rules, now.mono_ms);
        let sealed = self.sealed.insert(Sealed { transaction, stage: Stage::Committing, given });
        if needs_commit {
            return Some(Step::Commit(sealed.transaction.progress().clone()));
        }
        self.close_sealed(now);
        self.step_merge(now)
    }

    /// Whether the open transaction may be the next to be committed.
    pub(super) fn may_seal(&self) -> bool {
        self.sealed.is_none() && self.unmerged.is_empty() && !self.merge_failed
    }

    /// Nothing is taken until something has ended.
    pub(super) fn step_rest(&mut self, wait_ms: i64) -> Step {
        self.is_resting = true;
        Step::Poll(Take { wait_ms, max_inbound: 0, max_intents: 0 })
    }

    /// Waits for the end of what is under way.
    pub(super) fn step_await(&mut self) -> Step {
        self.step_rest(REST_MS)
    }

    /// Whether anything is not committed, or not in the store.
    pub(super) fn has_unsettled(&self) -> bool {
        self.has_uncommitted() || self.merging.is_some() || !self.unmerged.is_empty() || self.holding.has_gathered()
    }

    /// Settles everything as soon as it can be.
    pub(super) fn force(&mut self) {
        self.transaction.force();
        self.holding.force();
    }

    /// Whether anything is not committed.
    pub fn has_uncommitted(&self) -> bool {
        self.sealed.is_some() || !self.transaction.is_empty()
    }

    /// While those before it are under way, a transaction must not grow without end, nor what the store is to be told.
    pub(super) fn must_wait(&self, now: Now) -> bool {
        !self.may_seal() && (self.is_full() || self.is_old(now))
    }

    /// Whether the open transaction has as many records as it may have, or the store is to be told of as many windows.
    fn is_full(&self) -> bool {
        self.transaction.is_full(&self.rules) || self.holding.is_full(&self.rules)
    }

    fn is_old(&self, now: Now) -> bool {
        let begun = self.transaction.begun_at_ms();
        begun.is_some_and(|begun| now.mono_ms - begun >= self.rules.longest_transaction.as_millis())
    }

    /// Whether the open transaction is to be committed, once none is under way; without one, whether the store is to be told.
    fn is_due(&self, now: Now) -> bool {
        let Some(due) = self.commit_at_ms() else {
            return self.holding.is_due(&self.inbound, &self.rules, now.mono_ms);
        };
        let ripe = due <= now.mono_ms && (self.took_all || self.is_old(now));
        // Where only the store has to be told, there is nothing to wait for.
        ripe || self.is_full() || !self.transaction.needs_commit()
    }

    /// From when on a transaction counts that begins with what waited for so long: from when it was taken, since its
    /// verdicts have waited with it. No longer than makes it due at once: what waited for a proof is no backlog.
    pub(super) fn counts_from_ms(&self, waited_ms: i64, now: Now) -> i64 {
        now.mono_ms - waited_ms.clamp(0, self.rules.commit_interval.as_millis())
    }

    /// When the open transaction may be committed, on the monotonic clock; `None` when there is nothing in it.
    pub(super) fn commit_at_ms(&self) -> Option<i64> {
        let begun = self.transaction.begun_at_ms()?;
        Some(begun + self.rules.commit_interval.as_millis())
    }

    /// A commit that was begun has ended, or nobody knows.
    pub(super) fn settled(&mut self, settled: &Settled, now: Now) {
        match settled {
            Settled::Committed => {
                self.pace.succeeded();
                self.close_sealed(now);
            }
            // What was written since rests on it.
            Settled::Aborted(_) => self.must_abort = true,
            Settled::Unconfirmed(_) => {
                self.pace.failed(now.mono_ms);
                self.excused.begin(now.mono_ms);
                self.ask_again();
            }
        }
    }

    /// The commit did not begin, or its outcome is not known: it is asked for again.
    pub(super) fn ask_again(&mut self) {
        if let Some(sealed) = &mut self.sealed {
            sealed.stage = Stage::ToCommit;
        }
    }

    /// Outputs and offsets are visible (or there were none): windows and frontiers follow.
    fn close_sealed(&mut self, now: Now) {
        let Some(Sealed { mut transaction, given, .. }) = self.sealed.take() else { return };
        for (StreamPartition { stream, partition }, progress) in transaction.take_progress() {
            if stream == Stream::Inbound
                && let Some(cursor) = self.inbound.get_mut(&partition)
            {
                cursor.emit_from = cursor.emit_from.max(progress.next);
            }
        }
        self.unmerged.append(given);
        self.pace.evaluate_soon(now.mono_ms);
    }

    /// Gives the store what is committed, once it has what was before.
    fn step_merge(&mut self, now: Now) -> Option<Step> {
        if self.merging.is_some() || self.unmerged.is_empty() {
            return None;
        }
        let Given { calls, lists } = std::mem::take(&mut self.unmerged);
        if calls.is_empty() {
            self.let_go(lists, now);
            return None;
        }
        let reaches = calls.iter().map(|call| (call.partition, call.to)).collect();
        self.merging = Some(Merging { reaches, lists });
        Some(Step::Merge(calls))
    }

    /// The store has answered.
    pub(super) fn merged(&mut self, outcomes: &[MergeOutcome], now: Now) {
        self.merge_failed = false;
        let Some(Merging { reaches, lists }) = self.merging.take() else { return };
        for ((partition, to), outcome) in reaches.into_iter().zip(outcomes) {
            match outcome {
                MergeOutcome::Merged => self.advance(partition, to),
                MergeOutcome::Refused => self.lose(partition),
            }
        }
        self.let_go(lists, now);
    }

    /// What the store has is not held any longer; it was seen a moment ago.
    fn let_go(&mut self, lists: Vec<Vec<KeyPrint>>, now: Now) {
        for list in lists {
            self.holding.let_go(list, |print, window| self.seen.note(print, window, now));
        }
    }

    /// The store has not: nobody knows what became of it.
    pub(super) fn merge_again(&mut self, calls: Vec<MergeCall>) {
        self.merge_failed = true;
        let lists = self.merging.take().map(|merging| merging.lists).unwrap_or_default();
        let later = std::mem::replace(&mut self.unmerged, Given { calls, lists });
        self.unmerged.append(later);
    }

    fn advance(&mut self, partition: Partition, to: Offset) {
        let Some(cursor) = self.inbound.get_mut(&partition) else { return };
        cursor.merged_to = cursor.merged_to.max(to);
        if cursor.reapply_to.is_some_and(|goal| cursor.merged_to >= goal) {
            cursor.reapply_to = None;
            self.notices.push(Notice::Reapplied { partition });
        }
    }

    /// Whatever was not settled is forgotten.
    pub(super) fn forget_unsettled(&mut self) {
        // Whatever this shard knows is read again.
        self.seen.clear();
        self.transaction = Transaction::default();
        self.holding = Holding::default();
        self.sealed = None;
        self.unmerged = Given::default();
        self.merging = None;
        self.merge_failed = false;
    }
}
