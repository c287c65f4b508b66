//! Spans in the words of OpenTelemetry's conventions for messaging.

use crate::core::emission::WindowChange;
use crate::core::ids::Position;
use crate::core::record::Stream;
use crate::core::time::Timestamp;
use crate::ports::spans::{Outcome, ProcessSpan, TraceContext, WindowSource};
use bytes::Bytes;
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What all spans of a worker have in common.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Naming {
    /// The topic of what customers did.
    pub inbound_topic: String,
    /// The topic of intents.
    pub intent_topic: String,
    /// The consumer group.
    pub group_id: String,
}

impl Naming {
    /// A span as the exporter takes it.
    pub(super) fn span_data(&self, span: ProcessSpan) -> SpanData {
        let topic = self.topic(span.stream);
        let state = span.tracestate.as_ref();
        let mut events = SpanEvents::default();
        events.events = vec![Event::new("decided", time(span.decided_at), vec![], 0)];
        let mut links = SpanLinks::default();
        links.links = span.window.iter().map(|source| self.link(source)).collect();
        SpanData {
            span_context: span_context(span.context, state),
            parent_span_id: span.parent.map_or(SpanId::INVALID, |parent| SpanId::from(parent.span_id)),
            parent_span_is_remote: span.parent.is_some(),
            span_kind: SpanKind::Consumer,
            name: Cow::Owned(format!("process {topic}")),
            start_time: time(span.read_at),
            end_time: time(span.committed_at.max(span.read_at)),
            attributes: self.attributes(&span),
            dropped_attributes_count: 0,
            events,
            links,
            status: match span.outcome {
                Outcome::DeadLetter(reason) => Status::error(reason.as_str()),
                Outcome::SessionSend | Outcome::TemplateRequired(..) | Outcome::Window(_) => Status::Unset,
            },
            instrumentation_scope: InstrumentationScope::builder("sessiongate")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
        }
    }

    fn topic(&self, stream: Stream) -> &str {
        match stream {
            Stream::Inbound => &self.inbound_topic,
            Stream::Intent => &self.intent_topic,
        }
    }

    fn attributes(&self, span: &ProcessSpan) -> Vec<KeyValue> {
        let mut attributes = record(self.topic(span.stream), span.position);
        attributes.extend([
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.consumer.group.name", self.group_id.clone()),
        ]);
        attributes.extend(span.channel.as_ref().map(|it| KeyValue::new("sessiongate.channel", it.as_str().to_owned())));
        match span.outcome {
            Outcome::SessionSend => attributes.push(KeyValue::new("sessiongate.verdict", "session_send")),
            Outcome::TemplateRequired(reason, basis) => attributes.extend([
                KeyValue::new("sessiongate.verdict", "template_required"),
                KeyValue::new("sessiongate.reason", reason.as_str()),
                KeyValue::new("sessiongate.basis", basis.as_str()),
            ]),
            Outcome::Window(WindowChange::Opened) => attributes.push(KeyValue::new("sessiongate.window", "opened")),
            Outcome::Window(WindowChange::Refreshed) => {
                attributes.push(KeyValue::new("sessiongate.window", "refreshed"));
            }
            Outcome::DeadLetter(reason) => attributes.push(KeyValue::new("error.type", reason.as_str())),
        }
        attributes
    }

    /// Without a span to refer to, the record is named all the same: a link of attributes alone is one.
    fn link(&self, source: &WindowSource) -> Link {
        let context = source.context.map_or(SpanContext::NONE, |context| span_context(context, None));
        Link::new(context, record(&self.inbound_topic, source.position), 0)
    }
}

/// Which record it is about.
fn record(topic: &str, position: Position) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "kafka"),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
        KeyValue::new("messaging.destination.partition.id", position.partition.to_string()),
        KeyValue::new("messaging.kafka.offset", position.offset.0),
    ]
}

fn span_context(context: TraceContext, state: Option<&Bytes>) -> SpanContext {
    let TraceContext { trace_id, span_id, flags } = context;
    // A state that cannot be read is carried on to the outputs and not told.
    let state = state.and_then(|state| std::str::from_utf8(state).ok()?.parse().ok());
    let state = state.unwrap_or(TraceState::NONE);
    SpanContext::new(TraceId::from(trace_id), SpanId::from(span_id), TraceFlags::new(flags), false, state)
}

fn time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(at.as_millis().max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Channel, Offset, Partition};
    use crate::core::record::ReasonCode;
    use crate::core::verdict::{Basis, TemplateReason};

    fn naming() -> Naming {
        Naming { inbound_topic: "inbound".into(), intent_topic: "intents".into(), group_id: "gate".into() }
    }

    fn span(outcome: Outcome, window: Option<WindowSource>) -> ProcessSpan {
        ProcessSpan {
            context: TraceContext { trace_id: 7, span_id: 8, flags: 1 },
            tracestate: Some(Bytes::from_static(b"vendor=1")),
            parent: Some(TraceContext { trace_id: 7, span_id: 6, flags: 1 }),
            stream: Stream::Intent,
            position: position(42),
            channel: Some(Channel::new("whatsapp")),
            outcome,
            window,
            read_at: Timestamp::from_millis(1_000),
            decided_at: Timestamp::from_millis(1_500),
            committed_at: Timestamp::from_millis(2_000),
        }
    }

    fn position(offset: i64) -> Position {
        Position { partition: Partition(3), offset: Offset(offset) }
    }

    fn told(attributes: &[KeyValue]) -> Vec<String> {
        attributes.iter().map(|it| format!("{}={}", it.key, it.value)).collect()
    }

    #[test]
    fn a_verdict_is_told_in_the_words_of_the_conventions() {
        let outcome = Outcome::TemplateRequired(TemplateReason::WindowClosing, Basis::Complete);
        let data = naming().span_data(span(outcome, None));
        assert_eq!(
            (data.name.as_ref(), data.span_kind, data.status),
            ("process intents", SpanKind::Consumer, Status::Unset)
        );
        assert_eq!((data.parent_span_id, data.parent_span_is_remote), (SpanId::from(6), true));
        assert_eq!(data.span_context.trace_state().header(), "vendor=1");
        assert_eq!(data.end_time.duration_since(data.start_time).unwrap(), Duration::from_secs(1));
        let expected = [
            "messaging.system=kafka",
            "messaging.destination.name=intents",
            "messaging.destination.partition.id=3",
            "messaging.kafka.offset=42",
            "messaging.operation.type=process",
            "messaging.operation.name=process",
            "messaging.consumer.group.name=gate",
            "sessiongate.channel=whatsapp",
            "sessiongate.verdict=template_required",
            "sessiongate.reason=window_closing",
            "sessiongate.basis=complete",
        ];
        assert_eq!(told(&data.attributes), expected);
        assert!(data.links.is_empty());
        let dead = naming().span_data(span(Outcome::DeadLetter(ReasonCode::NotJson), None));
        assert_eq!(dead.status, Status::error("not_json"));
        assert_eq!(told(&dead.attributes).last().map(String::as_str), Some("error.type=not_json"));
    }

    #[test]
    fn a_link_names_the_record_and_its_span_when_that_is_known() {
        let record = [
            "messaging.system=kafka",
            "messaging.destination.name=inbound",
            "messaging.destination.partition.id=3",
            "messaging.kafka.offset=7",
        ];
        let known = TraceContext { trace_id: 70, span_id: 71, flags: 1 };
        for context in [Some(known), None] {
            let source = WindowSource { position: position(7), context };
            let data = naming().span_data(span(Outcome::SessionSend, Some(source)));
            let [link] = &data.links.links[..] else { panic!("one link: {:?}", data.links) };
            assert_eq!(told(&link.attributes), record);
            assert_eq!(link.span_context.is_valid(), context.is_some());
            let expected = context.map_or(TraceId::INVALID, |context| TraceId::from(context.trace_id));
            assert_eq!(link.span_context.trace_id(), expected);
        }
    }
}
