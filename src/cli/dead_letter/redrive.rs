//! `sessiongate dead-letter redrive`.
//!
//! What was sent back is remembered by the brokers: the group `GROUP-redrive.TOPIC.REASON` holds, for each partition of
//! dead letters, up to where those of that topic and reason have gone. Originals and offsets are one transaction.

use super::args::RedriveArguments;
use super::{Letters, reasons, settings};
use crate::cli::{FAILURE, SUCCESS, complain};
use crate::config::Config;
use crate::core::record::Record;
use crate::io::kafka::KafkaSettings;
use crate::io::kafka::admin;
use crate::io::kafka::redrive::{Progress, Redriver};
use crate::wire::letter::{Letter, Original};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

/// One transaction takes at most so many records, and about so many bytes.
const BATCH_RECORDS: usize = 10_000;
const BATCH_BYTES: usize = 64 * 1024 * 1024;
/// Such a transaction may be under way for so long.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// What became of the dead letters, by topic and reason.
#[derive(Default)]
struct Tally {
    sent: BTreeMap<(String, String), usize>,
    cut: usize,
    before: usize,
    unasked: usize,
    /// Those of a topic that would give them another time.
    retimed: BTreeMap<String, usize>,
}

/// What goes out next.
#[derive(Default)]
struct Batch {
    originals: Vec<(i64, Original)>,
    progress: Progress,
    bytes: usize,
}

struct Redrive<'a> {
    config: &'a Config,
    arguments: &'a RedriveArguments,
    redriver: Redriver,
    retiming: BTreeSet<String>,
    batch: Batch,
    /// Originals that went back: one that several dead letters hold goes once.
    gone: BTreeSet<(String, i32, i64)>,
    tally: Tally,
    taken: usize,
}

pub(super) fn redrive(config: &Config, arguments: &RedriveArguments) -> anyhow::Result<u8> {
    let settings = KafkaSettings {
        transactional_id: format!("{}-redrive", config.kafka.transactional_id),
        transaction_timeout: TRANSACTION_TIMEOUT,
        ..settings(config)
    };
    let mut letters = Letters::open(config, &settings)?;
    let retiming = retiming(config, &settings)?;
    let start = if arguments.dry_run { Redriver::look } else { Redriver::start };
    let redriver = start(settings, &config.topics.dead_letter, letters.partitions())?;
    let (batch, tally) = (Batch::default(), Tally::default());
    let mut redrive = Redrive { config, arguments, redriver, retiming, batch, gone: BTreeSet::new(), tally, taken: 0 };
    let limited = letters.each(|letter, record| redrive.take(&letter, record))?.is_break();
    redrive.send()?;
    redrive.tell(limited);
    letters.tell_foreign();
    Ok(if redrive.tally.cut == 0 && redrive.tally.retimed.is_empty() { SUCCESS } else { FAILURE })
}

/// The topics of acts and reports whose brokers set the time of a record, or do not tell. An act without a time of its
/// own would count as done when it is sent back, and open a window that was never open. Intents have no such act.
fn retiming(config: &Config, settings: &KafkaSettings) -> anyhow::Result<BTreeSet<String>> {
    let topics = &config.topics;
    let reports = topics.delivery_status.iter().chain(&topics.template_status);
    let names: Vec<&str> = std::iter::once(&topics.inbound_message).chain(reports).map(String::as_str).collect();
    let states = admin::describe(settings, &names)?.into_iter();
    Ok(states.filter(|state| state.keeps_times() != Some(true)).map(|state| state.name).collect())
}

impl Redrive<'_> {
    fn take(&mut self, letter: &Letter, record: Record) -> anyhow::Result<ControlFlow<()>> {
        if !self.arguments.filter.takes(letter) {
            return Ok(ControlFlow::Continue(()));
        }
        if self.arguments.filter.reason.is_none() && !reasons::goes_back_unasked(&letter.reason) {
            self.tally.unasked += 1;
            return Ok(ControlFlow::Continue(()));
        }
        let group = format!("{}-redrive.{}.{}", self.config.kafka.group_id, letter.topic, letter.reason);
        let (partition, offset) = (record.partition.0, record.offset.0);
        if offset < self.redriver.next(&group, partition)? {
            self.tally.before += 1;
            return Ok(ControlFlow::Continue(()));
        }
        if self.retiming.contains(&letter.topic) {
            *self.tally.retimed.entry(letter.topic.clone()).or_default() += 1;
            return Ok(ControlFlow::Continue(()));
        }
        if self.arguments.limit.is_some_and(|limit| self.taken >= limit as usize) {
            return Ok(ControlFlow::Break(()));
        }
        self.taken += 1;
        self.batch.progress.entry(group).or_default().insert(partition, offset + 1);
        if letter.cut.is_empty() {
            self.add(letter, &record);
        } else {
            self.refuse(letter, &record);
        }
        if self.batch.originals.len() >= BATCH_RECORDS || self.batch.bytes >= BATCH_BYTES {
            self.send()?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn add(&mut self, letter: &Letter, record: &Record) {
        if !self.gone.insert((letter.topic.clone(), letter.partition, letter.offset)) {
            return;
        }
        *self.tally.sent.entry((letter.topic.clone(), letter.reason.clone())).or_default() += 1;
        self.batch.bytes += record.value.as_ref().map_or(0, |value| value.len());
        self.batch.originals.push((letter.offset, letter.original(record, &self.config.topics.dead_letter)));
    }

    fn refuse(&mut self, letter: &Letter, record: &Record) {
        self.tally.cut += 1;
        complain(format_args!(
            "{}/{}/{} cannot be redriven: {} did not fit into the dead letter; send the original of {}, partition {}, \
             offset {} again from where it came",
            self.config.topics.dead_letter,
            record.partition,
            record.offset,
            letter.cut.join(" and "),
            letter.topic,
            letter.partition,
            letter.offset
        ));
    }

    /// Sends the batch, in the order in which the originals lay in their partitions.
    fn send(&mut self) -> anyhow::Result<()> {
        let Batch { mut originals, progress, .. } = std::mem::take(&mut self.batch);
        if self.arguments.dry_run || progress.is_empty() {
            return Ok(());
        }
        originals.sort_by(|(a_offset, a), (b_offset, b)| {
            (&a.topic, a.partition, a_offset).cmp(&(&b.topic, b.partition, b_offset))
        });
        let records: Vec<_> = originals
            .iter()
            .map(|(_, original)| (original.topic.as_str(), original.partition, &original.record))
            .collect();
        self.redriver.send(&records, &progress)
    }

    fn tell(&self, limited: bool) {
        let Tally { sent, cut, before, unasked, retimed } = &self.tally;
        let verb = if self.arguments.dry_run { "would go back" } else { "went back" };
        for ((topic, reason), count) in sent {
            println!("{topic}: {count} refused as {reason} {verb}");
        }
        if sent.is_empty() {
            println!("nothing to send back");
        }
        if *before > 0 {
            println!("{before} had gone back before");
        }
        if *cut > 0 {
            println!("{cut} are cut, and were not sent (see above)");
        }
        for (topic, count) in retimed {
            println!(
                "{count} of {topic} were not sent: its brokers would give them the time of their return, or do not tell; \
                 set message.timestamp.type=CreateTime on {topic} and allow DescribeConfigs"
            );
        }
        if *unasked > 0 {
            println!("{unasked} were refused as expired or duplicate_intent: only --reason sends these back");
        }
        if limited {
            println!("there are more: run it again");
        }
    }
}
