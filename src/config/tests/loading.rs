use super::Given;
use crate::config::keys::environment_name;
use crate::config::{
    ChannelConfig, Config, Fallback, Format, Guarantee, Origin, Partitioning, RESERVED_CONSUMER, RESERVED_PRODUCER,
    RedisConfig, Secret, TlsConfig, keys, reserved_reason,
};
use crate::core::time::Span;
use crate::core::window::WindowRules;
use std::collections::{BTreeMap, BTreeSet};

/// A value for every key that is not its default.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("kafka.brokers", "a:1,[::1]:2"),
    ("kafka.group_id", "gate two"),
    ("kafka.transactional_id", "gate-tx"),
    ("kafka.consumer", "fetch.wait.max.ms=20,client.rack=a\\,b"),
    ("kafka.producer", "transaction.timeout.ms=10000"),
    ("kafka.accept_missing_offsets", "true"),
    ("redis.url", "rediss://redis:6380/2"),
    ("redis.username", "ann"),
    ("redis.password", "p,w@"),
    ("redis.tls_ca_file", "/run/ca.pem"),
    ("redis.tls_certificate_file", "/run/certificate.pem"),
    ("redis.tls_key_file", "/run/key.pem"),
    ("redis.sentinel.nodes", "s1:26379,[::1]:26379"),
    ("redis.sentinel.master", "windows"),
    ("redis.sentinel.username", "bob"),
    ("redis.sentinel.password", "s3"),
    // Not beside Sentinels: its own test has it.
    ("redis.cluster.nodes", ""),
    ("redis.key_prefix", "{gate}:"),
    ("topics.inbound_message", "in"),
    ("topics.inbound_format", "meta"),
    ("topics.outbound_intent", "intents"),
    ("topics.session_send", "sends"),
    ("topics.template_required", "templates"),
    ("topics.window_event", "events"),
    ("topics.dead_letter", "dead"),
    ("topics.template_status", "template-status"),
    ("topics.template_status_format", "canonical"),
    ("topics.delivery_status", "delivery-status"),
    ("topics.delivery_status_format", "twilio"),
    ("worker.shards", "2"),
    ("worker.instance", "pod-0"),
    ("worker.guarantee", "at-least-once"),
    ("worker.partitioning", "co-partitioned"),
    ("worker.commit_interval", "25ms"),
    ("worker.max_wait", "0s"),
    ("worker.dedup_records", "0"),
    ("window.length", "12h"),
    ("window.guard", "2m"),
    ("window.reapply_margin", "3h"),
    ("window.refreshed_events", "true"),
    ("channels.NAME.length", "36h"),
    ("channels.NAME.guard", "90s"),
    ("channels.NAME.opens", "reaction=false,edit=true"),
    ("templates.accounts", "106=waba-1,107=waba-1"),
    ("admin.listen", "0.0.0.0:9000"),
    ("admin.token", "t0ken"),
    ("telemetry.traces_endpoint", "http://collector:4318"),
    ("telemetry.traces_headers", "x-tenant=a\\,b"),
    ("telemetry.traces_ratio", "0.5"),
    ("telemetry.service_name", "gate two"),
];

fn other_values_arrived(config: &Config) {
    let Config { kafka, redis, topics, worker, window, channels, templates, admin, telemetry, entries: _ } = config;
    assert_eq!((&*kafka.brokers, &*kafka.group_id), ("a:1,[::1]:2", "gate two"));
    assert_eq!((&*kafka.transactional_id, kafka.accept_missing_offsets), ("gate-tx", true));
    assert_eq!(kafka.consumer.iter().collect::<Vec<_>>(), [("client.rack", "a,b"), ("fetch.wait.max.ms", "20")]);
    assert_eq!(kafka.producer.iter().collect::<Vec<_>>(), [("transaction.timeout.ms", "10000")]);
    assert_eq!(kafka.transaction_timeout, Span::from_secs(10));
    redis_values_arrived(redis);
    assert_eq!((&*topics.inbound_message, &*topics.outbound_intent), ("in", "intents"));
    assert_eq!((&*topics.session_send, &*topics.template_required), ("sends", "templates"));
    assert_eq!((&*topics.window_event, &*topics.dead_letter), ("events", "dead"));
    assert_eq!(topics.template_status.as_deref(), Some("template-status"));
    assert_eq!(topics.delivery_status.as_deref(), Some("delivery-status"));
    let formats = (topics.inbound_format, topics.template_status_format, topics.delivery_status_format);
    assert_eq!(formats, (Format::Meta, Format::Canonical, Format::Twilio));
    assert_eq!((worker.shards, worker.instance.as_deref()), (2, Some("pod-0")));
    assert_eq!((worker.guarantee, worker.partitioning), (Guarantee::AtLeastOnce, Partitioning::CoPartitioned));
    assert_eq!((worker.commit_interval, worker.max_wait), (Span::from_millis(25), Span::ZERO));
    assert_eq!(worker.dedup_records, 0);
    assert_eq!(window.rules, WindowRules { length: Span::from_hours(12), guard: Span::from_secs(120) });
    assert_eq!(window.reapply_margin, Span::from_hours(3));
    assert!(window.refreshed_events);
    let opens = BTreeMap::from([("edit".to_owned(), true), ("reaction".to_owned(), false)]);
    let rules = WindowRules { length: Span::from_hours(36), guard: Span::from_secs(90) };
    assert_eq!(channels["wechat"], ChannelConfig { rules, opens });
    assert_eq!(channels["whatsapp"], ChannelConfig { rules: window.rules, opens: BTreeMap::new() });
    let accounts = [("106", "waba-1"), ("107", "waba-1")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(templates.accounts, accounts.into());
    assert_eq!(
        (admin.listen.to_string().as_str(), admin.token.as_ref().map(Secret::expose)),
        ("0.0.0.0:9000", Some("t0ken"))
    );
    assert_eq!(telemetry.traces_endpoint.as_deref(), Some("http://collector:4318/v1/traces"));
    assert_eq!(telemetry.headers(), [("x-tenant".to_owned(), "a,b".to_owned())]);
    assert_eq!((telemetry.traces_ratio.as_f64(), &*telemetry.service_name), (0.5, "gate two"));
}

fn redis_values_arrived(redis: &RedisConfig) {
    let RedisConfig { url, key_prefix, username, password, tls, sentinel, cluster: _ } = redis;
    assert_eq!((url.expose(), &**key_prefix), ("rediss://redis:6380/2", "{gate}:"));
    assert_eq!((username.as_deref(), password.as_ref().map(Secret::expose)), (Some("ann"), Some("p,w@")));
    let TlsConfig { authorities, certificate, key } = tls;
    let begins = |pem: Option<&str>, mark: &str| pem.is_some_and(|pem| pem.starts_with(mark));
    assert!(begins(authorities.as_deref(), "-----BEGIN CERTIFICATE"), "{authorities:?}");
    assert!(begins(certificate.as_deref(), "-----BEGIN CERTIFICATE"), "{certificate:?}");
    assert!(begins(key.as_ref().map(Secret::expose), "-----BEGIN PRIVATE KEY"));
    let sentinel = sentinel.as_ref().unwrap();
    assert_eq!((&*sentinel.nodes, &*sentinel.master), ("s1:26379,[::1]:26379", "windows"));
    let password = sentinel.password.as_ref().map(Secret::expose);
    assert_eq!((sentinel.username.as_deref(), password), (Some("bob"), Some("s3")));
}

#[test]
fn the_servers_of_a_cluster_arrive() {
    let config = Given::default().file("redis.cluster.nodes = ['a:7000', 'b:7000']").config();
    assert_eq!(config.redis.cluster.as_deref(), Some("a:7000,b:7000"));
}

#[test]
fn without_a_word_everything_has_its_default() {
    let (config, warnings) = Given::default().load().unwrap();
    assert_eq!(warnings, []);
    assert_eq!((&*config.kafka.brokers, &*config.kafka.transactional_id), ("127.0.0.1:9092", "sessiongate"));
    assert_eq!(config.redis.url.expose(), "redis://127.0.0.1:6379");
    assert_eq!((&*config.topics.inbound_message, config.topics.template_status), ("inbound-message", None));
    assert_eq!((config.worker.shards, config.worker.instance), (2, None), "a shard for two of three cores");
    assert_eq!((config.worker.guarantee, config.worker.partitioning), (Guarantee::ExactlyOnce, Partitioning::Any));
    assert_eq!((config.worker.commit_interval, config.worker.max_wait), (Span::from_millis(10), Span::from_secs(10)));
    assert_eq!(config.worker.dedup_records, 100_000);
    assert_eq!(config.window.rules, WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) });
    assert_eq!(config.window.reapply_margin, Span::from_hours(1));
    assert!(!config.window.refreshed_events);
    assert_eq!(config.channels.keys().collect::<Vec<_>>(), ["whatsapp"]);
    assert_eq!((config.admin.listen.to_string().as_str(), config.admin.token), ("127.0.0.1:8080", None));
}

#[test]
fn a_given_default_is_what_holds_when_nothing_is_set() {
    let config = Given::default().config();
    for key in keys() {
        let Fallback::Given(text) = key.fallback else { continue };
        let entry = config.redacted().iter().find(|entry| entry.key == key.name).unwrap();
        assert_eq!((entry.value.as_str(), &entry.origin), (text, &Origin::Default), "{}", key.name);
    }
}

#[test]
fn every_key_arrives_from_the_environment() {
    let tried: BTreeSet<&str> = OTHER_VALUES.iter().map(|(key, _)| *key).collect();
    assert_eq!(tried, keys().iter().map(|key| key.name).collect(), "the table of this test holds every key");
    let mut given = Given::default().pem_files();
    for (key, value) in OTHER_VALUES {
        given = given.key(&key.replace("NAME", "wechat"), value);
    }
    let (config, warnings) = given.load().unwrap();
    assert_eq!(warnings, []);
    other_values_arrived(&config);
}

#[test]
fn every_key_arrives_from_the_file() {
    let lines = OTHER_VALUES.iter().map(|(key, value)| format!("{} = '{value}'\n", key.replace("NAME", "wechat")));
    other_values_arrived(&Given::default().pem_files().file(&lines.collect::<String>()).config());
}

#[test]
fn the_file_is_written_as_toml_is_meant_to_be() {
    let text = r#"
        [kafka]
        brokers = ["a:1", "[::1]:2"]
        group_id = "gate two"
        transactional_id = "gate-tx"
        accept_missing_offsets = true
        [kafka.consumer]
        fetch.wait.max.ms = 20
        "client.rack" = "a,b"
        [kafka.producer]
        "transaction.timeout.ms" = 10_000
        [redis]
        url = "rediss://redis:6380/2"
        key_prefix = "{gate}:"
        username = "ann"
        password = "p,w@"
        tls_ca_file = "/run/ca.pem"
        tls_certificate_file = "/run/certificate.pem"
        tls_key_file = "/run/key.pem"
        [redis.sentinel]
        nodes = ["s1:26379", "[::1]:26379"]
        master = "windows"
        username = "bob"
        password = "s3"
        [topics]
        inbound_message = "in"
        inbound_format = "meta"
        outbound_intent = "intents"
        session_send = "sends"
        template_required = "templates"
        window_event = "events"
        dead_letter = "dead"
        template_status = "template-status"
        template_status_format = "canonical"
        delivery_status = "delivery-status"
        delivery_status_format = "twilio"
        [worker]
        shards = 2
        instance = "pod-0"
        guarantee = "at-least-once"
        partitioning = "co-partitioned"
        commit_interval = "25ms"
        max_wait = "0s"
        dedup_records = 0
        [window]
        length = "12h"
        guard = "2m"
        reapply_margin = "3h"
        refreshed_events = true
        [channels.wechat]
        length = "36h"
        guard = "90s"
        opens = { reaction = false, edit = true }
        [templates.accounts]
        106 = "waba-1"
        "107" = "waba-1"
        [admin]
        listen = "0.0.0.0:9000"
        token = "t0ken"
        [telemetry]
        traces_endpoint = "http://collector:4318"
        traces_headers = 'x-tenant=a\,b'
        traces_ratio = 0.5
        service_name = "gate two"
    "#;
    other_values_arrived(&Given::default().pem_files().file(text).config());
}

#[test]
fn the_environment_wins_over_the_file() {
    let text = "[worker]\nshards = 7\nmax_wait = 'nonsense'\n[kafka.consumer]\n\
                fetch.min.bytes = 5\nclient.rack = 'a'\n[channels.tik-tok.opens]\nreaction = true\ncall = false\n";
    let given = Given::default()
        .file(text)
        .variable("WORKER_SHARDS", "2")
        .variable("WORKER_MAX_WAIT", "1s")
        .variable("KAFKA_CONSUMER", "client.rack=b")
        .variable("CHANNELS_TIK_TOK_LENGTH", "48h")
        .variable("CHANNELS_TIK_TOK_OPENS", "reaction=false");
    let config = given.config();
    assert_eq!((config.worker.shards, config.worker.max_wait), (2, Span::from_secs(1)));
    let properties: Vec<_> = config.kafka.consumer.iter().collect();
    assert_eq!(properties, [("client.rack", "b"), ("fetch.min.bytes", "5")], "property by property");
    let channel = &config.channels["tik-tok"];
    assert_eq!(channel.rules.length, Span::from_hours(48), "a dash is an underscore in the environment");
    assert_eq!(channel.opens, BTreeMap::from([("call".to_owned(), false), ("reaction".to_owned(), false)]));
    assert_eq!(config.channels.len(), 2, "and no other channel came of it");
}

#[test]
fn an_empty_value_switches_off_what_can_be_off() {
    let text =
        "[topics]\ntemplate_status = 'status'\n[admin]\ntoken = 'secret'\n[worker]\ninstance = 'a'\nshards = 5\n";
    let names = ["TOPICS_TEMPLATE_STATUS", "ADMIN_TOKEN", "WORKER_INSTANCE", "WORKER_SHARDS", "KAFKA_CONSUMER"];
    let given = names.iter().fold(Given::default().file(text), |given, name| given.variable(name, ""));
    let config = given.config();
    assert_eq!((config.topics.template_status, config.admin.token, config.worker.instance), (None, None, None));
    assert_eq!(config.worker.shards, 2);
}

#[test]
fn a_channel_exists_by_being_named_and_inherits_the_rest() {
    let text = "[window]\nlength = '20h'\n[channels.messenger]\n[channels.tiktok]\n[channels.wechat]\nlength = '24h'\n[channels.x.opens]\n";
    let config = Given::default().file(text).variable("CHANNELS_LINE_GUARD", "50s").config();
    let rules = |name: &str| (config.channels[name].rules.length, config.channels[name].rules.guard);
    assert_eq!(rules("whatsapp"), (Span::from_hours(20), Span::from_secs(60)));
    assert_eq!(rules("messenger"), rules("whatsapp"));
    assert_eq!(rules("x"), rules("whatsapp"));
    assert_eq!(rules("tiktok"), (Span::from_hours(48), Span::from_secs(60)), "the provider's own rule");
    assert_eq!(rules("wechat"), (Span::from_hours(24), Span::from_secs(60)), "unless told otherwise");
    assert_eq!(rules("line"), (Span::from_hours(20), Span::from_secs(50)));
    assert_eq!(config.shortest_guard(), Span::from_secs(50));
}

#[test]
fn the_policy_holds_the_channels_with_their_switches() {
    let text = "[channels.whatsapp.opens]\nreaction = false\nedit = true\n[channels.tiktok]\nlength = '48h'\n";
    let policy = Given::default().file(text).config().policy();
    let (whatsapp, tiktok) = (policy.channel("whatsapp").unwrap(), policy.channel("tiktok").unwrap());
    assert!(!whatsapp.opens("reaction") && whatsapp.opens("edit") && whatsapp.opens("text"));
    assert!(tiktok.opens("reaction") && !tiktok.opens("edit"));
    assert_eq!((policy.longest(), whatsapp.window.length), (Span::from_hours(48), Span::from_hours(24)));
    assert!(policy.channel("messenger").is_none());
}

#[test]
fn unknown_variables_are_warned_about_and_what_is_not_ours_is_left_alone() {
    let names =
        ["WORKER_SHARD", "SERVICE_HOST", "PORT_8080_TCP", "CHANNELS_LINE_COLOUR", "LOGS", "LOG_LEVEL", "LOGLEVEL"];
    let own = ["CONFIG", "LOG", "TEST_BROKERS", "SIM_SEED", "SAMPLES_DIR"];
    let given = names.iter().chain(&own).fold(Given::default(), |given, name| given.variable(name, "hunter2"));
    let (_, warnings) = given.load().unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "SESSIONGATE_CHANNELS_LINE_COLOUR is not a setting and was ignored",
            "SESSIONGATE_LOGLEVEL is not a setting and was ignored; did you mean SESSIONGATE_LOG?",
            "SESSIONGATE_LOGS is not a setting and was ignored; did you mean SESSIONGATE_LOG?",
            "SESSIONGATE_LOG_LEVEL is not a setting and was ignored; did you mean SESSIONGATE_LOG?",
            "SESSIONGATE_PORT_8080_TCP is not a setting and was ignored",
            "SESSIONGATE_SERVICE_HOST is not a setting and was ignored",
            "SESSIONGATE_WORKER_SHARD is not a setting and was ignored; did you mean SESSIONGATE_WORKER_SHARDS?",
        ]
    );
}

#[test]
fn the_listing_says_what_is_in_effect_and_why() {
    let text = "[worker]\nshards = 2\n[kafka.producer]\nlinger.ms = 1\n[channels.line]\nlength = '48h'\n";
    let config = Given::default().file(text).variable("WORKER_MAX_WAIT", "5s").config();
    let entry = |key: &str| {
        let entries: Vec<_> = config.redacted().iter().filter(|entry| entry.key == key).collect();
        assert_eq!(entries.len(), 1, "{key}");
        (entries[0].value.as_str(), entries[0].origin.to_string())
    };
    let table = [
        ("worker.shards", "2", "configuration file"),
        ("worker.max_wait", "5s", "SESSIONGATE_WORKER_MAX_WAIT"),
        ("worker.instance", "", "default"),
        ("kafka.transactional_id", "sessiongate", "default"),
        ("kafka.producer.linger.ms", "1", "configuration file"),
        ("channels.line.length", "48h", "configuration file"),
        ("channels.line.guard", "1m", "default"),
        ("channels.whatsapp.length", "24h", "default"),
    ];
    for (key, value, origin) in table {
        assert_eq!(entry(key), (value, origin.to_owned()), "{key}");
    }
}

#[test]
fn the_table_of_keys_is_fit_for_a_reference_page() {
    let mut variables = BTreeSet::new();
    for key in keys() {
        assert!(key.doc.len() > 15 && key.doc.ends_with('.'), "{} says what it is for", key.name);
        assert!(!key.kind.type_name().is_empty() && !key.kind.allowed().is_empty(), "{}", key.name);
        assert!(variables.insert(key.environment_name()), "{} has a variable of its own", key.name);
        assert_eq!(key.file_key().is_some(), key.secret, "{}", key.name);
    }
    assert_eq!(environment_name("worker.commit_interval"), "SESSIONGATE_WORKER_COMMIT_INTERVAL");
}

#[test]
fn no_property_is_reserved_twice() {
    for reserved in [RESERVED_CONSUMER, RESERVED_PRODUCER] {
        let names: BTreeSet<&str> = reserved.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), reserved.len());
        assert!(reserved.iter().all(|(name, why)| reserved_reason(reserved, name) == Some(why)));
    }
}
