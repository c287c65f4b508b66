use super::Given;
use crate::config::keys::environment_name;
use crate::config::{RESERVED_CONSUMER, RESERVED_PRODUCER};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// A key, a value that is wrong by itself, and what the error says of it.
const WRONG_VALUES: &[(&str, &str, &str)] = &[
    ("kafka.brokers", "", "names no broker"),
    ("kafka.brokers", " , ", "names no broker"),
    ("kafka.brokers", "localhost", "broker 1 of the list is not host:port"),
    ("kafka.brokers", "a:9092,b:0", "broker 2 of the list"),
    ("kafka.brokers", "a:9092,:9092", "broker 2 of the list"),
    ("kafka.brokers", "a:70000", "broker 1 of the list"),
    ("kafka.brokers", "::1:9092", "broker 1 of the list"),
    ("kafka.brokers", "SSL://a:9092", "holds a protocol"),
    ("kafka.group_id", "", "is empty"),
    ("kafka.group_id", " gate", "does not fit"),
    ("kafka.transactional_id", "a\nb", "does not fit"),
    ("kafka.accept_missing_offsets", "yes", "neither true nor false"),
    ("redis.url", "localhost:6379", "is not usable"),
    ("redis.url", "http://localhost", "is not usable"),
    ("redis.url", "redis://localhost/first", "is not usable"),
    ("redis.url", "redis://localhost ", "holds a space"),
    ("redis.url", "redis://", "is not usable"),
    ("redis.key_prefix", "a*", "does not fit"),
    ("redis.username", " ann", "does not fit"),
    ("redis.password", "a\nb", "is empty or holds a line break"),
    ("redis.tls_ca_file", "/run/none", "cannot be read"),
    ("redis.sentinel.nodes", "s1", "node 1 of the list is not host:port"),
    ("redis.sentinel.nodes", "redis://s1:26379", "holds a protocol"),
    ("redis.sentinel.master", "", "is empty"),
    ("redis.cluster.nodes", "a:7000,b", "node 2 of the list is not host:port"),
    ("topics.inbound_message", "", "is empty"),
    ("topics.outbound_intent", "a topic", "is not a topic name"),
    ("topics.session_send", "..", "is not a topic name"),
    ("topics.template_status", "stätus", "is not a topic name"),
    ("topics.inbound_format", "Meta", "none of the choices"),
    ("worker.shards", "0", "out of range"),
    ("worker.shards", "65", "out of range"),
    ("worker.shards", "-1", "not a whole number"),
    ("worker.shards", "2.5", "not a whole number"),
    ("worker.instance", "pod/0", "does not fit"),
    ("worker.guarantee", "exactly_once", "none of the choices"),
    ("worker.partitioning", "ANY", "none of the choices"),
    ("worker.commit_interval", "10", "has no unit"),
    ("worker.commit_interval", "0ms", "shorter than 1ms"),
    ("worker.commit_interval", "500us", "finer than a millisecond"),
    ("worker.commit_interval", "11s", "longer than 10s"),
    ("worker.max_wait", "-1s", "not a duration"),
    ("worker.max_wait", "61m", "longer than 1h"),
    ("worker.dedup_records", "10000001", "out of range"),
    ("worker.dedup_records", "99999999999999999999", "not a whole number"),
    ("window.length", "a day", "not a duration"),
    ("window.length", "0s", "shorter than 1s"),
    ("window.length", "10years", "longer than 30d"),
    ("window.guard", "", "not a duration"),
    ("window.reapply_margin", "0s", "shorter than 1s"),
    ("channels.whatsapp.length", "1ms", "shorter than 1s"),
    ("channels.line.guard", "x", "not a duration"),
    ("admin.listen", "localhost:8080", "not an address"),
    ("admin.listen", "127.0.0.1", "not an address"),
    ("admin.token", "two words", "could not be sent in a header"),
];

#[test]
fn every_wrong_value_gives_one_error_with_its_key_value_and_remedy() {
    for (key, value, problem) in WRONG_VALUES {
        let errors = Given::default().key(key, value).errors();
        assert_eq!(errors.0.len(), 1, "{key} = {value:?}:\n{errors}");
        let error = &errors.0[0];
        assert_eq!(error.key, *key, "{value:?}");
        assert!(error.problem.contains(problem), "{key} = {value:?}: {}", error.problem);
        assert!(error.remedy.starts_with("give "), "{key} = {value:?}: {}", error.remedy);
        let line = errors.to_string();
        assert!(!line.contains('\n') && line.contains(&environment_name(key)), "{line}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_wrong_and_no_default_takes_its_place() {
    let not_utf8 = OsStr::from_bytes(b"hunter2\xff\xfe");
    for (variable, key) in [
        ("KAFKA_GROUP_ID", "kafka.group_id"),
        ("KAFKA_CONSUMER", "kafka.consumer"),
        ("REDIS_URL", "redis.url"),
        ("REDIS_URL_FILE", "redis.url"),
        ("CHANNELS_WHATSAPP_OPENS", "channels.whatsapp.opens"),
    ] {
        let errors = Given::default().variable(variable, not_utf8).errors();
        let line = format!("{key} (SESSIONGATE_{variable}): is not UTF-8; give text in UTF-8");
        assert_eq!(errors.to_string(), line);
    }
}

#[test]
fn a_wrong_value_in_the_file_reads_like_one_in_the_environment() {
    let one_line = WRONG_VALUES.iter().filter(|(_, value, _)| !value.contains('\n'));
    for (key, value, problem) in one_line {
        // In the file an empty text is as good as in the environment.
        let errors = Given::default().file(&format!("{key} = '{value}'")).errors();
        assert_eq!(errors.0.len(), 1, "{key} = {value:?}:\n{errors}");
        assert_eq!(errors.0[0].key, *key);
        assert!(errors.0[0].problem.contains(problem), "{key} = {value:?}: {}", errors.0[0].problem);
    }
}

#[test]
fn an_error_is_one_readable_line() {
    let table = [
        (
            Given::default().variable("WINDOW_GUARD", "60"),
            "window.guard = \"60\" (SESSIONGATE_WINDOW_GUARD): has no unit; give a number with a unit, from 1ms to 24h",
        ),
        (
            Given::default().file("[worker]\nguarantee = 'once'"),
            "worker.guarantee = \"once\" (configuration file): is none of the choices; give exactly-once or at-least-once",
        ),
        (
            Given::default().file("[worker]\nmaxwait = '1s'"),
            "worker.maxwait (configuration file): is not a key; did you mean worker.max_wait?",
        ),
        (
            Given::default().variable("WINDOW_GUARD", "20s"),
            "window.guard = \"20s\" (SESSIONGATE_WINDOW_GUARD): is too short: half of it must cover the transaction \
             time-out (15s) and a commit (300ms); give at least 30600ms, or a shorter \
             kafka.producer.transaction.timeout.ms",
        ),
        (
            Given::default()
                .variable("WORKER_COMMIT_INTERVAL", "3s")
                .variable("KAFKA_PRODUCER", "transaction.timeout.ms=3000"),
            "worker.commit_interval = \"3s\" (SESSIONGATE_WORKER_COMMIT_INTERVAL): leaves no time for a commit before the \
             transaction time-out (3s); give less than 2700ms, or a longer kafka.producer.transaction.timeout.ms",
        ),
    ];
    for (given, line) in table {
        assert_eq!(given.errors().to_string(), line);
    }
}

#[test]
fn everything_wrong_is_reported_at_once() {
    let text = "colour = 'red'\n[worker]\nshards = 0\nmax_wait = [1]\n[kafka]\nconsumer = { group.id = 'x' }\n\
                [topics]\nsession_send = 'inbound-message'\n[channels.whatsapp.opens]\nhologram = true\n";
    let given = Given::default().file(text).variable("WINDOW_GUARD", "25h").variable("ADMIN_LISTEN", "0.0.0.0:1");
    let errors = given.errors();
    let mut keys: Vec<&str> = errors.0.iter().map(|error| error.key.as_str()).collect();
    keys.sort_unstable();
    let expected = [
        "admin.listen",
        "channels.whatsapp.opens.hologram",
        "colour",
        "kafka.consumer.group.id",
        "topics.session_send",
        "window.guard",
        "worker.max_wait",
        "worker.shards",
    ];
    assert_eq!(keys, expected, "\n{errors}");
    assert_eq!(errors.to_string().lines().count(), expected.len());
}

#[test]
fn what_is_unknown_in_the_file_is_an_error_that_names_the_nearest_key() {
    let table = [
        ("[worker]\nshard = 2", "worker.shard", "did you mean worker.shards?"),
        ("max_wait = '1s'", "max_wait", "did you mean worker.max_wait?"),
        ("[windows]\nguard = '60s'", "windows.guard", "did you mean window.guard?"),
        ("[channels.line]\nlenght = '48h'", "channels.line.lenght", "did you mean channels.line.length?"),
        ("[redis]\nurl_flie = '/run/x'", "redis.url_flie", "did you mean redis.url_file?"),
        ("[worker]\nfavourite_colour = 'red'", "worker.favourite_colour", "leave it out"),
        ("[worker]\nshards = { a = 1 }", "worker.shards.a", ""),
        ("[sharks]", "sharks", "leave it out"),
        ("worker = 3", "worker", ""),
        ("channels = 3", "channels", ""),
        ("[channels]\nline = 3", "channels.line", ""),
    ];
    for (text, key, remedy) in table {
        let errors = Given::default().file(text).errors();
        assert_eq!(errors.0.len(), 1, "{text}:\n{errors}");
        assert_eq!(errors.0[0].key, key);
        assert!(errors.0[0].remedy.contains(remedy), "{text}: {}", errors.0[0].remedy);
    }
    Given::default().file("[worker]\n[kafka.consumer]\n[channels]\n[topics]\n").config();
}

#[test]
fn a_type_that_does_not_fit_is_wrong_and_not_guessed_at() {
    for (text, key) in [
        ("worker.shards = [1]", "worker.shards"),
        ("kafka.brokers = [1]", "kafka.brokers"),
        ("kafka.consumer = 3", "kafka.consumer"),
        ("kafka.consumer = { client.rack = [1] }", "kafka.consumer.client.rack"),
        ("worker.max_wait = 10", "worker.max_wait"),
        ("window.length = 2026-01-01", "window.length"),
        ("redis.url_file = 3", "redis.url_file"),
        ("channels.line.opens = true", "channels.line.opens"),
        ("channels.line.opens.text = 1", "channels.line.opens.text"),
        ("channels.Line.length = '1h'", "channels.Line"),
    ] {
        let errors = Given::default().file(text).errors();
        assert_eq!(errors.0.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), [key], "{text}:\n{errors}");
    }
}

#[test]
fn a_file_that_is_not_toml_names_the_line() {
    let errors =
        Given::default().file("[worker]\nshards = 2\nmax_wait = 10s\n").variable("WORKER_SHARDS", "0").errors();
    assert_eq!(errors.0.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), ["line 3", "worker.shards"]);
}

#[test]
fn what_a_business_does_cannot_be_made_to_open_a_window() {
    let text = "[channels.whatsapp.opens]\nstatus = true\necho = false\n";
    let errors = Given::default().file(text).errors();
    assert_eq!(errors.0.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), ["channels.whatsapp.opens.status"]);
}

#[test]
fn an_unknown_kind_of_event_is_refused_with_the_list_of_kinds() {
    let errors = Given::default().variable("CHANNELS_WHATSAPP_OPENS", "reactoin=false").errors();
    assert_eq!(errors.0[0].key, "channels.whatsapp.opens.reactoin");
    assert!(errors.0[0].remedy.contains("text, image,") && errors.0[0].remedy.contains("unknown"), "{errors}");
}

#[test]
fn reserved_properties_are_refused_by_name() {
    for (section, reserved) in [("consumer", RESERVED_CONSUMER), ("producer", RESERVED_PRODUCER)] {
        for (property, why) in reserved {
            let errors = Given::default().key(&format!("kafka.{section}"), &format!("{property}=x")).errors();
            assert_eq!(errors.0.len(), 1, "{errors}");
            assert_eq!(errors.0[0].key, format!("kafka.{section}.{property}"));
            assert!(errors.0[0].problem.contains(why) && errors.0[0].remedy == "leave it out", "{errors}");
        }
    }
}

#[test]
fn what_guards_the_way_to_redis_fits_together() {
    let tls = || Given::default().pem_files().variable("REDIS_URL", "rediss://redis");
    let table = [
        (tls().variable("REDIS_TLS_CA_FILE", "/run/key.pem"), "redis.tls_ca_file", "holds no certificate"),
        (tls().variable("REDIS_TLS_KEY_FILE", "/run/ca.pem"), "redis.tls_key_file", "holds no private key"),
        (tls().variable("REDIS_TLS_KEY_FILE", "/run/key.pem"), "redis.tls_key_file", "is of no use alone"),
        (
            tls().variable("REDIS_TLS_CERTIFICATE_FILE", "/run/ca.pem"),
            "redis.tls_certificate_file",
            "is of no use alone",
        ),
        (
            Given::default().pem_files().variable("REDIS_TLS_CA_FILE", "/run/ca.pem"),
            "redis.tls_ca_file",
            "asks for no TLS",
        ),
        (
            Given::default().variable("REDIS_CLUSTER_NODES", "a:1").variable("REDIS_SENTINEL_NODES", "a:2"),
            "redis.cluster.nodes",
            "together with redis.sentinel.nodes",
        ),
        (
            Given::default().variable("REDIS_CLUSTER_NODES", "a:1").variable("REDIS_URL", "redis://redis/3"),
            "redis.cluster.nodes",
            "no numbered databases",
        ),
        (
            Given::default().variable("REDIS_CLUSTER_NODES", "a:1").variable("REDIS_KEY_PREFIX", "{a}:"),
            "redis.key_prefix",
            "all keys on one server",
        ),
        (
            Given::default().variable("REDIS_URL", "redis://ann@redis").variable("REDIS_USERNAME", "ann"),
            "redis.username",
            "is given here and in redis.url",
        ),
        (
            Given::default().variable("REDIS_URL", "redis://:a@redis").variable("REDIS_PASSWORD", "b"),
            "redis.password",
            "is given here and in redis.url",
        ),
    ];
    for (given, key, problem) in table {
        let errors = given.errors();
        assert_eq!((errors.0.len(), errors.0[0].key.as_str()), (1, key), "{errors}");
        assert!(errors.0[0].problem.contains(problem) && !errors.0[0].remedy.is_empty(), "{errors}");
    }
}

#[test]
fn two_roles_never_share_a_topic() {
    let errors = Given::default()
        .variable("TOPICS_SESSION_SEND", "out")
        .variable("TOPICS_TEMPLATE_REQUIRED", "out")
        .variable("TOPICS_DELIVERY_STATUS", "dead-letter")
        .errors();
    let found: Vec<_> = errors.0.iter().map(|error| (error.key.as_str(), error.problem.as_str())).collect();
    let expected = [
        ("topics.template_required", "is also topics.session_send"),
        ("topics.delivery_status", "is also topics.dead_letter"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn whoever_listens_to_other_machines_asks_for_a_token() {
    for (listen, token, is_accepted) in [
        ("127.0.0.1:0", None, true),
        ("[::1]:8080", None, true),
        ("0.0.0.0:8080", None, false),
        ("[::]:8080", None, false),
        ("10.0.0.1:8080", Some(""), false),
        ("10.0.0.1:8080", Some("t0ken"), true),
    ] {
        let mut given = Given::default().variable("ADMIN_LISTEN", listen);
        if let Some(token) = token {
            given = given.variable("ADMIN_TOKEN", token);
        }
        match given.load() {
            Ok(_) => assert!(is_accepted, "{listen} {token:?}"),
            Err(errors) => {
                assert!(!is_accepted && errors.0.len() == 1, "{listen} {token:?}: {errors}");
                assert!(errors.0[0].key == "admin.listen" && errors.0[0].remedy.contains("admin.token"), "{errors}");
            }
        }
    }
}

#[test]
fn a_guard_outlasts_a_hanging_transaction_and_is_shorter_than_its_window() {
    let timeout = "kafka.producer.transaction.timeout.ms";
    type Row = (&'static [(&'static str, &'static str)], Option<&'static str>);
    let table: &[Row] = &[
        (&[("window.guard", "30600ms")], None),
        (&[("window.guard", "30599ms")], None),
        (&[("window.guard", "30598ms")], Some("window.guard")),
        (&[("kafka.producer", "transaction.timeout.ms=29700")], None),
        (&[("kafka.producer", "transaction.timeout.ms=29701")], Some("window.guard")),
        (&[("kafka.producer", "transaction.timeout.ms=soon")], Some(timeout)),
        (&[("kafka.producer", "transaction.timeout.ms=0")], Some(timeout)),
        (&[("kafka.producer", "transaction.timeout.ms=5000"), ("window.guard", "11s")], None),
        (&[("window.guard", "24h")], Some("window.guard")),
        (&[("window.length", "60s")], Some("window.guard")),
        (&[("window.length", "61s")], None),
        (&[("channels.line.guard", "5s")], Some("channels.line.guard")),
        (&[("channels.line.length", "10s")], Some("channels.line.guard")),
        (&[("channels.line.length", "48h"), ("window.guard", "5s")], Some("window.guard")),
        (&[("channels.line.guard", "25h")], Some("channels.line.guard")),
        (&[("window.guard", "5s"), ("worker.shards", "0"), ("kafka.brokers", "a:1")], Some("window.guard")),
    ];
    for (settings, wrong) in table {
        let given = settings.iter().fold(Given::default(), |given, (key, value)| given.key(key, value));
        let wrong_key =
            given.load().err().and_then(|errors| Some(errors.0.iter().find(|e| e.key != "worker.shards")?.key.clone()));
        assert_eq!(wrong_key.as_deref(), *wrong, "{settings:?}");
    }
}

#[test]
fn only_the_demo_may_have_a_guard_shorter_than_a_transaction() {
    let given = Given::default().variable("WINDOW_LENGTH", "24s").variable("WINDOW_GUARD", "1s");
    assert_eq!(given.errors().0.len(), 1);
    Given { allow_short_guard: true, ..given.clone() }.config();
    let upside_down = Given { allow_short_guard: true, ..given.variable("WINDOW_GUARD", "24s") };
    assert_eq!(upside_down.errors().0[0].key, "window.guard", "no window would ever be open");
}
