//! `sessiongate explain`.

pub mod args;
mod words;

use super::{FAILURE, SUCCESS};
use crate::app::preflight;
use crate::config::Config;
use crate::core::record::Header;
use crate::io::kafka::read_at;
use anyhow::{Context, bail};
use args::ExplainArguments;
use bytes::Bytes;
use serde_json::{Map, Value};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

/// A record to be explained: what it holds, where it holds JSON, and its headers.
struct Given {
    value: Option<Value>,
    headers: Vec<Header>,
}

/// Explains what stands in a file or comes on standard input.
pub(super) fn explain_text(arguments: &ExplainArguments) -> u8 {
    match read(&arguments.file).and_then(|text| from_text(&text)) {
        Ok(records) => tell(&records),
        Err(error) => {
            eprintln!("sessiongate: {error:#}");
            FAILURE
        }
    }
}

/// Explains a record that lies in Kafka.
pub(super) fn explain_record(config: &Config, arguments: &ExplainArguments) -> anyhow::Result<u8> {
    let (Some(topic), Some(partition), Some(offset)) = (&arguments.topic, arguments.partition, arguments.offset) else {
        bail!("--topic, --partition and --offset belong together");
    };
    let record = read_at(&preflight::admin_settings(config), topic, partition, offset, PATIENCE)?;
    let Some(record) = record else {
        bail!("there is no record at offset {offset} of partition {partition} of topic {topic}")
    };
    let value = record.value.as_deref().and_then(|value| serde_json::from_slice(value).ok());
    Ok(tell(&[Given { value, headers: record.headers }]))
}

fn tell(records: &[Given]) -> u8 {
    let mut code = SUCCESS;
    for record in records {
        match words::explain(record.value.as_ref(), &record.headers) {
            Some(paragraph) => println!("{paragraph}"),
            None => {
                eprintln!(
                    "sessiongate: this is neither a verdict nor a window event, and has no header that a dead letter has; \
                     a dead letter's reason stands in its headers: give --topic, --partition and --offset, or what \
                     kcat -J prints"
                );
                code = FAILURE;
            }
        }
    }
    code
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).context("standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    }
    // kcat writes the bytes of binary headers as they are, also into JSON.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One JSON value or many: values of records, or whole records with `headers` and `value` (or kcat's `payload`).
fn from_text(text: &str) -> anyhow::Result<Vec<Given>> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let records: Vec<Given> = values
        .map(|value| value.map(given).context("what is to be explained is not JSON"))
        .collect::<anyhow::Result<_>>()?;
    if records.is_empty() {
        bail!("there is nothing to explain");
    }
    Ok(records)
}

fn given(value: Value) -> Given {
    let Some(headers) = value.get("headers").and_then(headers) else {
        return Given { value: Some(value), headers: Vec::new() };
    };
    let inner = value.get("value").or_else(|| value.get("payload")).cloned();
    let inner = match inner {
        Some(Value::String(text)) => serde_json::from_str(&text).ok(),
        other => other,
    };
    Given { value: inner, headers }
}

/// Headers as an object, or as kcat has them: names and values in turn.
fn headers(value: &Value) -> Option<Vec<Header>> {
    let header = |name: &str, value: &Value| Header {
        name: name.into(),
        value: value.as_str().map(|text| Bytes::copy_from_slice(text.as_bytes())),
    };
    match value {
        Value::Object(members) => Some(in_order(members).map(|(name, value)| header(name, value)).collect()),
        Value::Array(items) => {
            Some(items.chunks_exact(2).filter_map(|pair| Some(header(pair[0].as_str()?, &pair[1]))).collect())
        }
        _ => None,
    }
}

/// An object's members have no order: the first header of the explanation goes before the others of it.
fn in_order(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let explains = |name: &str| name.starts_with("sessiongate.error.");
    let first = |name: &str| name == "sessiongate.error.reason";
    let own = members.iter().filter(move |(name, _)| !explains(name));
    let reason = members.iter().filter(move |(name, _)| first(name));
    own.chain(reason).chain(members.iter().filter(move |(name, _)| explains(name) && !first(name)))
}
