use super::*;
use crate::core::ids::{Offset, Partition, Position};
use crate::core::record::Stream;
use crate::core::time::Timestamp;
use crate::ports::spans::{Outcome, TraceContext};

fn span(offset: i64) -> ProcessSpan {
    ProcessSpan {
        context: TraceContext { trace_id: 1, span_id: 2, flags: 1 },
        tracestate: None,
        parent: None,
        stream: Stream::Intent,
        position: Position { partition: Partition(0), offset: Offset(offset) },
        channel: None,
        outcome: Outcome::SessionSend,
        window: None,
        read_at: Timestamp::from_millis(0),
        decided_at: Timestamp::from_millis(0),
        committed_at: Timestamp::from_millis(0),
    }
}

#[test]
fn what_finds_no_room_is_dropped_and_counted() {
    let queue = Queue::default();
    queue.take((0..MOST_WAITING as i64 - 1).map(span).collect());
    queue.take((0..3).map(span).collect());
    queue.take((0..2).map(span).collect());
    assert_eq!(queue.tally.dropped.load(Ordering::Relaxed), 4);
    queue.close();
    let mut requests = Vec::new();
    while let Some(spans) = queue.next() {
        requests.push(spans.len());
    }
    assert_eq!(requests.iter().sum::<usize>(), MOST_WAITING, "what is left goes out at the end");
    assert!(requests.iter().all(|count| *count <= MOST_IN_A_REQUEST));
}

#[test]
fn an_exporter_without_spans_ends_at_once_and_has_connected_to_nothing() {
    let settings = OtlpSettings {
        endpoint: "https://collector.invalid/v1/traces".into(),
        headers: vec![("authorization".into(), "Bearer x".into())],
        service_name: "sessiongate".into(),
        instance: "a".into(),
        naming: Naming { inbound_topic: "in".into(), intent_topic: "out".into(), group_id: "g".into() },
    };
    let otlp = Otlp::start(&settings).unwrap();
    let tally = otlp.tally();
    let began = Instant::now();
    otlp.end();
    assert!(began.elapsed() < ENDS_WITHIN);
    assert_eq!(tally.failed.load(Ordering::Relaxed) + tally.exported.load(Ordering::Relaxed), 0);
}
