//! Dead letters read back: why, from where, and the original as it was.

use super::headers::header;
use super::time;
use crate::core::record::{Header, Record};
use crate::core::time::Timestamp;

/// How often a record was redriven.
pub const REDRIVEN: &str = "sessiongate.redriven";
/// The dead letter that a redriven record comes from: `TOPIC/PARTITION/OFFSET`.
pub const REDRIVEN_FROM: &str = "sessiongate.redriven.from";

/// The first of the headers that explain a dead letter; the original's own stand before it.
const FIRST: &str = "sessiongate.error.reason";
/// What is said of an original that did not fit.
const CUTS: [(&str, &str); 3] = [
    ("sessiongate.error.truncated", "the end of its value"),
    ("sessiongate.error.dropped-headers", "its headers"),
    ("sessiongate.error.dropped-key", "its key"),
];

/// What the headers of a dead letter say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Letter {
    /// The reason code.
    pub reason: String,
    /// One line for a person.
    pub detail: String,
    /// The original's topic.
    pub topic: String,
    /// The original's partition.
    pub partition: i32,
    /// The original's offset.
    pub offset: i64,
    /// The original's timestamp.
    pub timestamp: Option<Timestamp>,
    /// The group that refused it.
    pub group: String,
    /// Which part of the original it concerns, when the rest was used.
    pub index: Option<String>,
    /// What is missing of the original, in words.
    pub cut: Vec<&'static str>,
    /// How often the original had been redriven before.
    pub redriven: u32,
    own_headers: usize,
}

/// A record as it goes back to where it was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Original {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The record: key, value, headers and timestamp count.
    pub record: Record,
}

impl Letter {
    /// Reads the headers; none when they are no dead letter's.
    pub fn read(headers: &[Header]) -> Option<Letter> {
        let own_headers = headers.iter().rposition(|header| header.name == FIRST)?;
        let (own, explanation) = headers.split_at(own_headers);
        let text = |name: &str| text_of(explanation, name);
        Some(Letter {
            reason: text(FIRST)?,
            detail: text("sessiongate.error.detail").unwrap_or_default(),
            topic: text("sessiongate.error.topic")?,
            partition: text("sessiongate.error.partition")?.parse().ok()?,
            offset: text("sessiongate.error.offset")?.parse().ok()?,
            timestamp: text("sessiongate.error.timestamp").and_then(|text| time::parse(&text)),
            group: text("sessiongate.error.group").unwrap_or_default(),
            index: text("sessiongate.error.index"),
            cut: CUTS.iter().filter(|(name, _)| text(name).is_some()).map(|(_, what)| *what).collect(),
            redriven: text_of(own, REDRIVEN).and_then(|count| count.parse().ok()).unwrap_or_default(),
            own_headers,
        })
    }

    /// The original, marked as redriven from its dead letter, which lies in `topic`. Its time is the one it had: brokers
    /// may have given the dead letter another. Nothing of a cut one can be made whole again: see `cut`.
    pub fn original(&self, letter: &Record, topic: &str) -> Original {
        let own = letter.headers.iter().take(self.own_headers);
        let mut headers: Vec<Header> =
            own.filter(|header| ![REDRIVEN, REDRIVEN_FROM].contains(&header.name.as_str())).cloned().collect();
        headers.push(header(REDRIVEN, self.redriven.saturating_add(1).to_string()));
        headers.push(header(REDRIVEN_FROM, format!("{topic}/{}/{}", letter.partition, letter.offset)));
        let timestamp = self.timestamp.unwrap_or(letter.timestamp);
        let record = Record { headers, timestamp, ..letter.clone() };
        Original { topic: self.topic.clone(), partition: self.partition, record }
    }
}

/// How often a record was redriven, as its header says it; none if it never was.
pub fn times_redriven(headers: &[Header]) -> Option<&[u8]> {
    headers.iter().rfind(|header| header.name == REDRIVEN)?.value.as_deref()
}

fn text_of(headers: &[Header], name: &str) -> Option<String> {
    let found = headers.iter().rfind(|header| header.name == name)?;
    Some(String::from_utf8_lossy(found.value.as_deref()?).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::emission::{DeadLetter, Emission};
    use crate::core::ids::{Offset, Partition};
    use crate::core::noted::NotedIds;
    use crate::core::record::{ReasonCode, Reject, Stream};
    use crate::wire::canonical::decode_intent;
    use crate::wire::output::{Encoder, Topics};
    use bytes::Bytes;

    fn original() -> Record {
        Record {
            stream: Stream::Intent,
            partition: Partition(3),
            offset: Offset(42),
            timestamp: Timestamp::from_millis(1_000),
            key: Some(Bytes::from_static(b"106:5511")),
            value: Some(Bytes::from_static(br#"{"intent_id":"i","business_id":"b","customer_id":"c","message":{}}"#)),
            headers: vec![header("x", "1"), header("kafka_dlt-original-topic", "elsewhere"), header("x", "2")],
        }
    }

    /// The original's dead letter, at offset 7 of partition 1, to which the brokers gave a time of its own.
    fn letter_of(record: &Record) -> Record {
        let topics = Topics { delivery_status: None, template_status: None, ..Topics::default() };
        let reject = Reject::new(ReasonCode::UnknownChannel, "why").at("entry[0]");
        let letter = Emission::DeadLetter(Box::new(DeadLetter { record: record.clone(), reject }));
        let output = Encoder::new(topics, "gate", "/gate", 20_000).encode(&letter, Timestamp::MIN);
        let (partition, offset, timestamp) = (Partition(1), Offset(7), Timestamp::from_millis(99_000));
        let own = |text: Option<&[u8]>| text.map(Bytes::copy_from_slice);
        let (key, value, headers) = (own(output.key()), own(output.value()), output.to_headers());
        Record { partition, offset, timestamp, key, value, headers, ..record.clone() }
    }

    #[test]
    fn a_letter_tells_why_and_from_where() {
        let letter = Letter::read(&letter_of(&original()).headers).unwrap();
        assert_eq!((letter.reason.as_str(), letter.detail.as_str()), ("unknown_channel", "entry[0]: why"));
        assert_eq!((letter.topic.as_str(), letter.partition, letter.offset), ("outbound-intent", 3, 42));
        assert_eq!((letter.timestamp, letter.group.as_str()), (Some(Timestamp::from_millis(1_000)), "gate"));
        assert_eq!((letter.index.as_deref(), letter.redriven, letter.cut), (Some("entry[0]"), 0, vec![]));
        assert_eq!(Letter::read(&original().headers), None, "no dead letter");
    }

    #[test]
    fn an_original_goes_back_as_it_was_with_a_mark() {
        let mut sent = original();
        for count in 1..4 {
            let dead = letter_of(&sent);
            let back = Letter::read(&dead.headers).unwrap().original(&dead, "dead");
            assert_eq!((back.topic.as_str(), back.partition), ("outbound-intent", 3));
            let Record { key, value, timestamp, mut headers, .. } = back.record.clone();
            let marks = headers.split_off(original().headers.len());
            assert_eq!((key, value, timestamp, headers), {
                let Record { key, value, timestamp, headers, .. } = original();
                (key, value, timestamp, headers)
            });
            assert_eq!(marks, [header(REDRIVEN, count.to_string()), header(REDRIVEN_FROM, "dead/1/7")]);
            sent = Record { partition: Partition(3), offset: Offset(42), ..back.record };
        }
    }

    #[test]
    fn what_was_cut_is_named() {
        let whole = original();
        let huge = Bytes::from("x".repeat(30_000));
        let table = [
            (Record { value: Some(huge.clone()), ..whole.clone() }, vec!["the end of its value"]),
            (Record { key: Some(huge.clone()), ..whole.clone() }, vec!["its headers", "its key"]),
        ];
        for (record, cut) in table {
            assert_eq!(Letter::read(&letter_of(&record).headers).unwrap().cut, cut);
        }
    }

    #[test]
    fn a_redriven_intent_is_no_duplicate_of_the_refused_one_but_others_are_of_it() {
        let dead = letter_of(&original());
        let letter = Letter::read(&dead.headers).unwrap();
        let back = letter.original(&dead, "dead").record;
        let other = letter.original(&Record { offset: Offset(8), ..dead.clone() }, "dead").record;
        let dead_again = letter_of(&back);
        let back_again = Letter::read(&dead_again.headers).unwrap().original(&dead_again, "dead").record;
        let mut noted = NotedIds::new(100);
        let table = [
            (10, original(), false, "the first"),
            (20, back.clone(), false, "redriven"),
            (30, back.clone(), true, "redriven twice"),
            (40, other, true, "the dead letter of a repetition that was refused as well"),
            (50, back_again, false, "refused again, and redriven again"),
            (135, original(), true, "the same ids after those that were redriven"),
            (245, back, false, "beyond the reach"),
            (300, original(), true, "what was redriven counts for as long as any"),
        ];
        for (offset, record, expected, what) in table {
            let found = noted.note_intent(Offset(offset), &decode_intent(&record, &|_| true));
            assert_eq!(found, expected, "{what}");
        }
    }
}
