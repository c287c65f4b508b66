//! The Python of the tests, and what its programs said.

use super::command::Said;
use super::variable;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether this machine is allowed to have none: said so, and told at the end of `make test`.
pub fn is_waived() -> bool {
    let waived = std::env::var("SESSIONGATE_TEST_WITHOUT_PYTHON").is_ok_and(|value| value == "1");
    if waived {
        eprintln!("NOT tested: there is no Python here, and SESSIONGATE_TEST_WITHOUT_PYTHON=1 is set");
    }
    waived
}

/// A program with the packages of `tests/python/requirements.txt`.
pub fn python(program: &Path) -> Command {
    let mut command = Command::new(variable("SESSIONGATE_TEST_PYTHON"));
    command.arg(program).env("PYTHONDONTWRITEBYTECODE", "1").stdin(Stdio::null());
    command
}

/// Runs it to its end; standard output and standard error one after the other.
pub fn run(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    Said { code: output.status.code(), text }
}

/// A file of the project.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
