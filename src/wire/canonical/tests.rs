mod quick_way;

use super::*;
use crate::core::decoded::DecodedInbound;
use crate::core::ids::{Offset, Partition};
use crate::core::policy::{ChannelPolicy, Policy};
use crate::core::record::{Header, Stream};
use crate::core::time::{Span, Timestamp};
use crate::core::window::WindowRules;
use crate::wire::decoder::{Decoder, Format, Formats};
use crate::wire::{time, webhook};
use ReasonCode::*;
use bytes::Bytes;
use proptest::prelude::*;

const INBOUND: &str = r#"{"message_id":"wamid.1","channel":"whatsapp","business_id":"106","customer_id":"5511",
    "customer_aliases":["US.1349"],"type":"text","occurred_at":"2026-11-22T10:15:30.123Z","text":{"body":"hi"}}"#;
const INTENT: &str = r#"{"intent_id":"i-1","channel":"whatsapp","business_id":"106","customer_id":"5511",
    "requested_at":"2026-11-22T10:15:30Z","expires_at":"2026-11-22T11:00:00+00:00",
    "message":{"type":"text"},"template":{"name":"hello"}}"#;

fn record(stream: Stream, value: impl Into<Bytes>) -> Record {
    Record {
        stream,
        partition: Partition(3),
        offset: Offset(42),
        timestamp: Timestamp::from_millis(1_000),
        key: None,
        value: Some(value.into()),
        headers: vec![],
    }
}

fn known(channel: &str) -> bool {
    ["whatsapp", "messenger"].contains(&channel)
}

fn decode_inbound(record: &Record) -> DecodedInbound {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    let channels = ["whatsapp", "messenger"].map(|name| (Channel::new(name), ChannelPolicy::new(rules)));
    let formats = Formats { inbound_message: Format::Canonical, ..Formats::default() };
    Decoder::new(formats, Policy::new(channels)).decode_inbound(record)
}

fn inbound(value: impl Into<Bytes>) -> Result<InboundEvent, Reject> {
    let DecodedInbound { mut events, mut rejects, .. } = decode_inbound(&record(Stream::Inbound, value));
    match (events.pop(), rejects.pop()) {
        (Some(event), None) => Ok(event),
        (None, Some(reject)) => Err(reject),
        other => panic!("neither one event nor one refusal: {other:?}"),
    }
}

fn decoded(value: impl Into<Bytes>) -> DecodedIntent {
    decode_intent(&record(Stream::Intent, value), &known)
}

/// The text with a part of it replaced; the part must be there.
fn with(text: &str, part: &str, replacement: &str) -> String {
    assert!(text.contains(part), "{part} is not in {text}");
    text.replacen(part, replacement, 1)
}

#[test]
fn a_whole_inbound_message_is_read() {
    let expected = InboundEvent {
        message_id: MessageId::new("wamid.1"),
        channel: Channel::new("whatsapp"),
        business_id: BusinessId::new("106"),
        customer_id: CustomerId::new("5511"),
        customer_aliases: vec![CustomerId::new("US.1349")],
        kind: "text".into(),
        occurred_at: time::parse("2026-11-22T10:15:30.123Z").unwrap(),
    };
    assert_eq!(inbound(INBOUND), Ok(expected));
}

#[test]
fn a_whole_intent_is_read() {
    let read = decoded(INTENT);
    assert_eq!(read.hash, Some(intent_hash("106", "i-1")));
    let expected = Intent {
        intent_id: IntentId::new("i-1"),
        channel: Channel::new("whatsapp"),
        business_id: BusinessId::new("106"),
        customer_id: CustomerId::new("5511"),
        requested_at: time::parse("2026-11-22T10:15:30Z").unwrap(),
        expires_at: time::parse("2026-11-22T11:00:00Z"),
        message: Some(Bytes::from_static(br#"{"type":"text"}"#)),
        template: Some(Bytes::from_static(br#"{"name":"hello"}"#)),
    };
    assert_eq!(read.intent, Ok(Box::new(expected)));
}

#[test]
fn what_may_be_left_out_has_a_default() {
    let least = r#"{"intent_id":"i","business_id":"b","customer_id":"c","message":{},"channel":null,"template":null,
        "requested_at":null}"#;
    let intent = decoded(least).intent.unwrap();
    assert_eq!((intent.channel.as_str(), intent.template.is_none()), ("whatsapp", true));
    assert_eq!((intent.requested_at, intent.expires_at), (Timestamp::from_millis(1_000), None), "the record's time");

    let least =
        r#"{"message_id":"m","business_id":"b","customer_id":"c","type":"x","occurred_at":"2026-11-22T10:15:30Z"}"#;
    let event = inbound(least).unwrap();
    assert_eq!((event.channel.as_str(), event.customer_aliases.len()), ("whatsapp", 0));
}

#[test]
fn escapes_in_names_and_values_are_understood() {
    let event = inbound(with(INBOUND, r#""customer_id":"5511""#, r#""customer\u005fid":"\u0035\/\"é\ud83d\ude00""#));
    assert_eq!(event.unwrap().customer_id.as_str(), "5/\"é😀");
}

/// Values that are no JSON object, whatever the stream.
const BAD_DOCUMENTS: [(&[u8], ReasonCode, &str); 16] = [
    (b"", EmptyValue, "no bytes"),
    (b"\xff{}", NotUtf8, "a byte that begins no character"),
    (b"{\"a\":\"\xed\xa0\x80\"}", NotUtf8, "half of a surrogate pair in UTF-8"),
    (b"\xef\xbb\xbf{}", NotJson, "a byte order mark"),
    (b" \n ", NotJson, "whitespace alone"),
    (b"hello", NotJson, "a word"),
    (b"\"hello\"", NotJson, "a string"),
    (b"null", NotJson, "null"),
    (b"42", NotJson, "a number"),
    (b"[{}]", NotJson, "an array"),
    (b"{", NotJson, "an object without an end"),
    (b"{}{}", NotJson, "two objects"),
    (b"{\"a\":01}", NotJson, "a number that JSON does not know, in a field that nobody asked for"),
    (b"{'a':1}", NotJson, "single quotes"),
    (b"{\"a\":1,}", NotJson, "a comma too many"),
    (b"\0\0\0\0\x01\x02hi", UnsupportedEncoding, "framed by a schema registry's serializer, and not JSON"),
];

#[test]
fn what_is_no_json_object_is_refused_on_both_streams() {
    for (value, code, what) in BAD_DOCUMENTS {
        assert_eq!(inbound(value).map_err(|reject| reject.code), Err(code), "inbound: {what}");
        let read = decoded(value);
        assert_eq!((read.hash, read.intent.map_err(|reject| reject.code)), (None, Err(code)), "intent: {what}");
    }
}

#[test]
fn a_record_without_a_value_is_refused() {
    let record = Record { value: None, ..record(Stream::Inbound, "") };
    assert_eq!(decode_inbound(&record).rejects.first().map(|reject| reject.code), Some(EmptyValue));
    assert_eq!(decode_intent(&record, &known).intent.map_err(|reject| reject.code), Err(EmptyValue));
}

#[test]
fn only_identity_is_understood_as_a_content_encoding() {
    let table: [(&str, Option<&str>, bool); 6] = [
        ("content-encoding", Some("identity"), true),
        ("Content-Encoding", Some(" Identity "), true),
        ("content-encoding", None, true),
        ("content-encoding", Some("gzip"), false),
        ("CONTENT-ENCODING", Some("zstd"), false),
        ("content-type", Some("gzip"), true),
    ];
    for (name, value, accepted) in table {
        let header = Header { name: name.into(), value: value.map(|value| Bytes::from_static(value.as_bytes())) };
        let record = Record { headers: vec![header], ..record(Stream::Intent, INTENT) };
        let read = decode_intent(&record, &known).intent;
        let refused = read.map(|_| ()).map_err(|reject| reject.code);
        assert_eq!(refused, if accepted { Ok(()) } else { Err(UnsupportedEncoding) }, "{name}: {value:?}");
    }
}

#[test]
fn a_bad_inbound_field_is_named_with_what_is_wrong() {
    let long = format!(r#""message_id":"{}""#, "x".repeat(257));
    let many = format!(r#"[{}"x"]"#, r#""x","#.repeat(16));
    let table = [
        (r#""message_id":"wamid.1","#, "", MissingField, "message_id is required"),
        (r#""wamid.1""#, "null", MissingField, "message_id is required"),
        (r#""wamid.1""#, "7", InvalidField, "message_id is not a string"),
        (r#""wamid.1""#, r#""""#, InvalidField, "message_id is empty"),
        (r#""message_id":"wamid.1""#, &long, InvalidField, "message_id has 257 bytes, at most 256 are allowed"),
        (r#""wamid.1""#, r#""a b""#, InvalidField, "message_id holds whitespace or a control character"),
        (r#""wamid.1""#, "\"a\u{a0}b\"", InvalidField, "message_id holds whitespace or a control character"),
        (r#""wamid.1""#, r#""a\nb""#, InvalidField, "message_id holds whitespace or a control character"),
        (r#""wamid.1""#, r#""\ud800""#, InvalidField, "message_id holds an escape that is no character"),
        (r#""whatsapp""#, r#""what:sapp""#, InvalidField, "channel holds a colon"),
        (r#""whatsapp""#, r#""""#, InvalidField, "channel is empty"),
        (r#""whatsapp""#, r#""sms""#, UnknownChannel, "channel is not among the configured ones"),
        (r#""business_id":"106","#, "", MissingField, "business_id is required"),
        (r#""106""#, "106", InvalidField, "business_id is not a string"),
        (r#""106""#, r#""10:6""#, InvalidField, "business_id holds a colon"),
        (r#""customer_id":"5511","#, "", MissingField, "customer_id is required"),
        (r#""5511""#, r#"["5511"]"#, InvalidField, "customer_id is not a string"),
        (r#"["US.1349"]"#, r#""US.1349""#, InvalidField, "customer_aliases is not an array"),
        (r#"["US.1349"]"#, "[null]", InvalidField, "customer_aliases is not a string"),
        (r#"["US.1349"]"#, r#"[""]"#, InvalidField, "customer_aliases is empty"),
        (r#"["US.1349"]"#, &many, InvalidField, "customer_aliases holds 17 ids, at most 16 are allowed"),
        (r#""type":"text","#, "", MissingField, "type is required"),
        (r#""type":"text""#, r#""type":{}"#, InvalidField, "type is not a string"),
        (r#","occurred_at":"2026-11-22T10:15:30.123Z""#, "", MissingField, "occurred_at is required"),
        (r#""2026-11-22T10:15:30.123Z""#, "1764000000", InvalidField, "occurred_at is not a string"),
        (
            "2026-11-22T10:15:30.123Z",
            "yesterday",
            InvalidField,
            "occurred_at is not an RFC 3339 time, such as 2026-11-22T10:15:30.123Z",
        ),
        (r#""type":"#, r#""type":"image","type":"#, InvalidField, "type occurs more than once"),
        (r#""type":"#, r#""\u0074ype":null,"type":"#, InvalidField, "type occurs more than once"),
    ];
    for (part, replacement, code, detail) in table {
        assert_eq!(
            inbound(with(INBOUND, part, replacement)),
            Err(Reject::new(code, detail)),
            "{part} -> {replacement}"
        );
    }
}

#[test]
fn a_bad_intent_field_is_named_and_the_identity_noted_all_the_same() {
    let table = [
        (r#""intent_id":"i-1","#, "", MissingField, "intent_id is required", false),
        (r#""i-1""#, r#""i 1""#, InvalidField, "intent_id holds whitespace or a control character", false),
        (r#""i-1","#, r#""i-1","intent_id":"i-2","#, InvalidField, "intent_id occurs more than once", false),
        (r#""business_id":"106","#, "", MissingField, "business_id is required", false),
        (r#""106""#, r#""1:6""#, InvalidField, "business_id holds a colon", false),
        (r#""whatsapp""#, r#""sms""#, UnknownChannel, "channel is not among the configured ones", true),
        (r#""5511""#, "5511", InvalidField, "customer_id is not a string", true),
        (r#""customer_id":"5511","#, "", MissingField, "customer_id is required", true),
        (r#""5511""#, r#"["1","2"]"#, BulkNotAllowed, "customer_id is a list: an intent is for one recipient", true),
        (
            r#""customer_id":"5511""#,
            r#""customer_ids":["5511"]"#,
            BulkNotAllowed,
            "customer_ids is a list: an intent is for one recipient",
            true,
        ),
        (
            r#""5511","#,
            r#""5511","recipients":[],"#,
            BulkNotAllowed,
            "recipients is a list: an intent is for one recipient",
            true,
        ),
        (r#""5511","#, r#""5511","to":[ "1" ],"#, BulkNotAllowed, "to is a list: an intent is for one recipient", true),
        (r#""2026-11-22T10:15:30Z""#, "0", InvalidField, "requested_at is not a string", true),
        (
            "2026-11-22T11:00:00+00:00",
            "2026-11-22",
            InvalidField,
            "expires_at is not an RFC 3339 time, such as 2026-11-22T10:15:30.123Z",
            true,
        ),
        (r#"{"type":"text"}"#, r#""hi""#, InvalidField, "message is not an object", true),
        (r#"{"type":"text"}"#, "[{}]", InvalidField, "message is not an object", true),
        (r#"{"name":"hello"}"#, "true", InvalidField, "template is not an object", true),
        (r#""template":"#, r#""template":null,"template":"#, InvalidField, "template occurs more than once", true),
        (
            r#""message":{"type":"text"},"template":{"name":"hello"}"#,
            r#""message":null"#,
            MissingField,
            "message or template is required",
            true,
        ),
    ];
    for (part, replacement, code, detail, noted) in table {
        let read = decoded(with(INTENT, part, replacement));
        assert_eq!(read.intent, Err(Reject::new(code, detail)), "{part} -> {replacement}");
        assert_eq!(read.hash.is_some(), noted, "{part} -> {replacement}");
    }
}

#[test]
fn the_default_channel_must_be_configured_too() {
    let read = decode_intent(&record(Stream::Intent, with(INTENT, r#""channel":"whatsapp","#, "")), &|_| false);
    let detail = "channel is absent, and the default whatsapp is not configured";
    assert_eq!(read.intent, Err(Reject::new(UnknownChannel, detail)));
}

#[test]
fn fields_of_the_same_name_elsewhere_do_not_count() {
    let nested = with(INTENT, r#"{"type":"text"}"#, r#"{"intent_id":7,"to":["x"],"message":{"message":null}}"#);
    assert!(decoded(nested).intent.is_ok());
    assert!(decoded(with(INTENT, r#""5511","#, r#""5511","to":"5511","x":1,"x":2,"#)).intent.is_ok());
}

#[test]
fn what_readers_would_break_on_is_refused() {
    for depth in [99, 5_000, 100_000] {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        let refused = decoded(with(INTENT, r#"{"type":"text"}"#, &deep)).intent.unwrap_err();
        assert_eq!(
            (refused.code, refused.detail.as_str()),
            (ReasonCode::NotJson, "the JSON is nested deeper than 100")
        );
    }
}

#[test]
fn content_passes_byte_for_byte_and_is_not_copied() {
    let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(98), "]".repeat(98));
    let contents = [
        r#"{}"#,
        "{ \t\"body\" :\r\n \"hi\"  }",
        r#"{"a":"\u00e9\/\ud83d\ude00","b":"é😀"}"#,
        r#"{"lone":"\ud800"}"#,
        r#"{"n":1e400,"m":123456789012345678901234567890,"z":-0.0,"f":1.10}"#,
        r#"{"twice":1,"twice":2}"#,
        r#"{"":{"":[[],{},null,true]}}"#,
        &deep,
    ];
    for content in contents {
        let text = with(INTENT, r#"{"type":"text"}"#, content);
        let value = Bytes::from(with(&text, r#"{"name":"hello"}"#, content));
        let intent = decoded(value.clone()).intent.unwrap();
        for passed in [intent.message.unwrap(), intent.template.unwrap()] {
            assert_eq!(passed, content.as_bytes());
            assert!(value.as_ptr_range().contains(&passed.as_ptr()), "it shares the record's bytes");
        }
    }
}

#[test]
fn an_identity_is_the_same_in_every_run_and_keeps_its_parts_apart() {
    assert_eq!(intent_hash("106", "i-1"), IntentHash(0x6694_578b_ef8e_578e_3ca2_8231_8fe6_f2dd));
    assert_ne!(intent_hash("ab", "c"), intent_hash("a", "bc"));
    assert_ne!(intent_hash("106", "i-1"), intent_hash("106", "i-2"));
}

/// Texts that look like records, so that random changes reach the field checks too.
fn near_json() -> impl Strategy<Value = Vec<u8>> {
    let bases = prop_oneof![Just(INBOUND), Just(INTENT)];
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (bases, prop::collection::vec(change, 0..4)).prop_map(|(base, changes)| {
        let mut value = base.as_bytes().to_vec();
        for (at, byte) in changes {
            let at = at.index(value.len());
            value[at] = byte;
        }
        value
    })
}

proptest! {
    #[test]
    fn any_bytes_give_one_event_or_one_refusal(value in prop_oneof![any::<Vec<u8>>(), near_json()]) {
        let read = decode_inbound(&record(Stream::Inbound, value));
        prop_assert_eq!(read.events.len() + read.rejects.len(), 1);
    }

    #[test]
    fn an_intent_that_any_bytes_give_is_noted(value in prop_oneof![any::<Vec<u8>>(), near_json()]) {
        let read = decoded(value);
        if let Ok(intent) = read.intent {
            prop_assert_eq!(read.hash, Some(intent_hash(intent.business_id.as_str(), intent.intent_id.as_str())));
        }
    }

    #[test]
    fn no_refusal_repeats_content(text in any::<String>()) {
        let secret = serde_json::to_string(&format!("SECRET {text}")).unwrap();
        for part in [r#""i-1""#, r#""whatsapp""#, r#""106""#, r#""5511""#, r#""2026-11-22T10:15:30Z""#, r#"{"type":"text"}"#] {
            let reject = decoded(with(INTENT, part, &secret)).intent.unwrap_err();
            prop_assert!(!reject.detail.contains("SECRET"), "{}", reject.detail);
        }
    }
}
