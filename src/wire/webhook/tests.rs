//! What is wrong with a webhook, or only looks so.

mod bird;

use crate::core::decoded::{DecodedInbound, IgnoredKind};
use crate::core::ids::{Channel, Offset, Partition};
use crate::core::policy::{ChannelPolicy, Policy};
use crate::core::record::{Record, Stream};
use crate::core::time::{Span, Timestamp};
use crate::core::window::WindowRules;
use crate::wire::decoder::{Decoder, Formats};
use crate::wire::findings::{MAX_IGNORED_KINDS, MAX_REJECTS};
use proptest::prelude::*;
use std::fmt::Write;

const RECORDED_AT_MS: i64 = 1_773_480_000_000;

fn channel() -> ChannelPolicy {
    ChannelPolicy::new(WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) })
}

fn decode(value: impl Into<Vec<u8>>) -> DecodedInbound {
    decode_by(channel(), value)
}

fn decode_by(channel: ChannelPolicy, value: impl Into<Vec<u8>>) -> DecodedInbound {
    let policy = Policy::new([(Channel::new("whatsapp"), channel)]);
    Decoder::new(Formats::default(), policy).decode_inbound(&Record {
        stream: Stream::Inbound,
        partition: Partition(0),
        offset: Offset(0),
        timestamp: Timestamp::from_millis(RECORDED_AT_MS),
        key: None,
        value: Some(value.into().into()),
        headers: vec![],
    })
}

/// A POST of Meta's with that list of messages.
fn post(messages: &str) -> String {
    change("messages", &format!(r#""metadata":{{"phone_number_id":"106"}},"messages":{messages}"#))
}

fn change(field: &str, value: &str) -> String {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"{field}","value":{{{value}}}}}]}}]}}"#
    )
}

fn message(number: usize) -> String {
    format!(r#"{{"from":"49{number}","id":"wamid.{number}","timestamp":"1773480000","type":"text"}}"#)
}

fn details(decoded: &DecodedInbound) -> Vec<String> {
    decoded.rejects.iter().map(|reject| format!("{} {}", reject.code.as_str(), reject.detail)).collect()
}

#[test]
fn a_bad_message_is_refused_with_its_place_and_its_fault() {
    let place = "entry[0].changes[0].value.messages[1]";
    let table = [
        ("7", "invalid_field", "is not an object"),
        ("null", "invalid_field", "is not an object"),
        (r#""text""#, "invalid_field", "is not an object"),
        (r#"{}"#, "missing_field", "from is required"),
        (r#"{"from":"1"}"#, "missing_field", "timestamp is required"),
        (r#"{"from":"1","timestamp":"1"}"#, "missing_field", "id is required"),
        (r#"{"from":{},"timestamp":"1","id":"m"}"#, "invalid_field", "from is not a string"),
        (r#"{"from":1.5,"timestamp":"1","id":"m"}"#, "invalid_field", "from is not a string"),
        (r#"{"from":"1 2","timestamp":"1","id":"m"}"#, "invalid_field", "from holds whitespace or a control character"),
        (r#"{"from":"1","timestamp":"soon","id":"m"}"#, "invalid_field", "timestamp is no number"),
        (r#"{"from":"1","timestamp":"","id":"m"}"#, "invalid_field", "timestamp is no number"),
        (r#"{"from":"1","timestamp":1.5,"id":"m"}"#, "invalid_field", "timestamp is no number"),
        (r#"{"from":"1","timestamp":true,"id":"m"}"#, "invalid_field", "timestamp is no number"),
        (r#"{"from":"1","timestamp":[1],"id":"m"}"#, "invalid_field", "timestamp is no number"),
        (r#"{"from":"1","timestamp":-1,"id":"m"}"#, "invalid_field", "timestamp is negative"),
        (r#"{"from":"1","timestamp":"1","id":["m"]}"#, "invalid_field", "id is not a string"),
    ];
    for (bad, code, detail) in table {
        let decoded = decode(post(&format!("[{},{bad},{}]", message(1), message(2))));
        assert_eq!(details(&decoded), [format!("{code} {place}: {detail}")], "{bad}");
        assert_eq!(decoded.rejects[0].index.as_deref(), Some(place));
        assert_eq!(decoded.events.len(), 2, "the others stay: {bad}");
    }
}

#[test]
fn what_is_wrong_above_the_messages_is_refused_with_its_place() {
    let metadata = r#""metadata":{"phone_number_id":"106"}"#;
    let table = [
        (r#"{"entry":{}}"#.to_owned(), "missing_field message_id is required"),
        (r#"{"entry":[7]}"#.to_owned(), "invalid_field entry[0]: is not an object"),
        (r#"{"entry":[{"changes":{}}]}"#.to_owned(), "invalid_field entry[0].changes is not an array"),
        (r#"{"entry":[{"changes":[[]]}]}"#.to_owned(), "invalid_field entry[0].changes[0]: is not an object"),
        (r#"{"entry":[{"changes":[{}]}]}"#.to_owned(), "missing_field entry[0].changes[0]: field is required"),
        (post("{}"), "invalid_field entry[0].changes[0].value.messages is not an array"),
        (
            change("messages", r#""messages":[{}]"#),
            "missing_field entry[0].changes[0].value: metadata.phone_number_id is required",
        ),
        (
            change("messages", r#""metadata":{"phone_number_id":"1:2"},"messages":[]"#),
            "invalid_field entry[0].changes[0].value: metadata.phone_number_id holds a colon",
        ),
        (
            change("calls", &format!(r#"{metadata},"calls":[{{"direction":"SIDEWAYS"}}]"#)),
            "invalid_field entry[0].changes[0].value.calls[0]: direction is neither USER_INITIATED nor BUSINESS_INITIATED",
        ),
        (
            change("message_template_status_update", r#""event":"APPROVED""#),
            "missing_field entry[0].changes[0]: message_template_name is required",
        ),
    ];
    for (value, detail) in table {
        assert_eq!(details(&decode(value.clone())), [detail], "{value}");
    }
}

#[test]
fn a_templates_change_without_a_time_is_refused() {
    let template = r#""event":"PAUSED","message_template_name":"hi","message_template_language":"de""#;
    let at = |time: &str| {
        let value = change("message_template_status_update", template);
        decode(value.replace(r#""id":"1""#, &format!(r#""id":"1"{time}"#)))
    };
    let place = "entry[0].changes[0]";
    for (time, detail) in [
        ("", format!("missing_field {place}: time is required")),
        (r#","time":null"#, format!("missing_field {place}: time is required")),
        (r#","time":"soon""#, format!("invalid_field {place}: time is no number")),
    ] {
        let decoded = at(time);
        assert_eq!((details(&decoded), decoded.templates.len()), (vec![detail], 0), "{time}");
    }
    assert_eq!(at(r#","time":1773480095"#).templates[0].occurred_at.as_millis(), 1_773_480_095_000);
}

#[test]
fn nothing_comes_of_what_holds_nothing() {
    let empty = [
        r#"{"entry":[]}"#.to_owned(),
        r#"{"object":"whatsapp_business_account","entry":[{}]}"#.to_owned(),
        r#"{"entry":[{"changes":[]}]}"#.to_owned(),
        r#"{"entry":[{"changes":[{"field":"messages"}]}]}"#.to_owned(),
        post("[]"),
        change("messages", ""),
        change("statuses_and_more", "").replace("statuses_and_more", "history"),
    ];
    for value in empty {
        assert_eq!(decode(value.clone()), DecodedInbound::default(), "{value}");
    }
}

#[test]
fn times_are_read_as_they_come() {
    let at = |timestamp: &str| {
        let message = format!(r#"[{{"from":"1","id":"m","type":"text","timestamp":{timestamp}}}]"#);
        decode(post(&message)).events[0].occurred_at.as_millis()
    };
    assert_eq!((at(r#""1773480000""#), at("1773480000")), (1_773_480_000_000, 1_773_480_000_000));
    assert_eq!(at("0"), 0);
    // Milliseconds where seconds belong, and what no calendar reaches: the future, which the policy knows how to take.
    assert!(at("1773480000000") > RECORDED_AT_MS);
    assert_eq!(at(r#""99999999999999999999999""#), Timestamp::MAX.as_millis());
}

#[test]
fn one_rotten_message_among_a_thousand_takes_no_other_along() {
    let mut list: Vec<String> = (0..1_000).map(message).collect();
    list[617] = list[617].replace("1773480000", "yesterday");
    let decoded = decode(post(&format!("[{}]", list.join(","))));
    assert_eq!(decoded.events.len(), 999);
    let expected = "invalid_field entry[0].changes[0].value.messages[617]: timestamp is no number";
    assert_eq!(details(&decoded), [expected]);
}

#[test]
fn a_body_of_three_megabytes_is_read_like_any_other() {
    let body =
        format!(r#"{{"from":"1","id":"m","timestamp":"1","type":"text","text":{{"body":"{}"}}}}"#, "x".repeat(3 << 20));
    assert_eq!(decode(post(&format!("[{body}]"))).events.len(), 1);
    assert_eq!(decode(post(&body)).rejects.len(), 1, "and refused like any other");
    let cut = post(&format!("[{body}]"));
    assert_eq!(details(&decode(&cut.as_bytes()[..cut.len() / 2]))[0].split(' ').next(), Some("not_json"));
}

#[test]
fn a_record_gives_few_dead_letters_however_much_of_it_is_rotten() {
    let decoded = decode(post(&format!("[{}{}]", "0,".repeat(500_000), message(1))));
    assert_eq!((decoded.events.len(), decoded.rejects.len()), (1, MAX_REJECTS));
    let last = &decoded.rejects[MAX_REJECTS - 1].detail;
    assert!(
        last.ends_with(&format!("is not an object; and {} more parts of this record", 500_000 - MAX_REJECTS)),
        "{last}"
    );
}

#[test]
fn what_is_not_known_is_passed_over_and_counted_under_few_names() {
    let mut entries = String::new();
    for number in 0..100 {
        let field = ["moon_phase".to_owned(), format!("field_{number}")][number % 2].clone();
        write!(entries, r#"{{"id":"1","changes":[{{"field":"{field}","value":{{}}}}]}},"#).unwrap();
    }
    let decoded = decode(format!(r#"{{"entry":[{}{{}}]}}"#, entries));
    assert_eq!(decoded.ignored.len(), MAX_IGNORED_KINDS);
    assert_eq!(decoded.ignored[0], IgnoredKind { kind: "moon_phase".into(), times: 50 });
    assert_eq!(decoded.ignored.iter().map(|ignored| ignored.times).sum::<u32>(), 100, "none is lost");
    let number = decode(change("+49 155 5501234", "")).ignored.remove(0);
    assert_eq!(number.kind, "unknown", "what is no name is not repeated");
}

#[test]
fn an_on_premises_webhook_needs_a_key_that_names_the_business() {
    let decoded = decode(r#"{"messages":[{"from":"1","id":"m","timestamp":"1","type":"text"}]}"#);
    let detail = "the record's key BUSINESS:CUSTOMER is required: an On-Premises webhook names no business";
    assert_eq!(details(&decoded), [format!("missing_field messages[0]: {detail}")]);
    let read = r#"{"id":"m","recipient_id":"1","timestamp":"1","status":"read"}"#;
    assert_eq!(decode(read), DecodedInbound::default(), "unless nothing comes of it");
}

#[test]
fn a_contact_is_found_by_either_id_and_never_by_chance() {
    let contacts = r#""contacts":[{"wa_id":"491","user_id":"DE.1"},{"wa_id":"492","user_id":"DE.2"}],"#;
    let customers = |contacts: &str, ids: &str| -> String {
        let value = format!(
            r#""metadata":{{"phone_number_id":"106"}},{contacts}"messages":[{{{ids}"id":"m","timestamp":"1","type":"text"}}]"#
        );
        let decoded = decode(change("messages", &value));
        let ids = decoded
            .events
            .first()
            .map(|event| event.window_keys().map(|(_, customer)| customer.to_string()).collect::<Vec<_>>().join(" "));
        ids.unwrap_or_default()
    };
    let table = [
        (contacts, r#""from":"492","#, "492 DE.2"),
        (contacts, r#""from":"DE.2","#, "DE.2 492"),
        (contacts, r#""from_user_id":"DE.2","#, "492 DE.2"),
        (contacts, r#""from":"492","from_user_id":"DE.3","#, "492 DE.3"),
        (contacts, r#""from":"493","#, "493"),
        (contacts, "", ""),
        (r#""contacts":[{"wa_id":"491","user_id":"DE.1"}],"#, "", "491 DE.1"),
        (r#""contacts":[{"wa_id":"491","user_id":"DE.1"}],"#, r#""from":"","#, "491 DE.1"),
        (r#""contacts":[{"wa_id":"491","user_id":"DE.1"}],"#, r#""from":"492","#, "492"),
        (r#""contacts":[{}],"#, "", ""),
        (r#""contacts":{},"#, r#""from":"+491","#, "491"),
        ("", r#""from":"491","from_user_id":"491","#, "491"),
    ];
    for (contacts, ids, expected) in table {
        assert_eq!(customers(contacts, ids), expected, "{contacts} {ids}");
    }
}

#[test]
fn what_is_told_to_one_who_only_listens_goes_by_the_channels_own_rules() {
    let kinds = |switches: &[(&str, bool)], of_message: &str| {
        let mut channel = channel();
        switches.iter().for_each(|(kind, opens)| channel.set_opens(kind, *opens));
        let message = message(1).replace(r#""type":"text""#, of_message);
        let value = format!(r#""metadata":{{"phone_number_id":"106"}},"messages":[{message}]"#);
        let decoded = decode_by(channel, change("standby", &value));
        let unknown = decoded.ignored.iter().map(|it| format!("{} x {}", it.kind, it.times)).collect::<Vec<_>>();
        (decoded.events[0].kind.to_string(), unknown.join(" "))
    };
    let (text, edit) = (r#""type":"text""#, r#""type":"edit""#);
    let (reaction, hologram) = (r#""type":"reaction","reaction":{"emoji":"+"}"#, r#""type":"hologram""#);
    type Row<'a> = (&'a [(&'a str, bool)], &'a str, &'a str, &'a str, &'a str);
    let table: &[Row<'_>] = &[
        (&[], text, "standby", "", "what opens"),
        (&[], edit, "edit", "", "what does not"),
        (&[("reaction", false)], reaction, "reaction", "", "switched off"),
        (&[("edit", true)], edit, "standby", "", "switched on"),
        (&[], hologram, "standby", "hologram x 1", "a kind that nobody knows is told all the same"),
        (&[("unknown", false)], hologram, "hologram", "", "and where it opens nothing, by whoever applies it"),
        (&[("unknown", false), ("hologram", true)], hologram, "standby", "hologram x 1", "switched on by its name"),
    ];
    for (switches, message, kind, unknown, what) in table {
        assert_eq!(kinds(switches, message), (kind.to_string(), unknown.to_string()), "{what}");
    }
}

#[test]
fn no_refusal_repeats_content() {
    let secret = "SECRET";
    for value in [
        post(&format!(r#"[{{"from":"{secret} 1","id":"m","timestamp":"1"}}]"#)),
        post(&format!(r#"[{{"from":"1","id":"{secret} m","timestamp":"1"}}]"#)),
        post(&format!(r#"[{{"from":"1","id":"m","timestamp":"{secret}"}}]"#)),
        post(&format!(r#""{secret}""#)),
        format!(r#"{{"channelId":"1","direction":"{secret}"}}"#),
        format!(r#"{{"MessageSid":"1","From":"whatsapp:{secret} 1","To":"whatsapp:2"}}"#),
        format!("MessageSid=1&From={secret}:1&To=whatsapp:2"),
    ] {
        let decoded = decode(value.clone());
        assert_eq!(decoded.rejects.len(), 1, "{value}");
        assert!(!decoded.rejects[0].detail.contains(secret), "{}", decoded.rejects[0].detail);
    }
}

proptest! {
    #[test]
    fn any_bytes_in_a_webhook_are_read_or_refused(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>()) {
        let mut value = post(&format!("[{}]", message(1))).into_bytes();
        let at = at.index(value.len());
        value.splice(at..(at + bytes.len()).min(value.len()), bytes);
        let _ = decode(value);
    }
}
