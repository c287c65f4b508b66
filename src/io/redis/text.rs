//! What stands in Redis: keys and values that a person can read with redis-cli.
//!
//! A value begins with its version. A window is `1 LAST_MS OPENED_MS PARTITION:OFFSET`, a frontier is
//! `1 NEXT TOPIC_ID REACHES_BACK_TO_MS REAPPLY_TO`, where `-` stands for a log that nothing was ever deleted from.
//! Advice is `1 REFUSED_MS`.
//! A value has exactly one text, because a frontier is replaced only when the text is still the one that was read.
//! `window_merge.lua`, `merge.lua` and `advise.lua` read and write the same texts.

use crate::core::advice::Advice;
use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::{Offset, Partition, Position, TopicId, WindowKey};
use crate::core::time::Timestamp;
use crate::core::window::Window;
use std::fmt::Write;

/// How the keys of one deployment are named.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    window_prefix: String,
    frontier_prefix: String,
    advice_prefix: String,
    nonce_prefix: String,
}

impl Keys {
    /// Keys that begin with `prefix` (may be empty), and the frontiers of this inbound topic.
    pub fn new(prefix: &str, inbound_topic: &str) -> Keys {
        Keys {
            window_prefix: format!("{prefix}window:"),
            frontier_prefix: format!("{prefix}frontier:{inbound_topic}:"),
            advice_prefix: format!("{prefix}advice:"),
            nonce_prefix: format!("{prefix}nonce:"),
        }
    }

    /// `PREFIXwindow:CHANNEL:BUSINESS:CUSTOMER`.
    pub fn window(&self, key: &WindowKey) -> String {
        [&self.window_prefix, key.as_str()].concat()
    }

    /// `PREFIXfrontier:TOPIC:PARTITION`.
    pub fn frontier(&self, partition: Partition) -> String {
        format!("{}{partition}", self.frontier_prefix)
    }

    /// `PREFIXadvice:CHANNEL:BUSINESS:CUSTOMER`.
    pub fn advice(&self, key: &WindowKey) -> String {
        [&self.advice_prefix, key.as_str()].concat()
    }

    /// `PREFIXnonce:NAME:{TAG}`: what a store of that name wrote last, of a partition or (in a cluster) on the server that
    /// the tag lies on.
    pub fn nonce(&self, name: &str, tag: &str) -> String {
        format!("{}{name}:{{{tag}}}", self.nonce_prefix)
    }

    /// The window key in a Redis key, if it is one of ours.
    pub fn parse_window(&self, key: &[u8]) -> Option<WindowKey> {
        WindowKey::parse(std::str::from_utf8(key).ok()?.strip_prefix(&self.window_prefix)?)
    }

    /// The key of the window that advice is on, if the Redis key is one of our advice.
    pub fn parse_advice(&self, key: &[u8]) -> Option<WindowKey> {
        WindowKey::parse(std::str::from_utf8(key).ok()?.strip_prefix(&self.advice_prefix)?)
    }

    /// A glob for `SCAN` that finds every window of that channel, business and customer (any, when absent). It may find
    /// others too when a part is absent, since `*` also matches colons.
    pub fn window_glob(&self, channel: Option<&str>, business: Option<&str>, customer: Option<&str>) -> String {
        glob(&self.window_prefix, channel, business, customer)
    }

    /// The same for advice.
    pub fn advice_glob(&self, channel: Option<&str>, business: Option<&str>, customer: Option<&str>) -> String {
        glob(&self.advice_prefix, channel, business, customer)
    }
}

fn glob(prefix: &str, channel: Option<&str>, business: Option<&str>, customer: Option<&str>) -> String {
    let part = |part: Option<&str>| part.map_or_else(|| "*".to_owned(), escape_glob);
    format!("{}{}:{}:{}", escape_glob(prefix), part(channel), part(business), part(customer))
}

fn escape_glob(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The text of a window.
pub fn encode_window(window: &Window) -> String {
    let Window { last_inbound_at, opened_at, position: Position { partition, offset } } = window;
    // Not by `format!`, which takes several times as long: there is one for every window that is written.
    let mut digits = itoa::Buffer::new();
    let mut text = String::with_capacity(64);
    text.push_str("1 ");
    text.push_str(digits.format(last_inbound_at.as_millis()));
    text.push(' ');
    text.push_str(digits.format(opened_at.as_millis()));
    text.push(' ');
    text.push_str(digits.format(partition.0));
    text.push(':');
    text.push_str(digits.format(offset.0));
    text
}

/// Reads a window.
pub fn decode_window(raw: Option<&[u8]>) -> Stored<Window> {
    decode(raw, parse_window)
}

/// The text of a frontier.
pub fn encode_frontier(frontier: &Frontier) -> String {
    let Frontier { next, topic_id, reaches_back_to, reapply_to } = frontier;
    let mut text = format!("1 {next} {topic_id} ");
    // Writing to a String never fails.
    let _ = match *reaches_back_to {
        Timestamp::MIN => write!(text, "- {reapply_to}"),
        back_to => write!(text, "{} {reapply_to}", back_to.as_millis()),
    };
    text
}

/// Reads a frontier.
pub fn decode_frontier(raw: Option<&[u8]>) -> Stored<Frontier> {
    decode(raw, parse_frontier)
}

/// Reads advice.
pub fn decode_advice(raw: Option<&[u8]>) -> Stored<Advice> {
    decode(raw, |text| Some(Advice { refused_at: time(text.strip_prefix("1 ")?)? }))
}

/// The bytes that were read as this frontier; empty when there was nothing. None for a newer version, which is
/// never replaced.
pub fn seen_bytes(seen: &Stored<Frontier>) -> Option<Vec<u8>> {
    match seen {
        Stored::Missing => Some(Vec::new()),
        Stored::Known(frontier) => Some(encode_frontier(frontier).into_bytes()),
        Stored::Newer => None,
        Stored::Damaged(text) => Some(text.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect()),
    }
}

fn decode<T>(raw: Option<&[u8]>, parse: fn(&str) -> Option<T>) -> Stored<T> {
    let Some(raw) = raw else {
        return Stored::Missing;
    };
    match std::str::from_utf8(raw) {
        Ok(text) if is_newer(text) => Stored::Newer,
        Ok(text) => parse(text).map_or_else(|| damaged(raw), Stored::Known),
        Err(_) => damaged(raw),
    }
}

// Byte for character, so that the very bytes can be found again in a compare-and-set, whatever they are.
fn damaged<T>(raw: &[u8]) -> Stored<T> {
    Stored::Damaged(raw.iter().map(|byte| char::from(*byte)).collect())
}

// A version has up to three digits: more is a number that someone else left there.
fn is_newer(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(version, _)| version.len() <= 3 && digits(version).is_some_and(|it| it > 1))
}

fn parse_window(text: &str) -> Option<Window> {
    let mut words = text.strip_prefix("1 ")?.split(' ');
    let last_inbound_at = time(words.next()?)?;
    let opened_at = time(words.next()?)?;
    let (partition, offset) = words.next()?.split_once(':')?;
    let partition = Partition(i32::try_from(digits(partition)?).ok()?);
    let position = Position { partition, offset: Offset(digits(offset)?) };
    words.next().is_none().then_some(Window { last_inbound_at, opened_at, position })
}

fn parse_frontier(text: &str) -> Option<Frontier> {
    let mut words = text.strip_prefix("1 ")?.split(' ');
    let next = Offset(digits(words.next()?)?);
    let topic_id = words.next().filter(|id| !id.is_empty()).map(TopicId::new)?;
    let reaches_back_to = match words.next()? {
        "-" => Timestamp::MIN,
        ms => time(ms).filter(|back_to| *back_to != Timestamp::MIN)?,
    };
    let reapply_to = Offset(digits(words.next()?)?);
    words.next().is_none().then_some(Frontier { next, topic_id, reaches_back_to, reapply_to })
}

fn time(text: &str) -> Option<Timestamp> {
    let ms = match text.strip_prefix('-') {
        Some(before_1970) => digits(before_1970).filter(|ms| *ms != 0)?.checked_neg()?,
        None => digits(text)?,
    };
    let time = Timestamp::from_millis(ms);
    (time.as_millis() == ms).then_some(time)
}

fn digits(text: &str) -> Option<i64> {
    let one_way_to_write_it = text == "0" || !text.starts_with('0');
    (one_way_to_write_it && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(last: i64, opened: i64, partition: i32, offset: i64) -> Window {
        let position = Position { partition: Partition(partition), offset: Offset(offset) };
        Window { last_inbound_at: Timestamp::from_millis(last), opened_at: Timestamp::from_millis(opened), position }
    }

    #[test]
    fn a_window_reads_as_what_a_person_sees() {
        let known = Stored::Known(window(1_700_000_060_000, 1_700_000_000_000, 3, 42));
        let damaged = |text: &str| Stored::Damaged(text.to_owned());
        let table = [
            ("1 1700000060000 1700000000000 3:42", known),
            ("1 -5 0 0:0", Stored::Known(window(-5, 0, 0, 0))),
            ("2 anything at all", Stored::Newer),
            ("17 1 1 0:0", Stored::Newer),
            ("1700000060000 1 0:0", damaged("1700000060000 1 0:0")),
            ("0 1 1 0:0", damaged("0 1 1 0:0")),
            ("2", damaged("2")),
            ("", damaged("")),
            ("1 1 1 0:0 ", damaged("1 1 1 0:0 ")),
            ("1 1 1 0", damaged("1 1 1 0")),
            ("1 1 1 0:-1", damaged("1 1 1 0:-1")),
            ("1 01 1 0:0", damaged("1 01 1 0:0")),
            ("1 +1 1 0:0", damaged("1 +1 1 0:0")),
            ("1 -0 1 0:0", damaged("1 -0 1 0:0")),
            ("1 1 1 4294967296:0", damaged("1 1 1 4294967296:0")),
            ("1 253402300800000 1 0:0", damaged("1 253402300800000 1 0:0")),
        ];
        for (text, stored) in table {
            assert_eq!(decode_window(Some(text.as_bytes())), stored, "{text:?}");
        }
        assert_eq!(decode_window(None), Stored::Missing);
    }

    #[test]
    fn a_frontier_reads_as_what_a_person_sees() {
        let frontier = |back_to| Frontier {
            next: Offset(42),
            topic_id: TopicId::new("XmFzZTY0LXRvcGljLQ"),
            reaches_back_to: back_to,
            reapply_to: Offset(7),
        };
        let known = |back_to| Stored::Known(frontier(back_to));
        let damaged = |text: &str| Stored::Damaged(text.to_owned());
        let table = [
            ("1 42 XmFzZTY0LXRvcGljLQ - 7", known(Timestamp::MIN)),
            ("1 42 XmFzZTY0LXRvcGljLQ 1700000000000 7", known(Timestamp::from_millis(1_700_000_000_000))),
            ("2 42", Stored::Newer),
            ("1 42 XmFzZTY0LXRvcGljLQ -62167219200000 7", damaged("1 42 XmFzZTY0LXRvcGljLQ -62167219200000 7")),
            ("1 42  - 7", damaged("1 42  - 7")),
            ("1 42 XmFzZTY0LXRvcGljLQ -", damaged("1 42 XmFzZTY0LXRvcGljLQ -")),
            ("1 42 a b - 7", damaged("1 42 a b - 7")),
            ("1 -1 a - 7", damaged("1 -1 a - 7")),
        ];
        for (text, stored) in table {
            assert_eq!(decode_frontier(Some(text.as_bytes())), stored, "{text:?}");
        }
        assert_eq!(encode_frontier(&frontier(Timestamp::MIN)), "1 42 XmFzZTY0LXRvcGljLQ - 7");
    }

    #[test]
    fn advice_reads_as_what_a_person_sees() {
        let known = |ms| Stored::Known(Advice { refused_at: Timestamp::from_millis(ms) });
        let table = [
            ("1 1700000000000", known(1_700_000_000_000)),
            ("1 -5", known(-5)),
            ("2 anything", Stored::Newer),
            ("1 5 5", Stored::Damaged("1 5 5".to_owned())),
            ("1700000000000", Stored::Damaged("1700000000000".to_owned())),
        ];
        for (text, stored) in table {
            assert_eq!(decode_advice(Some(text.as_bytes())), stored, "{text:?}");
        }
    }

    #[test]
    fn keys_read_back_and_their_glob_takes_nothing_for_a_wildcard() {
        let keys = Keys::new("a*:", "inbound-message");
        let key = WindowKey::parse("whatsapp:106:5511").unwrap();
        assert_eq!(keys.window(&key), "a*:window:whatsapp:106:5511");
        assert_eq!(keys.parse_window(b"a*:window:whatsapp:106:5511"), Some(key));
        assert_eq!(keys.parse_window(b"window:whatsapp:106:5511"), None);
        assert_eq!(keys.parse_window(b"a*:window:whatsapp"), None);
        let advice = keys.advice(&WindowKey::parse("whatsapp:106:5511").unwrap());
        assert_eq!(advice, "a*:advice:whatsapp:106:5511");
        assert_eq!(keys.frontier(Partition(3)), "a*:frontier:inbound-message:3");
        assert_eq!(keys.window_glob(Some("wh?ts"), Some("[106]"), None), r"a\*:window:wh\?ts:\[106\]:*");
        assert_eq!(keys.window_glob(None, Some("106"), None), r"a\*:window:*:106:*");
    }

    fn times() -> impl Strategy<Value = Timestamp> {
        (Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()).prop_map(Timestamp::from_millis)
    }

    prop_compose! {
        fn windows()(last in times(), opened in times(), partition in 0i32.., offset in 0i64..) -> Window {
            window(last.as_millis(), opened.as_millis(), partition, offset)
        }
    }

    prop_compose! {
        fn frontiers()(next in 0i64.., id in "[A-Za-z0-9_-]{1,22}", back_to in times(), to in 0i64..) -> Frontier {
            let topic_id = TopicId::new(id);
            Frontier { next: Offset(next), topic_id, reaches_back_to: back_to, reapply_to: Offset(to) }
        }
    }

    proptest! {
        #[test]
        fn every_window_reads_back(window in windows()) {
            prop_assert_eq!(decode_window(Some(encode_window(&window).as_bytes())), Stored::Known(window));
        }

        #[test]
        fn every_frontier_reads_back(frontier in frontiers()) {
            let text = encode_frontier(&frontier);
            prop_assert_eq!(decode_frontier(Some(text.as_bytes())), Stored::Known(frontier));
        }

        #[test]
        fn every_value_has_one_text_and_its_bytes_are_found_again(raw in "1 [-0-9a:+ ]{0,12}|[0-9]{1,4} .{0,4}|\\PC*") {
            let stored = decode_frontier(Some(raw.as_bytes()));
            if stored != Stored::Newer {
                prop_assert_eq!(seen_bytes(&stored), Some(raw.clone().into_bytes()));
            }
            if let Stored::Known(window) = decode_window(Some(raw.as_bytes())) {
                prop_assert_eq!(encode_window(&window), raw);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_found_again() {
        let raw = [0x31, 0x20, 0xff, 0x00, 0xc3, 0xa9];
        assert_eq!(seen_bytes(&decode_frontier(Some(&raw))), Some(raw.to_vec()));
    }
}
