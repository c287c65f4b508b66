//! Where a record lay, as its outputs say it: in their ids, and in the member `source`.

use super::json::{Number, append_short, append_text};
use crate::core::record::Record;
use std::sync::Arc;

/// A topic that records come from.
pub(super) struct Origin {
    pub(super) topic: Arc<str>,
    /// How an id begins: `TOPIC/`.
    id: Vec<u8>,
    /// How the member `source` begins.
    source: Vec<u8>,
}

/// Where a record lies in its topic, as text: an output says it twice.
pub(super) struct PlaceText {
    partition: Number,
    offset: Number,
}

impl PlaceText {
    #[inline]
    pub(super) fn of(record: &Record) -> PlaceText {
        PlaceText { partition: Number::new(record.partition.0.into()), offset: Number::new(record.offset.0) }
    }
}

impl Origin {
    pub(super) fn new(topic: Arc<str>) -> Origin {
        let mut source = br#","source":{"topic":""#.to_vec();
        append_text(&mut source, &topic);
        source.extend_from_slice(br#"","partition":"#);
        Origin { id: format!("{topic}/").into_bytes(), topic, source }
    }

    /// Appends what the ids of all that a record leads to begin with: `TOPIC/PARTITION/OFFSET`.
    pub(super) fn append_id(&self, out: &mut Vec<u8>, place: &PlaceText) {
        append_short(out, &self.id);
        place.partition.append(out);
        out.push(b'/');
        place.offset.append(out);
    }

    /// Appends `source` as the last member of an object, which has others, and ends the object.
    pub(super) fn append_source(&self, out: &mut Vec<u8>, place: &PlaceText) {
        out.extend_from_slice(&self.source);
        place.partition.append(out);
        out.extend_from_slice(br#","offset":"#);
        place.offset.append(out);
        out.extend_from_slice(b"}}");
    }
}
