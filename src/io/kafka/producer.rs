//! One producer: records in, in order, and a flush that does not poll.

use super::client;
use super::context::{ProducerEvents, is_fatal};
use super::settings::{KafkaSettings, SettingsError};
use super::sys::{self, Handle, NativeError, Queue, TopicHandle};
use crate::ports::{LogError, OutputRecord};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a wait for the brokers goes on before failures are looked at.
const STEP: Duration = Duration::from_millis(50);

/// How long librdkafka is given to see that records are to go at once.
const HURRY_STEP: Duration = Duration::from_millis(1);

/// How long a full queue is given to make room, before it is tried again.
const ROOM_STEP: Duration = Duration::from_millis(2);

/// A producer and the topics it has written to.
pub(super) struct Producer {
    // Topics and queue before the client: they are given back while it still lives.
    topics: Vec<(Arc<str>, TopicHandle)>,
    events: Queue,
    handle: Handle,
    base: Arc<BaseProducer<ProducerEvents>>,
}

impl Producer {
    /// A producer; without a transactional id it is an idempotent one.
    pub(super) fn start(settings: &KafkaSettings, transactional_id: Option<&str>) -> Result<Producer, SettingsError> {
        let config = settings.producer_config(transactional_id)?;
        let base: Arc<BaseProducer<ProducerEvents>> = client::start(&config, ProducerEvents::new())?;
        let handle: Handle = base.clone();
        let events = Queue::of_client(&handle);
        Ok(Producer { topics: Vec::new(), events, handle, base })
    }

    /// A client that only asks questions about both topics, whose leaders it keeps track of.
    pub(super) fn for_lookup(settings: &KafkaSettings) -> Result<Producer, SettingsError> {
        let mut lookup = Producer::start(settings, None)?;
        for name in [&settings.topics.inbound, &settings.topics.intent] {
            lookup.topic(&Arc::from(name.as_str())).map_err(|error| SettingsError::Refused(error.text))?;
        }
        Ok(lookup)
    }

    pub(super) fn client(&self) -> &BaseProducer<ProducerEvents> {
        &self.base
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Adds what the client last complained of.
    pub(super) fn explain(&self, what: &str) -> String {
        self.base.context().reports.explain(what)
    }

    /// Takes failures, errors and logs that wait; a failed output counts as being on its way until then.
    pub(super) fn serve(&self) {
        while self.events.len() > 0 {
            self.base.poll(Duration::ZERO);
        }
    }

    /// Why an output was not delivered, since this was last asked.
    pub(super) fn take_failure(&self) -> Option<String> {
        self.serve();
        self.base.context().take_failure()
    }

    /// The error that ended this client, if one did.
    pub(super) fn fatal(&self) -> Option<LogError> {
        let (code, text) = self.base.client().fatal_error()?;
        Some(LogError::Fatal(format!("the producer is of no more use: {code:?}: {text}")))
    }

    /// Puts records into the queue; when it is full, the brokers are waited for.
    pub(super) fn produce(&mut self, outputs: &[OutputRecord], at_most: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + at_most;
        for output in outputs {
            loop {
                match self.topic(&output.topic).and_then(|topic| topic.produce(output)) {
                    Ok(()) => break,
                    Err(error) if self.has_made_room(error.code, deadline) => {}
                    // Those before it are in the queue already: the same call must not be made again.
                    Err(error) => return Err(self.refused(&output.topic, &error)),
                }
            }
        }
        self.serve();
        Ok(())
    }

    /// Puts one record into the queue, likewise.
    pub(super) fn send(&self, record: BaseRecord<'_, [u8], [u8]>, at_most: Duration) -> Result<(), KafkaError> {
        let deadline = Instant::now() + at_most;
        let mut waiting = record;
        while let Err((error, back)) = self.base.send(waiting) {
            if !error.rdkafka_error_code().is_some_and(|code| self.has_made_room(code, deadline)) {
                return Err(error);
            }
            waiting = back;
        }
        self.serve();
        Ok(())
    }

    /// Waits a moment for records that are on their way, when a full queue is what was wrong and there is time.
    fn has_made_room(&self, code: RDKafkaErrorCode, deadline: Instant) -> bool {
        let waits = code == RDKafkaErrorCode::QueueFull && Instant::now() < deadline;
        if waits {
            sys::flush(&self.handle, ROOM_STEP);
            self.serve();
        }
        waits
    }

    fn topic(&mut self, name: &Arc<str>) -> Result<&TopicHandle, NativeError> {
        // A handful, mostly known by the very name that they were asked for first.
        let place = match self.topics.iter().position(|(known, _)| known == name) {
            Some(place) => place,
            None => {
                let topic = TopicHandle::new(&self.handle, name)?;
                self.topics.push((name.clone(), topic));
                self.topics.len() - 1
            }
        };
        self.topics.get(place).map(|(_, topic)| topic).ok_or_else(|| NativeError::local("the topic was not kept"))
    }

    fn refused(&self, topic: &str, error: &NativeError) -> LogError {
        let text = self.explain(&format!("an output to {topic} was refused: {}", error.text));
        match self.fatal() {
            Some(fatal) => fatal,
            None if is_fatal(error.code) => LogError::Fatal(text),
            None => LogError::MustAbort(text),
        }
    }

    /// Asks for records that would wait for others to go at once. A hint: what has gone is for `flush` to say.
    pub(super) fn hurry(&self) {
        sys::flush(&self.handle, HURRY_STEP);
    }

    /// Waits until every record is in its topic or has failed.
    pub(super) fn flush(&self, at_most: Duration) -> Result<(), LogError> {
        let deadline = Instant::now() + at_most;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if sys::flush(&self.handle, left.min(STEP)) {
                self.serve();
                return Ok(());
            }
            self.serve();
            if left.is_zero() {
                return Err(LogError::Unavailable(self.explain("outputs are not acknowledged yet")));
            }
        }
    }

    /// Forgets records that have not left yet.
    pub(super) fn purge(&self) {
        self.base.purge(rdkafka::producer::PurgeConfig::default().queue());
        self.serve();
    }
}
