//! What a provider refuses, and where reports go.

use crate::support::api::Api;
use crate::support::inspect::Writing;
use crate::support::site::{BUSINESS, DEAD, INBOUND, SEND, Seen, Site, TEMPLATE};
use crate::support::traffic::{now_ms, rfc3339};
use crate::support::wait_until;
use crate::support::worker::Worker;
use serde_json::{Value, json};

pub const DELIVERY: &str = "delivery-status";
pub const TEMPLATES: &str = "template-status";
const HOUR_MS: i64 = 3_600_000;
const WROTE: &str = "5511900000001";
const OTHER: &str = "5511900000002";

/// A site that has the topics of reports, too.
pub fn site(name: &str) -> Site {
    with_reports(Site::new(name, 2))
}

/// The same site with the topics of reports.
pub fn with_reports(site: Site) -> Site {
    site.create_topic(DELIVERY, 2, &[]);
    site.create_topic(TEMPLATES, 2, &[("cleanup.policy", "compact")]);
    site
}

/// A worker that reads them, with further settings.
pub fn worker(site: &Site, settings: &[(&str, &str)]) -> Worker {
    let (delivery, templates) = (site.topic(DELIVERY), site.topic(TEMPLATES));
    let topics = [("TOPICS_DELIVERY_STATUS", delivery.as_str()), ("TOPICS_TEMPLATE_STATUS", templates.as_str())];
    Worker::with(site, &[&topics, settings].concat())
}

fn refusal(customer: &str, at_ms: i64) -> Value {
    json!({ "business_id": BUSINESS, "customer_id": customer, "error_code": 131_047, "occurred_at": rfc3339(at_ms) })
}

fn report(site: &Site, topic: &str, key: &str, value: &str) {
    let (key, value) = (Some(key.into()), Some(value.into()));
    site.write_exactly(topic, &Writing { key, value, ..Writing::default() });
    site.flush();
}

/// The one answer to an intent, once it is there.
pub fn answer(site: &Site, intent_id: &str) -> (String, Seen) {
    let mut found = None;
    wait_until("an answer", || {
        found = [SEND, TEMPLATE].into_iter().find_map(|topic| {
            let seen = site.read(topic).into_iter().find(|seen| seen.json()["intent_id"] == intent_id)?;
            Some((topic.to_owned(), seen))
        });
        found.is_some()
    });
    found.unwrap()
}

pub fn asked(site: &Site, intent_id: &str, customer: &str) -> (String, Value) {
    site.ask(intent_id, customer);
    site.flush();
    let (topic, seen) = answer(site, intent_id);
    (topic, seen.json())
}

fn advice(site: &Site, customer: &str) -> Option<i64> {
    let key = format!("{}advice:whatsapp:{BUSINESS}:{customer}", site.prefix);
    let text: Option<String> = redis::cmd("GET").arg(key).query(&mut site.redis()).unwrap();
    text.map(|text| text.strip_prefix("1 ").unwrap().parse().unwrap())
}

#[test]
fn a_refusal_asks_for_a_template_until_the_customer_writes_again() {
    let site = site("refused");
    let worker = worker(&site, &[]);
    let acted_at = now_ms() - HOUR_MS;
    site.say(WROTE, acted_at);
    site.say(OTHER, acted_at);
    site.flush();
    site.wait_for_windows();
    assert_eq!(asked(&site, "before", WROTE).0, SEND);

    // An old one for the other customer: of a send before the last message.
    report(&site, DELIVERY, "a", &refusal(OTHER, acted_at - 1).to_string());
    report(&site, DELIVERY, "b", &refusal(WROTE, acted_at + 1).to_string());
    wait_until("both refusals to be remembered", || advice(&site, WROTE).and(advice(&site, OTHER)).is_some());
    assert_eq!(advice(&site, WROTE), Some(acted_at + 1));
    let (topic, refused) = asked(&site, "refused", WROTE);
    assert_eq!(
        (topic.as_str(), &refused["reason"], &refused["basis"]),
        (TEMPLATE, &json!("provider_refused"), &json!("advisory"))
    );
    assert_eq!(refused["window"]["last_inbound_at"], rfc3339(acted_at));
    assert_eq!(asked(&site, "old-refusal", OTHER).0, SEND, "a refusal of an older send changes nothing");

    // Only what lies in the log before the intent counts for it.
    site.say(WROTE, acted_at + 2);
    site.flush();
    assert_eq!(asked(&site, "opened-again", WROTE).0, SEND);
    assert!(worker.stop().success());
}

#[test]
fn without_the_topic_of_delivery_reports_nothing_reads_advice() {
    let site = Site::new("refusals-off", 1);
    let worker = Worker::start(&site);
    let acted_at = now_ms() - HOUR_MS;
    site.say(WROTE, acted_at);
    site.flush();
    let key = format!("{}advice:whatsapp:{BUSINESS}:{WROTE}", site.prefix);
    let (): () = redis::cmd("SET").arg(key).arg(format!("1 {}", acted_at + 1)).query(&mut site.redis()).unwrap();
    assert_eq!(asked(&site, "off", WROTE).0, SEND);
    assert!(worker.stop().success());
}

#[test]
fn a_bad_report_becomes_a_dead_letter_with_its_topic_and_the_rest_goes_on() {
    let (site, api) = (site("bad-reports"), Api::new());
    let worker = worker(&site, &api.settings());
    let bad = r#"{"business_id":"106","error_code":"many"}"#;
    report(&site, DELIVERY, "k", bad);
    report(&site, DELIVERY, "k", &refusal(WROTE, now_ms()).to_string());
    report(&site, TEMPLATES, "k", "{");
    wait_until("the refusal to be remembered", || advice(&site, WROTE).is_some());
    wait_until("both dead letters", || site.read(DEAD).len() == 2);
    let letter =
        site.read_one(DEAD, "one of the delivery reports", |seen| seen.value.as_deref() == Some(bad.as_bytes()));
    assert_eq!(letter.header("sessiongate.error.topic"), Some(site.topic(DELIVERY)));
    assert_eq!(letter.key.as_deref(), Some(b"k".as_slice()));
    let broken = site.read_one(DEAD, "one of the template changes", |seen| seen.value.as_deref() == Some(b"{"));
    assert_eq!(broken.header("sessiongate.error.reason").as_deref(), Some("not_json"));
    assert_eq!(broken.header("sessiongate.error.topic"), Some(site.topic(TEMPLATES)));
    dead_letters_are_counted(&api, &[("invalid_field", 1), ("not_json", 1)]);
    let told = api.metrics().unwrap();
    for (topic, outcome, count) in [
        (DELIVERY, "decoded", 1.0),
        (DELIVERY, "rejected", 1.0),
        (TEMPLATES, "decoded", 0.0),
        (TEMPLATES, "rejected", 1.0),
    ] {
        let labels = [("topic", &*site.topic(topic)), ("outcome", outcome)];
        assert_eq!(told.sum("sessiongate_records_total", &labels), count, "{topic} {outcome}");
    }
    assert!(worker.stop().success());
}

/// By their reasons, wherever the worker tells of them.
fn dead_letters_are_counted(api: &Api, expected: &[(&str, u64)]) {
    // They are counted once they are acknowledged, and shown every second.
    wait_until("the metrics to tell of the dead letters", || {
        let told = api.metrics().unwrap();
        let told_of = |labels: &[(&str, &str)]| told.sum("sessiongate_dead_letters_total", labels);
        let all: u64 = expected.iter().map(|(_, count)| count).sum();
        let each = expected.iter().all(|(reason, count)| told_of(&[("reason", reason)]) == *count as f64);
        each && told_of(&[]) == all as f64
    });
    let (_, status) = api.get("/v1/status").unwrap();
    let counts: serde_json::Map<String, Value> =
        expected.iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
    assert_eq!(status["feedback"]["dead_letters"], json!(counts));
    let events = api.events(2);
    let moment = events.iter().find(|(name, _)| name == "moment");
    assert_eq!(moment.unwrap_or_else(|| panic!("{events:?}")).1["dead_letters"], json!(counts));
}

#[test]
fn a_killed_worker_forgets_no_report() {
    let site = site("killed-feedback");
    let acted_at = now_ms() - HOUR_MS;
    let customers: Vec<String> = (0..200).map(|number| format!("55119{number:06}")).collect();
    for customer in &customers {
        report(&site, DELIVERY, customer, &refusal(customer, acted_at).to_string());
    }
    worker(&site, &[]).kill();
    let worker = worker(&site, &[("KAFKA_CONSUMER", "session.timeout.ms=6000")]);
    wait_until("every refusal to be remembered", || {
        customers.iter().all(|customer| advice(&site, customer) == Some(acted_at))
    });
    assert_eq!(site.read(INBOUND).len() + site.read(DEAD).len(), 0);
    assert!(worker.stop().success());
}

/// One webhook with a message of one customer, a refusal of a send to another, and a template's change.
fn mixed(account: &str, at_ms: i64) -> String {
    let seconds = (at_ms / 1_000).to_string();
    let value = json!({
        "messaging_product": "whatsapp",
        "metadata": { "phone_number_id": BUSINESS },
        "contacts": [{ "wa_id": WROTE, "user_id": "US.1349" }],
        "messages": [{ "id": "wamid.1", "from": WROTE, "type": "text", "timestamp": seconds }],
        "statuses": [{ "id": "wamid.2", "status": "failed", "timestamp": seconds, "recipient_id": OTHER,
                       "errors": [{ "code": 131_047 }] }],
    });
    let template = json!({
        "event": "PAUSED", "message_template_name": "hi", "message_template_language": "en-US",
    });
    let changes = json!([
        { "field": "messages", "value": value },
        { "field": "message_template_status_update", "value": template },
    ]);
    let entry = json!([{ "id": account, "time": at_ms / 1_000, "changes": changes }]);
    json!({ "object": "whatsapp_business_account", "entry": entry }).to_string()
}

#[test]
fn each_part_of_a_webhook_takes_its_way_whichever_topic_it_lay_on() {
    for topic in [INBOUND, DELIVERY, TEMPLATES] {
        passes_on_each_part(&site(&format!("mixed-on-{topic}")), topic, &[]);
    }
}

/// A worker with these settings passes on what a webhook on that topic holds.
pub fn passes_on_each_part(site: &Site, topic: &str, settings: &[(&str, &str)]) {
    let worker = worker(site, settings);
    let at_ms = write_mixed(site, topic);
    wait_until("the refusal to be remembered", || advice(site, OTHER) == Some(at_ms));
    wait_until("both ids' windows", || {
        [WROTE, "US.1349"].iter().all(|id| site.window(id).is_some_and(|kept| kept.last_inbound_at_ms == at_ms))
    });
    let key = b"account/waba|hi|en_us".as_slice();
    wait_until("the template under its own key", || {
        site.read(TEMPLATES).iter().any(|seen| seen.key.as_deref() == Some(key) && seen.json()["status"] == "paused")
    });
    assert_eq!(asked(site, "open", WROTE).0, SEND, "{topic}");
    assert_eq!(site.read(DEAD).len(), 0, "{topic}");
    assert!(worker.stop().success());
}

/// Writes such a webhook, and says when its acts happened.
pub fn write_mixed(site: &Site, topic: &str) -> i64 {
    let at_ms = now_ms() / 1_000 * 1_000 - HOUR_MS;
    report(site, topic, "waba", &mixed("waba", at_ms));
    at_ms
}
