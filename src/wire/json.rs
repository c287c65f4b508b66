//! Writing JSON where the order of members matters and some of them are passed through byte for byte.

use super::{time, words};
use crate::core::time::Timestamp;

/// A JSON object under construction: members in the order in which they are added.
pub(super) struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> ObjectWriter<'a> {
    /// Begins an object at the end of a buffer.
    pub(super) fn begin(out: &'a mut Vec<u8>) -> ObjectWriter<'a> {
        out.push(b'{');
        ObjectWriter { out, is_empty: true }
    }

    /// Adds a string.
    #[inline]
    pub(super) fn string(&mut self, name: &str, value: &str) -> &mut Self {
        let out = self.member(name);
        append_string(out, value);
        self
    }

    /// Adds a time.
    #[inline]
    pub(super) fn time(&mut self, name: &str, value: Timestamp) -> &mut Self {
        let out = self.member(name);
        out.push(b'"');
        out.extend_from_slice(&time::text(value));
        out.push(b'"');
        self
    }

    /// Adds a whole number.
    #[inline]
    pub(super) fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        let mut digits = itoa::Buffer::new();
        self.member(name).extend_from_slice(digits.format(value).as_bytes());
        self
    }

    /// Adds true or false.
    #[inline]
    pub(super) fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        let text: &[u8] = if value { b"true" } else { b"false" };
        self.member(name).extend_from_slice(text);
        self
    }

    /// Adds JSON that is already written.
    #[inline]
    pub(super) fn raw(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.member(name).extend_from_slice(json);
        self
    }

    /// Adds whatever `write` appends, which must be one JSON value.
    #[inline]
    pub(super) fn with(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        write(self.member(name));
        self
    }

    /// Ends the object.
    pub(super) fn end(&mut self) {
        self.out.push(b'}');
    }

    #[inline]
    fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        // Names are ours and need no escape.
        debug_assert!(words::are_plain(name.as_bytes()), "{name}");
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }
}

fn append_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    if words::are_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.bytes().for_each(|byte| append_escaped(out, byte));
    }
    out.push(b'"');
}

fn append_escaped(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => out.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_stand_in_the_order_of_their_adding() {
        let mut out = b"x".to_vec();
        ObjectWriter::begin(&mut out)
            .string("s", "a")
            .integer("i", i64::MIN)
            .boolean("b", true)
            .raw("r", b"{ }")
            .with("o", |out| ObjectWriter::begin(out).end())
            .time("t", Timestamp::from_millis(0))
            .end();
        let expected = r#"x{"s":"a","i":-9223372036854775808,"b":true,"r":{ },"o":{},"t":"1970-01-01T00:00:00.000Z"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was_written(text in any::<String>()) {
            let mut out = Vec::new();
            append_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
