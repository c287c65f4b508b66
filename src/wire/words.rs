//! Questions to texts, eight bytes at a time.

/// A word with this byte in each of its places.
const fn every(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The highest bit of each byte that equals this one; behind the first such byte it may err.
fn equals(word: u64, byte: u8) -> u64 {
    let differs = word ^ every(byte);
    differs.wrapping_sub(every(1)) & !differs & every(0x80)
}

/// The place of the first byte in a word that ends a plain stretch of a string: a quote, a backslash, a control
/// character. Behind that place it may err.
fn first_special(word: u64) -> Option<usize> {
    let control = word.wrapping_sub(every(b' ')) & !word & every(0x80);
    let found = equals(word, b'"') | equals(word, b'\\') | control;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// How many bytes of a JSON text from here on are a plain stretch of a string.
pub(super) fn plain_prefix(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks();
    let mut plain = 0;
    for word in words {
        match first_special(u64::from_le_bytes(*word)) {
            Some(place) => return plain + place,
            None => plain += 8,
        }
    }
    plain + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..b' ')).unwrap_or(rest.len())
}

/// Whether a string can hold these bytes as they are.
pub(super) fn are_plain(bytes: &[u8]) -> bool {
    all(bytes, |word| first_special(word).is_none())
}

/// Whether all bytes are visible ASCII characters.
pub(super) fn are_graphic(bytes: &[u8]) -> bool {
    // From `!` to `~`: one less has a sign below it, one more has it above.
    all(bytes, |word| (word | word.wrapping_sub(every(b'!')) | word.wrapping_add(every(1))) & every(0x80) == 0)
}

/// Whether this byte is among them.
pub(super) fn hold(bytes: &[u8], byte: u8) -> bool {
    !all(bytes, |word| equals(word, byte) == 0)
}

/// Whether it is true of all words. The last one overlaps the one before it; too short a text is filled up with letters.
#[inline]
fn all(bytes: &[u8], is_true: impl Fn(u64) -> bool) -> bool {
    let Some(last) = bytes.last_chunk() else {
        let mut word = [b'a'; 8];
        word.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        return is_true(u64::from_le_bytes(word));
    };
    let (words, _) = bytes.as_chunks();
    words.iter().all(|word| is_true(u64::from_le_bytes(*word))) && is_true(u64::from_le_bytes(*last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_apart_at_every_place_of_texts_of_every_length() {
        for (length, byte) in (1..20).flat_map(|length| (0..=255_u8).map(move |byte| (length, byte))) {
            for place in 0..length {
                let mut text = vec![b'a'; length];
                text[place] = byte;
                let is_special = byte < b' ' || byte == b'"' || byte == b'\\';
                let what = format!("{byte} at {place} of {length}");
                assert_eq!(plain_prefix(&text), if is_special { place } else { length }, "{what}");
                assert_eq!(are_plain(&text), !is_special, "{what}");
                assert_eq!(are_graphic(&text), byte.is_ascii_graphic(), "{what}");
                assert_eq!(hold(&text, b':'), byte == b':', "{what}");
            }
        }
        assert!(are_plain(b"") && are_graphic(b"") && !hold(b"", b':'));
    }

    #[test]
    fn neighbours_of_a_byte_do_not_hide_it() {
        for (one, other) in (0..=255_u8).flat_map(|one| (0..=255_u8).map(move |other| (one, other))) {
            let text = [b'a', one, other, b'a', b'a', b'a', b'a', b'a'];
            assert_eq!(are_graphic(&text), text.iter().all(u8::is_ascii_graphic), "{one} {other}");
            assert_eq!(hold(&text, b':'), text.contains(&b':'), "{one} {other}");
            assert_eq!(are_plain(&text), plain_prefix(&text) == 8, "{one} {other}");
        }
    }
}
