//! Meta: a POST holds entries (accounts), each with changes, each with messages, statuses or calls, for many businesses.

mod call;
mod message;
mod people;
mod status;

use super::super::fields::{Fields, checked_id, missing, without_colon};
use super::super::findings::{Findings, unusable};
use super::{Source, loose};
use crate::core::ids::{BusinessId, Channel, MessageId};
use crate::core::inbound::InboundEvent;
use crate::core::policy::ChannelPolicy;
use crate::core::record::{ReasonCode, Reject};
use crate::core::template::{TemplateId, TemplateOwner, TemplateStatus, TemplateUpdate};
use crate::core::time::Timestamp;
use compact_str::CompactString;
use people::People;
use std::borrow::Cow;

/// All of it is WhatsApp's.
const CHANNEL: &str = "whatsapp";

const POST: [&str; 5] = ["object", "entry", "statuses", "messages", "contacts"];
const ENTRY: [&str; 3] = ["id", "time", "changes"];
const CHANGE: [&str; 2] = ["field", "value"];
const VALUE: [&str; 5] = ["metadata", "contacts", "messages", "statuses", "calls"];
/// What tells a bare status, and what is wrong without saying for whom.
const BARE: [&str; 3] = ["recipient_id", "status", "errors"];
const METADATA: [&str; 2] = ["phone_number_id", "display_phone_number"];
const TEMPLATE: [&str; 3] = ["event", "message_template_name", "message_template_language"];

/// Fields whose changes say nothing of a window, of a send or of a template's status.
const WITHOUT_EFFECT: &[&str] = &[
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "automatic_events",
    "business_capability_update",
    "business_status_update",
    "flows",
    "group_lifecycle_update",
    "group_participants_update",
    "group_settings_update",
    "group_status_update",
    "history",
    "message_echoes",
    "message_template_components_update",
    "message_template_quality_update",
    "messaging_handovers",
    "partner_solutions",
    "payment_configuration_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "smb_app_state_sync",
    "smb_message_echoes",
    "template_category_update",
    "template_correct_category_detection",
    "tracking_events",
    "user_id_update",
    "user_preferences",
];

/// One change of a POST, as its messages, statuses and calls need it.
struct Change<'a> {
    /// Where it stands: `entry[0].changes[0].value`, or nothing.
    place: String,
    /// Which business it is for, or why nobody knows: that matters only to a part that comes to something.
    business: Result<BusinessId, Reject>,
    /// The digits of the business's own number: what comes from there is an echo.
    own_number: String,
    people: People<'a>,
    /// The channel's rules, if another application has the conversation and this one only listens.
    standby: Option<&'a ChannelPolicy>,
}

/// What a part of a webhook came to: nothing, or an event.
type Read = Result<Option<InboundEvent>, Reject>;

pub(super) fn read(text: &str, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    let post = Fields::read(text, &POST)?;
    if !source.knows(CHANNEL) {
        let detail = "the channel whatsapp is not among the configured ones";
        return Err(Reject::new(ReasonCode::UnknownChannel, detail));
    }
    let Some(entries) = post.raw("entry") else { return on_premises(text, &post, source, findings) };
    let object = loose::word(&post, "object");
    if !object.is_empty() && object != "whatsapp_business_account" {
        findings.ignore(&object);
        return Ok(());
    }
    in_list(entries, "entry", findings, |index, raw, findings| entry(index, raw, source, findings));
    Ok(())
}

/// Hands over each element with where it stands, and refuses what is no list.
fn in_list<'a>(
    list: &'a str,
    place: &str,
    findings: &mut Findings,
    mut take: impl FnMut(&str, &'a str, &mut Findings),
) {
    let is_list = loose::each(list, |index, element| take(&format!("{place}[{index}]"), element, findings));
    if !is_list {
        findings.refuse_with(|| unusable(format!("{place} is not an array")));
    }
}

fn entry(place: &str, raw: &str, source: &Source<'_>, findings: &mut Findings) {
    let fields = match Fields::read(raw, &ENTRY) {
        Ok(fields) => fields,
        Err(_) => return findings.refuse_with(|| unusable("is not an object").at(place)),
    };
    let Some(changes) = fields.raw("changes") else { return };
    in_list(changes, &format!("{place}.changes"), findings, |place, raw, findings| {
        if let Err(reject) = change(place, raw, &fields, source, findings) {
            findings.refuse_with(|| reject.at(place));
        }
    });
}

fn change(
    place: &str,
    raw: &str,
    entry: &Fields<'_, 3>,
    source: &Source<'_>,
    findings: &mut Findings,
) -> Result<(), Reject> {
    let fields = Fields::read(raw, &CHANGE).map_err(|_| unusable("is not an object"))?;
    let field = loose::text(&fields, "field")?.ok_or_else(|| missing("field"))?;
    let Some(value) = fields.raw("value") else { return Ok(()) };
    match &*field {
        "messages" | "calls" | "standby" => {
            let standby = source.policy.channel(CHANNEL).filter(|_| field == "standby");
            conversation(&format!("{place}.value"), value, standby, findings);
        }
        "message_template_status_update" => {
            if let Some(update) = template(value, entry)? {
                findings.template(update);
            }
        }
        other if WITHOUT_EFFECT.contains(&other) => {}
        other => findings.ignore(other),
    }
    Ok(())
}

fn conversation(place: &str, value: &str, standby: Option<&ChannelPolicy>, findings: &mut Findings) {
    let read = Fields::read(value, &VALUE).map_err(|_| unusable("is not an object"));
    let read = read.and_then(|fields| {
        let has_parts = ["messages", "statuses", "calls"].iter().any(|name| fields.raw(name).is_some());
        let metadata = has_parts.then(|| Metadata::read(&fields)).transpose()?;
        Ok((fields, metadata))
    });
    match read {
        Ok((_, None)) => {}
        Ok((fields, Some(Metadata { business, own_number }))) => {
            let people = People::read(fields.raw("contacts"));
            let change = Change { place: place.to_owned(), business: Ok(business), own_number, people, standby };
            parts(&fields, &change, findings);
        }
        Err(reject) => findings.refuse_with(|| reject.at(place)),
    }
}

fn parts(fields: &Fields<'_, 5>, change: &Change<'_>, findings: &mut Findings) {
    type Part<'a> = fn(&'a str, &Change<'a>, &mut Findings) -> Read;
    let lists: [(&'static str, Part<'_>); 3] =
        [("messages", message::read), ("statuses", status::read), ("calls", call::read)];
    for (name, read) in lists {
        let Some(list) = fields.raw(name) else { continue };
        let place = if change.place.is_empty() { name.to_owned() } else { format!("{}.{name}", change.place) };
        let is_list = loose::each(list, |index, part| match read(part, change, findings) {
            Ok(Some(event)) => findings.event(event),
            Ok(None) => {}
            Err(reject) => findings.refuse_with(|| reject.at(format!("{place}[{index}]"))),
        });
        if !is_list {
            findings.refuse_with(|| unusable(format!("{place} is not an array")));
        }
    }
}

/// Which business a change is for.
struct Metadata {
    business: BusinessId,
    own_number: String,
}

impl Metadata {
    fn read(value: &Fields<'_, 5>) -> Result<Metadata, Reject> {
        const NAME: &str = "metadata.phone_number_id";
        let metadata = value.raw("metadata").ok_or_else(|| missing(NAME))?;
        let fields = Fields::read(metadata, &METADATA).map_err(|_| unusable("metadata is not an object"))?;
        let id = loose::id(&fields, "phone_number_id")?.ok_or_else(|| missing(NAME))?;
        let own_number = digits(&loose::word(&fields, "display_phone_number"));
        Ok(Metadata { business: BusinessId::new(without_colon(NAME, id)?), own_number })
    }
}

/// A number without what people write between its digits.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A change of a template's status; `None` when it is one of something else under the same field.
fn template(value: &str, entry: &Fields<'_, 3>) -> Result<Option<TemplateUpdate>, Reject> {
    let fields = Fields::read(value, &TEMPLATE).map_err(|_| unusable("value is not an object"))?;
    let Some(event) = loose::id(&fields, "event")? else { return Ok(None) };
    let account = loose::required_id(entry, "id")?;
    let id = TemplateId {
        owner: TemplateOwner::Account(CompactString::new(account)),
        name: CompactString::new(loose::template_name(&fields, "message_template_name")?),
        language: CompactString::new(loose::required_id(&fields, "message_template_language")?),
    };
    let occurred_at = loose::required_seconds(entry, "time")?;
    Ok(Some(TemplateUpdate { id, status: TemplateStatus::new(&event), occurred_at }))
}

/// On-Premises webhooks hold the lists at the top, or one status alone, and never say which business they are for.
fn on_premises(text: &str, post: &Fields<'_, 5>, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    let change = Change {
        place: String::new(),
        business: business_of_key(source),
        own_number: String::new(),
        people: People::read(post.raw("contacts")),
        standby: None,
    };
    if post.raw("messages").is_some() || post.raw("statuses").is_some() {
        parts(&Fields::read(text, &VALUE)?, &change, findings);
        return Ok(());
    }
    let bare = Fields::read(text, &BARE)?;
    if is_bare_status(&bare) {
        status::read(text, &change, findings)?.into_iter().for_each(|event| findings.event(event));
    } else if bare.is_array("errors") {
        findings.ignore("errors");
    } else {
        let detail = "entry, messages, statuses or the fields of a status are required: this is no webhook of Meta";
        return Err(Reject::new(ReasonCode::MissingField, detail));
    }
    Ok(())
}

/// Whether an object is one status, without a list around it. Of its fields, those that tell must be watched.
pub(super) fn is_bare_status<const N: usize>(fields: &Fields<'_, N>) -> bool {
    let has = |name| fields.raw(name).is_some();
    has("recipient_id") && (has("status") || has("errors"))
}

fn business_of_key(source: &Source<'_>) -> Result<BusinessId, Reject> {
    let key = source.record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
    let business = key.and_then(|key| key.split_once(':')).map(|(business, _)| business);
    let detail = "the record's key BUSINESS:CUSTOMER is required: an On-Premises webhook names no business";
    let business = business.ok_or_else(|| Reject::new(ReasonCode::MissingField, detail))?;
    checked_id("the business in the key", Cow::Borrowed(business)).map(BusinessId::new)
}

/// What every event of a change has in common.
fn event(change: &Change<'_>, id: Cow<'_, str>, person: people::Person, kind: &str, occurred_at: Timestamp) -> Read {
    Ok(Some(InboundEvent {
        message_id: MessageId::new(id),
        channel: Channel::new(CHANNEL),
        business_id: change.business.clone()?,
        customer_id: person.id,
        customer_aliases: person.aliases,
        kind: CompactString::new(kind),
        occurred_at,
    }))
}
