//! `sessiongate window get`, `window list` and `window delete`.

use super::args::{DeleteWindowsArguments, GetWindowArguments, ListWindowsArguments};
use super::{FAILURE, SUCCESS, complain};
use crate::app::preflight::redis_options;
use crate::config::Config;
use crate::core::frontier::Stored;
use crate::core::ids::{BusinessId, Channel, CustomerId, WindowKey};
use crate::core::time::{Span, Timestamp};
use crate::core::window::{Window, WindowState};
use crate::io::clock::SystemClock;
use crate::io::redis::{Erased, RedisStore, StoredWindow, WindowFilter};
use crate::ports::Clock;
use crate::wire::time;
use anyhow::bail;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn get(config: &Config, arguments: &GetWindowArguments) -> anyhow::Result<u8> {
    if config.policy().channel(&arguments.channel).is_none() {
        bail!("channel {} is not configured", arguments.channel);
    }
    if arguments.business.contains(':') {
        bail!("{} is no business's address: those have no colon, which parts the names of keys", arguments.business);
    }
    let channel = Channel::new(&arguments.channel);
    let key = WindowKey::new(&channel, &BusinessId::new(&arguments.business), &CustomerId::new(&arguments.customer));
    let mut store = RedisStore::new(&redis_options(config))?;
    match store.get_window(&key)? {
        Some(found) => {
            println!("{:#}", describe(config, &found));
            Ok(SUCCESS)
        }
        None => {
            println!("{:#}", json!({ "window": key.as_str(), "state": "closed" }));
            Ok(SUCCESS)
        }
    }
}

pub(super) fn list(config: &Config, arguments: &ListWindowsArguments) -> anyhow::Result<u8> {
    let mut store = RedisStore::new(&redis_options(config))?;
    let (channel, business) = (arguments.channel.clone(), arguments.business.clone());
    let filter = WindowFilter { channel, business, customer: None };
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    for found in store.scan_windows(&filter, limit) {
        match found {
            Ok(found) => println!("{}", describe(config, &found)),
            Err(error) => {
                complain(format_args!("sessiongate: {error}"));
                return Ok(FAILURE);
            }
        }
    }
    Ok(SUCCESS)
}

pub(super) fn delete(config: &Config, arguments: &DeleteWindowsArguments) -> anyhow::Result<u8> {
    let DeleteWindowsArguments { customer, business, channel, dry_run } = arguments.clone();
    let mut store = RedisStore::new(&redis_options(config))?;
    let filter = WindowFilter { channel, business, customer: Some(customer) };
    // Found first and erased afterwards: a scan that is disturbed says so before anything is gone.
    let mut found: BTreeMap<WindowKey, Erased> = BTreeMap::new();
    for window in store.scan_windows(&filter, usize::MAX) {
        found.insert(window?.key, Erased { window: true, advice: false });
    }
    // A refusal may outlive its window.
    for key in store.find_advice(&filter)? {
        found.entry(key).or_insert(Erased { window: false, advice: false }).advice = true;
    }
    if found.is_empty() {
        complain("sessiongate: nothing is held of this customer");
    }
    for (key, held) in found {
        let erased = if dry_run { held } else { store.erase(&key)? };
        for (what, was_held, is_erased) in
            [("window", held.window, erased.window), ("advice", held.advice, erased.advice)]
        {
            let outcome = match is_erased {
                true if dry_run => "found",
                true => "erased",
                // It ended between both looks.
                false if was_held => "gone",
                false => continue,
            };
            println!("{}", json!({ what: key.as_str(), "outcome": outcome }));
        }
    }
    Ok(SUCCESS)
}

fn describe(config: &Config, found: &StoredWindow) -> Value {
    let now = SystemClock::new().now().wall;
    let length = config.policy().channel(found.key.channel()).map(|channel| channel.window);
    match (&found.window, length) {
        (Stored::Known(window), Some(rules)) => {
            let state = match rules.state(window, now) {
                WindowState::Open => "open",
                WindowState::Closing => "closing",
                WindowState::Closed => "closed",
            };
            shown(found, window, window.expires_at(rules.length), state, now)
        }
        (Stored::Known(_), None) => {
            json!({ "window": found.key.as_str(), "state": "of a channel that is not configured" })
        }
        (Stored::Newer, _) => json!({ "window": found.key.as_str(), "state": "written by a newer version" }),
        (Stored::Damaged(_) | Stored::Missing, _) => json!({ "window": found.key.as_str(), "state": "unreadable" }),
    }
}

fn shown(found: &StoredWindow, window: &Window, expires_at: Timestamp, state: &str, now: Timestamp) -> Value {
    let remaining = (expires_at - now).max(Span::ZERO);
    json!({
        "window": found.key.as_str(),
        "state": state,
        "opened_at": time::format(window.opened_at),
        "last_inbound_at": time::format(window.last_inbound_at),
        "expires_at": time::format(expires_at),
        "remaining_seconds": remaining.as_millis() / 1000,
        "last_record": { "partition": window.position.partition.0, "offset": window.position.offset.0 },
    })
}
