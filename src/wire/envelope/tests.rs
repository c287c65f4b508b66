use crate::core::decoded::DecodedInbound;
use crate::core::ids::{Channel, Offset, Partition};
use crate::core::policy::{ChannelPolicy, Policy};
use crate::core::record::{Header, ReasonCode, Record, Stream};
use crate::core::time::{Span, Timestamp};
use crate::core::window::WindowRules;
use crate::wire::decoder::{Decoder, Format, Formats};
use bytes::Bytes;

const INBOUND: &str =
    r#"{"message_id":"m","business_id":"b","customer_id":"c","type":"text","occurred_at":"2026-11-22T10:15:30Z"}"#;
const INTENT: &str = r#"{"intent_id":"i","business_id":"b","customer_id":"c","message":{ "type": "text" }}"#;
const FORM: &str =
    "MessageSid=SM1&From=whatsapp%3A%2B4915155501234&To=whatsapp%3A%2B493055502000&Body=a%26b&SmsStatus=received";
/// `INTENT` as base64.
const ENCODED: &str =
    "eyJpbnRlbnRfaWQiOiJpIiwiYnVzaW5lc3NfaWQiOiJiIiwiY3VzdG9tZXJfaWQiOiJjIiwibWVzc2FnZSI6eyAidHlwZSI6ICJ0ZXh0IiB9fQ==";

/// A value, its headers, what comes of it, and what it is.
type Row<'a, T> = (Vec<u8>, &'a [(&'a str, &'a str)], T, &'a str);

const EVENT: &[(&str, &str)] = &[("content-type", "application/cloudevents+json; charset=utf-8")];
const NONE: &[(&str, &str)] = &[];

fn decoder(format: Format) -> Decoder {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    let formats = Formats { inbound_message: format, ..Formats::default() };
    Decoder::new(formats, Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))]))
}

fn record(stream: Stream, value: impl Into<Bytes>, headers: &[(&str, &str)]) -> Record {
    let header = |(name, value): &(&str, &str)| Header {
        name: (*name).into(),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
    };
    Record {
        stream,
        partition: Partition(0),
        offset: Offset(0),
        timestamp: Timestamp::from_millis(1_000),
        key: None,
        value: Some(value.into()),
        headers: headers.iter().map(header).collect(),
    }
}

/// One event, or the reason why there is none.
fn inbound(value: impl Into<Bytes>, headers: &[(&str, &str)]) -> Result<String, ReasonCode> {
    let decoded = decoder(Format::Auto).decode_inbound(&record(Stream::Inbound, value, headers));
    let DecodedInbound { events, rejects, .. } = decoded;
    match (events.first(), rejects.first()) {
        (Some(event), None) => Ok(event.customer_id.to_string()),
        (None, Some(reject)) => Err(reject.code),
        other => panic!("neither one event nor one refusal: {other:?}"),
    }
}

fn structured(data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/x","type":"message.received",{data}}}"#)
}

fn framed(value: &str) -> Vec<u8> {
    [&[0, 0, 0, 1, 2], value.as_bytes()].concat()
}

#[test]
fn an_inbound_record_is_found_in_every_envelope() {
    let plain = "application/json; charset=utf-8";
    let data = format!(r#""data":{INBOUND}"#);
    let quoted = serde_json::to_string(INBOUND).unwrap();
    let form = format!(r#""datacontenttype":"application/x-www-form-urlencoded","data":"{FORM}""#);
    let table: &[Row<'_, &str>] = &[
        (INBOUND.into(), &[("content-type", plain)], "c", "a content type with its charset"),
        (INBOUND.into(), &[("Content-Type", "text/plain")], "c", "a content type that says little"),
        (INBOUND.into(), &[("content-type", "\u{fffd}")], "c", "a content type that says nothing"),
        (INBOUND.into(), &[("ce_specversion", "1.0"), ("ce_type", "x"), ("content-type", plain)], "c", "binary"),
        (INBOUND.into(), &[("__value_schema_id", "\u{1}...")], "c", "a schema's id in a header"),
        (format!("\n {INBOUND}\n").into(), NONE, "c", "whitespace around it"),
        (framed(INBOUND), NONE, "c", "a schema registry's frame"),
        (framed(INBOUND), &[("content-type", plain)], "c", "the frame with a content type"),
        (structured(&data).into(), EVENT, "c", "structured"),
        (structured(&data).into(), NONE, "c", "structured, by its shape"),
        (framed(&structured(&data)), NONE, "c", "structured within a frame"),
        (structured(&format!(r#""data":{quoted}"#)).into(), NONE, "c", "JSON within a string"),
        (structured(&form).into(), EVENT, "4915155501234", "a form in a structured event"),
        (FORM.into(), &[("content-type", "application/x-www-form-urlencoded")], "4915155501234", "a form"),
        (INBOUND.into(), &[("content-type", "application/x-www-form-urlencoded")], "c", "JSON that is called a form"),
        (INBOUND.replacen('{', r#"{"object":"x","#, 1).into(), NONE, "c", "canonical, with a first field like Meta's"),
        (INBOUND.replacen('{', r#"{"entry":[],"#, 1).into(), NONE, "c", "canonical, with a list like Meta's"),
        (format!("{FORM}\n").into(), NONE, "4915155501234", "a form, by its shape"),
    ];
    for (value, headers, customer, what) in table {
        assert_eq!(inbound(value.clone(), headers).as_deref(), Ok(*customer), "{what}");
    }
}

#[test]
fn an_envelope_that_is_not_understood_is_refused() {
    use ReasonCode::*;
    let data = format!(r#""data":{INBOUND}"#);
    let inner = format!(r#""datacontenttype":"application/cloudevents+json","data":{}"#, structured(&data));
    let table: &[Row<'_, ReasonCode>] = &[
        (INBOUND.into(), &[("ce_specversion", "2.0")], UnsupportedEncoding, "binary of another version"),
        (structured(&data).replace("1.0", "0.3").into(), NONE, UnsupportedEncoding, "structured of another version"),
        (structured(&data).replace("\"1.0\"", "1").into(), NONE, UnsupportedEncoding, "a version that is no text"),
        (INBOUND.into(), EVENT, UnsupportedEncoding, "said to be structured, and is not"),
        (INBOUND.into(), &[("content-type", "application/cloudevents-batch+json")], UnsupportedEncoding, "a batch"),
        (INBOUND.into(), &[("content-type", "application/json;charset=UTF-16")], UnsupportedEncoding, "UTF-16"),
        (INBOUND.into(), &[("content-encoding", "br")], UnsupportedEncoding, "compressed"),
        (structured(&inner).into(), NONE, UnsupportedEncoding, "a CloudEvent within a CloudEvent"),
        (b"\0\0\0\0\x01".to_vec(), NONE, UnsupportedEncoding, "a frame around nothing"),
        (b"\0\0".to_vec(), NONE, UnsupportedEncoding, "a frame cut short"),
        (framed("\u{2}Hi"), NONE, UnsupportedEncoding, "a frame around Avro"),
        (b"\x01\0\0{}".to_vec(), NONE, UnsupportedEncoding, "another kind of frame"),
        (b"\x1f\x8b\x08".to_vec(), NONE, UnsupportedEncoding, "gzip"),
        (structured(r#""subject":"x""#).into(), NONE, EmptyValue, "no data"),
        (structured(r#""data":null"#).into(), EVENT, EmptyValue, "data that is null"),
        (structured(r#""data":"""#).into(), EVENT, EmptyValue, "data that is empty"),
        (structured(r#""data_base64":"%%""#).into(), EVENT, InvalidField, "base64 that is none"),
        (structured(r#""datacontenttype":1,"data":{}"#).into(), EVENT, InvalidField, "a content type that is no text"),
        (structured(r#""data":[1]"#).into(), EVENT, NotJson, "data that is no object"),
        (structured(r#""data_base64":"/w==""#).into(), EVENT, NotUtf8, "data that is no text"),
        (b"{\"specversion\"".to_vec(), EVENT, NotJson, "an event cut short"),
    ];
    for (value, headers, reason, what) in table {
        assert_eq!(inbound(value.clone(), headers), Err(*reason), "{what}");
    }
}

#[test]
fn an_intent_is_found_in_every_envelope_and_its_content_passes_byte_for_byte() {
    let data = structured(&format!(r#""data":{INTENT}"#));
    let encoded = structured(&format!(r#""data_base64":"{ENCODED}""#));
    let table: &[Row<'_, bool>] = &[
        (INTENT.into(), &[("content-type", "application/json")], true, "plain"),
        (INTENT.into(), &[("ce_specversion", "1.0"), ("ce_id", "1")], true, "binary"),
        (framed(INTENT), NONE, true, "framed"),
        (data.clone().into(), EVENT, true, "structured"),
        (data.into(), NONE, true, "structured, by its shape"),
        (encoded.into(), NONE, false, "base64 has bytes of its own"),
    ];
    for (value, headers, shares, what) in table {
        let value = Bytes::from(value.clone());
        let decoded = decoder(Format::Auto).decode_intent(&record(Stream::Intent, value.clone(), headers));
        assert!(decoded.hash.is_some(), "{what}");
        let message = decoded.intent.unwrap().message.unwrap();
        assert_eq!(message, r#"{ "type": "text" }"#, "{what}");
        assert_eq!(value.as_ptr_range().contains(&message.as_ptr()), *shares, "{what}");
    }
}

#[test]
fn a_format_that_is_named_takes_its_own_and_ours_and_still_opens_envelopes() {
    let meta = r#"{"entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"messages":[{"id":"m","from":"c","timestamp":"1","type":"text"}]}}]}]}"#;
    let json_of_form = r#"{"MessageSid":"SM1","From":"whatsapp:+1","To":"whatsapp:+2"}"#;
    let bird = r#"{"channelId":"b","direction":"incoming","id":"m","sender":{"contact":{"identifierValue":"+1"}},"body":{"type":"text"},"createdAt":"2026-11-22T10:15:30Z"}"#;
    let values = [
        (Format::Canonical, INBOUND),
        (Format::Meta, meta),
        (Format::Bird, bird),
        (Format::Twilio, FORM),
        (Format::Twilio, json_of_form),
    ];
    for format in [Format::Auto, Format::Canonical, Format::Meta, Format::Bird, Format::Twilio] {
        for (own, value) in values {
            let understood = own == Format::Canonical || format == Format::Auto || format == own;
            let events =
                |value: String| decoder(format).decode_inbound(&record(Stream::Inbound, value, NONE)).events.len();
            assert_eq!(events(value.to_owned()), usize::from(understood), "{format:?}: {value}");
            if value.starts_with('{') {
                let wrapped = structured(&format!(r#""data":{value}"#));
                assert_eq!(events(wrapped), usize::from(understood), "{format:?} in a CloudEvent: {value}");
            }
        }
    }
}
