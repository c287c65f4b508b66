//! The slot map: which server owns which slots, and a mark that no other map ever had.

use super::slots::{SLOTS, slot_of};
use crate::io::redis::access::Node;
use siphasher::sip::SipHasher13;
use std::hash::{Hash, Hasher};
use std::ops::RangeInclusive;

/// A server that owns slots.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Owner {
    /// Its id in the cluster.
    pub(super) id: String,
    /// Raised whenever it is promoted, or takes over slots that others had and has not the highest epoch already.
    pub(super) epoch: u64,
    /// Where it is reached.
    pub(super) node: Node,
    /// A hash tag whose slot it owns: what belongs to the server itself is named by it.
    pub(super) tag: String,
}

/// Which server owns which slots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SlotMap {
    pub(super) owners: Vec<Owner>,
    by_slot: Vec<usize>,
    /// Tells this map from every other that this cluster had or will have: epochs only grow, and while none does,
    /// slots move to one server only.
    pub(super) mark: String,
    /// The highest epoch, and how many slots its server has.
    highest: (u64, usize),
}

impl SlotMap {
    /// Reads `CLUSTER NODES`, as the server at `asked` answered it. None when a slot has no owner, or the answer is
    /// none.
    pub(super) fn parse(nodes: &str, asked: &Node) -> Option<SlotMap> {
        let mut masters: Vec<Master> = nodes.lines().filter_map(|line| Master::parse(line, asked)).collect();
        masters.retain(|master| !master.slots.is_empty());
        masters.sort_by(|one, other| one.id.cmp(&other.id));
        let mut by_slot = vec![usize::MAX; usize::from(SLOTS)];
        for (index, master) in masters.iter().enumerate() {
            for range in &master.slots {
                for slot in range.clone() {
                    *by_slot.get_mut(usize::from(slot))? = index;
                }
            }
        }
        if by_slot.contains(&usize::MAX) {
            return None;
        }
        let mut hasher = SipHasher13::new();
        for Master { id, epoch, node: _, slots } in &masters {
            (id, epoch, slots.iter().map(|range| (*range.start(), *range.end())).collect::<Vec<_>>()).hash(&mut hasher);
        }
        let mark = format!("{:016x}", hasher.finish());
        let tags = tags(&by_slot, masters.len());
        let highest = masters.iter().map(|Master { epoch, slots, .. }| (*epoch, slots.iter().map(|it| it.len()).sum()));
        let highest = highest.max()?;
        let owners = masters.into_iter().zip(tags).map(|(Master { id, epoch, node, slots: _ }, tag)| Owner {
            id,
            epoch,
            node,
            tag,
        });
        Some(SlotMap { owners: owners.collect(), by_slot, mark, highest })
    }

    /// Of two maps that a cluster had, the later has the greater. Whoever is promoted has the highest epoch from then on,
    /// and whoever takes slots over; so until it grows again, slots go to its server only. Where that does not decide
    /// (some server has not heard of everything), all who ask agree on one.
    pub(super) fn version(&self) -> (u64, usize, &str) {
        (self.highest.0, self.highest.1, &self.mark)
    }

    /// The index of the owner of a key.
    pub(super) fn owner_of(&self, key: &str) -> usize {
        self.by_slot[usize::from(slot_of(key.as_bytes()))]
    }
}

/// For each owner the smallest number whose slot it owns.
fn tags(by_slot: &[usize], owners: usize) -> Vec<String> {
    let mut tags = vec![None; owners];
    let mut missing = owners;
    for number in 0_u32.. {
        if missing == 0 {
            break;
        }
        let text = number.to_string();
        let tag = &mut tags[by_slot[usize::from(slot_of(text.as_bytes()))]];
        if tag.is_none() {
            *tag = Some(text);
            missing -= 1;
        }
    }
    tags.into_iter().flatten().collect()
}

struct Master {
    id: String,
    epoch: u64,
    node: Node,
    slots: Vec<RangeInclusive<u16>>,
}

impl Master {
    /// `ID IP:PORT@BUS_PORT[,HOSTNAME] FLAGS MASTER PING PONG EPOCH LINK SLOT...`
    fn parse(line: &str, asked: &Node) -> Option<Master> {
        let mut words = line.split_ascii_whitespace();
        let (id, address, flags) = (words.next()?, words.next()?, words.next()?);
        if !flags.split(',').any(|flag| flag == "master") {
            return None;
        }
        let epoch = words.nth(3)?.parse().ok()?;
        let slots = words.skip(1).filter_map(slots).collect();
        Some(Master { id: id.to_owned(), epoch, node: node(address, asked)?, slots })
    }
}

fn node(address: &str, asked: &Node) -> Option<Node> {
    let mut names = address.split(',');
    let mut node = Node::parse(names.next()?.split('@').next()?)?;
    // A certificate is for a name, if the server tells one. A server that knows no address of its own is the asked one.
    match names.next().filter(|name| !name.is_empty() && !name.contains('=')) {
        Some(name) => node.host = name.to_owned(),
        None if node.host.is_empty() => node.host.clone_from(&asked.host),
        None => {}
    }
    Some(node)
}

/// A slot, a range of slots; none for one that is on its way (`[SLOT->-ID]`), which stands among its owner's too.
fn slots(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "\
a1 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460 [5460->-b2]
c3 10.0.0.3:7003@17003,redis-3 master - 0 1 3 connected 10923-16383
d4 127.0.0.1:7004@17004 slave a1 0 1 1 connected
e5 127.0.0.1:7005@17005 master,fail - 0 1 9 disconnected
b2 :7002@17002 master - 0 1 2 connected 5461-10921 10922
";

    fn map(nodes: &str) -> Option<SlotMap> {
        SlotMap::parse(nodes, &Node { host: "asked".into(), port: 1 })
    }

    #[test]
    fn owners_and_their_slots_are_read_and_every_owner_has_a_tag_of_its_own() {
        let map = map(NODES).unwrap();
        let owners: Vec<_> = map.owners.iter().map(|it| (it.id.as_str(), it.epoch, it.node.to_string())).collect();
        let expected =
            [("a1", 1, "127.0.0.1:7001".into()), ("b2", 2, "asked:7002".into()), ("c3", 3, "redis-3:7003".into())];
        assert_eq!(owners, expected);
        assert_eq!(["bar", "foo"].map(|key| map.owner_of(key)), [0, 2]);
        for (index, owner) in map.owners.iter().enumerate() {
            assert_eq!(map.owner_of(&format!("any:{{{}}}", owner.tag)), index);
        }
    }

    #[test]
    fn another_map_has_another_mark_and_the_same_one_told_by_another_server_the_same() {
        let mark = |nodes: &str| map(nodes).map(|map| map.mark);
        let by_another = NODES.replace("myself,", "").lines().rev().map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(mark(&by_another), mark(NODES));
        for (from, to) in [("a1", "d4"), ("0 0 1 ", "0 0 4 "), ("0-5460", "0-5459")] {
            let other = NODES
                .replacen(from, to, 1)
                .replace("5461-10921", if to == "0-5459" { "5460-10921" } else { "5461-10921" });
            assert_ne!(mark(&other), mark(NODES), "{from} {to}");
        }
    }

    #[test]
    fn of_two_maps_the_later_one_is_known() {
        let former = map(NODES).unwrap();
        let promoted =
            NODES.replace("a1 127.0.0.1:7001@17001 myself,master - 0 0 1", "d4 127.0.0.1:7004@17004 master - 0 0 4");
        let to_highest = NODES.replace("10923-16383", "10922-16383").replace(" 10922\n", "\n");
        let to_another = NODES.replace("0-5460 ", "0-5459 ").replace("0 1 2 connected", "0 1 4 connected 5460");
        for later in [promoted, to_highest, to_another] {
            let later = map(&later).unwrap();
            assert!(
                later.version() > former.version() && former.version() == map(NODES).unwrap().version(),
                "{:?}",
                later.owners
            );
        }
    }

    #[test]
    fn a_slot_without_an_owner_is_no_map() {
        assert_eq!(map(&NODES.replace(" 10922", "")), None);
        assert_eq!(map("-ERR"), None);
        assert_eq!(map(&NODES.replace("16383", "99999")), None);
    }
}
