//! Judging intents: what proves a negative, and what goes out.

use super::Engine;
use super::applied::Applied;
use super::cursor::{FrontierLook, InboundCursor};
use super::holding::Holding;
use super::known::Known;
use super::notice::Notice;
use super::plan::looked_at;
use super::rules::{Partitioning, Rules};
use super::step::Reading;
use crate::core::emission::{DeadLetter, DecidedIntent, Emission};
use crate::core::frontier::{Ends, Frontier, Stored, Topology, clocks_agree};
use crate::core::ids::{KeyPrint, Offset, Partition, TopicId};
use crate::core::intent::Intent;
use crate::core::lane::{self, Lane, Pending, Waiting};
use crate::core::partitioner::home;
use crate::core::record::{ReasonCode, Record, Reject, StreamPartition};
use crate::core::time::{Now, Span, Timestamp};
use crate::core::verdict::{Basis, Finding, TemplateReason, Verdict, find};
use crate::core::window::{Window, WindowRules};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that a verdict may rest on.
struct Evidence<'a> {
    rules: &'a Rules,
    topology: &'a Topology,
    cursors: &'a BTreeMap<Partition, InboundCursor>,
    /// What the store may lack; none when it is as it was when the turn was planned, and each question has it.
    holding: Option<&'a Holding>,
    known: &'a Known<'a>,
    /// What other shards have applied of the same topic.
    others: Vec<Arc<Applied>>,
    frontiers: BTreeMap<Partition, &'a Stored<Frontier>>,
    clock: Timestamp,
    sent: Now,
    now: Now,
    /// The clock that counts towards `max_wait`.
    counting_ms: i64,
    /// It stands still: a lost store is being filled.
    is_excused: bool,
    /// The ends that were asked for last, for windows of that length, and whether all below them is applied.
    last_proof: RefCell<Option<(Arc<Ends>, Span, bool)>>,
}

impl Evidence<'_> {
    /// The window as the store, this shard and the others of its process together know it.
    fn window(&self, question: &Question<'_>) -> Option<Window> {
        let (print, length) = (question.print, question.window.length);
        let applied = self.others.iter().filter_map(|other| other.windows.get(&print).copied());
        let held = self.holding.and_then(|holding| holding.window(print));
        let known = self.known.window(print).into_iter().chain(question.seen).chain(held).chain(applied);
        known.reduce(|one, other| one.merge(other, length))
    }

    /// Whether every inbound record that was in the log when the intent was read is part of what we see (V2).
    ///
    /// An intent that lies elsewhere than its key says has nothing in common with its customer's inbound: then all
    /// partitions are asked. One that was added since the intent was read held nothing then.
    fn is_complete(&self, question: &Question<'_>) -> bool {
        let Some(ends) = question.ends else { return false };
        let home = || home(&question.intent.business_id, &question.intent.customer_id, self.topology.partitions);
        let asks_one = self.rules.partitioning == Partitioning::CoPartitioned && home() == question.partition;
        self.known.is_certain(question.print)
            && clocks_agree(self.clock, self.sent, self.now, question.window.guard)
            && match asks_one {
                true => self.is_applied(question.partition, ends, question.window),
                false => self.all_is_applied(ends, question.window),
            }
    }

    /// Most intents of a turn wait for the same ends: what was found for the last is found again.
    fn all_is_applied(&self, ends: &Arc<Ends>, window: WindowRules) -> bool {
        let mut last = self.last_proof.borrow_mut();
        if let Some((known, length, applied)) = &*last
            && Arc::ptr_eq(known, ends)
            && *length == window.length
        {
            return *applied;
        }
        let applied = !ends.0.is_empty() && ends.0.keys().all(|partition| self.is_applied(*partition, ends, window));
        *last = Some((ends.clone(), window.length, applied));
        applied
    }

    fn is_applied(&self, partition: Partition, ends: &Ends, window: WindowRules) -> bool {
        let (Some(end), Some(Stored::Known(frontier))) = (ends.0.get(&partition), self.frontiers.get(&partition))
        else {
            return false;
        };
        let speaks = frontier.speaks_for(&self.topology.topic_id, self.now.wall - window.length);
        // What shards hold above the stored frontier counts: it is in the log, and what they hold says all of it.
        let own = self.cursors.get(&partition).filter(|cursor| cursor.placed && frontier.next >= cursor.merged_to);
        let others = self.others.iter().filter_map(|other| other.reaches(partition, frontier.next));
        let applied = own.map(|cursor| cursor.next).into_iter().chain(others).fold(frontier.next, Offset::max);
        speaks && applied >= *end
    }

    /// The verdict and whether it went without proof, or none while it has to wait.
    fn verdict(&self, lane: &mut Lane, question: &Question<'_>) -> Option<(Verdict, bool)> {
        let window = self.window(question);
        let template = |reason, basis| Verdict::TemplateRequired { reason, basis, window };
        let advice = self.known.advice(question.print);
        let reason = match find(question.intent, window.as_ref(), advice, question.window, self.now.wall) {
            Finding::Open(window) => return Some((Verdict::SessionSend { window }, false)),
            Finding::Requested => {
                return Some((template(TemplateReason::TemplateRequested, Basis::Complete), false));
            }
            // A provider's word waits for proof like any negative: the customer may have written since.
            Finding::Negative(reason) => reason,
        };
        if self.is_complete(question) {
            lane.passes_below = Offset(0);
            return Some((template(reason, reason.basis(true)), false));
        }
        // It was open when the turn was planned, and is not any more: the store has yet to be asked.
        if !self.known.was_read(question.print) {
            return None;
        }
        let passes = question.offset < lane.passes_below && !self.is_excused;
        if passes || question.waited_ms >= self.rules.max_wait.as_millis() {
            // Those that were taken meanwhile would wait for the same proof. Whoever comes later waits for its own.
            if !passes {
                lane.passes_below = lane.next;
            }
            return Some((template(reason, reason.basis(false)), true));
        }
        None
    }
}

/// What an intent asks.
struct Question<'a> {
    /// Its partition.
    partition: Partition,
    /// Its offset there.
    offset: Offset,
    /// The intent.
    intent: &'a Intent,
    /// The window's key.
    print: KeyPrint,
    /// The window as it was known when the turn was planned.
    seen: Option<Window>,
    /// For how long it has waited, on the clock that counts.
    waited_ms: i64,
    /// The ends to be waited for, once observed.
    ends: Option<&'a Arc<Ends>>,
    /// The rules of its channel.
    window: WindowRules,
}

impl Engine {
    /// Decides everything that can be decided with what was read.
    pub(super) fn decide(&mut self, reading: Reading, now: Now) {
        let Some(topology) = self.topology.clone() else { return };
        let Reading { plan, others, snapshot, ends, sent } = reading;
        let frontiers: BTreeMap<_, _> = plan.request.frontiers.iter().copied().zip(&snapshot.frontiers).collect();
        if !self.look_at_frontiers(&frontiers, &topology, now) {
            return;
        }
        if !plan.ends.is_empty() {
            self.pace.asked_for_ends(!ends.0.is_empty(), now.mono_ms);
        }
        if self.pace.lacks_ends() {
            // Nobody can know meanwhile.
            self.excused.begin(now.mono_ms);
        }
        // Before this turn's frontiers are noted: those may have been reached after the ends were.
        let observes = !ends.0.is_empty() && self.believes(&ends);
        self.note_frontiers(&frontiers, &topology);
        let known = Known::new(&plan, &snapshot);
        for (print, stored) in plan.prints.iter().zip(&snapshot.windows) {
            if let Stored::Known(window) = stored {
                self.seen.note(*print, *window, now);
            }
        }
        let applies = !self.incoming.is_empty();
        self.apply_incoming(&known, snapshot.clock, now);
        self.apply_reached(now);
        if observes {
            self.observe_ends(ends);
        }

        let mut lanes = std::mem::take(&mut self.lanes);
        let mut decided = Vec::new();
        let evidence = Evidence {
            rules: &self.rules,
            topology: &topology,
            cursors: &self.inbound,
            holding: applies.then_some(&self.holding),
            known: &known,
            others: of_topic(others, &topology.topic_id),
            frontiers,
            clock: snapshot.clock,
            sent,
            now,
            counting_ms: self.excused.counting_ms(now.mono_ms),
            is_excused: self.excused.is_on(),
            last_proof: RefCell::default(),
        };
        let count = lanes.len();
        for (partition, lane) in &mut lanes {
            judge_lane(&evidence, *partition, lane, looked_at(lane, count), &mut decided);
        }
        self.lanes = lanes;
        self.send_out(decided, now);
        self.pace.looked(now.mono_ms);
    }

    /// Looks at every frontier for what it says of the store; false when nothing may be done for now.
    fn look_at_frontiers(
        &mut self,
        frontiers: &BTreeMap<Partition, &Stored<Frontier>>,
        topology: &Topology,
        now: Now,
    ) -> bool {
        let mut lost = Vec::new();
        self.meets_newer = false;
        for (partition, cursor) in self.inbound.iter().filter(|(_, cursor)| cursor.placed) {
            let Some(stored) = frontiers.get(partition) else { continue };
            match cursor.look(stored, topology) {
                FrontierLook::Sound => {}
                FrontierLook::Lost => lost.push(*partition),
                FrontierLook::Newer => {
                    self.notices.push(Notice::NewerVersion);
                    self.meets_newer = true;
                    self.pace.failed(now.mono_ms);
                    self.excused.begin(now.mono_ms);
                    return false;
                }
            }
        }
        lost.into_iter().for_each(|partition| self.lose(partition));
        // A newer version's frontier may stay for long: nobody waits without limit for what cannot be read.
        let is_filled = |stored: &Stored<Frontier>| match stored {
            Stored::Known(frontier) => frontier.topic_id != topology.topic_id || frontier.is_reapplying(),
            Stored::Missing | Stored::Damaged(_) => true,
            Stored::Newer => false,
        };
        match frontiers.values().any(|stored| is_filled(stored)) {
            true => self.excused.begin(now.mono_ms),
            false => self.excused.end(now.mono_ms),
        }
        true
    }

    /// Whether no end lies below what was known to be in the log before the ends were asked for. Else a broker answered that
    /// leads no longer, or for a topic that was made anew: such ends prove nothing, and are asked for again.
    fn believes(&self, ends: &Ends) -> bool {
        ends.0.iter().all(|(partition, end)| {
            let taken = self.inbound.get(partition).filter(|cursor| cursor.placed).map(|cursor| cursor.taken);
            taken.into_iter().chain(self.reached_by_all.get(partition).copied()).all(|known| known <= *end)
        })
    }

    fn note_frontiers(&mut self, frontiers: &BTreeMap<Partition, &Stored<Frontier>>, topology: &Topology) {
        for (partition, stored) in frontiers {
            if let Stored::Known(frontier) = stored
                && frontier.topic_id == topology.topic_id
            {
                let furthest = self.reached_by_all.entry(*partition).or_insert(frontier.next);
                *furthest = (*furthest).max(frontier.next);
            }
        }
    }

    /// The ends hold for the intents that were here when they were asked for.
    fn observe_ends(&mut self, ends: Ends) {
        let ends = Arc::new(ends);
        for lane in self.lanes.values_mut() {
            for waiting in lane.iter_mut().rev().take_while(|waiting| waiting.ends.is_none()) {
                waiting.ends = Some(ends.clone());
            }
        }
    }

    fn send_out(&mut self, decided: Vec<Decided>, now: Now) {
        for Decided { emission, timed_out, waited_ms } in decided {
            if timed_out {
                self.notices.push(Notice::TimedOut);
            }
            let since_ms = self.counts_from_ms(waited_ms, now);
            self.transaction.emit(emission);
            self.transaction.count_record(since_ms);
        }
        for (partition, lane) in &mut self.lanes {
            let done_to = lane.done_to();
            if done_to > lane.offered_to {
                lane.offered_to = done_to;
                self.transaction.set_progress(StreamPartition::intent(*partition), done_to, now.mono_ms);
            }
        }
    }
}

/// A topic made anew is another log.
fn of_topic(mut others: Vec<Arc<Applied>>, topic_id: &TopicId) -> Vec<Arc<Applied>> {
    others.retain(|other| other.topic_id == *topic_id);
    others
}

struct Decided {
    emission: Emission,
    timed_out: bool,
    /// Since it was taken.
    waited_ms: i64,
}

/// What becomes of the first record of a lane.
enum Judgement {
    Decided(Decided),
    Waits(Waiting),
}

impl Judgement {
    fn refused(record: Record, reject: Reject, waited_ms: i64) -> Judgement {
        let emission = Emission::DeadLetter(Box::new(DeadLetter { record, reject }));
        Judgement::Decided(Decided { emission, timed_out: false, waited_ms })
    }
}

fn judge_lane(
    evidence: &Evidence<'_>,
    partition: Partition,
    lane: &mut Lane,
    count: usize,
    decided: &mut Vec<Decided>,
) {
    lane.stalled = false;
    for _ in 0..count {
        let Some(waiting) = lane.pop() else { return };
        match judge_one(evidence, partition, lane, waiting) {
            Judgement::Decided(done) => decided.push(done),
            Judgement::Waits(waiting) => {
                lane.put_back(waiting);
                lane.stalled = true;
                return;
            }
        }
    }
}

fn judge_one(evidence: &Evidence<'_>, partition: Partition, lane: &mut Lane, waiting: Waiting) -> Judgement {
    let Waiting { record, pending, read_at_ms, ends } = waiting;
    let waited_ms = evidence.counting_ms - read_at_ms;
    let asked = match pending {
        Pending::Judge(asked) => asked,
        Pending::Refuse(reject) => return Judgement::refused(record, reject, waited_ms),
    };
    let lane::Question { intent, print, seen } = &asked;
    if intent.expires_at.is_some_and(|end| end <= evidence.now.wall) {
        let detail = "expires_at had passed when the intent was to be decided";
        return Judgement::refused(record, Reject::new(ReasonCode::Expired, detail), waited_ms);
    }
    let Some(channel) = evidence.rules.policy.channel(intent.channel.as_str()) else {
        let reject = Reject::new(ReasonCode::UnknownChannel, "the channel is not configured");
        return Judgement::refused(record, reject, waited_ms);
    };
    let (offset, window) = (record.offset, channel.window);
    let question =
        Question { partition, offset, intent, print: *print, seen: *seen, waited_ms, ends: ends.as_ref(), window };
    match evidence.verdict(lane, &question) {
        Some((verdict, timed_out)) => {
            let decided_at = evidence.now.wall;
            let window_length = channel.window.length;
            let decided = DecidedIntent { record, intent: asked.intent, verdict, window_length, decided_at };
            Judgement::Decided(Decided { emission: Emission::Verdict(Box::new(decided)), timed_out, waited_ms })
        }
        None => Judgement::Waits(Waiting { record, pending: Pending::Judge(asked), read_at_ms, ends }),
    }
}
