//! A primary, its replica, and the three Sentinels that watch over both.

use super::services::{OwnRedis, end, free_port};
use super::{variable, wait_until};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The name by which the Sentinels know the primary.
pub const MASTER: &str = "windows";
/// How long they wait for a primary that is silent, unless they are told otherwise.
pub const PATIENCE: Duration = Duration::from_secs(1);

pub struct Sentinels {
    pub servers: [OwnRedis; 2],
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Sentinels {
    pub fn start() -> Sentinels {
        let primary = OwnRedis::start(&["--repl-diskless-sync-delay", "0"]);
        let replica = OwnRedis::replica_of(primary.port);
        let sentinels: Vec<Sentinel> = (0..3).map(|_| Sentinel::start(primary.port)).collect();
        let started = Sentinels { servers: [primary, replica], sentinels };
        wait_until("the Sentinels to know each other and the replica", || {
            started.sentinels.iter().all(|sentinel| {
                let info = sentinel.ask(redis::cmd("INFO").arg("sentinel"));
                let info: String = info.and_then(|info| redis::from_redis_value(info).ok()).unwrap_or_default();
                info.contains("status=ok") && info.contains("slaves=1,sentinels=3")
            })
        });
        started
    }

    /// `host:port`, with commas between.
    pub fn nodes(&self) -> String {
        self.sentinels.iter().map(|it| format!("127.0.0.1:{}", it.port)).collect::<Vec<_>>().join(",")
    }

    /// What a worker is told of them. The URL leads nowhere.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("REDIS_URL", "redis://127.0.0.1:1".to_owned()),
            ("REDIS_SENTINEL_NODES", self.nodes()),
            ("REDIS_SENTINEL_MASTER", MASTER.to_owned()),
        ]
    }

    /// The primary's place among the servers, as most of the Sentinels have it.
    pub fn primary(&self) -> Option<usize> {
        let ports: Vec<u16> = self.sentinels.iter().filter_map(Sentinel::primary_port).collect();
        let agreed = |port: u16| ports.iter().filter(|other| **other == port).count() > self.sentinels.len() / 2;
        self.servers.iter().position(|server| agreed(server.port))
    }

    /// Waits until another server than this one is the primary. Gives its place.
    ///
    /// From then on the Sentinels are patient: on a busy machine a server may seem down for a moment again and again, and they
    /// make one follow only after eight seconds in which it did not.
    pub fn wait_for_another_than(&self, former: usize) -> usize {
        wait_until("the Sentinels to name another primary", || self.primary().is_some_and(|now| now != former));
        self.set_patience(Duration::from_secs(600));
        self.primary().unwrap()
    }

    /// Waits until the other server follows the primary again.
    pub fn wait_for_replica(&self, replica: usize) {
        wait_until("the former primary to follow the new one", || {
            let info = self.servers[replica].info("replication");
            info.contains("role:slave") && info.contains("master_link_status:up")
        });
        // A Sentinel promotes no replica that it has not heard of since.
        wait_until("a Sentinel to know the replica as sound", || {
            let replicas = self.sentinels[0].ask(redis::cmd("SENTINEL").arg("REPLICAS").arg(MASTER));
            let text = format!("{replicas:?}");
            text.contains("master-link-status") && !text.contains("s_down") && !text.contains("disconnected")
        });
    }

    /// From now on the Sentinels wait so long for a primary that is silent before they name another.
    pub fn set_patience(&self, patience: Duration) {
        for sentinel in &self.sentinels {
            let mut set = redis::cmd("SENTINEL");
            set.arg("SET").arg(MASTER).arg("down-after-milliseconds").arg(patience.as_millis() as u64);
            wait_until("a Sentinel to be told", || sentinel.ask(&set) == Some(redis::Value::Okay));
        }
    }

    /// Orders a failover, as an operator does before maintenance: the primary lives on as a replica.
    pub fn fail_over(&self) {
        wait_until("a Sentinel to begin a failover", || {
            matches!(
                self.sentinels[0].ask(redis::cmd("SENTINEL").arg("FAILOVER").arg(MASTER)),
                Some(redis::Value::Okay)
            )
        });
    }
}

impl Sentinel {
    fn start(primary: u16) -> Sentinel {
        let folder = tempfile::Builder::new().prefix("sessiongate-sentinel.").tempdir().unwrap();
        let (port, file) = (free_port(), folder.path().join("sentinel.conf"));
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {MASTER} 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds {MASTER} {}\nsentinel failover-timeout {MASTER} 5000\n",
            folder.path().display(),
            PATIENCE.as_millis()
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new(variable("SESSIONGATE_TEST_REDIS_SERVER"));
        command.arg(file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        Sentinel { port, child: command.spawn().unwrap(), _folder: folder }
    }

    fn ask(&self, command: &redis::Cmd) -> Option<redis::Value> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.port)).unwrap();
        command.query(&mut client.get_connection_with_timeout(Duration::from_secs(1)).ok()?).ok()
    }

    fn primary_port(&self) -> Option<u16> {
        let address = self.ask(redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(MASTER))?;
        let (_, port): (String, u16) = redis::from_redis_value(address).ok()?;
        Some(port)
    }
}
