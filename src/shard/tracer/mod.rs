//! The spans of a shard: one for each verdict, window event and dead letter, told once it is committed.
//!
//! No decision hangs on anything here, and without a collector none of it exists.

mod ids;
mod memory;
#[cfg(test)]
mod tests;

use super::engine::step::Batch;
use crate::core::emission::Emission;
use crate::core::ids::{Channel, Position};
use crate::core::record::{ReasonCode, Record, Stream, StreamPartition};
use crate::core::time::Timestamp;
use crate::core::verdict::Verdict;
use crate::core::window::Window;
use crate::ports::spans::{Outcome, ProcessSpan, SpanSink, TraceContext, WindowSource};
use crate::ports::{OutputRecord, Settled};
use crate::wire::trace_context::{context_of, set_context, state_of};
use ids::Ids;
use memory::{InboundContexts, ReadTimes};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The spans of so many inbound records are remembered by all shards of a process together, at about 100 bytes each.
const REMEMBERED: usize = 100_000;
/// A shard holds at most so many spans until their transactions are committed.
const MOST_PENDING: usize = 10_000;

/// What the tracers of all shards of a process have in common.
#[derive(Clone)]
pub struct Tracing {
    /// A trace that begins here is sampled if this many of 2^63 lie above the lower half of its id.
    threshold: u64,
    /// A record of one shard may have opened the window that another one asks for.
    inbound: Arc<Mutex<InboundContexts>>,
    sink: Arc<dyn SpanSink>,
    dead_letters: Arc<str>,
}

impl Tracing {
    /// Tells that sink. Of the traces that begin here, this share is sampled. The topic is that of dead letters, whose
    /// headers stay those of their originals.
    pub fn new(ratio: f64, sink: Arc<dyn SpanSink>, dead_letters: &str) -> Tracing {
        let threshold = (ratio.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        let inbound = Arc::new(Mutex::new(InboundContexts::new(REMEMBERED)));
        Tracing { threshold, inbound, sink, dead_letters: dead_letters.into() }
    }

    /// For one shard.
    pub fn tracer(&self) -> Tracer {
        Tracer {
            tracing: self.clone(),
            ids: Ids::default(),
            read_times: ReadTimes::default(),
            open: vec![],
            sealed: None,
        }
    }

    fn inbound(&self) -> MutexGuard<'_, InboundContexts> {
        self.inbound.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The rule of OpenTelemetry's ratio sampler, so that samplers of other services with that ratio agree.
    fn samples(&self, trace_id: u128) -> bool {
        (trace_id as u64) >> 1 < self.threshold
    }
}

/// What a shard's records were sent in, and the spans that are not committed yet.
pub struct Tracer {
    tracing: Tracing,
    ids: Ids,
    read_times: ReadTimes,
    /// Of the transaction that is being filled.
    open: Vec<ProcessSpan>,
    /// Of the one that is being committed.
    sealed: Option<Vec<ProcessSpan>>,
}

/// What is told of an output beside its context.
struct Told<'a> {
    record: &'a Record,
    channel: Option<&'a Channel>,
    outcome: Outcome,
    window: Option<Window>,
    decided_at: Timestamp,
    /// Its headers are its own; a dead letter's are those of its original.
    is_ours: bool,
}

impl Tracer {
    /// Takes note of what was read, and tells what was committed.
    pub fn polled(&mut self, batch: &Batch, now: Timestamp) {
        if batch.settled == Some(Settled::Committed) {
            let mut committed = self.sealed.take().unwrap_or_default();
            committed.iter_mut().for_each(|span| span.committed_at = now);
            if !committed.is_empty() {
                self.tracing.sink.take(committed);
            }
        }
        for item in &batch.intents {
            self.read_times.note(item.record.stream_partition(), item.record.offset, now);
        }
        if batch.inbound.is_empty() {
            return;
        }
        let mut inbound = self.tracing.inbound();
        for item in &batch.inbound {
            self.read_times.note(item.record.stream_partition(), item.record.offset, now);
            if let Some(context) = context_of(&item.record) {
                inbound.note(item.record.position(), context);
            }
        }
    }

    /// Begins a span for each output that is sampled, and makes it the one that the output is sent in.
    pub fn trace(&mut self, emissions: &[Emission], outputs: &mut [OutputRecord], now: Timestamp) {
        for (emission, output) in emissions.iter().zip(outputs) {
            let is_dead = output.topic == self.tracing.dead_letters;
            let Some(told) = told(emission, is_dead, now) else { continue };
            let parent = context_of(told.record);
            let Some(context) = self.begin(parent) else { continue };
            if told.is_ours {
                set_context(output, context, parent.is_some());
            }
            let span = self.span(&told, context, parent, output);
            self.open.push(span);
        }
    }

    /// The context of a new span, unless it is not sampled. Whoever began the trace has decided that.
    fn begin(&mut self, parent: Option<TraceContext>) -> Option<TraceContext> {
        let (trace_id, flags) = match parent {
            Some(parent) if parent.is_sampled() => (parent.trace_id, parent.flags),
            Some(_) => return None,
            None => {
                let trace_id = self.ids.trace_id().filter(|trace_id| self.tracing.samples(*trace_id))?;
                (trace_id, TraceContext::SAMPLED)
            }
        };
        if self.open.len() + self.sealed.as_ref().map_or(0, Vec::len) >= MOST_PENDING {
            self.tracing.sink.count_dropped(1);
            return None;
        }
        Some(TraceContext { trace_id, span_id: self.ids.span_id()?, flags })
    }

    fn span(
        &mut self,
        told: &Told<'_>,
        context: TraceContext,
        parent: Option<TraceContext>,
        output: &OutputRecord,
    ) -> ProcessSpan {
        let Told { record, channel, outcome, window, decided_at, .. } = told;
        let partition: StreamPartition = record.stream_partition();
        let source = |position: Position| WindowSource { position, context: self.tracing.inbound().get(position) };
        ProcessSpan {
            context,
            tracestate: parent.and_then(|_| state_of(output)),
            parent,
            stream: record.stream,
            position: record.position(),
            channel: channel.cloned(),
            outcome: *outcome,
            // A window event's own record is the one that moved the window.
            window: window.filter(|_| record.stream == Stream::Intent).map(|window| source(window.position)),
            read_at: self.read_times.get(partition, record.offset).unwrap_or(*decided_at),
            decided_at: *decided_at,
            committed_at: *decided_at,
        }
    }

    /// What is written from now on belongs to the next transaction. A commit that is asked for again is still the same.
    pub fn commit_begun(&mut self) {
        if self.sealed.is_none() {
            self.sealed = Some(std::mem::take(&mut self.open));
        }
    }

    /// What was written will never be seen: it comes again, in spans of its own.
    pub fn aborted(&mut self) {
        self.open.clear();
        self.sealed = None;
    }
}

/// What there is to tell of an output; nothing of what is only passed on to another topic.
fn told(emission: &Emission, is_dead: bool, now: Timestamp) -> Option<Told<'_>> {
    Some(match emission {
        Emission::Verdict(decided) => {
            let (outcome, window) = match &decided.verdict {
                _ if is_dead => (Outcome::DeadLetter(ReasonCode::TooLarge), None),
                Verdict::SessionSend { window } => (Outcome::SessionSend, Some(*window)),
                Verdict::TemplateRequired { reason, basis, window } => {
                    (Outcome::TemplateRequired(*reason, *basis), *window)
                }
            };
            Told {
                record: &decided.record,
                channel: Some(&decided.intent.channel),
                outcome,
                window,
                decided_at: decided.decided_at,
                is_ours: !is_dead,
            }
        }
        Emission::WindowEvent(event) => Told {
            record: &event.record,
            channel: Some(&event.cause.channel),
            outcome: Outcome::Window(event.change),
            window: Some(event.window),
            decided_at: now,
            is_ours: true,
        },
        Emission::DeadLetter(letter) => Told {
            record: &letter.record,
            channel: None,
            outcome: Outcome::DeadLetter(letter.reject.code),
            window: None,
            decided_at: now,
            is_ours: false,
        },
        Emission::Inbound(_) | Emission::Delivery(_) | Emission::Template(_) => return None,
    })
}
