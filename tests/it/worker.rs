//! The worker as its users meet it.

use crate::support::site::Site;
use crate::support::traffic::{Right, Truth, now_ms};
use crate::support::worker::Worker;
use std::time::Duration;

#[test]
fn a_hundred_thousand_of_each_get_one_verdict_each() {
    let site = Site::new("hundred-thousand", 4);
    let truth = preload(&site, 100_000, 20_000);
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(300));
    let outcome = truth.check(&site, false);
    println!("{outcome}; {} kB of memory at most", worker.peak_memory_kb());
    assert!(outcome.is_right() && outcome.timed_out == 0 && outcome.verdicts == 100_000, "{outcome}");
    assert!(worker.stop().success());
}

/// As many inbound messages and as many intents; seven of ten customers write, all before any intent.
pub fn preload(site: &Site, count: usize, customers: usize) -> Truth {
    let mut truth = Truth::default();
    let now = now_ms();
    let customer = |number: usize| format!("5511{:09}", number % customers);
    let writes = |number: usize| number % customers % 10 < 7;
    for number in (0..).filter(|number| writes(*number)).take(count) {
        site.say(&customer(number), now - 3_600_000 + (number % 3_000_000) as i64);
    }
    for number in 0..count {
        let id = format!("intent-{number}");
        site.ask(&id, &customer(number));
        truth.right.insert(id, if writes(number) { Right::Open } else { Right::Closed });
    }
    site.flush();
    truth
}
