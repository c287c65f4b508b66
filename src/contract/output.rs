//! What the worker writes.

use super::text::{BigEndian32, BigEndian64, Digits, Id, KeyPart, Time};
use crate::core::record::ReasonCode;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The window was open at `decided_at`: the message may be sent as it is, until `window.expires_at`.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct SessionSend {
    /// The intent's own id.
    pub intent_id: Id,
    /// The channel.
    pub channel: KeyPart,
    /// The business's own address.
    pub business_id: KeyPart,
    /// The customer's address.
    pub customer_id: Id,
    /// The free-form content, byte for byte as the intent had it.
    pub message: Map<String, Value>,
    /// The open window.
    pub window: Window,
    /// When it was decided.
    pub decided_at: Time,
    /// The intent's record.
    pub source: Source,
}

/// The window was not known to be open at `decided_at`: only a template may be sent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct TemplateRequired {
    /// The intent's own id.
    pub intent_id: Id,
    /// The channel.
    pub channel: KeyPart,
    /// The business's own address.
    pub business_id: KeyPart,
    /// The customer's address.
    pub customer_id: Id,
    /// The free-form content, if the intent had any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Map<String, Value>")]
    pub message: Option<Map<String, Value>>,
    /// The template, if the intent had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Template")]
    pub template: Option<Template>,
    /// Why.
    pub reason: Reason,
    /// Whether a template came with the intent and is not known to be unsendable.
    pub ready: bool,
    /// What is known of the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Window")]
    pub window: Option<Window>,
    /// What the verdict rests on.
    pub basis: Basis,
    /// When it was decided.
    pub decided_at: Time,
    /// The intent's record.
    pub source: Source,
}

/// A window opened or moved. It ends at `expires_at` unless the customer writes again.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct WindowEvent {
    /// What happened to it.
    pub event: WindowChange,
    /// The channel.
    pub channel: KeyPart,
    /// The business's own address.
    pub business_id: KeyPart,
    /// The customer's address.
    pub customer_id: Id,
    /// When the customer acted.
    pub occurred_at: Time,
    /// When the present session began.
    pub opened_at: Time,
    /// The customer's last act.
    pub last_inbound_at: Time,
    /// The first instant at which it is closed.
    pub expires_at: Time,
    /// The event that did it.
    pub cause: Cause,
    /// The event's record.
    pub source: Source,
}

/// A session window.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct Window {
    /// When the present session began.
    pub opened_at: Time,
    /// The customer's last act.
    pub last_inbound_at: Time,
    /// The first instant at which it is closed. A sender looks at this once more before it sends.
    pub expires_at: Time,
}

/// Where a record lies.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct Source {
    /// The topic.
    pub topic: String,
    /// The partition.
    #[schemars(range(min = 0))]
    pub partition: i32,
    /// The offset in it.
    #[schemars(range(min = 0))]
    pub offset: i64,
}

/// A template as the intent had it, with what is known of its status.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct Template {
    /// The provider's last word on it, in lower case (`approved`, `paused`), or `unknown`. New words may come.
    pub status: String,
    /// Everything else as it was given.
    #[serde(flatten)]
    pub given: Map<String, Value>,
}

/// The customer's event.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct Cause {
    /// The provider's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Id")]
    pub message_id: Option<Id>,
    /// What it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Id")]
    pub r#type: Option<Id>,
}

/// Why a template is required.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// No window, or one that has ended.
    NoOpenWindow,
    /// The window ends within the guard: too late to become a send.
    WindowClosing,
    /// The provider refused a send in what looked like an open window.
    ProviderRefused,
    /// The intent had a template and no message.
    TemplateRequested,
}

/// What a verdict rests on.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Every inbound record that lay in the log when the intent was read.
    Complete,
    /// That proof did not come in time.
    Timeout,
    /// The provider's word, not the log's.
    Advisory,
}

/// What happened to a window.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum WindowChange {
    /// It was closed before.
    Opened,
    /// It was open, and its end moved.
    Refreshed,
}

/// The headers of verdicts and window events: CloudEvents in the binary mode of the Kafka binding.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct EventHeaders {
    /// Always `1.0`.
    #[schemars(extend("const" = "1.0"))]
    pub ce_specversion: String,
    /// Follows from the input's place alone: drop a second record with the same id.
    pub ce_id: Id,
    /// Which deployment wrote it: `/sessiongate/GROUP`.
    pub ce_source: String,
    /// `sessiongate.TOPIC.v1`.
    #[schemars(regex(pattern = r"^sessiongate\.[a-z-]+\.v1$"))]
    pub ce_type: String,
    /// `BUSINESS:CUSTOMER`, the record's key.
    pub ce_subject: String,
    /// A verdict's `decided_at`, a window event's `occurred_at`.
    pub ce_time: Time,
    /// Always JSON.
    #[serde(rename = "content-type")]
    #[schemars(extend("const" = "application/json"))]
    pub content_type: String,
    /// The input's trace context, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub traceparent: Option<String>,
    /// The input's trace state, as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub tracestate: Option<String>,
}

/// The headers that a dead letter has after its original's. Key, value, timestamp and headers are the original's.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct DeadLetterHeaders {
    /// The reason code. Its meaning never changes; new codes may come.
    #[serde(rename = "sessiongate.error.reason")]
    #[schemars(regex(pattern = "^[a-z0-9_]+$"), transform = with_codes)]
    pub reason: String,
    /// One line for a person, without message content.
    #[serde(rename = "sessiongate.error.detail")]
    pub detail: String,
    /// The original's topic.
    #[serde(rename = "sessiongate.error.topic")]
    pub topic: String,
    /// The original's partition.
    #[serde(rename = "sessiongate.error.partition")]
    pub partition: Digits,
    /// The original's offset.
    #[serde(rename = "sessiongate.error.offset")]
    pub offset: Digits,
    /// The original's timestamp.
    #[serde(rename = "sessiongate.error.timestamp")]
    pub timestamp: Time,
    /// The consumer group that refused it.
    #[serde(rename = "sessiongate.error.group")]
    pub group: String,
    /// Which part of the original it concerns, when the rest of it was used: `entry[0].changes[0].value.messages[17]`.
    #[serde(rename = "sessiongate.error.index", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub index: Option<String>,
    /// How many bytes the value had, when its end was cut.
    #[serde(rename = "sessiongate.error.truncated", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Digits")]
    pub truncated: Option<Digits>,
    /// How many headers of its own the original had, when they were left out.
    #[serde(rename = "sessiongate.error.dropped-headers", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Digits")]
    pub dropped_headers: Option<Digits>,
    /// How many bytes the key had, when it was left out.
    #[serde(rename = "sessiongate.error.dropped-key", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Digits")]
    pub dropped_key: Option<Digits>,
    /// The topic again, as Spring for Kafka names it.
    #[serde(rename = "kafka_dlt-original-topic")]
    pub spring_topic: String,
    /// The partition again, as Spring writes it.
    #[serde(rename = "kafka_dlt-original-partition")]
    pub spring_partition: BigEndian32,
    /// The offset again, as Spring writes it.
    #[serde(rename = "kafka_dlt-original-offset")]
    pub spring_offset: BigEndian64,
    /// The timestamp again, in ms since 1970, as Spring writes it.
    #[serde(rename = "kafka_dlt-original-timestamp")]
    pub spring_timestamp: BigEndian64,
    /// The group again, as Spring names it.
    #[serde(rename = "kafka_dlt-original-consumer-group")]
    pub spring_group: String,
    /// The detail again, as Spring names it.
    #[serde(rename = "kafka_dlt-exception-message")]
    pub spring_message: String,
    /// The topic again, as Kafka Connect names it.
    #[serde(rename = "__connect.errors.topic")]
    pub connect_topic: String,
    /// The partition again, as Kafka Connect names it.
    #[serde(rename = "__connect.errors.partition")]
    pub connect_partition: Digits,
    /// The offset again, as Kafka Connect names it.
    #[serde(rename = "__connect.errors.offset")]
    pub connect_offset: Digits,
    /// The detail again, as Kafka Connect names it.
    #[serde(rename = "__connect.errors.exception.message")]
    pub connect_message: String,
}

/// The codes as examples and not as a closed list: a reader that knows none but these must go on.
fn with_codes(schema: &mut Schema) {
    schema.insert("examples".to_owned(), json!(ReasonCode::ALL.map(ReasonCode::as_str)));
}

/// Examples of [`SessionSend`].
pub const SESSION_SENDS: &[&str] = &[
    r#"{"intent_id":"order-1","channel":"whatsapp","business_id":"15550100","customer_id":"16505551234","message":{"type":"text","text":{"body":"Your parcel is on its way."}},"window":{"opened_at":"2026-11-23T07:07:55.000Z","last_inbound_at":"2026-11-23T07:07:55.000Z","expires_at":"2026-11-24T07:07:55.000Z"},"decided_at":"2026-11-23T07:07:55.666Z","source":{"topic":"outbound-intent","partition":3,"offset":0}}"#,
];

/// Examples of [`TemplateRequired`].
pub const TEMPLATES_REQUIRED: &[&str] = &[
    r#"{"intent_id":"order-2","channel":"whatsapp","business_id":"15550100","customer_id":"16505559999","message":{"type":"text","text":{"body":"Your parcel is on its way."}},"template":{"name":"parcel_sent","language":"en","status":"unknown"},"reason":"no_open_window","ready":true,"basis":"complete","decided_at":"2026-11-23T07:07:59.656Z","source":{"topic":"outbound-intent","partition":0,"offset":0}}"#,
    r#"{"intent_id":"order-4","channel":"whatsapp","business_id":"15550100","customer_id":"16505551234","message":{"type":"text","text":{"body":"Good night."}},"reason":"window_closing","ready":false,"window":{"opened_at":"2026-11-23T07:07:55.000Z","last_inbound_at":"2026-11-23T07:07:55.000Z","expires_at":"2026-11-24T07:07:55.000Z"},"basis":"complete","decided_at":"2026-11-24T07:07:20.000Z","source":{"topic":"outbound-intent","partition":3,"offset":7}}"#,
];

/// Examples of [`WindowEvent`].
pub const WINDOW_EVENTS: &[&str] = &[
    r#"{"event":"opened","channel":"whatsapp","business_id":"15550100","customer_id":"16505551234","occurred_at":"2026-11-23T07:07:55.000Z","opened_at":"2026-11-23T07:07:55.000Z","last_inbound_at":"2026-11-23T07:07:55.000Z","expires_at":"2026-11-24T07:07:55.000Z","cause":{"message_id":"wamid.1","type":"text"},"source":{"topic":"inbound-message","partition":3,"offset":0}}"#,
];

/// Examples of [`EventHeaders`].
pub const EVENT_HEADERS: &[&str] = &[
    r#"{"ce_specversion":"1.0","ce_id":"outbound-intent/3/0/verdict","ce_source":"/sessiongate/sessiongate","ce_type":"sessiongate.session-send.v1","ce_subject":"15550100:16505551234","ce_time":"2026-11-23T07:07:55.666Z","content-type":"application/json","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}"#,
];

/// Examples of [`DeadLetterHeaders`]; numbers where a header holds bytes.
pub const DEAD_LETTER_HEADERS: &[&str] = &[
    r#"{"sessiongate.error.reason":"not_json","sessiongate.error.detail":"the JSON ends or breaks at line 1, column 2","sessiongate.error.topic":"outbound-intent","sessiongate.error.partition":"1","sessiongate.error.offset":"0","sessiongate.error.timestamp":"2026-11-23T07:07:59.646Z","sessiongate.error.group":"sessiongate","kafka_dlt-original-topic":"outbound-intent","kafka_dlt-original-partition":1,"kafka_dlt-original-offset":0,"kafka_dlt-original-timestamp":1795417679646,"kafka_dlt-original-consumer-group":"sessiongate","kafka_dlt-exception-message":"the JSON ends or breaks at line 1, column 2","__connect.errors.topic":"outbound-intent","__connect.errors.partition":"1","__connect.errors.offset":"0","__connect.errors.exception.message":"the JSON ends or breaks at line 1, column 2"}"#,
];
