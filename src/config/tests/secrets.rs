use super::Given;
use crate::config::properties::shown_property;
use crate::config::secret::{is_secret_property, redact_url};
use crate::config::{Secret, redact_url as public_redact_url};

const PASSWORD: &str = "hunter2";

/// Whatever can be printed of a load, one text.
fn everything_printed(given: &Given) -> String {
    match given.load() {
        Ok((config, warnings)) => format!("{config:?}\n{:?}\n{warnings:?}", config.redacted()),
        Err(errors) => format!("{errors}\n{errors:?}"),
    }
}

#[test]
fn no_password_is_ever_shown_whether_the_configuration_is_right_or_wrong() {
    let variables = [
        ("REDIS_URL", "redis://:hunter2@redis:6379/0"),
        ("REDIS_URL", "redis://hunter2:hunter2@redis"),
        ("REDIS_URL", "redis+unix:///run/redis.sock?pass=hunter2"),
        ("REDIS_URL", "redis+unix:///run/redis.sock?pass=a@hunter2"),
        ("REDIS_URL", "http://:hunter2@redis"),
        ("REDIS_URL", ":hunter2@redis:6379"),
        ("REDIS_URL", "redis://:hunter2"),
        ("REDIS_URL", "redis://:hun/hunter2@redis"),
        ("REDIS_URL", "redis://redis/hunter2"),
        ("REDIS_URL", "redis://redis?protocol=hunter2"),
        ("REDIS_PASSWORD", "hunter2"),
        ("REDIS_PASSWORD", "hunter2\n"),
        ("REDIS_SENTINEL_PASSWORD", "hunter2"),
        ("REDIS_PASSWRD", "hunter2"),
        ("ADMIN_TOKEN", "hunter2"),
        ("ADMIN_TOKEN", "hunter2 "),
        ("TELEMETRY_TRACES_HEADERS", "authorization=hunter2"),
        ("TELEMETRY_TRACES_HEADERS", "authorization hunter2"),
        ("TELEMETRY_TRACES_HEADERS", "author ization=hunter2"),
        ("TELEMETRY_TRACES_ENDPOINT", "http://ann:hunter2@collector"),
        ("KAFKA_BROKERS", "ann:hunter2@broker:9092"),
        ("KAFKA_CONSUMER", "sasl.password=hunter2"),
        ("KAFKA_CONSUMER", "sasl.password=a,hunter2"),
        ("KAFKA_CONSUMER", "sasl.password=a,hunter2@=b"),
        ("KAFKA_CONSUMER", "sasl.passwrd=hunter2"),
        ("KAFKA_CONSUMER", "sasl.password=a,hunter2=b"),
        ("KAFKA_CONSUMER", "sasl.password=a,b=hunter2"),
        ("KAFKA_CONSUMER", "sasl.password=a,hunter2_file=/run/b"),
        ("KAFKA_CONSUMER", "sasl.password=a,hunter2.secret=b"),
        ("KAFKA_CONSUMER", "ssl.key.password=hunter2,ssl.key.pem=hunter2"),
        ("KAFKA_PRODUCER", "sasl.oauthbearer.client.secret=hunter2"),
        ("KAFKA_PRODUCER", "https.proxy=http://ann:hunter2@proxy"),
        ("KAFKA_PRODUCER", "bootstrap.servers=ann:hunter2@a"),
    ];
    for (name, value) in variables {
        let printed = everything_printed(&Given::default().variable(name, value));
        assert!(!printed.contains(PASSWORD), "{name}={value}: {printed}");
    }
    let files = [
        "[redis]\nurl = 'redis://:hunter2@redis'",
        "[redis]\nurl = 'redis://:hunter2@redis",
        "[redis]\nurl = redis://:hunter2@redis",
        "[redis]\npassword = 'hunter2'",
        "[redis]\nurl = ['redis://:hunter2@redis']",
        "[admin]\ntoken = 'a'\ntoken = 'hunter2'",
        "[admin]\ntoken = 'hunter2'\ntoken_file = '/run/token'",
        "[kafka.consumer]\nsasl.password = 'hunter2'",
        "[kafka.consumer]\nsasl.password = ['hunter2']",
        "[kafka]\nconsumer = 'sasl.password hunter2'",
        "[kafka]\nconsumer = 'sasl.password=a,hunter2=b'",
        "[kafka.consumer]\n'sasl.passwrd' = 'hunter2'",
    ];
    for text in files {
        let printed = everything_printed(&Given::default().file(text));
        assert!(!printed.contains(PASSWORD), "{text}: {printed}");
    }
}

#[test]
fn a_mistyped_property_is_named_where_it_can_be_no_piece_of_a_password() {
    let named = "kafka.consumer.sasl.passwrd";
    let table = [
        (Given::default().file("[kafka.consumer]\n'sasl.passwrd' = 'hunter2'"), named, "librdkafka has no such"),
        (Given::default().file("kafka.consumer.sasl.passwrd = 'hunter2'"), named, "librdkafka has no such"),
        (Given::default().variable("KAFKA_CONSUMER", "sasl.passwrd=hunter2"), named, "librdkafka has no such"),
        (
            Given::default().variable("KAFKA_CONSUMER", "sasl.username=ann,sasl.password=hun,ter2=abc"),
            "kafka.consumer",
            "item 3 of the list is no property of librdkafka",
        ),
        (
            Given::default().file("[kafka]\nconsumer = 'sasl.password=hun,ter2=abc'"),
            "kafka.consumer",
            "item 2 of the list is no property of librdkafka",
        ),
    ];
    for (given, key, problem) in table {
        let errors = given.errors();
        assert_eq!((errors.0.len(), errors.0[0].key.as_str(), &errors.0[0].value), (1, key, &None), "{errors}");
        assert!(errors.0[0].problem.contains(problem), "{errors}");
        assert!(key == named || errors.0[0].remedy.contains("\\, for a comma"), "{errors}");
        assert!(!errors.to_string().contains("ter2"), "{errors}");
    }
    let escaped = Given::default().variable("KAFKA_CONSUMER", "sasl.password=hun\\,ter2=abc").config();
    assert_eq!(escaped.kafka.consumer.get("sasl.password"), Some("hun,ter2=abc"));
}

#[test]
fn the_value_of_a_property_that_librdkafka_does_not_have_is_hidden() {
    assert_eq!(shown_property("sasl.passwrd", PASSWORD), "***");
    assert_eq!(shown_property("linger.ms", "5"), "5");
}

#[test]
fn a_secret_comes_from_a_file_without_the_line_break_at_its_end() {
    let given = Given::default()
        .variable("REDIS_URL_FILE", "/run/redis")
        .variable("KAFKA_CONSUMER", "sasl.password_file=/run/kafka,sasl.username=ann")
        .file("[admin]\ntoken_file = '/run/token'\n[redis]\nurl = 'redis://other'\n")
        .secret_file("/run/redis", "redis://:hunter2@redis\n")
        .secret_file("/run/token", "t0ken\r\n")
        .secret_file("/run/kafka", "hunter2\n");
    let config = given.config();
    assert_eq!(
        config.redis.url.expose(),
        "redis://:hunter2@redis",
        "the environment's file wins over the file's value"
    );
    assert_eq!(config.admin.token.as_ref().map(Secret::expose), Some("t0ken"));
    assert_eq!(config.kafka.consumer.get("sasl.password"), Some(PASSWORD));
    assert_eq!(config.kafka.consumer.get("sasl.password_file"), None);
    assert!(!everything_printed(&given).contains(PASSWORD));
    assert_eq!(given.load().unwrap().1, []);
}

#[test]
fn a_secret_file_that_gives_no_secret_is_wrong() {
    let named = |name: &str| Given::default().variable(name, "/run/secret");
    let empty = |given: Given| given.secret_file("/run/secret", "\n");
    let filled = |given: Given| given.secret_file("/run/secret", "hunter2\n");
    let table = [
        (named("ADMIN_TOKEN_FILE"), "admin.token", "cannot be read"),
        (empty(named("ADMIN_TOKEN_FILE")), "admin.token", "is empty"),
        (empty(named("REDIS_URL_FILE")), "redis.url", "is empty"),
        (filled(named("REDIS_URL_FILE")), "redis.url", "is not usable"),
        (filled(named("ADMIN_TOKEN_FILE")).variable("ADMIN_TOKEN", "a"), "admin.token", "both"),
        (
            Given::default().variable("KAFKA_CONSUMER", "sasl.password_file=/run/none"),
            "kafka.consumer.sasl.password_file",
            "cannot be read",
        ),
        (
            Given::default().variable("KAFKA_CONSUMER", "sasl.password_file=/run/none,sasl.password=a"),
            "kafka.consumer.sasl.password_file",
            "both",
        ),
    ];
    for (given, key, problem) in table {
        let errors = given.errors();
        assert_eq!((errors.0.len(), errors.0[0].key.as_str()), (1, key), "{errors}");
        assert!(errors.0[0].problem.contains(problem) && !errors.0[0].remedy.is_empty(), "{errors}");
        assert!(!format!("{errors}{errors:?}").contains(PASSWORD), "{errors}");
    }
}

#[test]
fn an_empty_variable_beside_a_secret_file_does_not_count() {
    let given = Given::default().variable("ADMIN_TOKEN", "").variable("ADMIN_TOKEN_FILE", "/run/token");
    assert_eq!(given.secret_file("/run/token", "t0ken").config().admin.token, Some(Secret::new("t0ken")));
}

#[test]
fn a_url_keeps_what_helps_and_loses_what_must_not_be_seen() {
    let table = [
        ("redis://redis:6379/1", "redis://redis:6379/1"),
        ("redis://ann:hunter2@redis:6379/1", "redis://***@redis:6379/1"),
        ("rediss://:hunter2@redis/#insecure", "rediss://***@redis/#insecure"),
        ("redis+unix:///run/redis.sock?pass=a@hunter2", "redis+unix:///run/redis.sock?***"),
        ("hunter2", "***"),
    ];
    for (url, shown) in table {
        assert_eq!(redact_url(url), shown);
        assert_eq!(public_redact_url(url), shown);
    }
}

#[test]
fn secret_properties_are_known_by_their_names() {
    let secret =
        ["sasl.password", "ssl.key.password", "ssl.keystore.password", "sasl.oauthbearer.client.secret", "ssl.key.pem"];
    assert!(secret.iter().all(|name| is_secret_property(name)));
    let open =
        ["sasl.username", "sasl.mechanisms", "ssl.ca.location", "sasl.oauthbearer.token.endpoint.url", "linger.ms"];
    assert!(!open.iter().any(|name| is_secret_property(name)));
}
