//! What a turn has to read.

use super::Engine;
use super::step::{InboundItem, Plan};
use crate::core::ids::{KeyPrint, WindowKey};
use crate::core::lane::{self, Lane, Pending};
use crate::core::time::Now;
use crate::core::window::{Window, WindowState};

/// A turn reads at most about so many windows for all lanes together: the store serves nobody else meanwhile.
const LOOK_AHEAD: usize = 8_000;
/// Behind an intent that waits, only so many are read again: they cannot go before it.
const LOOK_AHEAD_STALLED: usize = 16;

/// How many records at the front of a lane a turn looks at, when there are so many lanes.
pub(super) fn looked_at(lane: &Lane, lanes: usize) -> usize {
    let share = (LOOK_AHEAD / lanes.max(1)).max(LOOK_AHEAD_STALLED);
    lane.len().min(if lane.stalled { LOOK_AHEAD_STALLED } else { share })
}

impl Engine {
    /// What this turn has to read.
    pub(super) fn plan(&mut self, now: Now) -> Plan {
        self.look_up(now);
        let Some(topology) = &self.topology else { return Plan::default() };
        let mut plan = Plan::default();
        plan.request.frontiers = topology.all().collect();
        for item in &self.incoming {
            // Below `emit_from` nothing is told, so that nobody needs to know what was there before.
            let tells = self.inbound.get(&item.record.partition).is_some_and(|c| item.record.offset >= c.emit_from);
            if tells {
                self.unsure_of(item).for_each(|(key, print)| plan.ask_for(key, print));
            }
        }
        let mut unobserved = false;
        for lane in self.lanes.values() {
            for waiting in lane.iter().take(looked_at(lane, self.lanes.len())) {
                let Pending::Judge(question) = &waiting.pending else { continue };
                // What a provider said against an open window needs proof, for which the window has to be read.
                if self.rules.delivery_status {
                    plan.request.advice.push(question.intent.window_key());
                }
                if self.rules.delivery_status || !self.is_surely_open(question, now) {
                    plan.ask_for(question.intent.window_key(), question.print);
                }
            }
            unobserved |= lane.back().is_some_and(|waiting| waiting.ends.is_none());
        }
        if unobserved && self.pace.asks_for_ends(self.inbound_is_behind, now.mono_ms) {
            plan.ends = plan.request.frontiers.clone();
        }
        plan
    }

    /// Remembers with each record of the turn what is known here of its windows. One look-up after the other and nothing in
    /// between: most miss the processor's caches, and it then waits for several at a time.
    fn look_up(&mut self, now: Now) {
        let known = |print| self.holding.window(print).or_else(|| self.seen.get(print, now));
        for touched in self.incoming.iter_mut().flat_map(|item| &mut item.touched) {
            touched.seen = known(touched.print);
        }
        let lanes = self.lanes.len();
        for lane in self.lanes.values_mut() {
            let count = looked_at(lane, lanes);
            for waiting in lane.iter_mut().take(count) {
                if let Pending::Judge(question) = &mut waiting.pending {
                    question.seen = known(question.print);
                }
            }
        }
    }

    /// The windows that a record's events may open, unless it is known already that nothing has to be told: that an act
    /// falls into a session that was.
    fn unsure_of<'a>(&'a self, item: &'a InboundItem) -> impl Iterator<Item = (WindowKey, KeyPrint)> + 'a {
        item.events().flat_map(move |(event, touched)| {
            let rules = self.rules.policy.channel(event.channel.as_str()).map(|channel| channel.window);
            let length = rules.filter(|_| !self.rules.emit_refreshed).map(|rules| rules.length);
            let is_told = move |seen: Window| length.is_some_and(|length| event.occurred_at < seen.expires_at(length));
            let unsure = event.customers().zip(touched).filter(move |(_, it)| !it.seen.is_some_and(is_told));
            unsure.map(|(customer, it)| (event.window_key(customer), it.print))
        })
    }

    fn is_surely_open(&self, question: &lane::Question, now: Now) -> bool {
        let channel = self.rules.policy.channel(question.intent.channel.as_str());
        let is_open =
            |seen: &Window| channel.is_some_and(|channel| channel.window.state(seen, now.wall) == WindowState::Open);
        question.intent.message.is_some() && question.seen.as_ref().is_some_and(is_open)
    }

    /// Whether there is anything to be decided, or it is time to look.
    pub(super) fn wants_read(&self, now: Now) -> bool {
        if self.topology.is_none() || (self.inbound.is_empty() && self.lanes.is_empty()) {
            return false;
        }
        let fresh = self.lanes.values().any(|lane| !lane.is_empty() && !lane.stalled);
        let stalled = self.has_stalled() && now.mono_ms >= self.pace.evaluate_at_ms();
        let looks = !self.inbound.is_empty() && now.mono_ms >= self.pace.look_at_ms();
        !self.incoming.is_empty() || !self.reached.is_empty() || fresh || stalled || looks
    }
}
