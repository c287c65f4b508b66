//! librdkafka properties that an operator may not set, because the promise of the worker hangs on them.

/// A property's name, and why it is not for the operator to set.
pub type Reserved = (&'static str, &'static str);

const NO_OIDC: &str = "this build fetches no tokens: sasl.oauthbearer.config = token_file=PATH names a file with one";
const NO_UNSECURED: &str =
    "an unsigned token proves nothing: sasl.oauthbearer.config = token_file=PATH names a real one";

/// Refused for consumers.
pub const RESERVED_CONSUMER: &[Reserved] = &[
    ("bootstrap.servers", "it is kafka.brokers"),
    ("metadata.broker.list", "it is kafka.brokers"),
    ("group.id", "it is kafka.group_id"),
    ("group.instance.id", "it follows from worker.instance, a different one for each shard"),
    ("group.protocol", "commits are fenced by the classic protocol's generations"),
    ("group.remote.assignor", "it belongs to a group protocol that is not used"),
    ("partition.assignment.strategy", "partitions of both inputs are assigned together by range"),
    ("isolation.level", "records of aborted transactions must not be read"),
    ("enable.auto.commit", "offsets are committed in the transaction of the outputs"),
    ("enable.auto.offset.store", "the worker keeps its own offsets"),
    ("auto.offset.reset", "the worker decides where to start: a silent reset loses or repeats messages"),
    ("enable.partition.eof", "the end of a partition is part of the proof that a window is closed"),
    ("auto.commit.enable", "offsets are committed with the outputs they stand for, never by a timer"),
    ("log.queue", "logs are taken from it"),
    ("test.mock.num.brokers", "it replaces the brokers by ones inside this process"),
    ("topic.blacklist", "both topics are read in full"),
    ("sasl.oauthbearer.method", NO_OIDC),
    ("enable.sasl.oauthbearer.unsecure.jwt", NO_UNSECURED),
];

/// Refused for producers.
pub const RESERVED_PRODUCER: &[Reserved] = &[
    ("bootstrap.servers", "it is kafka.brokers"),
    ("metadata.broker.list", "it is kafka.brokers"),
    ("transactional.id", "it follows from kafka.transactional_id, a different one for each producer"),
    ("enable.idempotence", "without it a retry writes a verdict twice"),
    ("acks", "a verdict counts as written once all in-sync replicas have it"),
    ("request.required.acks", "a verdict counts as written once all in-sync replicas have it"),
    ("max.in.flight.requests.per.connection", "order within a partition depends on it"),
    ("max.in.flight", "order within a partition depends on it"),
    ("partitioner", "outputs are partitioned as the inputs are, by murmur2 of the key"),
    ("delivery.report.only.error", "only failures are reported, which the worker relies on"),
    ("enable.gapless.guarantee", "a failed output ends its transaction"),
    ("log.queue", "logs are taken from it"),
    ("partitioner_cb", "a customer's outputs lie where their key says, for every client alike"),
    ("queuing.strategy", "outputs of a partition keep their order"),
    ("test.mock.num.brokers", "it replaces the brokers by ones inside this process"),
    ("message.max.bytes", "what the output topics take decides"),
    ("sasl.oauthbearer.method", NO_OIDC),
    ("enable.sasl.oauthbearer.unsecure.jwt", NO_UNSECURED),
];

/// Why that property is reserved, if it is.
pub fn reserved_reason(reserved: &'static [Reserved], property: &str) -> Option<&'static str> {
    reserved.iter().find(|(name, _)| *name == property).map(|(_, why)| *why)
}
