//! Those who use the brokers besides the worker: one thread writes the traffic, one reads what comes of it.

use super::observation::{Observation, observe};
use super::stage::{PARTITIONS, Venue};
use super::traffic::{Stream, Traffic};
use crate::core::time::Span;
use crate::io::clock::SystemClock;
use crate::ports::Clock;
use anyhow::Context;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// How finely the traffic is timed.
const BEAT: Duration = Duration::from_millis(20);
/// Any will do; the same one makes every demo alike.
const SEED: u64 = 11;

/// A thread that ends when it is told to, at the latest when this value is dropped.
pub(super) struct Player {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Player {
    fn start(name: &str, mut turn: impl FnMut() + Send + 'static) -> anyhow::Result<Player> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                turn();
            }
        })?;
        Ok(Player { stop, thread: Some(thread) })
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A panic of the thread was told by the panic hook already.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn client(venue: &Venue) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &venue.brokers).set("client.id", "sessiongate-demo");
    config
}

/// Writes the traffic, from now on.
pub(super) fn feeder(venue: &Venue, window: Span, guard: Span) -> anyhow::Result<Player> {
    let producer: BaseProducer = client(venue)
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "0")
        .create()
        .context("the demo's producer cannot be made")?;
    let (inbound, intents) = (venue.inbound_message.clone(), venue.outbound_intent.clone());
    let mut traffic = Traffic::new(SEED, window, guard);
    let clock = SystemClock::new();
    Player::start("feeder", move || {
        let now = clock.now();
        for written in traffic.take_due(now.mono_ms, now.wall) {
            let topic = match written.stream {
                Stream::Inbound => &inbound,
                Stream::Intent => &intents,
            };
            let record = BaseRecord::to(topic).key(&written.key).payload(&written.value);
            if let Err((error, _)) = producer.send(record) {
                tracing::warn!("the demo could not write a record: {error}");
            }
        }
        producer.poll(Duration::ZERO);
        thread::sleep(BEAT);
    })
}

/// Reads all outputs from their beginning.
pub(super) fn reader(venue: &Venue, tell: UnboundedSender<Observation>) -> anyhow::Result<Player> {
    let consumer: BaseConsumer = client(venue)
        .set("group.id", "sessiongate-demo-reader")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "20")
        .create()
        .context("the demo's consumer cannot be made")?;
    let topics = venue.outputs.clone();
    let mut places = TopicPartitionList::new();
    for topic in topics.all() {
        for partition in 0..PARTITIONS {
            places.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&places)?;
    Player::start("reader", move || match consumer.poll(Duration::from_millis(50)) {
        Some(Ok(message)) => {
            let header = |name: &str| header(&message, name);
            let value = message.payload().unwrap_or_default();
            if let Some(observation) = observe(&topics, message.topic(), value, &header) {
                // Nobody listens any more only when the demo is ending.
                let _ = tell.send(observation);
            }
        }
        Some(Err(error)) => tracing::debug!("the demo's reader: {error}"),
        None => {}
    })
}

fn header(message: &BorrowedMessage<'_>, name: &str) -> Option<String> {
    let header = message.headers()?.iter().find(|header| header.key == name)?;
    Some(String::from_utf8_lossy(header.value?).into_owned())
}
