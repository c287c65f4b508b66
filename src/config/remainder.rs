//! What is left of a configuration once everything wrong is taken out: enough to look at the world outside, so that
//! one `check` tells both.

use super::error::{ConfigErrors, Origin};
use super::process::{DEFAULT_FILE, sources};
use super::{Config, Warning};
use std::collections::BTreeSet;
use std::path::Path;
use toml::{Table, Value};

/// The configuration without the values that these errors are about, and what else is odd in it; defaults stand in for
/// them. None when even that does not hold together.
pub fn without(file: Option<&Path>, errors: &ConfigErrors) -> Option<(Config, Vec<Warning>)> {
    let text = std::fs::read_to_string(file.unwrap_or(Path::new(DEFAULT_FILE))).ok();
    let table = text.and_then(|text| text.parse::<Table>().ok()).map(|mut table| {
        for error in errors.0.iter().filter(|error| error.origin == Origin::File) {
            remove(&mut table, &error.key);
        }
        table.to_string()
    });
    let wrong: BTreeSet<&str> = errors
        .0
        .iter()
        .filter_map(|error| match &error.origin {
            Origin::Environment(name) => Some(name.as_ref()),
            Origin::Default | Origin::File | Origin::SecretFile(_) => None,
        })
        .collect();
    let lookup = |name: &str| if wrong.contains(name) { None } else { std::env::var_os(name) };
    Config::load(&sources(table.as_deref(), &lookup)).ok()
}

fn remove(table: &mut Table, key: &str) {
    // The name of a property has dots of its own when it is quoted.
    if table.remove(key).is_some() {
        return;
    }
    if let Some((section, rest)) = key.split_once('.')
        && let Some(Value::Table(inner)) = table.get_mut(section)
    {
        remove(inner, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_key_is_taken_out_and_the_rest_stays() {
        let mut table: Table =
            "[kafka]\nbrokers = 'a:1'\nbroker = 'x'\n[kafka.consumer]\n'b.ad' = 'y'".parse().unwrap();
        remove(&mut table, "kafka.broker");
        remove(&mut table, "kafka.consumer.b.ad");
        remove(&mut table, "nothing.there");
        assert_eq!(table.to_string(), "[kafka]\nbrokers = \"a:1\"\n\n[kafka.consumer]\n");
    }
}
