mod dead_letters;

use super::*;
use crate::core::emission::DeadLetter;
use crate::core::ids::{Channel, IntentId, MessageId, Offset, Partition, Position};
use crate::core::inbound::InboundEvent;
use crate::core::intent::Intent;
use crate::core::record::Header;
use crate::core::verdict::{Basis, TemplateReason};
use crate::wire::dead_letter::MAX_DETAIL_BYTES;
use crate::wire::fields::MAX_ID_BYTES;
use crate::wire::headers::header;
use crate::wire::time;
use proptest::prelude::*;

const NOW: &str = "2026-11-22T10:15:30.123Z";
const LARGE: usize = 1_000_000;

fn encoder(max_output_bytes: usize) -> Encoder {
    let topics = Topics {
        session_send: "out.send".into(),
        template_required: "out.template".into(),
        window_event: "out.window".into(),
        dead_letter: "out.dead".into(),
        inbound_message: "in.message".into(),
        outbound_intent: "in.intent".into(),
        delivery_status: Some("delivery-status".into()),
        template_status: Some("template-status".into()),
    };
    Encoder::new(topics, "gate", "/sessiongate", max_output_bytes)
}

fn now() -> Timestamp {
    time::parse(NOW).unwrap()
}

fn record(stream: Stream) -> Record {
    Record {
        stream,
        partition: Partition(3),
        offset: Offset(42),
        timestamp: Timestamp::from_millis(1_000),
        key: Some(Bytes::from_static(b"106:5511")),
        value: Some(Bytes::from_static(b"{\"any\": 1}")),
        headers: vec![],
    }
}

fn window() -> Window {
    let opened_by = Position { partition: Partition(1), offset: Offset(7) };
    Window { last_inbound_at: Timestamp::from_millis(5_000), ..Window::opened_by(Timestamp::from_millis(0), opened_by) }
}

fn decided(verdict: Verdict) -> DecidedIntent {
    DecidedIntent {
        record: record(Stream::Intent),
        intent: Box::new(Intent {
            intent_id: IntentId::new("i-1"),
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            requested_at: now(),
            expires_at: None,
            message: Some(Bytes::from_static(br#"{ "n":1e400 }"#)),
            template: Some(Bytes::from_static(br#"{ "name":"hi" }"#)),
        }),
        verdict,
        window_length: Span::from_hours(24),
        decided_at: now(),
    }
}

fn template_required(reason: TemplateReason, basis: Basis, window: Option<Window>) -> DecidedIntent {
    decided(Verdict::TemplateRequired { reason, basis, window })
}

fn window_event() -> WindowEvent {
    WindowEvent {
        record: record(Stream::Inbound),
        event_index: 4,
        change: WindowChange::Opened,
        cause: InboundEvent {
            message_id: MessageId::new("wamid.1"),
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            customer_aliases: vec![CustomerId::new("5511"), CustomerId::new("US.1349")],
            kind: "text".into(),
            occurred_at: Timestamp::from_millis(5_000),
        },
        customer_id: CustomerId::new("US.1349"),
        window: window(),
        window_length: Span::from_hours(24),
    }
}

fn encode(emission: Emission) -> OutputRecord {
    encoder(LARGE).encode(&emission, now())
}

fn verdict(decided: DecidedIntent) -> OutputRecord {
    encode(Emission::Verdict(Box::new(decided)))
}

fn dead_letter(max_output_bytes: usize, record: Record, reject: Reject) -> OutputRecord {
    encoder(max_output_bytes).encode(&Emission::DeadLetter(Box::new(DeadLetter { record, reject })), now())
}

fn value_of(output: &OutputRecord) -> &str {
    std::str::from_utf8(output.value().unwrap()).unwrap()
}

/// Headers as lines of `name=value`, bytes that are no text escaped.
fn lines(output: &OutputRecord) -> Vec<String> {
    let line = |header: Header| format!("{}={}", header.name, header.value.as_deref().unwrap_or(b"-").escape_ascii());
    output.to_headers().into_iter().map(line).collect()
}

fn value_of_header<'a>(output: &'a OutputRecord, name: &str) -> Option<&'a [u8]> {
    output.header(name)
}

#[test]
fn a_session_send_holds_the_message_as_given_and_its_window() {
    let output = verdict(decided(Verdict::SessionSend { window: window() }));
    let expected = concat!(
        r#"{"intent_id":"i-1","channel":"whatsapp","business_id":"106","customer_id":"5511","message":{ "n":1e400 },"#,
        r#""window":{"opened_at":"1970-01-01T00:00:00.000Z","last_inbound_at":"1970-01-01T00:00:05.000Z","#,
        r#""expires_at":"1970-01-02T00:00:05.000Z"},"decided_at":"2026-11-22T10:15:30.123Z","#,
        r#""source":{"topic":"in.intent","partition":3,"offset":42}}"#,
    );
    assert_eq!(value_of(&output), expected);
    assert_eq!((&*output.topic, output.key()), ("out.send", Some(b"106:5511".as_slice())));
    assert_eq!(output.timestamp, Some(now()));
    assert_eq!(
        lines(&output),
        [
            "ce_specversion=1.0",
            "ce_id=in.intent/3/42/verdict",
            "ce_source=/sessiongate",
            "ce_type=sessiongate.session-send.v1",
            "ce_subject=106:5511",
            "ce_time=2026-11-22T10:15:30.123Z",
            "content-type=application/json",
        ]
    );
}

#[test]
fn a_template_required_says_why_and_what_it_rests_on() {
    let output = verdict(template_required(TemplateReason::WindowClosing, Basis::Complete, Some(window())));
    let expected = concat!(
        r#"{"intent_id":"i-1","channel":"whatsapp","business_id":"106","customer_id":"5511","message":{ "n":1e400 },"#,
        r#""template":{ "name":"hi","status":"unknown"},"reason":"window_closing","ready":true,"#,
        r#""window":{"opened_at":"1970-01-01T00:00:00.000Z","last_inbound_at":"1970-01-01T00:00:05.000Z","#,
        r#""expires_at":"1970-01-02T00:00:05.000Z"},"basis":"complete","decided_at":"2026-11-22T10:15:30.123Z","#,
        r#""source":{"topic":"in.intent","partition":3,"offset":42}}"#,
    );
    assert_eq!((&*output.topic, value_of(&output)), ("out.template", expected));
    assert_eq!(value_of_header(&output, "ce_type"), Some(b"sessiongate.template-required.v1".as_slice()));
}

#[test]
fn what_an_intent_lacks_its_verdict_lacks_too() {
    let mut lacking = template_required(TemplateReason::NoOpenWindow, Basis::Timeout, None);
    lacking.intent.template = None;
    let expected = concat!(
        r#"{"intent_id":"i-1","channel":"whatsapp","business_id":"106","customer_id":"5511","message":{ "n":1e400 },"#,
        r#""reason":"no_open_window","ready":false,"basis":"timeout","decided_at":"2026-11-22T10:15:30.123Z","#,
        r#""source":{"topic":"in.intent","partition":3,"offset":42}}"#,
    );
    assert_eq!(value_of(&verdict(lacking)), expected);

    let mut lacking = template_required(TemplateReason::TemplateRequested, Basis::Complete, None);
    lacking.intent.message = None;
    let output = verdict(lacking);
    assert!(value_of(&output).contains(r#""customer_id":"5511","template":{"#), "{}", value_of(&output));
}

#[test]
fn a_window_event_names_its_cause_and_never_a_customer_in_its_id() {
    let output = encode(Emission::WindowEvent(Box::new(window_event())));
    let expected = concat!(
        r#"{"event":"opened","channel":"whatsapp","business_id":"106","customer_id":"US.1349","#,
        r#""occurred_at":"1970-01-01T00:00:05.000Z","opened_at":"1970-01-01T00:00:00.000Z","#,
        r#""last_inbound_at":"1970-01-01T00:00:05.000Z","expires_at":"1970-01-02T00:00:05.000Z","#,
        r#""cause":{"message_id":"wamid.1","type":"text"},"source":{"topic":"in.message","partition":3,"offset":42}}"#,
    );
    assert_eq!((&*output.topic, value_of(&output)), ("out.window", expected));
    assert_eq!((output.key(), output.timestamp), (Some(b"106:US.1349".as_slice()), Some(now())));
    assert_eq!(
        lines(&output),
        [
            "ce_specversion=1.0",
            "ce_id=in.message/3/42/4/1/opened",
            "ce_source=/sessiongate",
            "ce_type=sessiongate.window-event.v1",
            "ce_subject=106:US.1349",
            "ce_time=1970-01-01T00:00:05.000Z",
            "content-type=application/json",
        ]
    );

    let refreshed =
        WindowEvent { change: WindowChange::Refreshed, customer_id: CustomerId::new("5511"), ..window_event() };
    let output = encode(Emission::WindowEvent(Box::new(refreshed)));
    assert_eq!(value_of_header(&output, "ce_id"), Some(b"in.message/3/42/4/0/refreshed".as_slice()));
}

#[test]
fn the_trace_context_of_the_input_is_carried_on() {
    let mut traced = decided(Verdict::SessionSend { window: window() });
    traced.record.headers = vec![
        header("traceparent", "00-old"),
        header("other", "x"),
        header("traceparent", "00-new"),
        header("tracestate", "a=b"),
    ];
    let output = verdict(traced.clone());
    assert_eq!(lines(&output)[7..], ["traceparent=00-new", "tracestate=a=b"]);

    traced.record.headers =
        vec![header("tracestate", "x".repeat(1_025)), Header { name: "traceparent".into(), value: None }];
    assert_eq!(verdict(traced).header_count(), 7, "what is no trace context is left out");
}

#[test]
fn a_verdict_that_does_not_fit_becomes_the_dead_letter_of_its_intent() {
    let max = SMALLEST_MAX_OUTPUT_BYTES;
    let of_size = |message_bytes: usize| {
        let mut decided = decided(Verdict::SessionSend { window: window() });
        decided.intent.message = Some(Bytes::from(format!(r#"{{"a":"{}"}}"#, "x".repeat(message_bytes))));
        encoder(max).encode(&Emission::Verdict(Box::new(decided)), now())
    };
    let spare = max - size_of(&of_size(0));
    assert_eq!((&*of_size(spare).topic, size_of(&of_size(spare))), ("out.send", max), "to the last byte");
    let output = of_size(spare + 1);
    assert_eq!((&*output.topic, output.value()), ("out.dead", record(Stream::Intent).value.as_deref()));
    assert_eq!(value_of_header(&output, "sessiongate.error.reason"), Some(b"too_large".as_slice()));
    let detail = b"its verdict would take 16385 bytes, at most 16384 are allowed";
    assert_eq!(value_of_header(&output, "sessiongate.error.detail"), Some(detail.as_slice()));
}

#[test]
fn the_largest_window_event_fits_into_the_smallest_limit() {
    let worst = |last: char| format!("{}{last}", "\"".repeat(MAX_ID_BYTES - 1));
    let mut event = window_event();
    event.record.headers = ["traceparent", "tracestate"].map(|name| header(name, "x".repeat(1_024))).to_vec();
    event.customer_id = CustomerId::new(worst('a'));
    event.cause.channel = Channel::new(worst('b'));
    event.cause.business_id = BusinessId::new(worst('c'));
    event.cause.message_id = MessageId::new(worst('d'));
    event.cause.kind = worst('e').into();
    let size = size_of(&encode(Emission::WindowEvent(Box::new(event))));
    assert!(size + 4 * 249 < SMALLEST_MAX_OUTPUT_BYTES, "{size}, and the longest names of topics");
}

proptest! {
    #[test]
    fn no_dead_letter_exceeds_the_limit(
        key in 0..40_000_usize, value in 0..40_000_usize, headers in prop::collection::vec(0..10_000_usize, 0..6),
    ) {
        let original = Record {
            key: Some(Bytes::from("k".repeat(key))),
            value: Some(Bytes::from("v".repeat(value))),
            headers: headers.into_iter().map(|bytes| header("h", "x".repeat(bytes))).collect(),
            ..record(Stream::Inbound)
        };
        let whole = dead_letter(LARGE, original.clone(), Reject::new(ReasonCode::NotJson, "x".repeat(600)));
        let output = dead_letter(20_000, original.clone(), Reject::new(ReasonCode::NotJson, "x".repeat(600)));
        prop_assert!(size_of(&output) <= 20_000);
        prop_assert_eq!(output == whole, size_of(&whole) <= 20_000, "what fits is left alone");
        let cut = output.value().map(<[u8]>::len) != Some(value);
        prop_assert_eq!(value_of_header(&output, "sessiongate.error.truncated").is_some(), cut);
        prop_assert!(original.value.unwrap().starts_with(output.value().unwrap()));
    }

    #[test]
    fn a_verdict_is_json_whatever_the_ids_hold(id in any::<String>(), business in any::<String>()) {
        let mut decided = template_required(TemplateReason::NoOpenWindow, Basis::Complete, None);
        decided.intent.intent_id = IntentId::new(&id);
        decided.intent.business_id = BusinessId::new(&business);
        decided.intent.message = Some(Bytes::from_static(b"{}"));
        let output = verdict(decided);
        let value: serde_json::Value = serde_json::from_slice(output.value().unwrap()).unwrap();
        prop_assert_eq!((value["intent_id"].as_str(), value["business_id"].as_str()), (Some(&*id), Some(&*business)));
    }
}

#[test]
fn a_template_is_ready_unless_its_status_says_that_it_cannot_be_sent() {
    let table = [(Some("approved"), true), (Some("paused"), false), (Some("flagged"), true), (None, true)];
    for (status, ready) in table {
        let mut decided = template_required(TemplateReason::NoOpenWindow, Basis::Complete, None);
        decided.intent.message = None;
        decided.intent.template = Some(Bytes::from_static(br#"{"name":"hi","language":{"code":"en_US"}}"#));
        let emission = Emission::Verdict(Box::new(decided));
        let output = encoder(LARGE).encode_knowing(&emission, now(), &|business, name, language| {
            assert_eq!((business.as_str(), name, language), ("106", "hi", "en_US"));
            status.map(TemplateStatus::new)
        });
        let json: serde_json::Value = serde_json::from_str(value_of(&output)).unwrap();
        let expected = (serde_json::json!(status.unwrap_or("unknown")), serde_json::json!(ready));
        assert_eq!((&json["template"]["status"], &json["ready"]), (&expected.0, &expected.1));
    }
    let mut without = template_required(TemplateReason::NoOpenWindow, Basis::Complete, None);
    without.intent.template = None;
    assert!(value_of(&verdict(without)).contains(r#""ready":false"#));
}
