//! Headers of output records, and how large a record is with them.

use super::time::TEXT_BYTES;
use crate::core::record::{Header, Record};
use crate::ports::OutputRecord;
use crate::ports::output::PackedHeaders;
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

/// The attributes of CloudEvents that all of one type have in common, as the headers that carry them (binary content
/// mode of the Kafka binding).
pub(super) struct EventType {
    /// Those up to the id.
    id: PackedHeaders,
    /// Those behind it up to the subject.
    subject: PackedHeaders,
    /// The time behind that.
    time: PackedHeaders,
}

impl EventType {
    /// Events of that type from that source.
    pub(super) fn new(source: &str, kind: &str) -> EventType {
        let none = PackedHeaders::default;
        EventType {
            id: none().with("ce_specversion", b"1.0").with_open("ce_id"),
            subject: none()
                .with("ce_source", source.as_bytes())
                .with("ce_type", kind.as_bytes())
                .with_open("ce_subject"),
            time: none().with_open("ce_time"),
        }
    }

    /// Adds the headers of an event of this type to an output that `cause` led to and whose key is its subject. Its id is
    /// what `write_id` appends, its time that of RFC 3339.
    #[inline]
    pub(super) fn append_headers(
        &self,
        output: &mut OutputRecord,
        cause: &Record,
        time: &[u8; TEXT_BYTES],
        write_id: impl FnOnce(&mut Vec<u8>),
    ) {
        output.write_packed(&self.id, write_id);
        output.write_packed_key(&self.subject);
        output.write_packed(&self.time, |out| out.extend_from_slice(time));
        output.push_header("content-type", Some(b"application/json"));
        if !cause.headers.is_empty() {
            append_trace_headers(output, cause);
        }
    }
}

fn append_trace_headers(output: &mut OutputRecord, cause: &Record) {
    for header in TRACE_HEADERS.iter().filter_map(|name| trace_header(cause, name)) {
        output.push_header(&header.name, header.value.as_deref());
    }
}

/// The last header of that name, which is the one that counts in Kafka.
pub(super) fn trace_header<'a>(record: &'a Record, name: &str) -> Option<&'a Header> {
    let last = record.headers.iter().rfind(|header| header.name == name)?;
    last.value.as_ref().filter(|value| value.len() <= MAX_TRACE_BYTES)?;
    Some(last)
}

/// What a record takes in a topic at most, uncompressed and alone in its batch.
pub(super) fn size_of(output: &OutputRecord) -> usize {
    size_with(output.text_bytes(), output.header_count())
}

/// What a record takes at most with so many bytes of key, value, and names and values of its headers.
pub(super) fn size_with(text_bytes: usize, headers: usize) -> usize {
    RECORD_OVERHEAD_BYTES + text_bytes + headers * HEADER_OVERHEAD_BYTES
}
