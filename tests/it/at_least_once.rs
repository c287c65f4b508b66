//! Without transactions: nothing is lost, and what comes twice can be told.

use crate::exactly_once::Load;
use crate::support::site::{SEND, Site, TEMPLATE};
use crate::support::worker::{QUICK, Worker};
use std::collections::BTreeMap;

#[test]
fn at_least_once_a_killed_worker_loses_nothing_and_repeats_only_what_can_be_told() {
    let site = Site::new("at-least-once", 4);
    let settings = [QUICK[0], ("WORKER_GUARANTEE", "at-least-once"), ("WORKER_COMMIT_INTERVAL", "1s")];
    let mut load = Load::begin(&site);
    load.ask(5_000);
    let worker = Worker::with(&site, &settings);
    load.wait_for_verdicts(0);
    load.ask(5_000);
    worker.kill();
    let worker = Worker::with(&site, &settings);
    load.finish(true);
    let mut by_id: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for seen in [SEND, TEMPLATE].iter().flat_map(|topic| site.read(topic)) {
        let intent = seen.json()["intent_id"].as_str().unwrap().to_owned();
        by_id.entry(seen.header("ce_id").unwrap()).or_default().push(intent);
    }
    assert_eq!(by_id.len(), 10_000, "an intent's verdicts all have one id");
    assert!(by_id.values().all(|intents| intents.windows(2).all(|pair| pair[0] == pair[1])));
    assert!(worker.stop().success());
}
