//! Dead letters: the original as it was, and why it could not be used, in the words of three families of tools.

use super::headers::size_with;
use super::time;
use crate::core::record::{Header, Record, Reject};
use crate::ports::OutputRecord;
use crate::ports::output::PackedHeaders;
use std::sync::Arc;

/// The longest detail, in bytes of UTF-8.
pub const MAX_DETAIL_BYTES: usize = 512;

/// Kept free for the headers that say what was cut.
const MARKS_BYTES: usize = 256;

/// What the explanation mostly takes, besides texts that are given.
const EXPLANATION_BYTES: usize = 896;

/// What is the same for all dead letters.
pub(super) struct DeadLetterFormat {
    pub(super) topic: Arc<str>,
    pub(super) group: String,
    pub(super) max_output_bytes: usize,
}

/// What is kept of an original.
struct Kept<'a> {
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    headers: &'a [Header],
    /// What is said of that which is not.
    marks: Vec<(&'static str, usize)>,
}

impl DeadLetterFormat {
    /// The dead letter of a record that lay in `origin`. What would not fit into the topic is cut, and marked.
    pub(super) fn encode(&self, origin: &str, record: &Record, reject: &Reject) -> OutputRecord {
        let explanation = self.explanation(origin, record, reject);
        let (key, value, headers) = (record.key.as_deref(), record.value.as_deref(), record.headers.as_slice());
        let mut kept = Kept { key, value, headers, marks: Vec::new() };
        if kept.size_with(&explanation) > self.max_output_bytes {
            self.cut(&mut kept, &explanation);
        }
        let mut output = OutputRecord::new(self.topic.clone(), kept.key, kept.value, Some(record.timestamp));
        output.reserve_headers(kept.size_with(&explanation));
        for header in kept.headers {
            output.push_header(&header.name, header.value.as_deref());
        }
        output.push_packed(&explanation);
        for (name, bytes) in kept.marks {
            output.push_header(name, Some(bytes.to_string().as_bytes()));
        }
        output
    }

    /// Spring's integers are big-endian bytes, Kafka Connect's are text.
    fn explanation(&self, origin: &str, record: &Record, reject: &Reject) -> PackedHeaders {
        let (origin, group, detail) = (origin.as_bytes(), self.group.as_bytes(), one_line(&reject.detail));
        let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
        let (detail, partition, offset) = (detail.as_bytes(), partition.as_bytes(), offset.as_bytes());
        let headers = PackedHeaders::with_capacity(EXPLANATION_BYTES + 4 * (origin.len() + group.len() + detail.len()))
            .with("sessiongate.error.reason", reject.code.as_str().as_bytes())
            .with("sessiongate.error.detail", detail)
            .with("sessiongate.error.topic", origin)
            .with("sessiongate.error.partition", partition)
            .with("sessiongate.error.offset", offset)
            .with("sessiongate.error.timestamp", &time::text(record.timestamp))
            .with("sessiongate.error.group", group)
            .with("kafka_dlt-original-topic", origin)
            .with("kafka_dlt-original-partition", &record.partition.0.to_be_bytes())
            .with("kafka_dlt-original-offset", &record.offset.0.to_be_bytes())
            .with("kafka_dlt-original-timestamp", &record.timestamp.as_millis().to_be_bytes())
            .with("kafka_dlt-original-consumer-group", group)
            .with("kafka_dlt-exception-message", detail)
            .with("__connect.errors.topic", origin)
            .with("__connect.errors.partition", partition)
            .with("__connect.errors.offset", offset)
            .with("__connect.errors.exception.message", detail);
        match &reject.index {
            Some(index) => headers.with("sessiongate.error.index", one_line(index).as_bytes()),
            None => headers,
        }
    }

    /// Gives up as much of the original as must be: the end of the value, then its headers, then its key.
    fn cut(&self, kept: &mut Kept<'_>, explanation: &PackedHeaders) {
        let value = kept.value.take();
        let room = |kept: &Kept<'_>| self.max_output_bytes.checked_sub(kept.size_with(explanation) + MARKS_BYTES);
        if room(kept).is_none() && !kept.headers.is_empty() {
            kept.marks.push(("sessiongate.error.dropped-headers", kept.headers.len()));
            kept.headers = &[];
        }
        if room(kept).is_none()
            && let Some(key) = kept.key.take()
        {
            kept.marks.push(("sessiongate.error.dropped-key", key.len()));
        }
        kept.value = value.map(|value| {
            let bytes = room(kept).unwrap_or(0).min(value.len());
            if bytes < value.len() {
                kept.marks.push(("sessiongate.error.truncated", value.len()));
            }
            value.get(..bytes).unwrap_or(value)
        });
    }
}

impl Kept<'_> {
    /// What a record takes with this and these headers.
    fn size_with(&self, explanation: &PackedHeaders) -> usize {
        let length = |text: Option<&[u8]>| text.map_or(0, <[u8]>::len);
        let own = self.headers.iter().map(|header| header.name.len() + length(header.value.as_deref()));
        let marks = self.marks.iter().map(|(name, bytes)| name.len() + bytes.to_string().len());
        let texts = length(self.key) + length(self.value) + own.sum::<usize>() + marks.sum::<usize>();
        size_with(texts + explanation.text_bytes(), self.headers.len() + self.marks.len() + explanation.count())
    }
}

/// A text as one line of at most [`MAX_DETAIL_BYTES`].
fn one_line(text: &str) -> String {
    let breaks_line = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut line = text.replace(breaks_line, " ");
    line.truncate(line.floor_char_boundary(MAX_DETAIL_BYTES));
    line
}
