//! Where values come from: the environment, the file, and files that hold a secret. All of it is handed in.

use super::error::{ConfigError, Fault, Origin};
use super::keys::{ENVIRONMENT_PREFIX, KeySpec, Kind, environment_name};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use toml::Value;

/// Everything that a configuration is read from.
pub struct Sources<'a> {
    /// The text of the configuration file, if there is one.
    pub file: Option<&'a str>,
    /// The names of all environment variables.
    pub names: Vec<String>,
    /// Looks one up.
    pub lookup: &'a dyn Fn(&str) -> Option<OsString>,
    /// Reads a file that holds a secret.
    pub read_file: &'a dyn Fn(&Path) -> io::Result<String>,
    /// How many processor cores there are.
    pub cores: usize,
    /// Whether a guard shorter than a transaction may take is accepted. For the demo, which plays a day in a minute
    /// and whose broker has no transactions that could hang.
    pub allow_short_guard: bool,
}

/// A value as text, and where it was found.
pub(super) struct Found {
    /// The text.
    pub(super) text: String,
    /// Where it was found.
    pub(super) origin: Origin,
}

/// Variables that other parts of the program, or its tests, read for themselves.
pub(super) const NOT_KEYS: &[&str] = &["CONFIG", "LOG", "SAMPLES_DIR"];
const NOT_KEY_PREFIXES: &[&str] = &["TEST_", "SIM_"];

/// The environment: what nobody takes is unknown in the end.
pub(super) struct Environment<'a> {
    sources: &'a Sources<'a>,
    left: BTreeSet<String>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(sources: &'a Sources<'a>) -> Environment<'a> {
        let is_ours = |name: &&String| {
            name.strip_prefix(ENVIRONMENT_PREFIX).is_some_and(|rest| {
                !NOT_KEYS.contains(&rest) && !NOT_KEY_PREFIXES.iter().any(|prefix| rest.starts_with(prefix))
            })
        };
        Environment { sources, left: sources.names.iter().filter(is_ours).cloned().collect() }
    }

    /// The value of a variable that belongs to a key; from now on it is a known one.
    pub(super) fn take(&mut self, key: &str, name: &str) -> Result<Option<String>, ConfigError> {
        self.left.remove(name);
        (self.sources.lookup)(name).map(OsString::into_string).transpose().map_err(|_| {
            let fault = Fault::new("is not UTF-8", "give text in UTF-8");
            fault.without_value(key, Origin::Environment(name.into()))
        })
    }

    /// What was never taken.
    pub(super) fn left(&self) -> &BTreeSet<String> {
        &self.left
    }

    /// The value of that key, or of its `_FILE` variable.
    pub(super) fn find(&mut self, name: &str, spec: &KeySpec) -> Option<Result<Found, ConfigError>> {
        let variable = environment_name(name);
        let value = self.take(name, &variable);
        let path = if spec.secret { self.take(name, &format!("{variable}_FILE")) } else { Ok(None) };
        let (value, path) = match (value, path) {
            (Ok(value), Ok(path)) => (value, path.filter(|path| !path.is_empty())),
            (Err(error), _) | (_, Err(error)) => return Some(Err(error)),
        };
        match (value, path) {
            (Some(value), Some(_)) if !value.is_empty() => {
                let fault = Fault::new(
                    "is given both as a value and as a file",
                    format!("unset {variable} or {variable}_FILE"),
                );
                Some(Err(fault.without_value(name, Origin::Environment(variable.into()))))
            }
            (_, Some(path)) => Some(read_secret(self.sources, name, Path::new(&path))),
            (Some(text), None) => Some(Ok(Found { text, origin: Origin::Environment(variable.into()) })),
            (None, None) => None,
        }
    }
}

/// Reads a secret from its file; the line break that editors and `echo` leave at the end is no part of it.
pub(super) fn read_secret(sources: &Sources<'_>, key: &str, path: &Path) -> Result<Found, ConfigError> {
    let origin = Origin::SecretFile(path.into());
    let remedy = "name a readable file that holds the secret and nothing else";
    match (sources.read_file)(path) {
        Err(error) => Err(Fault::new(format!("the file cannot be read: {error}"), remedy).without_value(key, origin)),
        Ok(text) => match text.trim_end_matches(['\r', '\n']) {
            "" => Err(Fault::new("the file is empty", remedy).without_value(key, origin)),
            secret => Ok(Found { text: secret.to_owned(), origin }),
        },
    }
}

/// The file, flattened to `section.key`: what nobody takes is unknown in the end.
#[derive(Default)]
pub(super) struct Document {
    leaves: BTreeMap<String, Value>,
    channels: BTreeSet<String>,
}

impl Document {
    /// Reads TOML. The error says the line and never quotes it, since a password may stand there.
    pub(super) fn parse(text: &str) -> Result<Document, ConfigError> {
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let fault =
                Fault::new(format!("is not TOML: {}", error.message()), "correct that line, or quote its value");
            fault.without_value(format!("line {line}"), Origin::File)
        })?;
        let channels = table.get("channels").and_then(Value::as_table);
        let mut document = Document {
            channels: channels.map(|channels| channels.keys().cloned().collect()).unwrap_or_default(),
            leaves: BTreeMap::new(),
        };
        document.flatten("", table);
        Ok(document)
    }

    fn flatten(&mut self, parent: &str, table: toml::Table) {
        for (key, value) in table {
            let name = if parent.is_empty() { key } else { format!("{parent}.{key}") };
            match value {
                Value::Table(inner) if !inner.is_empty() => self.flatten(&name, inner),
                leaf => {
                    self.leaves.insert(name, leaf);
                }
            }
        }
    }

    /// The names under `[channels]`.
    pub(super) fn channels(&self) -> &BTreeSet<String> {
        &self.channels
    }

    /// A value; from now on it is a known one.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.leaves.remove(name)
    }

    /// All values below that key, by the rest of their names.
    pub(super) fn take_below(&mut self, name: &str) -> Vec<(String, Value)> {
        let prefix = format!("{name}.");
        let below: Vec<String> = self.leaves.keys().filter(|leaf| leaf.starts_with(&prefix)).cloned().collect();
        below.into_iter().filter_map(|leaf| Some((leaf[prefix.len()..].to_owned(), self.take(&leaf)?))).collect()
    }

    /// What was never taken. An empty section is nothing that could be wrong if its name is known.
    pub(super) fn left(&self, is_section: impl Fn(&str) -> bool) -> impl Iterator<Item = &str> {
        let is_unknown = move |(name, value): &(&String, &Value)| !(value.is_table() && is_section(name));
        self.leaves.iter().filter(is_unknown).map(|(name, _)| name.as_str())
    }

    /// The value of that key, or of its `_file` key.
    pub(super) fn find(
        &mut self,
        sources: &Sources<'_>,
        name: &str,
        spec: &KeySpec,
    ) -> Option<Result<Found, ConfigError>> {
        let value = self.take(name);
        let path = if spec.secret { self.take(&format!("{name}_file")) } else { None };
        match (value, path) {
            (Some(_), Some(_)) => {
                let fault =
                    Fault::new("is given both as a value and as a file", format!("leave out {name} or {name}_file"));
                Some(Err(fault.without_value(name, Origin::File)))
            }
            (None, Some(Value::String(path))) => Some(read_secret(sources, name, Path::new(&path))),
            (None, Some(_)) => {
                let fault = Fault::new("is not a path", "give the path of the file that holds the secret");
                Some(Err(fault.without_value(format!("{name}_file"), Origin::File)))
            }
            (Some(value), None) => Some(match value_text(&value, spec.kind) {
                Ok(text) => Ok(Found { text, origin: Origin::File }),
                Err(fault) => Err(fault.without_value(name, Origin::File)),
            }),
            (None, None) => None,
        }
    }
}

/// A value of the file as text: one parser then serves both sources.
pub(super) fn value_text(value: &Value, kind: Kind) -> Result<String, Fault> {
    match (value, kind) {
        (Value::String(text), _) => Ok(text.clone()),
        (Value::Integer(number), _) => Ok(number.to_string()),
        (Value::Float(number), _) => Ok(number.to_string()),
        (Value::Boolean(switch), _) => Ok(switch.to_string()),
        (Value::Datetime(time), _) => Ok(time.to_string()),
        (Value::Array(items), Kind::Brokers | Kind::Nodes) if items.iter().all(Value::is_str) => {
            Ok(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
        }
        (Value::Array(_), _) => Err(Fault::new("is a list", format!("give {}", kind.allowed()))),
        (Value::Table(_), _) => Err(Fault::new("is a table", format!("give {}", kind.allowed()))),
    }
}
