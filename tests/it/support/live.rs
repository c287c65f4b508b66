//! Traffic that goes on while something breaks. It knows what is right: who wrote, who never did, and when each intent
//! was sent.

use super::site::{INBOUND, INTENTS, SEND, Site, TEMPLATE};
use super::traffic::{Outcome, Right, Truth, inbound, intent, key, now_ms};
use super::{wait_longer, wait_until};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList, TopicPartitionListElem};
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the generator looks what is due.
const BEAT: Duration = Duration::from_millis(5);
/// How long the worker may take to come to an end with everything that was sent.
const PATIENCE: Duration = Duration::from_secs(90);
/// So many customers never write and are asked for again and again.
const SILENT: u64 = 500;

struct Asked {
    right: Right,
    sent: Instant,
    answered: bool,
}

/// What generator and reader know.
#[derive(Default)]
struct Known {
    asked: Vec<Asked>,
    answered: usize,
    waits: Waits,
    /// Sent and not acknowledged by the broker.
    in_flight: i32,
}

/// The longest times from sending an intent to seeing its verdict.
#[derive(Clone, Copy, Default, Debug)]
pub struct Waits {
    pub negative: Duration,
    pub positive: Duration,
}

#[derive(Default)]
struct Shared {
    known: Mutex<Known>,
    stop_sending: AtomicBool,
    stop_reading: AtomicBool,
    look_away: AtomicBool,
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }
}

/// Traffic under way: a thread that sends and one that watches the verdicts come.
pub struct Live<'a> {
    site: &'a Site,
    shared: Arc<Shared>,
    sender: Option<JoinHandle<HashMap<u64, i64>>>,
    reader: Option<JoinHandle<()>>,
}

/// What a round of traffic came to.
pub struct Finding {
    pub outcome: Outcome,
    pub waits: Waits,
    /// Windows that Redis does not hold as the customers' last messages say.
    pub wrong_windows: usize,
}

impl Finding {
    pub fn is_right(&self) -> bool {
        self.outcome.is_right() && self.wrong_windows == 0
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { outcome, waits: Waits { negative, positive }, wrong_windows } = self;
        let (negative, positive) = (negative.as_millis(), positive.as_millis());
        write!(f, "{outcome}, {wrong_windows} wrong windows; longest wait {negative} ms closed, {positive} ms open")
    }
}

impl<'a> Live<'a> {
    /// Sends so many inbound messages and as many intents a second, to customers of whom many wrote before.
    pub fn start(site: &'a Site, each_per_second: u32) -> Live<'a> {
        let shared = Arc::new(Shared::default());
        let (sending, watching) = (shared.clone(), shared.clone());
        let mut generator = Generator::new(site, each_per_second);
        generator.write_history(10 * each_per_second);
        let sender = thread::spawn(move || generator.run(&sending));
        let reader = Reader::new(site);
        let reader = thread::spawn(move || reader.run(&watching));
        Live { site, shared, sender: Some(sender), reader: Some(reader) }
    }

    /// Lets it go on for a while.
    pub fn go_on_for(&self, time: Duration) {
        thread::sleep(time);
    }

    /// Lets something happen to the broker that starts it anew, and sees the verdicts only afterwards. A broker that is
    /// starting names no leader for some partitions, and librdkafka, which this process reads with, may crash on that
    /// (<https://github.com/confluentinc/librdkafka/issues/5280>). Waits end when it looks again.
    pub fn looking_away(&self, happens: impl FnOnce()) {
        self.shared.look_away.store(true, Ordering::SeqCst);
        happens();
        self.shared.look_away.store(false, Ordering::SeqCst);
    }

    /// Waits until an intent that is sent from now on has its verdict.
    pub fn wait_for_a_new_verdict(&self) {
        let (sent, end) = (self.shared.known().asked.len(), Instant::now() + PATIENCE);
        wait_until_or(end, || self.shared.known().asked.iter().skip(sent).any(|asked| asked.answered));
        let known = self.shared.known();
        let (asked, answered, in_flight) = (known.asked.len(), known.answered, known.in_flight);
        let site = &self.site.prefix;
        assert!(
            Instant::now() < end,
            "{site}: no verdict on what was sent in the last {PATIENCE:?}; {asked} intents were sent, {in_flight} records \
             are not acknowledged, {answered} verdicts were seen"
        );
    }

    /// Waits until the worker is in its stride: everything sent so far has its verdict. Waits count from here on.
    pub fn wait_until_settled(&self) {
        self.wait_for_a_new_verdict();
        let sent = self.shared.known().asked.len();
        let is_answered = |known: &Known| known.asked.iter().take(sent).all(|asked| asked.answered);
        wait_until_or(Instant::now() + PATIENCE, || is_answered(&self.shared.known()));
        let mut known = self.shared.known();
        known.waits = Waits::default();
    }

    /// Ends the traffic, waits until all is decided, and compares everything with the truth.
    pub fn finish(mut self, at_least_once: bool) -> Finding {
        self.shared.stop_sending.store(true, Ordering::SeqCst);
        let wrote = self.sender.take().unwrap().join().unwrap();
        let truth = self.truth();
        // Whatever is still missing then is lost, which the check tells.
        let end = Instant::now() + PATIENCE;
        wait_until_or(end, || self.shared.known().answered >= truth.right.len());
        let mut wrong_windows = wrote.len();
        wait_until_or(end, || {
            wrong_windows = self.wrong_windows(&wrote);
            wrong_windows == 0
        });
        let outcome = truth.check(self.site, at_least_once);
        Finding { outcome, waits: self.shared.known().waits, wrong_windows }
    }

    fn truth(&self) -> Truth {
        let known = self.shared.known();
        let rights = known.asked.iter().enumerate().map(|(number, asked)| (number.to_string(), asked.right));
        Truth { right: rights.collect() }
    }

    /// How many windows are not those of the customers' last messages.
    fn wrong_windows(&self, wrote: &HashMap<u64, i64>) -> usize {
        let customers: Vec<(&u64, &i64)> = wrote.iter().collect();
        let mut wrong = 0;
        for some in customers.chunks(1_000) {
            let keys = some.iter().map(|(customer, _)| self.site.window_key(&writer(**customer)));
            let values = self.site.texts(&keys.collect::<Vec<_>>());
            let last = |value: &Option<String>| value.as_deref()?.split(' ').nth(1)?.parse::<i64>().ok();
            wrong += some.iter().zip(&values).filter(|((_, at), value)| last(value) != Some(**at)).count();
        }
        wrong
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.shared.stop_sending.store(true, Ordering::SeqCst);
        self.shared.stop_reading.store(true, Ordering::SeqCst);
        let sender = self.sender.take().map(|sender| sender.join().is_ok());
        let reader = self.reader.take().map(|reader| reader.join().is_ok());
        let broke = sender == Some(false) || reader == Some(false);
        // A panic while this thread panics already would hide the first.
        assert!(!broke || thread::panicking(), "the traffic broke");
    }
}

/// Waits for something, but not for ever.
fn wait_until_or(end: Instant, mut happened: impl FnMut() -> bool) {
    while !happened() && Instant::now() < end {
        thread::sleep(Duration::from_millis(20));
    }
}

fn writer(number: u64) -> String {
    format!("5511{number:09}")
}

fn silent(number: u64) -> String {
    format!("4930{number:09}")
}

/// A message of a customer that the broker has acknowledged.
struct Delivered {
    customer: u64,
    at_ms: i64,
}

/// Takes note of acknowledged messages.
#[derive(Default)]
struct Deliveries {
    messages: Mutex<Vec<Delivered>>,
    failed: Mutex<Option<String>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    /// The message of a customer, or nothing for an intent.
    type DeliveryOpaque = Box<Option<Delivered>>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivered: Self::DeliveryOpaque) {
        match result {
            Ok(_) => self.messages.lock().unwrap().extend(*delivered),
            Err((error, _)) => *self.failed.lock().unwrap() = Some(error.to_string()),
        }
    }
}

/// Sends messages and intents, and waits as long as it takes when the broker is away.
struct Generator {
    producer: BaseProducer<Deliveries>,
    inbound: String,
    intents: String,
    each_per_second: u32,
    /// Who wrote, in the order of the broker's acknowledgements.
    wrote: Vec<u64>,
    /// When each customer last wrote.
    last: HashMap<u64, i64>,
    customers: u64,
    sent: u64,
}

impl Generator {
    fn new(site: &Site, each_per_second: u32) -> Generator {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &site.brokers)
            .set("partitioner", "murmur2_random")
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("linger.ms", "1")
            .set("reconnect.backoff.max.ms", "200")
            .create_with_context(Deliveries::default())
            .unwrap();
        Generator {
            producer,
            inbound: site.topic(INBOUND),
            intents: site.topic(INTENTS),
            each_per_second,
            wrote: Vec::new(),
            last: HashMap::new(),
            customers: 0,
            sent: 0,
        }
    }

    /// Sends until it is told to stop. Returns when each customer last wrote.
    fn run(&mut self, shared: &Shared) -> HashMap<u64, i64> {
        let mut next = Instant::now();
        let pause = Duration::from_secs(1) / self.each_per_second;
        let many = self.each_per_second as i32 / 2;
        while !shared.stop_sending.load(Ordering::SeqCst) {
            self.serve(BEAT);
            shared.known().in_flight = self.producer.in_flight_count();
            let now = Instant::now();
            // Time in which the broker was away is not made up for.
            next = next.max(now - 20 * BEAT);
            while next <= now && self.producer.in_flight_count() < many {
                next += pause;
                self.send_one_of_each(shared);
            }
        }
        self.flush();
        std::mem::take(&mut self.last)
    }

    /// Messages of the last hour: without them a Redis that lost everything would be whole again at once.
    fn write_history(&mut self, count: u32) {
        let now = now_ms();
        for number in 0..count {
            self.send_message(number.into(), now - 3_600_000 + i64::from(number));
            self.producer.poll(Duration::ZERO);
        }
        self.customers = count.into();
        self.flush();
    }

    fn flush(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.producer.in_flight_count() > 0 {
            assert!(Instant::now() < end, "the broker did not take everything that was sent");
            self.serve(BEAT);
        }
        self.serve(BEAT);
    }

    fn serve(&mut self, wait: Duration) {
        self.producer.poll(wait);
        let context = self.producer.context().clone();
        let failed = context.failed.lock().unwrap().take();
        assert!(failed.is_none(), "a record was not delivered: {failed:?}");
        for Delivered { customer, at_ms } in context.messages.lock().unwrap().drain(..) {
            let last = self.last.entry(customer).or_insert_with(|| {
                self.wrote.push(customer);
                at_ms
            });
            *last = at_ms.max(*last);
        }
    }

    fn send_one_of_each(&mut self, shared: &Shared) {
        self.sent += 1;
        let turn = self.sent;
        // Every other message is somebody's first.
        let customer =
            if turn.is_multiple_of(2) { self.customers } else { turn.wrapping_mul(7_919) % (self.customers + 1) };
        self.customers = self.customers.max(customer + 1);
        self.send_message(customer, now_ms());

        // Intents to those who never write take turns with those to who wrote last, and to anybody who ever wrote.
        let of_those = |number: u64| self.wrote.get(number as usize).map(|customer| writer(*customer));
        let wrote = self.wrote.len() as u64;
        let writer = match turn % 4 {
            0 => of_those(wrote.saturating_sub(1)),
            2 => of_those(turn.wrapping_mul(104_729) % wrote.max(1)),
            _ => None,
        };
        let right = if writer.is_some() { Right::Open } else { Right::Closed };
        let customer = writer.unwrap_or_else(|| silent(turn % SILENT));
        let number = {
            let mut known = shared.known();
            known.asked.push(Asked { right, sent: Instant::now(), answered: false });
            known.asked.len() - 1
        };
        self.put(&self.intents, &key(&customer), &intent(&number.to_string(), &customer), None);
    }

    /// Half of the customers' messages lie in the partition of their intents, the others in any.
    fn send_message(&self, customer: u64, at_ms: i64) {
        let (id, name) = (format!("wamid.{customer}.{at_ms}"), writer(customer));
        let key = if customer.is_multiple_of(2) { key(&name) } else { id.clone() };
        self.put(&self.inbound, &key, &inbound(&id, &name, at_ms), Some(Delivered { customer, at_ms }));
    }

    fn put(&self, topic: &str, key: &str, value: &str, delivered: Option<Delivered>) {
        let record = BaseRecord::with_opaque_to(topic, Box::new(delivered)).key(key).payload(value);
        self.producer.send(record).map_err(|(error, _)| error).expect("a queue that is never full");
    }
}

/// Watches the verdicts come.
struct Reader {
    consumer: BaseConsumer,
    sends: String,
}

impl Reader {
    fn new(site: &Site) -> Reader {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &site.brokers)
            .set("group.id", format!("{}watcher", site.prefix))
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "20")
            .set("reconnect.backoff.max.ms", "200")
            .create()
            .unwrap();
        let mut list = TopicPartitionList::new();
        for topic in [site.topic(SEND), site.topic(TEMPLATE)] {
            let before = list.count();
            // A topic that was created just now has no partitions until the broker has heard of it.
            wait_until(&format!("{topic} to be known"), || {
                let metadata = consumer.fetch_metadata(Some(&topic), Duration::from_secs(30)).unwrap();
                for partition in metadata.topics()[0].partitions() {
                    list.add_partition_offset(&topic, partition.id(), Offset::Beginning).unwrap();
                }
                list.count() > before
            });
        }
        consumer.assign(&list).unwrap();
        Reader { consumer, sends: site.topic(SEND) }
    }

    fn run(&self, shared: &Shared) {
        while !shared.stop_reading.load(Ordering::SeqCst) {
            if shared.look_away.load(Ordering::SeqCst) {
                self.look_away(shared);
            }
            // While the broker is away this is an error, and then it goes on.
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(50)) else { continue };
            let is_send = message.topic() == self.sends;
            let verdict: Verdict<'_> = serde_json::from_slice(message.payload().unwrap_or_default()).unwrap();
            let number: usize = verdict.intent_id.parse().unwrap();
            let mut known = shared.known();
            let Known { asked, answered, waits, .. } = &mut *known;
            let asked = &mut asked[number];
            if !std::mem::replace(&mut asked.answered, true) {
                *answered += 1;
                let longest = if is_send { &mut waits.positive } else { &mut waits.negative };
                *longest = asked.sent.elapsed().max(*longest);
            }
        }
    }

    fn look_away(&self, shared: &Shared) {
        let mut list = self.consumer.position().unwrap();
        let unread: Vec<_> = list.elements().iter().filter(|it| it.offset() == Offset::Invalid).map(place).collect();
        for (topic, partition) in unread {
            list.set_partition_offset(&topic, partition, Offset::Beginning).unwrap();
        }
        self.consumer.unassign().unwrap();
        wait_longer("the broker to be looked at again", 2 * PATIENCE, || {
            !shared.look_away.load(Ordering::SeqCst) || shared.stop_reading.load(Ordering::SeqCst)
        });
        self.consumer.assign(&list).unwrap();
    }
}

fn place(element: &TopicPartitionListElem<'_>) -> (String, i32) {
    (element.topic().to_owned(), element.partition())
}

#[derive(serde::Deserialize)]
struct Verdict<'a> {
    intent_id: &'a str,
}
