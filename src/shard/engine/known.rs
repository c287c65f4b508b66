//! What a turn has read of the store, by key.

use super::step::Plan;
use crate::core::advice::Advice;
use crate::core::frontier::Stored;
use crate::core::ids::{KeyPrint, WindowKey};
use crate::core::noted::Passthrough;
use crate::core::window::Window;
use crate::ports::Snapshot;
use hashbrown::HashMap;
use std::hash::BuildHasherDefault;

/// The windows that a turn has read, and the advice on them.
pub(super) struct Known<'a> {
    windows: HashMap<KeyPrint, &'a Stored<Window>, BuildHasherDefault<Passthrough>>,
    advice: HashMap<KeyPrint, &'a Stored<Advice>, BuildHasherDefault<Passthrough>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(plan: &'a Plan, snapshot: &'a Snapshot) -> Known<'a> {
        Known {
            windows: plan.prints.iter().copied().zip(&snapshot.windows).collect(),
            advice: plan.request.advice.iter().map(WindowKey::print).zip(&snapshot.advice).collect(),
        }
    }

    /// Whether the store was asked for that window.
    pub(super) fn was_read(&self, print: KeyPrint) -> bool {
        self.windows.contains_key(&print)
    }

    /// The stored window, if there is one that we can read.
    pub(super) fn window(&self, print: KeyPrint) -> Option<Window> {
        self.windows.get(&print).and_then(|stored| stored.known()).copied()
    }

    /// What the provider said of that window.
    pub(super) fn advice(&self, print: KeyPrint) -> Option<&Advice> {
        self.advice.get(&print).and_then(|stored| stored.known())
    }

    /// Whether the store's answer leaves no doubt: a window of ours, or none.
    pub(super) fn is_certain(&self, print: KeyPrint) -> bool {
        matches!(self.windows.get(&print), Some(Stored::Known(_) | Stored::Missing))
    }
}
