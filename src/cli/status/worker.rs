//! Asking the worker that listens where this configuration says what waits in its partitions.

use super::rows::{Lane, Waiting};
use crate::admin::status::WorkerStatus;
use crate::config::Config;
use crate::core::ids::Partition;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// A worker answers at once, or it is not there.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// The intents that wait, or why that is not known and what to do about it.
pub(super) fn ask(config: &Config) -> Result<Waiting, String> {
    let address = reachable(config.admin.listen);
    if address.port() == 0 {
        return Err("WAITING and OLDEST are told by the worker, whose port is another one at each start: set \
                    admin.listen (SESSIONGATE_ADMIN_LISTEN) to a fixed port for both the worker and this command"
            .to_owned());
    }
    let status = fetch(config, address).map_err(|why| {
        format!(
            "WAITING and OLDEST are told by the worker, and none answers at {address} ({why}): start it, or set \
             admin.listen (SESSIONGATE_ADMIN_LISTEN) to where one listens"
        )
    })?;
    waiting(&status, &config.kafka.group_id).ok_or_else(|| {
        format!(
            "WAITING and OLDEST are told by the worker, and the one at {address} is of group {}: give each its own \
             admin.listen (SESSIONGATE_ADMIN_LISTEN)",
            status.group_id
        )
    })
}

/// What to say when some partitions are not among those of the worker that answered.
pub(super) fn elsewhere(config: &Config) -> String {
    format!(
        "where WAITING is `?`, the partition is not with the worker at {}: set admin.listen (SESSIONGATE_ADMIN_LISTEN) \
         to where another one of the group listens",
        reachable(config.admin.listen)
    )
}

fn fetch(config: &Config, address: SocketAddr) -> Result<WorkerStatus, String> {
    // The token is for the worker alone: neither a proxy nor whom an answer points to shall see it.
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(ANSWERS_WITHIN))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build()
        .new_agent();
    let mut request = agent.get(format!("http://{address}/v1/status"));
    if let Some(token) = &config.admin.token {
        request = request.header("Authorization", format!("Bearer {}", token.expose()));
    }
    let mut answer = request.call().map_err(|error| error.to_string())?;
    match answer.status().as_u16() {
        200 => {}
        401 => return Err("it wants another admin.token".to_owned()),
        code => return Err(format!("it answers with status {code}")),
    }
    let body = answer.body_mut().read_to_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&body).map_err(|_| "what answers there is not a worker of this version".to_owned())
}

/// What waits, if the worker is one of this group.
fn waiting(status: &WorkerStatus, group_id: &str) -> Option<Waiting> {
    let lanes = status.shards.iter().flat_map(|shard| &shard.intents);
    let lane = |waiting, oldest_ms| Lane { waiting, oldest_ms };
    (status.group_id == group_id)
        .then(|| lanes.map(|told| (Partition(told.partition), lane(told.waiting, told.oldest_ms))).collect())
}

/// Who listens on all addresses is reached on the loopback one.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match listen {
        _ if !listen.ip().is_unspecified() => return listen,
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(loopback, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_listens_everywhere_is_asked_on_this_machine() {
        let table = [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("10.1.2.3:80", "10.1.2.3:80"),
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:8080", "[::1]:8080"),
        ];
        for (listen, asked) in table {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), asked, "{listen}");
        }
    }

    #[test]
    fn only_a_worker_of_the_same_group_is_believed() {
        let shard = |number: usize, partition: i32, waiting: usize| {
            let intents = [json!({ "partition": partition, "next": 9, "waiting": waiting, "oldest_ms": 1_500 })];
            json!({ "shard": number, "inbound": [], "intents": intents, "consecutive_failures": 0, "counters": {} })
        };
        let shards = [shard(0, 0, 2), shard(1, 3, 0)];
        let status = json!({ "version": "0.1.0", "instance": "a", "group_id": "worker", "shards": shards });
        let status: WorkerStatus = serde_json::from_value(status).unwrap();
        let expected =
            [(0, 2), (3, 0)].map(|(number, waiting)| (Partition(number), Lane { waiting, oldest_ms: 1_500 }));
        assert_eq!(waiting(&status, "worker"), Some(Waiting::from(expected)));
        assert_eq!(waiting(&status, "another"), None);
    }
}
