//! Records like those of the benchmark, and the code that they go through.

use bytes::Bytes;
use sessiongate::core::emission::Emission;
use sessiongate::core::frontier::{Ends, Frontier, Stored, Topology};
use sessiongate::core::ids::{Channel, Offset, Partition, Position, TopicId};
use sessiongate::core::policy::{ChannelPolicy, Policy};
use sessiongate::core::record::{Record, Stream, StreamPartition};
use sessiongate::core::time::{Now, Span, Timestamp};
use sessiongate::core::window::{Window, WindowRules};
use sessiongate::ports::{Assignment, Located, Location, MergeOutcome, Settled, Snapshot};
use sessiongate::shard::codec::Codec;
use sessiongate::shard::engine::Engine;
use sessiongate::shard::engine::rules::{Partitioning, Rules};
use sessiongate::shard::engine::step::{Batch, Found, InboundItem, Input, IntentItem, Reading, Step};
use sessiongate::wire::output::{Encoder, Topics};
use std::hint::black_box;
use std::sync::Arc;

/// What is measured.
pub const STEPS: [&str; 6] = [
    "decode inbound",
    "decode intent",
    "decide inbound",
    "decide intents",
    "encode session-send",
    "encode template-required",
];

const NOW_MS: i64 = 1_795_342_530_000;
const RECORDS: usize = 500;
const CUSTOMERS: usize = 400;

fn now() -> Now {
    Now { wall: Timestamp::from_millis(NOW_MS), mono_ms: 1_000 }
}

fn policy() -> Policy {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))])
}

fn codec() -> Codec {
    let topics = Topics {
        session_send: "session-send".into(),
        template_required: "template-required".into(),
        window_event: "window-event".into(),
        dead_letter: "dead-letter".into(),
        inbound_message: "inbound-message".into(),
        outbound_intent: "outbound-intent".into(),
        delivery_status: None,
        template_status: None,
    };
    Codec::new(policy(), Encoder::new(topics, "sessiongate", "/sessiongate/sessiongate", 1_000_000))
}

fn customer(number: usize) -> String {
    format!("5511{:09}", number % CUSTOMERS)
}

fn record(stream: Stream, offset: usize, value: String) -> Record {
    Record {
        stream,
        partition: Partition(0),
        offset: Offset(offset as i64),
        timestamp: Timestamp::from_millis(NOW_MS),
        key: Some(Bytes::from(format!("106540352242922:{}", customer(offset)))),
        value: Some(Bytes::from(value)),
        headers: vec![],
    }
}

fn inbound(offset: usize) -> Record {
    let value = format!(
        r#"{{"message_id":"wamid.{offset:020}","business_id":"106540352242922","customer_id":"{}","type":"text","occurred_at":"2026-11-22T10:15:30.123Z","text":{{"body":"Hello, could you tell me when my order will arrive? I have been waiting since Monday, thank you."}}}}"#,
        customer(offset)
    );
    record(Stream::Inbound, offset, value)
}

fn intent(offset: usize) -> Record {
    let value = format!(
        r#"{{"intent_id":"i-{offset:010}","business_id":"106540352242922","customer_id":"{}","message":{{"type":"text","text":{{"body":"Hello, could you tell me when my order will arrive? I have been waiting since Monday, thank you."}}}},"template":{{"name":"order_update","language":"en_US"}}}}"#,
        customer(offset)
    );
    record(Stream::Intent, offset, value)
}

/// One of the steps, over and over.
pub struct Work {
    step: &'static str,
    codec: Codec,
    records: Vec<Record>,
    emissions: Vec<Emission>,
    engine: Shard,
}

impl Work {
    pub fn new(step: &str) -> Work {
        let step = STEPS.into_iter().find(|known| *known == step).unwrap();
        let records = (0..RECORDS).map(|n| if step.ends_with("inbound") { inbound(n) } else { intent(n) });
        let mut work =
            Work { step, codec: codec(), records: records.collect(), emissions: vec![], engine: Shard::placed() };
        let wants_open = step.ends_with("session-send");
        if step.starts_with("encode") {
            work.engine.take_intents(&work.codec, 0);
            work.emissions = work.engine.decide(|_| wants_open);
            assert_eq!(work.emissions.len(), RECORDS);
        }
        work
    }

    /// How many records one run goes through.
    pub fn records(&self) -> usize {
        RECORDS
    }

    /// What comes before, and is not measured.
    pub fn prepare(&mut self) {
        match self.step {
            "decide inbound" => self.engine.prepare_inbound(&self.codec),
            "decide intents" => self.engine.prepare_intents(&self.codec),
            _ => {}
        }
    }

    /// What is measured.
    pub fn perform(&mut self) {
        match self.step {
            "decode inbound" => {
                self.records.iter().for_each(|r| drop(black_box(self.codec.decode_inbound(black_box(r)))))
            }
            "decode intent" => {
                self.records.iter().for_each(|r| drop(black_box(self.codec.decode_intent(black_box(r)))))
            }
            "decide inbound" | "decide intents" => drop(black_box(self.engine.decide_prepared())),
            _ => {
                let wall = now().wall;
                self.emissions.iter().for_each(|e| drop(black_box(self.codec.encode(black_box(e), wall))));
            }
        }
    }

    pub fn run(&mut self) {
        self.prepare();
        self.perform();
    }
}

const INBOUND: StreamPartition = StreamPartition { stream: Stream::Inbound, partition: Partition(0) };
const INTENTS: StreamPartition = StreamPartition { stream: Stream::Intent, partition: Partition(0) };

/// An engine with both partitions, whose every step is answered.
struct Shard {
    engine: Engine,
    next: usize,
    batch: Option<Batch>,
}

impl Shard {
    fn placed() -> Shard {
        let mut engine = Engine::new(Rules {
            policy: policy(),
            partitioning: Partitioning::Any,
            max_wait: Span::from_secs(10),
            commit_interval: Span::from_millis(10),
            longest_transaction: Span::from_millis(300),
            max_transaction_records: RECORDS,
            gathered_windows: RECORDS,
            gathered_at_first: RECORDS,
            windows_per_call: 2_000,
            gathers_for: Span::from_secs(5),
            dedup_records: 100_000,
            reapply_margin: Span::from_hours(1),
            emit_refreshed: false,
            delivery_status: false,
            template_status: false,
            accept_missing_offsets: false,
            history_is_kept: true,
            batch_records: RECORDS,
            seen_windows: 200_000,
            lane_bytes: 100_000_000,
        });
        let topology = Arc::new(Topology { topic_id: TopicId::new("topic"), partitions: 1 });
        let assignment = Some(Assignment::Assigned(vec![INBOUND, INTENTS]));
        let batch = Batch { assignment, topology: Some(topology.clone()), ..Batch::default() };
        engine.feed(Input::Polled(Box::new(batch)), now());
        assert!(matches!(engine.step(now()), Step::Locate(_)));
        let located = |partition| Located {
            partition,
            committed: Some(Offset(0)),
            committed_for: None,
            newest: None,
            low: Offset(0),
            high: Offset(0),
            stable: Offset(0),
            history: Offset(0),
            oldest: None,
            truncated_at: None,
        };
        let location = Location {
            topology,
            intents_id: TopicId::new("intents"),
            group_has_offsets: true,
            since: Timestamp::MIN,
            partitions: vec![located(INBOUND), located(INTENTS)],
        };
        let found = Found { location, frontiers: vec![Stored::Known(frontier(0))], others: vec![], clock: now().wall };
        engine.feed(Input::Located(Box::new(found)), now());
        let mut shard = Shard { engine, next: 0, batch: None };
        shard.decide(|_| false);
        shard
    }

    fn prepare_inbound(&mut self, codec: &Codec) {
        let records = (self.next..self.next + RECORDS).map(inbound);
        let items = records.map(|record| InboundItem::new(1, record.clone(), codec.decode_inbound(&record)));
        self.batch = Some(Batch { inbound: items.collect(), ..Batch::default() });
        self.next += RECORDS;
    }

    fn prepare_intents(&mut self, codec: &Codec) {
        let records = (self.next..self.next + RECORDS).map(intent);
        let items = records.map(|record| IntentItem { epoch: 1, decoded: codec.decode_intent(&record), record });
        self.batch = Some(Batch { intents: items.collect(), ..Batch::default() });
        self.next += RECORDS;
    }

    fn take_intents(&mut self, codec: &Codec, from: usize) {
        self.next = from;
        self.prepare_intents(codec);
        let batch = self.batch.take().unwrap();
        self.engine.feed(Input::Polled(Box::new(batch)), now());
    }

    /// Takes what was prepared, up to the merge of its windows. Seven windows of ten are open.
    fn decide_prepared(&mut self) -> Vec<Emission> {
        let batch = self.batch.take().unwrap();
        self.engine.feed(Input::Polled(Box::new(batch)), now());
        self.decide(|number| number % 10 < 7)
    }

    /// Answers every step until nothing is left to do; gives the outputs.
    fn decide(&mut self, is_open: impl Fn(usize) -> bool) -> Vec<Emission> {
        let mut emitted = Vec::new();
        loop {
            let input = match self.engine.step(now()) {
                Step::Read(plan) => {
                    let windows = plan.request.windows.iter().map(|key| {
                        let number: usize = key.as_str()[key.as_str().len() - 9..].parse().unwrap();
                        if is_open(number) { Stored::Known(window()) } else { Stored::Missing }
                    });
                    let snapshot = Snapshot {
                        windows: windows.collect(),
                        frontiers: vec![Stored::Known(frontier(i64::MAX))],
                        advice: vec![Stored::Missing; plan.request.advice.len()],
                        clock: now().wall,
                    };
                    let ends = Ends([(Partition(0), Offset(i64::MAX))].into());
                    Input::Read(Box::new(Reading { plan, others: Vec::new(), snapshot, ends, sent: now() }))
                }
                Step::Produce(emissions) => {
                    emitted.extend(emissions);
                    Input::Produced
                }
                Step::Commit(_) => {
                    self.engine.feed(Input::CommitBegun, now());
                    let settled = Some(Settled::Committed);
                    Input::Polled(Box::new(Batch { settled, ..Batch::default() }))
                }
                Step::Merge(calls) => Input::Merged(vec![MergeOutcome::Merged; calls.len()]),
                Step::StartFrontiers(starts) => Input::FrontiersStarted(vec![true; starts.len()]),
                Step::Assign(_) | Step::Seek(_) => Input::CursorsMoved,
                Step::SetPaused(_) => Input::PausesSet,
                _ => return emitted,
            };
            self.engine.feed(input, now());
        }
    }
}

fn window() -> Window {
    let position = Position { partition: Partition(0), offset: Offset(0) };
    Window::opened_by(Timestamp::from_millis(NOW_MS - 3_600_000), position)
}

/// At the start, or ahead of everything: what is measured is not the waiting for proof.
fn frontier(next: i64) -> Frontier {
    Frontier {
        next: Offset(next),
        topic_id: TopicId::new("topic"),
        reaches_back_to: Timestamp::MIN,
        reapply_to: Offset(0),
    }
}
