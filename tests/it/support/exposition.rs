//! A strict reader of Prometheus's text format: whatever it would not take to the letter fails the test.

use std::collections::{BTreeMap, BTreeSet};

/// A family of metrics.
#[derive(Default, Debug)]
struct Family {
    kind: String,
    has_help: bool,
}

/// A page of metrics.
#[derive(Default, Debug)]
pub struct Exposition {
    families: BTreeMap<String, Family>,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Exposition {
    pub fn parse(text: &str) -> Exposition {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut page = Exposition::default();
        let mut current = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# ") {
                let (what, rest) = rest.split_once(' ').expect(line);
                let (name, rest) = rest.split_once(' ').expect(line);
                let family = page.families.entry(name.to_owned()).or_default();
                match what {
                    "HELP" => {
                        assert!(!std::mem::replace(&mut family.has_help, true), "help twice: {line}");
                        current = name.to_owned();
                    }
                    "TYPE" => {
                        assert!(["counter", "gauge", "histogram"].contains(&rest), "{line}");
                        assert!(family.kind.is_empty() && current == name, "type twice or apart: {line}");
                        family.kind = rest.to_owned();
                    }
                    _ => panic!("not a comment that is known: {line}"),
                }
            } else {
                page.take_sample(&current, line);
            }
        }
        page.check_histograms();
        page
    }

    fn take_sample(&mut self, current: &str, line: &str) {
        let (name, labels, value) = sample(line);
        let family = self.families.get(current).unwrap_or_else(|| panic!("no family: {line}"));
        let suffix = name.strip_prefix(current).unwrap_or_else(|| panic!("among {current}: {line}"));
        let suffixes: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        assert!(suffixes.contains(&suffix), "{} {line}", family.kind);
        assert_eq!(suffix == "_bucket", labels.contains_key("le"), "{line}");
        assert!(family.kind == "gauge" || value >= 0.0, "{line}");
        let before = self.samples.insert((name, labels), value);
        assert!(before.is_none(), "twice: {line}");
    }

    /// Buckets ascend, and the last of them holds all.
    fn check_histograms(&self) {
        for name in self.families.iter().filter(|(_, family)| family.kind == "histogram").map(|(name, _)| name) {
            let mut buckets: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
            for ((sample, labels), count) in &self.samples {
                if *sample == format!("{name}_bucket") {
                    let mut labels = labels.clone();
                    let bound = labels.remove("le").unwrap();
                    let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                    buckets.entry(labels).or_default().push((bound, *count));
                }
            }
            for (labels, mut buckets) in buckets {
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{name} {labels:?}: {buckets:?}");
                let (bound, all) = *buckets.last().unwrap();
                assert_eq!((bound, Some(&all)), (f64::INFINITY, self.samples.get(&(format!("{name}_count"), labels))));
            }
        }
    }

    pub fn families(&self) -> BTreeSet<&str> {
        self.families.keys().map(String::as_str).collect()
    }

    /// The sum of all samples of that name that carry these labels, whatever other ones.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let carries = |of: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| of.get(*label).is_some_and(|found| found == value))
        };
        let found = self.samples.iter().filter(|((sample, of), _)| sample == name && carries(of));
        found.map(|(_, value)| *value).sum()
    }

    pub fn labels(&self, name: &str) -> impl Iterator<Item = &BTreeMap<String, String>> {
        self.samples.keys().filter(move |(sample, _)| sample == name).map(|(_, labels)| labels)
    }
}

/// `name{label="value",...} value`.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let is_name = |name: &str| {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !name.is_empty() && name.chars().all(letters) && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let (name, mut rest) = line.split_at(line.find(['{', ' ']).expect(line));
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (value, after) = quoted(after);
            assert!(labels.insert(label.to_owned(), value).is_none(), "a label twice: {line}");
            match after.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = after.strip_prefix('}').expect(line);
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').expect(line);
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("not a number: {line}")))
}

/// The value up to its closing quote, and what follows it.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((place, character)) = chars.next() {
        match character {
            '"' => return (value, &text[place + 1..]),
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some(escaped @ ('\\' | '"')) => value.push(escaped),
                other => panic!("an escape that is none: {other:?} in {text}"),
            },
            other => value.push(other),
        }
    }
    panic!("a value without its end: {text}");
}

#[test]
fn the_reader_refuses_what_prometheus_would() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\\\"d\"} 1\n";
    assert_eq!(Exposition::parse(good).sum("a_total", &[("b", "c\"d")]), 1.0);
    for bad in [
        "a_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1",
        "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 2\n",
        "# HELP a_total A.\n# TYPE a_total counter\nb_total 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total{b=c} 1\n",
        "# HELP a_total A.\n# TYPE a_total counter\na_total one\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n",
    ] {
        assert!(std::panic::catch_unwind(|| Exposition::parse(bad)).is_err(), "taken: {bad}");
    }
}
