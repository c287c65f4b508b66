//! Lifelike traffic: who writes what and when, as a function of the time since the start.
//!
//! A customer writes a few messages and is answered, then falls silent. Services go on: an order update while the
//! window is open, one within the guard, one after it has closed. In between comes what goes wrong in the field.

use super::cast::{CHATS, Chat};
use crate::core::time::{Span, Timestamp};
use crate::wire::time;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The topic that something is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stream {
    Inbound,
    Intent,
}

/// A record to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Written {
    pub(super) stream: Stream,
    pub(super) key: String,
    pub(super) value: String,
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The customer writes, and so many times more after this.
    CustomerWrites { chat: Chat, left: u64 },
    /// Somebody answers, with nothing but free text.
    SupportReplies(Chat),
    /// A shop's system has news, with a template to fall back to.
    OrderUpdate(Chat),
    /// A reminder that is a template from the start.
    Reminder(Chat),
    /// A service sends its last intent again.
    SendsTwice,
    /// A service comes too late with something that was only worth saying at once.
    Expired(Chat),
    /// A record that nobody can understand.
    Malformed(Chat),
}

/// What is still to come.
pub(super) struct Traffic {
    /// By time since the start in milliseconds; the number keeps acts of one instant apart.
    coming: BTreeMap<(i64, u64), Act>,
    window: Span,
    guard: Span,
    dice: Dice,
    numbered: u64,
    last_intent: Option<Written>,
    malformed: u64,
}

const BODIES: [&str; 4] = ["text", "image", "audio", "button"];

impl Traffic {
    /// The same for the same seed. Windows last so long, and close for services so much earlier.
    pub(super) fn new(seed: u64, window: Span, guard: Span) -> Traffic {
        let coming = BTreeMap::new();
        let mut traffic =
            Traffic { coming, window, guard, dice: Dice(seed), numbered: 0, last_intent: None, malformed: 0 };
        for (number, chat) in (0_i64..).zip(CHATS) {
            traffic.plan(300 + 2_400 * number, Act::CustomerWrites { chat, left: number.unsigned_abs() % 3 });
            if number > 2 {
                // Nobody has heard of this customer yet.
                traffic.plan(600 + 700 * number, Act::OrderUpdate(chat));
            }
        }
        traffic.plan(4_500, Act::Malformed(CHATS[1]));
        traffic.plan(7_000, Act::SendsTwice);
        traffic.plan(9_500, Act::Expired(CHATS[0]));
        traffic
    }

    /// What is due by that time, in order.
    pub(super) fn take_due(&mut self, elapsed_ms: i64, wall: Timestamp) -> Vec<Written> {
        let mut written = Vec::new();
        while let Some(entry) = self.coming.first_entry() {
            let (at_ms, _) = *entry.key();
            if at_ms > elapsed_ms {
                break;
            }
            let act = entry.remove();
            written.extend(self.perform(act, at_ms, wall));
        }
        written
    }

    fn plan(&mut self, at_ms: i64, act: Act) {
        self.numbered += 1;
        self.coming.insert((at_ms, self.numbered), act);
    }

    fn perform(&mut self, act: Act, at_ms: i64, wall: Timestamp) -> Option<Written> {
        match act {
            Act::CustomerWrites { chat, left } => {
                self.plan_after_message(chat, left, at_ms);
                Some(self.inbound(chat, wall))
            }
            Act::SupportReplies(chat) => Some(self.intent(chat, json!({ "message": text("We are looking into it.") }))),
            Act::OrderUpdate(chat) => {
                let message = text("Your order is on its way.");
                Some(self.intent(chat, json!({ "message": message, "template": template("order_update") })))
            }
            Act::Reminder(chat) => Some(self.intent(chat, json!({ "template": template("appointment_reminder") }))),
            Act::SendsTwice => {
                let at_ms = at_ms + self.dice.between(14_000, 20_000);
                self.plan(at_ms, act);
                self.last_intent.clone()
            }
            Act::Expired(chat) => {
                let (next, pause) = (self.somebody(), self.dice.between(20_000, 28_000));
                self.plan(at_ms + pause, Act::Expired(next));
                let expires_at = time::format(wall - Span::from_secs(30));
                Some(self.intent(chat, json!({ "expires_at": expires_at, "message": text("One-time code: 000000") })))
            }
            Act::Malformed(chat) => {
                let (next, pause) = (self.somebody(), self.dice.between(12_000, 18_000));
                self.plan(at_ms + pause, Act::Malformed(next));
                Some(self.malformed(chat))
            }
        }
    }

    fn plan_after_message(&mut self, chat: Chat, left: u64, at_ms: i64) {
        let reply = at_ms + self.dice.between(700, 1_800);
        self.plan(reply, Act::SupportReplies(chat));
        if left > 0 {
            let again = at_ms + self.dice.between(2_500, 6_000);
            return self.plan(again, Act::CustomerWrites { chat, left: left - 1 });
        }
        let (window_ms, guard_ms) = (self.window.as_millis(), self.guard.as_millis());
        let soon = at_ms + self.dice.between(window_ms / 4, window_ms / 2);
        self.plan(soon, Act::OrderUpdate(chat));
        let within_guard = at_ms + window_ms - self.dice.between(guard_ms / 3, guard_ms * 3 / 4);
        self.plan(within_guard, Act::OrderUpdate(chat));
        let closed = at_ms + window_ms + self.dice.between(1_500, 6_000);
        let late = match self.dice.between(0, 3) {
            0 => Act::SupportReplies(chat),
            1 => Act::Reminder(chat),
            _ => Act::OrderUpdate(chat),
        };
        self.plan(closed, late);
        let next = at_ms + window_ms + self.dice.between(9_000, 22_000);
        let left = self.dice.between(0, 3).unsigned_abs();
        self.plan(next, Act::CustomerWrites { chat, left });
    }

    fn inbound(&mut self, chat: Chat, wall: Timestamp) -> Written {
        let kind = BODIES[self.dice.between(0, 3).unsigned_abs() as usize];
        self.numbered += 1;
        let value = json!({
            "message_id": format!("wamid.demo-{}", self.numbered),
            "business_id": chat.business,
            "customer_id": chat.customer,
            "type": kind,
            "occurred_at": time::format(wall),
        });
        Written { stream: Stream::Inbound, key: key(chat), value: value.to_string() }
    }

    fn intent(&mut self, chat: Chat, mut value: Value) -> Written {
        self.numbered += 1;
        value["intent_id"] = format!("demo-{}", self.numbered).into();
        value["business_id"] = chat.business.into();
        value["customer_id"] = chat.customer.into();
        let written = Written { stream: Stream::Intent, key: key(chat), value: value.to_string() };
        self.last_intent = Some(written.clone());
        written
    }

    fn malformed(&mut self, chat: Chat) -> Written {
        let (business, everybody) = (chat.business, CHATS.map(|chat| chat.customer));
        self.malformed += 1;
        let (stream, value) = match self.malformed % 4 {
            0 => (Stream::Inbound, "<message>Hello?</message>".to_owned()),
            1 => (Stream::Inbound, json!({ "message_id": "wamid.demo", "business_id": business }).to_string()),
            2 => (Stream::Intent, json!({ "intent_id": "demo-x", "business_id": business }).to_string()),
            _ => {
                let message = text("Sale!");
                let value = json!({
                    "intent_id": "demo-all", "business_id": business, "customer_id": everybody, "message": message
                });
                (Stream::Intent, value.to_string())
            }
        };
        Written { stream, key: key(chat), value }
    }

    fn somebody(&mut self) -> Chat {
        let last = CHATS.len() as i64 - 1;
        CHATS[self.dice.between(0, last).unsigned_abs() as usize]
    }
}

/// What all records of a customer are keyed by.
fn key(chat: Chat) -> String {
    format!("{}:{}", chat.business, chat.customer)
}

fn text(body: &str) -> Value {
    json!({ "type": "text", "text": { "body": body } })
}

fn template(name: &str) -> Value {
    json!({ "name": name, "language": "en" })
}

/// SplitMix64: the same on every machine.
struct Dice(u64);

impl Dice {
    /// From `low` to `high`, both included.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sides = (high - low).unsigned_abs() + 1;
        low + ((mixed ^ (mixed >> 31)) % sides) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Channel;
    use crate::core::ids::{Offset, Partition};
    use crate::core::policy::{ChannelPolicy, Policy};
    use crate::core::record::{ReasonCode, Record, Stream as LogStream};
    use crate::core::time::Span;
    use crate::core::window::WindowRules;
    use crate::wire::decoder::{Decoder, Formats};
    use std::collections::BTreeSet;

    const START: Timestamp = Timestamp::MIN;

    fn two_minutes() -> Vec<(i64, Written)> {
        let mut traffic = Traffic::new(7, Span::from_secs(20), Span::from_secs(3));
        let times = (0..1_200).map(|tenth| tenth * 100);
        times
            .flat_map(|at_ms| {
                let due = traffic.take_due(at_ms, START + Span::from_millis(at_ms));
                due.into_iter().map(move |written| (at_ms, written)).collect::<Vec<_>>()
            })
            .collect()
    }

    fn record(written: &Written) -> Record {
        Record {
            stream: LogStream::Intent,
            partition: Partition(0),
            offset: Offset(0),
            timestamp: START,
            key: None,
            value: Some(written.value.clone().into()),
            headers: vec![],
        }
    }

    #[test]
    fn it_is_the_same_each_time() {
        assert_eq!(two_minutes(), two_minutes());
    }

    #[test]
    fn almost_everything_is_understood_and_what_is_not_is_refused_for_many_reasons() {
        let rules = WindowRules { length: Span::from_secs(20), guard: Span::from_secs(3) };
        let policy = Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))]);
        let decoder = Decoder::new(Formats::default(), policy);
        let (mut fine, mut reasons) = (0, BTreeSet::new());
        let (mut ids, mut twice) = (BTreeSet::new(), 0);
        for (_, written) in two_minutes() {
            match written.stream {
                Stream::Inbound => {
                    let decoded = decoder.decode_inbound(&record(&written));
                    fine += decoded.events.len();
                    reasons.extend(decoded.rejects.iter().map(|reject| reject.code));
                }
                Stream::Intent => match decoder.decode_intent(&record(&written)).intent {
                    Ok(intent) => {
                        fine += 1;
                        twice += usize::from(!ids.insert(intent.intent_id));
                    }
                    Err(reject) => {
                        reasons.insert(reject.code);
                    }
                },
            }
        }
        assert!(fine > 150, "{fine} in two minutes");
        assert!(reasons.contains(&ReasonCode::BulkNotAllowed) && reasons.len() >= 3, "{reasons:?}");
        assert!(twice >= 3, "{twice} duplicates");
    }

    #[test]
    fn services_write_while_the_window_is_open_within_the_guard_and_after_its_end() {
        let mut last = None;
        let mut ages = Vec::new();
        for (at_ms, written) in two_minutes().into_iter().filter(|(_, written)| written.key == key(CHATS[0])) {
            match written.stream {
                Stream::Inbound => last = Some(at_ms),
                Stream::Intent => ages.extend(last.map(|last: i64| at_ms - last)),
            }
        }
        for range in [0..17_000, 17_000..20_000, 20_000..50_000] {
            assert!(ages.iter().any(|age| range.contains(age)), "none in {range:?}: {ages:?}");
        }
    }
}
