//! The store on a real Redis. `SESSIONGATE_TEST_REDIS_URL` names one for tests that only use keys of their own; those
//! that change the server itself start one (`SESSIONGATE_TEST_REDIS_SERVER`, default `redis-server`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::support::forwarder::Forwarder;
use redis::{Client, Connection};
use sessiongate::core::frontier::{Frontier, Stored};
use sessiongate::core::ids::{Offset, Partition, Position, TopicId, WindowKey};
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::window::Window;
use sessiongate::io::memory::MemoryStore;
use sessiongate::io::redis::text::{encode_frontier, encode_window};
use sessiongate::io::redis::{Access, Patience, RedisOptions, RedisStore, Renewals, WindowFilter};
use sessiongate::io::store_contract;
use sessiongate::ports::{
    FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore, WindowWrite,
};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY: Span = Span::from_hours(24);

/// A store with keys of its own, and a connection that looks past it.
struct Bench {
    store: RedisStore,
    redis: Connection,
    prefix: String,
    now: Timestamp,
}

impl Bench {
    fn on(url: &str, test: &str) -> Bench {
        let pid = std::process::id();
        let prefix = format!("test:{test}:{pid}:");
        let redis = Client::open(url).unwrap().get_connection().unwrap();
        let mut store = store(url, &prefix);
        let now = store.read(&ReadRequest::default()).unwrap().clock;
        Bench { store, redis, prefix, now }
    }

    fn shared(test: &str) -> Bench {
        let url = std::env::var("SESSIONGATE_TEST_REDIS_URL");
        Bench::on(&url.expect("SESSIONGATE_TEST_REDIS_URL names a Redis that may be written to"), test)
    }

    fn start(&mut self) {
        assert_eq!(first_start(&mut self.store).unwrap(), [true]);
    }

    fn window(&self, after_now_ms: i64, offset: i64) -> Window {
        let position = Position { partition: Partition(0), offset: Offset(offset) };
        Window::opened_by(self.now + Span::from_millis(after_now_ms), position)
    }

    fn read(&mut self, customers: &[&str]) -> Snapshot {
        let windows = customers.iter().map(|customer| key(customer)).collect();
        self.store.read(&ReadRequest { frontiers: vec![Partition(0)], windows, ..ReadRequest::default() }).unwrap()
    }

    fn raw(&mut self, command: &str, key: &str, arguments: &[&str]) -> redis::Value {
        let key = format!("{}{key}", self.prefix);
        redis::cmd(command).arg(key).arg(arguments).query(&mut self.redis).unwrap()
    }

    fn text(&mut self, key: &str) -> Option<String> {
        redis::from_redis_value(self.raw("GET", key, &[])).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let left: Vec<String> =
            redis::cmd("KEYS").arg(format!("{}*", self.prefix)).query(&mut self.redis).unwrap_or_default();
        for key in left {
            let _ = redis::cmd("DEL").arg(key).exec(&mut self.redis);
        }
    }
}

/// A Redis that ends with the test.
struct OwnRedis {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl OwnRedis {
    fn start() -> OwnRedis {
        OwnRedis::start_with(&[])
    }

    fn start_with(arguments: &[&str]) -> OwnRedis {
        let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        OwnRedis::start_on(port, arguments)
    }

    fn start_on(port: u16, arguments: &[&str]) -> OwnRedis {
        let server = std::env::var("SESSIONGATE_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(server)
            .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"])
            .args(["--maxmemory-policy", "noeviction", "--dir"])
            .arg(folder.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed, or SESSIONGATE_TEST_REDIS_SERVER names one");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = lines.map_while(Result::ok).any(|line| line.contains("Ready to accept connections"));
        assert!(is_ready, "the Redis on port {port} did not start");
        OwnRedis { child, port, _folder: folder }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn options(url: &str, prefix: &str) -> RedisOptions {
    RedisOptions {
        url: url.to_owned(),
        access: Access::default(),
        key_prefix: prefix.to_owned(),
        inbound_topic: "inbound-message".to_owned(),
        patience: Patience::default(),
        renewals: Renewals::default(),
    }
}

fn store(url: &str, prefix: &str) -> RedisStore {
    RedisStore::new(&options(url, prefix)).unwrap()
}

fn key(customer: &str) -> WindowKey {
    WindowKey::parse(&format!("whatsapp:106:{customer}")).unwrap()
}

fn frontier(next: i64) -> Frontier {
    let topic_id = TopicId::new("topic");
    Frontier { next: Offset(next), topic_id, reaches_back_to: Timestamp::MIN, reapply_to: Offset(0) }
}

fn call<'a>(from: i64, to: i64, windows: impl IntoIterator<Item = (&'a str, Window)>) -> MergeCall {
    let write = |(customer, window)| WindowWrite { key: key(customer), window, length: DAY };
    MergeCall {
        partition: Partition(0),
        from: Offset(from),
        to: Offset(to),
        topic_id: TopicId::new("topic"),
        windows: windows.into_iter().map(write).collect(),
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> String {
    match result {
        Err(StoreError::Refused(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

fn start(next: i64) -> FrontierStart {
    FrontierStart { partition: Partition(0), seen: Stored::Missing, frontier: frontier(next) }
}

fn first_start(store: &mut RedisStore) -> Result<Vec<bool>, StoreError> {
    store.start_frontiers(&[start(0)])
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % end
    }
}

#[test]
fn redis_keeps_the_contract_of_a_store() {
    let mut bench = Bench::shared("contract");
    assert_eq!(store_contract::check(&mut bench.store), Ok(()));
}

#[test]
fn a_window_lives_until_exactly_its_end_and_reads_as_documented() {
    let mut bench = Bench::shared("end");
    bench.start();
    let window = bench.window(-1_234, 7);
    bench.store.merge(&[call(0, 8, [("5511", window)])]).unwrap();
    let ends_at = redis::Value::Int((window.last_inbound_at + DAY).as_millis());
    assert_eq!(bench.raw("PEXPIRETIME", "window:whatsapp:106:5511", &[]), ends_at);
    assert_eq!(bench.text("window:whatsapp:106:5511"), Some(encode_window(&window)));
    assert_eq!(bench.text("frontier:inbound-message:0"), Some(encode_frontier(&frontier(8))));

    bench.store.merge(&[call(8, 9, [("5511", bench.window(-2_000, 8))])]).unwrap();
    let merged = Window { opened_at: bench.now - Span::from_millis(2_000), ..window };
    assert_eq!(bench.text("window:whatsapp:106:5511"), Some(encode_window(&merged)));
    assert_eq!(bench.raw("PEXPIRETIME", "window:whatsapp:106:5511", &[]), ends_at, "an older act moves no end");
}

#[test]
fn a_server_that_forgot_the_scripts_learns_them_within_the_call() {
    let mut bench = Bench::shared("scripts");
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut bench.redis).unwrap();
    bench.start();
    for offset in 0..3 {
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut bench.redis).unwrap();
        let calls = [
            call(3 * offset, 3 * offset + 1, [("a", bench.window(offset, 3 * offset))]),
            call(3 * offset + 1, 3 * offset + 3, [("b", bench.window(offset, 3 * offset + 1))]),
        ];
        assert_eq!(bench.store.merge(&calls).unwrap(), [MergeOutcome::Merged, MergeOutcome::Merged]);
        assert_eq!(bench.read(&[]).frontiers, [Stored::Known(frontier(3 * offset + 3))]);
    }
}

#[test]
fn a_full_memory_refuses_a_merge_as_a_whole_until_there_is_room() {
    let server = OwnRedis::start();
    let mut bench = Bench::on(&server.url(), "full");
    bench.start();
    bench.store.merge(&[call(0, 1, [("old", bench.window(0, 0))])]).unwrap();
    let before = bench.read(&["old", "new"]);

    let max_memory = |redis: &mut Connection, bytes: &str| {
        redis::cmd("CONFIG").arg(&["SET", "maxmemory", bytes]).exec(redis).unwrap();
    };
    max_memory(&mut bench.redis, "1");
    let merge = [call(1, 3, [("old", bench.window(9, 1)), ("new", bench.window(9, 2))])];
    let text = refusal(bench.store.merge(&merge));
    assert!(text.contains("OOM") && text.contains("maxmemory"), "{text}");
    let now = bench.read(&["old", "new"]);
    assert_eq!((now.frontiers, now.windows), (before.frontiers, before.windows));

    max_memory(&mut bench.redis, "0");
    assert_eq!(bench.store.merge(&merge).unwrap(), [MergeOutcome::Merged]);
    let now = bench.read(&["new"]);
    assert_eq!(now.frontiers, [Stored::Known(frontier(3))]);
    assert_eq!(now.windows, [Stored::Known(bench.window(9, 2))]);
}

#[test]
fn a_window_of_a_newer_version_is_never_overwritten_and_stops_the_whole_merge() {
    let mut bench = Bench::shared("newer");
    bench.start();
    bench.raw("SET", "window:whatsapp:106:newer", &["2 what this version cannot read"]);
    let windows = [("first", bench.window(0, 0)), ("newer", bench.window(0, 1))];
    let text = refusal(bench.store.merge(&[call(0, 2, windows)]));
    assert!(text.contains("upgrade this worker") && !text.contains("whatsapp"), "{text}");
    assert_eq!(bench.text("window:whatsapp:106:newer").as_deref(), Some("2 what this version cannot read"));
    let snapshot = bench.read(&["first", "newer"]);
    assert_eq!(snapshot.windows, [Stored::Missing, Stored::Newer]);
    assert_eq!(snapshot.frontiers, [Stored::Known(frontier(0))]);
}

#[test]
fn a_newer_frontier_is_neither_advanced_nor_started_again() {
    let mut bench = Bench::shared("newer-frontier");
    bench.raw("SET", "frontier:inbound-message:0", &["2 0 topic - 0"]);
    let outcome = bench.store.merge(&[call(0, 1, [("a", bench.window(0, 0))])]).unwrap();
    assert_eq!(outcome, [MergeOutcome::Refused]);
    let start = FrontierStart { partition: Partition(0), seen: Stored::Newer, frontier: frontier(0) };
    assert_eq!(bench.store.start_frontiers(&[start]).unwrap(), [false]);
    let snapshot = bench.read(&["a"]);
    assert_eq!((snapshot.frontiers, snapshot.windows), (vec![Stored::Newer], vec![Stored::Missing]));
}

#[test]
fn damaged_values_are_replaced() {
    let mut bench = Bench::shared("damaged");
    let table: [&[u8]; 6] = [b"", b"1", b"1 2 topic", b"5511999999999 and more", b"1 \xff\xfe - 0", b"1 0 topic - 01"];
    for damaged in table {
        let frontier_key = format!("{}frontier:inbound-message:0", bench.prefix);
        let window_key = format!("{}window:whatsapp:106:a", bench.prefix);
        for key in [&frontier_key, &window_key] {
            redis::cmd("SET").arg(key).arg(damaged).exec(&mut bench.redis).unwrap();
        }
        let seen = bench.read(&["a"]);
        assert!(matches!(seen.frontiers[0], Stored::Damaged(_)), "{seen:?}");
        assert!(matches!(seen.windows[0], Stored::Damaged(_)), "{seen:?}");
        let start = FrontierStart { partition: Partition(0), seen: seen.frontiers[0].clone(), frontier: frontier(0) };
        assert_eq!(bench.store.start_frontiers(&[start]).unwrap(), [true], "{seen:?}");
        let window = bench.window(0, 0);
        assert_eq!(bench.store.merge(&[call(0, 1, [("a", window)])]).unwrap(), [MergeOutcome::Merged], "{seen:?}");
        assert_eq!(bench.read(&["a"]).windows, [Stored::Known(window)], "{seen:?}");
    }
}

#[test]
fn a_key_that_holds_no_text_is_refused_with_a_remedy() {
    let mut bench = Bench::shared("wrong-type");
    bench.raw("LPUSH", "frontier:inbound-message:0", &["a"]);
    let text = refusal(bench.store.merge(&[call(0, 1, [])]));
    assert!(text.contains("redis.key_prefix"), "{text}");
}

#[test]
fn a_thousand_windows_merge_in_one_command_and_redis_merges_as_the_core_does() {
    let server = OwnRedis::start();
    let mut bench = Bench::on(&server.url(), "thousand");
    bench.start();
    bench.store.merge(&[call(0, 1, [])]).unwrap();
    redis::cmd("CONFIG").arg("RESETSTAT").exec(&mut bench.redis).unwrap();
    let customers: Vec<String> = (0..1_000).map(|number| number.to_string()).collect();
    let rounds = [(0, 500), (-2_000, 700), (0, 400), (0, 500), (5_000, 1)];
    let mut expected: Option<Window> = None;
    for (after_now_ms, offset) in rounds {
        let window = bench.window(after_now_ms, offset);
        let merge = call(0, 1, customers.iter().map(|customer| (customer.as_str(), window)));
        assert_eq!(bench.store.merge(&[merge]).unwrap(), [MergeOutcome::Merged]);
        expected = Some(expected.map_or(window, |held| held.merge(window, DAY)));
    }
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut bench.redis).unwrap();
    assert!(stats.contains(&format!("cmdstat_evalsha:calls={},", rounds.len())), "{stats}");
    assert!(stats.contains("cmdstat_set:calls=3000,"), "only what changes is written: {stats}");

    let all: Vec<&str> = customers.iter().map(String::as_str).collect();
    assert_eq!(bench.read(&all).windows, vec![Stored::Known(expected.unwrap()); 1_000]);
}

#[test]
fn whatever_is_merged_redis_holds_what_the_memory_store_holds() {
    let mut bench = Bench::shared("model");
    let now = bench.now;
    let mut model = MemoryStore::new(Arc::new(move || now));
    bench.start();
    assert_eq!(model.start_frontiers(&[start(0)]).unwrap(), [true]);
    let customers: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let all: Vec<WindowKey> = customers.iter().map(|customer| key(customer)).collect();
    let mut dice = Dice(0x5eed);
    for step in 0..400 {
        let windows: Vec<(&str, Window)> = (0..dice.below(6))
            .map(|_| {
                // From two days ago to ten minutes hence in steps of ten minutes, so that acts meet at one instant and
                // some have ended; never within ten minutes of an end, which the clock could cross meanwhile.
                let last = bench.window(600_000 * (1 - dice.below(290)) + 1_000, dice.below(9));
                let opened_at = last.last_inbound_at - Span::from_millis(600_000 * dice.below(200));
                (customers[dice.below(20) as usize].as_str(), Window { opened_at, ..last })
            })
            .collect();
        let from = dice.below(step / 2 + 4);
        let merge = [call(from, from + dice.below(5), windows)];
        assert_eq!(bench.store.merge(&merge).unwrap(), model.merge(&merge).unwrap(), "step {step}: {merge:?}");
        let request = ReadRequest { frontiers: vec![Partition(0)], windows: all.clone(), ..ReadRequest::default() };
        let (held, expected) = (bench.store.read(&request).unwrap(), model.read(&request).unwrap());
        let (held, expected) = ((held.frontiers, held.windows), (expected.frontiers, expected.windows));
        assert_eq!(held, expected, "step {step}: {merge:?}");
    }
}

#[test]
fn a_merge_of_as_many_windows_as_are_allowed_fits_a_script() {
    let mut bench = Bench::shared("many");
    bench.start();
    let customers: Vec<String> = (0..sessiongate::io::redis::MAX_WINDOWS_A_MERGE).map(|n| n.to_string()).collect();
    let windows = customers.iter().map(|customer| (customer.as_str(), bench.window(0, 0)));
    assert_eq!(bench.store.merge(&[call(0, 1, windows)]).unwrap(), [MergeOutcome::Merged]);
    assert_eq!(bench.store.scan_windows(&WindowFilter::default(), usize::MAX).count(), customers.len());
    assert_eq!(bench.store.scan_windows(&WindowFilter::default(), 1_500).count(), 1_500);
}

#[test]
fn a_later_call_of_a_merge_rests_on_the_one_before() {
    const MERGE: &str = concat!(
        include_str!("../../src/io/redis/window_merge.lua"),
        "\n",
        include_str!("../../src/io/redis/merge.lua")
    );
    let mut bench = Bench::shared("chain");
    let names = ["frontier", "nonce"].map(|name| format!("{}{name}", bench.prefix));
    let set = |bench: &mut Bench, name: &str, text: &str| drop(bench.raw("SET", name, &[text]));
    let merge = |bench: &mut Bench, range: [i64; 2], [before, after]: [&str; 2]| -> (i64, Option<String>) {
        let mut call = redis::cmd("EVAL");
        call.arg(MERGE).arg(2).arg(&names).arg(&range).arg("T").arg(i64::MAX).arg(before).arg(after);
        (call.query(&mut bench.redis).unwrap(), bench.text("frontier"))
    };
    let at = |merged, next: i64| (merged, Some(format!("1 {next} T - 0")));

    set(&mut bench, "frontier", "1 0 T - 0");
    assert_eq!(merge(&mut bench, [0, 2], ["", "7.1"]), at(1, 2));
    assert_eq!(merge(&mut bench, [2, 4], ["7.1", ""]), at(1, 4));
    assert_eq!(merge(&mut bench, [2, 4], ["7.1", ""]), at(1, 4), "once more");
    // Flushed, and somebody else has led the frontier beyond where the rest begins.
    assert_eq!(merge(&mut bench, [4, 6], ["", "8.1"]), at(1, 6));
    bench.raw("DEL", "nonce", &[]);
    set(&mut bench, "frontier", "1 7 T - 0");
    assert_eq!(merge(&mut bench, [6, 9], ["8.1", "8.2"]), at(0, 7));
    assert_eq!(merge(&mut bench, [6, 9], ["8.2", ""]), at(0, 7), "and so is what rests on that");
    // Back to where an earlier call was the last one.
    set(&mut bench, "nonce", "8.1");
    assert_eq!(merge(&mut bench, [6, 9], ["8.2", ""]), at(0, 7));
    assert_eq!(merge(&mut bench, [6, 9], ["", ""]), at(1, 9), "one by itself needs nothing");
}

#[test]
fn a_server_that_went_away_is_unavailable_and_one_that_came_back_is_used() {
    let server = OwnRedis::start();
    let (url, port) = (server.url(), server.port);
    let mut store = store(&url, "");
    store.read(&ReadRequest::default()).unwrap();
    drop(server);
    for _ in 0..2 {
        let error = store.read(&ReadRequest::default()).unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
    let _server = OwnRedis::start_on(port, &[]);
    assert_eq!(store_contract::check(&mut store), Ok(()));
}

#[test]
fn a_server_that_hangs_costs_one_time_out_whatever_the_number_of_calls() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let patience = Patience { connect: Duration::from_secs(2), answer: Duration::from_millis(200) };
    let mut store = RedisStore::new(&RedisOptions { patience, ..options(&url, "") }).unwrap();
    let started = Instant::now();
    let error = store.merge(&vec![call(0, 1, []); 100]).unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(text) if text.contains("in time")), "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_user_who_lacks_a_right_is_led_to_the_file_that_holds_all() {
    let server = OwnRedis::start();
    let mut admin = Client::open(server.url()).unwrap().get_connection().unwrap();
    let rights = [
        "on",
        ">geheim",
        "~window:*",
        "~frontier:*",
        "~advice:*",
        "~nonce:*",
        "-@all",
        "+get",
        "+set",
        "+mget",
        "+time",
        "+evalsha",
    ];
    redis::cmd("ACL").arg(&["SETUSER", "worker"]).arg(&rights).exec(&mut admin).unwrap();
    let url = format!("redis://worker:geheim@127.0.0.1:{}", server.port);
    let mut worker = store(&url, "");
    let text = refusal(first_start(&mut worker));
    assert!(
        text.contains("script|load") && text.contains("deploy/redis-acl.conf") && !text.contains("geheim"),
        "{text}"
    );
    redis::cmd("ACL").arg(&["SETUSER", "worker", "+script|load"]).exec(&mut admin).unwrap();
    assert_eq!(store_contract::check(&mut worker), Ok(()));

    let turned_away = store(&url.replace("geheim", "falsch"), "").read(&ReadRequest::default()).unwrap_err();
    let StoreError::Misconfigured(text) = turned_away else { panic!("{turned_away:?}") };
    assert!(text.contains("password") && !text.contains("falsch"), "{text}");
}

#[test]
fn a_replica_refuses_and_names_the_primary() {
    let primary = OwnRedis::start();
    let replica = OwnRedis::start_with(&["--replicaof", "127.0.0.1", &primary.port.to_string()]);
    let mut store = store(&replica.url(), "");
    let text = refusal(first_start(&mut store));
    assert!(text.contains("primary"), "{text}");
}

#[test]
fn health_tells_version_mode_and_what_happens_when_it_is_full() {
    let server = OwnRedis::start_with(&["--maxmemory-policy", "allkeys-lru"]);
    let mut bench = Bench::on(&server.url(), "health");
    let health = bench.store.health().unwrap();
    assert_eq!(health.mode, "standalone");
    assert_eq!(health.eviction_policy.as_deref(), Some("allkeys-lru"));
    assert!(health.version.split('.').next().unwrap().parse::<u32>().unwrap() >= 7, "{}", health.version);
    assert!(health.clock >= bench.now);

    let config = |redis: &mut Connection| redis::cmd("CONFIG").arg("GET").arg("port").exec(redis);
    redis::cmd("ACL").arg(&["SETUSER", "default", "-config|get"]).exec(&mut bench.redis).unwrap();
    assert!(config(&mut bench.redis).is_err());
    let told_by_info = store(&server.url(), "").health().unwrap();
    assert_eq!(told_by_info.eviction_policy.as_deref(), Some("allkeys-lru"));
}

#[test]
fn windows_are_looked_up_listed_and_deleted_one_by_one() {
    let mut bench = Bench::shared("look*up");
    bench.start();
    let window = bench.window(0, 0);
    bench.store.merge(&[call(0, 1, [("5511", window), ("5512", window), ("a:b", window)])]).unwrap();
    bench.raw("SET", "window:whatsapp:107:5511", &["who knows"]);
    bench.raw("SET", "window:messenger:106:5511", &["2 new"]);

    let found = bench.store.get_window(&key("5511")).unwrap().unwrap();
    assert_eq!(found.window, Stored::Known(window));
    let remaining = found.remaining.unwrap();
    assert!(remaining <= DAY && remaining > Span::from_hours(23), "{remaining}");
    assert_eq!(bench.store.get_window(&key("5599")).unwrap(), None);

    let list = |bench: &mut Bench, channel: Option<&str>, business: Option<&str>| {
        let (channel, business) = (channel.map(str::to_owned), business.map(str::to_owned));
        let filter = WindowFilter { channel, business, customer: None };
        let found = bench.store.scan_windows(&filter, 100);
        let mut keys: Vec<String> = found.map(|window| window.unwrap().key.to_string()).collect();
        keys.sort();
        keys
    };
    let of_106 = ["whatsapp:106:5511", "whatsapp:106:5512", "whatsapp:106:a:b"];
    assert_eq!(list(&mut bench, Some("whatsapp"), Some("106")), of_106);
    assert_eq!(list(&mut bench, None, Some("107")), ["whatsapp:107:5511"]);
    assert_eq!(list(&mut bench, Some("whatsap?"), None), Vec::<String>::new());
    assert_eq!(list(&mut bench, None, None).len(), 5);

    let never_ends = bench.store.get_window(&WindowKey::parse("messenger:106:5511").unwrap()).unwrap().unwrap();
    assert_eq!((never_ends.window, never_ends.remaining), (Stored::Newer, None));
    assert!(bench.store.erase(&key("5511")).unwrap().window);
    assert!(!bench.store.erase(&key("5511")).unwrap().window);
    assert_eq!(bench.store.read_frontiers(&[Partition(0), Partition(1)]).unwrap()[1], Stored::Missing);
}

#[test]
fn a_store_that_was_lost_is_looked_for_where_its_address_leads_now() {
    let (former, present) = (OwnRedis::start(), OwnRedis::start());
    let address = Forwarder::to(former.port);
    let options = options(&address.url(), "");
    let [mut reads, mut merges] = [0, 1].map(|_| RedisStore::new(&options).unwrap());
    let merge = |store: &mut RedisStore, from, to| store.merge(&[call(from, to, [])]).unwrap();
    assert_eq!(first_start(&mut reads).unwrap(), [true]);
    assert_eq!(merge(&mut merges, 0, 1), [MergeOutcome::Merged]);

    // The one before still answers whoever is connected to it.
    address.lead_new_ones_to(present.port);
    assert_eq!(merge(&mut merges, 1, 2), [MergeOutcome::Merged]);
    assert_eq!(reads.read_frontiers(&[Partition(0)]).unwrap(), [Stored::Known(frontier(2))]);
    assert_eq!(first_start(&mut reads).unwrap(), [true], "where it leads now, nothing is");
    assert_eq!(merge(&mut merges, 0, 1), [MergeOutcome::Merged], "and everybody goes there");
    assert_eq!(reads.read_frontiers(&[Partition(0)]).unwrap(), [Stored::Known(frontier(1))]);

    address.lead_new_ones_to(former.port);
    assert_eq!(merge(&mut merges, 2, 3), [MergeOutcome::Refused]);
    assert_eq!(reads.read_frontiers(&[Partition(0)]).unwrap(), [Stored::Known(frontier(2))]);
}
