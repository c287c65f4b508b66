//! What is taken and what is refused on a topic whose format is named.

use super::*;
use crate::core::delivery::FailedDelivery;
use crate::core::emission::{Emission, Part};
use crate::core::ids::{BusinessId, Channel, CustomerId, MessageId, Offset, Partition};
use crate::core::inbound::InboundEvent;
use crate::core::policy::ChannelPolicy;
use crate::core::record::{ReasonCode, Stream};
use crate::core::template::{TemplateId, TemplateOwner, TemplateStatus, TemplateUpdate};
use crate::core::time::{Span, Timestamp};
use crate::core::window::WindowRules;
use crate::wire::output::{Encoder, Topics};
use bytes::Bytes;

const EVERY_FORMAT: [Format; 5] = [Format::Auto, Format::Canonical, Format::Meta, Format::Bird, Format::Twilio];

fn decoder(format: Format) -> Decoder {
    let rules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };
    let formats = Formats { inbound_message: format, delivery_status: format, template_status: format };
    Decoder::new(formats, Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(rules))]))
}

fn record(value: &str) -> Record {
    Record {
        stream: Stream::Inbound,
        partition: Partition(0),
        offset: Offset(7),
        timestamp: Timestamp::from_millis(1_773_480_000_000),
        key: Some(Bytes::from_static(b"493:491")),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: vec![],
    }
}

/// A part as the worker passes it on to the topic where it belongs.
fn passed_on(emission: &Emission) -> Record {
    let encoder = Encoder::new(Topics::default(), "gate", "/sessiongate", 1_000_000);
    let output = encoder.encode(emission, Timestamp::MIN);
    Record { headers: output.to_headers(), value: output.value().map(Bytes::copy_from_slice), ..record("") }
}

fn part<T>(part: T) -> Box<Part<T>> {
    Box::new(Part { record: record("{}"), index: 0, part })
}

#[test]
fn what_the_worker_passes_on_is_understood_whatever_format_is_named() {
    let (channel, business_id) = (Channel::new("whatsapp"), BusinessId::new("493"));
    let (customer_id, occurred_at) = (CustomerId::new("491"), Timestamp::from_millis(5_000));
    let event = InboundEvent {
        message_id: MessageId::new("wamid.1"),
        channel: channel.clone(),
        business_id: business_id.clone(),
        customer_id: customer_id.clone(),
        customer_aliases: vec![CustomerId::new("DE.1")],
        kind: "text".into(),
        occurred_at,
    };
    let delivery = FailedDelivery { channel, business_id, customer_id, error_code: 470, occurred_at };
    let owner = TemplateOwner::Account("waba".into());
    let id = TemplateId { owner, name: "hi".into(), language: "de".into() };
    let update = TemplateUpdate { id, status: TemplateStatus::new("paused"), occurred_at };
    for format in EVERY_FORMAT {
        let decoder = decoder(format);
        let decoded = decoder.decode_inbound(&passed_on(&Emission::Inbound(part(event.clone()))));
        assert_eq!(decoded, DecodedInbound { events: [event.clone()].into(), ..Default::default() }, "{format:?}");
        let decoded = decoder.decode_delivery_status(&passed_on(&Emission::Delivery(part(delivery.clone()))));
        assert_eq!(decoded, DecodedInbound { deliveries: vec![delivery.clone()], ..Default::default() }, "{format:?}");
        let decoded = decoder.decode_template_status(&passed_on(&Emission::Template(part(update.clone()))));
        assert_eq!(decoded, DecodedInbound { templates: vec![update.clone()], ..Default::default() }, "{format:?}");
    }
}

#[test]
fn what_is_nothing_of_the_format_that_is_named_becomes_a_dead_letter() {
    let bird = r#"{"channelId":"b","direction":"incoming","id":"m","sender":{"contact":{"identifierValue":"+1"}}}"#;
    let twilio = r#"{"MessageSid":"SM1","From":"whatsapp:+1","To":"whatsapp:+2"}"#;
    let meta = r#"{"entry":[{"changes":[]}]}"#;
    let anything = ["{}", r#"{"a":1}"#, r#"{"status":"ok"}"#, r#"{"object":"whatsapp_business_account","entry":null}"#];
    let of_others = [
        (Format::Canonical, &[meta, bird, twilio] as &[&str]),
        (Format::Meta, &[bird, twilio, r#"{"object":"page"}"#, r#"{"statuses":null}"#, r#"{"contacts":[]}"#]),
        (Format::Bird, &[meta, twilio]),
        (Format::Twilio, &[meta, bird]),
    ];
    for (format, of_others) in of_others {
        for value in anything.iter().chain(of_others) {
            let (decoder, record) = (decoder(format), record(value));
            for decoded in [decoder.decode_inbound(&record), decoder.decode_delivery_status(&record)] {
                let codes: Vec<_> = decoded.rejects.iter().map(|reject| reject.code).collect();
                assert_eq!(codes, [ReasonCode::MissingField], "{format:?}: {value}");
                assert_eq!(DecodedInbound { rejects: vec![], ..decoded }, DecodedInbound::default(), "{value}");
            }
        }
    }
    let decoded = decoder(Format::Meta).decode_template_status(&record("{}"));
    let detail = "entry, messages, statuses or the fields of a status are required: this is no webhook of Meta";
    assert_eq!(decoded.rejects, [Reject::new(ReasonCode::MissingField, detail)]);
}

#[test]
fn what_says_nothing_of_a_window_is_passed_over_in_silence() {
    for format in [Format::Auto, Format::Meta] {
        for status in ["sent", "delivered", "read", "played", "deleted", "failed"] {
            let bare = format!(r#"{{"id":"m","recipient_id":"1","timestamp":"1","status":"{status}"}}"#);
            for value in [format!(r#"{{"statuses":[{bare}]}}"#), bare] {
                let decoded = decoder(format).decode_delivery_status(&record(&value));
                assert_eq!(decoded, DecodedInbound::default(), "{format:?}: {value}");
            }
        }
    }
    // Meta tells of its own faults without saying whom they concern.
    let errors = decoder(Format::Meta).decode_delivery_status(&record(r#"{"errors":[{"code":500}]}"#));
    assert_eq!((errors.rejects.len(), errors.ignored.len()), (0, 1));
}

#[test]
fn a_bare_status_without_its_word_is_the_failure_that_its_errors_tell_of() {
    let bare = |rest: &str| format!(r#"{{"recipient_id":"491","id":"x","timestamp":"1533332775",{rest}}}"#);
    for format in [Format::Auto, Format::Meta] {
        let read = |rest: &str| decoder(format).decode_delivery_status(&record(&bare(rest)));
        let decoded = read(r#""errors":[{"code":470}]"#);
        let told: Vec<_> = decoded.deliveries.iter().map(|it| (it.customer_id.as_str(), it.error_code)).collect();
        assert_eq!((told, decoded.rejects), (vec![("491", 470)], vec![]), "{format:?}");
        assert_eq!(read(r#""errors":[{"code":500}]"#), DecodedInbound::default(), "a failure of another kind");
        for (rest, reason) in [
            (r#""errors":7"#, ReasonCode::MissingField),
            (r#""errors":{},"status":null"#, ReasonCode::MissingField),
            (r#""status":{}"#, ReasonCode::InvalidField),
        ] {
            let codes: Vec<_> = read(rest).rejects.iter().map(|reject| reject.code).collect();
            assert_eq!(codes, [reason], "{format:?}: {rest}");
        }
    }
    let decoded = decoder(Format::Auto).decode_inbound(&record(r#"{"statuses":[{"id":"x"},{"status":"read"}]}"#));
    let details: Vec<_> = decoded.rejects.iter().map(|reject| reject.detail.as_str()).collect();
    assert_eq!(details, ["statuses[0]: status is required"]);
}

#[test]
fn a_templates_name_may_be_twice_as_long_as_an_id_and_nothing_else_of_it() {
    let meta = r#"{"entry":[{"id":"ACCOUNT","time":1,"changes":[{"field":"message_template_status_update","value":{"event":"PAUSED","message_template_name":"NAME","message_template_language":"LANGUAGE"}}]}]}"#;
    let own = r#"{"account_id":"ACCOUNT","name":"NAME","language":"LANGUAGE","status":"PAUSED","occurred_at":"2026-11-22T10:15:30Z"}"#;
    // In the canonical form and in the webhook: the place, and what stands there.
    let places = [("NAME", 512, "name"), ("LANGUAGE", 256, "language"), ("ACCOUNT", 256, "id")];
    for value in [meta, own] {
        for (place, most, what) in places {
            let of_length = |bytes| {
                let long = value.replace(place, &"x".repeat(bytes));
                decoder(Format::Auto).decode_template_status(&record(&long))
            };
            for bytes in [1, 256, most] {
                let decoded = of_length(bytes);
                assert_eq!((decoded.templates.len(), decoded.rejects), (1, vec![]), "{place} of {bytes}: {value}");
            }
            let decoded = of_length(most + 1);
            let details: Vec<_> = decoded.rejects.iter().map(|reject| reject.detail.as_str()).collect();
            let wrong = format!("{what} has {} bytes, at most {most} are allowed", most + 1);
            assert!(matches!(details[..], [detail] if detail.ends_with(&wrong)), "{wrong}: {details:?}");
        }
    }
}
