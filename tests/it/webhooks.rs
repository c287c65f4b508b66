//! Webhooks as they arrive, through a real worker: what is in one POST comes out customer by customer.

use crate::support::site::{BUSINESS, DEAD, INBOUND, SEND, Site, TEMPLATE};
use crate::support::traffic::now_ms;
use crate::support::worker::Worker;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const OTHER_BUSINESS: &str = "300200101";
const OWN_NUMBER: &str = "493055501000";
const UPDATES: usize = 1_000;
const ENTRIES: usize = 4;
/// Which update has a time that is none: a text of a customer of its own.
const ROTTEN: usize = 610;

/// What an update is; each comes a hundred times, in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    ReactionRemoved,
    Call,
    Group,
    TwoIds,
    Delivered,
    NumberChanged,
    Echo,
    ToTheOther,
    DayOld,
}

const KINDS: [Kind; 10] = [
    Kind::Text,
    Kind::ReactionRemoved,
    Kind::Call,
    Kind::Group,
    Kind::TwoIds,
    Kind::Delivered,
    Kind::NumberChanged,
    Kind::Echo,
    Kind::ToTheOther,
    Kind::DayOld,
];

/// The update of that number: its kind decides which list of which change it lies in.
struct Update {
    number: usize,
    kind: Kind,
    at_s: i64,
}

impl Update {
    fn new(number: usize, now_s: i64) -> Update {
        let kind = KINDS[number % KINDS.len()];
        let age_s = if kind == Kind::DayOld { 86_400 } else { 0 };
        Update { number, kind, at_s: now_s - age_s - number as i64 }
    }

    fn customer(&self) -> String {
        format!("49155{:07}", self.number)
    }

    fn json(&self) -> Value {
        let customer = self.customer();
        let timestamp = if self.number == ROTTEN { "an hour ago".to_owned() } else { self.at_s.to_string() };
        let id = format!("wamid.{}", self.number);
        let message = |kind: &str| json!({ "from": customer, "id": id, "timestamp": timestamp, "type": kind });
        let with = |mut message: Value, name: &str, value: Value| {
            message[name] = value;
            message
        };
        match self.kind {
            Kind::Text | Kind::ToTheOther | Kind::DayOld => message("text"),
            Kind::ReactionRemoved => with(message("reaction"), "reaction", json!({ "message_id": "wamid.0" })),
            Kind::Call => with(with(message("call"), "direction", json!("USER_INITIATED")), "event", json!("connect")),
            Kind::Group => with(message("text"), "group_id", json!(format!("group-{}", self.number))),
            Kind::TwoIds => with(message("text"), "from_user_id", json!(format!("DE.{}", self.number))),
            Kind::Delivered => {
                json!({ "id": id, "status": "delivered", "timestamp": timestamp, "recipient_id": customer })
            }
            Kind::NumberChanged => message("system"),
            Kind::Echo => with(message("text"), "from", json!(OWN_NUMBER)),
        }
    }

    /// The customers whose window it opens.
    fn opens(&self) -> Vec<String> {
        match self.kind {
            _ if self.number == ROTTEN => vec![],
            Kind::Text | Kind::Call | Kind::ToTheOther => vec![self.customer()],
            Kind::Group => vec![format!("group-{}", self.number)],
            Kind::TwoIds => vec![self.customer(), format!("DE.{}", self.number)],
            Kind::ReactionRemoved | Kind::Delivered | Kind::NumberChanged | Kind::Echo | Kind::DayOld => vec![],
        }
    }
}

/// All updates in one POST, and where the rotten one stands.
fn post(updates: &[Update]) -> (String, String) {
    let mut place = None;
    let mut entries = Vec::new();
    for (entry, updates) in updates.chunks(UPDATES / ENTRIES).enumerate() {
        let list = |is_in: fn(Kind) -> bool| updates.iter().filter(move |update| is_in(update.kind));
        let change = |field: &str, business: &str, name: &str, list: Vec<Value>| {
            let metadata = json!({ "display_phone_number": OWN_NUMBER, "phone_number_id": business });
            json!({ "field": field, "value": { "messaging_product": "whatsapp", "metadata": metadata, name: list } })
        };
        let is_message = |kind| !matches!(kind, Kind::Call | Kind::Delivered | Kind::ToTheOther);
        if let Some(index) = list(is_message).position(|update| update.number == ROTTEN) {
            place = Some(format!("entry[{entry}].changes[1].value.messages[{index}]"));
        }
        let json = |is_in: fn(Kind) -> bool| list(is_in).map(Update::json).collect::<Vec<_>>();
        let changes = [
            change("calls", BUSINESS, "calls", json(|kind| kind == Kind::Call)),
            change("messages", BUSINESS, "messages", json(is_message)),
            change("messages", BUSINESS, "statuses", json(|kind| kind == Kind::Delivered)),
            change("messages", OTHER_BUSINESS, "messages", json(|kind| kind == Kind::ToTheOther)),
        ];
        entries.push(json!({ "id": format!("account-{entry}"), "changes": changes }));
    }
    let post = json!({ "object": "whatsapp_business_account", "entry": entries });
    (post.to_string(), place.unwrap())
}

/// When each customer of a business last wrote, as Redis has it.
fn windows_of(site: &Site, business: &str) -> BTreeMap<String, i64> {
    let everyone = site.window_key("").replace(BUSINESS, business);
    let mut redis = site.redis();
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{everyone}*")).query(&mut redis).unwrap();
    let window = |key: &String| {
        let ends_at_ms: i64 = redis::cmd("PEXPIRETIME").arg(key).query(&mut redis).unwrap();
        (key.strip_prefix(&everyone).unwrap().to_owned(), ends_at_ms - 86_400_000)
    };
    keys.iter().map(window).collect()
}

#[test]
fn a_post_of_a_thousand_mixed_updates_gives_every_customer_the_right_window() {
    let site = Site::new("mixed-post", 1);
    let now_s = now_ms() / 1000;
    let updates: Vec<Update> = (0..UPDATES).map(|number| Update::new(number, now_s)).collect();
    let (post, rotten) = post(&updates);
    site.write(INBOUND, None, post.as_bytes(), &[("content-type", "application/json; charset=utf-8")]);
    let asked: Vec<&Update> = updates.iter().skip(600).take(20).collect();
    asked.iter().for_each(|update| site.ask(&format!("i-{}", update.number), &update.customer()));
    site.flush();

    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    site.wait_for_windows();

    let expected = |is_others: bool| -> BTreeMap<String, i64> {
        let mine = updates.iter().filter(|update| (update.kind == Kind::ToTheOther) == is_others);
        mine.flat_map(|update| update.opens().into_iter().map(|customer| (customer, update.at_s * 1000))).collect()
    };
    assert_eq!(expected(false).len(), 499);
    assert_eq!(windows_of(&site, BUSINESS), expected(false));
    assert_eq!(windows_of(&site, OTHER_BUSINESS), expected(true));

    let letters = site.read(DEAD);
    assert_eq!(letters.len(), 1, "one rotten update");
    let letter = &letters[0];
    assert_eq!(letter.value.as_deref(), Some(post.as_bytes()), "the whole POST as it came");
    assert_eq!(letter.header("sessiongate.error.reason").as_deref(), Some("invalid_field"));
    assert_eq!(letter.header("sessiongate.error.index").as_ref(), Some(&rotten));
    let detail = letter.header("sessiongate.error.detail").unwrap();
    assert_eq!(detail, format!("{rotten}: timestamp is no number"));

    let ids = |topic| -> BTreeSet<String> {
        site.read(topic).iter().map(|seen| seen.json()["intent_id"].as_str().unwrap().to_owned()).collect()
    };
    // A group's window is nobody else's, and the other business's is not this one's.
    let is_open = |update: &&&Update| update.kind != Kind::ToTheOther && update.opens().contains(&update.customer());
    let open: BTreeSet<String> = asked.iter().filter(is_open).map(|update| format!("i-{}", update.number)).collect();
    let all: BTreeSet<String> = asked.iter().map(|update| format!("i-{}", update.number)).collect();
    assert_eq!(ids(SEND), open);
    assert_eq!(ids(TEMPLATE), &all - &open);
    assert!(worker.stop().success());
}

#[test]
fn a_record_that_is_rotten_all_through_gives_few_dead_letters() {
    let site = Site::new("rotten-post", 1);
    let metadata = json!({ "phone_number_id": BUSINESS });
    let messages: Vec<Value> = (0..5_000).map(Value::from).collect();
    let value = json!({ "metadata": metadata, "messages": messages });
    let post = json!({ "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": value }] }] });
    site.write(INBOUND, None, post.to_string().as_bytes(), &[]);
    site.say("491551", now_ms());
    site.flush();
    let worker = Worker::start(&site);
    site.wait_for_worker(Duration::from_secs(60));
    site.wait_for_windows();
    let letters = site.read(DEAD);
    assert_eq!(letters.len(), 16);
    let last = letters[15].header("sessiongate.error.detail").unwrap();
    assert_eq!(last, "entry[0].changes[0].value.messages[15]: is not an object; and 4984 more parts of this record");
    assert_eq!(
        site.customers_with_a_window(),
        BTreeSet::from(["491551".to_owned()]),
        "and the next record goes its way"
    );
    assert!(worker.stop().success());
}
