use super::*;
use crate::core::frontier::Ends;
use crate::core::ids::{Offset, Position, TopicId};
use crate::core::policy::ChannelPolicy;
use crate::io::kafka::positions::Topic;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

const DAY_MS: i64 = 86_400_000;
const RULES: WindowRules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn now() -> Now {
    Now { wall: at(2 * DAY_MS), mono_ms: 0 }
}

fn policy() -> Policy {
    Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(RULES))])
}

fn wanted() -> Wanted {
    let subject = Subject {
        channel: "whatsapp".into(),
        business_id: "106540352242922".into(),
        customer_id: "16505551234".into(),
    };
    Wanted::new(subject, &policy()).unwrap()
}

fn frontier(next: i64) -> Stored<Frontier> {
    Stored::Known(Frontier {
        next: Offset(next),
        topic_id: TopicId::new("topic"),
        reaches_back_to: Timestamp::MIN,
        reapply_to: Offset(0),
    })
}

fn ends(ends: &[(i32, i64)]) -> EndsLook {
    let topic = Topic { name: "inbound".into(), id: TopicId::new("topic"), partitions: ends.len() as i32 };
    let ends = Ends(ends.iter().map(|(partition, end)| (Partition(*partition), Offset(*end))).collect());
    EndsLook { asked: Instant::now(), asked_at: now().wall, topic: Arc::new(topic), ends }
}

/// Two partitions, all applied.
fn readings() -> Readings {
    Readings {
        partitioning: Partitioning::Any,
        frontiers: [(Partition(0), frontier(10)), (Partition(1), frontier(20))].into(),
        ends: Some(ends(&[(0, 10), (1, 20)])),
        clock: now().wall,
        sent: now(),
        received: now(),
    }
}

fn written(ago_ms: i64) -> Stored<Window> {
    let position = Position { partition: Partition(0), offset: Offset(3) };
    Stored::Known(Window::opened_by(at(now().wall.as_millis() - ago_ms), position))
}

fn held(window: Stored<Window>) -> Held {
    Held { window, refused: None }
}

fn shown(stored: &Stored<Window>, readings: &Readings) -> Value {
    serde_json::to_value(OneShown::new(&wanted(), &held(stored.clone()), readings)).unwrap()
}

#[test]
fn the_state_is_what_a_verdict_would_be() {
    let table = [
        (written(1_000), "open", true, DAY_MS - 1_000),
        (written(DAY_MS - 60_001), "open", true, 60_001),
        (written(DAY_MS - 60_000), "closing", false, 60_000),
        (written(DAY_MS), "closed", false, 0),
        (Stored::Missing, "closed", false, 0),
        (Stored::Newer, "unknown", false, 0),
    ];
    for (stored, state, open, remaining_ms) in table {
        let shown = shown(&stored, &readings());
        assert_eq!((&shown["state"], &shown["open"]), (&state.into(), &open.into()), "{stored:?}");
        assert_eq!(shown["remaining_ms"], remaining_ms, "{stored:?}");
    }
    let shown = shown(&written(0), &readings());
    assert_eq!(shown["expires_at"], "1970-01-04T00:00:00.000Z");
    assert_eq!(shown["open_until"], "1970-01-03T23:59:00.000Z");
    assert_eq!(shown["last_inbound_at"], "1970-01-03T00:00:00.000Z");
    assert_eq!(shown["proof"]["partitions"][1], json!({ "partition": 1, "frontier": 20, "end": 20 }));
}

#[test]
fn closed_is_proven_only_when_everything_is_applied_and_can_be_known() {
    let mut away = readings();
    away.ends = None;
    let mut behind = readings();
    behind.frontiers.insert(Partition(1), frontier(19));
    let mut missing = readings();
    missing.frontiers.insert(Partition(1), Stored::Missing);
    let mut another = readings();
    if let Some(look) = &mut another.ends {
        look.topic = Arc::new(Topic { name: "inbound".into(), id: TopicId::new("made anew"), partitions: 2 });
    }
    let mut skewed = readings();
    skewed.clock = now().wall + Span::from_secs(31);
    let mut unknown = readings();
    unknown.frontiers.clear();
    let table = [
        (readings(), Stored::Missing, None),
        (away, Stored::Missing, Some("kafka_did_not_answer")),
        (behind, Stored::Missing, Some("behind")),
        (missing, Stored::Missing, Some("frontier_missing")),
        (another, Stored::Missing, Some("history_incomplete")),
        (skewed, Stored::Missing, Some("clocks_disagree")),
        (unknown, Stored::Missing, Some("frontier_missing")),
        (readings(), Stored::Newer, Some("window_unreadable")),
    ];
    for (readings, stored, lacks) in table {
        let proof = &shown(&stored, &readings)["proof"];
        assert_eq!((proof["lacks"].as_str(), proof["complete"].as_bool()), (lacks, Some(lacks.is_none())));
    }
}

#[test]
fn co_partitioned_asks_only_where_the_customers_messages_lie() {
    let subject = wanted().subject;
    let home = home(&BusinessId::new(&subject.business_id), &CustomerId::new(&subject.customer_id), 2);
    let elsewhere = Partition(1 - home.0);
    let mut readings = readings();
    readings.partitioning = Partitioning::CoPartitioned;
    readings.frontiers.insert(elsewhere, Stored::Missing);
    let shown = shown(&Stored::Missing, &readings);
    assert_eq!(shown["proof"]["complete"], true, "{shown}");
    assert_eq!(shown["proof"]["partitions"].as_array().unwrap().len(), 1, "{shown}");
}

#[test]
fn many_are_answered_in_their_order_with_the_partitions_once() {
    let wanted = [wanted(), wanted()];
    let shown = ManyShown::new(&wanted, &[held(written(0)), held(Stored::Missing)], &readings());
    let shown = serde_json::to_value(shown).unwrap();
    assert_eq!((&shown["windows"][0]["open"], &shown["windows"][1]["open"]), (&true.into(), &false.into()));
    assert_eq!(shown["windows"][1]["proof"], json!({ "complete": true, "lacks": null }));
    assert_eq!(shown["partitions"].as_array().unwrap().len(), 2);
}

#[test]
fn a_refusal_stands_against_an_open_window_until_the_customer_acts_again() {
    let refused = |ago_ms: i64| Some(Advice { refused_at: at(now().wall.as_millis() - ago_ms) });
    for (refused, state) in [(None, "open"), (refused(500), "refused"), (refused(2_000), "open")] {
        let held = Held { window: written(1_000), refused };
        let shown = serde_json::to_value(OneShown::new(&wanted(), &held, &readings())).unwrap();
        assert_eq!((&shown["state"], &shown["open"]), (&state.into(), &(state == "open").into()), "{refused:?}");
    }
}
