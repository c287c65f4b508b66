//! What a provider's refusal says of a window: advice, which is no part of the window and proves nothing.

use super::time::{Span, Timestamp};
use super::window::Window;

/// The provider refused a send for being outside the window.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Advice {
    /// When it did.
    pub refused_at: Timestamp,
}

impl Advice {
    /// Whether it stands against that window: the customer has done nothing since.
    pub fn overrules(&self, window: &Window) -> bool {
        self.refused_at >= window.last_inbound_at
    }

    /// From then on it can say nothing: every window that it stands against has ended.
    pub fn expires_at(&self, length: Span) -> Timestamp {
        self.refused_at + length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::{Offset, Partition, Position};
    use proptest::prelude::*;

    const LENGTH: Span = Span::from_hours(24);

    fn window(at_ms: i64) -> Window {
        Window::opened_by(Timestamp::from_millis(at_ms), Position { partition: Partition(0), offset: Offset(0) })
    }

    fn refused(at_ms: i64) -> Advice {
        Advice { refused_at: Timestamp::from_millis(at_ms) }
    }

    #[test]
    fn a_refusal_stands_until_the_customer_acts_again() {
        assert!(refused(10).overrules(&window(9)));
        assert!(refused(10).overrules(&window(10)), "at one instant the provider's word counts");
        assert!(!refused(10).overrules(&window(11)), "a later act opens again");
        assert!(!refused(10).overrules(&window(99)), "a refusal that is told late changes nothing");
    }

    proptest! {
        #[test]
        fn advice_that_has_expired_stands_against_ended_windows_only(at in 0_i64..1 << 40, act in 0_i64..1 << 40, after in 0_i64..1 << 40) {
            let (advice, window) = (refused(at), window(act));
            let now = advice.expires_at(LENGTH) + Span::from_millis(after);
            prop_assert!(!advice.overrules(&window) || window.expires_at(LENGTH) <= now);
        }
    }
}
