//! What the brokers tell of the log's end, and when that is not believed.

use super::*;
use crate::ports::Progress;

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
        let found = Found {
            location: committed_beyond(committed_for),
            others: stored.clone(),
            frontiers: stored,
            clock: Timestamp::MIN,
        };
        engine.feed(Input::Located(Box::new(found)), later);
        let lost = Notice::Moved { partition: INTENTS, from: Offset(900), to: Offset(to), why: Moved::RecordsLost };
        assert!(engine.take_notices().contains(&lost));
        let committed = settle(&mut engine, later).into_iter().find_map(|step| match step {
            Step::Commit(offsets) => offsets.get(&INTENTS).copied(),
            _ => None,
        });
        assert_eq!(committed, Some(Offset(to).into()), "committed for {committed_for:?}");
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
    engine.feed(
        Input::Located(Box::new(Found { location, others: stored.clone(), frontiers: stored, clock: Timestamp::MIN })),
        later,
    );
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
    for (history_is_kept, reaches_back_to) in [(true, Timestamp::MIN), (false, first + Span::from_millis(1))] {
        let shrinks = Located {
            history: Offset(20),
            oldest: Some(Timestamp::MIN),
            truncated_at: Some(first),
            ..located(INBOUND, Some(100), 10, 100)
        };
        let found = location(shrinks, located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(Rules { history_is_kept, ..rules() }, found, Stored::Missing);
        assert_eq!(started(&mut engine).reaches_back_to, reaches_back_to, "kept: {history_is_kept}");
    }
}

/// The first frontier that is started.
fn started(engine: &mut Engine) -> Frontier {
    let steps = settle(engine, now_at(NOW)).into_iter();
    let frontiers = steps.filter_map(|step| match step {
        Step::StartFrontiers(starts) => starts.into_iter().next(),
        _ => None,
    });
    frontiers.map(|start| start.frontier).next().unwrap()
}

#[test]
fn an_empty_log_reaches_back_to_the_youngest_record_that_was_read_of_it() {
    let (old, now) = (Timestamp::from_millis(NOW - 30 * HOUR), Timestamp::from_millis(NOW));
    let said = |topic: &str, newest| Located {
        committed_for: Some(TopicId::new(topic)),
        newest,
        ..located(INBOUND, Some(100), 100, 100)
    };
    for (inbound, reaches_back_to) in [
        (said("topic-1", Some(old)), old),
        (said("topic-1", None), now),
        (said("topic-0", Some(old)), now),
        (Located { committed: None, ..said("topic-1", Some(old)) }, now),
        (Located { committed: Some(Offset(99)), ..said("topic-1", Some(old)) }, now),
    ] {
        let found = location(inbound.clone(), located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(Rules { history_is_kept: true, ..rules() }, found, Stored::Missing);
        assert_eq!(started(&mut engine).reaches_back_to, reaches_back_to + Span::from_millis(1), "{inbound:?}");
    }
}

#[test]
fn what_was_read_is_committed_with_how_young_it_was() {
    let inbound = Located {
        committed_for: Some(TopicId::new("topic-1")),
        newest: Some(Timestamp::from_millis(NOW - HOUR)),
        ..located(INBOUND, Some(5), 5, 6)
    };
    let found = location(inbound, located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), found, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    let epoch = engine.epoch;
    for (offset, timestamp, newest) in [(5, NOW - 2 * HOUR, NOW - HOUR), (6, NOW, NOW)] {
        let record = Record { timestamp: Timestamp::from_millis(timestamp), ..record(INBOUND, offset) };
        let item = InboundItem::new(epoch, record, DecodedInbound::default());
        engine.feed(Input::Polled(Box::new(Batch { inbound: vec![item], ..Batch::default() })), now_at(NOW));
        let Step::Read(plan) = engine.step(now_at(NOW)) else { panic!("there is something to apply") };
        engine.feed(read(Stored::Known(frontier(5)), plan, 7, NOW, now_at(NOW)), now_at(NOW));
        let progress = Progress { next: Offset(offset + 1), newest: Some(Timestamp::from_millis(newest)) };
        assert_eq!(engine.transaction.progress().get(&INBOUND), Some(&progress));
    }
}

#[test]
fn a_store_is_whole_again_at_the_end_of_a_log_that_lost_records() {
    let filling = Frontier { reapply_to: Offset(1_000), ..frontier(700) };
    let located = located(INBOUND, Some(900), 0, 900);
    let found = location(located, self::located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), found, Stored::Known(filling));
    assert_eq!(started(&mut engine), Frontier { reapply_to: Offset(900), ..frontier(700) });
}

#[test]
fn what_needs_no_ends_goes_on_while_nobody_tells_them() {
    let found = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), found, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    let mut other = intent_item(1, 1);
    other.decoded.intent.as_mut().unwrap().customer_id = CustomerId::new("5522");
    engine.feed(
        Input::Polled(Box::new(Batch { intents: vec![intent_item(1, 0), other], ..Batch::default() })),
        now_at(NOW),
    );
    let open = Window::opened_by(Timestamp::from_millis(NOW), Position { partition: Partition(0), offset: Offset(4) });
    let longest = rules().max_wait.as_millis();
    // After how long, whether ends are asked for, and how many intents wait when nobody told them.
    for (after_ms, asks) in
        [(0, true), (4_000, false), (6_000, true), (longest + 6_000, true), (2 * longest + 12_000, true)]
    {
        let now = now_at(NOW + after_ms);
        engine.feed(Input::Polled(Box::new(Batch { has_news: true, ..Batch::default() })), now);
        let (_, Step::Read(plan)) = steps_before(&mut engine, now) else { panic!("an intent waits") };
        assert_eq!(!plan.ends.is_empty(), asks, "after {after_ms} ms");
        let of = |key: &WindowKey| if key.as_str().ends_with("5511") { Stored::Known(open) } else { Stored::Missing };
        let windows = plan.request.windows.iter().map(of).collect();
        let snapshot = Snapshot {
            frontiers: vec![Stored::Known(frontier(5))],
            windows,
            advice: vec![],
            clock: Timestamp::from_millis(NOW + after_ms),
        };
        let reading = Reading { plan, others: Vec::new(), snapshot, ends: Ends::default(), sent: now };
        engine.feed(Input::Read(Box::new(reading)), now);
        assert_eq!(engine.lanes[&INTENTS.partition].len(), 1, "the open one has gone, the other waits without limit");
    }
}
