//! Reads keys one by one, and remembers what was wrong and what is in effect.

use super::Entry;
use super::error::{ConfigError, ConfigErrors, Fault, Origin, Warning};
use super::keys::{ENVIRONMENT_PREFIX, Fallback, KeySpec, Kind, environment_name, keys};
use super::properties::{
    GIVE_PAIRS, Properties, file_property, is_property, is_property_name, read_items, shown_property, shown_wrong,
};
use super::reserved::{Reserved, reserved_reason};
use super::secret::{HIDDEN, redact_url, shown};
use super::sources::{Document, Environment, Found, NOT_KEYS, Sources, read_secret, value_text};
use super::value::FromText;
use crate::core::ids::Channel;
use crate::core::policy::{EVENT_KINDS, row_of};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The value of one name of a table.
struct Given {
    value: String,
    origin: Origin,
    /// Its number in a list of `k=v`, counted from 1; a table has none.
    item: Option<usize>,
}

/// Names with their values.
type Pairs = BTreeMap<String, Given>;

/// Reads keys one by one.
pub(super) struct Reader<'a> {
    pub(super) sources: &'a Sources<'a>,
    pub(super) errors: ConfigErrors,
    /// Whether the file could be read as TOML; if not, what it would have set is unknown.
    pub(super) file_is_whole: bool,
    environment: Environment<'a>,
    document: Document,
    entries: Vec<Entry>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sources: &'a Sources<'a>) -> Reader<'a> {
        let mut errors = ConfigErrors::default();
        let document = sources.file.map_or_else(|| Ok(Document::default()), Document::parse);
        let file_is_whole = document.is_ok();
        let document = document.unwrap_or_else(|error| {
            errors.0.push(error);
            Document::default()
        });
        let environment = Environment::new(sources);
        Reader { sources, errors, file_is_whole, environment, document, entries: Vec::new() }
    }

    /// A key that always has a value. A wrong one is noted, and something else stands in for it.
    pub(super) fn required<T: FromText>(&mut self, spec: &KeySpec) -> T {
        self.optional(spec.name, spec).unwrap_or_else(T::placeholder)
    }

    /// A key that may be without a value: not set, or set to nothing.
    pub(super) fn optional<T: FromText>(&mut self, name: &str, spec: &KeySpec) -> Option<T> {
        let given = match spec.fallback {
            Fallback::Given(text) => Some(text),
            Fallback::Derived(_) | Fallback::Absent(_) => None,
        };
        let found = self.find(name, spec)?;
        let found = match (found, given) {
            (Some(found), None) if found.text.is_empty() => {
                self.record_absent(name, spec, found.origin);
                return None;
            }
            (Some(found), _) => found,
            (None, Some(text)) => Found { text: text.to_owned(), origin: Origin::Default },
            (None, None) => {
                self.record_absent(name, spec, Origin::Default);
                return None;
            }
        };
        match T::from_text(&found.text, &spec.kind) {
            Ok(value) => {
                self.record(name, shown_value(spec, &found.text), found.origin);
                Some(value)
            }
            Err(fault) => {
                self.errors.0.push(fault.of(name, found.origin, &found.text, spec.secret));
                None
            }
        }
    }

    /// The environment's value or else the file's; `None` when what is there was noted as wrong.
    fn find(&mut self, name: &str, spec: &KeySpec) -> Option<Option<Found>> {
        // The file's value is taken in any case: overruled is not unknown.
        let file = self.document.find(self.sources, name, spec);
        match self.environment.find(name, spec).or(file).transpose() {
            Ok(found) => Some(found),
            Err(error) => {
                self.errors.0.push(error);
                None
            }
        }
    }

    /// Notes the value of a key that was derived from something else.
    pub(super) fn record(&mut self, name: &str, value: impl Into<String>, origin: Origin) {
        self.entries.push(Entry { key: name.to_owned(), value: value.into(), origin });
    }

    /// What is derived is noted by whoever derives it.
    fn record_absent(&mut self, name: &str, spec: &KeySpec, origin: Origin) {
        if let Fallback::Absent(_) = spec.fallback {
            self.record(name, "", origin);
        }
    }

    /// The value of a key in effect, as it may be shown.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// Notes that a value is wrong together with others.
    pub(super) fn fault(&mut self, name: &str, fault: Fault) {
        let error = match self.entry(name) {
            Some(entry) => {
                ConfigError { value: Some(shown(&entry.value)), ..fault.without_value(name, entry.origin.clone()) }
            }
            None => fault.without_value(name, Origin::Default),
        };
        self.errors.0.push(error);
    }

    /// librdkafka properties, without those that are reserved.
    pub(super) fn properties(&mut self, spec: &KeySpec, reserved: &'static [Reserved]) -> Properties {
        let pairs = self.pairs(spec.name, spec.kind);
        let mut table = BTreeMap::new();
        for (name, given) in &pairs {
            match self.property(spec.name, name, given, reserved, &pairs) {
                Ok((name, value)) => {
                    let shown = shown_property(&name, &value);
                    self.record(&format!("{}.{name}", spec.name), shown, given.origin.clone());
                    table.insert(name, value);
                }
                Err(error) => self.errors.0.push(error),
            }
        }
        Properties::new(table)
    }

    fn property(
        &self,
        section: &str,
        name: &str,
        Given { value, origin, item }: &Given,
        reserved: &'static [Reserved],
        all: &Pairs,
    ) -> Result<(String, String), ConfigError> {
        let key = format!("{section}.{name}");
        if let Some(why) = reserved_reason(reserved, name) {
            let error =
                Fault::new(format!("is not yours to set: {why}"), "leave it out").without_value(key, origin.clone());
            return Err(ConfigError { value: Some(shown_wrong(name, value)), ..error });
        }
        let in_file = file_property(name);
        if !is_property(in_file.unwrap_or(name)) {
            return Err(no_property(section, name, *item, origin));
        }
        match in_file {
            None => Ok((name.to_owned(), value.clone())),
            Some(property) if all.contains_key(property) => {
                let fault = Fault::new("is given both as a value and as a file", "leave one of them out");
                Err(fault.without_value(key, origin.clone()))
            }
            Some(property) => {
                read_secret(self.sources, &key, Path::new(value)).map(|found| (property.to_owned(), found.text))
            }
        }
    }

    /// Kinds of events with their switches.
    pub(super) fn kinds(&mut self, name: &str, spec: &KeySpec) -> BTreeMap<String, bool> {
        let mut switches = BTreeMap::new();
        for (kind, Given { value, origin, .. }) in self.pairs(name, spec.kind) {
            let key = format!("{name}.{kind}");
            if row_of(&kind).is_none() {
                let kinds: Vec<&str> = EVENT_KINDS.iter().map(|kind| kind.name).collect();
                let fault = Fault::new("is no known kind of event", format!("take one of {}", kinds.join(", ")));
                self.errors.0.push(fault.of(key, origin, &value, false));
                continue;
            }
            match bool::from_text(&value, &spec.kind) {
                Ok(true) if !row_of(&kind).is_some_and(|row| row.is_switch) => {
                    let fault = Fault::new("never opens a window: it is nothing that a customer does", "leave it out");
                    self.errors.0.push(fault.of(key, origin, &value, false));
                }
                Ok(opens) => {
                    self.record(&key, opens.to_string(), origin);
                    switches.insert(kind, opens);
                }
                Err(fault) => self.errors.0.push(fault.of(key, origin, &value, false)),
            }
        }
        switches
    }

    /// Businesses with their accounts.
    pub(super) fn accounts(&mut self, spec: &KeySpec) -> BTreeMap<String, String> {
        let mut accounts = BTreeMap::new();
        for (business, Given { value: account, origin, .. }) in self.pairs(spec.name, spec.kind) {
            let key = format!("{}.{business}", spec.name);
            let is_id = |text: &str| (1..=256).contains(&text.len()) && text.chars().all(|c| !c.is_whitespace());
            if !is_id(&business) || business.contains(':') || !is_id(&account) {
                let fault = Fault::new("is not an id", "give business = account, both without spaces");
                self.errors.0.push(fault.of(key, origin, &account, false));
                continue;
            }
            self.record(&key, &account, origin);
            accounts.insert(business, account);
        }
        accounts
    }

    /// A table, or the same as `k=v,k=v`; the environment's over the file's, name by name.
    fn pairs(&mut self, name: &str, kind: Kind) -> Pairs {
        let mut pairs = Pairs::new();
        for (key, value) in self.document.take_below(name) {
            match value_text(&value, Kind::Text) {
                Ok(value) => {
                    pairs.insert(key, Given { value, origin: Origin::File, item: None });
                }
                Err(fault) => self.errors.0.push(fault.without_value(format!("{name}.{key}"), Origin::File)),
            }
        }
        match self.document.take(name) {
            None => {}
            Some(toml::Value::Table(_)) => {}
            Some(toml::Value::String(text)) => self.add_pairs(&mut pairs, name, &text, Origin::File),
            Some(_) => {
                let fault = Fault::new("is not a table", format!("give {}", kind.allowed()));
                self.errors.0.push(fault.without_value(name, Origin::File));
            }
        }
        let variable = environment_name(name);
        match self.environment.take(name, &variable) {
            Ok(None) => {}
            Ok(Some(text)) => self.add_pairs(&mut pairs, name, &text, Origin::Environment(variable.into())),
            Err(error) => self.errors.0.push(error),
        }
        pairs
    }

    fn add_pairs(&mut self, pairs: &mut Pairs, name: &str, text: &str, origin: Origin) {
        match read_items(text) {
            Ok(read) => pairs.extend(
                read.into_iter()
                    .map(|(item, (key, value))| (key, Given { value, origin: origin.clone(), item: Some(item) })),
            ),
            Err(fault) => self.errors.0.push(fault.of(name, origin, text, true)),
        }
    }

    /// The channels that the file or the environment names.
    pub(super) fn channel_names(&self) -> BTreeSet<String> {
        let mut names = self.document.channels().clone();
        names.insert(Channel::DEFAULT.to_owned());
        let known: BTreeSet<String> = names.iter().map(|name| environment_name(name)).collect();
        let prefix = environment_name("channels.");
        for variable in self.environment.left() {
            let Some(rest) = variable.strip_prefix(&prefix) else { continue };
            let name = ["_LENGTH", "_GUARD", "_OPENS"].iter().find_map(|suffix| rest.strip_suffix(suffix));
            if let Some(name) = name.filter(|name| !name.is_empty() && !known.contains(&environment_name(name))) {
                names.insert(name.to_ascii_lowercase());
            }
        }
        names
    }

    /// Everything that nobody took: an error in the file, a warning in the environment.
    pub(super) fn finish(mut self) -> (ConfigErrors, Vec<Entry>, Vec<Warning>) {
        let candidates = self.known_names();
        let channels = self.document.channels();
        let is_section = |name: &str| {
            let is_channel = name.strip_prefix("channels.").is_some_and(|channel| channels.contains(channel));
            is_channel || keys().iter().any(|key| key.name.starts_with(&format!("{name}.")))
        };
        let unknown = self.document.left(is_section).map(|name| {
            let remedy = match nearest(name, &candidates) {
                Some(nearest) => format!("did you mean {nearest}?"),
                None => "leave it out".to_owned(),
            };
            Fault::new("is not a key", remedy).without_value(name, Origin::File)
        });
        self.errors.0.extend(unknown);
        let not_keys = NOT_KEYS.iter().map(|rest| format!("{ENVIRONMENT_PREFIX}{rest}"));
        let variables: Vec<String> = candidates.iter().map(|key| environment_name(key)).chain(not_keys).collect();
        let warn = |name: &String| Warning { name: name.clone(), nearest: nearest(name, &variables) };
        let warnings = self.environment.left().iter().map(warn).collect();
        (self.errors, self.entries, warnings)
    }

    /// All keys with the channels' real names, for the question what may have been meant.
    fn known_names(&self) -> Vec<String> {
        let channels = self.channel_names();
        let of_channels = |name: &str| -> Vec<String> {
            if name.contains("NAME") {
                channels.iter().map(|channel| name.replace("NAME", channel)).collect()
            } else {
                vec![name.to_owned()]
            }
        };
        keys().iter().flat_map(|key| of_channels(key.name).into_iter().chain(key.file_key())).collect()
    }
}

/// A name that librdkafka does not have. From the second item of a list on it may be the rest of a password with a comma in
/// it, and stays unsaid; so does one that is no name at all.
fn no_property(section: &str, name: &str, item: Option<usize>, origin: &Origin) -> ConfigError {
    let (key, fault) = match item {
        Some(item) if item > 1 => (
            section.to_owned(),
            Fault::new(format!("item {item} of the list is no property of librdkafka"), GIVE_PAIRS),
        ),
        _ if !is_property_name(name) => {
            let remedy = "write properties as librdkafka does, and \\, for a comma";
            (section.to_owned(), Fault::new("holds a name that no property has", remedy))
        }
        _ => {
            let remedy = "correct the name, or leave it out";
            (format!("{section}.{name}"), Fault::new("librdkafka has no such property", remedy))
        }
    };
    fault.without_value(key, origin.clone())
}

fn shown_value(spec: &KeySpec, text: &str) -> String {
    match spec.kind {
        Kind::RedisUrl => redact_url(text),
        _ if spec.secret => HIDDEN.to_owned(),
        _ => text.to_owned(),
    }
}

/// The name most like a wrong one: the same word in another section, or a few letters away.
fn nearest(name: &str, candidates: &[String]) -> Option<String> {
    let word = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let in_other_section = |candidate: &&String| !name.starts_with(ENVIRONMENT_PREFIX) && word(candidate) == word(name);
    let distance = |candidate: &&String| strsim::osa_distance(name, candidate);
    let close = candidates.iter().min_by_key(distance).filter(|candidate| distance(candidate) <= 3);
    // What more is said of it than there is to say: SESSIONGATE_LOG_LEVEL.
    let is_longer = |candidate: &&String| name.starts_with(candidate.as_str());
    close.or_else(|| candidates.iter().find(in_other_section)).or_else(|| candidates.iter().find(is_longer)).cloned()
}
