//! What has been seen so far: counts, windows, and the latest of what happened.

use super::cast::name;
use super::observation::{Ends, Observation};
use crate::core::time::{Span, Timestamp};
use std::collections::{BTreeMap, VecDeque};

/// So much of the story is kept.
const KEPT_EVENTS: usize = 40;
/// A window that closed is shown for so long.
const REMEMBERED: Span = Span::from_secs(60);

/// The state of the demo as a reader downstream knows it.
pub(super) struct Picture {
    pub(super) brokers: String,
    /// Where the console is.
    pub(super) console: Option<String>,
    pub(super) guard: Span,
    pub(super) length: Span,
    pub(super) started_at: Timestamp,
    /// Whether the worker has begun to read.
    pub(super) ready: bool,
    pub(super) counts: Counts,
    pub(super) windows: BTreeMap<Ends, WindowSeen>,
    pub(super) events: VecDeque<Told>,
}

/// What was counted.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(super) struct Counts {
    pub(super) session_sends: u64,
    /// By reason and basis.
    pub(super) templates: BTreeMap<(String, String), u64>,
    /// By reason.
    pub(super) dead_letters: BTreeMap<String, u64>,
    pub(super) opened: u64,
    pub(super) refreshed: u64,
    pub(super) closed: u64,
}

impl Counts {
    pub(super) fn all_templates(&self) -> u64 {
        self.templates.values().sum()
    }

    pub(super) fn all_dead_letters(&self) -> u64 {
        self.dead_letters.values().sum()
    }
}

/// A window as its events tell of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct WindowSeen {
    pub(super) last_inbound_at: Timestamp,
    pub(super) expires_at: Timestamp,
    closed: bool,
}

/// Where a window stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Open,
    /// Within the guard: too late for a verdict to become a send.
    Closing,
    Closed,
}

impl WindowSeen {
    pub(super) fn phase(&self, now: Timestamp, guard: Span) -> Phase {
        match self.expires_at - now {
            left if left <= Span::ZERO => Phase::Closed,
            left if left <= guard => Phase::Closing,
            _ => Phase::Open,
        }
    }
}

/// What kind of thing happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    SessionSend,
    TemplateRequired,
    Opened,
    Refreshed,
    Closed,
    DeadLetter,
}

impl Kind {
    pub(super) fn title(self) -> &'static str {
        match self {
            Kind::SessionSend => "session send",
            Kind::TemplateRequired => "template required",
            Kind::Opened => "window opened",
            Kind::Refreshed => "window refreshed",
            Kind::Closed => "window closed",
            Kind::DeadLetter => "dead letter",
        }
    }
}

/// Something that happened, in plain words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Told {
    /// Since the start.
    pub(super) after: Span,
    pub(super) kind: Kind,
    pub(super) text: String,
}

impl Picture {
    pub(super) fn new(brokers: &str, length: Span, guard: Span, started_at: Timestamp) -> Picture {
        Picture {
            brokers: brokers.to_owned(),
            console: None,
            guard,
            length,
            started_at,
            ready: false,
            counts: Counts::default(),
            windows: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes in what was seen, and says it in words.
    pub(super) fn observe(&mut self, observation: Observation, now: Timestamp) -> Told {
        let (kind, text) = match observation {
            Observation::SessionSend { ends, expires_at } => {
                self.counts.session_sends += 1;
                let left = seconds(expires_at - now);
                (Kind::SessionSend, format!("{}: sent freely, the window is open for {left} s more", outward(&ends)))
            }
            Observation::TemplateRequired { ends, reason, basis, ready } => {
                let text = format!("{}: {}", outward(&ends), why_template(&reason, &basis, ready));
                *self.counts.templates.entry((reason, basis)).or_default() += 1;
                (Kind::TemplateRequired, text)
            }
            Observation::Window { ends, opened, last_inbound_at, expires_at } => {
                self.window(ends, opened, last_inbound_at, expires_at, now)
            }
            Observation::DeadLetter { topic, reason, detail } => {
                let text = format!("from {topic}: {reason}, {detail}");
                *self.counts.dead_letters.entry(reason).or_default() += 1;
                (Kind::DeadLetter, text)
            }
        };
        self.tell(kind, text, now)
    }

    /// Lets time pass: what closed since, in words. Nobody writes an event for that; the time of the end is known.
    pub(super) fn advance(&mut self, now: Timestamp) -> Vec<Told> {
        self.windows.retain(|_, window| now - window.expires_at < REMEMBERED);
        let mut closed = Vec::new();
        for (ends, window) in &mut self.windows {
            if !window.closed && window.expires_at <= now {
                window.closed = true;
                let silence = seconds(window.expires_at - window.last_inbound_at);
                closed.push(format!("{} has been silent for {silence} s", inward(ends)));
            }
        }
        self.counts.closed += closed.len() as u64;
        closed.into_iter().map(|text| self.tell(Kind::Closed, text, now)).collect()
    }

    /// How many windows are open, within the guard, and closed.
    pub(super) fn phases(&self, now: Timestamp) -> [usize; 3] {
        let count = |phase| self.windows.values().filter(|window| window.phase(now, self.guard) == phase).count();
        [Phase::Open, Phase::Closing, Phase::Closed].map(count)
    }

    fn window(
        &mut self,
        ends: Ends,
        opened: bool,
        last_inbound_at: Timestamp,
        expires_at: Timestamp,
        now: Timestamp,
    ) -> (Kind, String) {
        let left = seconds(expires_at - now);
        let told = match opened {
            true => {
                self.counts.opened += 1;
                (Kind::Opened, format!("{}: services may write freely for {left} s", wrote(&ends, "")))
            }
            false => {
                self.counts.refreshed += 1;
                (Kind::Refreshed, format!("{}: {left} s from now on", wrote(&ends, " again")))
            }
        };
        let seen = WindowSeen { last_inbound_at, expires_at, closed: false };
        let window = self.windows.entry(ends).or_insert(seen.clone());
        if window.expires_at < expires_at {
            *window = seen;
        }
        told
    }

    fn tell(&mut self, kind: Kind, text: String, now: Timestamp) -> Told {
        let told = Told { after: now - self.started_at, kind, text };
        // The countdown shows a refreshed window better, and the story has no room for each.
        if kind != Kind::Refreshed {
            self.events.push_front(told.clone());
            self.events.truncate(KEPT_EVENTS);
        }
        told
    }
}

/// Whole seconds, to the nearest.
pub(super) fn seconds(span: Span) -> i64 {
    (span.as_millis() + 500).div_euclid(1_000)
}

fn outward(ends: &Ends) -> String {
    format!("{} -> {}", ends.business, name(&ends.customer))
}

fn inward(ends: &Ends) -> String {
    format!("{} -> {}", name(&ends.customer), ends.business)
}

fn wrote(ends: &Ends, again: &str) -> String {
    format!("{} wrote{again} to {}", name(&ends.customer), ends.business)
}

fn why_template(reason: &str, basis: &str, ready: bool) -> String {
    let why = match reason {
        "no_open_window" => "no window is open",
        "window_closing" => "the window closes in a moment, too late to send freely",
        "template_requested" => "it asked for a template",
        "provider_refused" => "the provider refused a send",
        other => other,
    };
    let what = if ready { "" } else { "; no template came with it" };
    let proof = if basis == "complete" { "" } else { " (not proven)" };
    format!("{why}{what}{proof}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn ana() -> Ends {
        Ends { business: "bakery".into(), customer: "12025550101".into() }
    }

    fn written(opened: bool, ms: i64) -> Observation {
        Observation::Window { ends: ana(), opened, last_inbound_at: at(ms), expires_at: at(ms + 20_000) }
    }

    fn picture() -> Picture {
        Picture::new("127.0.0.1:1", Span::from_secs(20), Span::from_secs(3), at(0))
    }

    #[test]
    fn everything_that_happens_is_told_in_plain_words() {
        let required = |reason: &str, basis: &str, ready| Observation::TemplateRequired {
            ends: ana(),
            reason: reason.into(),
            basis: basis.into(),
            ready,
        };
        let letter = Observation::DeadLetter {
            topic: "outbound-intent".into(),
            reason: "expired".into(),
            detail: "30 s too late".into(),
        };
        let table = [
            (written(true, 0), "Ana wrote to bakery: services may write freely for 19 s"),
            (written(false, 500), "Ana wrote again to bakery: 20 s from now on"),
            (
                Observation::SessionSend { ends: ana(), expires_at: at(13_000) },
                "bakery -> Ana: sent freely, the window is open for 12 s more",
            ),
            (required("no_open_window", "complete", true), "bakery -> Ana: no window is open"),
            (
                required("no_open_window", "timeout", false),
                "bakery -> Ana: no window is open; no template came with it (not proven)",
            ),
            (
                required("window_closing", "complete", true),
                "bakery -> Ana: the window closes in a moment, too late to send freely",
            ),
            (required("template_requested", "complete", true), "bakery -> Ana: it asked for a template"),
            (letter, "from outbound-intent: expired, 30 s too late"),
        ];
        let mut picture = picture();
        for (observation, expected) in table {
            assert_eq!(picture.observe(observation, at(1_000)).text, expected);
        }
        let Counts { session_sends, opened, refreshed, .. } = picture.counts;
        assert_eq!((session_sends, opened, refreshed), (1, 1, 1));
        assert_eq!((picture.counts.all_templates(), picture.counts.all_dead_letters()), (4, 1));
        assert_eq!(picture.events.len(), 7, "a refreshed window is shown by its countdown");
    }

    #[test]
    fn a_window_is_open_then_within_the_guard_then_closed_and_told_once() {
        let mut picture = picture();
        picture.observe(written(true, 0), at(0));
        for (now, phases) in [(16_999, [1, 0, 0]), (17_000, [0, 1, 0]), (19_999, [0, 1, 0]), (20_000, [0, 0, 1])] {
            assert_eq!(picture.phases(at(now)), phases, "{now}");
        }
        assert_eq!(picture.advance(at(19_999)), []);
        assert_eq!(picture.advance(at(20_000))[0].text, "Ana -> bakery has been silent for 20 s");
        assert_eq!(picture.advance(at(20_001)), []);
        assert_eq!(picture.counts.closed, 1);
        picture.observe(written(true, 30_000), at(30_000));
        assert_eq!(picture.phases(at(30_000)), [1, 0, 0], "it opens again");
        picture.advance(at(50_000));
        picture.advance(at(120_000));
        assert!(picture.windows.is_empty(), "it is forgotten in the end");
    }

    #[test]
    fn an_older_event_shortens_nothing() {
        let mut picture = picture();
        picture.observe(written(true, 5_000), at(5_000));
        picture.observe(written(false, 1_000), at(5_000));
        assert_eq!(picture.windows[&ana()].expires_at, at(25_000));
    }
}
