//! Where plain stretches of strings end in a text: one bit for each byte, made sixty-four at a time.
//!
//! Looking through a text once for all its strings is cheaper than looking for the end of each. The loops over arrays of
//! a fixed length are there for the compiler, which makes vectors of them.

/// So many bytes have their bits in one word.
const BLOCK: usize = 64;
/// Texts of that many blocks or fewer need no memory of their own.
const USUAL_BLOCKS: usize = 16;

/// The bits of a text.
pub(super) struct Marks {
    few: [u64; USUAL_BLOCKS],
    /// Those of a longer text.
    many: Vec<u64>,
}

impl Marks {
    /// Those of no text.
    #[inline(always)]
    pub(super) fn new() -> Marks {
        Marks { few: [0; USUAL_BLOCKS], many: Vec::new() }
    }

    /// Those of a text. In place, since they are many.
    #[inline(always)]
    pub(super) fn set(&mut self, bytes: &[u8]) -> &[u64] {
        let blocks = bytes.len() / BLOCK + 1;
        let marks = match blocks {
            ..=USUAL_BLOCKS => self.few.as_mut_slice(),
            _ => {
                self.many.resize(blocks, 0);
                &mut self.many
            }
        };
        fill(bytes, marks);
        marks
    }
}

/// The place of the first marked byte from here on; the text's end counts as marked.
#[inline(always)]
pub(super) fn next(marks: &[u64], at: usize) -> usize {
    let block = at / BLOCK;
    let rest = marks.get(block).map_or(0, |marks| marks >> (at % BLOCK));
    if rest != 0 { at + rest.trailing_zeros() as usize } else { next_block(marks, block + 1) }
}

#[inline(never)]
fn next_block(marks: &[u64], from: usize) -> usize {
    let rest = marks.get(from..).unwrap_or_default();
    let empty = rest.iter().take_while(|marks| **marks == 0).count();
    let place = rest.get(empty).map_or(0, |marks| marks.trailing_zeros() as usize);
    (from + empty) * BLOCK + place
}

#[inline(never)]
fn fill(bytes: &[u8], marks: &mut [u64]) {
    let (blocks, rest) = bytes.as_chunks();
    let mut places = marks.iter_mut();
    for (block, place) in blocks.iter().zip(places.by_ref()) {
        *place = marks_of(block);
    }
    let Some(place) = places.next() else { return };
    // Behind the end everything is marked.
    *place = match bytes.last_chunk() {
        Some(last) => !(!marks_of(last)).checked_shr((BLOCK - rest.len()) as u32).unwrap_or(0),
        None => {
            // So are zeros, as all control characters are.
            let mut last = [0; BLOCK];
            last.iter_mut().zip(rest).for_each(|(place, byte)| *place = *byte);
            marks_of(&last)
        }
    };
}

/// One bit for each byte that ends a plain stretch of a string: a quote, a backslash, a control character.
#[inline(always)]
fn marks_of(block: &[u8; BLOCK]) -> u64 {
    let mut marked = [0; BLOCK];
    for (marked, byte) in marked.iter_mut().zip(block) {
        // With this bit turned over, a quote is the next one after the control characters.
        *marked = u8::from((*byte ^ 0x02) <= b' ') | u8::from(*byte == b'\\');
    }
    let (words, _) = marked.as_chunks();
    words.iter().rev().fold(0, |marks, word| marks << 8 | gathered(u64::from_le_bytes(*word)))
}

/// The lowest bit of each byte, side by side; no other bit may be set.
#[inline(always)]
fn gathered(bits: u64) -> u64 {
    // In the highest byte of the product, each lands in its place.
    bits.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_is_told_apart_at_every_place() {
        for (byte, place) in (0..=255_u8).flat_map(|byte| (0..BLOCK).map(move |place| (byte, place))) {
            let mut block = [b'a'; BLOCK];
            block[place] = byte;
            let is_marked = byte < b' ' || byte == b'"' || byte == b'\\';
            assert_eq!(marks_of(&block), u64::from(is_marked) << place, "{byte} at {place}");
        }
    }

    proptest! {
        #[test]
        fn the_next_mark_is_found_from_everywhere(
            text in prop::collection::vec(prop_oneof![40 => Just(b'a'), 1 => Just(b'"'), 1 => any::<u8>()], 0..2_500)
        ) {
            let mut marks = Marks::new();
            let marks = marks.set(&text);
            for from in 0..=text.len() {
                let is_marked = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
                let expected = text[from..].iter().position(is_marked).map_or(text.len(), |place| from + place);
                prop_assert_eq!(next(marks, from), expected);
            }
        }
    }
}
