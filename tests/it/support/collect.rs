//! Outputs as lines of JSON, for programs that are not ours: validators, and readers with generated types.

use super::site::{DEAD, EVENT, SEND, Seen, TEMPLATE};
use serde_json::json;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Names a folder that takes every output that a test reads.
const FOLDER: &str = "SESSIONGATE_TEST_OUTPUTS";

/// Takes the records of one topic as they are read.
pub struct Collector {
    topic: String,
    file: Option<BufWriter<File>>,
}

impl Collector {
    /// For a topic of a site, where somebody asks for outputs. A topic that is read again replaces what was collected.
    pub fn of(prefix: &str, topic: &str) -> Collector {
        let folder = std::env::var_os(FOLDER).filter(|_| [SEND, TEMPLATE, EVENT, DEAD].contains(&topic));
        let path = folder.map(|folder| PathBuf::from(folder).join(format!("{prefix}{topic}.ndjson")));
        let file = path.map(|path| BufWriter::new(File::create(path).unwrap()));
        Collector { topic: topic.to_owned(), file }
    }

    pub fn take(&mut self, seen: &Seen) {
        if let Some(file) = &mut self.file {
            file.write_all(line(&self.topic, seen).as_bytes()).unwrap();
        }
    }
}

/// Writes outputs to a file.
pub fn write_lines<'a>(path: &Path, seen: impl IntoIterator<Item = (&'a str, &'a Seen)>) {
    let lines: String = seen.into_iter().map(|(topic, seen)| line(topic, seen)).collect();
    fs::write(path, lines).unwrap();
}

fn line(topic: &str, seen: &Seen) -> String {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let headers: Vec<_> = seen.headers.iter().map(|(name, value)| json!([name, hex(value)])).collect();
    let value = seen.value.as_deref().map(String::from_utf8_lossy);
    format!("{}\n", json!({ "topic": topic, "value": value, "headers": headers }))
}
