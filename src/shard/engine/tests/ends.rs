//! What the brokers tell of the log's end, and when that is not believed.

use super::*;

const LATER_MS: i64 = 25_000;

fn committed_beyond(committed_for: Option<&str>) -> Location {
    let intents = Located { committed_for: committed_for.map(TopicId::new), ..located(INTENTS, Some(900), 0, 20) };
    location(located(INBOUND, Some(5), 5, 5), intents, true)
}

#[test]
fn an_end_below_what_was_committed_is_asked_for_again_before_it_is_believed() {
    for (committed_for, to) in [(Some("intents-1"), 20), (None, 0)] {
        let mut engine = placed(rules(), committed_beyond(committed_for), Stored::Known(frontier(5)));
        let doubted = Notice::EndBelowCommitted { partition: INTENTS, committed: Offset(900), end: Offset(20) };
        assert_eq!(engine.take_notices(), [doubted]);
        assert!(matches!(engine.step(now_at(NOW)), Step::Poll(_)) && engine.lanes.is_empty(), "nothing is placed");

        let later = now_at(NOW + LATER_MS);
        assert!(matches!(engine.step(later), Step::Locate(_)));
        let stored = vec![Stored::Known(frontier(5))];
        let found = Found { location: committed_beyond(committed_for), others: stored.clone(), frontiers: stored };
        engine.feed(Input::Located(Box::new(found)), later);
        let lost = Notice::Moved { partition: INTENTS, from: Offset(900), to: Offset(to), why: Moved::RecordsLost };
        assert!(engine.take_notices().contains(&lost));
        let committed = settle(&mut engine, later).into_iter().find_map(|step| match step {
            Step::Commit(offsets) => offsets.get(&INTENTS).copied(),
            _ => None,
        });
        assert_eq!(committed, Some(Offset(to)), "committed for {committed_for:?}");
    }
}

#[test]
fn a_leader_that_has_caught_up_ends_the_doubt() {
    let mut engine = placed(rules(), committed_beyond(Some("intents-1")), Stored::Known(frontier(5)));
    let later = now_at(NOW + 1_000);
    assert!(matches!(engine.step(later), Step::Locate(_)));
    let stored = vec![Stored::Known(frontier(5))];
    let intents = Located { committed_for: Some(TopicId::new("intents-1")), ..located(INTENTS, Some(900), 0, 900) };
    let location = location(located(INBOUND, Some(5), 5, 5), intents, true);
    engine.feed(Input::Located(Box::new(Found { location, others: stored.clone(), frontiers: stored })), later);
    settle(&mut engine, later);
    assert_eq!(engine.lanes[&INTENTS.partition].emit_from, Offset(900));
}

#[test]
fn ends_below_what_was_read_before_prove_nothing() {
    for (end, proves) in [(5, true), (4, false), (0, false)] {
        let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(rules(), location, Stored::Known(frontier(5)));
        let bases = judged(&mut engine, &Stored::Known(frontier(5)), end, NOW, now_at(NOW));
        assert_eq!(bases == [Basis::Complete], proves, "the log is said to end at {end}");
    }
}

#[test]
fn what_another_shard_has_merged_was_in_the_log_before() {
    let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), location, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    engine.reached_by_all.insert(Partition(0), Offset(9));
    assert_eq!(judged(&mut engine, &Stored::Known(frontier(9)), 8, NOW, now_at(NOW)), []);
}

#[test]
fn an_old_record_in_front_does_not_say_that_nothing_younger_is_gone() {
    let first = Timestamp::from_millis(NOW - HOUR);
    for (history_is_kept, reaches_back_to) in [(true, Timestamp::MIN), (false, first)] {
        let shrinks =
            Located { history: Offset(20), truncated_at: Some(first), ..located(INBOUND, Some(100), 10, 100) };
        let found = location(shrinks, located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(Rules { history_is_kept, ..rules() }, found, Stored::Missing);
        let started = settle(&mut engine, now_at(NOW)).into_iter().find_map(|step| match step {
            Step::StartFrontiers(starts) => Some(starts[0].frontier.reaches_back_to),
            _ => None,
        });
        assert_eq!(started, Some(reaches_back_to), "kept: {history_is_kept}");
    }
}
