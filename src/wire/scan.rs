//! One pass over a JSON object that says where its watched members lie.
//!
//! It knows fewer ways to be right than `serde_json`: whatever it gives up on is given to that, which also knows the
//! words for what is wrong. What it accepts, `serde_json` accepts too (a property below), since outputs repeat parts of
//! what was read and their readers rely on it.
//!
//! Where it goes on is handed from call to call as a place in the text, which then stays in a register.

use super::marks::{self, Marks};
use super::names::Watched;
use super::place::{Kind, Place};

/// What stands below all that is open: no array or object.
const BOTTOM: u64 = 1;

/// How deep a JSON text is nested; 1 for an object without others in it.
pub(super) fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A text with its marks.
struct Text<'t> {
    bytes: &'t [u8],
    marks: &'t [u64],
}

/// Finds the watched members of a text's one object, each in the place of its name, and gives one bit for each that
/// occurs more than once. `None`: somebody else has to look, whatever is in the places.
pub(super) fn members<const N: usize>(text: &str, watched: &Watched<'_>, places: &mut [Place; N]) -> Option<u32> {
    let bytes = text.as_bytes();
    // Places are kept short.
    u32::try_from(bytes.len()).ok()?;
    let mut marks = Marks::new();
    let text = Text { bytes, marks: marks.set(bytes) };
    let (mut repeated, mut expected) = (0, 0);
    let (b'{', at) = visible(bytes, 0)? else { return None };
    let (first, mut at) = visible(bytes, at + 1)?;
    let mut is_name = first == b'"';
    if !is_name && first != b'}' {
        return None;
    }
    while is_name {
        let (index, behind_colon) = match watched.expected(bytes, at, expected) {
            Some(found) => found,
            None => text.other_name(at, watched, expected)?,
        };
        let (first, from) = visible(bytes, behind_colon)?;
        let (to, kind) = text.value(first, from)?;
        if let Some(place) = places.get_mut(index) {
            repeated |= u32::from(place.kind != Kind::Absent) << index;
            *place = Place { from: from as u32, to: to as u32, kind };
            // They mostly come in the order of the names.
            expected = index + 1;
        }
        let next;
        (next, at) = visible(bytes, to)?;
        is_name = next == b',';
        if is_name {
            (_, at) = visible(bytes, at + 1)?;
        } else if next != b'}' {
            return None;
        }
    }
    (after_blanks(bytes, at + 1) == bytes.len()).then_some(repeated)
}

impl Text<'_> {
    /// Passes over a name that was not expected here; which one it is, and where its value begins. Escapes are left to
    /// those who know what they stand for.
    #[inline(always)]
    fn other_name(&self, at: usize, watched: &Watched<'_>, expected: usize) -> Option<(usize, usize)> {
        let from = behind(self.bytes, at, b'"')?;
        let to = marks::next(self.marks, from);
        let behind_colon = after_colon(self.bytes, behind(self.bytes, to, b'"')?)?;
        Some((watched.index_of(self.bytes.get(from..to)?, expected), behind_colon))
    }

    /// Where a value ends, and what it is.
    #[inline(always)]
    fn value(&self, first: u8, at: usize) -> Option<(usize, Kind)> {
        match first {
            _ if first == b'"' => self.string(at + 1),
            b'{' => Some((self.end_of_nested(at)?, Kind::Object)),
            b'[' => Some((self.end_of_nested(at)?, Kind::Array)),
            b'n' => Some((end_of_scalar(self.bytes, at)?, Kind::Null)),
            _ => Some((end_of_scalar(self.bytes, at)?, Kind::Scalar)),
        }
    }

    /// From behind one quote to behind the other.
    #[inline(always)]
    fn string(&self, at: usize) -> Option<(usize, Kind)> {
        let to = marks::next(self.marks, at);
        if self.bytes.get(to) == Some(&b'"') {
            return Some((to + 1, Kind::Plain));
        }
        Some((self.end_of_escaped(to)?, Kind::Escaped))
    }

    /// The same from an escape on.
    #[inline(never)]
    fn end_of_escaped(&self, mut at: usize) -> Option<usize> {
        loop {
            match self.bytes.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at = marks::next(self.marks, end_of_escape(self.bytes, at)?),
                _ => return None,
            }
        }
    }

    /// Where the object or array ends that begins here.
    #[inline(never)]
    fn end_of_nested(&self, mut at: usize) -> Option<usize> {
        let bytes = self.bytes;
        // One bit for each that is open, the innermost lowest: whether it is an object.
        let mut open = BOTTOM;
        let mut first = *bytes.get(at)?;
        loop {
            // Here begins a value.
            let mut next;
            match first {
                b'"' => (next, at) = visible(bytes, self.string(at + 1)?.0)?,
                b'{' | b'[' => {
                    // Deeper nesting is left to others.
                    open = (open.leading_zeros() > 0).then_some(open << 1 | u64::from(first == b'{'))?;
                    (next, at) = visible(bytes, at + 1)?;
                    if next != b'}' && next != b']' {
                        (first, at) = if first == b'{' { self.behind_name(at)? } else { (next, at) };
                        continue;
                    }
                }
                _ => (next, at) = visible(bytes, end_of_scalar(bytes, at)?)?,
            }
            // Here a value has ended, and whatever ends with it.
            while next != b',' {
                if next != if open & 1 == 1 { b'}' } else { b']' } {
                    return None;
                }
                open >>= 1;
                if open == BOTTOM {
                    return Some(at + 1);
                }
                (next, at) = visible(bytes, at + 1)?;
            }
            (first, at) = visible(bytes, at + 1)?;
            if open & 1 == 1 {
                (first, at) = self.behind_name(at)?;
            }
        }
    }

    /// From a name, whatever it stands for, to the value behind it.
    #[inline(always)]
    fn behind_name(&self, at: usize) -> Option<(u8, usize)> {
        let (to, _) = self.string(behind(self.bytes, at, b'"')?)?;
        visible(self.bytes, after_colon(self.bytes, to)?)
    }
}

/// The next byte that is no blank, and its place.
#[inline(always)]
fn visible(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let byte = *bytes.get(at)?;
    // Most are none.
    if byte > b' ' {
        return Some((byte, at));
    }
    let at = after_blanks(bytes, at);
    Some((*bytes.get(at)?, at))
}

#[inline(always)]
fn after_colon(bytes: &[u8], at: usize) -> Option<usize> {
    match visible(bytes, at)? {
        (b':', at) => Some(at + 1),
        _ => None,
    }
}

/// The place behind a byte, if that is this one.
#[inline(always)]
fn behind(bytes: &[u8], at: usize, byte: u8) -> Option<usize> {
    (bytes.get(at) == Some(&byte)).then_some(at + 1)
}

#[inline(never)]
fn after_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

fn end_of_escape(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(at + 2),
        b'u' => {
            let digits = bytes.get(at + 2..at + 6)?;
            digits.iter().all(u8::is_ascii_hexdigit).then_some(at + 6)
        }
        _ => None,
    }
}

#[inline(never)]
fn end_of_scalar(bytes: &[u8], at: usize) -> Option<usize> {
    let word: &[u8] = match bytes.get(at)? {
        b't' => b"true",
        b'f' => b"false",
        b'n' => b"null",
        _ => return end_of_number(bytes, at),
    };
    bytes.get(at..)?.starts_with(word).then_some(at + word.len())
}

fn end_of_number(bytes: &[u8], at: usize) -> Option<usize> {
    // Whether it is there or not.
    let at = behind(bytes, at, b'-').unwrap_or(at);
    let mut at = match behind(bytes, at, b'0') {
        Some(at) => at,
        None => end_of_digits(bytes, at)?,
    };
    if let Some(behind_point) = behind(bytes, at, b'.') {
        at = end_of_digits(bytes, behind_point)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = end_of_digits(bytes, at + 1 + usize::from(signed))?;
    }
    Some(at)
}

fn end_of_digits(bytes: &[u8], from: usize) -> Option<usize> {
    let digits = bytes.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then_some(from + digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    /// The values of those names, if the text is accepted.
    fn found<'t>(text: &'t str, names: &[&str]) -> Option<Vec<(Kind, &'t str)>> {
        let mut places = [Place::default(); 32];
        members(text, &Watched::unordered(names), &mut places)?;
        let places = places.iter().take(names.len());
        Some(places.map(|place| (place.kind, &text[place.from as usize..place.to as usize])).collect())
    }

    #[test]
    fn depth_counts_what_is_open_and_no_brackets_in_texts() {
        for (text, expected) in
            [("{}", 1), (r#"{"a":[[1],{"b":{}}]}"#, 4), (r#"{"[[[[":"\"{{{\\","b":[]}"#, 2), ("1", 0)]
        {
            assert_eq!(depth(text), expected, "{text}");
        }
    }

    #[test]
    fn members_are_found_as_they_stand_in_the_text() {
        let text = " {\"a\" : [ ] ,\"b\":[1,-0.5e+3,{\"c\":null}],\n\"long name\":\"\u{e9}\\u00e9\\\"x and more\",\"t\":true} ";
        let expected = [
            (Kind::Array, "[ ]"),
            (Kind::Array, "[1,-0.5e+3,{\"c\":null}]"),
            (Kind::Escaped, "\"\u{e9}\\u00e9\\\"x and more\""),
            (Kind::Scalar, "true"),
            (Kind::Absent, ""),
        ];
        assert_eq!(found(text, &["a", "b", "long name", "t", "c"]).as_deref(), Some(expected.as_slice()));
        assert_eq!(found("{}", &[]), Some(vec![]));
        let text = r#"{"a":null,"b":"x:~","c":"x y","d":{"a":[{},[]]},"a":"\u{e9}"}"#;
        let expected = [
            (Kind::Plain, "\"\u{e9}\""),
            (Kind::Plain, r#""x:~""#),
            (Kind::Plain, r#""x y""#),
            (Kind::Object, r#"{"a":[{},[]]}"#),
        ];
        let text = text.replace("\\u{e9}", "\u{e9}");
        assert_eq!(found(&text, &["a", "b", "c", "d"]).as_deref(), Some(expected.as_slice()));
        let mut places = [Place::default(); 4];
        assert_eq!(members(&text, &Watched::unordered(&["d", "b", "a", "x"]), &mut places), Some(0b100), "repeated");
    }

    #[test]
    fn what_is_no_object_or_not_plain_is_given_up() {
        for text in [
            "",
            "[]",
            "{",
            "{}x",
            "{\"a\"}",
            "{\"a\":1,}",
            "{\"a\":01}",
            "{\"a\":1.}",
            "{\"a\":-}",
            "{\"a\":[1 2]}",
            "{\"a\":tru}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12g4\"}",
            "{\"a\":\"open",
            "{\"a\":\"12345678\u{1}\"}",
            "{\"\\u0061\":1}",
        ] {
            assert_eq!(found(text, &[]), None, "{text}");
        }
        let deep = ["{\"a\":", &"[".repeat(100), &"]".repeat(100), "}"].concat();
        assert_eq!(found(&deep, &[]), None, "deeper than it goes");
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let read = serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
        let Ok(read) = read else {
            prop_assert_eq!(found(text, &[]), None, "{}", text);
            return Ok(());
        };
        let names: Vec<&str> = read.keys().map(String::as_str).collect();
        if let Some(found) = found(text, &names) {
            let found: Vec<&str> = found.into_iter().map(|(_, value)| value).collect();
            let expected: Vec<&str> = read.values().map(|value| value.get()).collect();
            prop_assert_eq!(found, expected, "{}", text);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn what_it_accepts_is_json_and_found_alike(text in "\\{(\"[a-z\\\\\u{e9} ]{0,10}\" ?: ?([0-9.eE+-]{1,4}|true|null|\\{\\}|\\[1, ?2\\]|\"[^\"]{0,12}\"),?){0,3}\\}.?") {
            check(&text)?;
        }

        #[test]
        fn a_changed_byte_never_makes_it_accept_what_is_no_json(place in 0usize..80, byte in any::<char>()) {
            let good = r#"{"id":"wamid.1","at":"2026-11-22T10:15:30.123Z","n":[1,{"x":-1.5e3}],"m":{"b":"a\n"}}"#;
            let (before, after) = good.split_at(place);
            check(&[before, byte.encode_utf8(&mut [0; 4]), after.get(1..).unwrap_or_default()].concat())?;
        }
    }
}
