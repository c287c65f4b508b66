//! From intent to verdict, as a read_committed consumer sees it: positives and negatives apart, with nothing assumed
//! about keys and with co-partitioned topics.
//!
//! `make latency` starts Kafka and Redis and runs it. `SESSIONGATE_TEST_RATE` is the number of records a second (half
//! inbound, half intents), `SESSIONGATE_TEST_SECONDS` the time measured.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(dead_code, reason = "the support of the integration tests holds more than is needed here")]

#[path = "../tests/it/support/mod.rs"]
mod support;

use rdkafka::Message;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::site::{SEND, Site, TEMPLATE};
use support::traffic::now_ms;
use support::worker::Worker;

const CUSTOMERS: u64 = 1_000;
const PARTITIONS: i32 = 4;
/// The first seconds are for caches, connections and code to warm up.
const WARM_UP: Duration = Duration::from_secs(5);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Latencies in microseconds.
#[derive(Default)]
struct Seen {
    positives: Vec<u64>,
    negatives: Vec<u64>,
    without_proof: u64,
}

fn main() {
    let (rate, seconds) = (number("SESSIONGATE_TEST_RATE", 2_000), number("SESSIONGATE_TEST_SECONDS", 30));
    // A broker that has just started is slow for half a minute: a round that does not count.
    measure("any", rate, Duration::from_secs(20));
    println!("{rate} records/s for {seconds} s, {PARTITIONS} partitions, 2 shards, exactly-once\n");
    println!("{:<16}{:<10}{:>8}{:>10}{:>10}{:>10}", "partitioning", "verdict", "count", "p50 ms", "p99 ms", "p99.9 ms");
    for partitioning in ["any", "co-partitioned"] {
        let mut seen = measure(partitioning, rate, Duration::from_secs(seconds));
        let positive = row(partitioning, "positive", &mut seen.positives);
        let negative = row(partitioning, "negative", &mut seen.negatives);
        println!("{partitioning}: p99 of negatives / p99 of positives = {:.2}", negative / positive);
        println!("{partitioning}: {} negatives without proof\n", seen.without_proof);
    }
}

fn row(partitioning: &str, verdict: &str, latencies: &mut [u64]) -> f64 {
    latencies.sort_unstable();
    let at = |permille: usize| latencies.get(latencies.len() * permille / 1000).map_or(0.0, |us| *us as f64 / 1000.0);
    let count = latencies.len();
    println!("{partitioning:<16}{verdict:<10}{count:>8}{:>10.1}{:>10.1}{:>10.1}", at(500), at(990), at(999));
    at(990)
}

fn measure(partitioning: &str, rate: u64, time: Duration) -> Seen {
    let site = Site::new("latency", PARTITIONS);
    // The first half of the customers writes, again and again; the other half never does.
    (0..CUSTOMERS / 2).for_each(|customer| site.say(&format!("55110{customer:08}"), now_ms()));
    site.flush();
    let worker = Worker::with(&site, &[("WORKER_PARTITIONING", partitioning)]);
    site.wait_for_worker(Duration::from_secs(60));

    let start = Instant::now();
    let done = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (done, consumer) = (done.clone(), consumer(&site));
        move || read(&consumer, start, &done)
    });
    send(&site, start, rate, WARM_UP + time);
    site.wait_for_worker(Duration::from_secs(60));
    done.store(true, Ordering::Relaxed);
    let seen = reader.join().unwrap();
    assert!(worker.stop().success());
    seen
}

/// At that rate, in steps of a millisecond, without ever catching up in bursts of more than a few.
fn send(site: &Site, start: Instant, rate: u64, time: Duration) {
    let mut sent = 0_u64;
    while start.elapsed() < time {
        let due = start.elapsed().as_micros() as u64 * rate / 1_000_000;
        while sent < due {
            let customer = sent.wrapping_mul(7_919) % CUSTOMERS;
            match sent % 2 {
                0 => site.say(&format!("55110{:08}", customer % (CUSTOMERS / 2)), now_ms()),
                _ => site.ask(&format!("{sent}-{}", start.elapsed().as_micros()), &format!("55110{customer:08}")),
            }
            sent += 1;
        }
        thread::sleep(Duration::from_micros(500));
    }
    site.flush();
}

fn consumer(site: &Site) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &site.brokers)
        .set("group.id", format!("{}latency", site.prefix))
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "1")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for topic in [SEND, TEMPLATE] {
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&site.topic(topic), partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    consumer
}

fn read(consumer: &BaseConsumer, start: Instant, done: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    loop {
        let Some(message) = consumer.poll(Duration::from_millis(200)) else {
            if done.load(Ordering::Relaxed) {
                return seen;
            }
            continue;
        };
        let message = message.unwrap();
        let now_us = start.elapsed().as_micros() as u64;
        let json: serde_json::Value = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let id = json["intent_id"].as_str().unwrap();
        let sent_us: u64 = id.rsplit('-').next().unwrap().parse().unwrap();
        if Duration::from_micros(sent_us) < WARM_UP {
            continue;
        }
        match json["basis"].as_str() {
            None => seen.positives.push(now_us - sent_us),
            Some("complete") => seen.negatives.push(now_us - sent_us),
            Some(_) => seen.without_proof += 1,
        }
    }
}
