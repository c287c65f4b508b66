//! The fields of a JSON object, found without decoding more than is asked for, and the checks on them.

use super::names::{Names, Watched};
use super::place::{Kind, Place};
use super::scan;
use super::{time, words};
use crate::core::record::{ReasonCode, Reject};
use crate::core::time::Timestamp;
use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The longest id, in bytes of UTF-8.
pub(super) const MAX_ID_BYTES: usize = 256;
/// The longest name of a template: providers allow as many characters.
pub(super) const MAX_TEMPLATE_NAME_BYTES: usize = 512;

/// Common parsers give up between 64 and 1,000.
const DEEPEST_FOR_READERS: usize = 100;

/// A watched field of an object.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    name: &'static str,
    /// The object.
    text: &'a str,
    place: Place,
    is_repeated: bool,
}

/// The watched fields of an object.
pub(super) struct Fields<'a, const N: usize> {
    names: &'static [&'static str; N],
    text: &'a str,
    places: [Place; N],
    /// One bit for each: whether the object holds it twice.
    repeated: u32,
}

impl<'a, const N: usize> Fields<'a, N> {
    /// Reads a whole JSON text, which must be one object. Fields that are not among `names` are passed over.
    #[inline]
    pub(super) fn read(text: &'a str, names: &'static [&'static str; N]) -> Result<Fields<'a, N>, Reject> {
        Fields::read_watched(text, names, Watched::unordered(names))
    }

    /// The same for names that were prepared, which spares much of the looking.
    #[inline]
    pub(super) fn read_prepared(text: &'a str, names: &'static Names<N>) -> Result<Fields<'a, N>, Reject> {
        Fields::read_watched(text, names.all(), names.watched())
    }

    #[inline(always)]
    fn read_watched(
        text: &'a str,
        names: &'static [&'static str; N],
        watched: Watched<'_>,
    ) -> Result<Fields<'a, N>, Reject> {
        let mut fields = Fields::none_of(text, names);
        match fields.scan(watched) {
            Some(()) => Ok(fields),
            None => Fields::read_slowly(text, names),
        }
    }

    /// Finds the fields if the text has nothing unusual; `None`: it has, or it is wrong. In place, since there are many of
    /// them.
    #[inline(always)]
    pub(super) fn find_usual(&mut self, names: &'static Names<N>) -> Option<()> {
        self.scan(names.watched())
    }

    #[inline(always)]
    fn scan(&mut self, watched: Watched<'_>) -> Option<()> {
        self.repeated = scan::members(self.text, &watched, &mut self.places)?;
        Some(())
    }

    /// The same for what is seldom or wrong.
    #[cold]
    fn read_slowly(text: &'a str, names: &'static [&'static str; N]) -> Result<Fields<'a, N>, Reject> {
        let mut parser = serde_json::Deserializer::from_str(text);
        let fields = parser.deserialize_map(Fields::none_of(text, names));
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

    /// No field of a text, so far.
    #[inline(always)]
    pub(super) fn none_of(text: &'a str, names: &'static [&'static str; N]) -> Fields<'a, N> {
        const { assert!(N <= 32, "each has a bit") }
        Fields { names, text, places: [Place::default(); N], repeated: 0 }
    }

    fn note(&mut self, index: usize, raw: &'a str) {
        let from = (raw.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        if let Some(place) = self.places.get_mut(index) {
            self.repeated |= u32::from(place.kind != Kind::Absent) << index;
            *place = Place { from: from as u32, to: (from + raw.len()) as u32, kind: kind_of(raw) };
        }
    }

    /// The fields in the order of their names.
    pub(super) fn in_order(&self) -> [Field<'a>; N] {
        std::array::from_fn(|index| self.at(index))
    }

    /// Where their values lie, in that order.
    #[inline(always)]
    pub(super) fn places(&self) -> &[Place; N] {
        &self.places
    }

    fn at(&self, index: usize) -> Field<'a> {
        let is_repeated = self.repeated >> index & 1 == 1;
        Field { name: self.names[index], text: self.text, place: self.places[index], is_repeated }
    }

    /// Whether the object holds a watched field twice.
    #[inline]
    pub(super) fn has_repeated(&self) -> bool {
        self.repeated != 0
    }

    /// Refuses an object that holds a watched field twice: readers would disagree on which one counts.
    pub(super) fn refuse_repeated(&self) -> Result<(), Reject> {
        let repeated = self.names.get(self.repeated.trailing_zeros() as usize);
        repeated.map_or(Ok(()), |name| Err(invalid(name, "occurs more than once")))
    }

    /// The field of that name, which must be watched.
    pub(super) fn field(&self, name: &'static str) -> Field<'a> {
        let watched = self.names.iter().position(|watched| *watched == name).map(|index| self.at(index));
        watched.unwrap_or(Field { name, text: self.text, place: Place::default(), is_repeated: false })
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

    /// Whether there is no value. JSON null counts as absent.
    #[inline]
    pub(super) fn is_absent(&self) -> bool {
        self.place.is_absent()
    }

    /// The value as it stands in the text. JSON null counts as absent.
    #[inline]
    pub(super) fn raw(&self) -> Option<&'a str> {
        self.place.raw(self.text)
    }

    /// Whether it holds an array.
    #[inline]
    pub(super) fn is_array(&self) -> bool {
        self.place.is_array()
    }

    /// A required id, which may hold anything visible.
    #[inline]
    pub(super) fn id(&self) -> Result<Cow<'a, str>, Reject> {
        match self.place.plain_id(self.text) {
            Some(id) => Ok(Cow::Borrowed(id)),
            None => self.unusual_id(),
        }
    }

    #[cold]
    fn unusual_id(&self) -> Result<Cow<'a, str>, Reject> {
        self.text_or_missing().and_then(|text| checked_id(self.name, text))
    }

    /// A string, unescaped.
    fn text_or_missing(&self) -> Result<Cow<'a, str>, Reject> {
        let raw = self.raw().ok_or_else(|| missing(self.name))?;
        unescaped(self.name, raw, self.place.kind == Kind::Escaped)
    }

    /// A required id that is also a part of keys, and so holds no colon.
    pub(super) fn key_part(&self) -> Result<Cow<'a, str>, Reject> {
        self.id().and_then(|text| without_colon(self.name, text))
    }

    /// A required name of a template.
    pub(super) fn template_name(&self) -> Result<Cow<'a, str>, Reject> {
        self.text_or_missing().and_then(|text| checked_text(self.name, text, MAX_TEMPLATE_NAME_BYTES))
    }

    /// Like [`Field::key_part`], with a value for when the field is absent.
    pub(super) fn key_part_or(&self, default: &'static str) -> Result<Cow<'a, str>, Reject> {
        if self.is_absent() { Ok(Cow::Borrowed(default)) } else { self.key_part() }
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
        if self.is_absent() {
            return Ok(None);
        }
        let parsed = time::parse(&self.text_or_missing()?);
        let wrong = "is not an RFC 3339 time, such as 2026-11-22T10:15:30.123Z";
        parsed.map(Some).ok_or_else(|| invalid(self.name, wrong))
    }

    /// A required time.
    pub(super) fn required_time(&self) -> Result<Timestamp, Reject> {
        self.time()?.ok_or_else(|| missing(self.name))
    }

    /// An optional object, as it stands in the text.
    pub(super) fn object(&self) -> Result<Option<&'a str>, Reject> {
        self.place.plain_object(self.text).ok_or_else(|| invalid(self.name, "is not an object"))
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
    unescaped(name, raw, raw.contains('\\'))
}

fn unescaped<'a>(name: &str, raw: &'a str, has_escape: bool) -> Result<Cow<'a, str>, Reject> {
    let Some(inner) = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Err(invalid(name, "is not a string"));
    };
    if !has_escape {
        return Ok(Cow::Borrowed(inner));
    }
    let unescaped = serde_json::from_str(raw).map(Cow::Owned);
    unescaped.map_err(|_| invalid(name, "holds an escape that is no character"))
}

fn kind_of(raw: &str) -> Kind {
    match raw.as_bytes() {
        [b'"', inner @ .., b'"'] if words::hold(inner, b'\\') => Kind::Escaped,
        [b'"', ..] => Kind::Plain,
        [b'{', ..] => Kind::Object,
        [b'[', ..] => Kind::Array,
        [b'n', ..] => Kind::Null,
        _ => Kind::Scalar,
    }
}

/// A text that may serve as an id, or what is wrong with it.
pub(super) fn checked_id<'a>(name: &str, text: Cow<'a, str>) -> Result<Cow<'a, str>, Reject> {
    checked_text(name, text, MAX_ID_BYTES)
}

/// The same for a text of at most so many bytes.
pub(super) fn checked_text<'a>(name: &str, text: Cow<'a, str>, most: usize) -> Result<Cow<'a, str>, Reject> {
    if text.is_empty() {
        return Err(invalid(name, "is empty"));
    }
    if text.len() > most {
        return Err(invalid(name, format_args!("has {} bytes, at most {most} are allowed", text.len())));
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static NAMES: Names<4> = Names::of(["id", "name", "nama", "long_name"]);

    proptest! {
        /// Names that are expected, known, repeated, escaped or nobody's, with values of every kind.
        #[test]
        fn the_quick_way_finds_what_the_full_parser_finds(
            text in "[ ]?\\{( ?\"(id|name|nama|long_name|i|na|n\\\\u0061me|\u{e9})\" ?: ?(\"[a-z\u{e9}:]{0,20}\"|\"a\\\\n\\\\u0062\"|null|true|-1.5e3|\\[1, ?\\{\\}\\]|\\{\"id\":[ ]?\"b\\\\\"\"\\}) ?,)*\"id\":\"x\"\\}\n?"
        ) {
            let full = Fields::read_slowly(&text, NAMES.all());
            let mut unprepared = Fields::none_of(&text, NAMES.all());
            let mut prepared = Fields::none_of(&text, NAMES.all());
            let is_found = prepared.find_usual(&NAMES).is_some();
            prop_assert_eq!(unprepared.scan(Watched::unordered(NAMES.all())).is_some(), is_found, "{}", text);
            if !is_found {
                return Ok(());
            }
            prop_assert!(full.is_ok(), "{}", text);
            let full = full.unwrap();
            for quick in [prepared, unprepared] {
                prop_assert_eq!(quick.places, full.places, "{}", text);
                prop_assert_eq!(quick.repeated, full.repeated, "{}", text);
            }
        }

        #[test]
        fn an_id_is_the_same_by_the_quick_way(text in "\"[!-~ \u{e9}\\\\]{0,300}\"") {
            let Ok(serde_json::Value::String(_)) = serde_json::from_str(&text) else { return Ok(()) };
            let place = Place { from: 0, to: text.len() as u32, kind: kind_of(&text) };
            let field = Field { name: "id", text: &text, place, is_repeated: false };
            prop_assert_eq!(field.id(), field.unusual_id());
        }
    }
}
