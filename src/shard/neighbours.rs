//! The shards of one process tell each other what they have applied.

use super::engine::Engine;
use super::engine::applied::Applied;
use super::engine::step::Input;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was told last, by each.
#[derive(Default, Debug)]
pub struct Neighbourhood(Mutex<Told>);

#[derive(Default, Debug)]
struct Told {
    joined: u64,
    applied: BTreeMap<u64, Arc<Applied>>,
}

impl Neighbourhood {
    /// A new member.
    pub fn join(self: &Arc<Self>) -> Neighbours {
        let mut told = self.told();
        told.joined += 1;
        Neighbours { own: told.joined, neighbourhood: self.clone() }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other shards, as one of them sees them. What it told goes with this value.
#[derive(Debug)]
pub struct Neighbours {
    own: u64,
    neighbourhood: Arc<Neighbourhood>,
}

impl Neighbours {
    /// Whether such an answer may change what there is to tell: records are applied when they are read for, and let go of
    /// when they are merged, given up, or somebody else's.
    pub fn care_for(input: &Input) -> bool {
        matches!(input, Input::Read(_) | Input::Merged(_) | Input::Aborted | Input::Released)
    }

    /// Tells what this shard has applied.
    pub fn tell(&self, engine: &Engine) {
        let applied = engine.applied().map(Arc::new);
        let mut told = self.neighbourhood.told();
        let before = match applied {
            Some(applied) => told.applied.insert(self.own, applied),
            None => told.applied.remove(&self.own),
        };
        // Nobody waits while it is freed.
        drop(told);
        drop(before);
    }

    /// What the others have told.
    pub fn told(&self) -> Vec<Arc<Applied>> {
        let told = self.neighbourhood.told();
        told.applied.iter().filter(|(who, _)| **who != self.own).map(|(_, applied)| applied.clone()).collect()
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.neighbourhood.told().applied.remove(&self.own);
    }
}
