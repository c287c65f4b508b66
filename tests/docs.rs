//! The pages say what the code does: what can be generated is, and what is written by hand is compared.
//!
//! `UPDATE_DOCS=1 cargo test --test docs` writes the generated parts anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sessiongate::admin::metrics::catalogue::{Family, families};
use sessiongate::config::{Fallback, KeySpec, Kind, Reserved, keys};
use sessiongate::core::policy::EVENT_KINDS;
use sessiongate::core::record::ReasonCode;
use sessiongate::core::verdict::{Basis, TemplateReason};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Keys whose effect is not what their purpose says, and what holds instead.
const NOTES: &[(&str, &str)] = &[];

#[test]
fn the_configuration_page_holds_every_key_as_the_code_has_it() {
    generated("docs/configuration.md", "keys", &configuration());
}

#[test]
fn the_metrics_page_holds_every_metric_as_the_code_has_it() {
    generated("docs/metrics.md", "metrics", &metrics());
}

#[test]
fn the_window_rules_say_of_every_kind_what_the_table_says() {
    let page = read("docs/window-rules.md");
    for kind in EVENT_KINDS {
        let row = row_of(&page, kind.name);
        let says = row.split('|').nth(3).map(str::trim);
        let expected = if kind.opens { "opens" } else { "no" };
        assert_eq!(says, Some(expected), "docs/window-rules.md, the row of `{}`", kind.name);
    }
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, EVENT_KINDS.len(), "docs/window-rules.md has another number of kinds than the table");
}

#[test]
fn every_code_of_a_contract_is_explained() {
    let reasons = ReasonCode::ALL.map(ReasonCode::as_str);
    for page in ["docs/contracts.md", "docs/errors.md"] {
        let text = read(page);
        reasons.iter().for_each(|code| assert!(text.contains(&format!("`{code}`")), "{page} lacks `{code}`"));
    }
    let templates = [
        TemplateReason::NoOpenWindow,
        TemplateReason::WindowClosing,
        TemplateReason::ProviderRefused,
        TemplateReason::TemplateRequested,
    ]
    .map(TemplateReason::as_str);
    let bases = [Basis::Complete, Basis::Timeout, Basis::Advisory].map(Basis::as_str);
    let contracts = read("docs/contracts.md");
    for code in templates.into_iter().chain(bases) {
        assert!(contracts.contains(&format!("`{code}`")), "docs/contracts.md lacks `{code}`");
    }
}

#[test]
fn every_header_of_a_dead_letter_is_on_the_contracts_page() {
    let page = read("docs/contracts.md");
    let source = read("src/wire/dead_letter.rs");
    let behind = |before: &'static str| source.split(before).skip(1).filter_map(|rest| rest.split('"').next());
    let names: Vec<&str> = behind(".with(\"").chain(behind("push((\"")).collect();
    assert!(names.len() > 15, "the headers are no longer written as they were");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/contracts.md lacks `{name}`");
    }
}

/// Messages are the first cell of their row, each in quotes; `...` stands for what differs from one time to another.
#[test]
fn every_message_on_the_errors_page_is_one_that_the_code_has() {
    let mut code = String::new();
    for path in files_below(&root().join("src"), "rs") {
        code.push_str(&one_line(&fs::read_to_string(path).unwrap()));
    }
    let page = read("docs/errors.md");
    let messages: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| \"")?.split("\" |").next()).collect();
    assert!(messages.len() > 20, "the messages are no longer written as they were");
    for message in messages {
        let pieces = message.split("\", \"").flat_map(|message| message.split("..."));
        for piece in pieces.map(str::trim).filter(|piece| !piece.is_empty()) {
            assert!(code.contains(piece), "docs/errors.md quotes what no code says: {piece}");
        }
    }
}

#[test]
fn every_page_is_on_the_readmes_list() {
    let readme = read("README.md");
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_linked = readme.contains(&format!("](docs/{name})"));
        assert!(is_linked || !name.ends_with(".md"), "README.md does not lead to docs/{name}");
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut pages = files_below(&root().join("docs"), "md");
    pages.extend(
        [
            "README.md",
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "CHANGELOG.md",
            "SECURITY.md",
            "deploy/kubernetes/README.md",
        ]
        .map(|page| root().join(page)),
    );
    let mut broken = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            let has_anchor = |anchor: &str| fs::read_to_string(&target).is_ok_and(|text| has_heading(&text, anchor));
            if !target.exists() || anchor.is_some_and(|anchor| !has_anchor(anchor)) {
                broken.push(format!("{}: {link}", page.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n  {}", broken.join("\n  "));
}

fn metrics() -> String {
    let mut page = String::from("\n| Metric | Type | Labels | Means |\n|---|---|---|---|\n");
    for Family { name, kind, labels, help } in families() {
        let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let help = help.replace('|', "\\|");
        writeln!(page, "| `{name}` | {} | {} | {help} |", kind.as_str(), labels.join(" ")).unwrap();
    }
    page
}

fn configuration() -> String {
    let mut page = String::new();
    let mut section = "";
    for key in keys() {
        let (name, _) = key.name.split_once('.').unwrap();
        if name != section {
            section = name;
            writeln!(page, "\n## {section}").unwrap();
        }
        describe(&mut page, key);
    }
    page
}

fn describe(page: &mut String, key: &KeySpec) {
    let fallback = match key.fallback {
        Fallback::Given(text) => format!("default `{text}`"),
        Fallback::Derived(words) => format!("default: {words}"),
        Fallback::Absent(words) => format!("not set: {words}"),
    };
    writeln!(page, "\n### {}\n", key.name).unwrap();
    writeln!(page, "`{}` · {} · {fallback}\n", key.environment_name(), key.kind.type_name()).unwrap();
    writeln!(page, "{}", key.doc).unwrap();
    writeln!(page, "\nAllowed: {}.", key.kind.allowed()).unwrap();
    if let Some(file_key) = key.file_key() {
        writeln!(page, "A secret, so it may stand in a file: `{file_key}` or `{}_FILE`.", key.environment_name())
            .unwrap();
    }
    if let Some((_, note)) = NOTES.iter().find(|(name, _)| *name == key.name) {
        writeln!(page, "\n**{note}**").unwrap();
    }
    if let Kind::Properties(reserved) = key.kind {
        refused(page, reserved);
    }
}

fn refused(page: &mut String, reserved: &[Reserved]) {
    writeln!(page, "\nRefused:\n").unwrap();
    for (property, why) in reserved {
        writeln!(page, "- `{property}`: {why}").unwrap();
    }
}

/// Compares what stands between the marks of that name with what should, or writes it there.
fn generated(page: &str, name: &str, expected: &str) {
    let (begin, end) = (format!("<!-- {name}: generated -->\n"), format!("\n<!-- {name}: end -->"));
    let text = read(page);
    let (before, rest) = text.split_once(&begin).expect("the page has a mark where the generated part begins");
    let (found, after) = rest.split_once(&end).expect("the page has a mark where the generated part ends");
    if found == expected {
        return;
    }
    if std::env::var_os("UPDATE_DOCS").is_some_and(|value| value == "1") {
        fs::write(root().join(page), [before, &begin, expected, &end, after].concat()).unwrap();
        return;
    }
    let line = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    panic!("{page} is not as the code has it (UPDATE_DOCS=1 cargo test --test docs writes it anew): {line:?}");
}

fn row_of<'a>(page: &'a str, name: &str) -> &'a str {
    let start = format!("| `{name}` |");
    page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("there is no row of `{name}`"))
}

/// The targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// Whether a heading has that anchor, as GitHub makes them.
fn has_heading(text: &str, anchor: &str) -> bool {
    let slug = |heading: &str| {
        let kept = heading.trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect::<String>()
    };
    text.lines().filter(|line| line.starts_with('#')).any(|line| slug(line.trim_start_matches('#')) == anchor)
}

/// Source with the line breaks inside its literals taken out.
fn one_line(source: &str) -> String {
    let mut joined = String::new();
    for line in source.lines() {
        match line.strip_suffix('\\') {
            Some(line) => joined.push_str(if joined.ends_with('\n') { line } else { line.trim_start() }),
            None if joined.ends_with('\n') || joined.is_empty() => joined.extend([line, "\n"]),
            None => joined.extend([line.trim_start(), "\n"]),
        }
    }
    joined
}

fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|found| found == extension) => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

fn read(page: &str) -> String {
    fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
