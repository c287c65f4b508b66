//! Outputs that do not fit into their topics: nothing stalls, and everything is told.

use crate::support::inspect::Writing;
use crate::support::site::{DEAD, INTENTS, SEND, Seen, Site, TEMPLATE};
use crate::support::traffic::{intent, key, now_ms};
use crate::support::worker::Worker;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(60);
const CUSTOMER: &str = "5511900000001";
const LIMIT: &str = "20000";
const LIMIT_BYTES: usize = 20_000;

/// Text that no compression makes small.
fn noise(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[(state >> 58) as usize])
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn large_intent(id: &str, bytes: usize) -> String {
    intent(id, CUSTOMER).replace(&format!(r#""body":"{id}""#), &format!(r#""body":"{}""#, noise(bytes)))
}

fn reason(letter: &Seen) -> String {
    letter.header("sessiongate.error.reason").unwrap()
}

#[test]
fn a_verdict_that_does_not_fit_makes_its_intent_a_dead_letter_and_nothing_stalls() {
    let small = [(SEND, "max.message.bytes", LIMIT), (TEMPLATE, "max.message.bytes", LIMIT)];
    let site = Site::with_settings("too-large", 2, &small);
    site.say(CUSTOMER, now_ms());
    let too_large = [large_intent("large-1", LIMIT_BYTES), large_intent("large-2", 200_000)];
    site.ask("small-1", CUSTOMER);
    too_large.iter().for_each(|text| site.ask_exactly(CUSTOMER, text));
    site.ask("small-2", CUSTOMER);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    let letters = site.read(DEAD);
    assert_eq!(letters.iter().map(reason).collect::<Vec<_>>(), ["too_large", "too_large"]);
    for (letter, text) in letters.iter().zip(&too_large) {
        assert!(letter.value.as_deref() == Some(text.as_bytes()), "its own topic takes the whole intent");
    }
    let sent: Vec<_> = site.read(SEND).iter().map(|seen| seen.json()["intent_id"].clone()).collect();
    assert_eq!(sent, ["small-1", "small-2"]);
    assert!(worker.stop().success());
}

#[test]
fn a_verdict_that_the_producers_queue_has_no_room_for_is_told_at_once() {
    let site = Site::new("too-large-for-the-queue", 1);
    site.ask_exactly(CUSTOMER, &large_intent("large", 200_000));
    site.ask("small", CUSTOMER);
    site.flush();
    let worker = Worker::with(&site, &[("KAFKA_PRODUCER", "queue.buffering.max.kbytes=64")]);
    site.wait_for_worker(WITHIN);
    let letters = site.read(DEAD);
    assert_eq!(letters.iter().map(reason).collect::<Vec<_>>(), ["too_large"]);
    assert!(letters[0].header("sessiongate.error.truncated").is_some(), "it would not fit either");
    assert_eq!(site.read(TEMPLATE).len(), 1);
    assert!(worker.log().contains("set queue.buffering.max.kbytes="), "{}", worker.log());
    assert!(worker.stop().success());
}

#[test]
fn many_verdicts_go_through_topics_that_take_little_at_once() {
    let small = [SEND, TEMPLATE, DEAD].map(|topic| (topic, "max.message.bytes", LIMIT));
    let site = Site::with_settings("small-batches", 1, &small);
    for number in 0..200 {
        site.ask_exactly(CUSTOMER, &large_intent(&format!("intent-{number}"), 5_000));
    }
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    assert_eq!((site.read(TEMPLATE).len(), site.read(DEAD).len()), (200, 0));
    assert!(worker.stop().success());
}

#[test]
fn a_dead_letter_that_does_not_fit_is_cut_and_marked() {
    let site = Site::with_settings("cut-dead-letter", 1, &[(DEAD, "max.message.bytes", LIMIT)]);
    let text = noise(100_000);
    let headers = vec![("x-own".to_owned(), b"stays".to_vec())];
    let whole =
        Writing { key: Some(key(CUSTOMER).into()), value: Some(text.clone().into()), headers, timestamp_ms: None };
    site.write_exactly(INTENTS, &whole);
    let wide = Writing { headers: vec![("x-wide".to_owned(), noise(50_000).into())], ..whole.clone() };
    site.write_exactly(INTENTS, &wide);
    site.ask("small", CUSTOMER);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    let letters = site.read(DEAD);
    assert_eq!(letters.iter().map(reason).collect::<Vec<_>>(), ["not_json", "not_json"]);
    for letter in &letters {
        let value = letter.value.as_deref().unwrap();
        assert!(text.as_bytes().starts_with(value) && value.len() > LIMIT_BYTES / 2, "{} bytes are kept", value.len());
        assert_eq!(letter.header("sessiongate.error.truncated").as_deref(), Some("100000"));
        assert_eq!(letter.key, whole.key);
    }
    assert_eq!(letters[0].header("x-own").as_deref(), Some("stays"));
    assert_eq!(letters[1].header("sessiongate.error.dropped-headers").as_deref(), Some("1"));
    assert_eq!(letters[1].header("x-wide"), None);
    assert_eq!(site.read(TEMPLATE).len(), 1);
    assert!(worker.stop().success());
}
