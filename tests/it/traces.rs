//! Traces: the spans of a worker at a collector, and what a collector that fails costs.

use crate::support::api::{Api, free_address};
use crate::support::collector::{Collector, told, traceparent};
use crate::support::site::{BUSINESS, DEAD, EVENT, INBOUND, INTENTS, SEND, Seen, Site, TEMPLATE};
use crate::support::traffic::{inbound, intent, key, now_ms};
use crate::support::wait_until;
use crate::support::worker::Worker;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);
const WRITER: &str = "16505551234";
const SILENT: &str = "4930111222333";
const OF_THE_INBOUND: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OF_THE_INTENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-11111111111111111111111111111111-2222222222222222-00";
const STATE: &str = "vendor=1";

fn say(site: &Site, traceparent: &str) {
    let text = inbound("wamid.1", WRITER, now_ms() - 1_000);
    site.write(INBOUND, Some(&key(WRITER)), text.as_bytes(), &[("traceparent", traceparent)]);
}

fn ask(site: &Site, id: &str, customer: &str, headers: &[(&str, &str)]) {
    site.write(INTENTS, Some(&key(customer)), intent(id, customer).as_bytes(), headers);
}

fn output(site: &Site, topic: &str, id: &str) -> Seen {
    site.read_one(topic, id, |seen| seen.json()["intent_id"] == id)
}

/// The span that an output was sent in.
fn span_of<'a>(spans: &'a [Span], output: &Seen) -> &'a Span {
    let sent_in = output.header("traceparent").expect("a span");
    let found = spans.iter().find(|span| traceparent(&span.trace_id, &span.span_id) == sent_in);
    found.unwrap_or_else(|| panic!("{sent_in} is none of {spans:?}"))
}

fn parent_of(span: &Span) -> String {
    traceparent(&span.trace_id, &span.parent_span_id)
}

#[test]
fn a_verdict_is_a_span_below_its_intent_and_links_to_the_message_that_opened_the_window() {
    let site = Site::new("traces", 1);
    let (api, collector) = (Api::new(), Collector::start());
    let endpoint = collector.endpoint();
    let settings = [
        ("TELEMETRY_TRACES_ENDPOINT", endpoint.as_str()),
        ("TELEMETRY_TRACES_HEADERS", "x-tenant=acme"),
        ("TELEMETRY_TRACES_RATIO", "0"),
        ("TELEMETRY_SERVICE_NAME", "gate"),
        api.settings()[0],
    ];
    let worker = Worker::with(&site, &settings);
    say(&site, OF_THE_INBOUND);
    site.flush();
    site.wait_for_windows();
    ask(&site, "open", WRITER, &[("traceparent", OF_THE_INTENT), ("tracestate", STATE)]);
    ask(&site, "closed", SILENT, &[("traceparent", OF_THE_INTENT)]);
    ask(&site, "not-sampled", WRITER, &[("traceparent", NOT_SAMPLED), ("tracestate", STATE)]);
    ask(&site, "no-trace", WRITER, &[]);
    site.write(INTENTS, Some(&key(WRITER)), b"secret of the customer", &[("traceparent", OF_THE_INTENT)]);
    site.flush();
    site.wait_for_worker(MINUTE);
    wait_until("the collector to have a span of each", || collector.spans().len() == 4);
    let spans = collector.spans();

    let open = output(&site, SEND, "open");
    let span = span_of(&spans, &open);
    assert_eq!((parent_of(span), open.header("tracestate").as_deref()), (OF_THE_INTENT.to_owned(), Some(STATE)));
    assert_eq!((span.kind(), span.trace_state.as_str()), (SpanKind::Consumer, STATE));
    assert_eq!(span.name, format!("process {}", site.topic(INTENTS)));
    let attributes = told(&span.attributes);
    let is = |name: &str, value: &str| assert_eq!(attributes.get(name).map(String::as_str), Some(value), "{name}");
    is("messaging.system", "kafka");
    is("messaging.operation.type", "process");
    is("messaging.destination.name", &site.topic(INTENTS));
    is("messaging.destination.partition.id", "0");
    is("messaging.kafka.offset", "0");
    is("messaging.consumer.group.name", &site.group());
    is("sessiongate.verdict", "session_send");
    let [link] = &span.links[..] else { panic!("one link: {span:?}") };
    assert_eq!(traceparent(&link.trace_id, &link.span_id), OF_THE_INBOUND);
    let record = told(&link.attributes);
    assert_eq!(record["messaging.destination.name"], site.topic(INBOUND));
    assert_eq!(record["messaging.kafka.offset"], "0");
    assert!(span.start_time_unix_nano <= span.end_time_unix_nano && span.start_time_unix_nano > 0);

    let answer = output(&site, TEMPLATE, "closed");
    let closed = span_of(&spans, &answer);
    assert_eq!((parent_of(closed), closed.links.len()), (OF_THE_INTENT.to_owned(), 0));
    let (attributes, answer) = (told(&closed.attributes), answer.json());
    for name in ["reason", "basis"] {
        assert_eq!(answer[name], attributes[&format!("sessiongate.{name}")], "{name}");
    }
    let opened = site.read(EVENT).remove(0);
    assert_eq!(parent_of(span_of(&spans, &opened)), OF_THE_INBOUND);
    let dead = site.read(DEAD).remove(0);
    assert_eq!(dead.header("traceparent").as_deref(), Some(OF_THE_INTENT), "a dead letter is as its original was");
    let refused = spans.iter().find(|span| told(&span.attributes).contains_key("error.type")).expect("its span");
    assert_eq!(
        (parent_of(refused), told(&refused.attributes)["error.type"].as_str()),
        (OF_THE_INTENT.to_owned(), "not_json")
    );
    let not_sampled = output(&site, SEND, "not-sampled");
    assert_eq!(not_sampled.header("traceparent").as_deref(), Some(NOT_SAMPLED));
    assert_eq!(not_sampled.header("tracestate").as_deref(), Some(STATE));
    assert_eq!(output(&site, SEND, "no-trace").header("traceparent"), None);

    for posted in collector.posted() {
        assert!(
            posted.head.starts_with("POST /v1/traces HTTP/1.1") && posted.head.contains("x-tenant: acme"),
            "{}",
            posted.head
        );
        let resource = posted.decoded().resource_spans[0].resource.clone().unwrap();
        assert_eq!(told(&resource.attributes)["service.name"], "gate");
        let text = String::from_utf8_lossy(&posted.body);
        for personal in [WRITER, SILENT, BUSINESS, "secret", "hello", "order_update", "wamid"] {
            assert!(!text.contains(personal), "{personal} is told to the collector");
        }
    }
    wait_until("the spans to be counted", || {
        api.metrics().is_some_and(|page| page.sum("sessiongate_spans_total", &[("outcome", "exported")]) == 4.0)
    });
    assert!(worker.stop().success());
}

#[test]
fn a_window_that_was_opened_before_the_worker_began_is_linked_by_its_record() {
    let site = Site::new("traces-restart", 1);
    say(&site, OF_THE_INBOUND);
    site.flush();
    let first = Worker::start(&site);
    site.wait_for_windows();
    site.wait_for_worker(MINUTE);
    assert!(first.stop().success());
    let collector = Collector::start();
    let second = Worker::with(&site, &[("TELEMETRY_TRACES_ENDPOINT", &collector.endpoint())]);
    ask(&site, "open", WRITER, &[]);
    site.flush();
    site.wait_for_worker(MINUTE);
    // What is left goes out at the end.
    assert!(second.stop().success());
    let spans = collector.spans();
    let span = span_of(&spans, &output(&site, SEND, "open"));
    assert_eq!(span.parent_span_id, Vec::<u8>::new(), "the trace begins here");
    let [link] = &span.links[..] else { panic!("one link: {span:?}") };
    assert!(link.span_id.iter().all(|byte| *byte == 0));
    let record = told(&link.attributes);
    assert_eq!(record["messaging.destination.name"], site.topic(INBOUND));
    assert_eq!(
        (record["messaging.destination.partition.id"].as_str(), record["messaging.kafka.offset"].as_str()),
        ("0", "0")
    );
}

#[test]
fn without_an_endpoint_nothing_is_traced_and_contexts_pass_as_they_came() {
    let site = Site::new("traces-off", 1);
    let api = Api::new();
    let off = [("TELEMETRY_TRACES_ENDPOINT", ""), ("TELEMETRY_TRACES_RATIO", "1"), api.settings()[0]];
    let worker = Worker::with(&site, &off);
    say(&site, OF_THE_INBOUND);
    site.flush();
    site.wait_for_windows();
    ask(&site, "open", WRITER, &[("traceparent", OF_THE_INTENT), ("tracestate", STATE)]);
    ask(&site, "no-trace", WRITER, &[]);
    site.flush();
    site.wait_for_worker(MINUTE);
    let open = output(&site, SEND, "open");
    assert_eq!(
        (open.header("traceparent").as_deref(), open.header("tracestate").as_deref()),
        (Some(OF_THE_INTENT), Some(STATE))
    );
    assert_eq!(output(&site, SEND, "no-trace").header("traceparent"), None);
    assert_eq!(site.read(EVENT)[0].header("traceparent").as_deref(), Some(OF_THE_INBOUND));
    let page = api.metrics().expect("a page of metrics");
    assert_eq!(page.sum("sessiongate_spans_total", &[]), 0.0);
    assert!(worker.stop().success());
}

#[test]
fn a_collector_that_hangs_or_is_away_leaves_verdicts_alone() {
    let hanging = Collector::that_hangs();
    for (name, endpoint) in [("hangs", hanging.endpoint()), ("away", format!("http://{}", free_address()))] {
        let site = Site::new(&format!("traces-{name}"), 1);
        let api = Api::new();
        let worker = Worker::with(&site, &[("TELEMETRY_TRACES_ENDPOINT", &endpoint), api.settings()[0]]);
        (0..2_000).for_each(|number| ask(&site, &format!("intent-{number}"), SILENT, &[]));
        site.flush();
        site.wait_for_worker(MINUTE);
        assert_eq!(site.read(TEMPLATE).len(), 2_000, "{name}");
        wait_until("the collector to be given up", || {
            api.metrics().is_some_and(|page| page.sum("sessiongate_spans_total", &[("outcome", "failed")]) > 0.0)
        });
        assert!(worker.log().contains("traces could not be sent, verdicts go on"), "{name}: {}", worker.log());
        ask(&site, "later", SILENT, &[]);
        site.flush();
        site.wait_for_worker(MINUTE);
        let asked = Instant::now();
        assert!(worker.stop().success(), "{name}");
        assert!(asked.elapsed() < Duration::from_secs(20), "{name}: it left after {:?}", asked.elapsed());
    }
}
