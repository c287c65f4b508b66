//! What a schema of an input allows is what the decoders take.

use super::{errors, examples, named, validator};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sessiongate::contract::input::{DeliveryStatus, InboundMessage, OutboundIntent, TemplateStatus};
use sessiongate::core::decoded::DecodedInbound;
use sessiongate::core::ids::{Channel, Offset, Partition};
use sessiongate::core::policy::{ChannelPolicy, Policy};
use sessiongate::core::record::{ReasonCode, Record, Reject, Stream};
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::window::WindowRules;
use sessiongate::wire::decoder::{Decoder, Format, Formats};

fn record(stream: Stream, value: &Value) -> Record {
    Record {
        stream,
        partition: Partition(0),
        offset: Offset(0),
        timestamp: Timestamp::from_millis(0),
        key: None,
        value: Some(Bytes::from(value.to_string())),
        headers: vec![],
    }
}

fn decoder() -> Decoder {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    let channels =
        ["whatsapp", "a", "Größe", &"x".repeat(256)].map(|name| (Channel::new(name), ChannelPolicy::new(rules)));
    let canonical = Format::Canonical;
    let formats = Formats { inbound_message: canonical, delivery_status: canonical, template_status: canonical };
    Decoder::new(formats, Policy::new(channels))
}

fn first(decoded: DecodedInbound) -> Result<(), Reject> {
    but_for_the_channel(decoded.rejects.into_iter().next().map_or(Ok(()), Err))
}

/// Which channels there are, the configuration says, and no schema.
fn but_for_the_channel(read: Result<(), Reject>) -> Result<(), Reject> {
    read.or_else(|reject| if reject.code == ReasonCode::UnknownChannel { Ok(()) } else { Err(reject) })
}

fn inbound(value: &Value) -> Result<(), Reject> {
    first(decoder().decode_inbound(&record(Stream::Inbound, value)))
}

fn intent(value: &Value) -> Result<(), Reject> {
    but_for_the_channel(decoder().decode_intent(&record(Stream::Intent, value)).intent.map(|_| ()))
}

fn delivery(value: &Value) -> Result<(), Reject> {
    first(decoder().decode_delivery_status(&record(Stream::Inbound, value)))
}

fn template(value: &Value) -> Result<(), Reject> {
    first(decoder().decode_template_status(&record(Stream::Inbound, value)))
}

type Decode = fn(&Value) -> Result<(), Reject>;

const READ: [(&str, Decode); 4] = [
    ("inbound-message", inbound),
    ("outbound-intent", intent),
    ("delivery-status", delivery),
    ("template-status", template),
];

/// Values that fields are given in turn; some of them suit some fields.
fn values() -> Vec<Value> {
    let long = |length: usize| Value::from("x".repeat(length));
    let many = |length: usize| Value::from(vec!["US.1"; length]);
    vec![
        Value::Null,
        json!(""),
        json!("a"),
        json!("a b"),
        json!("a\u{a0}b"),
        json!("a\nb"),
        json!("a\u{7f}b"),
        json!("a:b"),
        json!("Größe"),
        long(256),
        long(257),
        long(512),
        long(513),
        json!(5),
        json!(true),
        json!([]),
        json!(["a"]),
        json!(["a b"]),
        json!([null]),
        many(16),
        many(17),
        json!({}),
        json!({ "type": "text", "text": { "body": "hi" } }),
        json!("2026-11-23T07:07:55Z"),
        json!("2026-11-23T07:07:55.123456+05:30"),
        json!("2026-11-23"),
        json!("2026-13-23T07:07:55Z"),
    ]
}

const FIELDS: [&str; 20] = [
    "message_id",
    "intent_id",
    "channel",
    "business_id",
    "customer_id",
    "customer_aliases",
    "type",
    "occurred_at",
    "requested_at",
    "expires_at",
    "message",
    "template",
    "customer_ids",
    "recipients",
    "to",
    "account_id",
    "name",
    "language",
    "status",
    "error_code",
];

#[test]
fn the_decoders_read_every_example() {
    for (name, decode) in READ {
        for example in examples(named(name)) {
            assert_eq!(decode(&example), Ok(()), "{name}: {example}");
        }
    }
}

#[test]
fn a_schema_allows_what_its_decoder_takes_and_nothing_else() {
    let (mut taken, mut refused) = (0, 0);
    for (name, decode) in READ {
        let validator = validator(named(name));
        for example in examples(named(name)) {
            // With an account, nobody looks at the business: what a schema says of it is for writers.
            let unread = if example["account_id"].is_string() { "business_id" } else { "" };
            for field in FIELDS.into_iter().filter(|field| *field != unread) {
                let absent = without(&example, field);
                let given = values().into_iter().map(|value| with(&example, field, value));
                for changed in [absent].into_iter().chain(given) {
                    let decoded = decode(&changed);
                    let allowed = errors(&validator, &changed);
                    assert_eq!(allowed.is_empty(), decoded.is_ok(), "{name}: {changed}\n{decoded:?}\n{allowed:?}");
                    *if decoded.is_ok() { &mut taken } else { &mut refused } += 1;
                }
            }
        }
    }
    assert!(taken > 500 && refused > 500, "both sides were tried: {taken} taken, {refused} refused");
}

#[test]
fn every_example_is_read_and_written_by_its_type() {
    round_trips::<InboundMessage>("inbound-message");
    round_trips::<OutboundIntent>("outbound-intent");
    round_trips::<TemplateStatus>("template-status");
    round_trips::<DeliveryStatus>("delivery-status");
}

fn round_trips<T: Serialize + DeserializeOwned>(name: &str) {
    for example in examples(named(name)) {
        let read: T = serde_json::from_value(example.clone()).unwrap();
        let written = serde_json::to_value(&read).unwrap();
        for (field, value) in written.as_object().unwrap() {
            assert_eq!(value, &example[field], "{name}: {field}");
        }
        assert_eq!(errors(&validator(named(name)), &written), Vec::<String>::new(), "{name}");
    }
}

fn with(example: &Value, field: &str, value: Value) -> Value {
    let mut changed = example.clone();
    changed[field] = value;
    changed
}

fn without(example: &Value, field: &str) -> Value {
    let mut changed = example.clone();
    changed.as_object_mut().unwrap().remove(field);
    changed
}
