//! From a record to its JSON text: what can be said of a value before any field of it is looked at.

use crate::core::record::{ReasonCode, Record, Reject};
use bytes::Bytes;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The value as text, or why it cannot be read.
pub(super) fn text_of(record: &Record) -> Result<(&Bytes, &str), Reject> {
    let value = match &record.value {
        None => return Err(Reject::new(ReasonCode::EmptyValue, "the record has no value")),
        Some(value) if value.is_empty() => {
            return Err(Reject::new(ReasonCode::EmptyValue, "the record's value has no bytes"));
        }
        Some(value) => value,
    };
    if is_encoded(record) {
        let detail = "the header content-encoding names an encoding other than identity: send the JSON as it is";
        return Err(Reject::new(ReasonCode::UnsupportedEncoding, detail));
    }
    if value.starts_with(&[0]) {
        let detail =
            "the value begins with byte 0, as framed by a schema registry's serializer: send the JSON unframed";
        return Err(Reject::new(ReasonCode::UnsupportedEncoding, detail));
    }
    if value.starts_with(BYTE_ORDER_MARK) {
        return Err(Reject::new(ReasonCode::NotJson, "the value begins with a byte order mark"));
    }
    let text = std::str::from_utf8(value).map_err(|error| {
        let detail = format!("the value is not UTF-8: byte {} of {}", error.valid_up_to(), value.len());
        Reject::new(ReasonCode::NotUtf8, detail)
    })?;
    Ok((value, text))
}

fn is_encoded(record: &Record) -> bool {
    let encodings = record.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("content-encoding"));
    encodings.filter_map(|header| header.value.as_deref()).any(|encoding| {
        let encoding = encoding.trim_ascii();
        !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
    })
}
