//! What a provider reported of something a business sent.

use super::ids::{BusinessId, Channel, CustomerId, WindowKey};
use super::time::Timestamp;

/// A send that failed. Only a refusal for being outside the window says anything here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedDelivery {
    /// The channel.
    pub channel: Channel,
    /// Who had sent it.
    pub business_id: BusinessId,
    /// To whom.
    pub customer_id: CustomerId,
    /// The provider's code.
    pub error_code: u32,
    /// When the provider refused it.
    pub occurred_at: Timestamp,
}

/// The providers' codes for "outside the session window": WhatsApp Cloud API, WhatsApp On-Premises, Twilio.
pub const OUTSIDE_WINDOW_CODES: [u32; 3] = [131_047, 470, 63_016];

impl FailedDelivery {
    /// Whether the provider holds the window for closed.
    pub fn is_outside_window(&self) -> bool {
        OUTSIDE_WINDOW_CODES.contains(&self.error_code)
    }

    /// The window that it speaks of.
    pub fn window_key(&self) -> WindowKey {
        WindowKey::new(&self.channel, &self.business_id, &self.customer_id)
    }
}
