//! What happened in the order of its time, and what every intent is answered at its own.
//!
//! A worker answers at the moment of its reading; here an act of a customer counts for an intent when it happened at or
//! before the time at which the intent was requested, wherever both stand in the files.

use super::input::{Kind, Line, Place};
use crate::core::advice::Advice;
use crate::core::decoded::DecodedInbound;
use crate::core::delivery::FailedDelivery;
use crate::core::emission::DecidedIntent;
use crate::core::ids::{Partition, Position, WindowKey};
use crate::core::inbound::InboundEvent;
use crate::core::intent::Intent;
use crate::core::noted::NotedIds;
use crate::core::policy::{Effect, Policy, believed};
use crate::core::record::{ReasonCode, Record, Reject};
use crate::core::registry::TemplateRegistry;
use crate::core::template::TemplateUpdate;
use crate::core::time::Timestamp;
use crate::core::verdict::{Finding, TemplateReason, Verdict, find};
use crate::core::window::Window;
use crate::shard::codec::Codec;
use std::collections::{BTreeMap, HashMap};

/// A record's own time when it has none.
const NO_TIMESTAMP: i64 = -1;

/// Something that happened, or was asked, at its time.
#[derive(Clone, Debug)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// A customer acted.
    Act(Box<InboundEvent>, Position),
    /// The provider refused a send.
    Refusal(Box<FailedDelivery>),
    /// A template changed.
    Template(Box<TemplateUpdate>, Position),
    /// An intent.
    Intent(Box<Intent>, Box<Record>),
    /// Something of a kind that nothing here has a name for, or a report that says nothing of a window.
    Nothing(String),
}

/// What could not be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refused {
    /// Where it stands.
    pub place: Place,
    /// Why.
    pub reject: Reject,
}

/// The act that a window rests on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opener {
    /// Where it stands.
    pub place: Place,
    /// What kind of act it was.
    pub kind: String,
    /// The provider's id of it.
    pub message_id: String,
}

/// What an act did to a customer's window.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Done {
    /// It opened one.
    Opened,
    /// It moved the end of one.
    Refreshed,
    /// A later act was there already.
    Older,
    /// It opens nothing by its kind.
    Nothing,
}

/// One thing that is told.
#[derive(Clone, Debug)]
pub enum Told {
    /// A customer acted; the window afterwards, under each of the customer's ids.
    Act {
        /// The act.
        event: Box<InboundEvent>,
        /// When it counts as done.
        at: Timestamp,
        /// What it did.
        done: Done,
        /// The window's end, when there is one.
        expires_at: Option<Timestamp>,
    },
    /// The provider refused a send.
    Refusal {
        /// The refusal.
        delivery: Box<FailedDelivery>,
        /// Whether a window was open then by what the customer did.
        stands: bool,
    },
    /// A template changed.
    Template(Box<TemplateUpdate>),
    /// An intent was decided.
    Verdict {
        /// The decision.
        decided: Box<DecidedIntent>,
        /// The act that its window rests on.
        opener: Option<Opener>,
        /// The end of a window that had ended before.
        ended_at: Option<Timestamp>,
        /// When the provider refused, for that reason.
        refused_at: Option<Timestamp>,
    },
    /// Nothing was in it for any window.
    Nothing(String),
}

/// Gathers what stands in files, and then tells it in the order of time.
pub struct Story<'a> {
    codec: &'a Codec,
    policy: &'a Policy,
    dedup_records: u32,
    noted: BTreeMap<Partition, NotedIds>,
    happenings: Vec<Happening>,
}

impl<'a> Story<'a> {
    /// An empty one.
    pub fn new(codec: &'a Codec, policy: &'a Policy, dedup_records: u32) -> Story<'a> {
        Story { codec, policy, dedup_records, noted: BTreeMap::new(), happenings: Vec::new() }
    }

    /// Takes a line, and says what in it cannot be used.
    pub fn take(&mut self, line: Line) -> Vec<Refused> {
        let Line { place, kind, record, changed_at } = line;
        let decoded = match kind {
            Kind::Intent => return self.take_intent(place, record, changed_at),
            Kind::Inbound => self.codec.decode_inbound(&record),
            Kind::Delivery => self.codec.decode_delivery_status(&record),
            Kind::Template => self.codec.decode_template_status(&record),
        };
        let position = record.position();
        // What takes the record's time has none of its own.
        let time = |at: Timestamp| match at.as_millis() {
            NO_TIMESTAMP => changed_at,
            _ => believed(at, record.timestamp).0,
        };
        let DecodedInbound { events, deliveries, templates, rejects, ignored } = decoded;
        let is_empty = events.is_empty() && deliveries.is_empty() && templates.is_empty() && rejects.is_empty();
        let mut push = |at, what| self.happenings.push(Happening { at, place: place.clone(), what });
        for mut event in events {
            event.occurred_at = time(event.occurred_at);
            push(event.occurred_at, What::Act(Box::new(event), position));
        }
        for mut delivery in deliveries {
            delivery.occurred_at = time(delivery.occurred_at);
            push(delivery.occurred_at, What::Refusal(Box::new(delivery)));
        }
        for mut update in templates {
            update.occurred_at = time(update.occurred_at);
            push(update.occurred_at, What::Template(Box::new(update), position));
        }
        let recorded_at = if record.timestamp.as_millis() < 0 { changed_at } else { record.timestamp };
        for kind in ignored {
            push(
                recorded_at,
                What::Nothing(format!("{} of the kind {}, which nothing here has a rule for", kind.times, kind.kind)),
            );
        }
        if is_empty {
            push(recorded_at, What::Nothing("nothing in it says anything of a window or a template".to_owned()));
        }
        rejects.into_iter().map(|reject| Refused { place: place.clone(), reject }).collect()
    }

    fn take_intent(&mut self, place: Place, mut record: Record, changed_at: Timestamp) -> Vec<Refused> {
        let decoded = self.codec.decode_intent(&record);
        let noted = self.noted.entry(record.partition).or_insert_with(|| NotedIds::few(self.dedup_records));
        let is_duplicate = noted.note_intent(record.offset, &decoded);
        let refused = |reject| vec![Refused { place: place.clone(), reject }];
        let mut intent = match decoded.intent {
            Err(reject) => return refused(reject),
            Ok(_) if is_duplicate => {
                let detail = "the same business_id and intent_id stood shortly before";
                return refused(Reject::new(ReasonCode::DuplicateIntent, detail));
            }
            Ok(intent) => intent,
        };
        if intent.requested_at.as_millis() == NO_TIMESTAMP {
            intent.requested_at = changed_at;
        }
        if intent.expires_at.is_some_and(|end| end <= intent.requested_at) {
            return refused(Reject::new(ReasonCode::Expired, "expires_at lies before the time of the intent"));
        }
        // What is passed through is shared by the intent.
        record.value = None;
        let at = intent.requested_at;
        self.happenings.push(Happening { at, place, what: What::Intent(intent, Box::new(record)) });
        Vec::new()
    }

    /// Whether any intent was among it.
    pub fn has_intents(&self) -> bool {
        self.happenings.iter().any(|happening| matches!(happening.what, What::Intent(..)))
    }

    /// Tells everything in the order of time; what stands at one instant in the order of the files, intents last.
    pub fn tell(mut self, templates: TemplateRegistry, tell: &mut dyn FnMut(&Happening, Told, &TemplateRegistry)) {
        let is_intent = |happening: &Happening| matches!(happening.what, What::Intent(..));
        self.happenings.sort_by_key(|happening| (happening.at, is_intent(happening)));
        let mut teller = Teller { policy: self.policy, windows: HashMap::new(), advice: HashMap::new(), templates };
        for happening in &self.happenings {
            let told = teller.happen(happening);
            tell(happening, told, &teller.templates);
        }
    }
}

/// The state of the world at one instant.
struct Teller<'a> {
    policy: &'a Policy,
    windows: HashMap<WindowKey, (Window, Opener)>,
    advice: HashMap<WindowKey, Advice>,
    templates: TemplateRegistry,
}

impl Teller<'_> {
    fn happen(&mut self, happening: &Happening) -> Told {
        match &happening.what {
            What::Act(event, position) => self.act(event, *position, happening),
            What::Refusal(delivery) => self.refuse(delivery, happening.at),
            What::Template(update, position) => {
                self.templates.apply(update, *position);
                Told::Template(update.clone())
            }
            What::Intent(intent, record) => self.decide(intent, record, happening.at),
            What::Nothing(why) => Told::Nothing(why.clone()),
        }
    }

    fn act(&mut self, event: &InboundEvent, position: Position, happening: &Happening) -> Told {
        let told = |at, done, expires_at| Told::Act { event: Box::new(event.clone()), at, done, expires_at };
        // At its own time nothing is late.
        let effect = self.policy.effect(event, Timestamp::from_millis(NO_TIMESTAMP), Timestamp::MIN);
        let channel = self.policy.channel(event.channel.as_str());
        let (Effect::Opens { at, .. }, Some(channel)) = (effect, channel) else {
            return told(happening.at, Done::Nothing, None);
        };
        let (length, own) = (channel.window.length, Window::opened_by(at, position));
        let opener = Opener {
            place: happening.place.clone(),
            kind: event.kind.to_string(),
            message_id: event.message_id.to_string(),
        };
        let mut first = None;
        for (key, _) in event.window_keys() {
            let before = self.windows.get(&key).cloned();
            let after = before.as_ref().map_or(own, |(before, _)| before.merge(own, length));
            let rests_on_this = after.last_inbound_at == own.last_inbound_at && after.position == own.position;
            let done = match &before {
                Some((before, _)) if !rests_on_this || before.last_inbound_at == after.last_inbound_at => Done::Older,
                Some((before, _)) if at < before.expires_at(length) => Done::Refreshed,
                _ => Done::Opened,
            };
            let opener = match before {
                Some((_, before)) if !rests_on_this => before,
                _ => opener.clone(),
            };
            self.windows.insert(key, (after, opener));
            first.get_or_insert((done, after.expires_at(length)));
        }
        let (done, expires_at) = first.unzip();
        told(at, done.unwrap_or(Done::Nothing), expires_at)
    }

    fn refuse(&mut self, delivery: &FailedDelivery, at: Timestamp) -> Told {
        let key = delivery.window_key();
        let advice = Advice { refused_at: at };
        let stored = self.advice.entry(key.clone()).or_insert(advice);
        *stored = (*stored).max(advice);
        let length = self.policy.channel(key.channel()).map(|channel| channel.window.length);
        let window = self.windows.get(&key).map(|(window, _)| window);
        let is_open = length.zip(window).is_some_and(|(length, window)| at < window.expires_at(length));
        Told::Refusal { delivery: Box::new(delivery.clone()), stands: is_open }
    }

    fn decide(&self, intent: &Intent, record: &Record, now: Timestamp) -> Told {
        // Decoders refuse channels that are not configured.
        let Some(channel) = self.policy.channel(intent.channel.as_str()) else {
            return Told::Nothing("the channel is not configured".to_owned());
        };
        let (key, rules) = (intent.window_key(), channel.window);
        let known = self.windows.get(&key);
        // A window that has ended is in no store any more.
        let live = known.filter(|(window, _)| now < window.expires_at(rules.length));
        let window = live.map(|(window, _)| *window);
        let advice = self.advice.get(&key);
        let template = |reason: TemplateReason| Verdict::TemplateRequired { reason, basis: reason.basis(true), window };
        let (verdict, refused_at) = match find(intent, window.as_ref(), advice, rules, now) {
            Finding::Open(window) => (Verdict::SessionSend { window }, None),
            Finding::Requested => (template(TemplateReason::TemplateRequested), None),
            Finding::Negative(reason @ TemplateReason::ProviderRefused) => {
                (template(reason), advice.map(|advice| advice.refused_at))
            }
            Finding::Negative(reason) => (template(reason), None),
        };
        Told::Verdict {
            decided: Box::new(DecidedIntent {
                record: record.clone(),
                intent: Box::new(intent.clone()),
                verdict,
                window_length: rules.length,
                decided_at: now,
            }),
            opener: known.map(|(_, opener)| opener.clone()),
            ended_at: known.filter(|_| live.is_none()).map(|(window, _)| window.expires_at(rules.length)),
            refused_at,
        }
    }
}
