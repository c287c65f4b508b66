//! The ids of the intents that a partition held in its preceding offsets (D1).

use super::decoded::DecodedIntent;
use super::ids::Offset;
use super::intent::IntentHash;
use hashbrown::HashMap;
use std::collections::VecDeque;
use std::hash::{BuildHasherDefault, Hasher};

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
/// the queue and 25 in the table, and both have up to twice the room that they need: 50 to 100 bytes, 6.5 MB for the
/// default reach of 100,000. A redriven intent has two ids.
pub struct NotedIds {
    reach: i64,
    in_order: VecDeque<(Offset, Halves)>,
    latest: HashMap<Halves, Offset, BuildHasherDefault<Passthrough>>,
}

/// A hash in two halves: a `u128` would be padded to 32 bytes beside an offset.
type Halves = [u64; 2];

fn halves(IntentHash(hash): IntentHash) -> Halves {
    [(hash >> 64) as u64, hash as u64]
}

impl NotedIds {
    /// Notes ids for that many offsets; 0 notes nothing and finds no duplicates.
    pub fn new(reach: u32) -> NotedIds {
        NotedIds { reach: i64::from(reach), in_order: VecDeque::new(), latest: HashMap::default() }
    }

    /// Notes an intent, and says whether it is a duplicate. One that was redriven follows its refused self: it is one only
    /// of others that were redriven as often. Those that come later are duplicates of it as of any.
    pub fn note_intent(&mut self, offset: Offset, intent: &DecodedIntent) -> bool {
        let Some(hash) = intent.hash else { return false };
        let has_occurred = self.note(offset, hash);
        intent.redriven.map_or(has_occurred, |redriven| self.note(offset, redriven))
    }

    /// Notes an id, and says whether it occurred in the preceding offsets. Offsets only grow.
    pub fn note(&mut self, offset: Offset, id: IntentHash) -> bool {
        if self.reach == 0 {
            return false;
        }
        let id = halves(id);
        let oldest = Offset(offset.0 - self.reach);
        while let Some(&(noted, old)) = self.in_order.front().filter(|(noted, _)| *noted < oldest) {
            self.in_order.pop_front();
            if self.latest.get(&old) == Some(&noted) {
                self.latest.remove(&old);
            }
        }
        self.in_order.push_back((offset, id));
        self.latest.insert(id, offset).is_some()
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

    #[test]
    fn a_reach_of_nothing_finds_no_duplicates() {
        let mut noted = NotedIds::new(0);
        assert!(!note(&mut noted, 0, 1) && !note(&mut noted, 1, 1));
    }
}
