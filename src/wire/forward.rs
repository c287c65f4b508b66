//! Parts of a record that belong into another topic, as the canonical records of that topic.

use super::headers::EventType;
use super::json::ObjectWriter;
use super::origin::PlaceText;
use super::output::{Encoder, SHEET_BYTES, append_customer_key, append_index};
use super::time;
use crate::core::delivery::FailedDelivery;
use crate::core::emission::Part;
use crate::core::inbound::InboundEvent;
use crate::core::record::Record;
use crate::core::template::{TemplateOwner, TemplateUpdate};
use crate::core::time::Timestamp;
use crate::ports::OutputRecord;
use std::sync::Arc;

/// What kind of part it is, in its topic, its type and its id.
struct Kind<'a> {
    topic: Option<&'a Arc<str>>,
    event_type: &'a EventType,
    id: &'static str,
}

impl Encoder {
    /// What a customer did, under all of the customer's ids.
    pub(super) fn inbound(&self, part: &Part<InboundEvent>) -> OutputRecord {
        let event = &part.part;
        let kind =
            Kind { topic: Some(&self.topics.inbound_message), event_type: &self.types.inbound_message, id: "inbound" };
        let key = |out: &mut Vec<u8>| append_customer_key(out, &event.business_id, &event.customer_id);
        self.forwarded(&kind, part.index, &part.record, event.occurred_at, key, |json| {
            json.string("message_id", event.message_id.as_str())
                .string("channel", event.channel.as_str())
                .string("business_id", event.business_id.as_str())
                .string("customer_id", event.customer_id.as_str());
            if !event.customer_aliases.is_empty() {
                json.with("customer_aliases", |out| {
                    let aliases: Vec<&str> = event.customer_aliases.iter().map(|alias| alias.as_str()).collect();
                    // Texts as JSON: writing to memory never fails.
                    out.extend(serde_json::to_vec(&aliases).unwrap_or_default());
                });
            }
            json.string("type", &event.kind);
        })
    }

    /// A send that the provider refused.
    pub(super) fn delivery(&self, part: &Part<FailedDelivery>) -> OutputRecord {
        let failed = &part.part;
        let kind = Kind {
            topic: self.topics.delivery_status.as_ref(),
            event_type: &self.types.delivery_status,
            id: "refusal",
        };
        let key = |out: &mut Vec<u8>| append_customer_key(out, &failed.business_id, &failed.customer_id);
        self.forwarded(&kind, part.index, &part.record, failed.occurred_at, key, |json| {
            json.string("channel", failed.channel.as_str())
                .string("business_id", failed.business_id.as_str())
                .string("customer_id", failed.customer_id.as_str())
                .integer("error_code", failed.error_code.into());
        })
    }

    /// A template's change, under the template's key: a compacted topic keeps the last of each.
    pub(super) fn template(&self, part: &Part<TemplateUpdate>) -> OutputRecord {
        let update = &part.part;
        let kind = Kind {
            topic: self.topics.template_status.as_ref(),
            event_type: &self.types.template_status,
            id: "template",
        };
        let key = |out: &mut Vec<u8>| out.extend_from_slice(update.id.key().as_bytes());
        self.forwarded(&kind, part.index, &part.record, update.occurred_at, key, |json| {
            match &update.id.owner {
                TemplateOwner::Account(account) => json.string("account_id", account),
                TemplateOwner::Business(business) => json.string("business_id", business.as_str()),
            }
            .string("name", &update.id.name)
            .string("language", &update.id.language)
            .string("status", update.status.as_str());
        })
    }

    fn forwarded(
        &self,
        kind: &Kind<'_>,
        index: usize,
        record: &Record,
        occurred_at: Timestamp,
        write_key: impl FnOnce(&mut Vec<u8>),
        write: impl FnOnce(&mut ObjectWriter<'_>),
    ) -> OutputRecord {
        // Without a topic of its own nothing is passed on; should it happen, nothing is lost.
        let topic = kind.topic.unwrap_or(&self.topics.dead_letter).clone();
        let place = PlaceText::of(record);
        let mut output = OutputRecord::written(topic, None, SHEET_BYTES, write_key, |out| {
            let mut json = ObjectWriter::begin(out);
            write(&mut json);
            json.time("occurred_at", occurred_at);
            self.origin(record).append_source(out, &place);
        });
        kind.event_type.append_headers(&mut output, record, &time::text(occurred_at), |out| {
            self.origin(record).append_id(out, &place);
            append_index(out, index);
            out.push(b'/');
            out.extend_from_slice(kind.id.as_bytes());
        });
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::emission::Emission;
    use crate::core::ids::{BusinessId, Channel, CustomerId, MessageId, Offset, Partition};
    use crate::core::policy::{ChannelPolicy, Policy};
    use crate::core::record::Stream;
    use crate::core::template::{TemplateId, TemplateStatus};
    use crate::core::time::Span;
    use crate::core::window::WindowRules;
    use crate::wire::decoder::{Decoder, Formats};
    use crate::wire::output::Topics;

    fn part<T>(index: usize, part: T) -> Box<Part<T>> {
        let record = Record {
            stream: Stream::Inbound,
            partition: Partition(3),
            offset: Offset(42),
            timestamp: Timestamp::from_millis(1_000),
            key: None,
            value: None,
            headers: vec![],
        };
        Box::new(Part { record, index, part })
    }

    fn encode(emission: &Emission) -> OutputRecord {
        Encoder::new(Topics::default(), "gate", "/sessiongate", 1_000_000)
            .with_origin("webhooks")
            .encode(emission, Timestamp::MIN)
    }

    /// Topic, key, id and value.
    fn seen(output: &OutputRecord) -> [String; 4] {
        let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        [output.topic.to_string(), text(output.key()), text(output.header("ce_id")), text(output.value())]
    }

    #[test]
    fn an_act_that_is_passed_on_reads_back_with_all_ids() {
        let event = InboundEvent {
            message_id: MessageId::new("wamid.1"),
            channel: Channel::new("messenger"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            customer_aliases: vec![CustomerId::new("US.\"1349")],
            kind: "reaction".into(),
            occurred_at: Timestamp::from_millis(5_000),
        };
        let output = encode(&Emission::Inbound(part(2, event.clone())));
        assert_eq!(seen(&output)[..3], ["inbound-message", "106:5511", "webhooks/3/42/2/inbound"]);
        let value = output.value().map(bytes::Bytes::copy_from_slice);
        let record = Record { value, headers: output.to_headers(), ..part(0, ()).record };
        let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
        let policy = Policy::new([(Channel::new("messenger"), ChannelPolicy::new(rules))]);
        let decoded = Decoder::new(Formats::default(), policy).decode_inbound(&record);
        assert_eq!((decoded.events, decoded.rejects), ([event].into(), vec![]));
    }

    #[test]
    fn refusals_and_template_changes_have_a_form_of_their_own() {
        let failed = FailedDelivery {
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            error_code: 131_047,
            occurred_at: Timestamp::from_millis(5_000),
        };
        let source = r#""source":{"topic":"webhooks","partition":3,"offset":42}}"#;
        let value = r#"{"channel":"whatsapp","business_id":"106","customer_id":"5511","error_code":131047,"occurred_at":"1970-01-01T00:00:05.000Z","#;
        let expected = ["delivery-status", "106:5511", "webhooks/3/42/1/refusal", &[value, source].concat()];
        assert_eq!(seen(&encode(&Emission::Delivery(part(1, failed)))), expected);

        let id = TemplateId {
            owner: TemplateOwner::Account("waba".into()),
            name: "order_update".into(),
            language: "pt-BR".into(),
        };
        let update =
            TemplateUpdate { id, status: TemplateStatus::new("PAUSED"), occurred_at: Timestamp::from_millis(5_000) };
        let value = r#"{"account_id":"waba","name":"order_update","language":"pt-BR","status":"paused","occurred_at":"1970-01-01T00:00:05.000Z","#;
        let expected = [
            "template-status",
            "account/waba|order_update|pt_br",
            "webhooks/3/42/0/template",
            &[value, source].concat(),
        ];
        assert_eq!(seen(&encode(&Emission::Template(part(0, update)))), expected);
    }
}
