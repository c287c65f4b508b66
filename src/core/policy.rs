//! What opens a window, per channel: the table of the domain as data.

use super::ids::Channel;
use super::inbound::InboundEvent;
use super::time::{Span, Timestamp};
use super::window::WindowRules;
use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// One kind of event and what it does by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventKind {
    /// Its name, as in the canonical `type`.
    pub name: &'static str,
    /// Whether it opens (or refreshes) a window unless configured otherwise.
    pub opens: bool,
    /// Whether it may be configured at all: what a business does opens nothing, whoever wishes it.
    pub is_switch: bool,
}

/// A kind that nobody has heard of.
pub const UNKNOWN_KIND: &str = "unknown";

/// Every kind of event, one row each. Only what the customer does opens a window, and nothing that a business does.
pub const EVENT_KINDS: &[EventKind] = &[
    opens("text"),
    opens("image"),
    opens("audio"),
    opens("voice"),
    opens("video"),
    opens("document"),
    opens("sticker"),
    opens("location"),
    opens("contacts"),
    opens("order"),
    opens("button"),
    opens("interactive"),
    opens("list_reply"),
    opens("button_reply"),
    opens("nfm_reply"),
    opens("call_permission_reply"),
    opens("request_welcome"),
    opens("reaction"),
    ignored("reaction_removed"),
    // The customer did write, only in a form that the provider's API does not show.
    opens("unsupported"),
    ignored("edit"),
    ignored("revoke"),
    ignored("system"),
    // User-initiated, answered or not.
    opens("call"),
    // What a customer wrote while another application has the conversation.
    opens("standby"),
    // A business's call that the customer accepted.
    opens("call_accepted"),
    ignored("call_ringing"),
    // The line of a business's call stands: that the customer accepted is told by itself.
    ignored("call_connect"),
    ignored("call_rejected"),
    ignored("call_terminate"),
    never("status"),
    never("echo"),
    never("history"),
    ignored("user_preferences"),
    never("template"),
    never("error"),
    // Like `unsupported`: a customer wrote something that is newer than this table.
    opens(UNKNOWN_KIND),
];

const fn opens(name: &'static str) -> EventKind {
    EventKind { name, opens: true, is_switch: true }
}

const fn ignored(name: &'static str) -> EventKind {
    EventKind { name, opens: false, is_switch: true }
}

const fn never(name: &'static str) -> EventKind {
    EventKind { name, opens: false, is_switch: false }
}

/// Channels whose windows last other than the usual time, whatever that is configured to be.
const LENGTHS_OF_CHANNELS: [(&str, Span); 2] = [("wechat", Span::from_hours(48)), ("tiktok", Span::from_hours(48))];

/// How long windows of a channel of that name last, where that is its provider's own rule.
pub fn length_of_channel(name: &str) -> Option<Span> {
    LENGTHS_OF_CHANNELS.iter().find(|(channel, _)| *channel == name).map(|(_, length)| *length)
}

/// The rules of one channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelPolicy {
    /// Length and guard.
    pub window: WindowRules,
    /// Of each row of the table, whether its kind opens.
    rows_that_open: u64,
    /// Kinds that the table does not know, and that open by their names.
    opening: HashSet<String, FixedState>,
}

const _: () = assert!(EVENT_KINDS.len() <= u64::BITS as usize, "each row has a bit");

impl ChannelPolicy {
    /// The default table with that length and guard.
    pub fn new(window: WindowRules) -> ChannelPolicy {
        let opening = EVENT_KINDS.iter().enumerate().filter(|(_, kind)| kind.opens);
        let rows_that_open = opening.fold(0, |rows, (row, _)| rows | 1 << row);
        ChannelPolicy { window, rows_that_open, opening: HashSet::default() }
    }

    /// Switches one kind.
    pub fn set_opens(&mut self, kind: &str, opens: bool) {
        match (place_of(kind), opens) {
            (Some(row), true) => self.rows_that_open |= 1 << row,
            (Some(row), false) => self.rows_that_open &= !(1 << row),
            (None, true) => _ = self.opening.insert(kind.to_owned()),
            (None, false) => _ = self.opening.remove(kind),
        }
    }

    /// Whether an event of that kind opens a window here.
    pub fn opens(&self, kind: &str) -> bool {
        match place_of(kind) {
            Some(row) => self.opens_by_row(row),
            None => self.opening.contains(kind) || place_of(UNKNOWN_KIND).is_some_and(|row| self.opens_by_row(row)),
        }
    }

    fn opens_by_row(&self, row: usize) -> bool {
        self.rows_that_open >> row & 1 == 1
    }
}

fn place_of(kind: &str) -> Option<usize> {
    EVENT_KINDS.iter().position(|known| known.name == kind)
}

/// The row of that kind, if it has one.
pub fn row_of(kind: &str) -> Option<&'static EventKind> {
    place_of(kind).and_then(|row| EVENT_KINDS.get(row))
}

/// Whether the table has a row for that kind.
pub fn is_known(kind: &str) -> bool {
    row_of(kind).is_some()
}

/// The rules of all configured channels.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// A handful at most: looking through them is quicker than any map.
    channels: Vec<(Channel, ChannelPolicy)>,
}

/// A timestamp further ahead of its record than this is not believed.
pub const FUTURE_TOLERANCE: Span = Span::from_secs(5);

/// What an inbound event does to the windows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It opens or refreshes them at that time.
    Opens {
        /// When the customer acted, as far as it is believed.
        at: Timestamp,
        /// Whether the event's own time lay in the future and was brought back to the record's.
        clamped: bool,
    },
    /// It opens nothing by its kind.
    Nothing,
    /// It would have opened a window that has ended since.
    Late,
}

/// A time as far as it is believed, given its record's timestamp, and whether that brought it back.
pub fn believed(occurred_at: Timestamp, recorded_at: Timestamp) -> (Timestamp, bool) {
    // A record without a timestamp of its own (-1) has nothing to say of the event's.
    let clamped = recorded_at.as_millis() >= 0 && occurred_at > recorded_at + FUTURE_TOLERANCE;
    (if clamped { recorded_at } else { occurred_at }, clamped)
}

impl Policy {
    /// The policy of those channels.
    pub fn new(channels: impl IntoIterator<Item = (Channel, ChannelPolicy)>) -> Policy {
        Policy { channels: channels.into_iter().collect() }
    }

    /// A channel's rules, if it is configured.
    pub fn channel(&self, name: &str) -> Option<&ChannelPolicy> {
        self.channels.iter().find(|(known, _)| known.as_str() == name).map(|(_, channel)| channel)
    }

    /// The longest window of all channels.
    pub fn longest(&self) -> Span {
        self.channels.iter().map(|(_, channel)| channel.window.length).max().unwrap_or(Span::ZERO)
    }

    /// What an event does, given its record's timestamp.
    ///
    /// A time in the future is brought back to the record's, never to `now`: a replay must give the same.
    pub fn effect(&self, event: &InboundEvent, recorded_at: Timestamp, now: Timestamp) -> Effect {
        let Some(channel) = self.channel(event.channel.as_str()) else { return Effect::Nothing };
        if !channel.opens(&event.kind) {
            return Effect::Nothing;
        }
        let (at, clamped) = believed(event.occurred_at, recorded_at);
        if at + channel.window.length <= now { Effect::Late } else { Effect::Opens { at, clamped } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{BusinessId, CustomerId, MessageId};

    const RULES: WindowRules = WindowRules { length: Span::from_hours(24), guard: Span::from_secs(60) };

    fn policy() -> Policy {
        Policy::new([(Channel::new("whatsapp"), ChannelPolicy::new(RULES))])
    }

    fn event(kind: &str, occurred_at_ms: i64) -> InboundEvent {
        InboundEvent {
            message_id: MessageId::new("wamid.1"),
            channel: Channel::new("whatsapp"),
            business_id: BusinessId::new("106"),
            customer_id: CustomerId::new("5511"),
            customer_aliases: vec![],
            kind: kind.into(),
            occurred_at: Timestamp::from_millis(occurred_at_ms),
        }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn what_a_business_does_opens_nothing() {
        for kind in ["status", "echo", "history", "template", "call_terminate", "system"] {
            assert_eq!(policy().effect(&event(kind, 0), at(0), at(0)), Effect::Nothing, "{kind}");
        }
    }

    #[test]
    fn time_decides_between_opening_late_and_clamped() {
        let day = 86_400_000;
        let opens = |ms, clamped| Effect::Opens { at: at(ms), clamped };
        let table = [
            (0, 0, 0, opens(0, false), "at once"),
            (0, day - 1, day - 1, opens(0, false), "a retried webhook a millisecond before the end"),
            (0, day, day, Effect::Late, "at exactly 24 h"),
            (5_000, 0, 0, opens(5_000, false), "5 s ahead of the record is tolerated"),
            (5_001, 0, 0, opens(0, true), "further ahead is brought back to the record's time"),
            (5_001, 0, day, Effect::Late, "and judged by that time"),
            (5_001, -1, 5_001, opens(5_001, false), "a record without a timestamp says nothing"),
        ];
        for (occurred, recorded, now, effect, what) in table {
            assert_eq!(policy().effect(&event("text", occurred), at(recorded), at(now)), effect, "{what}");
        }
    }

    /// The rules of the domain, one line each, as a person would read them aloud.
    #[test]
    fn the_table_says_what_the_domain_says() {
        let opens = "text image audio voice video document sticker location contacts order button interactive list_reply \
            button_reply nfm_reply call_permission_reply request_welcome reaction unsupported call standby call_accepted \
            unknown";
        let no_unless_switched = "reaction_removed edit revoke system call_ringing call_connect call_rejected \
            call_terminate user_preferences";
        let never = "status echo history template error";
        let mut rows = 0;
        for (kinds, expected) in [(opens, (true, true)), (no_unless_switched, (false, true)), (never, (false, false))] {
            for kind in kinds.split_whitespace() {
                let row = row_of(kind).unwrap_or_else(|| panic!("{kind} has no row"));
                assert_eq!((row.opens, row.is_switch), expected, "{kind}");
                rows += 1;
            }
        }
        assert_eq!(rows, EVENT_KINDS.len(), "each row is told once");
        let days = |name| length_of_channel(name).map(|length| length.as_millis() / 3_600_000);
        let channels = ["whatsapp", "messenger", "instagram", "wechat", "tiktok", "mine"].map(days);
        assert_eq!(channels, [None, None, None, Some(48), Some(48), None], "hours, where they are not the usual 24");
    }

    #[test]
    fn switches_change_a_kind_and_unknown_kinds_go_by_their_own_row() {
        let mut channel = ChannelPolicy::new(RULES);
        assert!(channel.opens("reaction") && channel.opens("hologram") && !channel.opens("edit"));
        channel.set_opens("reaction", false);
        channel.set_opens(UNKNOWN_KIND, false);
        channel.set_opens("edit", true);
        assert!(!channel.opens("reaction") && !channel.opens("hologram") && channel.opens("edit"));
    }
}
