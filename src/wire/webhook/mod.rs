//! Provider webhooks as they arrive: which provider's one is, and what is in it.
//!
//! A webhook holds many parts. Each is handled by itself: what cannot be used of one is refused with its place in the
//! webhook, and the others stay.

mod bird;
mod loose;
mod meta;
mod twilio;

use super::fields::Fields;
use super::findings::Findings;
use crate::core::policy::Policy;
use crate::core::record::{Record, Reject};

/// Where a webhook came from, and what its parts are judged by.
pub(super) struct Source<'a> {
    /// The record that holds it.
    pub(super) record: &'a Record,
    /// Which channels are configured, and what opens a window on each.
    pub(super) policy: &'a Policy,
}

impl Source<'_> {
    fn knows(&self, channel: &str) -> bool {
        self.policy.channel(channel).is_some()
    }
}

/// Whose webhooks are understood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Provider {
    /// WhatsApp's own: Cloud API, or On-Premises.
    Meta,
    /// Bird.
    Bird,
    /// Twilio.
    Twilio,
}

const SHAPE: [&str; 17] = [
    "message_id",
    "business_id",
    "entry",
    "statuses",
    "messages",
    "recipient_id",
    "errors",
    "status",
    "payload",
    "service",
    "event",
    "channelId",
    "direction",
    "MessageSid",
    "SmsMessageSid",
    "SmsSid",
    "AccountSid",
];

/// One of them is at the top of nearly every webhook of Meta's.
const METAS_LISTS: [&str; 3] = ["entry", "statuses", "messages"];

/// Whose webhook a JSON object is.
pub(super) fn recognise(text: &str) -> Result<Option<Provider>, Reject> {
    let fields = Fields::read(text, &SHAPE)?;
    let has = |name| fields.raw(name).is_some();
    Ok(if has("message_id") || has("business_id") {
        // Ours, whatever else it carries.
        None
    } else if METAS_LISTS.iter().any(|name| fields.is_array(name)) || meta::is_bare_status(&fields) {
        Some(Provider::Meta)
    } else if (has("payload") && (has("service") || has("event"))) || (has("channelId") && has("direction")) {
        Some(Provider::Bird)
    } else if has("MessageSid") || has("SmsMessageSid") || has("SmsSid") || has("AccountSid") {
        Some(Provider::Twilio)
    } else {
        None
    })
}

/// Whether the first name in an object is one that Meta's webhooks begin with.
pub(super) fn begins_like_metas(text: &str) -> bool {
    let inside = text.trim_ascii_start().strip_prefix('{').map(str::trim_ascii_start);
    inside.is_some_and(|inside| inside.starts_with("\"object\"") || inside.starts_with("\"entry\""))
}

/// Whether a text is a form of Twilio's: said to be one, or looking like one.
pub(super) fn is_form(text: &str, is_said_to_be: bool) -> bool {
    let begins_with_name = text.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric);
    if is_said_to_be { !text.trim_ascii_start().starts_with('{') } else { begins_with_name && text.contains("Sid=") }
}

/// Reads a webhook of that provider.
pub(super) fn read(provider: Provider, text: &str, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    match provider {
        Provider::Meta => meta::read(text, source, findings),
        Provider::Bird => bird::read(text, source, findings),
        Provider::Twilio => twilio::read_json(text, source, findings),
    }
}

/// Reads a form.
pub(super) fn read_form(text: &str, source: &Source<'_>, findings: &mut Findings) -> Result<(), Reject> {
    twilio::read_form(text, source, findings)
}

#[cfg(test)]
mod tests;
