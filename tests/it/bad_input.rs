//! Everything that can be wrong with an input: it becomes a dead letter as it was, and the next record goes its way.

use crate::support::inspect::Writing;
use crate::support::site::{BUSINESS, DEAD, INBOUND, INTENTS, Seen, Site, TEMPLATE};
use crate::support::traffic::{inbound, intent, now_ms, rfc3339};
use crate::support::worker::Worker;
use std::time::Duration;

const CUSTOMER: &str = "5511900000001";

/// A bad value with its headers, the reason, and what the detail must speak of.
struct Row {
    value: Option<Vec<u8>>,
    headers: Vec<(&'static str, &'static [u8])>,
    reason: &'static str,
    detail: &'static str,
}

fn row(value: impl Into<Vec<u8>>, reason: &'static str, detail: &'static str) -> Row {
    Row { value: Some(value.into()), headers: vec![], reason, detail }
}

fn with_header(value: String, name: &'static str, header: &'static [u8]) -> Row {
    Row { headers: vec![(name, header)], ..row(value, "unsupported_encoding", "content-encoding") }
}

/// What is wrong on either topic; `good` would be understood.
fn rows_for_both(good: &str) -> Vec<Row> {
    let without = |field: &str| {
        let mut json: serde_json::Value = serde_json::from_str(good).unwrap();
        json.as_object_mut().unwrap().remove(field);
        json.to_string()
    };
    let with = |field: &str, value: serde_json::Value| {
        let mut json: serde_json::Value = serde_json::from_str(good).unwrap();
        json[field] = value;
        json.to_string()
    };
    let framed = [&[0, 0, 0, 0, 7, 2], good.as_bytes()].concat();
    let marked = ["\u{feff}", good].concat();
    let long_id = "9".repeat(257);
    vec![
        Row { value: None, ..row("", "empty_value", "no value") },
        row("", "empty_value", "no bytes"),
        row([good.as_bytes(), b"\xff"].concat(), "not_utf8", "not UTF-8"),
        row(b"\xfe\xff\0{\0}", "not_utf8", "not UTF-8"),
        row("hello", "not_json", "line 1"),
        row(&good[..good.len() - 1], "not_json", "ends or breaks"),
        row(format!("{good}{good}"), "not_json", "ends or breaks"),
        row(format!("[{good}]"), "not_json", "object is expected"),
        row("null", "not_json", "object is expected"),
        row(marked, "not_json", "byte order mark"),
        row("{}", "missing_field", "is required"),
        row(without("business_id"), "missing_field", "business_id"),
        row(without("customer_id"), "missing_field", "customer_id"),
        row(with("business_id", "".into()), "invalid_field", "business_id is empty"),
        row(with("business_id", "1:2".into()), "invalid_field", "colon"),
        row(with("business_id", 106.into()), "invalid_field", "not a string"),
        row(with("customer_id", 5511.into()), "invalid_field", "not a string"),
        row(with("customer_id", "55 11".into()), "invalid_field", "whitespace"),
        row(with("customer_id", long_id.into()), "invalid_field", "257 bytes"),
        row(good.replacen('{', r#"{"customer_id":"1","#, 1), "invalid_field", "more than once"),
        row(with("channel", "carrier_pigeon".into()), "unknown_channel", "configured"),
        row(with("channel", 7.into()), "invalid_field", "channel is not a string"),
        row(framed, "unsupported_encoding", "byte 0"),
        with_header(good.to_owned(), "content-encoding", b"gzip"),
        with_header(good.to_owned(), "Content-Encoding", b"zstd"),
    ]
}

fn inbound_rows() -> Vec<Row> {
    let good = inbound("wamid.bad", CUSTOMER, now_ms());
    let with = |members: &str| good.replacen('{', &format!("{{{members},"), 1);
    let mut rows = rows_for_both(&good);
    rows.extend([
        row(good.replace("message_id", "id"), "missing_field", "message_id"),
        row(good.replace("occurred_at", "at"), "missing_field", "occurred_at"),
        row(good.replace(r#""type":"text","#, ""), "missing_field", "type"),
        row(good.replace("Z\"", "\""), "invalid_field", "RFC 3339"),
        row(with(r#""customer_aliases":"5511""#), "invalid_field", "not an array"),
        row(with(r#""customer_aliases":["5511",7]"#), "invalid_field", "not a string"),
        row(with(&format!(r#""customer_aliases":{:?}"#, ["1"; 17])), "invalid_field", "17 ids"),
    ]);
    rows
}

fn intent_rows() -> Vec<Row> {
    let good = intent("bad", CUSTOMER);
    let bare = format!(r#"{{"intent_id":"bare","business_id":"{BUSINESS}","customer_id":"{CUSTOMER}""#);
    let with = |members: &str| format!("{bare},{members}}}");
    let expired = format!(r#""message":{{}},"expires_at":"{}""#, rfc3339(now_ms() - 1));
    let mut rows = rows_for_both(&good);
    rows.extend([
        row(good.replace("intent_id", "id"), "missing_field", "intent_id"),
        row(format!("{bare}}}"), "missing_field", "message or template"),
        row(with(r#""message":"hello""#), "invalid_field", "message is not an object"),
        row(with(r#""message":{},"template":["hello"]"#), "invalid_field", "template is not an object"),
        row(with(r#""message":{},"expires_at":"tomorrow""#), "invalid_field", "expires_at"),
        row(with(r#""message":{},"requested_at":1764000000"#), "invalid_field", "requested_at"),
        row(with(r#""message":{},"recipients":["1","2"]"#), "bulk_not_allowed", "recipients"),
        row(with(&expired).replace("bare", "expired"), "expired", "expires_at"),
    ]);
    // Whatever has the id of an intent above is no second one because of what is wrong with it.
    rows
}

/// The record of a row: with or without a key, headers of its own, a time of its own.
fn writing(number: usize, row: &Row) -> Writing {
    let mut headers = vec![("x-own".to_owned(), vec![0xff, number as u8]), ("x-own".to_owned(), b"again".to_vec())];
    headers.extend(row.headers.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec())));
    Writing {
        key: (!number.is_multiple_of(3)).then(|| vec![0xfe, number as u8]),
        value: row.value.clone(),
        headers,
        timestamp_ms: Some(now_ms() - 100_000 + number as i64),
    }
}

fn every_row_becomes_a_dead_letter(name: &str, topic: &str, rows: &[Row], good: impl Fn(&Site, usize)) -> Site {
    let site = Site::new(name, 1);
    let writings: Vec<Writing> = rows.iter().enumerate().map(|(number, row)| writing(number, row)).collect();
    for (number, writing) in writings.iter().enumerate() {
        site.write_exactly(topic, writing);
        good(&site, number);
    }
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    site.wait_for_windows();
    let letters = site.read(DEAD);
    assert_eq!(letters.len(), rows.len(), "{letters:?}");
    for (number, (row, writing)) in rows.iter().zip(&writings).enumerate() {
        let offset = (2 * number as i64).to_string();
        let ours = |seen: &&Seen| seen.header("sessiongate.error.offset").as_ref() == Some(&offset);
        let letter = letters.iter().find(ours).unwrap_or_else(|| panic!("{number}: no dead letter"));
        assert_is_the_dead_letter(&site, topic, letter, row, writing);
    }
    assert!(worker.stop().success());
    site
}

fn assert_is_the_dead_letter(site: &Site, topic: &str, letter: &Seen, row: &Row, writing: &Writing) {
    let what = format!(
        "{} {}: {:?}",
        row.reason,
        row.detail,
        row.value.as_deref().map(|value| value.escape_ascii().to_string())
    );
    assert_eq!((&letter.value, &letter.key), (&writing.value, &writing.key), "{what}");
    assert_eq!(Some(letter.timestamp_ms), writing.timestamp_ms, "{what}");
    let (own, added) = letter.headers.split_at(writing.headers.len());
    assert_eq!(own, writing.headers, "{what}");
    let added =
        |name: &str| &added.iter().find(|(header, _)| header == name).unwrap_or_else(|| panic!("{name}: {what}")).1;
    let text = |name: &str| String::from_utf8_lossy(added(name)).into_owned();
    let offset = letter.header("sessiongate.error.offset").unwrap();
    assert_eq!(text("sessiongate.error.reason"), row.reason, "{what}: {}", text("sessiongate.error.detail"));
    assert!(text("sessiongate.error.detail").contains(row.detail), "{what}: {}", text("sessiongate.error.detail"));
    let expected = [
        ("sessiongate.error.topic", site.topic(topic)),
        ("sessiongate.error.partition", "0".to_owned()),
        ("sessiongate.error.timestamp", rfc3339(letter.timestamp_ms)),
        ("sessiongate.error.group", site.group()),
        ("kafka_dlt-original-topic", site.topic(topic)),
        ("kafka_dlt-original-consumer-group", site.group()),
        ("kafka_dlt-exception-message", text("sessiongate.error.detail")),
        ("__connect.errors.topic", site.topic(topic)),
        ("__connect.errors.partition", "0".to_owned()),
        ("__connect.errors.offset", offset.clone()),
        ("__connect.errors.exception.message", text("sessiongate.error.detail")),
    ];
    for (name, value) in expected {
        assert_eq!(text(name), value, "{name}: {what}");
    }
    let offset: i64 = offset.parse().unwrap();
    assert_eq!(added("kafka_dlt-original-partition").as_slice(), 0_i32.to_be_bytes(), "{what}");
    assert_eq!(added("kafka_dlt-original-offset").as_slice(), offset.to_be_bytes(), "{what}");
    assert_eq!(added("kafka_dlt-original-timestamp").as_slice(), letter.timestamp_ms.to_be_bytes(), "{what}");
}

#[test]
fn a_bad_inbound_message_becomes_a_dead_letter_and_the_next_one_opens_its_window() {
    let rows = inbound_rows();
    let customer = |number: usize| format!("55119{number:08}");
    let now = now_ms();
    let site =
        every_row_becomes_a_dead_letter("bad-inbound", INBOUND, &rows, |site, number| site.say(&customer(number), now));
    let expected = (0..rows.len()).map(customer).collect();
    assert_eq!(site.customers_with_a_window(), expected);
}

#[test]
fn a_bad_intent_becomes_a_dead_letter_and_the_next_one_gets_its_verdict() {
    let rows = intent_rows();
    let id = |number: usize| format!("good-{number:03}");
    let site =
        every_row_becomes_a_dead_letter("bad-intents", INTENTS, &rows, |site, number| site.ask(&id(number), CUSTOMER));
    let ids: Vec<_> = site.read(TEMPLATE).iter().map(|seen| seen.json()["intent_id"].clone()).collect();
    assert_eq!(ids, (0..rows.len()).map(id).collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn a_bad_record_from_the_future_does_not_stop_those_behind_it() {
    let takes_any_time = (INTENTS, "message.timestamp.after.max.ms", "9223372036854775807");
    let site = Site::with_settings("future", 1, &[takes_any_time]);
    let in_ten_hours = now_ms() + 36_000_000;
    let bad = Writing { key: None, value: Some(b"oops".to_vec()), headers: vec![], timestamp_ms: Some(in_ten_hours) };
    site.write_exactly(INTENTS, &bad);
    site.ask("behind-it", CUSTOMER);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    assert!(worker.stop().success());
    let letters = site.read(DEAD);
    assert_eq!((letters.len(), site.read(TEMPLATE).len()), (1, 1));
    assert!(letters[0].timestamp_ms < in_ten_hours - 3_600_000, "brokers refuse what is an hour ahead");
    assert_eq!(letters[0].header("sessiongate.error.timestamp"), Some(rfc3339(in_ten_hours)));
}
