//! `sessiongate dead-letter list`.

use super::args::{Format, ListArguments};
use super::{Letters, settings};
use crate::cli::SUCCESS;
use crate::config::Config;
use crate::core::record::Record;
use crate::core::time::Timestamp;
use crate::io::clock::SystemClock;
use crate::ports::Clock;
use crate::wire::letter::Letter;
use crate::wire::time;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// The dead letters of one reason and topic.
struct Group {
    count: usize,
    oldest: Option<Timestamp>,
    newest: Option<Timestamp>,
}

pub(super) fn list(config: &Config, arguments: &ListArguments) -> anyhow::Result<u8> {
    let since = arguments.since.map(|since| since.at(SystemClock::new().now().wall));
    let takes = |letter: &Letter| {
        arguments.filter.takes(letter) && since.is_none_or(|since| letter.timestamp.is_some_and(|at| at >= since))
    };
    let mut letters = Letters::open(config, &settings(config))?;
    if arguments.each {
        return each(config, arguments, &mut letters, takes);
    }
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    let _ = letters.each(|letter, _| {
        if takes(&letter) {
            let none = Group { count: 0, oldest: None, newest: None };
            let group = groups.entry((letter.topic, letter.reason)).or_insert(none);
            group.count += 1;
            group.oldest = group.oldest.into_iter().chain(letter.timestamp).min();
            group.newest = group.newest.max(letter.timestamp);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    match arguments.format {
        Format::Json => groups.iter().for_each(|(names, group)| println!("{}", as_json(names, group))),
        Format::Table => print_table(&groups),
    }
    letters.tell_foreign();
    Ok(SUCCESS)
}

fn as_json((topic, reason): &(String, String), group: &Group) -> Value {
    let (oldest, newest) = (group.oldest.map(time::format), group.newest.map(time::format));
    json!({ "topic": topic, "reason": reason, "count": group.count, "oldest": oldest, "newest": newest })
}

fn print_table(groups: &BTreeMap<(String, String), Group>) {
    if groups.is_empty() {
        println!("no dead letters");
        return;
    }
    let width = |of: fn(&(String, String)) -> &String, least: usize| {
        groups.keys().map(|names| of(names).len()).max().unwrap_or_default().max(least)
    };
    let (topics, reasons) = (width(|(topic, _)| topic, 5), width(|(_, reason)| reason, 6));
    println!("{:<topics$}  {:<reasons$}  {:>8}  {:<24}  NEWEST", "TOPIC", "REASON", "COUNT", "OLDEST");
    for ((topic, reason), group) in groups {
        let shown = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), time::format);
        let (oldest, newest) = (shown(group.oldest), shown(group.newest));
        println!("{topic:<topics$}  {reason:<reasons$}  {:>8}  {oldest:<24}  {newest}", group.count);
    }
}

fn each(
    config: &Config,
    arguments: &ListArguments,
    letters: &mut Letters<'_>,
    takes: impl Fn(&Letter) -> bool,
) -> anyhow::Result<u8> {
    let dead_letters = &config.topics.dead_letter;
    let mut left = arguments.limit;
    let more = letters.each(|letter, record| {
        if !takes(&letter) {
            return Ok(ControlFlow::Continue(()));
        }
        if left == 0 {
            return Ok(ControlFlow::Break(()));
        }
        left -= 1;
        match arguments.format {
            Format::Json => println!("{}", one_as_json(&letter, &record)),
            Format::Table => println!("{}", one_as_line(&letter, &record, dead_letters)),
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if more.is_break() {
        eprintln!("there are more: --limit says how many are shown");
    }
    letters.tell_foreign();
    Ok(SUCCESS)
}

fn one_as_json(letter: &Letter, record: &Record) -> Value {
    json!({
        "partition": record.partition.0,
        "offset": record.offset.0,
        "reason": letter.reason,
        "detail": letter.detail,
        "index": letter.index,
        "cut": letter.cut,
        "redriven": letter.redriven,
        "original": {
            "topic": letter.topic,
            "partition": letter.partition,
            "offset": letter.offset,
            "timestamp": letter.timestamp.map(time::format),
        },
    })
}

fn one_as_line(letter: &Letter, record: &Record, dead_letters: &str) -> String {
    let Letter { reason, detail, topic, partition, offset, .. } = letter;
    let place = format!("{dead_letters}/{}/{}", record.partition, record.offset);
    format!("{place}  from {topic}/{partition}/{offset}  {reason}: {detail}")
}
