//! What an operator asks of Redis: is it fit, what windows does it hold, remove one.

use super::standalone::Standalone;
use super::{clock, errors, text};
use crate::core::frontier::Stored;
use crate::core::ids::{Partition, WindowKey};
use crate::core::time::{Span, Timestamp};
use crate::core::window::Window;
use crate::ports::StoreError;
use redis::{Pipeline, Value};
use std::borrow::BorrowMut;
use std::collections::{BTreeSet, HashSet, VecDeque};

const KEYS_A_SCAN: usize = 1_000;
/// No partition has that number.
pub(super) const NO_PARTITION: Partition = Partition(-1);

/// What Redis says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// `redis` or `valkey`.
    pub server: String,
    /// Its version, as `7.0.15`.
    pub version: String,
    /// `standalone`, `cluster` or `sentinel`.
    pub mode: String,
    /// What it does when it is full; anything but `noeviction` loses windows. None when it does not tell.
    pub eviction_policy: Option<String>,
    /// Its clock, read in the same round trip.
    pub clock: Timestamp,
}

/// A window with what is left of its key's life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredWindow {
    /// Its key.
    pub key: WindowKey,
    /// What is stored.
    pub window: Stored<Window>,
    /// How long the key still lives; None when it never ends, which no version of ours writes.
    pub remaining: Option<Span>,
}

/// Which windows to list; all, when empty.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WindowFilter {
    /// Of this channel only.
    pub channel: Option<String>,
    /// Of this business only.
    pub business: Option<String>,
    /// Of this customer only.
    pub customer: Option<String>,
}

/// What there was of a window, and is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Erased {
    /// The window itself.
    pub window: bool,
    /// The provider's refusal of it, which may outlive it.
    pub advice: bool,
}

impl Erased {
    /// By the answers to the DEL of both.
    pub(super) fn told_by(window: Option<&Value>, advice: Option<&Value>) -> Result<Erased, StoreError> {
        let was_there = |answer: Option<&Value>| answer.map_or(Ok(false), |answer| super::yes_or_no(answer, "DEL"));
        Ok(Erased { window: was_there(window)?, advice: was_there(advice)? })
    }
}

impl WindowFilter {
    fn takes(&self, key: &WindowKey) -> bool {
        let mut parts = key.as_str().splitn(3, ':');
        let mut is = |wanted: &Option<String>| {
            let part = parts.next();
            wanted.is_none() || wanted.as_deref() == part
        };
        is(&self.channel) && is(&self.business) && is(&self.customer)
    }
}

impl Standalone {
    /// Reads what decides whether this Redis can be relied on.
    pub fn health(&mut self) -> Result<Health, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME");
        for section in ["server", "replication", "memory"] {
            pipeline.cmd("INFO").arg(section);
        }
        let answers = self.link.ask(&pipeline)?;
        let clock = answers.first().and_then(clock).ok_or_else(|| errors::unexpected_answer("TIME"))?;
        let info: String = answers.into_iter().skip(1).filter_map(|answer| redis::from_redis_value(answer).ok()).fold(
            String::new(),
            |mut all, section: String| {
                all.push_str(&section);
                all.push('\n');
                all
            },
        );
        let fact = |name: &str| info_value(&info, name).map(str::to_owned);
        let server = fact("server_name").unwrap_or_else(|| "redis".to_owned());
        let version = fact("valkey_version").or_else(|| fact("redis_version"));
        let eviction_policy = match fact("maxmemory_policy") {
            Some(policy) => Some(policy),
            None => self.configured_policy(),
        };
        Ok(Health {
            version: version.ok_or_else(|| errors::unexpected_answer("INFO"))?,
            mode: fact("server_mode").or_else(|| fact("redis_mode")).unwrap_or_default(),
            eviction_policy,
            server,
            clock,
        })
    }

    /// The policy of a server whose INFO does not name it. CONFIG tells passwords too, so that few may ask, and whoever
    /// may not stands in the server's list of denials: it is the second choice.
    fn configured_policy(&mut self) -> Option<String> {
        let mut question = redis::pipe();
        question.cmd("CONFIG").arg("GET").arg("maxmemory-policy");
        self.link.send(&question).ok()?.pop().and_then(configured_value)
    }

    /// See `RedisStore::check_writable`.
    pub(super) fn check_writable(&mut self) -> Result<(), StoreError> {
        let nowhere = self.keys.frontier(NO_PARTITION);
        self.link.ask(&write_nothing(&nowhere)).map(|_| ())
    }

    /// See `RedisStore::estimate_windows`.
    pub(super) fn estimate_windows(&mut self) -> Result<u64, StoreError> {
        let mut start = [0; 8];
        // Without randomness it is the same keys each time, which is an estimate too.
        let _ = getrandom::fill(&mut start);
        let mut pipeline = redis::pipe();
        pipeline.cmd("DBSIZE");
        // From anywhere: a cursor names a place in the table of keys. The whole table is read from its beginning.
        for cursor in [0, u64::from_le_bytes(start)] {
            pipeline.cmd("SCAN").arg(cursor).arg("COUNT").arg(KEYS_A_SCAN);
        }
        let mut answers = self.link.ask(&pipeline)?.into_iter();
        let all: u64 = answers
            .next()
            .and_then(|answer| redis::from_redis_value(answer).ok())
            .ok_or_else(|| errors::unexpected_answer("DBSIZE"))?;
        let (mut looked_at, mut windows) = (0_u64, 0_u64);
        for answer in answers {
            let (next, keys): (String, Vec<Vec<u8>>) =
                redis::from_redis_value(answer).map_err(|_| errors::unexpected_answer("SCAN"))?;
            looked_at += keys.len() as u64;
            windows += keys.iter().filter(|key| self.keys.parse_window(key).is_some()).count() as u64;
            if next == "0" && looked_at >= all {
                break;
            }
        }
        Ok(if looked_at == 0 { 0 } else { (all as f64 * windows as f64 / looked_at as f64).round() as u64 })
    }

    /// Reads one window; None when there is nothing.
    pub fn get_window(&mut self, key: &WindowKey) -> Result<Option<StoredWindow>, StoreError> {
        Ok(self.read_windows(vec![key.clone()])?.into_iter().next())
    }

    /// Lists windows in no order, at most `limit`, a batch of keys at a time: Redis is never held up. A window
    /// that is opened or ends meanwhile may be listed or not.
    pub fn scan_windows(&mut self, filter: &WindowFilter, limit: usize) -> WindowScan<&mut Standalone> {
        WindowScan::of(self, filter, limit)
    }

    /// See `RedisStore::find_advice`.
    pub(super) fn find_advice(&mut self, filter: &WindowFilter) -> Result<BTreeSet<WindowKey>, StoreError> {
        let WindowFilter { channel, business, customer } = filter;
        let glob = self.keys.advice_glob(channel.as_deref(), business.as_deref(), customer.as_deref());
        let (mut found, mut cursor) = (BTreeSet::new(), Some("0".to_owned()));
        while let Some(from) = cursor {
            let keys;
            (cursor, keys) = self.scan(&from, &glob)?;
            let ours = keys.iter().filter_map(|key| self.keys.parse_advice(key));
            found.extend(ours.filter(|key| filter.takes(key)));
        }
        Ok(found)
    }

    /// One step of a scan: where the next one goes on, if there is one, and what was found.
    fn scan(&mut self, cursor: &str, glob: &str) -> Result<(Option<String>, Vec<Vec<u8>>), StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(glob).arg("COUNT").arg(KEYS_A_SCAN);
        let answer = self.link.ask(&pipeline)?.pop().unwrap_or(Value::Nil);
        let (next, found): (String, Vec<Vec<u8>>) =
            redis::from_redis_value(answer).map_err(|_| errors::unexpected_answer("SCAN"))?;
        Ok((Some(next).filter(|next| next != "0"), found))
    }

    /// See `RedisStore::erase`.
    pub(super) fn erase(&mut self, key: &WindowKey) -> Result<Erased, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(self.keys.window(key)).cmd("DEL").arg(self.keys.advice(key));
        let answers = self.link.ask(&pipeline)?;
        Erased::told_by(answers.first(), answers.get(1))
    }

    // Windows that are there, with the rest of their time.
    fn read_windows(&mut self, keys: Vec<WindowKey>) -> Result<Vec<StoredWindow>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        // Each key by itself: in a cluster, those of one server need not share a slot.
        keys.iter().for_each(|key| ask_window(&mut pipeline, &self.keys.window(key)));
        let mut answers = self.link.ask(&pipeline)?.into_iter();
        keys.into_iter().filter_map(|key| take_window(key, &mut answers).transpose()).collect()
    }
}

/// Asks for a window and the rest of its time.
pub(super) fn ask_window(pipeline: &mut Pipeline, name: &str) {
    pipeline.cmd("GET").arg(name).cmd("PTTL").arg(name);
}

/// Takes the answers to `ask_window`; None when there is no window.
pub(super) fn take_window(
    key: WindowKey,
    answers: &mut impl Iterator<Item = Value>,
) -> Result<Option<StoredWindow>, StoreError> {
    const NO_END: i64 = -1;
    const NO_KEY: i64 = -2;
    match (answers.next(), answers.next()) {
        (Some(Value::Nil), Some(Value::Int(_))) | (Some(Value::BulkString(_)), Some(Value::Int(NO_KEY))) => Ok(None),
        (Some(Value::BulkString(text)), Some(Value::Int(remaining_ms))) => {
            let remaining = (remaining_ms != NO_END).then(|| Span::from_millis(remaining_ms));
            Ok(Some(StoredWindow { key, window: text::decode_window(Some(&text)), remaining }))
        }
        _ => Err(errors::unexpected_answer("GET or PTTL")),
    }
}

/// A write that needs every right and all the room that a write needs, and changes nothing: XX writes only over what is
/// there.
pub(super) fn write_nothing(nowhere: &str) -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("SET").arg(nowhere).arg("").arg("XX").arg("PX").arg(1);
    pipeline
}

/// Windows as they are found. After an error it ends.
pub(super) struct WindowScan<S> {
    store: S,
    filter: WindowFilter,
    glob: String,
    cursor: Option<String>,
    listed: HashSet<WindowKey>,
    ready: VecDeque<StoredWindow>,
    limit: usize,
}

impl<S: BorrowMut<Standalone>> WindowScan<S> {
    pub(super) fn of(store: S, filter: &WindowFilter, limit: usize) -> WindowScan<S> {
        let WindowFilter { channel, business, customer } = filter;
        let glob = store.borrow().keys.window_glob(channel.as_deref(), business.as_deref(), customer.as_deref());
        WindowScan {
            store,
            filter: filter.clone(),
            glob,
            cursor: Some("0".to_owned()),
            listed: HashSet::new(),
            ready: VecDeque::new(),
            limit,
        }
    }

    fn scan_on(&mut self, cursor: &str) -> Result<(), StoreError> {
        let store = self.store.borrow_mut();
        let found;
        (self.cursor, found) = store.scan(cursor, &self.glob)?;
        let mut keys = Vec::new();
        for key in found.iter().filter_map(|key| store.keys.parse_window(key)) {
            // A scan may find a key twice.
            if self.listed.len() < self.limit && self.filter.takes(&key) && self.listed.insert(key.clone()) {
                keys.push(key);
            }
        }
        self.ready.extend(store.read_windows(keys)?);
        Ok(())
    }
}

impl<S: BorrowMut<Standalone>> Iterator for WindowScan<S> {
    type Item = Result<StoredWindow, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(window) = self.ready.pop_front() {
                return Some(Ok(window));
            }
            if self.listed.len() >= self.limit {
                return None;
            }
            let cursor = self.cursor.take()?;
            if let Err(error) = self.scan_on(&cursor) {
                self.cursor = None;
                return Some(Err(error));
            }
        }
    }
}

fn configured_value(answer: Value) -> Option<String> {
    let (_, value): (String, String) = redis::from_redis_value(answer).ok()?;
    Some(value)
}

fn info_value<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_looks_at_parts_and_not_at_text() {
        let owned = |part: Option<&str>| part.map(str::to_owned);
        let whose = |channel, business, customer| WindowFilter {
            channel: owned(channel),
            business: owned(business),
            customer: owned(customer),
        };
        let filter = |channel, business| whose(channel, business, None);
        let key = WindowKey::parse("whatsapp:106:a:107:b").unwrap();
        let table = [
            (filter(None, None), true),
            (filter(Some("whatsapp"), None), true),
            (filter(None, Some("106")), true),
            (filter(None, Some("107")), false),
            (filter(Some("whats"), Some("106")), false),
            (filter(Some("whatsapp"), Some("10")), false),
            (whose(None, None, Some("a:107:b")), true),
            (whose(None, None, Some("b")), false),
        ];
        for (filter, takes) in table {
            assert_eq!(filter.takes(&key), takes, "{filter:?}");
        }
    }

    #[test]
    fn a_fact_is_found_by_its_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_version_x:1\r\nrole:master\r\n";
        assert_eq!(info_value(info, "redis_version"), Some("7.0.15"));
        assert_eq!(info_value(info, "role"), Some("master"));
        assert_eq!(info_value(info, "redis"), None);
    }
}
