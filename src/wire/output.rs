//! Domain to bytes: verdicts, window events and dead letters as records.

use super::dead_letter::DeadLetterFormat;
use super::headers::{CloudEvent, size_of};
use super::json::ObjectWriter;
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
use std::ops::Range;
use std::sync::Arc;

/// The smallest limit that the explanation of a dead letter and every window event are sure to fit into.
pub const SMALLEST_MAX_OUTPUT_BYTES: usize = 16 * 1024;

/// What the texts of a verdict mostly take, besides what is passed through.
const SHEET_BYTES: usize = 704;

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
    pub(super) source: Bytes,
    /// Where records come from that are no intents.
    inbound_origin: Arc<str>,
    dead_letters: DeadLetterFormat,
    max_output_bytes: usize,
}

impl Encoder {
    /// An encoder for those topics. `group` is the consumer group, as dead letters name it; `ce_source` the source of
    /// all events. No output exceeds `max_output_bytes` (batch overhead included), which is at least
    /// [`SMALLEST_MAX_OUTPUT_BYTES`]: less is taken as that.
    pub fn new(topics: Topics, group: &str, ce_source: &str, max_output_bytes: usize) -> Encoder {
        let max_output_bytes = max_output_bytes.max(SMALLEST_MAX_OUTPUT_BYTES);
        let dead_letters = DeadLetterFormat {
            topic: topics.dead_letter.clone(),
            group: Bytes::copy_from_slice(group.as_bytes()),
            max_output_bytes,
        };
        let inbound_origin = topics.inbound_message.clone();
        Encoder {
            topics,
            inbound_origin,
            source: Bytes::copy_from_slice(ce_source.as_bytes()),
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
        self.inbound_origin = topic.into();
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
        match emission {
            Emission::Verdict(decided) => self.verdict_or_dead_letter(decided, status),
            Emission::WindowEvent(event) => self.window_event(event, now),
            Emission::DeadLetter(letter) => self.dead_letter(&letter.record, &letter.reject),
            Emission::Inbound(part) => self.inbound(part),
            Emission::Delivery(part) => self.delivery(part),
            Emission::Template(part) => self.template(part),
        }
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
        self.dead_letters.encode(self.origin(record), record, reject)
    }

    fn verdict(&self, decided: &DecidedIntent, status: Option<&TemplateLookup<'_>>) -> OutputRecord {
        let DecidedIntent { record, intent, verdict, decided_at, .. } = decided;
        let (topic, kind) = match verdict {
            Verdict::SessionSend { .. } => (&self.topics.session_send, "sessiongate.session-send.v1"),
            Verdict::TemplateRequired { .. } => (&self.topics.template_required, "sessiongate.template-required.v1"),
        };
        let passed_through = [&intent.message, &intent.template].into_iter().flatten().map(Bytes::len);
        let mut sheet = Sheet::with_capacity(SHEET_BYTES + passed_through.sum::<usize>());
        let key = sheet.write(|out| append_customer_key(out, &intent.business_id, &intent.customer_id));
        let id = sheet.write(|out| {
            append_id(out, self.origin(record), record);
            out.extend_from_slice(b"/verdict");
        });
        let decided_at_text = time::text(*decided_at);
        let time = sheet.write(|out| out.extend_from_slice(&decided_at_text));
        let value = sheet.write(|out| self.append_verdict(out, decided, &decided_at_text, status));
        let sheet = Bytes::from(sheet.text);
        let event = CloudEvent {
            id: sheet.slice(id),
            kind,
            source: self.source.clone(),
            subject: sheet.slice(key.clone()),
            time: sheet.slice(time),
        };
        OutputRecord {
            topic: topic.clone(),
            key: Some(sheet.slice(key)),
            value: Some(sheet.slice(value)),
            headers: event.into_headers(record),
            timestamp: Some(*decided_at),
        }
    }

    fn append_verdict(
        &self,
        out: &mut Vec<u8>,
        decided: &DecidedIntent,
        decided_at: &[u8],
        status: Option<&TemplateLookup<'_>>,
    ) {
        let DecidedIntent { record, intent, verdict, window_length, .. } = decided;
        let mut json = ObjectWriter::begin(out);
        json.string("intent_id", intent.intent_id.as_str())
            .string("channel", intent.channel.as_str())
            .string("business_id", intent.business_id.as_str())
            .string("customer_id", intent.customer_id.as_str());
        if let Some(message) = &intent.message {
            json.raw("message", message);
        }
        match verdict {
            Verdict::SessionSend { window } => write_window(&mut json, window, *window_length),
            Verdict::TemplateRequired { reason, basis, window } => {
                let known = intent.template.as_ref().and_then(|given| known_status(intent, given, status));
                if let Some(given) = &intent.template {
                    let word = known.as_ref().map_or(UNKNOWN_STATUS, TemplateStatus::as_str);
                    json.with("template", |out| template::append_with_status(out, given, word));
                }
                let is_ready = intent.template.is_some() && is_ready(known.as_ref());
                json.string("reason", reason.as_str()).boolean("ready", is_ready);
                if let Some(window) = window {
                    write_window(&mut json, window, *window_length);
                }
                json.string("basis", basis.as_str());
            }
        }
        json.with("decided_at", |out| {
            out.push(b'"');
            out.extend_from_slice(decided_at);
            out.push(b'"');
        });
        self.write_source(&mut json, record);
        json.end();
    }

    fn window_event(&self, event: &WindowEvent, now: Timestamp) -> OutputRecord {
        let WindowEvent { record, event_index, change, cause, customer_id, .. } = event;
        let key = customer_key(&cause.business_id, customer_id);
        // The customer as a number: an id of an event is written to logs, where no phone number belongs.
        let customer_index = cause.window_keys().position(|(_, id)| id == customer_id).unwrap_or_default();
        let (topic, partition, offset) = (self.origin(record), record.partition, record.offset);
        let headers = CloudEvent {
            id: format!("{topic}/{partition}/{offset}/{event_index}/{customer_index}/{}", change_name(*change)).into(),
            kind: "sessiongate.window-event.v1",
            source: self.source.clone(),
            subject: key.clone(),
            time: time::format(cause.occurred_at).into(),
        };
        OutputRecord {
            topic: self.topics.window_event.clone(),
            key: Some(key),
            value: Some(self.window_event_value(event)),
            headers: headers.into_headers(record),
            timestamp: Some(now),
        }
    }

    fn window_event_value(&self, event: &WindowEvent) -> Bytes {
        let WindowEvent { record, change, cause, customer_id, window, window_length, .. } = event;
        let mut out = Vec::with_capacity(768);
        let mut json = ObjectWriter::begin(&mut out);
        json.string("event", change_name(*change))
            .string("channel", cause.channel.as_str())
            .string("business_id", cause.business_id.as_str())
            .string("customer_id", customer_id.as_str())
            .time("occurred_at", cause.occurred_at);
        write_window_times(&mut json, window, *window_length);
        json.with("cause", |out| {
            let mut json = ObjectWriter::begin(out);
            json.string("message_id", cause.message_id.as_str()).string("type", &cause.kind).end();
        });
        self.write_source(&mut json, record);
        json.end();
        Bytes::from(out)
    }

    /// The topic that a record came from.
    pub(super) fn origin(&self, record: &Record) -> &str {
        match record.stream {
            Stream::Inbound => &self.inbound_origin,
            Stream::Intent => &self.topics.outbound_intent,
        }
    }

    pub(super) fn write_source(&self, json: &mut ObjectWriter<'_>, record: &Record) {
        json.with("source", |out| {
            ObjectWriter::begin(out)
                .string("topic", self.origin(record))
                .integer("partition", record.partition.0.into())
                .integer("offset", record.offset.0)
                .end();
        });
    }
}

/// The key of everything about one customer of one business: `BUSINESS:CUSTOMER`.
pub fn customer_key(business: &BusinessId, customer: &CustomerId) -> Bytes {
    Bytes::from([business.as_str(), ":", customer.as_str()].concat())
}

fn append_customer_key(out: &mut Vec<u8>, business: &BusinessId, customer: &CustomerId) {
    out.extend_from_slice(business.as_str().as_bytes());
    out.push(b':');
    out.extend_from_slice(customer.as_str().as_bytes());
}

/// What the ids of all that a record leads to begin with: `TOPIC/PARTITION/OFFSET`.
fn append_id(out: &mut Vec<u8>, topic: &str, record: &Record) {
    let mut digits = itoa::Buffer::new();
    out.extend_from_slice(topic.as_bytes());
    out.push(b'/');
    out.extend_from_slice(digits.format(record.partition.0).as_bytes());
    out.push(b'/');
    out.extend_from_slice(digits.format(record.offset.0).as_bytes());
}

/// All texts of one output in one piece of memory.
struct Sheet {
    text: Vec<u8>,
}

impl Sheet {
    fn with_capacity(bytes: usize) -> Sheet {
        Sheet { text: Vec::with_capacity(bytes) }
    }

    /// Where that which is written comes to stand.
    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let from = self.text.len();
        write(&mut self.text);
        from..self.text.len()
    }
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

fn write_window(json: &mut ObjectWriter<'_>, window: &Window, length: Span) {
    json.with("window", |out| {
        let mut json = ObjectWriter::begin(out);
        write_window_times(&mut json, window, length);
        json.end();
    });
}

fn write_window_times(json: &mut ObjectWriter<'_>, window: &Window, length: Span) {
    json.time("opened_at", window.opened_at)
        .time("last_inbound_at", window.last_inbound_at)
        .time("expires_at", window.expires_at(length));
}

#[cfg(test)]
mod tests;
