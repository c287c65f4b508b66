//! Logs: text on a terminal, JSON elsewhere.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter that can be read. A mere word counts as a module's name for the library, so that a mistyped level would
/// silence everything: it has to be a level, or a module of ours.
pub fn checked_filter(filter: &str) -> Result<String, String> {
    EnvFilter::try_new(filter).map_err(|error| error.to_string())?;
    let is_known = |word: &str| LEVELS.iter().any(|level| word.eq_ignore_ascii_case(level)) || word.contains("::");
    let words = filter.split(',').map(str::trim).filter(|word| !word.contains(['=', '[']) && !word.is_empty());
    match words.filter(|word| *word != "sessiongate").find(|word| !is_known(word)) {
        Some(word) => Err(format!("{word} is no level: give one of {}, or MODULE=LEVEL", LEVELS.join(", "))),
        None => Ok(filter.to_owned()),
    }
}

/// Starts logging to standard error. A filter that cannot be read counts as `info`.
pub fn init(filter: &str) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // Where a line could not be written, the library would say so on the same standard error, and panic.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).log_internal_errors(false);
    let builder = builder.with_writer(std::io::stderr);
    // A second call in one process (tests) leaves the first in place.
    let _ = match std::io::stderr().is_terminal() {
        true => builder.with_target(false).try_init(),
        false => builder.json().flatten_event(true).try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::checked_filter;

    #[test]
    fn a_filter_is_made_of_levels_and_modules() {
        for good in
            ["info", "WARN", "off", "", "info,sessiongate::shard=debug", "sessiongate=trace,rdkafka=off", "sessiongate"]
        {
            assert_eq!(checked_filter(good).as_deref(), Ok(good));
        }
        for bad in ["verbose", "info,debg", "sessiongate=loud"] {
            assert!(checked_filter(bad).is_err(), "{bad}");
        }
    }
}
