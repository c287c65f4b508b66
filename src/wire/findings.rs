//! What is found in a record, part by part, within bounds: a record is cheap to send and must not be dear to keep.

use crate::core::decoded::{DecodedInbound, IgnoredKind};
use crate::core::delivery::FailedDelivery;
use crate::core::inbound::InboundEvent;
use crate::core::record::{ReasonCode, Reject};
use crate::core::template::TemplateUpdate;
use compact_str::CompactString;

/// So many parts of one record are refused each with its own reason: every dead letter carries the whole record.
pub const MAX_REJECTS: usize = 16;
/// So many kinds are told apart among what is passed over.
pub const MAX_IGNORED_KINDS: usize = 16;
/// The longest name of a kind.
const MAX_KIND_BYTES: usize = 64;

/// A kind's name as it may be shown, or what stands for one that is no name.
pub(super) fn kind_name(text: &str) -> &str {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let fits = !text.is_empty() && text.len() <= MAX_KIND_BYTES && text.bytes().all(is_name);
    // A row of digits is more likely somebody's number than a kind.
    if fits && !text.bytes().all(|byte| byte.is_ascii_digit()) { text } else { crate::core::policy::UNKNOWN_KIND }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Findings {
    decoded: DecodedInbound,
    unlisted_rejects: usize,
}

impl Findings {
    pub(super) fn event(&mut self, event: InboundEvent) {
        self.decoded.events.push(event);
    }

    pub(super) fn delivery(&mut self, delivery: FailedDelivery) {
        self.decoded.deliveries.push(delivery);
    }

    pub(super) fn template(&mut self, update: TemplateUpdate) {
        self.decoded.templates.push(update);
    }

    /// Refuses the whole record, or what is left of it.
    pub(super) fn refuse(&mut self, reject: Reject) {
        self.refuse_with(|| reject);
    }

    /// Refuses a part; the reason is only put into words while there is room for it.
    pub(super) fn refuse_with(&mut self, reject: impl FnOnce() -> Reject) {
        if self.decoded.rejects.len() < MAX_REJECTS {
            self.decoded.rejects.push(reject());
        } else {
            self.unlisted_rejects += 1;
        }
    }

    /// Passes over something that has no name here.
    pub(super) fn ignore(&mut self, kind: &str) {
        let kind = kind_name(kind);
        let ignored = &mut self.decoded.ignored;
        let at = ignored.iter().position(|known| known.kind == kind);
        if at.is_none() && ignored.len() < MAX_IGNORED_KINDS {
            return ignored.push(IgnoredKind { kind: CompactString::new(kind), times: 1 });
        }
        // What finds no room of its own is at least counted.
        if let Some(known) = ignored.get_mut(at.unwrap_or(MAX_IGNORED_KINDS - 1)) {
            known.times = known.times.saturating_add(1);
        }
    }

    pub(super) fn finish(mut self) -> DecodedInbound {
        if let Some(last) = self.decoded.rejects.last_mut()
            && self.unlisted_rejects > 0
        {
            last.detail = format!("{}; and {} more parts of this record", last.detail, self.unlisted_rejects);
        }
        self.decoded
    }
}

/// The refusal of something that is there and cannot be used.
pub(super) fn unusable(detail: impl Into<String>) -> Reject {
    Reject::new(ReasonCode::InvalidField, detail)
}
