//! Who takes part in the demo. The numbers lie in the range that is kept for fiction.

/// A customer of a business.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Chat {
    pub(super) business: &'static str,
    pub(super) customer: &'static str,
}

/// The customer that a person at the keyboard may be.
pub(super) const YOU: Chat = Chat { business: "bakery", customer: "12025550199" };

/// A customer of the bakery who writes often.
pub(super) const ANA: &str = "12025550101";

/// All chats. One customer has two: a window belongs to both ends of it.
pub(super) const CHATS: [Chat; 13] = [
    Chat { business: "bakery", customer: "12025550101" },
    Chat { business: "bookshop", customer: "12025550102" },
    Chat { business: "clinic", customer: "12025550103" },
    Chat { business: "bakery", customer: "12025550104" },
    Chat { business: "bookshop", customer: "12025550105" },
    Chat { business: "clinic", customer: "12025550106" },
    Chat { business: "bakery", customer: "12025550107" },
    Chat { business: "bookshop", customer: "12025550108" },
    Chat { business: "clinic", customer: "12025550109" },
    Chat { business: "bakery", customer: "12025550110" },
    Chat { business: "bookshop", customer: "12025550111" },
    Chat { business: "clinic", customer: "12025550112" },
    Chat { business: "clinic", customer: "12025550101" },
];

const NAMES: [(&str, &str); 13] = [
    ("12025550101", "Ana"),
    ("12025550102", "Ben"),
    ("12025550103", "Chloe"),
    ("12025550104", "Dev"),
    ("12025550105", "Ema"),
    ("12025550106", "Finn"),
    ("12025550107", "Gul"),
    ("12025550108", "Hana"),
    ("12025550109", "Ivo"),
    ("12025550110", "Jun"),
    ("12025550111", "Kofi"),
    ("12025550112", "Lea"),
    (YOU.customer, "you"),
];

/// What a customer is called; whoever came from outside is called by number.
pub(super) fn name(customer: &str) -> &str {
    NAMES.iter().find(|(number, _)| *number == customer).map_or(customer, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_name_and_a_fictional_number() {
        for chat in CHATS.iter().chain([&YOU]) {
            assert_ne!(name(chat.customer), chat.customer);
            assert!(chat.customer.starts_with("120255501"), "{chat:?}");
        }
        assert_eq!(name("4915"), "4915");
    }
}
