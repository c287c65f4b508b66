//! The thread of a process that reads what providers report: refusals become advice, and every other part goes to the
//! topic where it belongs. What a record led to is done and acknowledged before its offset is committed.

use super::{StoreMaker, slept};
use crate::core::emission::Emission;
use crate::core::policy::Policy;
use crate::core::record::{ReasonCode, Record};
use crate::core::routing::{ReportTopic, ReportTopics, Routed, route};
use crate::io::clock::SystemClock;
use crate::io::kafka::{KafkaSettings, SharedReader};
use crate::ports::{AdviceWrite, Clock as _, LogError, OutputRecord, StoreError, WindowStore};
use crate::shard::aside::FeedbackTally;
use crate::shard::codec::Codec;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// A batch holds at most so many records: a crash repeats at most these.
const BATCH_RECORDS: usize = 500;
const POLL_WAIT: Duration = Duration::from_millis(250);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const TELL_EVERY: Duration = Duration::from_secs(10);

/// A topic of reports, and how its records are read and what they lead to is written.
pub struct ReportSource {
    /// Its name.
    pub name: String,
    /// Which one it is.
    pub topic: ReportTopic,
    /// Bytes to domain and back.
    pub codec: Codec,
}

/// Everything that the thread is made of.
pub struct Feedback {
    /// Its Kafka clients.
    pub kafka: KafkaSettings,
    /// The topics that it reads.
    pub sources: Vec<ReportSource>,
    /// Which of them there are.
    pub topics: ReportTopics,
    /// How long windows last.
    pub policy: Policy,
}

/// Where records come from and go to, and where advice is kept.
pub trait Mail {
    /// Takes records, each with its topic.
    fn take(&mut self) -> Result<Vec<(String, Record)>, LogError>;
    /// Remembers advice.
    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError>;
    /// Writes records, and waits until each is acknowledged.
    fn deliver(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError>;
    /// Commits that these records are done.
    fn commit(&mut self, done: &[(String, Record)]) -> Result<(), LogError>;
}

struct Services {
    reader: SharedReader,
    store: Box<dyn WindowStore + Send>,
}

impl Mail for Services {
    fn take(&mut self) -> Result<Vec<(String, Record)>, LogError> {
        self.reader.take(BATCH_RECORDS, POLL_WAIT)
    }

    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        self.store.advise(writes)
    }

    fn deliver(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
        self.reader.deliver(outputs)
    }

    fn commit(&mut self, done: &[(String, Record)]) -> Result<(), LogError> {
        self.reader.commit(done)
    }
}

/// What a batch leads to.
#[derive(Default)]
struct Work<'a> {
    advice: Vec<AdviceWrite>,
    outputs: Vec<OutputRecord>,
    /// Of each record, its topic and why parts of it could not be used.
    records: Vec<(&'a str, Vec<ReasonCode>)>,
}

impl Feedback {
    /// Reads until the worker stops. A client that broke is replaced.
    pub fn run(&self, store: &StoreMaker, tally: &FeedbackTally, stop: &AtomicBool) -> Result<(), String> {
        let names: Vec<&str> = self.sources.iter().map(|source| source.name.as_str()).collect();
        let mut pauses = Pauses::default();
        while !stop.load(Ordering::Relaxed) {
            let reader = SharedReader::start(&self.kafka, "feedback", &names)
                .map_err(|error| format!("the Kafka clients of the feedback cannot be made: {error}"))?;
            let store = store().map_err(|error| format!("the store cannot be used: {error}"))?;
            let mut services = Services { reader, store };
            while !stop.load(Ordering::Relaxed) {
                if let Err(broken) = self.turn(&mut services, tally, &mut pauses, stop) {
                    pauses.wait(&broken.to_string(), tally, stop);
                    break;
                }
            }
        }
        Ok(())
    }

    /// One batch from beginning to end. Whatever gives no answer is tried again; an error says that the clients are of
    /// no more use.
    fn turn(
        &self,
        mail: &mut dyn Mail,
        tally: &FeedbackTally,
        pauses: &mut Pauses,
        stop: &AtomicBool,
    ) -> Result<(), LogError> {
        let Some(taken) = persistently(|| mail.take(), tally, pauses, stop)? else { return Ok(()) };
        if taken.is_empty() {
            return Ok(());
        }
        let Work { advice, outputs, records } = self.read(&taken, tally);
        let advised = persistently(|| mail.advise(&advice).map_err(of_store), tally, pauses, stop)?;
        let delivered = match advised {
            Some(()) => persistently(|| mail.deliver(&outputs), tally, pauses, stop)?,
            None => None,
        };
        if delivered.is_none() || persistently(|| mail.commit(&taken), tally, pauses, stop)?.is_none() {
            // Asked to stop: what is not committed is read again.
            return Ok(());
        }
        tally.refusals.fetch_add(advice.len() as u64, Ordering::Relaxed);
        tally.forwarded.fetch_add(outputs.len() as u64, Ordering::Relaxed);
        records.iter().for_each(|(topic, rejects)| tally.count_record(topic, rejects));
        Ok(())
    }

    fn read<'a>(&self, taken: &'a [(String, Record)], tally: &FeedbackTally) -> Work<'a> {
        let mut work = Work::default();
        let now = SystemClock::new().now().wall;
        for (name, record) in taken {
            let Some(source) = self.sources.iter().find(|source| source.name == *name) else { continue };
            let decoded = match source.topic {
                ReportTopic::DeliveryStatus => source.codec.decode_delivery_status(record),
                ReportTopic::TemplateStatus => source.codec.decode_template_status(record),
            };
            let Routed { advice: found, emissions, dropped } =
                route(decoded, record, source.topic, self.topics, &self.policy);
            tally.dropped.fetch_add(dropped as u64, Ordering::Relaxed);
            work.advice.extend(found.into_iter().map(|(key, advice, length)| AdviceWrite { key, advice, length }));
            work.outputs.extend(emissions.iter().map(|emission: &Emission| source.codec.encode(emission, now)));
            work.records.push((name, emissions.iter().filter_map(reject).collect()));
        }
        work
    }
}

/// Why something in a record could not be used, if this says so.
fn reject(emission: &Emission) -> Option<ReasonCode> {
    match emission {
        Emission::DeadLetter(letter) => Some(letter.reject.code),
        _ => None,
    }
}

fn of_store(error: StoreError) -> LogError {
    LogError::Unavailable(error.to_string())
}

/// Tries until it works; none when the worker was asked to stop meanwhile.
fn persistently<T>(
    mut attempt: impl FnMut() -> Result<T, LogError>,
    tally: &FeedbackTally,
    pauses: &mut Pauses,
    stop: &AtomicBool,
) -> Result<Option<T>, LogError> {
    loop {
        match attempt() {
            Ok(done) => {
                pauses.succeeded();
                return Ok(Some(done));
            }
            Err(fatal @ LogError::Fatal(_)) => return Err(fatal),
            Err(error) if !pauses.wait(&error.to_string(), tally, stop) => {
                error!("stopped before what was read could be passed on; it is read again: {error}");
                return Ok(None);
            }
            Err(_) => {}
        }
    }
}

/// Longer and longer pauses, told now and then.
#[derive(Default)]
struct Pauses {
    failures: u32,
    told_at: Option<Instant>,
}

impl Pauses {
    fn succeeded(&mut self) {
        if self.failures > 0 {
            info!(attempts = self.failures, "feedback goes on");
        }
        *self = Pauses::default();
    }

    /// False when the worker was asked to stop meanwhile.
    fn wait(&mut self, why: &str, tally: &FeedbackTally, stop: &AtomicBool) -> bool {
        tally.faults.fetch_add(1, Ordering::Relaxed);
        if self.told_at.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            self.told_at = Some(Instant::now());
            warn!("feedback waits, trying again: {why}");
        }
        let pause = SHORTEST_PAUSE * 2_u32.pow(self.failures.min(6));
        self.failures += 1;
        slept(pause.min(LONGEST_PAUSE), stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Channel, Offset, Partition};
    use crate::core::policy::ChannelPolicy;
    use crate::core::record::Stream;
    use crate::core::time::{Span, Timestamp};
    use crate::core::window::WindowRules;
    use crate::shard::aside::ReportTally;
    use crate::wire::output::{Encoder, Topics};

    const REFUSAL: &str =
        r#"{"business_id":"106","customer_id":"5511","error_code":131047,"occurred_at":"2026-11-23T07:07:55Z"}"#;

    fn feedback() -> Feedback {
        let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
        let policy = Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))]);
        let topics = Topics { template_status: None, ..Topics::default() };
        let encoder = Encoder::new(topics, "gate", "/sessiongate/gate", 1_000_000).with_origin("delivery");
        let codec = Codec::new(policy.clone(), encoder);
        let names = crate::io::kafka::Topics { inbound: "inbound".into(), intent: "intent".into() };
        Feedback {
            kafka: KafkaSettings::new("127.0.0.1:9", "gate", "gate", names),
            sources: vec![ReportSource { name: "delivery".into(), topic: ReportTopic::DeliveryStatus, codec }],
            topics: ReportTopics { delivery_status: true, template_status: false },
            policy,
        }
    }

    fn record(offset: i64, value: &str) -> (String, Record) {
        let record = Record {
            stream: Stream::Inbound,
            partition: Partition(0),
            offset: Offset(offset),
            timestamp: Timestamp::from_millis(-1),
            key: None,
            value: Some(bytes::Bytes::copy_from_slice(value.as_bytes())),
            headers: vec![],
        };
        ("delivery".to_owned(), record)
    }

    /// Says what it was asked to do; each call fails as often as is listed.
    struct Scripted {
        records: Vec<(String, Record)>,
        failures: Vec<&'static str>,
        asked: Vec<String>,
    }

    impl Scripted {
        fn call(&mut self, what: &'static str, told: String) -> Result<(), LogError> {
            self.asked.push(told);
            match self.failures.iter().position(|failing| *failing == what) {
                Some(index) => {
                    self.failures.remove(index);
                    Err(LogError::Unavailable("away".into()))
                }
                None => Ok(()),
            }
        }
    }

    impl Mail for Scripted {
        fn take(&mut self) -> Result<Vec<(String, Record)>, LogError> {
            self.call("take", "take".into())?;
            Ok(std::mem::take(&mut self.records))
        }

        fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
            let told = format!("advise {}", writes.len());
            self.call("advise", told).map_err(|error| StoreError::Unavailable(error.to_string()))
        }

        fn deliver(&mut self, outputs: &[OutputRecord]) -> Result<(), LogError> {
            let topics: Vec<&str> = outputs.iter().map(|output| output.topic.as_ref()).collect();
            self.call("deliver", format!("deliver {}", topics.join(" ")))
        }

        fn commit(&mut self, done: &[(String, Record)]) -> Result<(), LogError> {
            self.call("commit", format!("commit {}", done.len()))
        }
    }

    fn turn(failures: &[&'static str], stop: bool) -> (Vec<String>, FeedbackTally) {
        let records = vec![record(0, REFUSAL), record(1, "{")];
        let mut mail = Scripted { records, failures: failures.to_vec(), asked: vec![] };
        let tally = FeedbackTally::new(["delivery".to_owned()].into_iter());
        let mut pauses = Pauses::default();
        feedback().turn(&mut mail, &tally, &mut pauses, &AtomicBool::new(stop)).unwrap();
        (mail.asked, tally)
    }

    #[test]
    fn offsets_are_committed_after_everything_else_is_acknowledged() {
        let (asked, tally) = turn(&[], false);
        assert_eq!(asked, ["take", "advise 1", "deliver dead-letter", "commit 2"]);
        assert_eq!((tally.dead_letters_by(ReasonCode::NotJson), tally.dead_letters_by(ReasonCode::TooLarge)), (1, 0));
        let [ReportTally { decoded, rejected, .. }] = tally.topics.as_slice() else { panic!("{tally:?}") };
        assert_eq!((decoded.load(Ordering::Relaxed), rejected.load(Ordering::Relaxed)), (1, 1));
        assert_eq!((tally.refusals.into_inner(), tally.forwarded.into_inner()), (1, 1));
    }

    #[test]
    fn a_fault_is_waited_out_where_it_occurred() {
        let (asked, tally) = turn(&["advise", "deliver", "commit"], false);
        let expected =
            ["take", "advise 1", "advise 1", "deliver dead-letter", "deliver dead-letter", "commit 2", "commit 2"];
        assert_eq!(tally.dead_letters_by(ReasonCode::NotJson), 1);
        assert_eq!((asked, tally.faults.into_inner()), (expected.map(str::to_owned).to_vec(), 3));
    }

    #[test]
    fn a_stop_during_a_fault_leaves_the_offsets_where_they_are() {
        let (asked, tally) = turn(&["deliver"], true);
        assert_eq!(asked, ["take", "advise 1", "deliver dead-letter"]);
        assert_eq!(tally.dead_letters_by(ReasonCode::NotJson), 0);
        assert_eq!(tally.refusals.into_inner(), 0);
    }
}
