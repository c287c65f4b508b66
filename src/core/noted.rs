//! The ids of the intents that a partition held in its preceding offsets (D1).

use super::decoded::DecodedIntent;
use super::ids::Offset;
use super::intent::IntentHash;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::collections::VecDeque;
use std::hash::Hasher;

/// The hashes are uniform already: hashing them again would only cost.
#[derive(Default)]
pub struct Passthrough(u64);

impl Hasher for Passthrough {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 ^= u64::from_le_bytes(word);
        }
    }
    fn write_u64(&mut self, n: u64) {
        self.0 ^= n;
    }
    fn write_usize(&mut self, _: usize) {
        // The number of halves is always the same.
    }
}

/// Remembers the ids of the preceding `reach` offsets of one partition.
///
/// A pure function of the log: whoever notes the same records in order gets the same answers. An id costs 24 bytes in
/// the queue, which has up to twice the room that it needs, and 6 to 12 bytes in the table: 30 to 60 bytes, up to 6 MB
/// for the default reach of 100,000. A redriven intent has two ids.
pub struct NotedIds {
    reach: i64,
    in_order: VecDeque<Noted>,
    /// How many have left the queue: an id's number is its place there plus this.
    left: u32,
    /// The numbers of the latest occurrences. Numbers alone: a table of ids does not fit the processor's caches.
    latest: HashTable<u32>,
}

struct Noted {
    offset: Offset,
    /// In halves: a `u128` would be padded to 32 bytes beside an offset.
    id: [u64; 2],
}

impl NotedIds {
    /// Notes ids for that many offsets; 0 notes nothing and finds no duplicates.
    pub fn new(reach: u32) -> NotedIds {
        NotedIds { reach: i64::from(reach), in_order: VecDeque::new(), left: 0, latest: HashTable::new() }
    }

    /// Notes an intent, and says whether it is a duplicate. One that was redriven follows its refused self: it is one only
    /// of others that were redriven as often. Those that come later are duplicates of it as of any.
    pub fn note_intent(&mut self, offset: Offset, intent: &DecodedIntent) -> bool {
        let Some(hash) = intent.hash else { return false };
        let has_occurred = self.note(offset, hash);
        intent.redriven.map_or(has_occurred, |redriven| self.note(offset, redriven))
    }

    /// Notes an id, and says whether it occurred in the preceding offsets. Offsets only grow.
    pub fn note(&mut self, offset: Offset, IntentHash(hash): IntentHash) -> bool {
        if self.reach == 0 {
            return false;
        }
        self.forget_before(Offset(offset.0 - self.reach));
        let id = [(hash >> 64) as u64, hash as u64];
        // Fewer are remembered than a u32 counts, so that numbers may begin again.
        let number = self.left.wrapping_add(self.in_order.len() as u32);
        let (in_order, left) = (&self.in_order, self.left);
        let id_of = |number: &u32| in_order.get(number.wrapping_sub(left) as usize).map(|noted| noted.id);
        let is_same = |known: &u32| id_of(known) == Some(id);
        let hash_of = |known: &u32| id_of(known).map_or(0, |id| id[0]);
        let was_there = match self.latest.entry(id[0], is_same, hash_of) {
            Entry::Occupied(mut known) => {
                *known.get_mut() = number;
                true
            }
            Entry::Vacant(place) => {
                place.insert(number);
                false
            }
        };
        self.in_order.push_back(Noted { offset, id });
        was_there
    }

    /// Looks for an id, and for those that are forgotten next, without telling anything: most of them miss the processor's
    /// caches, and it waits for several at a time where nothing rests on the answer.
    pub fn fetch(&self, nth: usize, intent: &DecodedIntent) {
        let oldest = self.in_order.get(nth).map(|noted| noted.id[0]);
        let new = intent.hash.map(|IntentHash(hash)| (hash >> 64) as u64);
        for hash in oldest.into_iter().chain(new) {
            // The number of a place with that hash: nothing is compared.
            std::hint::black_box(self.latest.find(hash, |_| true));
        }
    }

    fn forget_before(&mut self, oldest: Offset) {
        while let Some(noted) = self.in_order.front().filter(|noted| noted.offset < oldest) {
            // Where it occurred again since, that number stands in the table.
            if let Ok(known) = self.latest.find_entry(noted.id[0], |known| *known == self.left) {
                known.remove();
            }
            self.in_order.pop_front();
            self.left = self.left.wrapping_add(1);
        }
    }

    /// How many ids are noted.
    pub fn len(&self) -> usize {
        self.in_order.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.in_order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn note(noted: &mut NotedIds, offset: i64, id: u128) -> bool {
        noted.note(Offset(offset), IntentHash(id))
    }

    #[test]
    fn an_id_is_a_duplicate_within_the_reach_and_new_beyond_it() {
        let mut noted = NotedIds::new(10);
        assert!(!note(&mut noted, 0, 1));
        assert!(note(&mut noted, 10, 1), "exactly the reach away");
        assert!(!note(&mut noted, 21, 1), "one further");
        assert!(!note(&mut noted, 22, 2));
    }

    #[test]
    fn a_duplicate_is_noted_too_and_keeps_the_id_alive() {
        let mut noted = NotedIds::new(5);
        note(&mut noted, 0, 1);
        assert!(note(&mut noted, 4, 1));
        assert!(note(&mut noted, 8, 1), "4 offsets after the duplicate, 8 after the first");
    }

    #[test]
    fn memory_is_bounded_by_the_reach() {
        let mut noted = NotedIds::new(100);
        (0..10_000).for_each(|i| {
            note(&mut noted, i, i as u128 % 7 + i as u128);
        });
        assert!(noted.len() <= 101 && noted.latest.len() <= 101);
    }

    proptest! {
        #[test]
        fn an_id_is_found_where_looking_through_the_preceding_offsets_finds_it(
            reach in 1_u32..12,
            steps in prop::collection::vec((1_i64..4, 0_u64..10), 0..200)
        ) {
            let mut noted = NotedIds::new(reach);
            // Numbers begin again while it is at work.
            noted.left = u32::MAX - 20;
            let (mut all, mut offset) = (Vec::<(i64, u64)>::new(), 0);
            for (step, id) in steps {
                offset += step;
                let expected = all.iter().any(|(at, known)| *known == id && *at >= offset - i64::from(reach));
                let spread = (u128::from(mixed(id)) << 64) | u128::from(id);
                prop_assert_eq!(note(&mut noted, offset, spread), expected);
                all.push((offset, id));
            }
        }
    }

    /// Some share a half, as hashes hardly ever do.
    fn mixed(id: u64) -> u64 {
        (id / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    #[test]
    fn a_reach_of_nothing_finds_no_duplicates() {
        let mut noted = NotedIds::new(0);
        assert!(!note(&mut noted, 0, 1) && !note(&mut noted, 1, 1));
    }
}
