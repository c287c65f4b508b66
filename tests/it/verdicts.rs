//! What an intent is answered.

use crate::support::site::{BUSINESS, DEAD, INBOUND, INTENTS, SEND, Site, TEMPLATE};
use crate::support::traffic::{by_intent, now_ms, rfc3339};
use crate::support::worker::Worker;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;
const WROTE: &str = "5511900000001";
const SILENT: &str = "5511900000002";

/// Escapes, numbers and whitespace that no parser would write back as they are.
const ODD_MESSAGE: &str = "{ \"type\" :\t\"text\",\r\n  \"text\":{\"body\":\"\\u00e9 \\ud83d\\ude00 \\/ é 😀\\u0000\"},\
     \"price\":123456789012345678901234567890.000,\"tiny\":1E-400, \"twice\":1,\"twice\":2,\"\":[ ] , \"n\":-0.0 }";

#[derive(Deserialize)]
struct PassedThrough<'a> {
    #[serde(borrow)]
    message: &'a RawValue,
}

fn raw_message(value: &[u8]) -> &str {
    serde_json::from_slice::<PassedThrough<'_>>(value).unwrap().message.get()
}

/// An intent with these members behind the ids.
fn intent(intent_id: &str, customer: &str, members: &str) -> String {
    format!(r#"{{"intent_id":"{intent_id}","business_id":"{BUSINESS}","customer_id":"{customer}",{members}}}"#)
}

#[test]
fn inside_the_window_the_message_goes_out_byte_for_byte() {
    let site = Site::new("byte-for-byte", 2);
    let at = now_ms() - HOUR_MS;
    site.say(WROTE, at);
    let asked = format!(
        " \n{{\"intent_id\":\"odd\", \"extra\":[1],\"message\" : {ODD_MESSAGE} ,\"customer_id\":\"{WROTE}\",\
         \"template\":{{\"name\":\"not sent\"}},\"business_id\":\"\\u0031{}\"}}\t",
        &BUSINESS[1..]
    );
    site.ask_exactly(WROTE, &asked);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    let sent = site.read_one(SEND, "one send", |_| true);
    assert_eq!(raw_message(sent.value.as_deref().unwrap()), ODD_MESSAGE);
    let mut json = sent.json();
    let fields = json.as_object_mut().unwrap();
    assert!(fields.remove("message").is_some() && fields.remove("decided_at").is_some());
    let source = fields.remove("source").unwrap();
    assert_eq!(source["topic"], site.topic(INTENTS));
    let expected = json!({
        "intent_id": "odd",
        "channel": "whatsapp",
        "business_id": BUSINESS,
        "customer_id": WROTE,
        "window": {
            "opened_at": rfc3339(at), "last_inbound_at": rfc3339(at), "expires_at": rfc3339(at + 24 * HOUR_MS),
        },
    });
    assert_eq!(json, expected);
    assert_eq!(site.read(TEMPLATE).len() + site.read(DEAD).len(), 0);
    assert!(worker.stop().success());
}

#[test]
fn outside_the_window_a_template_is_required_and_the_reason_is_proven() {
    let site = Site::new("template-required", 2);
    // With an hour of guard, half an hour before the end counts as closing.
    let closing = now_ms() - 23 * HOUR_MS - HOUR_MS / 2;
    site.say(WROTE, closing);
    let message = format!(r#""message":{ODD_MESSAGE}"#);
    let template = r#""template":{"name":"order_update","language":"en_US","status":"approved"}"#;
    let with_status = json!({ "name": "order_update", "language": "en_US", "status": "unknown" });
    let window = json!({
        "opened_at": rfc3339(closing),
        "last_inbound_at": rfc3339(closing),
        "expires_at": rfc3339(closing + 24 * HOUR_MS),
    });
    let both = format!("{message},{template}");
    // The intent, and of its answer: reason, ready, template, window, whether the message is there.
    let table = [
        ("silent-both", SILENT, &both, "no_open_window", true, Some(&with_status), None, true),
        ("silent-message", SILENT, &message, "no_open_window", false, None, None, true),
        ("closing-both", WROTE, &both, "window_closing", true, Some(&with_status), Some(&window), true),
        ("closing-message", WROTE, &message, "window_closing", false, None, Some(&window), true),
        ("silent-template", SILENT, &template.to_owned(), "template_requested", true, Some(&with_status), None, false),
    ];
    for (id, customer, members, ..) in &table {
        site.ask_exactly(customer, &intent(id, customer, members));
    }
    site.flush();
    let worker = Worker::with(&site, &[("WINDOW_GUARD", "1h")]);
    site.wait_for_worker(WITHIN);
    let seen = site.read(TEMPLATE);
    let answers = by_intent(&seen);
    for (id, customer, _, reason, ready, template, window, has_message) in table {
        let [seen] = answers[id].as_slice() else { panic!("{id}: {:?}", answers[id]) };
        let json = seen.json();
        let stated = ["customer_id", "reason", "basis", "ready", "channel"].map(|name| json[name].clone());
        assert_eq!(
            stated,
            [json!(customer), json!(reason), json!("complete"), json!(ready), json!("whatsapp")],
            "{id}"
        );
        assert_eq!(json.get("template"), template, "{id}");
        assert_eq!(json.get("window"), window, "{id}");
        assert_eq!(json.get("message").is_some(), has_message, "{id}");
        if has_message {
            assert_eq!(raw_message(seen.value.as_deref().unwrap()), ODD_MESSAGE, "{id}");
        }
    }
    assert_eq!(site.read(SEND).len() + site.read(DEAD).len(), 0);
    assert!(worker.stop().success());
}

#[test]
fn a_template_without_a_message_asks_for_a_template_even_inside_the_window() {
    let site = Site::new("template-requested", 1);
    site.say(WROTE, now_ms() - HOUR_MS);
    site.ask_exactly(WROTE, &intent("template-only", WROTE, r#""template":{"name":"order_update"}"#));
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    let json = site.read_one(TEMPLATE, "one template", |_| true).json();
    assert_eq!((&json["reason"], &json["ready"]), (&json!("template_requested"), &json!(true)));
    assert!(json.get("message").is_none());
    assert_eq!(site.read(SEND).len(), 0);
    assert!(worker.stop().success());
}

#[test]
fn an_intent_past_its_time_or_for_many_is_refused_and_one_in_time_is_not() {
    let site = Site::new("refused-intents", 1);
    let now = now_ms();
    let message = r#""message":{"type":"text"}"#;
    let expires = |at| format!(r#"{message},"expires_at":"{}""#, rfc3339(at));
    let listed =
        |id: &str, members: &str| format!(r#"{{"intent_id":"{id}","business_id":"{BUSINESS}",{message},{members}}}"#);
    let table = [
        ("past", intent("past", SILENT, &expires(now - 1)), Some("expired")),
        ("in-time", intent("in-time", SILENT, &expires(now + HOUR_MS)), None),
        ("list", listed("list", r#""customer_id":["1","2"]"#), Some("bulk_not_allowed")),
        ("list-of-one", listed("list-of-one", r#""customer_id":["1"]"#), Some("bulk_not_allowed")),
        ("recipients", listed("recipients", r#""recipients":["1"],"customer_id":"1""#), Some("bulk_not_allowed")),
        ("to", listed("to", r#""to":[]"#), Some("bulk_not_allowed")),
    ];
    table.iter().for_each(|(_, text, _)| site.ask_exactly(SILENT, text));
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    let reasons = reasons_by_value(&site);
    for (id, text, reason) in table {
        assert_eq!(reasons.get(&text).map(String::as_str), reason, "{id}");
    }
    assert_eq!(site.read(TEMPLATE).len(), 1);
    assert!(worker.stop().success());
}

#[test]
fn a_second_intent_of_the_same_id_is_a_duplicate_even_after_a_restart() {
    let site = Site::new("duplicate-intents", 1);
    let ask = |id: &str, body: &str| {
        let text = intent(id, SILENT, &format!(r#""message":{{"body":"{body}"}}"#));
        site.ask_exactly(SILENT, &text);
        text
    };
    ask("a", "first");
    let at_once = ask("a", "second");
    ask("b", "first");
    // Of another business, so it is another intent.
    let of_another = intent("a", SILENT, r#""message":{}"#).replace(BUSINESS, "999");
    site.ask_exactly(SILENT, &of_another);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    assert!(worker.stop().success());
    let after_a_restart = ask("b", "second");
    ask("c", "first");
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    let expected = [at_once, after_a_restart].map(|text| (text, "duplicate_intent".to_owned()));
    assert_eq!(reasons_by_value(&site), expected.into());
    let mut ids: Vec<Value> = site.read(TEMPLATE).iter().map(|seen| seen.json()["intent_id"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    assert_eq!(ids, ["a", "a", "b", "c"]);
    assert!(worker.stop().success());
}

#[test]
fn an_intent_waits_for_the_messages_that_came_before_it() {
    let site = Site::new("behind", 4);
    let now = now_ms();
    // Intents that are all asked before the worker starts, while their openers lie at the end of long partitions.
    for number in 0..20_000_i64 {
        site.say(&format!("55118{number:08}"), now - HOUR_MS);
    }
    for number in 0..100 {
        site.say(&format!("55117{number:08}"), now - HOUR_MS);
        site.ask(&format!("intent-{number}"), &format!("55117{number:08}"));
    }
    site.flush();
    assert_eq!(site.ends(INBOUND).values().sum::<i64>(), 20_100);
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    assert_eq!((site.read(SEND).len(), site.read(TEMPLATE).len()), (100, 0));
    assert!(worker.stop().success());
}

/// The reason of each dead letter, by its value.
fn reasons_by_value(site: &Site) -> BTreeMap<String, String> {
    let letters = site.read(DEAD).into_iter();
    let reason = letters.map(|letter| {
        let reason = letter.header("sessiongate.error.reason").unwrap();
        (String::from_utf8(letter.value.unwrap()).unwrap(), reason)
    });
    reason.collect()
}
