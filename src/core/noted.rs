//! The ids of the intents that a partition held in its preceding offsets (D1).

use super::decoded::DecodedIntent;
use super::ids::Offset;
use super::intent::IntentHash;
use hashbrown::hash_table::Entry;
use hashbrown::{HashMap, HashTable};
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

/// An id in halves: a `u128` would be aligned to 16 bytes, which the memory that it lies in is not.
type Id = [u64; 2];

/// No id: of hashes it is as unlikely as any. Not zero, so that the memory for all of them is there from the start: a limit
/// that is too low shows then, and not in the first backlog.
const NONE: Id = [u64::MAX; 2];

/// Remembers the ids of the preceding `reach` offsets of one partition.
///
/// A pure function of the log: whoever notes the same records in order gets the same answers. An offset costs 16 bytes for
/// its id and 6 to 13 for its place in the table: 2.3 to 2.9 MB for the default reach of 100,000, nearly all of it from the
/// start.
pub struct NotedIds {
    reach: i64,
    /// Ids by offset: each has the place of the one that it puts out of reach. None where ids are few.
    ring: Vec<Id>,
    /// Behind the last offset that was noted; none until one was.
    next: Option<i64>,
    /// The places of the latest occurrences. Numbers alone: a table of ids does not fit the processor's caches.
    latest: HashTable<u32>,
    /// The second ids of redriven intents; all ids where they are few.
    few: FewIds,
}

/// Ids that take memory as they come.
#[derive(Default)]
struct FewIds {
    in_order: VecDeque<(i64, Id)>,
    latest: HashMap<Id, i64>,
}

impl FewIds {
    fn note(&mut self, offset: i64, id: Id) -> bool {
        self.in_order.push_back((offset, id));
        self.latest.insert(id, offset).is_some()
    }

    fn forget_before(&mut self, oldest: i64) {
        while let Some((offset, id)) = self.in_order.pop_front_if(|(offset, _)| *offset < oldest) {
            // Where it occurred again since, that offset stands there.
            if self.latest.get(&id) == Some(&offset) {
                self.latest.remove(&id);
            }
        }
    }
}

impl NotedIds {
    /// Notes ids for that many offsets; 0 notes nothing and finds no duplicates.
    pub fn new(reach: u32) -> NotedIds {
        let places = if reach == 0 { 0 } else { reach as usize + 1 };
        NotedIds { ring: vec![NONE; places], latest: HashTable::with_capacity(places), ..NotedIds::few(reach) }
    }

    /// The same for a partition that hardly anything lies in, slower and with no memory before it is needed.
    pub fn few(reach: u32) -> NotedIds {
        let (latest, few) = (HashTable::new(), FewIds::default());
        NotedIds { reach: i64::from(reach), ring: Vec::new(), next: None, latest, few }
    }

    /// Notes an intent, and says whether it is a duplicate. One that was redriven follows its refused self: it is one only
    /// of others that were redriven as often. Those that come later are duplicates of it as of any.
    pub fn note_intent(&mut self, offset: Offset, intent: &DecodedIntent) -> bool {
        let Some(hash) = intent.hash else { return false };
        let has_occurred = self.note(offset, hash);
        // The hash of one that was redriven is nobody's first.
        let note_second = |redriven| self.reach > 0 && self.few.note(offset.0, halves(redriven));
        intent.redriven.map_or(has_occurred, note_second)
    }

    /// Notes an id, and says whether it occurred in the preceding offsets. Offsets only grow.
    pub fn note(&mut self, Offset(offset): Offset, hash: IntentHash) -> bool {
        if self.reach == 0 {
            return false;
        }
        let id = halves(hash);
        self.few.forget_before(offset.saturating_sub(self.reach));
        if self.ring.is_empty() {
            return self.few.note(offset, id);
        }
        self.make_room(offset);
        let (ring, place) = (&self.ring, self.place(offset));
        let id_at = |place: &u32| ring.get(*place as usize).copied().unwrap_or(NONE);
        let was_there = match self.latest.entry(id[0], |known| id_at(known) == id, |known| id_at(known)[0]) {
            Entry::Occupied(mut known) => {
                *known.get_mut() = place;
                true
            }
            Entry::Vacant(free) => {
                free.insert(place);
                false
            }
        };
        if let Some(noted) = self.ring.get_mut(place as usize) {
            *noted = id;
        }
        was_there
    }

    /// Looks for an id, and for those that are forgotten next, without telling anything: most of them miss the processor's
    /// caches, and it waits for several at a time where nothing rests on the answer.
    pub fn fetch(&self, nth: usize, intent: &DecodedIntent) {
        if self.ring.is_empty() {
            return;
        }
        let oldest = self.next.and_then(|next| self.ring.get(self.place(next + nth as i64) as usize));
        let oldest = oldest.filter(|id| **id != NONE).map(|id| id[0]);
        let new = intent.hash.map(|hash| halves(hash)[0]);
        for hash in oldest.into_iter().chain(new) {
            // The number of a place with that hash: nothing is compared.
            std::hint::black_box(self.latest.find(hash, |_| true));
        }
    }

    /// Where an offset's id lies.
    fn place(&self, offset: i64) -> u32 {
        // As many places as a u32 counts at most, and one more.
        offset.rem_euclid(self.reach + 1) as u32
    }

    /// Whatever the offset and those that were left out before it put out of reach is forgotten.
    fn make_room(&mut self, offset: i64) {
        let from = self.next.map_or(offset, |next| next.max(offset - self.reach).min(offset));
        for left in from..=offset {
            let place = self.place(left);
            let Some(noted) = self.ring.get_mut(place as usize) else { continue };
            let gone = std::mem::replace(noted, NONE);
            // Where it occurred again since, that place stands in the table.
            if gone != NONE
                && let Ok(known) = self.latest.find_entry(gone[0], |known| *known == place)
            {
                known.remove();
            }
        }
        self.next = Some(offset + 1);
    }
}

fn halves(IntentHash(hash): IntentHash) -> Id {
    match [(hash >> 64) as u64, hash as u64] {
        NONE => [0; 2],
        id => id,
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
        assert!(noted.latest.len() <= 101 && noted.ring.len() == 101);
        let mut few = NotedIds::few(100);
        (0..10_000).for_each(|i| {
            note(&mut few, i, i as u128 % 7 + i as u128);
        });
        assert!(few.few.in_order.len() <= 101 && few.few.latest.len() <= 101 && few.ring.is_empty());
    }

    proptest! {
        #[test]
        fn an_id_is_found_where_looking_through_the_preceding_offsets_finds_it(
            reach in 1_u32..12,
            steps in prop::collection::vec((1_i64..4, 0_u64..10), 0..200)
        ) {
            let (mut noted, mut few) = (NotedIds::new(reach), NotedIds::few(reach));
            let (mut all, mut offset) = (Vec::<(i64, u64)>::new(), 0);
            for (step, id) in steps {
                offset += step;
                let expected = all.iter().any(|(at, known)| *known == id && *at >= offset - i64::from(reach));
                let spread = (u128::from(mixed(id)) << 64) | u128::from(id);
                prop_assert_eq!(note(&mut noted, offset, spread), expected);
                prop_assert_eq!(note(&mut few, offset, spread), expected);
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
