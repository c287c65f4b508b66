//! Why a record is what it is, in one paragraph.

use crate::cli::dead_letter::reasons;
use crate::contract::output::{
    Basis, Reason, SessionSend, Source, TemplateRequired, Window, WindowChange, WindowEvent,
};
use crate::contract::text::Time;
use crate::core::record::Header;
use crate::core::time::{Span, Timestamp};
use crate::wire::letter::Letter;
use crate::wire::time;
use serde_json::Value;
use std::time::Duration;

/// Explains a verdict, a window event or a dead letter; none when it is none of them.
pub(super) fn explain(value: Option<&Value>, headers: &[Header]) -> Option<String> {
    if let Some(letter) = Letter::read(headers) {
        return Some(dead_letter(&letter));
    }
    let value = value?;
    // First the one that has all that the other requires, and more.
    if let Ok(verdict) = serde_json::from_value::<TemplateRequired>(value.clone()) {
        return Some(template_required(&verdict));
    }
    if let Ok(verdict) = serde_json::from_value::<SessionSend>(value.clone()) {
        return Some(session_send(&verdict));
    }
    serde_json::from_value::<WindowEvent>(value.clone()).ok().map(|event| window_event(&event))
}

fn session_send(verdict: &SessionSend) -> String {
    let SessionSend { intent_id, channel, business_id, customer_id, window, decided_at, source, .. } = verdict;
    let Window { opened_at, last_inbound_at, expires_at } = window;
    format!(
        "Intent {} may be sent as it is (session-send): customer {} last acted towards {} on {} at {}, which holds the \
         window open until {}. When it was decided, at {}, {} were left of it. The session had begun at {}. Send \
         `message` before {}; after that, do not send it, but publish a new intent or use a template. {}",
        intent_id.0,
        customer_id.0,
        business_id.0,
        channel.0,
        last_inbound_at.0,
        expires_at.0,
        decided_at.0,
        between(decided_at, expires_at),
        opened_at.0,
        expires_at.0,
        place(source)
    )
}

fn template_required(verdict: &TemplateRequired) -> String {
    let TemplateRequired { intent_id, channel, business_id, customer_id, decided_at, source, .. } = verdict;
    format!(
        "Intent {} for customer {} of {} on {} needs a template (template-required, {}), decided at {}. {} {} {} {}",
        intent_id.0,
        customer_id.0,
        business_id.0,
        channel.0,
        code(&verdict.reason),
        decided_at.0,
        reason(verdict),
        basis(verdict.basis),
        readiness(verdict),
        place(source)
    )
}

fn reason(verdict: &TemplateRequired) -> String {
    let (decided_at, window) = (&verdict.decided_at, verdict.window.as_ref());
    match (verdict.reason, window) {
        (Reason::NoOpenWindow, None) => "No window of this customer was known: they did not act within its length, or \
                                         under another id or with another business."
            .to_owned(),
        (Reason::NoOpenWindow, Some(window)) => format!(
            "The customer last acted at {}, so that the window ended at {}, {} before.",
            window.last_inbound_at.0,
            window.expires_at.0,
            between(&window.expires_at, decided_at)
        ),
        (Reason::WindowClosing, Some(window)) => format!(
            "The window still had {} until {}, which is within the guard: too short for a verdict to become a send.",
            between(decided_at, &window.expires_at),
            window.expires_at.0
        ),
        (Reason::WindowClosing, None) => "The window was within the guard before its end.".to_owned(),
        (Reason::ProviderRefused, Some(window)) => format!(
            "By the log the window would be open until {}, but the provider refused a send for being outside of it, and \
             the customer has not acted since.",
            window.expires_at.0
        ),
        (Reason::ProviderRefused, None) => {
            "The provider refused a send for being outside the window, and the customer has not acted since.".to_owned()
        }
        (Reason::TemplateRequested, _) => {
            "The intent brought a template and no message, which asks for a template whatever the window.".to_owned()
        }
    }
}

fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Complete => {
            "That is proven (complete): every inbound record that lay in Kafka when the intent was read was taken into \
             account."
        }
        Basis::Timeout => {
            "That is not proven (timeout): the inbound side was not known to be complete within worker.max_wait, so the \
             customer may have acted meanwhile."
        }
        Basis::Advisory => "That is the provider's word (advisory), and not the log's.",
    }
}

fn readiness(verdict: &TemplateRequired) -> String {
    match &verdict.template {
        None => "No template came with the intent: choose one.".to_owned(),
        Some(template) => {
            let name = template.given.get("name").and_then(Value::as_str).unwrap_or("that came with it");
            let may = if verdict.ready { "may be sent" } else { "would be refused by the provider" };
            let known = match template.status.as_str() {
                "unknown" => "nothing is known of its status".to_owned(),
                status => format!("its last known status is {status}"),
            };
            format!("The template {name} {may}; {known}.")
        }
    }
}

fn window_event(event: &WindowEvent) -> String {
    let WindowEvent { channel, business_id, customer_id, occurred_at, opened_at, expires_at, cause, source, .. } =
        event;
    let did = match event.event {
        WindowChange::Opened => "opened",
        WindowChange::Refreshed => "moved the end of",
    };
    let known = |id: &Option<crate::contract::text::Id>, other: &str| {
        id.as_ref().map_or_else(|| other.to_owned(), |id| id.0.clone())
    };
    format!(
        "The {} {} of {} {did} the window of customer {} with {} on {}. The session began at {}, and the window ends at \
         {}, unless the customer acts again. {}",
        known(&cause.r#type, "act"),
        known(&cause.message_id, "without an id"),
        occurred_at.0,
        customer_id.0,
        business_id.0,
        channel.0,
        opened_at.0,
        expires_at.0,
        place(source)
    )
}

fn dead_letter(letter: &Letter) -> String {
    let Letter { reason, detail, topic, partition, offset, group, .. } = letter;
    let at = letter.timestamp.map(|at| format!(" of {}", time::format(at))).unwrap_or_default();
    let code = reasons::find(reason);
    let mut said = vec![
        format!(
            "The record{at} at offset {offset} of partition {partition} of topic {topic} could not be used by group \
             {group} and was refused as {reason}: {detail}."
        ),
        code.map_or("This version does not know that reason.", reasons::advice).to_owned(),
    ];
    if let Some(index) = &letter.index {
        said.push(format!("Only its part {index} was refused; the rest of it was used."));
    }
    if letter.redriven > 0 {
        said.push(format!("It had been redriven {} times before.", letter.redriven));
    }
    if !letter.cut.is_empty() {
        let cut = letter.cut.join(" and ");
        said.push(format!("This dead letter lacks {cut} and cannot be redriven: send the original again."));
    } else if code.is_some_and(reasons::can_be_mended_outside) {
        said.push(format!(
            "Once that is done, `sessiongate dead-letter redrive --reason {reason} --topic {topic}` sends it back."
        ));
    }
    said.join(" ")
}

fn place(source: &Source) -> String {
    let Source { topic, partition, offset } = source;
    format!("It comes from offset {offset} of partition {partition} of topic {topic}.")
}

/// A code as it stands in its field.
fn code(reason: &Reason) -> String {
    serde_json::to_value(reason).ok().and_then(|code| code.as_str().map(str::to_owned)).unwrap_or_default()
}

fn between(from: &Time, to: &Time) -> String {
    let parsed = |time: &Time| -> Option<Timestamp> { time::parse(&time.0) };
    let (Some(from), Some(to)) = (parsed(from), parsed(to)) else { return "an unknown time".to_owned() };
    let span = if to >= from { to - from } else { Span::ZERO };
    humantime::format_duration(Duration::from_millis(span.as_millis().unsigned_abs())).to_string()
}

#[cfg(test)]
mod tests;
