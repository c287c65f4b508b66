//! A Kafka that speaks TLS, knows its users by every mechanism, and grants them what it was told to.

use super::{MISCONFIGURED, SUCCESS, does_the_whole_job};
use crate::feedback::{DELIVERY, TEMPLATES, asked, passes_on_each_part, with_reports, worker, write_mixed};
use crate::support::api::Api;
use crate::support::certificates::{Authority, Identity};
use crate::support::command::{Said, command};
use crate::support::grants;
use crate::support::services::{OwnKafka, free_port};
use crate::support::site::{DEAD, EVENT, INBOUND, INTENTS, SEND, Site, TEMPLATE};
use crate::support::traffic::now_ms;
use crate::support::worker::Worker;
use crate::support::{variable, wait_until};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::process::Command;
use std::time::Duration;

const USER: &str = "gate";
const PASSWORD: &str = "geheim";

/// A broker with a plain listener for the tests, one that asks for a login, and one that asks for a certificate.
/// Whoever comes by the plain one may do everything, and nobody else anything.
struct Guarded {
    kafka: OwnKafka,
    login_port: u16,
    certificate_port: u16,
    authority: Authority,
    ours: Identity,
}

impl Guarded {
    fn start() -> Guarded {
        let (login_port, certificate_port) = (free_port(), free_port());
        let authority = Authority::new();
        let (server, ours) = (authority.sign("broker"), authority.sign(USER));
        let ca = authority.file();
        let properties = |port, controller_port| {
            let listeners = format!(
                "PLAINTEXT://127.0.0.1:{port},LOGIN://127.0.0.1:{login_port},CERTIFICATE://127.0.0.1:{certificate_port}"
            );
            let modules = "org.apache.kafka.common.security";
            format!(
                "listeners={listeners},CONTROLLER://127.0.0.1:{controller_port}
                 advertised.listeners={listeners}
                 listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_SSL,CERTIFICATE:SSL
                 inter.broker.listener.name=PLAINTEXT
                 ssl.keystore.type=PEM
                 ssl.keystore.location={}
                 ssl.truststore.type=PEM
                 ssl.truststore.location={ca}
                 listener.name.certificate.ssl.client.auth=required
                 listener.name.certificate.ssl.principal.mapping.rules=RULE:^CN=(.*?)(,.*)?$/$1/
                 sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
                 listener.name.login.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";
                 listener.name.login.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;
                 listener.name.login.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
                 listener.name.login.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"broker\";
                 authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
                 super.users=User:ANONYMOUS
                 ",
                server.both
            )
        };
        let scram = |mechanism: &str| format!("{mechanism}=[name={USER},password={PASSWORD}]");
        let (scram_256, scram_512) = (scram("SCRAM-SHA-256"), scram("SCRAM-SHA-512"));
        let kafka = OwnKafka::start_with(properties, &["--add-scram", &scram_256, "--add-scram", &scram_512]);
        Guarded { kafka, login_port, certificate_port, authority, ours }
    }

    fn site(&self, name: &str) -> Site {
        Site::on(&self.kafka.brokers, &variable("SESSIONGATE_TEST_REDIS_URL"), name, 2)
    }

    /// A command whose clients both have these properties.
    fn said(&self, site: &Site, command_name: &str, port: u16, properties: &str) -> Said {
        command(
            site,
            &[command_name],
            &[
                ("KAFKA_BROKERS", &format!("127.0.0.1:{port}")),
                ("KAFKA_CONSUMER", properties),
                ("KAFKA_PRODUCER", properties),
            ],
        )
    }

    fn login(&self, mechanism: &str, further: &str) -> String {
        let ca = self.authority.file();
        format!("security.protocol=SASL_SSL,ssl.ca.location={ca},sasl.mechanism={mechanism},{further}")
    }

    fn password(&self, mechanism: &str) -> String {
        let file = self.authority.write("password", &format!("{PASSWORD}\n"));
        self.login(mechanism, &format!("sasl.username={USER},sasl.password_file={file}"))
    }

    fn token(&self) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let (from, to) = (now_ms() / 1_000 - 10, now_ms() / 1_000 + 3_600);
        let claims = format!(r#"{{"sub":"{USER}","iat":{from},"exp":{to}}}"#);
        let token = format!("{}.{}.\n", part(r#"{"alg":"none"}"#), part(&claims));
        let file = self.authority.write("token", &token);
        self.login("OAUTHBEARER", &format!("sasl.oauthbearer.config=token_file={file}"))
    }

    fn certificate(&self) -> String {
        let (ca, Identity { certificate, key, .. }) = (self.authority.file(), &self.ours);
        format!(
            "security.protocol=SSL,ssl.ca.location={ca},ssl.certificate.location={certificate},ssl.key.location={key}"
        )
    }
}

/// What `deploy/kafka-acls.sh` says for this site, with these topics of reports: a command a line.
fn rights(site: &Site, reports: &[&str]) -> Vec<String> {
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kafka-acls.sh"));
    script.env("KAFKA_ACLS", "echo").env("PRINCIPAL", format!("User:{USER}")).env("GROUP", site.group());
    for topic in [INBOUND, INTENTS, SEND, TEMPLATE, EVENT, DEAD].iter().chain(reports) {
        script.env(topic.to_uppercase().replace('-', "_"), site.topic(topic));
    }
    let output = script.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn grant(site: &Site, rights: &[String]) {
    rights.iter().for_each(|command| grants::grant(&site.brokers, command));
}

/// The command that lets what lies on topics of reports be passed on to the inbound topic.
fn writes_to_inbound(site: &Site, command: &str) -> bool {
    command.contains("--operation Write") && command.contains(&format!("--topic {}", site.topic(INBOUND)))
}

#[test]
fn every_way_to_log_in_leads_to_the_whole_job_with_the_documented_rights() {
    let guarded = Guarded::start();
    let unknown = guarded.site("no-rights");
    let said = guarded.said(&unknown, "check", guarded.login_port, &guarded.password("SCRAM-SHA-512"));
    said.assert_contains(&["TopicAuthorizationFailed", "deploy/kafka-acls.sh"]);

    let ways = [
        ("scram-512", guarded.login_port, guarded.password("SCRAM-SHA-512")),
        ("scram-256", guarded.login_port, guarded.password("SCRAM-SHA-256")),
        ("plain", guarded.login_port, guarded.password("PLAIN")),
        ("token", guarded.login_port, guarded.token()),
        ("certificate", guarded.certificate_port, guarded.certificate()),
    ];
    for (name, port, properties) in ways {
        let site = guarded.site(name);
        let rights = rights(&site, &[]);
        assert_eq!(rights.len(), 4, "{rights:?}");
        assert!(!rights.iter().any(|command| writes_to_inbound(&site, command)), "{rights:?}");
        grant(&site, &rights);
        let brokers = format!("127.0.0.1:{port}");
        let settings =
            [("KAFKA_BROKERS", brokers.as_str()), ("KAFKA_CONSUMER", &properties), ("KAFKA_PRODUCER", &properties)];
        let said = command(&site, &["check", "--print"], &settings);
        assert!(!said.text.contains("Kafka at") && !said.text.contains(PASSWORD), "{name}: {}", said.text);
        assert!(!said.text.contains("do not tell"), "{name}: {}", said.text);
        does_the_whole_job(&site, &settings);
        assert_ne!(command(&site, &["status"], &settings).code, None);
        dead_letters_go_back(&site, &settings, name);
    }
}

#[test]
fn topics_of_reports_are_served_with_the_documented_rights() {
    let guarded = Guarded::start();
    let (brokers, properties) = (format!("127.0.0.1:{}", guarded.login_port), guarded.password("SCRAM-SHA-512"));
    let settings =
        [("KAFKA_BROKERS", brokers.as_str()), ("KAFKA_CONSUMER", &properties), ("KAFKA_PRODUCER", &properties)];
    let site = guarded.site("named");
    for named in [&[DELIVERY][..], &[TEMPLATES], &[DELIVERY, TEMPLATES]] {
        let rights = rights(&site, named);
        assert_eq!(rights.len(), 5 + 2 * named.len(), "{rights:?}");
        assert!(rights.iter().any(|command| writes_to_inbound(&site, command)), "{rights:?}");
    }
    for topic in [INBOUND, DELIVERY, TEMPLATES] {
        let site = with_reports(guarded.site(&format!("mixed-on-{topic}")));
        grant(&site, &rights(&site, &[DELIVERY, TEMPLATES]));
        passes_on_each_part(&site, topic, &settings);
    }

    // One right is missing: verdicts go on, and what stands still shows in its metric.
    let (site, api) = (with_reports(guarded.site("stuck")), Api::new());
    let mut rights = rights(&site, &[DELIVERY, TEMPLATES]);
    rights.retain(|command| !writes_to_inbound(&site, command));
    grant(&site, &rights);
    let worker = worker(&site, &[&settings[..], &api.settings()].concat());
    write_mixed(&site, DELIVERY);
    wait_until("the errors of the feedback to be counted", || {
        api.metrics().is_some_and(|told| told.sum("sessiongate_feedback_errors_total", &[]) > 2.0)
    });
    assert_eq!(asked(&site, "closed", "4930").0, TEMPLATE);
    wait_until("the worker to be ready", || api.is_ready());
    let log = worker.log();
    let told = ["feedback waits, trying again", "TopicAuthorizationFailed", &site.topic(INBOUND)];
    assert!(told.iter().all(|words| log.contains(words)), "{log}");
    assert!(worker.stop().success());
}

/// With the rights that go beyond the worker's.
fn dead_letters_go_back(site: &Site, settings: &[(&str, &str)], name: &str) {
    let grant = |rights: String| grants::grant(&site.brokers, &format!("--allow-principal User:{USER} {rights}"));
    grant(format!("--operation Write --topic {}", site.topic(INTENTS)));
    grant(format!("--operation Read --topic {}", site.topic(DEAD)));
    grant(format!("--operation Read --resource-pattern-type prefixed --group {}-", site.group()));
    site.write(INTENTS, Some("a"), b"not JSON", &[]);
    site.flush();
    let worker = Worker::with(site, settings);
    site.wait_for_worker(Duration::from_secs(60));
    assert!(worker.stop().success());
    let said = command(site, &["dead-letter", "redrive"], settings);
    assert_eq!(said.code, SUCCESS, "{name}: {}", said.text);
    said.assert_contains(&["1 refused as not_json went back"]);
}

#[test]
fn what_is_wrong_with_the_way_to_kafka_is_told_and_nothing_is_tried_again() {
    let guarded = Guarded::start();
    let site = guarded.site("turned-away");
    let (login, certificate) = (guarded.login_port, guarded.certificate_port);
    let other = Authority::new();
    let swap = |properties: String, from: String, to: String| properties.replace(&from, &to);
    let wrong_password =
        guarded.login("SCRAM-SHA-512", &format!("sasl.username={USER},sasl.password=wrong-{PASSWORD}"));
    let table = [
        (login, wrong_password, "correct security.protocol, sasl.* and ssl.* in kafka.consumer"),
        (login, guarded.login("PLAIN", "sasl.username=nobody,sasl.password=geheim"), "kafka.consumer"),
        (login, swap(guarded.password("PLAIN"), guarded.authority.file(), other.file()), "certificate verify failed"),
        (certificate, format!("security.protocol=SSL,ssl.ca.location={}", guarded.authority.file()), "bad certificate"),
        (login, guarded.login("OAUTHBEARER", ""), "token_file=PATH"),
        (login, guarded.login("GSSAPI", ""), "sasl.mechanism is GSSAPI"),
        (login, guarded.login("OAUTHBEARER", "sasl.oauthbearer.method=oidc"), "fetches no tokens"),
    ];
    for (port, properties, words) in table {
        for arguments in ["check", "run"] {
            let said = guarded.said(&site, arguments, port, &properties);
            assert_eq!(said.code, MISCONFIGURED, "{arguments} {properties}: {}", said.text);
            said.assert_contains(&[words]);
            assert!(!said.text.contains(PASSWORD), "{}", said.text);
        }
    }
    let right = guarded.password("PLAIN");
    let said = command(
        &site,
        &["check"],
        &[
            ("KAFKA_BROKERS", &format!("127.0.0.1:{login}")),
            ("KAFKA_CONSUMER", &right),
            ("KAFKA_PRODUCER", &right.replace("sasl.username=gate", "sasl.username=gat")),
        ],
    );
    assert_eq!(said.code, MISCONFIGURED, "{}", said.text);
    said.assert_contains(&["in kafka.producer"]);
    assert_ne!(said.code, SUCCESS);
}
