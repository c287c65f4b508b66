//! Spans: what a shard did with a record, on its way to whoever collects traces.

use crate::core::emission::WindowChange;
use crate::core::ids::{Channel, Position};
use crate::core::record::{ReasonCode, Stream};
use crate::core::time::Timestamp;
use crate::core::verdict::{Basis, TemplateReason};
use bytes::Bytes;
use std::sync::atomic::AtomicU64;

/// A span as others refer to it, after W3C Trace Context. Neither id is zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceContext {
    /// The trace that the span is part of.
    pub trace_id: u128,
    /// The span.
    pub span_id: u64,
    /// The trace flags; the lowest bit says that the trace is sampled.
    pub flags: u8,
}

impl TraceContext {
    /// The flag of a sampled trace.
    pub const SAMPLED: u8 = 1;

    /// Whether the trace is collected, as far as whoever began it knows.
    pub fn is_sampled(&self) -> bool {
        self.flags & TraceContext::SAMPLED != 0
    }
}

/// The record that moved a window last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WindowSource {
    /// Where it lies in the inbound topic.
    pub position: Position,
    /// The span that it was sent in; none when it had none, or nobody here remembers it.
    pub context: Option<TraceContext>,
}

/// What came of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The verdict: the window is open.
    SessionSend,
    /// The verdict: only a template may be sent.
    TemplateRequired(TemplateReason, Basis),
    /// A window opened or was refreshed.
    Window(WindowChange),
    /// It, or a part of it, could not be used.
    DeadLetter(ReasonCode),
}

/// From the reading of a record until what came of it was committed. It names no business, no customer and no content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSpan {
    /// The span itself, as the output refers to it.
    pub context: TraceContext,
    /// The `tracestate` that goes with it.
    pub tracestate: Option<Bytes>,
    /// The span that the record was sent in; none when the trace begins here.
    pub parent: Option<TraceContext>,
    /// Which topic the record lay in.
    pub stream: Stream,
    /// Where.
    pub position: Position,
    /// The channel of what it says, when it can be read.
    pub channel: Option<Channel>,
    /// What came of it.
    pub outcome: Outcome,
    /// What the window that was looked at rests on.
    pub window: Option<WindowSource>,
    /// When it was read.
    pub read_at: Timestamp,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// Takes spans. It never blocks: what it has no room for is dropped and counted.
pub trait SpanSink: Send + Sync {
    /// Takes these.
    fn take(&self, spans: Vec<ProcessSpan>);

    /// Counts so many that were dropped before.
    fn count_dropped(&self, spans: usize);
}

/// What became of spans since the process started.
#[derive(Default, Debug)]
pub struct SpanTally {
    /// The collector has them.
    pub exported: AtomicU64,
    /// There was no room for them.
    pub dropped: AtomicU64,
    /// The collector did not take them.
    pub failed: AtomicU64,
}
