//! What a customer did, decoded.

use super::ids::{BusinessId, Channel, CustomerId, KeyPrint, MessageId, WindowKey};
use super::time::Timestamp;
use compact_str::CompactString;

/// One act of a customer. Whether it opens a window is for the policy to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InboundEvent {
    /// The provider's id of it.
    pub message_id: MessageId,
    /// The channel.
    pub channel: Channel,
    /// The business it was addressed to.
    pub business_id: BusinessId,
    /// Who acted.
    pub customer_id: CustomerId,
    /// Other ids of the same person: the window opens under each.
    pub customer_aliases: Vec<CustomerId>,
    /// The kind of act: `text`, `reaction`, `call`, ...
    pub kind: CompactString,
    /// When the customer acted.
    pub occurred_at: Timestamp,
}

impl InboundEvent {
    /// Everybody whose window it may open: the customer first, each once.
    pub fn customers(&self) -> impl Iterator<Item = &CustomerId> {
        let aliases = self.customer_aliases.iter().enumerate();
        let aliases = aliases.filter(|(i, a)| **a != self.customer_id && !self.customer_aliases[..*i].contains(a));
        std::iter::once(&self.customer_id).chain(aliases.map(|(_, alias)| alias))
    }

    /// The key of the window of one of them.
    pub fn window_key(&self, customer: &CustomerId) -> WindowKey {
        WindowKey::new(&self.channel, &self.business_id, customer)
    }

    /// The prints of the keys of all windows that it may open, in the order of `customers`.
    pub fn key_prints(&self) -> impl Iterator<Item = KeyPrint> {
        self.customers().map(|customer| KeyPrint::of(&self.channel, &self.business_id, customer))
    }

    /// The keys of all windows that it may open, in the order of `customers`.
    pub fn window_keys(&self) -> impl Iterator<Item = (WindowKey, &CustomerId)> {
        self.customers().map(|customer| (self.window_key(customer), customer))
    }
}
