//! What must hold between keys. A check is left out while one of its keys is wrong by itself.

use super::error::Fault;
use super::keys::{self, span_text};
use super::reader::Reader;
use super::{
    AdminConfig, COMMIT_CAP, ChannelConfig, DEFAULT_TRANSACTION_TIMEOUT, Properties, TopicsConfig, WindowConfig,
};
use crate::core::time::Span;
use crate::core::window::WindowRules;
use std::collections::BTreeMap;

const TRANSACTION_TIMEOUT: &str = "transaction.timeout.ms";

/// The time-out of transactions; a wrong one is noted.
pub(super) fn transaction_timeout(reader: &mut Reader<'_>, producer: &Properties) -> Span {
    let Some(text) = producer.get(TRANSACTION_TIMEOUT) else { return DEFAULT_TRANSACTION_TIMEOUT };
    // The upper end is what brokers accept by default (transaction.max.timeout.ms).
    match text.parse() {
        Ok(ms) if (1_000..=900_000).contains(&ms) => Span::from_millis(ms),
        _ => {
            let fault = Fault::new("is out of range", "give milliseconds, from 1000 to 900000");
            reader.fault(&transaction_timeout_key(), fault);
            DEFAULT_TRANSACTION_TIMEOUT
        }
    }
}

fn transaction_timeout_key() -> String {
    format!("{}.{TRANSACTION_TIMEOUT}", keys::KAFKA_PRODUCER.name)
}

/// The brokers would otherwise give every transaction up before its commit, again and again.
pub(super) fn transactions_end_in_time(reader: &mut Reader<'_>, commit_interval: Span, transaction_timeout: Span) {
    let key = keys::WORKER_COMMIT_INTERVAL.name;
    let is_wrong_by_itself = reader.errors.concern(key) || reader.errors.concern(&transaction_timeout_key());
    if is_wrong_by_itself || commit_interval + COMMIT_CAP < transaction_timeout {
        return;
    }
    let problem =
        format!("leaves no time for a commit before the transaction time-out ({})", span_text(transaction_timeout));
    let remedy = format!(
        "give less than {}, or a longer {}",
        span_text(transaction_timeout - COMMIT_CAP),
        transaction_timeout_key()
    );
    reader.fault(key, Fault::new(problem, remedy));
}

/// A verdict would otherwise be read where its own input is, or two kinds of records be mixed.
pub(super) fn topics_are_distinct(reader: &mut Reader<'_>, topics: &TopicsConfig) {
    let named = [
        (keys::TOPICS_INBOUND_MESSAGE, Some(&topics.inbound_message)),
        (keys::TOPICS_OUTBOUND_INTENT, Some(&topics.outbound_intent)),
        (keys::TOPICS_SESSION_SEND, Some(&topics.session_send)),
        (keys::TOPICS_TEMPLATE_REQUIRED, Some(&topics.template_required)),
        (keys::TOPICS_WINDOW_EVENT, Some(&topics.window_event)),
        (keys::TOPICS_DEAD_LETTER, Some(&topics.dead_letter)),
        (keys::TOPICS_TEMPLATE_STATUS, topics.template_status.as_ref()),
        (keys::TOPICS_DELIVERY_STATUS, topics.delivery_status.as_ref()),
    ];
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, topic) in named {
        let Some(topic) = topic.filter(|_| !reader.errors.concern(key.name)) else { continue };
        match seen.get(topic.as_str()) {
            Some(other) => reader.fault(key.name, Fault::new(format!("is also {other}"), "give each its own topic")),
            None => {
                seen.insert(topic, key.name);
            }
        }
    }
}

/// Whoever reaches the admin side from elsewhere must show a token.
pub(super) fn admin_is_guarded(reader: &mut Reader<'_>, admin: &AdminConfig) {
    let is_reachable = !admin.listen.ip().is_loopback();
    if is_reachable && admin.token.is_none() && !reader.errors.concern("admin") {
        let remedy = "set admin.token (or its file), or listen on 127.0.0.1";
        reader.fault(keys::ADMIN_LISTEN.name, Fault::new("other machines reach it and no token is asked for", remedy));
    }
}

/// Guards are shorter than their windows and longer than what a verdict may take to become visible.
pub(super) fn guards_fit(
    reader: &mut Reader<'_>,
    window: &WindowConfig,
    channels: &BTreeMap<String, ChannelConfig>,
    transaction_timeout: Span,
) {
    let (length, guard) = (keys::WINDOW_LENGTH.name, keys::WINDOW_GUARD.name);
    guard_fits(reader, guard, length, window.rules, transaction_timeout);
    for (name, channel) in channels.iter().filter(|(_, channel)| channel.rules != window.rules) {
        let (own_length, own_guard) =
            (channel_key(keys::CHANNELS_LENGTH.name, name), channel_key(keys::CHANNELS_GUARD.name, name));
        // What is inherited and wrong was noted where it was written.
        if !reader.errors.concern(length) && !reader.errors.concern(guard) {
            guard_fits(reader, &own_guard, &own_length, channel.rules, transaction_timeout);
        }
    }
}

fn guard_fits(reader: &mut Reader<'_>, guard: &str, length: &str, rules: WindowRules, transaction_timeout: Span) {
    if reader.errors.concern(guard) || reader.errors.concern(length) {
        return;
    }
    if rules.guard >= rules.length {
        let problem =
            format!("is not shorter than {length} ({}): no window would ever be open", span_text(rules.length));
        return reader.fault(guard, Fault::new(problem, "give a shorter guard or a longer window"));
    }
    if reader.sources.allow_short_guard || reader.errors.concern(&transaction_timeout_key()) {
        return;
    }
    // Half of the guard is left to the clocks; the other half must outlast a transaction that hangs.
    let needed = transaction_timeout + COMMIT_CAP;
    if rules.guard - rules.guard.half() < needed {
        let problem = format!(
            "is too short: half of it must cover the transaction time-out ({}) and a commit ({})",
            span_text(transaction_timeout),
            span_text(COMMIT_CAP)
        );
        let remedy =
            format!("give at least {}, or a shorter {}", span_text(needed + needed), transaction_timeout_key());
        reader.fault(guard, Fault::new(problem, remedy));
    }
}

/// The key of one channel.
pub(super) fn channel_key(pattern: &str, channel: &str) -> String {
    pattern.replace("NAME", channel)
}
