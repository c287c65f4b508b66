//! The demo as a person reads it, from the built program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sessiongate"))
        .arg("demo")
        .args(arguments)
        // A configuration that is there for something else changes nothing.
        .env("SESSIONGATE_WINDOW_LENGTH", "nonsense")
        .env("SESSIONGATE_KAFKA_BROKERS", "192.0.2.1:9092")
        .env_remove("SESSIONGATE_LOG")
        .output()
        .unwrap()
}

/// The number behind that name in a line of counts.
fn count(line: &str, name: &str) -> u64 {
    let (_, rest) = line.split_once(name).unwrap_or_else(|| panic!("no {name} in: {line}"));
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {name} in: {line}"))
}

#[test]
fn the_demo_shows_windows_verdicts_and_dead_letters_and_sums_them_up() {
    let output = demo(&["--duration", "12s"]);
    let (text, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{text}\n{errors}");
    assert!(text.lines().next().unwrap().contains("a Kafka broker is at 127.0.0.1:"), "{text}");
    assert!(!text.contains('\u{1b}'), "no terminal, no control sequences: {text}");

    let told = |title: &str| text.lines().filter(|line| line.contains(&format!("s  {title}  "))).count() as u64;
    let last = text.lines().last().unwrap();
    assert!(last.starts_with("in all"), "{text}");
    for title in ["session send", "template required", "dead letter"] {
        assert!(count(last, title) >= 1, "{title}: {text}");
        assert_eq!(told(title), count(last, title), "every {title} is told: {text}");
    }
    assert!(count(last, "windows opened") >= 1, "{text}");
    assert!(count(last, "no_open_window/complete") >= 1, "{text}");
    assert!(text.contains("window opened      Ana wrote to bakery: services may write freely"), "{text}");
}
