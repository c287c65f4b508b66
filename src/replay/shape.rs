//! What a line of a file is: a bare value, or a whole record as consoles print it.

use crate::core::time::Timestamp;
use crate::wire::time;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// Which topic a record belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// What customers did, and everything that a webhook may hold.
    Inbound,
    /// What a service wants to say.
    Intent,
    /// A delivery report.
    Delivery,
    /// A template's change.
    Template,
}

/// A record as consoles print it: `topic` and `value`, or `payload` in the words of kcat.
#[derive(Deserialize)]
pub(super) struct Enveloped<'a> {
    pub(super) topic: String,
    #[serde(borrow, alias = "payload")]
    value: Option<&'a RawValue>,
    key: Option<String>,
    #[serde(alias = "ts")]
    timestamp: Option<Value>,
    pub(super) partition: Option<i32>,
    pub(super) offset: Option<i64>,
    headers: Option<Value>,
}

impl<'a> Enveloped<'a> {
    /// Reads one; none when the text is something else.
    pub(super) fn read(text: &'a str) -> Option<Enveloped<'a>> {
        #[derive(Deserialize)]
        struct Probe {
            topic: Option<IgnoredAny>,
            value: Option<IgnoredAny>,
            payload: Option<IgnoredAny>,
        }
        let Probe { topic, value, payload } = serde_json::from_str(text).ok()?;
        (topic.is_some() && (value.is_some() || payload.is_some())).then(|| serde_json::from_str(text).ok())?
    }

    /// The value's bytes: a text as it reads, anything else as it stands.
    pub(super) fn value(&self) -> Option<Vec<u8>> {
        let raw = self.value?.get();
        match serde_json::from_str::<String>(raw) {
            Ok(text) => Some(text.into_bytes()),
            Err(_) => Some(raw.as_bytes().to_vec()),
        }
    }

    /// The key's bytes.
    pub(super) fn key(&self) -> Option<&[u8]> {
        self.key.as_deref().map(str::as_bytes)
    }

    /// When it was recorded: milliseconds, or an RFC 3339 time.
    pub(super) fn timestamp(&self) -> Option<Timestamp> {
        match self.timestamp.as_ref()? {
            Value::Number(ms) => ms.as_i64().filter(|ms| *ms >= 0).map(Timestamp::from_millis),
            Value::String(text) => time::parse(text),
            _ => None,
        }
    }

    /// The headers, from an object or from a list in which names and values alternate.
    pub(super) fn headers(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match &self.headers {
            Some(Value::Object(map)) => map.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            Some(Value::Array(list)) => list.chunks_exact(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
            _ => Vec::new(),
        }
    }
}

/// What a bare value most likely is: the fields that only one kind has decide.
pub(super) fn kind_of(value: &[u8]) -> Kind {
    let (kind, data) = look(value);
    // There is no CloudEvent within another: the data is looked at once, however deep it is.
    data.map_or(kind, |data| look(data.get().as_bytes()).0)
}

/// The kind by the value's own fields; the data of a CloudEvent.
fn look(value: &[u8]) -> (Kind, Option<&RawValue>) {
    #[derive(Deserialize)]
    struct Shape<'a> {
        intent_id: Option<IgnoredAny>,
        message_id: Option<IgnoredAny>,
        error_code: Option<IgnoredAny>,
        language: Option<IgnoredAny>,
        status: Option<IgnoredAny>,
        specversion: Option<IgnoredAny>,
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let Ok(shape) = serde_json::from_slice::<Shape<'_>>(value) else { return (Kind::Inbound, None) };
    let kind = match shape {
        Shape { intent_id: Some(_), .. } => Kind::Intent,
        Shape { message_id: Some(_), .. } => Kind::Inbound,
        Shape { error_code: Some(_), .. } => Kind::Delivery,
        Shape { language: Some(_), status: Some(_), .. } => Kind::Template,
        _ => Kind::Inbound,
    };
    (kind, shape.data.filter(|_| shape.specversion.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_value_is_told_by_its_fields() {
        let table = [
            (r#"{"intent_id":"a","message":{}}"#, Kind::Intent),
            (r#"{"specversion":"1.0","data":{"intent_id":"a"}}"#, Kind::Intent),
            (r#"{"specversion":"1.0","data":{"specversion":"1.0","data":{"intent_id":"a"}}}"#, Kind::Inbound),
            (r#"{"message_id":"wamid.1","status":"read","language":"en"}"#, Kind::Inbound),
            (r#"{"business_id":"106","error_code":131047}"#, Kind::Delivery),
            (r#"{"account_id":"1","name":"hi","language":"en","status":"PAUSED"}"#, Kind::Template),
            (r#"{"object":"whatsapp_business_account","entry":[]}"#, Kind::Inbound),
            ("From=whatsapp%3A%2B1&Body=hi", Kind::Inbound),
            ("[1", Kind::Inbound),
        ];
        for (value, kind) in table {
            assert_eq!(kind_of(value.as_bytes()), kind, "{value}");
        }
    }

    #[test]
    fn a_record_is_read_as_consoles_print_it() {
        let ours =
            r#"{"topic":"t","timestamp":"1970-01-01T00:00:01Z","key":"k","headers":{"a":"b"},"value":{"n": 1e400}}"#;
        let kcat = r#"{"topic":"t","partition":3,"offset":7,"ts":1000,"headers":["a","b"],"key":"k","payload":"{\"n\": 1e400}"}"#;
        for text in [ours, kcat] {
            let record = Enveloped::read(text).unwrap();
            assert_eq!(record.value().unwrap(), br#"{"n": 1e400}"#);
            assert_eq!(record.timestamp(), Some(Timestamp::from_millis(1_000)));
            assert_eq!((record.key(), record.headers()), (Some(b"k".as_slice()), vec![("a".into(), "b".into())]));
        }
        assert!(Enveloped::read(r#"{"intent_id":"a","topic":"small talk"}"#).is_none());
        assert!(Enveloped::read("{").is_none());
    }
}
