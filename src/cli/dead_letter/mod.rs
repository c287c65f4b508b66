//! `sessiongate dead-letter`: a look at what could not be used, and its way back after a fix.

pub mod args;
mod list;
pub(super) mod reasons;
mod redrive;

use crate::app::preflight;
use crate::config::Config;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::io::kafka::positions::Onlooker;
use crate::io::kafka::{KafkaSettings, WholeReader};
use crate::ports::LogError;
use crate::wire::letter::Letter;
use anyhow::bail;
use args::{DeadLetterCommand, Filter};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// Brokers that are away are waited for so long.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL_WAIT: Duration = Duration::from_millis(250);

pub(super) fn dead_letter(config: &Config, command: &DeadLetterCommand) -> anyhow::Result<u8> {
    match command {
        DeadLetterCommand::List(arguments) => list::list(config, arguments),
        DeadLetterCommand::Redrive(arguments) => redrive::redrive(config, arguments),
    }
}

impl Filter {
    fn takes(&self, letter: &Letter) -> bool {
        self.reason.as_ref().is_none_or(|reason| *reason == letter.reason)
            && self.topic.as_ref().is_none_or(|topic| *topic == letter.topic)
    }
}

/// Whether this group wrote it, of a record in a topic that it reads. Others that share the topic of dead letters look
/// after their own, and nothing goes to where nobody of us would have refused it.
fn is_ours(letter: &Letter, config: &Config) -> bool {
    let topics = &config.topics;
    let reports = topics.delivery_status.iter().chain(&topics.template_status);
    let mut read = [&topics.inbound_message, &topics.outbound_intent].into_iter().chain(reports);
    letter.group == config.kafka.group_id && read.any(|topic| *topic == letter.topic)
}

/// The topic of dead letters, as far as it reached when this was made: what comes later is another time's.
struct Letters<'a> {
    config: &'a Config,
    reader: WholeReader,
    /// Where each partition ended.
    ends: BTreeMap<i32, i64>,
    /// How many records were no dead letters of ours.
    foreign: usize,
}

impl<'a> Letters<'a> {
    fn open(config: &'a Config, settings: &KafkaSettings) -> anyhow::Result<Letters<'a>> {
        let name = config.topics.dead_letter.as_str();
        let onlooker = Onlooker::new(settings)?;
        let Some(topic) = onlooker.topics(&[name])?.into_iter().next() else { bail!("topic {name}: no answer") };
        let topic = topic?;
        let positions = onlooker.positions(&topic, Timestamp::from_millis(0));
        let end = |(number, high): (i32, Option<i64>)| high.map(|high| (number, high));
        let highs = positions.partitions.iter().map(|at| (at.partition.0, at.high.map(|high| high.0)));
        let ends: BTreeMap<i32, i64> = highs.filter_map(end).collect();
        if ends.len() < positions.partitions.len() {
            bail!("{}", positions.problems.join("; "));
        }
        Ok(Letters { config, reader: WholeReader::start(settings, "dead-letters", name)?, ends, foreign: 0 })
    }

    fn partitions(&self) -> i32 {
        i32::try_from(self.ends.len()).unwrap_or(i32::MAX)
    }

    /// Gives out every dead letter, each partition's in order, until there are no more or enough were taken.
    fn each(
        &mut self,
        mut take: impl FnMut(Letter, Record) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<ControlFlow<()>> {
        let mut heard = Instant::now();
        while !self.reader.has_read_all() {
            let record = match self.reader.take(POLL_WAIT) {
                Ok(record) => record,
                Err(LogError::Unavailable(_)) if heard.elapsed() < PATIENCE => continue,
                Err(error) => bail!("reading dead letters: {error}"),
            };
            heard = Instant::now();
            let Some(record) = record else { continue };
            if self.ends.get(&record.partition.0).is_none_or(|end| record.offset.0 >= *end) {
                continue;
            }
            match Letter::read(&record.headers).filter(|letter| is_ours(letter, self.config)) {
                None => self.foreign += 1,
                Some(letter) => {
                    if take(letter, record)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Says what was passed by.
    fn tell_foreign(&self) {
        let (topic, group) = (&self.config.topics.dead_letter, &self.config.kafka.group_id);
        if self.foreign > 0 {
            eprintln!(
                "{} records in {topic} are no dead letters of the group {group} and the topics that it reads",
                self.foreign
            );
        }
    }
}

fn settings(config: &Config) -> KafkaSettings {
    KafkaSettings { instance: None, ..preflight::admin_settings(config) }
}
