//! Tables that the operator fills: librdkafka's properties, and the same `k=v,k=v` form for the environment.

use super::error::Fault;
use super::secret::{HIDDEN, is_secret_property};
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;
use std::collections::BTreeMap;
use std::fmt;

/// librdkafka properties by name. Those that hold secrets are never shown.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties(BTreeMap<String, String>);

impl Properties {
    /// The properties of that table.
    pub fn new(table: BTreeMap<String, String>) -> Properties {
        Properties(table)
    }

    /// One property's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All of them with their values, secrets included, for the client that needs them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All of them as they may be shown.
    pub fn shown(&self) -> impl Iterator<Item = (&str, String)> {
        self.iter().map(|(name, value)| (name, shown_property(name, value)))
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.shown()).finish()
    }
}

/// What to do about a list that falls apart at the wrong commas.
pub(super) const GIVE_PAIRS: &str = "give k=v,k=v with \\, for a comma inside a value";

/// Reads `k=v,k=v`. A comma inside a value is written `\,`.
pub(super) fn read_pairs(text: &str) -> Result<Vec<(String, String)>, Fault> {
    Ok(read_items(text)?.into_iter().map(|(_, pair)| pair).collect())
}

/// A pair of a list, and its number there, counted from 1.
pub(super) type Item = (usize, (String, String));

/// The same, each pair with its number in the list.
///
/// The fault never quotes the text: a piece without `=` is often the rest of a password with a comma in it.
pub(super) fn read_items(text: &str) -> Result<Vec<Item>, Fault> {
    let mut pairs = Vec::new();
    for (index, piece) in split_at_commas(text).iter().enumerate() {
        if piece.trim().is_empty() {
            continue;
        }
        let Some((name, value)) = piece.split_once('=') else {
            let problem = format!("item {} of the list has no =", index + 1);
            return Err(Fault::new(problem, GIVE_PAIRS));
        };
        pairs.push((index + 1, (name.trim().to_owned(), value.trim().to_owned())));
    }
    Ok(pairs)
}

fn split_at_commas(text: &str) -> Vec<String> {
    let mut pieces = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        let escaped = c == '\\' && characters.peek() == Some(&',');
        match pieces.last_mut() {
            _ if c == ',' => pieces.push(String::new()),
            Some(piece) if escaped => piece.extend(characters.next()),
            Some(piece) => piece.push(c),
            None => {}
        }
    }
    pieces
}

/// Whether librdkafka could have a property of that name.
pub(super) fn is_property_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
    !name.is_empty() && name.chars().all(fits)
}

/// Whether librdkafka has a property of that name: the one that is linked is asked itself.
pub(super) fn is_property(name: &str) -> bool {
    // Most refuse an empty value, but in other words than a name that they do not have.
    let is_unknown = |error| matches!(error, KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..));
    is_property_name(name) && !ClientConfig::new().set(name, "").create_native_config().is_err_and(is_unknown)
}

/// The secret property whose value stands in a file, if that is what the name says: `sasl.password_file`.
pub(super) fn file_property(name: &str) -> Option<&str> {
    name.strip_suffix("_file").filter(|property| is_secret_property(property))
}

/// The value of a property as it may be shown. A name that librdkafka does not have may be a secret's, mistyped.
pub(super) fn shown_property(name: &str, value: &str) -> String {
    let holds_a_login = value.contains("://") && value.contains('@');
    if holds_a_login || is_secret_property(name) || !is_property(name) { HIDDEN.to_owned() } else { value.to_owned() }
}

/// What may be shown of a property that is wrong.
pub(super) fn shown_wrong(name: &str, value: &str) -> String {
    if value.contains('@') { HIDDEN.to_owned() } else { shown_property(name, value) }
}
