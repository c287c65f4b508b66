//! A backlog from nothing: the moment in which a worker that is behind would be wrong.

use crate::support::services::OwnRedis;
use crate::support::site::{INBOUND, INTENTS, Site};
use crate::support::traffic::{Right, Truth, inbound, now_ms};
use crate::support::worker::Worker;
use crate::support::{variable, wait_longer};
use std::time::Duration;

/// How many inbound messages and as many intents lie there, unless `SESSIONGATE_TEST_SCALE` says otherwise.
const USUAL: usize = 50_000;
const PATIENCE: Duration = Duration::from_secs(600);

fn scale() -> usize {
    std::env::var("SESSIONGATE_TEST_SCALE").map_or(USUAL, |text| text.parse().expect("a number of intents"))
}

fn customer(number: usize) -> String {
    format!("5511{number:09}")
}

fn right(customer: usize) -> Right {
    if customer % 10 < 7 { Right::Open } else { Right::Closed }
}

/// Seven of ten customers write, all before any intent, and their messages lie in any partition: whoever counts on
/// those of its own alone is wrong.
fn preload(site: &Site, count: usize, customers: usize) -> Truth {
    let writers: Vec<usize> = (0..customers).filter(|customer| right(*customer) == Right::Open).collect();
    let start = now_ms() - 3_600_000;
    for number in 0..count {
        let (id, at_ms) = (format!("wamid.{number}"), start + (number % 3_000_000) as i64);
        let message = inbound(&id, &customer(writers[number % writers.len()]), at_ms);
        site.write(INBOUND, Some(&id), message.as_bytes(), &[]);
    }
    site.flush();
    let mut truth = Truth::default();
    ask_everyone(site, &mut truth, "intent", count, customers);
    truth
}

fn ask_everyone(site: &Site, truth: &mut Truth, name: &str, count: usize, customers: usize) {
    for number in 0..count {
        let id = format!("{name}-{number}");
        site.ask(&id, &customer(number % customers));
        truth.right.insert(id, right(number % customers));
    }
    site.flush();
}

fn check(truth: &Truth, site: &Site) {
    let outcome = truth.check(site, false);
    println!("{outcome}");
    let all = outcome.verdicts == truth.right.len() && outcome.timed_out == 0;
    assert!(outcome.is_right() && all, "{outcome}");
}

#[test]
fn a_million_of_each_from_nothing_are_all_right() {
    let site = Site::new("million", 4);
    let truth = preload(&site, scale(), scale() / 10);
    let _worker = Worker::start(&site);
    site.wait_for_worker(PATIENCE);
    check(&truth, &site);
}

#[test]
fn a_million_of_each_are_all_right_when_redis_is_flushed_half_way() {
    let redis = OwnRedis::start(&[]);
    let site = Site::on(&variable("SESSIONGATE_TEST_BROKERS"), &redis.url(), "million-flushed", 4);
    let (count, customers) = (scale(), scale() / 10);
    let mut truth = preload(&site, count, customers);
    let _worker = Worker::start(&site);
    let half = count as i64 / 2;
    wait_longer("half of the intents to be decided", PATIENCE, || site.committed(INTENTS) >= half);
    redis.flush_all();
    println!("flushed after {} of {count} intents", site.committed(INTENTS));
    // However quick the worker was: all customers are asked once more, and only the log knows them now.
    ask_everyone(&site, &mut truth, "again", customers, customers);
    site.wait_for_worker(PATIENCE);
    check(&truth, &site);
}
