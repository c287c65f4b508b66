//! Puts a worker together: a thread for each shard, each with clients of its own.

pub mod aside;
pub mod feedback;
pub mod format;
pub mod preflight;
mod settings;
pub mod template_reader;
pub mod traces;

use crate::config::Config;
use crate::core::policy::Policy;
use crate::io::clock::SystemClock;
use crate::io::kafka::{KafkaLog, KafkaSettings};
use crate::ports::{Log, StoreError, WindowStore};
use crate::shard::ahead::Ahead;
use crate::shard::codec::Codec;
use crate::shard::engine::rules::{Partitioning, Rules};
use crate::shard::engine::step::Halt;
use crate::shard::hands::Hands;
use crate::shard::merging::{MergeThread, Merging};
use crate::shard::metered::MeteredStore;
use crate::shard::neighbours::Neighbourhood;
use crate::shard::runner::{self, Board, Exit};
use crate::shard::templates::Templates;
use crate::shard::tracer::Tracing;
use crate::wire::decoder::Formats;
use crate::wire::output::{Encoder, Topics};
use crate::wire::trace_context::MAX_ADDED_BYTES;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

/// The first pause before a broken shard is started again.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause before a broken shard is started again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Makes a shard's own connection to the store.
pub type StoreMaker = Arc<dyn Fn() -> Result<Box<dyn WindowStore + Send>, StoreError> + Send + Sync>;

/// Everything a shard is made of.
#[derive(Clone)]
pub struct ShardParts {
    /// The name of the process within its group.
    pub instance: String,
    /// Its Kafka clients.
    pub kafka: KafkaSettings,
    /// Its rules.
    pub rules: Rules,
    /// What its inputs look like.
    pub formats: Formats,
    /// The topics it writes.
    pub topics: Topics,
    /// What its verdicts and window events may take at most, in bytes.
    pub max_output_bytes: usize,
    /// What its dead letters may take at most, in bytes.
    pub max_dead_letter_bytes: usize,
    /// What is known of templates.
    pub templates: Arc<Templates>,
    /// Makes spans of what they do; none unless somebody collects them.
    pub tracing: Option<Tracing>,
}

/// A worker at work.
pub struct Running {
    stop: Arc<AtomicBool>,
    boards: Vec<Arc<Board>>,
    ended: mpsc::UnboundedReceiver<Ended>,
    count: usize,
    outcome: Ended,
}

/// How a worker ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// As asked, with everything in flight committed.
    Stopped,
    /// Going on would break the promise, or cannot work.
    Refused(String),
}

impl Running {
    /// Asks every shard to commit what is in flight and to leave.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What the shards tell of themselves.
    pub fn boards(&self) -> &[Arc<Board>] {
        &self.boards
    }

    /// Waits until all shards have left. When one cannot go on, the others are asked to stop. Nothing is lost when
    /// the waiting is given up and taken up again.
    pub async fn ended(&mut self) -> Ended {
        while self.count > 0 {
            let Some(ended) = self.ended.recv().await else { break };
            self.count -= 1;
            if ended != Ended::Stopped {
                self.stop();
                self.outcome = ended;
            }
        }
        self.outcome.clone()
    }
}

/// The parts of all shards of a worker.
pub fn parts(config: &Config, found: &preflight::Found) -> Vec<ShardParts> {
    let instance = settings::instance(config);
    let shards = (0..config.worker.shards).map(|shard| ShardParts {
        instance: instance.clone(),
        kafka: settings::shard_kafka(config, found, &instance, shard),
        rules: settings::rules(config, found),
        formats: settings::formats(config),
        topics: settings::topics(config),
        max_output_bytes: found.max_output_bytes,
        max_dead_letter_bytes: found.max_dead_letter_bytes,
        templates: Arc::default(),
        tracing: None,
    });
    shards.collect()
}

/// Starts a thread for each shard.
pub fn start(parts: Vec<ShardParts>, store: StoreMaker) -> anyhow::Result<Running> {
    let stop = Arc::new(AtomicBool::new(false));
    let (tell, ended) = mpsc::unbounded_channel();
    let mut running = Running { stop: stop.clone(), boards: Vec::new(), ended, count: 0, outcome: Ended::Stopped };
    // Where topics are co-partitioned, a shard has all that its own intents ask for.
    let ask_others = parts.iter().any(|parts| parts.rules.partitioning == Partitioning::Any);
    let neighbourhood = (parts.len() > 1 && ask_others).then(Arc::<Neighbourhood>::default);
    for (number, parts) in parts.into_iter().enumerate() {
        let board = Arc::new(Board::default());
        running.boards.push(board.clone());
        let (stop, tell, store, neighbourhood) = (stop.clone(), tell.clone(), store.clone(), neighbourhood.clone());
        thread::Builder::new().name(format!("shard-{number}")).spawn(move || {
            let span = tracing::info_span!("shard", number);
            let _entered = span.enter();
            // Nobody listens any more only when the process is ending anyway.
            let _ = tell.send(keep_running(&parts, &store, neighbourhood.as_ref(), &stop, &board));
        })?;
        running.count += 1;
    }
    Ok(running)
}

/// Runs a shard, and starts it anew when its clients broke.
fn keep_running(
    parts: &ShardParts,
    store: &StoreMaker,
    neighbourhood: Option<&Arc<Neighbourhood>>,
    stop: &AtomicBool,
    board: &Arc<Board>,
) -> Ended {
    let mut pause = SHORTEST_PAUSE;
    loop {
        let started = Instant::now();
        let log = match KafkaLog::start(&parts.kafka) {
            Ok(log) => log,
            Err(error) => return Ended::Refused(format!("the Kafka clients cannot be made: {error}")),
        };
        let (store, another) = match store().and_then(|one| Ok((one, store()?))) {
            Ok(both) => both,
            Err(error) => return Ended::Refused(format!("the store cannot be used: {error}")),
        };
        let merging = match merge_thread(another, &log, board) {
            Ok(merging) => merging,
            Err(error) => return Ended::Refused(format!("the merging thread cannot be started: {error}")),
        };
        let store = MeteredStore::new(store, board.clone());
        let tracer = parts.tracing.as_ref().map(Tracing::tracer);
        let merging: Option<Box<dyn Merging>> = Some(Box::new(merging));
        let neighbours = neighbourhood.map(|neighbourhood| neighbourhood.join(log.waker()));
        let (clock, codec, ahead) = (SystemClock::new(), codec(parts), Ahead::default());
        let hands = Hands { log, store, clock, codec, merging, neighbours, tracer, ahead };
        match runner::run(parts.rules.clone(), hands, stop, board) {
            Exit::Stopped => {
                info!("left; everything in flight is committed");
                return Ended::Stopped;
            }
            Exit::Halted(Halt::OffsetsVanished) => {
                return Ended::Refused(
                    "the consumer group has no committed offsets although this Redis was filled by it before: starting \
                     from the beginning would send out again what was sent. If that is wanted (or this is a new group on \
                     purpose), set kafka.accept_missing_offsets = true once; else restore the group's offsets"
                        .into(),
                );
            }
            Exit::Broken(error) if stop.load(Ordering::Relaxed) => {
                error!("left without committing what was in flight: {error}");
                return Ended::Refused(error.to_string());
            }
            Exit::Broken(error) => {
                if started.elapsed() > LONGEST_PAUSE {
                    pause = SHORTEST_PAUSE;
                }
                warn!(pause_ms = pause.as_millis() as u64, "the Kafka clients broke, starting new ones: {error}");
                // It pauses on purpose.
                board.turned();
                if !slept(pause, stop) {
                    return Ended::Stopped;
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn merge_thread<S: WindowStore + Send + 'static>(
    store: S,
    log: &KafkaLog,
    board: &Arc<Board>,
) -> std::io::Result<MergeThread> {
    MergeThread::start(MeteredStore::new(store, board.clone()), log.waker())
}

/// Sleeps; false when the worker was asked to stop meanwhile.
fn slept(pause: Duration, stop: &AtomicBool) -> bool {
    let end = Instant::now() + pause;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
    !stop.load(Ordering::Relaxed)
}

fn codec(parts: &ShardParts) -> Codec {
    let policy: Policy = parts.rules.policy.clone();
    let source = format!("/sessiongate/{}", parts.kafka.group_id);
    // Whoever adds to the headers of an output must leave it as small as its topic asks for.
    let added = if parts.tracing.is_some() { MAX_ADDED_BYTES } else { 0 };
    let max_output_bytes = parts.max_output_bytes.saturating_sub(added);
    let encoder = Encoder::new(parts.topics.clone(), &parts.kafka.group_id, &source, max_output_bytes);
    let encoder = encoder.with_max_dead_letter_bytes(parts.max_dead_letter_bytes);
    Codec::with_formats(parts.formats, policy, encoder).with_templates(parts.templates.clone())
}
