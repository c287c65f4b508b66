//! The fields of a JSON object, found without decoding more than is asked for, and the checks on them.

use super::{scan, time};
use crate::core::record::{ReasonCode, Reject};
use crate::core::time::Timestamp;
use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The longest id, in bytes of UTF-8.
pub(super) const MAX_ID_BYTES: usize = 256;

/// Common parsers give up between 64 and 1,000.
const DEEPEST_FOR_READERS: usize = 100;

/// The values of the watched fields of an object, as they stand in the text.
pub(super) struct Fields<'a, const N: usize> {
    names: &'static [&'static str; N],
    values: [Option<&'a str>; N],
    repeated: [bool; N],
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads a whole JSON text, which must be one object. Fields that are not among `names` are passed over.
    pub(super) fn read(text: &'a str, names: &'static [&'static str; N]) -> Result<Fields<'a, N>, Reject> {
        let mut fields = Fields { names, values: [None; N], repeated: [false; N] };
        // Members mostly come in the order of the names.
        let mut next = 0;
        let found = scan::members(text, |name, value| {
            let (before, after) = names.split_at(next);
            let index = place(after, name).map(|index| next + index).or_else(|| place(before, name));
            if let Some(index) = index {
                fields.note(index, value);
                next = index + 1;
            }
        });
        if found.is_some() {
            return Ok(fields);
        }
        Fields::read_slowly(text, names)
    }

    /// The same for what is seldom or wrong.
    #[cold]
    fn read_slowly(text: &'a str, names: &'static [&'static str; N]) -> Result<Fields<'a, N>, Reject> {
        let mut parser = serde_json::Deserializer::from_str(text);
        let fields = parser.deserialize_map(Fields { names, values: [None; N], repeated: [false; N] });
        let fields = fields.and_then(|fields| parser.end().map(|()| fields)).map_err(|error| {
            // The error's own text may repeat content.
            let wrong = if error.is_data() { "a JSON object is expected" } else { "the JSON ends or breaks" };
            let detail = format!("{wrong} at line {}, column {}", error.line(), error.column());
            Reject::new(ReasonCode::NotJson, detail)
        })?;
        // Outputs repeat it, and readers downstream break on what is deeper.
        if scan::depth(text) > DEEPEST_FOR_READERS {
            let detail = format!("the JSON is nested deeper than {DEEPEST_FOR_READERS}");
            return Err(Reject::new(ReasonCode::NotJson, detail));
        }
        Ok(fields)
    }

    fn note(&mut self, index: usize, value: &'a str) {
        let slots = self.values.get_mut(index).zip(self.repeated.get_mut(index));
        if let Some((known, repeated)) = slots {
            *repeated = known.replace(value).is_some() || *repeated;
        }
    }

    /// Refuses an object that holds a watched field twice: readers would disagree on which one counts.
    pub(super) fn refuse_repeated(&self) -> Result<(), Reject> {
        let repeated = self.names.iter().zip(self.repeated).find(|(_, repeated)| *repeated);
        repeated.map_or(Ok(()), |(name, _)| Err(invalid(name, "occurs more than once")))
    }

    /// Whether the object holds a field twice.
    pub(super) fn is_repeated(&self, name: &str) -> bool {
        self.names.iter().zip(self.repeated).any(|(known, repeated)| repeated && *known == name)
    }

    /// A field's value as it stands in the text. JSON null counts as absent.
    pub(super) fn raw(&self, name: &str) -> Option<&'a str> {
        let index = place(self.names, name)?;
        self.values.get(index).copied().flatten().filter(|raw| *raw != "null")
    }

    /// Whether a field holds an array.
    pub(super) fn is_array(&self, name: &str) -> bool {
        self.raw(name).is_some_and(|raw| raw.starts_with('['))
    }

    /// A required id, which may hold anything visible.
    pub(super) fn id(&self, name: &'static str) -> Result<Cow<'a, str>, Reject> {
        self.raw(name).ok_or_else(|| missing(name)).and_then(|raw| id(name, raw))
    }

    /// A required id that is also a part of keys, and so holds no colon.
    pub(super) fn key_part(&self, name: &'static str) -> Result<Cow<'a, str>, Reject> {
        self.id(name).and_then(|text| without_colon(name, text))
    }

    /// Like [`Fields::key_part`], with a value for when the field is absent.
    pub(super) fn key_part_or(&self, name: &'static str, default: &'static str) -> Result<Cow<'a, str>, Reject> {
        let given = self.raw(name).map(|raw| id(name, raw).and_then(|text| without_colon(name, text)));
        given.unwrap_or(Ok(Cow::Borrowed(default)))
    }

    /// An optional list of at most `most` ids.
    pub(super) fn ids(&self, name: &'static str, most: usize) -> Result<Vec<Cow<'a, str>>, Reject> {
        let Some(list) = self.raw(name) else { return Ok(Vec::new()) };
        let Ok(list) = serde_json::from_str::<Vec<&'a RawValue>>(list) else {
            return Err(invalid(name, "is not an array"));
        };
        if list.len() > most {
            return Err(invalid(name, format_args!("holds {} ids, at most {most} are allowed", list.len())));
        }
        list.into_iter().map(|raw| id(name, raw.get())).collect()
    }

    /// An optional time.
    pub(super) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, Reject> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let parsed = time::parse(&string(name, raw)?);
        parsed.map(Some).ok_or_else(|| invalid(name, "is not an RFC 3339 time, such as 2026-11-22T10:15:30.123Z"))
    }

    /// A required time.
    pub(super) fn required_time(&self, name: &'static str) -> Result<Timestamp, Reject> {
        self.time(name)?.ok_or_else(|| missing(name))
    }

    /// An optional object, as it stands in the text.
    pub(super) fn object(&self, name: &'static str) -> Result<Option<&'a str>, Reject> {
        match self.raw(name) {
            Some(text) if !text.starts_with('{') => Err(invalid(name, "is not an object")),
            other => Ok(other),
        }
    }
}

/// Where a name stands. Many are equally long: one look at the first letter spares most comparisons.
fn place(names: &[&str], name: &str) -> Option<usize> {
    let first = name.as_bytes().first();
    names.iter().position(|known| known.len() == name.len() && known.as_bytes().first() == first && *known == name)
}

/// The refusal of an absent field.
pub(super) fn missing(name: &str) -> Reject {
    Reject::new(ReasonCode::MissingField, format!("{name} is required"))
}

/// The refusal of a field that is there.
pub(super) fn invalid(name: &str, wrong: impl fmt::Display) -> Reject {
    Reject::new(ReasonCode::InvalidField, format!("{name} {wrong}"))
}

/// A string, unescaped.
pub(super) fn string<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, Reject> {
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(invalid(name, "is not a string"));
    };
    if !inner.contains('\\') {
        return Ok(Cow::Borrowed(inner));
    }
    let unescaped = serde_json::from_str(raw).map(Cow::Owned);
    unescaped.map_err(|_| invalid(name, "holds an escape that is no character"))
}

fn id<'a>(name: &str, raw: &'a str) -> Result<Cow<'a, str>, Reject> {
    string(name, raw).and_then(|text| checked_id(name, text))
}

/// A text that may serve as an id, or what is wrong with it.
pub(super) fn checked_id<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    if text.is_empty() {
        return Err(invalid(name, "is empty"));
    }
    if text.len() > MAX_ID_BYTES {
        return Err(invalid(name, format_args!("has {} bytes, at most {MAX_ID_BYTES} are allowed", text.len())));
    }
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    if !visible && text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid(name, "holds whitespace or a control character"));
    }
    Ok(text)
}

/// An id that may be a part of a key.
pub(super) fn without_colon<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    if text.contains(':') { Err(invalid(name, "holds a colon")) } else { Ok(text) }
}

impl<'a, const N: usize> Visitor<'a> for Fields<'a, N> {
    type Value = Fields<'a, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(index) = map.next_key_seed(FieldIndex(self.names))? {
            match index {
                Some(index) => self.note(index, map.next_value::<&'a RawValue>()?.get()),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self)
    }
}

/// Reads a field's name, escaped or not, as its place among the watched ones.
struct FieldIndex(&'static [&'static str]);

impl<'a> DeserializeSeed<'a> for FieldIndex {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldIndex {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|watched| *watched == name))
    }
}
