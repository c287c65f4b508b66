//! Times as RFC 3339 text.

use crate::core::time::Timestamp;
use chrono::{DateTime, Datelike, Timelike};

/// The length of a written time.
pub const TEXT_BYTES: usize = 24;

/// Reads an RFC 3339 time with any offset and any fraction; what is finer than a millisecond is dropped.
pub fn parse(text: &str) -> Option<Timestamp> {
    let parsed = DateTime::parse_from_rfc3339(text).ok()?;
    Some(Timestamp::from_millis(parsed.timestamp_millis()))
}

/// Writes a time in UTC with milliseconds: `2026-11-22T10:15:30.123Z`.
pub fn format(time: Timestamp) -> String {
    let mut out = Vec::with_capacity(TEXT_BYTES);
    append(&mut out, time);
    String::from_utf8(out).unwrap_or_default()
}

/// Like [`format`], at the end of a buffer.
///
/// By hand: an output holds five times, and chrono's formatter costs several times as much.
pub fn append(out: &mut Vec<u8>, time: Timestamp) {
    let moment = DateTime::from_timestamp_millis(time.as_millis()).unwrap_or_default();
    let year = moment.year().unsigned_abs();
    append_digits(out, year, 1_000);
    out.push(b'-');
    append_digits(out, moment.month(), 10);
    out.push(b'-');
    append_digits(out, moment.day(), 10);
    out.push(b'T');
    append_digits(out, moment.hour(), 10);
    out.push(b':');
    append_digits(out, moment.minute(), 10);
    out.push(b':');
    append_digits(out, moment.second(), 10);
    out.push(b'.');
    append_digits(out, moment.timestamp_subsec_millis(), 100);
    out.push(b'Z');
}

fn append_digits(out: &mut Vec<u8>, number: u32, highest_place: u32) {
    let mut place = highest_place;
    while place > 0 {
        out.push(b'0' + (number / place % 10) as u8);
        place /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_with_any_offset_and_fraction() {
        let table = [
            ("2026-11-22T10:15:30.123Z", "2026-11-22T10:15:30.123Z", "as it is written"),
            ("2026-11-22t10:15:30.123z", "2026-11-22T10:15:30.123Z", "small letters"),
            ("2026-11-22T10:15:30Z", "2026-11-22T10:15:30.000Z", "no fraction"),
            ("2026-11-22T10:15:30.1Z", "2026-11-22T10:15:30.100Z", "tenths"),
            ("2026-11-22T10:15:30.123999999Z", "2026-11-22T10:15:30.123Z", "nanoseconds are dropped, not rounded"),
            ("2026-11-22T07:15:30-03:00", "2026-11-22T10:15:30.000Z", "west of Greenwich"),
            ("2026-11-22T15:45:30+05:30", "2026-11-22T10:15:30.000Z", "east, with half an hour"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z", "a leap second"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z", "before 1970"),
            ("0000-01-01T00:00:00+23:59", "0000-01-01T00:00:00.000Z", "before the first year: the earliest"),
            ("9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59.999Z", "after the last: the latest"),
        ];
        for (given, written, what) in table {
            assert_eq!(parse(given).map(format).as_deref(), Some(written), "{what}");
        }
    }

    #[test]
    fn what_is_no_rfc_3339_time_is_refused() {
        for bad in [
            "",
            "now",
            "1764000000",
            "2026-11-22",
            "2026-11-22T10:15:30",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-22T25:00:00Z",
            "2026-11-22T10:15:30.Z",
            "2026-11-22T10:15:30Z ",
            "+12026-11-22T10:15:30Z",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_timestamp_reads_back_as_it_was_written(ms in Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()) {
            let time = Timestamp::from_millis(ms);
            let text = format(time);
            prop_assert_eq!(text.len(), TEXT_BYTES);
            prop_assert_eq!(parse(&text), Some(time));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
