//! The store on a real Redis Cluster.

use crate::security::redis::{PASSWORD, users};
use crate::support::redis_cluster::{Member, RedisCluster};
use crate::support::wait_until;
use sessiongate::core::advice::Advice;
use sessiongate::core::frontier::{Frontier, Stored};
use sessiongate::core::ids::{Offset, Partition, Position, TopicId, WindowKey};
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::window::Window;
use sessiongate::io::redis::{Access, Erased, Login, Node, Patience, RedisOptions, RedisStore, Renewals, WindowFilter};
use sessiongate::io::store_contract;
use sessiongate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore, WindowWrite,
};
use std::collections::BTreeSet;

const DAY: Span = Span::from_hours(24);
const PARTITION: Partition = Partition(0);

fn store(cluster: &RedisCluster, prefix: &str) -> RedisStore {
    RedisStore::new(&options(cluster, prefix)).unwrap()
}

fn options(cluster: &RedisCluster, prefix: &str) -> RedisOptions {
    let nodes = cluster.nodes().split(',').filter_map(Node::parse).collect();
    RedisOptions {
        url: "redis://127.0.0.1:1".to_owned(),
        access: Access { cluster: nodes, ..Access::default() },
        key_prefix: prefix.to_owned(),
        inbound_topic: "inbound-message".to_owned(),
        patience: Patience::default(),
        renewals: Renewals::default(),
    }
}

fn key(customer: usize) -> WindowKey {
    WindowKey::parse(&format!("whatsapp:106:{customer}")).unwrap()
}

fn frontier(next: i64) -> Frontier {
    let topic_id = TopicId::new("topic");
    Frontier { next: Offset(next), topic_id, reaches_back_to: Timestamp::MIN, reapply_to: Offset(0) }
}

fn read(store: &mut RedisStore, customers: std::ops::Range<usize>) -> Result<Snapshot, StoreError> {
    store.read(&ReadRequest { frontiers: vec![PARTITION], windows: customers.map(key).collect(), advice: vec![] })
}

fn start(store: &mut RedisStore) {
    let starts = [FrontierStart { partition: PARTITION, seen: Stored::Missing, frontier: frontier(0) }];
    assert_eq!(store.start_frontiers(&starts).unwrap(), [true]);
}

/// Merges a window for each customer: the record at offset n is the customer n's.
fn merge(store: &mut RedisStore, customers: std::ops::Range<usize>) -> Result<Vec<MergeOutcome>, StoreError> {
    let now = store.read(&ReadRequest::default())?.clock;
    let write = |customer: usize| {
        let position = Position { partition: PARTITION, offset: Offset(customer as i64) };
        WindowWrite { key: key(customer), window: Window::opened_by(now, position), length: DAY }
    };
    store.merge(&[MergeCall {
        partition: PARTITION,
        from: Offset(customers.start as i64),
        to: Offset(customers.end as i64),
        topic_id: TopicId::new("topic"),
        windows: customers.map(write).collect(),
    }])
}

fn known(windows: &[Stored<Window>]) -> usize {
    windows.iter().filter(|window| window.known().is_some()).count()
}

/// Says to a member which slot is on its way and where.
fn set_slot(cluster: &RedisCluster, at: &Member, slot: u64, state: &str, other: Option<&Member>) {
    let mut command = redis::cmd("CLUSTER");
    command.arg("SETSLOT").arg(slot).arg(state);
    if let Some(other) = other {
        command.arg(&other.id);
    }
    assert_eq!(cluster.ask(at.place, &command), Some(redis::Value::Okay), "{state}");
}

#[test]
fn a_cluster_keeps_the_contract_of_a_store_with_the_documented_rights() {
    let cluster = RedisCluster::start();
    for user in users("contract:") {
        for place in 0..cluster.servers.len() {
            let set = cluster.ask(place, redis::cmd("ACL").arg("SETUSER").arg(&user));
            assert_eq!(set, Some(redis::Value::Okay), "{user:?}");
        }
    }
    let mut options = options(&cluster, "contract:");
    options.access.login = Login { username: Some("sessiongate".to_owned()), password: Some(PASSWORD.to_owned()) };
    let mut store = RedisStore::new(&options).unwrap();
    assert_eq!(store_contract::check(&mut store), Ok(()));
    let health = store.health().unwrap();
    assert_eq!((health.mode.as_str(), health.eviction_policy.as_deref()), ("cluster", Some("noeviction")));
    store.check_writable().unwrap();
    start(&mut store);
    assert_eq!(merge(&mut store, 0..300).unwrap(), [MergeOutcome::Merged]);
    assert!(store.estimate_windows().unwrap() > 0);
    options.access.login.username = Some("sessiongate-operator".to_owned());
    let mut operator = RedisStore::new(&options).unwrap();
    assert!(operator.get_window(&key(7)).unwrap().is_some());
    assert!(operator.scan_windows(&WindowFilter::default(), 1_000).filter(Result::is_ok).count() >= 300);
    operator.find_advice(&WindowFilter::default()).unwrap();
    assert!(operator.erase(&key(7)).unwrap().window);
    assert_eq!(operator.get_window(&key(7)).unwrap(), None);
    for place in 0..cluster.servers.len() {
        let denied = cluster.ask(place, redis::cmd("ACL").arg("LOG"));
        assert_eq!(denied, Some(redis::Value::Array(Vec::new())), "something was tried that the rights leave out");
    }
}

#[test]
fn a_server_that_lost_its_part_loses_the_frontier_for_all() {
    let cluster = RedisCluster::start();
    let mut store = store(&cluster, "flushed:");
    start(&mut store);
    assert_eq!(merge(&mut store, 0..300).unwrap(), [MergeOutcome::Merged]);
    let snapshot = read(&mut store, 0..300).unwrap();
    assert_eq!((&snapshot.frontiers[0], known(&snapshot.windows)), (&Stored::Known(frontier(300)), 300));

    let primaries = cluster.primaries();
    cluster.ask(primaries[1].place, &redis::cmd("FLUSHALL")).unwrap();
    let snapshot = read(&mut store, 0..300).unwrap();
    assert_eq!(snapshot.frontiers, [Stored::Missing]);
    assert!((1..300).contains(&known(&snapshot.windows)));
    assert_eq!(merge(&mut store, 300..301).unwrap(), [MergeOutcome::Refused]);
    start(&mut store);
    assert_eq!(merge(&mut store, 0..301).unwrap(), [MergeOutcome::Merged]);
    assert_eq!(known(&read(&mut store, 0..301).unwrap().windows), 301);
}

#[test]
fn slots_that_moved_take_their_windows_along_and_make_frontiers_start_again() {
    let cluster = RedisCluster::start();
    let mut store = store(&cluster, "moved:");
    start(&mut store);
    merge(&mut store, 0..300).unwrap();
    let primaries = cluster.primaries();
    cluster.move_slots(&primaries[0], &primaries[2], 2_000);
    let mut snapshot = None;
    wait_until("the servers to agree on who owns what", || {
        snapshot = read(&mut store, 0..300).ok();
        snapshot.is_some()
    });
    let snapshot = snapshot.unwrap();
    assert_eq!((&snapshot.frontiers[0], known(&snapshot.windows)), (&Stored::Missing, 300));
    start(&mut store);
    assert_eq!(merge(&mut store, 0..300).unwrap(), [MergeOutcome::Merged]);

    let filter = WindowFilter::default();
    assert_eq!(store.scan_windows(&filter, 1_000).filter(Result::is_ok).count(), 300);
    assert_eq!(store.scan_windows(&filter, 17).count(), 17);
    assert!(store.get_window(&key(7)).unwrap().is_some());
    let advice = Advice { refused_at: Timestamp::from_millis(1) };
    let writes = [AdviceWrite { key: key(7), advice, length: Span::from_hours(1_000_000) }];
    store.advise(&writes).unwrap();
    assert_eq!(store.find_advice(&filter).unwrap(), BTreeSet::from([key(7)]));
    assert_eq!(store.find_advice(&WindowFilter { customer: Some("8".to_owned()), ..filter }).unwrap(), BTreeSet::new());
    assert_eq!(store.erase(&key(7)).unwrap(), Erased { window: true, advice: true });
    assert_eq!(store.erase(&key(7)).unwrap(), Erased { window: false, advice: false });
    let health = store.health().unwrap();
    assert_eq!((health.mode.as_str(), health.eviction_policy.as_deref()), ("cluster", Some("noeviction")));
}

#[test]
fn while_a_slot_is_on_its_way_what_is_not_found_there_is_not_called_closed() {
    let cluster = RedisCluster::start();
    let mut store = store(&cluster, "on-its-way:");
    start(&mut store);
    merge(&mut store, 0..1).unwrap();
    let name = |customer: usize| format!("on-its-way:window:{}", key(customer).as_str());
    let slot_of = |customer: usize| {
        let slot = cluster.ask(0, redis::cmd("CLUSTER").arg("KEYSLOT").arg(name(customer))).unwrap();
        redis::from_redis_value::<u64>(slot).unwrap()
    };
    let slot = slot_of(0);
    let holds = |member: &Member| {
        let text = cluster.ask(member.place, redis::cmd("GET").arg(name(0)));
        matches!(text, Some(redis::Value::BulkString(_)))
    };
    let primaries = cluster.primaries();
    let (from, to) = (primaries.iter().find(|it| holds(it)).unwrap(), primaries.iter().find(|it| !holds(it)).unwrap());
    let other = (1..200_000).find(|customer| slot_of_key(&name(*customer)) == slot).unwrap();
    set_slot(&cluster, to, slot, "IMPORTING", Some(from));
    set_slot(&cluster, from, slot, "MIGRATING", Some(to));

    let snapshot = read(&mut store, 0..1).unwrap();
    assert_eq!((&snapshot.frontiers[0], known(&snapshot.windows)), (&Stored::Known(frontier(1)), 1));
    let on_its_way = |error: StoreError| matches!(error, StoreError::Unavailable(text) if text.contains("on its way"));
    assert!(read(&mut store, other..other + 1).is_err_and(on_its_way));
    assert!(merge(&mut store, 1..other + 1).is_err_and(on_its_way));
    assert_eq!(read(&mut store, 0..1).unwrap().frontiers, [Stored::Known(frontier(1))], "nothing was advanced");

    assert!(store.get_window(&key(other)).is_err_and(on_its_way), "an operator hears the same");
    assert!(store.get_window(&key(0)).unwrap().is_some());

    set_slot(&cluster, to, slot, "STABLE", None);
    set_slot(&cluster, from, slot, "STABLE", None);
    assert_eq!(read(&mut store, other..other + 1).unwrap().windows, [Stored::Missing]);
}

/// The epochs of those who own slots, as each tells its own.
fn epochs(cluster: &RedisCluster) -> Vec<String> {
    let epoch = |member: Member| {
        let info = cluster.ask(member.place, redis::cmd("CLUSTER").arg("INFO")).unwrap();
        let info: String = redis::from_redis_value(info).unwrap();
        info.lines().find(|line| line.starts_with("cluster_my_epoch")).unwrap().to_owned()
    };
    cluster.primaries().into_iter().map(epoch).collect()
}

#[test]
fn slots_that_move_without_a_new_epoch_reach_those_who_have_nothing_there() {
    let cluster = RedisCluster::start();
    let primaries = cluster.primaries();
    let (from, to) = (&primaries[0], &primaries[2]);
    // Whoever takes slots over gets the highest epoch, unless it has that already.
    cluster.move_slots(from, to, 1);
    cluster.wait_until_agreed();
    let epochs_before = epochs(&cluster);
    let mut before = store(&cluster, "no-epoch:");
    start(&mut before);
    cluster.move_slots(from, to, 10);
    cluster.wait_until_agreed();
    assert_eq!(epochs(&cluster), epochs_before);

    let frontiers = |store: &mut RedisStore| store.read_frontiers(&[PARTITION]).unwrap();
    assert_eq!(frontiers(&mut before), [Stored::Known(frontier(0))], "nothing tells it of the move");
    let mut after = store(&cluster, "no-epoch:");
    assert_eq!(frontiers(&mut after), [Stored::Missing], "a frontier of the former map");
    start(&mut after);
    assert_eq!(frontiers(&mut before), [Stored::Known(frontier(0))], "a frontier of the new map");
    assert_eq!(frontiers(&mut after), [Stored::Known(frontier(0))], "it was left as it is");
}

#[test]
fn an_operator_is_answered_again_after_a_failover() {
    let cluster = RedisCluster::start();
    type Question = fn(&mut RedisStore) -> bool;
    let questions: [(&str, Question); 5] = [
        ("health", |store| store.health().is_ok()),
        ("a write", |store| store.check_writable().is_ok()),
        ("the number of windows", |store| store.estimate_windows().is_ok()),
        ("every window", |store| (0..20).all(|customer| store.get_window(&key(customer)).is_ok())),
        ("a list of windows", |store| store.scan_windows(&WindowFilter::default(), 100).all(|window| window.is_ok())),
    ];
    let mut asked = questions.map(|(what, answers)| (what, answers, store(&cluster, "failover:")));
    for (what, answers, store) in &mut asked {
        assert!(answers(store), "{what}");
    }
    let killed = cluster.primaries()[0].place;
    cluster.servers[killed].kill_shared();
    cluster.wait_for_another_than(killed);
    for (what, answers, store) in &mut asked {
        wait_until(what, || answers(store));
    }
}

#[test]
fn a_server_that_forgot_the_scripts_is_taught_them_again() {
    let cluster = RedisCluster::start();
    let mut store = store(&cluster, "scripts:");
    start(&mut store);
    merge(&mut store, 0..30).unwrap();
    for primary in cluster.primaries() {
        cluster.ask(primary.place, redis::cmd("SCRIPT").arg("FLUSH")).unwrap();
    }
    assert_eq!(merge(&mut store, 30..60).unwrap(), [MergeOutcome::Merged]);
}

/// As the cluster's own `CLUSTER KEYSLOT`, bit by bit.
fn slot_of_key(key: &str) -> u64 {
    let sum = key.bytes().fold(0_u16, |sum, byte| {
        (0..8)
            .fold(sum ^ (u16::from(byte) << 8), |sum, _| if sum & 0x8000 == 0 { sum << 1 } else { (sum << 1) ^ 0x1021 })
    });
    u64::from(sum % 16_384)
}
