//! Canonical JSON to domain: one inbound event or one intent a record.

use super::document::text_of;
use super::fields::Fields;
use crate::core::decoded::{DecodedInbound, DecodedIntent};
use crate::core::ids::{BusinessId, Channel, CustomerId, IntentId, MessageId};
use crate::core::inbound::InboundEvent;
use crate::core::intent::{Intent, IntentHash};
use crate::core::record::{ReasonCode, Record, Reject};
use bytes::Bytes;
use compact_str::CompactString;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::hash::Hasher;

/// The channel of a record that names none.
pub const DEFAULT_CHANNEL: &str = "whatsapp";
/// The most ids that an event may give besides the customer's.
pub const MAX_ALIASES: usize = 16;

const INBOUND_FIELDS: [&str; 7] =
    ["message_id", "channel", "business_id", "customer_id", "customer_aliases", "type", "occurred_at"];

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

/// Reads what a customer did: one event, or one refusal.
pub fn decode_inbound(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> DecodedInbound {
    match inbound_event(record, known_channel) {
        Ok(event) => DecodedInbound { events: vec![event], ..DecodedInbound::default() },
        Err(reject) => DecodedInbound { rejects: vec![reject], ..DecodedInbound::default() },
    }
}

/// Reads an intent. Its identity is given whenever that much can be read, even if the intent is refused.
pub fn decode_intent(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> DecodedIntent {
    let read = text_of(record).and_then(|(value, text)| Ok((value, Fields::read(text, &INTENT_FIELDS)?)));
    match read {
        Ok((value, fields)) => {
            DecodedIntent { hash: identity(&fields), intent: intent(record, value, &fields, known_channel) }
        }
        Err(reject) => DecodedIntent { hash: None, intent: Err(reject) },
    }
}

fn inbound_event(record: &Record, known_channel: &dyn Fn(&str) -> bool) -> Result<InboundEvent, Reject> {
    let (_, text) = text_of(record)?;
    let fields = Fields::read(text, &INBOUND_FIELDS)?;
    fields.refuse_repeated()?;
    Ok(InboundEvent {
        message_id: MessageId::new(fields.id("message_id")?),
        channel: channel(&fields, known_channel)?,
        business_id: BusinessId::new(fields.key_part("business_id")?),
        customer_id: CustomerId::new(fields.id("customer_id")?),
        customer_aliases: fields.ids("customer_aliases", MAX_ALIASES)?.into_iter().map(CustomerId::new).collect(),
        kind: CompactString::new(fields.id("type")?),
        occurred_at: fields.required_time("occurred_at")?,
    })
}

fn intent<const N: usize>(
    record: &Record,
    value: &Bytes,
    fields: &Fields<'_, N>,
    known_channel: &dyn Fn(&str) -> bool,
) -> Result<Intent, Reject> {
    fields.refuse_repeated()?;
    if let Some(list) = RECIPIENT_LISTS.into_iter().find(|name| fields.is_array(name)) {
        let detail = format!("{list} is a list: an intent is for one recipient");
        return Err(Reject::new(ReasonCode::BulkNotAllowed, detail));
    }
    // The text lies within the value, so that this shares its bytes and copies nothing.
    let share = |text: &str| value.slice_ref(text.as_bytes());
    let intent = Intent {
        intent_id: IntentId::new(fields.id("intent_id")?),
        channel: channel(fields, known_channel)?,
        business_id: BusinessId::new(fields.key_part("business_id")?),
        customer_id: CustomerId::new(fields.id("customer_id")?),
        requested_at: fields.time("requested_at")?.unwrap_or(record.timestamp),
        expires_at: fields.time("expires_at")?,
        message: fields.object("message")?.map(share),
        template: fields.object("template")?.map(share),
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

/// What identifies the intent of that business.
pub fn intent_hash(business_id: &str, intent_id: &str) -> IntentHash {
    let mut hasher = SipHasher13::new_with_keys(0x7365_7373_696f_6e67, 0x6174_655f_696e_7431);
    // The length in front keeps ("ab", "c") and ("a", "bc") apart.
    hasher.write(&(business_id.len() as u64).to_le_bytes());
    hasher.write(business_id.as_bytes());
    hasher.write(intent_id.as_bytes());
    IntentHash(hasher.finish128().as_u128())
}

#[cfg(test)]
mod tests;
