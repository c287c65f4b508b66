//! What is known of all templates: the last status of each, and whose templates a business may send.

use super::ids::{BusinessId, Position};
use super::template::{Sendability, TemplateId, TemplateOwner, TemplateStatus, TemplateUpdate, language_tag};
use super::time::Timestamp;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// The last known status of every template.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct TemplateRegistry {
    /// Which account a business belongs to, where an operator said so.
    accounts: BTreeMap<BusinessId, CompactString>,
    known: BTreeMap<TemplateId, Known>,
    /// How many templates each account has here.
    templates_by_account: BTreeMap<CompactString, usize>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    status: TemplateStatus,
    /// When it was reported, and where: the later one counts.
    order: (Timestamp, Position),
}

impl TemplateRegistry {
    /// An empty registry with the accounts that an operator named.
    pub fn new(accounts: BTreeMap<BusinessId, CompactString>) -> TemplateRegistry {
        TemplateRegistry { accounts, ..TemplateRegistry::default() }
    }

    /// Takes a report that lay at that position. A report that is older than what is known changes nothing.
    pub fn apply(&mut self, update: &TemplateUpdate, position: Position) {
        let order = (update.occurred_at, position);
        let id = compared(&update.id);
        let Some(known) = self.known.get_mut(&id) else {
            if let TemplateOwner::Account(account) = &id.owner {
                *self.templates_by_account.entry(account.clone()).or_default() += 1;
            }
            self.known.insert(id, Known { status: update.status.clone(), order });
            return;
        };
        if order >= known.order {
            *known = Known { status: update.status.clone(), order };
        }
    }

    /// Forgets the template with that key in a compacted topic, as its tombstone asks.
    pub fn forget(&mut self, key: &str) {
        let Some(id) = self.known.keys().find(|id| id.key() == key).cloned() else { return };
        self.known.remove(&id);
        let TemplateOwner::Account(account) = &id.owner else { return };
        let left = self.templates_by_account.get_mut(account).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            self.templates_by_account.remove(account);
        }
    }

    /// The last known status of a business's template: its own, or its account's. The account is the one that was
    /// named for the business, or else the only one that is known.
    pub fn status(&self, business: &BusinessId, name: &str, language: &str) -> Option<&TemplateStatus> {
        let id = |owner| TemplateId { owner, name: name.into(), language: language_tag(language) };
        if let Some(own) = self.known.get(&id(TemplateOwner::Business(business.clone()))) {
            return Some(&own.status);
        }
        let account = self.accounts.get(business).or_else(|| self.only_account())?;
        self.known.get(&id(TemplateOwner::Account(account.clone()))).map(|known| &known.status)
    }

    fn only_account(&self) -> Option<&CompactString> {
        let mut accounts = self.templates_by_account.keys();
        accounts.next().filter(|_| accounts.next().is_none())
    }

    /// How many templates are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// Whether a template of that status may be sent; nobody refuses what nothing is known of.
pub fn is_ready(status: Option<&TemplateStatus>) -> bool {
    status.is_none_or(|status| status.sendability() != Sendability::Unsendable)
}

fn compared(id: &TemplateId) -> TemplateId {
    TemplateId { language: language_tag(&id.language), ..id.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, Partition};
    use proptest::prelude::*;

    fn at(offset: i64) -> Position {
        Position { partition: Partition(0), offset: Offset(offset) }
    }

    fn account(name: &str) -> TemplateOwner {
        TemplateOwner::Account(name.into())
    }

    fn update(owner: TemplateOwner, language: &str, status: &str, at_ms: i64) -> TemplateUpdate {
        let id = TemplateId { owner, name: "order_update".into(), language: language.into() };
        TemplateUpdate { id, status: TemplateStatus::new(status), occurred_at: Timestamp::from_millis(at_ms) }
    }

    fn status<'a>(registry: &'a TemplateRegistry, business: &str, language: &str) -> Option<&'a str> {
        registry.status(&BusinessId::new(business), "order_update", language).map(TemplateStatus::as_str)
    }

    #[test]
    fn paused_and_its_kin_are_not_ready_and_a_word_that_nobody_has_heard_of_is() {
        let table = [
            ("APPROVED", true),
            ("FLAGGED", true),
            ("REINSTATED", true),
            ("UNARCHIVED", true),
            ("UNPAUSED", true),
            ("PAUSED", false),
            ("DISABLED", false),
            ("REJECTED", false),
            ("PENDING", false),
            ("IN_APPEAL", false),
            ("LIMIT_EXCEEDED", false),
            ("LOCKED", false),
            ("ARCHIVED", false),
            ("DELETED", false),
            ("PENDING_DELETION", false),
            ("SPARKLING", true),
        ];
        for (word, ready) in table {
            assert_eq!(is_ready(Some(&TemplateStatus::new(word))), ready, "{word}");
        }
        assert!(is_ready(None), "nothing is known of it");
        assert_eq!(TemplateStatus::new("SPARKLING").sendability(), Sendability::Unknown);
    }

    #[test]
    fn the_latest_report_counts_and_of_two_at_one_instant_the_later_record() {
        let mut registry = TemplateRegistry::default();
        let reports = [("PAUSED", 5, 0, "paused"), ("APPROVED", 3, 1, "paused"), ("FLAGGED", 5, 2, "flagged")];
        for (word, at_ms, offset, then) in reports {
            registry.apply(&update(account("waba"), "en_US", word, at_ms), at(offset));
            assert_eq!(status(&registry, "106", "en_US"), Some(then), "{word}");
        }
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn a_language_is_the_same_with_a_dash() {
        let mut registry = TemplateRegistry::default();
        registry.apply(&update(account("waba"), "pt-BR", "PAUSED", 0), at(0));
        assert_eq!(status(&registry, "106", "pt_BR"), Some("paused"));
        assert_eq!(status(&registry, "106", "pt_PT"), None);
    }

    #[test]
    fn a_business_finds_its_own_template_then_its_account_s_then_the_only_account_s() {
        let named = BTreeMap::from([(BusinessId::new("106"), CompactString::new("first"))]);
        let mut registry = TemplateRegistry::new(named);
        registry.apply(&update(account("second"), "en", "PAUSED", 0), at(0));
        assert_eq!(status(&registry, "106", "en"), None, "its account has no such template");
        assert_eq!(status(&registry, "107", "en"), Some("paused"), "there is only one account");
        registry.apply(&update(account("first"), "en", "APPROVED", 0), at(1));
        assert_eq!(status(&registry, "106", "en"), Some("approved"));
        assert_eq!(status(&registry, "107", "en"), None, "of two accounts nobody knows which");
        let own = TemplateOwner::Business(BusinessId::new("106"));
        registry.apply(&update(own, "en", "REJECTED", 0), at(2));
        assert_eq!(status(&registry, "106", "en"), Some("rejected"));
    }

    #[test]
    fn a_tombstone_takes_a_template_and_its_account_away() {
        let mut registry = TemplateRegistry::default();
        let gone = update(account("first"), "en-US", "PAUSED", 0);
        registry.apply(&gone, at(0));
        registry.apply(&update(account("second"), "en_US", "APPROVED", 0), at(1));
        registry.forget("account/first|nothing|en_us");
        assert_eq!(registry.len(), 2);
        registry.forget(&gone.id.key());
        assert_eq!((registry.len(), status(&registry, "107", "en_US")), (1, Some("approved")));
    }

    proptest! {
        #[test]
        fn reports_may_come_in_any_order(reports in prop::collection::vec((0_i64..4, "[A-D]"), 1..8), seed in any::<u64>()) {
            let reports: Vec<_> =
                (0..).zip(&reports).map(|(offset, (ms, word))| (update(account("a"), "en", word, *ms), at(offset))).collect();
            let mut shuffled = reports.clone();
            shuffled.sort_by_key(|(_, position)| (position.offset.0 as u64 + 1).wrapping_mul(seed | 1));
            let fold = |reports: &[(TemplateUpdate, Position)]| {
                let mut registry = TemplateRegistry::default();
                reports.iter().for_each(|(update, position)| registry.apply(update, *position));
                registry
            };
            prop_assert_eq!(fold(&reports), fold(&shuffled));
        }
    }
}
