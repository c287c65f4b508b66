//! What an operator asks of the brokers: which topics there are and how they are set, and to create missing ones.

use super::context::Events;
use super::reach::Unanswered;
use super::settings::KafkaSettings;
use super::{client, reach};
use anyhow::Context as _;
use rdkafka::admin::{AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A topic to be created.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicSpec {
    /// Its name.
    pub name: String,
    /// Its number of partitions.
    pub partitions: i32,
    /// On how many brokers each partition lies; -1 leaves it to the brokers.
    pub replication: i32,
    /// Its settings, such as `cleanup.policy`.
    pub configs: BTreeMap<String, String>,
}

/// What became of creating a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Creation {
    /// It is there now.
    Created,
    /// It was there before, and was left as it is.
    Existed,
    /// The brokers refused.
    Failed(String),
}

/// The settings of a topic that sessiongate depends on.
pub const LOOKED_AT: [&str; 7] = [
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "max.message.bytes",
    "message.timestamp.type",
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
];

/// A topic as the brokers describe it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TopicState {
    /// Its name.
    pub name: String,
    /// Its number of partitions; none when it does not exist.
    pub partitions: Option<i32>,
    /// Those of `LOOKED_AT` that the brokers told; empty when they do not answer such questions.
    pub configs: BTreeMap<String, String>,
}

impl TopicState {
    /// Whether records keep the time that their writer gave them; none when the brokers did not tell.
    pub fn keeps_times(&self) -> Option<bool> {
        self.configs.get("message.timestamp.type").map(|whose| whose == "CreateTime")
    }
}

type Client = AdminClient<Events>;

/// Creates topics; one entry of the answer for each, in order.
pub fn create_topics(settings: &KafkaSettings, specs: &[TopicSpec]) -> anyhow::Result<Vec<(String, Creation)>> {
    let client = client(settings)?;
    let topics: Vec<NewTopic<'_>> = specs
        .iter()
        .map(|spec| {
            let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(spec.replication));
            spec.configs.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
        })
        .collect();
    let results = wait(client.create_topics(&topics, &options(settings)))?.context("creating topics")?;
    Ok(results
        .into_iter()
        .map(|result| match result {
            Ok(name) => (name, Creation::Created),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => (name, Creation::Existed),
            Err((name, code)) => (name, Creation::Failed(code.to_string())),
        })
        .collect())
}

/// Describes topics; one entry of the answer for each, in order. Nothing is created by asking.
pub fn describe(settings: &KafkaSettings, names: &[&str]) -> Result<Vec<TopicState>, Unanswered> {
    let described = reach::topics(settings, names)?;
    let mut states = Vec::with_capacity(names.len());
    for name in names {
        let topic = described.iter().find(|topic| topic.name == *name);
        let partitions = match topic.map(|topic| (topic.error, topic.partitions)) {
            Some((None, partitions)) => Some(partitions),
            Some((Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic), _)) => None,
            Some((Some(code @ RDKafkaErrorCode::TopicAuthorizationFailed), _)) => {
                return Err(Unanswered::NotGranted(format!("topic {name}: {code}")));
            }
            Some((Some(code), _)) => return Err(Unanswered::Away(format!("topic {name}: {code}"))),
            None => return Err(Unanswered::Away(format!("topic {name}: no answer"))),
        };
        states.push(TopicState { name: (*name).to_owned(), partitions, configs: BTreeMap::new() });
    }
    add_configs(settings, &mut states).map_err(|error| Unanswered::Away(format!("{error:#}")))?;
    Ok(states)
}

fn client(settings: &KafkaSettings) -> anyhow::Result<Arc<Client>> {
    Ok(client::start(&settings.admin_config()?, Events::alone("admin"))?)
}

fn add_configs(settings: &KafkaSettings, states: &mut [TopicState]) -> anyhow::Result<()> {
    let present: Vec<String> =
        states.iter().filter(|state| state.partitions.is_some()).map(|state| state.name.clone()).collect();
    if present.is_empty() {
        return Ok(());
    }
    let client = client(settings)?;
    let resources: Vec<ResourceSpecifier<'_>> = present.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let answers = wait(client.describe_configs(&resources, &options(settings)))?;
    let answers = match answers {
        Ok(answers) => answers,
        Err(error) => {
            tracing::warn!("the brokers do not tell how the topics are set: {error}");
            return Ok(());
        }
    };
    for (name, answer) in present.iter().zip(answers) {
        match answer {
            Ok(resource) => {
                if let Some(state) = states.iter_mut().find(|state| state.name == *name) {
                    state.configs = looked_at(&resource);
                }
            }
            Err(code) => tracing::warn!("the brokers do not tell how topic {name} is set: {code}"),
        }
    }
    Ok(())
}

fn looked_at(resource: &ConfigResource) -> BTreeMap<String, String> {
    LOOKED_AT.iter().filter_map(|key| Some(((*key).to_owned(), resource.get(key)?.value.clone()?))).collect()
}

fn options(settings: &KafkaSettings) -> AdminOptions {
    AdminOptions::new().request_timeout(Some(settings.call_timeout)).operation_timeout(Some(settings.call_timeout))
}

/// The answers come from a thread of the client; this one only waits for them.
fn wait<T>(future: impl Future<Output = T>) -> anyhow::Result<T> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(future))
}
