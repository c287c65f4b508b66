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
use rows::{Cell, InboundRow, IntentRow, Judging};
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
    let hints = hints(config, &readings, intents.as_deref());
    match arguments.json {
        true => println!("{:#}", as_json(config, &readings, inbound.as_deref(), intents.as_deref(), &hints)),
        false => {
            let topics = &config.topics;
            let tables = [
                inbound.map(|rows| format!("{}\n{}", topics.inbound_message, table::inbound(&rows))),
                intents.map(|rows| format!("{}\n{}", topics.outbound_intent, table::intents(&rows))),
                (!hints.is_empty()).then(|| hints.join("\n") + "\n"),
            ];
            print!("{}", tables.into_iter().flatten().collect::<Vec<_>>().join("\n"));
            readings.problems.iter().for_each(|problem| eprintln!("sessiongate: {problem}"));
        }
    }
    Ok(if readings.problems.is_empty() { SUCCESS } else { FAILURE })
}

/// Why it is not known what waits, when that is so, and what to do about it.
fn hints(config: &Config, readings: &Readings, intents: Option<&[IntentRow]>) -> Vec<String> {
    let Some(intents) = intents else { return Vec::new() };
    let is_elsewhere = intents.iter().any(|row| row.waiting == Cell::Unknown);
    let elsewhere = || is_elsewhere.then(|| worker::elsewhere(config));
    readings.hint.clone().or_else(elsewhere).into_iter().collect()
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
