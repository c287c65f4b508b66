//! Do the brokers answer, and do they let the worker's clients in?

use super::client;
use super::context::{Events, ProducerEvents, Reports};
use super::settings::{KafkaSettings, SettingsError};
use super::sys::{DescribedTopic, Handle, PendingTopics};
use super::trial::Unmakeable;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, Producer as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Once one broker has turned a client away, the others have so long to let it in.
const OTHERS_WITHIN: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(20);

/// Why a question to the brokers has no answer.
#[derive(thiserror::Error, Debug)]
pub enum Unanswered {
    /// They do not accept who the client says it is, or it does not accept who they are: only other properties help.
    #[error("as {client} the worker is not let in: {reason}")]
    TurnedAway {
        /// The table of properties that the client is made of.
        client: &'static str,
        /// Why, in the client's words.
        reason: String,
    },
    /// Nobody was asked: there is no client to ask with.
    #[error("no client can be made of {}: {}", .0.client, .0.reason)]
    NoClient(Unmakeable),
    /// Nobody was asked: there is no token to log in with.
    #[error("{reason}")]
    NoToken {
        /// The table of properties that names it.
        client: &'static str,
        /// Why.
        reason: String,
    },
    /// They know who asks, and do not grant it.
    #[error("{0}")]
    NotGranted(String),
    /// They are away, or answer with something else.
    #[error("{0}")]
    Away(String),
}

/// Why there is no client to ask with.
fn unmade(client: &'static str, error: &SettingsError) -> Unanswered {
    let reason = error.to_string();
    match error {
        SettingsError::NoToken(_) => Unanswered::NoToken { client, reason },
        SettingsError::Reserved { .. } | SettingsError::Refused(_) => {
            Unanswered::NoClient(Unmakeable { client, reason })
        }
    }
}

/// Asks for topics, as a producer and as a consumer: each has properties of its own.
pub(super) fn topics(settings: &KafkaSettings, names: &[&str]) -> Result<Vec<DescribedTopic>, Unanswered> {
    as_consumer(settings, names)?;
    as_producer(settings, names)
}

fn as_producer(settings: &KafkaSettings, names: &[&str]) -> Result<Vec<DescribedTopic>, Unanswered> {
    let made = settings.admin_config().and_then(|config| client::start(&config, ProducerEvents::new()));
    let client: Arc<BaseProducer<ProducerEvents>> = made.map_err(|error| unmade("kafka.producer", &error))?;
    let handle: Handle = client.clone();
    let poll = || {
        client.poll(STEP);
    };
    Question { client: "kafka.producer", handle: &handle, poll: &poll, reports: &client.context().reports }
        .ask(settings, names)
}

fn as_consumer(settings: &KafkaSettings, names: &[&str]) -> Result<Vec<DescribedTopic>, Unanswered> {
    // A static member's name is the worker's own.
    let settings = KafkaSettings { instance: None, ..settings.clone() };
    let made = settings.consumer_config().and_then(|config| client::start(&config, Events::alone("consumer")));
    let client: Arc<BaseConsumer<Events>> = made.map_err(|error| unmade("kafka.consumer", &error))?;
    let handle: Handle = client.clone();
    // Errors are told to the context as well.
    let poll = || drop(client.poll(STEP));
    Question { client: "kafka.consumer", handle: &handle, poll: &poll, reports: &client.context().reports }
        .ask(&settings, names)
}

struct Question<'a> {
    client: &'static str,
    handle: &'a Handle,
    /// Lets the client tell what happened to it.
    poll: &'a dyn Fn(),
    reports: &'a Reports,
}

impl Question<'_> {
    fn ask(&self, settings: &KafkaSettings, names: &[&str]) -> Result<Vec<DescribedTopic>, Unanswered> {
        let away = |text: &str| Unanswered::Away(self.reports.explain(&format!("describing topics: {text}")));
        let pending =
            PendingTopics::ask(self.handle, names, settings.call_timeout).map_err(|error| away(&error.text))?;
        let deadline = Instant::now() + settings.call_timeout;
        let mut turned_away: Option<Instant> = None;
        loop {
            (self.poll)();
            match pending.take(Duration::ZERO) {
                Some(Ok(topics)) => return Ok(topics),
                Some(Err(error)) => return Err(self.turned_away().unwrap_or_else(|| away(&error.text))),
                None => {}
            }
            if let Some(error) = self.turned_away() {
                if turned_away.get_or_insert_with(Instant::now).elapsed() > OTHERS_WITHIN {
                    return Err(error);
                }
            } else if Instant::now() >= deadline {
                return Err(away("no answer in time"));
            }
        }
    }

    fn turned_away(&self) -> Option<Unanswered> {
        Some(Unanswered::TurnedAway { client: self.client, reason: self.reports.denial()? })
    }
}
