//! A backlog that was there before: how fast it goes, what it costs, and whether all of it came out right.

use crate::contender::{Contender, Names, Process};
use crate::machine::{cpu_us, peak_memory_mb};
use crate::site::{PARTITIONS, Progress, Services};
use crate::traffic::{Customer, Writer, customer_of_key, intent_of_value, mixed, now_ms};
use crate::windows;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How often the committed offsets are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A drain that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(600);

/// What a backlog is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Records.
    pub events: u64,
    /// Of a hundred records so many are intents.
    pub intents_percent: u64,
    pub customers: u64,
    /// Of each input.
    pub partitions: i32,
    /// Of each text; none for what people usually write.
    pub body_bytes: Option<usize>,
    /// Every record is there twice.
    pub is_repeated: bool,
    /// All open windows are in Redis before, with those of customers who are not heard of.
    pub windows_before: bool,
    /// Of the worker, unless it decides itself.
    pub shards: Option<u32>,
}

impl Shape {
    /// Half inbound, half intents, forty records a customer.
    pub fn of(events: u64) -> Shape {
        Shape {
            events,
            intents_percent: 50,
            customers: (events / 40).max(10),
            partitions: PARTITIONS,
            body_bytes: None,
            is_repeated: false,
            windows_before: false,
            shards: None,
        }
    }

    fn times(&self) -> u64 {
        if self.is_repeated { 2 } else { 1 }
    }

    /// Intent records.
    fn intents(&self) -> u64 {
        self.events * self.intents_percent / 100 / self.times() * self.times()
    }

    fn inbound(&self) -> u64 {
        self.events - self.intents()
    }

    /// Intents, each counted once.
    pub fn asked(&self) -> u64 {
        self.intents() / self.times()
    }
}

/// The backlog.
pub struct Inputs {
    names: Names,
    shape: Shape,
}

/// What came of a drain.
#[derive(Clone, Debug)]
pub struct Drained {
    pub events_a_second: f64,
    pub worker_us: f64,
    pub kafka_us: f64,
    pub redis_us: f64,
    pub peak_mb: f64,
    /// From the start of the process to the first commit.
    pub start_s: f64,
    /// Of Redis's memory for a window, when they were written before.
    pub window_bytes: Option<f64>,
    pub counts: Counts,
}

/// Verdicts, held against what was written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    pub verdicts: u64,
    pub lost: u64,
    pub duplicate: u64,
    /// Open where it was closed, closed where it was open, or for somebody else.
    pub wrong: u64,
    /// Negatives that went without proof.
    pub without_proof: u64,
    pub dead_letters: u64,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Drained { events_a_second, worker_us, kafka_us, redis_us, peak_mb, start_s, window_bytes: _, counts } =
            self;
        write!(f, "{:>7.0} k/s  cpu {worker_us:.2} {kafka_us:.2} {redis_us:.2} us", events_a_second / 1000.0)?;
        write!(f, "  {peak_mb:.0} MB  start {start_s:.2} s  {counts:?}")
    }
}

fn customer_of_intent(number: u64, customers: u64) -> Customer {
    Customer(mixed(number) % customers)
}

/// Writes the backlog.
pub fn preload(services: &Services, shape: Shape) -> Inputs {
    let prefix = "backlog.";
    let names = Names {
        prefix: prefix.into(),
        inbound: format!("{prefix}inbound"),
        intents: format!("{prefix}intents"),
        partitions: shape.partitions,
        shards: shape.shards,
    };
    services.create_inputs(&names.inputs(), names.partitions);
    let mut writer = Writer::new(&services.brokers, &names.inbound, &names.intents, 50);
    if let Some(bytes) = shape.body_bytes {
        writer.set_body_bytes(bytes);
    }
    let now_ms = now_ms();
    let writers: Vec<u64> = (0..shape.customers).filter(|customer| Customer(*customer).writes()).collect();
    for number in 0..shape.inbound() {
        let message = number / shape.times();
        // Everybody who writes at all does so at least once, if there are records enough.
        let is_first = message < writers.len() as u64 && !shape.windows_before;
        let index = if is_first { message } else { mixed(message) % writers.len() as u64 };
        writer.say(message, Customer(writers[index as usize]), now_ms);
        if number % 1_000 == 0 {
            writer.serve();
        }
    }
    for number in 0..shape.intents() {
        let intent = number / shape.times();
        writer.ask(intent, customer_of_intent(intent, shape.customers));
        if number % 1_000 == 0 {
            writer.serve();
        }
    }
    writer.flush();
    Inputs { names, shape }
}

impl Inputs {
    pub fn delete(&self, services: &Services) {
        services.delete_topics(&self.names.inputs());
    }
}

/// Processor time of contender, broker and store.
fn used(pid: u32, services: &Services) -> [u64; 3] {
    [pid, services.kafka_pid, services.redis_pid].map(cpu_us)
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Lets a contender take the backlog. Rates and costs count from the first commit to the last: how long a process
/// takes to start says nothing of them.
pub fn run(services: &Services, inputs: &Inputs, contender: Contender) -> Drained {
    // Short: the keys in Redis begin with it.
    let prefix = format!("{}.", RUNS.fetch_add(1, Ordering::Relaxed));
    let names = Names { prefix, ..inputs.names.clone() };
    services.create_outputs(&names.outputs());
    let window_bytes = inputs.shape.windows_before.then(|| windows::write(services, &names, inputs.shape.customers));
    let progress = Progress::of(services, &names.group(), &names.inputs(), names.partitions);
    let begun = Instant::now();
    let mut process = Process::start(contender, &names, services);
    let mut first = None;
    let (last, committed) = loop {
        thread::sleep(LOOK_EVERY);
        let committed = progress.committed();
        if committed > 0 {
            first.get_or_insert_with(|| (Instant::now(), committed, used(process.pid(), services)));
        }
        if committed >= inputs.shape.events {
            break (Instant::now(), committed);
        }
        process.assert_running();
        assert!(begun.elapsed() < LONGEST, "{committed} of {} after {LONGEST:?}", inputs.shape.events);
    };
    let (first, before, used_before) = first.unwrap();
    let used = used(process.pid(), services);
    let peak_mb = peak_memory_mb(process.pid());
    drop(process);
    let events = (committed - before).max(1) as f64;
    let [worker_us, kafka_us, redis_us] = [0, 1, 2].map(|who: usize| (used[who] - used_before[who]) as f64 / events);
    let counts = verify(services, inputs, &names, contender);
    services.delete_topics(&names.outputs());
    services.empty_redis();
    Drained {
        events_a_second: events / (last - first).as_secs_f64(),
        worker_us,
        kafka_us,
        redis_us,
        peak_mb,
        start_s: (first - begun).as_secs_f64(),
        window_bytes,
        counts,
    }
}

fn verify(services: &Services, inputs: &Inputs, names: &Names, contender: Contender) -> Counts {
    let mut counts = Counts::default();
    let mut seen = vec![false; inputs.shape.asked() as usize];
    let (send, dead) = (names.session_send(), names.dead_letter());
    let outputs = [send.clone(), names.template_required(), dead.clone()];
    read(services, &outputs, |topic, key, value| {
        if topic == dead {
            counts.dead_letters += 1;
            return;
        }
        counts.verdicts += 1;
        let Some(number) = intent_of_value(value).filter(|number| *number < seen.len() as u64) else {
            counts.wrong += 1;
            return;
        };
        if std::mem::replace(&mut seen[number as usize], true) {
            counts.duplicate += 1;
        }
        let customer = customer_of_intent(number, inputs.shape.customers);
        let is_right = match contender {
            Contender::Floor(_) | Contender::FloorOfVerdicts => true,
            Contender::Worker(_) => customer.has_open_window() == (topic == send),
        };
        if customer_of_key(key) != Some(customer) || !is_right {
            counts.wrong += 1;
        }
        if topic != send && is_without_proof(value) {
            counts.without_proof += 1;
        }
    });
    counts.lost = seen.iter().filter(|seen| !**seen).count() as u64;
    counts
}

/// Whether a template-required verdict says so; it does near its end.
pub fn is_without_proof(value: &[u8]) -> bool {
    let needle = b"\"basis\":\"timeout\"";
    value[value.len().saturating_sub(300)..].windows(needle.len()).any(|text| text == needle)
}

/// Everything committed in these topics.
fn read(services: &Services, topics: &[String], mut each: impl FnMut(&str, &[u8], &[u8])) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &services.brokers)
        .set("group.id", "verification")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .set("check.crcs", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..PARTITIONS {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    let mut left = list.count();
    while left > 0 {
        match consumer.poll(Duration::from_secs(10)).expect("the outputs can be read") {
            Ok(message) => {
                each(message.topic(), message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            }
            Err(KafkaError::PartitionEOF(_)) => left -= 1,
            Err(error) => panic!("{error}"),
        }
    }
}
