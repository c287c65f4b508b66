//! A broker that dies.

use super::Round;
use super::story::{KAFKA, Teller};
use crate::support::services::OwnKafka;
use crate::support::site::Site;
use crate::support::variable;
use crate::support::worker::Worker;
use std::time::Instant;

#[test]
fn the_broker_is_killed_and_comes_back() {
    let mut kafka = OwnKafka::start();
    let site = Site::on(&kafka.brokers, &variable("SESSIONGATE_TEST_REDIS_URL"), "broker", 4);
    let teller = Teller::new();
    let _worker = Worker::with(&site, &teller.settings());
    let finding = Round::new("kill -9 of the broker", &site).run(|live, _| {
        teller.sees_green();
        live.looking_away(|| {
            let killed = Instant::now();
            kafka.kill();
            // It stays away until somebody has seen that the worker is without it.
            teller.sees_red("kafka");
            kafka.restart();
            println!("the broker was away for {} ms", killed.elapsed().as_millis());
            teller.sees_green();
        });
    });
    teller.tells_of(&KAFKA, &site, &finding);
}
