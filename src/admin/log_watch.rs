//! Where the log ends and how far the group has come: looked at every second over a client of its own, and at once when
//! a look-up wants ends that are not older than itself.

use crate::core::frontier::Ends;
use crate::core::ids::{Offset, Partition};
use crate::core::time::Timestamp;
use crate::io::clock::SystemClock;
use crate::io::kafka::positions::{Onlooker, Topic};
use crate::io::kafka::{HistorySource, KafkaSettings};
use crate::ports::Clock;
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How often everything is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// However many ask, the brokers are asked at most so often.
const AT_LEAST: Duration = Duration::from_millis(5);
/// Brokers that need longer count as away.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends that were asked for together.
#[derive(Clone, Debug)]
pub(super) struct EndsLook {
    /// When the question went out: what was written before lies below the ends.
    pub(super) asked: Instant,
    /// The same, on the wall clock.
    pub(super) asked_at: Timestamp,
    /// The inbound topic.
    pub(super) topic: Arc<Topic>,
    /// Its ends.
    pub(super) ends: Ends,
}

/// A topic's ends and how far the group has come in it.
#[derive(Clone, Default, Debug)]
pub(super) struct Progress {
    pub(super) ends: Ends,
    pub(super) committed: BTreeMap<Partition, Offset>,
}

impl Progress {
    /// How many records of a partition are not done; markers and aborted ones count too.
    pub(super) fn lag(&self, partition: Partition) -> Option<i64> {
        let end = self.ends.0.get(&partition)?;
        Some((end.0 - self.committed.get(&partition)?.0).max(0))
    }
}

/// What the last looks showed.
#[derive(Clone, Default, Debug)]
pub(super) struct LogLook {
    /// The last ends of the inbound topic.
    pub(super) ends: Option<EndsLook>,
    /// Both topics a second ago.
    pub(super) inbound: Progress,
    pub(super) intents: Progress,
    /// When everything was last read.
    pub(super) answered: Option<Instant>,
    /// Why the last look failed.
    pub(super) problem: Option<String>,
}

/// Looks while this value lives.
pub(super) struct LogWatch {
    ask: SyncSender<()>,
    looks: watch::Receiver<Arc<LogLook>>,
}

impl LogWatch {
    pub(super) fn start(settings: KafkaSettings) -> std::io::Result<LogWatch> {
        let (ask, asked) = sync_channel(1);
        let (tell, looks) = watch::channel(Arc::new(LogLook::default()));
        thread::Builder::new().name("log-watch".to_owned()).spawn(move || watch(settings, &asked, &tell))?;
        Ok(LogWatch { ask, looks })
    }

    pub(super) fn last(&self) -> Arc<LogLook> {
        self.looks.borrow().clone()
    }

    /// Ends that were asked for at this moment or later; none when the brokers do not answer within that time.
    pub(super) async fn ends_since(&self, moment: Instant, patience: Duration) -> Option<EndsLook> {
        // A full queue holds somebody's wish already, and that one is granted later than now.
        let _ = self.ask.try_send(());
        let mut looks = self.looks.clone();
        let fresh = |look: &Arc<LogLook>| look.ends.as_ref().is_some_and(|ends| ends.asked >= moment);
        let found = tokio::time::timeout(patience, looks.wait_for(fresh)).await.ok()?.ok()?;
        found.ends.clone()
    }
}

fn watch(settings: KafkaSettings, asked: &Receiver<()>, tell: &watch::Sender<Arc<LogLook>>) {
    let mut watcher = Watcher {
        settings: KafkaSettings { call_timeout: PATIENCE, ..settings },
        onlooker: None,
        topics: None,
        look: LogLook::default(),
    };
    let mut all_due = Instant::now();
    loop {
        let everything = Instant::now() >= all_due;
        let looked = if everything { watcher.look_at_all() } else { watcher.look_at_ends() };
        watcher.look.problem = looked.err().map(|error| format!("{error:#}"));
        if everything {
            all_due = Instant::now() + EVERY;
        }
        tell.send_replace(Arc::new(watcher.look.clone()));
        thread::sleep(AT_LEAST);
        match asked.recv_timeout(all_due.saturating_duration_since(Instant::now())) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

struct Watcher {
    settings: KafkaSettings,
    onlooker: Option<Onlooker>,
    /// Inbound and intents.
    topics: Option<(Arc<Topic>, Arc<Topic>)>,
    look: LogLook,
}

impl Watcher {
    fn look_at_all(&mut self) -> anyhow::Result<()> {
        let onlooker = match self.onlooker.take() {
            Some(onlooker) => onlooker,
            None => Onlooker::new(&self.settings)?,
        };
        let onlooker = self.onlooker.insert(onlooker);
        let names = [self.settings.topics.inbound.as_str(), self.settings.topics.intent.as_str()];
        let found = match self.settings.history {
            HistorySource::ByTime => onlooker.topics(&names)?,
            HistorySource::FromStart => names.iter().map(|name| onlooker.embedded_topic(name)).collect(),
        };
        let mut found = found.into_iter();
        let mut next = || found.next().unwrap_or_else(|| Err(anyhow!("no answer"))).map(Arc::new);
        let (inbound, intents) = (next()?, next()?);
        self.topics = Some((inbound.clone(), intents.clone()));
        // Ends last: what the group has committed is then never seen ahead of them.
        let committed = (onlooker.committed_offsets(&inbound)?, onlooker.committed_offsets(&intents)?);
        let intent_ends = onlooker.ends(&intents)?;
        self.look_at_ends()?;
        let ends = self.look.ends.as_ref().map(|look| look.ends.clone()).unwrap_or_default();
        self.look.inbound = Progress { ends, committed: committed.0 };
        self.look.intents = Progress { ends: intent_ends, committed: committed.1 };
        self.look.answered = Some(Instant::now());
        Ok(())
    }

    fn look_at_ends(&mut self) -> anyhow::Result<()> {
        let (Some(onlooker), Some((inbound, _))) = (&self.onlooker, &self.topics) else {
            return Err(anyhow!(self.look.problem.clone().unwrap_or_default()));
        };
        let (asked, asked_at) = (Instant::now(), SystemClock::new().now().wall);
        let ends = onlooker.ends(inbound)?;
        self.look.ends = Some(EndsLook { asked, asked_at, topic: inbound.clone(), ends });
        Ok(())
    }
}
