//! What is wrong with a configuration, all of it at once, and what is merely odd.

use super::secret::{HIDDEN, shown};
use std::fmt;
use std::path::Path;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File,
    /// That environment variable.
    Environment(Box<str>),
    /// A file that holds the secret.
    SecretFile(Box<Path>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File => f.write_str("configuration file"),
            Origin::Environment(name) => f.write_str(name),
            Origin::SecretFile(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One wrong value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    /// The key.
    pub key: String,
    /// Where its value came from.
    pub origin: Origin,
    /// The value, if it may be shown.
    pub value: Option<String>,
    /// What is wrong with it.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        match self.value.as_deref() {
            Some(HIDDEN) => write!(f, " = {HIDDEN}")?,
            Some(value) => write!(f, " = \"{value}\"")?,
            None => {}
        }
        write!(f, " ({}): {}; {}", self.origin, self.problem, self.remedy)
    }
}

/// What is wrong with a value, before it is known whose value it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Fault {
    /// Puts both into words.
    pub fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { problem: problem.into(), remedy: remedy.into() }
    }

    /// The error of that key with that value, hidden if it is a secret.
    pub fn of(self, key: impl Into<String>, origin: Origin, value: &str, secret: bool) -> ConfigError {
        let value = if secret { HIDDEN.to_owned() } else { shown(value) };
        ConfigError { value: Some(value), ..self.without_value(key, origin) }
    }

    /// The error of that key, whose value is of no use to show.
    pub fn without_value(self, key: impl Into<String>, origin: Origin) -> ConfigError {
        ConfigError { key: key.into(), origin, value: None, problem: self.problem, remedy: self.remedy }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl ConfigErrors {
    /// Whether something is wrong with that key, or with something below it.
    pub fn concern(&self, key: &str) -> bool {
        let below = |name: &str| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        self.0.iter().any(|error| below(&error.key))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// An environment variable that looks like ours and is not. Orchestrators inject some, so it is no error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// Its name; the value is never shown.
    pub name: String,
    /// The name that may have been meant.
    pub nearest: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a setting and was ignored", self.name)?;
        match &self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest}?"),
            None => Ok(()),
        }
    }
}
