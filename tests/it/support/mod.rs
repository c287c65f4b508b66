//! What the tests on real services share.

pub mod api;
pub mod certificates;
pub mod collect;
pub mod collector;
pub mod command;
pub mod exposition;
pub mod forwarder;
pub mod grants;
pub mod inspect;
pub mod live;
pub mod promtool;
pub mod python;
pub mod redis_cluster;
pub mod sentinels;
pub mod services;
pub mod site;
pub mod traffic;
pub mod worker;

use std::time::{Duration, Instant};

/// Waits for something that happens by itself; after a minute it will not.
pub fn wait_until(what: &str, mut happened: impl FnMut() -> bool) {
    wait_longer(what, Duration::from_secs(60), &mut happened);
}

/// Waits that long for something that happens by itself.
pub fn wait_longer(what: &str, at_most: Duration, mut happened: impl FnMut() -> bool) {
    let end = Instant::now() + at_most;
    while !happened() {
        assert!(Instant::now() < end, "waited {at_most:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An environment variable that `make test` sets.
pub fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`, which starts Kafka and Redis"))
}
