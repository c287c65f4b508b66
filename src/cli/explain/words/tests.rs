use super::*;
use crate::contract::output::{SESSION_SENDS, TEMPLATES_REQUIRED, WINDOW_EVENTS};
use crate::core::record::ReasonCode;
use bytes::Bytes;
use serde_json::json;

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn with(text: &str, changes: Value) -> Value {
    let mut value = value(text);
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

fn says(value: &Value, parts: &[&str]) {
    let said = explain(Some(value), &[]).unwrap();
    assert!(!said.contains('\n'), "one paragraph: {said}");
    parts.iter().for_each(|part| assert!(said.contains(part), "{part:?} is not in: {said}"));
}

#[test]
fn a_session_send_tells_how_long_its_window_had_left() {
    says(
        &value(SESSION_SENDS[0]),
        &[
            "Intent order-1 may be sent as it is",
            "until 2026-11-24T07:07:55.000Z",
            "23h 59m 59s 334ms were left",
            "offset 0 of partition 3 of topic outbound-intent",
        ],
    );
}

#[test]
fn a_template_required_tells_its_reason_what_it_rests_on_and_what_can_be_sent() {
    let (bare, closing) = (TEMPLATES_REQUIRED[0], TEMPLATES_REQUIRED[1]);
    let window = value(closing)["window"].clone();
    let table = [
        (
            value(bare),
            vec![
                "No window of this customer was known",
                "(complete)",
                "parcel_sent may be sent",
                "nothing is known of its status",
            ],
        ),
        (value(closing), vec!["still had 35s until 2026-11-24T07:07:55.000Z", "No template came with the intent"]),
        (with(bare, json!({ "basis": "timeout" })), vec!["not proven (timeout)"]),
        (
            with(closing, json!({ "reason": "no_open_window", "decided_at": "2026-11-24T07:08:55.000Z" })),
            vec!["last acted at 2026-11-23T07:07:55.000Z", "1m before"],
        ),
        (
            with(bare, json!({ "reason": "provider_refused", "basis": "advisory", "window": window })),
            vec!["would be open until 2026-11-24T07:07:55.000Z", "(advisory)"],
        ),
        (
            with(bare, json!({ "ready": false, "template": { "name": "hi", "status": "paused" } })),
            vec!["hi would be refused by the provider", "paused"],
        ),
        (with(bare, json!({ "reason": "template_requested" })), vec!["brought a template and no message"]),
    ];
    table.iter().for_each(|(value, parts)| says(value, parts));
}

#[test]
fn a_window_event_tells_who_did_what() {
    let parts = ["The text wamid.1 of 2026-11-23T07:07:55.000Z opened the window of customer 16505551234"];
    says(&value(WINDOW_EVENTS[0]), &parts);
}

#[test]
fn every_reason_of_a_dead_letter_is_explained_with_what_to_do() {
    for code in ReasonCode::ALL {
        let header = |name: &str, value: &str| Header {
            name: format!("sessiongate.error.{name}").into(),
            value: Some(Bytes::copy_from_slice(value.as_bytes())),
        };
        let mut headers = vec![
            header("reason", code.as_str()),
            header("detail", "why"),
            header("topic", "in"),
            header("partition", "3"),
            header("offset", "42"),
            header("timestamp", "2026-11-23T07:07:55.000Z"),
            header("group", "gate"),
        ];
        let said = explain(None, &headers).unwrap();
        let place = "The record of 2026-11-23T07:07:55.000Z at offset 42 of partition 3 of topic in";
        assert!(said.starts_with(place), "{said}");
        assert!(said.contains(&format!("{}: why. {}", code.as_str(), reasons::advice(code))), "{said}");
        assert_eq!(said.contains("dead-letter redrive"), reasons::can_be_mended_outside(code), "{said}");
        headers.push(header("truncated", "9"));
        let said = explain(None, &headers).unwrap();
        assert!(said.contains("lacks the end of its value and cannot be redriven"), "{said}");
    }
}

#[test]
fn what_is_nothing_of_ours_is_not_explained() {
    for value in [json!({}), json!([]), json!("text"), json!({ "intent_id": "i" })] {
        assert_eq!(explain(Some(&value), &[]), None, "{value}");
    }
    assert_eq!(explain(None, &[]), None);
}
