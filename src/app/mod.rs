//! Puts a worker together: a thread for each shard, each with clients of its own.

pub mod aside;
pub mod feedback;
pub mod format;
pub mod preflight;
mod settings;
pub mod template_reader;
pub mod traces;

use crate::config::Config;
use crate::io::clock::SystemClock;
use crate::io::kafka::{KafkaLog, KafkaSettings};
use crate::ports::{Log, StoreError, WindowStore};
use crate::shard::ahead::Ahead;
use crate::shard::engine::rules::{Partitioning, Rules};
use crate::shard::engine::step::Halt;
use crate::shard::hands::Hands;
use crate::shard::merging::MergeThread;
use crate::shard::metered::MeteredStore;
use crate::shard::neighbours::Neighbourhood;
use crate::shard::runner::{self, Board, Exit};
use crate::shard::templates::Templates;
use crate::shard::tracer::Tracing;
use crate::wire::decoder::Formats;
use crate::wire::output::Topics;
use std::panic::{self, AssertUnwindSafe};
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

/// Why a group without offsets is not begun.
const OFFSETS_VANISHED: &str = "the consumer group has no committed offsets although this Redis was filled by it before: \
     starting from the beginning would send out again what was sent. If that is wanted (or this is a new group on purpose), \
     set kafka.accept_missing_offsets = true once; else restore the group's offsets";

/// What is said of a thread that a panic ended.
const PANICKED: &str = "a thread of the worker panicked: its last words are in the log. Nothing of its open transaction is \
                        visible; please report it as a bug";

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
            let work = || keep_running(&parts, &store, neighbourhood.as_ref(), &stop, &board);
            let ended = panic::catch_unwind(AssertUnwindSafe(work));
            // Nobody listens any more only when the process is ending anyway.
            let _ = tell.send(ended.unwrap_or_else(|_| Ended::Refused(PANICKED.to_owned())));
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
    let (mut pause, mut has_run) = (SHORTEST_PAUSE, false);
    loop {
        let started = Instant::now();
        match hands(parts, store, neighbourhood, board) {
            // What they are made of has changed under a worker that ran with it, and may be put right again.
            Err(why) if has_run => warn!(pause_ms = pause.as_millis() as u64, "no new clients: {why}"),
            Err(why) => return Ended::Refused(why),
            Ok(hands) => match runner::run(parts.rules.clone(), hands, stop, board) {
                Exit::Stopped => {
                    info!("left; everything in flight is committed");
                    return Ended::Stopped;
                }
                Exit::Halted(Halt::OffsetsVanished) => return Ended::Refused(OFFSETS_VANISHED.to_owned()),
                Exit::Broken(error) if stop.load(Ordering::Relaxed) => {
                    error!("left without committing what was in flight: {error}");
                    return Ended::Refused(error.to_string());
                }
                Exit::Broken(error) => {
                    if started.elapsed() > LONGEST_PAUSE {
                        pause = SHORTEST_PAUSE;
                    }
                    warn!(pause_ms = pause.as_millis() as u64, "the Kafka clients broke, starting new ones: {error}");
                }
            },
        }
        has_run = true;
        // It pauses on purpose.
        board.turned();
        if !slept(pause, stop) {
            return Ended::Stopped;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

type ShardHands = Hands<KafkaLog, MeteredStore<Box<dyn WindowStore + Send>>, SystemClock>;

/// New clients for a shard.
fn hands(
    parts: &ShardParts,
    store: &StoreMaker,
    neighbourhood: Option<&Arc<Neighbourhood>>,
    board: &Arc<Board>,
) -> Result<ShardHands, String> {
    let log = KafkaLog::start(&parts.kafka).map_err(|error| format!("the Kafka clients cannot be made: {error}"))?;
    let one = || store().map_err(|error| format!("the store cannot be used: {error}"));
    let (store, another) = (MeteredStore::new(one()?, board.clone()), MeteredStore::new(one()?, board.clone()));
    let merging = MergeThread::start(another, log.waker())
        .map_err(|error| format!("the merging thread cannot be started: {error}"))?;
    Ok(Hands {
        neighbours: neighbourhood.map(|neighbourhood| neighbourhood.join(log.waker())),
        log,
        store,
        clock: SystemClock::new(),
        codec: format::codec_of(parts),
        merging: Some(Box::new(merging)),
        tracer: parts.tracing.as_ref().map(Tracing::tracer),
        ahead: Ahead::default(),
    })
}

/// Sleeps; false when the worker was asked to stop meanwhile.
fn slept(pause: Duration, stop: &AtomicBool) -> bool {
    let end = Instant::now() + pause;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(50));
    }
    !stop.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::process;

    #[tokio::test]
    async fn a_shard_that_panics_is_no_shard_that_left_as_asked() {
        let (config, _) = process::load(None).unwrap();
        let found =
            preflight::Found { max_output_bytes: 1_000_000, max_dead_letter_bytes: 1_000_000, history_is_kept: true };
        let mut running = start(parts(&config, &found), Arc::new(|| panic!("on purpose"))).unwrap();
        let Ended::Refused(why) = running.ended().await else { panic!("it counts as stopped") };
        assert!(why.contains("panicked"), "{why}");
    }
}
