//! What a reader downstream understands of a record.

use super::stage::OutputTopics;
use crate::core::time::Timestamp;
use crate::wire::time;
use serde::Deserialize;

/// The two ends of a window.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Ends {
    pub(super) business: String,
    pub(super) customer: String,
}

/// Something that the worker has written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Observation {
    /// An intent may go out freely: the window is open until then.
    SessionSend { ends: Ends, expires_at: Timestamp },
    /// An intent may only go out as a template.
    TemplateRequired { ends: Ends, reason: String, basis: String, ready: bool },
    /// A window opened, or was refreshed.
    Window { ends: Ends, opened: bool, last_inbound_at: Timestamp, expires_at: Timestamp },
    /// A record that could not be used.
    DeadLetter { topic: String, reason: String, detail: String },
}

#[derive(Deserialize)]
struct Value {
    business_id: String,
    customer_id: String,
    window: Option<Times>,
    reason: Option<String>,
    basis: Option<String>,
    ready: Option<bool>,
    event: Option<String>,
    #[serde(flatten)]
    times: Option<Times>,
}

#[derive(Deserialize)]
struct Times {
    last_inbound_at: String,
    expires_at: String,
}

/// Reads a record of one of those topics; `header` looks one up.
pub(super) fn observe(
    topics: &OutputTopics,
    topic: &str,
    value: &[u8],
    header: &dyn Fn(&str) -> Option<String>,
) -> Option<Observation> {
    if topic == topics.dead_letter {
        let header = |name| printable(&header(name).unwrap_or_default());
        return Some(Observation::DeadLetter {
            topic: header("sessiongate.error.topic"),
            reason: header("sessiongate.error.reason"),
            detail: header("sessiongate.error.detail"),
        });
    }
    let value: Value = serde_json::from_slice(value).ok()?;
    let ends = Ends { business: printable(&value.business_id), customer: printable(&value.customer_id) };
    if topic == topics.session_send {
        return Some(Observation::SessionSend { ends, expires_at: time::parse(&value.window?.expires_at)? });
    }
    if topic == topics.template_required {
        let (reason, basis) = (printable(&value.reason?), printable(&value.basis?));
        return Some(Observation::TemplateRequired { ends, reason, basis, ready: value.ready? });
    }
    let times = value.times?;
    Some(Observation::Window {
        ends,
        opened: value.event? == "opened",
        last_inbound_at: time::parse(&times.last_inbound_at)?,
        expires_at: time::parse(&times.expires_at)?,
    })
}

/// Whoever takes part may send anything, and a terminal obeys control characters.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics() -> OutputTopics {
        OutputTopics {
            session_send: "session-send".into(),
            template_required: "template-required".into(),
            window_event: "window-event".into(),
            dead_letter: "dead-letter".into(),
        }
    }

    fn see(topic: &str, value: &str) -> Option<Observation> {
        let header = |name: &str| name.starts_with("sessiongate.error.").then(|| format!("{}\u{1b}", &name[18..]));
        observe(&topics(), topic, value.as_bytes(), &header)
    }

    fn ends() -> Ends {
        Ends { business: "bakery".into(), customer: "1202".into() }
    }

    #[test]
    fn every_kind_of_output_is_understood() {
        let who = r#""business_id":"bakery","customer_id":"1202""#;
        let times = r#""last_inbound_at":"1970-01-01T00:00:01.000Z","expires_at":"1970-01-01T00:00:21.000Z""#;
        let expires_at = Timestamp::from_millis(21_000);
        let last_inbound_at = Timestamp::from_millis(1_000);
        let window = |opened| Observation::Window { ends: ends(), opened, last_inbound_at, expires_at };
        let required = Observation::TemplateRequired {
            ends: ends(),
            reason: "no_open_window".into(),
            basis: "complete".into(),
            ready: true,
        };
        let refused =
            Observation::DeadLetter { topic: "topic?".into(), reason: "reason?".into(), detail: "detail?".into() };
        let table = [
            (
                "session-send",
                format!("{{{who},\"window\":{{{times}}}}}"),
                Observation::SessionSend { ends: ends(), expires_at },
            ),
            (
                "template-required",
                format!("{{{who},\"reason\":\"no_open_window\",\"basis\":\"complete\",\"ready\":true}}"),
                required,
            ),
            ("window-event", format!("{{{who},\"event\":\"opened\",{times}}}"), window(true)),
            ("window-event", format!("{{{who},\"event\":\"refreshed\",{times}}}"), window(false)),
            ("dead-letter", "whatever it was".to_owned(), refused),
        ];
        for (topic, value, expected) in table {
            assert_eq!(see(topic, &value), Some(expected), "{value}");
        }
        assert_eq!(see("session-send", "not JSON"), None);
    }
}
