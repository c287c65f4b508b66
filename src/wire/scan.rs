//! One pass over a JSON object that says where its members lie, eight bytes of a string at a time.
//!
//! It knows fewer ways to be right than `serde_json`: whatever it gives up on is given to that, which also knows the
//! words for what is wrong. What it accepts, `serde_json` accepts too (a property below), since outputs repeat parts of
//! what was read and their readers rely on it.

use super::words;

/// Deeper nesting is left to others.
const DEEPEST: usize = 64;

/// The value of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Value<'a> {
    /// As it stands in the text.
    pub(super) raw: &'a str,
    /// It is a string with an escape in it.
    pub(super) has_escape: bool,
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

/// Goes through the members of a text's one object. `None` from any of its calls: somebody else has to look, whatever was
/// told until then.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// Enters the object; whether it has members.
    pub(super) fn enter(text: &'a str) -> Option<(Scanner<'a>, bool)> {
        let mut scanner = Scanner { text, at: 0 };
        scanner.blank();
        let has_members = scanner.open()?;
        Some((scanner, has_members))
    }

    /// Passes over the next member's name if it is this one.
    pub(super) fn is_named(&mut self, name: &str) -> bool {
        let quoted = self.text.as_bytes().get(self.at..).and_then(|rest| rest.get(..name.len() + 2));
        let is_it = matches!(quoted, Some([b'"', found @ .., b'"']) if found == name.as_bytes());
        self.at += if is_it { name.len() + 2 } else { 0 };
        is_it
    }

    /// The next member's name, without its quotes. Escapes are left to those who know what they stand for.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        let from = self.at + 1;
        let has_escape = self.string()?;
        self.text.get(from..self.at - 1).filter(|_| !has_escape)
    }

    /// The value behind a name.
    pub(super) fn member(&mut self) -> Option<Value<'a>> {
        self.colon()?;
        let from = self.at;
        let has_escape = self.value(DEEPEST - 1)?;
        Some(Value { raw: self.text.get(from..self.at)?, has_escape })
    }

    /// Behind a member: whether there is another.
    pub(super) fn has_more(&mut self) -> Option<bool> {
        self.goes_on(b'}')
    }

    /// Whether nothing follows the object.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.blank();
        self.at == self.text.len()
    }

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

    fn open(&mut self) -> Option<bool> {
        self.take(b'{')?;
        self.blank();
        Some(self.take(b'}').is_none())
    }

    fn colon(&mut self) -> Option<()> {
        self.blank();
        self.take(b':')?;
        self.blank();
        Some(())
    }

    fn goes_on(&mut self, end: u8) -> Option<bool> {
        self.blank();
        let next = self.peek()?;
        self.at += 1;
        if next == end {
            return Some(false);
        }
        self.blank();
        (next == b',').then_some(true)
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let mut has_more = self.open()?;
        while has_more {
            // Whatever it stands for, it is none of those that are watched.
            self.string()?;
            self.colon()?;
            self.value(depth)?;
            has_more = self.goes_on(b'}')?;
        }
        Some(())
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.take(b'[')?;
        self.blank();
        let mut has_more = self.take(b']').is_none();
        while has_more {
            self.value(depth)?;
            has_more = self.goes_on(b']')?;
        }
        Some(())
    }

    /// Passes over a value; whether it was a string with an escape.
    fn value(&mut self, depth: usize) -> Option<bool> {
        match self.peek()? {
            b'"' => return self.string(),
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            _ => self.number(),
        }?;
        Some(false)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let found = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        found.then_some(())
    }

    /// From one quote to behind the other; whether there was an escape between them.
    #[inline]
    fn string(&mut self) -> Option<bool> {
        self.take(b'"')?;
        let mut has_escape = false;
        loop {
            self.at += words::plain_prefix(self.text.as_bytes().get(self.at..)?);
            if self.take(b'"').is_some() {
                return Some(has_escape);
            }
            if self.peek()? != b'\\' {
                return None;
            }
            has_escape = true;
            self.escape()?;
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
        let (mut scanner, mut has_more) = Scanner::enter(text)?;
        while has_more {
            found.push((scanner.name()?, scanner.member()?.raw));
            has_more = scanner.has_more()?;
        }
        scanner.is_at_end().then_some(found)
    }

    #[test]
    fn an_expected_name_is_passed_over_and_no_other() {
        let (mut scanner, _) = Scanner::enter(r#"{"ab":1,"abc" :2}"#).unwrap();
        assert!(!scanner.is_named("a") && !scanner.is_named("abc") && !scanner.is_named("b") && scanner.is_named("ab"));
        assert_eq!(scanner.member().unwrap().raw, "1");
        assert_eq!(scanner.has_more(), Some(true));
        assert!(!scanner.is_named("ab") && scanner.is_named("abc"));
        assert_eq!(scanner.member().unwrap().raw, "2");
        assert!(!Scanner { text: "\"ab", at: 0 }.is_named("ab"), "without its end");
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
