//! A look at the whole worker every second, for those who follow it live.

use super::Site;
use super::health::{self, Check};
use super::status::WorkerStatus;
use crate::core::record::ReasonCode;
use crate::core::time::Timestamp;
use crate::core::verdict::{Basis, TemplateReason};
use crate::io::clock::SystemClock;
use crate::ports::Clock;
use crate::shard::aside::AsideBoard;
use crate::shard::runner::Board;
use crate::wire::time;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

const EVERY: Duration = Duration::from_secs(1);
/// So much of the past is kept for those who come later.
const KEPT: usize = 300;
/// A broken assertion turns readiness red for so long after its last sign.
const MISPLACED_FOR: Duration = Duration::from_secs(300);

/// One second.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(super) struct Point {
    /// When it was over, in milliseconds since 1970.
    pub(super) at_ms: i64,
    /// Verdicts in it, by the second.
    pub(super) session_sends: f64,
    pub(super) templates: f64,
}

/// The worker at one moment, as `GET /v1/events` tells it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Moment {
    at: String,
    ready: bool,
    checks: Vec<Check>,
    /// The last second.
    point: Point,
    /// Open windows, about.
    open_windows: Option<u64>,
    /// Verdicts since the start.
    verdicts: Vec<VerdictCount>,
    /// Dead letters since the start, by reason; only those that occurred.
    dead_letters: BTreeMap<&'static str, u64>,
    /// The ends and the group's offsets, by partition.
    inbound: Vec<Place>,
    intents: Vec<Place>,
    worker: WorkerStatus,
}

#[derive(Clone, Debug, Serialize)]
struct VerdictCount {
    verdict: &'static str,
    reason: &'static str,
    basis: &'static str,
    count: u64,
}

#[derive(Clone, Debug, Serialize)]
struct Place {
    partition: i32,
    end: Option<i64>,
    lag: Option<i64>,
}

/// The last seconds, and whoever follows.
pub(super) struct Pulse {
    history: Mutex<VecDeque<Point>>,
    misplaced: Mutex<(u64, Option<Instant>)>,
    moments: watch::Sender<Option<Arc<Moment>>>,
}

impl Default for Pulse {
    fn default() -> Pulse {
        Pulse { history: Mutex::default(), misplaced: Mutex::default(), moments: watch::channel(None).0 }
    }
}

impl Pulse {
    /// What was, oldest first.
    pub(super) fn history(&self) -> Vec<Point> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// What comes: the latest moment each time.
    pub(super) fn follow(&self) -> watch::Receiver<Option<Arc<Moment>>> {
        self.moments.subscribe()
    }

    /// How many follow.
    pub(super) fn followers(&self) -> usize {
        self.moments.receiver_count()
    }

    /// Whether an inbound record lay elsewhere than was asserted, not long ago.
    pub(super) fn misplaced_lately(&self) -> bool {
        let (_, at) = *self.misplaced.lock().unwrap_or_else(PoisonError::into_inner);
        at.is_some_and(|at| at.elapsed() < MISPLACED_FOR)
    }

    fn note_misplaced(&self, boards: &[Arc<Board>]) {
        let count = boards.iter().map(|board| board.tally.misplaced.get()).sum();
        let mut known = self.misplaced.lock().unwrap_or_else(PoisonError::into_inner);
        if count != known.0 {
            *known = (count, Some(Instant::now()));
        }
    }

    fn note_point(&self, point: Point) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        if history.len() == KEPT {
            history.pop_front();
        }
        history.push_back(point);
    }
}

/// Looks every second, until it is dropped.
pub(super) async fn beat(site: Arc<Site>) {
    let mut seconds = interval(EVERY);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before: Option<(Instant, Counted)> = None;
    loop {
        seconds.tick().await;
        let boards = site.worker.get().map_or(&[][..], |worker| &worker.boards);
        let (looked, counted) = (Instant::now(), Counted::of(boards));
        let (last, previous) = *before.get_or_insert((looked, counted));
        let took = looked.duration_since(last).as_secs_f64();
        let point = counted.since(previous, took, SystemClock::new().now().wall);
        before = Some((looked, counted));
        site.pulse.note_point(point);
        site.pulse.note_misplaced(boards);
        if site.pulse.followers() > 0 {
            site.pulse.moments.send_replace(Some(Arc::new(Moment::now(&site, point))));
        }
    }
}

#[derive(Clone, Copy)]
struct Counted {
    session_sends: u64,
    templates: u64,
}

impl Counted {
    fn of(boards: &[Arc<Board>]) -> Counted {
        Counted {
            session_sends: boards.iter().map(|board| board.tally.session_sends.get()).sum(),
            templates: boards.iter().map(|board| board.tally.templates.get()).sum(),
        }
    }

    fn since(self, before: Counted, seconds: f64, at: Timestamp) -> Point {
        let rate =
            |now: u64, before: u64| if seconds > 0.0 { now.saturating_sub(before) as f64 / seconds } else { 0.0 };
        Point {
            at_ms: at.as_millis(),
            session_sends: rate(self.session_sends, before.session_sends),
            templates: rate(self.templates, before.templates),
        }
    }
}

impl Moment {
    fn now(site: &Site, point: Point) -> Moment {
        let ready = health::readiness(site.worker.get(), site.pulse.misplaced_lately());
        let worker = site.worker.get();
        let boards = worker.map_or(&[][..], |worker| &worker.boards);
        let status = site.status();
        let log = worker.map(|worker| worker.log.last()).unwrap_or_default();
        let place = |partition: i32, progress: &super::log_watch::Progress| {
            let partition = crate::core::ids::Partition(partition);
            let end = progress.ends.0.get(&partition).map(|end| end.0);
            Place { partition: partition.0, end, lag: progress.lag(partition) }
        };
        let inbound = status.shards.iter().flat_map(|shard| &shard.inbound).map(|at| place(at.partition, &log.inbound));
        let intents = status.shards.iter().flat_map(|shard| &shard.intents).map(|at| place(at.partition, &log.intents));
        Moment {
            at: time::format(SystemClock::new().now().wall),
            ready: ready.ok,
            checks: ready.checks,
            point,
            open_windows: worker.and_then(|worker| worker.store.last()?.windows),
            verdicts: verdicts(boards),
            dead_letters: dead_letters(boards, site.aside.get()),
            inbound: inbound.collect(),
            intents: intents.collect(),
            worker: status,
        }
    }
}

fn verdicts(boards: &[Arc<Board>]) -> Vec<VerdictCount> {
    let sends = boards.iter().map(|board| board.tally.session_sends.get()).sum();
    let mut counts = vec![VerdictCount { verdict: "session_send", reason: "", basis: "", count: sends }];
    for reason in TemplateReason::ALL {
        for basis in Basis::ALL {
            let count: u64 = boards.iter().map(|board| board.tally.templates_by(reason, basis).get()).sum();
            if count > 0 {
                let (reason, basis) = (reason.as_str(), basis.as_str());
                counts.push(VerdictCount { verdict: "template_required", reason, basis, count });
            }
        }
    }
    counts
}

fn dead_letters(boards: &[Arc<Board>], aside: Option<&AsideBoard>) -> BTreeMap<&'static str, u64> {
    let of_shards = |reason| boards.iter().map(|board| board.tally.dead_letters_by(reason).get()).sum::<u64>();
    let count = |reason| of_shards(reason) + aside.map_or(0, |aside| aside.dead_letters_by(reason));
    ReasonCode::ALL.into_iter().map(|reason| (reason.as_str(), count(reason))).filter(|(_, count)| *count > 0).collect()
}
