//! What the engine decides in situations that are rare outside: one table or story each, without any I/O.

mod ends;
mod feedback;
mod future;
mod neighbours;
mod settling;

use super::notice::{Moved, Notice};
use super::rules::{Partitioning, Rules};
use super::step::*;
use super::*;
use crate::core::decoded::{DecodedInbound, DecodedIntent};
use crate::core::emission::Emission;
use crate::core::frontier::{Ends, Frontier, Stored};
use crate::core::ids::*;
use crate::core::inbound::InboundEvent;
use crate::core::intent::{Intent, IntentHash};
use crate::core::policy::{ChannelPolicy, Policy};
use crate::core::record::{Record, Stream};
use crate::core::time::{Span, Timestamp};
use crate::core::verdict::{Basis, TemplateReason, Verdict};
use crate::core::window::{Window, WindowRules};
use crate::ports::{Located, Location, MergeOutcome, Settled, Snapshot};

const HOUR: i64 = 3_600_000;
const NOW: i64 = 1_000 * HOUR;

fn now_at(ms: i64) -> Now {
    Now { wall: Timestamp::from_millis(ms), mono_ms: ms }
}

fn rules() -> Rules {
    let window = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    Rules {
        policy: Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(window))]),
        partitioning: Partitioning::Any,
        max_wait: Span::from_secs(10),
        commit_interval: Span::from_millis(10),
        longest_transaction: Span::from_millis(300),
        max_transaction_records: 100,
        gathered_windows: 100,
        gathered_at_first: 100,
        windows_per_call: 2_000,
        gathers_for: Span::from_secs(5),
        dedup_records: 100,
        reapply_margin: Span::from_hours(1),
        emit_refreshed: false,
        delivery_status: true,
        template_status: true,
        accept_missing_offsets: false,
        history_is_kept: false,
        seen_windows: 100,
        batch_records: 100,
        lane_bytes: 100_000,
    }
}

fn topology() -> Arc<Topology> {
    Arc::new(Topology { topic_id: TopicId::new("topic-1"), partitions: 1 })
}

fn located(partition: StreamPartition, committed: Option<i64>, low: i64, high: i64) -> Located {
    let (low, high) = (Offset(low), Offset(high));
    let committed = committed.map(Offset);
    Located {
        partition,
        committed,
        committed_for: None,
        newest: None,
        low,
        high,
        stable: high,
        history: low,
        oldest: None,
        truncated_at: None,
    }
}

fn location(inbound: Located, intents: Located, group_has_offsets: bool) -> Location {
    let intents_id = TopicId::new("intents-1");
    let (since, partitions) = (Timestamp::from_millis(NOW - 26 * HOUR), vec![inbound, intents]);
    Location { topology: topology(), intents_id, group_has_offsets, since, partitions }
}

fn frontier(next: i64) -> Frontier {
    let (next, reapply_to) = (Offset(next), Offset(0));
    Frontier { next, topic_id: TopicId::new("topic-1"), reaches_back_to: Timestamp::MIN, reapply_to }
}

const INBOUND: StreamPartition = StreamPartition { stream: Stream::Inbound, partition: Partition(0) };
const INTENTS: StreamPartition = StreamPartition { stream: Stream::Intent, partition: Partition(0) };

/// An engine that has been assigned both partitions and told where they lie.
fn placed(rules: Rules, location: Location, stored: Stored<Frontier>) -> Engine {
    let mut engine = Engine::new(rules);
    let assignment = Some(Assignment::Assigned(vec![INBOUND, INTENTS]));
    let batch = Batch { assignment, topology: Some(topology()), ..Batch::default() };
    engine.feed(Input::Polled(Box::new(batch)), now_at(NOW));
    assert!(matches!(engine.step(now_at(NOW)), Step::Locate(_)));
    let found = Found { location, others: vec![stored.clone()], frontiers: vec![stored], clock: Timestamp::MIN };
    engine.feed(Input::Located(Box::new(found)), now_at(NOW));
    engine
}

/// Answers every step of getting ready, and returns what was asked for on the way.
fn settle(engine: &mut Engine, now: Now) -> Vec<Step> {
    steps_before(engine, now).0
}

/// The same, and the step that is not answered.
fn steps_before(engine: &mut Engine, now: Now) -> (Vec<Step>, Step) {
    let mut asked = Vec::new();
    loop {
        let step = engine.step(now);
        let input = match &step {
            Step::StartFrontiers(starts) => Input::FrontiersStarted(vec![true; starts.len()]),
            Step::Assign(_) | Step::Seek(_) => Input::CursorsMoved,
            Step::SetPaused(_) => Input::PausesSet,
            Step::Commit(_) => Input::CommitBegun,
            Step::Produce(_) => Input::Produced,
            Step::Merge(calls) => Input::Merged(vec![MergeOutcome::Merged; calls.len()]),
            _ => return (asked, step),
        };
        let commits = matches!(step, Step::Commit(_));
        asked.push(step);
        engine.feed(input, now);
        if commits {
            let settled = Some(Settled::Committed);
            engine.feed(Input::Polled(Box::new(Batch { settled, ..Batch::default() })), now);
        }
    }
}

fn record(at: StreamPartition, offset: i64) -> Record {
    let (stream, partition) = (at.stream, at.partition);
    let timestamp = Timestamp::from_millis(NOW);
    Record { stream, partition, offset: Offset(offset), timestamp, key: None, value: None, headers: vec![] }
}

fn inbound_item(offset: i64, event: InboundEvent) -> InboundItem {
    let decoded = DecodedInbound { events: [event].into(), ..DecodedInbound::default() };
    InboundItem::new(1, record(INBOUND, offset), decoded)
}

fn intent_item(engine_epoch: u32, offset: i64) -> IntentItem {
    let intent = Intent {
        intent_id: IntentId::new(format!("intent-{offset}")),
        channel: Channel::new("whatsapp"),
        business_id: BusinessId::new("106"),
        customer_id: CustomerId::new("5511"),
        requested_at: Timestamp::from_millis(NOW),
        expires_at: None,
        message: Some(bytes::Bytes::from_static(b"{}")),
        template: None,
    };
    let decoded =
        DecodedIntent { hash: Some(IntentHash(offset as u128)), redriven: None, intent: Ok(Box::new(intent)) };
    IntentItem { epoch: engine_epoch, record: record(INTENTS, offset), decoded }
}

fn text_of(customer: &str) -> InboundEvent {
    InboundEvent {
        message_id: MessageId::new("wamid.1"),
        channel: Channel::new("whatsapp"),
        business_id: BusinessId::new("106"),
        customer_id: CustomerId::new(customer),
        customer_aliases: vec![],
        kind: "text".into(),
        occurred_at: Timestamp::from_millis(NOW),
    }
}

fn read(stored: Stored<Frontier>, plan: Plan, end: i64, clock_ms: i64, now: Now) -> Input {
    let windows = vec![Stored::Missing; plan.request.windows.len()];
    let snapshot =
        Snapshot { frontiers: vec![stored], windows, advice: vec![], clock: Timestamp::from_millis(clock_ms) };
    let ends = Ends([(Partition(0), Offset(end))].into());
    Input::Read(Box::new(Reading { plan, others: Vec::new(), snapshot, ends, sent: now }))
}

/// The bases of the template-required verdicts after one intent was taken and judged with what was read.
fn judged(engine: &mut Engine, stored: &Stored<Frontier>, end: i64, clock_ms: i64, now: Now) -> Vec<Basis> {
    settle(engine, now);
    let batch = Batch { intents: vec![intent_item(1, 0)], ..Batch::default() };
    engine.feed(Input::Polled(Box::new(batch)), now);
    let mut bases = Vec::new();
    for _ in 0..4 {
        match engine.step(now) {
            Step::Read(plan) => engine.feed(read(stored.clone(), plan, end, clock_ms, now), now),
            Step::Produce(emissions) => {
                bases.extend(emissions.iter().filter_map(|emission| match emission {
                    Emission::Verdict(decided) => match decided.verdict {
                        Verdict::TemplateRequired { basis, .. } => Some(basis),
                        Verdict::SessionSend { .. } => None,
                    },
                    _ => None,
                }));
                engine.feed(Input::Produced, now);
            }
            Step::SetPaused(_) => engine.feed(Input::PausesSet, now),
            _ => break,
        }
    }
    bases
}

#[test]
fn vanished_offsets_beside_a_frontier_halt_unless_accepted() {
    let table = [(false, true, true), (true, true, false), (false, false, false)];
    for (accept, has_frontier, halts) in table {
        let location = location(located(INBOUND, None, 0, 5), located(INTENTS, None, 0, 5), false);
        let stored = if has_frontier { Stored::Known(frontier(5)) } else { Stored::Missing };
        let mut engine = placed(Rules { accept_missing_offsets: accept, ..rules() }, location, stored);
        let halted = matches!(engine.step(now_at(NOW)), Step::Halt(Halt::OffsetsVanished));
        assert_eq!(halted, halts, "accept {accept}, frontier {has_frontier}");
    }
}

#[test]
fn a_first_start_commits_where_it_begins_before_any_frontier_is_set() {
    let location = location(located(INBOUND, None, 0, 0), located(INTENTS, None, 0, 0), false);
    let mut engine = placed(rules(), location, Stored::Missing);
    let steps = settle(&mut engine, now_at(NOW));
    let names: Vec<_> =
        steps.iter().map(|step| format!("{step:?}").split(['(', ' ']).next().unwrap().to_owned()).collect();
    assert_eq!(names[..3], ["Commit", "StartFrontiers", "Assign"]);
}

#[test]
fn a_frontier_goes_back_to_where_the_store_is_and_nothing_is_sent_out_again() {
    let location = location(located(INBOUND, Some(90), 0, 100), located(INTENTS, Some(7), 0, 7), true);
    let mut engine = placed(rules(), location, Stored::Known(frontier(40)));
    let steps = settle(&mut engine, now_at(NOW));
    let starts = steps.iter().find_map(|step| match step {
        Step::Assign(starts) => Some(starts.iter().map(|start| start.offset.0).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(starts, Some(vec![40, 0]), "inbound at the frontier, intents a reach of ids behind");
    let marks = steps.iter().any(|step| match step {
        Step::StartFrontiers(starts) => {
            starts[0].frontier.reapply_to == Offset(90) && starts[0].frontier.next == Offset(40)
        }
        _ => false,
    });
    assert!(marks, "everybody can see that the store is being filled");
    let status = engine.status(NOW);
    assert_eq!(status.inbound[0].reapply_to, Some(Offset(90)));
}

#[test]
fn frontiers_that_prove_nothing_start_again_from_the_history() {
    let foreign = Frontier { topic_id: TopicId::new("topic-0"), ..frontier(50) };
    let table = [
        ("missing", Stored::Missing),
        ("of another topic", Stored::Known(foreign)),
        ("beyond the end", Stored::Known(frontier(101))),
        ("below the start", Stored::Known(frontier(9))),
        ("damaged", Stored::Damaged("x".into())),
    ];
    for (what, stored) in table {
        let location = location(located(INBOUND, Some(90), 10, 100), located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(rules(), location, stored.clone());
        let steps = settle(&mut engine, now_at(NOW));
        let started = steps.iter().find_map(|step| match step {
            Step::StartFrontiers(starts) => Some(starts[0].clone()),
            _ => None,
        });
        let started = started.unwrap_or_else(|| panic!("{what}: not started again"));
        assert_eq!((started.seen, started.frontier.next), (stored, Offset(10)), "{what}");
    }
}

#[test]
fn a_negative_is_complete_only_with_every_part_of_its_proof() {
    let known = |next| Stored::Known(frontier(next));
    let short = Frontier { reaches_back_to: Timestamp::from_millis(NOW - 24 * HOUR), ..frontier(5) };
    let long = Frontier { reaches_back_to: Timestamp::from_millis(NOW - 25 * HOUR), ..frontier(5) };
    let foreign = Frontier { topic_id: TopicId::new("topic-0"), ..frontier(5) };
    let table = [
        ("frontier at the end", known(5), 5, 0, true),
        ("frontier beyond what was the end", known(6), 5, 0, true),
        ("frontier short of the end", known(5), 6, 0, false),
        ("no frontier", Stored::Missing, 5, 0, false),
        ("a newer version's frontier", Stored::Newer, 5, 0, false),
        ("another topic's frontier", Stored::Known(foreign), 5, 0, false),
        ("clocks half a guard apart", known(5), 5, 30_000, true),
        ("clocks further apart", known(5), 5, 30_001, false),
        ("clocks further apart the other way", known(5), 5, -30_001, false),
        ("history that does not reach back a window's length", Stored::Known(short), 5, 0, false),
        ("history that does", Stored::Known(long), 5, 0, true),
    ];
    for (what, stored, end, clock_off, complete) in table {
        let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(rules(), location, known(5));
        let bases = judged(&mut engine, &stored, end, NOW + clock_off, now_at(NOW));
        assert_eq!(bases, if complete { vec![Basis::Complete] } else { vec![] }, "{what}");
    }
}

#[test]
fn after_max_wait_a_negative_goes_out_without_proof_but_not_while_the_store_is_filled() {
    let filling = Frontier { reapply_to: Offset(50), ..frontier(5) };
    for (what, stored, times_out) in
        [("short", Stored::Known(frontier(5)), true), ("being filled", Stored::Known(filling), false)]
    {
        let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(rules(), location, Stored::Known(frontier(5)));
        assert_eq!(judged(&mut engine, &stored, 9, NOW, now_at(NOW)), vec![], "{what}: waits");
        let later = now_at(NOW + 10_001);
        let bases = judged(&mut engine, &stored, 9, NOW + 10_001, later);
        assert_eq!(bases, if times_out { vec![Basis::Timeout] } else { vec![] }, "{what}");
    }
}

#[test]
fn an_inbound_record_that_lies_elsewhere_than_its_key_says_is_told() {
    let mut two = (*topology()).clone();
    two.partitions = 2;
    let at = |customer: &str| crate::core::partitioner::murmur2_partition(format!("106:{customer}").as_bytes(), 2);
    let elsewhere = (0..).map(|n| format!("5511{n}")).find(|customer| at(customer) == 1).unwrap();
    let event = text_of(&elsewhere);
    let mut location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
    location.topology = Arc::new(two);
    let rules = Rules { partitioning: Partitioning::CoPartitioned, ..rules() };
    let mut engine = placed(rules, location, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    let item = inbound_item(5, event);
    engine.feed(Input::Polled(Box::new(Batch { inbound: vec![item], ..Batch::default() })), now_at(NOW));
    let Step::Read(plan) = engine.step(now_at(NOW)) else { panic!("nothing is read") };
    let snapshot = Snapshot {
        frontiers: vec![Stored::Known(frontier(5)); 2],
        windows: vec![Stored::Missing; plan.request.windows.len()],
        advice: vec![],
        clock: Timestamp::from_millis(NOW),
    };
    let reading = Reading { plan, others: Vec::new(), snapshot, ends: Ends::default(), sent: now_at(NOW) };
    engine.feed(Input::Read(Box::new(reading)), now_at(NOW));
    assert!(engine.take_notices().contains(&Notice::Misplaced { partition: Partition(0) }));
}

#[test]
fn deleted_records_are_told_and_offsets_of_another_log_are_not_believed() {
    let below = location(located(INBOUND, Some(5), 5, 5), located(INTENTS, Some(3), 8, 20), true);
    let mut engine = placed(rules(), below, Stored::Known(frontier(5)));
    let deleted = Notice::Moved { partition: INTENTS, from: Offset(3), to: Offset(8), why: Moved::RecordsDeleted };
    assert!(engine.take_notices().contains(&deleted));

    let of = |topic| Located { committed_for: Some(TopicId::new(topic)), ..located(INTENTS, Some(9), 0, 20) };
    for (topic, begins_at) in [("intents-0", 0), ("intents-1", 9)] {
        let found = location(located(INBOUND, Some(5), 5, 5), of(topic), true);
        let engine = placed(rules(), found, Stored::Known(frontier(5)));
        assert_eq!(engine.lanes[&INTENTS.partition].emit_from, Offset(begins_at), "committed for {topic}");
    }
}

#[test]
fn a_store_is_filled_up_to_what_can_be_read() {
    let hangs = Located { stable: Offset(60), ..located(INBOUND, Some(60), 0, 100) };
    let found = location(hangs, located(INTENTS, Some(0), 0, 0), true);
    let engine = placed(rules(), found, Stored::Missing);
    assert_eq!(engine.status(NOW).inbound[0].reapply_to, Some(Offset(60)));
}

#[test]
fn what_was_fetched_before_a_cursor_moved_is_discarded() {
    let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules(), location, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    let item = InboundItem::new(0, record(INBOUND, 9), DecodedInbound::default());
    engine.feed(Input::Polled(Box::new(Batch { inbound: vec![item], ..Batch::default() })), now_at(NOW));
    assert_eq!(engine.status(NOW).inbound[0].next, Offset(5));
    assert!(engine.incoming.is_empty());
}

/// The first verdict that goes out, if any does.
fn next_verdict(engine: &mut Engine) -> Option<Verdict> {
    let Step::Produce(emissions) = engine.step(now_at(NOW)) else { return None };
    emissions.into_iter().find_map(|emission| match emission {
        Emission::Verdict(decided) => Some(decided.verdict),
        _ => None,
    })
}
