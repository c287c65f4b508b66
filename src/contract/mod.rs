//! The contracts as types: what may stand in a record of each topic, for readers and writers in any language.
//!
//! The worker itself reads and writes by hand (`wire`), field by field and without copies. The types here say the same
//! in a form that JSON Schemas, examples and an AsyncAPI document are generated from; `tests/contract` holds both
//! against each other. Absent: I/O, clocks, the worker.

pub mod asyncapi;
pub mod input;
pub mod output;
pub mod text;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// Which way records of a topic go, seen from the worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// The worker reads them.
    In,
    /// The worker writes them.
    Out,
}

/// Which part of a record a contract is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Its value, as JSON.
    Value,
    /// Its headers, as one JSON object of their names and values.
    Headers,
}

/// One part of the records of a topic.
pub struct Contract {
    /// Its name, and its file's without `.json`.
    pub name: &'static str,
    /// Which way such records go.
    pub direction: Direction,
    /// What it describes.
    pub part: Part,
    /// One line for a list.
    pub summary: &'static str,
    /// Examples, as JSON text.
    pub examples: &'static [&'static str],
    schema: fn(Direction) -> Value,
}

/// Every contract, inputs first.
pub const CONTRACTS: [Contract; 9] = [
    Contract {
        name: "inbound-message",
        direction: Direction::In,
        part: Part::Value,
        summary: "what a customer did",
        examples: input::INBOUND_MESSAGES,
        schema: schema_of::<input::InboundMessage>,
    },
    Contract {
        name: "outbound-intent",
        direction: Direction::In,
        part: Part::Value,
        summary: "what a service wants to say to one customer",
        examples: input::OUTBOUND_INTENTS,
        schema: schema_of::<input::OutboundIntent>,
    },
    Contract {
        name: "template-status",
        direction: Direction::In,
        part: Part::Value,
        summary: "a template's status changed",
        examples: input::TEMPLATE_STATUSES,
        schema: schema_of::<input::TemplateStatus>,
    },
    Contract {
        name: "delivery-status",
        direction: Direction::In,
        part: Part::Value,
        summary: "a send that the provider refused",
        examples: input::DELIVERY_STATUSES,
        schema: schema_of::<input::DeliveryStatus>,
    },
    Contract {
        name: "session-send",
        direction: Direction::Out,
        part: Part::Value,
        summary: "the window is open: the message may be sent as it is",
        examples: output::SESSION_SENDS,
        schema: schema_of::<output::SessionSend>,
    },
    Contract {
        name: "template-required",
        direction: Direction::Out,
        part: Part::Value,
        summary: "only a template may be sent",
        examples: output::TEMPLATES_REQUIRED,
        schema: schema_of::<output::TemplateRequired>,
    },
    Contract {
        name: "window-event",
        direction: Direction::Out,
        part: Part::Value,
        summary: "a window opened or moved",
        examples: output::WINDOW_EVENTS,
        schema: schema_of::<output::WindowEvent>,
    },
    Contract {
        name: "event-headers",
        direction: Direction::Out,
        part: Part::Headers,
        summary: "the headers of verdicts and window events: CloudEvents, binary mode",
        examples: output::EVENT_HEADERS,
        schema: schema_of::<output::EventHeaders>,
    },
    Contract {
        name: "dead-letter-headers",
        direction: Direction::Out,
        part: Part::Headers,
        summary: "the headers that a dead letter has besides its original's",
        examples: output::DEAD_LETTER_HEADERS,
        schema: schema_of::<output::DeadLetterHeaders>,
    },
];

impl Contract {
    /// The JSON Schema (2020-12), examples included.
    pub fn schema(&self) -> Value {
        let mut schema = (self.schema)(self.direction);
        let examples = self.examples.iter().map(|text| serde_json::from_str(text).unwrap_or(Value::Null));
        schema["$id"] = Value::from(format!("urn:sessiongate:{}:v1", self.name));
        schema["examples"] = Value::Array(examples.collect());
        schema
    }

    /// The name of its file.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.name)
    }
}

/// The contract of that name.
pub fn find(name: &str) -> Option<&'static Contract> {
    CONTRACTS.iter().find(|contract| contract.name == name)
}

/// Every generated file: its name and its text.
pub fn files() -> Vec<(String, String)> {
    let schemas = CONTRACTS.iter().map(|contract| (contract.file_name(), text_of(&contract.schema())));
    schemas.chain([(asyncapi::FILE_NAME.to_owned(), text_of(&asyncapi::document()))]).collect()
}

/// A document as it stands in its file.
pub fn text_of(document: &Value) -> String {
    format!("{document:#}\n")
}

/// What is read may lack what has a default; what is written lacks only what is said to be optional.
fn schema_of<T: JsonSchema>(direction: Direction) -> Value {
    let settings = SchemaSettings::draft2020_12();
    let settings = match direction {
        Direction::In => settings.for_deserialize(),
        Direction::Out => settings.for_serialize(),
    };
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
