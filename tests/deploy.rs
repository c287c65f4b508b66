//! What is deployed beside the worker, and the pages, ask for metrics that exist, with labels that they have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sessiongate::admin::metrics::catalogue::{Family, Kind, families};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What Prometheus adds to every sample, and to buckets.
const ADDED: [&str; 3] = ["instance", "job", "le"];
/// What Prometheus knows of a target by itself.
const OWN: [&str; 1] = ["up"];
/// Words of the query language.
const WORDS: [&str; 10] = ["by", "without", "and", "or", "unless", "offset", "sum", "min", "max", "count"];

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn dashboard_queries() -> Vec<String> {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/dashboards/sessiongate.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let queries = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "a panel that asks for nothing: {}", panel["title"]);
        targets.iter().map(|target| target["expr"].as_str().unwrap().to_owned())
    });
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    let variables = variables.filter_map(|variable| variable["definition"].as_str().map(str::to_owned));
    queries.chain(variables).collect()
}

fn alert_queries() -> Vec<String> {
    let rules = read("deploy/prometheus/alerts.yml");
    let queries: Vec<String> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned).collect();
    assert_eq!(queries.len(), rules.matches("- alert: ").count(), "each alert has its query on one line");
    queries
}

/// The metrics that a query names, and the labels.
fn names_in(query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut metrics, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let (mut word, mut quoted, mut depth, mut grouping, mut after) = (String::new(), false, 0, false, String::new());
    for c in query.chars().chain([' ']) {
        if quoted {
            quoted = c != '"';
            continue;
        }
        if c.is_ascii_alphanumeric() || c == '_' || (c == '$' && word.is_empty()) {
            word.push(c);
            continue;
        }
        let is_name = word.starts_with(|c: char| c.is_ascii_alphabetic());
        match std::mem::take(&mut word) {
            name if is_name && (depth > 0 || grouping) => drop(labels.insert(name)),
            name if is_name && c != '(' && !WORDS.contains(&name.as_str()) => drop(metrics.insert(name)),
            name if is_name => after = name,
            _ => {}
        }
        match c {
            '"' => quoted = true,
            '{' => depth += 1,
            '}' => depth -= 1,
            // What follows `by` is a list of labels.
            '(' => grouping = std::mem::take(&mut after) == "by",
            ')' => grouping = false,
            _ => {}
        }
    }
    (metrics, labels)
}

fn family_of(metric: &str) -> Option<&'static Family> {
    families().iter().find(|family| match family.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].iter().any(|end| metric == format!("{}{end}", family.name)),
        Kind::Counter | Kind::Gauge => metric == family.name,
    })
}

/// What is wrong with a query.
fn faults(query: &str) -> Vec<String> {
    let (mut metrics, labels) = names_in(query);
    if let Some(asked) = query.strip_prefix("label_values(") {
        // Grafana's own: a metric and one of its labels.
        metrics = asked.split(',').take(1).map(str::to_owned).collect();
    }
    let mut faults = Vec::new();
    let mut known: BTreeSet<&str> = ADDED.into();
    for metric in metrics.iter().filter(|metric| !OWN.contains(&metric.as_str())) {
        match family_of(metric) {
            Some(family) => known.extend(family.labels),
            None => faults.push(format!("no such metric: {metric}")),
        }
    }
    faults
        .extend(labels.iter().filter(|label| !known.contains(label.as_str())).map(|it| format!("no such label: {it}")));
    if metrics.is_empty() {
        faults.push("it asks for nothing".to_owned());
    }
    faults
}

#[test]
fn dashboard_and_alerts_ask_for_metrics_and_labels_that_exist() {
    let queries = [dashboard_queries(), alert_queries()].concat();
    assert!(queries.len() > 40, "only {} queries were found", queries.len());
    let wrong: Vec<String> = queries
        .iter()
        .filter_map(|query| Some((query, faults(query))).filter(|(_, faults)| !faults.is_empty()))
        .map(|(query, faults)| format!("{query}: {}", faults.join(", ")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// `SESSIONGATE_TEST_PROMTOOL` names Prometheus's own tool, where it is.
#[test]
fn prometheus_takes_the_alert_rules_and_the_configuration() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let Ok(promtool) = std::env::var("SESSIONGATE_TEST_PROMTOOL") else {
        eprintln!("NOT tested: SESSIONGATE_TEST_PROMTOOL names no promtool");
        return;
    };
    for (what, file) in [("rules", "alerts.yml"), ("config", "prometheus.yml")] {
        let checked = Command::new(&promtool).args(["check", what]).arg(folder.join(file)).output().unwrap();
        let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(checked.status.success(), "{file}: {said}");
    }
}

/// The pages that may name a metric.
fn pages() -> Vec<(String, String)> {
    let mut pages = vec!["README.md".to_owned(), "deploy/kubernetes/README.md".to_owned()];
    let docs = fs::read_dir(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs")).unwrap();
    let names = docs.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    pages.extend(names.filter(|name| name.ends_with(".md")).map(|name| format!("docs/{name}")));
    pages
        .into_iter()
        .map(|path| {
            let text = read(&path);
            (path, text)
        })
        .collect()
}

/// The words of a text that look like a metric of ours.
fn metrics_named(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("sessiongate_") || word.starts_with("process_"))
}

#[test]
fn pages_name_metrics_that_exist() {
    let is_known = |name: &str| family_of(name).is_some() || families().iter().any(|family| family.name == name);
    let mut wrong = Vec::new();
    let mut queries = 0;
    for (path, text) in pages() {
        wrong.extend(metrics_named(&text).filter(|name| !is_known(name)).map(|name| format!("{path}: {name}")));
        for block in text.split("```promql\n").skip(1) {
            let (query, _) = block.split_once("```").expect("a block ends");
            wrong.extend(faults(query.trim()).into_iter().map(|fault| format!("{path}: {query}: {fault}")));
            queries += 1;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(queries > 0, "the runbook's queries are no longer written as they were");
}

#[test]
fn every_alert_leads_to_its_place_in_the_runbook() {
    let (runbook, rules) = (read("docs/operations.md"), read("deploy/prometheus/alerts.yml"));
    let alerts: BTreeSet<&str> =
        rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).map(str::trim).collect();
    let words = runbook.split(|c: char| !c.is_ascii_alphanumeric());
    let named: BTreeSet<&str> = words.filter(|word| word.len() > 11 && word.starts_with("Sessiongate")).collect();
    assert_eq!(named, alerts);
}

#[test]
fn every_metric_is_on_the_dashboard() {
    let asked: BTreeSet<&str> = dashboard_queries()
        .iter()
        .flat_map(|query| names_in(query).0)
        .filter_map(|metric| family_of(&metric).map(|family| family.name))
        .collect();
    let missing: Vec<&str> = families().iter().map(|family| family.name).filter(|name| !asked.contains(name)).collect();
    assert!(missing.is_empty(), "nobody looks at {missing:?}");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let right = [
        "sum by (le, stage) (rate(sessiongate_stage_duration_seconds_bucket{stage=\"x\"}[5m]))",
        "up{job=\"a\"} == 0",
        "label_values(sessiongate_build_info, instance)",
    ];
    for query in right {
        assert_eq!(faults(query), Vec::<String>::new(), "{query}");
    }
    for wrong in [
        "sessiongate_nothing",
        "sessiongate_stage_duration_seconds",
        "sum by (customer) (sessiongate_ready)",
        "sessiongate_ready{shard=\"0\"}",
        "label_values(sessiongate_nothing, instance)",
        "1 > 0",
    ] {
        assert!(!faults(wrong).is_empty(), "{wrong}");
    }
}
