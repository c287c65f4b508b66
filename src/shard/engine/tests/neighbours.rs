//! What other shards are told, and what they tell.

use super::*;
use crate::shard::engine::applied::Applied;

/// The verdict on one intent when the store has everything below 5, the log ends at 7, and another shard tells this.
fn told(applied: Option<Applied>) -> Option<Verdict> {
    let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), location, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    let batch = Batch { intents: vec![intent_item(1, 0)], ..Batch::default() };
    engine.feed(Input::Polled(Box::new(batch)), now_at(NOW));
    let Step::Read(plan) = engine.step(now_at(NOW)) else { panic!("nothing is read") };
    let Input::Read(mut reading) = read(Stored::Known(frontier(5)), plan, 7, NOW, now_at(NOW)) else { panic!() };
    reading.others = applied.map(Arc::new).into_iter().collect();
    engine.feed(Input::Read(reading), now_at(NOW));
    next_verdict(&mut engine)
}

#[test]
fn what_another_shard_has_applied_counts_beside_a_store_that_has_the_rest() {
    let applied = |topic: &str, from, to| Applied {
        topic_id: TopicId::new(topic),
        ranges: [(Partition(0), Offset(from)..Offset(to))].into(),
        windows: Default::default(),
    };
    let is_proven = |verdict| matches!(verdict, Some(Verdict::TemplateRequired { basis: Basis::Complete, .. }));
    assert!(is_proven(told(Some(applied("topic-1", 5, 7)))));
    assert!(is_proven(told(Some(applied("topic-1", 3, 9)))), "what the store has by now may be told too");
    assert_eq!(told(None), None);
    for waits in [applied("topic-1", 6, 9), applied("topic-1", 5, 6), applied("topic-0", 5, 7)] {
        assert_eq!(told(Some(waits.clone())), None, "{waits:?}");
    }
    let mut opens = applied("topic-1", 5, 6);
    let window =
        Window::opened_by(Timestamp::from_millis(NOW), Position { partition: Partition(0), offset: Offset(5) });
    let Ok(intent) = intent_item(1, 0).decoded.intent else { panic!() };
    opens.windows.insert(intent.window_key().print(), window);
    assert_eq!(told(Some(opens)), Some(Verdict::SessionSend { window }), "open needs no proof");
}

#[test]
fn what_is_not_in_the_store_yet_is_told_and_nothing_once_it_leaves() {
    let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), location, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    let event = text_of("5511");
    let item = inbound_item(5, event);
    engine.feed(Input::Polled(Box::new(Batch { inbound: vec![item], ..Batch::default() })), now_at(NOW));
    let Step::Read(plan) = engine.step(now_at(NOW)) else { panic!("nothing is read") };
    engine.feed(read(Stored::Known(frontier(5)), plan, 6, NOW, now_at(NOW)), now_at(NOW));
    let applied = engine.applied().unwrap();
    assert_eq!((applied.ranges[&Partition(0)].clone(), applied.windows.len()), (Offset(5)..Offset(6), 1));
    engine.stop();
    assert!(engine.applied().is_none(), "it may let go of windows before the store has them");
}
