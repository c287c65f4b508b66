//! Encrypted lines and logins, on real servers that ask for them.

mod kafka;
pub mod redis;

use crate::support::api::Api;
use crate::support::site::{SEND, Site, TEMPLATE};
use crate::support::traffic::{by_intent, now_ms};
use crate::support::wait_until;
use crate::support::worker::Worker;
use std::time::Duration;

const MISCONFIGURED: Option<i32> = Some(64);
const SUCCESS: Option<i32> = Some(0);

/// A worker with these settings gives both kinds of verdicts, its windows and frontiers are in Redis, and whoever asks
/// over HTTP is told all of it.
fn does_the_whole_job(site: &Site, settings: &[(&str, &str)]) {
    site.say("5511", now_ms() - 60_000);
    site.flush();
    let api = Api::new();
    let mut worker = Worker::with(site, &[settings, &api.settings()].concat());
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
    wait_until("the worker to be ready", || api.is_ready());
    wait_until("the window to be proven", || {
        let told = api.window("5511");
        told["open"] == true && told["proof"]["complete"] == true
    });
    // Each of these is asked for over a client of its own, and left out of the page by those who are not answered.
    wait_until("the metrics to tell of lag and windows", || {
        let told = api.metrics().unwrap();
        let partitions = told.labels("sessiongate_lag_records").count();
        let windows = told.labels("sessiongate_open_windows_estimate").count();
        (partitions, windows, told.sum("sessiongate_lag_records", &[])) == (4, 1, 0.0)
    });
    assert!(worker.stop().success());
}
