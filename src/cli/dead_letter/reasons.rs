//! What each reason means for whoever has to do something about it.

use crate::core::record::ReasonCode;

/// The code of that name.
pub(in crate::cli) fn find(code: &str) -> Option<ReasonCode> {
    ReasonCode::ALL.into_iter().find(|known| known.as_str() == code)
}

/// Whether originals go back without being asked for by their reason. Not those that were refused for what they are:
/// what came twice would go out twice, and what is over stays over.
pub(super) fn goes_back_unasked(code: &str) -> bool {
    !matches!(find(code), Some(ReasonCode::DuplicateIntent | ReasonCode::Expired))
}

/// What it means and what to do about it, in whole sentences.
pub(in crate::cli) fn advice(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::EmptyValue => "There is nothing in it: find who writes tombstones or empty values.",
        ReasonCode::NotUtf8 => "Its bytes are not UTF-8: correct its writer.",
        ReasonCode::NotJson => "It is not one JSON object: correct its writer.",
        ReasonCode::MissingField => "Something that is required is absent: correct its writer.",
        ReasonCode::InvalidField => "Something in it cannot be used as it is: correct its writer.",
        ReasonCode::UnknownChannel => {
            "Its channel is not configured: add [channels.NAME] to the configuration, or correct its writer."
        }
        ReasonCode::BulkNotAllowed => "It is for several customers: write one intent for each.",
        ReasonCode::Expired => {
            "Its time was over when it was to be decided: nothing is to be done, unless the worker was too far behind or \
             its expires_at too early."
        }
        ReasonCode::DuplicateIntent => {
            "An intent with the same ids came shortly before and had its verdict or its own dead letter: nothing is to \
             be done."
        }
        ReasonCode::TooLarge => {
            "Its verdict would not fit into its topic: raise max.message.bytes of the output topics (or \
             queue.buffering.max.kbytes, where kafka.producer sets it), or write smaller intents."
        }
        ReasonCode::UnsupportedEncoding => {
            "Its envelope or its encoding is not understood: write JSON without a content encoding, in one of the \
             envelopes that are."
        }
    }
}

/// Whether the same bytes can be taken once something else was put right.
pub(in crate::cli) fn can_be_mended_outside(code: ReasonCode) -> bool {
    matches!(code, ReasonCode::UnknownChannel | ReasonCode::TooLarge)
}
