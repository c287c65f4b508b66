//! What the encoder writes is what the schemas of outputs promise.

use super::{errors, named, validator};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use sessiongate::contract::output::{DeadLetterHeaders, EventHeaders, SessionSend, TemplateRequired, WindowEvent};
use sessiongate::core::delivery::FailedDelivery;
use sessiongate::core::emission::{self, DeadLetter, DecidedIntent, Emission, Part, WindowChange};
use sessiongate::core::ids::{BusinessId, Channel, CustomerId, IntentId, MessageId, Offset, Partition, Position};
use sessiongate::core::inbound::InboundEvent;
use sessiongate::core::intent::Intent;
use sessiongate::core::record::{Header, ReasonCode, Record, Reject, Stream};
use sessiongate::core::template::{TemplateId, TemplateOwner, TemplateStatus, TemplateUpdate};
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::verdict::{Basis, TemplateReason, Verdict};
use sessiongate::core::window::Window;
use sessiongate::ports::OutputRecord;
use sessiongate::wire::output::{Encoder, Topics};

fn now() -> Timestamp {
    Timestamp::from_millis(1_795_417_679_656)
}
const DAY: Span = Span::from_hours(24);
const REASONS: [TemplateReason; 4] = [
    TemplateReason::NoOpenWindow,
    TemplateReason::WindowClosing,
    TemplateReason::ProviderRefused,
    TemplateReason::TemplateRequested,
];
const BASES: [Basis; 3] = [Basis::Complete, Basis::Timeout, Basis::Advisory];

fn encode(emission: Emission) -> OutputRecord {
    Encoder::new(Topics::default(), "gate", "/sessiongate/gate", 20_000).encode(&emission, now())
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: Some(Bytes::copy_from_slice(value.as_bytes())) }
}

fn record(stream: Stream, traced: bool) -> Record {
    let trace = [header("traceparent", "00-1-2-01"), header("tracestate", "vendor=1"), header("x-own", "1")];
    Record {
        stream,
        partition: Partition(3),
        offset: Offset(42),
        timestamp: now(),
        key: Some(Bytes::from_static(b"106:5511")),
        value: Some(Bytes::from_static(b"{\"any\": 1}")),
        headers: if traced { trace.to_vec() } else { vec![] },
    }
}

fn window() -> Window {
    Window::opened_by(now(), Position { partition: Partition(1), offset: Offset(7) })
}

fn verdict(verdict: Verdict, message: bool, template: Option<&'static str>) -> OutputRecord {
    encode(Emission::Verdict(Box::new(DecidedIntent {
        record: record(Stream::Intent, message),
        intent: Box::new(Intent {
            intent_id: IntentId::new("i-1"),
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            requested_at: now(),
            expires_at: None,
            message: message.then(|| Bytes::from_static(br#"{"type":"text","text":{"body":"hi"}}"#)),
            template: template.map(|text| Bytes::from_static(text.as_bytes())),
        }),
        verdict,
        window_length: DAY,
        decided_at: now(),
    })))
}

/// Valid by its schema, and nothing is lost when the type reads it and writes it again.
fn keeps<T: Serialize + DeserializeOwned>(name: &str, value: &Value) {
    assert_eq!(errors(&validator(named(name)), value), Vec::<String>::new(), "{name}: {value}");
    let read: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{name}: {error}: {value}"));
    assert_eq!(&serde_json::to_value(&read).unwrap(), value, "{name}");
}

fn value_of(output: &OutputRecord) -> Value {
    keeps::<EventHeaders>("event-headers", &headers_of("event-headers", &output.to_headers()));
    serde_json::from_slice(output.value().unwrap()).unwrap()
}

/// Headers as the JSON object that their schema speaks of.
fn headers_of(contract: &str, headers: &[Header]) -> Value {
    let schema = named(contract).schema();
    let value = |header: &Header| {
        let bytes = header.value.as_deref().unwrap_or_default();
        match schema["properties"][header.name.as_str()]["x-kafka-encoding"].as_str() {
            Some("big-endian-4") => json!(i32::from_be_bytes(bytes.try_into().unwrap())),
            Some("big-endian-8") => json!(i64::from_be_bytes(bytes.try_into().unwrap())),
            _ => json!(std::str::from_utf8(bytes).unwrap()),
        }
    };
    let own = headers.iter().filter(|header| !header.name.starts_with("x-"));
    Value::Object(own.map(|header| (header.name.to_string(), value(header))).collect::<Map<_, _>>())
}

#[test]
fn a_session_send_is_what_its_schema_says() {
    let output = verdict(Verdict::SessionSend { window: window() }, true, None);
    keeps::<SessionSend>("session-send", &value_of(&output));
}

#[test]
fn a_template_required_is_what_its_schema_says_whatever_it_holds() {
    let templates = [None, Some("{}"), Some(r#"{"name":"hi","language":"en","status":"mine","components":[1]}"#)];
    for reason in REASONS {
        for basis in BASES {
            for window in [None, Some(window())] {
                for template in templates {
                    for message in [true, false] {
                        let output = verdict(Verdict::TemplateRequired { reason, basis, window }, message, template);
                        keeps::<TemplateRequired>("template-required", &value_of(&output));
                    }
                }
            }
        }
    }
}

#[test]
fn a_window_event_is_what_its_schema_says() {
    for change in [WindowChange::Opened, WindowChange::Refreshed] {
        let cause = InboundEvent {
            message_id: MessageId::new("wamid.1"),
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            customer_aliases: vec![],
            kind: "text".into(),
            occurred_at: now(),
        };
        let output = encode(Emission::WindowEvent(Box::new(emission::WindowEvent {
            record: record(Stream::Inbound, true),
            event_index: 0,
            change,
            customer_id: cause.customer_id.clone(),
            cause,
            window: window(),
            window_length: DAY,
        })));
        keeps::<WindowEvent>("window-event", &value_of(&output));
    }
}

#[test]
fn a_part_that_is_passed_on_is_what_its_topic_takes() {
    let customer = |id: &str| CustomerId::new(id);
    let (channel, business_id) = (Channel::new("whatsapp"), BusinessId::new("106"));
    let event = InboundEvent {
        message_id: MessageId::new("wamid.1"),
        channel: channel.clone(),
        business_id: business_id.clone(),
        customer_id: customer("5511"),
        customer_aliases: vec![customer("US.1349")],
        kind: "text".into(),
        occurred_at: now(),
    };
    let refusal = FailedDelivery {
        channel,
        business_id: business_id.clone(),
        customer_id: customer("5511"),
        error_code: 131_047,
        occurred_at: now(),
    };
    let update = |owner| {
        let id = TemplateId { owner, name: "hi".into(), language: "en_US".into() };
        TemplateUpdate { id, status: TemplateStatus::new("PAUSED"), occurred_at: now() }
    };
    let owners = [TemplateOwner::Account("102".into()), TemplateOwner::Business(business_id)];
    let emissions = [Emission::Inbound(part(event)), Emission::Delivery(part(refusal))].into_iter();
    for emission in emissions.chain(owners.map(|owner| Emission::Template(part(update(owner))))) {
        let output = encode(emission);
        let value = value_of(&output);
        assert_eq!(errors(&validator(named(&output.topic)), &value), Vec::<String>::new(), "{value}");
        let headers = headers_of("event-headers", &output.to_headers());
        assert_eq!((&headers["traceparent"], &headers["tracestate"]), (&json!("00-1-2-01"), &json!("vendor=1")));
    }
}

fn part<T>(part: T) -> Box<Part<T>> {
    Box::new(Part { record: record(Stream::Inbound, true), index: 0, part })
}

#[test]
fn the_headers_of_a_dead_letter_are_what_their_schema_says() {
    let huge = Bytes::from("k".repeat(30_000));
    for code in ReasonCode::ALL {
        for cut in [false, true] {
            let mut original = record(Stream::Intent, false);
            if cut {
                original.key = Some(huge.clone());
                original.value = Some(huge.clone());
                original.headers = vec![Header { name: "x-wide".into(), value: Some(huge.clone()) }];
            }
            let reject = Reject::new(code, "why");
            let reject = if cut { reject.at("entry[0]") } else { reject };
            let output = encode(Emission::DeadLetter(Box::new(DeadLetter { record: original, reject })));
            let headers = headers_of("dead-letter-headers", &output.to_headers());
            keeps::<DeadLetterHeaders>("dead-letter-headers", &headers);
            assert_eq!(headers["sessiongate.error.dropped-key"].is_string(), cut);
        }
    }
}

#[test]
fn the_lists_of_codes_are_those_that_are_written() {
    let defined = |name: &str| -> Vec<String> {
        let schema = named("template-required").schema();
        let of = schema["$defs"][name]["oneOf"].as_array().unwrap().clone();
        of.iter().map(|one| one["const"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(defined("Reason"), REASONS.map(TemplateReason::as_str));
    assert_eq!(defined("Basis"), BASES.map(Basis::as_str));
    let headers = named("dead-letter-headers").schema();
    let codes = &headers["properties"]["sessiongate.error.reason"]["examples"];
    assert_eq!(codes, &json!(ReasonCode::ALL.map(ReasonCode::as_str)));
}
