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

/// The highest bit of each byte that ends a plain stretch of a string: a quote, a backslash, a control character. Behind
/// the first such byte it may err.
#[inline(always)]
fn specials(word: u64) -> u64 {
    // With this bit turned over, a quote is the next one after the control characters.
    let control_or_quote = (word ^ every(0x02)).wrapping_sub(every(b' ' + 1));
    let backslash = (word ^ every(b'\\')).wrapping_sub(every(1));
    (control_or_quote | backslash) & !word & every(0x80)
}

/// In the highest bit of each byte, whether it is no visible ASCII character: neither from `!` on, one less than which has
/// a sign, nor up to `~`, one more than which has none.
#[inline(always)]
fn beyond_graphic(word: u64) -> u64 {
    word | word.wrapping_sub(every(b'!')) | word.wrapping_add(every(1))
}

/// Whether a string can hold these bytes as they are.
pub(super) fn are_plain(bytes: &[u8]) -> bool {
    all(bytes, |word| specials(word) == 0)
}

/// Whether all bytes are visible ASCII characters.
pub(super) fn are_graphic(bytes: &[u8]) -> bool {
    all(bytes, |word| beyond_graphic(word) & every(0x80) == 0)
}

/// Whether this byte is among them.
pub(super) fn hold(bytes: &[u8], byte: u8) -> bool {
    !all(bytes, |word| equals(word, byte) == 0)
}

/// Whether all bytes are visible ASCII characters, and none is this one.
#[inline]
pub(super) fn are_graphic_without(bytes: &[u8], byte: u8) -> bool {
    all(bytes, |word| (beyond_graphic(word) | equals(word, byte)) & every(0x80) == 0)
}

/// Whether it is true of all words. The last one overlaps the one before it, and so do the halves of one that is made of
/// fewer bytes.
#[inline(always)]
fn all(bytes: &[u8], is_true: impl Fn(u64) -> bool) -> bool {
    let Some(last) = bytes.last_chunk() else { return is_true(short(bytes)) };
    let (words, _) = bytes.as_chunks();
    for word in words {
        if !is_true(u64::from_le_bytes(*word)) {
            return false;
        }
    }
    is_true(u64::from_le_bytes(*last))
}

/// A word of the bytes of a text that has fewer; it is filled up with letters, or with some of them once more.
#[inline(always)]
fn short(bytes: &[u8]) -> u64 {
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
    }
    let at = |place: usize| bytes.get(place).copied().unwrap_or(b'a');
    u64::from_le_bytes([at(0), at(1), at(2), b'a', b'a', b'a', b'a', b'a'])
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
                assert_eq!(are_plain(&text), !is_special, "{what}");
                assert_eq!(are_graphic(&text), byte.is_ascii_graphic(), "{what}");
                assert_eq!(hold(&text, b':'), byte == b':', "{what}");
                let is_usual = byte.is_ascii_graphic() && byte != b':';
                assert_eq!(are_graphic_without(&text, b':'), is_usual, "{what}");
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
            let are_usual = text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b':');
            assert_eq!(are_graphic_without(&text, b':'), are_usual, "{one} {other}");
            let is_special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
            assert_eq!(are_plain(&text), !is_special(one) && !is_special(other), "{one} {other}");
        }
    }
}
