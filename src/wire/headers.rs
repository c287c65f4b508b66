//! Headers of output records, and how large a record is with them.

use crate::core::record::{Header, Record};
use crate::ports::OutputRecord;
use bytes::Bytes;
use compact_str::CompactString;

/// More than any record and its batch take besides key, value and headers.
const RECORD_OVERHEAD_BYTES: usize = 128;
/// The two lengths of a header, as long as they can get.
const HEADER_OVERHEAD_BYTES: usize = 10;

/// A trace context beyond this is no trace context: `traceparent` has 55 bytes, and of `tracestate` 512 must be
/// carried. So no header of an input can make its output too large.
const MAX_TRACE_BYTES: usize = 1_024;
pub(super) const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// A header with a value.
pub(super) fn header(name: &str, value: impl Into<Bytes>) -> Header {
    Header { name: CompactString::new(name), value: Some(value.into()) }
}

/// The attributes of a CloudEvent that its headers carry (binary content mode of the Kafka binding).
pub(super) struct CloudEvent {
    pub(super) id: Bytes,
    pub(super) kind: &'static str,
    pub(super) source: Bytes,
    pub(super) subject: Bytes,
    /// As RFC 3339.
    pub(super) time: Bytes,
}

impl CloudEvent {
    /// The headers of an output that `cause` led to.
    pub(super) fn into_headers(self, cause: &Record) -> Vec<Header> {
        let mut headers = Vec::with_capacity(7 + TRACE_HEADERS.len());
        headers.extend([
            header("ce_specversion", Bytes::from_static(b"1.0")),
            header("ce_id", self.id),
            header("ce_source", self.source),
            header("ce_type", Bytes::from_static(self.kind.as_bytes())),
            header("ce_subject", self.subject),
            header("ce_time", self.time),
            header("content-type", Bytes::from_static(b"application/json")),
        ]);
        headers.extend(TRACE_HEADERS.iter().filter_map(|name| trace_header(cause, name)));
        headers
    }
}

/// The last header of that name, which is the one that counts in Kafka.
pub(super) fn trace_header(record: &Record, name: &str) -> Option<Header> {
    let last = record.headers.iter().rfind(|header| header.name == name)?;
    last.value.as_ref().filter(|value| value.len() <= MAX_TRACE_BYTES)?;
    Some(last.clone())
}

/// What a record takes in a topic at most, uncompressed and alone in its batch.
pub(super) fn size_of(output: &OutputRecord) -> usize {
    let headers = output.headers.iter().map(|header| header.name.len() + length(&header.value) + HEADER_OVERHEAD_BYTES);
    RECORD_OVERHEAD_BYTES + length(&output.key) + length(&output.value) + headers.sum::<usize>()
}

fn length(bytes: &Option<Bytes>) -> usize {
    bytes.as_ref().map_or(0, Bytes::len)
}
