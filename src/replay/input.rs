//! Records from files: one JSON value a line, a whole JSON document, or the body of a form.

use super::shape::{Enveloped, kind_of};
use crate::core::ids::{Offset, Partition};
use crate::core::record::{Header, Record, Stream};
use crate::core::time::Timestamp;
use anyhow::{Context, bail};
use bytes::Bytes;
use serde::de::IgnoredAny;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub use super::shape::Kind;

/// Files of a folder that are read; a file that is named itself is read whatever it is called.
const EXTENSIONS: [&str; 4] = ["json", "ndjson", "jsonl", "form"];
/// What some editors put in front of a file.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
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
    read_within(MAX_DOCUMENT_BYTES, path, number, topics, take)
}

/// The same, with another limit for documents.
pub(super) fn read_within(
    most: u64,
    path: &Path,
    number: usize,
    topics: &TopicNames,
    take: &mut dyn FnMut(Line, usize),
) -> anyhow::Result<()> {
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
    let (start, first) = first_line(&mut reader).with_context(|| name.clone())?;
    let is_form = path.extension().is_some_and(|extension| extension == "form");
    let start = match is_form || !is_json(&start) {
        false => start,
        true => match read_on(start, is_form, &mut reader, most).with_context(|| name.clone())? {
            Start::Document(bytes) => {
                line(first, bytes.trim_ascii());
                return Ok(());
            }
            Start::Lines(bytes) => bytes,
            Start::TooLong => bail!("{name}: is a document of more than {most} bytes: give one value a line"),
        },
    };
    let mut rest = start.as_slice().chain(reader);
    let mut bytes = Vec::new();
    for number_of_line in first.. {
        bytes.clear();
        if rest.read_until(b'\n', &mut bytes).with_context(|| name.clone())? == 0 {
            break;
        }
        line(number_of_line, bytes.trim_ascii_end());
    }
    Ok(())
}

/// The first line in which something stands, without a byte order mark, and its number. Empty when there is none.
fn first_line(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, usize)> {
    let (mut bytes, mut number) = (Vec::new(), 0);
    loop {
        bytes.clear();
        let is_over = reader.read_until(b'\n', &mut bytes)? == 0;
        number += 1;
        if number == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if is_over || !bytes.trim_ascii().is_empty() {
            return Ok((bytes, number));
        }
    }
}

/// What a file is that does not begin with a line of JSON, with what was read of it to find out.
enum Start {
    /// One document, all of it.
    Document(Vec<u8>),
    /// Lines of which the first is no JSON; there may be more of them.
    Lines(Vec<u8>),
    /// A document that is longer than one may be.
    TooLong,
}

fn read_on(first: Vec<u8>, is_form: bool, reader: &mut impl BufRead, most: u64) -> io::Result<Start> {
    let mut start = first;
    let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    // One byte more than there may be tells whether that is all.
    reader.take(most.saturating_add(1).saturating_sub(length(&start))).read_to_end(&mut start)?;
    let is_all = length(&start) <= most;
    let is_document = match serde_json::from_slice::<IgnoredAny>(&start) {
        Ok(_) => true,
        Err(error) => is_form || (!is_all && error.is_eof()),
    };
    Ok(match is_document {
        false => Start::Lines(start),
        true if is_all => Start::Document(start),
        true => Start::TooLong,
    })
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
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

/// When a file was last changed; of what comes without one, now.
fn changed_at(path: &Path) -> Timestamp {
    let modified =
        std::fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or_else(|_| SystemTime::now());
    let since = modified.duration_since(UNIX_EPOCH).ok();
    Timestamp::from_millis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
