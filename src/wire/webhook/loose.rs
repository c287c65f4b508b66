//! Reading what providers write: numbers as strings, strings as numbers, empty texts for what is absent.

use super::super::fields::{Fields, MAX_TEMPLATE_NAME_BYTES, checked_id, checked_text, invalid, missing, string};
use crate::core::record::Reject;
use crate::core::time::Timestamp;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// An optional text, or a whole number as its digits. Empty counts as absent.
pub(super) fn text<'a, const N: usize>(
    fields: &Fields<'a, N>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, Reject> {
    fields.raw(name).map_or(Ok(None), |raw| text_of(name, raw))
}

/// A value as [`text`] reads it.
pub(super) fn text_of<'a>(name: &str, raw: &'a str) -> Result<Option<Cow<'a, str>>, Reject> {
    let token = raw;
    let text = if is_digits(token) { Cow::Borrowed(token) } else { string(name, raw)? };
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// An optional id.
pub(super) fn id<'a, const N: usize>(
    fields: &Fields<'a, N>,
    name: &'static str,
) -> Result<Option<Cow<'a, str>>, Reject> {
    text(fields, name)?.map(|text| checked_id(name, text)).transpose()
}

/// A required id.
pub(super) fn required_id<'a, const N: usize>(
    fields: &Fields<'a, N>,
    name: &'static str,
) -> Result<Cow<'a, str>, Reject> {
    id(fields, name)?.ok_or_else(|| missing(name))
}

/// A required name of a template.
pub(super) fn template_name<'a, const N: usize>(
    fields: &Fields<'a, N>,
    name: &'static str,
) -> Result<Cow<'a, str>, Reject> {
    text(fields, name)?.ok_or_else(|| missing(name)).and_then(|text| checked_text(name, text, MAX_TEMPLATE_NAME_BYTES))
}

/// A word that only matters when it is one of a few: whatever is no text is none of them.
pub(super) fn word<'a, const N: usize>(fields: &Fields<'a, N>, name: &'static str) -> Cow<'a, str> {
    text(fields, name).ok().flatten().unwrap_or_default()
}

/// A required time in seconds since 1970, as a number or a string of digits.
pub(super) fn required_seconds<const N: usize>(
    fields: &Fields<'_, N>,
    name: &'static str,
) -> Result<Timestamp, Reject> {
    fields.raw(name).ok_or_else(|| missing(name)).and_then(|raw| seconds(name, raw))
}

/// A time in seconds since 1970.
pub(super) fn seconds(name: &str, raw: &str) -> Result<Timestamp, Reject> {
    let token = raw.trim_matches('"').trim_ascii();
    let (digits, is_negative) = token.strip_prefix('-').map_or((token, false), |digits| (digits, true));
    if !is_digits(digits) {
        return Err(invalid(name, "is no number"));
    }
    if is_negative {
        return Err(invalid(name, "is negative"));
    }
    // What no calendar reaches lies in the future all the same, and the policy says what becomes of that.
    let ms = digits.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(1_000);
    Ok(Timestamp::from_millis(ms))
}

/// A number that stands as it is or as a string.
pub(super) fn number(raw: &str) -> Option<u32> {
    raw.trim_matches('"').parse().ok()
}

/// Calls `take` with every element of an array; false when it is none. Nothing is kept of what was seen.
pub(super) fn each<'a>(list: &'a str, take: impl FnMut(usize, &'a str)) -> bool {
    serde_json::Deserializer::from_str(list).deserialize_seq(Elements(take)).is_ok()
}

struct Elements<F>(F);

impl<'a, F: FnMut(usize, &'a str)> Visitor<'a> for Elements<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = list.next_element::<&'a RawValue>()? {
            (self.0)(index, element.get());
            index += 1;
        }
        Ok(())
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
