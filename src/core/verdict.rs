//! The answer to an intent.

use super::advice::Advice;
use super::intent::Intent;
use super::time::Timestamp;
use super::window::{Window, WindowRules, WindowState};

/// May it be sent freely?
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The window is open: anything may be sent.
    SessionSend {
        /// The open window.
        window: Window,
    },
    /// Only a template may be sent.
    TemplateRequired {
        /// Why.
        reason: TemplateReason,
        /// What the answer rests on.
        basis: Basis,
        /// What is known of the window.
        window: Option<Window>,
    },
}

/// What follows from what is known of a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// It is open: more data could not change that.
    Open(Window),
    /// A template is asked for, whatever the window.
    Requested,
    /// It is not open, or the provider says so: more data could change that.
    Negative(TemplateReason),
}

/// What follows for an intent from the window and the advice that are known, at that time.
pub fn find(
    intent: &Intent,
    window: Option<&Window>,
    advice: Option<&Advice>,
    rules: WindowRules,
    now: Timestamp,
) -> Finding {
    if intent.message.is_none() {
        return Finding::Requested;
    }
    let Some(window) = window else { return Finding::Negative(TemplateReason::NoOpenWindow) };
    match rules.state(window, now) {
        WindowState::Open if advice.is_some_and(|advice| advice.overrules(window)) => {
            Finding::Negative(TemplateReason::ProviderRefused)
        }
        WindowState::Open => Finding::Open(*window),
        WindowState::Closing => Finding::Negative(TemplateReason::WindowClosing),
        WindowState::Closed => Finding::Negative(TemplateReason::NoOpenWindow),
    }
}

/// Why a template is required.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TemplateReason {
    /// No window is open.
    NoOpenWindow,
    /// The window ends within the guard: too late to become a send.
    WindowClosing,
    /// The provider refused a send in what looked like an open window.
    ProviderRefused,
    /// The intent came with a template and no message.
    TemplateRequested,
}

impl TemplateReason {
    /// Every reason.
    pub const ALL: [TemplateReason; 4] = [
        TemplateReason::NoOpenWindow,
        TemplateReason::WindowClosing,
        TemplateReason::ProviderRefused,
        TemplateReason::TemplateRequested,
    ];

    /// What a verdict for this reason rests on, given whether everything was seen: a provider's word stays one.
    pub fn basis(self, proven: bool) -> Basis {
        match (self, proven) {
            (TemplateReason::ProviderRefused, _) => Basis::Advisory,
            (_, true) => Basis::Complete,
            (_, false) => Basis::Timeout,
        }
    }

    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            TemplateReason::NoOpenWindow => "no_open_window",
            TemplateReason::WindowClosing => "window_closing",
            TemplateReason::ProviderRefused => "provider_refused",
            TemplateReason::TemplateRequested => "template_requested",
        }
    }
}

/// What a `template-required` rests on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Basis {
    /// Nothing that lay in the log when the intent was read could change it.
    Complete,
    /// The proof did not come within `max_wait`.
    Timeout,
    /// The provider's word, not the log's.
    Advisory,
}

impl Basis {
    /// Every basis.
    pub const ALL: [Basis; 3] = [Basis::Complete, Basis::Timeout, Basis::Advisory];

    /// The stable code.
    pub fn as_str(self) -> &'static str {
        match self {
            Basis::Complete => "complete",
            Basis::Timeout => "timeout",
            Basis::Advisory => "advisory",
        }
    }
}
