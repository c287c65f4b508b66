//! The thread of a process that keeps the registry of templates: it reads the whole compacted topic at the start, and
//! follows it from then on.

use super::slept;
use crate::io::kafka::{KafkaSettings, WholeReader};
use crate::ports::LogError;
use crate::shard::codec::Codec;
use crate::shard::templates::Templates;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::{debug, info, warn};

const POLL_WAIT: Duration = Duration::from_millis(250);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Everything that the thread is made of.
pub struct TemplateReader {
    /// Its Kafka client.
    pub kafka: KafkaSettings,
    /// The topic.
    pub topic: String,
    /// Bytes to domain.
    pub codec: Codec,
    /// What it fills.
    pub templates: Arc<Templates>,
}

impl TemplateReader {
    /// Reads until the worker stops. A client that broke is replaced; what is known stays.
    pub fn run(&self, stop: &AtomicBool) -> Result<(), String> {
        let (mut failures, mut told): (u32, Option<Instant>) = (0, None);
        while !stop.load(Ordering::Relaxed) {
            let mut reader = WholeReader::start(&self.kafka, "templates", &self.topic)
                .map_err(|error| format!("the Kafka client of the templates cannot be made: {error}"))?;
            while !stop.load(Ordering::Relaxed) {
                let error = match self.turn(&mut reader) {
                    Ok(()) => {
                        failures = 0;
                        continue;
                    }
                    Err(error) => error,
                };
                if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
                    told = Some(Instant::now());
                    warn!("the registry of templates waits, trying again: {error}");
                }
                let pause = SHORTEST_PAUSE * 2_u32.pow(failures.min(6));
                failures += 1;
                slept(pause.min(LONGEST_PAUSE), stop);
                if matches!(error, LogError::Fatal(_)) {
                    break;
                }
            }
        }
        Ok(())
    }

    fn turn(&self, reader: &mut WholeReader) -> Result<(), LogError> {
        if let Some(record) = reader.take(POLL_WAIT)? {
            match (&record.key, &record.value) {
                (Some(key), None) => self.templates.forget(&String::from_utf8_lossy(key)),
                // What cannot be read becomes a dead letter elsewhere, once for all processes.
                _ => self
                    .codec
                    .decode_template_status(&record)
                    .templates
                    .iter()
                    .for_each(|update| self.templates.apply(update, record.position())),
            }
        }
        if !self.templates.is_ready() && reader.has_read_all() {
            self.templates.set_ready();
            info!(templates = self.templates.len(), "the status of every template is known");
        }
        Ok(())
    }
}

/// Waits until the registry holds what was there at the start; false when the worker was asked to stop meanwhile.
pub fn wait_until_ready(templates: &Templates, stop: &AtomicBool) -> bool {
    let mut told = Instant::now();
    while !templates.is_ready() {
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            warn!(templates = templates.len(), "waiting for the registry of templates before any verdict");
        }
        if !slept(Duration::from_millis(20), stop) {
            debug!("stopped before the registry of templates was ready");
            return false;
        }
    }
    true
}
