//! Twilio: one message or one status a webhook, as a form or as the same fields in JSON.
//!
//! There is no time in it: the record's own counts.

use super::super::fields::{Fields, checked_id, missing, without_colon};
use super::super::findings::{Findings, kind_name, unusable};
use super::{Source, loose};
use crate::core::delivery::{FailedDelivery, OUTSIDE_WINDOW_CODES};
use crate::core::ids::{BusinessId, Channel, CustomerId, MessageId};
use crate::core::inbound::InboundEvent;
use crate::core::record::{ReasonCode, Reject};
use compact_str::CompactString;
use std::borrow::Cow;

const NAMES: [&str; 19] = [
    "MessageSid",
    "SmsMessageSid",
    "SmsSid",
    "From",
    "To",
    "WaId",
    "ExternalUserId",
    "MessageStatus",
    "SmsStatus",
    "ErrorCode",
    "MessageType",
    "ButtonText",
    "ButtonPayload",
    "ListId",
    "InteractiveData",
    "NumMedia",
    "MediaContentType0",
    "Latitude",
    "EventType",
];

/// The fields of one webhook; absent and empty are the same.
struct Form<'a>([Option<Cow<'a, str>>; NAMES.len()]);

pub(super) fn read_form(text: &str, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    let mut form = Form(Default::default());
    for (name, value) in form_urlencoded::parse(text.trim_ascii().as_bytes()) {
        if let Some(index) = NAMES.iter().position(|known| *known == name)
            && let Some(slot) = form.0.get_mut(index)
        {
            slot.get_or_insert(value);
        }
    }
    read(&form, source, findings)
}

pub(super) fn read_json(text: &str, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    let fields = Fields::read(text, &NAMES)?;
    let mut form = Form(Default::default());
    for (slot, name) in form.0.iter_mut().zip(NAMES) {
        *slot = loose::text(&fields, name)?;
    }
    read(&form, source, findings)
}

fn read(form: &Form<'_>, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    let status = form.get("MessageStatus").or(form.get("SmsStatus")).unwrap_or("received");
    if status.eq_ignore_ascii_case("received") || status.eq_ignore_ascii_case("receiving") {
        findings.event(event(form, source)?);
        return Ok(());
    }
    let code = form.get("ErrorCode").and_then(|code| code.parse().ok());
    if let Some(code) = code.filter(|code| OUTSIDE_WINDOW_CODES.contains(code)) {
        findings.delivery(delivery(form, source, code)?);
    }
    Ok(())
}

fn event(form: &Form<'_>, source: &Source<'_>) -> Result<InboundEvent, Reject> {
    let from = form.address("From")?;
    let customer_id = from.id("From")?;
    let mut customer_aliases = Vec::new();
    for (name, value) in [("WaId", form.get("WaId")), ("ExternalUserId", form.get("ExternalUserId"))] {
        let Some(value) = value else { continue };
        let alias = Address::of(value).id(name)?;
        if alias != customer_id && !customer_aliases.contains(&alias) {
            customer_aliases.push(alias);
        }
    }
    Ok(InboundEvent {
        message_id: MessageId::new(form.message_id()?),
        channel: from.channel(source)?,
        business_id: form.address("To")?.business("To")?,
        customer_id,
        customer_aliases,
        kind: form.kind(),
        occurred_at: source.record.timestamp,
    })
}

/// A report is addressed as the message was: from the business to the customer.
fn delivery(form: &Form<'_>, source: &Source<'_>, error_code: u32) -> Result<FailedDelivery, Reject> {
    let to = form.address("To")?;
    Ok(FailedDelivery {
        channel: to.channel(source)?,
        business_id: form.address("From")?.business("From")?,
        customer_id: to.id("To")?,
        error_code,
        occurred_at: source.record.timestamp,
    })
}

impl Form<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let index = NAMES.iter().position(|known| *known == name)?;
        self.0.get(index)?.as_deref().filter(|value| !value.is_empty())
    }

    fn address(&self, name: &'static str) -> Result<Address<'_>, Reject> {
        self.get(name).map(Address::of).ok_or_else(|| missing(name))
    }

    fn message_id(&self) -> Result<Cow<'_, str>, Reject> {
        let id = self.get("MessageSid").or(self.get("SmsMessageSid")).or(self.get("SmsSid"));
        checked_id("MessageSid", Cow::Borrowed(id.ok_or_else(|| missing("MessageSid"))?))
    }

    /// The type that is given, or what the other fields tell.
    fn kind(&self) -> CompactString {
        if let Some(given) = self.get("MessageType").filter(|given| !given.eq_ignore_ascii_case("interactive")) {
            return CompactString::new(kind_name(given)).to_ascii_lowercase();
        }
        let media = self.get("MediaContentType0").unwrap_or_default();
        CompactString::const_new(match self {
            form if form.get("ListId").is_some() => "list_reply",
            form if form.get("ButtonText").is_some() || form.get("ButtonPayload").is_some() => "button",
            form if form.get("InteractiveData").is_some() => "nfm_reply",
            form if form.get("MessageType").is_some() => "interactive",
            form if form.get("Latitude").is_some() => "location",
            form if form.get("NumMedia").unwrap_or("0") == "0" => "text",
            _ if media.starts_with("image/") => "image",
            _ if media.starts_with("audio/") => "audio",
            _ if media.starts_with("video/") => "video",
            _ if media.contains("vcard") => "contacts",
            _ => "document",
        })
    }
}

/// `whatsapp:+14155550100`, `messenger:1234`, or a bare number, which is SMS.
struct Address<'a> {
    channel: &'a str,
    id: &'a str,
}

impl<'a> Address<'a> {
    fn of(text: &'a str) -> Address<'a> {
        let (channel, id) = text.split_once(':').unwrap_or(("sms", text));
        Address { channel, id: id.trim_start_matches('+') }
    }

    fn channel(&self, source: &Source<'_>) -> Result<Channel, Reject> {
        if source.knows(self.channel) {
            return Ok(Channel::new(self.channel));
        }
        Err(Reject::new(ReasonCode::UnknownChannel, "the channel of its addresses is not among the configured ones"))
    }

    fn id(&self, name: &str) -> Result<CustomerId, Reject> {
        if self.id.contains(char::REPLACEMENT_CHARACTER) {
            return Err(unusable(format!("{name} is not UTF-8")));
        }
        checked_id(name, Cow::Borrowed(self.id)).map(CustomerId::new)
    }

    fn business(&self, name: &str) -> Result<BusinessId, Reject> {
        let id = self.id(name)?;
        without_colon(name, Cow::Borrowed(id.as_str())).map(BusinessId::new)
    }
}
