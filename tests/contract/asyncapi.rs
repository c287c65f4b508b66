//! The AsyncAPI document is whole: every topic is in it, and every reference leads somewhere.

use super::folder;
use serde_json::Value;
use sessiongate::config::keys;
use sessiongate::contract::asyncapi::document;
use std::collections::BTreeSet;

#[test]
fn every_topic_of_the_configuration_has_a_channel_and_one_operation() {
    let document = document();
    let names = keys().iter().filter_map(|key| key.name.strip_prefix("topics."));
    let topics: BTreeSet<String> =
        names.filter(|name| !name.ends_with("_format")).map(|name| name.replace('_', "-")).collect();
    for part in ["channels", "operations"] {
        let names: BTreeSet<String> = document[part].as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, topics, "{part}");
    }
    for (name, operation) in document["operations"].as_object().unwrap() {
        assert_eq!(operation["channel"]["$ref"], format!("#/channels/{name}"));
        let received = name.starts_with("inbound") || name.starts_with("outbound") || name.ends_with("-status");
        assert_eq!(operation["action"], if received { "receive" } else { "send" }, "{name}");
    }
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        assert!(message["bindings"]["kafka"]["key"].is_object(), "{name} says nothing of its key");
        let is_dead_letter = name == "dead-letter";
        assert_eq!(message["payload"].is_object(), !is_dead_letter, "{name}: a dead letter's value may be anything");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 30, "{references:?}");
    for reference in references {
        let found = match reference.strip_prefix('#') {
            Some(pointer) => document.pointer(pointer).is_some(),
            None => folder().join(reference.trim_start_matches("./")).is_file(),
        };
        assert!(found, "{reference} leads nowhere");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        _ => {}
    }
}
