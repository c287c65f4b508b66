//! A record to be written, with all of its texts in one piece of memory.
//!
//! An output lives for a moment, between its encoding and the client's own copy of it: one allocation for all texts
//! together costs a fraction of one for each.

use crate::core::record::Header;
use crate::core::time::Timestamp;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// What stands for the length of a value that is not there.
const NO_VALUE: u32 = u32::MAX;
/// The lengths of name and value, which stand before each header.
const LENGTHS_BYTES: usize = 8;

/// A record to be written.
#[derive(Clone)]
pub struct OutputRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The record's timestamp; the present when absent.
    pub timestamp: Option<Timestamp>,
    /// The key, the value and the headers, in this order.
    sheet: Vec<u8>,
    has_key: bool,
    has_value: bool,
    key_end: usize,
    value_end: usize,
    header_count: usize,
}

impl OutputRecord {
    /// A record without headers.
    pub fn new(topic: Arc<str>, key: Option<&[u8]>, value: Option<&[u8]>, timestamp: Option<Timestamp>) -> Self {
        let (given_key, given_value) = (key.unwrap_or_default(), value.unwrap_or_default());
        let room = given_key.len() + given_value.len();
        let whole = OutputRecord::written(
            topic,
            timestamp,
            room,
            |sheet| sheet.extend_from_slice(given_key),
            |sheet| sheet.extend_from_slice(given_value),
        );
        OutputRecord { has_key: key.is_some(), has_value: value.is_some(), ..whole }
    }

    /// A record without headers, whose key and value are what both closures append. Memory is taken for that many bytes
    /// in all; there may be more.
    #[inline]
    pub fn written(
        topic: Arc<str>,
        timestamp: Option<Timestamp>,
        bytes: usize,
        key: impl FnOnce(&mut Vec<u8>),
        value: impl FnOnce(&mut Vec<u8>),
    ) -> OutputRecord {
        let mut sheet = Vec::with_capacity(bytes);
        key(&mut sheet);
        let key_end = sheet.len();
        value(&mut sheet);
        let value_end = sheet.len();
        OutputRecord { topic, timestamp, sheet, has_key: true, has_value: true, key_end, value_end, header_count: 0 }
    }

    /// The key; partitions are chosen by it (murmur2).
    pub fn key(&self) -> Option<&[u8]> {
        self.has_key.then(|| self.sheet.get(..self.key_end)).flatten()
    }

    /// The value.
    pub fn value(&self) -> Option<&[u8]> {
        self.has_value.then(|| self.sheet.get(self.key_end..self.value_end)).flatten()
    }

    /// The headers in order.
    pub fn headers(&self) -> Headers<'_> {
        Headers { packed: self.sheet.get(self.value_end..).unwrap_or_default() }
    }

    /// How many headers there are.
    pub fn header_count(&self) -> usize {
        self.header_count
    }

    /// The value of the last header of that name, which is the one that counts in Kafka.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().filter(|header| header.name == name.as_bytes()).last()?.value
    }

    /// The headers in order, each in memory of its own.
    pub fn to_headers(&self) -> Vec<Header> {
        let header = |HeaderText { name, value }: HeaderText<'_>| Header {
            name: String::from_utf8_lossy(name).into(),
            value: value.map(Bytes::copy_from_slice),
        };
        self.headers().map(header).collect()
    }

    /// The bytes of key, value, and names and values of headers together.
    pub fn text_bytes(&self) -> usize {
        self.sheet.len() - self.header_count * LENGTHS_BYTES
    }

    /// Takes memory for headers of that many bytes at once.
    pub fn reserve_headers(&mut self, bytes: usize) {
        self.sheet.reserve(bytes);
    }

    /// Adds a header behind the others.
    #[inline]
    pub fn push_header(&mut self, name: &str, value: Option<&[u8]>) {
        pack(&mut self.sheet, name, value);
        self.header_count += 1;
    }

    /// Adds headers that were prepared.
    pub fn push_packed(&mut self, headers: &PackedHeaders) {
        self.sheet.extend_from_slice(&headers.text);
        self.header_count += headers.count;
    }

    /// Adds headers that were prepared; what `write` appends becomes the value of the last one, which has none yet. The
    /// sheet that it appends to begins with the key.
    #[inline]
    pub fn write_packed(&mut self, headers: &PackedHeaders, write: impl FnOnce(&mut Vec<u8>)) {
        self.push_packed(headers);
        let from = self.sheet.len();
        write(&mut self.sheet);
        let length = (self.sheet.len() - from) as u32;
        let place = from - headers.last_name_bytes - size_of::<u32>();
        if let Some(written) = self.sheet.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
            *written = length.to_le_bytes();
        }
    }

    /// The same with the key as that value.
    #[inline]
    pub fn write_packed_key(&mut self, headers: &PackedHeaders) {
        let key_end = self.key_end;
        self.write_packed(headers, |sheet| sheet.extend_from_within(..key_end));
    }

    /// Leaves those headers out whose name is not to be kept.
    pub fn retain_headers(&mut self, is_kept: impl Fn(&[u8]) -> bool) {
        let mut kept = PackedHeaders::default();
        for HeaderText { name, value } in self.headers().filter(|header| is_kept(header.name)) {
            kept.text.reserve(LENGTHS_BYTES + name.len() + value.map_or(0, <[u8]>::len));
            pack(&mut kept.text, name, value);
            kept.count += 1;
        }
        if kept.count < self.header_count {
            self.sheet.truncate(self.value_end);
            self.header_count = 0;
            self.push_packed(&kept);
        }
    }
}

/// Records are equal when what would be written is.
impl PartialEq for OutputRecord {
    fn eq(&self, other: &OutputRecord) -> bool {
        let of = |record: &OutputRecord| (record.timestamp, record.has_key, record.has_value);
        let ends = |record: &OutputRecord| (record.key_end, record.value_end, record.header_count);
        self.topic == other.topic && of(self) == of(other) && ends(self) == ends(other) && self.sheet == other.sheet
    }
}

impl Eq for OutputRecord {}

impl fmt::Debug for OutputRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| bytes.escape_ascii().to_string());
        f.debug_struct("OutputRecord")
            .field("topic", &self.topic)
            .field("key", &text(self.key()))
            .field("value", &text(self.value()))
            .field("headers", &self.to_headers())
            .field("timestamp", &self.timestamp)
            .finish()
    }
}

/// Headers that many outputs have in common, ready to be copied.
#[derive(Clone, Default)]
pub struct PackedHeaders {
    text: Vec<u8>,
    count: usize,
    last_name_bytes: usize,
}

impl PackedHeaders {
    /// None yet, with memory for so many bytes.
    pub fn with_capacity(bytes: usize) -> PackedHeaders {
        PackedHeaders { text: Vec::with_capacity(bytes), ..PackedHeaders::default() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The bytes of their names and values.
    pub fn text_bytes(&self) -> usize {
        self.text.len() - self.count * LENGTHS_BYTES
    }

    /// The same with another header, whose value is to be written later: it must be the last one.
    pub fn with_open(self, name: &str) -> PackedHeaders {
        self.with(name, b"")
    }

    /// The same with another header.
    pub fn with(mut self, name: &str, value: &[u8]) -> PackedHeaders {
        pack(&mut self.text, name, Some(value));
        self.count += 1;
        self.last_name_bytes = name.len();
        self
    }
}

/// Each header as the lengths of its name and value, then both.
#[inline]
fn pack(text: &mut Vec<u8>, name: impl AsRef<[u8]>, value: Option<&[u8]>) {
    let name = name.as_ref();
    pack_lengths(text, name, value.map_or(NO_VALUE, |value| value.len() as u32));
    text.extend_from_slice(name);
    if let Some(value) = value {
        text.extend_from_slice(value);
    }
}

/// No length is beyond what fits: Kafka's own have 31 bits.
#[inline]
fn pack_lengths(text: &mut Vec<u8>, name: impl AsRef<[u8]>, value_length: u32) {
    let lengths = (name.as_ref().len() as u64) | u64::from(value_length) << 32;
    text.extend_from_slice(&lengths.to_le_bytes());
}

/// A header, as bytes that belong to its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeaderText<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value; Kafka allows a header without one.
    pub value: Option<&'a [u8]>,
}

/// The headers of a record, one after the other.
pub struct Headers<'a> {
    packed: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = HeaderText<'a>;

    #[inline]
    fn next(&mut self) -> Option<HeaderText<'a>> {
        let (lengths, rest) = self.packed.split_first_chunk()?;
        let lengths = u64::from_le_bytes(*lengths);
        let (name_length, value_length) = (lengths as u32, (lengths >> 32) as u32);
        let (name, rest) = rest.split_at_checked(name_length as usize)?;
        let has_value = value_length != NO_VALUE;
        let (value, rest) = rest.split_at_checked(if has_value { value_length as usize } else { 0 })?;
        self.packed = rest;
        Some(HeaderText { name, value: has_value.then_some(value) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(record: &OutputRecord) -> Vec<String> {
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        record.headers().map(|it| format!("{}={}", text(it.name), it.value.map_or("-".into(), text))).collect()
    }

    #[test]
    fn what_is_written_reads_back() {
        let append = |text: &'static [u8]| move |sheet: &mut Vec<u8>| sheet.extend_from_slice(text);
        let mut record = OutputRecord::written("topic".into(), None, 1, append(b"key"), append(b"value"));
        assert_eq!((record.key(), record.value()), (Some(&b"key"[..]), Some(&b"value"[..])));
        assert_eq!((lines(&record), record.header_count(), record.text_bytes()), (vec![], 0, 8));
        record.push_header("a", Some(b"1"));
        record.push_header("b", None);
        record.write_packed(&PackedHeaders::default().with_open("c"), append(b"three"));
        record.write_packed_key(&PackedHeaders::default().with_open("d"));
        record.push_packed(&PackedHeaders::default().with("e", b"").with("a", b"6"));
        assert_eq!(lines(&record), ["a=1", "b=-", "c=three", "d=key", "e=", "a=6"]);
        assert_eq!((record.header_count(), record.text_bytes()), (6, 8 + 6 + 10));
        assert_eq!((record.header("a"), record.header("b"), record.header("z")), (Some(&b"6"[..]), None, None));
        let whole = record.clone();
        record.retain_headers(|_| true);
        assert_eq!(record, whole);
        record.retain_headers(|name| name != b"a");
        record.push_header("f", Some(b"7"));
        assert_eq!(lines(&record), ["b=-", "c=three", "d=key", "e=", "f=7"]);
        assert_eq!((record.key(), record.value(), record.header_count()), (whole.key(), whole.value(), 5));
        assert_ne!(record, whole);
    }

    #[test]
    fn nothing_is_told_from_no_bytes() {
        for (key, value) in [(None, None), (Some(&b""[..]), None), (None, Some(&b""[..])), (Some(b"k"), Some(b"v"))] {
            let record = OutputRecord::new("topic".into(), key, value, None);
            assert_eq!((record.key(), record.value()), (key, value));
        }
        assert_ne!(
            OutputRecord::new("topic".into(), Some(b""), None, None),
            OutputRecord::new("topic".into(), None, None, None)
        );
        let mut record = OutputRecord::new("topic".into(), None, None, None);
        record.push_header("a", None);
        assert_eq!(record.to_headers(), [Header { name: "a".into(), value: None }]);
    }
}
