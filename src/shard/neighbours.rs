//! The shards of one process tell each other what they have applied.

use super::engine::Engine;
use super::engine::applied::Applied;
use super::engine::step::Input;
use crate::ports::Waker;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was told last, by each.
#[derive(Default)]
pub struct Neighbourhood(Mutex<Told>);

#[derive(Default)]
struct Told {
    joined: u64,
    members: BTreeMap<u64, Member>,
}

struct Member {
    applied: Option<Arc<Applied>>,
    /// It has intents that wait for what others apply.
    waits: bool,
    /// Others have applied more since it last looked.
    has_news: bool,
    waker: Waker,
}

impl Neighbourhood {
    /// A new member; `waker` ends its wait for records.
    pub fn join(self: &Arc<Self>, waker: Waker) -> Neighbours {
        let mut told = self.told();
        told.joined += 1;
        let own = told.joined;
        told.members.insert(own, Member { applied: None, waits: false, has_news: false, waker });
        Neighbours { own, neighbourhood: self.clone() }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The other shards, as one of them sees them. What it told goes with this value.
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

    /// Tells what this shard has applied, and wakes those who wait for more of it.
    pub fn tell(&self, engine: &Engine) {
        self.note(engine.applied().map(Arc::new), engine.has_stalled());
    }

    fn note(&self, applied: Option<Arc<Applied>>, waits: bool) {
        let mut told = self.neighbourhood.told();
        let Some(own) = told.members.get_mut(&self.own) else { return };
        own.waits = waits;
        let before = std::mem::replace(&mut own.applied, applied.clone());
        // News that came while it decided.
        let mut to_wake: Vec<_> = (own.waits && own.has_news).then(|| own.waker.clone()).into_iter().collect();
        // Only what moves is news: else two who wait would wake each other for ever.
        if applied.is_some_and(|applied| !before.as_ref().is_some_and(|before| before.ends().eq(applied.ends()))) {
            for (_, other) in told.members.iter_mut().filter(|(who, _)| **who != self.own) {
                other.has_news = true;
                to_wake.extend(other.waits.then(|| other.waker.clone()));
            }
        }
        // Nobody waits while what was told before is freed.
        drop(told);
        to_wake.iter().for_each(|wake| wake());
    }

    /// What the others have told.
    pub fn told(&self) -> Vec<Arc<Applied>> {
        let mut told = self.neighbourhood.told();
        if let Some(own) = told.members.get_mut(&self.own) {
            own.has_news = false;
        }
        let others = told.members.iter().filter(|(who, _)| **who != self.own);
        others.filter_map(|(_, other)| other.applied.clone()).collect()
    }

    /// Whether they have applied more since.
    pub fn have_news(&self) -> bool {
        self.neighbourhood.told().members.get(&self.own).is_some_and(|own| own.has_news)
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.neighbourhood.told().members.remove(&self.own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, Partition, TopicId};
    use std::sync::atomic::{AtomicU32, Ordering};

    fn applied_to(end: i64) -> Option<Arc<Applied>> {
        let ranges = [(Partition(0), Offset(0)..Offset(end))].into();
        Some(Arc::new(Applied { topic_id: TopicId::new("t"), ranges, windows: Default::default() }))
    }

    #[test]
    fn who_waits_is_woken_once_by_what_moves_and_others_are_not() {
        let (neighbourhood, calls) = (Arc::<Neighbourhood>::default(), Arc::new(AtomicU32::new(0)));
        let waker = calls.clone();
        let waiting = neighbourhood.join(Arc::new(move || _ = waker.fetch_add(1, Ordering::Relaxed)));
        let teller = neighbourhood.join(Arc::new(|| panic!("it does not wait")));
        let wakes = |end| {
            teller.note(applied_to(end), false);
            calls.swap(0, Ordering::Relaxed)
        };
        assert_eq!((wakes(5), waiting.have_news()), (0, true), "nobody waits yet");
        waiting.note(applied_to(9), true);
        assert_eq!(calls.swap(0, Ordering::Relaxed), 1, "it decided without the news");
        assert_eq!((waiting.told().len(), waiting.have_news()), (1, false));
        assert_eq!((wakes(5), wakes(6), wakes(6)), (0, 1, 0));
        waiting.note(applied_to(9), false);
        assert_eq!(wakes(7), 0, "it waits no more");
    }
}
