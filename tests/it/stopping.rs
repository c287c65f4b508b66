//! A worker that is asked to stop, at work and while it waits.

use crate::exactly_once::Load;
use crate::support::command::unused_port;
use crate::support::site::{INTENTS, Site};
use crate::support::wait_until;
use crate::support::worker::Worker;
use std::time::Duration;

const TERMINATE: i32 = 15;
const INTERRUPT: i32 = 2;

#[test]
fn a_worker_that_is_asked_to_stop_under_load_commits_what_is_in_flight() {
    for (name, signal) in [("sigterm", TERMINATE), ("sigint", INTERRUPT)] {
        let site = Site::new(name, 4);
        let mut load = Load::begin(&site);
        load.ask(10_000);
        let mut worker = Worker::start(&site);
        load.wait_for_verdicts(0);
        load.ask(5_000);
        worker.signal(signal);
        assert_eq!(worker.wait(Duration::from_secs(60)).code(), Some(0), "{name}:\n{}", worker.log());
        let committed = site.committed(INTENTS);
        let (verdicts, answered) = (load.truth.check(&site, false).verdicts as i64, site.committed(INTENTS));
        assert_eq!((verdicts, answered), (committed, committed), "{name}: what is committed is answered");
        let worker = Worker::start(&site);
        load.finish(false);
        assert!(worker.stop().success());
    }
}

#[test]
fn a_worker_waits_for_a_kafka_or_a_redis_that_is_away_until_it_is_asked_to_stop() {
    let nobody = unused_port();
    let (kafka, redis) = (format!("127.0.0.1:{nobody}"), format!("redis://127.0.0.1:{nobody}"));
    let table = [("KAFKA_BROKERS", kafka.as_str(), "Kafka at"), ("REDIS_URL", redis.as_str(), "Redis cannot be asked")];
    for (setting, value, told) in table {
        let site = Site::new("away", 1);
        let mut worker = Worker::with(&site, &[(setting, value)]);
        wait_until("the worker to say what it waits for", || worker.log().contains(told));
        assert!(worker.log().contains(&nobody.to_string()) || told.starts_with("Redis"), "{}", worker.log());
        assert!(worker.is_running(), "{setting}");
        assert_eq!(worker.stop().code(), Some(0), "{setting}");
    }
}

#[test]
fn a_worker_whose_log_cannot_be_written_works_without_one() {
    let site = Site::new("mute", 2);
    let mut worker = Worker::mute(&site, &[]);
    site.ask("intent-1", "5511900000001");
    site.flush();
    wait_until("the verdict", || site.committed(INTENTS) >= 1 || !worker.is_running());
    assert_eq!(worker.stop().code(), Some(0));
    let mut refused = Worker::mute(&site, &[("WORKER_SHARDS", "0")]);
    assert_eq!(refused.wait(Duration::from_secs(60)).code(), Some(64));
}

#[test]
fn a_worker_waits_for_topics_that_are_not_there_yet() {
    let site = Site::without_topics("no-topics");
    let mut worker = Worker::start(&site);
    wait_until("the worker to say what it waits for", || worker.log().contains("does not exist"));
    assert!(worker.is_running());
    crate::support::site::TOPICS.iter().for_each(|topic| site.create_topic(topic, 2, &[]));
    site.ask("intent-1", "5511900000001");
    site.flush();
    site.wait_for_worker(Duration::from_secs(60));
    assert_eq!(site.read(crate::support::site::TEMPLATE).len(), 1);
    assert_eq!(worker.stop().code(), Some(0));
}
