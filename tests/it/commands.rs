//! The commands of an operator, on a real Kafka and Redis.

use crate::support::command::command;
use crate::support::site::{BUSINESS, SEND, Site, TOPICS};
use crate::support::traffic::{now_ms, rfc3339};
use crate::support::worker::Worker;
use serde_json::Value;

const HOUR_MS: i64 = 3_600_000;

#[test]
fn topics_are_created_once_and_as_check_wants_them() {
    let site = Site::without_topics("create-topics");
    let create = ["topics", "create", "--partitions", "3"];
    let said = command(&site, &["topics", "create", "--partitions", "3", "--dry-run"], &[]);
    assert_eq!((said.code, said.text.lines().count()), (Some(0), TOPICS.len()), "{}", said.text);
    said.assert_contains(&[&format!("{}: 3 partitions", site.topic(SEND))]);
    for outcome in ["created", "was there before, left as it is"] {
        let said = command(&site, &create, &[]);
        assert_eq!(said.code, Some(0), "{}", said.text);
        for topic in TOPICS {
            said.assert_contains(&[&format!("{}: {outcome}", site.topic(topic))]);
        }
    }
    assert_eq!(TOPICS.map(|topic| site.ends(topic).len()), [3; 6]);
    let said = command(&site, &["check"], &[]);
    assert_eq!((said.code, said.text.lines().count()), (Some(0), 1), "{}", said.text);
}

#[test]
fn a_window_is_shown_windows_are_listed_and_a_customer_is_erased() {
    let site = Site::new("show-windows", 2);
    let at = now_ms() - HOUR_MS;
    let customers = ["5511900000001", "5511900000002", "5511900000003"];
    customers.iter().for_each(|customer| site.say(customer, at));
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_windows();

    let said = command(&site, &["window", "get", BUSINESS, customers[0]], &[]);
    let shown: Value = serde_json::from_str(&said.text).unwrap_or_else(|error| panic!("{error}: {}", said.text));
    let window = format!("whatsapp:{BUSINESS}:{}", customers[0]);
    assert_eq!(
        (said.code, shown["window"].as_str(), shown["state"].as_str()),
        (Some(0), Some(window.as_str()), Some("open"))
    );
    assert_eq!((&shown["opened_at"], &shown["last_inbound_at"]), (&rfc3339(at).into(), &rfc3339(at).into()));
    assert_eq!(shown["expires_at"], rfc3339(at + 24 * HOUR_MS));
    let remaining_s = shown["remaining_seconds"].as_i64().unwrap();
    assert!((0..=23 * 3_600).contains(&remaining_s), "{remaining_s} s");
    let kept = site.window(customers[0]).unwrap();
    assert_eq!(shown["last_record"], serde_json::json!({ "partition": kept.partition, "offset": kept.offset }));

    let said = command(&site, &["window", "get", BUSINESS, "5511900000009"], &[]);
    assert_eq!((said.code, said.text.contains(r#""state": "closed""#)), (Some(0), true), "{}", said.text);
    let said = command(&site, &["window", "get", BUSINESS, customers[0], "--channel", "carrier_pigeon"], &[]);
    assert_eq!((said.code, said.text.contains("not configured")), (Some(1), true), "{}", said.text);

    let list = |arguments: &[&str]| {
        let said = command(&site, &[&["window", "list"], arguments].concat(), &[]);
        assert_eq!(said.code, Some(0), "{}", said.text);
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["window"].as_str().unwrap().to_owned();
        let mut listed: Vec<String> = said.text.lines().map(line).collect();
        listed.sort();
        listed
    };
    let all = customers.map(|customer| format!("whatsapp:{BUSINESS}:{customer}"));
    assert_eq!(list(&[]), all);
    assert_eq!(list(&["--business", BUSINESS, "--channel", "whatsapp"]), all);
    assert_eq!(list(&["--business", "106"]), Vec::<String>::new());
    assert_eq!(list(&["--limit", "2"]).len(), 2);

    let delete = |arguments: &[&str], outcome: &str| {
        let said = command(&site, &[&["window", "delete", customers[1]], arguments].concat(), &[]);
        assert_eq!(said.code, Some(0), "{}", said.text);
        assert_eq!(said.text.lines().filter(|line| line.contains(&all[1]) && line.contains(outcome)).count(), 1);
    };
    delete(&["--dry-run"], "found");
    assert_eq!(list(&[]), all);
    delete(&["--business", BUSINESS], "erased");
    assert_eq!(list(&[]), [all[0].clone(), all[2].clone()]);
    let said = command(&site, &["window", "delete", customers[1]], &[]);
    assert_eq!((said.code, said.text.as_str()), (Some(0), "sessiongate: nothing is held of this customer\n"));
    assert!(worker.stop().success());
}

#[test]
fn a_refusal_that_outlives_its_window_is_erased_too() {
    let site = Site::without_topics("erase-advice");
    let advice = |customer: &str| format!("{}advice:whatsapp:{BUSINESS}:{customer}", site.prefix);
    let (whose, other) = ("5511900000001", "5511900000002");
    for customer in [whose, other] {
        let text = format!("1 {}", now_ms());
        redis::cmd("SET").arg(advice(customer)).arg(text).arg("PX").arg(HOUR_MS).exec(&mut site.redis()).unwrap();
    }
    let is_held = || site.texts(&[advice(whose), advice(other)]).iter().map(Option::is_some).collect::<Vec<_>>();
    for (arguments, outcome, held) in [
        (&["--dry-run"][..], "found", [true, true]),
        (&["--business", "106"], "", [true, true]),
        (&[], "erased", [false, true]),
    ] {
        let said = command(&site, &[&["window", "delete", whose], arguments].concat(), &[]);
        assert_eq!((said.code, is_held()), (Some(0), held.to_vec()), "{arguments:?}: {}", said.text);
        let line = format!("{{\"advice\":\"whatsapp:{BUSINESS}:{whose}\",\"outcome\":\"{outcome}\"}}\n");
        let nothing = "sessiongate: nothing is held of this customer\n".to_owned();
        assert_eq!(said.text, if outcome.is_empty() { nothing } else { line });
    }
}
