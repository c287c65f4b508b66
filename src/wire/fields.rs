//! The fields of a JSON object, found without decoding more than is asked for, and the checks on them.

use super::scan::{self, Scanner, Value};
use super::{time, words};
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

/// A watched field of an object.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'static str,
    /// The last value, as it stands in the text.
    value: Option<Value<'a>>,
    is_repeated: bool,
}

/// The watched fields of an object.
pub(super) struct Fields<'a, const N: usize>([Field<'a>; N]);

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads a whole JSON text, which must be one object. Fields that are not among `names` are passed over.
    #[inline]
    pub(super) fn read(text: &'a str, names: &'static [&'static str; N]) -> Result<Fields<'a, N>, Reject> {
        let mut fields = Fields::none_of(names);
        match fields.scan(text) {
            Some(()) => Ok(fields),
            None => Fields::read_slowly(text, names),
        }
    }

    fn scan(&mut self, text: &'a str) -> Option<()> {
        let (mut scanner, mut has_more) = Scanner::enter(text)?;
        // Members mostly come in the order of the names.
        let mut next = 0;
        while has_more {
            let is_next = self.0.get(next).is_some_and(|field| scanner.is_named(field.name));
            let place = if is_next { Some(next) } else { self.place(scanner.name()?, next) };
            let value = scanner.member()?;
            if let Some(place) = place {
                self.note(place, value);
                next = place + 1;
            }
            has_more = scanner.has_more()?;
        }
        scanner.is_at_end().then_some(())
    }

    /// The same for what is seldom or wrong.
    #[cold]
    fn read_slowly(text: &'a str, names: &'static [&'static str; N]) -> Result<Fields<'a, N>, Reject> {
        let mut parser = serde_json::Deserializer::from_str(text);
        let fields = parser.deserialize_map(Fields::none_of(names));
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

    fn none_of(names: &'static [&'static str; N]) -> Fields<'a, N> {
        Fields(names.map(|name| Field { name, value: None, is_repeated: false }))
    }

    /// Where a name stands; it is looked for from `next` on first. Many are equally long: one look at the first letter
    /// spares most comparisons.
    fn place(&self, name: &str, next: usize) -> Option<usize> {
        let first = name.as_bytes().first();
        let is_it = |field: &Field<'_>| {
            field.name.len() == name.len() && field.name.as_bytes().first() == first && field.name == name
        };
        let (before, after) = self.0.split_at_checked(next)?;
        after.iter().position(is_it).map(|index| next + index).or_else(|| before.iter().position(is_it))
    }

    fn note(&mut self, index: usize, value: Value<'a>) {
        if let Some(field) = self.0.get_mut(index) {
            field.is_repeated |= field.value.replace(value).is_some();
        }
    }

    /// The fields in the order of their names.
    pub(super) fn in_order(&self) -> &[Field<'a>; N] {
        &self.0
    }

    /// Refuses an object that holds a watched field twice: readers would disagree on which one counts.
    pub(super) fn refuse_repeated(&self) -> Result<(), Reject> {
        let repeated = self.0.iter().find(|field| field.is_repeated);
        repeated.map_or(Ok(()), |field| Err(invalid(field.name, "occurs more than once")))
    }

    /// The field of that name, which must be watched.
    pub(super) fn field(&self, name: &'static str) -> Field<'a> {
        let watched = self.0.iter().find(|field| field.name == name).copied();
        watched.unwrap_or(Field { name, value: None, is_repeated: false })
    }

    /// A field's value as it stands in the text. JSON null counts as absent.
    pub(super) fn raw(&self, name: &'static str) -> Option<&'a str> {
        self.field(name).raw()
    }

    /// Whether a field holds an array.
    pub(super) fn is_array(&self, name: &'static str) -> bool {
        self.field(name).is_array()
    }
}

impl<'a> Field<'a> {
    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether the object holds it twice.
    pub(super) fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    fn value(&self) -> Option<Value<'a>> {
        self.value.filter(|value| value.raw != "null")
    }

    /// The value as it stands in the text. JSON null counts as absent.
    pub(super) fn raw(&self) -> Option<&'a str> {
        self.value().map(|value| value.raw)
    }

    /// Whether it holds an array.
    pub(super) fn is_array(&self) -> bool {
        self.raw().is_some_and(|raw| raw.starts_with('['))
    }

    /// A required id, which may hold anything visible.
    #[inline]
    pub(super) fn id(&self) -> Result<Cow<'a, str>, Reject> {
        match self.plain_id() {
            Some(id) => Ok(Cow::Borrowed(id)),
            None => self.unusual_id(),
        }
    }

    /// What nearly every id is: a short string of visible ASCII characters, as it stands in the text.
    fn plain_id(&self) -> Option<&'a str> {
        let text = self.value.filter(|value| !value.has_escape)?.raw.strip_prefix('"')?.strip_suffix('"')?;
        let is_plain = (1..=MAX_ID_BYTES).contains(&text.len()) && words::are_graphic(text.as_bytes());
        is_plain.then_some(text)
    }

    #[cold]
    fn unusual_id(&self) -> Result<Cow<'a, str>, Reject> {
        let value = self.value().ok_or_else(|| missing(self.name))?;
        unescaped(self.name, value).and_then(|text| checked_id(self.name, text))
    }

    /// A required id that is also a part of keys, and so holds no colon.
    pub(super) fn key_part(&self) -> Result<Cow<'a, str>, Reject> {
        self.id().and_then(|text| without_colon(self.name, text))
    }

    /// Like [`Field::key_part`], with a value for when the field is absent.
    pub(super) fn key_part_or(&self, default: &'static str) -> Result<Cow<'a, str>, Reject> {
        if self.value().is_none() { Ok(Cow::Borrowed(default)) } else { self.key_part() }
    }

    /// An optional list of at most `most` ids.
    pub(super) fn ids(&self, most: usize) -> Result<Vec<Cow<'a, str>>, Reject> {
        let Some(list) = self.raw() else { return Ok(Vec::new()) };
        let Ok(list) = serde_json::from_str::<Vec<&'a RawValue>>(list) else {
            return Err(invalid(self.name, "is not an array"));
        };
        if list.len() > most {
            let wrong = format_args!("holds {} ids, at most {most} are allowed", list.len());
            return Err(invalid(self.name, wrong));
        }
        let id = |raw: &'a RawValue| string(self.name, raw.get()).and_then(|text| checked_id(self.name, text));
        list.into_iter().map(id).collect()
    }

    /// An optional time.
    pub(super) fn time(&self) -> Result<Option<Timestamp>, Reject> {
        let Some(value) = self.value() else { return Ok(None) };
        let parsed = time::parse(&unescaped(self.name, value)?);
        let wrong = "is not an RFC 3339 time, such as 2026-11-22T10:15:30.123Z";
        parsed.map(Some).ok_or_else(|| invalid(self.name, wrong))
    }

    /// A required time.
    pub(super) fn required_time(&self) -> Result<Timestamp, Reject> {
        self.time()?.ok_or_else(|| missing(self.name))
    }

    /// An optional object, as it stands in the text.
    pub(super) fn object(&self) -> Result<Option<&'a str>, Reject> {
        match self.raw() {
            Some(text) if !text.starts_with('{') => Err(invalid(self.name, "is not an object")),
            other => Ok(other),
        }
    }
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
    unescaped(name, Value { raw, has_escape: raw.contains('\\') })
}

fn unescaped<'a>(name: &str, value: Value<'a>) -> Result<Cow<'a, str>, Reject> {
    let Some(inner) = value.raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(invalid(name, "is not a string"));
    };
    if !value.has_escape {
        return Ok(Cow::Borrowed(inner));
    }
    let unescaped = serde_json::from_str(value.raw).map(Cow::Owned);
    unescaped.map_err(|_| invalid(name, "holds an escape that is no character"))
}

/// A text that may serve as an id, or what is wrong with it.
pub(super) fn checked_id<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    if text.is_empty() {
        return Err(invalid(name, "is empty"));
    }
    if text.len() > MAX_ID_BYTES {
        return Err(invalid(name, format_args!("has {} bytes, at most {MAX_ID_BYTES} are allowed", text.len())));
    }
    if !words::are_graphic(text.as_bytes()) && text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(invalid(name, "holds whitespace or a control character"));
    }
    Ok(text)
}

/// An id that may be a part of a key.
pub(super) fn without_colon<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    if words::hold(text.as_bytes(), b':') { Err(invalid(name, "holds a colon")) } else { Ok(text) }
}

impl<'a, const N: usize> Visitor<'a> for Fields<'a, N> {
    type Value = Fields<'a, N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(index) = map.next_key_seed(FieldIndex(&self.0))? {
            match index {
                Some(index) => {
                    let raw = map.next_value::<&'a RawValue>()?.get();
                    self.note(index, Value { raw, has_escape: raw.contains('\\') });
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(self)
    }
}

/// Reads a field's name, escaped or not, as its place among the watched ones.
struct FieldIndex<'f, 'a>(&'f [Field<'a>]);

impl<'a> DeserializeSeed<'a> for FieldIndex<'_, 'a> {
    type Value = Option<usize>;

    fn deserialize<D: serde::Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldIndex<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|watched| watched.name == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAMES: [&str; 4] = ["id", "name", "nama", "long_name"];

    proptest! {
        /// Names that are expected, known, repeated, escaped or nobody's, with values of every kind.
        #[test]
        fn the_quick_way_finds_what_the_full_parser_finds(
            text in "[ ]?\\{( ?\"(id|name|nama|long_name|i|na|n\\\\u0061me|\u{e9})\" ?: ?(\"[a-z\u{e9}:]{0,20}\"|\"a\\\\n\\\\u0062\"|null|true|-1.5e3|\\[1, ?\\{\\}\\]|\\{\"id\":[ ]?\"b\\\\\"\"\\}) ?,)*\"id\":\"x\"\\}\n?"
        ) {
            let mut quick = Fields::none_of(&NAMES);
            if quick.scan(&text).is_none() {
                return Ok(());
            }
            let full = Fields::read_slowly(&text, &NAMES);
            prop_assert!(full.is_ok(), "{}", text);
            for (quick, full) in quick.0.iter().zip(full.unwrap().0) {
                let value = |field: &Field<'_>| field.value.map(|value| (value.raw.to_owned(), value.raw.starts_with('"') && value.has_escape));
                prop_assert_eq!(value(quick), value(&full), "{} in {}", quick.name, text);
                prop_assert_eq!(quick.is_repeated, full.is_repeated, "{} in {}", quick.name, text);
            }
        }

        #[test]
        fn an_id_is_the_same_by_the_quick_way(text in "\"[!-~ \u{e9}\\\\]{0,300}\"") {
            let Ok(serde_json::Value::String(_)) = serde_json::from_str(&text) else { return Ok(()) };
            let value = Some(Value { raw: &text, has_escape: text.contains('\\') });
            let field = Field { name: "id", value, is_repeated: false };
            prop_assert_eq!(field.id(), field.unusual_id());
        }
    }
}
