//! What the decoders make of a record.

use super::delivery::FailedDelivery;
use super::inbound::InboundEvent;
use super::intent::{Intent, IntentHash};
use super::record::Reject;
use super::template::TemplateUpdate;
use compact_str::CompactString;
use smallvec::SmallVec;

/// A record of what customers did or a provider reported: it may hold many events, of several kinds, and a bad one does
/// not take the others along.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DecodedInbound {
    /// What could be understood, in order: mostly one.
    pub events: SmallVec<[InboundEvent; 1]>,
    /// Sends that failed, as far as they say anything of a window.
    pub deliveries: Vec<FailedDelivery>,
    /// Changes of templates.
    pub templates: Vec<TemplateUpdate>,
    /// What could not.
    pub rejects: Vec<Reject>,
    /// Parts that nothing here has a name for: they were passed over.
    pub ignored: Vec<IgnoredKind>,
}

/// Parts of a record that were passed over, because their kind is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IgnoredKind {
    /// The kind, in the provider's words.
    pub kind: CompactString,
    /// How many there were.
    pub times: u32,
}

/// An intent record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecodedIntent {
    /// Its identity, whenever that much could be read: it is noted even if the rest is refused.
    pub hash: Option<IntentHash>,
    /// For one that was redriven, its identity together with how often it was.
    pub redriven: Option<IntentHash>,
    /// The intent, or why it is refused.
    pub intent: Result<Box<Intent>, Reject>,
}
