//! Domain to bytes: verdicts, window events and dead letters as records.

use super::dead_letter::DeadLetterFormat;
use super::headers::{EventType, size_of};
use super::json::{ObjectWriter, append_number, append_short, append_text};
use super::origin::{Origin, PlaceText};
use super::template::{self, TemplateName, UNKNOWN_STATUS};
use super::time;
use crate::core::emission::{DecidedIntent, Emission, WindowChange, WindowEvent};
use crate::core::ids::{BusinessId, CustomerId};
use crate::core::intent::Intent;
use crate::core::record::{ReasonCode, Record, Reject, Stream};
use crate::core::registry::is_ready;
use crate::core::template::TemplateStatus;
use crate::core::time::{Span, Timestamp};
use crate::core::verdict::Verdict;
use crate::core::window::Window;
use crate::ports::OutputRecord;
use bytes::Bytes;
use std::sync::Arc;

/// The smallest limit that the explanation of a dead letter and every window event are sure to fit into.
pub const SMALLEST_MAX_OUTPUT_BYTES: usize = 16 * 1024;

/// What the texts of an output mostly take, besides what is passed through.
pub(super) const SHEET_BYTES: usize = 896;

/// Brokers take times that are an hour ahead (`message.timestamp.after.max.ms`), and their clocks may lag behind ours.
const MOST_AHEAD: Span = Span::from_secs(45 * 60);

/// The names of the topics, as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topics {
    /// Verdicts: the window is open.
    pub session_send: Arc<str>,
    /// Verdicts: it is not.
    pub template_required: Arc<str>,
    /// Windows that opened.
    pub window_event: Arc<str>,
    /// What could not be used.
    pub dead_letter: Arc<str>,
    /// What customers did.
    pub inbound_message: Arc<str>,
    /// What services want to say.
    pub outbound_intent: Arc<str>,
    /// Refusals by providers; none when there is no topic for them.
    pub delivery_status: Option<Arc<str>>,
    /// Changes of templates; none when there is no topic for them.
    pub template_status: Option<Arc<str>>,
}

/// The names that topics have unless they are configured, and one for each kind of report.
impl Default for Topics {
    fn default() -> Topics {
        Topics {
            session_send: "session-send".into(),
            template_required: "template-required".into(),
            window_event: "window-event".into(),
            dead_letter: "dead-letter".into(),
            inbound_message: "inbound-message".into(),
            outbound_intent: "outbound-intent".into(),
            delivery_status: Some("delivery-status".into()),
            template_status: Some("template-status".into()),
        }
    }
}

/// What is known of a business's template of that name and language.
pub type TemplateLookup<'a> = dyn Fn(&BusinessId, &str, &str) -> Option<TemplateStatus> + 'a;

/// Makes output records.
pub struct Encoder {
    pub(super) topics: Topics,
    pub(super) types: Types,
    intents: Origin,
    /// Where records come from that are no intents.
    inbound: Origin,
    dead_letters: DeadLetterFormat,
    max_output_bytes: usize,
}

/// The types of events that are written.
pub(super) struct Types {
    session_send: EventType,
    template_required: EventType,
    window_event: EventType,
    pub(super) inbound_message: EventType,
    pub(super) delivery_status: EventType,
    pub(super) template_status: EventType,
}

impl Types {
    fn new(source: &str) -> Types {
        let of = |kind| EventType::new(source, kind);
        Types {
            session_send: of("sessiongate.session-send.v1"),
            template_required: of("sessiongate.template-required.v1"),
            window_event: of("sessiongate.window-event.v1"),
            inbound_message: of("sessiongate.inbound-message.v1"),
            delivery_status: of("sessiongate.delivery-status.v1"),
            template_status: of("sessiongate.template-status.v1"),
        }
    }
}

impl Encoder {
    /// An encoder for those topics. `group` is the consumer group, as dead letters name it; `ce_source` the source of
    /// all events. No output exceeds `max_output_bytes` (batch overhead included), which is at least
    /// [`SMALLEST_MAX_OUTPUT_BYTES`]: less is taken as that.
    pub fn new(topics: Topics, group: &str, ce_source: &str, max_output_bytes: usize) -> Encoder {
        let max_output_bytes = max_output_bytes.max(SMALLEST_MAX_OUTPUT_BYTES);
        let dead_letters =
            DeadLetterFormat { topic: topics.dead_letter.clone(), group: group.to_owned(), max_output_bytes };
        Encoder {
            types: Types::new(ce_source),
            intents: Origin::new(topics.outbound_intent.clone()),
            inbound: Origin::new(topics.inbound_message.clone()),
            topics,
            dead_letters,
            max_output_bytes,
        }
    }

    /// The same with a limit of their own for dead letters, whose topic often takes more than the others.
    pub fn with_max_dead_letter_bytes(mut self, bytes: usize) -> Encoder {
        self.dead_letters.max_output_bytes = bytes.max(SMALLEST_MAX_OUTPUT_BYTES);
        self
    }

    /// The same for records that lie in another topic than the inbound one.
    pub fn with_origin(mut self, topic: &str) -> Encoder {
        self.inbound = Origin::new(topic.into());
        self
    }

    /// One emission as one record, while nothing is known of any template.
    pub fn encode(&self, emission: &Emission, now: Timestamp) -> OutputRecord {
        self.encode_with(emission, now, None)
    }

    /// One emission as one record. `status` says what is known of a business's template of that name and language.
    ///
    /// A verdict that would not fit into its topic becomes the dead letter of its intent.
    pub fn encode_knowing(&self, emission: &Emission, now: Timestamp, status: &TemplateLookup<'_>) -> OutputRecord {
        self.encode_with(emission, now, Some(status))
    }

    fn encode_with(&self, emission: &Emission, now: Timestamp, status: Option<&TemplateLookup<'_>>) -> OutputRecord {
        let mut output = match emission {
            Emission::Verdict(decided) => self.verdict_or_dead_letter(decided, status),
            Emission::WindowEvent(event) => self.window_event(event, now),
            Emission::DeadLetter(letter) => self.dead_letter(&letter.record, &letter.reject),
            Emission::Inbound(part) => self.inbound(part),
            Emission::Delivery(part) => self.delivery(part),
            Emission::Template(part) => self.template(part),
        };
        // Brokers refuse other times over and over; without one, they get that of the writing.
        output.timestamp = output.timestamp.filter(|time| time.as_millis() >= 0 && *time <= now + MOST_AHEAD);
        output
    }

    fn verdict_or_dead_letter(&self, decided: &DecidedIntent, status: Option<&TemplateLookup<'_>>) -> OutputRecord {
        let output = self.verdict(decided, status);
        let size = size_of(&output);
        if size <= self.max_output_bytes {
            return output;
        }
        let detail = format!("its verdict would take {size} bytes, at most {} are allowed", self.max_output_bytes);
        self.dead_letter(&decided.record, &Reject::new(ReasonCode::TooLarge, detail))
    }

    fn dead_letter(&self, record: &Record, reject: &Reject) -> OutputRecord {
        self.dead_letters.encode(&self.origin(record).topic, record, reject)
    }

    fn verdict(&self, decided: &DecidedIntent, status: Option<&TemplateLookup<'_>>) -> OutputRecord {
        let DecidedIntent { record, intent, verdict, decided_at, .. } = decided;
        let (topic, kind) = match verdict {
            Verdict::SessionSend { .. } => (&self.topics.session_send, &self.types.session_send),
            Verdict::TemplateRequired { .. } => (&self.topics.template_required, &self.types.template_required),
        };
        let passed_through = [&intent.message, &intent.template].into_iter().flatten().map(Bytes::len);
        let room = SHEET_BYTES + passed_through.sum::<usize>();
        let time = time::repeated_text(*decided_at);
        let place = PlaceText::of(record);
        let mut output = OutputRecord::written(
            topic.clone(),
            Some(*decided_at),
            room,
            |out| append_customer_key(out, &intent.business_id, &intent.customer_id),
            |out| self.append_verdict(out, decided, &place, &time, status),
        );
        kind.append_headers(&mut output, record, &time, |out| {
            self.origin(record).append_id(out, &place);
            out.extend_from_slice(b"/verdict");
        });
        output
    }

    /// By hand: most of what is written are verdicts, and what stands between two values is one piece here.
    fn append_verdict(
        &self,
        out: &mut Vec<u8>,
        decided: &DecidedIntent,
        place: &PlaceText,
        decided_at: &[u8; time::TEXT_BYTES],
        status: Option<&TemplateLookup<'_>>,
    ) {
        let DecidedIntent { record, intent, verdict, window_length, .. } = decided;
        out.extend_from_slice(br#"{"intent_id":""#);
        append_text(out, intent.intent_id.as_str());
        out.extend_from_slice(br#"","channel":""#);
        append_text(out, intent.channel.as_str());
        out.extend_from_slice(br#"","business_id":""#);
        append_text(out, intent.business_id.as_str());
        out.extend_from_slice(br#"","customer_id":""#);
        append_text(out, intent.customer_id.as_str());
        match &intent.message {
            Some(message) => {
                out.extend_from_slice(br#"","message":"#);
                out.extend_from_slice(message);
            }
            None => out.push(b'"'),
        }
        match verdict {
            Verdict::SessionSend { window } => append_window(out, window, *window_length),
            Verdict::TemplateRequired { reason, basis, window } => {
                let known = intent.template.as_ref().and_then(|given| known_status(intent, given, status));
                if let Some(given) = &intent.template {
                    let word = known.as_ref().map_or(UNKNOWN_STATUS, TemplateStatus::as_str);
                    out.extend_from_slice(br#","template":"#);
                    template::append_with_status(out, given, word);
                }
                let is_ready = intent.template.is_some() && is_ready(known.as_ref());
                out.extend_from_slice(br#","reason":""#);
                append_short(out, reason.as_str().as_bytes());
                out.extend_from_slice(if is_ready { br#"","ready":true"# } else { br#"","ready":false"# });
                if let Some(window) = window {
                    append_window(out, window, *window_length);
                }
                out.extend_from_slice(br#","basis":""#);
                append_short(out, basis.as_str().as_bytes());
                out.push(b'"');
            }
        }
        out.extend_from_slice(br#","decided_at":""#);
        out.extend_from_slice(decided_at);
        out.push(b'"');
        self.origin(record).append_source(out, place);
    }

    fn window_event(&self, event: &WindowEvent, now: Timestamp) -> OutputRecord {
        let WindowEvent { record, event_index, change, cause, customer_id, .. } = event;
        // The customer as a number: an id of an event is written to logs, where no phone number belongs.
        let customer_index = cause.window_keys().position(|(_, id)| id == customer_id).unwrap_or_default();
        let (place, time) = (PlaceText::of(record), time::text(cause.occurred_at));
        let mut output = OutputRecord::written(
            self.topics.window_event.clone(),
            Some(now),
            SHEET_BYTES,
            |out| append_customer_key(out, &cause.business_id, customer_id),
            |out| self.append_window_event(out, event, &place, &time),
        );
        self.types.window_event.append_headers(&mut output, record, &time, |out| {
            self.origin(record).append_id(out, &place);
            append_index(out, *event_index);
            append_index(out, customer_index);
            out.push(b'/');
            out.extend_from_slice(change_name(*change).as_bytes());
        });
        output
    }

    fn append_window_event(
        &self,
        out: &mut Vec<u8>,
        event: &WindowEvent,
        place: &PlaceText,
        occurred_at: &[u8; time::TEXT_BYTES],
    ) {
        let WindowEvent { record, change, cause, customer_id, window, window_length, .. } = event;
        ObjectWriter::begin(out)
            .string("event", change_name(*change))
            .string("channel", cause.channel.as_str())
            .string("business_id", cause.business_id.as_str())
            .string("customer_id", customer_id.as_str());
        out.extend_from_slice(br#","occurred_at":""#);
        out.extend_from_slice(occurred_at);
        out.extend_from_slice(br#"","#);
        append_window_times(out, window, *window_length);
        out.extend_from_slice(br#","cause":"#);
        ObjectWriter::begin(out).string("message_id", cause.message_id.as_str()).string("type", &cause.kind).end();
        self.origin(record).append_source(out, place);
    }

    /// The topic that a record came from.
    pub(super) fn origin(&self, record: &Record) -> &Origin {
        match record.stream {
            Stream::Inbound => &self.inbound,
            Stream::Intent => &self.intents,
        }
    }
}

/// The key of everything about one customer of one business: `BUSINESS:CUSTOMER`.
#[inline]
pub(super) fn append_customer_key(out: &mut Vec<u8>, business: &BusinessId, customer: &CustomerId) {
    append_short(out, business.as_str().as_bytes());
    out.push(b':');
    append_short(out, customer.as_str().as_bytes());
}

/// A further part of an id: `/INDEX`.
pub(super) fn append_index(out: &mut Vec<u8>, index: usize) {
    out.push(b'/');
    append_number(out, i64::try_from(index).unwrap_or(i64::MAX));
}

/// The last known status of the template that an intent brought.
fn known_status(intent: &Intent, template: &[u8], status: Option<&TemplateLookup<'_>>) -> Option<TemplateStatus> {
    // Where nothing is known of any template, none is read.
    let status = status?;
    let TemplateName { name, language } = template::name_of(template)?;
    status(&intent.business_id, &name, &language)
}

/// The name and language of a template object, as far as both can be read.
pub fn template_name(template: &[u8]) -> Option<(String, String)> {
    template::name_of(template).map(|TemplateName { name, language }| (name.into_owned(), language.into_owned()))
}

fn change_name(change: WindowChange) -> &'static str {
    match change {
        WindowChange::Opened => "opened",
        WindowChange::Refreshed => "refreshed",
    }
}

/// Appends the member that tells of a window, which is not the first one of its object.
fn append_window(out: &mut Vec<u8>, window: &Window, length: Span) {
    out.extend_from_slice(br#","window":{"#);
    append_window_times(out, window, length);
    out.push(b'}');
}

/// What tells of a window, with room for its three times.
const WINDOW_TIMES: &str = concat!(
    r#""opened_at":"------------------------","#,
    r#""last_inbound_at":"------------------------","#,
    r#""expires_at":"------------------------""#,
);
/// Where they belong.
const TIME_PLACES: [usize; 3] = [13, 58, 98];

/// Appends the members with the times of a window.
#[inline]
fn append_window_times(out: &mut Vec<u8>, window: &Window, length: Span) {
    let opened_at = time::text(window.opened_at);
    // A session of one act is the usual one.
    let is_new = window.last_inbound_at == window.opened_at;
    let last_inbound_at = if is_new { opened_at } else { time::text(window.last_inbound_at) };
    // Windows mostly last for whole days.
    let expires_at = time::text_beside(window.expires_at(length), window.last_inbound_at, &last_inbound_at);
    let texts = [opened_at, last_inbound_at, expires_at];
    out.extend_from_slice(WINDOW_TIMES.as_bytes());
    let Some(times) = out.last_chunk_mut::<{ WINDOW_TIMES.len() }>() else { return };
    for (place, text) in TIME_PLACES.into_iter().zip(texts) {
        times[place..place + time::TEXT_BYTES].copy_from_slice(&text);
    }
}

#[cfg(test)]
mod tests;
