//! The HTTP side of a worker at work: windows, readiness, metrics and events, and what those who misuse it cost.

use crate::support::api::Api;
use crate::support::command::command;
use crate::support::live::Live;
use crate::support::promtool;
use crate::support::services::{OwnKafka, OwnRedis};
use crate::support::site::{BUSINESS, INBOUND, INTENTS, Site};
use crate::support::traffic::now_ms;
use crate::support::worker::Worker;
use crate::support::{variable, wait_until};
use sessiongate::admin::metrics::catalogue::families;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const PARTITIONS: i32 = 2;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_window_is_told_with_its_end_and_what_proves_it() {
    let site = Site::new("admin-windows", PARTITIONS);
    let api = Api::new();
    let wrote_at = now_ms() - HOUR_MS;
    site.say("16505551234", wrote_at);
    site.say("16505550000", now_ms() - 24 * HOUR_MS + 30_000);
    site.flush();
    let worker = Worker::with(&site, &api.settings());
    site.wait_for_worker(MINUTE);
    wait_until("the worker to be ready", || api.is_ready());
    // Redis is told after the commit.
    wait_until("the frontier to reach the end", || api.window("nobody")["proof"]["complete"] == true);

    let open = api.window("16505551234");
    assert_eq!((&open["open"], &open["state"]), (&true.into(), &"open".into()), "{open}");
    let remaining_ms = open["remaining_ms"].as_i64().unwrap();
    assert!((22 * HOUR_MS..23 * HOUR_MS).contains(&remaining_ms), "{open}");
    let proof = open["proof"]["partitions"].as_array().unwrap();
    let applied: i64 = proof.iter().map(|partition| partition["frontier"].as_i64().unwrap()).sum();
    assert_eq!((proof.len(), applied), (2, 2), "{open}");
    let closing = api.window("16505550000");
    assert_eq!((&closing["open"], &closing["state"]), (&false.into(), &"closing".into()), "{closing}");
    let closed = api.window("nobody");
    assert_eq!((&closed["state"], &closed["expires_at"]), (&"closed".into(), &serde_json::Value::Null), "{closed}");

    let subject = |customer: &str| serde_json::json!({ "business_id": BUSINESS, "customer_id": customer });
    let subjects = ["nobody", "16505551234", "16505550000"].map(subject);
    let asked = serde_json::json!({ "windows": subjects });
    let (code, told) = api.post("/v1/windows", &asked);
    let states: Vec<&str> =
        told["windows"].as_array().unwrap().iter().map(|it| it["state"].as_str().unwrap()).collect();
    assert_eq!((code, states), (200, vec!["closed", "open", "closing"]), "{told}");
    assert_eq!(told["partitions"].as_array().unwrap().len(), 2, "{told}");

    // What lies in the log and is not applied could open any window: nobody stopped the world for it to be told.
    let (_, ends) = api.get("/v1/windows/whatsapp/1/2").unwrap();
    let end = |told: &serde_json::Value| {
        told["proof"]["partitions"].as_array().unwrap().iter().map(|it| it["end"].as_i64().unwrap()).sum::<i64>()
    };
    assert!(worker.stop().success());
    assert_eq!(end(&ends), site.end(INBOUND));
}

#[test]
fn closed_is_not_called_proven_while_redis_lacks_what_the_log_holds() {
    let redis = OwnRedis::start(&[]);
    let site = Site::on(&variable("SESSIONGATE_TEST_BROKERS"), &redis.url(), "admin-unproven", PARTITIONS);
    let api = Api::new();
    site.say("16505551234", now_ms());
    site.flush();
    let worker = Worker::with(&site, &api.settings());
    wait_until("a proven answer", || api.is_ready() && api.window("nobody")["proof"]["complete"] == true);
    // Nobody applies anything now, and what answers look-ups goes on.
    let keys: Vec<String> = (0..PARTITIONS).map(|partition| site.frontier_key(partition)).collect();
    worker.signal(19);
    redis::cmd("DEL").arg(&keys).query::<i32>(&mut site.redis()).unwrap();
    worker.signal(18);
    let told = api.window("nobody");
    let proven = told["proof"]["complete"] == true;
    let applied = told["proof"]["partitions"].as_array().unwrap().iter().all(|it| it["frontier"] == it["end"]);
    assert_eq!(proven, applied, "{told}");
    wait_until("it to be proven again", || api.window("nobody")["proof"]["complete"] == true);
    assert_eq!(api.window("16505551234")["open"], true);
}

#[test]
fn readiness_follows_redis_and_kafka_and_the_loops_turn_all_the_while() {
    let mut kafka = OwnKafka::start();
    let mut redis = OwnRedis::start(&[]);
    let site = Site::on(&kafka.brokers, &redis.url(), "admin-ready", PARTITIONS);
    let api = Api::new();
    let _worker = Worker::with(&site, &api.settings());
    let configure = |redis: &OwnRedis, setting: &str, value: &str| {
        let mut connection = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
        redis::cmd("CONFIG").arg("SET").arg(setting).arg(value).query::<()>(&mut connection).unwrap();
    };
    let goes_red = |check: &str, words: &str| {
        wait_until(&format!("{check} to turn red with {words:?}"), || {
            api.check(check).is_some_and(|(ok, detail)| !ok && detail.contains(words)) && !api.is_ready()
        });
        assert_eq!(api.get("/healthz").unwrap().0, 200, "whoever waits for {check} lives");
        assert_eq!(api.metrics().unwrap().sum("sessiongate_ready", &[("check", check)]), 0.0);
    };
    let is_green = || wait_until("the worker to be ready", || api.is_ready());
    is_green();
    configure(&redis, "maxmemory-policy", "allkeys-lru");
    goes_red("redis", "allkeys-lru");
    configure(&redis, "maxmemory-policy", "noeviction");
    is_green();
    configure(&redis, "maxmemory", "1");
    goes_red("redis", "full");
    configure(&redis, "maxmemory", "0");
    is_green();
    let mut frontiers = redis::Client::open(redis.url()).unwrap().get_connection().unwrap();
    for partition in 0..PARTITIONS {
        redis::cmd("SET").arg(site.frontier_key(partition)).arg("2 7 of a later day").exec(&mut frontiers).unwrap();
    }
    goes_red("version", "upgrade this worker");
    for partition in 0..PARTITIONS {
        redis::cmd("DEL").arg(site.frontier_key(partition)).exec(&mut frontiers).unwrap();
    }
    is_green();
    redis.kill();
    goes_red("redis", "cannot be reached");
    let (code, told) = api.get("/v1/windows/whatsapp/1/2").unwrap();
    assert_eq!((code, &told["error"]["code"]), (503, &"redis_unavailable".into()));
    redis.restart_empty();
    is_green();
    kafka.kill();
    goes_red("kafka", "");
    let told = api.window("nobody");
    assert_eq!(told["proof"]["lacks"], "kafka_did_not_answer", "{told}");
    kafka.restart();
    is_green();
}

#[test]
fn a_shard_without_partitions_is_ready_once_it_has_joined() {
    let site = Site::new("admin-idle", 1);
    let api = Api::new();
    let worker = Worker::with(&site, &api.settings());
    wait_until("the worker to be ready", || api.is_ready());
    // What it is assigned is published a moment later.
    wait_until("one shard to have nothing to do", || {
        api.check("group").is_some_and(|(ok, detail)| ok && detail.contains("1 of them without partitions"))
    });
    assert!(worker.stop().success());
}

#[test]
fn the_metrics_say_what_came_out_and_prometheus_can_read_them() {
    let site = Site::new("admin-metrics", PARTITIONS);
    let api = Api::new();
    let worker = Worker::with(&site, &api.settings());
    wait_until("the worker to be ready", || api.is_ready());
    let customer = |number| format!("5511{number:09}");
    (0..30).for_each(|number| site.say(&customer(number), now_ms()));
    // Whoever asks before the message is in the log is told that the window is closed.
    site.flush();
    for number in 0..30 {
        site.ask(&format!("open-{number}"), &customer(number));
        site.ask(&format!("closed-{number}"), &format!("5522{number:09}"));
    }
    site.say("late", now_ms() - 48 * HOUR_MS);
    site.write(INTENTS, None, b"not JSON", &[]);
    let twice = now_ms();
    site.say("twice", twice);
    site.say("twice", twice);
    site.flush();
    site.wait_for_worker(MINUTE);
    wait_until("the metrics to tell of all verdicts", || {
        let told = api.metrics().unwrap();
        told.sum("sessiongate_verdicts_total", &[]) >= 60.0 && told.sum("sessiongate_open_windows_estimate", &[]) > 0.0
    });
    // Lag is looked at every second.
    wait_until("the lag to be gone", || {
        let told = api.metrics().unwrap();
        (told.sum("sessiongate_lag_records", &[]), told.sum("sessiongate_frontier_gap_records", &[])) == (0.0, 0.0)
    });
    promtool::check_metrics(&api.metrics_page().unwrap());
    let told = api.metrics().unwrap();
    let announced: BTreeSet<&str> = families().iter().map(|family| family.name).collect();
    assert_eq!(told.families(), announced, "what is announced is there, and nothing else");
    let closed = [("verdict", "template_required"), ("reason", "no_open_window"), ("basis", "complete")];
    let expected = [
        ("sessiongate_verdicts_total", &[("verdict", "session_send")][..], 30.0),
        ("sessiongate_verdicts_total", &closed, 30.0),
        ("sessiongate_verdict_latency_seconds_count", &[], 60.0),
        ("sessiongate_dead_letters_total", &[("reason", "not_json")], 1.0),
        ("sessiongate_dead_letters_total", &[], 1.0),
        ("sessiongate_inbound_oddities_total", &[("oddity", "late")], 1.0),
        ("sessiongate_inbound_oddities_total", &[("oddity", "unmoved")], 1.0),
        ("sessiongate_window_events_total", &[("event", "opened")], 31.0),
        ("sessiongate_records_total", &[("outcome", "rejected")], 1.0),
        ("sessiongate_records_total", &[("outcome", "decoded")], 93.0),
        ("sessiongate_assigned_partitions", &[], 4.0),
        ("sessiongate_waiting_intents", &[], 0.0),
        ("sessiongate_ready", &[("check", "all")], 1.0),
        ("sessiongate_copartitioning_violations_total", &[], 0.0),
    ];
    for (name, labels, value) in expected {
        assert_eq!(told.sum(name, labels), value, "{name} {labels:?}");
    }
    for stage in ["poll", "read", "decide", "produce", "commit", "merge"] {
        assert!(told.sum("sessiongate_stage_duration_seconds_count", &[("stage", stage)]) > 0.0, "{stage}");
    }
    assert!(told.sum("sessiongate_redis_round_trip_duration_seconds_count", &[("call", "merge")]) > 0.0);
    assert!(told.sum("sessiongate_transactions_total", &[("outcome", "committed")]) > 0.0);
    for family in families() {
        let mut values = told.labels(family.name).flat_map(|labels| labels.values());
        // The random name of a worker may hold fewer of these digits by chance.
        assert!(values.all(|value| !value.contains("551100000")), "{}: a customer in a label", family.name);
    }
    assert!(worker.stop().success());
}

#[test]
fn whoever_follows_sees_the_counts_move() {
    let site = Site::new("admin-events", PARTITIONS);
    let api = Api::new();
    let worker = Worker::with(&site, &api.settings());
    wait_until("the worker to be ready", || api.is_ready());
    site.say("16505551234", now_ms());
    site.flush();
    (0..10).for_each(|number| site.ask(&format!("intent-{number}"), "16505551234"));
    site.flush();
    site.wait_for_worker(MINUTE);
    let events = api.events(3);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["history", "moment", "moment"]);
    let (_, moment) = &events[2];
    assert_eq!((&moment["ready"], &moment["verdicts"][0]["count"]), (&true.into(), &10.into()), "{moment}");
    assert_eq!(moment["inbound"].as_array().unwrap().len(), 2, "{moment}");
    assert!(worker.stop().success());
}

#[test]
fn whoever_listens_beyond_this_machine_asks_for_the_token() {
    let site = Site::new("admin-token", 1);
    let api = Api::new();
    let port = api.address.rsplit(':').next().unwrap();
    let everywhere = [("ADMIN_LISTEN", format!("0.0.0.0:{port}"))];
    let everywhere: Vec<(&str, &str)> = everywhere.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for arguments in ["run", "check"] {
        let said = command(&site, &[arguments], &everywhere);
        assert_eq!(said.code, Some(64), "{arguments} without a token: {}", said.text);
        said.assert_contains(&["admin.listen", "set admin.token"]);
    }
    let token = "open-sesame-open-sesame";
    let worker = Worker::with(&site, &[everywhere, vec![("ADMIN_TOKEN", token)]].concat());
    wait_until("the worker to be ready", || api.is_ready());
    let asked = |path: &str, token: &str| {
        let mut stream = TcpStream::connect(&api.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let (right, wrong) = (format!("Authorization: Bearer {token}\r\n"), "Authorization: Bearer sesame\r\n");
    for path in ["/metrics", "/v1/status", "/v1/windows/whatsapp/1/2"] {
        let answers = [asked(path, ""), asked(path, wrong), asked(path, &right)];
        assert_eq!(answers, ["401", "401", "200"], "{path}");
    }
    assert!(worker.stop().success());
}

/// Sets it when it is dropped, so that a test that fails ends its threads too.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connections that are opened and left, heads that come letter by letter, and bodies that nobody wants: in rounds, and there
/// is no moment without them.
fn misuse(address: &str, over: &AtomicBool, rounds: &AtomicUsize) {
    let mut left = Vec::new();
    let body = vec![b'x'; 10 * 1024 * 1024];
    let head = format!("POST /v1/windows HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    while !over.load(Ordering::Relaxed) {
        let idle: Vec<_> = (0..1_000).filter_map(|_| TcpStream::connect(address).ok()).collect();
        let before = std::mem::replace(&mut left, idle);
        let slow = TcpStream::connect(address).map(|mut slow| {
            let _ = head.bytes().take(20).try_for_each(|letter| slow.write_all(&[letter]));
        });
        assert!(slow.is_ok(), "past {} idle connections nobody was let in", left.len());
        drop(before);
        for _ in 0..5 {
            let Ok(mut stream) = TcpStream::connect(address) else { continue };
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            let _ = stream.read(&mut [0; 64]);
        }
        rounds.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn misuse_stops_neither_probes_nor_verdicts() {
    let site = Site::new("admin-misuse", 4);
    let api = Api::new();
    let worker = Worker::with(&site, &api.settings());
    let live = Live::start(&site, 100);
    live.wait_until_settled();
    let (over, rounds) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| misuse(&api.address, &over, &rounds));
        scope.spawn(|| {
            // Somebody who looks windows up as fast as they are answered. Who is crowded out comes again.
            while !over.load(Ordering::Relaxed) {
                let answer = api.get("/v1/windows/whatsapp/1/2");
                assert!(answer.as_ref().is_none_or(|(code, _)| *code == 200), "{answer:?}");
            }
        });
        let _over = Over(&over);
        wait_until("misuse to be in full swing", || rounds.load(Ordering::Relaxed) > 0);
        let until = rounds.load(Ordering::Relaxed) + 3;
        for number in 0.. {
            if number >= 20 && rounds.load(Ordering::Relaxed) >= until {
                break;
            }
            wait_until("a probe to be answered", || api.get("/healthz").is_some_and(|(code, _)| code == 200));
            live.wait_for_a_new_verdict();
        }
    });
    let finding = live.finish(false);
    println!("{finding}");
    assert!(finding.is_right(), "{finding}");
    assert!(worker.stop().success());
}
