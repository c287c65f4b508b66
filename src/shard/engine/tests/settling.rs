//! How windows get into the store: with which transaction, how often, and what is held meanwhile.

use super::*;
use crate::ports::MergeCall;

/// Feeds customers one after the other, each in a turn of its own two seconds later, in which what the one before made is
/// committed. Merges fail where it is said. Returns the merges that were asked for, and the number of commits.
fn turns(engine: &mut Engine, customers: &[&str], fails: bool) -> (Vec<Vec<MergeCall>>, usize) {
    let (mut merges, mut commits, mut stored, mut under_way) = (Vec::new(), 0, 0, None);
    for (turn, customer) in (0..).zip(customers) {
        let now = now_at(NOW + 2_000 * turn);
        let mut inbound = vec![inbound_item(turn, text_of(customer))];
        for _ in 0..20 {
            let input = match engine.step(now) {
                Step::Read(plan) => read(Stored::Known(frontier(stored)), plan, 0, now.wall.as_millis(), now),
                Step::Produce(_) => Input::Produced,
                Step::SetPaused(_) => Input::PausesSet,
                Step::Commit(_) => {
                    commits += 1;
                    engine.feed(Input::CommitBegun, now);
                    Input::Polled(Box::new(Batch { settled: Some(Settled::Committed), ..Batch::default() }))
                }
                Step::Merge(calls) => {
                    merges.push(calls.clone());
                    match fails {
                        true => {
                            under_way = Some(calls);
                            Input::MergeBegun
                        }
                        false => {
                            stored = calls.iter().map(|call| call.to.0).max().unwrap_or(stored);
                            Input::Merged(vec![MergeOutcome::Merged; calls.len()])
                        }
                    }
                }
                Step::Poll(take) if under_way.is_some() && (inbound.is_empty() || take.max_inbound == 0) => {
                    Input::Failed(Step::Merge(under_way.take().unwrap_or_default()))
                }
                Step::Poll(take) => {
                    let inbound = if take.max_inbound > 0 { std::mem::take(&mut inbound) } else { Vec::new() };
                    Input::Polled(Box::new(Batch { inbound, ..Batch::default() }))
                }
                other => panic!("{other:?}"),
            };
            engine.feed(input, now);
        }
    }
    (merges, commits)
}

/// An engine whose log reaches up to `high`.
fn behind(high: i64) -> Engine {
    let location = location(located(INBOUND, Some(0), 0, high), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), location, Stored::Known(frontier(0)));
    settle(&mut engine, now_at(NOW));
    engine
}

#[test]
fn a_partition_that_is_behind_gathers_for_five_seconds_and_one_that_is_not_gives_at_once() {
    let mut engine = behind(100);
    let (merges, commits) = turns(&mut engine, &["1", "2", "1", "1", "2"], false);
    let given: Vec<_> = merges.iter().flatten().map(|call| (call.from.0, call.to.0, call.windows.len())).collect();
    assert_eq!((given, commits), (vec![(0, 3, 2)], 4));
    assert_eq!((engine.status(NOW).inbound[0].merged_to, engine.holding.len()), (Offset(3), 2));

    let mut engine = behind(0);
    let (merges, commits) = turns(&mut engine, &["1", "2", "1"], false);
    assert_eq!((merges.len(), commits), (2, 2));
    assert_eq!((engine.status(NOW).inbound[0].merged_to, engine.holding.len()), (Offset(2), 1));
}

#[test]
fn while_the_store_takes_nothing_nothing_more_is_committed() {
    let mut engine = behind(0);
    let (merges, commits) = turns(&mut engine, &["1"; 12], true);
    assert!(merges.len() > 5, "it is tried again");
    assert!(commits <= 2 && merges.iter().all(|calls| calls.len() <= 2), "{commits}: {}", merges.len());
}

#[test]
fn a_window_is_held_until_the_store_has_all_that_was_made_of_it() {
    let (mut holding, rules) = (Holding::default(), rules());
    let (key, length) = (WindowKey::parse("whatsapp:106:5511").unwrap(), Span::from_hours(24));
    let window = |offset| {
        Window::opened_by(Timestamp::from_millis(NOW), Position { partition: Partition(0), offset: Offset(offset) })
    };
    let cursors = BTreeMap::new();
    let touch = |holding: &mut Holding, partition, offset: i64| {
        holding.extend(Partition(partition), (Offset(offset), Offset(offset + 1)), 2_000, NOW);
        let (print, nothing) = ((key.print(), || key.clone()), (None, None));
        holding.hold(Partition(partition), print, window(offset), nothing, length);
    };
    // Of two partitions in turns, and again after it was given.
    for (partition, offset) in [(0, 0), (1, 0), (0, 1)] {
        touch(&mut holding, partition, offset);
    }
    let first = holding.give(&cursors, &rules, NOW);
    touch(&mut holding, 0, 2);
    let second = holding.give(&cursors, &rules, NOW);
    let mut gone = Vec::new();
    for (list, held) in first.lists.into_iter().chain(second.lists).zip([1, 1, 0]) {
        holding.let_go(list, |_, window| gone.push(window));
        assert_eq!(holding.len(), held);
    }
    assert_eq!(gone, [window(2)]);
}

#[test]
fn windows_are_gathered_for_as_long_as_the_same_ones_come_again() {
    let (mut holding, rules) = (Holding::default(), Rules { gathered_windows: 320, gathered_at_first: 20, ..rules() });
    let behind = InboundCursor {
        epoch: 1,
        topic_id: TopicId::new("topic-1"),
        placed: true,
        taken: Offset(0),
        next: Offset(0),
        emit_from: Offset(0),
        newest: Timestamp::MIN,
        merged_to: Offset(0),
        behind_until: Offset(1_000_000),
        caught_up: false,
        reapply_to: None,
    };
    let cursors = BTreeMap::from([(Partition(0), behind)]);
    let mut offset = 0;
    // Until it is due, where one in so many comes again: how many windows the store is told of.
    let mut told = |one_in: i64| loop {
        let position = Position { partition: Partition(0), offset: Offset(offset) };
        let own = Window::opened_by(Timestamp::from_millis(NOW), position);
        let key = WindowKey::parse(&format!("whatsapp:106:{offset}")).unwrap();
        let seen = (offset % one_in == 0).then_some(own);
        for _ in 0..2 {
            // That it comes twice in a row says nothing: it is given once.
            holding.extend(Partition(0), (Offset(offset), Offset(offset + 1)), 2_000, NOW);
            holding.hold(Partition(0), (key.print(), || key.clone()), own, (None, seen), Span::from_hours(24));
        }
        offset += 1;
        if holding.is_due(&cursors, &rules, NOW) {
            break holding.give(&cursors, &rules, NOW).lists.iter().map(Vec::len).sum::<usize>();
        }
    };
    assert_eq!([1_000, 10, 8, 2, 8].map(&mut told), [20, 20, 20, 320, 320]);
    assert_eq!([10, 10, 1_000].map(&mut told), [320, 20, 20]);
}

#[test]
fn what_has_no_room_is_given_at_once_and_nothing_more_is_taken_until_the_store_has_it() {
    let location = location(located(INBOUND, Some(0), 0, 100), located(INTENTS, Some(0), 0, 0), true);
    let rules = Rules { gathered_at_first: 2, ..rules() };
    let mut engine = placed(rules, location, Stored::Known(frontier(0)));
    settle(&mut engine, now_at(NOW));
    let (mut offset, mut commits) = (0, 0);
    // Two windows fill it. The second merge waits for the first, and the third for the second.
    for _ in 0..100 {
        let input = match engine.step(now_at(NOW)) {
            Step::Read(plan) => read(Stored::Known(frontier(0)), plan, 0, NOW, now_at(NOW)),
            Step::Produce(_) => Input::Produced,
            Step::SetPaused(_) => Input::PausesSet,
            Step::Merge(_) => Input::MergeBegun,
            Step::Commit(_) => {
                commits += 1;
                engine.feed(Input::CommitBegun, now_at(NOW));
                Input::Polled(Box::new(Batch { settled: Some(Settled::Committed), ..Batch::default() }))
            }
            Step::Poll(take) if take.max_inbound == 0 => Input::Polled(Box::default()),
            Step::Poll(_) => {
                let item = inbound_item(offset, text_of(&offset.to_string()));
                offset += 1;
                Input::Polled(Box::new(Batch { inbound: vec![item], is_cut: true, ..Batch::default() }))
            }
            other => panic!("{other:?}"),
        };
        engine.feed(input, now_at(NOW));
    }
    assert_eq!((offset, commits, engine.holding.len()), (6, 2, 6));
}
