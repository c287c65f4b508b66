//! Which way each part of a report takes, whichever topic it arrived on.

use super::advice::Advice;
use super::decoded::DecodedInbound;
use super::delivery::FailedDelivery;
use super::emission::{DeadLetter, Emission, Part};
use super::ids::WindowKey;
use super::inbound::InboundEvent;
use super::policy::{Policy, is_known};
use super::record::Record;
use super::template::TemplateUpdate;
use super::time::{Span, Timestamp};

/// The topics that reports are read from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ReportTopic {
    /// Delivery reports.
    DeliveryStatus,
    /// Template status: compacted, one key a template.
    TemplateStatus,
}

/// Which of these topics there are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ReportTopics {
    /// Whether refusals are heeded.
    pub delivery_status: bool,
    /// Whether there is a registry of templates.
    pub template_status: bool,
}

/// What is to be done with a record.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Routed {
    /// To be remembered, each with the length of its channel's windows.
    pub advice: Vec<(WindowKey, Advice, Span)>,
    /// To be written.
    pub emissions: Vec<Emission>,
    /// Parts that no topic wants.
    pub dropped: usize,
}

/// Which way the parts of a record of that topic take.
///
/// A template's change stays where it is when the registry can live on it: the record is under the template's key and
/// holds nothing else. Compaction would keep any other record in the place of something it is not.
pub fn route(
    decoded: DecodedInbound,
    record: &Record,
    topic: ReportTopic,
    topics: ReportTopics,
    policy: &Policy,
) -> Routed {
    let mut routed = Routed::default();
    if topic == ReportTopic::TemplateStatus && (is_tombstone(record) || is_at_home(&decoded, record)) {
        return routed;
    }
    let DecodedInbound { events, deliveries, templates, rejects, .. } = decoded;
    for (index, event) in events.into_iter().enumerate() {
        let Some(channel) = policy.channel(event.channel.as_str()) else { continue };
        // What opens nothing need not travel. What nobody has heard of is counted where it is applied.
        if channel.opens(&event.kind) || !is_known(&event.kind) {
            let part = believed_event(event, record);
            routed.emissions.push(Emission::Inbound(Box::new(Part { record: record.clone(), index, part })));
        }
    }
    for delivery in deliveries.into_iter().filter(FailedDelivery::is_outside_window) {
        match policy.channel(delivery.channel.as_str()).filter(|_| topics.delivery_status) {
            Some(channel) => {
                let refused_at = believed(delivery.occurred_at, record);
                routed.advice.push((delivery.window_key(), Advice { refused_at }, channel.window.length));
            }
            None => routed.dropped += 1,
        }
    }
    for (index, part) in templates.into_iter().enumerate() {
        match topics.template_status {
            true => routed.emissions.push(Emission::Template(Box::new(Part { record: record.clone(), index, part }))),
            false => routed.dropped += 1,
        }
    }
    routed.emissions.extend(rejects.into_iter().map(|reject| {
        let letter = DeadLetter { record: record.clone(), reject };
        Emission::DeadLetter(Box::new(letter))
    }));
    routed
}

fn is_tombstone(record: &Record) -> bool {
    record.value.is_none() && record.key.is_some()
}

fn is_at_home(decoded: &DecodedInbound, record: &Record) -> bool {
    let DecodedInbound { events, deliveries, templates, rejects, .. } = decoded;
    let [TemplateUpdate { id, .. }] = templates.as_slice() else { return false };
    let alone = events.is_empty() && deliveries.is_empty() && rejects.is_empty();
    alone && record.key.as_deref() == Some(id.key().as_bytes())
}

/// A time far ahead of its record is brought back to it here, since what is written has a timestamp of its own.
fn believed(occurred_at: Timestamp, record: &Record) -> Timestamp {
    super::policy::believed(occurred_at, record.timestamp).0
}

fn believed_event(event: InboundEvent, record: &Record) -> InboundEvent {
    InboundEvent { occurred_at: believed(event.occurred_at, record), ..event }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{BusinessId, Channel, CustomerId, MessageId, Offset, Partition};
    use crate::core::policy::ChannelPolicy;
    use crate::core::record::{ReasonCode, Reject, Stream};
    use crate::core::template::{TemplateId, TemplateOwner, TemplateStatus};
    use crate::core::window::WindowRules;
    use bytes::Bytes;

    const BOTH: ReportTopics = ReportTopics { delivery_status: true, template_status: true };
    const LENGTH: Span = Span::from_hours(24);

    fn policy() -> Policy {
        let rules = WindowRules { length: LENGTH, guard: Span::from_secs(60) };
        Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))])
    }

    fn record(key: Option<&str>) -> Record {
        Record {
            stream: Stream::Inbound,
            partition: Partition(0),
            offset: Offset(7),
            timestamp: Timestamp::from_millis(1_000),
            key: key.map(|key| Bytes::copy_from_slice(key.as_bytes())),
            value: Some(Bytes::from_static(b"{}")),
            headers: vec![],
        }
    }

    fn event(kind: &str, at_ms: i64) -> InboundEvent {
        InboundEvent {
            message_id: MessageId::new("wamid.1"),
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            customer_aliases: vec![],
            kind: kind.into(),
            occurred_at: Timestamp::from_millis(at_ms),
        }
    }

    fn failed(error_code: u32, at_ms: i64) -> FailedDelivery {
        FailedDelivery {
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            error_code,
            occurred_at: Timestamp::from_millis(at_ms),
        }
    }

    fn paused() -> TemplateUpdate {
        let owner = TemplateOwner::Account("waba".into());
        let id = TemplateId { owner, name: "hi".into(), language: "en".into() };
        TemplateUpdate { id, status: TemplateStatus::new("PAUSED"), occurred_at: Timestamp::from_millis(1) }
    }

    fn everything() -> DecodedInbound {
        DecodedInbound {
            events: vec![event("status", 1), event("text", 900_000), event("hologram", 1)].into(),
            deliveries: vec![failed(131_049, 1), failed(470, 900_000)],
            templates: vec![paused()],
            rejects: vec![Reject::new(ReasonCode::MissingField, "from")],
            ..DecodedInbound::default()
        }
    }

    #[test]
    fn each_part_takes_its_way_whichever_topic_it_arrived_on() {
        for topic in [ReportTopic::DeliveryStatus, ReportTopic::TemplateStatus] {
            let Routed { advice, emissions, dropped } = route(everything(), &record(None), topic, BOTH, &policy());
            // Times far ahead of the record are brought back to it.
            let refused_at = Timestamp::from_millis(1_000);
            assert_eq!(advice, [(failed(470, 0).window_key(), Advice { refused_at }, LENGTH)]);
            let told = emissions.iter().map(|emission| match emission {
                Emission::Inbound(part) => (part.part.kind.as_str(), part.index, part.part.occurred_at.as_millis()),
                Emission::Template(part) => ("template", part.index, part.part.occurred_at.as_millis()),
                Emission::DeadLetter(_) => ("dead", 0, 0),
                other => panic!("{other:?}"),
            });
            let expected = [("text", 1, 1_000), ("hologram", 2, 1), ("template", 0, 1), ("dead", 0, 0)];
            assert_eq!((told.collect::<Vec<_>>(), dropped), (expected.to_vec(), 0), "{topic:?}");
        }
    }

    #[test]
    fn what_no_topic_wants_is_dropped_and_counted() {
        let (topic, none) = (ReportTopic::DeliveryStatus, ReportTopics::default());
        let routed = route(everything(), &record(None), topic, none, &policy());
        assert_eq!((routed.advice.len(), routed.emissions.len(), routed.dropped), (0, 3, 2));
    }

    #[test]
    fn a_template_under_its_own_key_stays_and_under_another_it_is_written_again() {
        let alone = DecodedInbound { templates: vec![paused()], ..DecodedInbound::default() };
        let key = paused().id.key();
        let table = [(Some(key.as_str()), 0), (Some("entry-1"), 1), (None, 1)];
        for (key, count) in table {
            let routed = route(alone.clone(), &record(key), ReportTopic::TemplateStatus, BOTH, &policy());
            assert_eq!(routed.emissions.len(), count, "{key:?}");
        }
        let with_more = route(everything(), &record(Some(&key)), ReportTopic::TemplateStatus, BOTH, &policy());
        assert_eq!(with_more.emissions.len(), 4);
    }

    #[test]
    fn a_tombstone_of_a_template_is_no_bad_input() {
        let tombstone = Record { value: None, ..record(Some("account/waba|hi|en")) };
        let decoded = DecodedInbound {
            rejects: vec![Reject::new(ReasonCode::EmptyValue, "no value")],
            ..DecodedInbound::default()
        };
        let routed = route(decoded.clone(), &tombstone, ReportTopic::TemplateStatus, BOTH, &policy());
        assert_eq!(routed, Routed::default());
        assert_eq!(route(decoded, &tombstone, ReportTopic::DeliveryStatus, BOTH, &policy()).emissions.len(), 1);
    }
}
