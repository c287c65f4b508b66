//! Webhooks as providers send them: a table says of each file what it comes to.
//!
//! The project's own files lie in `tests/fixtures/webhooks`. `SESSIONGATE_SAMPLES_DIR` names a folder with further ones,
//! and an `expected.tsv` of the same form.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use sessiongate::core::decoded::DecodedInbound;
use sessiongate::core::ids::{Channel, Offset, Partition};
use sessiongate::core::inbound::InboundEvent;
use sessiongate::core::policy::{ChannelPolicy, Effect, Policy};
use sessiongate::core::record::{Record, Stream};
use sessiongate::core::template::TemplateOwner;
use sessiongate::core::time::{Span, Timestamp};
use sessiongate::core::window::WindowRules;
use sessiongate::wire::decoder::{Decoder, Formats};
use sessiongate::wire::time;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// When the records with the webhooks were written: what counts for those that hold no time.
const RECORDED_AT: &str = "2026-03-14T09:36:40.000Z";
/// What a webhook that names no business takes it from.
const KEY: &str = "49300009000:anybody";

/// One part of a webhook, expected or found.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Part {
    event: String,
    effect: String,
    business: String,
    customer: String,
    time: String,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Part { event, effect, business, customer, time } = self;
        write!(f, "{event:<32} {effect:<26} {business:<38} {customer:<42} {time}")
    }
}

#[test]
fn every_webhook_comes_to_what_the_table_says() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/webhooks");
    check_folder(&folder);
    let listed = fs::read_to_string(folder.join("expected.tsv")).unwrap();
    for entry in fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "expected.tsv" || listed.contains(&format!("\n{name}\t")), "{name} has no line in the table");
    }
}

#[test]
fn every_sample_of_a_folder_named_by_the_environment_comes_to_what_its_table_says() {
    match std::env::var_os("SESSIONGATE_SAMPLES_DIR") {
        Some(folder) => check_folder(Path::new(&folder)),
        None => println!("SESSIONGATE_SAMPLES_DIR is not set: there are no further samples to be read"),
    }
}

fn check_folder(folder: &Path) {
    let mut table: Vec<(String, Vec<Part>)> = Vec::new();
    for line in fs::read_to_string(folder.join("expected.tsv")).unwrap().lines().filter(|line| !line.starts_with('#')) {
        let cells: Vec<&str> = line.split('\t').collect();
        let &[file, event, effect, business, customer, time] = &cells[..] else { panic!("six cells: {line}") };
        let part = Part {
            event: event.into(),
            effect: effect.into(),
            business: business.into(),
            customer: customer.into(),
            time: time.into(),
        };
        match table.last_mut().filter(|(last, _)| last == file) {
            Some((_, parts)) => parts.push(part),
            None => table.push((file.into(), vec![part])),
        }
    }
    assert!(table.len() > 10, "the table is as good as empty");
    let mut wrong = Vec::new();
    for (file, expected) in table {
        let found = parts_of(&fs::read(folder.join(&file)).unwrap());
        found.iter().for_each(|part| println!("{file:<48} {part}"));
        if let Err(reason) = compare(&expected, found) {
            wrong.push(format!("{file}: {reason}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every expected part is found, and nothing else.
fn compare(expected: &[Part], mut found: Vec<Part>) -> Result<(), String> {
    for part in expected {
        match found.iter().position(|found| fits(part, found)) {
            Some(at) => drop(found.remove(at)),
            // What has no effect may leave no trace at all.
            None if part.effect == "no" => {}
            None => return Err(format!("expected\n  {part}\nand found\n  {found:?}")),
        }
    }
    if found.is_empty() { Ok(()) } else { Err(format!("nobody expected {found:?}")) }
}

fn fits(expected: &Part, found: &Part) -> bool {
    let same = |expected: &str, found: &str| expected == "-" || expected == found;
    let mut words = expected.effect.split(' ');
    let effect = match (words.next(), words.next()) {
        (Some("dead-letter"), Some(code)) => return found.effect == format!("dead-letter {code}"),
        // Without an effect on windows; whatever it says of a template.
        (Some("no"), _) if found.effect.starts_with("template ") => return true,
        _ => expected.effect == found.effect,
    };
    effect
        && (expected.event == found.event || expected.event == family(&found.event))
        && same(&expected.business, &found.business)
        && same(&expected.customer, &found.customer)
        && same(&expected.time, &found.time)
}

/// What a provider calls several kinds of ours.
fn family(kind: &str) -> &str {
    match kind {
        "call" => "call_connect",
        "call_accepted" | "call_ringing" | "call_rejected" => "call_status",
        "list_reply" | "button_reply" | "nfm_reply" | "call_permission_reply" => "interactive",
        "reaction_removed" => "reaction",
        other => other,
    }
}

fn policy() -> Policy {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))])
}

fn record(value: &[u8]) -> Record {
    Record {
        stream: Stream::Inbound,
        partition: Partition(0),
        offset: Offset(0),
        timestamp: time::parse(RECORDED_AT).unwrap(),
        key: Some(Bytes::from_static(KEY.as_bytes())),
        value: Some(Bytes::copy_from_slice(value)),
        headers: vec![],
    }
}

/// Everything that is in a webhook, whichever topic it lies in.
fn parts_of(value: &[u8]) -> Vec<Part> {
    let decoder = Decoder::new(Formats::default(), policy());
    let record = record(value);
    let decoded = decoder.decode_inbound(&record);
    assert_eq!(decoded, decoder.decode_delivery_status(&record));
    assert_eq!(decoded, decoder.decode_template_status(&record));
    let DecodedInbound { events, deliveries, templates, rejects, ignored } = decoded;
    let part = |event: &str, effect: String, business: &str, customer: String, time: Option<Timestamp>| Part {
        event: event.to_owned(),
        effect,
        business: business.to_owned(),
        customer,
        time: time.map_or_else(|| "-".to_owned(), time::format),
    };
    let mut parts = Vec::new();
    for event in &events {
        let customers: Vec<&str> = event.window_keys().map(|(_, customer)| customer.as_str()).collect();
        let at = Some(event.occurred_at);
        parts.push(part(&event.kind, effect(event), event.business_id.as_str(), customers.join(","), at));
    }
    for delivery in &deliveries {
        assert!(delivery.is_outside_window());
        let (business, customer) = (delivery.business_id.as_str(), delivery.customer_id.to_string());
        parts.push(part("status", "closes".into(), business, customer, Some(delivery.occurred_at)));
    }
    for update in &templates {
        let owner = match &update.id.owner {
            TemplateOwner::Account(account) => account.as_str(),
            TemplateOwner::Business(business) => business.as_str(),
        };
        let (name, effect) =
            (format!("{}/{}", update.id.name, update.id.language), format!("template {}", update.status.as_str()));
        parts.push(part("message_template_status_update", effect, owner, name, Some(update.occurred_at)));
    }
    for reject in &rejects {
        parts.push(part("-", format!("dead-letter {}", reject.code.as_str()), "-", "-".into(), None));
    }
    for ignored in &ignored {
        parts.push(part(&ignored.kind, "ignored".into(), "-", "-".into(), None));
    }
    parts
}

fn effect(event: &InboundEvent) -> String {
    match policy().effect(event, event.occurred_at, event.occurred_at) {
        Effect::Opens { .. } => "opens".into(),
        Effect::Nothing => "no".into(),
        Effect::Late => "late".into(),
    }
}
