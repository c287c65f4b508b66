//! What librdkafka reports on its own account: rebalances, failed deliveries, errors, logs.

use super::oauth;
use super::settings::Topics;
use crate::core::ids::Partition;
use crate::core::record::StreamPartition;
use crate::ports::{Assignment, LogError};
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A lock whose holder panicked still guards plain values.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Errors and logs of one client.
pub(super) struct Reports {
    client: &'static str,
    troubles: Mutex<VecDeque<(RDKafkaErrorCode, String)>>,
    last: Mutex<Option<(Instant, String)>>,
    denial: Mutex<Option<String>>,
    logged: Mutex<HashMap<String, Instant>>,
}

/// A line of the same kind is shown at most once in this time; the others go to the debug level.
const QUIET: Duration = Duration::from_secs(30);
/// An error older than this explains nothing any more.
const EXPLAINS: Duration = Duration::from_secs(30);

impl Reports {
    pub(super) fn new(client: &'static str) -> Reports {
        Reports {
            client,
            troubles: Mutex::default(),
            last: Mutex::default(),
            denial: Mutex::default(),
            logged: Mutex::default(),
        }
    }

    /// The oldest trouble that nobody was told yet and that its caller must know of.
    pub(super) fn take_trouble(&self) -> Option<LogError> {
        let mut troubles = lock(&self.troubles);
        while let Some((code, text)) = troubles.pop_front() {
            if is_fatal(code) {
                return Some(LogError::Fatal(text));
            }
            if is_outage(code) {
                return Some(LogError::Unavailable(self.explain(&text)));
            }
        }
        None
    }

    /// Adds what the client last complained of: a time-out alone names no cause.
    pub(super) fn explain(&self, what: &str) -> String {
        match &*lock(&self.last) {
            Some((at, text)) if at.elapsed() < EXPLAINS && text != what => {
                format!("{what} (the client's last error: {text})")
            }
            _ => what.to_owned(),
        }
    }

    /// Why a broker turned this client away, or this client a broker.
    pub(super) fn denial(&self) -> Option<String> {
        lock(&self.denial).clone()
    }

    pub(super) fn report(&self, error: &KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let text = if reason.is_empty() { error.to_string() } else { format!("{code:?}: {reason}") };
        if self.is_new(&format!("{code:?}")) {
            tracing::warn!(client = self.client, "{text}");
        } else {
            tracing::debug!(client = self.client, "{text}");
        }
        // A broker that misses a certificate says so after the handshake, when it reads as a lost connection.
        if is_denial(code) || reason.contains(":SSL routines:") {
            *lock(&self.denial) = Some(reason.to_owned());
        }
        // "All brokers are down" only counts them; what stands before it says why.
        let mut last = lock(&self.last);
        let named = last.as_ref().is_some_and(|(at, _)| at.elapsed() < EXPLAINS);
        if code != RDKafkaErrorCode::AllBrokersDown || !named {
            *last = Some((Instant::now(), text.clone()));
        }
        drop(last);
        let mut troubles = lock(&self.troubles);
        if troubles.len() < 100 {
            troubles.push_back((code, text));
        }
    }

    pub(super) fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        let worth_showing = matches!(
            level,
            RDKafkaLogLevel::Emerg
                | RDKafkaLogLevel::Alert
                | RDKafkaLogLevel::Critical
                | RDKafkaLogLevel::Error
                | RDKafkaLogLevel::Warning
        );
        if worth_showing && self.is_new(facility) {
            tracing::warn!(client = self.client, facility, "{text}");
        } else {
            tracing::debug!(client = self.client, facility, "{text}");
        }
    }

    fn is_new(&self, kind: &str) -> bool {
        let mut logged = lock(&self.logged);
        let now = Instant::now();
        match logged.get(kind) {
            Some(at) if now.duration_since(*at) < QUIET => false,
            _ => {
                logged.insert(kind.to_owned(), now);
                true
            }
        }
    }
}

/// Errors after which a client is of no more use.
pub(super) fn is_fatal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fatal
            | RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::FencedInstanceId
            | RDKafkaErrorCode::ProducerFenced
    )
}

/// Errors that other credentials or certificates would mend.
fn is_denial(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SSL
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
            | RDKafkaErrorCode::IllegalSASLState
    )
}

/// Errors that mean that nothing goes on until something outside changes. A single lost connection is not one.
pub(super) fn is_outage(code: RDKafkaErrorCode) -> bool {
    is_denial(code)
        || matches!(
            code,
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::InconsistentGroupProtocol
                | RDKafkaErrorCode::InvalidSessionTimeout
                | RDKafkaErrorCode::InvalidGroupId
        )
}

/// What a client tells on its own account. `Part` is what else it hears of: nothing, its assignments, or its outputs.
pub(super) struct Events<Part = ()> {
    pub(super) reports: Reports,
    part: Part,
}

/// What the consumer of a shard hears.
pub(super) type ConsumerEvents = Events<Assignments>;
/// What a producer hears.
pub(super) type ProducerEvents = Events<Deliveries>;

impl<Part: Send + Sync> ClientContext for Events<Part> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        Ok(oauth::token(config)?)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.reports.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // A client that is closed finds the ends of partitions that nobody asked for any more.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
            self.reports.report(&error, reason);
        }
    }
}

impl Events {
    /// Errors and logs alone; partitions, if there are any, are assigned by the library.
    pub(super) fn alone(client: &'static str) -> Events {
        Events { reports: Reports::new(client), part: () }
    }
}

impl ConsumerContext for Events {}

/// Changes of a consumer's assignment.
pub(super) struct Assignments {
    topics: Topics,
    waiting: Mutex<VecDeque<Assignment>>,
    closing: AtomicBool,
}

impl ConsumerEvents {
    pub(super) fn new(topics: Topics) -> ConsumerEvents {
        let part = Assignments { topics, waiting: Mutex::default(), closing: AtomicBool::new(false) };
        Events { reports: Reports::new("consumer"), part }
    }

    /// The oldest change of the assignment that nobody was told yet.
    pub(super) fn take_assignment(&self) -> Option<Assignment> {
        lock(&self.part.waiting).pop_front()
    }

    /// Whether there is one.
    pub(super) fn has_assignment(&self) -> bool {
        !lock(&self.part.waiting).is_empty()
    }

    /// From now on revocations are answered at once: nobody polls any more.
    pub(super) fn start_closing(&self) {
        self.part.closing.store(true, Ordering::Relaxed);
    }
}

impl ConsumerContext for ConsumerEvents {
    /// Only notes what happened: the answer takes offsets that are looked up first, and outputs that are committed
    /// first.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        if self.part.closing.load(Ordering::Relaxed) {
            if let Err(error) = consumer.unassign() {
                tracing::debug!("a partition could not be given back while closing: {error}");
            }
            return;
        }
        let assignment = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                let mut partitions: Vec<StreamPartition> = list
                    .elements()
                    .iter()
                    .map(|element| {
                        let partition = Partition(element.partition());
                        match element.topic() == self.part.topics.inbound {
                            true => StreamPartition::inbound(partition),
                            false => StreamPartition::intent(partition),
                        }
                    })
                    .collect();
                partitions.sort_unstable();
                Assignment::Assigned(partitions)
            }
            _ if consumer.assignment_lost() => Assignment::Lost,
            _ => Assignment::Revoked,
        };
        lock(&self.part.waiting).push_back(assignment);
    }
}

/// What became of a producer's outputs.
#[derive(Default)]
pub(super) struct Deliveries {
    failed: Mutex<Option<String>>,
}

impl ProducerEvents {
    pub(super) fn new() -> ProducerEvents {
        Events { reports: Reports::new("producer"), part: Deliveries::default() }
    }

    /// Why an output was not delivered, since this was last asked.
    pub(super) fn take_failure(&self) -> Option<String> {
        lock(&self.part.failed).take()
    }
}

impl ProducerContext for ProducerEvents {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, message)) = result {
            let text = format!("an output to {} was not delivered: {error}", message.topic());
            tracing::debug!("{text}");
            lock(&self.part.failed).get_or_insert(text);
        }
    }
}
