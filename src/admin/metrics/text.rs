//! The text format that Prometheus reads (version 0.0.4).

use super::catalogue::{Family, Kind};
use crate::shard::meter::HistogramReading;
use std::fmt::{Display, Write};

/// What a scrape answers with.
pub(in crate::admin) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics. Writing to memory cannot fail, so that results of `write!` say nothing.
#[derive(Default)]
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Begins a family; its samples follow.
    pub(super) fn family(&mut self, family: &'static Family) -> Series<'_> {
        let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(self.text, "# HELP {} {help}", family.name);
        let _ = writeln!(self.text, "# TYPE {} {}", family.name, family.kind.as_str());
        Series { page: self, family }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

/// The samples of one family.
pub(super) struct Series<'a> {
    page: &'a mut Page,
    family: &'static Family,
}

impl Series<'_> {
    /// One sample; the values of the labels in their order.
    pub(super) fn sample(&mut self, labels: &[&str], value: impl Display) -> &mut Self {
        debug_assert!(self.family.kind != Kind::Histogram);
        self.write("", labels, None, value);
        self
    }

    /// One histogram, whose values are in so many parts of the base unit.
    pub(super) fn histogram(&mut self, labels: &[&str], reading: &HistogramReading, parts: u64) -> &mut Self {
        debug_assert!(self.family.kind == Kind::Histogram);
        let in_units = |value: u64| value as f64 / parts as f64;
        let mut count = 0;
        for (place, more) in reading.counts.iter().enumerate() {
            count += more;
            let bound = reading.bounds.get(place).map_or("+Inf".to_owned(), |bound| in_units(*bound).to_string());
            self.write("_bucket", labels, Some(&bound), count);
        }
        self.write("_sum", labels, None, in_units(reading.sum));
        self.write("_count", labels, None, count);
        self
    }

    fn write(&mut self, suffix: &str, labels: &[&str], bound: Option<&str>, value: impl Display) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        let text = &mut self.page.text;
        text.push_str(self.family.name);
        text.push_str(suffix);
        let pairs = self.family.labels.iter().copied().zip(labels.iter().copied()).chain(bound.map(|it| ("le", it)));
        let mut separator = '{';
        for (label, value) in pairs {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(text, "{separator}{label}=\"{value}\"");
            separator = ',';
        }
        if separator == ',' {
            text.push('}');
        }
        let _ = writeln!(text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static COUNTED: Family =
        Family { name: "counted_total", kind: Kind::Counter, labels: &["what"], help: "Counts \\ things." };
    static TIMED: Family =
        Family { name: "timed_seconds", kind: Kind::Histogram, labels: &["what"], help: "Times things." };
    static PLAIN: Family = Family { name: "plain", kind: Kind::Gauge, labels: &[], help: "A number." };

    #[test]
    fn a_page_is_written_to_the_letter() {
        let mut page = Page::default();
        page.family(&COUNTED).sample(&["a"], 3).sample(&["q\"b\\c\nd"], 4);
        page.family(&PLAIN).sample(&[], 0.25);
        let reading = HistogramReading { bounds: &[1_500, 2_000_000], counts: vec![1, 0, 2], sum: 7_000_500 };
        page.family(&TIMED).histogram(&["x"], &reading, 1_000_000);
        let expected = r#"# HELP counted_total Counts \\ things.
# TYPE counted_total counter
counted_total{what="a"} 3
counted_total{what="q\"b\\c\nd"} 4
# HELP plain A number.
# TYPE plain gauge
plain 0.25
# HELP timed_seconds Times things.
# TYPE timed_seconds histogram
timed_seconds_bucket{what="x",le="0.0015"} 1
timed_seconds_bucket{what="x",le="2"} 1
timed_seconds_bucket{what="x",le="+Inf"} 3
timed_seconds_sum{what="x"} 7.0005
timed_seconds_count{what="x"} 3
"#;
        assert_eq!(page.into_text(), expected);
    }
}
