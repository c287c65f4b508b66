//! Times as RFC 3339 text.

use super::digits;
use crate::core::time::Timestamp;
use chrono::DateTime;
use std::cell::Cell;

/// The length of a written time.
pub const TEXT_BYTES: usize = 24;

/// Reads an RFC 3339 time with any offset and any fraction; what is finer than a millisecond is dropped.
pub fn parse(text: &str) -> Option<Timestamp> {
    parse_usual(text).or_else(|| {
        let parsed = DateTime::parse_from_rfc3339(text).ok()?;
        Some(Timestamp::from_millis(parsed.timestamp_millis()))
    })
}

/// The usual form by hand, as [`format`] writes it or without a fraction: chrono takes several times as long.
pub(super) fn parse_usual(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.as_bytes().split_first_chunk()?;
    let (middle, rest) = rest.split_first_chunk()?;
    let end = match rest {
        [b':', s0, s1, b'Z'] => [b':', *s0, *s1, b'.', b'0', b'0', b'0', b'Z'],
        _ => *rest.as_array()?,
    };
    let (date, middle, end) = (digits(date, b"0000-00-")?, digits(middle, b"00T00:00")?, digits(&end, b":00.000Z")?);
    let (date, middle) = (in_pairs(date), in_pairs(middle));
    let (year, month, day) = (at(date, 0) * 100 + at(date, 2), at(date, 5), at(middle, 0));
    let (hour, minute, second) = (at(middle, 3), at(middle, 6), at(in_pairs(end), 1));
    let ms = at(in_pairs(end), 4) * 10 + at(end, 6);
    // Leap seconds are left to chrono.
    if hour > 23 || minute > 59 || second > 59 || day == 0 || day > days_of(year, month)? {
        return None;
    }
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute;
    Some(Timestamp::from_millis((minutes * 60 + second) * 1_000 + ms))
}

/// The value of each digit, where the form has zeros, and zeros where the text is like the form; `None` where it is not.
#[inline(always)]
fn digits(text: &[u8; 8], form: &[u8; 8]) -> Option<u64> {
    let values = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*form);
    // What is added to a value that is too large gives the byte a sign.
    let spare = u64::from_le_bytes(form.map(|byte| if byte == b'0' { 0x7f - 9 } else { 0x7f }));
    let signs = u64::from_le_bytes([0x80; 8]);
    ((values | values.wrapping_add(spare)) & signs == 0).then_some(values)
}

/// In each place, the number that its digit and the next one make.
#[inline(always)]
fn in_pairs(digits: u64) -> u64 {
    digits * 10 + (digits >> 8)
}

#[inline(always)]
fn at(numbers: u64, place: u32) -> i64 {
    (numbers >> (8 * place) & 0xff) as i64
}

fn days_of(year: i64, month: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => Some(if is_leap { 29 } else { 28 }),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Years are taken to begin in March here, so that the leap day comes last; 400 of them repeat.
const DAYS_OF_400_YEARS: i64 = 146_097;
/// From the first of March of the year 0 to the first of January 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    // From the year -400 on: no number is below zero then, and divisions are cheap.
    let (year, month) = ((year + 400) as u32, month as u32);
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5;
    i64::from(days) + day - 1 - DAYS_BEFORE_1970 - DAYS_OF_400_YEARS
}

/// Year, month and day, by the algorithm of Neri and Schneider ("Euclidean affine functions", 2022): multiplications in
/// place of divisions.
fn civil(days_since_1970: i64) -> [u32; 3] {
    // From the year -400 on, which has no day before it here, so that no number is below zero.
    let days = (days_since_1970 + DAYS_BEFORE_1970 + DAYS_OF_400_YEARS) as u32;
    let quarters = 4 * days + 3;
    let (century, day) = (quarters / 146_097, quarters % 146_097 / 4);
    let product = 2_939_745 * u64::from(4 * day + 3);
    let (year, day) = ((product >> 32) as u32, (product as u32) / 2_939_745 / 4);
    let sum = 2_141 * day + 197_913;
    let (month, day) = (sum >> 16, (sum & 0xffff) / 2_141 + 1);
    // Years begin in March: its first two months are the next one's.
    let is_next = month > 12;
    [100 * century + year + u32::from(is_next) - 400, if is_next { month - 12 } else { month }, day]
}

/// Writes a time in UTC with milliseconds: `2026-11-22T10:15:30.123Z`.
pub fn format(time: Timestamp) -> String {
    String::from_utf8_lossy(&text(time)).into_owned()
}

const DAY_MS: u64 = 86_400_000;
/// From the year -400 on, as in `civil`: numbers without a sign divide faster.
const DAYS_BEFORE: i64 = DAYS_BEFORE_1970 + DAYS_OF_400_YEARS;

thread_local! {
    /// The digits of days that were written last, each at a place of its own. Day 0 is none that is ever written.
    static DATES: [Cell<(u32, u64)>; 4] = const { [const { Cell::new((0, 0)) }; 4] };
    /// The time that was last written as one of many, and its text.
    static REPEATED: Cell<(Timestamp, [u8; TEXT_BYTES])> = const { Cell::new((Timestamp::MIN, *b"0000-01-01T00:00:00.000Z")) };
}

/// Like [`text`], for a time that many records have in common: it is remembered.
#[inline]
pub(super) fn repeated_text(time: Timestamp) -> [u8; TEXT_BYTES] {
    REPEATED.with(|repeated| match repeated.get() {
        (written, text) if written == time => text,
        _ => {
            let text = text(time);
            repeated.set((time, text));
            text
        }
    })
}

/// Like [`format`], as bytes.
///
/// By hand: an output holds five times, and chrono's formatter costs several times as much.
pub fn text(time: Timestamp) -> [u8; TEXT_BYTES] {
    let ms = (time.as_millis() + DAYS_BEFORE * DAY_MS as i64) as u64;
    let (days, ms) = ((ms / DAY_MS) as u32, (ms % DAY_MS) as u32);
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    let date = date(days);
    let clock = digits::of_pairs([minutes / 60, minutes % 60, second, ms / 10]);
    // Three words put together from both; the lowest byte of each comes first.
    let at = |byte: u8, place: u32| u64::from(byte) << (8 * place);
    let pair = |digits: u64, place: u32| digits >> (16 * place) & 0xffff;
    let last = b'0' + (ms % 10) as u8;
    let words = [
        (date & 0xffff_ffff) | at(b'-', 4) | pair(date, 2) << 40 | at(b'-', 7),
        pair(date, 3) | at(b'T', 2) | pair(clock, 0) << 24 | at(b':', 5) | pair(clock, 1) << 48,
        at(b':', 0) | pair(clock, 2) << 8 | at(b'.', 3) | pair(clock, 3) << 32 | at(last, 6) | at(b'Z', 7),
    ];
    let mut text = [0; TEXT_BYTES];
    let (places, _) = text.as_chunks_mut();
    for (place, word) in places.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    text
}

/// Like [`text`], when the text of another time is known: whole days later or before, only the date differs.
#[inline]
pub(super) fn text_beside(time: Timestamp, other: Timestamp, other_text: &[u8; TEXT_BYTES]) -> [u8; TEXT_BYTES] {
    const CLOCK_FROM: usize = 11;
    let days_apart = (time.as_millis() - other.as_millis()) / DAY_MS as i64;
    if other.as_millis() + days_apart * DAY_MS as i64 != time.as_millis() {
        return text(time);
    }
    let ms = (time.as_millis() + DAYS_BEFORE * DAY_MS as i64) as u64;
    let date = date((ms / DAY_MS) as u32).to_le_bytes();
    let mut text = *other_text;
    let [y0, y1, y2, y3, m0, m1, d0, d1] = date;
    text[..CLOCK_FROM - 1].copy_from_slice(&[y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1]);
    text
}

/// The digits of a day. Most times lie within a few days, whose digits are remembered.
#[inline]
fn date(days: u32) -> u64 {
    DATES.with(|dates| {
        let place = &dates[days as usize % dates.len()];
        match place.get() {
            (known, digits) if known == days => digits,
            _ => {
                let [year, month, day] = civil(i64::from(days) - DAYS_BEFORE);
                let digits = digits::of_pairs([year / 100, year % 100, month, day]);
                place.set((days, digits));
                digits
            }
        }
    })
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

    #[test]
    fn every_day_of_ten_thousand_years_is_found_again() {
        for day in Timestamp::MIN.as_millis() / 86_400_000..=Timestamp::MAX.as_millis() / 86_400_000 {
            let [year, month, of_month] = civil(day).map(i64::from);
            assert_eq!(days_since_1970(year, month, of_month), day);
            assert!((1..=days_of(year, month).unwrap()).contains(&of_month));
        }
    }

    proptest! {
        #[test]
        fn the_usual_form_is_read_as_chrono_reads_it(
            text in "[0-9]{2}[0269][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{3})?Z"
        ) {
            let by_hand = parse_usual(&text);
            prop_assume!(by_hand.is_some());
            let by_chrono = DateTime::parse_from_rfc3339(&text).map(|time| Timestamp::from_millis(time.timestamp_millis()));
            prop_assert_eq!(by_chrono.ok(), by_hand);
        }

        #[test]
        fn every_timestamp_reads_back_as_it_was_written(ms in Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis()) {
            let time = Timestamp::from_millis(ms);
            let text = format(time);
            prop_assert_eq!(text.len(), TEXT_BYTES);
            prop_assert_eq!(parse(&text), Some(time));
            prop_assert_eq!(&super::text(time), text.as_bytes());
            prop_assert_eq!(repeated_text(time), repeated_text(time));
            prop_assert_eq!(&repeated_text(time), text.as_bytes());
        }

        #[test]
        fn a_time_beside_another_is_written_like_any(
            ms in Timestamp::MIN.as_millis()..=Timestamp::MAX.as_millis(), days in -40_i64..40, apart in 0..3_i64,
        ) {
            let other = Timestamp::from_millis(ms);
            let beside = Timestamp::from_millis(ms + days * DAY_MS as i64 + apart / 2);
            prop_assert_eq!(text_beside(beside, other, &super::text(other)), super::text(beside));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
