//! A partition's frontier in a cluster: one on every owner of slots, about the windows that lie there.
//!
//! Each is written after the windows that it speaks of, on the server that holds them: whatever history that server
//! goes back to, the two go together. It carries the mark of the slot map with the topic's id, so that a frontier of
//! another map reads as lost.

use super::map::SlotMap;
use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::TopicId;
use crate::io::redis::text;

/// Stands between a topic's id and the mark of a map. No topic's id holds it.
const BETWEEN: char = '@';

/// The id of a topic under this map.
pub(super) fn marked(topic_id: &TopicId, map: &SlotMap) -> TopicId {
    TopicId::new(format!("{}{BETWEEN}{}", topic_id.as_str(), map.mark))
}

/// What one owner holds, if it is of this map.
pub(super) fn of_this_map(raw: Option<&[u8]>, map: &SlotMap) -> Stored<Frontier> {
    match text::decode_frontier(raw) {
        Stored::Known(frontier) => match frontier.topic_id.as_str().rsplit_once(BETWEEN) {
            Some((topic_id, mark)) if mark == map.mark => {
                Stored::Known(Frontier { topic_id: TopicId::new(topic_id), ..frontier })
            }
            _ => Stored::Missing,
        },
        other => other,
    }
}

/// Whether it was written under another map: one of the two is outdated.
pub(super) fn is_of_another_map(raw: Option<&[u8]>, map: &SlotMap) -> bool {
    let Stored::Known(frontier) = text::decode_frontier(raw) else { return false };
    frontier.topic_id.as_str().rsplit_once(BETWEEN).is_some_and(|(_, mark)| mark != map.mark)
}

/// What all of them together prove.
pub(super) fn of_all(frontiers: impl IntoIterator<Item = Stored<Frontier>>) -> Stored<Frontier> {
    frontiers.into_iter().reduce(least).unwrap_or(Stored::Missing)
}

/// What both prove.
fn least(one: Stored<Frontier>, other: Stored<Frontier>) -> Stored<Frontier> {
    match (one, other) {
        (Stored::Newer, _) | (_, Stored::Newer) => Stored::Newer,
        (Stored::Damaged(text), _) | (_, Stored::Damaged(text)) => Stored::Damaged(text),
        (Stored::Known(one), Stored::Known(other)) if one.topic_id == other.topic_id => Stored::Known(Frontier {
            next: one.next.min(other.next),
            topic_id: one.topic_id,
            reaches_back_to: one.reaches_back_to.max(other.reaches_back_to),
            reapply_to: one.reapply_to.max(other.reapply_to),
        }),
        _ => Stored::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Offset;
    use crate::core::time::Timestamp;
    use crate::io::redis::access::Node;

    fn frontier(next: i64, topic: &str, back_to: i64, reapply_to: i64) -> Frontier {
        let reaches_back_to = Timestamp::from_millis(back_to);
        Frontier { next: Offset(next), topic_id: TopicId::new(topic), reaches_back_to, reapply_to: Offset(reapply_to) }
    }

    #[test]
    fn together_they_prove_what_the_least_of_them_proves() {
        let known = |next, topic, back_to, reapply_to| Stored::Known(frontier(next, topic, back_to, reapply_to));
        let damaged = || Stored::Damaged("x".into());
        let table = [
            (vec![known(9, "a", 1, 5), known(7, "a", 2, 3)], known(7, "a", 2, 5)),
            (vec![known(9, "a", 1, 5), known(7, "b", 1, 5)], Stored::Missing),
            (vec![known(9, "a", 1, 5), Stored::Missing], Stored::Missing),
            (vec![Stored::Missing, damaged(), known(9, "a", 1, 5)], damaged()),
            (vec![damaged(), Stored::Newer, Stored::Missing], Stored::Newer),
            (vec![], Stored::Missing),
        ];
        for (frontiers, all) in table {
            assert_eq!(of_all(frontiers.clone()), all, "{frontiers:?}");
        }
    }

    #[test]
    fn a_frontier_of_another_map_is_lost() {
        let nodes = |epoch: u32| format!("a1 127.0.0.1:7001@17001 master - 0 0 {epoch} connected 0-16383\n");
        let map = |epoch| SlotMap::parse(&nodes(epoch), &Node { host: String::new(), port: 1 }).unwrap();
        let (one, other) = (map(1), map(2));
        let plain = frontier(9, "topic", 1, 5);
        let stored = Frontier { topic_id: marked(&plain.topic_id, &one), ..plain.clone() };
        let text = text::encode_frontier(&stored);
        assert_eq!(of_this_map(Some(text.as_bytes()), &one), Stored::Known(plain.clone()));
        assert_eq!(of_this_map(Some(text.as_bytes()), &other), Stored::Missing);
        assert_eq!(of_this_map(Some(text::encode_frontier(&plain).as_bytes()), &one), Stored::Missing);
        let is_of_another = |map| is_of_another_map(Some(text.as_bytes()), map);
        assert_eq!((is_of_another(&one), is_of_another(&other), is_of_another_map(None, &one)), (false, true, false));
    }
}
