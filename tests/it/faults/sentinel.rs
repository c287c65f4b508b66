//! A primary that dies or steps down, and Sentinels that name another.

use super::Round;
use super::story::{ANY, REDIS, Teller};
use crate::support::forwarder::Forwarder;
use crate::support::sentinels::{PATIENCE, Sentinels};
use crate::support::site::Site;
use crate::support::variable;
use crate::support::worker::Worker;
use std::time::Duration;

/// A site that looks at whichever server the forwarder leads to, and a worker that asks the Sentinels.
fn start(name: &str, sentinels: &Sentinels, address: &Forwarder, teller: &Teller) -> (Site, Worker) {
    let site = Site::on(&variable("SESSIONGATE_TEST_BROKERS"), &address.url(), name, 4);
    let settings = sentinels.settings();
    let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
    let settings: Vec<(&str, &str)> = settings.chain(teller.settings()).collect();
    let worker = Worker::with(&site, &settings);
    (site, worker)
}

#[test]
fn the_primary_is_killed_and_the_sentinels_name_its_replica() {
    let mut sentinels = Sentinels::start();
    let address = Forwarder::to(sentinels.servers[0].port);
    let teller = Teller::new();
    let (site, _worker) = start("sentinel-killed", &sentinels, &address, &teller);
    let finding = Round::new("kill -9 of the primary, Sentinels promote", &site).run(|_, _| {
        let former = sentinels.primary().unwrap();
        teller.sees_green();
        // No other is named before somebody has seen that the worker is without one.
        sentinels.set_patience(Duration::from_secs(600));
        sentinels.servers[former].kill();
        teller.sees_red("redis");
        sentinels.set_patience(PATIENCE);
        let primary = sentinels.wait_for_another_than(former);
        address.switch(sentinels.servers[primary].port);
        sentinels.servers[former].restart_empty();
        sentinels.wait_for_replica(former);
        teller.sees_green();
    });
    teller.tells_of(&REDIS, &site, &finding);
}

#[test]
fn the_primary_steps_down_and_lives_on_as_a_replica() {
    let sentinels = Sentinels::start();
    let address = Forwarder::to(sentinels.servers[0].port);
    let teller = Teller::new();
    let (site, _worker) = start("sentinel-ordered", &sentinels, &address, &teller);
    let finding = Round::new("failover ordered at a Sentinel", &site).run(|_, _| {
        let former = sentinels.primary().unwrap();
        sentinels.fail_over();
        let primary = sentinels.wait_for_another_than(former);
        address.switch(sentinels.servers[primary].port);
        sentinels.wait_for_replica(former);
    });
    teller.tells_of(&ANY, &site, &finding);
}
