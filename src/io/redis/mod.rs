//! Windows and frontiers in Redis: a single server (fixed, or found by Sentinels), or a cluster.

mod access;
mod cluster;
mod errors;
#[cfg(test)]
mod fake;
mod link;
mod operator;
mod sentinel;
mod server;
mod standalone;
pub mod text;

pub use access::{Access, Login, Node, SentinelAccess, Tls};
pub use link::{Patience, Renewals};
pub use operator::{Erased, Health, StoredWindow, WindowFilter};

use crate::core::frontier::{Frontier, Stored};
use crate::core::ids::{Partition, WindowKey};
use crate::core::time::Timestamp;
use crate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore,
};
use cluster::Cluster;
use redis::Value;
use standalone::Standalone;
use std::collections::BTreeSet;

/// A merge blocks Redis for five to ten microseconds a window; callers cut longer ranges.
pub const MAX_WINDOWS_A_MERGE: usize = 5_000;

/// Where Redis is, and what our keys are called there.
#[derive(Clone)]
pub struct RedisOptions {
    /// `redis://` or `rediss://`, with user and password if needed.
    pub url: String,
    /// What the URL does not say.
    pub access: Access,
    /// Stands before all keys; may be empty.
    pub key_prefix: String,
    /// The name of the topic that the frontiers are of.
    pub inbound_topic: String,
    /// How long to wait.
    pub patience: Patience,
    /// Shared by all that is made of these options.
    pub renewals: Renewals,
}

/// The windows and frontiers of one deployment.
///
/// Any error gives the connections up; the next call makes others.
pub struct RedisStore(Place);

enum Place {
    Standalone(Box<Standalone>),
    Cluster(Box<Cluster>),
}

impl RedisStore {
    /// Connects to nothing yet. Refused when it is told what cannot work.
    pub fn new(options: &RedisOptions) -> Result<RedisStore, StoreError> {
        Ok(RedisStore(match options.access.cluster.is_empty() {
            true => Place::Standalone(Box::new(Standalone::new(options)?)),
            false => Place::Cluster(Box::new(Cluster::new(options)?)),
        }))
    }

    /// Reads what decides whether this Redis can be relied on; of several servers, what is worst.
    pub fn health(&mut self) -> Result<Health, StoreError> {
        match &mut self.0 {
            Place::Standalone(store) => store.health(),
            Place::Cluster(store) => store.health(),
        }
    }

    /// Whether a write of the worker's would be taken now: asks for one that a full, read-only or misconfigured Redis
    /// refuses, and that changes nothing in any other. All servers of a cluster are asked.
    pub fn check_writable(&mut self) -> Result<(), StoreError> {
        match &mut self.0 {
            Place::Standalone(store) => store.check_writable(),
            Place::Cluster(store) => store.check_writable(),
        }
    }

    /// About how many windows there are: the share of windows among some of the keys, times the number of all keys.
    /// Keys that have expired and were not removed yet count too.
    pub fn estimate_windows(&mut self) -> Result<u64, StoreError> {
        match &mut self.0 {
            Place::Standalone(store) => store.estimate_windows(),
            Place::Cluster(store) => store.estimate_windows(),
        }
    }

    /// Reads one window; None when there is nothing.
    pub fn get_window(&mut self, key: &WindowKey) -> Result<Option<StoredWindow>, StoreError> {
        match &mut self.0 {
            Place::Standalone(store) => store.get_window(key),
            Place::Cluster(store) => store.get_window(key),
        }
    }

    /// Reads frontiers, in the order asked for.
    pub fn read_frontiers(&mut self, partitions: &[Partition]) -> Result<Vec<Stored<Frontier>>, StoreError> {
        Ok(self.read(&ReadRequest { frontiers: partitions.to_vec(), ..ReadRequest::default() })?.frontiers)
    }

    /// Lists windows in no order, at most `limit`, a batch of keys at a time: Redis is never held up. A window
    /// that is opened or ends meanwhile may be listed or not. After an error it ends.
    pub fn scan_windows<'a>(
        &'a mut self,
        filter: &WindowFilter,
        limit: usize,
    ) -> Box<dyn Iterator<Item = Result<StoredWindow, StoreError>> + 'a> {
        match &mut self.0 {
            Place::Standalone(store) => Box::new(store.scan_windows(filter, limit)),
            Place::Cluster(store) => store.scan_windows(filter, limit),
        }
    }

    /// The windows of which there is advice, whether they are still there or not. A scan, as of windows.
    pub fn find_advice(&mut self, filter: &WindowFilter) -> Result<BTreeSet<WindowKey>, StoreError> {
        match &mut self.0 {
            Place::Standalone(store) => store.find_advice(filter),
            Place::Cluster(store) => store.find_advice(filter),
        }
    }

    /// Removes a window and the advice on it; says what there was. The log still holds the customer's act: applying it
    /// again opens the window again.
    pub fn erase(&mut self, key: &WindowKey) -> Result<Erased, StoreError> {
        match &mut self.0 {
            Place::Standalone(store) => store.erase(key),
            Place::Cluster(store) => store.erase(key),
        }
    }

    fn place(&mut self) -> &mut dyn WindowStore {
        match &mut self.0 {
            Place::Standalone(store) => store.as_mut(),
            Place::Cluster(store) => store.as_mut(),
        }
    }
}

impl WindowStore for RedisStore {
    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError> {
        self.place().read(request)
    }

    fn read_beside(&mut self, request: &ReadRequest, meanwhile: &mut dyn FnMut()) -> Result<Snapshot, StoreError> {
        self.place().read_beside(request, meanwhile)
    }

    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
        self.place().merge(calls)
    }

    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
        self.place().start_frontiers(starts)
    }

    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        self.place().advise(writes)
    }
}

/// A name that nobody else has.
fn random_name() -> Result<String, StoreError> {
    let mut name = [0; 8];
    getrandom::fill(&mut name).map_err(|error| errors::no_randomness(&error))?;
    Ok(name.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn yes_or_no(answer: &Value, what: &str) -> Result<bool, StoreError> {
    match answer {
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        _ => Err(errors::unexpected_answer(what)),
    }
}

/// The values of an MGET.
fn texts(answer: Value, what: &str) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let Value::Array(values) = answer else {
        return Err(errors::unexpected_answer(what));
    };
    let text = |value| match value {
        Value::BulkString(bytes) => Ok(Some(bytes)),
        Value::Nil => Ok(None),
        _ => Err(errors::unexpected_answer(what)),
    };
    values.into_iter().map(text).collect()
}

/// The seconds and microseconds of a TIME.
fn clock(answer: &Value) -> Option<Timestamp> {
    let Value::Array(parts) = answer else {
        return None;
    };
    let number = |part: &Value| match part {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse::<i64>().ok(),
        _ => None,
    };
    let [seconds, micros] = parts.as_slice() else {
        return None;
    };
    Some(Timestamp::from_millis(number(seconds)?.checked_mul(1_000)?.checked_add(number(micros)? / 1_000)?))
}
