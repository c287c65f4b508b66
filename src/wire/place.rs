//! Where a value lies in a text, and what nearly every value is: each question here is answered with `None` by whatever
//! takes more than a look.

use super::fields::MAX_ID_BYTES;
use super::{time, words};
use crate::core::time::Timestamp;

/// What a value is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[repr(u32)]
pub(super) enum Kind {
    /// There is none.
    #[default]
    Absent,
    /// JSON null.
    Null,
    /// A string without escapes.
    Plain,
    /// A string with an escape in it.
    Escaped,
    /// An object.
    Object,
    /// An array.
    Array,
    /// A number, true or false.
    Scalar,
}

/// Where the value of a member lies in its text, the last one if there are several.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Place {
    /// Its first byte.
    pub(super) from: u32,
    /// Behind its last byte.
    pub(super) to: u32,
    /// What it is.
    pub(super) kind: Kind,
}

impl Place {
    /// Whether there is no value. JSON null counts as absent.
    #[inline(always)]
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.kind, Kind::Absent | Kind::Null)
    }

    /// Whether the value is an array.
    #[inline(always)]
    pub(super) fn is_array(&self) -> bool {
        self.kind == Kind::Array
    }

    /// The value as it stands in the text. JSON null counts as absent.
    #[inline(always)]
    pub(super) fn raw<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.is_absent() { None } else { text.get(self.from as usize..self.to as usize) }
    }

    /// A string without escapes.
    #[inline(always)]
    fn plain<'a>(&self, text: &'a str) -> Option<&'a str> {
        if self.kind == Kind::Plain { text.get(self.from as usize + 1..self.to as usize - 1) } else { None }
    }

    /// What nearly every id is: a short string of visible ASCII characters.
    #[inline(always)]
    pub(super) fn plain_id<'a>(&self, text: &'a str) -> Option<&'a str> {
        let id = self.plain(text)?;
        if is_short(id) && words::are_graphic(id.as_bytes()) { Some(id) } else { None }
    }

    /// What nearly every part of a key is: such an id without a colon.
    #[inline(always)]
    pub(super) fn plain_key_part<'a>(&self, text: &'a str) -> Option<&'a str> {
        let part = self.plain(text)?;
        if is_short(part) && words::are_graphic_without(part.as_bytes(), b':') { Some(part) } else { None }
    }

    /// A time in its usual form.
    #[inline(always)]
    pub(super) fn plain_time(&self, text: &str) -> Option<Timestamp> {
        self.plain(text).and_then(time::parse_usual)
    }

    /// An optional object; `None` if it is something else.
    #[inline(always)]
    pub(super) fn plain_object<'a>(&self, text: &'a str) -> Option<Option<&'a str>> {
        if matches!(self.kind, Kind::Absent | Kind::Null | Kind::Object) { Some(self.raw(text)) } else { None }
    }
}

#[inline(always)]
fn is_short(id: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&id.len())
}
