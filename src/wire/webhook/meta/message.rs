//! `messages[]`: what a customer wrote, tapped, or reacted with.

use super::super::loose;
use super::people::Person;
use super::{Change, Read, digits, event};
use crate::core::policy::is_known;
use crate::core::record::Reject;
use crate::wire::fields::{Fields, missing};
use crate::wire::findings::{Findings, kind_name, unusable};

const MESSAGE: [&str; 9] =
    ["from", "from_user_id", "group_id", "id", "timestamp", "type", "interactive", "reaction", "errors"];
const INTERACTIVE: [&str; 1] = ["type"];
const REACTION: [&str; 1] = ["emoji"];

/// The kinds of answers to interactive messages that have a row of their own.
const INTERACTIVE_KINDS: [&str; 4] = ["list_reply", "button_reply", "nfm_reply", "call_permission_reply"];

type Message<'a> = Fields<'a, 9>;

pub(super) fn read<'a>(raw: &'a str, change: &Change<'a>, findings: &mut Findings) -> Read {
    let fields = Fields::read(raw, &MESSAGE).map_err(|_| unusable("is not an object"))?;
    let kind = kind(&fields);
    let from = loose::id(&fields, "from")?;
    let is_echo =
        from.as_deref().is_some_and(|from| !change.own_number.is_empty() && digits(from) == change.own_number);
    if is_echo {
        return Ok(None);
    }
    let Some(person) = sender(&fields, change)? else {
        // A changed id is told without the old one.
        return if kind == "system" { Ok(None) } else { Err(missing("from")) };
    };
    let occurred_at = loose::required_seconds(&fields, "timestamp")?;
    let id = loose::required_id(&fields, "id")?;
    if !change.standby.is_some_and(|channel| channel.opens(&kind)) {
        return event(change, id, person, &kind, occurred_at);
    }
    let event = event(change, id, person, "standby", occurred_at)?;
    // Its event does not say the kind any more, and a kind that nobody knows is to be told.
    if !is_known(&kind) {
        findings.ignore(&kind);
    }
    Ok(event)
}

/// In a group it is the group whose window opens, and nobody else's.
fn sender<'a>(fields: &Message<'a>, change: &Change<'a>) -> Result<Option<Person>, Reject> {
    if let Some(group) = loose::id(fields, "group_id")? {
        return Ok(Some(Person::only(group)));
    }
    Ok(change.people.find(loose::id(fields, "from")?, loose::id(fields, "from_user_id")?))
}

fn kind(fields: &Message<'_>) -> String {
    let given = loose::word(fields, "type");
    let inner = |name, names| fields.raw(name).and_then(|raw| Fields::read(raw, names).ok());
    match &*given {
        "interactive" => {
            let kind = inner("interactive", &INTERACTIVE).map(|inner| loose::word(&inner, "type"));
            let known = kind.filter(|kind| INTERACTIVE_KINDS.contains(&&**kind));
            known.unwrap_or(given).into_owned()
        }
        "reaction" => {
            let emoji = inner("reaction", &REACTION).map(|inner| loose::word(&inner, "emoji"));
            let is_there = emoji.is_some_and(|emoji| !emoji.is_empty());
            if is_there { "reaction".to_owned() } else { "reaction_removed".to_owned() }
        }
        "" if fields.raw("errors").is_some() => "unsupported".to_owned(),
        other => kind_name(other).to_owned(),
    }
}
