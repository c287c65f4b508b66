//! What a turn has read of the store, by key.

use super::step::Plan;
use crate::core::advice::Advice;
use crate::core::frontier::Stored;
use crate::core::ids::WindowKey;
use crate::core::window::Window;
use crate::ports::Snapshot;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// The windows that a turn has read, and the advice on them.
pub(super) struct Known<'a> {
    planned_at_ms: i64,
    windows: HashMap<&'a WindowKey, &'a Stored<Window>, FixedState>,
    advice: HashMap<&'a WindowKey, &'a Stored<Advice>, FixedState>,
}

impl<'a> Known<'a> {
    pub(super) fn new(plan: &'a Plan, snapshot: &'a Snapshot) -> Known<'a> {
        let request = &plan.request;
        Known {
            planned_at_ms: plan.planned_at_ms,
            windows: request.windows.iter().zip(&snapshot.windows).collect(),
            advice: request.advice.iter().zip(&snapshot.advice).collect(),
        }
    }

    /// When it was chosen what to read.
    pub(super) fn planned_at_ms(&self) -> i64 {
        self.planned_at_ms
    }

    /// Whether the store was asked for that window.
    pub(super) fn was_read(&self, key: &WindowKey) -> bool {
        self.windows.contains_key(key)
    }

    /// Every window that was found.
    pub(super) fn windows(&self) -> impl Iterator<Item = (&WindowKey, Window)> {
        self.windows.iter().filter_map(|(key, stored)| Some((*key, *stored.known()?)))
    }

    /// The stored window, if there is one that we can read.
    pub(super) fn window(&self, key: &WindowKey) -> Option<Window> {
        self.windows.get(key).and_then(|stored| stored.known()).copied()
    }

    /// What the provider said of that window.
    pub(super) fn advice(&self, key: &WindowKey) -> Option<&Advice> {
        self.advice.get(key).and_then(|stored| stored.known())
    }

    /// Whether the store's answer leaves no doubt: a window of ours, or none.
    pub(super) fn is_certain(&self, key: &WindowKey) -> bool {
        matches!(self.windows.get(key), Some(Stored::Known(_) | Stored::Missing))
    }
}
