//! What the open transaction holds: outputs and offsets.

use super::holding::Given;
use super::rules::Rules;
use crate::core::emission::Emission;
use crate::core::record::StreamPartition;
use crate::ports::Progress;
use std::collections::BTreeMap;

/// The work since the last commit.
#[derive(Default, Debug)]
pub(super) struct Transaction {
    begun_at_ms: Option<i64>,
    forced: bool,
    records: usize,
    produced: bool,
    progress: BTreeMap<StreamPartition, Progress>,
    emissions: Vec<Emission>,
}

impl Transaction {
    /// Notes that there is something to commit, which counts from then.
    fn touch(&mut self, since_ms: i64) {
        self.begun_at_ms = Some(self.begun_at_ms.map_or(since_ms, |begun| begun.min(since_ms)));
    }

    /// A record is decided that has been waiting since then: the verdict's way counts from there.
    pub(super) fn count_record(&mut self, since_ms: i64) {
        self.touch(since_ms);
        self.records += 1;
    }

    pub(super) fn emit(&mut self, emission: Emission) {
        self.emissions.push(emission);
    }

    /// The partition is done so far, once this is committed.
    pub(super) fn set_progress(&mut self, partition: StreamPartition, progress: impl Into<Progress>, now_ms: i64) {
        self.touch(now_ms);
        self.progress.insert(partition, progress.into());
    }

    /// Commit at the next occasion.
    pub(super) fn force(&mut self) {
        self.forced = !self.is_empty();
    }

    pub(super) fn take_emissions(&mut self) -> Option<Vec<Emission>> {
        if self.emissions.is_empty() {
            return None;
        }
        self.produced = true;
        Some(std::mem::take(&mut self.emissions))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.begun_at_ms.is_none()
    }

    /// Whether anything in it is for Kafka; else only the store has to be told.
    pub(super) fn needs_commit(&self) -> bool {
        self.produced || !self.progress.is_empty() || !self.emissions.is_empty()
    }

    pub(super) fn progress(&self) -> &BTreeMap<StreamPartition, Progress> {
        &self.progress
    }

    /// This is committed now.
    pub(super) fn take_progress(&mut self) -> BTreeMap<StreamPartition, Progress> {
        std::mem::take(&mut self.progress)
    }

    /// When it was begun, on the monotonic clock; `None` when there is nothing in it.
    pub(super) fn begun_at_ms(&self) -> Option<i64> {
        self.begun_at_ms
    }

    /// Whether it is to be committed whatever may still come.
    pub(super) fn is_full(&self, rules: &Rules) -> bool {
        self.forced || self.records >= rules.max_transaction_records
    }
}

/// Where a transaction that takes nothing more stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// Its commit is to be asked for (again).
    ToCommit,
    /// Its commit is under way.
    Committing,
}

/// A transaction that takes nothing more.
pub(super) struct Sealed {
    pub transaction: Transaction,
    pub stage: Stage,
    /// What the store is told once it is committed.
    pub given: Given,
}
