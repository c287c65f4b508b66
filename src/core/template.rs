//! Templates and whether the provider lets them be sent.

use super::ids::BusinessId;
use super::time::Timestamp;
use compact_str::CompactString;

/// Whose template it is: templates belong to an account, which may hold many businesses (phone numbers).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TemplateOwner {
    /// The account (for WhatsApp the business account, a webhook's `entry.id`).
    Account(CompactString),
    /// One business, where whoever reports it knows no account.
    Business(BusinessId),
}

/// What identifies a template.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TemplateId {
    /// Whose it is.
    pub owner: TemplateOwner,
    /// Its name.
    pub name: CompactString,
    /// Its language, as given: `en_US`, `pt_BR`.
    pub language: CompactString,
}

/// A template's status as the provider last reported it: upper case there, lower case here (`approved`, `paused`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TemplateStatus(CompactString);

/// A status that leads to (or leaves) a template that may be sent.
const SENDABLE: [&str; 5] = ["approved", "flagged", "reinstated", "unarchived", "unpaused"];

impl TemplateStatus {
    /// A status in the provider's words.
    pub fn new(text: &str) -> TemplateStatus {
        TemplateStatus(CompactString::new(text).to_ascii_lowercase())
    }

    /// The word, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it may be sent. A word that nobody has heard of is none of them.
    pub fn is_sendable(&self) -> bool {
        SENDABLE.contains(&self.as_str())
    }
}

/// A report that a template's status changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TemplateUpdate {
    /// Which template.
    pub id: TemplateId,
    /// Its status from then on.
    pub status: TemplateStatus,
    /// When it changed.
    pub occurred_at: Timestamp,
}
