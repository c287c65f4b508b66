//! The quick way of reading gives what the full one gives.

use super::*;

/// Members of records in any order, of every kind, often repeated or nobody's.
fn members() -> impl Strategy<Value = String> {
    let name = "(message_id|intent_id|channel|business_id|customer_id|customer_aliases|type|occurred_at|requested_at|\
        expires_at|message|template|to|recipients|text|object|entry|specversion|t\\\\u0079pe|\u{e9})";
    let value = prop_oneof![
        8 => "\"[a-z0-9.:]{1,30}\"",
        2 => "\"[a-z \u{e9}]{0,4}(\\\\n|\\\\u0062|\\\\)?\"",
        4 => "\"2026-11-22T10:15:30(\\.123)?(Z|\\+01:00)\"",
        4 => "\\{\"id\":[ ]?(\"b c\"|\\[1, ?\\{\\}\\]|-1.5e3)\\}",
        1 => "\\[(\"US.1\"(, ?\"x y\")?)?\\]",
        1 => Just("null".to_owned()),
        1 => "(true|-1.5e3|007|tru)",
    ];
    let member = (name, "[ ]?", value).prop_map(|(name, blank, value)| format!("\"{name}\":{blank}{value}"));
    prop::collection::vec(member, 0..3).prop_map(|members| members.join(","))
}

/// Whole records with more members before, in between and behind.
fn records() -> impl Strategy<Value = Record> {
    let event = [
        r#""message_id":"wamid.1""#,
        r#""business_id":"106""#,
        r#""customer_id":"5511""#,
        r#""type":"text""#,
        r#""occurred_at":"2026-11-22T10:15:30.123Z""#,
    ];
    let intent = [
        r#""intent_id":"i-1""#,
        r#""business_id":"106""#,
        r#""customer_id":"5511""#,
        r#""message":{"type":"text","text":{"body":"Ol\u00e1"}}"#,
        r#""template":{"name":"hello"}"#,
    ];
    let base = prop_oneof![Just(event), Just(intent)].prop_shuffle();
    let header = prop_oneof![
        6 => Just(None),
        1 => Just(Some(("traceparent", "00"))),
        1 => Just(Some(("Content-Type", "application/x-www-form-urlencoded"))),
        1 => Just(Some(("content-encoding", "gzip"))),
        1 => Just(Some((letter::REDRIVEN, "1"))),
    ];
    let parts = (base, 0..=5_usize, prop::collection::vec(members(), 2), "(|,| ,\n)", "[ ]?", "(\n|x)?", header);
    parts.prop_map(|(base, place, others, comma, before, after, header)| {
        let comma = if comma.is_empty() { "," } else { &comma };
        let parts: Vec<&str> = base[..place].iter().copied().chain(others.iter().map(String::as_str)).collect();
        let parts = parts.into_iter().chain(base[place..].iter().copied()).filter(|part| !part.is_empty());
        let text = parts.collect::<Vec<_>>().join(comma);
        let mut record = record(Stream::Intent, format!("{before}{{{text}}}{after}"));
        record.headers.extend(header.map(|(name, value)| Header { name: name.into(), value: Some(value.into()) }));
        record
    })
}

#[test]
fn usual_records_are_read_the_quick_way() {
    let event = with(INBOUND, r#""106""#, r#""106", "text":{"a":["é"]}"#);
    assert!(usual_event(&record(Stream::Inbound, event), &known).is_some());
    let intent = with(INTENT, "11:00:00+00:00", "11:00:00.000Z");
    assert!(usual_intent(&record(Stream::Intent, intent), &known).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_quick_way_reads_what_the_full_one_reads(record in records()) {
        if let Some(quick) = usual_intent(&record, &known) {
            prop_assert_eq!(quick, intent_in_full(&record, &known), "{:?}", record);
        }
        if let Some(quick) = usual_event(&record, &known) {
            let text = std::str::from_utf8(record.value.as_deref().unwrap()).unwrap();
            prop_assert_eq!(Ok(Some(quick)), inbound_event(text, &known), "{:?}", record);
            prop_assert!(!webhook::begins_like_metas(text) && !webhook::is_form(text, false), "{:?}", record);
            prop_assert!(envelope::open(&record).is_ok_and(|content| !content.is_form), "{:?}", record);
        }
    }
}
