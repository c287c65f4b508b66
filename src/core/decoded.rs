//! What the decoders make of a record.

use super::inbound::InboundEvent;
use super::intent::{Intent, IntentHash};
use super::record::Reject;

/// An inbound record: it may hold many events, and a bad one does not take the others along.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DecodedInbound {
    /// What could be understood, in order.
    pub events: Vec<InboundEvent>,
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
