//! What providers report: refusals of sends, and changes of templates.

use super::*;
use crate::core::advice::Advice;
use crate::core::delivery::FailedDelivery;
use crate::core::template::{TemplateId, TemplateOwner, TemplateStatus, TemplateUpdate};

/// The verdict on one intent whose window was opened an hour ago, when the provider refused a send that long after.
fn advised(rules: Rules, refused_after_ms: i64, end: i64) -> Option<Verdict> {
    let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
    let mut engine = placed(rules, location, Stored::Known(frontier(5)));
    settle(&mut engine, now_at(NOW));
    let batch = Batch { intents: vec![intent_item(1, 0)], ..Batch::default() };
    engine.feed(Input::Polled(Box::new(batch)), now_at(NOW));
    let Step::Read(plan) = engine.step(now_at(NOW)) else { panic!("nothing is read") };
    let acted_at = Timestamp::from_millis(NOW - HOUR);
    let window = Window::opened_by(acted_at, Position { partition: Partition(0), offset: Offset(4) });
    let advice = Advice { refused_at: acted_at + Span::from_millis(refused_after_ms) };
    let snapshot = Snapshot {
        frontiers: vec![Stored::Known(frontier(5))],
        windows: vec![Stored::Known(window); plan.request.windows.len()],
        advice: vec![Stored::Known(advice); plan.request.advice.len()],
        clock: Timestamp::from_millis(NOW),
    };
    let ends = Ends([(Partition(0), Offset(end))].into());
    engine.feed(
        Input::Read(Box::new(Reading { plan, others: Vec::new(), snapshot, ends, sent: now_at(NOW) })),
        now_at(NOW),
    );
    next_verdict(&mut engine)
}

#[test]
fn a_refusal_asks_for_a_template_until_the_customer_acts_again() {
    let is_refused = |verdict: Option<Verdict>| match verdict {
        Some(Verdict::TemplateRequired { reason, basis, window }) => {
            (reason, basis) == (TemplateReason::ProviderRefused, Basis::Advisory) && window.is_some()
        }
        _ => false,
    };
    assert!(is_refused(advised(rules(), 1, 5)), "refused after the act");
    assert!(is_refused(advised(rules(), 0, 5)), "refused at its instant");
    assert!(matches!(advised(rules(), -1, 5), Some(Verdict::SessionSend { .. })), "the customer has acted since");
    let off = Rules { delivery_status: false, ..rules() };
    assert!(matches!(advised(off, 1, 5), Some(Verdict::SessionSend { .. })), "nobody reads refusals");
}

#[test]
fn a_refusal_waits_for_proof_that_the_customer_has_not_written_since() {
    assert_eq!(advised(rules(), 1, 6), None);
    let at_once = Rules { max_wait: Span::ZERO, ..rules() };
    assert!(matches!(advised(at_once, 1, 6), Some(Verdict::TemplateRequired { basis: Basis::Advisory, .. })));
}

#[test]
fn what_a_provider_reports_goes_on_to_its_topic_or_is_counted() {
    let occurred_at = Timestamp::from_millis(NOW);
    let failed = |error_code| FailedDelivery {
        channel: Channel::new("whatsapp"),
        business_id: BusinessId::new("106"),
        customer_id: CustomerId::new("5511"),
        error_code,
        occurred_at,
    };
    let owner = TemplateOwner::Account("waba".into());
    let id = TemplateId { owner, name: "hi".into(), language: "en".into() };
    let update = TemplateUpdate { id, status: TemplateStatus::new("PAUSED"), occurred_at };
    let decoded = DecodedInbound {
        deliveries: vec![failed(131_049), failed(131_047)],
        templates: vec![update],
        ..DecodedInbound::default()
    };
    let told = |rules| {
        let location = location(located(INBOUND, Some(5), 0, 5), located(INTENTS, Some(0), 0, 0), true);
        let mut engine = placed(rules, location, Stored::Known(frontier(5)));
        settle(&mut engine, now_at(NOW));
        let item = InboundItem::new(1, record(INBOUND, 5), decoded.clone());
        engine.feed(Input::Polled(Box::new(Batch { inbound: vec![item], ..Batch::default() })), now_at(NOW));
        let Step::Read(plan) = engine.step(now_at(NOW)) else { panic!("nothing is read") };
        engine.feed(read(Stored::Known(frontier(5)), plan, 5, NOW, now_at(NOW)), now_at(NOW));
        let dropped = engine.take_notices().iter().filter(|notice| **notice == Notice::FeedbackDropped).count();
        let emissions = match engine.step(now_at(NOW)) {
            Step::Produce(emissions) => emissions,
            _ => Vec::new(),
        };
        (emissions, dropped)
    };
    let (emissions, dropped) = told(rules());
    let indexes = emissions.iter().map(|emission| match emission {
        Emission::Delivery(part) => ("delivery", part.index),
        Emission::Template(part) => ("template", part.index),
        other => panic!("{other:?}"),
    });
    assert_eq!((indexes.collect::<Vec<_>>(), dropped), (vec![("delivery", 1), ("template", 0)], 0));
    let (emissions, dropped) = told(Rules { delivery_status: false, template_status: false, ..rules() });
    assert_eq!((emissions.len(), dropped), (0, 2));
}
