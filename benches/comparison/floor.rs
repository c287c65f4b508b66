//! What reading and writing the log costs and nothing else: a bare transactional passthrough on raw librdkafka.
//!
//! It reads both inputs, drops every inbound record and writes every intent unchanged into one output, with the
//! consumed offsets in the producer's transaction. No JSON, no Redis, no group to be a member of.
//!
//! Three transactional producers take turns: one is filled while the one before it commits, in order and one at a
//! time. A broker answers CONCURRENT_TRANSACTIONS to a producer that comes back before its markers are written, and
//! librdkafka then sleeps 20 ms; one that had a turn to settle never hears it.

#![allow(unsafe_code)]

mod verdict;

use rdkafka_sys::*;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{null, null_mut};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

const BATCH: usize = 4_096;
const PRODUCERS: usize = 3;
const NO_ERROR: rd_kafka_resp_err_t = rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
const CALL_MS: c_int = 15_000;

/// When a transaction is committed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cadence {
    /// After that time, or with that many records.
    Fixed { interval: Duration, records: usize },
    /// When the one before is committed and nothing is left to take, not before `interval`; at the latest with that
    /// many records.
    Growing { interval: Duration, records: usize },
}

/// What the passthrough is told.
pub struct Settings {
    pub brokers: String,
    pub group: String,
    pub inbound: String,
    pub intents: String,
    pub output: String,
    pub partitions: i32,
    pub cadence: Cadence,
    pub writes: Writes,
}

/// What becomes of an intent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Writes {
    /// Its bytes as they are, without headers: the least that can be written.
    Intents,
    /// As many bytes and headers as its verdict has.
    Verdicts,
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

/// Never returns: whoever measures ends the process.
pub fn run(settings: &Settings) -> ! {
    // SAFETY: one thread uses the consumer and fills producers; the other is handed a producer that the first does
    // not touch until it hears of its end. All pointers are librdkafka's own and live as long as the process.
    unsafe { Floor::start(settings).run() }
}

unsafe fn client(kind: rd_kafka_type_t, events: c_int, pairs: &[(&str, &str)]) -> *mut rd_kafka_t {
    unsafe {
        let conf = rd_kafka_conf_new();
        let mut reason = [0 as c_char; 512];
        for (key, value) in pairs {
            let set = rd_kafka_conf_set(conf, c(key).as_ptr(), c(value).as_ptr(), reason.as_mut_ptr(), reason.len());
            assert!(set == rd_kafka_conf_res_t::RD_KAFKA_CONF_OK, "{key}={value}");
        }
        rd_kafka_conf_set_events(conf, events);
        let client = rd_kafka_new(kind, conf, reason.as_mut_ptr(), reason.len());
        assert!(!client.is_null(), "{}", CStr::from_ptr(reason.as_ptr()).to_string_lossy());
        client
    }
}

/// Runs a transactional call until it is through. A floor has no faults to heal: whatever else happens ends it.
unsafe fn through(what: &str, call: impl Fn() -> *mut rd_kafka_error_t) {
    loop {
        let error = call();
        if error.is_null() {
            return;
        }
        unsafe {
            let text = CStr::from_ptr(rd_kafka_error_string(error)).to_string_lossy().into_owned();
            assert!(rd_kafka_error_is_retriable(error) != 0, "{what}: {text}");
            rd_kafka_error_destroy(error);
        }
    }
}

/// A filled transaction on its way to the committing thread.
struct Filled {
    producer: *mut rd_kafka_t,
    offsets: *mut rd_kafka_topic_partition_list_t,
}

// SAFETY: see `run`.
unsafe impl Send for Filled {}

/// What the committing thread tells.
enum Told {
    /// Every record is in the log: the next transaction may be written.
    Flushed,
    /// It is visible.
    Committed,
}

unsafe fn commit_each(filled: &Receiver<Filled>, tell: &Sender<Told>, wake: c_int, group: &CStr) {
    unsafe {
        let group = rd_kafka_consumer_group_metadata_new(group.as_ptr());
        while let Ok(Filled { producer, offsets }) = filled.recv() {
            while rd_kafka_flush(producer, 100) != NO_ERROR {}
            let _ = tell.send(Told::Flushed);
            raise(wake);
            through("offsets", || rd_kafka_send_offsets_to_transaction(producer, offsets, group, CALL_MS));
            through("commit", || rd_kafka_commit_transaction(producer, CALL_MS));
            rd_kafka_topic_partition_list_destroy(offsets);
            let _ = tell.send(Told::Committed);
            raise(wake);
        }
    }
}

unsafe fn raise(wake: c_int) {
    let one = 1_u64;
    unsafe { libc::write(wake, (&raw const one).cast::<c_void>(), 8) };
}

struct Floor {
    queue: *mut rd_kafka_queue_t,
    inputs: [*mut rd_kafka_topic_t; 2],
    names: [CString; 2],
    producers: Vec<(*mut rd_kafka_t, *mut rd_kafka_topic_t)>,
    turn: usize,
    out: Vec<Vec<rd_kafka_message_t>>,
    wake: OwnedFd,
    filled: Sender<Filled>,
    told: Receiver<Told>,
    flushing: bool,
    committing: bool,
    open_since: Option<Instant>,
    records: usize,
    next: BTreeMap<(usize, i32), i64>,
    cadence: Cadence,
    writes: Writes,
}

impl Floor {
    unsafe fn start(settings: &Settings) -> Floor {
        unsafe {
            let wake = OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_NONBLOCK));
            let producers = (0..PRODUCERS).map(|number| producer(settings, number)).collect();
            let names = [c(&settings.inbound), c(&settings.intents)];
            let consumer = consumer(settings);
            let queue = rd_kafka_queue_new(consumer);
            let list = rd_kafka_topic_partition_list_new(16);
            for name in &names {
                for partition in 0..settings.partitions {
                    let source = rd_kafka_queue_get_partition(consumer, name.as_ptr(), partition);
                    rd_kafka_queue_forward(source, queue);
                    rd_kafka_queue_destroy(source);
                    let start = i64::from(RD_KAFKA_OFFSET_BEGINNING);
                    (*rd_kafka_topic_partition_list_add(list, name.as_ptr(), partition)).offset = start;
                }
            }
            assert!(rd_kafka_assign(consumer, list) == NO_ERROR);
            static ONE: u64 = 1;
            rd_kafka_queue_io_event_enable(queue, wake.as_raw_fd(), (&raw const ONE).cast::<c_void>(), 8);
            let inputs = [0, 1].map(|topic: usize| rd_kafka_topic_new(consumer, names[topic].as_ptr(), null_mut()));
            let (filled, work) = channel();
            let (tell, told) = channel();
            let (group, fd) = (c(&settings.group), wake.as_raw_fd());
            thread::spawn(move || commit_each(&work, &tell, fd, &group));
            Floor {
                queue,
                inputs,
                names,
                producers,
                turn: 0,
                out: (0..settings.partitions).map(|_| Vec::new()).collect(),
                wake,
                filled,
                told,
                flushing: false,
                committing: false,
                open_since: None,
                records: 0,
                next: BTreeMap::new(),
                cadence: settings.cadence,
                writes: settings.writes,
            }
        }
    }

    unsafe fn run(mut self) -> ! {
        let mut batch = vec![null_mut::<rd_kafka_message_t>(); BATCH];
        loop {
            let mut count = 0_u64;
            unsafe { libc::read(self.wake.as_raw_fd(), (&raw mut count).cast::<c_void>(), 8) };
            while let Ok(told) = self.told.try_recv() {
                self.hear(told);
            }
            let room = BATCH.min(self.most_records().saturating_sub(self.records));
            let taken = unsafe { rd_kafka_consume_batch_queue(self.queue, 0, batch.as_mut_ptr(), room) };
            let taken = usize::try_from(taken).unwrap_or(0);
            if taken > 0 {
                unsafe { self.pass(&batch[..taken]) };
            }
            if self.is_due(taken < room) {
                unsafe { self.hand_over() };
            } else if taken == 0 {
                self.wait();
            }
        }
    }

    fn most_records(&self) -> usize {
        match self.cadence {
            Cadence::Fixed { records, .. } | Cadence::Growing { records, .. } => records,
        }
    }

    fn interval(&self) -> Duration {
        match self.cadence {
            Cadence::Fixed { interval, .. } | Cadence::Growing { interval, .. } => interval,
        }
    }

    fn is_due(&self, nothing_left: bool) -> bool {
        let Some(since) = self.open_since else { return false };
        let is_full = self.records >= self.most_records();
        let is_old = since.elapsed() >= self.interval();
        match self.cadence {
            Cadence::Fixed { .. } => is_full || is_old,
            Cadence::Growing { .. } => is_full || (is_old && nothing_left && !self.committing),
        }
    }

    fn wait(&self) {
        let left = match self.open_since {
            Some(since) if !self.committing => self.interval().saturating_sub(since.elapsed()),
            _ => Duration::from_millis(50),
        };
        let mut poll = libc::pollfd { fd: self.wake.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let wait = left.as_micros().div_ceil(1_000) as c_int;
        // SAFETY: one valid entry.
        unsafe { libc::poll(&raw mut poll, 1, wait) };
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Flushed => self.flushing = false,
            Told::Committed => self.committing = false,
        }
    }

    fn hear_until(&mut self, done: impl Fn(&Floor) -> bool) {
        while !done(self) {
            let told = self.told.recv().unwrap();
            self.hear(told);
        }
    }

    unsafe fn pass(&mut self, batch: &[*mut rd_kafka_message_t]) {
        let (producer, output) = self.producers[self.turn];
        unsafe {
            if self.open_since.is_none() {
                through("begin", || rd_kafka_begin_transaction(producer));
                self.open_since = Some(Instant::now());
            }
            for message in batch.iter().map(|message| &**message) {
                assert!(message.err == NO_ERROR, "{}", CStr::from_ptr(rd_kafka_err2str(message.err)).to_string_lossy());
                let topic = usize::from(message.rkt != self.inputs[0]);
                self.next.insert((topic, message.partition), message.offset + 1);
                if topic == 1 {
                    let copy = rd_kafka_message_t { _private: null_mut(), ..*message };
                    self.out[message.partition as usize].push(copy);
                }
            }
            // The order within a partition holds across producers.
            self.hear_until(|floor| !floor.flushing);
            for (partition, out) in self.out.iter_mut().enumerate().filter(|(_, out)| !out.is_empty()) {
                match self.writes {
                    Writes::Intents => produce(output, partition as i32, out),
                    Writes::Verdicts => out.iter().for_each(|intent| verdict::produce(producer, output, intent)),
                }
                out.clear();
            }
            batch.iter().for_each(|message| rd_kafka_message_destroy(*message));
        }
        self.records += batch.len();
    }

    unsafe fn hand_over(&mut self) {
        self.hear_until(|floor| !floor.committing);
        unsafe {
            let offsets = rd_kafka_topic_partition_list_new(16);
            for ((topic, partition), next) in std::mem::take(&mut self.next) {
                (*rd_kafka_topic_partition_list_add(offsets, self.names[topic].as_ptr(), partition)).offset = next;
            }
            self.filled.send(Filled { producer: self.producers[self.turn].0, offsets }).unwrap();
        }
        (self.flushing, self.committing) = (true, true);
        (self.open_since, self.records) = (None, 0);
        self.turn = (self.turn + 1) % self.producers.len();
    }
}

unsafe fn produce(output: *mut rd_kafka_topic_t, partition: i32, out: &mut [rd_kafka_message_t]) {
    let (count, flags) = (out.len() as c_int, RD_KAFKA_MSG_F_COPY as c_int);
    let sent = unsafe { rd_kafka_produce_batch(output, partition, flags, out.as_mut_ptr(), count) };
    assert!(sent == count, "{sent} of {count} records were taken");
}

unsafe fn consumer(settings: &Settings) -> *mut rd_kafka_t {
    let pairs = [
        ("bootstrap.servers", settings.brokers.as_str()),
        ("group.id", &settings.group),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("isolation.level", "read_committed"),
        ("check.crcs", "false"),
        ("fetch.wait.max.ms", "50"),
        ("fetch.min.bytes", "1"),
        ("fetch.queue.backoff.ms", "1"),
        ("retry.backoff.ms", "1"),
        ("queued.min.messages", "20000"),
    ];
    unsafe { client(rd_kafka_type_t::RD_KAFKA_CONSUMER, RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR, &pairs) }
}

unsafe fn producer(settings: &Settings, number: usize) -> (*mut rd_kafka_t, *mut rd_kafka_topic_t) {
    let id = format!("{}-{number}", settings.group);
    let pairs = [
        ("bootstrap.servers", settings.brokers.as_str()),
        ("transactional.id", &id),
        ("transaction.timeout.ms", "15000"),
        ("delivery.report.only.error", "true"),
        ("compression.type", "lz4"),
        ("linger.ms", "1"),
        ("retry.backoff.ms", "1"),
        ("queue.buffering.max.messages", "1000000"),
    ];
    unsafe {
        // Delivery reports as events: a flush then waits for a condition, not in polls of 10 ms.
        let producer = client(rd_kafka_type_t::RD_KAFKA_PRODUCER, RD_KAFKA_EVENT_DR, &pairs);
        let topic = rd_kafka_topic_new(producer, c(&settings.output).as_ptr(), null_mut());
        let mut metadata: *const rd_kafka_metadata = null();
        assert!(rd_kafka_metadata(producer, 0, topic, &raw mut metadata, CALL_MS) == NO_ERROR);
        rd_kafka_metadata_destroy(metadata);
        through("init", || rd_kafka_init_transactions(producer, 30_000));
        (producer, topic)
    }
}
