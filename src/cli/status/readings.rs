//! Asking Kafka, Redis and the worker.

use super::rows::{Frontiers, Waiting};
use super::worker;
use crate::app::preflight;
use crate::config::Config;
use crate::core::ids::Partition;
use crate::core::time::Timestamp;
use crate::io::kafka::positions::{Onlooker, Topic, TopicPositions};
use crate::io::redis::RedisStore;
use crate::ports::StoreError;

/// What was read; none where nobody answered.
#[derive(Default)]
pub(super) struct Readings {
    /// The inbound topic.
    pub inbound: Option<TopicPositions>,
    /// The intents' topic.
    pub intents: Option<TopicPositions>,
    /// The frontiers of all inbound partitions.
    pub frontiers: Option<Frontiers>,
    /// What waits in the partitions of the worker that was asked.
    pub waiting: Option<Waiting>,
    /// What could not be read and why.
    pub problems: Vec<String>,
    /// Why no worker was asked.
    pub hint: Option<String>,
}

/// Reads what can be read.
pub(super) fn read(config: &Config, since: Timestamp) -> Readings {
    let mut readings = Readings::default();
    match worker::ask(config) {
        Ok(waiting) => readings.waiting = Some(waiting),
        Err(hint) => readings.hint = Some(hint),
    }
    if let Err(error) = read_log(config, since, &mut readings) {
        readings.problems.push(format!("Kafka at {} cannot be asked: {error:#}", config.kafka.brokers));
    }
    readings
}

fn read_log(config: &Config, since: Timestamp, readings: &mut Readings) -> anyhow::Result<()> {
    let onlooker = Onlooker::new(&preflight::admin_settings(config))?;
    let names = [config.topics.inbound_message.as_str(), config.topics.outbound_intent.as_str()];
    let mut topics = onlooker.topics(&names)?.into_iter().map(|topic| {
        let problem = topic.as_ref().err().map(|error| format!("{error:#}"));
        readings.problems.extend(problem);
        topic.ok()
    });
    let (inbound, intents) = (topics.next().flatten(), topics.next().flatten());
    drop(topics);
    if let Some(inbound) = &inbound {
        // Frontiers before ends: a frontier is then never seen ahead of its end.
        match frontiers(config, inbound.partitions) {
            Ok(frontiers) => readings.frontiers = Some(frontiers),
            Err(error) => readings.problems.push(format!("Redis cannot be asked: {error}")),
        }
    }
    let mut positions = |topic: Option<Topic>| {
        let positions = onlooker.positions(&topic?, since);
        readings.problems.extend(positions.problems.iter().cloned());
        Some(positions)
    };
    let (inbound, intents) = (positions(inbound), positions(intents));
    (readings.inbound, readings.intents) = (inbound, intents);
    Ok(())
}

fn frontiers(config: &Config, partitions: i32) -> Result<Frontiers, StoreError> {
    let mut store = RedisStore::new(&preflight::redis_options(config))?;
    let partitions: Vec<Partition> = (0..partitions).map(Partition).collect();
    let stored = store.read_frontiers(&partitions)?;
    Ok(partitions.into_iter().zip(stored).collect())
}
