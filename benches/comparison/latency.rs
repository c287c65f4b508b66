//! From intent to verdict in live traffic, as a read_committed consumer sees it: positives and negatives apart.

use crate::contender::{Contender, Names, Process};
use crate::drain::is_without_proof;
use crate::site::{PARTITIONS, Progress, Services};
use crate::traffic::{Customer, Writer, intent_of_value, mixed, now_ms};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CUSTOMERS: u64 = 10_000;
/// The first seconds are for caches, connections and code to get warm.
const WARM_UP: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(60);

/// Latencies in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    pub positives: Vec<u64>,
    pub negatives: Vec<u64>,
    pub sent: u64,
    pub duplicate: u64,
    pub wrong: u64,
    pub without_proof: u64,
}

/// p50, p99 and p99.9 in milliseconds.
pub type Percentiles = [f64; 3];

/// What is told of a contender: medians of the rounds, each percentile by itself.
#[derive(Clone, Debug)]
pub struct Row {
    pub positives: Percentiles,
    pub negatives: Percentiles,
    /// The smallest and the largest p99 of all rounds, both kinds together.
    pub spread: [f64; 2],
    pub lost: u64,
    pub duplicate: u64,
    pub wrong: u64,
    pub without_proof: u64,
}

fn percentiles(latencies: &[u64]) -> Percentiles {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    [500, 990, 999].map(|permille| sorted.get(sorted.len() * permille / 1000).map_or(0.0, |us| *us as f64 / 1000.0))
}

pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

impl Row {
    pub fn of(rounds: Vec<Latencies>) -> Row {
        let of = |pick: fn(&Latencies) -> &Vec<u64>| {
            let each: Vec<Percentiles> = rounds.iter().map(|round| percentiles(pick(round))).collect();
            [0, 1, 2].map(|at: usize| median(each.iter().map(|round| round[at])))
        };
        let together =
            rounds.iter().map(|round| percentiles(&[round.positives.as_slice(), &round.negatives].concat())[1]);
        let p99: Vec<f64> = together.collect();
        Row {
            positives: of(|round| &round.positives),
            negatives: of(|round| &round.negatives),
            spread: [p99.iter().copied().fold(f64::INFINITY, f64::min), p99.iter().copied().fold(0.0, f64::max)],
            lost: rounds.iter().map(Latencies::lost).sum(),
            duplicate: rounds.iter().map(|round| round.duplicate).sum(),
            wrong: rounds.iter().map(|round| round.wrong).sum(),
            without_proof: rounds.iter().map(|round| round.without_proof).sum(),
        }
    }
}

impl Latencies {
    fn lost(&self) -> u64 {
        self.sent.saturating_sub((self.positives.len() + self.negatives.len()) as u64)
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (positives, negatives) = (percentiles(&self.positives), percentiles(&self.negatives));
        write!(f, "open {positives:.1?}  closed {negatives:.1?} ms")?;
        write!(
            f,
            "  {} sent, {} lost, {} duplicate, {} wrong, {} without proof",
            self.sent,
            self.lost(),
            self.duplicate,
            self.wrong,
            self.without_proof
        )
    }
}

static RUNS: AtomicU32 = AtomicU32::new(0);

/// Latencies of one contender at that many records a second.
pub fn run(services: &Services, contender: Contender, rate: u64, time: Duration) -> Latencies {
    let prefix = format!("live-{}.", RUNS.fetch_add(1, Ordering::Relaxed));
    let names = Names {
        inbound: format!("{prefix}inbound"),
        intents: format!("{prefix}intents"),
        prefix,
        partitions: PARTITIONS,
        shards: None,
    };
    services.create_inputs(&names.inputs(), names.partitions);
    services.create_outputs(&names.outputs());
    let mut writer = Writer::new(&services.brokers, &names.inbound, &names.intents, 5);
    for number in (0..CUSTOMERS).filter(|number| Customer(*number).writes()) {
        writer.say(number, Customer(number), now_ms());
    }
    writer.flush();
    let mut process = Process::start(contender, &names, services);
    let progress = Progress::of(services, &names.group(), &names.inputs(), names.partitions);
    let begun = Instant::now();
    while progress.committed() < CUSTOMERS * 8 / 10 {
        process.assert_running();
        assert!(begun.elapsed() < LONGEST, "the contender does not begin");
        thread::sleep(Duration::from_millis(50));
    }

    let start = Instant::now();
    let intents = rate * (WARM_UP + time).as_millis() as u64 / 1_000 / 2 + 1;
    let sent_us: Arc<Vec<AtomicU64>> = Arc::new((0..intents).map(|_| AtomicU64::new(0)).collect());
    let (done, seen_count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let reader = thread::spawn({
        let consumer = consumer(services, &names);
        let reader = Reader {
            names: names.clone(),
            contender,
            start,
            sent_us: sent_us.clone(),
            seen_count: seen_count.clone(),
            done: done.clone(),
        };
        move || reader.read(&consumer)
    });
    send(&mut writer, start, rate, &sent_us);
    let begun = Instant::now();
    // Whoever cannot keep up shows in the latencies, and is not waited for without end.
    while seen_count.load(Ordering::Relaxed) < intents && begun.elapsed() < LONGEST {
        thread::sleep(Duration::from_millis(50));
    }
    // What comes twice may come late.
    thread::sleep(Duration::from_millis(500));
    done.store(true, Ordering::Relaxed);
    let mut seen = reader.join().unwrap();
    let is_warm = |us: &AtomicU64| us.load(Ordering::Relaxed) > WARM_UP.as_micros() as u64;
    seen.sent = sent_us.iter().filter(|us| is_warm(us)).count() as u64;
    drop(process);
    services.delete_topics(&names.inputs());
    services.delete_topics(&names.outputs());
    services.empty_redis();
    seen
}

/// At that rate, in small steps.
fn send(writer: &mut Writer, start: Instant, rate: u64, sent_us: &[AtomicU64]) {
    let total = sent_us.len() as u64 * 2;
    let mut number = 0;
    while number < total {
        let due = (start.elapsed().as_micros() as u64 * rate / 1_000_000).min(total);
        while number < due {
            let customer = Customer(mixed(number) % CUSTOMERS);
            if number % 2 == 0 {
                let writes = Customer(customer.0 / 10 * 10 + customer.0 % 8);
                writer.say(number, writes, now_ms());
            } else {
                let intent = number / 2;
                sent_us[intent as usize].store(start.elapsed().as_micros() as u64, Ordering::Relaxed);
                writer.ask(intent, customer);
            }
            number += 1;
        }
        writer.serve();
        thread::sleep(Duration::from_micros(500));
    }
    writer.flush();
}

fn consumer(services: &Services, names: &Names) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &services.brokers)
        .set("group.id", format!("{}reader", names.prefix))
        .set("isolation.level", "read_committed")
        .set("fetch.wait.max.ms", "10")
        .set("fetch.queue.backoff.ms", "1")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    for topic in [names.session_send(), names.template_required()] {
        for partition in 0..PARTITIONS {
            list.add_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        }
    }
    consumer.assign(&list).unwrap();
    consumer
}

/// Reads both outputs while the load goes on.
struct Reader {
    names: Names,
    contender: Contender,
    start: Instant,
    sent_us: Arc<Vec<AtomicU64>>,
    seen_count: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Reader {
    fn read(&self, consumer: &BaseConsumer) -> Latencies {
        let (mut seen, mut told) = (Latencies::default(), vec![false; self.sent_us.len()]);
        let send = self.names.session_send();
        loop {
            match consumer.poll(Duration::from_millis(200)) {
                Some(message) => self.see(&message.unwrap(), &send, &mut told, &mut seen),
                None if self.done.load(Ordering::Relaxed) => return seen,
                None => {}
            }
        }
    }

    fn see(&self, message: &BorrowedMessage<'_>, send: &str, told: &mut [bool], seen: &mut Latencies) {
        let now_us = self.start.elapsed().as_micros() as u64;
        let value = message.payload().unwrap();
        let intent = intent_of_value(value).unwrap();
        if std::mem::replace(&mut told[intent as usize], true) {
            seen.duplicate += 1;
            return;
        }
        self.seen_count.fetch_add(1, Ordering::Relaxed);
        let sent_us = self.sent_us[intent as usize].load(Ordering::Relaxed);
        if sent_us <= WARM_UP.as_micros() as u64 {
            return;
        }
        let is_open = Customer(mixed(intent * 2 + 1) % CUSTOMERS).has_open_window();
        match is_open {
            true => seen.positives.push(now_us - sent_us),
            false => seen.negatives.push(now_us - sent_us),
        }
        if matches!(self.contender, Contender::Worker(_)) {
            seen.wrong += u64::from(is_open != (message.topic() == send));
            seen.without_proof += u64::from(message.topic() != send && is_without_proof(value));
        }
    }
}
