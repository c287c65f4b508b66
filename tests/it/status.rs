//! What a worker tells of itself, and what `sessiongate status` makes of it.

use crate::support::api::free_address;
use crate::support::site::Site;
use crate::support::traffic::now_ms;
use crate::support::wait_until;
use crate::support::worker::Worker;
use serde_json::Value;
use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

const PARTITIONS: i32 = 2;
const MINUTE: Duration = Duration::from_secs(60);

/// How a command ended and what it wrote.
struct Told {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Told {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.errors))
    }
}

/// Runs `sessiongate status` with the site's settings and these.
fn status(site: &Site, arguments: &[&str], settings: &[(&str, &str)]) -> Told {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessiongate"));
    command.arg("status").args(arguments).envs(site.environment()).env("SESSIONGATE_LOG", "off");
    for (name, value) in settings {
        command.env(format!("SESSIONGATE_{name}"), value);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), out: text(output.stdout), errors: text(output.stderr) }
}

fn say_and_ask(site: &Site, customers: std::ops::Range<usize>) {
    let customer = |number| format!("5511{number:09}");
    customers.clone().for_each(|number| site.say(&customer(number), now_ms() - 60_000));
    site.flush();
    customers.for_each(|number| site.ask(&format!("intent-{number}"), &customer(number)));
    site.flush();
}

fn partitions<'a>(told: &'a Value, stream: &str) -> &'a [Value] {
    told[stream]["partitions"].as_array().unwrap()
}

fn sum(told: &Value, stream: &str, column: &str) -> i64 {
    partitions(told, stream).iter().filter_map(|row| row[column].as_i64()).sum()
}

fn states(told: &Value) -> Vec<&str> {
    partitions(told, "inbound").iter().map(|row| row["state"].as_str().unwrap()).collect()
}

#[test]
fn the_status_follows_the_worker_the_log_and_a_redis_that_lost_its_frontiers() {
    let site = Site::new("status-follows", PARTITIONS);
    let address = free_address();
    let listen = [("ADMIN_LISTEN", address.as_str())];

    // Partitions that were made just now have no leader yet.
    wait_until("the status before the first start", || {
        let told = status(&site, &["--json"], &[]);
        told.code == Some(0) && states(&told.json()) == ["missing"; 2]
    });

    say_and_ask(&site, 0..20);
    let worker = Worker::with(&site, &listen);
    site.wait_for_worker(MINUTE);
    // Redis is told after the commit, and the worker publishes what it does now and then.
    wait_until("the status to show everything applied and nothing waiting", || {
        let told = status(&site, &["--json"], &listen);
        let json = told.json();
        let waiting = |row: &Value| row["waiting"] == 0;
        told.code == Some(0)
            && states(&json) == ["applied"; 2]
            && partitions(&json, "intents").iter().all(waiting)
            && (sum(&json, "inbound", "lag"), sum(&json, "intents", "lag")) == (0, 0)
            && (sum(&json, "inbound", "frontier"), sum(&json, "inbound", "committed")) == (20, 20)
    });
    let told = status(&site, &[], &listen);
    let lines: Vec<Vec<&str>> =
        told.out.lines().filter(|line| !line.is_empty()).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines.len(), 8, "{}", told.out);
    assert_eq!(lines[1], ["PARTITION", "COMMITTED", "FRONTIER", "END", "LAG", "STATE"]);
    assert_eq!((lines[2][4], lines[2][5], lines[3][4], lines[3][5]), ("0", "applied", "0", "applied"), "{}", told.out);
    assert_eq!(lines[5], ["PARTITION", "COMMITTED", "END", "LAG", "WAITING", "OLDEST"]);
    assert_eq!((&lines[6][3..], &lines[7][3..]), (&["0", "0", "-"][..], &["0", "0", "-"][..]), "{}", told.out);

    assert!(worker.stop().success());
    say_and_ask(&site, 20..27);
    let told = status(&site, &["--json"], &listen);
    let json = told.json();
    assert_eq!(told.code, Some(0), "{}", told.errors);
    assert_eq!((sum(&json, "inbound", "records"), sum(&json, "inbound", "lag")), (7, 7), "{json}");
    assert_eq!((sum(&json, "intents", "lag"), &partitions(&json, "intents")[0]["waiting"]), (7, &Value::Null));
    assert!(json["hints"][0].as_str().unwrap().contains("admin.listen"), "{json}");
    let told = status(&site, &[], &listen);
    assert!(told.out.contains("behind") && told.out.contains('?') && told.out.contains("admin.listen"), "{}", told.out);

    let frontiers: Vec<String> = (0..PARTITIONS).map(|number| site.frontier_key(number)).collect();
    assert_eq!(redis::cmd("DEL").arg(&frontiers).query::<i32>(&mut site.redis()).unwrap(), PARTITIONS);
    let told = status(&site, &[], &listen);
    let missing = told.out.lines().filter(|line| line.ends_with("missing")).count();
    assert_eq!((told.code, missing), (Some(0), 2), "{}", told.out);
}

#[test]
fn what_the_status_could_not_read_is_told_and_makes_it_fail() {
    let site = Site::new("status-fails", PARTITIONS);
    say_and_ask(&site, 0..3);
    let nobody = free_address();

    let told = status(&site, &[], &[("REDIS_URL", &format!("redis://{nobody}"))]);
    assert_eq!(told.code, Some(1), "{}", told.out);
    assert!(told.errors.contains("Redis cannot be asked"), "{}", told.errors);
    assert!(told.out.lines().nth(2).unwrap().ends_with('?'), "{}", told.out);

    let told = status(&site, &["--json"], &[("TOPICS_OUTBOUND_INTENT", "nobody-made-this-topic")]);
    let json = told.json();
    assert_eq!((told.code, states(&json)), (Some(1), vec!["missing"; 2]), "{json}");
    assert!(json["intents"]["partitions"].is_null(), "{json}");
    assert!(json["problems"][0].as_str().unwrap().contains("nobody-made-this-topic"), "{json}");

    let told = status(&site, &[], &[("KAFKA_BROKERS", &nobody)]);
    assert_eq!((told.code, told.out.contains("PARTITION")), (Some(1), false), "{}", told.out);
    assert!(told.errors.contains(&format!("Kafka at {nobody} cannot be asked")), "{}", told.errors);
}

/// Asks a worker; the status code and the JSON of the answer, if it listens.
fn get(address: &str, path: &str, token: Option<&str>) -> Option<(u16, Value)> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
    let mut request = agent.get(format!("http://{address}{path}"));
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut answer = request.call().ok()?;
    let body = answer.body_mut().read_to_string().unwrap();
    Some((answer.status().as_u16(), serde_json::from_str(&body).unwrap()))
}

#[test]
fn a_worker_shows_its_shards_to_whoever_has_the_token() {
    let site = Site::new("status-http", PARTITIONS);
    say_and_ask(&site, 0..20);
    let address = free_address();
    let token = "open-sesame-open-sesame";
    let settings = [("ADMIN_LISTEN", address.as_str()), ("ADMIN_TOKEN", token), ("WORKER_INSTANCE", "the-first")];
    let worker = Worker::with(&site, &settings);
    let count = |shown: &Value, stream: &str, counter: &str| {
        let shards = shown["shards"].as_array().unwrap();
        let partitions: usize = shards.iter().map(|shard| shard[stream].as_array().unwrap().len()).sum();
        let counted: u64 = shards.iter().map(|shard| shard["counters"][counter].as_u64().unwrap()).sum();
        (partitions, counted)
    };
    let mut shown = Value::Null;
    wait_until("the worker to show what it did", || {
        let Some((200, answer)) = get(&address, "/v1/status", Some(token)) else { return false };
        shown = answer;
        count(&shown, "intents", "session_sends") == (2, 20) && count(&shown, "inbound", "inbound") == (2, 20)
    });
    assert_eq!((&shown["instance"], &shown["group_id"]), (&"the-first".into(), &site.group().into()), "{shown}");
    assert_eq!(shown["shards"].as_array().unwrap().len(), 2, "{shown}");

    for (path, token, code, reason) in [
        ("/v1/status", None, 401, "unauthorized"),
        ("/v1/status", Some("open-sesame"), 401, "unauthorized"),
        ("/v1/nothing", Some(token), 404, "not_found"),
    ] {
        let (status, body) = get(&address, path, token).unwrap();
        assert_eq!((status, &body["error"]["code"]), (code, &reason.into()), "{path} {token:?}");
    }

    site.wait_for_worker(MINUTE);
    let told = status(&site, &["--json"], &settings);
    assert_eq!(partitions(&told.json(), "intents")[0]["waiting"], 0, "{}", told.out);
    let told = status(&site, &[], &[("ADMIN_LISTEN", &address), ("ADMIN_TOKEN", "another-token-than-its-own")]);
    assert!(told.out.contains("it wants another admin.token"), "{}", told.out);

    assert!(worker.stop().success());
    assert_eq!(get(&address, "/v1/status", Some(token)), None);
}

#[test]
fn a_worker_whose_address_is_taken_works_all_the_same() {
    let site = Site::new("status-taken", PARTITIONS);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let worker = Worker::with(&site, &[("ADMIN_LISTEN", &address)]);
    say_and_ask(&site, 0..5);
    site.wait_for_worker(MINUTE);
    assert!(worker.stop().success());
}
