//! What a service wants to say, decoded.

use super::ids::{BusinessId, Channel, CustomerId, IntentId, KeyPrint, WindowKey};
use super::time::Timestamp;
use bytes::Bytes;

/// An outbound intent. `message` and `template` are the given JSON, byte for byte: they are passed through.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Intent {
    /// The idempotency key.
    pub intent_id: IntentId,
    /// The channel.
    pub channel: Channel,
    /// Who writes.
    pub business_id: BusinessId,
    /// To whom.
    pub customer_id: CustomerId,
    /// When the service asked.
    pub requested_at: Timestamp,
    /// Past this time it is not sent.
    pub expires_at: Option<Timestamp>,
    /// The free-form content.
    pub message: Option<Bytes>,
    /// The fallback template.
    pub template: Option<Bytes>,
}

impl Intent {
    /// The key of the window it asks about.
    pub fn window_key(&self) -> WindowKey {
        WindowKey::new(&self.channel, &self.business_id, &self.customer_id)
    }

    /// That key's print.
    pub fn key_print(&self) -> KeyPrint {
        KeyPrint::of(&self.channel, &self.business_id, &self.customer_id)
    }
}

/// What identifies an intent for the duplicate check: a 128-bit hash of business and intent id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IntentHash(pub u128);
