//! The example sender, on what a real worker wrote.

use crate::support::command::Said;
use crate::support::inspect::Writing;
use crate::support::python::{is_waived, project, python, run};
use crate::support::site::{INTENTS, SEND, Site, TEMPLATE};
use crate::support::traffic::{by_intent, key, now_ms, rfc3339};
use crate::support::wait_until;
use crate::support::worker::Worker;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const CUSTOMER: &str = "5511900000001";
const DAY_MS: i64 = 86_400_000;

/// The sender takes everything that is there, and asks again in this topic.
fn run_sender(site: &Site, group: &str, ledger: &Path, intents: &str) -> Said {
    let mut command = python(&project("examples/python/sender.py"));
    command.args(["--until-end", "--brokers", &site.brokers, "--group", &format!("{}{group}", site.prefix)]);
    command.args(["--topic", &site.topic(SEND), "--intents", &site.topic(intents), "--ledger"]).arg(ledger);
    run(&mut command)
}

/// What it says of that, in order of the words.
fn sender(site: &Site, group: &str, ledger: &Path) -> Vec<String> {
    let said = run_sender(site, group, ledger, INTENTS);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let mut lines: Vec<String> = said.text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn the_example_sends_once_while_the_window_is_open_and_asks_again_when_it_is_too_late() {
    if is_waived() {
        return;
    }
    let site = Site::new("example-sender", 2);
    site.say(CUSTOMER, now_ms() - 1_000);
    site.ask("in-time", CUSTOMER);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    let verdict = site.read(SEND).remove(0);
    let headers: Vec<(&str, &str)> =
        verdict.headers.iter().map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap())).collect();
    let text = String::from_utf8(verdict.value.clone().unwrap()).unwrap();
    // The same verdict once more, as at-least-once may bring it; and one that lay in the topic for a day.
    site.write(SEND, Some(&key(CUSTOMER)), text.as_bytes(), &headers);
    let ends = verdict.json()["window"]["expires_at"].as_str().unwrap().to_owned();
    let silent = "5511900000002";
    let late = text.replace("in-time", "late").replace(CUSTOMER, silent).replace(&ends, &rfc3339(now_ms() - DAY_MS));
    let headers: Vec<_> = headers
        .into_iter()
        .map(|(name, value)| (name, if name == "ce_id" { "elsewhere/0/7/verdict" } else { value }))
        .collect();
    site.write(SEND, Some(&key(silent)), late.as_bytes(), &headers);
    site.flush();

    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    let expected = [
        "known in-time",
        r#"sent in-time {"text": {"body": "in-time"}, "type": "text"}"#,
        "too late late asked again as late.again",
    ];
    assert_eq!(sender(&site, "sender", &ledger), expected);
    wait_until("the new intent to be decided", || by_intent(&site.read(TEMPLATE)).contains_key("late.again"));
    let answers = site.read(TEMPLATE);
    let answer = by_intent(&answers)["late.again"][0].json();
    assert_eq!((&answer["ready"], &answer["message"]["text"]["body"]), (&true.into(), &"late".into()));
    assert!(worker.stop().success());

    // Everything again, to a sender that has lost its offsets and not its ledger.
    assert_eq!(sender(&site, "sender-again", &ledger), ["known in-time", "known in-time", "known late"]);
}

#[test]
fn what_cannot_be_asked_again_yet_is_asked_again_later() {
    if is_waived() {
        return;
    }
    // One topic of intents takes less than this intent.
    let site = Site::with_settings("example-sender-refused", 1, &[(TEMPLATE, "max.message.bytes", "100")]);
    let ends = rfc3339(now_ms() - DAY_MS);
    let verdict = json!({
        "intent_id": "late", "channel": "whatsapp", "business_id": "106", "customer_id": CUSTOMER,
        "message": { "type": "text", "text": { "body": "a message that takes a little room".repeat(20) } },
        "window": { "expires_at": ends },
    });
    let value = Some(verdict.to_string().into_bytes());
    let headers = vec![("ce_id".to_owned(), b"elsewhere/0/7/verdict".to_vec())];
    site.write_exactly(SEND, &Writing { key: Some(key(CUSTOMER).into_bytes()), value, headers, timestamp_ms: None });
    site.flush();
    let folder = tempfile::tempdir().unwrap();
    let ledger = folder.path().join("ledger");
    for _ in 0..2 {
        let said = run_sender(&site, "sender", &ledger, TEMPLATE);
        assert_eq!(said.code, Some(1), "{}", said.text);
        said.assert_contains(&["the brokers did not take the new intent", "MSG_SIZE_TOO_LARGE"]);
    }
    assert_eq!(sender(&site, "sender", &ledger), ["too late late asked again as late.again"]);
    assert_eq!(site.read(INTENTS).len(), 1);
    assert_eq!(sender(&site, "sender-again", &ledger), ["known late"]);
}
