//! One verdict each, whatever kills the worker; nothing to be seen of what is not committed.

use crate::support::site::{DEAD, EVENT, INTENTS, SEND, Site, TEMPLATE};
use crate::support::traffic::{Right, Truth, now_ms};
use crate::support::wait_until;
use crate::support::worker::{QUICK, Worker};
use std::collections::BTreeMap;
use std::time::Duration;

const WITHIN: Duration = Duration::from_secs(90);
const CUSTOMERS: usize = 2_000;

/// Messages and intents that are written a part at a time.
pub struct Load<'a> {
    site: &'a Site,
    pub truth: Truth,
    asked: usize,
}

impl Load<'_> {
    /// Half of the customers write, before anything is asked.
    pub fn begin(site: &Site) -> Load<'_> {
        let now = now_ms();
        (0..CUSTOMERS).filter(|number| number % 2 == 0).for_each(|number| site.say(&customer(number), now));
        site.flush();
        Load { site, truth: Truth::default(), asked: 0 }
    }

    /// So many more intents, not yet flushed.
    pub fn ask(&mut self, count: usize) {
        for number in self.asked..self.asked + count {
            let id = format!("intent-{number}");
            self.site.ask(&id, &customer(number % CUSTOMERS));
            self.truth.right.insert(id, if number % 2 == 0 { Right::Open } else { Right::Closed });
        }
        self.asked += count;
    }

    /// Waits until more than so many verdicts are committed.
    pub fn wait_for_verdicts(&self, count: i64) {
        wait_until("verdicts to come out", || self.site.end(SEND) + self.site.end(TEMPLATE) > count);
    }

    pub fn finish(&self, at_least_once: bool) {
        self.site.flush();
        self.site.wait_for_worker(WITHIN);
        self.site.wait_for_readers();
        let outcome = self.truth.check(self.site, at_least_once);
        assert!(outcome.is_right() && outcome.timed_out == 0, "{outcome}");
        assert_eq!(outcome.verdicts, self.asked, "{outcome}");
    }
}

fn customer(number: usize) -> String {
    format!("5511{number:09}")
}

#[test]
fn a_killed_worker_leaves_one_verdict_each_to_its_successor() {
    let site = Site::new("killed", 4);
    let mut load = Load::begin(&site);
    load.ask(10_000);
    let worker = Worker::with(&site, &QUICK);
    load.wait_for_verdicts(0);
    load.ask(10_000);
    worker.kill();
    let worker = Worker::with(&site, &QUICK);
    load.finish(false);
    assert!(worker.stop().success());
}

#[test]
fn a_killed_worker_with_a_name_comes_back_into_its_place() {
    let site = Site::new("killed-named", 4);
    let mut load = Load::begin(&site);
    load.ask(10_000);
    // The time-outs are longer than the test is patient: whoever waits for them fails.
    let patient = [
        ("WORKER_INSTANCE", "pod-0"),
        ("KAFKA_CONSUMER", "session.timeout.ms=300000"),
        ("KAFKA_PRODUCER", "transaction.timeout.ms=300000"),
        ("WINDOW_GUARD", "15m"),
    ];
    let worker = Worker::with(&site, &patient);
    load.wait_for_verdicts(0);
    load.ask(10_000);
    worker.kill();
    let worker = Worker::with(&site, &patient);
    load.finish(false);
    assert!(worker.stop().success());
}

#[test]
fn three_kills_in_a_row_still_leave_one_verdict_each() {
    let site = Site::new("killed-thrice", 4);
    let mut load = Load::begin(&site);
    let mut committed = -1;
    for _ in 0..3 {
        load.ask(5_000);
        let worker = Worker::with(&site, &QUICK);
        load.wait_for_verdicts(committed);
        load.ask(1_000);
        worker.kill();
        committed = site.end(SEND) + site.end(TEMPLATE);
    }
    load.ask(2_000);
    let worker = Worker::with(&site, &QUICK);
    load.finish(false);
    assert!(worker.stop().success());
}

#[test]
fn what_a_worker_has_written_but_not_committed_is_never_seen() {
    let site = Site::new("uncommitted", 1);
    let mut load = Load::begin(&site);
    load.ask(500);
    site.write(INTENTS, Some("bad"), b"not JSON", &[]);
    site.flush();
    // Its name lets the successor give the open transaction up at once.
    let named = [("WORKER_INSTANCE", "pod-0"), ("WORKER_SHARDS", "1")];
    let worker = Worker::with(&site, &[named[0], named[1], ("WORKER_COMMIT_INTERVAL", "10s")]);
    let written = |topic: &str| site.ends(topic)[&0];
    wait_until("the outputs to be written", || written(SEND) == 250 && written(TEMPLATE) == 250 && written(DEAD) == 1);
    worker.kill();
    let visible = [SEND, TEMPLATE, DEAD, EVENT].map(|topic| site.read(topic).len());
    assert_eq!(visible, [0; 4], "nothing is seen before its commit");
    assert_eq!(site.customers_with_a_window().len(), 0, "nor does Redis know of it");
    let worker = Worker::with(&site, &named);
    site.wait_for_worker(WITHIN);
    let visible = [SEND, TEMPLATE, DEAD, EVENT].map(|topic| site.read(topic).len());
    assert_eq!(visible, [250, 250, 1, CUSTOMERS / 2]);
    let mut outcome = load.truth.check(&site, false);
    assert_eq!(std::mem::take(&mut outcome.dead), 1);
    assert!(outcome.is_right() && outcome.verdicts == 500, "{outcome}");
    assert!(worker.stop().success());
}

#[test]
fn verdicts_dead_letters_and_offsets_become_visible_together() {
    let site = Site::new("together", 2);
    let mut load = Load::begin(&site);
    let worker = Worker::with(&site, &QUICK);
    for round in 1..=5 {
        load.ask(2_000);
        site.write(INTENTS, Some(&format!("bad-{round}")), b"not JSON", &[]);
        load.wait_for_verdicts((round - 1) * 2_000);
        worker.signal(19);
        // The brokers may still be writing the markers of a commit that was asked for before.
        wait_until("what is seen to be what is committed", || {
            seen_below(&site) == site.committed_by_partition(INTENTS)
        });
        worker.signal(18);
    }
    site.flush();
    site.wait_for_worker(WITHIN);
    let mut outcome = load.truth.check(&site, false);
    assert_eq!(std::mem::take(&mut outcome.dead), 5);
    assert!(outcome.is_right() && outcome.verdicts == 10_000, "{outcome}");
    assert!(worker.stop().success());
}

/// For each intent partition, the offset below which every intent has its visible answer, if none above has one.
fn seen_below(site: &Site) -> BTreeMap<i32, i64> {
    let mut answered: BTreeMap<i32, Vec<i64>> = (0..2).map(|partition| (partition, vec![])).collect();
    for seen in [SEND, TEMPLATE].iter().flat_map(|topic| site.read(topic)) {
        let source = &seen.json()["source"];
        let partition = source["partition"].as_i64().unwrap() as i32;
        answered.entry(partition).or_default().push(source["offset"].as_i64().unwrap());
    }
    for letter in site.read(DEAD) {
        let fact = |name: &str| letter.header(&format!("sessiongate.error.{name}")).unwrap();
        answered.entry(fact("partition").parse().unwrap()).or_default().push(fact("offset").parse().unwrap());
    }
    let below = |(partition, mut offsets): (i32, Vec<i64>)| {
        offsets.sort_unstable();
        let is_without_gaps = offsets.iter().zip(0..).all(|(offset, place)| *offset == place);
        (partition, if is_without_gaps { offsets.len() as i64 } else { -1 })
    };
    answered.into_iter().map(below).collect()
}
