//! The store in this process: for a demo without Redis, and for tests. What it holds ends with the process.

use crate::core::advice::Advice;
use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::{Partition, WindowKey};
use crate::core::time::Timestamp;
use crate::core::window::Window;
use crate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore, WindowWrite,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tells the time by which windows expire.
pub type StoreClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A handle to a store in memory; clones share what it holds.
#[derive(Clone)]
pub struct MemoryStore {
    clock: StoreClock,
    held: Arc<Mutex<Held>>,
}

/// A window of the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedWindow {
    /// Its key.
    pub key: WindowKey,
    /// The window.
    pub window: Window,
    /// When it ends, and the store forgets it.
    pub expires_at: Timestamp,
}

#[derive(Default)]
struct Held {
    frontiers: BTreeMap<Partition, Frontier>,
    windows: HashMap<WindowKey, Expiring>,
    advice: HashMap<WindowKey, (Advice, Timestamp)>,
    sweep_above: usize,
}

#[derive(Clone, Copy)]
struct Expiring {
    window: Window,
    expires_at: Timestamp,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: StoreClock) -> MemoryStore {
        MemoryStore { clock, held: Arc::default() }
    }

    /// All windows that have not ended, in the order of their keys.
    pub fn list(&self) -> Vec<ListedWindow> {
        let now = (self.clock)();
        let mut listed: Vec<ListedWindow> = self
            .held()
            .windows
            .iter()
            .filter(|(_, it)| it.lives(now))
            .map(|(key, it)| ListedWindow { key: key.clone(), window: it.window, expires_at: it.expires_at })
            .collect();
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        listed
    }

    /// Forgets everything, frontiers too.
    pub fn flush(&self) {
        *self.held() = Held::default();
    }

    // A panic elsewhere leaves whole values behind: a merge checks before it changes anything.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WindowStore for MemoryStore {
    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError> {
        let held = self.held();
        let now = (self.clock)();
        let frontier = |partition| held.frontiers.get(partition).cloned().map_or(Stored::Missing, Stored::Known);
        Ok(Snapshot {
            frontiers: request.frontiers.iter().map(frontier).collect(),
            windows: request.windows.iter().map(|key| held.window(key, now)).collect(),
            advice: request.advice.iter().map(|key| held.advice(key, now)).collect(),
            clock: now,
        })
    }

    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
        let mut held = self.held();
        let now = (self.clock)();
        Ok(calls.iter().map(|call| held.merge(call, now)).collect())
    }

    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
        let mut held = self.held();
        Ok(starts.iter().map(|start| held.start(start)).collect())
    }

    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        let mut held = self.held();
        let now = (self.clock)();
        writes.iter().for_each(|write| held.advise(write, now));
        Ok(())
    }
}

impl Held {
    fn window(&self, key: &WindowKey, now: Timestamp) -> Stored<Window> {
        self.windows.get(key).filter(|it| it.lives(now)).map_or(Stored::Missing, |it| Stored::Known(it.window))
    }

    fn advice(&self, key: &WindowKey, now: Timestamp) -> Stored<Advice> {
        let live = self.advice.get(key).filter(|(_, expires_at)| now <= *expires_at);
        live.map_or(Stored::Missing, |(advice, _)| Stored::Known(*advice))
    }

    fn advise(&mut self, AdviceWrite { key, advice, length }: &AdviceWrite, now: Timestamp) {
        let expires_at = advice.expires_at(*length);
        let is_later = self.advice.get(key).is_none_or(|(stored, _)| stored < advice);
        if expires_at > now && is_later {
            self.advice.retain(|_, (_, expires_at)| now <= *expires_at);
            self.advice.insert(key.clone(), (*advice, expires_at));
        }
    }

    fn merge(&mut self, call: &MergeCall, now: Timestamp) -> MergeOutcome {
        let leads_up = |it: &&mut Frontier| it.topic_id == call.topic_id && it.next >= call.from;
        let Some(frontier) = self.frontiers.get_mut(&call.partition).filter(leads_up) else {
            return MergeOutcome::Refused;
        };
        frontier.next = frontier.next.max(call.to);
        for write in &call.windows {
            self.merge_window(write, now);
        }
        self.sweep(now);
        MergeOutcome::Merged
    }

    fn merge_window(&mut self, WindowWrite { key, window, length }: &WindowWrite, now: Timestamp) {
        if window.expires_at(*length) <= now {
            return;
        }
        let merged = match self.window(key, now) {
            Stored::Known(stored) => stored.merge(*window, *length),
            Stored::Missing | Stored::Newer | Stored::Damaged(_) => *window,
        };
        self.windows.insert(key.clone(), Expiring { window: merged, expires_at: merged.expires_at(*length) });
    }

    fn start(&mut self, FrontierStart { partition, seen, frontier }: &FrontierStart) -> bool {
        let is_as_seen = match (self.frontiers.get(partition), seen) {
            (None, Stored::Missing) => true,
            (Some(stored), Stored::Known(seen)) => stored == seen,
            _ => false,
        };
        if is_as_seen {
            self.frontiers.insert(*partition, frontier.clone());
        }
        is_as_seen
    }

    // Each time the windows have doubled since the last time, so that forgetting costs little on each write.
    fn sweep(&mut self, now: Timestamp) {
        const FEW: usize = 1_024;
        if self.windows.len() > self.sweep_above.max(FEW) {
            self.windows.retain(|_, it| it.lives(now));
            self.sweep_above = 2 * self.windows.len();
        }
    }
}

impl Expiring {
    // As a key of Redis, which still lives at the instant of its PXAT.
    fn lives(&self, now: Timestamp) -> bool {
        now <= self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, Position, TopicId};
    use crate::core::time::Span;
    use crate::io::store_contract;
    use std::sync::atomic::{AtomicI64, Ordering};

    const LENGTH: Span = Span::from_hours(24);

    fn store_at(now_ms: i64) -> (MemoryStore, Arc<AtomicI64>) {
        let now = Arc::new(AtomicI64::new(now_ms));
        let clock = Arc::clone(&now);
        let store = MemoryStore::new(Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed))));
        (store, now)
    }

    fn started(mut store: MemoryStore) -> MemoryStore {
        let frontier = Frontier {
            next: Offset(0),
            topic_id: TopicId::new("topic"),
            reaches_back_to: Timestamp::MIN,
            reapply_to: Offset(0),
        };
        let start = FrontierStart { partition: Partition(0), seen: Stored::Missing, frontier };
        assert_eq!(store.start_frontiers(&[start]).unwrap(), [true]);
        store
    }

    fn opens(customers: impl Iterator<Item = i64>, at_ms: i64) -> MergeCall {
        let position = Position { partition: Partition(0), offset: Offset(0) };
        let window = Window::opened_by(Timestamp::from_millis(at_ms), position);
        let key = |customer| WindowKey::parse(&format!("whatsapp:106:{customer}")).unwrap();
        let windows = customers.map(|customer| WindowWrite { key: key(customer), window, length: LENGTH }).collect();
        let topic_id = TopicId::new("topic");
        MergeCall { partition: Partition(0), from: Offset(0), to: Offset(1), topic_id, windows }
    }

    #[test]
    fn it_keeps_the_contract_of_a_store() {
        let (mut store, _) = store_at(1_700_000_000_000);
        assert_eq!(store_contract::check(&mut store), Ok(()));
    }

    #[test]
    fn clones_share_windows_and_a_flush_forgets_all() {
        let mut store = started(store_at(0).0);
        let clone = store.clone();
        store.merge(&[opens([2, 1].into_iter(), 0)]).unwrap();
        let listed = clone.list();
        assert_eq!(listed.iter().map(|it| it.key.as_str()).collect::<Vec<_>>(), ["whatsapp:106:1", "whatsapp:106:2"]);
        assert_eq!(listed[0].expires_at, Timestamp::from_millis(0) + LENGTH);
        clone.flush();
        let request =
            ReadRequest { frontiers: vec![Partition(0)], windows: vec![listed[0].key.clone()], advice: vec![] };
        let snapshot = store.read(&request).unwrap();
        assert_eq!((snapshot.frontiers, snapshot.windows), (vec![Stored::Missing], vec![Stored::Missing]));
    }

    #[test]
    fn a_window_is_gone_after_its_end_and_so_is_its_memory() {
        let (store, now) = store_at(0);
        let mut store = started(store);
        store.merge(&[opens(0..2_000, 0)]).unwrap();
        now.store(LENGTH.as_millis(), Ordering::Relaxed);
        assert_eq!(store.list().len(), 2_000, "at the end itself the key is still there, as in Redis");
        now.store(LENGTH.as_millis() + 1, Ordering::Relaxed);
        assert_eq!(store.list().len(), 0);
        store.merge(&[opens(10_000..13_000, LENGTH.as_millis())]).unwrap();
        assert_eq!(store.held().windows.len(), 3_000, "what ended is forgotten");
    }
}
