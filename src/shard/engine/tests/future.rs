//! Acts whose time lies ahead of their record.

use super::*;
use crate::core::emission::{WindowChange, WindowEvent};

/// What is told of one act after the other.
fn told(acts: &[InboundEvent]) -> Vec<WindowEvent> {
    let location = location(located(INBOUND, Some(0), 0, 0), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(Rules { emit_refreshed: true, ..rules() }, location, Stored::Known(frontier(0)));
    settle(&mut engine, now_at(NOW));
    let inbound = (0..).zip(acts).map(|(offset, act)| inbound_item(offset, act.clone())).collect();
    engine.feed(Input::Polled(Box::new(Batch { inbound, ..Batch::default() })), now_at(NOW));
    let Step::Read(plan) = engine.step(now_at(NOW)) else { panic!("nothing is read") };
    engine.feed(read(Stored::Known(frontier(0)), plan, 0, NOW, now_at(NOW)), now_at(NOW));
    let Step::Produce(emissions) = engine.step(now_at(NOW)) else { panic!("nothing is told") };
    let events = emissions.into_iter().filter_map(|emission| match emission {
        Emission::WindowEvent(event) => Some(*event),
        _ => None,
    });
    events.collect()
}

#[test]
fn a_window_event_tells_the_time_that_is_believed() {
    let act = |customer, ahead_ms| {
        let occurred_at = Timestamp::from_millis(NOW + ahead_ms);
        InboundEvent { occurred_at, ..text_of(customer) }
    };
    // The record of each was written at NOW.
    let acts = [act("1", -2_000), act("1", 500 * HOUR), act("2", 5_001), act("3", 5_000)];
    let events = told(&acts).into_iter().map(|event| {
        let [told, last] = [event.cause.occurred_at, event.window.last_inbound_at].map(|at| at.as_millis() - NOW);
        (event.customer_id.to_string(), event.change, told, last)
    });
    let expected = [
        ("1", WindowChange::Opened, -2_000, -2_000),
        ("1", WindowChange::Refreshed, 0, 0),
        ("2", WindowChange::Opened, 0, 0),
        ("3", WindowChange::Opened, 5_000, 5_000),
    ];
    let expected = expected.map(|(customer, change, told, last)| (customer.to_owned(), change, told, last));
    assert_eq!(events.collect::<Vec<_>>(), expected);
}
