//! Identifiers as types, so that a business is never taken for a customer.

use compact_str::CompactString;
use siphasher::sip128::{Hash128, SipHasher13};
use std::fmt;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(CompactString);

        impl $name {
            /// Takes the text as it is; decoders check it first.
            pub fn new(text: impl AsRef<str>) -> $name {
                $name(CompactString::new(text))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id!(
    /// A messaging channel: `whatsapp`, `messenger`, ...
    Channel
);
text_id!(
    /// The business's own address: for WhatsApp the phone number id, never the account.
    BusinessId
);
text_id!(
    /// The customer's address: for WhatsApp a wa_id (digits), a BSUID (`US.1349...`) or a group id.
    CustomerId
);
text_id!(
    /// The idempotency key of an intent, unique for a business.
    IntentId
);
text_id!(
    /// The provider's id of a customer's message (wamid...).
    MessageId
);
text_id!(
    /// Kafka's id of a topic: another one after the topic was deleted and made anew.
    TopicId
);

impl Channel {
    /// That of a record which names none; it exists without being configured.
    pub const DEFAULT: &str = "whatsapp";
}

/// What is hashed together is nearly always shorter.
const USUAL_HASHED_BYTES: usize = 128;

/// What brokers without topic ids have.
const UNKNOWN_TOPIC: &str = "unknown";

impl TopicId {
    /// The id of every topic on brokers without topic ids: one made anew cannot be told from the one before.
    pub fn unknown() -> TopicId {
        TopicId::new(UNKNOWN_TOPIC)
    }

    /// Whether the topic cannot be told from another one of its name.
    pub fn is_unknown(&self) -> bool {
        self.as_str() == UNKNOWN_TOPIC
    }
}

/// What a window belongs to: `channel:business:customer`. Channel and business hold no colon, so it reads back.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WindowKey(CompactString);

impl WindowKey {
    /// The key of one customer's window with one business.
    pub fn new(channel: &Channel, business: &BusinessId, customer: &CustomerId) -> WindowKey {
        let text = [channel.as_str(), ":", business.as_str(), ":", customer.as_str()].concat();
        WindowKey(CompactString::from(text))
    }

    /// Reads `channel:business:customer` back.
    pub fn parse(text: &str) -> Option<WindowKey> {
        let mut parts = text.splitn(3, ':');
        let whole = parts.all(|part| !part.is_empty()) && text.splitn(3, ':').count() == 3;
        whole.then(|| WindowKey(CompactString::new(text)))
    }

    /// `channel:business:customer`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as a hash. Nobody finds two keys with one print, and every run finds the same.
    pub fn print(&self) -> KeyPrint {
        print_of([self.as_str()])
    }

    /// The channel in front.
    pub fn channel(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }
}

impl fmt::Display for WindowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A window's key as a hash of 128 bits, where the key itself would take too much room.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyPrint(pub [u64; 2]);

impl KeyPrint {
    /// The print of the key of one customer's window with one business, without that key.
    pub fn of(channel: &Channel, business: &BusinessId, customer: &CustomerId) -> KeyPrint {
        print_of([channel.as_str(), ":", business.as_str(), ":", customer.as_str()])
    }
}

#[inline]
fn print_of<const N: usize>(key: [&str; N]) -> KeyPrint {
    let hasher = SipHasher13::new_with_keys(0x7365_7373_696f_6e67, 0x6174_655f_6b65_7931);
    let hash = hash_of(&hasher, key.map(str::as_bytes));
    KeyPrint([hash.h1, hash.h2])
}

/// The hash of these parts, one behind the other.
///
/// The hasher takes several times as long for parts as for one text, so they are put together first.
#[inline]
pub(crate) fn hash_of<const N: usize>(hasher: &SipHasher13, parts: [&[u8]; N]) -> Hash128 {
    let (mut together, mut length) = ([0; USUAL_HASHED_BYTES], 0);
    for part in parts {
        let Some(place) = together.get_mut(length..length + part.len()) else {
            return hasher.hash(&parts.concat());
        };
        place.copy_from_slice(part);
        length += part.len();
    }
    hasher.hash(together.get(..length).unwrap_or_default())
}

/// A partition's number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Partition(pub i32);

/// An offset in a partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Offset(pub i64);

impl Offset {
    /// The offset after this one.
    pub fn next(self) -> Offset {
        Offset(self.0 + 1)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a record lies within its topic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Position {
    /// The partition.
    pub partition: Partition,
    /// The offset in it.
    pub offset: Offset,
}

#[cfg(test)]
mod tests {
    use super::*;
    use siphasher::sip128::Hasher128;
    use std::hash::Hasher;

    #[test]
    fn a_window_key_reads_back_even_when_the_customer_holds_a_colon() {
        let key = WindowKey::new(&Channel::new("whatsapp"), &BusinessId::new("106"), &CustomerId::new("a:b"));
        assert_eq!(WindowKey::parse("whatsapp:106:a:b"), Some(key.clone()));
        assert_eq!(key.channel(), "whatsapp");
        let print = KeyPrint::of(&Channel::new("whatsapp"), &BusinessId::new("106"), &CustomerId::new("a:b"));
        assert_eq!(key.print(), print, "with and without the key");
        assert_eq!(print, KeyPrint([811_355_073_093_783_400, 14_785_012_672_029_983_869]), "the same in every run");
        for bad in ["", "whatsapp", "whatsapp:106", "whatsapp::5511", ":106:5511", "whatsapp:106:"] {
            assert_eq!(WindowKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_hash_is_that_of_the_parts_one_by_one_however_long_they_are() {
        let hasher = SipHasher13::new_with_keys(1, 2);
        for length in 0..200 {
            let (one, other) = (vec![1; length], vec![2; length / 3]);
            let mut expected = hasher;
            expected.write(&one);
            expected.write(&other);
            assert_eq!(hash_of(&hasher, [&one, &other]), expected.finish128(), "{length}");
        }
    }
}
