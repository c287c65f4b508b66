//! What a worker tells of a fault: a probe sees it red and green again, and its metrics say what happened.

use crate::support::api::Api;
use crate::support::live::Finding;
use crate::support::site::{SEND, Site, TEMPLATE};
use crate::support::wait_until;
use std::collections::BTreeMap;

const REDIS_ERRORS: &str = "sessiongate_redis_errors_total";
const KAFKA_ERRORS: &str = "sessiongate_kafka_errors_total";
const FRONTIERS_LOST: &str = "sessiongate_frontiers_lost_total";
const VERDICTS: &str = "sessiongate_verdicts_total";
/// What has come to nothing once a fault is over and all is decided.
const AT_REST: [&str; 5] = [
    "sessiongate_lag_records",
    "sessiongate_frontier_gap_records",
    "sessiongate_reapply_remaining_records",
    "sessiongate_waiting_intents",
    "sessiongate_consecutive_failures",
];

/// Which counters a fault moves. A machine that is busy with something else may move others a little too.
pub(super) struct Story {
    moved: &'static [&'static str],
    less: &'static [&'static str],
    still: &'static [&'static str],
}

/// Redis was away, rather than Kafka.
pub(super) const REDIS: Story = Story { moved: &[REDIS_ERRORS], less: &[KAFKA_ERRORS], still: &[] };
/// Kafka was away, rather than Redis, which lost nothing.
pub(super) const KAFKA: Story = Story { moved: &[KAFKA_ERRORS], less: &[REDIS_ERRORS], still: &[FRONTIERS_LOST] };
/// Redis lacked what it had held.
pub(super) const LOST: Story = Story { moved: &[FRONTIERS_LOST], less: &[], still: &[] };
/// It may have passed without a trace, as when nobody asked just then.
pub(super) const ANY: Story = Story { moved: &[], less: &[], still: &[] };

/// The HTTP side of a round's only worker.
pub(super) struct Teller(Api);

impl Teller {
    pub(super) fn new() -> Teller {
        Teller(Api::new())
    }

    /// What the worker needs to be told.
    pub(super) fn settings(&self) -> [(&str, &str); 1] {
        self.0.settings()
    }

    /// Waits until it says that it is not ready and names this check, in both places, and sees that it calls itself alive.
    pub(super) fn sees_red(&self, check: &str) {
        let Teller(api) = self;
        wait_until(&format!("readiness to be red for {check}"), || {
            let metrics = api.metrics().unwrap();
            let ready = |check| metrics.sum("sessiongate_ready", &[("check", check)]);
            api.is_red() && api.check(check).is_some_and(|(ok, _)| !ok) && (ready("all"), ready(check)) == (0.0, 0.0)
        });
        assert_eq!(api.get("/healthz").unwrap().0, 200, "whoever waits for {check} lives");
    }

    pub(super) fn sees_green(&self) {
        wait_until("readiness to be green", || self.0.is_ready());
    }

    /// Sees that the worker is at rest, and that its metrics tell this story and the verdicts that were read.
    pub(super) fn tells_of(&self, Story { moved, less, still }: &Story, site: &Site, finding: &Finding) {
        self.sees_green();
        let Teller(api) = self;
        wait_until("the metrics to tell of a worker at rest", || {
            let told = api.metrics().unwrap();
            let has_all = AT_REST.iter().all(|name| told.families().contains(name));
            has_all && AT_REST.iter().all(|name| told.sum(name, &[]) == 0.0)
        });
        let told = api.metrics().unwrap();
        let counted = |name: &&str| told.sum(name, &[]);
        for name in *moved {
            let others = less.iter().map(counted).fold(0.0, f64::max);
            assert!(counted(name) > others, "{name} tells {} and {less:?} tell {others}", counted(name));
        }
        for name in *still {
            assert_eq!(counted(name), 0.0, "{name}");
        }
        assert_eq!(told.sum("sessiongate_dead_letters_total", &[]), finding.outcome.dead as f64);
        let aborted = told.sum("sessiongate_transactions_total", &[("outcome", "aborted")]);
        let mut all = 0;
        for ([verdict, reason, basis], count) in verdicts_read(site) {
            let counted = told.sum(VERDICTS, &[("verdict", &verdict), ("reason", &reason), ("basis", &basis)]);
            // What an aborted transaction held was counted, and counted again when it was decided again.
            let agrees = if aborted == 0.0 { counted == f64::from(count) } else { counted >= f64::from(count) };
            assert!(agrees, "{count} {verdict} {reason} {basis} were read, {counted} counted, {aborted} aborts");
            all += count;
        }
        assert_eq!(all as usize, finding.outcome.verdicts);
        assert!(aborted > 0.0 || told.sum(VERDICTS, &[]) == f64::from(all), "verdicts were counted that nobody read");
    }
}

/// How many verdicts of each kind lie in the topics, by verdict, reason and basis.
fn verdicts_read(site: &Site) -> BTreeMap<[String; 3], u32> {
    let mut counts = BTreeMap::new();
    for (topic, verdict) in [(SEND, "session_send"), (TEMPLATE, "template_required")] {
        site.read_each(topic, |seen| {
            let json = seen.json();
            let text = |field: &str| json[field].as_str().unwrap_or_default().to_owned();
            *counts.entry([verdict.to_owned(), text("reason"), text("basis")]).or_default() += 1;
        });
    }
    counts
}
