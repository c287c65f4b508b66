//! One entry for everything that arrives: whatever a record holds comes out, whichever topic it lay in.

use super::canonical;
use super::envelope::{self, Content};
use super::fields::missing;
use super::findings::Findings;
use super::webhook::{self, Provider, Source};
use crate::core::decoded::{DecodedInbound, DecodedIntent};
use crate::core::policy::Policy;
use crate::core::record::{Record, Reject};

/// What the values of a topic look like. The form of this project is understood in any case: the worker passes parts of
/// webhooks on in it, to topics whose format may be any.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Format {
    /// Each is recognised by its shape.
    #[default]
    Auto,
    /// The form of this project.
    Canonical,
    /// Webhooks of Meta: Cloud API, or On-Premises.
    Meta,
    /// Webhooks of Bird.
    Bird,
    /// Webhooks of Twilio.
    Twilio,
}

/// The formats of the topics. Envelopes are taken off whatever the format is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Formats {
    /// What customers did.
    pub inbound_message: Format,
    /// Reports about sends.
    pub delivery_status: Format,
    /// Changes of templates.
    pub template_status: Format,
}

/// Which topic a record lay in: its canonical form is that topic's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Topic {
    InboundMessage,
    DeliveryStatus,
    TemplateStatus,
}

/// Makes domain values of records.
pub struct Decoder {
    formats: Formats,
    policy: Policy,
}

impl Decoder {
    /// Understands those formats, and the channels of that policy.
    pub fn new(formats: Formats, policy: Policy) -> Decoder {
        Decoder { formats, policy }
    }

    /// What is in a record of `inbound-message`.
    pub fn decode_inbound(&self, record: &Record) -> DecodedInbound {
        if let Some(event) = canonical::usual_event(record, &|channel| self.knows(channel)) {
            return DecodedInbound { events: [event].into(), ..DecodedInbound::default() };
        }
        self.decode(record, Topic::InboundMessage, self.formats.inbound_message)
    }

    /// What is in a record of `delivery-status`.
    pub fn decode_delivery_status(&self, record: &Record) -> DecodedInbound {
        self.decode(record, Topic::DeliveryStatus, self.formats.delivery_status)
    }

    /// What is in a record of `template-status`.
    pub fn decode_template_status(&self, record: &Record) -> DecodedInbound {
        self.decode(record, Topic::TemplateStatus, self.formats.template_status)
    }

    /// What is in a record of `outbound-intent`.
    pub fn decode_intent(&self, record: &Record) -> DecodedIntent {
        canonical::decode_intent(record, &|channel| self.knows(channel))
    }

    fn knows(&self, channel: &str) -> bool {
        self.policy.channel(channel).is_some()
    }

    fn decode(&self, record: &Record, topic: Topic, format: Format) -> DecodedInbound {
        let mut findings = Findings::default();
        let read =
            envelope::open(record).and_then(|content| self.read(record, &content, (topic, format), &mut findings));
        if let Err(reject) = read {
            findings.refuse(reject);
        }
        findings.finish()
    }

    fn read(
        &self,
        record: &Record,
        content: &Content<'_>,
        (topic, format): (Topic, Format),
        findings: &mut Findings,
    ) -> Result<(), Reject> {
        let text = content.text()?;
        let source = Source { record, policy: &self.policy };
        if matches!(format, Format::Auto | Format::Twilio) && webhook::is_form(text, content.is_form) {
            return webhook::read_form(text, &source, findings);
        }
        if let Some(provider) = self.early(text, format)? {
            return webhook::read(provider, text, &source, findings);
        }
        if self.read_canonical(text, topic, findings)? {
            return Ok(());
        }
        if let Some(data) = envelope::event_data(content)? {
            return self.read(record, &data, (topic, format), findings);
        }
        let provider = match format {
            Format::Auto => webhook::recognise(text)?,
            Format::Canonical => None,
            Format::Meta => Some(Provider::Meta),
            Format::Bird => Some(Provider::Bird),
            Format::Twilio => Some(Provider::Twilio),
        };
        match provider {
            Some(provider) => webhook::read(provider, text, &source, findings),
            None => Err(missing(match topic {
                Topic::InboundMessage => "message_id",
                Topic::DeliveryStatus => "business_id",
                Topic::TemplateStatus => "account_id or business_id",
            })),
        }
    }

    /// Meta's webhooks are the longest: one that begins like one is not looked through for anything else first.
    fn early(&self, text: &str, format: Format) -> Result<Option<Provider>, Reject> {
        match format {
            Format::Auto if webhook::begins_like_metas(text) => webhook::recognise(text),
            Format::Meta if webhook::begins_like_metas(text) => Ok(Some(Provider::Meta)),
            _ => Ok(None),
        }
    }

    /// Reads the topic's canonical form; false when the text is something else.
    fn read_canonical(&self, text: &str, topic: Topic, findings: &mut Findings) -> Result<bool, Reject> {
        let knows = |channel: &str| self.knows(channel);
        match topic {
            Topic::InboundMessage => {
                let event = canonical::inbound_event(text, &knows)?;
                Ok(event.map(|event| findings.event(event)).is_some())
            }
            Topic::DeliveryStatus => {
                let delivery = canonical::failed_delivery(text, &knows)?;
                Ok(delivery.map(|delivery| delivery.into_iter().for_each(|it| findings.delivery(it))).is_some())
            }
            Topic::TemplateStatus => {
                let update = canonical::template_update(text)?;
                Ok(update.map(|update| findings.template(update)).is_some())
            }
        }
    }
}

#[cfg(test)]
mod tests;
