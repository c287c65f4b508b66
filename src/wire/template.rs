//! A template as it goes out: as it was given, with a status.

use super::json::append_text;
use serde::Deserialize;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// What is said of a template of which nothing is known.
pub(super) const UNKNOWN_STATUS: &str = "unknown";

/// What identifies a template to the business that sends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TemplateName<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) language: Cow<'a, str>,
}

/// The name and language in a template object, as far as both can be read.
pub(super) fn name_of(template: &[u8]) -> Option<TemplateName<'_>> {
    #[derive(Deserialize)]
    struct Given<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(borrow)]
        language: Language<'a>,
    }

    /// A plain word, or as the Cloud API takes it.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Language<'a> {
        Plain(#[serde(borrow)] Cow<'a, str>),
        Policy {
            #[serde(borrow)]
            code: Cow<'a, str>,
        },
    }

    let Given { name, language } = serde_json::from_slice(template).ok()?;
    let language = match language {
        Language::Plain(code) | Language::Policy { code } => code,
    };
    Some(TemplateName { name, language })
}

/// Appends the given template object with a `status` as its last member. Every other member stays byte for byte; a
/// `status` that was given is dropped, since the sender cannot know it.
pub(super) fn append_with_status(out: &mut Vec<u8>, template: &[u8], status: &str) {
    match without_own_status(template) {
        Some(members) => append_members(out, &members),
        None => append_open(out, template),
    }
    let is_first = out.last() == Some(&b'{');
    out.extend_from_slice(if is_first { br#""status":""# } else { br#","status":""# });
    append_text(out, status);
    out.extend_from_slice(b"\"}");
}

/// Appends an object up to its last member, without the closing brace.
fn append_open(out: &mut Vec<u8>, object: &[u8]) {
    let object = object.trim_ascii_end();
    out.extend_from_slice(object.strip_suffix(b"}").unwrap_or(object).trim_ascii_end());
}

fn append_members(out: &mut Vec<u8>, members: &[(&RawValue, &RawValue)]) {
    out.push(b'{');
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name.get().as_bytes());
        out.push(b':');
        out.extend_from_slice(value.get().as_bytes());
    }
}

/// The members but for `status`, if the object has one.
fn without_own_status(template: &[u8]) -> Option<Vec<(&RawValue, &RawValue)>> {
    let members = may_name_status(template)
        .then(|| serde_json::Deserializer::from_slice(template).deserialize_map(Members).ok())??;
    let is_status = |name: &RawValue| serde_json::from_str::<String>(name.get()).is_ok_and(|name| name == "status");
    let kept: Vec<_> = members.iter().filter(|(name, _)| !is_status(name)).copied().collect();
    (kept.len() < members.len()).then_some(kept)
}

/// Whether a name among these may be `status`: one that begins like it, or has an escape in it. Most templates hold no
/// such name and need no parsing.
fn may_name_status(template: &[u8]) -> bool {
    // As many places as a register of the processor holds, each with the two behind it. An object ends with a brace, so
    // nothing that counts begins at its last two places.
    const PLACES: usize = 16;
    let mut found = [false; PLACES];
    let mut note = |bytes: &[u8; PLACES + 2]| {
        let ([here @ .., _, _], [_, next @ .., _], [_, _, after @ ..]) = (bytes, bytes, bytes);
        for place in 0..PLACES {
            let begins = (here[place] == b'"') & (next[place] == b's') & (after[place] == b't');
            found[place] |= begins | (here[place] == b'\\');
        }
    };
    // Too short for that, and not worth a search of its own.
    let Some(last) = template.last_chunk() else { return true };
    let mut rest = template;
    while let Some(bytes) = rest.first_chunk() {
        note(bytes);
        rest = rest.get(PLACES..).unwrap_or_default();
    }
    note(last);
    found.contains(&true)
}

struct Members;

impl<'a> Visitor<'a> for Members {
    type Value = Vec<(&'a RawValue, &'a RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_suspected_wherever_it_stands() {
        for before in 0..24 {
            for name in [r#""status""#, r#""st\u0061tus""#, r#""\u0073tatus""#] {
                let template = format!(r#"{{"{}":1,{name}:2}}"#, "x".repeat(before));
                assert!(may_name_status(template.as_bytes()), "{template}");
                let mut out = Vec::new();
                append_with_status(&mut out, template.as_bytes(), "unknown");
                let expected = format!(r#"{{"{}":1,"status":"unknown"}}"#, "x".repeat(before));
                assert_eq!(String::from_utf8(out).unwrap(), expected);
            }
            let template = format!(r#"{{"{}":"s","x":"t","s":"sTatus quo"}}"#, "x".repeat(before));
            assert!(!may_name_status(template.as_bytes()), "{template}");
        }
    }

    #[test]
    fn a_status_is_a_string_whatever_a_provider_calls_it() {
        for status in ["a\"b", "paused\\", "x\",\"ready\":true,\"y\":\"", "paused"] {
            let mut out = Vec::new();
            append_with_status(&mut out, br#"{"name":"hi"}"#, status);
            let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, serde_json::json!({ "name": "hi", "status": status }));
        }
    }

    #[test]
    fn a_template_s_language_is_a_word_or_an_object_with_a_code() {
        let table = [
            (r#"{"name":"hi","language":"en_US"}"#, Some(("hi", "en_US"))),
            (
                r#"{"language":{"policy":"deterministic","code":"en_US"},"name":"hi","components":[1e400]}"#,
                Some(("hi", "en_US")),
            ),
            (r#"{"name":"h\u0069","language":{"code":"pt-BR"}}"#, Some(("hi", "pt-BR"))),
            (r#"{"name":"hi"}"#, None),
            (r#"{"name":7,"language":"en"}"#, None),
            (r#"{"name":"hi","language":["en"]}"#, None),
            ("{}", None),
        ];
        for (given, expected) in table {
            let found = name_of(given.as_bytes());
            assert_eq!(found.as_ref().map(|it| (it.name.as_ref(), it.language.as_ref())), expected, "{given}");
        }
    }

    #[test]
    fn a_template_gains_its_status_as_the_last_member() {
        let table = [
            (r#"{"name":"hi"}"#, r#"{"name":"hi","status":"unknown"}"#, "as usual"),
            (r#"{}"#, r#"{"status":"unknown"}"#, "an empty object"),
            ("{ \n }", r#"{"status":"unknown"}"#, "an empty object with whitespace"),
            ("{ \"a\" : 1e400 \t} \n", r#"{ "a" : 1e400,"status":"unknown"}"#, "what is within stays byte for byte"),
            (r#"{"status":"approved"}"#, r#"{"status":"unknown"}"#, "a given status is dropped"),
            (r#"{"a":1, "status" : {"b":2} ,"c": [ 3 ]}"#, r#"{"a":1,"c":[ 3 ],"status":"unknown"}"#, "in the middle"),
            (r#"{"st\u0061tus":1,"\u0061":2}"#, r#"{"\u0061":2,"status":"unknown"}"#, "written with an escape"),
            (r#"{"status":1,"a":0,"status":2}"#, r#"{"a":0,"status":"unknown"}"#, "given twice"),
            (r#"{"a": {"status":1}}"#, r#"{"a": {"status":1},"status":"unknown"}"#, "one further in is none of ours"),
            (r#"{"a": "status"}"#, r#"{"a": "status","status":"unknown"}"#, "as a value"),
            (r#"{"a": "}"}"#, r#"{"a": "}","status":"unknown"}"#, "a brace at the end of a text"),
        ];
        for (given, expected, what) in table {
            let mut out = Vec::new();
            append_with_status(&mut out, given.as_bytes(), "unknown");
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{what}");
        }
    }
}
