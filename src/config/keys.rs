//! The table of all configuration keys: name, type, range, default and purpose stand here and nowhere else.

use super::reserved::{RESERVED_CONSUMER, RESERVED_PRODUCER, Reserved};
use crate::core::time::Span;

/// In front of every environment variable of ours.
pub const ENVIRONMENT_PREFIX: &str = "SESSIONGATE_";

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct KeySpec {
    /// `section.key`, as in the file. `NAME` in it stands for a name that the operator chooses.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// What holds when it is not set.
    pub fallback: Fallback,
    /// Whether its value must never be shown. Such a key may also be given as a file, by its name with `_file` behind.
    pub secret: bool,
    /// What it does and why one would change it, for the reference page.
    pub doc: &'static str,
}

/// What holds when a key is not set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fallback {
    /// This text, as if it had been written.
    Given(&'static str),
    /// Something that depends on the machine or on another key, in words.
    Derived(&'static str),
    /// Nothing, and what that means. An empty value says the same.
    Absent(&'static str),
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A time with a unit: `10ms`, `24h`.
    Duration {
        /// The shortest.
        min: Span,
        /// The longest.
        max: Span,
    },
    /// A whole number.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// `true` or `false`.
    Switch,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// Printable text.
    Text,
    /// Letters, digits, dots, dashes and underscores.
    Name,
    /// A Kafka topic.
    Topic,
    /// What stands before every Redis key.
    KeyPrefix,
    /// What a client sends as a bearer token.
    Token,
    /// An IP address and a port.
    Address,
    /// A Redis URL.
    RedisUrl,
    /// What proves who a user is.
    Password,
    /// Where a file lies.
    Path,
    /// Kafka's: `host:port`, several with commas between.
    Brokers,
    /// Redis's: the same.
    Nodes,
    /// librdkafka properties, save those that are reserved.
    Properties(&'static [Reserved]),
    /// Where HTTP requests go.
    HttpUrl,
    /// HTTP headers.
    Headers,
    /// A share of a whole.
    Ratio,
    /// Kinds of events, each on or off.
    Kinds,
    /// Businesses with the accounts that they belong to.
    Accounts,
}

impl Kind {
    /// The type in a word or two.
    pub fn type_name(&self) -> &'static str {
        match self {
            Kind::Duration { .. } => "duration",
            Kind::Count { .. } => "whole number",
            Kind::Switch => "true or false",
            Kind::Choice(_) => "choice",
            Kind::Text | Kind::KeyPrefix | Kind::Token | Kind::Password => "text",
            Kind::Path => "path",
            Kind::Name => "name",
            Kind::Topic => "topic name",
            Kind::Address => "address",
            Kind::RedisUrl | Kind::HttpUrl => "URL",
            Kind::Headers => "list of headers",
            Kind::Ratio => "number",
            Kind::Brokers | Kind::Nodes => "list of addresses",
            Kind::Properties(_) => "table of properties",
            Kind::Kinds => "table of switches",
            Kind::Accounts => "table of ids",
        }
    }

    /// What a number counts, or what a duration is written in.
    pub fn unit(&self) -> Option<&'static str> {
        match self {
            Kind::Duration { .. } => Some("written with the value: ms, s, m, h, d"),
            Kind::Count { unit, .. } => Some(unit),
            _ => None,
        }
    }

    /// What is accepted, in words that also serve as the remedy of a wrong value.
    pub fn allowed(&self) -> String {
        match self {
            Kind::Duration { min, max } => {
                format!("a number with a unit, from {} to {}", span_text(*min), span_text(*max))
            }
            Kind::Count { min, max, .. } => format!("a whole number from {min} to {max}"),
            Kind::Switch => "true or false".to_owned(),
            Kind::Choice(words) => words.join(" or "),
            Kind::Text => "1 to 200 printable characters without spaces at the ends".to_owned(),
            Kind::Name => "1 to 100 letters, digits, dots, dashes or underscores".to_owned(),
            Kind::Topic => "1 to 249 letters, digits, dots, dashes or underscores".to_owned(),
            Kind::KeyPrefix => "up to 100 letters, digits or any of : . _ - / { }".to_owned(),
            Kind::Token => "visible ASCII characters without spaces".to_owned(),
            Kind::Address => "an IP address and a port, such as 127.0.0.1:8080 or [::1]:8080".to_owned(),
            Kind::RedisUrl => {
                "redis://USER:PASSWORD@HOST:PORT/DATABASE (rediss:// for TLS, redis+unix:///PATH for a socket), \
                 special characters in the password percent-encoded"
                    .to_owned()
            }
            Kind::HttpUrl => {
                "http:// or https://, a host, and if need be a port and a path; without a path, /v1/traces".to_owned()
            }
            Kind::Headers => "name=value,name=value with \\, for a comma inside a value".to_owned(),
            Kind::Ratio => "a number from 0 to 1".to_owned(),
            Kind::Password => "any text of one line".to_owned(),
            Kind::Path => "the path of a readable file".to_owned(),
            Kind::Brokers | Kind::Nodes => "host:port, several with commas between".to_owned(),
            Kind::Properties(_) => "a table, or k=v,k=v with \\, for a comma inside a value".to_owned(),
            Kind::Kinds => "a table of kinds of events with true or false, or kind=true,kind=false".to_owned(),
            Kind::Accounts => {
                "a table of businesses with their accounts, or business=account,business=account".to_owned()
            }
        }
    }
}

/// A span in its largest whole unit.
pub fn span_text(span: Span) -> String {
    let ms = span.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    match units.iter().find(|(unit, size)| ms != 0 && ms % size == 0 && !(*unit == "d" && ms < 2 * size)) {
        Some((unit, size)) => format!("{}{unit}", ms / size),
        None => format!("{ms}ms"),
    }
}

impl KeySpec {
    /// The environment variable of this key.
    pub fn environment_name(&self) -> String {
        environment_name(self.name)
    }

    /// The key that names a file with the value, for secrets.
    pub fn file_key(&self) -> Option<String> {
        self.secret.then(|| format!("{}_file", self.name))
    }

    const fn secret(self) -> KeySpec {
        KeySpec { secret: true, ..self }
    }
}

/// The environment variable of a key of that name.
pub fn environment_name(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.replace(['.', '-'], "_").to_ascii_uppercase())
}

/// Every key, in the order of the reference page.
pub fn keys() -> &'static [KeySpec] {
    KEYS
}

const fn key(name: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> KeySpec {
    KeySpec { name, kind, fallback, secret: false, doc }
}

const fn duration(min: Span, max: Span) -> Kind {
    Kind::Duration { min, max }
}

const MILLISECOND: Span = Span::from_millis(1);
const SECOND: Span = Span::from_secs(1);
const HOUR: Span = Span::from_hours(1);
const DAY: Span = Span::from_hours(24);
const MONTH: Span = Span::from_hours(24 * 30);

const FORMATS: &[&str] = &["auto", "canonical", "meta", "bird", "twilio"];

use Fallback::{Absent, Derived, Given};

/// Defines a constant for each key, and the table of them all.
macro_rules! table {
    ($($name:ident = $spec:expr;)*) => {
        $(pub(super) const $name: KeySpec = $spec;)*
        static KEYS: &[KeySpec] = &[$($name),*];
    };
}

table! {
    KAFKA_BROKERS = key("kafka.brokers", Kind::Brokers, Given("127.0.0.1:9092"),
        "Where to find the Kafka cluster. Two or three of its brokers are enough, the rest is learnt from them.");
    KAFKA_GROUP_ID = key("kafka.group_id", Kind::Text, Given("sessiongate"),
        "The consumer group. All processes of one deployment share it; a second deployment on the same topics needs \
         another one.");
    KAFKA_TRANSACTIONAL_ID = key("kafka.transactional_id", Kind::Text, Derived("kafka.group_id"),
        "What the transactional ids of all producers begin with. Change it when the cluster's access rules prescribe \
         a prefix.");
    KAFKA_CONSUMER = key("kafka.consumer", Kind::Properties(RESERVED_CONSUMER), Absent("no further properties"),
        "Any librdkafka property for the consumers: security, addresses, fetch sizes. Properties that exactly-once \
         depends on are refused by name. A secret property may be given as a file: `sasl.password_file`. The \
         environment is merged over the file, property by property.");
    KAFKA_PRODUCER = key("kafka.producer", Kind::Properties(RESERVED_PRODUCER), Absent("no further properties"),
        "Any librdkafka property for the producers, as for the consumers. A longer `transaction.timeout.ms` needs a \
         longer `window.guard`.");
    KAFKA_ACCEPT_MISSING_OFFSETS = key("kafka.accept_missing_offsets", Kind::Switch, Given("false"),
        "Start although the group's committed offsets have vanished while Redis shows that the worker ran before. \
         Every intent still in the log is then decided and sent again: switch it on for one start, knowing that.");

    REDIS_URL = key("redis.url", Kind::RedisUrl, Given("redis://127.0.0.1:6379"),
        "The Redis (7.0 or later) or Valkey (7.2 or later) that holds the windows. `rediss://` encrypts.").secret();
    REDIS_USERNAME = key("redis.username", Kind::Text, Absent("the URL's, or Redis's default user"),
        "The ACL user, when it does not stand in `redis.url`.");
    REDIS_PASSWORD = key("redis.password", Kind::Password, Absent("the URL's, or none"),
        "The user's password, when it does not stand in `redis.url`: here it needs no percent-encoding.").secret();
    REDIS_TLS_CA_FILE = key("redis.tls_ca_file", Kind::Path, Absent("the certificates that this machine trusts"),
        "The certificates (PEM) of the authorities that may vouch for Redis, when it is a private one. It takes the \
         place of those that the machine trusts, and is read at the start.");
    REDIS_TLS_CERTIFICATE_FILE = key("redis.tls_certificate_file", Kind::Path, Absent("no client certificate"),
        "The certificate chain (PEM) by which Redis knows the worker, where it asks for one (`tls-auth-clients yes`, \
         its default). Read at the start.");
    REDIS_TLS_KEY_FILE = key("redis.tls_key_file", Kind::Path, Absent("no client certificate"),
        "The private key (PEM) of that certificate. Read at the start, and never shown.");
    REDIS_SENTINEL_NODES = key("redis.sentinel.nodes", Kind::Nodes, Absent("no Sentinel"),
        "The Sentinels that know which Redis is the primary. The host and port of `redis.url` are then of no account; \
         its scheme, user, password and database are, and `rediss://` is for the Sentinels too.");
    REDIS_SENTINEL_MASTER = key("redis.sentinel.master", Kind::Text, Given("mymaster"),
        "The name by which the Sentinels know the primary.");
    REDIS_SENTINEL_USERNAME = key("redis.sentinel.username", Kind::Text, Absent("the default user"),
        "The ACL user at the Sentinels.");
    REDIS_SENTINEL_PASSWORD = key("redis.sentinel.password", Kind::Password, Absent("no password"),
        "The password at the Sentinels. Redis's own is not used there.").secret();
    REDIS_CLUSTER_NODES = key("redis.cluster.nodes", Kind::Nodes, Absent("no cluster"),
        "Some servers of a Redis Cluster; the others are learnt from them. The host and port of `redis.url` are then of \
         no account; its scheme, user and password are. Whenever a server is promoted or slots move, the windows are \
         filled from the log again, and closed windows wait for it: prefer a single Redis while one is large enough.");
    REDIS_KEY_PREFIX = key("redis.key_prefix", Kind::KeyPrefix, Absent("no prefix"),
        "Stands before all keys. Two deployments that share one Redis need different ones.");

    TOPICS_INBOUND_MESSAGE = key("topics.inbound_message", Kind::Topic, Given("inbound-message"),
        "What customers sent: canonical records or provider webhooks as they arrive.");
    TOPICS_INBOUND_FORMAT = key("topics.inbound_format", Kind::Choice(FORMATS), Given("auto"),
        "What the values of `topics.inbound_message` look like: `auto` recognises each by its shape. Another word \
         takes them all for that, and what is nothing of the kind becomes a dead letter. The canonical form is understood \
         in any case, since the worker passes on in it what it finds in webhooks; envelopes such as CloudEvents are taken \
         off in any case, too.");
    TOPICS_OUTBOUND_INTENT = key("topics.outbound_intent", Kind::Topic, Given("outbound-intent"),
        "What services want to send.");
    TOPICS_SESSION_SEND = key("topics.session_send", Kind::Topic, Given("session-send"),
        "Receives the intents whose window is open.");
    TOPICS_TEMPLATE_REQUIRED = key("topics.template_required", Kind::Topic, Given("template-required"),
        "Receives the intents that need a template.");
    TOPICS_WINDOW_EVENT = key("topics.window_event", Kind::Topic, Given("window-event"),
        "Receives an event for every window that opens, for analytics.");
    TOPICS_DEAD_LETTER = key("topics.dead_letter", Kind::Topic, Given("dead-letter"),
        "Receives every record that could not be used, with its original bytes and the reason.");
    TOPICS_TEMPLATE_STATUS = key("topics.template_status", Kind::Topic, Absent("off"),
        "Changes of template status, so that `template-required` can say whether its template may be sent.");
    TOPICS_TEMPLATE_STATUS_FORMAT = key("topics.template_status_format", Kind::Choice(FORMATS), Given("auto"),
        "The same for `topics.template_status`.");
    TOPICS_DELIVERY_STATUS = key("topics.delivery_status", Kind::Topic, Absent("off"),
        "Delivery reports, so that a provider's refusal for being outside the window is remembered.");
    TOPICS_DELIVERY_STATUS_FORMAT = key("topics.delivery_status_format", Kind::Choice(FORMATS), Given("auto"),
        "The same for `topics.delivery_status`.");

    WORKER_SHARDS = key("worker.shards", Kind::Count { min: 1, max: 64, unit: "threads" },
        Derived("half the number of processor cores, rounded up"),
        "How many threads work side by side, each with its own consumer, producers and Redis connections. The threads \
         of these clients keep about one more core busy for each. More shards than there are partitions are idle.");
    WORKER_INSTANCE = key("worker.instance", Kind::Name, Absent("a random name for each start"),
        "This process's name, different for each process and the same after a restart, such as a pod's ordinal. With \
         a name, a restart after a crash frees the downstream readers at once; without, they wait for the \
         transaction time-out. A process with a name that stops for good keeps its partitions for \
         `session.timeout.ms`.");
    WORKER_GUARANTEE = key("worker.guarantee", Kind::Choice(&["exactly-once", "at-least-once"]), Given("exactly-once"),
        "`at-least-once` works without transactions: quicker to see downstream, but a crash may repeat verdicts.");
    WORKER_PARTITIONING = key("worker.partitioning", Kind::Choice(&["any", "co-partitioned"]), Given("any"),
        "`any` proves a closed window against all inbound partitions. `co-partitioned` asserts that a customer's \
         inbound messages and intents share a partition number, and then asks that one alone.");
    WORKER_COMMIT_INTERVAL = key("worker.commit_interval", duration(MILLISECOND, Span::from_secs(10)), Given("10ms"),
        "How long a transaction may gather records when there are few. Longer costs latency and saves broker work.");
    WORKER_MAX_WAIT = key("worker.max_wait", duration(Span::ZERO, HOUR), Given("10s"),
        "How long an intent waits for the proof that its window is closed, before its verdict goes out with basis \
         `timeout`. Longer means fewer needless templates while the inbound side is behind.");
    WORKER_DEDUP_RECORDS = key("worker.dedup_records",
        Kind::Count { min: 0, max: 10_000_000, unit: "records a partition" }, Given("100000"),
        "An intent whose id occurred in that many preceding records of its partition is a duplicate. 0 switches it \
         off. More takes memory, and time at start.");

    WINDOW_LENGTH = key("window.length", duration(SECOND, MONTH), Given("24h"),
        "How long a window stays open after the customer's last act, on channels that don't say otherwise.");
    WINDOW_GUARD = key("window.guard", duration(MILLISECOND, DAY), Given("60s"),
        "The margin before a window's end in which it already counts as closed, since a verdict takes time to become \
         a send. It must cover the transaction time-out, and half of it is the tolerance between the clocks of \
         worker and Redis.");
    WINDOW_REAPPLY_MARGIN = key("window.reapply_margin", duration(SECOND, MONTH), Given("1h"),
        "How much further back than the longest window the inbound log is read again after Redis lost its data. \
         Raise it when webhooks reach Kafka late.");
    WINDOW_REFRESHED_EVENTS = key("window.refreshed_events", Kind::Switch, Given("false"),
        "Whether `window-event` also tells of every act that moves the end of an open window, not only of windows that \
         open. Analytics that want to see how long sessions really last need it; it is one more record an inbound \
         message.");

    CHANNELS_LENGTH = key("channels.NAME.length", duration(SECOND, MONTH), Derived("48h for wechat and tiktok, else window.length"),
        "How long this channel's windows stay open. A channel exists by being named, `[channels.instagram]` is enough; \
         `whatsapp` always exists.");
    CHANNELS_GUARD = key("channels.NAME.guard", duration(MILLISECOND, DAY), Derived("window.guard"),
        "This channel's guard.");
    CHANNELS_OPENS = key("channels.NAME.opens", Kind::Kinds, Derived("the built-in table of events"),
        "Which kinds of events open a window on this channel, where that differs from the built-in table.");

    TEMPLATES_ACCOUNTS = key("templates.accounts", Kind::Accounts,
        Absent("the account is found when template status names only one"),
        "Which account each business (phone number) belongs to, since templates belong to accounts: \
         `business = \"account\"`. Needed when template status tells of several accounts.");

    ADMIN_LISTEN = key("admin.listen", Kind::Address, Given("127.0.0.1:8080"),
        "Where health, metrics, window look-ups and the console are served. An address that other machines reach \
         needs `admin.token`.");
    ADMIN_TOKEN = key("admin.token", Kind::Token, Absent("no token is asked for"),
        "The bearer token for everything but health, the API's description and the console's empty page, which asks for \
         it.").secret();

    TELEMETRY_TRACES_ENDPOINT = key("telemetry.traces_endpoint", Kind::HttpUrl, Absent("off: no traces are made"),
        "Where spans are posted to, in OpenTelemetry's protocol (OTLP/HTTP, protobuf), such as \
         `http://127.0.0.1:4318`. `https://` trusts whom the machine trusts.");
    TELEMETRY_TRACES_HEADERS = key("telemetry.traces_headers", Kind::Headers, Absent("no further headers"),
        "Headers of each request there, such as `authorization=Bearer ...`.").secret();
    TELEMETRY_TRACES_RATIO = key("telemetry.traces_ratio", Kind::Ratio, Given("1"),
        "The share of the records without a trace of their own for which one is begun. A record that comes with a \
         `traceparent` is sampled when that says so, whatever stands here.");
    TELEMETRY_SERVICE_NAME = key("telemetry.service_name", Kind::Text, Given("sessiongate"),
        "The name that traces are listed under (`service.name`). Change it when several deployments tell one \
         collector.");
}
