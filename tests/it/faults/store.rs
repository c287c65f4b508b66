//! A Redis that forgets, dies, goes back in time, or falls silent.

use super::Round;
use super::story::{LOST, Teller};
use crate::support::forwarder::Forwarder;
use crate::support::services::OwnRedis;
use crate::support::site::Site;
use crate::support::variable;
use crate::support::worker::Worker;

/// A site whose Redis is behind this address.
fn site(name: &str, redis_url: &str) -> Site {
    Site::on(&variable("SESSIONGATE_TEST_BROKERS"), redis_url, name, 4)
}

#[test]
fn redis_is_flushed() {
    let redis = OwnRedis::start(&[]);
    let site = site("flushed", &redis.url());
    let _worker = Worker::start(&site);
    Round::new("FLUSHALL", &site).run(|_, _| redis.flush_all());
}

#[test]
fn redis_is_killed_and_comes_back_empty() {
    let mut redis = OwnRedis::start(&[]);
    let site = site("empty", &redis.url());
    let _worker = Worker::start(&site);
    Round::new("kill -9 of Redis, back empty", &site).run(|_, _| redis.restart_empty());
}

#[test]
fn redis_is_killed_and_comes_back_as_it_was_a_while_ago() {
    let mut redis = OwnRedis::start(&[]);
    let site = site("dump", &redis.url());
    let _worker = Worker::start(&site);
    Round::new("kill -9 of Redis, back from an old dump", &site).run(|live, pace| {
        redis.save_dump();
        live.go_on_for(pace.silence);
        redis.restart_from_dump();
    });
}

#[test]
fn a_replica_that_lags_is_promoted() {
    let mut primary = OwnRedis::start(&[]);
    let address = Forwarder::to(primary.port);
    let site = site("promoted", &address.url());
    let teller = Teller::new();
    let _worker = Worker::with(&site, &teller.settings());
    let finding = Round::new("promotion of a replica that lags", &site).run(|live, pace| {
        let link = Forwarder::to(primary.port);
        let replica = OwnRedis::replica_of(link.port);
        live.wait_for_a_new_verdict();
        link.freeze();
        live.go_on_for(pace.silence);
        primary.kill();
        replica.promote();
        address.switch(replica.port);
        primary = replica;
    });
    teller.tells_of(&LOST, &site, &finding);
}

#[test]
fn redis_falls_silent_and_verdicts_wait_for_it() {
    let redis = OwnRedis::start(&[]);
    let site = site("silent", &redis.url());
    let _worker = Worker::start(&site);
    Round::new("Redis falls silent", &site).run(|live, pace| {
        redis.pause();
        live.go_on_for(pace.silence);
        redis.resume();
    });
}
