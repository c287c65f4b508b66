//! The topics as the brokers describe them, asked for about once a second and never waited for in a poll.

use super::producer::Producer;
use super::settings::{HistorySource, KafkaSettings, Topics};
use super::sys::{DescribedTopic, NativeError, PendingTopics};
use crate::core::frontier::Topology;
use crate::core::ids::TopicId;
use crate::ports::LogError;
use rdkafka::producer::Producer as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the topics are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// What was described so long ago at most may be built on. Brokers that are busy take their time.
const FRESH: Duration = Duration::from_secs(10);

/// What is known of both topics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    /// The inbound topic.
    pub(super) inbound: Arc<Topology>,
    /// The intents' topic.
    pub(super) intents_id: TopicId,
    /// How many partitions it has.
    pub(super) intent_partitions: i32,
}

/// Brokers without topic ids cannot tell a topic from another one that was made under its name.
pub(super) fn topic_id(told: Option<&str>) -> TopicId {
    told.map_or_else(TopicId::unknown, TopicId::new)
}

/// Keeps it up to date.
pub(super) struct TopologyWatch {
    known: Option<Known>,
    /// When that was learnt.
    known_at: Instant,
    /// What the last poll was told.
    told: Option<Arc<Topology>>,
    pending: Option<PendingTopics>,
    next_at: Instant,
    call_timeout: Duration,
    topics: Topics,
    embedded: bool,
}

impl TopologyWatch {
    pub(super) fn new(settings: &KafkaSettings) -> TopologyWatch {
        TopologyWatch {
            known: None,
            known_at: Instant::now(),
            told: None,
            pending: None,
            next_at: Instant::now(),
            call_timeout: settings.call_timeout,
            topics: settings.topics.clone(),
            embedded: settings.history == HistorySource::FromStart,
        }
    }

    /// Looks for an answer and asks again when it is time; never waits.
    pub(super) fn tend(&mut self, lookup: &Producer) -> Result<(), LogError> {
        if let Some(answer) = self.pending.as_ref().and_then(|pending| pending.take(Duration::ZERO)) {
            self.pending = None;
            self.learn(answer, lookup)?;
        }
        if self.pending.is_none() && Instant::now() >= self.next_at {
            self.ask(lookup)?;
        }
        Ok(())
    }

    /// The topology, if the last poll was told another one.
    pub(super) fn news(&mut self) -> Option<Arc<Topology>> {
        let inbound = &self.known.as_ref()?.inbound;
        if self.told.as_ref() == Some(inbound) {
            return None;
        }
        self.told = Some(inbound.clone());
        self.told.clone()
    }

    /// How long a poll may wait before `tend` has something to do.
    pub(super) fn patience(&self) -> Duration {
        // Nothing wakes a poll for this answer; before the first one, somebody waits for it.
        match (&self.pending, &self.known) {
            (Some(_), None) => Duration::from_millis(5),
            (Some(_), Some(_)) => Duration::from_millis(100),
            (None, _) => self.next_at.saturating_duration_since(Instant::now()),
        }
    }

    /// What is known; before the first answer it is waited for.
    pub(super) fn require(&mut self, lookup: &Producer) -> Result<Known, LogError> {
        if self.known.is_none() {
            if self.pending.is_none() {
                self.ask(lookup)?;
            }
            let answer = self.pending.as_ref().and_then(|pending| pending.take(self.call_timeout));
            if let Some(answer) = answer {
                self.pending = None;
                self.learn(answer, lookup)?;
            }
        }
        let missing = || LogError::Unavailable(lookup.explain("the brokers have not described the topics yet"));
        self.known.clone().ok_or_else(missing)
    }

    fn ask(&mut self, lookup: &Producer) -> Result<(), LogError> {
        if self.embedded {
            return self.count(lookup);
        }
        let names = [self.topics.inbound.as_str(), self.topics.intent.as_str()];
        let pending = PendingTopics::ask(lookup.handle(), &names, self.call_timeout)
            .map_err(|error| LogError::Unavailable(lookup.explain(&error.text)))?;
        self.pending = Some(pending);
        self.next_at = Instant::now() + INTERVAL;
        Ok(())
    }

    fn learn(&mut self, answer: Result<Vec<DescribedTopic>, NativeError>, lookup: &Producer) -> Result<(), LogError> {
        let topics = answer
            .map_err(|error| LogError::Unavailable(lookup.explain(&format!("describing topics: {}", error.text))))?;
        let find = |name: &str| -> Result<&DescribedTopic, LogError> {
            let missing = |why: String| LogError::Unavailable(format!("topic {name}: {why}"));
            let topic = topics.iter().find(|topic| topic.name == name).ok_or_else(|| missing("no answer".into()))?;
            match topic.error {
                Some(code) => Err(missing(code.to_string())),
                None => Ok(topic),
            }
        };
        let (inbound, intents) = (find(&self.topics.inbound)?, find(&self.topics.intent)?);
        let ids = [inbound, intents].map(|topic| topic_id(topic.id.as_deref()));
        self.know(ids, inbound.partitions, intents.partitions);
        Ok(())
    }

    /// The embedded brokers have no controller to ask for descriptions; they are in this process and answer at once.
    fn count(&mut self, lookup: &Producer) -> Result<(), LogError> {
        let count = |name: &str| {
            let metadata = lookup.client().client().fetch_metadata(Some(name), self.call_timeout);
            let metadata = metadata.map_err(|error| LogError::Unavailable(lookup.explain(&error.to_string())))?;
            let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
            Ok(i32::try_from(partitions).unwrap_or(i32::MAX))
        };
        let (inbound, intents) = (count(&self.topics.inbound)?, count(&self.topics.intent)?);
        self.know([TopicId::unknown(), TopicId::unknown()], inbound, intents);
        self.next_at = Instant::now() + INTERVAL;
        Ok(())
    }

    fn know(&mut self, [topic_id, intents_id]: [TopicId; 2], partitions: i32, intent_partitions: i32) {
        self.known =
            Some(Known { inbound: Arc::new(Topology { topic_id, partitions }), intents_id, intent_partitions });
        self.known_at = Instant::now();
    }

    /// That the topics were described a moment ago. A proof rests on how many partitions there are, and on the topic being the
    /// one that was read: an older answer may have been overtaken for long.
    pub(super) fn require_fresh(&mut self, lookup: &Producer) -> Result<(), LogError> {
        if self.known_at.elapsed() <= FRESH {
            return Ok(());
        }
        self.tend(lookup)?;
        match self.known_at.elapsed() <= FRESH {
            true => Ok(()),
            false => {
                Err(LogError::Unavailable(lookup.explain("the brokers have not described the topics for a while")))
            }
        }
    }
}
