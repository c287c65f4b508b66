//! What is known of a template, and what `ready` says.

use crate::feedback::{TEMPLATES, answer, site, worker};
use crate::support::command::command;
use crate::support::inspect::Writing;
use crate::support::site::{BUSINESS, Site};
use crate::support::traffic::{now_ms, rfc3339};
use crate::support::wait_until;
use serde_json::{Value, json};

const SILENT: &str = "5511900000002";
const ACCOUNT: &str = "102290129340398";

fn change(site: &Site, account: &str, status: &str, at_ms: i64) {
    let value = json!({
        "account_id": account, "name": "order_update", "language": "en-US", "status": status,
        "occurred_at": rfc3339(at_ms),
    });
    // Under another key than the template's own: it is written again under that.
    let writing = Writing { key: Some(b"any".into()), value: Some(value.to_string().into()), ..Writing::default() };
    site.write_exactly(TEMPLATES, &writing);
    site.flush();
}

fn asked(site: &Site, intent_id: &str, language: Value) -> (Value, Value) {
    let template = json!({ "name": "order_update", "language": language });
    let intent = json!({
        "intent_id": intent_id, "business_id": BUSINESS, "customer_id": SILENT,
        "message": { "type": "text" }, "template": template,
    });
    site.ask_exactly(SILENT, &intent.to_string());
    site.flush();
    let json = answer(site, intent_id).1.json();
    (json["template"]["status"].clone(), json["ready"].clone())
}

/// Asks until the answer is the expected one: a change takes a moment to arrive.
fn wait_for_status(site: &Site, name: &str, language: &Value, expected: (&str, bool)) {
    let mut number = 0;
    wait_until("the template's status to arrive", || {
        number += 1;
        asked(site, &format!("{name}-{number}"), language.clone()) == (json!(expected.0), json!(expected.1))
    });
}

#[test]
fn a_paused_template_is_not_ready_and_a_flagged_one_is() {
    let site = site("paused-template");
    let running = worker(&site, &[]);
    let now = now_ms();
    assert_eq!(asked(&site, "nothing-known", json!("en_US")), (json!("unknown"), json!(true)));
    change(&site, ACCOUNT, "PAUSED", now);
    wait_for_status(&site, "paused", &json!("en_US"), ("paused", false));
    assert_eq!(asked(&site, "as-object", json!({ "code": "en_US" })), (json!("paused"), json!(false)));
    assert_eq!(asked(&site, "other-language", json!("pt_BR")), (json!("unknown"), json!(true)));
    change(&site, ACCOUNT, "FLAGGED", now + 1);
    wait_for_status(&site, "flagged", &json!("en_US"), ("flagged", true));
    let key = format!("account/{ACCOUNT}|order_update|en_us");
    wait_until("both changes under the template's key", || {
        let kept = site.read(TEMPLATES).into_iter().filter(|seen| seen.key.as_deref() == Some(key.as_bytes()));
        kept.map(|seen| seen.json()["status"].clone()).collect::<Vec<_>>() == ["paused", "flagged"]
    });
    assert!(running.stop().success());
}

#[test]
fn after_a_restart_the_first_negative_knows_every_template() {
    let site = site("restarted-registry");
    for number in 0..2_000 {
        let value = json!({
            "account_id": ACCOUNT, "name": format!("template_{number}"), "language": "en", "status": "APPROVED",
            "occurred_at": rfc3339(now_ms()),
        });
        let key = format!("account/{ACCOUNT}|template_{number}|en");
        let writing = Writing { key: Some(key.into()), value: Some(value.to_string().into()), ..Writing::default() };
        site.write_exactly(TEMPLATES, &writing);
    }
    change(&site, ACCOUNT, "PAUSED", now_ms());
    for round in 0..3 {
        let intent = json!({
            "intent_id": format!("first-{round}"), "business_id": BUSINESS, "customer_id": SILENT,
            "template": { "name": "order_update", "language": "en_US" },
        });
        // It lies there before the worker starts: it is the first that the worker judges.
        site.ask_exactly(SILENT, &intent.to_string());
        site.flush();
        let running = worker(&site, &[("WORKER_COMMIT_INTERVAL", "1ms")]);
        let json = answer(&site, &format!("first-{round}")).1.json();
        assert_eq!((&json["template"]["status"], &json["ready"]), (&json!("paused"), &json!(false)), "round {round}");
        assert!(running.stop().success());
    }
}

#[test]
fn of_several_accounts_the_one_that_is_named_for_the_business_counts() {
    let site = site("two-accounts");
    let now = now_ms();
    change(&site, ACCOUNT, "PAUSED", now);
    change(&site, "999", "APPROVED", now);
    let running = worker(&site, &[]);
    assert_eq!(asked(&site, "not-named", json!("en_US")), (json!("unknown"), json!(true)));
    assert!(running.stop().success());
    let running = worker(&site, &[("TEMPLATES_ACCOUNTS", &format!("{BUSINESS}={ACCOUNT}"))]);
    assert_eq!(asked(&site, "named", json!("en_US")), (json!("paused"), json!(false)));
    assert!(running.stop().success());
}

#[test]
fn the_topic_of_template_status_is_created_compacted_and_checked() {
    let site = Site::without_topics("template-topic");
    let (delivery, templates) = (site.topic("delivery-status"), site.topic(TEMPLATES));
    let settings = [("TOPICS_DELIVERY_STATUS", delivery.as_str()), ("TOPICS_TEMPLATE_STATUS", templates.as_str())];
    let said = command(&site, &["topics", "create", "--partitions", "1"], &settings);
    said.assert_contains(&[&format!("{delivery}: created"), &format!("{templates}: created")]);
    assert_eq!(command(&site, &["check"], &settings).code, Some(0));

    let site = Site::without_topics("template-topic-forgets");
    let (delivery, templates) = (site.topic("delivery-status"), site.topic(TEMPLATES));
    let settings = [("TOPICS_DELIVERY_STATUS", delivery.as_str()), ("TOPICS_TEMPLATE_STATUS", templates.as_str())];
    site.create_topic(TEMPLATES, 1, &[("cleanup.policy", "delete")]);
    command(&site, &["topics", "create", "--partitions", "1"], &settings);
    let said = command(&site, &["check"], &settings);
    assert_eq!(said.code, Some(1), "{}", said.text);
    said.assert_contains(&["cleanup.policy=delete", &format!("set cleanup.policy=compact on {templates}")]);
}
