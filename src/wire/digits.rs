//! Digits in words: four pairs of them at once, without a division.

/// The digit zero in each byte.
pub(super) const ZEROS: u64 = 0x3030_3030_3030_3030;

/// Four numbers below 100 as two digits each: the bytes of the word, beginning with the lowest.
#[inline]
pub(super) fn of_pairs([a, b, c, d]: [u32; 4]) -> u64 {
    // Each in 16 bits of its own. 103 / 1024 is a tenth, exact enough below 100, and the product stays within its bits.
    let pairs = u64::from(a) | u64::from(b) << 16 | u64::from(c) << 32 | u64::from(d) << 48;
    let tens = ((pairs * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | (pairs - tens * 10) << 8) + ZEROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_written_at_every_place() {
        for number in 0..100 {
            let other = 99 - number;
            let digits = of_pairs([number, other, number, other]).to_le_bytes();
            assert_eq!(digits, *format!("{number:02}{other:02}{number:02}{other:02}").as_bytes());
        }
    }
}
