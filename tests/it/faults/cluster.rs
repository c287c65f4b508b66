//! A Redis Cluster whose primary dies, and whose slots move.

use super::Round;
use super::story::{LOST, REDIS, Teller};
use crate::support::redis_cluster::RedisCluster;
use crate::support::site::Site;
use crate::support::variable;
use crate::support::worker::Worker;
use std::sync::Arc;

fn start(name: &str, cluster: &Arc<RedisCluster>, teller: &Teller) -> (Site, Worker) {
    let site = Site::on_cluster(&variable("SESSIONGATE_TEST_BROKERS"), cluster, name, 4);
    let worker = Worker::with(&site, &teller.settings());
    (site, worker)
}

#[test]
fn a_primary_of_the_cluster_is_killed_and_its_replica_promoted() {
    let cluster = Arc::new(RedisCluster::start());
    let teller = Teller::new();
    let (site, _worker) = start("cluster-killed", &cluster, &teller);
    let finding = Round::new("kill -9 of a primary of the cluster", &site).run(|_, _| {
        let killed = cluster.primaries()[0].place;
        teller.sees_green();
        // No replica takes its place before somebody has seen that the worker lacks it.
        cluster.let_replicas_be_promoted(false);
        cluster.servers[killed].kill_shared();
        teller.sees_red("redis");
        cluster.let_replicas_be_promoted(true);
        cluster.wait_for_another_than(killed);
        cluster.servers[killed].start_shared();
        cluster.wait_until_sound();
        teller.sees_green();
    });
    teller.tells_of(&REDIS, &site, &finding);
    // Who owns which slots is another question by now, and the answer to it is what frontiers rest on.
    teller.tells_of(&LOST, &site, &finding);
}

#[test]
fn slots_of_the_cluster_move_with_their_windows() {
    let cluster = Arc::new(RedisCluster::start());
    let teller = Teller::new();
    let (site, _worker) = start("cluster-moved", &cluster, &teller);
    let finding = Round::new("slots of the cluster move", &site).run(|_, _| {
        let primaries = cluster.primaries();
        cluster.move_slots(&primaries[0], &primaries[1], 100);
        cluster.wait_until_sound();
    });
    teller.tells_of(&LOST, &site, &finding);
}
