//! `GET /metrics`: what the shards have counted, read at this moment.

pub mod catalogue;
mod process;
mod text;

pub(super) use text::CONTENT_TYPE;

use super::health::Health;
use super::log_watch::{LogLook, Progress};
use super::{Site, Worker};
use crate::core::record::ReasonCode;
use crate::core::verdict::{Basis, TemplateReason};
use crate::ports::spans::SpanTally;
use crate::shard::aside::{AsideBoard, FeedbackTally, ReportTally};
use crate::shard::engine::status::Status;
use crate::shard::meter::{Count, Histogram, HistogramReading};
use crate::shard::tally::{Stage, StoreCall, Tally};
use catalogue as family;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use text::Page;

const MICROSECONDS: u64 = 1_000_000;

/// The page of a worker; without shards while it waits for Kafka and Redis.
pub(super) fn page(site: &Site, ready: &Health) -> String {
    let mut page = Page::default();
    let worker = site.worker.get();
    let instance = worker.map_or("", |worker| worker.instance.as_str());
    page.family(&family::BUILD_INFO).sample(&[env!("CARGO_PKG_VERSION"), instance, &site.group_id], 1);
    let mut checks = page.family(&family::READY);
    checks.sample(&["all"], u8::from(ready.ok));
    ready.checks.iter().for_each(|check| {
        checks.sample(&[check.name], u8::from(check.ok));
    });
    if let Some(worker) = worker {
        let shards = Shards::read(site, worker);
        shards.of_loops(&mut page, worker);
        shards.of_records(&mut page, site.aside.get());
        shards.of_feedback(&mut page, site.aside.get());
        shards.of_partitions(&mut page);
        shards.of_work(&mut page);
        append_spans(&mut page, worker.spans.as_deref());
        if let Some(windows) = worker.store.last().and_then(|look| look.windows) {
            page.family(&family::OPEN_WINDOWS).sample(&[], windows);
        }
    }
    process::append(&mut page);
    page.into_text()
}

fn append_spans(page: &mut Page, spans: Option<&SpanTally>) {
    let count = |of: fn(&SpanTally) -> &AtomicU64| spans.map_or(0, |tally| of(tally).load(Ordering::Relaxed));
    page.family(&family::SPANS)
        .sample(&["exported"], count(|tally| &tally.exported))
        .sample(&["dropped"], count(|tally| &tally.dropped))
        .sample(&["failed"], count(|tally| &tally.failed));
}

/// All shards at one moment.
struct Shards<'a> {
    inbound_topic: &'a str,
    intent_topic: &'a str,
    tallies: Vec<&'a Tally>,
    statuses: Vec<Status>,
    log: Arc<LogLook>,
}

/// A partition on its way from one shard to another may stand with both for a moment: it is told once.
fn once_each<'s, T, P: Ord>(all: impl Iterator<Item = &'s T>, partition: impl Fn(&T) -> P) -> Vec<&'s T> {
    all.map(|one| (partition(one), one)).collect::<BTreeMap<_, _>>().into_values().collect()
}

impl<'a> Shards<'a> {
    fn read(site: &'a Site, worker: &'a Worker) -> Shards<'a> {
        Shards {
            inbound_topic: &site.inbound_topic,
            intent_topic: &site.intent_topic,
            tallies: worker.boards.iter().map(|board| &board.tally).collect(),
            statuses: worker.boards.iter().map(|board| board.status()).collect(),
            log: worker.log.last(),
        }
    }

    fn sum(&self, count: impl Fn(&'a Tally) -> &'a Count) -> u64 {
        self.tallies.iter().map(|tally| count(tally).get()).sum()
    }

    fn merged(&self, histogram: impl Fn(&'a Tally) -> &'a Histogram) -> HistogramReading {
        let mut readings = self.tallies.iter().map(|tally| histogram(tally).read());
        let first = readings.next().unwrap_or_else(|| HistogramReading { bounds: &[], counts: vec![0], sum: 0 });
        readings.fold(first, |all, reading| all.merge(&reading))
    }

    fn of_loops(&self, page: &mut Page, worker: &Worker) {
        let mut silence = page.family(&family::LOOP_SILENCE);
        for (shard, board) in worker.boards.iter().enumerate() {
            silence.sample(&[&shard.to_string()], board.since_turn().as_secs_f64());
        }
        let mut failures = page.family(&family::FAILURES);
        for (shard, status) in self.statuses.iter().enumerate() {
            failures.sample(&[&shard.to_string()], status.failures);
        }
    }

    fn of_records(&self, page: &mut Page, aside: Option<&AsideBoard>) {
        let (inbound, inbound_rejected) = (self.sum(|tally| &tally.inbound), self.sum(|tally| &tally.inbound_rejected));
        let (intents, intents_rejected) = (self.sum(|tally| &tally.intents), self.sum(|tally| &tally.intents_rejected));
        let mut records = page.family(&family::RECORDS);
        records
            // Taken one after the other while the shards go on: the second may be ahead.
            .sample(&[self.inbound_topic, "decoded"], inbound.saturating_sub(inbound_rejected))
            .sample(&[self.inbound_topic, "rejected"], inbound_rejected)
            .sample(&[self.intent_topic, "decoded"], intents.saturating_sub(intents_rejected))
            .sample(&[self.intent_topic, "rejected"], intents_rejected);
        let feedback = aside.and_then(|aside| aside.feedback.as_deref());
        for ReportTally { topic, decoded, rejected } in feedback.iter().flat_map(|tally| &tally.topics) {
            records
                .sample(&[topic, "decoded"], decoded.load(Ordering::Relaxed))
                .sample(&[topic, "rejected"], rejected.load(Ordering::Relaxed));
        }
        let mut verdicts = page.family(&family::VERDICTS);
        verdicts.sample(&["session_send", "", ""], self.sum(|tally| &tally.session_sends));
        for reason in TemplateReason::ALL {
            for basis in Basis::ALL {
                let count = self.sum(|tally| tally.templates_by(reason, basis));
                verdicts.sample(&["template_required", reason.as_str(), basis.as_str()], count);
            }
        }
        page.family(&family::VERDICT_LATENCY)
            .histogram(&["session_send"], &self.merged(|tally| &tally.measured.session_sends), MICROSECONDS)
            .histogram(&["template_required"], &self.merged(|tally| &tally.measured.templates), MICROSECONDS);
        page.family(&family::WINDOW_EVENTS)
            .sample(&["opened"], self.sum(|tally| &tally.opened))
            .sample(&["refreshed"], self.sum(|tally| &tally.refreshed));
        let mut letters = page.family(&family::DEAD_LETTERS);
        for reason in ReasonCode::ALL {
            let of_reports = aside.map_or(0, |aside| aside.dead_letters_by(reason));
            letters.sample(&[reason.as_str()], self.sum(|tally| tally.dead_letters_by(reason)) + of_reports);
        }
        page.family(&family::INBOUND_ODDITIES)
            .sample(&["late"], self.sum(|tally| &tally.late))
            .sample(&["future"], self.sum(|tally| &tally.future))
            .sample(&["unmoved"], self.sum(|tally| &tally.unmoved))
            .sample(&["unknown_kind"], self.sum(|tally| &tally.unknown_kinds));
        page.family(&family::MISPLACED).sample(&[], self.sum(|tally| &tally.misplaced));
    }

    fn of_feedback(&self, page: &mut Page, aside: Option<&AsideBoard>) {
        let feedback = aside.and_then(|aside| aside.feedback.as_deref());
        let count =
            |of: fn(&FeedbackTally) -> &AtomicU64| feedback.map_or(0, |tally| of(tally).load(Ordering::Relaxed));
        page.family(&family::REFUSALS)
            .sample(&["passed_on"], self.sum(|tally| &tally.refusals))
            .sample(&["remembered"], count(|tally| &tally.refusals));
        page.family(&family::TEMPLATE_CHANGES).sample(&[], self.sum(|tally| &tally.template_changes));
        let dropped = self.sum(|tally| &tally.feedback_dropped) + count(|tally| &tally.dropped);
        page.family(&family::FEEDBACK_DROPPED).sample(&[], dropped);
        page.family(&family::FEEDBACK_ERRORS).sample(&[], count(|tally| &tally.faults));
        let templates = aside.and_then(|aside| aside.templates.as_ref());
        page.family(&family::TEMPLATES_KNOWN).sample(&[], templates.map_or(0, |templates| templates.len()));
    }

    fn of_partitions(&self, page: &mut Page) {
        let all_inbound = self.statuses.iter().flat_map(|status| &status.inbound);
        let (inbound, lanes) = (
            once_each(all_inbound, |at| at.partition),
            once_each(self.statuses.iter().flat_map(|status| &status.lanes), |lane| lane.partition),
        );
        let (inbound, lanes) = (|| inbound.iter().copied(), || lanes.iter().copied());
        page.family(&family::ASSIGNED)
            .sample(&[self.inbound_topic], inbound().count())
            .sample(&[self.intent_topic], lanes().count());
        let mut lag = page.family(&family::LAG);
        let mut tell_lag = |topic: &str, progress: &Progress, partition| {
            if let Some(records) = progress.lag(partition) {
                lag.sample(&[topic, &partition.to_string()], records);
            }
        };
        inbound().for_each(|at| tell_lag(self.inbound_topic, &self.log.inbound, at.partition));
        lanes().for_each(|lane| tell_lag(self.intent_topic, &self.log.intents, lane.partition));
        let mut gap = page.family(&family::FRONTIER_GAP);
        for at in inbound() {
            if let Some(end) = self.log.inbound.ends.0.get(&at.partition) {
                gap.sample(&[&at.partition.to_string()], (end.0 - at.merged_to.0).max(0));
            }
        }
        let mut remaining = page.family(&family::REAPPLY_REMAINING);
        for at in inbound() {
            let records = at.reapply_to.map_or(0, |goal| (goal.0 - at.merged_to.0).max(0));
            remaining.sample(&[&at.partition.to_string()], records);
        }
        page.family(&family::FRONTIERS_LOST).sample(&[], self.sum(|tally| &tally.frontiers_lost));
        let mut waiting = page.family(&family::WAITING);
        lanes().for_each(|lane| {
            waiting.sample(&[&lane.partition.to_string()], lane.waiting);
        });
        let mut age = page.family(&family::WAITING_AGE);
        lanes().for_each(|lane| {
            age.sample(&[&lane.partition.to_string()], lane.oldest_ms.max(0) as f64 / 1_000.0);
        });
    }

    fn of_work(&self, page: &mut Page) {
        let mut stages = page.family(&family::STAGE_DURATION);
        for stage in Stage::ALL {
            stages.histogram(&[stage.as_str()], &self.merged(|tally| tally.stage(stage)), MICROSECONDS);
        }
        page.family(&family::BATCH_RECORDS)
            .histogram(&[self.inbound_topic], &self.merged(|tally| &tally.measured.inbound_batches), 1)
            .histogram(&[self.intent_topic], &self.merged(|tally| &tally.measured.intent_batches), 1);
        page.family(&family::TRANSACTIONS)
            .sample(&["committed"], self.sum(|tally| &tally.commits))
            .sample(&["aborted"], self.sum(|tally| &tally.aborts));
        let mut calls = page.family(&family::REDIS_DURATION);
        for call in StoreCall::ALL {
            calls.histogram(&[call.as_str()], &self.merged(|tally| tally.store_call(call)), MICROSECONDS);
        }
        let mut errors = page.family(&family::REDIS_ERRORS);
        for call in StoreCall::ALL {
            errors.sample(&[call.as_str()], self.sum(|tally| tally.store_errors(call)));
        }
        page.family(&family::KAFKA_ERRORS).sample(&[], self.sum(|tally| &tally.log_faults));
    }
}
