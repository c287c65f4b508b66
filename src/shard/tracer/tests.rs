use super::*;
use crate::core::decoded::{DecodedInbound, DecodedIntent as Decoded};
use crate::core::emission::{DeadLetter, DecidedIntent, Part, WindowChange, WindowEvent};
use crate::core::ids::{BusinessId, CustomerId, IntentId, MessageId, Offset, Partition};
use crate::core::inbound::InboundEvent;
use crate::core::intent::Intent;
use crate::core::record::{Header, Reject};
use crate::core::time::Span;
use crate::core::verdict::{Basis, TemplateReason};
use crate::shard::engine::step::{InboundItem, IntentItem};
use bytes::Bytes;

const INTENT_PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const INBOUND_PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[derive(Default)]
struct Taken {
    spans: Mutex<Vec<ProcessSpan>>,
    dropped: Mutex<usize>,
}

impl SpanSink for Taken {
    fn take(&self, spans: Vec<ProcessSpan>) {
        self.spans.lock().unwrap().extend(spans);
    }

    fn count_dropped(&self, spans: usize) {
        *self.dropped.lock().unwrap() += spans;
    }
}

fn tracer(ratio: f64) -> (Tracer, Arc<Taken>) {
    let taken = Arc::new(Taken::default());
    (Tracing::new(ratio, taken.clone(), "dead").tracer(), taken)
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn header(name: &str, value: &str) -> Header {
    Header { name: name.into(), value: Some(Bytes::copy_from_slice(value.as_bytes())) }
}

fn record(stream: Stream, offset: i64, traceparent: Option<&str>) -> Record {
    Record {
        stream,
        partition: Partition(2),
        offset: Offset(offset),
        timestamp: at(0),
        key: None,
        value: None,
        headers: traceparent.into_iter().map(|text| header("traceparent", text)).collect(),
    }
}

fn window(offset: i64) -> Window {
    Window::opened_by(at(0), Position { partition: Partition(2), offset: Offset(offset) })
}

fn verdict(record: Record, verdict: Verdict) -> Emission {
    let intent = Intent {
        intent_id: IntentId::new("i"),
        channel: Channel::new("whatsapp"),
        business_id: BusinessId::new("106"),
        customer_id: CustomerId::new("5511"),
        requested_at: at(0),
        expires_at: None,
        message: None,
        template: None,
    };
    let decided_at = at(7_000);
    Emission::Verdict(Box::new(DecidedIntent {
        record,
        intent: Box::new(intent),
        verdict,
        window_length: Span::from_hours(24),
        decided_at,
    }))
}

fn send(offset: i64, traceparent: Option<&str>) -> Emission {
    verdict(record(Stream::Intent, offset, traceparent), Verdict::SessionSend { window: window(5) })
}

fn act() -> InboundEvent {
    InboundEvent {
        message_id: MessageId::new("m"),
        channel: Channel::new("whatsapp"),
        business_id: BusinessId::new("106"),
        customer_id: CustomerId::new("5511"),
        customer_aliases: vec![],
        kind: "text".into(),
        occurred_at: at(0),
    }
}

/// The output of an emission, with the headers that are carried on.
fn output(emission: &Emission) -> OutputRecord {
    let (topic, record) = match emission {
        Emission::Verdict(decided) => ("send", &decided.record),
        Emission::WindowEvent(event) => ("event", &event.record),
        Emission::DeadLetter(letter) => ("dead", &letter.record),
        Emission::Inbound(part) => ("inbound", &part.record),
        other => panic!("not made here: {other:?}"),
    };
    let mut output = OutputRecord::new(topic.into(), None, None, None);
    record.headers.iter().for_each(|header| output.push_header(&header.name, header.value.as_deref()));
    output
}

fn traced(tracer: &mut Tracer, emission: Emission) -> OutputRecord {
    let mut outputs = [output(&emission)];
    tracer.trace(&[emission], &mut outputs, at(8_000));
    let [output] = outputs;
    output
}

fn read(records: Vec<Record>) -> Batch {
    let mut batch = Batch::default();
    for record in records {
        match record.stream {
            Stream::Inbound => {
                batch.inbound.push(InboundItem::new(0, record, DecodedInbound::default()));
            }
            Stream::Intent => {
                let refused = Reject::new(ReasonCode::NotJson, "");
                batch.intents.push(IntentItem {
                    epoch: 0,
                    record,
                    decoded: Decoded { hash: None, redriven: None, intent: Err(refused) },
                });
            }
        }
    }
    batch
}

fn committed() -> Batch {
    Batch { settled: Some(Settled::Committed), ..Batch::default() }
}

/// Commits what is open.
fn commit(tracer: &mut Tracer, taken: &Taken) -> Vec<ProcessSpan> {
    tracer.commit_begun();
    tracer.polled(&committed(), at(9_000));
    std::mem::take(&mut taken.spans.lock().unwrap())
}

fn context(text: &str) -> TraceContext {
    context_of(&record(Stream::Intent, 0, Some(text))).unwrap()
}

#[test]
fn a_verdict_is_a_span_below_its_intent_and_its_output_is_sent_in_it() {
    let (mut tracer, taken) = tracer(0.0);
    tracer.polled(&read(vec![record(Stream::Inbound, 5, Some(INBOUND_PARENT))]), at(1_000));
    tracer.polled(&read(vec![record(Stream::Intent, 40, None), record(Stream::Intent, 41, None)]), at(2_000));
    tracer.polled(&read(vec![record(Stream::Intent, 42, None)]), at(3_000));
    let output = traced(&mut tracer, send(41, Some(INTENT_PARENT)));
    let [span] = &commit(&mut tracer, &taken)[..] else { panic!("one span") };
    let sent_in = context_of(&Record { headers: output.to_headers(), ..record(Stream::Intent, 0, None) });
    assert_eq!(sent_in, Some(span.context));
    let parent = context(INTENT_PARENT);
    assert_eq!((span.parent, span.context.trace_id, span.context.flags), (Some(parent), parent.trace_id, 1));
    assert_ne!(span.context.span_id, parent.span_id);
    assert_eq!((span.read_at, span.decided_at, span.committed_at), (at(2_000), at(7_000), at(9_000)));
    assert_eq!(span.outcome, Outcome::SessionSend);
    let source = WindowSource { position: window(5).position, context: Some(context(INBOUND_PARENT)) };
    assert_eq!(span.window, Some(source));
}

#[test]
fn a_record_that_nobody_here_read_is_linked_by_its_position() {
    let (mut tracer, taken) = tracer(1.0);
    traced(&mut tracer, send(1, None));
    let reason = (TemplateReason::NoOpenWindow, Basis::Complete);
    let closed = Verdict::TemplateRequired { reason: reason.0, basis: reason.1, window: None };
    traced(&mut tracer, verdict(record(Stream::Intent, 2, None), closed));
    let spans = commit(&mut tracer, &taken);
    assert_eq!(spans[0].window, Some(WindowSource { position: window(5).position, context: None }));
    assert_eq!((spans[1].window, spans[1].outcome), (None, Outcome::TemplateRequired(reason.0, reason.1)));
    assert_eq!(spans[0].read_at, at(7_000), "unknown: it is told from the decision on");
}

#[test]
fn whoever_began_the_trace_says_whether_it_is_sampled() {
    for (ratio, parent, sampled) in [
        (0.0, Some(INTENT_PARENT), true),
        (0.0, None, false),
        (1.0, None, true),
        (1.0, Some(NOT_SAMPLED), false),
        (1.0, Some("damaged"), true),
        (0.0, Some("damaged"), false),
    ] {
        let (mut tracer, taken) = tracer(ratio);
        let emission = send(1, parent);
        let before = output(&emission);
        let after = traced(&mut tracer, emission);
        let spans = commit(&mut tracer, &taken);
        assert_eq!(spans.len(), usize::from(sampled), "{ratio} {parent:?}");
        assert_eq!(after == before, !sampled, "what is not sampled passes as it came: {ratio} {parent:?}");
        let begins = sampled && parent != Some(INTENT_PARENT);
        assert!(spans.iter().all(|span| span.parent.is_none() == begins), "{ratio} {parent:?}");
    }
}

#[test]
fn about_the_asked_share_of_new_traces_is_sampled() {
    let (mut tracer, taken) = tracer(0.25);
    (0..4_000).for_each(|offset| drop(traced(&mut tracer, send(offset, None))));
    let count = commit(&mut tracer, &taken).len();
    assert!((800..1_200).contains(&count), "{count}");
}

#[test]
fn nothing_of_a_transaction_is_told_before_its_commit_and_nothing_of_an_aborted_one_ever() {
    let (mut tracer, taken) = tracer(1.0);
    let told =
        |taken: &Taken| taken.spans.lock().unwrap().iter().map(|span| span.position.offset.0).collect::<Vec<_>>();
    traced(&mut tracer, send(1, None));
    tracer.commit_begun();
    traced(&mut tracer, send(2, None));
    tracer.polled(&Batch { settled: Some(Settled::Unconfirmed(String::new())), ..Batch::default() }, at(1));
    // Asked again: the second is still in the next transaction.
    tracer.commit_begun();
    assert_eq!(told(&taken), Vec::<i64>::new());
    tracer.polled(&committed(), at(2));
    assert_eq!(told(&taken), [1]);
    tracer.commit_begun();
    traced(&mut tracer, send(3, None));
    tracer.aborted();
    tracer.commit_begun();
    tracer.polled(&committed(), at(3));
    assert_eq!(told(&taken), [1]);
}

#[test]
fn window_events_and_dead_letters_are_spans_and_what_is_passed_on_is_none() {
    let (mut tracer, taken) = tracer(1.0);
    let inbound = record(Stream::Inbound, 5, Some(INBOUND_PARENT));
    let event = WindowEvent {
        record: inbound.clone(),
        event_index: 0,
        change: WindowChange::Opened,
        cause: act(),
        customer_id: CustomerId::new("5511"),
        window: window(5),
        window_length: Span::from_hours(24),
    };
    let opened = traced(&mut tracer, Emission::WindowEvent(Box::new(event)));
    assert_ne!(opened.to_headers(), inbound.headers);
    let reject = Reject::new(ReasonCode::NotJson, "");
    let dead = traced(&mut tracer, Emission::DeadLetter(Box::new(DeadLetter { record: inbound.clone(), reject })));
    let passed_on =
        traced(&mut tracer, Emission::Inbound(Box::new(Part { record: inbound.clone(), index: 0, part: act() })));
    assert_eq!((&dead.to_headers(), &passed_on.to_headers()), (&inbound.headers, &inbound.headers), "as they came");
    let spans = commit(&mut tracer, &taken);
    let outcomes: Vec<Outcome> = spans.iter().map(|span| span.outcome).collect();
    assert_eq!(outcomes, [Outcome::Window(WindowChange::Opened), Outcome::DeadLetter(ReasonCode::NotJson)]);
    assert!(spans.iter().all(|span| span.window.is_none() && span.parent == Some(context(INBOUND_PARENT))));
}

#[test]
fn a_verdict_that_became_a_dead_letter_keeps_the_headers_of_its_original() {
    let (mut tracer, taken) = tracer(1.0);
    let emission = send(1, Some(INTENT_PARENT));
    let mut outputs = [output(&emission)];
    outputs[0].topic = "dead".into();
    let before = outputs.clone();
    tracer.trace(&[emission], &mut outputs, at(8_000));
    assert_eq!(outputs, before);
    assert_eq!(commit(&mut tracer, &taken)[0].outcome, Outcome::DeadLetter(ReasonCode::TooLarge));
}

#[test]
fn beyond_what_a_shard_may_hold_outputs_pass_as_they_came_and_are_counted() {
    let (mut tracer, taken) = tracer(1.0);
    for offset in 0..MOST_PENDING as i64 {
        assert_ne!(traced(&mut tracer, send(offset, None)).header_count(), 0);
    }
    assert_eq!(traced(&mut tracer, send(MOST_PENDING as i64, None)).header_count(), 0);
    assert_eq!(*taken.dropped.lock().unwrap(), 1);
    assert_eq!(commit(&mut tracer, &taken).len(), MOST_PENDING);
}
