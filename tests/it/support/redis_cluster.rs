//! A Redis Cluster: three primaries, each with a replica.

use super::services::{OwnRedis, free_port};
use super::wait_until;
use redis::{Connection, Value};
use std::process::{Command, Stdio};
use std::time::Duration;

pub struct RedisCluster {
    pub servers: Vec<OwnRedis>,
}

/// A line of `CLUSTER NODES`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    pub id: String,
    /// Its place among the servers.
    pub place: usize,
    pub is_primary: bool,
    pub has_slots: bool,
    pub is_sound: bool,
}

impl RedisCluster {
    pub fn start() -> RedisCluster {
        let servers: Vec<OwnRedis> = (0..6).map(|_| RedisCluster::server()).collect();
        let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
        let mut create = vec!["--cluster", "create"];
        create.extend(addresses.iter().map(String::as_str));
        create.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        let cluster = RedisCluster { servers };
        redis_cli(&create);
        cluster.wait_until_sound();
        cluster
    }

    fn server() -> OwnRedis {
        let bus_port = free_port().to_string();
        OwnRedis::start(&[
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1500",
            "--cluster-port",
            &bus_port,
            "--repl-diskless-sync-delay",
            "0",
        ])
    }

    /// `host:port`, with commas between.
    pub fn nodes(&self) -> String {
        let addresses = self.servers.iter().map(|server| format!("127.0.0.1:{}", server.port));
        addresses.collect::<Vec<_>>().join(",")
    }

    /// What a server says of all; nothing while it does not answer.
    pub fn members_as_seen_by(&self, place: usize) -> Vec<Member> {
        let Some(Value::BulkString(text)) = self.ask(place, redis::cmd("CLUSTER").arg("NODES")) else { return vec![] };
        let text = String::from_utf8(text).unwrap();
        let member = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let port: u16 = words[1].split('@').next()?.rsplit(':').next()?.parse().ok()?;
            let flags: Vec<&str> = words[2].split(',').collect();
            Some(Member {
                id: words[0].to_owned(),
                place: self.servers.iter().position(|server| server.port == port)?,
                is_primary: flags.contains(&"master"),
                has_slots: words.len() > 8,
                is_sound: words[7] == "connected" && !flags.iter().any(|flag| flag.starts_with("fail")),
            })
        };
        text.lines().filter_map(member).collect()
    }

    /// Those who own slots, as the first server that answers has it.
    pub fn primaries(&self) -> Vec<Member> {
        let seen = (0..self.servers.len()).map(|place| self.members_as_seen_by(place)).find(|seen| !seen.is_empty());
        seen.unwrap_or_default().into_iter().filter(|it| it.is_primary && it.has_slots && it.is_sound).collect()
    }

    /// Waits until every server sees three primaries and three replicas that are in step.
    pub fn wait_until_sound(&self) {
        wait_until("the cluster to be sound", || {
            (0..self.servers.len()).all(|place| {
                let members = self.members_as_seen_by(place);
                let info = self.ask(place, redis::cmd("CLUSTER").arg("INFO")).map(|info| format!("{info:?}"));
                let role = self.ask(place, redis::cmd("INFO").arg("replication")).map(|info| format!("{info:?}"));
                members.len() == 6
                    && members.iter().all(|member| member.is_sound)
                    && members.iter().filter(|member| member.is_primary && member.has_slots).count() == 3
                    && info.is_some_and(|info| info.contains("cluster_state:ok"))
                    && role.is_some_and(|role| role.contains("role:master") || role.contains("master_link_status:up"))
            })
        });
    }

    /// Waits until every server says the same of who owns which slots.
    pub fn wait_until_agreed(&self) {
        wait_until("the servers to agree on who owns which slots", || {
            let slots = |place| self.ask(place, redis::cmd("CLUSTER").arg("SLOTS"));
            let owners = |place| slots(place).and_then(owners_of_slots);
            let first = owners(0);
            first.is_some() && (1..self.servers.len()).all(|place| owners(place) == first)
        });
    }

    /// Waits until another server than this one has its slots.
    pub fn wait_for_another_than(&self, former: usize) {
        wait_until("the cluster to promote a replica", || {
            let primaries = self.primaries();
            primaries.len() == 3 && primaries.iter().all(|primary| primary.place != former)
        });
    }

    /// Whether replicas may take a primary's place from now on, as those that run are told.
    pub fn let_replicas_be_promoted(&self, they_may: bool) {
        let forbidden = if they_may { "no" } else { "yes" };
        for place in 0..self.servers.len() {
            let _ = self.ask(place, redis::cmd("CONFIG").arg("SET").arg("cluster-replica-no-failover").arg(forbidden));
        }
    }

    /// Moves so many slots with their keys from one primary to another, as an operator does.
    pub fn move_slots(&self, from: &Member, to: &Member, count: u32) {
        let address = format!("127.0.0.1:{}", self.servers[from.place].port);
        let count = count.to_string();
        redis_cli(&[
            "--cluster",
            "reshard",
            &address,
            "--cluster-from",
            &from.id,
            "--cluster-to",
            &to.id,
            "--cluster-slots",
            &count,
            "--cluster-yes",
        ]);
    }

    pub fn ask(&self, place: usize, command: &redis::Cmd) -> Option<Value> {
        command.query(&mut self.connection(place)?).ok()
    }

    fn connection(&self, place: usize) -> Option<Connection> {
        redis::Client::open(self.servers[place].url()).unwrap().get_connection_with_timeout(Duration::from_secs(1)).ok()
    }

    /// The texts under these keys, wherever they lie.
    pub fn texts(&self, keys: &[String]) -> Vec<Option<String>> {
        let mut texts = vec![None; keys.len()];
        let mut pipeline = redis::pipe();
        for key in keys {
            pipeline.cmd("GET").arg(key);
        }
        for primary in self.primaries() {
            let Some(mut connection) = self.connection(primary.place) else { continue };
            connection.send_packed_command(&pipeline.get_packed_pipeline()).unwrap();
            for text in &mut texts {
                // Of other servers' keys this one only says whose they are.
                if let Value::BulkString(found) = connection.recv_response().unwrap() {
                    *text = Some(String::from_utf8(found).unwrap());
                }
            }
        }
        texts
    }
}

/// First slot, last slot and port of the owner, of each range in a `CLUSTER SLOTS`.
fn owners_of_slots(answer: Value) -> Option<Vec<[i64; 3]>> {
    let Value::Array(ranges) = answer else { return None };
    let range = |range: Value| {
        let Value::Array(words) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(owner), ..] = words.as_slice() else { return None };
        let Some(Value::Int(port)) = owner.get(1) else { return None };
        Some([*first, *last, *port])
    };
    let mut ranges: Vec<_> = ranges.into_iter().map(range).collect::<Option<_>>()?;
    ranges.sort_unstable();
    Some(ranges)
}

fn redis_cli(arguments: &[&str]) {
    let output = Command::new("redis-cli").args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "redis-cli {arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
}
