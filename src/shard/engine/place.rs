//! Placing cursors: after an assignment, an abort, or when the store turned out to have lost something.
//!
//! All of it is one path: the inbound cursor goes to the frontier, and what was sent out before is only applied.

use super::Engine;
use super::cursor::InboundCursor;
use super::notice::{Moved, Notice};
use super::step::{Found, Halt, Locate, Step};
use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::{Offset, TopicId};
use crate::core::lane::Lane;
use crate::core::noted::NotedIds;
use crate::core::policy::FUTURE_TOLERANCE;
use crate::core::record::{Stream, StreamPartition};
use crate::core::time::{Now, Span, Timestamp};
use crate::ports::{CursorStart, FrontierStart, Located, Location, Progress};

/// So long, in milliseconds, brokers are asked again for an end that lies below what was committed: several times as long as
/// clients take to learn of new leaders.
const ENDS_ARE_DOUBTED_FOR_MS: i64 = 20_000;

/// What was deleted may be as young as the last record of it, or the first that is left.
const MOMENT: Span = Span::from_millis(1);

/// Whether an offset was committed for a topic that had this one's name before.
fn is_of_another(located: &Located, topic_id: &TopicId) -> bool {
    !topic_id.is_unknown() && located.committed_for.as_ref().is_some_and(|id| id != topic_id)
}

/// Cursors on their way to their places.
#[derive(Debug)]
pub(super) struct Placing {
    pub(super) assigns: bool,
    frontiers: Vec<FrontierStart>,
    cursors: Vec<CursorStart>,
}

impl Placing {
    /// Frontiers first: records that are fetched want one to advance.
    pub(super) fn step(&self) -> Step {
        match (self.frontiers.is_empty(), self.assigns) {
            (false, _) => Step::StartFrontiers(self.frontiers.clone()),
            (true, true) => Step::Assign(self.cursors.clone()),
            (true, false) => Step::Seek(self.cursors.clone()),
        }
    }
}

/// Where a partition's records were sent out up to, and whether that is to be committed first.
struct Committed {
    emit_from: Offset,
    is_new: bool,
}

impl Engine {
    pub(super) fn step_locate(&mut self, now: Now) -> Step {
        // A record may be older than what it tells of: times ahead of it are believed within a tolerance.
        let since = now.wall - self.rules.policy.longest() - FUTURE_TOLERANCE - self.rules.reapply_margin;
        Step::Locate(Locate { partitions: self.to_locate.iter().copied().collect(), since })
    }

    /// Decides where cursors go, and which frontiers start again.
    pub(super) fn located(&mut self, found: Found, now: Now) {
        let Found { location, frontiers, others, clock } = found;
        // Our own may lag behind, and "until now" must not end before it does.
        let now = Now { wall: now.wall.max(clock), ..now };
        let topology = location.topology.clone();
        if self.doubts_ends(&location, now) {
            return;
        }
        let is_ours = |stored: &Stored<Frontier>| stored.known().is_some_and(|f| f.topic_id == topology.topic_id);
        if frontiers.contains(&Stored::Newer) {
            self.notices.push(Notice::NewerVersion);
            self.meets_newer = true;
            self.pace.failed(now.mono_ms);
            return;
        }
        let vanished = !location.group_has_offsets && frontiers.iter().chain(&others).any(is_ours);
        if self.assigning && vanished && !self.rules.accept_missing_offsets {
            self.halted = Some(Halt::OffsetsVanished);
            return;
        }
        self.topology = Some(topology.clone());
        self.reached_by_all.clear();
        self.epoch += 1;
        let mut placing = Placing { assigns: self.assigning, frontiers: Vec::new(), cursors: Vec::new() };
        let mut stored = frontiers.iter();
        for located in &location.partitions {
            match located.partition.stream {
                Stream::Inbound => {
                    let stored = stored.next().unwrap_or(&Stored::Missing);
                    self.place_inbound(located, stored, &location, now, &mut placing);
                }
                Stream::Intent => self.place_lane(located, &location.intents_id, now, &mut placing),
            }
        }
        self.assigning = false;
        self.to_locate.clear();
        self.placing = Some(placing);
    }

    /// A broker that leads no longer, and does not know it yet, tells an end that was. Where an offset lies beyond the end of
    /// its own topic, the brokers are asked for a while before that is believed.
    fn doubts_ends(&mut self, location: &Location, now: Now) -> bool {
        let beyond = location.partitions.iter().find(|located| {
            let topic_id = location.topic_id(located.partition.stream);
            located.committed.is_some_and(|offset| offset > located.high) && !is_of_another(located, topic_id)
        });
        let Some(Located { partition, committed: Some(committed), high, .. }) = beyond else {
            self.beyond_since_ms = None;
            return false;
        };
        if self.beyond_since_ms.is_none() {
            let (partition, committed, end) = (*partition, *committed, *high);
            self.notices.push(Notice::EndBelowCommitted { partition, committed, end });
        }
        let since_ms = *self.beyond_since_ms.get_or_insert(now.mono_ms);
        let doubts = now.mono_ms - since_ms < ENDS_ARE_DOUBTED_FOR_MS;
        if doubts {
            self.pace.failed(now.mono_ms);
        }
        doubts
    }

    fn place_inbound(
        &mut self,
        located: &Located,
        stored: &Stored<Frontier>,
        location: &Location,
        now: Now,
        placing: &mut Placing,
    ) {
        let (partition, topology) = (located.partition.partition, &location.topology);
        // A topic made anew: an offset that was committed after that may still be one of the old topic.
        let is_foreign = stored.known().is_some_and(|frontier| frontier.topic_id != topology.topic_id);
        let Committed { emit_from, is_new } = match is_foreign {
            true => Committed { emit_from: located.low, is_new: true },
            false => self.committed(located, &topology.topic_id),
        };
        let newest = match is_new {
            true => None,
            false => located.newest.filter(|_| located.committed_for.as_ref() == Some(&topology.topic_id)),
        };
        // Where nobody said it, anything may have been there until now.
        let newest = newest.unwrap_or(if emit_from == Offset(0) { Timestamp::MIN } else { now.wall });
        if is_new {
            let progress = Progress { next: emit_from, newest: Some(newest) };
            self.transaction.set_progress(located.partition, progress, now.mono_ms);
            self.transaction.force();
        }
        let usable = stored.known().filter(|frontier| {
            frontier.topic_id == topology.topic_id && frontier.next >= located.low && frontier.next <= located.high
        });
        let (frontier, reapply_to) = match usable {
            Some(frontier) => {
                let behind = frontier.next < emit_from;
                let reapply_to = if behind { frontier.reapply_to.max(emit_from) } else { frontier.reapply_to };
                // Whoever began to fill the store may have seen records that the log has lost since.
                let reapply_to = reapply_to.min(located.high);
                (Frontier { reapply_to, ..frontier.clone() }, behind.then_some(emit_from))
            }
            None => {
                let next = located.history;
                let reaches_back_to = self.reaches_back_to(located, location.since, newest, now);
                // A transaction that hangs there must not keep everybody waiting: what can be read is what is filled.
                let reapply_to = located.stable;
                let fresh = Frontier { next, topic_id: topology.topic_id.clone(), reaches_back_to, reapply_to };
                (fresh, (next < reapply_to).then_some(reapply_to))
            }
        };
        let start = frontier.next.min(emit_from);
        if let Some(to) = reapply_to {
            self.notices.push(Notice::Reapplying { partition, from: start, to });
        }
        if stored.known() != Some(&frontier) {
            placing.frontiers.push(FrontierStart { partition, seen: stored.clone(), frontier });
        }
        let cursor = InboundCursor {
            epoch: self.epoch,
            topic_id: topology.topic_id.clone(),
            placed: false,
            taken: start,
            next: start,
            emit_from,
            newest,
            merged_to: start,
            behind_until: located.high,
            caught_up: start >= located.high,
            reapply_to,
        };
        self.inbound.insert(partition, cursor);
        placing.cursors.push(CursorStart { partition: located.partition, offset: start, epoch: self.epoch });
    }

    fn place_lane(&mut self, located: &Located, topic_id: &TopicId, now: Now, placing: &mut Placing) {
        let Committed { emit_from, is_new } = self.committed(located, topic_id);
        if is_new {
            self.transaction.set_progress(located.partition, emit_from, now.mono_ms);
            self.transaction.force();
        }
        let reach = self.rules.dedup_records;
        let start = located.low.max(Offset(emit_from.0 - i64::from(reach))).min(emit_from);
        let lane = Lane::new(self.epoch, start, emit_from, NotedIds::new(reach));
        self.lanes.insert(located.partition.partition, lane);
        placing.cursors.push(CursorStart { partition: located.partition, offset: start, epoch: self.epoch });
    }

    /// An offset below the start points at what was deleted. One beyond the end belongs to a topic that is no more, or its
    /// topic has lost records: what was decided of them is not decided again.
    fn committed(&mut self, located: &Located, topic_id: &TopicId) -> Committed {
        let Located { partition, low, high, .. } = *located;
        match located.committed {
            Some(from) if is_of_another(located, topic_id) => {
                self.notices.push(Notice::Moved { partition, from, to: low, why: Moved::TopicMadeAnew });
                Committed { emit_from: low, is_new: true }
            }
            Some(from) if from > high => {
                let to = if located.committed_for.is_some() { high } else { low };
                self.notices.push(Notice::Moved { partition, from, to, why: Moved::RecordsLost });
                Committed { emit_from: to, is_new: true }
            }
            Some(from) if from < low => {
                self.notices.push(Notice::Moved { partition, from, to: low, why: Moved::RecordsDeleted });
                Committed { emit_from: low, is_new: true }
            }
            Some(offset) => Committed { emit_from: offset, is_new: false },
            // Committed at once, so that offsets that vanish later are told from those that never were.
            None => Committed { emit_from: low, is_new: true },
        }
    }

    /// From when on the log still shows everything that happened.
    ///
    /// A log without records says nothing of those that were in it, however long its topic keeps them: somebody may have
    /// deleted them by hand. But who has read them said how young they were.
    fn reaches_back_to(&self, located: &Located, since: Timestamp, newest: Timestamp, now: Now) -> Timestamp {
        match located.oldest {
            _ if located.low == Offset(0) => Timestamp::MIN,
            None => newest + MOMENT,
            // Where a busy day deletes as well, an old record in front does not say that nothing younger is gone.
            Some(oldest) if self.rules.history_is_kept && oldest < since => Timestamp::MIN,
            Some(_) => located.truncated_at.map_or(now.wall, |first| first + MOMENT),
        }
    }

    pub(super) fn frontiers_started(&mut self, started: &[bool]) {
        let Some(placing) = &mut self.placing else { return };
        placing.frontiers.clear();
        if !started.iter().all(|started| *started) {
            // Somebody else wrote there meanwhile: look again.
            self.to_locate.extend(placing.cursors.iter().map(|cursor| cursor.partition));
            self.assigning = placing.assigns;
            self.placing = None;
        }
    }

    /// Cursors stand where they should: what comes from now on counts.
    pub(super) fn placed(&mut self) {
        let Some(placing) = self.placing.take() else { return };
        for CursorStart { partition: StreamPartition { stream, partition }, .. } in placing.cursors {
            if stream == Stream::Inbound
                && let Some(cursor) = self.inbound.get_mut(&partition)
            {
                cursor.placed = true;
            }
        }
        // A seek may have taken a pause away.
        self.paused = None;
    }
}
