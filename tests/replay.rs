//! `sessiongate replay` as a person runs it: what goes to standard output, what to standard error, and the exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use chrono::{DateTime, TimeDelta};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn replay(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessiongate"));
    command.arg("replay").args(arguments).current_dir(folder.path());
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhooks")
}

/// Every event of every webhook in that folder is told, with the file that it stands in, and why.
fn every_event_is_explained(folder: &Path) {
    let folder = folder.to_str().unwrap();
    let told = text(&replay(&[folder, "--explain"]).stdout);
    let lines: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 10, "{told}");
    for line in &lines {
        assert!(line["source"]["file"].as_str().unwrap().starts_with(folder), "{line}");
        assert!(!line["explanation"].as_str().unwrap().is_empty(), "{line}");
    }
    assert!(lines.iter().any(|line| line["effect"] == "opens" && line["expires_at"].is_string()), "{told}");
    assert!(lines.iter().any(|line| line["effect"] == "opens_nothing"), "{told}");
    let for_people = text(&replay(&[folder, "--format", "text"]).stdout);
    assert_eq!(for_people.lines().count(), lines.len(), "without an explanation, a line each");
}

#[test]
fn a_folder_of_webhooks_is_told_event_by_event() {
    every_event_is_explained(&fixtures());
    match std::env::var_os("SESSIONGATE_SAMPLES_DIR") {
        Some(folder) => every_event_is_explained(Path::new(&folder)),
        None => eprintln!("SESSIONGATE_SAMPLES_DIR is not set: only the project's own webhooks were replayed"),
    }
}

/// The verdicts among what is told.
fn verdicts(told: &Output) -> Vec<Value> {
    let lines = text(&told.stdout);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["intent_id"].is_string()).collect()
}

/// Intents for every customer of a folder, an hour after what they did and forty days later: the first finds the window
/// open, unless a provider refused it, the second finds it closed, and both are explained.
fn every_window_is_open_for_a_day(folder: &Path) {
    let told = text(&replay(&[folder.to_str().unwrap()]).stdout);
    let mut intents = String::new();
    for (number, line) in told.lines().enumerate() {
        let event: Value = serde_json::from_str(line).unwrap();
        if !["opens", "refreshes"].iter().any(|effect| event["effect"] == *effect) {
            continue;
        }
        let at = DateTime::parse_from_rfc3339(event["occurred_at"].as_str().unwrap()).unwrap();
        for (name, later) in [("soon", TimeDelta::hours(1)), ("late", TimeDelta::days(40))] {
            let intent = serde_json::json!({
                "intent_id": format!("{name}.{number}"), "channel": event["channel"], "message": {},
                "business_id": event["business_id"], "customer_id": event["customer_id"],
                "requested_at": (at + later).to_rfc3339(),
            });
            intents.push_str(&format!("{intent}\n"));
        }
    }
    let beside = tempfile::tempdir().unwrap();
    let file = beside.path().join("intents.ndjson");
    std::fs::write(&file, &intents).unwrap();
    let told = replay(&["--explain", folder.to_str().unwrap(), file.to_str().unwrap()]);
    let verdicts = verdicts(&told);
    assert!(verdicts.len() > 20, "{}", text(&told.stdout));
    assert_eq!(verdicts.len(), intents.lines().count());
    for verdict in &verdicts {
        let is_soon = verdict["intent_id"].as_str().unwrap().starts_with("soon");
        let is_open = verdict["reason"].is_null() || verdict["reason"] == "provider_refused";
        assert_eq!(is_open, is_soon, "{verdict}");
        assert!(!verdict["explanation"].as_str().unwrap().is_empty(), "{verdict}");
    }
    assert!(verdicts.iter().any(|verdict| verdict["reason"].is_null()));
}

#[test]
fn intents_beside_webhooks_get_verdicts_with_explanations() {
    every_window_is_open_for_a_day(&fixtures());
    match std::env::var_os("SESSIONGATE_SAMPLES_DIR") {
        Some(folder) => every_window_is_open_for_a_day(Path::new(&folder)),
        None => eprintln!("SESSIONGATE_SAMPLES_DIR is not set: only the project's own webhooks were replayed"),
    }
}

#[test]
fn the_example_of_the_documentation_shows_each_kind_of_verdict() {
    let intents = fixtures().with_file_name("intents.ndjson");
    let told = replay(&["--explain", fixtures().to_str().unwrap(), intents.to_str().unwrap()]);
    let verdicts: Vec<(String, Value, String)> = verdicts(&told)
        .iter()
        .map(|it| {
            let of = |name: &str| it[name].as_str().unwrap().to_owned();
            (of("intent_id"), it["reason"].clone(), of("explanation"))
        })
        .collect();
    let expected = [
        ("refused", Value::from("provider_refused"), "refused"),
        ("within", Value::Null, "21h 21m were left"),
        ("nobody", Value::from("no_open_window"), "No act of 4915155509999"),
        ("closing", Value::from("window_closing"), "42s"),
    ];
    assert_eq!(verdicts.len(), expected.len());
    for (id, reason, words) in expected {
        let (_, found, explanation) = verdicts.iter().find(|(found, ..)| found == id).unwrap();
        assert_eq!(*found, reason, "{id}");
        assert!(explanation.contains(words), "{id}: {explanation}");
    }
}

#[test]
fn what_cannot_be_used_fails_the_command_and_the_rest_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.ndjson");
    let intent =
        r#"{"intent_id":"i","business_id":"106","customer_id":"1","requested_at":"2026-11-01T10:00:00Z","message":{}}"#;
    std::fs::write(&file, format!("{intent}\n")).unwrap();
    let path = file.to_str().unwrap();
    let done = replay(&[path]);
    assert_eq!((done.status.code(), text(&done.stderr)), (Some(0), String::new()));
    let verdict: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&verdict["reason"], &verdict["decided_at"]),
        (&"no_open_window".into(), &"2026-11-01T10:00:00.000Z".into())
    );

    std::fs::write(&file, format!("{intent}\nnonsense\n")).unwrap();
    let done = replay(&[path]);
    assert_eq!((done.status.code(), text(&done.stdout).lines().count()), (Some(1), 1));
    assert!(text(&done.stderr).starts_with(&format!("{path}:2: not_json: ")), "{}", text(&done.stderr));

    let done = replay(&[folder.path().join("nowhere").to_str().unwrap(), path]);
    assert_eq!((done.status.code(), text(&done.stdout).lines().count()), (Some(1), 1), "the rest is told");
    assert!(text(&done.stderr).contains("nowhere"));
}
