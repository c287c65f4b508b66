//! Copies of keys and values, many of them in one piece of memory.
//!
//! A reference into what was fetched would keep all of that for as long as one record is remembered; a piece of memory
//! for each key and each value costs more than the copying. Records that are remembered lie together, so that what one
//! of them keeps with it is mostly remembered too.

use bytes::{Bytes, BytesMut};

/// The size of a piece: about a hundred small records.
const PIECE_BYTES: usize = 32 * 1024;
/// What is larger gets memory of its own.
const LARGEST_BYTES: usize = PIECE_BYTES / 4;

/// Where copies are put.
#[derive(Default)]
pub(super) struct Shelf(BytesMut);

impl Shelf {
    /// Copies these bytes.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Bytes {
        if bytes.len() > LARGEST_BYTES {
            return Bytes::copy_from_slice(bytes);
        }
        if self.0.capacity() < bytes.len() {
            self.0 = BytesMut::with_capacity(PIECE_BYTES);
        }
        self.0.extend_from_slice(bytes);
        self.0.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_what_they_were_whatever_comes_behind_them() {
        let mut shelf = Shelf::default();
        let sizes = [0, 1, 300, LARGEST_BYTES, LARGEST_BYTES + 1, PIECE_BYTES * 2];
        let texts: Vec<Vec<u8>> = (0..1_000_usize).map(|n| vec![(n % 251) as u8; sizes[n % sizes.len()]]).collect();
        let copies: Vec<Bytes> = texts.iter().map(|text| shelf.put(text)).collect();
        assert!(copies.iter().zip(&texts).all(|(copy, text)| copy == text));
    }

    #[test]
    fn small_neighbours_lie_in_one_piece() {
        let mut shelf = Shelf::default();
        let (one, next) = (shelf.put(b"one"), shelf.put(b"next"));
        assert_eq!(one.as_ptr() as usize + one.len(), next.as_ptr() as usize);
    }
}
