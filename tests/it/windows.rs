//! Which inbound messages open a window, and until when.

use crate::support::inspect::Kept;
use crate::support::site::{BUSINESS, DEAD, EVENT, Site};
use crate::support::traffic::{inbound, now_ms, rfc3339};
use crate::support::worker::Worker;
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// An inbound message: its type, when the customer acted, and the record's timestamp if that is not the moment of
/// writing.
struct Act {
    kind: &'static str,
    occurred_at: String,
    recorded_at_ms: Option<i64>,
}

fn text(occurred_at_ms: i64) -> Act {
    Act { kind: "text", occurred_at: rfc3339(occurred_at_ms), recorded_at_ms: None }
}

fn recorded(occurred_at_ms: i64, recorded_at_ms: i64) -> Act {
    Act { recorded_at_ms: Some(recorded_at_ms), ..text(occurred_at_ms) }
}

fn written(occurred_at: String) -> Act {
    Act { occurred_at, ..text(0) }
}

/// What a customer does, and the window that has to come of it: when it opened, and the last act.
struct Case {
    what: &'static str,
    acts: Vec<Act>,
    window: Option<(i64, i64)>,
}

fn cases(now: i64) -> Vec<Case> {
    let (hour_ago, two_ago, three_ago) = (now - HOUR_MS, now - 2 * HOUR_MS, now - 3 * HOUR_MS);
    let case = |what, acts: Vec<Act>, window| Case { what, acts, window };
    let second = "2026-11-22T10:15:30";
    let whole_second = |ms: i64| ms.div_euclid(1000) * 1000;
    let in_india = rfc3339(hour_ago + 5 * HOUR_MS + HOUR_MS / 2).replace('Z', "+05:30");
    let nanoseconds = rfc3339(whole_second(hour_ago) + 123).replace('Z', "999999Z");
    assert_eq!(nanoseconds.len(), second.len() + ".123999999Z".len());
    vec![
        case("a message opens", vec![text(hour_ago)], Some((hour_ago, hour_ago))),
        case("a reply refreshes", vec![text(two_ago), text(hour_ago)], Some((two_ago, hour_ago))),
        case("an older one never shortens", vec![text(hour_ago), text(three_ago)], Some((three_ago, hour_ago))),
        case("the same twice is the same", vec![text(hour_ago), text(hour_ago)], Some((hour_ago, hour_ago))),
        case("older than 24 h opens nothing", vec![text(now - DAY_MS - 1)], None),
        case("exactly 24 h old opens nothing", vec![text(now - DAY_MS)], None),
        case(
            "a retry of days ago changes nothing",
            vec![text(hour_ago), text(now - 4 * DAY_MS)],
            Some((hour_ago, hour_ago)),
        ),
        case("the future is the record's time", vec![recorded(now + HOUR_MS, two_ago)], Some((two_ago, two_ago))),
        case(
            "5 s ahead is believed",
            vec![recorded(two_ago + 5_000, two_ago)],
            Some((two_ago + 5_000, two_ago + 5_000)),
        ),
        case("5.001 s ahead is not", vec![recorded(two_ago + 5_001, two_ago)], Some((two_ago, two_ago))),
        case("the moment of writing is not the event's", vec![recorded(hour_ago, now)], Some((hour_ago, hour_ago))),
        case("any offset from UTC", vec![written(in_india)], Some((hour_ago, hour_ago))),
        case(
            "finer than a millisecond is dropped",
            vec![written(nanoseconds)],
            Some((whole_second(hour_ago) + 123, whole_second(hour_ago) + 123)),
        ),
    ]
}

#[test]
fn a_window_ends_exactly_24_h_after_the_last_act_whatever_comes_in_which_order() {
    let site = Site::new("windows", 3);
    let cases = cases(now_ms());
    let customer = |number: usize| format!("55119{number:08}");
    for (number, case) in cases.iter().enumerate() {
        for (count, act) in case.acts.iter().enumerate() {
            let customer = customer(number);
            let text = format!(
                r#"{{"message_id":"wamid.{number}.{count}","business_id":"{BUSINESS}","customer_id":"{customer}","type":"{}","occurred_at":"{}"}}"#,
                act.kind, act.occurred_at
            );
            site.say_exactly(&customer, &text, act.recorded_at_ms);
        }
    }
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_windows();
    for (number, case) in cases.iter().enumerate() {
        let kept = site.window(&customer(number));
        let times = kept.map(|kept| (kept.opened_at_ms, kept.last_inbound_at_ms));
        assert_eq!(times, case.window, "{}", case.what);
        if let Some(Kept { ends_at_ms, last_inbound_at_ms, .. }) = kept {
            assert_eq!(ends_at_ms, last_inbound_at_ms + DAY_MS, "{}", case.what);
        }
    }
    assert_eq!(site.read(DEAD).len(), 0);
    assert!(worker.stop().success());
}

#[test]
fn a_kept_window_names_the_record_of_the_last_act() {
    let site = Site::new("window-position", 1);
    let now = now_ms();
    let times = [now - 3 * HOUR_MS, now - HOUR_MS, now - 2 * HOUR_MS];
    times.iter().for_each(|at| site.say("5511900000001", *at));
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_windows();
    let expected = Kept {
        opened_at_ms: times[0],
        last_inbound_at_ms: times[1],
        ends_at_ms: times[1] + DAY_MS,
        partition: 0,
        offset: 1,
    };
    assert_eq!(site.window("5511900000001"), Some(expected));
    assert!(worker.stop().success());
}

#[test]
fn only_what_a_customer_does_opens_a_window() {
    let site = Site::new("window-kinds", 2);
    let now = now_ms();
    let opening =
        ["text", "image", "reaction", "button", "nfm_reply", "call", "call_accepted", "unsupported", "hologram"];
    let idle =
        ["status", "echo", "history", "template", "system", "edit", "revoke", "reaction_removed", "call_rejected"];
    for kind in opening.iter().chain(&idle) {
        let text =
            inbound(&format!("wamid.{kind}"), kind, now).replace(r#""type":"text""#, &format!(r#""type":"{kind}""#));
        site.say_exactly(kind, &text, None);
    }
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_windows();
    let expected: BTreeSet<String> = opening.iter().map(|kind| (*kind).to_owned()).collect();
    assert_eq!(site.customers_with_a_window(), expected);
    assert_eq!(site.read(DEAD).len(), 0);
    assert!(worker.stop().success());
}

#[test]
fn a_window_opens_under_every_id_of_the_customer() {
    let site = Site::new("window-aliases", 4);
    let at = now_ms() - HOUR_MS;
    let aliases =
        r#""customer_aliases":["US.13491208655302741918","5511900000001","US.13491208655302741918","group:7"],"#;
    let text = inbound("wamid.1", "5511900000001", at).replacen('{', &format!("{{{aliases}"), 1);
    site.say_exactly("5511900000001", &text, None);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_windows();
    let ids = ["5511900000001", "US.13491208655302741918", "group:7"];
    assert_eq!(site.customers_with_a_window(), ids.map(str::to_owned).into());
    for id in ids {
        assert_eq!(site.window(id).unwrap().ends_at_ms, at + DAY_MS, "{id}");
        site.ask(&format!("intent-{id}"), id);
    }
    site.flush();
    site.wait_for_worker(Duration::from_secs(60));
    assert_eq!(site.read(crate::support::site::SEND).len(), ids.len());
    let mut told: Vec<String> =
        site.read(EVENT).iter().map(|seen| seen.json()["customer_id"].as_str().unwrap().to_owned()).collect();
    told.sort();
    assert_eq!(told, ids);
    assert!(worker.stop().success());
}

#[test]
fn a_window_event_is_told_when_a_window_opens_and_not_when_it_is_refreshed() {
    let site = Site::new("window-events", 1);
    let now = now_ms();
    let (opened, refreshed, late) = (now - 3 * HOUR_MS, now - HOUR_MS, now - 2 * DAY_MS);
    [opened, refreshed, refreshed, late].iter().for_each(|at| site.say("5511900000001", *at));
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    let event = site.read_one(EVENT, "one event", |_| true);
    let json = event.json();
    let expected = serde_json::json!({
        "event": "opened",
        "channel": "whatsapp",
        "business_id": BUSINESS,
        "customer_id": "5511900000001",
        "occurred_at": rfc3339(opened),
        "opened_at": rfc3339(opened),
        "last_inbound_at": rfc3339(opened),
        "expires_at": rfc3339(opened + DAY_MS),
        "cause": { "message_id": format!("wamid.5511900000001.{opened}"), "type": "text" },
        "source": { "topic": site.topic(crate::support::site::INBOUND), "partition": 0, "offset": 0 },
    });
    assert_eq!(json, expected);
    assert!(worker.stop().success());
}

#[test]
fn a_refresh_is_told_when_that_is_switched_on() {
    let site = Site::new("refreshed-events", 1);
    let now = now_ms();
    let (opened, refreshed) = (now - 3 * HOUR_MS, now - HOUR_MS);
    [opened, refreshed, refreshed].iter().for_each(|at| site.say("5511900000001", *at));
    site.flush();
    let worker = Worker::with(&site, &[("WINDOW_REFRESHED_EVENTS", "true")]);
    site.wait_for_worker(Duration::from_secs(60));
    let told = |seen: &Value| (seen["event"].clone(), seen["opened_at"].clone(), seen["last_inbound_at"].clone());
    let told: Vec<_> = site.read(EVENT).iter().map(|seen| told(&seen.json())).collect();
    let expected = [("opened", opened), ("refreshed", refreshed)]
        .map(|(event, last)| (event.into(), rfc3339(opened).into(), rfc3339(last).into()));
    assert_eq!(told, expected);
    assert!(worker.stop().success());
}
