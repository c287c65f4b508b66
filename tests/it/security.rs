//! Encrypted lines and logins, on real servers that ask for them.

mod kafka;
pub mod redis;

use crate::support::site::{SEND, Site, TEMPLATE};
use crate::support::traffic::{by_intent, now_ms};
use crate::support::worker::Worker;
use std::time::Duration;

const MISCONFIGURED: Option<i32> = Some(64);
const SUCCESS: Option<i32> = Some(0);

/// A worker with these settings gives both kinds of verdicts, and its windows and frontiers are in Redis.
fn does_the_whole_job(site: &Site, settings: &[(&str, &str)]) {
    site.say("5511", now_ms() - 60_000);
    site.flush();
    let mut worker = Worker::with(site, settings);
    site.ask("open", "5511");
    site.ask("closed", "4930");
    site.flush();
    site.wait_for_worker(Duration::from_secs(60));
    assert!(worker.is_running(), "{}", worker.log());
    let (sends, templates) = (site.read(SEND), site.read(TEMPLATE));
    assert!(by_intent(&sends).contains_key("open"), "{}", worker.log());
    assert_eq!(by_intent(&templates)["closed"][0].json()["basis"], "complete");
    site.wait_for_windows();
    assert!(site.window("5511").is_some());
    assert!(worker.stop().success());
}
