//! The traces of a process: what makes spans, and what sends them.

use super::settings;
use crate::config::Config;
use crate::io::otlp::Otlp;
use crate::ports::spans::SpanTally;
use crate::shard::tracer::Tracing;
use std::sync::Arc;

/// Spans are made and sent.
pub struct Traces {
    otlp: Otlp,
    tracing: Tracing,
}

impl Traces {
    /// What shards make spans with.
    pub fn tracing(&self) -> &Tracing {
        &self.tracing
    }

    /// What became of spans.
    pub fn tally(&self) -> Arc<SpanTally> {
        self.otlp.tally()
    }

    /// Sends what is left, for a moment.
    pub fn end(self) {
        self.otlp.end();
    }
}

/// Starts what the configuration asks for; nothing when traces are off.
pub fn start(config: &Config, instance: &str) -> anyhow::Result<Option<Traces>> {
    let Some(settings) = settings::otlp(config, instance) else { return Ok(None) };
    let otlp = Otlp::start(&settings)?;
    let tracing = Tracing::new(config.telemetry.traces_ratio.as_f64(), otlp.sink(), &config.topics.dead_letter);
    Ok(Some(Traces { otlp, tracing }))
}
