//! The operator's story of a shard: one line for each change, and a repeat only now and then.

use super::engine::notice::{Moved, Notice};
use super::engine::status::Status;
use super::engine::step::Input;
use super::hands::Fault;
use crate::core::record::StreamPartition;
use crate::ports::Settled;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// The same thing is told again after so long.
const REPEAT_EVERY: Duration = Duration::from_secs(10);

/// Something that may happen very often.
#[derive(Default)]
struct Rare {
    told_at: Option<Instant>,
    untold: u64,
}

impl Rare {
    /// Whether to tell it now, and how often it happened since it was told last.
    fn tell(&mut self) -> Option<u64> {
        self.untold += 1;
        let due = self.told_at.is_none_or(|told| told.elapsed() >= REPEAT_EVERY);
        due.then(|| {
            self.told_at = Some(Instant::now());
            std::mem::take(&mut self.untold)
        })
    }
}

/// Kinds that were told already: senders choose their names, so only so many are kept.
#[derive(Default)]
struct Kinds(BTreeSet<String>);

impl Kinds {
    const MOST: usize = 64;

    /// The kind as it may be shown, if it is the first of its name.
    fn first<'a>(&mut self, kind: &'a str) -> Option<&'a str> {
        // A name and nothing else: what a sender puts there by mistake may be somebody's number.
        let is_name = kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let is_number = kind.bytes().filter(u8::is_ascii_digit).count() > 4;
        let shown = if is_name && !is_number && kind.len() <= 64 { kind } else { "(not a plain name)" };
        (self.0.len() < Kinds::MOST && self.0.insert(shown.to_owned())).then_some(shown)
    }
}

/// What was told, so that it is not told again at once.
#[derive(Default)]
pub(super) struct Teller {
    kafka_away_since: Option<Instant>,
    redis_away_since: Option<Instant>,
    kafka: Rare,
    redis: Rare,
    newer: Rare,
    misplaced: Rare,
    timed_out: Rare,
    unknown_kinds: Kinds,
    feedback_dropped: Rare,
    aborted: Rare,
    given_up: Rare,
    filling: Rare,
}

impl Teller {
    pub(super) fn unavailable(&mut self, fault: &Fault) {
        match fault {
            Fault::Log(reason) => self.kafka_is_away(reason),
            Fault::Store(reason) => {
                self.redis_away_since.get_or_insert_with(Instant::now);
                if let Some(times) = self.redis.tell() {
                    warn!(times, "no answer from Redis, trying again: {reason}");
                }
            }
        }
    }

    fn kafka_is_away(&mut self, reason: &dyn std::fmt::Display) {
        self.kafka_away_since.get_or_insert_with(Instant::now);
        if let Some(times) = self.kafka.tell() {
            warn!(times, "no answer from Kafka, trying again: {reason}");
        }
    }

    fn kafka_is_back(&mut self) {
        if let Some(since) = self.kafka_away_since.take() {
            info!(away_ms = since.elapsed().as_millis() as u64, "Kafka answers again");
            self.kafka = Rare::default();
        }
    }

    pub(super) fn answered(&mut self, input: &Input) {
        match input {
            Input::Read(_) | Input::Merged(_) => {
                if matches!(input, Input::Read(reading) if !reading.plan.ends.is_empty()) {
                    self.kafka_is_back();
                }
                if let Some(since) = self.redis_away_since.take() {
                    info!(away_ms = since.elapsed().as_millis() as u64, "Redis answers again");
                    self.redis = Rare::default();
                }
            }
            Input::Located(_) => self.kafka_is_back(),
            Input::Polled(batch) => {
                match &batch.settled {
                    Some(Settled::Committed) => self.kafka_is_back(),
                    Some(Settled::Unconfirmed(reason)) => self.kafka_is_away(reason),
                    Some(Settled::Aborted(reason)) => {
                        if let Some(times) = self.given_up.tell() {
                            warn!(times, "a commit ended in an abort: {reason}");
                        }
                    }
                    None => {}
                }
                if let Some(change) = &batch.assignment {
                    info!("the group's assignment changed: {}", describe(change));
                }
            }
            _ => {}
        }
    }

    /// How far a lost Redis is filled again, now and then.
    pub(super) fn progress(&mut self, status: &Status) {
        let filling = status.inbound.iter().filter_map(|at| Some((at.reapply_to?.0 - at.merged_to.0).max(0)));
        let (partitions, records_left) = filling.fold((0, 0), |(count, left), more| (count + 1, left + more));
        if partitions > 0 && self.filling.tell().is_some() {
            info!(partitions, records_left, "filling Redis from the log");
        }
    }

    pub(super) fn notice(&mut self, notice: &Notice) {
        match notice {
            Notice::FrontierLost { partition } => {
                warn!(%partition, "Redis lacks what it held; the log is applied again, verdicts wait for proof");
            }
            Notice::Reapplying { partition, from, to } => {
                info!(%partition, %from, %to, "filling Redis from the log");
            }
            Notice::Reapplied { partition } => info!(%partition, "Redis is whole again"),
            Notice::Moved { partition: StreamPartition { stream, partition }, from, to, why } => match why {
                Moved::RecordsDeleted => {
                    error!(?stream, %partition, %from, %to, "records were deleted before they were read: check the retention");
                }
                Moved::RecordsLost => {
                    error!(?stream, %partition, %from, %to, "the brokers have lost records that were committed; going on from `to`");
                }
                Moved::TopicMadeAnew => {
                    warn!(?stream, %partition, %from, %to, "the topic was made anew; it is read from its start");
                }
            },
            Notice::EndBelowCommitted { partition: StreamPartition { stream, partition }, committed, end } => {
                warn!(?stream, %partition, %committed, %end, "the log ends below the committed offset; asking again for a while");
            }
            Notice::NewerVersion => {
                if let Some(times) = self.newer.tell() {
                    error!(times, "a newer version wrote to this Redis: upgrade this worker; until then it waits");
                }
            }
            Notice::Aborted => {
                if let Some(times) = self.aborted.tell() {
                    warn!(times, "a transaction was given up; its records are read again");
                }
            }
            Notice::Misplaced { partition } => {
                if let Some(times) = self.misplaced.tell() {
                    error!(times, %partition, "an inbound record lies elsewhere than its customer's key says: \
                         worker.partitioning must be `any`, or its writer must key by BUSINESS:CUSTOMER with murmur2");
                }
            }
            Notice::TimedOut => {
                if let Some(times) = self.timed_out.tell() {
                    warn!(times, "negative verdicts went out without proof after worker.max_wait");
                }
            }
            Notice::UnknownKind { kind, .. } => {
                if let Some(kind) = self.unknown_kinds.first(kind) {
                    warn!(
                        kind,
                        "something arrived of a kind that is not in the table: an event counts as `unknown`, \
                         another part of a webhook is passed over; told once, counted from now on"
                    );
                }
            }
            Notice::FeedbackDropped => {
                if let Some(times) = self.feedback_dropped.tell() {
                    warn!(
                        times,
                        "refusals or template changes arrived and were dropped: set topics.delivery_status and \
                         topics.template_status to have them heeded"
                    );
                }
            }
            Notice::LateInbound | Notice::FutureInbound | Notice::UnmovedWindow => {}
        }
    }
}

fn describe(change: &crate::ports::Assignment) -> String {
    use crate::core::record::Stream;
    use crate::ports::Assignment;
    match change {
        Assignment::Assigned(partitions) => {
            let of = |stream| {
                let partitions = partitions.iter().filter(|partition| partition.stream == stream);
                partitions.map(|partition| partition.partition.to_string()).collect::<Vec<_>>().join(" ")
            };
            format!("inbound [{}], intents [{}]", of(Stream::Inbound), of(Stream::Intent))
        }
        Assignment::Revoked => "everything goes back".into(),
        Assignment::Lost => "everything was lost".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_told_once_and_no_number_is_shown() {
        let mut kinds = Kinds::default();
        assert_eq!(kinds.first("hologram"), Some("hologram"));
        assert_eq!(kinds.first("hologram"), None);
        assert_eq!(kinds.first("+5511987654321"), Some("(not a plain name)"));
        assert_eq!(kinds.first("5511987654321"), None);
        assert!((0..1_000).filter_map(|number| kinds.first(&format!("k{number}")).map(|_| ())).count() < Kinds::MOST);
    }
}
