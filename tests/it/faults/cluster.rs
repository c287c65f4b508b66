//! A Redis Cluster whose primary dies, and whose slots move.

use super::Round;
use crate::support::redis_cluster::RedisCluster;
use crate::support::site::Site;
use crate::support::variable;
use crate::support::worker::Worker;
use std::sync::Arc;

fn start(name: &str, cluster: &Arc<RedisCluster>) -> (Site, Worker) {
    let site = Site::on_cluster(&variable("SESSIONGATE_TEST_BROKERS"), cluster, name, 4);
    let worker = Worker::start(&site);
    (site, worker)
}

#[test]
fn a_primary_of_the_cluster_is_killed_and_its_replica_promoted() {
    let cluster = Arc::new(RedisCluster::start());
    let (site, _worker) = start("cluster-killed", &cluster);
    Round::new("kill -9 of a primary of the cluster", &site).run(|_, _| {
        let killed = cluster.primaries()[0].place;
        cluster.servers[killed].kill_shared();
        cluster.wait_for_another_than(killed);
        cluster.servers[killed].start_shared();
        cluster.wait_until_sound();
    });
}

#[test]
fn slots_of_the_cluster_move_with_their_windows() {
    let cluster = Arc::new(RedisCluster::start());
    let (site, _worker) = start("cluster-moved", &cluster);
    Round::new("slots of the cluster move", &site).run(|_, _| {
        let primaries = cluster.primaries();
        cluster.move_slots(&primaries[0], &primaries[1], 100);
        cluster.wait_until_sound();
    });
}
