//! One customer's window, and whether "closed" could be relied on now.

use super::log_watch::EndsLook;
use crate::config::Partitioning;
use crate::core::advice::Advice;
use crate::core::frontier::{Frontier, Stored, clocks_agree};
use crate::core::ids::{BusinessId, Channel, CustomerId, Partition, WindowKey};
use crate::core::partitioner::home;
use crate::core::policy::Policy;
use crate::core::time::{Now, Span, Timestamp};
use crate::core::window::{Window, WindowRules, WindowState};
use crate::wire::time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// So many windows may be asked for in one call.
pub(super) const MAX_WINDOWS: usize = 1_000;

/// Whose window is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Subject {
    #[serde(default = "usual_channel")]
    pub(super) channel: String,
    pub(super) business_id: String,
    pub(super) customer_id: String,
}

fn usual_channel() -> String {
    Channel::DEFAULT.to_owned()
}

/// The body of a call for many.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Subjects {
    pub(super) windows: Vec<Subject>,
}

/// A subject that can be looked up.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) subject: Subject,
    pub(super) key: WindowKey,
    pub(super) rules: WindowRules,
}

impl Wanted {
    /// An error says what is wrong with it: a stable code and a line for a person.
    pub(super) fn new(subject: Subject, policy: &Policy) -> Result<Wanted, (&'static str, String)> {
        let Subject { channel, business_id, customer_id } = &subject;
        let Some(rules) = policy.channel(channel).map(|channel| channel.window) else {
            return Err(("unknown_channel", "this channel is not configured".to_owned()));
        };
        for (name, value) in [("business_id", business_id), ("customer_id", customer_id)] {
            let has_colon = name == "business_id" && value.contains(':');
            if value.is_empty() || value.len() > 256 || value.chars().any(char::is_control) || has_colon {
                return Err(("invalid_field", format!("{name} is not an id")));
            }
        }
        let key = WindowKey::new(&Channel::new(channel), &BusinessId::new(business_id), &CustomerId::new(customer_id));
        Ok(Wanted { subject, key, rules })
    }
}

/// Whether "closed" could be relied on, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct ProofShown {
    /// Every inbound record that Kafka had acknowledged when this was asked is part of the answer.
    complete: bool,
    /// What keeps it from being complete: a stable code.
    lacks: Option<&'static str>,
    /// The inbound partitions in question; in an answer for many they stand beside the windows, once for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    partitions: Option<Vec<PartitionProof>>,
}

/// How far the store is in an inbound partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct PartitionProof {
    partition: i32,
    frontier: Option<i64>,
    end: Option<i64>,
}

/// The answer to a call for one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct OneShown {
    #[serde(flatten)]
    window: WindowShown,
    observed_at: Option<String>,
}

/// The answer to a call for many.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct ManyShown {
    /// In the order of the question.
    windows: Vec<WindowShown>,
    /// When Kafka was asked for the ends.
    observed_at: Option<String>,
    /// All inbound partitions.
    partitions: Vec<PartitionProof>,
}

/// The answer for one subject.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct WindowShown {
    channel: String,
    business_id: String,
    customer_id: String,
    open: bool,
    state: &'static str,
    opened_at: Option<String>,
    last_inbound_at: Option<String>,
    expires_at: Option<String>,
    /// The end less the guard: until then a verdict would be positive.
    open_until: Option<String>,
    /// Until `expires_at`, in milliseconds.
    remaining_ms: i64,
    proof: ProofShown,
}

/// What the store holds of one subject.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) window: Stored<Window>,
    /// The provider's last refusal.
    pub(super) refused: Option<Advice>,
}

/// What was read at one instant, and what it is compared with.
pub(super) struct Readings {
    pub(super) partitioning: Partitioning,
    /// The frontiers of all inbound partitions; none when the topic is not known.
    pub(super) frontiers: BTreeMap<Partition, Stored<Frontier>>,
    /// None when Kafka did not answer.
    pub(super) ends: Option<EndsLook>,
    /// The store's clock, and when it was read.
    pub(super) clock: Timestamp,
    pub(super) sent: Now,
    pub(super) received: Now,
}

impl OneShown {
    pub(super) fn new(wanted: &Wanted, held: &Held, readings: &Readings) -> OneShown {
        let mut window = show(wanted, held, readings);
        let partitions = readings.in_question(&wanted.subject);
        window.proof.partitions = Some(partitions.into_iter().map(|partition| readings.position(partition)).collect());
        OneShown { window, observed_at: readings.observed_at() }
    }
}

impl ManyShown {
    pub(super) fn new(wanted: &[Wanted], held: &[Held], readings: &Readings) -> ManyShown {
        ManyShown {
            windows: wanted.iter().zip(held).map(|(wanted, held)| show(wanted, held, readings)).collect(),
            observed_at: readings.observed_at(),
            partitions: readings.frontiers.keys().map(|partition| readings.position(*partition)).collect(),
        }
    }
}

fn show(wanted: &Wanted, Held { window: stored, refused }: &Held, readings: &Readings) -> WindowShown {
    let Wanted { subject, rules, .. } = wanted;
    let now = readings.received.wall;
    let window = stored.known();
    let state = match (stored, window.map(|window| rules.state(window, now))) {
        (Stored::Newer | Stored::Damaged(_), _) => "unknown",
        (Stored::Known(window), Some(WindowState::Open)) if refused.is_some_and(|it| it.overrules(window)) => "refused",
        (_, Some(WindowState::Open)) => "open",
        (_, Some(WindowState::Closing)) => "closing",
        (_, Some(WindowState::Closed) | None) => "closed",
    };
    let ends_at = window.map(|window| window.expires_at(rules.length));
    let lacks = readings.lacks(wanted, stored);
    WindowShown {
        channel: subject.channel.clone(),
        business_id: subject.business_id.clone(),
        customer_id: subject.customer_id.clone(),
        open: state == "open",
        state,
        opened_at: window.map(|window| time::format(window.opened_at)),
        last_inbound_at: window.map(|window| time::format(window.last_inbound_at)),
        expires_at: ends_at.map(time::format),
        open_until: ends_at.map(|end| time::format(end - rules.guard)),
        remaining_ms: ends_at.map_or(Span::ZERO, |end| (end - now).max(Span::ZERO)).as_millis(),
        proof: ProofShown { complete: lacks.is_none(), lacks, partitions: None },
    }
}

impl Readings {
    fn observed_at(&self) -> Option<String> {
        self.ends.as_ref().map(|look| time::format(look.asked_at))
    }

    fn position(&self, partition: Partition) -> PartitionProof {
        let frontier = self.frontiers.get(&partition).and_then(|stored| stored.known());
        let end = self.ends.as_ref().and_then(|look| look.ends.0.get(&partition));
        PartitionProof {
            partition: partition.0,
            frontier: frontier.map(|frontier| frontier.next.0),
            end: end.map(|end| end.0),
        }
    }

    /// The partitions in which the customer's messages may lie.
    fn in_question(&self, subject: &Subject) -> Vec<Partition> {
        match (self.partitioning, &self.ends) {
            (Partitioning::CoPartitioned, Some(look)) => {
                let business = BusinessId::new(&subject.business_id);
                vec![home(&business, &CustomerId::new(&subject.customer_id), look.topic.partitions)]
            }
            _ => self.frontiers.keys().copied().collect(),
        }
    }

    /// What keeps "closed" from being proven.
    fn lacks(&self, wanted: &Wanted, stored: &Stored<Window>) -> Option<&'static str> {
        let Some(look) = &self.ends else { return Some("kafka_did_not_answer") };
        if matches!(stored, Stored::Newer | Stored::Damaged(_)) {
            return Some("window_unreadable");
        }
        if !clocks_agree(self.clock, self.sent, self.received, wanted.rules.guard) {
            return Some("clocks_disagree");
        }
        let partitions = self.in_question(&wanted.subject);
        for partition in &partitions {
            let (Some(end), Some(Stored::Known(frontier))) =
                (look.ends.0.get(partition), self.frontiers.get(partition))
            else {
                return Some("frontier_missing");
            };
            if !frontier.speaks_for(&look.topic.id, self.received.wall - wanted.rules.length) {
                return Some("history_incomplete");
            }
            if frontier.next < *end {
                return Some("behind");
            }
        }
        partitions.is_empty().then_some("frontier_missing")
    }
}

#[cfg(test)]
mod tests;
