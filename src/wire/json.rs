//! Writing JSON where the order of members matters and some of them are passed through byte for byte.

use super::{digits, time, words};
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
        append_number(self.member(name), value);
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

#[inline]
fn append_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    append_text(out, text);
    out.push(b'"');
}

/// Appends what stands between the quotes of a string.
#[inline]
pub(super) fn append_text(out: &mut Vec<u8>, text: &str) {
    match Short::of(text.as_bytes()) {
        Some(short) if short.is_plain() => short.append(out),
        _ => append_long_text(out, text),
    }
}

#[inline(never)]
fn append_long_text(out: &mut Vec<u8>, text: &str) {
    if words::are_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.bytes().for_each(|byte| append_escaped(out, byte));
    }
}

/// Appends a text that mostly is a short one.
#[inline]
pub(super) fn append_short(out: &mut Vec<u8>, text: &[u8]) {
    match Short::of(text) {
        Some(short) => short.append(out),
        None => out.extend_from_slice(text),
    }
}

/// A text of 8 to 16 bytes, as most ids are: two words, which may overlap. Neither loops nor calls are needed for it.
struct Short {
    first: u64,
    last: u64,
    bytes: usize,
}

impl Short {
    #[inline]
    fn of(text: &[u8]) -> Option<Short> {
        let (first, last) = (text.first_chunk()?, text.last_chunk()?);
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        (text.len() <= 16).then_some(Short { first, last, bytes: text.len() })
    }

    #[inline]
    fn is_plain(&self) -> bool {
        words::are_plain(&self.first.to_le_bytes()) && words::are_plain(&self.last.to_le_bytes())
    }

    #[inline]
    fn append(&self, out: &mut Vec<u8>) {
        // What of the last word lies behind the first one; a shift by a whole word takes two steps.
        let half = 4 * (16 - self.bytes as u32);
        let text = u128::from(self.last >> half >> half) << 64 | u128::from(self.first);
        let end = out.len() + self.bytes;
        out.extend_from_slice(&text.to_le_bytes());
        out.truncate(end);
    }
}

fn append_escaped(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0..0x20 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        _ => out.push(byte),
    }
}

const EIGHT_DIGITS: u64 = 100_000_000;

/// A whole number as text, to be written more than once.
pub(super) struct Number {
    /// The lowest byte comes first.
    text: u128,
    /// None of those for a number that is longer, or below zero: it is the text itself.
    bytes: usize,
}

impl Number {
    pub(super) fn new(number: i64) -> Number {
        match u64::try_from(number) {
            // Partitions mostly are.
            Ok(number) if number < 10 => Number::of(u64::from(b'0') + number, 1),
            Ok(number) if number < EIGHT_DIGITS => {
                let digits = eight_digits(number);
                // Without the zeros in front; of the last digit one is kept.
                let zeros = (digits & !digits::ZEROS | 1 << 56).trailing_zeros() / 8;
                Number::of(digits >> (8 * zeros), 8 - zeros)
            }
            Ok(number) if number < EIGHT_DIGITS * EIGHT_DIGITS => {
                let Number { text, bytes, .. } = Number::new((number / EIGHT_DIGITS) as i64);
                let rest = u128::from(eight_digits(number % EIGHT_DIGITS)) << (8 * bytes);
                Number { text: text | rest, bytes: bytes + 8 }
            }
            _ => Number { text: number as u128, bytes: 0 },
        }
    }

    #[inline]
    fn of(text: u64, bytes: u32) -> Number {
        Number { text: u128::from(text), bytes: bytes as usize }
    }

    #[inline]
    pub(super) fn append(&self, out: &mut Vec<u8>) {
        if self.bytes == 0 {
            return append_long(out, self.text as i64);
        }
        let end = out.len() + self.bytes;
        out.extend_from_slice(&self.text.to_le_bytes());
        out.truncate(end);
    }
}

/// Appends a whole number.
pub(super) fn append_number(out: &mut Vec<u8>, number: i64) {
    Number::new(number).append(out);
}

#[cold]
fn append_long(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[inline]
fn eight_digits(number: u64) -> u64 {
    let (high, low) = (number as u32 / 10_000, number as u32 % 10_000);
    digits::of_pairs([high / 100, high % 100, low / 100, low % 100])
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
            .with("o", |out| ObjectWriter::begin(out).end())
            .time("t", Timestamp::from_millis(0))
            .end();
        let expected = r#"x{"s":"a","i":-9223372036854775808,"o":{},"t":"1970-01-01T00:00:00.000Z"}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn numbers_of_every_length_are_written() {
        let powers = (0..19).map(|power| 10_i64.pow(power));
        let near = powers.flat_map(|power| [power - 1, power, power + 1, 2 * power, 9 * (power / 10)]);
        for number in near.flat_map(|number| [number, -number]).chain([i64::MIN, i64::MAX]) {
            let mut out = b"x".to_vec();
            append_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), format!("x{number}"));
        }
    }

    #[test]
    fn texts_of_every_length_are_written() {
        let text: Vec<u8> = (b'A'..=b'z').collect();
        for length in 0..text.len() {
            let mut out = b"x".to_vec();
            append_short(&mut out, &text[..length]);
            assert_eq!(out, [b"x", &text[..length]].concat());
            // With a backslash in one place, or none.
            let text: String = (0..length).map(|place| char::from(b'a' + place as u8 % 26)).collect();
            for place in 0..=length {
                let text: String = text.chars().enumerate().map(|(at, c)| if at == place { '\\' } else { c }).collect();
                let mut out = b"x".to_vec();
                append_text(&mut out, &text);
                assert_eq!(String::from_utf8(out).unwrap(), format!("x{}", text.replace('\\', "\\\\")));
            }
        }
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
