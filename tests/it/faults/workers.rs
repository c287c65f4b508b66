//! Workers that die, sleep, come and go.

use super::Round;
use crate::support::site::Site;
use crate::support::worker::Worker;

const STOP: i32 = 19;
const CONTINUE: i32 = 18;

/// Short enough for what was killed to be missed within a test.
const SHORT_TIMEOUTS: [(&str, &str); 2] = [
    ("KAFKA_CONSUMER", "session.timeout.ms=2000,heartbeat.interval.ms=400"),
    ("KAFKA_PRODUCER", "transaction.timeout.ms=2000"),
];

/// Nobody is killed: a broker that a busy machine holds up must not count as one that was.
const PATIENT_TIMEOUTS: [(&str, &str); 2] = [
    ("KAFKA_CONSUMER", "session.timeout.ms=10000,heartbeat.interval.ms=400"),
    ("KAFKA_PRODUCER", "transaction.timeout.ms=10000"),
];

fn start(site: &Site, settings: &[(&str, &str)]) -> Worker {
    Worker::with(site, &[&SHORT_TIMEOUTS, settings].concat())
}

#[test]
fn one_of_two_workers_is_killed_and_another_takes_its_place() {
    let site = Site::new("killed", 4);
    let _stays = start(&site, &[]);
    let mut killed = Some(start(&site, &[]));
    Round::new("kill -9 of a worker", &site).run(|live, pace| {
        killed.take().unwrap().kill();
        live.go_on_for(pace.silence);
        killed = Some(start(&site, &[]));
    });
}

#[test]
fn a_named_worker_is_killed_and_starts_again_at_once() {
    let site = Site::new("named", 4);
    let _stays = start(&site, &[("WORKER_INSTANCE", "first")]);
    let again = || start(&site, &[("WORKER_INSTANCE", "second")]);
    let mut killed = Some(again());
    Round::new("kill -9 of a named worker", &site).run(|_, _| {
        killed.take().unwrap().kill();
        killed = Some(again());
    });
}

#[test]
fn the_only_worker_is_killed_and_works_at_least_once() {
    let site = Site::new("repeats", 4);
    let again = || start(&site, &[("WORKER_GUARANTEE", "at-least-once")]);
    let mut killed = Some(again());
    let round = Round { at_least_once: true, ..Round::new("kill -9, at least once", &site) };
    round.run(|_, _| {
        killed.take().unwrap().kill();
        killed = Some(again());
    });
}

#[test]
fn a_worker_that_slept_past_its_session_and_its_transaction_wakes_up_and_harms_nothing() {
    let site = Site::new("zombie", 4);
    let _stays = start(&site, &[]);
    let sleeps = start(&site, &[]);
    Round::new("a worker sleeps and wakes up", &site).run(|live, pace| {
        sleeps.signal(STOP);
        live.go_on_for(pace.silence + pace.silence / 2);
        sleeps.signal(CONTINUE);
    });
}

#[test]
fn a_third_worker_joins_under_load_and_leaves_again() {
    let site = Site::new("rebalance", 4);
    let another = || start(&site, &PATIENT_TIMEOUTS);
    let _workers = [another(), another()];
    Round::new("a worker joins and leaves", &site).run(|live, pace| {
        let third = another();
        live.go_on_for(pace.silence);
        assert!(third.stop().success(), "the worker did not leave in order");
    });
}
