//! The formats that a shard reads and writes.

use super::templates::Templates;
use crate::core::decoded::{DecodedInbound, DecodedIntent};
use crate::core::emission::Emission;
use crate::core::policy::Policy;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::ports::OutputRecord;
use crate::wire::decoder::{Decoder, Formats};
use crate::wire::output::Encoder;
use std::sync::Arc;

/// Bytes to domain and back.
pub struct Codec {
    decoder: Decoder,
    encoder: Encoder,
    templates: Arc<Templates>,
}

impl Codec {
    /// Understands the channels of that policy, and every format.
    pub fn new(policy: Policy, encoder: Encoder) -> Codec {
        Codec::with_formats(Formats::default(), policy, encoder)
    }

    /// Understands the channels of that policy, and those formats.
    pub fn with_formats(formats: Formats, policy: Policy, encoder: Encoder) -> Codec {
        Codec { decoder: Decoder::new(formats, policy), encoder, templates: Arc::default() }
    }

    /// The same, with what is known of templates.
    pub fn with_templates(mut self, templates: Arc<Templates>) -> Codec {
        self.templates = templates;
        self
    }

    /// What is in an inbound record.
    pub fn decode_inbound(&self, record: &Record) -> DecodedInbound {
        self.decoder.decode_inbound(record)
    }

    /// What is in a record of delivery reports.
    pub fn decode_delivery_status(&self, record: &Record) -> DecodedInbound {
        self.decoder.decode_delivery_status(record)
    }

    /// What is in a record of template changes.
    pub fn decode_template_status(&self, record: &Record) -> DecodedInbound {
        self.decoder.decode_template_status(record)
    }

    /// What is in an intent record.
    pub fn decode_intent(&self, record: &Record) -> DecodedIntent {
        self.decoder.decode_intent(record)
    }

    /// The bytes of an output.
    pub fn encode(&self, emission: &Emission, now: Timestamp) -> OutputRecord {
        if self.templates.is_empty() {
            return self.encoder.encode(emission, now);
        }
        self.encoder
            .encode_knowing(emission, now, &|business, name, language| self.templates.status(business, name, language))
    }
}
