//! The rules of the tree that no compiler checks: what the pure folders may import, how long a file or a function may
//! be, where unsafe code lives, and what must not be left lying about.
//!
//! A needle that this file would find in itself is put together with `concat!`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "tidy/source.rs"]
mod source;

use source::{code_of, functions_of, imports_of, lines_of_tests, mentions, without_imports, without_tests};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MAX_FILE_LINES: usize = 400;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_ARCHITECTURE_LINES: usize = 150;

/// Folders whose code is a function of its arguments: no clock, I/O, async, logging, metrics or randomness.
const PURE_FOLDERS: [&str; 2] = ["src/core/", "src/shard/engine/"];

/// Whatever a pure folder must not name: effects first, then the rooms that have them.
const IMPURE: &[&str] = &[
    "std::time::Instant",
    "std::time::SystemTime",
    "Instant::now",
    "SystemTime",
    "Utc::now",
    "Local::now",
    "std::fs",
    "std::net",
    "std::io",
    "std::thread",
    "std::env",
    "std::process",
    "tokio",
    "async fn",
    "async move",
    ".await",
    "tracing",
    "tracing_subscriber",
    "log::",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
    "rand::",
    "getrandom",
    "fastrand",
    "rdkafka",
    "rdkafka_sys",
    "redis::",
    "libc",
    "crate::admin",
    "crate::app",
    "crate::cli",
    "crate::config",
    "crate::contract",
    "crate::demo",
    "crate::io",
    "crate::job_thread",
    "crate::replay",
    "crate::telemetry",
    "crate::wire",
];

/// What lies above the engine in its own room, and what turns bytes into values.
const SHELL: &[&str] = &[
    "serde_json",
    "crate::shard::ahead",
    "crate::shard::codec",
    "crate::shard::hands",
    "crate::shard::merging",
    "crate::shard::metered",
    "crate::shard::runner",
    "crate::shard::tally",
    "crate::shard::teller",
    "crate::shard::tracer",
];

/// Maps whose iteration order differs from run to run. `hashbrown` with a hasher of its own is fine; its `new` and
/// `with_capacity` exist for the random one only.
const RANDOMLY_ORDERED: &[&str] = &[
    "RandomState",
    "DefaultHashBuilder",
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::collections::hash_map",
    "std::collections::hash_set",
    "HashMap::new(",
    "HashSet::new(",
    "HashMap::with_capacity(",
    "HashSet::with_capacity(",
];

/// Where unsafe code may live: a file, or a folder with its slash. The floor of the benchmark is librdkafka with nothing
/// around it.
const UNSAFE_ALLOWED: &[&str] =
    &["src/allocator.rs", "src/io/kafka/sys/", "benches/comparison/floor.rs", "benches/comparison/floor/"];

/// The announced entries of the top folder.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".dockerignore",
    ".editorconfig",
    ".git",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "benches",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "docker-compose.yml",
    "docs",
    "examples",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "schemas",
    "scripts",
    "src",
    "target",
    "tests",
];

#[test]
fn the_core_and_the_engine_know_no_clock_io_logging_or_randomness() {
    let mut found = Vec::new();
    for (path, text) in rust_files(&PURE_FOLDERS) {
        found.extend(impurities(&path, &text));
    }
    // Both may stand as a single file before they grow into a folder.
    for path in ["src/core.rs", "src/shard/engine.rs"] {
        if let Some(text) = read(path) {
            found.extend(impurities(path, &text));
        }
    }
    assert_none("a pure folder reaches outside; hand the value in as an argument, or return it as an effect", &found);
}

#[test]
fn the_scanner_catches_whatever_is_planted() {
    let planted = [
        "use std::time::{Duration, Instant};",
        "use std::{collections::{BTreeMap, HashMap}, fmt};",
        "let now = std::time::SystemTime::now();",
        "let at = chrono::Utc::now();",
        "store.read(key).await",
        "pub async fn decide() {}",
        "    tracing::warn!(\"lost\");",
        "use tracing;",
        "println!(\"here\");",
        "use crate::{core::window, io::kafka};",
        "use super::super::super::wire::decode;",
        "use crate::wire as format;",
        "let mut lanes = HashMap::new();",
        "let bytes = getrandom::fill(&mut seed);",
        "/* a comment */ std::thread::yield_now(); // another",
        "let quote = '\"'; std::fs::read(path);",
        "let raw = r#\"a \" quote\"#; std::env::var(name);",
    ];
    for line in planted {
        assert!(!impurities("src/shard/engine/decide.rs", line).is_empty(), "not caught: {line}");
    }
    let harmless = [
        "use std::time::Duration;",
        "use std::collections::{BTreeMap, VecDeque};",
        "//! Never std::fs, never tokio.",
        "/* std::fs /* nested */ tokio */ let lane = 1;",
        "let text = \"std::env \\\" println!\";",
        "fn first<'a>(text: &'a str) -> &'a str { text } // std::io",
        "use crate::core::{log::Position, operand::Operand};",
        "let windows: HashMap<Key, Window, FixedHasher> = HashMap::default();",
        "use super::super::core::window;",
        "#[cfg(test)]\nmod tests {\n    use std::collections::HashMap;\n}",
        "#[cfg(test)]\nuse std::collections::HashMap;",
    ];
    for line in harmless {
        assert_eq!(impurities("src/shard/engine/decide.rs", line), Vec::<String>::new(), "caught: {line}");
    }
    let after_the_tests = "#[cfg(test)]\nmod tests;\n\nuse std::fs;";
    assert_eq!(impurities("src/core/window.rs", after_the_tests), ["src/core/window.rs:4: std::fs"]);
}

#[test]
fn a_file_holds_one_idea() {
    let mut found = Vec::new();
    for (path, text) in rust_files(&["src/"]).into_iter().filter(|(path, _)| !is_test_file(path)) {
        let lines = lines_outside_tests(&text);
        if lines > MAX_FILE_LINES {
            found.push(format!("{path}: {lines} lines of code outside its tests"));
        }
    }
    assert_none(
        &format!("a file has more than {MAX_FILE_LINES} lines; give its second idea a room of its own"),
        &found,
    );
}

#[test]
fn a_function_holds_one_idea() {
    let mut found = Vec::new();
    for (path, text) in rust_files(&["src/"]).into_iter().filter(|(path, _)| !is_test_file(path)) {
        for function in long_functions(&text) {
            found.push(format!("{path}:{function}"));
        }
    }
    let rule = format!("a function has more than {MAX_FUNCTION_LINES} lines; give its second idea a name of its own");
    assert_none(&rule, &found);
}

#[test]
fn the_ruler_measures_what_is_planted() {
    let body = "    work(\"}\");\n";
    let longest =
        format!("pub fn fits<T>() -> [u8; 2]\nwhere\n    T: Fn(),\n{{\n{}}}\n", body.repeat(MAX_FUNCTION_LINES - 5));
    assert_eq!(long_functions(&longest), Vec::<String>::new());
    let too_long = longest.replace("    T: Fn(),\n", "    T: Fn(),\n    T: Send,\n");
    assert_eq!(long_functions(&too_long), ["1: fits has 71 lines"]);
    let in_tests = format!("#[cfg(test)]\nmod tests {{\n{too_long}}}\n");
    assert_eq!(long_functions(&in_tests), Vec::<String>::new());
    let behind_tests = format!("#[cfg(test)]\nmod support;\n{too_long}");
    assert_eq!(long_functions(&behind_tests), ["3: fits has 71 lines"]);
    assert_eq!(lines_outside_tests("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n"), 2);
    assert_eq!(lines_outside_tests("#[cfg(test)]\nmod support;\n\nfn a() {}\n"), 2);
}

#[test]
fn unsafe_code_lives_where_it_is_announced() {
    let mut found = Vec::new();
    for (path, text) in rust_files(&["src/", "tests/", "benches/", "examples/"]) {
        let is_allowed = UNSAFE_ALLOWED
            .iter()
            .any(|allowed| path == *allowed || (allowed.ends_with('/') && path.starts_with(allowed)));
        if !is_allowed {
            found.extend(lines_with(&path, &code_of(&text), &["unsafe", "unsafe_code"]));
        }
    }
    assert_none("unsafe code outside its rooms", &found);
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let needles = [
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("#[ig", "nore"),
    ];
    let mut found = Vec::new();
    for (path, text) in rust_files(&["src/", "tests/", "benches/"]) {
        found.extend(lines_with(&path, &text, &needles));
    }
    assert_none("something is unfinished, or a test does not run", &found);
}

#[test]
fn a_test_waits_for_what_it_expects_and_never_sleeps() {
    let needles = ["std::thread::sleep", "thread::sleep", "tokio::time::sleep", "time::sleep"];
    let mut found = Vec::new();
    for (path, text) in rust_files(&["tests/"]).into_iter().filter(|(path, _)| !path.starts_with("tests/it/support/")) {
        let code = code_of(&text);
        found.extend(lines_with(&path, &code, &needles));
        let sleeps = imports_of(&code).into_iter().filter(|(_, import)| needles.contains(&import.as_str()));
        found.extend(sleeps.map(|(line, import)| format!("{path}:{line}: {import}")));
    }
    assert_none("a test sleeps", &found);
}

#[test]
fn the_tree_names_no_path_of_a_machine() {
    let needles = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
        concat!("/Us", "ers/"),
        concat!("/tmp/", "wt"),
        concat!("sha", "red/"),
    ];
    let mut found = Vec::new();
    for path in project_files().into_iter().filter(|path| path != ".ci/run") {
        // What is not text names nothing that a person reads.
        let Some(text) = read(&path) else { continue };
        for (number, line) in text.lines().enumerate() {
            if needles.iter().any(|needle| names_a_path(line, needle)) {
                found.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert_none("a path that exists on one machine only", &found);
}

#[test]
fn the_top_folder_holds_only_what_is_announced() {
    let mut unknown: Vec<String> = project_files()
        .iter()
        .map(|path| path.split('/').next().unwrap_or(path).to_owned())
        .filter(|entry| !TOP_LEVEL.contains(&entry.as_str()))
        .collect();
    unknown.dedup();
    assert_none(
        "an entry of the top folder that nobody announced; add it to TOP_LEVEL when it belongs there",
        &unknown,
    );
}

#[test]
fn the_architecture_is_read_in_one_sitting() {
    let lines = read("ARCHITECTURE.md").map_or(0, |text| text.lines().count());
    assert!(lines <= MAX_ARCHITECTURE_LINES, "ARCHITECTURE.md has {lines} lines, at most {MAX_ARCHITECTURE_LINES}");
}

/// Every place where the code of a pure file names an effect, or a map without a fixed order.
fn impurities(path: &str, text: &str) -> Vec<String> {
    let code = without_tests(&code_of(text));
    // `core` lies below everything; the engine may use what lies in its own room.
    let above: &[&str] = if path.starts_with("src/core") { &["crate::shard", "crate::ports"] } else { SHELL };
    let needles = [IMPURE, RANDOMLY_ORDERED, above].concat();
    let mut found = lines_with(path, &without_imports(&code), &needles);
    for (line, import) in imports_of(&code) {
        let import = from_the_root(path, &import);
        // `use tracing;` and `use log;` name the crate without the colons that a path through it has.
        let as_path = format!("{import}::");
        for needle in needles.iter().filter(|needle| mentions(&import, needle) || as_path == **needle) {
            found.push(format!("{path}:{line}: {needle}"));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// An import that climbs with `super` as a path from `crate`, seen from the module of the file.
fn from_the_root(path: &str, import: &str) -> String {
    let file = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let mut module: Vec<&str> = file.split('/').collect();
    let mut rest = import;
    while let Some(above) = rest.strip_prefix("super::") {
        module.pop();
        rest = above;
    }
    if rest.len() == import.len() {
        return import.to_owned();
    }
    ["crate"].into_iter().chain(module).chain([rest]).collect::<Vec<_>>().join("::")
}

fn lines_with(path: &str, text: &str, needles: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for needle in needles.iter().filter(|needle| mentions(line, needle)) {
            found.push(format!("{path}:{}: {needle}", number + 1));
        }
    }
    found
}

fn lines_outside_tests(text: &str) -> usize {
    text.trim_end().lines().count() - lines_of_tests(&code_of(text))
}

fn long_functions(text: &str) -> Vec<String> {
    functions_of(&without_tests(&code_of(text)))
        .into_iter()
        .filter(|function| function.lines > MAX_FUNCTION_LINES)
        .map(|function| format!("{}: {} has {} lines", function.line, function.name, function.lines))
        .collect()
}

/// Unit tests that stand in a file or folder of their own.
fn is_test_file(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Whether the line names an absolute path: the needle does not continue a longer, relative one.
fn names_a_path(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c)))
}

/// The Rust files below these folders, with their text; a folder that is not there has nothing to say.
fn rust_files(folders: &[&str]) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for folder in folders {
        walk(&root().join(folder), &mut paths);
    }
    paths.retain(|path| path.ends_with(".rs"));
    paths.into_iter().filter_map(|path| read(&path).map(|text| (path, text))).collect()
}

/// What belongs to the project: the files that git tracks, or everything when there is no git to ask.
fn project_files() -> Vec<String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let tracked = listed.ok().filter(|output| output.status.success()).map(|output| output.stdout).unwrap_or_default();
    if tracked.is_empty() {
        let mut paths = Vec::new();
        walk(&root(), &mut paths);
        return paths;
    }
    let tracked = String::from_utf8_lossy(&tracked).into_owned();
    tracked.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
}

fn walk(folder: &Path, paths: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "target" && name != ".git" {
            walk(&path, paths);
        } else if path.is_file() {
            paths.push(path.strip_prefix(root()).unwrap().to_str().expect("a path in UTF-8").to_owned());
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn assert_none(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}
