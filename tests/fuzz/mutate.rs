//! Inputs that look like something: seeds with their bytes or their JSON changed, wrapped in envelopes, or plain noise.

use super::rng::Rng;
use serde_json::{Value, json};

/// The longest input.
const MOST_BYTES: usize = 3 << 20;

/// A record's value and headers.
pub struct Input {
    pub value: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
}

pub struct Mutator {
    rng: Rng,
    seeds: Vec<Vec<u8>>,
}

/// Texts that decoders look for, or stumble over.
const TOKENS: [&str; 22] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "\\",
    ",",
    ":",
    "null",
    "-",
    "1e999",
    "\\ud800",
    "\u{0}",
    "\u{feff}",
    "\u{2028}",
    "é",
    "%00",
    "&From=",
    "+",
    "\\u0000",
    "99999999999999999999",
    "::",
];

const HEADERS: [(&str, &str); 10] = [
    ("content-type", "application/json; charset=utf-8"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("content-type", "application/cloudevents+json"),
    ("content-type", "application/cloudevents-batch+json"),
    ("content-type", "text/plain; charset=utf-16"),
    ("content-encoding", "gzip"),
    ("content-encoding", "identity"),
    ("ce_specversion", "1.0"),
    ("ce_specversion", "9"),
    ("traceparent", "00"),
];

impl Mutator {
    pub fn new(rng: Rng, seeds: Vec<Vec<u8>>) -> Mutator {
        Mutator { rng, seeds }
    }

    pub fn next_input(&mut self) -> Input {
        let mut value = match self.rng.below(10) {
            _ if self.rng.permille(1) => self.long_list(),
            0 => self.noise(),
            1..=4 => self.changed_bytes(),
            _ => self.changed_json(),
        };
        match self.rng.below(20) {
            0 => value.splice(0..0, [0, 0, 0, 0, 7]).for_each(drop),
            1 => value = self.cloud_event(&value),
            _ => {}
        }
        value.truncate(MOST_BYTES);
        let mut headers = Vec::new();
        while self.rng.permille(200) {
            let (name, value) = *self.rng.pick(&HEADERS);
            let value = if self.rng.permille(100) { self.noise() } else { value.as_bytes().to_vec() };
            headers.push((name.to_owned(), value));
        }
        Input { value, headers }
    }

    /// A webhook of one small part over and over: what costs a sender least and a reader most.
    fn long_list(&mut self) -> Vec<u8> {
        const PARTS: [(&str, &str); 9] = [
            ("messages", "0,"),
            ("messages", "{},"),
            ("messages", r#"{"id":"m","from":"1","timestamp":1},"#),
            ("messages", r#"{"id":"m","from":"1","from_user_id":"2","timestamp":1},"#),
            ("contacts", r#"{"wa_id":"1","user_id":"2"},"#),
            ("statuses", r#"{"status":"failed","recipient_id":"1","timestamp":1,"errors":[{"code":470}]},"#),
            ("calls", r#"{"direction":"USER_INITIATED"},"#),
            ("calls", r#"{"direction":"USER_INITIATED","event":"x"},"#),
            ("messages", r#"{"id":"m","from":"1","timestamp":1,"type":"x"},"#),
        ];
        let (name, part) = *self.rng.pick(&PARTS);
        let magnitude = self.rng.below(10);
        let times = self.rng.below((MOST_BYTES / part.len()) as u64 >> magnitude) as usize;
        let metadata = r#""metadata":{"phone_number_id":"1"}"#;
        let others = if name == "messages" { "" } else { r#","messages":[{}]"# };
        let value = format!(r#"{{{metadata}{others},"{name}":[{}0]}}"#, part.repeat(times));
        format!(r#"{{"entry":[{{"id":"1","changes":[{{"field":"messages","value":{value}}}]}}]}}"#).into_bytes()
    }

    fn seed(&mut self) -> Vec<u8> {
        self.rng.pick(&self.seeds).clone()
    }

    fn noise(&mut self) -> Vec<u8> {
        let magnitude = self.rng.below(11);
        let length = self.rng.below(1 << magnitude);
        (0..length).map(|_| self.rng.below(256) as u8).collect()
    }

    fn changed_bytes(&mut self) -> Vec<u8> {
        let mut value = self.seed();
        for _ in 0..=self.rng.below(6) {
            let at = self.rng.below(value.len() as u64 + 1) as usize;
            let end = (at + self.rng.below(40) as usize).min(value.len());
            match self.rng.below(7) {
                0 => value.truncate(at),
                1 => drop(value.drain(at..end)),
                2 => {
                    let token = self.rng.pick(&TOKENS).bytes();
                    value.splice(at..at, token).for_each(drop);
                }
                3 => {
                    let noise = self.noise();
                    value.splice(at..end, noise).for_each(drop);
                }
                4 => {
                    let other = self.seed();
                    let from = self.rng.below(other.len() as u64 + 1) as usize;
                    value.splice(at.., other[from..].iter().copied()).for_each(drop);
                }
                5 => {
                    let times = 1 << self.rng.below(10);
                    let part = value[at..end].repeat(times);
                    value.splice(at..end, part).for_each(drop);
                }
                _ => value.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << self.rng.below(8)),
            }
        }
        value
    }

    fn changed_json(&mut self) -> Vec<u8> {
        let seed = self.seed();
        let Ok(mut json) = serde_json::from_slice::<Value>(&seed) else { return self.changed_bytes() };
        for _ in 0..self.rng.below(4) {
            self.change(&mut json, 0);
        }
        serde_json::to_vec(&json).unwrap()
    }

    /// Goes down to some node and changes that.
    fn change(&mut self, node: &mut Value, depth: u64) {
        let goes_on = self.rng.below(12) > depth / 2;
        match node {
            Value::Object(map) if goes_on && !map.is_empty() => {
                let at = self.rng.below(map.len() as u64) as usize;
                let key = map.keys().nth(at).unwrap().clone();
                match self.rng.below(12) {
                    0 => drop(map.remove(&key)),
                    1 => {
                        let value = map.remove(&key).unwrap();
                        map.insert(format!("{key}{}", self.rng.pick(&TOKENS)), value);
                    }
                    _ => self.change(map.get_mut(&key).unwrap(), depth + 1),
                }
            }
            Value::Array(list) if goes_on && !list.is_empty() => {
                let at = self.rng.below(list.len() as u64) as usize;
                match self.rng.below(8) {
                    0 => drop(list.remove(at)),
                    1 => {
                        // Seldom very many: that is what bounds are for.
                        let most = if self.rng.permille(20) { 13 } else { 5 };
                        let times = 1 << self.rng.below(most);
                        let copies = vec![list[at].clone(); times];
                        list.extend(copies);
                    }
                    _ => self.change(&mut list[at], depth + 1),
                }
            }
            leaf => *leaf = self.other(leaf),
        }
    }

    /// Something else than what was there, or the same in another type.
    fn other(&mut self, value: &Value) -> Value {
        match self.rng.below(12) {
            0 => Value::Null,
            1 => json!([]),
            2 => json!({}),
            3 => json!(self.rng.permille(500)),
            4 => json!(self.rng.between(-(1 << 60), 1 << 60)),
            5 => json!(-0.5),
            6 => json!(""),
            7 => json!("x".repeat(1 << self.rng.below(14))),
            8 => json!(format!("{}{}", value.as_str().unwrap_or_default(), self.rng.pick(&TOKENS))),
            9 => (0..self.rng.below(300)).fold(value.clone(), |inner, _| json!([inner])),
            10 => {
                value.as_str().and_then(|text| text.parse::<u64>().ok()).map_or(json!([value]), |number| json!(number))
            }
            _ => json!(value.to_string()),
        }
    }

    fn cloud_event(&mut self, value: &[u8]) -> Vec<u8> {
        let mut event = json!({ "specversion": "1.0", "id": "1", "source": "/fuzz", "type": "x" });
        let data = serde_json::from_slice::<Value>(value).unwrap_or_else(|_| json!(String::from_utf8_lossy(value)));
        event[*self.rng.pick(&["data", "data_base64"])] = data;
        if self.rng.permille(200) {
            self.change(&mut event, 0);
        }
        serde_json::to_vec(&event).unwrap()
    }
}
