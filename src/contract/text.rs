//! The kinds of text and numbers that contracts are made of.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Anything visible.
const ID_PATTERN: &str = r"^[^\s\u0000-\u001f\u007f-\u009f]+$";
/// The same without a colon, which separates the parts of keys.
const KEY_PART_PATTERN: &str = r"^[^\s:\u0000-\u001f\u007f-\u009f]+$";
/// A number written as text.
const DIGITS_PATTERN: &str = "^[0-9]+$";

macro_rules! kind {
    ($(#[$doc:meta])* $name:ident($inner:ty), $schema:tt) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl JsonSchema for $name {
            // Where it is used, so that generated types have plain strings and numbers.
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

kind!(
    /// An id: 1 to 256 bytes of UTF-8 without whitespace and control characters.
    Id(String),
    { "type": "string", "minLength": 1, "maxLength": 256, "pattern": ID_PATTERN }
);
kind!(
    /// The name of a template: like an id, of up to 512 bytes.
    TemplateName(String),
    { "type": "string", "minLength": 1, "maxLength": 512, "pattern": ID_PATTERN }
);
kind!(
    /// An id that is also a part of keys, and so holds no colon.
    KeyPart(String),
    { "type": "string", "minLength": 1, "maxLength": 256, "pattern": KEY_PART_PATTERN }
);
kind!(
    /// A time, RFC 3339: any offset and fraction on input, UTC with milliseconds on output.
    Time(String),
    { "type": "string", "format": "date-time" }
);
kind!(
    /// A number as decimal digits in a text.
    Digits(String),
    { "type": "string", "pattern": DIGITS_PATTERN }
);
kind!(
    /// A number that a header holds as 4 bytes, big-endian.
    BigEndian32(i32),
    { "type": "integer", "format": "int32", "x-kafka-encoding": "big-endian-4" }
);
kind!(
    /// A number that a header holds as 8 bytes, big-endian.
    BigEndian64(i64),
    { "type": "integer", "format": "int64", "x-kafka-encoding": "big-endian-8" }
);
