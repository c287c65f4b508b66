//! Traffic whose right answers are known, and the checker that compares them with what came out.

use super::site::{BUSINESS, DEAD, INBOUND, INTENTS, SEND, Seen, Site, TEMPLATE};
use chrono::{DateTime, SecondsFormat};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

pub fn rfc3339(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true)
}

pub fn inbound(message_id: &str, customer: &str, occurred_at_ms: i64) -> String {
    let at = rfc3339(occurred_at_ms);
    format!(
        r#"{{"message_id":"{message_id}","business_id":"{BUSINESS}","customer_id":"{customer}","type":"text","occurred_at":"{at}","text":{{"body":"hello"}}}}"#
    )
}

pub fn intent(intent_id: &str, customer: &str) -> String {
    format!(
        r#"{{"intent_id":"{intent_id}","business_id":"{BUSINESS}","customer_id":"{customer}","message":{{"type":"text","text":{{"body":"{intent_id}"}}}},"template":{{"name":"order_update","language":"en_US"}}}}"#
    )
}

pub fn key(customer: &str) -> String {
    format!("{BUSINESS}:{customer}")
}

impl Site {
    pub fn say(&self, customer: &str, occurred_at_ms: i64) {
        let id = format!("wamid.{customer}.{occurred_at_ms}");
        self.write(INBOUND, Some(&key(customer)), inbound(&id, customer, occurred_at_ms).as_bytes(), &[]);
    }

    pub fn ask(&self, intent_id: &str, customer: &str) {
        self.write(INTENTS, Some(&key(customer)), intent(intent_id, customer).as_bytes(), &[]);
    }
}

/// What must become of an intent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// The customer wrote before.
    Open,
    /// The customer never wrote.
    Closed,
}

/// What came out, compared with what is right.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Outcome {
    pub verdicts: usize,
    pub lost: usize,
    pub duplicate: usize,
    /// Called closed with proof although it was open.
    pub false_closed: usize,
    /// Called closed without proof although it was open: allowed, and told.
    pub timed_out: usize,
    /// Called open although the customer never wrote.
    pub false_open: usize,
    pub dead: usize,
}

impl Outcome {
    pub fn is_right(&self) -> bool {
        self.lost + self.duplicate + self.false_closed + self.false_open + self.dead == 0
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { verdicts, lost, duplicate, false_closed, timed_out, false_open, dead } = self;
        write!(f, "{verdicts} verdicts, {lost} lost, {duplicate} duplicate, {false_closed} false closed, ")?;
        write!(f, "{timed_out} closed without proof, {false_open} false open, {dead} dead letters")
    }
}

/// The intents that were written, by id.
#[derive(Default)]
pub struct Truth {
    pub right: HashMap<String, Right>,
}

impl Truth {
    /// Compares every committed output with the truth. In `at_least_once` a second verdict with the same `ce_id`
    /// counts as the first.
    pub fn check(&self, site: &Site, at_least_once: bool) -> Outcome {
        let mut outcome = Outcome::default();
        let mut answers: HashMap<String, usize> = HashMap::new();
        let mut ids: HashSet<String> = HashSet::new();
        for (topic, is_send) in [(SEND, true), (TEMPLATE, false)] {
            site.read_each(topic, |seen| {
                let json = seen.json();
                let id = json["intent_id"].as_str().unwrap().to_owned();
                let right = *self.right.get(&id).unwrap_or_else(|| panic!("nobody asked {id}"));
                match (right, is_send) {
                    (Right::Open, false) if json["basis"] == "complete" => outcome.false_closed += 1,
                    (Right::Open, false) => outcome.timed_out += 1,
                    (Right::Closed, true) => outcome.false_open += 1,
                    (Right::Open, true) | (Right::Closed, false) => {}
                }
                if !at_least_once || ids.insert(seen.header("ce_id").unwrap()) {
                    outcome.verdicts += 1;
                    *answers.entry(id).or_default() += 1;
                }
            });
        }
        let letters = site.read(DEAD);
        letters.iter().take(20).for_each(tell_letter);
        outcome.dead = letters.len();
        outcome.lost = self.right.keys().filter(|id| !answers.contains_key(*id)).count();
        outcome.duplicate = answers.values().filter(|count| **count > 1).count();
        outcome
    }
}

/// Why a record became a dead letter, for whoever reads why a test failed.
fn tell_letter(letter: &Seen) {
    let told = |name: &str| letter.header(&format!("sessiongate.error.{name}")).unwrap_or_default();
    let (topic, partition, offset) = (told("topic"), told("partition"), told("offset"));
    println!("dead letter of {topic}/{partition}@{offset}: {}: {}", told("reason"), told("detail"));
}

/// The verdicts and dead letters by the intent's id.
pub fn by_intent(seen: &[Seen]) -> BTreeMap<String, Vec<&Seen>> {
    let mut map: BTreeMap<String, Vec<&Seen>> = BTreeMap::new();
    for record in seen {
        map.entry(record.json()["intent_id"].as_str().unwrap().to_owned()).or_default().push(record);
    }
    map
}
