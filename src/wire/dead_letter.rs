//! Dead letters: the original as it was, and why it could not be used, in the words of three families of tools.

use super::headers::{header, size_of};
use super::time;
use crate::core::record::{Header, Record, Reject};
use crate::ports::OutputRecord;
use bytes::Bytes;
use std::sync::Arc;

/// The longest detail, in bytes of UTF-8.
pub const MAX_DETAIL_BYTES: usize = 512;

/// Kept free for the headers that say what was cut.
const MARKS_BYTES: usize = 256;

/// What is the same for all dead letters.
pub(super) struct DeadLetterFormat {
    pub(super) topic: Arc<str>,
    pub(super) group: Bytes,
    pub(super) max_output_bytes: usize,
}

impl DeadLetterFormat {
    /// The dead letter of a record that lay in `origin`. What would not fit into the topic is cut, and marked.
    pub(super) fn encode(&self, origin: &str, record: &Record, reject: &Reject) -> OutputRecord {
        let mut headers = record.headers.clone();
        headers.extend(self.explanation(origin, record, reject));
        let whole = OutputRecord {
            topic: self.topic.clone(),
            key: record.key.clone(),
            value: record.value.clone(),
            headers,
            timestamp: Some(record.timestamp),
        };
        if size_of(&whole) <= self.max_output_bytes { whole } else { self.cut(whole, record.headers.len()) }
    }

    /// Spring's integers are big-endian bytes, Kafka Connect's are text.
    fn explanation(&self, origin: &str, record: &Record, reject: &Reject) -> Vec<Header> {
        let detail = Bytes::from(one_line(&reject.detail));
        let origin = Bytes::copy_from_slice(origin.as_bytes());
        let partition = Bytes::from(record.partition.to_string());
        let offset = Bytes::from(record.offset.to_string());
        let timestamp_ms = record.timestamp.as_millis();
        let mut headers = vec![
            header("sessiongate.error.reason", Bytes::from_static(reject.code.as_str().as_bytes())),
            header("sessiongate.error.detail", detail.clone()),
            header("sessiongate.error.topic", origin.clone()),
            header("sessiongate.error.partition", partition.clone()),
            header("sessiongate.error.offset", offset.clone()),
            header("sessiongate.error.timestamp", time::format(record.timestamp)),
            header("sessiongate.error.group", self.group.clone()),
            header("kafka_dlt-original-topic", origin.clone()),
            header("kafka_dlt-original-partition", record.partition.0.to_be_bytes().to_vec()),
            header("kafka_dlt-original-offset", record.offset.0.to_be_bytes().to_vec()),
            header("kafka_dlt-original-timestamp", timestamp_ms.to_be_bytes().to_vec()),
            header("kafka_dlt-original-consumer-group", self.group.clone()),
            header("kafka_dlt-exception-message", detail.clone()),
            header("__connect.errors.topic", origin),
            header("__connect.errors.partition", partition),
            header("__connect.errors.offset", offset),
            header("__connect.errors.exception.message", detail),
        ];
        headers.extend(reject.index.as_deref().map(|index| header("sessiongate.error.index", one_line(index))));
        headers
    }

    /// Gives up as much of the original as must be: the end of the value, then its headers, then its key.
    fn cut(&self, mut output: OutputRecord, original_headers: usize) -> OutputRecord {
        let value = output.value.take();
        let room = |output: &OutputRecord| self.max_output_bytes.checked_sub(size_of(output) + MARKS_BYTES);
        if room(&output).is_none() && original_headers > 0 {
            output.headers.drain(..original_headers);
            output.headers.push(header("sessiongate.error.dropped-headers", original_headers.to_string()));
        }
        if room(&output).is_none()
            && let Some(key) = output.key.take()
        {
            output.headers.push(header("sessiongate.error.dropped-key", key.len().to_string()));
        }
        output.value = value.map(|value| {
            let kept = room(&output).unwrap_or(0).min(value.len());
            if kept < value.len() {
                output.headers.push(header("sessiongate.error.truncated", value.len().to_string()));
            }
            value.slice(..kept)
        });
        output
    }
}

/// A text as one line of at most [`MAX_DETAIL_BYTES`].
fn one_line(text: &str) -> String {
    let breaks_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut line = text.replace(breaks_line, " ");
    line.truncate(line.floor_char_boundary(MAX_DETAIL_BYTES));
    line
}
