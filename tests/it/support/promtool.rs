//! Prometheus's own tool, where `SESSIONGATE_TEST_PROMTOOL` names one.

use std::io::Write;
use std::process::{Command, Stdio};

/// Sees that it takes a page of metrics, and finds nothing to improve.
pub fn check_metrics(page: &str) {
    let Ok(promtool) = std::env::var("SESSIONGATE_TEST_PROMTOOL") else {
        eprintln!("SESSIONGATE_TEST_PROMTOOL names no promtool: the page is read by the tests alone");
        return;
    };
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Its input ends with the value.
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let checked = child.wait_with_output().unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(checked.status.success() && said.is_empty(), "{said}");
}
