//! The configuration from texts alone: no test reads or sets the process's environment.

mod loading;
mod secrets;
mod telemetry;
mod wrong;

use super::{Config, ConfigErrors, Sources, Warning};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

/// What a load is made of.
#[derive(Clone, Default)]
struct Given {
    file: Option<String>,
    environment: BTreeMap<String, OsString>,
    files: BTreeMap<String, String>,
    allow_short_guard: bool,
}

impl Given {
    fn file(self, text: &str) -> Given {
        Given { file: Some(text.to_owned()), ..self }
    }

    /// A variable, without the prefix.
    fn variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Given {
        self.environment.insert(format!("SESSIONGATE_{name}"), value.as_ref().to_owned());
        self
    }

    /// The variable of a key.
    fn key(mut self, key: &str, value: &str) -> Given {
        self.environment.insert(super::keys::environment_name(key), value.into());
        self
    }

    fn secret_file(mut self, path: &str, text: &str) -> Given {
        self.files.insert(path.to_owned(), text.to_owned());
        self
    }

    /// A certificate and its key, for the keys that name such files.
    fn pem_files(self) -> Given {
        let made = rcgen::generate_simple_self_signed(["redis".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let given = self.secret_file("/run/ca.pem", &certificate);
        given.secret_file("/run/certificate.pem", &certificate).secret_file("/run/key.pem", &key)
    }

    fn load(&self) -> Result<(Config, Vec<Warning>), ConfigErrors> {
        Config::load(&Sources {
            file: self.file.as_deref(),
            names: self.environment.keys().cloned().collect(),
            lookup: &|name| self.environment.get(name).cloned(),
            read_file: &|path: &Path| {
                let text = path.to_str().and_then(|path| self.files.get(path));
                text.cloned().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
            },
            cores: 3,
            allow_short_guard: self.allow_short_guard,
        })
    }

    fn config(&self) -> Config {
        self.load().unwrap_or_else(|errors| panic!("{errors}")).0
    }

    fn errors(&self) -> ConfigErrors {
        match self.load() {
            Ok(_) => panic!("accepted: {:?} {:?}", self.file, self.environment),
            Err(errors) => errors,
        }
    }
}
