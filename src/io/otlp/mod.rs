//! Spans to a collector, by OpenTelemetry's protocol over HTTP. A thread of its own sends them; whoever hands them over
//! never waits for it.

mod client;
mod spans;

pub use spans::Naming;

use crate::ports::spans::{ProcessSpan, SpanSink, SpanTally};
use client::Client;
use opentelemetry::KeyValue;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// So many spans wait for the collector at most.
const MOST_WAITING: usize = 20_000;
/// A request holds at most so many.
const MOST_IN_A_REQUEST: usize = 512;
/// Spans are gathered for so long.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// The collector has so long to take a request, tries included.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);
/// What is left when the worker stops has so long to go out.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// A collector that takes nothing is told of at most so often.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Where spans go, and as whose.
#[derive(Clone)]
pub struct OtlpSettings {
    /// The URL that traces are posted to.
    pub endpoint: String,
    /// Headers of each request.
    pub headers: Vec<(String, String)>,
    /// The name that traces are listed under.
    pub service_name: String,
    /// The name of this process.
    pub instance: String,
    /// What spans are told with.
    pub naming: Naming,
}

/// The exporter at work.
pub struct Otlp {
    queue: Arc<Queue>,
    ended: mpsc::Receiver<()>,
}

impl Otlp {
    /// Starts its thread. Connects to nothing before there is a span.
    pub fn start(settings: &OtlpSettings) -> anyhow::Result<Otlp> {
        let mut exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(ANSWERS_WITHIN, settings.endpoint.starts_with("https:")))
            .with_endpoint(&settings.endpoint)
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(ANSWERS_WITHIN)
            .with_headers(settings.headers.iter().cloned().collect::<HashMap<_, _>>())
            .build()
            .map_err(|error| anyhow::anyhow!("the exporter of traces cannot be made: {error}"))?;
        exporter.set_resource(&resource(settings));
        // It drives this one thing, which blocks: only the client waits, for the collector.
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let queue = Arc::new(Queue::default());
        let (tell_end, ended) = mpsc::channel();
        let (naming, served) = (settings.naming.clone(), queue.clone());
        thread::Builder::new().name("traces".into()).spawn(move || {
            let mut teller = Teller::default();
            while let Some(spans) = served.next() {
                let count = spans.len() as u64;
                let spans = spans.into_iter().map(|span| naming.span_data(span)).collect();
                let sent = runtime.block_on(exporter.export(spans));
                let counter = if sent.is_ok() { &served.tally.exported } else { &served.tally.failed };
                counter.fetch_add(count, Ordering::Relaxed);
                teller.sent(sent.map_err(|error| error.to_string()), count);
            }
            // Nobody may wait any more.
            let _ = tell_end.send(());
        })?;
        Ok(Otlp { queue, ended })
    }

    /// Where spans are handed over.
    pub fn sink(&self) -> Arc<dyn SpanSink> {
        self.queue.clone()
    }

    /// What became of spans.
    pub fn tally(&self) -> Arc<SpanTally> {
        self.queue.tally.clone()
    }

    /// Sends what is left, for a moment; a collector that does not answer holds nobody up.
    pub fn end(self) {
        self.queue.close();
        if self.ended.recv_timeout(ENDS_WITHIN).is_err() {
            warn!("the last spans were not sent: the collector of traces did not take them in {ENDS_WITHIN:?}");
        }
    }
}

fn resource(settings: &OtlpSettings) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", settings.service_name.clone()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", settings.instance.clone()),
        ])
        .build()
}

#[derive(Default)]
struct Waiting {
    spans: VecDeque<ProcessSpan>,
    is_closed: bool,
}

/// Between the shards and the exporter.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    tally: Arc<SpanTally>,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request's spans; none once it is closed and empty.
    fn next(&self) -> Option<Vec<ProcessSpan>> {
        let mut waiting = self.waiting();
        loop {
            let is_thin = |waiting: &mut Waiting| waiting.spans.len() < MOST_IN_A_REQUEST && !waiting.is_closed;
            let gathered = self.changed.wait_timeout_while(waiting, GATHERED_FOR, is_thin);
            waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
            let count = waiting.spans.len().min(MOST_IN_A_REQUEST);
            match count {
                0 if waiting.is_closed => return None,
                0 => {}
                _ => return Some(waiting.spans.drain(..count).collect()),
            }
        }
    }

    fn close(&self) {
        self.waiting().is_closed = true;
        self.changed.notify_all();
    }
}

impl SpanSink for Queue {
    fn take(&self, mut spans: Vec<ProcessSpan>) {
        let mut waiting = self.waiting();
        let room = MOST_WAITING.saturating_sub(waiting.spans.len());
        let dropped = spans.len().saturating_sub(room);
        spans.truncate(room);
        waiting.spans.extend(spans);
        let is_full = waiting.spans.len() >= MOST_IN_A_REQUEST;
        drop(waiting);
        if is_full {
            self.changed.notify_all();
        }
        self.count_dropped(dropped);
    }

    fn count_dropped(&self, spans: usize) {
        self.tally.dropped.fetch_add(spans as u64, Ordering::Relaxed);
    }
}

/// Tells of a collector that does not answer, and of its return.
#[derive(Default)]
struct Teller {
    told_at: Option<Instant>,
    lost: u64,
}

impl Teller {
    fn sent(&mut self, sent: Result<(), String>, count: u64) {
        let Err(reason) = sent else {
            if self.told_at.take().is_some() {
                info!(spans_lost = self.lost, "traces are sent again");
                self.lost = 0;
            }
            return;
        };
        self.lost += count;
        if self.told_at.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told_at = Some(Instant::now());
            warn!(spans_lost = self.lost, "traces could not be sent, verdicts go on: {reason}");
        }
    }
}

#[cfg(test)]
mod tests;
