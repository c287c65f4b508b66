//! Readers in another language, with types that a public generator made of the schemas.

use crate::support::collect::write_lines;
use crate::support::python::{is_waived, project, python, run};
use crate::support::site::{DEAD, EVENT, INTENTS, SEND, Seen, Site, TEMPLATE};
use crate::support::traffic::{key, now_ms, rfc3339};
use crate::support::worker::Worker;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

const CUSTOMER: &str = "5511900000001";
const DAY_MS: i64 = 86_400_000;

/// One output of each kind, by its topic.
fn outputs(name: &str) -> (Vec<(&'static str, Seen)>, i64) {
    let site = Site::new(name, 1);
    let at = now_ms() - 1_000;
    site.say(CUSTOMER, at);
    site.ask("open", CUSTOMER);
    site.ask("closed", "5511900000002");
    site.write(INTENTS, Some(&key(CUSTOMER)), b"not JSON", &[("x-own", "stays")]);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    assert!(worker.stop().success());
    let topics = [SEND, TEMPLATE, EVENT, DEAD].into_iter();
    let seen: Vec<_> = topics.flat_map(|topic| site.read(topic).into_iter().map(move |seen| (topic, seen))).collect();
    (seen, at)
}

fn typed_reader(records: &Path) -> crate::support::command::Said {
    run(python(&project("tests/python/typed_reader.py")).arg(project("schemas")).arg(records))
}

#[test]
fn types_that_are_generated_from_the_schemas_read_every_kind_of_output() {
    if is_waived() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    let (seen, at) = outputs("typed-readers");
    write_lines(&records, seen.iter().map(|(topic, seen)| (*topic, seen)));
    let said = typed_reader(&records);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let lines: Vec<Value> = said.text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let until = rfc3339(at + DAY_MS).replace('Z', "000+00:00");
    let without_fraction = until.replace(".000000", "");
    let message = json!({ "type": "text", "text": { "body": "open" } });
    let expected = [
        json!({ "topic": SEND, "intent_id": "open", "send": message, "until": &lines[0]["until"] }),
        json!({ "topic": TEMPLATE, "intent_id": "closed", "reason": "no_open_window", "template": "order_update" }),
        json!({ "topic": EVENT, "event": "opened", "message_id": format!("wamid.{CUSTOMER}.{at}") }),
        json!({ "topic": DEAD, "reason": "not_json", "offset": 2 }),
    ];
    assert_eq!(lines, expected);
    assert!([until, without_fraction].contains(&lines[0]["until"].as_str().unwrap().to_owned()), "{}", lines[0]);
}

#[test]
fn a_generated_type_refuses_an_output_that_breaks_its_contract() {
    if is_waived() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let records = folder.path().join("records");
    let (seen, _) = outputs("broken-outputs");
    let text = |seen: &Seen| String::from_utf8(seen.value.clone().unwrap()).unwrap();
    let (_, template) = seen.iter().find(|(topic, _)| *topic == TEMPLATE).unwrap();
    for (part, replacement) in [("no_open_window", "no_idea"), (r#""ready":true,"#, ""), ("\"closed\"", "7")] {
        let broken = text(template).replacen(part, replacement, 1);
        assert_ne!(broken, text(template), "{part}");
        let broken = Seen { value: Some(broken.into()), ..template.clone() };
        write_lines(&records, [(TEMPLATE, &broken)]);
        let said = typed_reader(&records);
        assert_eq!(said.code, Some(1), "{part} -> {replacement}: {}", said.text);
        said.assert_contains(&["ValidationError"]);
    }
}
