//! Everything that is on stage: brokers, store and worker, all in this process.

use crate::admin::{Admin, Shown};
use crate::app::preflight::Found;
use crate::app::{self, Running};
use crate::config::{Config, Sources};
use crate::core::time::Span;
use crate::io::clock::SystemClock;
use crate::io::kafka::HistorySource;
use crate::io::kafka::mock::MockCluster;
use crate::io::memory::MemoryStore;
use crate::ports::{Clock, StoreError, WindowStore};
use anyhow::Context;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Partitions of every topic.
pub(super) const PARTITIONS: i32 = 4;

/// A day in twenty seconds. The embedded brokers keep no offsets that came within a transaction, so that a process
/// that was suspended for a while would read everything anew; they do keep those that are committed by themselves.
const CONFIGURATION: &str = r#"
[kafka]
group_id = "sessiongate-demo"

[worker]
shards = 2
guarantee = "at-least-once"
max_wait = "5s"

[window]
length = "20s"
guard = "3s"

[admin]
listen = "127.0.0.1:0"
"#;

/// The names of the topics, and where the brokers listen.
#[derive(Clone)]
pub(super) struct Venue {
    pub(super) brokers: String,
    pub(super) inbound_message: String,
    pub(super) outbound_intent: String,
    pub(super) outputs: OutputTopics,
}

/// What a reader downstream subscribes to.
#[derive(Clone)]
pub(super) struct OutputTopics {
    pub(super) session_send: String,
    pub(super) template_required: String,
    pub(super) window_event: String,
    pub(super) dead_letter: String,
}

impl OutputTopics {
    pub(super) fn all(&self) -> [&str; 4] {
        [&self.session_send, &self.template_required, &self.window_event, &self.dead_letter]
    }
}

/// A worker at work. The brokers end with this value, so that it outlives whoever uses them.
pub(super) struct Stage {
    pub(super) running: Running,
    pub(super) venue: Venue,
    pub(super) length: Span,
    pub(super) guard: Span,
    admin: Admin,
    _brokers: MockCluster,
}

impl Stage {
    /// Starts it all.
    pub(super) async fn open() -> anyhow::Result<Stage> {
        let mut config = configuration()?;
        let venue = |brokers| Venue {
            brokers,
            inbound_message: config.topics.inbound_message.clone(),
            outbound_intent: config.topics.outbound_intent.clone(),
            outputs: OutputTopics {
                session_send: config.topics.session_send.clone(),
                template_required: config.topics.template_required.clone(),
                window_event: config.topics.window_event.clone(),
                dead_letter: config.topics.dead_letter.clone(),
            },
        };
        let mut venue = venue(String::new());
        let mut topics = vec![venue.inbound_message.as_str(), venue.outbound_intent.as_str()];
        topics.extend(venue.outputs.all());
        let brokers = MockCluster::start(&topics, PARTITIONS)?;
        venue.brokers = brokers.bootstrap_servers();
        config.kafka.brokers = venue.brokers.clone();
        let (parts, store) = (parts(&config), store());
        let kafka = parts.first().context("the demo has shards")?.kafka.clone();
        let running = app::start(parts, maker(&store))?;
        let admin = Admin::start(&config).await;
        admin.show(Shown {
            instance: "demo".to_owned(),
            boards: running.boards().to_vec(),
            spans: None,
            store: Box::new(store.clone()),
            probe: Box::new(store),
            kafka,
        })?;
        let rules = config.window.rules;
        Ok(Stage { running, venue, length: rules.length, guard: rules.guard, admin, _brokers: brokers })
    }

    /// Where the console is.
    pub(super) fn console(&self) -> Option<String> {
        self.admin.address().map(|address| format!("http://{address}/"))
    }

    /// Whether every partition has found its shard, and every shard its partitions.
    pub(super) fn is_ready(&self) -> bool {
        let statuses: Vec<_> = self.running.boards().iter().map(|board| board.status()).collect();
        let intents: usize = statuses.iter().map(|status| status.lanes.len()).sum();
        let all_work = statuses.iter().all(|status| !status.inbound.is_empty() && !status.lanes.is_empty());
        all_work && intents >= PARTITIONS.unsigned_abs() as usize
    }

    /// Leaves brokers and store to the end of the process: somebody still uses them.
    pub(super) fn abandon(self) {
        std::mem::forget(self);
    }
}

/// The demo is the same whatever file or environment it is started with.
fn configuration() -> anyhow::Result<Config> {
    let sources = Sources {
        file: Some(CONFIGURATION),
        names: Vec::new(),
        lookup: &|_| None,
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
        cores: 2,
        allow_short_guard: true,
    };
    let (config, _) = Config::load(&sources).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    Ok(config)
}

/// The shards as `run` would start them, save for what embedded brokers cannot do.
fn parts(config: &Config) -> Vec<app::ShardParts> {
    let found = Found { max_output_bytes: 1_000_000, max_dead_letter_bytes: 1_000_000, history_is_kept: true };
    let mut parts = app::parts(config, &found);
    for shard in &mut parts {
        shard.kafka.history = HistorySource::FromStart;
        shard.kafka.session_timeout = Duration::from_secs(6);
        // They hold every empty fetch back for as long as it allows.
        shard.kafka.fetch_wait = Duration::from_millis(5);
        // The countdowns start again with every message.
        shard.rules.emit_refreshed = true;
    }
    parts
}

fn store() -> MemoryStore {
    let clock = SystemClock::new();
    MemoryStore::new(Arc::new(move || clock.now().wall))
}

fn maker(store: &MemoryStore) -> app::StoreMaker {
    let store = store.clone();
    Arc::new(move || -> Result<Box<dyn WindowStore + Send>, StoreError> { Ok(Box::new(store.clone())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_of_the_demo_is_a_valid_one() {
        let config = configuration().unwrap();
        assert_eq!(config.worker.shards, 2);
        assert_eq!(config.window.rules.length, Span::from_secs(20));
        assert!(parts(&config).iter().all(|shard| shard.rules.emit_refreshed));
    }
}
