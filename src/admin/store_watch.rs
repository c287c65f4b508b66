//! Whether the store takes writes and keeps what it holds: looked at now and then over a connection of its own, never
//! while somebody waits for the answer.

use crate::io::memory::MemoryStore;
use crate::io::redis::RedisStore;
use crate::ports::StoreError;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(2);
/// The windows are estimated at each so-manieth look.
const LOOKS_AN_ESTIMATE: u32 = 5;

/// A store that can be asked about itself.
pub trait StoreProbe {
    /// Whether the worker can rely on it now; the text says why not and what to do.
    fn look(&mut self) -> Result<(), String>;

    /// About how many windows it holds.
    fn estimate_windows(&mut self) -> Result<u64, StoreError>;
}

impl StoreProbe for RedisStore {
    fn look(&mut self) -> Result<(), String> {
        let health = self.health().map_err(|error| error.to_string())?;
        if let Some(policy) = health.eviction_policy.filter(|policy| policy != "noeviction") {
            return Err(format!("maxmemory-policy is {policy}: it throws open windows away; set it to noeviction"));
        }
        self.check_writable().map_err(|error| error.to_string())
    }

    fn estimate_windows(&mut self) -> Result<u64, StoreError> {
        RedisStore::estimate_windows(self)
    }
}

impl StoreProbe for MemoryStore {
    fn look(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn estimate_windows(&mut self) -> Result<u64, StoreError> {
        Ok(self.list().len() as u64)
    }
}

/// What the last looks showed.
#[derive(Clone, Debug)]
pub(super) struct StoreLook {
    /// When the last look ended.
    pub(super) at: Instant,
    /// What it showed.
    pub(super) found: Result<(), String>,
    /// The last estimate.
    pub(super) windows: Option<u64>,
}

/// Looks while this value lives.
pub(super) struct StoreWatch {
    last: Arc<Mutex<Option<StoreLook>>>,
    _until_dropped: Sender<()>,
}

impl StoreWatch {
    pub(super) fn start(probe: Box<dyn StoreProbe + Send>) -> io::Result<StoreWatch> {
        let last = Arc::new(Mutex::new(None));
        let (until_dropped, end) = channel();
        let shared = last.clone();
        thread::Builder::new().name("store-watch".to_owned()).spawn(move || watch(probe, &shared, &end))?;
        Ok(StoreWatch { last, _until_dropped: until_dropped })
    }

    /// None before the first look.
    pub(super) fn last(&self) -> Option<StoreLook> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn watch(mut probe: Box<dyn StoreProbe + Send>, last: &Mutex<Option<StoreLook>>, end: &Receiver<()>) {
    let (mut looks, mut windows) = (0_u32, None);
    loop {
        let found = probe.look();
        if found.is_err() {
            windows = None;
        } else if looks.is_multiple_of(LOOKS_AN_ESTIMATE) || windows.is_none() {
            windows = probe.estimate_windows().ok();
        }
        looks = looks.wrapping_add(1);
        let look = StoreLook { at: Instant::now(), found, windows };
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        if end.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}
