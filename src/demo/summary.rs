//! What was seen, in lines of text that need no terminal.

use super::invite;
use super::picture::{Counts, Picture, Told, seconds};

/// One line for one event.
pub(super) fn event(told: &Told) -> String {
    let tenths = told.after.as_millis().max(0) / 100;
    format!("{:>5}.{}s  {:<17}  {}", tenths / 10, tenths % 10, told.kind.title(), told.text)
}

/// Everything that was counted in one line.
pub(super) fn counts(counts: &Counts) -> String {
    let templates = counts.templates.iter().map(|((reason, basis), count)| format!("{reason}/{basis} {count}"));
    let dead_letters = counts.dead_letters.iter().map(|(reason, count)| format!("{reason} {count}"));
    format!(
        "session send {}, template required {}{}, dead letter {}{}, windows opened {} refreshed {} closed {}",
        counts.session_sends,
        counts.all_templates(),
        in_brackets(templates.collect()),
        counts.all_dead_letters(),
        in_brackets(dead_letters.collect()),
        counts.opened,
        counts.refreshed,
        counts.closed
    )
}

fn in_brackets(parts: Vec<String>) -> String {
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

/// What is said once, at the beginning.
pub(super) fn greeting(picture: &Picture) -> String {
    let (length, guard) = (seconds(picture.length), seconds(picture.guard));
    let console = picture.console.as_ref().map_or_else(String::new, |url| format!("the console is at {url}\n"));
    format!(
        "sessiongate demo: windows of {length} s with a guard of {guard} s; a Kafka broker is at {}\n\
         {console}to write to the bakery as a customer:  {}\n\
         to have the bakery write back:  {}",
        picture.brokers,
        invite::message(&picture.brokers).join(" "),
        invite::intent(&picture.brokers).join(" "),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Span;
    use crate::demo::picture::Kind;
    use std::collections::BTreeMap;

    #[test]
    fn all_counts_are_in_one_line() {
        let two = BTreeMap::from([
            (("no_open_window".to_owned(), "complete".to_owned()), 11),
            (("window_closing".to_owned(), "timeout".to_owned()), 4),
        ]);
        let seen = Counts {
            session_sends: 41,
            templates: two,
            dead_letters: BTreeMap::from([("expired".to_owned(), 3)]),
            opened: 9,
            refreshed: 20,
            closed: 7,
        };
        let expected = "session send 41, template required 15 (no_open_window/complete 11, window_closing/timeout 4), \
                        dead letter 3 (expired 3), windows opened 9 refreshed 20 closed 7";
        assert_eq!(counts(&seen), expected);
        let nothing = "session send 0, template required 0, dead letter 0, windows opened 0 refreshed 0 closed 0";
        assert_eq!(counts(&Counts::default()), nothing);
    }

    #[test]
    fn an_event_is_one_line_with_its_time() {
        let told = Told { after: Span::from_millis(12_345), kind: Kind::SessionSend, text: "bakery -> Ana".into() };
        assert_eq!(event(&told), "   12.3s  session send       bakery -> Ana");
    }
}
