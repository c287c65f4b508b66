//! Records from files: one JSON value a line, a whole JSON document, or the body of a form.

use super::shape::{Enveloped, kind_of};
use crate::core::ids::{Offset, Partition};
use crate::core::record::{Header, Record, Stream};
use crate::core::time::Timestamp;
use anyhow::Context;
use bytes::Bytes;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use super::shape::Kind;

/// Files of a folder that are read; a file that is named itself is read whatever it is called.
const EXTENSIONS: [&str; 4] = ["json", "ndjson", "jsonl", "form"];
/// A document that spans lines is read as a whole, up to here.
const MAX_DOCUMENT_BYTES: u64 = 64 * 1024 * 1024;

/// The names of the topics, as configured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicNames {
    /// What customers did.
    pub inbound_message: String,
    /// What services want to say.
    pub outbound_intent: String,
    /// Delivery reports.
    pub delivery_status: String,
    /// Changes of templates.
    pub template_status: String,
}

impl TopicNames {
    fn kind(&self, topic: &str) -> Option<Kind> {
        match topic {
            _ if topic == self.inbound_message => Some(Kind::Inbound),
            _ if topic == self.outbound_intent => Some(Kind::Intent),
            _ if topic == self.delivery_status => Some(Kind::Delivery),
            _ if topic == self.template_status => Some(Kind::Template),
            "inbound-message" => Some(Kind::Inbound),
            "outbound-intent" => Some(Kind::Intent),
            "delivery-status" => Some(Kind::Delivery),
            "template-status" => Some(Kind::Template),
            _ => None,
        }
    }
}

/// Where something stands.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line in it, counted from 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A record of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Where it stands.
    pub place: Place,
    /// Which topic it belongs to.
    pub kind: Kind,
    /// The record; its timestamp is -1 when the file says nothing of it.
    pub record: Record,
    /// When the file was last changed: the time of what has no other.
    pub changed_at: Timestamp,
}

/// The files behind these paths, those of a folder in the order of their names.
pub fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" || !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
        let mut inside = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
        inside.retain(|path| path.is_dir() || path.extension().is_some_and(|it| EXTENSIONS.iter().any(|e| it == *e)));
        inside.sort();
        let before = found.len();
        found.extend(files(&inside)?);
        if found.len() == before {
            tracing::warn!("{} holds no {} file", path.display(), EXTENSIONS.join(" or "));
        }
    }
    Ok(found)
}

/// Reads a file's records one by one, and tells how many bytes each took.
pub fn read(path: &Path, number: usize, topics: &TopicNames, take: &mut dyn FnMut(Line, usize)) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let changed_at = changed_at(path);
    let reader: Box<dyn Read> = match name.as_str() {
        "-" => Box::new(std::io::stdin()),
        _ => Box::new(File::open(path).with_context(|| name.clone())?),
    };
    let mut reader = BufReader::with_capacity(1 << 16, reader);
    let mut line = |number_of_line: usize, bytes: &[u8]| {
        if bytes.trim_ascii().is_empty() {
            return;
        }
        let place = Place { file: name.clone(), line: number_of_line };
        let (kind, record) = record(bytes, number, number_of_line, topics);
        take(Line { place, kind, record, changed_at }, bytes.len());
    };
    let mut bytes = Vec::new();
    reader.read_until(b'\n', &mut bytes).with_context(|| name.clone())?;
    let spans_lines = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err();
    if spans_lines || path.extension().is_some_and(|extension| extension == "form") {
        // Either one document, or lines of which the first is no JSON.
        reader.by_ref().take(MAX_DOCUMENT_BYTES).read_to_end(&mut bytes).with_context(|| name.clone())?;
        let is_document = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
        let is_form = path.extension().is_some_and(|extension| extension == "form");
        if is_document || is_form {
            line(1, bytes.trim_ascii());
            return Ok(());
        }
        for (index, piece) in bytes.split(|byte| *byte == b'\n').enumerate() {
            line(index + 1, piece);
        }
        return Ok(());
    }
    let mut number_of_line = 1;
    while !bytes.is_empty() {
        line(number_of_line, bytes.trim_ascii_end());
        number_of_line += 1;
        bytes.clear();
        reader.read_until(b'\n', &mut bytes).with_context(|| name.clone())?;
    }
    Ok(())
}

fn record(bytes: &[u8], file: usize, line: usize, topics: &TopicNames) -> (Kind, Record) {
    let enveloped = std::str::from_utf8(bytes).ok().and_then(Enveloped::read);
    // Without a place of its own, the file is the partition and the line the offset.
    let (own_partition, own_offset) =
        (i32::try_from(file).unwrap_or(i32::MAX), i64::try_from(line).unwrap_or(i64::MAX));
    let Some(enveloped) = enveloped else {
        let value = Bytes::copy_from_slice(bytes);
        let kind = kind_of(&value);
        let record = Record {
            stream: stream(kind),
            partition: Partition(own_partition),
            offset: Offset(own_offset),
            timestamp: Timestamp::from_millis(-1),
            key: None,
            value: Some(value),
            headers: vec![],
        };
        return (kind, record);
    };
    let value = enveloped.value().map(Bytes::from);
    let kind = topics.kind(&enveloped.topic).unwrap_or_else(|| kind_of(value.as_deref().unwrap_or_default()));
    let header = |(name, value): (String, String)| Header { name: name.into(), value: Some(Bytes::from(value)) };
    let record = Record {
        stream: stream(kind),
        partition: Partition(enveloped.partition.unwrap_or(own_partition)),
        offset: Offset(enveloped.offset.unwrap_or(own_offset)),
        timestamp: enveloped.timestamp().unwrap_or(Timestamp::from_millis(-1)),
        key: enveloped.key().map(Bytes::copy_from_slice),
        value,
        headers: enveloped.headers().into_iter().map(header).collect(),
    };
    (kind, record)
}

fn stream(kind: Kind) -> Stream {
    match kind {
        Kind::Intent => Stream::Intent,
        Kind::Inbound | Kind::Delivery | Kind::Template => Stream::Inbound,
    }
}

/// When a file was last changed; 1970 when nobody knows.
/// When a file was last changed; of what comes without one, now.
fn changed_at(path: &Path) -> Timestamp {
    let modified =
        std::fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
    let since = modified.duration_since(UNIX_EPOCH).ok();
    Timestamp::from_millis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
