//! What a decision sends out, before it is bytes.

use super::delivery::FailedDelivery;
use super::ids::CustomerId;
use super::inbound::InboundEvent;
use super::intent::Intent;
use super::record::{Record, Reject};
use super::template::TemplateUpdate;
use super::time::{Span, Timestamp};
use super::verdict::Verdict;
use super::window::Window;

/// One output record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Emission {
    /// The answer to an intent.
    Verdict(Box<DecidedIntent>),
    /// A window opened or was refreshed.
    WindowEvent(Box<WindowEvent>),
    /// Something could not be used.
    DeadLetter(Box<DeadLetter>),
    /// What a customer did, on its way to the inbound topic.
    Inbound(Box<Part<InboundEvent>>),
    /// A refusal, on its way to the topic of delivery reports.
    Delivery(Box<Part<FailedDelivery>>),
    /// A template's change, on its way to the topic of template status.
    Template(Box<Part<TemplateUpdate>>),
}

/// A part of a record that belongs into another topic than the one it arrived on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part<T> {
    /// The record.
    pub record: Record,
    /// Which of the record's parts of this kind, counted from 0.
    pub index: usize,
    /// The part.
    pub part: T,
}

/// An intent with its verdict.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DecidedIntent {
    /// The intent's record.
    pub record: Record,
    /// The intent.
    pub intent: Box<Intent>,
    /// The verdict.
    pub verdict: Verdict,
    /// The length of its channel's windows.
    pub window_length: Span,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// What happened to a window.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WindowChange {
    /// It was closed before.
    Opened,
    /// It was open, and its end moved.
    Refreshed,
}

/// A window opened or was refreshed. For analytics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WindowEvent {
    /// The inbound record.
    pub record: Record,
    /// Which event of the record, counted from 0.
    pub event_index: usize,
    /// What happened.
    pub change: WindowChange,
    /// The event that did it.
    pub cause: InboundEvent,
    /// Whose window: the event's customer or one of the aliases.
    pub customer_id: CustomerId,
    /// The window afterwards.
    pub window: Window,
    /// The length of its channel's windows.
    pub window_length: Span,
}

/// A record, or one event in it, that could not be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The record with its original bytes.
    pub record: Record,
    /// Why.
    pub reject: Reject,
}
