//! The original, why it could not be used, and what is cut or left out of it.

use super::*;

#[test]
fn a_dead_letter_is_the_original_and_the_reason_in_three_dialects() {
    let mut original = record(Stream::Inbound);
    original.headers = vec![header("x", "1"), Header { name: "x".into(), value: None }];
    let output = dead_letter(LARGE, original.clone(), Reject::new(ReasonCode::MissingField, "type is required"));
    assert_eq!(
        (&*output.topic, output.key(), output.value()),
        ("out.dead", original.key.as_deref(), original.value.as_deref())
    );
    assert_eq!(output.timestamp, Some(original.timestamp));
    assert_eq!(
        lines(&output),
        [
            "x=1",
            "x=-",
            "sessiongate.error.reason=missing_field",
            "sessiongate.error.detail=type is required",
            "sessiongate.error.topic=in.message",
            "sessiongate.error.partition=3",
            "sessiongate.error.offset=42",
            "sessiongate.error.timestamp=1970-01-01T00:00:01.000Z",
            "sessiongate.error.group=gate",
            "kafka_dlt-original-topic=in.message",
            r"kafka_dlt-original-partition=\x00\x00\x00\x03",
            r"kafka_dlt-original-offset=\x00\x00\x00\x00\x00\x00\x00*",
            r"kafka_dlt-original-timestamp=\x00\x00\x00\x00\x00\x00\x03\xe8",
            "kafka_dlt-original-consumer-group=gate",
            "kafka_dlt-exception-message=type is required",
            "__connect.errors.topic=in.message",
            "__connect.errors.partition=3",
            "__connect.errors.offset=42",
            "__connect.errors.exception.message=type is required",
        ]
    );
}

#[test]
fn what_the_original_lacks_its_dead_letter_lacks_too() {
    let original = Record { key: None, value: None, ..record(Stream::Intent) };
    let output = dead_letter(LARGE, original, Reject::new(ReasonCode::EmptyValue, "the record has no value"));
    assert_eq!((output.key(), output.value()), (None, None));
}

#[test]
fn a_detail_is_one_line_of_at_most_512_bytes() {
    let long = "é".repeat(MAX_DETAIL_BYTES);
    let table = [
        ("a\nb\r\nc\td\u{2028}e", "a b  c d e".to_owned(), "breaks become blanks"),
        (&format!("x{long}"), format!("x{}", "é".repeat(255)), "no character is cut in two"),
        ("", String::new(), "nothing"),
    ];
    for (detail, expected, what) in table {
        let output = dead_letter(LARGE, record(Stream::Intent), Reject::new(ReasonCode::NotJson, detail));
        assert_eq!(value_of_header(&output, "sessiongate.error.detail"), Some(expected.as_bytes()), "{what}");
    }
}

#[test]
fn a_dead_letter_that_does_not_fit_is_cut_and_marked() {
    let mut original = record(Stream::Intent);
    original.value = Some(Bytes::from("x".repeat(20_000)));
    original.headers = vec![header("kept", "1")];
    let reject = Reject::new(ReasonCode::TooLarge, "large");
    let output = dead_letter(0, original.clone(), reject.clone());
    assert_eq!(value_of_header(&output, "sessiongate.error.truncated"), Some(b"20000".as_slice()));
    assert_eq!(value_of_header(&output, "kept"), Some(b"1".as_slice()));
    assert!(value_of(&output).len() > 14_000, "no more is cut than must be: {}", value_of(&output).len());

    original.value = Some(Bytes::from_static(b"short"));
    original.headers = vec![header("huge", "x".repeat(20_000)), header("small", "1")];
    let output = dead_letter(0, original.clone(), reject.clone());
    assert_eq!(value_of_header(&output, "sessiongate.error.dropped-headers"), Some(b"2".as_slice()));
    assert_eq!((value_of(&output), output.key()), ("short", original.key.as_deref()));

    original.key = Some(Bytes::from("k".repeat(20_000)));
    let output = dead_letter(0, original, reject);
    assert_eq!(value_of_header(&output, "sessiongate.error.dropped-key"), Some(b"20000".as_slice()));
    assert_eq!((value_of(&output), output.key()), ("short", None));
}

#[test]
fn a_time_that_brokers_would_refuse_is_left_to_them() {
    let minutes = |count| now() + Span::from_secs(60 * i64::from(count));
    for (time, is_kept) in [
        (now(), true),
        (Timestamp::from_millis(0), true),
        (minutes(45), true),
        (minutes(46), false),
        (Timestamp::from_millis(-1), false),
        (Timestamp::MAX, false),
    ] {
        let original = Record { timestamp: time, ..record(Stream::Intent) };
        let output = dead_letter(LARGE, original, Reject::new(ReasonCode::NotJson, "no"));
        assert_eq!(output.timestamp, Some(time).filter(|_| is_kept), "{time:?}");
        assert!(output.header("sessiongate.error.timestamp").is_some());
    }
}
