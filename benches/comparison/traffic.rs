//! What customers and services write, and what must come of it.
//!
//! Of ten customers seven wrote within the last hours, one wrote more than a day ago, and two never did.

use rdkafka::config::ClientConfig;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sessiongate::core::ids::{BusinessId, Channel, CustomerId, WindowKey};
use sessiongate::core::time::Timestamp;
use sessiongate::wire::time;
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const BUSINESS: &str = "106540352242922";
pub const HOUR_MS: i64 = 3_600_000;
/// A text of the length that people write.
const BODY: &str = "Hello, could you tell me when my order will arrive? I have been waiting since Monday, thank you.";

/// A customer by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Customer(pub u64);

impl Customer {
    pub fn has_open_window(self) -> bool {
        self.0 % 10 < 7
    }

    /// Those who have ever written.
    pub fn writes(self) -> bool {
        self.0 % 10 < 8
    }

    /// The window that he has with us.
    pub fn window_key(self) -> WindowKey {
        let customer = CustomerId::new(format!("5511{:09}", self.0));
        WindowKey::new(&Channel::new("whatsapp"), &BusinessId::new(BUSINESS), &customer)
    }

    fn occurred_at_ms(self, now_ms: i64, noise: u64) -> i64 {
        let hours = if self.has_open_window() { noise as i64 % (10 * HOUR_MS) } else { 26 * HOUR_MS };
        now_ms - hours
    }
}

/// The number of a customer in a key, if it is one of ours.
pub fn customer_of_key(key: &[u8]) -> Option<Customer> {
    let text = std::str::from_utf8(key).ok()?.strip_prefix(BUSINESS)?.strip_prefix(":5511")?;
    text.parse().ok().map(Customer)
}

/// The number of an intent in the value of an output: the worker writes its id first, and so do we.
pub fn intent_of_value(value: &[u8]) -> Option<u64> {
    let digits = value.strip_prefix(b"{\"intent_id\":\"i-")?.get(..10)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A well-mixed number for each number.
pub fn mixed(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Writes both inputs.
pub struct Writer {
    producer: BaseProducer,
    inbound: String,
    intents: String,
    body: String,
    key: String,
    value: String,
}

impl Writer {
    pub fn new(brokers: &str, inbound: &str, intents: &str, linger_ms: u32) -> Writer {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("partitioner", "murmur2_random")
            .set("compression.type", "lz4")
            .set("linger.ms", linger_ms.to_string())
            .set("delivery.report.only.error", "true")
            .set("queue.buffering.max.messages", "200000")
            .create()
            .unwrap();
        Writer {
            producer,
            inbound: inbound.to_owned(),
            intents: intents.to_owned(),
            body: BODY.to_owned(),
            key: String::new(),
            value: String::new(),
        }
    }

    /// The texts have about so many bytes from now on.
    pub fn set_body_bytes(&mut self, bytes: usize) {
        self.body = BODY.repeat(bytes.div_ceil(BODY.len()));
        self.body.truncate(bytes);
    }

    /// The customer writes.
    pub fn say(&mut self, number: u64, customer: Customer, now_ms: i64) {
        let occurred_at = time::format(Timestamp::from_millis(customer.occurred_at_ms(now_ms, mixed(number ^ 0x5a5a))));
        self.key.clear();
        self.value.clear();
        write!(self.key, "{BUSINESS}:5511{:09}", customer.0).unwrap();
        write!(
            self.value,
            r#"{{"message_id":"wamid.{number:020}","business_id":"{BUSINESS}","customer_id":"5511{:09}","type":"text","occurred_at":"{occurred_at}","text":{{"body":"{}"}}}}"#,
            customer.0, self.body
        )
        .unwrap();
        send(&self.producer, &self.inbound, &self.key, &self.value);
    }

    /// A service wants to write to the customer.
    pub fn ask(&mut self, number: u64, customer: Customer) {
        self.key.clear();
        self.value.clear();
        write!(self.key, "{BUSINESS}:5511{:09}", customer.0).unwrap();
        write!(
            self.value,
            r#"{{"intent_id":"i-{number:010}","business_id":"{BUSINESS}","customer_id":"5511{:09}","message":{{"type":"text","text":{{"body":"{}"}}}},"template":{{"name":"order_update","language":"en_US"}}}}"#,
            customer.0, self.body
        )
        .unwrap();
        send(&self.producer, &self.intents, &self.key, &self.value);
    }

    pub fn flush(&self) {
        self.producer.flush(Duration::from_secs(60)).unwrap();
    }

    pub fn serve(&self) {
        self.producer.poll(Duration::ZERO);
    }
}

fn send(producer: &BaseProducer, topic: &str, key: &str, value: &str) {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    while let Err((error, back)) = producer.send(record) {
        assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{error}");
        record = back;
        producer.poll(Duration::from_millis(5));
    }
}
