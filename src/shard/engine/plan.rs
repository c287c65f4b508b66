//! What a turn has to read.

use super::Engine;
use super::fold::Incoming;
use super::step::Plan;
use crate::core::ids::{KeyPrint, WindowKey};
use crate::core::lane::{self, Lane, Pending};
use crate::core::time::Now;

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
    pub(super) fn plan(&self, now: Now) -> Plan {
        let Some(topology) = &self.topology else { return Plan::default() };
        let mut plan = Plan { planned_at_ms: now.mono_ms, ..Plan::default() };
        plan.request.frontiers = topology.all().collect();
        for incoming in &self.incoming {
            let item = &incoming.item;
            // Below `emit_from` nothing is told, so that nobody needs to know what was there before.
            let tells = self.inbound.get(&item.record.partition).is_some_and(|c| item.record.offset >= c.emit_from);
            if tells {
                for (key, print) in self.unsure_of(incoming, now) {
                    plan.ask_for(key, *print);
                }
            }
        }
        let mut unobserved = false;
        for lane in self.lanes.values() {
            for waiting in lane.iter().take(looked_at(lane, self.lanes.len())) {
                let Pending::Judge(question) = &waiting.pending else { continue };
                // What a provider said against an open window needs proof, for which the window has to be read.
                if self.rules.delivery_status {
                    plan.request.advice.push(question.key.clone());
                }
                if self.rules.delivery_status || !self.is_surely_open(question, now) {
                    plan.ask_for(&question.key, question.print);
                }
            }
            unobserved |= lane.back().is_some_and(|waiting| waiting.ends.is_none());
        }
        if unobserved {
            plan.ends = plan.request.frontiers.clone();
        }
        plan
    }

    /// The windows that a record's events may open, unless it is known already that nothing has to be told.
    fn unsure_of<'a>(&'a self, incoming: &'a Incoming, now: Now) -> impl Iterator<Item = &'a (WindowKey, KeyPrint)> {
        incoming.events().flat_map(move |(event, keys)| {
            let rules = self.rules.policy.channel(event.channel.as_str()).map(|channel| channel.window);
            let rules = rules.filter(|_| !self.rules.emit_refreshed);
            let is_sure =
                move |print| rules.is_some_and(|rules| self.seen.covers(print, event.occurred_at, rules, now));
            keys.iter().filter(move |(_, print)| !is_sure(*print))
        })
    }

    fn is_surely_open(&self, question: &lane::Question, now: Now) -> bool {
        let channel = self.rules.policy.channel(question.intent.channel.as_str());
        channel.is_some_and(|channel| {
            question.intent.message.is_some() && self.seen.is_open(question.print, channel.window, now)
        })
    }

    /// Whether there is anything to be decided, or it is time to look.
    pub(super) fn wants_read(&self, now: Now) -> bool {
        if self.topology.is_none() || (self.inbound.is_empty() && self.lanes.is_empty()) {
            return false;
        }
        let fresh = self.lanes.values().any(|lane| !lane.is_empty() && !lane.stalled);
        let stalled = self.lanes.values().any(|lane| lane.stalled) && now.mono_ms >= self.pace.evaluate_at_ms();
        let looks = !self.inbound.is_empty() && now.mono_ms >= self.pace.look_at_ms();
        !self.incoming.is_empty() || !self.reached.is_empty() || fresh || stalled || looks
    }
}
