//! A story in words, or as JSON.

use super::input::Place;
use super::story::{Done, Happening, Opener, Told};
use crate::core::emission::{DecidedIntent, Emission};
use crate::core::policy::{Policy, is_known};
use crate::core::record::Reject;
use crate::core::registry::{TemplateRegistry, is_ready};
use crate::core::template::{Sendability, TemplateOwner, TemplateUpdate};
use crate::core::time::{Span, Timestamp};
use crate::core::verdict::{TemplateReason, Verdict};
use crate::wire::output::Encoder;
use crate::wire::time;
use serde_json::{Value, json};

/// How it is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// As JSON, one object a line; verdicts exactly as in their topics.
    pub as_json: bool,
    /// With the reason of everything.
    pub explains: bool,
    /// What happened, too, and not only what was decided.
    pub tells_events: bool,
}

/// Puts a story into words.
pub struct Words<'a> {
    /// How.
    pub manner: Manner,
    /// Makes verdicts as the worker does.
    pub encoder: &'a Encoder,
    /// The rules that are told of.
    pub policy: &'a Policy,
}

impl Words<'_> {
    /// One thing in words, with its line breaks; none when it is not told.
    pub fn say(&self, happening: &Happening, told: &Told, templates: &TemplateRegistry) -> Option<String> {
        let is_verdict = matches!(told, Told::Verdict { .. });
        if !is_verdict && !self.manner.tells_events {
            return None;
        }
        let why = self.manner.explains.then(|| self.why(told, templates));
        Some(match (self.manner.as_json, told) {
            (true, Told::Verdict { decided, .. }) => self.verdict_json(decided, why, templates),
            (true, _) => format!("{}\n", event_json(happening, told, why)),
            (false, _) => {
                let line = self.line(happening, told, templates);
                let why = why.map(|why| format!("    {why}\n")).unwrap_or_default();
                format!("{line}\n{why}")
            }
        })
    }

    fn verdict_json(&self, decided: &DecidedIntent, why: Option<String>, templates: &TemplateRegistry) -> String {
        let emission = Emission::Verdict(Box::new(decided.clone()));
        let output = self.encoder.encode_knowing(&emission, decided.decided_at, &|business, name, language| {
            templates.status(business, name, language).cloned()
        });
        let mut text = String::from_utf8_lossy(output.value().unwrap_or_default()).into_owned();
        if let (Some(why), true) = (why, text.ends_with('}')) {
            text.pop();
            text.push_str(&format!(",\"explanation\":{}}}", Value::from(why)));
        }
        text.push('\n');
        text
    }

    fn line(&self, happening: &Happening, told: &Told, templates: &TemplateRegistry) -> String {
        let (at, place) = (time::format(happening.at), &happening.place);
        match told {
            Told::Act { event, done, expires_at, .. } => {
                let what = word_of(done);
                let until = expires_at.map(|end| format!("  until {}", time::format(end))).unwrap_or_default();
                let customers =
                    event.window_keys().map(|(_, customer)| customer.as_str()).collect::<Vec<_>>().join("=");
                format!("{at}  {what:<16}  {:<20}  {}:{customers}{until}  {place}", event.kind, event.business_id)
            }
            Told::Refusal { delivery, .. } => {
                let who = [delivery.business_id.as_str(), delivery.customer_id.as_str()].join(":");
                format!("{at}  {:<16}  {:<20}  {who}  {place}", "refused", delivery.error_code)
            }
            Told::Template(update) => {
                let name = format!("{}/{}", update.id.name, update.id.language);
                format!("{at}  {:<16}  {:<20}  {name}  {place}", "template", update.status.as_str())
            }
            Told::Nothing(_) => format!("{at}  {:<16}  {:<20}  {place}", "no event", "-"),
            Told::Verdict { decided, .. } => {
                let DecidedIntent { intent, verdict, .. } = decided.as_ref();
                let (what, reason) = match verdict {
                    Verdict::SessionSend { .. } => ("SESSION SEND", "window open".to_owned()),
                    Verdict::TemplateRequired { reason, .. } => ("TEMPLATE REQUIRED", reason.as_str().to_owned()),
                };
                let who = [intent.business_id.as_str(), intent.customer_id.as_str()].join(":");
                let ready = match (verdict, template_status(decided, templates)) {
                    (Verdict::TemplateRequired { .. }, Some(status)) => format!("  template {status}"),
                    _ => String::new(),
                };
                format!("{at}  {what:<17} {reason:<20}  {who}  intent {}{ready}  {place}", intent.intent_id)
            }
        }
    }

    /// One readable paragraph.
    fn why(&self, told: &Told, templates: &TemplateRegistry) -> String {
        match told {
            Told::Act { event, at, done, .. } => self.why_act(&event.kind, event.channel.as_str(), *at, done),
            Told::Refusal { stands: true, .. } => {
                "The provider holds the window for closed, although it should be open by what \
                 the customer did: intents need a template until the customer acts again."
                    .to_owned()
            }
            Told::Refusal { stands: false, .. } => {
                "The provider refused a send outside the window, as the customer's acts say too.".to_owned()
            }
            Told::Template(update) => why_template(update),
            Told::Nothing(why) => format!("It opens nothing: {why}."),
            Told::Verdict { decided, opener, ended_at, refused_at } => {
                let mut text = self.why_verdict(decided, opener.as_ref(), *ended_at, *refused_at);
                if let (Verdict::TemplateRequired { .. }, Some(status)) =
                    (&decided.verdict, template_status(decided, templates))
                {
                    text.push_str(&format!(" The template's last known status is {status}."));
                }
                text
            }
        }
    }

    fn why_act(&self, kind: &str, channel: &str, at: Timestamp, done: &Done) -> String {
        let length = self.policy.channel(channel).map(|channel| shown(channel.window.length)).unwrap_or_default();
        let known =
            if is_known(kind) { "" } else { ", which the table of kinds does not know and treats as `unknown`," };
        match done {
            Done::Opened => format!(
                "`{kind}`{known} is an act of the customer that opens a window on {channel}: {length} from {}.",
                time::format(at)
            ),
            Done::Refreshed => format!(
                "`{kind}`{known} is an act of the customer within an open window on {channel}: its end moves to {length} \
                 after {}.",
                time::format(at)
            ),
            Done::Older => format!(
                "`{kind}`{known} is an act of the customer that opens a window on {channel}, but one that is not older \
                 was seen already: the window's end stays."
            ),
            Done::Nothing => format!("`{kind}`{known} opens no window on {channel}."),
        }
    }

    fn why_verdict(
        &self,
        decided: &DecidedIntent,
        opener: Option<&Opener>,
        ended_at: Option<Timestamp>,
        refused_at: Option<Timestamp>,
    ) -> String {
        let DecidedIntent { intent, verdict, window_length, decided_at, .. } = decided;
        let act = opener.map(|Opener { place, kind, message_id }| format!("`{kind}` {message_id} ({place})"));
        let act = act.unwrap_or_else(|| "no act".to_owned());
        let (window, reason) = match verdict {
            Verdict::SessionSend { window } => (Some(window), None),
            Verdict::TemplateRequired { window, reason, .. } => (window.as_ref(), Some(*reason)),
        };
        let state = match (window, ended_at) {
            (Some(window), _) => {
                let (at, end) = (window.last_inbound_at, window.expires_at(*window_length));
                let (at, until, left) = (time::format(at), time::format(end), shown(end - *decided_at));
                let since = time::format(window.opened_at);
                format!("The window rests on {act} of {at}, began {since} and ends {until}: {left} were left.")
            }
            (None, Some(end)) => {
                let ago = shown(*decided_at - end);
                format!("The last window rested on {act} and ended {}, {ago} before the intent.", time::format(end))
            }
            (None, None) => {
                format!("No act of {} that opens a window had happened before the intent.", intent.customer_id)
            }
        };
        let conclusion = match reason {
            None => " Anything may be sent.".to_owned(),
            Some(TemplateReason::NoOpenWindow) => " Only a template may be sent.".to_owned(),
            Some(TemplateReason::WindowClosing) => {
                let guard = self.policy.channel(intent.channel.as_str()).map(|channel| shown(channel.window.guard));
                format!(" That is within the guard of {}: too late to become a send.", guard.unwrap_or_default())
            }
            Some(TemplateReason::TemplateRequested) => {
                " The intent came with a template and no message, which asks for a template in any case.".to_owned()
            }
            Some(TemplateReason::ProviderRefused) => format!(
                " But the provider refused a send as outside the window at {}, and the customer has not acted since.",
                refused_at.map(time::format).unwrap_or_default()
            ),
        };
        state + &conclusion
    }
}

/// What is said of something that could not be used.
pub fn refusal(place: &Place, reject: &Reject) -> String {
    format!("{place}: {}: {}", reject.code.as_str(), reject.detail)
}

fn word_of(done: &Done) -> &'static str {
    match done {
        Done::Opened => "opens",
        Done::Refreshed => "refreshes",
        Done::Older => "changes nothing",
        Done::Nothing => "opens nothing",
    }
}

fn event_json(happening: &Happening, told: &Told, why: Option<String>) -> Value {
    let mut value = match told {
        Told::Act { event, done, expires_at, .. } => json!({
            "event": event.kind.as_str(),
            "effect": word_of(done).replace(' ', "_"),
            "channel": event.channel.as_str(),
            "business_id": event.business_id.as_str(),
            "customer_id": event.customer_id.as_str(),
            "customer_aliases": event.customer_aliases.iter().map(|alias| alias.as_str()).collect::<Vec<_>>(),
            "message_id": event.message_id.as_str(),
            "expires_at": expires_at.map(time::format),
        }),
        Told::Refusal { delivery, .. } => json!({
            "event": "refusal",
            "effect": "advises",
            "channel": delivery.channel.as_str(),
            "business_id": delivery.business_id.as_str(),
            "customer_id": delivery.customer_id.as_str(),
            "error_code": delivery.error_code,
        }),
        Told::Template(update) => {
            let (account, business) = match &update.id.owner {
                TemplateOwner::Account(account) => (Some(account.as_str()), None),
                TemplateOwner::Business(business) => (None, Some(business.as_str())),
            };
            json!({
                "event": "template",
                "effect": "template_status",
                "account_id": account,
                "business_id": business,
                "name": update.id.name.as_str(),
                "language": update.id.language.as_str(),
                "status": update.status.as_str(),
                "ready": is_ready(Some(&update.status)),
            })
        }
        Told::Nothing(_) | Told::Verdict { .. } => json!({ "event": null, "effect": "opens_nothing" }),
    };
    value["occurred_at"] = time::format(happening.at).into();
    value["source"] = json!({ "file": happening.place.file, "line": happening.place.line });
    if let Some(why) = why {
        value["explanation"] = why.into();
    }
    value
}

fn why_template(update: &TemplateUpdate) -> String {
    let status = update.status.as_str();
    let so = match update.status.sendability() {
        Sendability::Sendable => "may be sent",
        Sendability::Unsendable => "would be refused: verdicts say `ready: false`",
        Sendability::Unknown => "has a status that nobody has heard of, and is not held back",
    };
    format!("With the status {status} the template {so}.")
}

/// The last known status of the template that the intent brought; none when it brought none.
fn template_status(decided: &DecidedIntent, templates: &TemplateRegistry) -> Option<String> {
    let template = decided.intent.template.as_deref()?;
    let (name, language) = crate::wire::output::template_name(template)?;
    let status = templates.status(&decided.intent.business_id, &name, &language);
    Some(status.map_or("unknown".to_owned(), |status| status.as_str().to_owned()))
}

/// A span in its two largest units, as a person would say it.
fn shown(span: Span) -> String {
    let ms = span.as_millis().abs();
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let first = units.iter().position(|(_, size)| ms >= *size).unwrap_or(units.len() - 1);
    let mut left = ms;
    let mut words = Vec::new();
    for (unit, size) in units.iter().skip(first).take(2) {
        if left >= *size || (words.is_empty() && ms == 0) {
            words.push(format!("{}{unit}", left / size));
        }
        left %= size;
    }
    words.join(" ")
}
