//! What a schema of an input allows is what the decoders take.

use super::{errors, examples, named, validator};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sessiongate::contract::input::{DeliveryStatus, InboundMessage, OutboundIntent, TemplateStatus};
use sessiongate::core::ids::{Offset, Partition};
use sessiongate::core::record::{Record, Reject, Stream};
use sessiongate::core::time::Timestamp;
use sessiongate::wire::canonical::{decode_inbound, decode_intent};

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

fn inbound(value: &Value) -> Result<(), Reject> {
    let decoded = decode_inbound(&record(Stream::Inbound, value), &|_| true);
    decoded.rejects.into_iter().next().map_or(Ok(()), Err)
}

fn intent(value: &Value) -> Result<(), Reject> {
    decode_intent(&record(Stream::Intent, value), &|_| true).intent.map(|_| ())
}

type Decode = fn(&Value) -> Result<(), Reject>;

const READ: [(&str, Decode); 2] = [("inbound-message", inbound), ("outbound-intent", intent)];

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

const FIELDS: [&str; 15] = [
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
            for field in FIELDS {
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
