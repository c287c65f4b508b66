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

impl TemplateId {
    /// Its key in a compacted topic: `account/ACCOUNT|NAME|LANGUAGE` or `business/BUSINESS|NAME|LANGUAGE`.
    pub fn key(&self) -> String {
        let (kind, owner) = match &self.owner {
            TemplateOwner::Account(account) => ("account", account.as_str()),
            TemplateOwner::Business(business) => ("business", business.as_str()),
        };
        format!("{kind}/{owner}|{}|{}", self.name, language_tag(&self.language))
    }
}

/// A language as it is compared: providers report `pt-BR` for what is sent as `pt_BR`.
pub fn language_tag(language: &str) -> CompactString {
    language.replace('-', "_").to_ascii_lowercase().into()
}

/// A template's status as the provider last reported it: upper case there, lower case here (`approved`, `paused`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TemplateStatus(CompactString);

/// A status that leads to (or leaves) a template that may be sent.
const SENDABLE: [&str; 5] = ["approved", "flagged", "reinstated", "unarchived", "unpaused"];

/// A status of a template that the provider refuses to send.
const UNSENDABLE: [&str; 10] = [
    "paused",
    "disabled",
    "rejected",
    "pending",
    "in_appeal",
    "limit_exceeded",
    "locked",
    "archived",
    "deleted",
    "pending_deletion",
];

/// Whether a template may be sent, as far as its status says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sendability {
    /// It may.
    Sendable,
    /// The provider would refuse it.
    Unsendable,
    /// The status is a word that nobody has heard of.
    Unknown,
}

impl TemplateStatus {
    /// A status in the provider's words.
    pub fn new(text: &str) -> TemplateStatus {
        TemplateStatus(CompactString::new(text).to_ascii_lowercase())
    }

    /// The word, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a template with it may be sent.
    pub fn sendability(&self) -> Sendability {
        let word = self.as_str();
        match () {
            () if SENDABLE.contains(&word) => Sendability::Sendable,
            () if UNSENDABLE.contains(&word) => Sendability::Unsendable,
            () => Sendability::Unknown,
        }
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
