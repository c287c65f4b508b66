//! A record as it lay in the log, and why one could not be used.

use super::ids::{Offset, Partition, Position};
use super::time::Timestamp;
use bytes::Bytes;
use compact_str::CompactString;

/// Which of the two streams a partition belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stream {
    /// What customers did.
    Inbound,
    /// What services want to say.
    Intent,
}

/// One partition of one stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamPartition {
    /// The stream.
    pub stream: Stream,
    /// The partition.
    pub partition: Partition,
}

impl StreamPartition {
    /// A partition of the inbound stream.
    pub fn inbound(partition: Partition) -> StreamPartition {
        StreamPartition { stream: Stream::Inbound, partition }
    }

    /// A partition of the intent stream.
    pub fn intent(partition: Partition) -> StreamPartition {
        StreamPartition { stream: Stream::Intent, partition }
    }
}

/// A header of a record; Kafka allows a header without a value, and the same name twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// Its name.
    pub name: CompactString,
    /// Its bytes.
    pub value: Option<Bytes>,
}

/// A record with its original bytes: a dead letter must be able to give them back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Which stream it came from.
    pub stream: Stream,
    /// The partition it lay in.
    pub partition: Partition,
    /// Its offset there.
    pub offset: Offset,
    /// The record's own timestamp (create or append time, as the topic is set).
    pub timestamp: Timestamp,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers in order.
    pub headers: Vec<Header>,
}

impl Record {
    /// Where it lies within its topic.
    pub fn position(&self) -> Position {
        Position { partition: self.partition, offset: self.offset }
    }

    /// Its partition, with the stream.
    pub fn stream_partition(&self) -> StreamPartition {
        StreamPartition { stream: self.stream, partition: self.partition }
    }
}

/// Why a record (or one event in it) became a dead letter. The codes are a contract: they never change meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ReasonCode {
    /// No value, or a value of no bytes.
    EmptyValue,
    /// The value is not UTF-8.
    NotUtf8,
    /// The value is not a JSON document.
    NotJson,
    /// A required field is absent.
    MissingField,
    /// A field is there and cannot be used.
    InvalidField,
    /// The channel is not configured.
    UnknownChannel,
    /// An intent for more than one recipient.
    BulkNotAllowed,
    /// The intent's `expires_at` has passed.
    Expired,
    /// The intent's id occurred shortly before in the same partition.
    DuplicateIntent,
    /// The output would not fit into its topic.
    TooLarge,
    /// A content encoding or envelope that is not understood.
    UnsupportedEncoding,
}

impl ReasonCode {
    /// Every code.
    pub const ALL: [ReasonCode; 11] = [
        ReasonCode::EmptyValue,
        ReasonCode::NotUtf8,
        ReasonCode::NotJson,
        ReasonCode::MissingField,
        ReasonCode::InvalidField,
        ReasonCode::UnknownChannel,
        ReasonCode::BulkNotAllowed,
        ReasonCode::Expired,
        ReasonCode::DuplicateIntent,
        ReasonCode::TooLarge,
        ReasonCode::UnsupportedEncoding,
    ];

    /// The stable code, as in the dead letter's header.
    pub fn as_str(self) -> &'static str {
        match self {
            ReasonCode::EmptyValue => "empty_value",
            ReasonCode::NotUtf8 => "not_utf8",
            ReasonCode::NotJson => "not_json",
            ReasonCode::MissingField => "missing_field",
            ReasonCode::InvalidField => "invalid_field",
            ReasonCode::UnknownChannel => "unknown_channel",
            ReasonCode::BulkNotAllowed => "bulk_not_allowed",
            ReasonCode::Expired => "expired",
            ReasonCode::DuplicateIntent => "duplicate_intent",
            ReasonCode::TooLarge => "too_large",
            ReasonCode::UnsupportedEncoding => "unsupported_encoding",
        }
    }
}

/// Why something was refused: a code for machines and a line for a person, which never holds message content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reject {
    /// The stable code.
    pub code: ReasonCode,
    /// One line for a person.
    pub detail: String,
    /// Which part of the record it concerns, when it is not the whole: `entry[0].changes[0].value.messages[17]`.
    pub index: Option<String>,
}

impl Reject {
    /// A refusal with its reason.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Reject {
        Reject { code, detail: detail.into(), index: None }
    }

    /// The same, said of one part of the record.
    pub fn at(self, index: impl Into<String>) -> Reject {
        let index = index.into();
        Reject { code: self.code, detail: format!("{index}: {}", self.detail), index: Some(index) }
    }
}
