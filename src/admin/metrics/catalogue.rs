//! The table of all metrics: name, type, labels and meaning stand here and nowhere else. `docs/metrics.md` is made of it.
//!
//! No label holds a customer, and none but a partition's number grows with the load.

/// One metric with all its series.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Family {
    /// Its name; the unit stands last, before `_total`.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// What tells its series apart.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// What kind of number a metric is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It only grows, until a restart.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How often which values occurred: `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    /// Its name in Prometheus.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Every metric, in the order of the page.
pub fn families() -> &'static [Family] {
    FAMILIES
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, labels, help }
}

/// Defines a constant for each family, and the table of them all.
macro_rules! table {
    ($($name:ident = $family:expr;)*) => {
        $(pub(super) const $name: Family = $family;)*
        static FAMILIES: &[Family] = &[$($name),*];
    };
}

table! {
    BUILD_INFO = gauge("sessiongate_build_info", &["version", "worker", "group"],
        "Always 1. The version that runs, the process's name and its consumer group.");
    READY = gauge("sessiongate_ready", &["check"],
        "1 while a check of /readyz succeeds, else 0. `check=\"all\"` is all of them.");
    LOOP_SILENCE = gauge("sessiongate_loop_silence_seconds", &["shard"],
        "How long ago the shard's loop turned. Above 60 seconds /healthz is red.");
    FAILURES = gauge("sessiongate_consecutive_failures", &["shard"],
        "Steps of the shard that failed in a row. 0 while all is well.");

    RECORDS = counter("sessiongate_records_total", &["topic", "outcome"],
        "Records taken from a topic, again when they are read again: `decoded`, or `rejected` when something in them \
         could not be used. Those of topics of reports are counted when they are done.");
    VERDICTS = counter("sessiongate_verdicts_total", &["verdict", "reason", "basis"],
        "Verdicts written: `session_send`, or `template_required` with its reason and basis. Those of a transaction \
         that was given up are counted again when they are made again.");
    VERDICT_LATENCY = histogram("sessiongate_verdict_latency_seconds", &["verdict"],
        "From the intent record's timestamp until its verdict is handed to Kafka. The commit follows, see the stage \
         `commit` and worker.commit_interval.");
    WINDOW_EVENTS = counter("sessiongate_window_events_total", &["event"],
        "Window events written: `opened`, `refreshed`.");
    DEAD_LETTERS = counter("sessiongate_dead_letters_total", &["reason"],
        "Dead letters written, by their reason code.");
    INBOUND_ODDITIES = counter("sessiongate_inbound_oddities_total", &["oddity"],
        "Inbound events that a writer should know of: `late` (after their window had ended), `future` (ahead of the \
         record's own timestamp), `unmoved` (sent twice, or after a later one of the same customer), `unknown_kind` (not \
         in the table of events).");
    MISPLACED = counter("sessiongate_copartitioning_violations_total", &[],
        "Inbound records that lie elsewhere than their customer's key says, while worker.partitioning asserts that they \
         do not. Negative verdicts may be wrong.");

    REFUSALS = counter("sessiongate_refusals_total", &["step"],
        "Sends that the provider refused for being outside the window: `passed_on` to topics.delivery_status, `remembered` \
         from there.");
    TEMPLATE_CHANGES = counter("sessiongate_template_changes_total", &[],
        "Changes of templates that were passed on to topics.template_status.");
    FEEDBACK_DROPPED = counter("sessiongate_feedback_dropped_total", &[],
        "Refusals and changes of templates that there is no topic for.");
    FEEDBACK_ERRORS = counter("sessiongate_feedback_errors_total", &[],
        "Times that the thread which reads reports got no answer from Kafka or Redis. It tries again.");
    TEMPLATES_KNOWN = gauge("sessiongate_templates_known", &[],
        "Templates whose status is known. 0 without topics.template_status.");

    ASSIGNED = gauge("sessiongate_assigned_partitions", &["topic"],
        "Partitions of a topic that are with this process.");
    LAG = gauge("sessiongate_lag_records", &["topic", "partition"],
        "Records between what the group has committed and the end, for partitions with this process. Transaction \
         markers count as records.");
    FRONTIER_GAP = gauge("sessiongate_frontier_gap_records", &["partition"],
        "Inbound records between the frontier in Redis and the end. While it is not 0, \"closed\" waits, unless a shard of the same process has applied them.");
    REAPPLY_REMAINING = gauge("sessiongate_reapply_remaining_records", &["partition"],
        "Inbound records left to be applied again until a lost Redis is whole. 0 when it is.");
    FRONTIERS_LOST = counter("sessiongate_frontiers_lost_total", &[],
        "Times that a partition's frontier in Redis was missing or had gone back: Redis lost something.");
    WAITING = gauge("sessiongate_waiting_intents", &["partition"],
        "Intents that were taken and have no verdict yet.");
    WAITING_AGE = gauge("sessiongate_waiting_intent_age_seconds", &["partition"],
        "How long the first intent of the partition has waited, in time that counts towards worker.max_wait.");
    OPEN_WINDOWS = gauge("sessiongate_open_windows_estimate", &[],
        "About how many windows Redis holds, of all processes: a sample of the keys, every ten seconds.");

    STAGE_DURATION = histogram("sessiongate_stage_duration_seconds", &["stage"],
        "How long the stages of a shard's turn take: `poll` (only when it brought records), `read`, `decide`, `produce`, \
         `commit`, `merge`.");
    BATCH_RECORDS = histogram("sessiongate_batch_records", &["topic"],
        "Records of a topic that came with one poll.");
    TRANSACTIONS = counter("sessiongate_transactions_total", &["outcome"],
        "Kafka transactions: `committed`, `aborted`. What was in an aborted one is read again.");
    REDIS_DURATION = histogram("sessiongate_redis_round_trip_duration_seconds", &["call"],
        "How long Redis took to answer the shards: `read`, `merge`, `start` (of frontiers). `_count` is the number of \
         round trips.");
    REDIS_ERRORS = counter("sessiongate_redis_errors_total", &["call"],
        "Calls that Redis did not answer, or refused. They are made again.");
    KAFKA_ERRORS = counter("sessiongate_kafka_errors_total", &[],
        "Steps that Kafka did not answer, or refused. They are made again.");

    SPANS = counter("sessiongate_spans_total", &["outcome"],
        "Spans of traces: `exported`, `dropped` (more than the collector took in time), `failed` (in requests that it did \
         not take). All 0 without telemetry.traces_endpoint.");

    PROCESS_CPU = counter("process_cpu_seconds_total", &[],
        "Processor time that the process has used.");
    PROCESS_MEMORY = gauge("process_resident_memory_bytes", &[],
        "Memory of the process that is in use.");
    PROCESS_FILES = gauge("process_open_fds", &[],
        "File descriptors that the process has open.");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        let mut seen = HashSet::new();
        for Family { name, kind, labels, help } in families() {
            assert!(seen.insert(name), "{name} is there twice");
            assert!(name.starts_with("sessiongate_") || name.starts_with("process_"), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert!(labels.iter().all(|label| label.chars().all(|c| c.is_ascii_lowercase())), "{name}");
            assert!(!labels.iter().any(|label| label.contains("customer") || label.contains("business")), "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
        }
    }
}
