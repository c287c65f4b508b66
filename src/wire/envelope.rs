//! What a value is wrapped in: content types and encodings, CloudEvents, a schema registry's framing.
//!
//! A value without any of that costs one look at its first byte and one at each header's name.

use super::fields::{Fields, invalid};
use crate::core::record::{Header, ReasonCode, Record, Reject};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use std::borrow::Cow;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// A zero byte and the schema's id, as the serializers of a schema registry write them in front.
const FRAME_BYTES: usize = 5;
/// The version of CloudEvents that is understood.
const SPECVERSION: &str = "1.0";

/// The headers that say something of the value, in any case of their letters.
const TELLING_HEADERS: [&str; 3] = [CONTENT_TYPE, CONTENT_ENCODING, EVENT_VERSION];
const CONTENT_TYPE: &str = "content-type";
const CONTENT_ENCODING: &str = "content-encoding";
const EVENT_VERSION: &str = "ce_specversion";

const EVENT_FIELDS: [&str; 5] = ["specversion", "type", "datacontenttype", "data", "data_base64"];

/// What a record says, out of its envelopes.
pub(super) struct Content<'a> {
    value: Cow<'a, Bytes>,
    /// It is said to be a form (`application/x-www-form-urlencoded`).
    pub(super) is_form: bool,
    /// It came out of a structured CloudEvent; there is none within another.
    is_unwrapped: bool,
}

/// Takes the outer envelopes off: all that headers and the first byte tell of.
pub(super) fn open(record: &Record) -> Result<Content<'_>, Reject> {
    let value = match &record.value {
        None => return Err(Reject::new(ReasonCode::EmptyValue, "the record has no value")),
        Some(value) if value.is_empty() => {
            return Err(Reject::new(ReasonCode::EmptyValue, "the record's value has no bytes"));
        }
        Some(value) => value,
    };
    let media = if record.headers.is_empty() { Media::Plain } else { media_of_headers(&record.headers)? };
    let content = Content { value: unframed(value)?, is_form: media == Media::Form, is_unwrapped: false };
    if media != Media::Event {
        return Ok(content);
    }
    match event_data(&content)? {
        Some(data) => Ok(data),
        None => Err(unsupported("the content type is of CloudEvents, and the value has no specversion, type and data")),
    }
}

/// The value of a record without any envelope, also as text, if an object begins with its first byte; `None`: it has to
/// be opened.
#[inline(always)]
pub(super) fn usual(record: &Record) -> Option<(&Bytes, &str)> {
    let value = record.value.as_ref().filter(|value| value.first() == Some(&b'{'))?;
    let is_plain = record.headers.iter().all(|header| !TELLING_HEADERS.iter().any(|name| is_named(header, name)));
    if is_plain { Some((value, std::str::from_utf8(value).ok()?)) } else { None }
}

fn is_named(header: &Header, name: &str) -> bool {
    header.name.len() == name.len() && header.name.eq_ignore_ascii_case(name)
}

impl<'a> Content<'a> {
    /// The value as text, or why it is none.
    pub(super) fn text(&self) -> Result<&str, Reject> {
        if self.value.starts_with(BYTE_ORDER_MARK) {
            return Err(Reject::new(ReasonCode::NotJson, "the value begins with a byte order mark"));
        }
        std::str::from_utf8(&self.value).map_err(|error| {
            let detail = format!("the value is not UTF-8: byte {} of {}", error.valid_up_to(), self.value.len());
            Reject::new(ReasonCode::NotUtf8, detail)
        })
    }

    /// A part of the text, which shares the record's bytes.
    pub(super) fn share(&self, part: &str) -> Bytes {
        self.value.slice_ref(part.as_bytes())
    }

    fn of_data(value: Bytes, media: Media) -> Result<Content<'a>, Reject> {
        match media {
            _ if value.is_empty() => Err(Reject::new(ReasonCode::EmptyValue, "the CloudEvent's data has no bytes")),
            Media::Event => Err(unsupported("the CloudEvent's data is itself a CloudEvent")),
            Media::Plain | Media::Form => {
                Ok(Content { value: Cow::Owned(value), is_form: media == Media::Form, is_unwrapped: true })
            }
        }
    }
}

/// The data of a structured CloudEvent, if that is what the content is. JSON data shares the record's bytes.
pub(super) fn event_data(content: &Content<'_>) -> Result<Option<Content<'static>>, Reject> {
    if content.is_unwrapped {
        return Ok(None);
    }
    let fields = Fields::read(content.text()?, &EVENT_FIELDS)?;
    let Some(specversion) = fields.raw("specversion").filter(|_| fields.raw("type").is_some()) else {
        return Ok(None);
    };
    let (data, data_base64) = (fields.raw("data"), fields.raw("data_base64"));
    if data.is_none() && data_base64.is_none() {
        return Err(Reject::new(ReasonCode::EmptyValue, "the CloudEvent has no data"));
    }
    if string_of(specversion).as_deref() != Some(SPECVERSION) {
        return Err(unsupported("specversion is not 1.0, the version of CloudEvents that is understood"));
    }
    let media = match fields.raw("datacontenttype").map(string_of) {
        None => Media::Plain,
        Some(Some(text)) => media_of(text.as_bytes())?,
        Some(None) => return Err(invalid("datacontenttype", "is not a string")),
    };
    let value = match (data, data_base64) {
        (Some(data), _) if !data.starts_with('"') => content.share(data),
        (Some(data), _) => {
            let text = string_of(data).ok_or_else(|| invalid("data", "holds an escape that is no character"))?;
            Bytes::from(text.into_owned())
        }
        (None, encoded) => {
            let decoded = encoded.and_then(string_of).and_then(|text| BASE64.decode(text.as_bytes()).ok());
            Bytes::from(decoded.ok_or_else(|| invalid("data_base64", "is not base64"))?)
        }
    };
    Content::of_data(value, media).map(Some)
}

/// What the content type says of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Media {
    /// JSON, or nothing that matters: it is read as JSON.
    Plain,
    /// A form.
    Form,
    /// A structured CloudEvent.
    Event,
}

fn media_of_headers(headers: &[Header]) -> Result<Media, Reject> {
    let mut media = Media::Plain;
    for Header { name, value } in headers {
        let Some(value) = value.as_deref() else { continue };
        if name.eq_ignore_ascii_case(CONTENT_TYPE) {
            // The last one counts, as everywhere in Kafka.
            media = media_of(value)?;
        } else if name.eq_ignore_ascii_case(CONTENT_ENCODING) {
            let encoding = value.trim_ascii();
            if !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity") {
                let detail =
                    "the header content-encoding names an encoding other than identity: send the JSON as it is";
                return Err(unsupported(detail));
            }
        } else if name == EVENT_VERSION && value != SPECVERSION.as_bytes() {
            return Err(unsupported("the header ce_specversion is not 1.0, the version that is understood"));
        }
    }
    Ok(media)
}

fn media_of(content_type: &[u8]) -> Result<Media, Reject> {
    let text = String::from_utf8_lossy(content_type).to_ascii_lowercase();
    let (essence, parameters) = text.split_once(';').unwrap_or((&text, ""));
    if parameters.contains("utf-16") || parameters.contains("utf-32") {
        return Err(unsupported("the content type names a charset other than UTF-8"));
    }
    match essence.trim() {
        "application/cloudevents+json" => Ok(Media::Event),
        "application/x-www-form-urlencoded" => Ok(Media::Form),
        other if other.starts_with("application/cloudevents") => {
            Err(unsupported("the content type is a form of CloudEvents other than application/cloudevents+json"))
        }
        _ => Ok(Media::Plain),
    }
}

/// The value without the frame of a schema registry's serializer.
fn unframed(value: &Bytes) -> Result<Cow<'_, Bytes>, Reject> {
    match value.first() {
        Some(0) => {
            let framed = value.get(FRAME_BYTES..).unwrap_or_default();
            if framed.trim_ascii_start().first() != Some(&b'{') {
                return Err(unsupported(
                    "the value begins with byte 0, as framed by a schema registry's serializer, and no JSON object \
                     follows: only JSON is understood in that frame",
                ));
            }
            Ok(Cow::Owned(value.slice(FRAME_BYTES..)))
        }
        Some(byte) if *byte < b' ' && !byte.is_ascii_whitespace() => {
            let detail = format!("the value begins with byte {byte}, as no JSON does: a frame that is not understood");
            Err(unsupported(&detail))
        }
        _ => Ok(Cow::Borrowed(value)),
    }
}

fn unsupported(detail: &str) -> Reject {
    Reject::new(ReasonCode::UnsupportedEncoding, detail)
}

fn string_of(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests;
