//! The registry of templates as the shards of a process share it: one thread fills it, encoders look statuses up.

use crate::core::ids::{BusinessId, Position};
use crate::core::registry::TemplateRegistry;
use crate::core::template::{TemplateStatus, TemplateUpdate};
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

/// The registry of templates of this process.
#[derive(Default)]
pub struct Templates {
    registry: RwLock<TemplateRegistry>,
    /// How many are in it, to be asked without its lock.
    count: AtomicUsize,
    is_ready: AtomicBool,
}

impl Templates {
    /// An empty one, with the accounts that an operator named.
    pub fn new(accounts: BTreeMap<BusinessId, CompactString>) -> Templates {
        Templates { registry: RwLock::new(TemplateRegistry::new(accounts)), ..Templates::default() }
    }

    /// Takes a report.
    pub fn apply(&self, update: &TemplateUpdate, position: Position) {
        self.change(|registry| registry.apply(update, position));
    }

    /// Takes a tombstone.
    pub fn forget(&self, key: &str) {
        self.change(|registry| registry.forget(key));
    }

    fn change(&self, change: impl FnOnce(&mut TemplateRegistry)) {
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut registry);
        self.count.store(registry.len(), Ordering::Release);
    }

    /// The last known status of a business's template.
    pub fn status(&self, business: &BusinessId, name: &str, language: &str) -> Option<TemplateStatus> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner).status(business, name, language).cloned()
    }

    /// How many templates are known.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// From now on everything is known that was there at the start.
    pub fn set_ready(&self) {
        self.is_ready.store(true, Ordering::Release);
    }

    /// Whether everything is known that was there at the start.
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }
}
