//! One pass over a JSON object that says where its members lie, eight bytes of a string at a time.
//!
//! It knows fewer ways to be right than `serde_json`: whatever it gives up on is given to that, which also knows the
//! words for what is wrong. What it accepts, `serde_json` accepts too (a property below), since outputs repeat parts of
//! what was read and their readers rely on it.

/// Deeper nesting is left to others.
const DEEPEST: usize = 64;

/// Calls `member` with the name and the value of each member of the text's one object, as they stand in the text; the
/// name without its quotes. `None`: somebody else has to look, whatever was told until then.
pub(super) fn members<'a>(text: &'a str, member: impl FnMut(&'a str, &'a str)) -> Option<()> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.blank();
    scanner.object(DEEPEST, member)?;
    scanner.blank();
    (scanner.at == text.len()).then_some(())
}

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

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A word with this byte in each of its places.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The place of the first byte in a word that ends a plain stretch of a string: a quote, a backslash, a control
/// character. Behind that place it may err.
fn first_special(word: u64) -> Option<usize> {
    let zero_in = |word: u64| word.wrapping_sub(every(1)) & !word;
    let control = word.wrapping_sub(every(b' ')) & !word;
    let found = (zero_in(word ^ every(b'"')) | zero_in(word ^ every(b'\\')) | control) & every(0x80);
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next.then_some(())
    }

    fn object(&mut self, depth: usize, mut member: impl FnMut(&'a str, &'a str)) -> Option<()> {
        self.take(b'{')?;
        self.blank();
        if self.take(b'}').is_some() {
            return Some(());
        }
        loop {
            let from = self.at + 1;
            // Names are compared by those who know what an escape stands for.
            if self.string()? {
                return None;
            }
            let name = self.text.get(from..self.at - 1)?;
            self.blank();
            self.take(b':')?;
            self.blank();
            let from = self.at;
            self.value(depth.checked_sub(1)?)?;
            member(name, self.text.get(from..self.at)?);
            self.blank();
            if self.take(b'}').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.blank();
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.take(b'[')?;
        self.blank();
        if self.take(b']').is_some() {
            return Some(());
        }
        loop {
            self.value(depth.checked_sub(1)?)?;
            self.blank();
            if self.take(b']').is_some() {
                return Some(());
            }
            self.take(b',')?;
            self.blank();
        }
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'{' => self.object(depth, |_, _| {}),
            b'[' => self.array(depth),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        found.then_some(())
    }

    /// From one quote to behind the other; whether there was an escape between them.
    fn string(&mut self) -> Option<bool> {
        self.take(b'"')?;
        let mut has_escape = false;
        let bytes = self.text.as_bytes();
        loop {
            while let Some(chunk) = bytes.get(self.at..self.at + 8) {
                match first_special(u64::from_le_bytes(chunk.try_into().ok()?)) {
                    Some(place) => {
                        self.at += place;
                        break;
                    }
                    None => self.at += 8,
                }
            }
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(has_escape);
                }
                b'\\' => {
                    has_escape = true;
                    self.escape()?;
                }
                0..b' ' => return None,
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let digits = bytes.get(self.at + 2..self.at + 6)?;
                self.at += 6;
                return digits.iter().all(u8::is_ascii_hexdigit).then_some(());
            }
            _ => return None,
        }
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        // Whether it is there or not.
        let _ = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if self.take(b'e').or_else(|| self.take(b'E')).is_some() {
            let _ = self.take(b'+').or_else(|| self.take(b'-'));
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    fn found(text: &str) -> Option<Vec<(&str, &str)>> {
        let mut found = Vec::new();
        members(text, |name, value| found.push((name, value))).map(|()| found)
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
            ("a", "[ ]"),
            ("b", "[1,-0.5e+3,{\"c\":null}]"),
            ("long name", "\"\u{e9}\\u00e9\\\"x and more\""),
            ("t", "true"),
        ];
        assert_eq!(found(text).as_deref(), Some(expected.as_slice()));
        assert_eq!(found("{}"), Some(vec![]));
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
            assert_eq!(found(text), None, "{text}");
        }
        let deep = ["{\"a\":", &"[".repeat(100), &"]".repeat(100), "}"].concat();
        assert_eq!(found(&deep), None, "deeper than it goes");
    }

    #[test]
    fn every_special_byte_is_found_at_every_place() {
        for place in 0..8 {
            for byte in 0..=255_u8 {
                let mut word = [b'a'; 8];
                word[place] = byte;
                let is_special = byte < b' ' || byte == b'"' || byte == b'\\';
                assert_eq!(first_special(u64::from_le_bytes(word)), is_special.then_some(place), "{byte} at {place}");
            }
        }
    }

    fn check(text: &str) -> Result<(), TestCaseError> {
        let Some(found) = found(text) else { return Ok(()) };
        let read = serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
        prop_assert!(read.is_ok(), "{}", text);
        for (name, value) in read.unwrap() {
            let last = found.iter().rfind(|(known, _)| *known == name);
            prop_assert_eq!(last.map(|(_, value)| *value), Some(value.get()));
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
