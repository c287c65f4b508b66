//! What the decoders make of a record.

use super::delivery::FailedDelivery;
use super::inbound::InboundEvent;
use super::intent::{Intent, IntentHash};
use super::record::Reject;
use super::template::TemplateUpdate;

/// A record of what customers did or a provider reported: it may hold many events, of several kinds, and a bad one does
/// not take the others along.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DecodedInbound {
    /// What could be understood, in order.
    pub events: Vec<InboundEvent>,
    /// Sends that failed, as far as they say anything of a window.
    pub deliveries: Vec<FailedDelivery>,
    /// Changes of templates.
    pub templates: Vec<TemplateUpdate>,
    /// What could not.
    pub rejects: Vec<Reject>,
}

/// An intent record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodedIntent {
    /// Its identity, whenever that much could be read: it is noted even if the rest is refused.
    pub hash: Option<IntentHash>,
    /// The intent, or why it is refused.
    pub intent: Result<Intent, Reject>,
}
