//! The commands that end by themselves, and what they said.

use super::site::Site;
use super::worker::ended_within;
use std::fs::File;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a command left behind.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    /// Standard output and standard error, one after the other.
    pub text: String,
}

impl Said {
    pub fn assert_contains(&self, parts: &[&str]) {
        for part in parts {
            assert!(
                self.text.contains(part),
                "{part:?} is not in what was said (code {:?}):\n{}",
                self.code,
                self.text
            );
        }
    }
}

/// Runs a `sessiongate` command in this site, with further settings as for a worker.
pub fn command(site: &Site, arguments: &[&str], settings: &[(&str, &str)]) -> Said {
    let folder = tempfile::tempdir().unwrap();
    let (output, errors) = (folder.path().join("output"), folder.path().join("errors"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessiongate"));
    command.args(arguments).envs(site.environment()).env("SESSIONGATE_LOG", "warn").current_dir(folder.path());
    for (name, value) in settings {
        command.env(format!("SESSIONGATE_{name}"), value);
    }
    command.stdin(Stdio::null()).stdout(File::create(&output).unwrap()).stderr(File::create(&errors).unwrap());
    let mut child = command.spawn().unwrap();
    let status = ended_within(&mut child, Duration::from_secs(60));
    let text = [output, errors].map(|path| std::fs::read_to_string(path).unwrap()).concat();
    Said { code: status.code(), text }
}

/// A port of this machine where nobody listens.
pub fn unused_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}
