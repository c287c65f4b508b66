//! Canonical JSON to domain: one event, one intent or one report a record.

use super::envelope::{self, Content};
use super::fields::{Field, Fields, invalid, missing};
use super::letter;
use super::names::Names;
use super::place::Place;
use crate::core::decoded::DecodedIntent;
use crate::core::delivery::FailedDelivery;
use crate::core::ids::{BusinessId, Channel, CustomerId, IntentId, MessageId, hash_of};
use crate::core::inbound::InboundEvent;
use crate::core::intent::{Intent, IntentHash};
use crate::core::record::{ReasonCode, Record, Reject};
use crate::core::template::{TemplateId, TemplateOwner, TemplateStatus, TemplateUpdate};
use compact_str::CompactString;
use siphasher::sip128::SipHasher13;
use std::borrow::Cow;

/// The most ids that an event may give besides the customer's.
pub const MAX_ALIASES: usize = 16;

const INTENT_FIELD_COUNT: usize = 11;

const ALIASES: &str = "customer_aliases";

// Each in the order in which its reader below names them, which is the order in which they mostly come.
static INBOUND_FIELDS: Names<7> =
    Names::of(["message_id", "channel", "business_id", "customer_id", ALIASES, "type", "occurred_at"]);
static DELIVERY_FIELDS: Names<5> = Names::of(["channel", "business_id", "customer_id", "error_code", "occurred_at"]);
static TEMPLATE_FIELDS: Names<6> =
    Names::of(["account_id", "business_id", "name", "language", "status", "occurred_at"]);
static INTENT_FIELDS: Names<INTENT_FIELD_COUNT> = Names::of([
    "intent_id",
    "channel",
    "business_id",
    "customer_id",
    "requested_at",
    "expires_at",
    "message",
    "template",
    // Where a list of recipients has been seen besides; an intent is for one.
    "customer_ids",
    "recipients",
    "to",
]);

/// Reads an intent. Its identity is given whenever that much can be read, even if the intent is refused.
pub fn decode_intent(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> DecodedIntent {
    usual_intent(record, known_channel).unwrap_or_else(|| intent_in_full(record, known_channel))
}

/// What most records hold, a whole intent in canonical form, nothing unusual, and no headers that say what it is; `None`: it has to be looked at in
/// full.
fn usual_intent(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> Option<DecodedIntent> {
    let (value, text) = envelope::usual(record)?;
    let mut fields = Fields::none_of(text, INTENT_FIELDS.all());
    fields.find_usual(&INTENT_FIELDS)?;
    let [intent_id, channel, business_id, customer_id, requested_at, expires_at, message, template, lists @ ..] =
        fields.places();
    let is_unusual = fields.has_repeated() || lists.iter().any(Place::is_array);
    if is_unusual || letter::times_redriven(&record.headers).is_some() {
        return None;
    }
    let channel = usual_channel(channel, text, known_channel)?;
    let (intent_id, business_id) = (intent_id.plain_id(text)?, business_id.plain_key_part(text)?);
    let customer_id = customer_id.plain_id(text)?;
    let requested_at = if requested_at.is_absent() { record.timestamp } else { requested_at.plain_time(text)? };
    let expires_at = if expires_at.is_absent() { None } else { Some(expires_at.plain_time(text)?) };
    let (message, template) = (message.plain_object(text)?, template.plain_object(text)?);
    message.or(template)?;
    let share = |text: &str| value.slice_ref(text.as_bytes());
    let intent = Intent {
        intent_id: IntentId::new(intent_id),
        channel: Channel::new(channel),
        business_id: BusinessId::new(business_id),
        customer_id: CustomerId::new(customer_id),
        requested_at,
        expires_at,
        message: message.map(share),
        template: template.map(share),
    };
    let hash = Some(intent_hash(business_id, intent_id));
    Some(DecodedIntent { hash, redriven: None, intent: Ok(Box::new(intent)) })
}

/// Any record, with what is wrong put into words.
fn intent_in_full(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> DecodedIntent {
    let refused = |reject| DecodedIntent { hash: None, redriven: None, intent: Err(reject) };
    envelope::open(record)
        .map_or_else(refused, |content| intent_in(record, &content, known_channel).unwrap_or_else(refused))
}

fn intent_in(
    record: &Record,
    content: &Content<'_>,
    known_channel: &dyn Fn(&str) -> bool,
) -> Result<DecodedIntent, Reject> {
    let fields = Fields::read_prepared(content.text()?, &INTENT_FIELDS)?;
    let [intent_id, _, business_id, customer_id, ..] = fields.in_order();
    if are_absent([&intent_id, &business_id, &customer_id])
        && let Some(data) = envelope::event_data(content)?
    {
        return intent_in(record, &data, known_channel);
    }
    let ids = Ids { business: business_id.key_part(), intent: intent_id.id() };
    let is_repeated = business_id.is_repeated() || intent_id.is_repeated();
    let hash = ids.hash().filter(|_| !is_repeated);
    let redriven = hash.and_then(|hash| redriven_identity(record, hash));
    Ok(DecodedIntent { hash, redriven, intent: intent(record, content, &fields, ids, known_channel) })
}

/// What identifies an intent, each as far as it can be read.
struct Ids<'a> {
    business: Result<Cow<'a, str>, Reject>,
    intent: Result<Cow<'a, str>, Reject>,
}

impl Ids<'_> {
    fn hash(&self) -> Option<IntentHash> {
        let (Ok(business), Ok(intent)) = (&self.business, &self.intent) else { return None };
        Some(intent_hash(business, intent))
    }
}

fn intent(
    record: &Record,
    content: &Content<'_>,
    fields: &Fields<'_, INTENT_FIELD_COUNT>,
    ids: Ids<'_>,
    known_channel: &dyn Fn(&str) -> bool,
) -> Result<Box<Intent>, Reject> {
    fields.refuse_repeated()?;
    let [_, channel, _, customer_id, requested_at, expires_at, message, template, lists @ ..] = fields.in_order();
    if let Some(list) = std::iter::once(&customer_id).chain(&lists).find(|field| field.is_array()) {
        let detail = format!("{} is a list: an intent is for one recipient", list.name());
        return Err(Reject::new(ReasonCode::BulkNotAllowed, detail));
    }
    let intent = Box::new(Intent {
        intent_id: IntentId::new(ids.intent?),
        channel: channel_in(&channel, known_channel)?,
        business_id: BusinessId::new(ids.business?),
        customer_id: CustomerId::new(customer_id.id()?),
        requested_at: requested_at.time()?.unwrap_or(record.timestamp),
        expires_at: expires_at.time()?,
        message: message.object()?.map(|text| content.share(text)),
        template: template.object()?.map(|text| content.share(text)),
    });
    if intent.message.is_none() && intent.template.is_none() {
        return Err(Reject::new(ReasonCode::MissingField, "message or template is required"));
    }
    Ok(intent)
}

/// What nearly every record of what a customer did holds: one event in canonical form and nothing unusual. `None`: it has
/// to be looked at in full.
pub(super) fn usual_event(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> Option<InboundEvent> {
    let (_, text) = envelope::usual(record)?;
    // What begins with another name is likely a webhook.
    if !INBOUND_FIELDS.begin(text) {
        return None;
    }
    let mut fields = Fields::none_of(text, INBOUND_FIELDS.all());
    fields.find_usual(&INBOUND_FIELDS)?;
    let [message_id, channel, business_id, customer_id, aliases, kind, occurred_at] = fields.places();
    if fields.has_repeated() {
        return None;
    }
    let channel = usual_channel(channel, text, known_channel)?;
    let (message_id, business_id) = (message_id.plain_id(text)?, business_id.plain_key_part(text)?);
    let (customer_id, kind) = (customer_id.plain_id(text)?, kind.plain_id(text)?);
    let occurred_at = occurred_at.plain_time(text)?;
    let customer_aliases = if aliases.is_absent() { Vec::new() } else { aliases_in(&fields.field(ALIASES)).ok()? };
    Some(InboundEvent {
        message_id: MessageId::new(message_id),
        channel: Channel::new(channel),
        business_id: BusinessId::new(business_id),
        customer_id: CustomerId::new(customer_id),
        customer_aliases,
        kind: CompactString::new(kind),
        occurred_at,
    })
}

fn aliases_in(field: &Field<'_>) -> Result<Vec<CustomerId>, Reject> {
    Ok(field.ids(MAX_ALIASES)?.into_iter().map(CustomerId::new).collect())
}

#[inline(always)]
fn usual_channel<'a>(place: &Place, text: &'a str, known: &dyn Fn(&str) -> bool) -> Option<&'a str> {
    let name = if place.is_absent() { Channel::DEFAULT } else { place.plain_key_part(text)? };
    if known(name) { Some(name) } else { None }
}

/// Reads what a customer did: one event; `None` when nothing in the object is an id of ours.
pub(super) fn inbound_event(text: &str, known_channel: &dyn Fn(&str) -> bool) -> Result<Option<InboundEvent>, Reject> {
    let fields = Fields::read_prepared(text, &INBOUND_FIELDS)?;
    let [message_id, channel, business_id, customer_id, aliases, kind, occurred_at] = fields.in_order();
    if are_absent([&message_id, &business_id, &customer_id]) {
        return Ok(None);
    }
    fields.refuse_repeated()?;
    Ok(Some(InboundEvent {
        message_id: MessageId::new(message_id.id()?),
        channel: channel_in(&channel, known_channel)?,
        business_id: BusinessId::new(business_id.key_part()?),
        customer_id: CustomerId::new(customer_id.id()?),
        customer_aliases: aliases_in(&aliases)?,
        kind: CompactString::new(kind.id()?),
        occurred_at: occurred_at.required_time()?,
    }))
}

/// Reads a failed delivery: `None` when nothing in the object is a field of ours, `Some(None)` when its code says
/// nothing of a window.
pub(super) fn failed_delivery(
    text: &str,
    known_channel: &dyn Fn(&str) -> bool,
) -> Result<Option<Option<FailedDelivery>>, Reject> {
    let fields = Fields::read_prepared(text, &DELIVERY_FIELDS)?;
    let [channel, business_id, customer_id, error_code, occurred_at] = fields.in_order();
    if are_absent([&business_id, &customer_id, &error_code]) {
        return Ok(None);
    }
    fields.refuse_repeated()?;
    let code = error_code.raw().ok_or_else(|| missing("error_code"))?;
    let code = code.trim_matches('"').parse().map_err(|_| invalid("error_code", "is no number"))?;
    let delivery = FailedDelivery {
        channel: channel_in(&channel, known_channel)?,
        business_id: BusinessId::new(business_id.key_part()?),
        customer_id: CustomerId::new(customer_id.id()?),
        error_code: code,
        occurred_at: occurred_at.required_time()?,
    };
    Ok(Some(Some(delivery).filter(FailedDelivery::is_outside_window)))
}

/// Reads a change of a template; `None` when nothing in the object is a field of ours.
pub(super) fn template_update(text: &str) -> Result<Option<TemplateUpdate>, Reject> {
    let fields = Fields::read_prepared(text, &TEMPLATE_FIELDS)?;
    let [account_id, business_id, name, language, status, occurred_at] = fields.in_order();
    if are_absent([&account_id, &business_id, &language]) {
        return Ok(None);
    }
    fields.refuse_repeated()?;
    let owner = match account_id.raw() {
        Some(_) => TemplateOwner::Account(CompactString::new(account_id.id()?)),
        None => TemplateOwner::Business(BusinessId::new(business_id.key_part()?)),
    };
    let id = TemplateId {
        owner,
        name: CompactString::new(name.template_name()?),
        language: CompactString::new(language.id()?),
    };
    let status = TemplateStatus::new(&status.id()?);
    Ok(Some(TemplateUpdate { id, status, occurred_at: occurred_at.required_time()? }))
}

fn are_absent<const N: usize>(fields: [&Field<'_>; N]) -> bool {
    fields.iter().all(|field| field.is_absent())
}

fn channel_in(field: &Field<'_>, known: &dyn Fn(&str) -> bool) -> Result<Channel, Reject> {
    let name = field.key_part_or(Channel::DEFAULT)?;
    if known(&name) {
        return Ok(Channel::new(name));
    }
    let detail = match field.raw() {
        Some(_) => "channel is not among the configured ones".to_owned(),
        None => format!("channel is absent, and the default {} is not configured", Channel::DEFAULT),
    };
    Err(Reject::new(ReasonCode::UnknownChannel, detail))
}

/// An intent that was refused is noted, and would be its own duplicate when its dead letter is redriven. So what
/// counts then is how often it was: whatever has the same ids and comes back as often is a duplicate, be it the same dead
/// letter or that of a repetition.
fn redriven_identity(record: &Record, hash: IntentHash) -> Option<IntentHash> {
    let times = letter::times_redriven(&record.headers)?;
    Some(hash_of_parts([&hash.0.to_le_bytes(), times]))
}

/// What identifies the intent of that business.
#[inline]
pub fn intent_hash(business_id: &str, intent_id: &str) -> IntentHash {
    // The length in front keeps ("ab", "c") and ("a", "bc") apart.
    let length = (business_id.len() as u64).to_le_bytes();
    hash_of_parts([&length, business_id.as_bytes(), intent_id.as_bytes()])
}

#[inline]
fn hash_of_parts<const N: usize>(parts: [&[u8]; N]) -> IntentHash {
    let hasher = SipHasher13::new_with_keys(0x7365_7373_696f_6e67, 0x6174_655f_696e_7431);
    IntentHash(hash_of(&hasher, parts).as_u128())
}

#[cfg(test)]
mod tests;
