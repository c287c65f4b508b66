//! The formats that a shard reads and writes.

use crate::core::decoded::{DecodedInbound, DecodedIntent};
use crate::core::emission::Emission;
use crate::core::policy::Policy;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::ports::OutputRecord;
use crate::wire::canonical;
use crate::wire::output::Encoder;

/// Bytes to domain and back.
pub struct Codec {
    policy: Policy,
    encoder: Encoder,
}

impl Codec {
    /// Understands the channels of that policy.
    pub fn new(policy: Policy, encoder: Encoder) -> Codec {
        Codec { policy, encoder }
    }

    /// What is in an inbound record.
    pub fn decode_inbound(&self, record: &Record) -> DecodedInbound {
        canonical::decode_inbound(record, &|channel| self.policy.channel(channel).is_some())
    }

    /// What is in an intent record.
    pub fn decode_intent(&self, record: &Record) -> DecodedIntent {
        canonical::decode_intent(record, &|channel| self.policy.channel(channel).is_some())
    }

    /// The bytes of an output.
    pub fn encode(&self, emission: &Emission, now: Timestamp) -> OutputRecord {
        self.encoder.encode(emission, now)
    }
}
