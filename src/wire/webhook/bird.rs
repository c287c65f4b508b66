//! Bird: one message a webhook, bare or in an event that says which channel it came by.

use super::super::fields::{Fields, checked_id, invalid, missing, without_colon};
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
                refused(channel, &fields, source, code)?.into_iter().for_each(|delivery| findings.delivery(delivery));
            }
        }
        "" => return Err(missing("direction")),
        _ => return Err(invalid("direction", "is neither incoming nor outgoing")),
    }
    Ok(())
}

fn event(channel: &str, fields: &Message<'_>, source: &Source<'_>) -> Result<InboundEvent, Reject> {
    let (message_id, channel) = (MessageId::new(message_id(fields)?), known(channel, source)?);
    let business_id = business(fields)?;
    let customer = customer("sender", inside(fields.raw("sender"), "contact"), fields)?;
    Ok(InboundEvent {
        message_id,
        channel,
        business_id,
        customer_id: customer.id,
        customer_aliases: customer.alias.into_iter().collect(),
        kind: kind(fields),
        occurred_at: occurred_at(fields)?,
    })
}

/// A send that was refused counts for each id of the customer: nobody knows under which one the next intent comes.
fn refused(
    channel: &str,
    fields: &Message<'_>,
    source: &Source<'_>,
    error_code: u32,
) -> Result<Vec<FailedDelivery>, Reject> {
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
    let (channel, business_id) = (known(channel, source)?, business(fields)?);
    let customer = customer("receiver", first, fields)?;
    let delivery = |customer_id| {
        let (channel, business_id) = (channel.clone(), business_id.clone());
        FailedDelivery { channel, business_id, customer_id, error_code, occurred_at }
    };
    Ok(std::iter::once(customer.id).chain(customer.alias).map(delivery).collect())
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

/// A customer, with the other id that is known.
struct Customer {
    id: CustomerId,
    alias: Option<CustomerId>,
}

fn customer(name: &'static str, contact: Option<&str>, message: &Message<'_>) -> Result<Customer, Reject> {
    const CONTACT: [&str; 2] = ["identifierKey", "identifierValue"];
    let contact = contact.and_then(|contact| Fields::read(contact, &CONTACT).ok()).ok_or_else(|| missing(name))?;
    let key = loose::text(&contact, "identifierKey")?.unwrap_or_default();
    if key.eq_ignore_ascii_case("whatsappusername") {
        let detail = format!("{USER_ID} is required: a username may change, and is no customer");
        let id = user_id(message)?.ok_or_else(|| Reject::new(ReasonCode::MissingField, detail))?;
        return Ok(Customer { id, alias: None });
    }
    let id = loose::required_id(&contact, "identifierValue")?;
    if key.eq_ignore_ascii_case("whatsappbsuid") {
        return Ok(Customer { id: CustomerId::new(id), alias: None });
    }
    let id = CustomerId::new(id.strip_prefix('+').unwrap_or(&id));
    // Who is known by a number is not refused for what stands beside it.
    let alias = user_id(message).ok().flatten().filter(|alias| *alias != id);
    Ok(Customer { id, alias })
}

const USER_ID: &str = "meta.extraInformation.whatsappbsuid";

/// The customer's business-scoped user id, which lasts when number and username change.
fn user_id(message: &Message<'_>) -> Result<Option<CustomerId>, Reject> {
    let Some(raw) = extra(message, "whatsappbsuid") else { return Ok(None) };
    let id = loose::text_of(USER_ID, raw)?.map(|text| checked_id(USER_ID, text)).transpose()?;
    Ok(id.map(CustomerId::new))
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
    if let Some(given) = extra(fields, "timestamp") {
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

/// What WhatsApp said besides.
fn extra<'a>(message: &Message<'a>, name: &'static str) -> Option<&'a str> {
    inside(inside(message.raw("meta"), "extraInformation"), name)
}

/// A member of an object that may be there.
fn inside<'a>(object: Option<&'a str>, name: &'static str) -> Option<&'a str> {
    const MEMBERS: [&str; 7] =
        ["contact", "contacts", "extraInformation", "timestamp", "whatsappbsuid", "source", "code"];
    Fields::read(object?, &MEMBERS).ok()?.raw(name)
}
