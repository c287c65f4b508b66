//! Dead letters as an operator handles them: counted, explained, and sent back once what was wrong is put right.

use crate::support::command::{Said, command};
use crate::support::inspect::Writing;
use crate::support::site::{DEAD, INBOUND, INTENTS, SEND, Seen, Site, TEMPLATE};
use crate::support::traffic::{intent, key, now_ms};
use crate::support::wait_until;
use crate::support::worker::Worker;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

const WITHIN: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 3;
const CUSTOMERS: u64 = 8;

/// An intent for a channel that is not configured, with headers of its own and a time in the past.
fn lost(number: u64) -> (String, Writing) {
    let customer = format!("55119{:08}", number % CUSTOMERS);
    let text = intent(&format!("lost-{number}"), &customer).replacen('{', r#"{"channel":"messenger","#, 1);
    let headers = [
        ("x-own", format!("{number}")),
        ("kafka_dlt-original-topic", "elsewhere".to_owned()),
        ("x-own", "2".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into_bytes())).to_vec();
    let timestamp_ms = Some(now_ms() - 60_000 - i64::try_from(number).unwrap());
    let key = (!number.is_multiple_of(5)).then(|| key(&customer).into_bytes());
    (text.clone(), Writing { key, value: Some(text.into()), headers, timestamp_ms })
}

/// A site whose worker has refused these intents, and some records that no fix can save.
fn refused(name: &str, intents: u64) -> Site {
    let site = Site::new(name, PARTITIONS);
    for number in 0..intents {
        site.write_exactly(INTENTS, &lost(number).1);
    }
    site.write(INTENTS, Some("a"), b"not JSON", &[]);
    site.write(INBOUND, Some("a"), b"{}", &[]);
    site.ask("twice", "5511900000001");
    site.ask("twice", "5511900000001");
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    assert!(worker.stop().success());
    site
}

/// A configuration that has the channel.
fn with_the_channel() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sessiongate.toml");
    std::fs::write(&file, "[channels.messenger]\n").unwrap();
    (folder, file)
}

fn list(site: &Site, arguments: &[&str]) -> Vec<Value> {
    let said = command(site, &[&["dead-letter", "list", "--format", "json"], arguments].concat(), &[]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let lines = said.text.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{}", said.text))).collect()
}

fn redrive(site: &Site, arguments: &[&str]) -> Said {
    command(site, &[&["dead-letter", "redrive"], arguments].concat(), &[])
}

/// The records of the intents' topic that came later, by partition and in order.
fn came_later(site: &Site, before: &BTreeMap<i32, i64>) -> BTreeMap<i32, Vec<Seen>> {
    let mut later: BTreeMap<i32, Vec<Seen>> = BTreeMap::new();
    for seen in site.read(INTENTS).into_iter().filter(|seen| seen.offset >= before[&seen.partition]) {
        later.entry(seen.partition).or_default().push(seen);
    }
    later.values_mut().for_each(|records| records.sort_by_key(|seen| seen.offset));
    later
}

#[test]
fn dead_letters_are_counted_listed_and_explained() {
    let site = refused("list-dead-letters", 5);
    let groups: Vec<_> = list(&site, &[])
        .into_iter()
        .map(|group| (group["topic"].clone(), group["reason"].clone(), group["count"].clone()))
        .collect();
    let (inbound, intents) = (site.topic(INBOUND), site.topic(INTENTS));
    let group = |topic: &str, reason: &str, count| (json!(topic), json!(reason), json!(count));
    assert_eq!(
        groups,
        [
            group(&inbound, "missing_field", 1),
            group(&intents, "duplicate_intent", 1),
            group(&intents, "not_json", 1),
            group(&intents, "unknown_channel", 5),
        ]
    );
    assert_eq!(list(&site, &["--topic", &inbound]).len(), 1);
    assert_eq!(list(&site, &["--since", "1h"]).len(), 4);
    assert_eq!(list(&site, &["--since", "30s"]).len(), 3, "the lost intents are older");
    let table = command(&site, &["dead-letter", "list"], &[]);
    table.assert_contains(&["REASON", "unknown_channel          5"]);

    let each = list(&site, &["--each", "--reason", "unknown_channel"]);
    assert_eq!((each.len(), list(&site, &["--each", "--limit", "2"]).len()), (5, 2));
    let letter = &each[0];
    let original = letter["original"].clone();
    let (partition, offset) = (letter["partition"].to_string(), letter["offset"].to_string());
    let place = ["--topic", &site.topic(DEAD), "--partition", &partition, "--offset", &offset];
    let said = command(&site, &[&["explain"], &place[..]].concat(), &[]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    said.assert_contains(&[
        &format!("at offset {} of partition {} of topic {intents}", original["offset"], original["partition"]),
        "refused as unknown_channel: channel is not among the configured ones",
        "dead-letter redrive --reason unknown_channel",
    ]);
    let nowhere = ["--topic", &site.topic(DEAD), "--partition", "0", "--offset", "1000000"];
    let said = command(&site, &[&["explain"], &nowhere[..]].concat(), &[]);
    assert_eq!(
        (said.code, said.text.contains("there is no record at offset 1000000")),
        (Some(1), true),
        "{}",
        said.text
    );
}

#[test]
fn a_verdict_is_explained_where_it_lies() {
    let site = Site::new("explain-verdict", 1);
    site.ask("closed", "5511900000001");
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    assert!(worker.stop().success());
    let offset = site.read(TEMPLATE)[0].offset.to_string();
    let topic = site.topic(TEMPLATE);
    let said = command(&site, &["explain", "--topic", &topic, "--partition", "0", "--offset", &offset], &[]);
    said.assert_contains(&["Intent closed for customer 5511900000001", "No window of this customer was known"]);
}

#[test]
fn originals_go_back_as_they_were_to_their_partitions_and_get_their_verdicts() {
    const LOST: u64 = 40;
    let site = refused("redrive", LOST);
    let before = site.ends(INTENTS);
    let originals = site.read(INTENTS);

    let said = redrive(&site, &["--dry-run", "--reason", "unknown_channel"]);
    assert_eq!((said.code, site.ends(INTENTS)), (Some(0), before.clone()), "{}", said.text);
    said.assert_contains(&["40 refused as unknown_channel would go back"]);
    let said = redrive(&site, &["--reason", "unknown_channel", "--limit", "15"]);
    said.assert_contains(&["15 refused as unknown_channel went back", "there are more"]);
    let said = redrive(&site, &["--reason", "unknown_channel"]);
    said.assert_contains(&["25 refused as unknown_channel went back", "15 had gone back before"]);
    let said = redrive(&site, &["--reason", "unknown_channel"]);
    said.assert_contains(&["nothing to send back", "40 had gone back before"]);

    let (mut count, later) = (0, came_later(&site, &before));
    for (partition, records) in &later {
        for seen in records {
            let id = seen.json()["intent_id"].clone();
            let original =
                originals.iter().find(|original| original.value == seen.value).unwrap_or_else(|| panic!("{id}"));
            assert_eq!(original.partition, *partition, "{id}");
            assert_eq!((&seen.key, seen.timestamp_ms), (&original.key, original.timestamp_ms), "{id}");
            let (own, marks) = seen.headers.split_at(original.headers.len());
            assert_eq!(own, original.headers, "{id}");
            let names: Vec<_> = marks.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["sessiongate.redriven", "sessiongate.redriven.from"], "{id}");
            assert_eq!(seen.header("sessiongate.redriven").as_deref(), Some("1"));
            let from = seen.header("sessiongate.redriven.from").unwrap();
            assert!(from.starts_with(&format!("{}/", site.topic(DEAD))), "{from}");
            count += 1;
        }
    }
    assert_eq!(count, LOST);

    let (_folder, file) = with_the_channel();
    let worker = Worker::with(&site, &[("CONFIG", file.to_str().unwrap())]);
    // The markers of transactions lie behind the last record, and nobody commits beyond them.
    let decided = || {
        let seen = site.read(TEMPLATE);
        let ids = seen.iter().map(|seen| seen.json()["intent_id"].to_string());
        ids.filter(|id| id.contains("lost")).collect::<Vec<_>>()
    };
    wait_until("every intent to have its verdict", || decided().len() as u64 >= LOST);
    let mut ids = decided();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len() as u64, LOST, "none of them is a duplicate of the one that was refused");
    assert!(worker.stop().success());
}

#[test]
fn originals_of_one_run_keep_the_order_of_their_partition() {
    let site = refused("redrive-order", 60);
    let before = site.ends(INTENTS);
    let places = places(&site);
    redrive(&site, &[])
        .assert_contains(&["60 refused as unknown_channel went back", "1 were refused as expired or dup"]);
    for records in came_later(&site, &before).values() {
        assert!(records.iter().map(|seen| places[&whose(seen)]).is_sorted(), "{records:?}");
    }
}

/// A record's partition and value: those of `lost` differ.
fn whose(seen: &Seen) -> (i32, Option<Vec<u8>>) {
    (seen.partition, seen.value.clone())
}

/// Where the intents lie.
fn places(site: &Site) -> BTreeMap<(i32, Option<Vec<u8>>), i64> {
    site.read(INTENTS).iter().map(|seen| (whose(seen), seen.offset)).collect()
}

#[test]
fn originals_with_one_key_keep_their_order_beyond_one_transaction() {
    const MORE_THAN_ONE: u64 = 10_500;
    let site = refused("redrive-keys", MORE_THAN_ONE);
    let before = site.ends(INTENTS);
    let places = places(&site);
    redrive(&site, &["--reason", "unknown_channel"]).assert_contains(&["10500 refused as unknown_channel went back"]);
    let mut by_key: BTreeMap<Vec<u8>, Vec<i64>> = BTreeMap::new();
    for seen in came_later(&site, &before).into_values().flatten() {
        let place = places[&whose(&seen)];
        // Those without a key lie anywhere.
        if let Some(key) = seen.key {
            by_key.entry(key).or_default().push(place);
        }
    }
    assert_eq!(by_key.len() as u64, CUSTOMERS);
    by_key.values().for_each(|places| assert!(places.is_sorted(), "{places:?}"));
}

#[test]
fn more_go_back_at_once_than_the_producer_holds() {
    const MORE_THAN_ITS_QUEUE: u64 = 4_500;
    let site = refused("redrive-many", MORE_THAN_ITS_QUEUE);
    let before = site.ends(INTENTS);
    let said = redrive(&site, &["--reason", "unknown_channel"]);
    said.assert_contains(&["4500 refused as unknown_channel went back"]);
    let later = came_later(&site, &before);
    assert_eq!(later.values().map(Vec::len).sum::<usize>() as u64, MORE_THAN_ITS_QUEUE);
}

#[test]
fn an_original_that_fails_again_has_another_dead_letter_and_can_go_back_again() {
    let site = refused("redrive-again", 3);
    for count in 1..=2 {
        redrive(&site, &["--reason", "unknown_channel"]).assert_contains(&["3 refused as unknown_channel went back"]);
        let worker = Worker::start(&site);
        let reasons = || {
            let mut letters = site.read(DEAD);
            letters.retain(|seen| seen.header("sessiongate.redriven") == Some(count.to_string()));
            letters.iter().map(|seen| seen.header("sessiongate.error.reason").unwrap()).collect::<Vec<_>>()
        };
        wait_until("each to be refused again", || reasons().len() >= 3);
        let reasons = reasons();
        assert!(worker.stop().success());
        assert_eq!(reasons, ["unknown_channel"; 3], "redriven {count} times");
    }
}

#[test]
fn letters_of_another_group_or_topic_stay_where_they_are() {
    let site = refused("redrive-foreign", 3);
    let renamed = [("KAFKA_GROUP_ID", "another")];
    let said = command(&site, &["dead-letter", "redrive"], &renamed);
    said.assert_contains(&["nothing to send back", "6 records", "are no dead letters of the group another"]);

    let letter = site.read(DEAD).into_iter().find(|seen| seen.header("x-own").is_some()).unwrap();
    let forged = |name: &str, value: String| {
        let mut headers = letter.headers.clone();
        let found = headers.iter_mut().find(|(header, _)| header == name).unwrap();
        found.1 = value.into_bytes();
        let Seen { key, value, .. } = letter.clone();
        site.write_exactly(DEAD, &Writing { key, value, headers, timestamp_ms: None });
    };
    forged("sessiongate.error.group", "another".into());
    forged("sessiongate.error.topic", site.topic(SEND));
    site.flush();
    let before = site.ends(SEND);
    let said = redrive(&site, &["--reason", "unknown_channel"]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    said.assert_contains(&["3 refused as unknown_channel went back", "2 records"]);
    assert!(!said.text.contains(&site.topic(SEND)), "{}", said.text);
    assert_eq!(site.ends(SEND), before);
    assert_eq!(list(&site, &["--each", "--reason", "unknown_channel"]).len(), 3);
}

#[test]
fn an_original_goes_back_with_its_own_time_and_only_to_where_that_is_kept() {
    const STAMPED: &str = "message.timestamp.type";
    let brokers_time = [(DEAD, STAMPED, "LogAppendTime"), (INBOUND, STAMPED, "LogAppendTime")];
    let site = Site::with_settings("redrive-times", 1, &brokers_time);
    let lost = lost(1).1;
    site.write_exactly(INTENTS, &lost);
    site.write(INBOUND, Some("a"), b"not JSON", &[]);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    assert!(worker.stop().success());
    let before = site.ends(INBOUND);
    let inbound = site.topic(INBOUND);
    let refused = format!("1 of {inbound} were not sent");
    for intents in ["1 refused as unknown_channel went back", "1 had gone back before"] {
        let said = redrive(&site, &[]);
        assert_eq!(said.code, Some(1), "{}", said.text);
        said.assert_contains(&[intents, &refused, &format!("set message.timestamp.type=CreateTime on {inbound}")]);
    }
    assert_eq!(site.ends(INBOUND), before);
    let times: Vec<i64> = site.read(INTENTS).iter().map(|seen| seen.timestamp_ms).collect();
    assert_eq!(times, [lost.timestamp_ms.unwrap(); 2]);
}

#[test]
fn a_dead_letter_that_was_cut_is_refused_and_told() {
    let site = Site::with_settings("redrive-cut", 1, &[(DEAD, "max.message.bytes", "20000")]);
    let mut state = 7_u32;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 28) as u8)
    });
    let noise: String = noise.take(200_000).collect();
    site.write(INTENTS, Some("a"), noise.as_bytes(), &[]);
    site.write(INTENTS, Some("a"), b"short", &[]);
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(WITHIN);
    assert!(worker.stop().success());
    let said = redrive(&site, &[]);
    assert_eq!(said.code, Some(1), "{}", said.text);
    said.assert_contains(&[
        "cannot be redriven: the end of its value did not fit",
        &format!("send the original of {}, partition 0, offset 0 again", site.topic(INTENTS)),
        "1 refused as not_json went back",
        "1 are cut",
    ]);
    assert_eq!(redrive(&site, &[]).code, Some(0), "what was told once is not told again");
}
