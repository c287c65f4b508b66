//! `sessiongate status`.

mod readings;
mod rows;
mod table;
mod worker;

use super::args::StatusArguments;
use super::{FAILURE, SUCCESS};
use crate::config::Config;
use crate::core::policy::FUTURE_TOLERANCE;
use crate::io::clock::SystemClock;
use crate::ports::Clock;
use readings::Readings;
use rows::{InboundRow, IntentRow, Judging};
use serde_json::{Value, json};

/// Shows how far the group is in every partition. What could not be read shows as `?` and makes the command fail; a
/// worker that cannot be asked does not, since it may well run elsewhere.
pub(super) fn status(config: &Config, arguments: &StatusArguments) -> anyhow::Result<u8> {
    let now = SystemClock::new().now().wall;
    let longest = config.policy().longest();
    let since = now - longest - FUTURE_TOLERANCE - config.window.reapply_margin;
    let readings = readings::read(config, since);
    let judging = Judging { now, longest };
    let inbound = readings.inbound.as_ref().map(|topic| rows::inbound(topic, readings.frontiers.as_ref(), judging));
    let intents = readings.intents.as_ref().map(|topic| rows::intents(topic, readings.waiting.as_ref()));
    let waiting_elsewhere = readings.waiting.is_some()
        && intents.iter().flatten().any(|row: &IntentRow| row.waiting == rows::Cell::Unknown);
    let mut hints: Vec<String> = readings.hint.iter().cloned().collect();
    if waiting_elsewhere {
        hints.push(worker::elsewhere(config));
    }
    match arguments.json {
        true => println!("{:#}", as_json(config, &readings, inbound.as_deref(), intents.as_deref(), &hints)),
        false => {
            let topics = &config.topics;
            let tables = [
                inbound.map(|rows| (&topics.inbound_message, table::inbound(&rows))),
                intents.map(|rows| (&topics.outbound_intent, table::intents(&rows))),
            ];
            for (topic, table) in tables.into_iter().flatten() {
                println!("{topic}\n{table}");
            }
            hints.iter().for_each(|hint| println!("{hint}"));
            readings.problems.iter().for_each(|problem| eprintln!("sessiongate: {problem}"));
        }
    }
    Ok(if readings.problems.is_empty() { SUCCESS } else { FAILURE })
}

fn as_json(
    config: &Config,
    readings: &Readings,
    inbound: Option<&[InboundRow]>,
    intents: Option<&[IntentRow]>,
    hints: &[String],
) -> Value {
    json!({
        "group_id": config.kafka.group_id,
        "inbound": { "topic": config.topics.inbound_message, "partitions": inbound },
        "intents": { "topic": config.topics.outbound_intent, "partitions": intents },
        "problems": readings.problems,
        "hints": hints,
    })
}
