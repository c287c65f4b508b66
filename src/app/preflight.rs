//! Is everything outside as the worker needs it? `check` tells all of it; `run` waits for what may still come and
//! refuses what would break the promise.

mod clients;

use crate::config::{Config, Partitioning};
use crate::core::time::Span;
use crate::io::clock::SystemClock;
use crate::io::kafka::admin::{self, TopicState};
use crate::io::kafka::{KafkaSettings, MAX_OUTPUT_BYTES};
use crate::io::redis::{Health, Patience, RedisOptions, RedisStore, Renewals};
use crate::ports::{Clock, StoreError};
use crate::wire::output::SMALLEST_MAX_OUTPUT_BYTES;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Outputs hold their input and a little more.
const OUTPUT_ROOM_BYTES: i64 = 64 * 1024;
/// Kafka's own default for `max.message.bytes`.
const DEFAULT_MAX_MESSAGE_BYTES: i64 = 1_048_588;
/// Redis's clock may be off by so much before an operator should know.
const CLOCK_TOLERANCE: Span = Span::from_secs(1);
/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TELL_EVERY: Duration = Duration::from_secs(10);

const HOUR_MS: i64 = 3_600_000;

/// How bad a problem is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// It is well as it is, and good to know.
    Hint,
    /// The worker runs, and somebody should act before it matters.
    Warns,
    /// It may come right by itself or by somebody's hand: the worker waits for it.
    Waits,
    /// Running like this would break the promise.
    Refuses,
    /// What the configuration says cannot work, whoever waits.
    Misconfigured,
}

/// Something that is not as it should be, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    fn new(severity: Severity, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem { severity, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    remedy: {}", self.what, self.remedy)
    }
}

/// What the worker learns on the way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// What every topic of verdicts and window events takes, and the producers' queue, in bytes.
    pub max_output_bytes: usize,
    /// What the dead letters' topic takes, and the producers' queue, in bytes.
    pub max_dead_letter_bytes: usize,
    /// The inbound topic keeps its records longer than windows last.
    pub history_is_kept: bool,
}

/// The connection to Redis that this configuration describes.
pub fn redis_options(config: &Config) -> RedisOptions {
    RedisOptions {
        url: config.redis.url.expose().to_owned(),
        access: super::settings::redis_access(&config.redis),
        key_prefix: config.redis.key_prefix.clone(),
        inbound_topic: config.topics.inbound_message.clone(),
        patience: Patience::default(),
        renewals: Renewals::default(),
    }
}

/// The connection to Kafka for questions about topics.
pub fn admin_settings(config: &Config) -> KafkaSettings {
    super::settings::kafka(config, "admin", 0)
}

/// Looks at everything, and tells all that is wrong.
pub fn examine(config: &Config) -> (Option<Found>, Vec<Problem>) {
    let mut problems = Vec::new();
    let found = examine_kafka(config, &mut problems);
    examine_redis(config, &mut problems);
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    (found, problems)
}

/// What will not come right by itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// Everything of that kind.
    pub problems: Vec<Problem>,
    /// Whether only another configuration helps.
    pub is_misconfigured: bool,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = if self.is_misconfigured { "the configuration cannot work" } else { "this would break the promise" };
        write!(f, "{why}:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// Waits until everything is there; an error says what will not come right by itself.
pub fn wait_until_ready(config: &Config, stop: &AtomicBool) -> Result<Option<Found>, Refusal> {
    let mut pause = Duration::from_millis(250);
    let mut told: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        let (found, problems) = examine(config);
        let refused: Vec<_> = problems.iter().filter(|it| it.severity >= Severity::Refuses).cloned().collect();
        if !refused.is_empty() {
            let is_misconfigured = refused.iter().any(|problem| problem.severity == Severity::Misconfigured);
            return Err(Refusal { problems: refused, is_misconfigured });
        }
        let waits = problems.iter().any(|problem| problem.severity == Severity::Waits);
        if let (Some(found), false) = (found, waits) {
            problems.iter().for_each(|problem| warn!("{problem}"));
            info!("Kafka and Redis are as they should be");
            return Ok(Some(found));
        }
        if told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            told = Some(Instant::now());
            problems.iter().for_each(|problem| warn!("waiting: {problem}"));
        }
        let until = Instant::now() + pause;
        while Instant::now() < until && !stop.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(50));
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(None)
}

fn examine_kafka(config: &Config, problems: &mut Vec<Problem>) -> Option<Found> {
    let topics = &config.topics;
    let inputs = [topics.inbound_message.as_str(), topics.outbound_intent.as_str()];
    let outputs = [&topics.session_send, &topics.template_required, &topics.window_event, &topics.dead_letter];
    let mut names: Vec<&str> = inputs.into_iter().chain(outputs.into_iter().map(String::as_str)).collect();
    let reports = names.len();
    names.extend(topics.delivery_status.as_deref());
    names.extend(topics.template_status.as_deref());
    let settings = admin_settings(config);
    if !clients::can_be_made(&settings, problems) {
        return None;
    }
    let states = match admin::describe(&settings, &names) {
        Ok(states) => states,
        Err(error) => {
            problems.push(clients::unanswered(config, &error));
            return None;
        }
    };
    for state in states.iter().filter(|state| state.partitions.is_none()) {
        let what = format!("topic {} does not exist", state.name);
        problems.push(Problem::new(Severity::Waits, what, "create it: sessiongate topics create"));
    }
    let (states, reports) = states.split_at_checked(reports)?;
    let [inbound, intents, outputs @ .., dead_letters] = states else { return None };
    examine_compaction(config, reports, problems);
    examine_times(inbound, reports, problems);
    examine_dead_letters(dead_letters, problems);
    examine_partitions(config, inbound, intents, problems);
    let history_is_kept = examine_retention(config, inbound, problems);
    let inputs = [inbound, intents].into_iter().chain(reports).map(max_message_bytes);
    let needed = inputs.max().unwrap_or(DEFAULT_MAX_MESSAGE_BYTES) + OUTPUT_ROOM_BYTES;
    let sizes =
        outputs.iter().map(|output| examine_size(output, needed, "large intents become dead letters", problems));
    let max_output_bytes = sizes.min().unwrap_or_default();
    let max_dead_letter_bytes = examine_size(dead_letters, needed, "large dead letters are cut", problems);
    let largest = examine_queue(config, needed, problems);
    Some(Found {
        max_output_bytes: max_output_bytes.min(largest),
        max_dead_letter_bytes: max_dead_letter_bytes.min(largest),
        history_is_kept,
    })
}

fn examine_partitions(config: &Config, inbound: &TopicState, intents: &TopicState, problems: &mut Vec<Problem>) {
    let (Some(inbound_count), Some(intent_count)) = (inbound.partitions, intents.partitions) else { return };
    if inbound_count == intent_count {
        return;
    }
    let asserted = config.worker.partitioning == Partitioning::CoPartitioned;
    let severity = if asserted { Severity::Refuses } else { Severity::Hint };
    let what =
        format!("unequal partition counts: {} has {inbound_count}, {} has {intent_count}", inbound.name, intents.name);
    let remedy = match asserted {
        true => "give both the same number, or set worker.partitioning = \"any\"",
        false => "give both the same number if you ever want worker.partitioning = \"co-partitioned\"",
    };
    problems.push(Problem::new(severity, what, remedy));
}

/// The registry of templates holds what is in its topic: what is deleted there is forgotten.
fn examine_compaction(config: &Config, reports: &[TopicState], problems: &mut Vec<Problem>) {
    let name = config.topics.template_status.as_ref();
    let Some(state) = reports.iter().find(|state| Some(&state.name) == name) else { return };
    let Some(policy) = state.configs.get("cleanup.policy").filter(|policy| *policy != "compact") else { return };
    let name = &state.name;
    let what =
        format!("topic {name} has cleanup.policy={policy}: the status of a template is forgotten when it is old");
    problems.push(Problem::new(Severity::Warns, what, format!("set cleanup.policy=compact on {name}")));
}

/// An act without a time of its own, such as a message from Twilio, counts as done at the time of its record.
fn examine_times(inbound: &TopicState, reports: &[TopicState], problems: &mut Vec<Problem>) {
    let retiming = std::iter::once(inbound).chain(reports).filter(|state| state.keeps_times() == Some(false));
    for TopicState { name, .. } in retiming {
        let what = format!(
            "topic {name} has message.timestamp.type=LogAppendTime: what has no time of its own counts from when the \
             brokers took it, not from when it happened, and dead letters of it are not redriven"
        );
        problems.push(Problem::new(Severity::Hint, what, format!("set message.timestamp.type=CreateTime on {name}")));
    }
}

/// A dead letter has the key and the time of its original, whatever they are.
fn examine_dead_letters(topic: &TopicState, problems: &mut Vec<Problem>) {
    let name = &topic.name;
    if let Some(policy) = topic.configs.get("cleanup.policy").filter(|policy| policy.contains("compact")) {
        let what = format!(
            "topic {name} has cleanup.policy={policy}: a dead letter without a key would be refused over and over, and \
             one with a key replaces those before it"
        );
        problems.push(Problem::new(Severity::Waits, what, format!("set cleanup.policy=delete on {name}")));
    }
    let narrow = [("message.timestamp.before.max.ms", i64::MAX), ("message.timestamp.after.max.ms", HOUR_MS)]
        .into_iter()
        .filter(|_| topic.keeps_times() == Some(true))
        .filter_map(|(key, least)| Some((key, topic.configs.get(key)?.parse::<i64>().ok()?, least)))
        .filter(|(_, limit, least)| limit < least);
    for (key, limit, least) in narrow {
        let what =
            format!("topic {name} has {key}={limit}: dead letters of other times would be refused over and over");
        problems.push(Problem::new(Severity::Warns, what, format!("set {key}={least} on {name}")));
    }
}

/// Whether what is deleted from the inbound topic is always too old to matter.
fn examine_retention(config: &Config, inbound: &TopicState, problems: &mut Vec<Problem>) -> bool {
    let name = &inbound.name;
    if let Some(policy) = inbound.configs.get("cleanup.policy").filter(|policy| *policy != "delete") {
        let what = format!("topic {name} has cleanup.policy={policy}: compaction deletes what holds windows open");
        problems.push(Problem::new(Severity::Refuses, what, format!("set cleanup.policy=delete on {name}")));
    }
    let needed = config.policy().longest() + config.window.reapply_margin;
    let number = |key: &str| inbound.configs.get(key).and_then(|value| value.parse::<i64>().ok());
    let Some(retention_ms) = number("retention.ms") else { return false };
    let limited_bytes = number("retention.bytes").is_some_and(|bytes| bytes >= 0);
    if limited_bytes {
        let what =
            format!("topic {name} has retention.bytes set: a busy day may delete what a lost Redis is filled from");
        let remedy = format!("set retention.bytes=-1 on {name}, and let retention.ms decide");
        problems.push(Problem::new(Severity::Warns, what, remedy));
    }
    let long_enough = retention_ms < 0 || retention_ms >= needed.as_millis();
    if !long_enough {
        let what = format!(
            "topic {name} keeps records for {retention_ms} ms: less than the longest window and window.reapply_margin \
             together ({} ms), so that a lost Redis cannot be filled again",
            needed.as_millis()
        );
        let remedy = format!("set retention.ms={} or more on {name}", needed.as_millis());
        problems.push(Problem::new(Severity::Warns, what, remedy));
    }
    long_enough && !limited_bytes
}

fn max_message_bytes(topic: &TopicState) -> i64 {
    let told = topic.configs.get("max.message.bytes").and_then(|value| value.parse::<i64>().ok());
    told.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES)
}

/// What an output topic takes, in bytes; `else_what` happens when that is less than needed.
fn examine_size(output: &TopicState, needed: i64, else_what: &str, problems: &mut Vec<Problem>) -> usize {
    let limit = max_message_bytes(output);
    if output.partitions.is_some() && limit < needed {
        let (name, inputs) = (&output.name, needed - OUTPUT_ROOM_BYTES);
        let remedy = format!("set max.message.bytes={needed} or more on {name}");
        let problem = if limit < SMALLEST_MAX_OUTPUT_BYTES as i64 {
            let what = format!(
                "topic {name} takes {limit} bytes a message: outputs of the usual size would be refused over and over"
            );
            Problem::new(Severity::Waits, what, remedy)
        } else {
            let what = format!(
                "topic {name} takes {limit} bytes a message, less than the inputs' {inputs} and room for the verdict: \
                 {else_what}"
            );
            Problem::new(Severity::Warns, what, remedy)
        };
        problems.push(problem);
    }
    usize::try_from(limit).unwrap_or_default()
}

/// What the producers' queue takes of one output, in bytes.
fn examine_queue(config: &Config, needed: i64, problems: &mut Vec<Problem>) -> usize {
    let largest = admin_settings(config).largest_output();
    if largest < MAX_OUTPUT_BYTES.min(usize::try_from(needed).unwrap_or_default()) {
        let what = format!(
            "queue.buffering.max.kbytes in kafka.producer has room for an output of {largest} bytes, less than the inputs' \
             {} and room for the verdict: large intents become dead letters, and large dead letters are cut",
            needed - OUTPUT_ROOM_BYTES
        );
        let remedy = format!("set queue.buffering.max.kbytes={} or more there", needed.div_euclid(1024) + 1);
        problems.push(Problem::new(Severity::Warns, what, remedy));
    }
    largest
}

fn examine_redis(config: &Config, problems: &mut Vec<Problem>) {
    let clock = SystemClock::new();
    let before = clock.now().wall;
    let health = RedisStore::new(&redis_options(config)).and_then(|mut store| store.health());
    let after = clock.now().wall;
    let health = match health {
        Ok(health) => health,
        Err(error) => {
            let what = format!("Redis cannot be asked: {error}");
            let (severity, remedy) = match error {
                StoreError::Misconfigured(_) => (Severity::Misconfigured, "correct what it names under [redis]"),
                StoreError::Unavailable(_) | StoreError::Refused(_) => {
                    (Severity::Waits, "start it, or correct redis.url (SESSIONGATE_REDIS_URL)")
                }
            };
            problems.push(Problem::new(severity, what, remedy));
            return;
        }
    };
    examine_version(config, &health, problems);
    match health.eviction_policy.as_deref() {
        Some("noeviction") => {}
        Some(policy) => problems.push(Problem::new(
            Severity::Refuses,
            format!("Redis has maxmemory-policy {policy}: when it is full it throws open windows away"),
            "set it: redis-cli CONFIG SET maxmemory-policy noeviction (and in redis.conf)",
        )),
        None => problems.push(Problem::new(
            Severity::Hint,
            "Redis does not tell its maxmemory-policy",
            "allow the user CONFIG GET or INFO, and make sure that the policy is noeviction",
        )),
    }
    let tolerance = CLOCK_TOLERANCE.min(config.shortest_guard().half());
    if health.clock < before - tolerance || health.clock > after + tolerance {
        let off = health.clock - after;
        let what = format!("the clock of Redis is {off} beside this machine's");
        let remedy =
            "run NTP on both: keys expire by its clock, and beyond half of window.guard no closed window is proven";
        problems.push(Problem::new(Severity::Warns, what, remedy));
    }
}

fn examine_version(config: &Config, health: &Health, problems: &mut Vec<Problem>) {
    let mut numbers = health.version.split('.').map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let oldest = if health.server == "valkey" { (7, 2) } else { (7, 0) };
    if version < oldest {
        let what = format!("{} {} is too old", health.server, health.version);
        problems.push(Problem::new(Severity::Refuses, what, "use Redis 7.0, Valkey 7.2, or later"));
    }
    if health.mode == "cluster" && config.redis.cluster.is_none() {
        let what = "this Redis is a cluster: frontier and windows lie on different nodes";
        problems.push(Problem::new(Severity::Refuses, what, "name its servers in redis.cluster.nodes"));
    }
}
