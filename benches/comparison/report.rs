//! One table for people, and the page that is made of it.

use crate::Plan;
use crate::contender::{Contender, Pace, USUAL_INTERVAL};
use crate::drain::{Counts, Drained};
use crate::latency::{Row, median};
use crate::machine;
use std::fmt::Write;

/// Everything that was measured.
pub struct Report {
    plan: String,
    pub drains: Vec<(Contender, Vec<Drained>)>,
    pub latencies: Vec<(u64, Vec<(Contender, Row)>)>,
}

impl Report {
    pub fn new(plan: &Plan) -> Report {
        let plan = format!(
            "A backlog of {} records (half inbound, half intents, 250 to 350 bytes, {} customers, 4 partitions), and live \
             traffic for {} s each, after some that does not count; every contender {} times, in turns.",
            plan.events,
            plan.events / 40,
            plan.time.as_secs(),
            plan.rounds
        );
        Report { plan, drains: Vec::new(), latencies: Vec::new() }
    }

    pub fn print_and_write(&self) {
        let page = self.page();
        println!("{page}");
        let path = crate::text("BENCH_REPORT").unwrap_or_else(|| "docs/benchmarks.md".to_owned());
        std::fs::write(&path, &page).unwrap();
        println!("written to {path}");
    }

    fn page(&self) -> String {
        let mut page = String::new();
        page.push_str("# Benchmarks\n\nWritten by `make bench`; not edited by hand.\n\n");
        writeln!(
            page,
            "- Machine: {}; it also hosts the broker, Redis, the load and the readers.",
            machine::description()
        )
        .unwrap();
        writeln!(page, "- {}", self.plan).unwrap();
        page.push_str(
            "- The floor is a bare passthrough on librdkafka with the same topics: it drops every inbound record and \
             copies every intent, in transactions, with no JSON and no Redis. Where it \"writes verdicts\", each copy has as many \
             bytes and headers as a verdict: what the contract costs whoever writes it with librdkafka.\n",
        );
        if !self.drains.is_empty() {
            self.drain_table(&mut page);
        }
        for (rate, rows) in &self.latencies {
            latency_table(&mut page, *rate, rows);
        }
        page
    }

    fn drain_table(&self, page: &mut String) {
        page.push_str(
            "\n## A backlog\n\nMedians, with the smallest and the largest rate in parentheses; from the first commit to \
             the last. CPU is per event, in microseconds.\n\n\
             | | events/s | of the floor's, fixed | of the floor's, growing | of that which writes verdicts | CPU | CPU Kafka | CPU Redis | peak MB |\n\
             |---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        );
        let rate = |rounds: &[Drained]| median(rounds.iter().map(|round| round.events_a_second));
        let floor = |floor| {
            let found = self.drains.iter().find(|(contender, _)| *contender == floor);
            found.map_or(f64::NAN, |(_, rounds)| rate(rounds))
        };
        for (contender, rounds) in &self.drains {
            let of = |pick: fn(&Drained) -> f64| median(rounds.iter().map(pick));
            let rates = rounds.iter().map(|round| round.events_a_second / 1000.0);
            writeln!(
                page,
                "| {contender} | {:.0} k ({:.0}-{:.0}) | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} |",
                rate(rounds) / 1000.0,
                rates.clone().fold(f64::INFINITY, f64::min),
                rates.fold(0.0, f64::max),
                rate(rounds) / floor(Contender::Floor(Pace::Fixed)),
                rate(rounds) / floor(Contender::Floor(Pace::Growing)),
                rate(rounds) / floor(Contender::FloorOfVerdicts),
                of(|round| round.worker_us),
                of(|round| round.kafka_us),
                of(|round| round.redis_us),
                of(|round| round.peak_mb),
            )
            .unwrap();
        }
        page.push_str(
            "\nWhat came out, all rounds together, held against what was written:\n\n\
             | | verdicts | lost | duplicate | false | without proof | dead letters |\n|---|---:|---:|---:|---:|---:|---:|\n",
        );
        for (contender, rounds) in &self.drains {
            let sum = |pick: fn(&Counts) -> u64| rounds.iter().map(|round| pick(&round.counts)).sum::<u64>();
            writeln!(
                page,
                "| {contender} | {} | {} | {} | {} | {} | {} |",
                sum(|counts| counts.verdicts),
                sum(|counts| counts.lost),
                sum(|counts| counts.duplicate),
                sum(|counts| counts.wrong),
                sum(|counts| counts.without_proof),
                sum(|counts| counts.dead_letters),
            )
            .unwrap();
        }
    }
}

fn latency_table(page: &mut String, rate: u64, rows: &[(Contender, Row)]) {
    write!(
        page,
        "\n## From intent to verdict at {rate} records a second\n\nAs a read_committed consumer sees it, in \
         milliseconds; the floor copies both kinds alike. \"Of the floor's\" is p99 beside that of the floor with the same \
         commit interval ({USUAL_INTERVAL} ms, unless it is told).\n\n\
         | | open p50 | p99 | p99.9 | of the floor's | closed p50 | p99 | p99.9 | of the floor's | p99 of all, \
         smallest-largest | lost | duplicate | false | without proof |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n"
    )
    .unwrap();
    for (contender, row) in rows {
        let Row { positives: open, negatives: closed, spread, lost, duplicate, wrong, without_proof } = row;
        let floor = rows.iter().find(|(other, _)| *other == contender.live_floor()).map(|(_, row)| row);
        let of_open = open[1] / floor.map_or(f64::NAN, |floor| floor.positives[1]);
        let of_closed = closed[1] / floor.map_or(f64::NAN, |floor| floor.negatives[1]);
        writeln!(
            page,
            "| {contender} | {:.1} | {:.1} | {:.1} | {of_open:.2} | {:.1} | {:.1} | {:.1} | {of_closed:.2} | {:.1}-{:.1} \
             | {lost} | {duplicate} | {wrong} | {without_proof} |",
            open[0], open[1], open[2], closed[0], closed[1], closed[2], spread[0], spread[1],
        )
        .unwrap();
    }
}
