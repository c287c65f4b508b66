//! Several processes with one configuration.

use crate::exactly_once::Load;
use crate::support::api::Api;
use crate::support::site::{INTENTS, Site};
use crate::support::wait_until;
use crate::support::worker::{QUICK, Worker};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The intent partitions that the shards of a worker hold, by the last that they logged of it.
fn held(worker: &Worker) -> BTreeSet<i32> {
    let mut by_shard: BTreeMap<i64, BTreeSet<i32>> = BTreeMap::new();
    for line in worker.log().lines() {
        let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        let Some(change) =
            entry["message"].as_str().and_then(|text| text.strip_prefix("the group's assignment changed: "))
        else {
            continue;
        };
        let intents = change.split_once("intents [").map_or("", |(_, rest)| rest.trim_end_matches(']'));
        let partitions = intents.split_whitespace().map(|partition| partition.parse().unwrap()).collect();
        by_shard.insert(entry["span"]["number"].as_i64().unwrap(), partitions);
    }
    by_shard.into_values().flatten().collect()
}

#[test]
fn two_processes_share_the_partitions_and_one_takes_over_when_the_other_is_killed() {
    let site = Site::new("two-processes", 4);
    let mut load = Load::begin(&site);
    let workers = [Worker::with(&site, &QUICK), Worker::with(&site, &QUICK)];
    let all = BTreeSet::from([0, 1, 2, 3]);
    wait_until("each process to hold two partitions", || {
        let [one, other] = [held(&workers[0]), held(&workers[1])];
        one.len() == 2 && other.len() == 2 && &one | &other == all
    });
    load.ask(4_000);
    site.flush();
    site.wait_for_worker(Duration::from_secs(60));
    assert!(site.committed_by_partition(INTENTS).values().all(|offset| *offset > 0), "each has decided something");
    load.ask(6_000);
    load.wait_for_verdicts(5_000);
    load.ask(4_000);
    let [killed, other] = workers;
    killed.kill();
    load.finish(false);
    assert_eq!(held(&other), all);
    assert!(other.stop().success());
}

#[test]
fn two_processes_with_one_name_push_each_other_out_which_both_tell_and_which_harms_nothing() {
    let site = Site::new("one-name", 4);
    let mut load = Load::begin(&site);
    let apis = [Api::new(), Api::new()];
    let start =
        |api: &Api| Worker::with(&site, &[&QUICK[..], &api.settings(), &[("WORKER_INSTANCE", "same")]].concat());
    let stays = start(&apis[0]);
    wait_until("the first to be ready", || apis[0].is_ready());
    load.ask(2_000);
    let intruder = start(&apis[1]);
    let fenced = |api: &Api| api.metrics().map_or(0.0, |told| told.sum("sessiongate_kafka_errors_total", &[]));
    wait_until("each to be pushed out again and again", || apis.iter().all(|api| fenced(api) >= 4.0));
    load.ask(2_000);
    intruder.kill();
    load.finish(false);
    wait_until("the one that stays to be ready", || apis[0].is_ready());
    assert!(stays.log().contains("the Kafka clients broke, starting new ones"));
    assert!(stays.stop().success());
}
