//! What the worker reads.

use super::text::{Id, KeyPart, TemplateName, Time};
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a customer did. Only what customers do opens a window.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct InboundMessage {
    /// The provider's id of the message (`wamid...`).
    pub message_id: Id,
    /// The channel; `whatsapp` when it is absent.
    #[serde(default)]
    pub channel: Option<KeyPart>,
    /// The business's own address. For WhatsApp the phone number id, never the account.
    pub business_id: KeyPart,
    /// The customer's address: for WhatsApp a wa_id (digits), a BSUID (`US.1349...`) or a group's id.
    pub customer_id: Id,
    /// Other ids of the same person; the window opens under each.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub customer_aliases: Option<Vec<Id>>,
    /// What it was: `text`, `image`, `reaction`, `call`, ...
    pub r#type: Id,
    /// When the customer acted.
    pub occurred_at: Time,
}

/// What a service wants to say to one customer. At least one of `message` and `template` is required.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
#[schemars(transform = one_recipient_and_some_content)]
pub struct OutboundIntent {
    /// The intent's idempotency key, unique for a business.
    pub intent_id: Id,
    /// The channel; `whatsapp` when it is absent.
    #[serde(default)]
    pub channel: Option<KeyPart>,
    /// The business's own address.
    pub business_id: KeyPart,
    /// The customer's address. One: a list is refused.
    pub customer_id: Id,
    /// When the service asked.
    #[serde(default)]
    pub requested_at: Option<Time>,
    /// Once this has passed, the intent becomes a dead letter.
    #[serde(default)]
    pub expires_at: Option<Time>,
    /// The free-form content, passed through byte for byte.
    #[serde(default)]
    pub message: Option<Map<String, Value>>,
    /// The template to fall back on (`name`, `language`, `components`), passed through save for its `status`.
    #[serde(default)]
    pub template: Option<Map<String, Value>>,
}

/// A template's status changed. One of `account_id` and `business_id` says whose template it is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
#[schemars(transform = some_owner)]
pub struct TemplateStatus {
    /// The account: for WhatsApp the business account, a webhook's `entry.id`.
    #[serde(default)]
    pub account_id: Option<Id>,
    /// The business's own address, where no account is known.
    #[serde(default)]
    pub business_id: Option<KeyPart>,
    /// The template's name.
    pub name: TemplateName,
    /// Its language, as in the template: `en_US`, `pt_BR`.
    pub language: Id,
    /// Its status in the provider's words (`APPROVED`, `PAUSED`), in any case.
    pub status: Id,
    /// When it changed.
    pub occurred_at: Time,
}

/// A send that the provider refused.
#[derive(Serialize, Deserialize, JsonSchema, Clone, PartialEq, Debug)]
pub struct DeliveryStatus {
    /// The channel; `whatsapp` when it is absent.
    #[serde(default)]
    pub channel: Option<KeyPart>,
    /// The business's own address.
    pub business_id: KeyPart,
    /// The customer's address.
    pub customer_id: Id,
    /// The provider's code. 131047, 470 and 63016 say that the window was closed.
    pub error_code: u32,
    /// When the provider refused it.
    pub occurred_at: Time,
}

fn one_recipient_and_some_content(schema: &mut Schema) {
    schema.insert("anyOf".to_owned(), json!([of_type("message", "object"), of_type("template", "object")]));
    let lists = ["customer_ids", "recipients", "to"].map(|name| of_type(name, "array"));
    schema.insert("not".to_owned(), json!({ "anyOf": lists }));
}

fn some_owner(schema: &mut Schema) {
    schema.insert("anyOf".to_owned(), json!([of_type("account_id", "string"), of_type("business_id", "string")]));
}

fn of_type(name: &str, kind: &str) -> Value {
    json!({ "required": [name], "properties": { name: { "type": kind } } })
}

/// Examples of [`InboundMessage`].
pub const INBOUND_MESSAGES: &[&str] = &[
    r#"{"message_id":"wamid.1","business_id":"15550100","customer_id":"16505551234","type":"text","occurred_at":"2026-11-23T07:07:55Z"}"#,
    r#"{"message_id":"wamid.2","channel":"whatsapp","business_id":"15550100","customer_id":"16505551234","customer_aliases":["US.13491208655302741918"],"type":"reaction","occurred_at":"2026-11-23T08:07:55.250+01:00","reaction":{"emoji":"👍"}}"#,
];

/// Examples of [`OutboundIntent`].
pub const OUTBOUND_INTENTS: &[&str] = &[
    r#"{"intent_id":"order-1","business_id":"15550100","customer_id":"16505551234","message":{"type":"text","text":{"body":"Your parcel is on its way."}}}"#,
    r#"{"intent_id":"order-2","channel":"whatsapp","business_id":"15550100","customer_id":"16505559999","requested_at":"2026-11-23T07:07:59Z","expires_at":"2026-11-23T09:00:00Z","message":{"type":"text","text":{"body":"Your parcel is on its way."}},"template":{"name":"parcel_sent","language":"en","components":[]}}"#,
    r#"{"intent_id":"order-3","business_id":"15550100","customer_id":"16505559999","template":{"name":"parcel_sent","language":"en"}}"#,
];

/// Examples of [`TemplateStatus`].
pub const TEMPLATE_STATUSES: &[&str] = &[
    r#"{"account_id":"102290129340398","name":"parcel_sent","language":"en","status":"APPROVED","occurred_at":"2026-11-23T07:00:00Z"}"#,
    r#"{"business_id":"15550100","name":"parcel_sent","language":"en_US","status":"paused","occurred_at":"2026-11-23T07:00:00Z"}"#,
];

/// Examples of [`DeliveryStatus`].
pub const DELIVERY_STATUSES: &[&str] = &[
    r#"{"business_id":"15550100","customer_id":"16505551234","error_code":131047,"occurred_at":"2026-11-23T07:08:01Z"}"#,
];
