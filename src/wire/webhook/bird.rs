//! Bird: one message a webhook, bare or in an event that says which channel it came by.

use super::super::fields::{Fields, invalid, missing, without_colon};
use super::super::findings::{Findings, kind_name};
use super::{Source, loose};
use crate::core::delivery::{FailedDelivery, OUTSIDE_WINDOW_CODES};
use crate::core::ids::{BusinessId, Channel, CustomerId, MessageId};
use crate::core::inbound::InboundEvent;
use crate::core::record::{ReasonCode, Reject};
use crate::core::time::Timestamp;
use compact_str::CompactString;
use std::borrow::Cow;

const EVENT: [&str; 2] = ["event", "payload"];
const MESSAGE: [&str; 12] = [
    "id",
    "channelId",
    "sender",
    "receiver",
    "body",
    "meta",
    "parts",
    "direction",
    "status",
    "failure",
    "createdAt",
    "updatedAt",
];

type Message<'a> = Fields<'a, 12>;

pub(super) fn read(text: &str, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    let event = Fields::read(text, &EVENT)?;
    let Some(payload) = event.raw("payload") else {
        return message(Channel::DEFAULT, text, source, findings);
    };
    let name = loose::word(&event, "event");
    match name.split_once('.') {
        Some((channel, "inbound" | "outbound")) => message(channel, payload, source, findings),
        _ => {
            findings.ignore(&name);
            Ok(())
        }
    }
}

fn message(channel: &str, text: &str, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    let fields = Fields::read(text, &MESSAGE).map_err(|_| invalid("payload", "is not an object"))?;
    match &*loose::word(&fields, "direction") {
        "incoming" => findings.event(event(channel, &fields, source)?),
        "outgoing" => {
            if let Some(code) = failure_code(&fields).filter(|code| OUTSIDE_WINDOW_CODES.contains(code)) {
                findings.delivery(delivery(channel, &fields, source, code)?);
            }
        }
        "" => return Err(missing("direction")),
        _ => return Err(invalid("direction", "is neither incoming nor outgoing")),
    }
    Ok(())
}

fn event(channel: &str, fields: &Message<'_>, source: &Source<'_>) -> Result<InboundEvent, Reject> {
    Ok(InboundEvent {
        message_id: MessageId::new(message_id(fields)?),
        channel: known(channel, source)?,
        business_id: business(fields)?,
        customer_id: customer("sender", inside(fields.raw("sender"), "contact"))?,
        customer_aliases: Vec::new(),
        kind: kind(fields),
        occurred_at: occurred_at(fields)?,
    })
}

fn delivery(
    channel: &str,
    fields: &Message<'_>,
    source: &Source<'_>,
    error_code: u32,
) -> Result<FailedDelivery, Reject> {
    let mut first = None;
    if let Some(contacts) = inside(fields.raw("receiver"), "contacts") {
        loose::each(contacts, |_, contact| {
            first.get_or_insert(contact);
        });
    }
    let occurred_at = match fields.field("updatedAt").time()? {
        Some(time) => time,
        None => occurred_at(fields)?,
    };
    Ok(FailedDelivery {
        channel: known(channel, source)?,
        business_id: business(fields)?,
        customer_id: customer("receiver", first)?,
        error_code,
        occurred_at,
    })
}

fn known(channel: &str, source: &Source<'_>) -> Result<Channel, Reject> {
    match source.knows(channel) {
        true => Ok(Channel::new(channel)),
        false => Err(Reject::new(ReasonCode::UnknownChannel, "the event's channel is not among the configured ones")),
    }
}

/// Bird's own id of the connected number: the number itself is not in the webhook.
fn business(fields: &Message<'_>) -> Result<BusinessId, Reject> {
    loose::required_id(fields, "channelId").and_then(|id| without_colon("channelId", id)).map(BusinessId::new)
}

fn customer(name: &'static str, contact: Option<&str>) -> Result<CustomerId, Reject> {
    const CONTACT: [&str; 1] = ["identifierValue"];
    let fields = contact.and_then(|contact| Fields::read(contact, &CONTACT).ok());
    let fields = fields.ok_or_else(|| missing(name))?;
    let id = loose::required_id(&fields, "identifierValue")?;
    Ok(CustomerId::new(id.strip_prefix('+').unwrap_or(&id)))
}

/// WhatsApp's id where it is given, else Bird's.
fn message_id<'a>(fields: &Message<'a>) -> Result<Cow<'a, str>, Reject> {
    const PART: [&str; 1] = ["platformReference"];
    let mut given = None;
    if let Some(parts) = fields.raw("parts") {
        loose::each(parts, |_, part| {
            if given.is_none()
                && let Ok(part) = Fields::read(part, &PART)
            {
                given = loose::id(&part, "platformReference").ok().flatten();
            }
        });
    }
    given.map_or_else(|| loose::required_id(fields, "id"), Ok)
}

fn kind(fields: &Message<'_>) -> CompactString {
    const BODY: [&str; 1] = ["type"];
    let body = fields.raw("body").and_then(|body| Fields::read(body, &BODY).ok());
    let given = body.map(|body| loose::word(&body, "type")).unwrap_or_default();
    CompactString::new(match &*given {
        "file" => "document",
        "action" => "button_reply",
        other => kind_name(other),
    })
}

/// WhatsApp's own time where it is given, else the time at which Bird made its record.
fn occurred_at(fields: &Message<'_>) -> Result<Timestamp, Reject> {
    let given = inside(fields.raw("meta"), "extraInformation").and_then(|extra| inside(Some(extra), "timestamp"));
    if let Some(given) = given {
        return loose::seconds("meta.extraInformation.timestamp", given);
    }
    fields.field("createdAt").required_time()
}

fn failure_code(fields: &Message<'_>) -> Option<u32> {
    let failure = fields.raw("failure")?;
    let code = |object: Option<&str>| inside(object, "code").and_then(loose::number);
    // The channel's own code says more than Bird's.
    code(inside(Some(failure), "source")).or_else(|| code(Some(failure)))
}

/// A member of an object that may be there.
fn inside<'a>(object: Option<&'a str>, name: &'static str) -> Option<&'a str> {
    const MEMBERS: [&str; 7] =
        ["contact", "contacts", "extraInformation", "timestamp", "source", "code", "identifierValue"];
    Fields::read(object?, &MEMBERS).ok()?.raw(name)
}
