//! A Redis that speaks TLS and knows its users.

use super::{MISCONFIGURED, SUCCESS, does_the_whole_job};
use crate::support::certificates::{Authority, Identity};
use crate::support::command::command;
use crate::support::sentinels::Sentinels;
use crate::support::services::{OwnRedis, free_port};
use crate::support::site::Site;
use crate::support::variable;

const ACL: &str = include_str!("../../../deploy/redis-acl.conf");
pub const PASSWORD: &str = "geheim,with@comma";

/// A Redis with a TLS port for those who show a certificate, and the users of `deploy/redis-acl.conf`.
struct Guarded {
    redis: OwnRedis,
    tls_port: u16,
    authority: Authority,
    ours: Identity,
    password_file: String,
}

impl Guarded {
    fn start(prefix: &str) -> Guarded {
        let authority = Authority::new();
        let (server, ours) = (authority.sign("redis"), authority.sign("worker"));
        let password_file = authority.write("password", &format!("{PASSWORD}\n"));
        let tls_port = free_port();
        let (port, ca) = (tls_port.to_string(), authority.file());
        let mut options = vec!["--tls-port", &port, "--tls-cert-file", &server.certificate];
        options.extend(["--tls-key-file", &server.key, "--tls-ca-cert-file", &ca]);
        let users = users(prefix);
        for user in &users {
            options.push("--user");
            options.extend(user.iter().map(String::as_str));
        }
        Guarded { redis: OwnRedis::start(&options), tls_port, authority, ours, password_file }
    }

    /// What somebody tried to do without the right to.
    fn denied(&self) -> redis::Value {
        let mut looks = redis::Client::open(self.redis.url()).unwrap().get_connection().unwrap();
        redis::cmd("ACL").arg("LOG").query(&mut looks).unwrap()
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("REDIS_URL", format!("rediss://localhost:{}", self.tls_port)),
            ("REDIS_USERNAME", "sessiongate".to_owned()),
            ("REDIS_PASSWORD_FILE", self.password_file.clone()),
            ("REDIS_TLS_CA_FILE", self.authority.file()),
            ("REDIS_TLS_CERTIFICATE_FILE", self.ours.certificate.clone()),
            ("REDIS_TLS_KEY_FILE", self.ours.key.clone()),
        ]
    }

    /// Those settings with some others; an empty value takes one away.
    fn settings_but(&self, others: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let mut settings = self.settings();
        settings.retain(|(name, _)| !others.iter().any(|(other, _)| other == name));
        settings.extend(
            others.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (*name, (*value).to_owned())),
        );
        settings
    }
}

/// The named users of the file, as words, with this key prefix. The default user stays, for the tests to look with.
pub fn users(prefix: &str) -> Vec<Vec<String>> {
    let named = ACL.lines().filter_map(|line| line.strip_prefix("user ")).filter(|user| !user.starts_with("default"));
    let users = named.map(|user| {
        let words = user.split(' ').map(|word| match word {
            word if word.starts_with('>') => format!(">{PASSWORD}"),
            word => word.replacen('~', &format!("~{prefix}*"), 1),
        });
        words.collect()
    });
    users.collect()
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

#[test]
fn a_worker_with_a_certificate_and_the_documented_rights_does_the_whole_job() {
    let guarded = Guarded::start("guarded-");
    let site = Site::on(&variable("SESSIONGATE_TEST_BROKERS"), &guarded.redis.url(), "guarded", 2);
    let settings = guarded.settings();
    let settings = borrowed(&settings);
    let said = command(&site, &["check", "--print"], &settings);
    said.assert_contains(&["redis.password = \"***\"", "redis.username = \"sessiongate\""]);
    assert!(!said.text.contains("geheim") && !said.text.contains("Redis cannot"), "{}", said.text);
    does_the_whole_job(&site, &settings);
    assert_eq!(guarded.denied(), redis::Value::Array(Vec::new()), "the worker tried what its rights leave out");
    let operator = [settings, vec![("REDIS_USERNAME", "sessiongate-operator")]].concat();
    for arguments in [["window", "list"].as_slice(), &["window", "get", crate::support::site::BUSINESS, "5511"]] {
        let said = command(&site, arguments, &operator);
        assert_eq!(said.code, SUCCESS, "{}", said.text);
        said.assert_contains(&["whatsapp", "5511", "\"open\""]);
    }
    let said = command(&site, &["window", "delete", "5511"], &operator);
    assert_eq!((said.code, site.window("5511")), (SUCCESS, None), "{}", said.text);
}

#[test]
fn an_operator_behind_sentinels_needs_no_more_than_the_documented_rights() {
    let sentinels = Sentinels::start();
    let primary = &sentinels.servers[sentinels.primary().unwrap()];
    let site = Site::without_topics("operator-sentinels");
    let mut looks = redis::Client::open(primary.url()).unwrap().get_connection().unwrap();
    for user in users(&site.prefix) {
        redis::cmd("ACL").arg("SETUSER").arg(&user).exec(&mut looks).unwrap();
    }
    let login = [("REDIS_USERNAME", "sessiongate-operator"), ("REDIS_PASSWORD", PASSWORD)];
    let settings = sentinels.settings();
    let settings = [borrowed(&settings), login.to_vec()].concat();
    for arguments in [["window", "list"].as_slice(), &["window", "get", "106", "5511"], &["window", "delete", "5511"]] {
        let said = command(&site, arguments, &settings);
        assert_eq!(said.code, SUCCESS, "{arguments:?}: {}", said.text);
    }
    let denied: redis::Value = redis::cmd("ACL").arg("LOG").query(&mut looks).unwrap();
    assert_eq!(denied, redis::Value::Array(Vec::new()));
}

#[test]
fn what_is_wrong_with_the_way_to_redis_is_told_and_nothing_is_tried_again() {
    let guarded = Guarded::start("turned-away-");
    let site = Site::on(&variable("SESSIONGATE_TEST_BROKERS"), &guarded.redis.url(), "turned-away", 1);
    let other = Authority::new();
    let (other_file, other_identity) = (other.file(), other.sign("worker"));
    let no_tls_there = format!("rediss://localhost:{}", guarded.redis.port);
    let own = [
        ("REDIS_TLS_CERTIFICATE_FILE", other_identity.certificate.as_str()),
        ("REDIS_TLS_KEY_FILE", &other_identity.key),
    ];
    let none = [("REDIS_TLS_CERTIFICATE_FILE", ""), ("REDIS_TLS_KEY_FILE", "")];
    let wrong_password = [("REDIS_PASSWORD_FILE", ""), ("REDIS_PASSWORD", "wrong-geheim")];
    let table: [(&[(&'static str, &str)], &str); 6] = [
        (&[("REDIS_TLS_CA_FILE", &other_file)], "redis.tls_ca_file"),
        (&[("REDIS_TLS_CA_FILE", "")], "redis.tls_ca_file"),
        (&none, "redis.tls_certificate_file"),
        (&own, "redis.tls_certificate_file"),
        (&wrong_password, "check redis.username and redis.password"),
        (&[("REDIS_USERNAME", "nobody")], "check redis.username and redis.password"),
    ];
    let settings = guarded.settings_but(&[("REDIS_URL", &no_tls_there)]);
    command(&site, &["check"], &borrowed(&settings)).assert_contains(&["does it speak TLS on that port?"]);
    for (others, remedy) in table {
        let settings = guarded.settings_but(others);
        for arguments in ["check", "run"] {
            let said = command(&site, &[arguments], &borrowed(&settings));
            assert_eq!(said.code, MISCONFIGURED, "{arguments} {others:?}: {}", said.text);
            said.assert_contains(&["Redis cannot be asked", remedy]);
            assert!(!said.text.contains("geheim"), "{}", said.text);
        }
    }
}
