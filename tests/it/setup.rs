//! `sessiongate check` on what is set up wrongly: each thing is named with what to do about it.

use crate::support::command::{Said, command, unused_port};
use crate::support::redis_cluster::RedisCluster;
use crate::support::sentinels::{MASTER, Sentinels};
use crate::support::services::OwnRedis;
use crate::support::site::{DEAD, EVENT, INBOUND, INTENTS, SEND, Site, TEMPLATE, TOPICS};
use std::fs;

const MISCONFIGURED: Option<i32> = Some(64);
const FAILURE: Option<i32> = Some(1);
const SUCCESS: Option<i32> = Some(0);
const WEEK: &str = "604800000";
const ENOUGH_BYTES: &str = "1114124";

/// Topics as `topics create` makes them, but for these settings.
fn site(name: &str, others: &[(&str, &str, &str)]) -> Site {
    let usual = [
        (INBOUND, "retention.ms", WEEK),
        (SEND, "max.message.bytes", ENOUGH_BYTES),
        (TEMPLATE, "max.message.bytes", ENOUGH_BYTES),
        (EVENT, "max.message.bytes", ENOUGH_BYTES),
        (DEAD, "max.message.bytes", ENOUGH_BYTES),
    ];
    Site::with_settings(name, 2, &[&usual, others].concat())
}

/// `check` ends with a problem, and says this of it.
fn check_fails(site: &Site, variables: &[(&str, &str)], saying: &[&str]) -> Said {
    let said = command(site, &["check"], variables);
    assert_eq!(said.code, FAILURE, "{}", said.text);
    said.assert_contains(saying);
    said
}

#[test]
fn everything_as_it_should_be_is_told_in_one_line() {
    let said = command(&site("check-fine", &[]), &["check"], &[]);
    assert_eq!((said.code, said.text.lines().count()), (SUCCESS, 1), "{}", said.text);
    said.assert_contains(&["as the worker needs them", "a random one at each start"]);
    let said = command(&site("check-named", &[]), &["check"], &[("WORKER_INSTANCE", "pod-7")]);
    assert_eq!(said.code, SUCCESS, "{}", said.text);
    said.assert_contains(&["`pod-7`"]);
}

#[test]
fn topics_that_are_missing_are_all_named() {
    let site = Site::without_topics("check-topics");
    let said = command(&site, &["check"], &[]);
    assert_eq!(said.code, FAILURE, "{}", said.text);
    for topic in TOPICS {
        said.assert_contains(&[&format!("topic {} does not exist", site.topic(topic))]);
    }
    said.assert_contains(&["remedy: create it: sessiongate topics create"]);
}

#[test]
fn a_topic_in_which_the_brokers_set_the_time_is_hinted_at() {
    let stamped = "message.timestamp.type";
    let site = site("check-times", &[(INBOUND, stamped, "LogAppendTime"), (INTENTS, stamped, "LogAppendTime")]);
    let said = command(&site, &["check"], &[]);
    assert_eq!((said.code, said.text.matches("hint:").count()), (SUCCESS, 1), "{}", said.text);
    let inbound = site.topic(INBOUND);
    said.assert_contains(&[
        &format!("topic {inbound} has message.timestamp.type=LogAppendTime"),
        &format!("set message.timestamp.type=CreateTime on {inbound}"),
    ]);
}

#[test]
fn an_eviction_policy_that_throws_windows_away_is_refused_by_check_and_run() {
    let redis = OwnRedis::start(&["--maxmemory-policy", "allkeys-lru"]);
    let site = site("check-eviction", &[]);
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str())];
    for (arguments, remedy) in [("check", "noeviction"), ("run", "noeviction")] {
        let said = command(&site, &[arguments], &settings);
        assert_eq!(said.code, FAILURE, "{arguments}: {}", said.text);
        said.assert_contains(&["maxmemory-policy allkeys-lru", "remedy:", remedy]);
    }
}

#[test]
fn what_cannot_be_reached_is_named_with_its_key() {
    let nobody = format!("127.0.0.1:{}", unused_port());
    let site = site("check-away", &[]);
    check_fails(
        &site,
        &[("KAFKA_BROKERS", &nobody)],
        &[&format!("Kafka at {nobody} cannot be asked"), "kafka.brokers"],
    );
    check_fails(&site, &[("REDIS_URL", &format!("redis://{nobody}"))], &["Redis cannot be asked", "redis.url"]);
}

#[test]
fn properties_that_no_client_can_be_made_with_are_configuration() {
    let site = site("check-clients", &[]);
    let table = [
        ("consumer", "security.protocol=SSL,ssl.ca.location=/nonexistent/ca.pem", "ssl.ca.location"),
        ("consumer", "session.timeout.ms=400000", "`max.poll.interval.ms`"),
        ("producer", "security.protocol=SSL,ssl.certificate.location=/nonexistent/own.pem", "ssl.certificate.location"),
    ];
    for (client, properties, reason) in table {
        for arguments in ["check", "run"] {
            let said = command(&site, &[arguments], &[(&format!("KAFKA_{}", client.to_uppercase()), properties)]);
            assert_eq!(said.code, MISCONFIGURED, "{arguments} {properties}: {}", said.text);
            said.assert_contains(&[&format!("no client can be made of kafka.{client}"), reason, "remedy: correct"]);
        }
    }
}

/// Such a producer is refused for what a transaction takes, or for its time-out: one without transactions has neither.
#[test]
fn properties_that_no_producer_of_transactions_can_be_made_with_are_configuration() {
    let site = site("check-transactions", &[]);
    for (properties, reason) in [
        ("socket.timeout.ms=60000", "`socket.timeout.ms` must be set <= `transaction.timeout.ms`"),
        ("message.timeout.ms=20000", "`message.timeout.ms` must be set <= `transaction.timeout.ms`"),
    ] {
        for arguments in ["check", "run"] {
            let said = command(&site, &[arguments], &[("KAFKA_PRODUCER", properties)]);
            assert_eq!(said.code, MISCONFIGURED, "{arguments} {properties}: {}", said.text);
            said.assert_contains(&["no client can be made of kafka.producer", reason, "remedy: correct"]);
        }
        let plain = [("KAFKA_PRODUCER", properties), ("WORKER_GUARANTEE", "at-least-once")];
        let said = command(&site, &["check"], &plain);
        assert_eq!(said.code, SUCCESS, "{properties}: {}", said.text);
    }
}

#[test]
fn a_token_that_is_not_there_yet_is_waited_for_under_its_name() {
    let properties = "security.protocol=SASL_PLAINTEXT,sasl.mechanism=OAUTHBEARER,\
                      sasl.oauthbearer.config=token_file=/nonexistent/token";
    check_fails(
        &site("check-token", &[]),
        &[("KAFKA_CONSUMER", properties)],
        &[
            "the token file /nonexistent/token cannot be read",
            "remedy: put",
            "sasl.oauthbearer.config in kafka.consumer",
        ],
    );
}

#[test]
fn sentinels_are_asked_and_what_is_wrong_with_them_is_told() {
    let sentinels = Sentinels::start();
    let site = site("check-sentinels", &[]);
    let nodes = sentinels.nodes();
    let one_is_away = format!("127.0.0.1:{},{nodes}", unused_port());
    let settings = |nodes, master| {
        [("REDIS_URL", "redis://127.0.0.1:1"), ("REDIS_SENTINEL_NODES", nodes), ("REDIS_SENTINEL_MASTER", master)]
    };
    for nodes in [nodes.as_str(), &one_is_away] {
        let said = command(&site, &["check"], &settings(nodes, MASTER));
        assert_eq!(said.code, SUCCESS, "{nodes}: {}", said.text);
    }
    for arguments in ["check", "run"] {
        let said = command(&site, &[arguments], &settings(&one_is_away, "other"));
        assert_eq!(said.code, MISCONFIGURED, "{arguments}: {}", said.text);
        said.assert_contains(&["knows no primary by the name other", "redis.sentinel.master"]);
    }
    let redis = format!("127.0.0.1:{}", sentinels.servers[0].port);
    check_fails(&site, &settings(&redis, MASTER), &["is it a Sentinel? correct redis.sentinel.nodes"]);
}

#[test]
fn a_cluster_is_taken_for_one_and_nothing_else_is() {
    let cluster = RedisCluster::start();
    let single = OwnRedis::start(&[]);
    let site = site("check-cluster", &[]);
    let nodes = format!("127.0.0.1:{},{}", unused_port(), cluster.nodes());
    let said = command(&site, &["check"], &[("REDIS_CLUSTER_NODES", &nodes)]);
    assert_eq!(said.code, SUCCESS, "{}", said.text);
    check_fails(
        &site,
        &[("REDIS_URL", &cluster.servers[0].url())],
        &["this Redis is a cluster", "name its servers in redis.cluster.nodes"],
    );
    for arguments in ["check", "run"] {
        let said = command(&site, &[arguments], &[("REDIS_CLUSTER_NODES", &format!("127.0.0.1:{}", single.port))]);
        assert_eq!(said.code, MISCONFIGURED, "{arguments}: {}", said.text);
        said.assert_contains(&["belongs to no cluster: leave redis.cluster.nodes out"]);
    }
}

#[test]
fn a_wrong_key_in_the_file_and_what_is_wrong_outside_are_told_together() {
    let site = Site::without_topics("check-file");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessiongate.toml");
    fs::write(&file, "[worker]\nmaxwait = '1s'\n[window]\nguard = '60'\n").unwrap();
    let file = file.to_str().unwrap();
    let said = command(&site, &["check", "--config", file], &[]);
    assert_eq!(said.code, MISCONFIGURED, "{}", said.text);
    let missing = format!("topic {} does not exist", site.topic(SEND));
    said.assert_contains(&["worker.maxwait", "did you mean worker.max_wait?", "window.guard", "has no unit", &missing]);
    let said = command(&site, &["run", "--config", file], &[]);
    assert_eq!(said.code, MISCONFIGURED, "{}", said.text);
    said.assert_contains(&["did you mean worker.max_wait?", "has no unit"]);
}

#[test]
fn unequal_partition_counts_are_advice_unless_equal_ones_were_asserted() {
    let site = Site::without_topics("check-partitions");
    for topic in TOPICS {
        let settings = if topic == INBOUND { ("retention.ms", WEEK) } else { ("max.message.bytes", ENOUGH_BYTES) };
        let settings = if topic == INTENTS { vec![] } else { vec![settings] };
        site.create_topic(topic, if topic == INTENTS { 3 } else { 2 }, &settings);
    }
    let unequal = format!("{} has 2, {} has 3", site.topic(INBOUND), site.topic(INTENTS));
    let said = command(&site, &["check"], &[]);
    assert_eq!(said.code, SUCCESS, "{}", said.text);
    said.assert_contains(&["hint: unequal partition counts", &unequal]);
    check_fails(
        &site,
        &[("WORKER_PARTITIONING", "co-partitioned")],
        &["problem: unequal partition counts", &unequal, "give both the same number"],
    );
}

#[test]
fn an_inbound_topic_that_forgets_is_told() {
    let day = "86400000";
    check_fails(
        &site("check-retention", &[(INBOUND, "retention.ms", day)]),
        &[],
        &["keeps records for 86400000 ms", "retention.ms=90000000 or more"],
    );
    let limited = site("check-bytes", &[(INBOUND, "retention.bytes", "1000000000")]);
    check_fails(&limited, &[], &["retention.bytes", "retention.bytes=-1"]);
    let compacted = site("check-compacted", &[(INBOUND, "cleanup.policy", "compact")]);
    check_fails(&compacted, &[], &["cleanup.policy=compact", "set cleanup.policy=delete"]);
}

#[test]
fn a_topic_that_would_refuse_dead_letters_over_and_over_is_told() {
    check_fails(
        &site("check-letters", &[(DEAD, "cleanup.policy", "compact")]),
        &[],
        &["a dead letter without a key would be refused", "set cleanup.policy=delete"],
    );
    let narrow = site("check-times", &[(DEAD, "message.timestamp.before.max.ms", "60000")]);
    check_fails(&narrow, &[], &["message.timestamp.before.max.ms=60000", "dead letters of other times"]);
}

#[test]
fn an_output_topic_that_takes_less_than_the_inputs_is_told() {
    let site = site("check-sizes", &[(SEND, "max.message.bytes", "1048588")]);
    let said = check_fails(
        &site,
        &[],
        &[&format!("topic {} takes 1048588 bytes", site.topic(SEND)), "max.message.bytes=1114124"],
    );
    assert!(!said.text.contains(&site.topic(TEMPLATE)), "{}", said.text);
    let site = self::site("check-tiny", &[(DEAD, "max.message.bytes", "10000")]);
    check_fails(
        &site,
        &[],
        &["takes 10000 bytes a message: outputs of the usual size would be refused", "remedy: set"],
    );
}
