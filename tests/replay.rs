//! `sessiongate replay` as a person runs it: what goes to standard output, what to standard error, and the exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

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

    let done = replay(&[folder.path().join("nowhere").to_str().unwrap()]);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("nowhere"));
}
