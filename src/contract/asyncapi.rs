//! The AsyncAPI 3 document: topics, keys, headers and values in one place, for tools that draw, mock and generate.

use super::{CONTRACTS, Contract, Direction, Part};
use serde_json::{Map, Value, json};

/// The name of its file, beside the schemas that it refers to.
pub const FILE_NAME: &str = "asyncapi.json";

const KEY: &str = "`BUSINESS:CUSTOMER` in UTF-8, partitioned by murmur2 as Java clients do.";
const ORIGINAL_KEY: &str = "The original's.";

/// The whole document.
pub fn document() -> Value {
    let mut topics = topics();
    topics.push(Topic {
        name: "dead-letter",
        direction: Direction::Out,
        summary: "what could not be used: the original's key, value and headers, and why",
        value: None,
        headers: Some("dead-letter-headers"),
    });
    let all = |part: fn(&Topic) -> Value| {
        Value::Object(topics.iter().map(|topic| (topic.name.to_owned(), part(topic))).collect::<Map<_, _>>())
    };
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "sessiongate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": concat!(
                "One verdict per message: session send or template required, exactly once, between Kafka topics. ",
                "Operations are the worker's: what it receives, others send. Topic names are the defaults of the ",
                "configuration."
            ),
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": { "local": { "host": "127.0.0.1:9092", "protocol": "kafka" } },
        "channels": all(Topic::channel),
        "operations": all(Topic::operation),
        "components": { "messages": all(Topic::message) },
    })
}

/// One topic with what its records hold.
struct Topic {
    name: &'static str,
    direction: Direction,
    summary: &'static str,
    value: Option<&'static str>,
    headers: Option<&'static str>,
}

fn topics() -> Vec<Topic> {
    let values = CONTRACTS.iter().filter(|contract| contract.part == Part::Value);
    let topic = |contract: &Contract| Topic {
        name: contract.name,
        direction: contract.direction,
        summary: contract.summary,
        value: Some(contract.name),
        headers: (contract.direction == Direction::Out).then_some("event-headers"),
    };
    values.map(topic).collect()
}

impl Topic {
    fn channel(&self) -> Value {
        json!({
            "address": self.name,
            "summary": self.summary,
            "messages": { self.name: { "$ref": format!("#/components/messages/{}", self.name) } },
            "bindings": { "kafka": { "topic": self.name, "bindingVersion": "0.5.0" } },
        })
    }

    fn operation(&self) -> Value {
        let action = match self.direction {
            Direction::In => "receive",
            Direction::Out => "send",
        };
        json!({
            "action": action,
            "channel": { "$ref": format!("#/channels/{}", self.name) },
            "messages": [{ "$ref": format!("#/channels/{}/messages/{}", self.name, self.name) }],
            "bindings": { "kafka": { "bindingVersion": "0.5.0" } },
        })
    }

    fn message(&self) -> Value {
        let key = if self.value.is_some() { KEY } else { ORIGINAL_KEY };
        let mut message = json!({
            "name": self.name,
            "summary": self.summary,
            "bindings": {
                "kafka": { "key": { "type": "string", "description": key }, "bindingVersion": "0.5.0" },
            },
        });
        let schema = |name: &str| {
            json!({
                "schemaFormat": "application/schema+json;version=2020-12",
                "schema": { "$ref": format!("./{name}.json") },
            })
        };
        if let Some(name) = self.value {
            message["contentType"] = json!("application/json");
            message["payload"] = schema(name);
        }
        if let Some(name) = self.headers {
            message["headers"] = schema(name);
        }
        message
    }
}
