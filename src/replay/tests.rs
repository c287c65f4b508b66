//! Whole stories from files: what is told, and why.

use super::input::{self, TopicNames};
use super::story::Story;
use super::tell::{Manner, Words, refusal};
use crate::core::ids::Channel;
use crate::core::policy::{ChannelPolicy, Policy};
use crate::core::registry::TemplateRegistry;
use crate::core::time::Span;
use crate::core::window::WindowRules;
use crate::shard::codec::Codec;
use crate::wire::output::{Encoder, Topics};
use serde_json::{Value, json};
use std::path::PathBuf;

const JSON: Manner = Manner { as_json: true, explains: false, tells_events: false };
const EXPLAINED: Manner = Manner { as_json: false, explains: true, tells_events: true };

fn encoder() -> Encoder {
    let topics = Topics { delivery_status: None, template_status: None, ..Topics::default() };
    Encoder::new(topics, "gate", "/sessiongate/gate", 1_000_000)
}

/// What is printed of these files (name and content), and what of them cannot be used.
fn replayed(files: &[(&str, &str)], manner: Manner) -> (String, Vec<String>) {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    let policy = Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))]);
    let codec = Codec::new(policy.clone(), encoder());
    let mut story = Story::new(&codec, &policy, 100);
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, content)| std::fs::write(folder.path().join(name), content).unwrap());
    let [inbound_message, outbound_intent, delivery_status, template_status] =
        ["in", "out", "delivery", "templates"].map(str::to_owned);
    let names = TopicNames { inbound_message, outbound_intent, delivery_status, template_status };
    let mut refused = Vec::new();
    for (number, path) in input::files(&[folder.path().to_owned()]).unwrap().iter().enumerate() {
        input::read(path, number, &names, &mut |line, _| refused.extend(story.take(line))).unwrap();
    }
    let encoder = encoder();
    let words = Words { manner, encoder: &encoder, policy: &policy };
    let mut text = String::new();
    story.tell(TemplateRegistry::default(), &mut |happening, told, templates| {
        text.extend(words.say(happening, &told, templates));
    });
    let without_folder = |text: &str| text.replace(&format!("{}/", folder.path().display()), "");
    let refused = refused.iter().map(|it| without_folder(&refusal(&it.place, &it.reject)));
    (without_folder(&text), refused.collect())
}

fn said(customer: &str, kind: &str, at: &str) -> String {
    let message_id = format!("wamid.{at}");
    json!({ "message_id": message_id, "business_id": "106", "customer_id": customer, "type": kind, "occurred_at": at })
        .to_string()
}

fn asked(id: &str, customer: &str, at: &str) -> String {
    let template = json!({ "name": "hi", "language": "en_US" });
    json!({ "intent_id": id, "business_id": "106", "customer_id": customer, "requested_at": at,
            "message": { "type": "text" }, "template": template })
    .to_string()
}

/// Intent, reason (or `send`) and basis of each verdict in its order.
fn verdicts(text: &str) -> Vec<[String; 3]> {
    let verdict = |line: &str| {
        let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |name: &str, or: &str| json[name].as_str().unwrap_or(or).to_owned();
        [text("intent_id", ""), text("reason", "send"), text("basis", "")]
    };
    text.lines().map(verdict).collect()
}

#[test]
fn every_intent_is_decided_at_its_own_time_wherever_it_stands() {
    let lines = [
        asked("at-the-end", "1", "2026-11-02T10:00:00Z"),
        asked("in-the-guard", "1", "2026-11-02T09:59:30Z"),
        asked("inside", "1", "2026-11-01T10:00:01Z"),
        asked("at-the-same-time", "1", "2026-11-01T10:00:00Z"),
        asked("before", "1", "2026-11-01T09:59:59Z"),
        asked("someone-else", "2", "2026-11-01T10:00:01Z"),
        said("1", "text", "2026-11-01T10:00:00Z"),
        said("2", "system", "2026-11-01T10:00:00Z"),
    ];
    let (text, refused) = replayed(&[("a.ndjson", &lines.join("\n"))], JSON);
    let expected = [
        ["before", "no_open_window", "complete"],
        ["at-the-same-time", "send", ""],
        ["inside", "send", ""],
        ["someone-else", "no_open_window", "complete"],
        ["in-the-guard", "window_closing", "complete"],
        ["at-the-end", "no_open_window", "complete"],
    ];
    assert_eq!((verdicts(&text), refused), (expected.map(|row| row.map(str::to_owned)).to_vec(), vec![]));
}

#[test]
fn refusals_and_template_changes_count_from_their_time_on() {
    let refused = json!({ "business_id": "106", "customer_id": "1", "error_code": 131_047,
                          "occurred_at": "2026-11-01T11:00:00Z" });
    let paused = json!({ "account_id": "waba", "name": "hi", "language": "en-US", "status": "PAUSED",
                         "occurred_at": "2026-11-01T11:30:00Z" });
    let lines = [
        said("1", "text", "2026-11-01T10:00:00Z"),
        asked("before", "1", "2026-11-01T10:59:59Z"),
        refused.to_string(),
        asked("refused", "1", "2026-11-01T11:00:00Z"),
        paused.to_string(),
        asked("paused", "1", "2026-11-01T11:30:00Z"),
        said("1", "text", "2026-11-01T12:00:00Z"),
        asked("again", "1", "2026-11-01T12:00:00Z"),
    ];
    let (text, _) = replayed(&[("a.ndjson", &lines.join("\n"))], JSON);
    let expected = [
        ["before", "send", ""],
        ["refused", "provider_refused", "advisory"],
        ["paused", "provider_refused", "advisory"],
        ["again", "send", ""],
    ];
    assert_eq!(verdicts(&text), expected.map(|row| row.map(str::to_owned)));
    let ready = |line: usize| {
        let json: Value = serde_json::from_str(text.lines().nth(line).unwrap()).unwrap();
        (json["template"]["status"].clone(), json["ready"].clone())
    };
    assert_eq!((ready(1), ready(2)), ((json!("unknown"), json!(true)), (json!("paused"), json!(false))));
}

#[test]
fn an_explanation_names_the_event_and_how_long_the_window_had_left() {
    let lines = [
        said("1", "text", "2026-11-01T10:00:00Z"),
        said("1", "status", "2026-11-01T10:30:00Z"),
        asked("inside", "1", "2026-11-02T09:48:00Z"),
        asked("after", "1", "2026-11-02T12:00:00Z"),
        asked("never", "2", "2026-11-02T12:00:00Z"),
    ];
    let (text, _) = replayed(&[("a.ndjson", &lines.join("\n"))], EXPLAINED);
    for part in [
        "opens             text",
        "`text` is an act of the customer that opens a window on whatsapp: 24h from 2026-11-01T10:00:00.000Z.",
        "`status` opens no window on whatsapp.",
        "The window rests on `text` wamid.2026-11-01T10:00:00Z (a.ndjson:1) of 2026-11-01T10:00:00.000Z, began \
         2026-11-01T10:00:00.000Z and ends 2026-11-02T10:00:00.000Z: 12m were left. Anything may be sent.",
        "(a.ndjson:1) and ended 2026-11-02T10:00:00.000Z, 2h before the intent. Only a template may be sent.",
        "No act of 2 that opens a window had happened before the intent.",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let explained = Manner { explains: true, ..JSON };
    let (text, _) = replayed(&[("a.ndjson", &lines.join("\n"))], explained);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert!(first["explanation"].as_str().unwrap().contains("12m were left"), "{first}");
}

#[test]
fn files_are_lines_documents_or_forms_and_a_bad_part_names_its_line() {
    let webhook = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "waba", "changes": [{
        "field": "messages",
        "value": {
            "metadata": { "phone_number_id": "106" },
            "contacts": [{ "wa_id": "1" }],
            "messages": [
                { "id": "wamid.1", "from": "1", "type": "text", "timestamp": "1700000000" },
                { "id": "wamid.2", "from": "1", "type": "text", "timestamp": "soon" },
            ],
        },
    }] }] });
    let enveloped = |topic: &str, value: Value| {
        json!({ "topic": topic, "timestamp": 1_700_000_000_000_i64, "key": "106:1", "value": value }).to_string()
    };
    let asked_at_record = json!({ "intent_id": "by-record", "business_id": "106", "customer_id": "1", "message": {} });
    let lines = [
        String::new(),
        "{".to_owned(),
        enveloped("out", asked_at_record.clone()),
        enveloped("out", asked_at_record.to_string().into()),
        enveloped("delivery", json!({ "business_id": "106" })),
    ];
    let files = [
        ("a.json", format!("{webhook:#}")),
        ("b.ndjson", lines.join("\n")),
        ("c.form", "SmsMessageSid=SM1&From=whatsapp%3A%2B1&To=whatsapp%3A%2B106&Body=hi\n".to_owned()),
        ("notes.txt", "not read".to_owned()),
    ];
    let files = files.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>();
    let (text, refused) = replayed(&files, JSON);
    assert_eq!(verdicts(&text), [["by-record", "send", ""].map(str::to_owned)]);
    let starts = [
        "a.json:1: invalid_field: entry[0].changes[0].value.messages[1]",
        "b.ndjson:2: not_json:",
        "b.ndjson:4: duplicate_intent:",
        "b.ndjson:5: missing_field:",
    ];
    assert_eq!(refused.len(), starts.len(), "{refused:?}");
    for (refused, start) in refused.iter().zip(starts) {
        assert!(refused.starts_with(start), "{refused:?} is not {start:?}");
    }
    let (text, _) = replayed(&files, EXPLAINED);
    assert!(text.contains("c.form:1") && text.contains("opens"), "{text}");
}

/// The places of what is read of a file where documents have at most so many bytes, or why it is not read.
fn places(name: &str, content: &[u8], most: u64) -> Result<Vec<(usize, String)>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    let [inbound_message, outbound_intent, delivery_status, template_status] =
        ["in", "out", "delivery", "templates"].map(str::to_owned);
    let names = TopicNames { inbound_message, outbound_intent, delivery_status, template_status };
    let mut found = Vec::new();
    let mut take = |line: input::Line, _| {
        let value = line.record.value.unwrap_or_default();
        found.push((line.place.line, String::from_utf8_lossy(&value).into_owned()));
    };
    input::read_within(most, &path, 0, &names, &mut take).map_err(|error| format!("{error:#}"))?;
    Ok(found)
}

#[test]
fn nothing_of_a_file_is_left_out_because_its_first_line_is_no_json() {
    let lines = ["not JSON", "{\"a\":1}", "", "{\"b\":2}\r", "{\"c\":3}"];
    let expected = [(1, "not JSON"), (2, "{\"a\":1}"), (4, "{\"b\":2}"), (5, "{\"c\":3}")];
    let expected = expected.map(|(line, text)| (line, text.to_owned())).to_vec();
    let text = lines.join("\n");
    for most in 0..=text.len() as u64 + 1 {
        assert_eq!(places("a.ndjson", text.as_bytes(), most), Ok(expected.clone()), "within {most}");
    }
}

#[test]
fn a_document_that_is_too_long_is_refused_and_not_read_in_part() {
    for (name, content) in [("a.json", "{\n  \"a\": 1\n}\n"), ("a.form", "From=1&To=2&Body=hi\n")] {
        let length = content.len() as u64;
        assert_eq!(places(name, content.as_bytes(), length), Ok(vec![(1, content.trim().to_owned())]));
        let refused = places(name, content.as_bytes(), length - 3).unwrap_err();
        assert!(refused.contains(&format!("more than {} bytes", length - 3)) && refused.contains(name), "{refused}");
    }
}

#[test]
fn blank_lines_and_a_byte_order_mark_in_front_make_no_document_of_lines() {
    let expected = |first: usize| Ok(vec![(first, "{\"a\":1}".to_owned()), (first + 1, "{\"b\":2}".to_owned())]);
    for (front, first) in [("", 1), ("\u{feff}", 1), ("\n \r\n", 3), ("\u{feff}\n", 2)] {
        let text = format!("{front}{{\"a\":1}}\n{{\"b\":2}}\n");
        assert_eq!(places("a.ndjson", text.as_bytes(), 4), expected(first), "{front:?}");
    }
    let document = "\u{feff}\n{\n\"a\": 1\n}";
    assert_eq!(places("a.json", document.as_bytes(), 100), Ok(vec![(2, "{\n\"a\": 1\n}".to_owned())]));
    assert_eq!(places("a.json", "\u{feff}\n\n".as_bytes(), 100), Ok(vec![]));
}

#[test]
fn a_folder_s_files_come_in_the_order_of_their_names_and_of_the_folders_in_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("b")).unwrap();
    for name in ["c.json", "b/z.form", "a.ndjson", "b/readme.md"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let found = input::files(&[folder.path().to_owned(), PathBuf::from("named.txt")]).unwrap();
    let names: Vec<_> = found.iter().map(|path| path.strip_prefix(folder.path()).unwrap_or(path).to_owned()).collect();
    assert_eq!(names, ["a.ndjson", "b/z.form", "c.json", "named.txt"].map(PathBuf::from));
}
