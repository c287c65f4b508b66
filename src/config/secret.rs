//! Values that must not be seen, and texts with the secret parts taken out.

use std::fmt;

/// What is shown in place of a secret.
pub const HIDDEN: &str = "***";

/// A text that no log, error or listing shows.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// A URL that is known to be well-formed, without user, password and query.
pub fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return HIDDEN.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = match authority.rsplit_once('@') {
        Some((_, host)) => ("***@", host),
        None => ("", authority),
    };
    let (path, query) = match path.split_once('?') {
        Some((path, _)) => (path, "?***"),
        None => (path, ""),
    };
    format!("{scheme}://{user}{host}{path}{query}")
}

/// Any text as it may be shown in an error: on one line, not endless, and nothing that might hold a password.
pub fn shown(text: &str) -> String {
    if text.contains('@') {
        return HIDDEN.to_owned();
    }
    let mut line: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        line.push_str("...");
    }
    line
}

/// Whether a librdkafka property holds a secret, going by its name: also properties of later versions.
pub fn is_secret_property(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let marks = ["password", "secret", "passphrase", "key.pem", "token", "sasl.oauthbearer.config"];
    marks.iter().any(|mark| name.contains(mark)) && name != "sasl.oauthbearer.token.endpoint.url"
}
