//! The configuration of this process: the real environment, the real files.

use super::error::{ConfigErrors, Fault, Origin};
use super::{Config, Sources, Warning};
use std::ffi::OsString;
use std::io;
use std::num::NonZero;
use std::path::Path;

/// The configuration file that is read when it is there and none is named.
pub const DEFAULT_FILE: &str = "sessiongate.toml";

/// Reads that file (or the default one, if it is there) and the environment.
pub fn load(file: Option<&Path>) -> Result<(Config, Vec<Warning>), ConfigErrors> {
    let text = read_file(file)?;
    Config::load(&sources(text.as_deref(), &|name| std::env::var_os(name)))
}

/// That text and this process's environment, as `lookup` shows it.
pub(super) fn sources<'a>(file: Option<&'a str>, lookup: &'a dyn Fn(&str) -> Option<OsString>) -> Sources<'a> {
    Sources {
        file,
        names: std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect(),
        lookup,
        read_file: &|path| std::fs::read_to_string(path),
        cores: std::thread::available_parallelism().map_or(1, NonZero::get),
        allow_short_guard: false,
    }
}

fn read_file(named: Option<&Path>) -> Result<Option<String>, ConfigErrors> {
    match std::fs::read_to_string(named.unwrap_or(Path::new(DEFAULT_FILE))) {
        Ok(text) => Ok(Some(text)),
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let path = named.unwrap_or(Path::new(DEFAULT_FILE)).display().to_string();
            let fault = Fault::new(format!("cannot be read: {error}"), "name a readable TOML file with --config");
            Err(ConfigErrors(vec![fault.without_value(path, Origin::File)]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_file_that_is_not_there_is_an_error_and_no_default_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let errors = load(Some(&folder.path().join("other.toml"))).unwrap_err();
        assert_eq!(errors.0.len(), 1);
        assert!(errors.0[0].key.ends_with("other.toml") && errors.0[0].remedy.contains("--config"), "{errors}");
    }
}
