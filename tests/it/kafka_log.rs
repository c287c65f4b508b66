//! The log port on a real Kafka.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test fails by panicking, in its helpers too.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset as ListOffset, TopicPartitionList};
use sessiongate::core::ids::{Offset, Partition};
use sessiongate::core::record::{Stream, StreamPartition};
use sessiongate::core::time::Timestamp;
use sessiongate::io::kafka::admin::{self, Creation, TopicSpec};
use sessiongate::io::kafka::mock::MockCluster;
use sessiongate::io::kafka::{Guarantee, HistorySource, KafkaLog, KafkaSettings, Topics};
use sessiongate::ports::{
    Assignment, CursorStart, Fetched, Location, Log, LogError, OutputRecord, PollRequest, Polled, Progress, Settled,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const ALL: PollRequest = PollRequest { wait: Duration::from_millis(200), max_inbound: 10_000, max_intents: 10_000 };
const NOTHING: PollRequest = PollRequest { max_inbound: 0, max_intents: 0, ..ALL };

fn inbound(partition: i32) -> StreamPartition {
    StreamPartition::inbound(Partition(partition))
}

fn intent(partition: i32) -> StreamPartition {
    StreamPartition::intent(Partition(partition))
}

/// The topics of one test, and clients for them.
struct World {
    settings: KafkaSettings,
    output: Arc<str>,
}

impl World {
    fn brokers() -> String {
        std::env::var("SESSIONGATE_TEST_BROKERS")
            .expect("SESSIONGATE_TEST_BROKERS must name a Kafka: scripts/services.sh run -- cargo test")
    }

    /// Topics that are named after the test and the moment.
    fn new(test: &str, partitions: i32) -> World {
        let world = World::without_topics(test);
        let Topics { inbound, intent } = &world.settings.topics;
        let specs: Vec<TopicSpec> = [inbound.as_str(), intent.as_str(), &*world.output]
            .iter()
            .map(|name| TopicSpec {
                name: (*name).to_owned(),
                partitions,
                replication: 1,
                configs: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
            })
            .collect();
        for (name, creation) in admin::create_topics(&world.settings, &specs).unwrap() {
            assert_eq!(creation, Creation::Created, "{name}");
        }
        world
    }

    fn without_topics(test: &str) -> World {
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
        let name = format!("{test}-{nanos}");
        let topics = Topics { inbound: format!("{name}-inbound"), intent: format!("{name}-intent") };
        let mut settings = KafkaSettings::new(&World::brokers(), &name, &name, topics);
        settings.session_timeout = Duration::from_secs(6);
        World { settings, output: Arc::from(format!("{name}-output")) }
    }

    /// On brokers inside this process, which end with the second value.
    fn embedded(test: &str) -> (World, MockCluster) {
        let mut world = World::without_topics(test);
        let topics = [world.topic(Stream::Inbound), world.topic(Stream::Intent), &*world.output];
        let mock = MockCluster::start(&topics, 2).unwrap();
        world.settings.brokers = mock.bootstrap_servers();
        world.settings.history = HistorySource::FromStart;
        world.settings.fetch_wait = Duration::from_millis(5);
        (world, mock)
    }

    fn start(&self) -> KafkaLog {
        KafkaLog::start(&self.settings).unwrap()
    }

    /// A log with all partitions, read from the first offset with epoch 1.
    fn assigned(&self) -> KafkaLog {
        let mut log = self.start();
        let partitions = await_assignment(&mut log);
        let location = locate(&mut log, &partitions, Timestamp::MIN);
        let starts: Vec<CursorStart> = location
            .partitions
            .iter()
            .map(|located| CursorStart { partition: located.partition, offset: located.low, epoch: 1 })
            .collect();
        log.assign(&starts).unwrap();
        log
    }

    fn topic(&self, stream: Stream) -> &str {
        match stream {
            Stream::Inbound => &self.settings.topics.inbound,
            Stream::Intent => &self.settings.topics.intent,
        }
    }

    fn producer(&self, transactional_id: Option<&str>) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.settings.brokers).set("linger.ms", "0");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id);
        }
        let producer: BaseProducer = config.create().unwrap();
        if transactional_id.is_some() {
            producer.init_transactions(PATIENCE).unwrap();
        }
        producer
    }

    fn send(&self, producer: &BaseProducer, place: StreamPartition, values: &[&str]) {
        let topic = self.topic(place.stream);
        for value in values {
            let record = BaseRecord::<str, str>::to(topic).partition(place.partition.0).payload(value).key("key");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    fn write(&self, place: StreamPartition, values: &[&str]) {
        self.send(&self.producer(None), place, values);
    }

    fn output(&self, value: &str) -> OutputRecord {
        let timestamp = Some(Timestamp::from_millis(1_700_000_000_000));
        let mut output = OutputRecord::new(self.output.clone(), Some(b"106:5511"), Some(value.as_bytes()), timestamp);
        output.push_header("ce_id", Some(b"x"));
        output.push_header("empty", None);
        output
    }

    /// The values in the output topic that a reader of committed records sees, in every partition up to its end.
    fn committed_outputs(&self) -> Vec<String> {
        self.read_outputs("read_committed")
    }

    fn read_outputs(&self, isolation: &str) -> Vec<String> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.settings.brokers)
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", isolation)
            .set("enable.partition.eof", "true")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(&self.output), PATIENCE).unwrap();
        let partitions = i32::try_from(metadata.topics()[0].partitions().len()).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset(&self.output, partition, ListOffset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let (mut values, mut ended) = (Vec::new(), BTreeSet::new());
        while ended.len() < usize::try_from(partitions).unwrap() {
            match consumer.poll(PATIENCE).expect("the reader must reach the end") {
                Ok(message) => values.push(String::from_utf8_lossy(message.payload().unwrap_or_default()).into_owned()),
                Err(rdkafka::error::KafkaError::PartitionEOF(partition)) => {
                    ended.insert(partition);
                }
                Err(error) => panic!("{error}"),
            }
        }
        values
    }
}

fn await_assignment(log: &mut KafkaLog) -> Vec<StreamPartition> {
    match poll_until(log, |polled| polled.assignment.is_some()).assignment {
        Some(Assignment::Assigned(partitions)) => partitions,
        other => panic!("expected an assignment, got {other:?}"),
    }
}

fn locate(log: &mut KafkaLog, partitions: &[StreamPartition], since: Timestamp) -> Location {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match log.locate(partitions, since) {
            Ok(location) => return location,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    }
}

/// Polls until the collected answer is as wanted.
fn poll_until(log: &mut KafkaLog, done: impl Fn(&Polled) -> bool) -> Polled {
    let deadline = Instant::now() + PATIENCE;
    let mut all = Polled::default();
    loop {
        match log.poll(ALL) {
            Ok(polled) => {
                assert!(polled.records.is_sorted_by_key(|fetched| fetched.record.stream), "inbound before intents");
                all.assignment = polled.assignment.or(all.assignment);
                all.records.extend(polled.records);
                all.ends.extend(polled.ends);
                all.out_of_range.extend(polled.out_of_range);
                all.topology = polled.topology.or(all.topology);
            }
            Err(LogError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
        if done(&all) {
            return all;
        }
        assert!(Instant::now() < deadline, "still waiting after {PATIENCE:?}: {all:?}");
    }
}

fn values(records: &[Fetched]) -> Vec<String> {
    records
        .iter()
        .map(|fetched| String::from_utf8_lossy(fetched.record.value.as_deref().unwrap_or_default()).into_owned())
        .collect()
}

fn commit(log: &mut KafkaLog, offsets: &[(StreamPartition, i64)]) -> Settled {
    let offsets = offsets.iter().map(|(partition, offset)| (*partition, Offset(*offset).into())).collect();
    log.begin_commit(&offsets).unwrap();
    ended(log).unwrap()
}

/// How the commit that was begun has ended.
fn ended(log: &mut KafkaLog) -> Result<Settled, LogError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match log.poll(NOTHING) {
            Ok(Polled { settled: Some(settled), .. }) => return Ok(settled),
            Ok(_) | Err(LogError::Unavailable(_)) => {}
            Err(error) => return Err(error),
        }
        assert!(Instant::now() < deadline, "the commit has not ended after {PATIENCE:?}");
    }
}

#[test]
fn records_come_after_the_assignment_is_answered_inbound_before_intents() {
    let world = World::new("records", 2);
    world.write(intent(0), &["intent"]);
    world.write(inbound(0), &["first", "second"]);
    let mut log = world.start();
    let polled = poll_until(&mut log, |polled| polled.assignment.is_some() && polled.topology.is_some());
    let all = vec![inbound(0), inbound(1), intent(0), intent(1)];
    assert_eq!(polled.assignment, Some(Assignment::Assigned(all.clone())));
    assert!(polled.records.is_empty());
    let topology = polled.topology.unwrap();
    assert_eq!(topology.partitions, 2);
    assert_ne!(topology.topic_id.as_str(), "unknown");

    let location = locate(&mut log, &all, Timestamp::MIN);
    assert_eq!(location.topology, topology);
    assert!(!location.group_has_offsets);
    let bounds: Vec<_> = location.partitions.iter().map(|at| (at.low.0, at.high.0, at.history.0)).collect();
    assert_eq!(bounds, [(0, 2, 0), (0, 0, 0), (0, 1, 1), (0, 0, 0)]);
    assert!(location.partitions.iter().all(|at| at.committed.is_none() && at.truncated_at.is_none()));

    let start = |partition: &StreamPartition| CursorStart { partition: *partition, offset: Offset(0), epoch: 3 };
    log.assign(&all.iter().map(start).collect::<Vec<_>>()).unwrap();
    let polled = poll_until(&mut log, |polled| polled.records.len() == 3 && polled.ends.len() >= 4);
    assert!(polled.records.iter().all(|fetched| fetched.epoch == 3));
    let of_inbound: Vec<Fetched> =
        polled.records.iter().filter(|fetched| fetched.record.stream == Stream::Inbound).cloned().collect();
    assert_eq!(values(&of_inbound), ["first", "second"]);
    assert_eq!(of_inbound[1].record.offset, Offset(1));
    assert_eq!(of_inbound[1].record.key.as_deref(), Some(b"key".as_slice()));
    assert!(polled.ends.iter().any(|end| end.partition == inbound(0) && end.offset == Offset(2) && end.epoch == 3));
}

#[test]
fn outputs_and_offsets_become_visible_together() {
    let world = World::new("together", 1);
    world.write(intent(0), &["a", "b"]);
    let mut log = world.assigned();
    poll_until(&mut log, |polled| polled.records.len() == 2);
    log.produce(vec![world.output("one"), world.output("two")]).unwrap();
    assert!(world.committed_outputs().is_empty());
    assert_eq!(commit(&mut log, &[(intent(0), 2)]), Settled::Committed);
    assert_eq!(world.committed_outputs(), ["one", "two"]);
    let location = locate(&mut log, &[inbound(0), intent(0)], Timestamp::MIN);
    assert!(location.group_has_offsets);
    assert_eq!(location.partitions[0].committed, None);
    assert_eq!(location.partitions[1].committed, Some(Offset(2)));
}

#[test]
fn what_is_written_while_a_commit_is_under_way_belongs_to_the_next_and_comes_behind() {
    let world = World::new("behind", 1);
    let mut log = world.assigned();
    let name = |number: usize| format!("output-{number:02}");
    for number in 0..20 {
        log.produce(vec![world.output(&name(number))]).unwrap();
        if number > 0 {
            assert_eq!(ended(&mut log).unwrap(), Settled::Committed);
        }
        log.begin_commit(&BTreeMap::from([(intent(0), Offset(0).into())])).unwrap();
    }
    assert_eq!(ended(&mut log).unwrap(), Settled::Committed);
    log.produce(vec![world.output("never")]).unwrap();
    log.abort().unwrap();
    assert_eq!(world.committed_outputs(), (0..20).map(name).collect::<Vec<_>>());
}

#[test]
fn an_aborted_transaction_shows_nothing() {
    let world = World::new("aborted", 1);
    let mut log = world.assigned();
    log.produce(vec![world.output("never")]).unwrap();
    log.abort().unwrap();
    log.abort().unwrap();
    log.produce(vec![world.output("seen")]).unwrap();
    assert_eq!(commit(&mut log, &[]), Settled::Committed);
    assert_eq!(world.committed_outputs(), ["seen"]);
    let location = locate(&mut log, &[intent(0)], Timestamp::MIN);
    assert_eq!(location.partitions[0].committed, None);
}

#[test]
fn what_a_stopped_worker_left_open_is_gone_once_its_successor_begins() {
    let world = World::new("successor", 1);
    let mut first = world.assigned();
    first.produce(vec![world.output("hangs")]).unwrap();
    // Neither committed nor aborted, as after a crash.
    let mut second = KafkaLog::start(&KafkaSettings { group_id: "another".into(), ..world.settings.clone() }).unwrap();
    locate(&mut second, &[intent(0)], Timestamp::MIN);
    assert!(world.committed_outputs().is_empty());
    second.produce(vec![world.output("goes on")]).unwrap();
    assert_eq!(commit(&mut second, &[]), Settled::Committed);
    assert_eq!(world.committed_outputs(), ["goes on"]);
    let fenced = first.begin_commit(&BTreeMap::new()).and_then(|()| ended(&mut first));
    assert!(matches!(fenced, Err(LogError::Fatal(_))), "{fenced:?}");
}

#[test]
fn the_end_of_a_partition_lies_behind_a_trailing_transaction_marker() {
    let world = World::new("marker", 1);
    let producer = world.producer(Some(&format!("{}-writer", world.settings.group_id)));
    producer.begin_transaction().unwrap();
    world.send(&producer, inbound(0), &["committed"]);
    producer.commit_transaction(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    world.send(&producer, inbound(0), &["aborted"]);
    producer.abort_transaction(PATIENCE).unwrap();
    let mut log = world.assigned();
    // A record and a marker, twice.
    let end = Offset(4);
    let polled =
        poll_until(&mut log, |polled| polled.ends.iter().any(|at| at.partition == inbound(0) && at.offset == end));
    assert_eq!(values(&polled.records), ["committed"]);
    let location = locate(&mut log, &[inbound(0)], Timestamp::MIN);
    assert_eq!(location.partitions[0].high, end);
}

#[test]
fn ends_count_what_a_hung_transaction_holds_back() {
    let world = World::new("hung", 2);
    let producer = world.producer(Some(&format!("{}-writer", world.settings.group_id)));
    producer.begin_transaction().unwrap();
    world.send(&producer, inbound(1), &["open"]);
    world.write(inbound(1), &["behind it", "behind it"]);
    let mut log = world.assigned();
    poll_until(&mut log, |polled| polled.ends.iter().any(|at| at.partition == inbound(1) && at.offset == Offset(0)));
    log.request_ends(&[Partition(0), Partition(1)]).unwrap();
    let ends = log.take_ends().unwrap();
    assert_eq!(ends.0, BTreeMap::from([(Partition(0), Offset(0)), (Partition(1), Offset(3))]));
    producer.abort_transaction(PATIENCE).unwrap();
}

#[test]
fn a_seek_discards_what_was_fetched_before() {
    let world = World::new("seek", 1);
    let texts: Vec<String> = (0..500).map(|number| number.to_string()).collect();
    world.write(inbound(0), &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut log = world.assigned();
    let few = PollRequest { max_inbound: 3, ..ALL };
    let deadline = Instant::now() + PATIENCE;
    while log.poll(few).unwrap().records.is_empty() {
        assert!(Instant::now() < deadline);
    }
    // The rest is fetched by now or on its way; none of it may come with the new epoch.
    for (epoch, from) in [(2, 490), (3, 100), (4, 0)] {
        log.seek(&[CursorStart { partition: inbound(0), offset: Offset(from), epoch }]).unwrap();
        let count = 500 - usize::try_from(from).unwrap();
        let at_end = |polled: &Polled| polled.ends.iter().any(|end| end.partition == inbound(0));
        let polled = poll_until(&mut log, |polled| polled.records.len() >= count && at_end(polled));
        let offsets: Vec<i64> = polled.records.iter().map(|fetched| fetched.record.offset.0).collect();
        assert_eq!(offsets, (from..500).collect::<Vec<_>>());
        assert!(polled.records.iter().all(|fetched| fetched.epoch == epoch));
        let ends = polled.ends.iter().filter(|end| end.partition == inbound(0));
        assert!(ends.clone().all(|end| end.epoch == epoch && end.offset == Offset(500)));
    }
}

#[test]
fn a_paused_partition_goes_on_where_it_was() {
    let world = World::new("pause", 2);
    world.write(intent(0), &["0", "1", "2"]);
    let mut log = world.assigned();
    // To the very end: librdkafka itself would then go on one offset too far.
    poll_until(&mut log, |polled| polled.records.len() == 3 && polled.ends.len() >= 4);
    log.set_paused(&[intent(0)]).unwrap();
    world.write(intent(0), &["3", "4"]);
    world.write(intent(1), &["other"]);
    let polled = poll_until(&mut log, |polled| polled.ends.iter().any(|end| end.partition == intent(1)));
    assert_eq!(values(&polled.records), ["other"]);
    log.set_paused(&[intent(1)]).unwrap();
    let polled = poll_until(&mut log, |polled| polled.records.len() >= 2);
    assert_eq!(values(&polled.records), ["3", "4"]);
    log.set_paused(&[]).unwrap();
    world.write(intent(1), &["and on"]);
    let polled = poll_until(&mut log, |polled| !polled.records.is_empty());
    assert_eq!(values(&polled.records), ["and on"]);
}

#[test]
fn records_taken_in_small_polls_across_a_pause_are_neither_lost_nor_doubled() {
    let world = World::new("small", 1);
    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    world.write(intent(0), &texts.iter().map(String::as_str).collect::<Vec<_>>());
    let mut log = world.assigned();
    let deadline = Instant::now() + PATIENCE;
    let mut offsets = Vec::new();
    while offsets.len() < 100 {
        let polled = log.poll(PollRequest { max_intents: 7, ..ALL }).unwrap();
        offsets.extend(polled.records.iter().map(|fetched| fetched.record.offset.0));
        log.set_paused(&[intent(0)]).unwrap();
        log.set_paused(&[]).unwrap();
        assert!(Instant::now() < deadline, "{offsets:?}");
    }
    assert_eq!(offsets, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_cursor_out_of_range_is_reported_and_can_be_placed_anew() {
    let world = World::new("range", 1);
    world.write(inbound(0), &["a", "b"]);
    let mut log = world.assigned();
    poll_until(&mut log, |polled| polled.records.len() == 2);
    log.seek(&[CursorStart { partition: inbound(0), offset: Offset(50), epoch: 2 }]).unwrap();
    let polled = poll_until(&mut log, |polled| !polled.out_of_range.is_empty());
    assert_eq!((polled.out_of_range[0].partition, polled.out_of_range[0].epoch), (inbound(0), 2));
    log.seek(&[CursorStart { partition: inbound(0), offset: Offset(1), epoch: 3 }]).unwrap();
    let polled = poll_until(&mut log, |polled| !polled.records.is_empty());
    assert_eq!(values(&polled.records), ["b"]);
    assert_eq!(polled.records[0].epoch, 3);
}

#[test]
fn history_begins_at_the_asked_time_and_a_truncated_log_tells_how_far_it_reaches_back() {
    let world = World::new("history", 1);
    let producer = world.producer(None);
    for at in [1_000i64, 2_000, 3_000] {
        let record = BaseRecord::<str, str>::to(world.topic(Stream::Inbound)).partition(0).payload("x").timestamp(at);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
    }
    let mut log = world.assigned();
    let mut history = |since: i64| {
        let location = locate(&mut log, &[inbound(0)], Timestamp::from_millis(since));
        let at = location.partitions[0].clone();
        (at.low.0, at.history.0, at.truncated_at.map(Timestamp::as_millis))
    };
    assert_eq!(history(-5), (0, 0, None));
    assert_eq!(history(1_500), (0, 1, None));
    assert_eq!(history(9_000), (0, 3, None));

    let mut list = TopicPartitionList::new();
    list.add_partition_offset(world.topic(Stream::Inbound), 0, ListOffset::Offset(1)).unwrap();
    let admin: rdkafka::admin::AdminClient<_> =
        ClientConfig::new().set("bootstrap.servers", &world.settings.brokers).create().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(admin.delete_records(&list, &rdkafka::admin::AdminOptions::new())).unwrap();
    assert_eq!(history(0), (1, 1, Some(2_000)));
    assert_eq!(history(2_500), (1, 2, Some(3_000)));
}

#[test]
fn two_members_share_the_partitions_and_a_revocation_is_answered_by_a_release() {
    let world = World::new("members", 2);
    let second_settings = KafkaSettings { transactional_id: "second".into(), ..world.settings.clone() };
    let mut first = world.assigned();
    poll_until(&mut first, |polled| polled.ends.len() >= 4);
    let mut second = KafkaLog::start(&second_settings).unwrap();
    let deadline = Instant::now() + PATIENCE;
    let (mut of_first, mut of_second) = (None, None);
    while of_first.is_none() || of_second.is_none() {
        assert!(Instant::now() < deadline);
        match first.poll(PollRequest { wait: Duration::from_millis(20), ..ALL }).unwrap().assignment {
            Some(Assignment::Revoked) => {
                // Still ours until it is released: what is done can be committed.
                assert_eq!(commit(&mut first, &[(inbound(0), 0)]), Settled::Committed);
                first.release().unwrap();
            }
            Some(Assignment::Assigned(partitions)) => of_first = Some(partitions),
            Some(Assignment::Lost) => panic!("lost"),
            None => {}
        }
        let polled = second.poll(PollRequest { wait: Duration::from_millis(20), ..ALL }).unwrap();
        if let Some(Assignment::Assigned(partitions)) = polled.assignment {
            of_second = Some(partitions);
        }
    }
    let mut all = [of_first.unwrap(), of_second.unwrap()].concat();
    assert_eq!(all.len(), 4);
    all.sort_unstable();
    assert_eq!(all, [inbound(0), inbound(1), intent(0), intent(1)]);
}

#[test]
fn offsets_are_not_committed_by_who_is_no_member() {
    let mut world = World::new("member", 1);
    let good = world.settings.clone();
    // A consumer that never finds its brokers, beside producers that do.
    world.settings.consumer.insert("broker.address.family".into(), "v6".into());
    let mut log = world.start();
    log.produce(vec![world.output("early")]).unwrap();
    let refused = log.begin_commit(&BTreeMap::from([(intent(0), Offset(1).into())]));
    match refused {
        Err(LogError::Unavailable(text)) => assert!(text.contains("not a member"), "{text}"),
        other => panic!("{other:?}"),
    }
    // Nothing is lost by it: the transaction is still open, and goes through without offsets.
    assert_eq!(commit(&mut log, &[]), Settled::Committed);
    world.settings = good;
    assert_eq!(world.committed_outputs(), ["early"]);
}

#[test]
fn at_least_once_commits_offsets_after_the_outputs() {
    let mut world = World::new("least", 1);
    world.settings.guarantee = Guarantee::AtLeastOnce;
    world.write(intent(0), &["a"]);
    let mut log = world.assigned();
    poll_until(&mut log, |polled| polled.records.len() == 1);
    log.produce(vec![world.output("one")]).unwrap();
    assert_eq!(commit(&mut log, &[(intent(0), 1)]), Settled::Committed);
    assert_eq!(world.committed_outputs(), ["one"]);
    let location = locate(&mut log, &[intent(0)], Timestamp::MIN);
    assert_eq!(location.partitions[0].committed, Some(Offset(1)));
}

#[test]
fn a_missing_topic_is_named() {
    let world = World::without_topics("missing");
    let mut log = world.start();
    let deadline = Instant::now() + PATIENCE;
    let text = loop {
        match log.poll(ALL) {
            Err(LogError::Unavailable(text)) => break text,
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
    };
    assert!(text.contains(&world.settings.topics.inbound) || text.contains(&world.settings.topics.intent), "{text}");
    let states = admin::describe(&world.settings, &[&world.settings.topics.inbound]).unwrap();
    assert_eq!(states[0].partitions, None);
}

#[test]
fn brokers_that_are_away_are_unavailable_and_nothing_worse() {
    let mut world = World::without_topics("away");
    world.settings.brokers = "127.0.0.1:1".into();
    world.settings.call_timeout = Duration::from_millis(300);
    let mut log = world.start();
    let unavailable = |result: Result<(), LogError>| match result {
        Err(LogError::Unavailable(text)) => assert!(text.contains("127.0.0.1:1"), "{text}"),
        other => panic!("{other:?}"),
    };
    poll_until_error(&mut log);
    unavailable(log.locate(&[inbound(0)], Timestamp::MIN).map(drop));
    unavailable(log.produce(vec![world.output("x")]));
    unavailable(log.begin_commit(&BTreeMap::new()));
    unavailable(log.request_ends(&[Partition(0)]).and_then(|()| log.take_ends()).map(drop));
}

fn poll_until_error(log: &mut KafkaLog) {
    let deadline = Instant::now() + PATIENCE;
    while log.poll(ALL).is_ok() {
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn topics_are_described_as_they_are_set() {
    let world = World::new("described", 3);
    let state = &admin::describe(&world.settings, &[&world.output]).unwrap()[0];
    assert_eq!(state.partitions, Some(3));
    assert_eq!(state.configs.get("retention.ms").map(String::as_str), Some("-1"));
    assert_eq!(state.configs.get("cleanup.policy").map(String::as_str), Some("delete"));
    let spec =
        TopicSpec { name: world.output.to_string(), partitions: 3, replication: 1, configs: BTreeMap::default() };
    assert_eq!(admin::create_topics(&world.settings, &[spec]).unwrap()[0].1, Creation::Existed);
}

#[test]
fn an_offset_says_whose_it_is_and_how_young_the_records_below_were_and_an_open_transaction_ends_what_can_be_read() {
    for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
        let mut world = World::new(&format!("named-{guarantee:?}").to_lowercase(), 1);
        world.settings.guarantee = guarantee;
        world.write(inbound(0), &["a"]);
        let mut log = world.assigned();
        let newest = Some(Timestamp::from_millis(1_795_342_530_123));
        let read = Progress { next: Offset(1), newest };
        log.begin_commit(&BTreeMap::from([(inbound(0), read), (intent(0), Offset(0).into())])).unwrap();
        assert_eq!(ended(&mut log).unwrap(), Settled::Committed);
        let hangs = world.producer(Some(&format!("{}-hangs", world.output)));
        hangs.begin_transaction().unwrap();
        world.send(&hangs, inbound(0), &["b"]);

        let found = locate(&mut log, &[inbound(0), intent(0)], Timestamp::MIN);
        let [first, second] = &found.partitions[..] else { panic!("{found:?}") };
        assert_eq!((first.committed, second.committed), (Some(Offset(1)), Some(Offset(0))));
        assert_eq!((first.newest, second.newest), (newest, None));
        assert_eq!(first.committed_for.as_ref(), Some(&found.topology.topic_id));
        assert_eq!(second.committed_for.as_ref(), Some(&found.intents_id));
        assert_ne!(found.topology.topic_id, found.intents_id);
        assert_eq!((first.stable, first.high), (Offset(1), Offset(2)));
        hangs.abort_transaction(PATIENCE).unwrap();
    }
}

#[test]
fn the_embedded_brokers_carry_a_demonstration() {
    let (world, _mock) = World::embedded("demo");
    world.write(inbound(0), &["a"]);
    world.write(intent(1), &["b"]);
    let mut log = world.assigned();
    let polled = poll_until(&mut log, |polled| polled.records.len() == 2);
    assert_eq!(values(&polled.records).len(), 2);
    log.request_ends(&[Partition(0), Partition(1)]).unwrap();
    assert_eq!(log.take_ends().unwrap().0, BTreeMap::from([(Partition(0), Offset(1)), (Partition(1), Offset(0))]));
    log.produce(vec![world.output("out")]).unwrap();
    assert_eq!(commit(&mut log, &[(intent(1), 1)]), Settled::Committed);
    assert_eq!(world.committed_outputs(), ["out"]);
}

#[test]
fn the_end_of_a_commit_outlives_a_poll_that_fails() {
    let (mut world, mock) = World::embedded("outlives");
    world.settings.call_timeout = Duration::from_millis(500);
    let mut log = world.assigned();
    log.produce(vec![world.output("out")]).unwrap();
    log.begin_commit(&BTreeMap::from([(intent(1), Offset(0).into())])).unwrap();
    drop(mock);
    // Nobody polls for longer than a commit takes, which makes five calls at most, whatever becomes of it. Then two things
    // wait to be told: how it ended, and that all brokers are gone.
    let waited = Instant::now();
    while waited.elapsed() < world.settings.call_timeout * 6 {
        let _ = log.request_ends(&[Partition(0)]).and_then(|()| log.take_ends());
    }
    let (mut has_ended, mut has_failed, deadline) = (false, false, Instant::now() + PATIENCE);
    while !has_ended || !has_failed {
        assert!(Instant::now() < deadline, "ended: {has_ended}, failed: {has_failed}");
        match log.poll(NOTHING) {
            Ok(polled) => has_ended |= polled.settled.is_some(),
            Err(LogError::Unavailable(_)) => has_failed = true,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Partitions are assigned, and nothing is taken up when the membership ends.
fn expelled_while_it_is_asked(test: &str, has_gone_on: bool) {
    let (world, mock) = World::embedded(test);
    let mut log = world.start();
    let next_change = |log: &mut KafkaLog| poll_until(log, |polled| polled.assignment.is_some()).assignment.unwrap();
    assert!(matches!(next_change(&mut log), Assignment::Assigned(_)));
    mock.expel_one(has_gone_on);
    assert_eq!(next_change(&mut log), Assignment::Lost, "nobody waits any more for what it takes up");
    log.release().unwrap();
    // The client may hear of it in its own way, too.
    while !matches!(next_change(&mut log), Assignment::Assigned(_)) {
        log.release().unwrap();
    }
}

#[test]
fn a_member_that_is_expelled_before_it_has_taken_its_partitions_up_joins_again() {
    expelled_while_it_is_asked("expelled", false);
}

#[test]
fn a_member_whose_group_goes_on_before_it_has_taken_its_partitions_up_joins_again() {
    expelled_while_it_is_asked("left-behind", true);
}
