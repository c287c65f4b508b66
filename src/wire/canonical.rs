//! Canonical JSON to domain: one event, one intent or one report a record.

use super::envelope::{self, Content};
use super::fields::{Fields, invalid, missing};
use super::letter;
use crate::core::decoded::DecodedIntent;
use crate::core::delivery::FailedDelivery;
use crate::core::ids::{BusinessId, Channel, CustomerId, IntentId, MessageId};
use crate::core::inbound::InboundEvent;
use crate::core::intent::{Intent, IntentHash};
use crate::core::record::{ReasonCode, Record, Reject};
use crate::core::template::{TemplateId, TemplateOwner, TemplateStatus, TemplateUpdate};
use compact_str::CompactString;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// The channel of a record that names none.
pub const DEFAULT_CHANNEL: &str = "whatsapp";
/// The most ids that an event may give besides the customer's.
pub const MAX_ALIASES: usize = 16;

const INBOUND_FIELDS: [&str; 7] =
    ["message_id", "channel", "business_id", "customer_id", "customer_aliases", "type", "occurred_at"];

const DELIVERY_FIELDS: [&str; 5] = ["business_id", "customer_id", "channel", "error_code", "occurred_at"];
const TEMPLATE_FIELDS: [&str; 6] = ["business_id", "account_id", "name", "language", "status", "occurred_at"];

/// Where a list of recipients has been seen; an intent is for one.
const RECIPIENT_LISTS: [&str; 4] = ["customer_id", "customer_ids", "recipients", "to"];

const INTENT_FIELDS: [&str; 11] = [
    "intent_id",
    "channel",
    "business_id",
    "customer_id",
    "requested_at",
    "expires_at",
    "message",
    "template",
    "customer_ids",
    "recipients",
    "to",
];

/// Reads an intent. Its identity is given whenever that much can be read, even if the intent is refused.
pub fn decode_intent(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> DecodedIntent {
    let refused = |reject| DecodedIntent { hash: None, redriven: None, intent: Err(reject) };
    envelope::open(record)
        .map_or_else(refused, |content| intent_in(record, &content, known_channel).unwrap_or_else(refused))
}

fn intent_in(
    record: &Record,
    content: &Content<'_>,
    known_channel: &dyn Fn(&str) -> bool,
) -> Result<DecodedIntent, Reject> {
    let fields = Fields::read(content.text()?, &INTENT_FIELDS)?;
    let is_canonical = ["intent_id", "business_id", "customer_id"].iter().any(|name| fields.raw(name).is_some());
    if !is_canonical && let Some(data) = envelope::event_data(content)? {
        return intent_in(record, &data, known_channel);
    }
    let hash = identity(&fields);
    let redriven = hash.and_then(|hash| redriven_identity(record, hash));
    Ok(DecodedIntent { hash, redriven, intent: intent(record, content, &fields, known_channel) })
}

/// Reads what a customer did: one event; `None` when nothing in the object is an id of ours.
pub(super) fn inbound_event(text: &str, known_channel: &dyn Fn(&str) -> bool) -> Result<Option<InboundEvent>, Reject> {
    let fields = Fields::read(text, &INBOUND_FIELDS)?;
    if !["message_id", "business_id", "customer_id"].iter().any(|name| fields.raw(name).is_some()) {
        return Ok(None);
    }
    fields.refuse_repeated()?;
    Ok(Some(InboundEvent {
        message_id: MessageId::new(fields.id("message_id")?),
        channel: channel(&fields, known_channel)?,
        business_id: BusinessId::new(fields.key_part("business_id")?),
        customer_id: CustomerId::new(fields.id("customer_id")?),
        customer_aliases: fields.ids("customer_aliases", MAX_ALIASES)?.into_iter().map(CustomerId::new).collect(),
        kind: CompactString::new(fields.id("type")?),
        occurred_at: fields.required_time("occurred_at")?,
    }))
}

/// Reads a failed delivery: `None` when nothing in the object is a field of ours, `Some(None)` when its code says
/// nothing of a window.
pub(super) fn failed_delivery(
    text: &str,
    known_channel: &dyn Fn(&str) -> bool,
) -> Result<Option<Option<FailedDelivery>>, Reject> {
    let fields = Fields::read(text, &DELIVERY_FIELDS)?;
    if !["business_id", "customer_id", "error_code"].iter().any(|name| fields.raw(name).is_some()) {
        return Ok(None);
    }
    fields.refuse_repeated()?;
    let code = fields.raw("error_code").ok_or_else(|| missing("error_code"))?;
    let code = code.trim_matches('"').parse().map_err(|_| invalid("error_code", "is no number"))?;
    let delivery = FailedDelivery {
        channel: channel(&fields, known_channel)?,
        business_id: BusinessId::new(fields.key_part("business_id")?),
        customer_id: CustomerId::new(fields.id("customer_id")?),
        error_code: code,
        occurred_at: fields.required_time("occurred_at")?,
    };
    Ok(Some(Some(delivery).filter(FailedDelivery::is_outside_window)))
}

/// Reads a change of a template; `None` when nothing in the object is a field of ours.
pub(super) fn template_update(text: &str) -> Result<Option<TemplateUpdate>, Reject> {
    let fields = Fields::read(text, &TEMPLATE_FIELDS)?;
    if !["business_id", "account_id", "language"].iter().any(|name| fields.raw(name).is_some()) {
        return Ok(None);
    }
    fields.refuse_repeated()?;
    let owner = match fields.raw("account_id") {
        Some(_) => TemplateOwner::Account(CompactString::new(fields.id("account_id")?)),
        None => TemplateOwner::Business(BusinessId::new(fields.key_part("business_id")?)),
    };
    let id = TemplateId {
        owner,
        name: CompactString::new(fields.id("name")?),
        language: CompactString::new(fields.id("language")?),
    };
    let status = TemplateStatus::new(&fields.id("status")?);
    Ok(Some(TemplateUpdate { id, status, occurred_at: fields.required_time("occurred_at")? }))
}

fn intent<const N: usize>(
    record: &Record,
    content: &Content<'_>,
    fields: &Fields<'_, N>,
    known_channel: &dyn Fn(&str) -> bool,
) -> Result<Intent, Reject> {
    fields.refuse_repeated()?;
    if let Some(list) = RECIPIENT_LISTS.into_iter().find(|name| fields.is_array(name)) {
        let detail = format!("{list} is a list: an intent is for one recipient");
        return Err(Reject::new(ReasonCode::BulkNotAllowed, detail));
    }
    let intent = Intent {
        intent_id: IntentId::new(fields.id("intent_id")?),
        channel: channel(fields, known_channel)?,
        business_id: BusinessId::new(fields.key_part("business_id")?),
        customer_id: CustomerId::new(fields.id("customer_id")?),
        requested_at: fields.time("requested_at")?.unwrap_or(record.timestamp),
        expires_at: fields.time("expires_at")?,
        message: fields.object("message")?.map(|text| content.share(text)),
        template: fields.object("template")?.map(|text| content.share(text)),
    };
    if intent.message.is_none() && intent.template.is_none() {
        return Err(Reject::new(ReasonCode::MissingField, "message or template is required"));
    }
    Ok(intent)
}

fn channel<const N: usize>(fields: &Fields<'_, N>, known: &dyn Fn(&str) -> bool) -> Result<Channel, Reject> {
    let name = fields.key_part_or("channel", DEFAULT_CHANNEL)?;
    if known(&name) {
        return Ok(Channel::new(name));
    }
    let detail = match fields.raw("channel") {
        Some(_) => "channel is not among the configured ones".to_owned(),
        None => format!("channel is absent, and the default {DEFAULT_CHANNEL} is not configured"),
    };
    Err(Reject::new(ReasonCode::UnknownChannel, detail))
}

/// Business and intent id as one hash. The key is fixed, so that every shard and every run finds the same.
fn identity<const N: usize>(fields: &Fields<'_, N>) -> Option<IntentHash> {
    if fields.is_repeated("business_id") || fields.is_repeated("intent_id") {
        return None;
    }
    let business = fields.key_part("business_id").ok()?;
    let intent = fields.id("intent_id").ok()?;
    Some(intent_hash(&business, &intent))
}

/// An intent that was refused is noted, and would be its own duplicate when its dead letter is redriven. So what
/// counts then is how often it was: whatever has the same ids and comes back as often is a duplicate, be it the same dead
/// letter or that of a repetition.
fn redriven_identity(record: &Record, hash: IntentHash) -> Option<IntentHash> {
    let times = letter::times_redriven(&record.headers)?;
    let mut hasher = keyed_hasher();
    hasher.write(&hash.0.to_le_bytes());
    hasher.write(times);
    Some(IntentHash(hasher.finish128().as_u128()))
}

/// What identifies the intent of that business.
pub fn intent_hash(business_id: &str, intent_id: &str) -> IntentHash {
    let mut hasher = keyed_hasher();
    // The length in front keeps ("ab", "c") and ("a", "bc") apart.
    hasher.write(&(business_id.len() as u64).to_le_bytes());
    hasher.write(business_id.as_bytes());
    hasher.write(intent_id.as_bytes());
    IntentHash(hasher.finish128().as_u128())
}

fn keyed_hasher() -> SipHasher13 {
    SipHasher13::new_with_keys(0x7365_7373_696f_6e67, 0x6174_655f_696e_7431)
}

#[cfg(test)]
mod tests;
