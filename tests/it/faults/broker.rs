//! A broker that dies.

use super::Round;
use crate::support::services::OwnKafka;
use crate::support::site::Site;
use crate::support::variable;
use crate::support::worker::Worker;
use std::time::Instant;

#[test]
fn the_broker_is_killed_and_comes_back() {
    let mut kafka = OwnKafka::start();
    let site = Site::on(&kafka.brokers, &variable("SESSIONGATE_TEST_REDIS_URL"), "broker", 4);
    let _worker = Worker::start(&site);
    Round::new("kill -9 of the broker", &site).run(|_, _| {
        let killed = Instant::now();
        kafka.kill();
        kafka.restart();
        println!("the broker was away for {} ms", killed.elapsed().as_millis());
    });
}
