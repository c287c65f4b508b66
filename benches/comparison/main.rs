//! The worker beside the floor, which is what reading and writing the log costs by itself.
//!
//! `make bench` starts Kafka and Redis, runs it and writes docs/benchmarks.md; `make bench-quick` is a short look. The
//! `BENCH_` variables below change what is measured.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contender;
mod drain;
mod floor;
mod growth;
mod latency;
mod machine;
mod report;
mod site;
mod traffic;
mod windows;

use contender::{Contender, LONG_INTERVAL, Pace, USUAL_INTERVAL, Work};
use drain::{Drained, Shape};
use latency::{Latencies, Row};
use report::Report;
use site::Services;
use std::time::Duration;

/// As in the worker: the benchmark makes records on one thread, and librdkafka frees them on another.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is measured, and for how long.
pub struct Plan {
    /// `BENCH_EVENTS`: preloaded for a drain, half inbound and half intents.
    events: u64,
    /// `BENCH_ROUNDS`: how often each contender has its turn.
    rounds: usize,
    /// `BENCH_SECONDS`: for each latency.
    time: Duration,
    /// `BENCH_RATES`: records a second, half inbound and half intents.
    rates: Vec<u64>,
    /// `BENCH_ONLY`: `drain` or `latency`; or `growth`, which writes a page of its own.
    only: Option<String>,
    /// `BENCH_CONTENDER`: those with this text in their names; of growth, such lines.
    contender: String,
}

impl Plan {
    /// Those who are asked for, with nothing measured yet.
    fn rows<T>(&self, contenders: &[Contender]) -> Vec<(Contender, Vec<T>)> {
        let wanted = contenders.iter().filter(|contender| contender.to_string().contains(&self.contender));
        wanted.map(|contender| (*contender, Vec::new())).collect()
    }
}

fn text(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

fn number(name: &str, default: u64) -> u64 {
    text(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}

fn plan() -> Plan {
    let rates = text("BENCH_RATES").unwrap_or_else(|| "2000,10000".to_owned());
    Plan {
        events: number("BENCH_EVENTS", 8_000_000),
        rounds: number("BENCH_ROUNDS", 3) as usize,
        time: Duration::from_secs(number("BENCH_SECONDS", 10)),
        rates: rates.split(',').map(|rate| rate.parse().unwrap()).collect(),
        only: text("BENCH_ONLY"),
        contender: text("BENCH_CONTENDER").unwrap_or_default(),
    }
}

fn main() {
    // The floor is a process of its own, so that what it costs can be told from what the load costs.
    if std::env::args().nth(1).as_deref() == Some("floor") {
        contender::be_the_floor();
    }
    let (plan, services) = (plan(), Services::of_the_environment());
    if plan.only.as_deref() == Some("growth") {
        return growth::measure(&services, number("BENCH_EVENTS", 2_000_000), &plan.contender);
    }
    let mut report = Report::new(&plan);
    if plan.only.as_deref() != Some("latency") {
        report.drains = drains(&plan, &services);
    }
    if plan.only.as_deref() != Some("drain") {
        report.latencies = latencies(&plan, &services);
    }
    report.print_and_write();
}

fn drains(plan: &Plan, services: &Services) -> Vec<(Contender, Vec<Drained>)> {
    eprintln!("preloading {} records", plan.events);
    let inputs = drain::preload(services, Shape::of(plan.events));
    let contenders = [
        Contender::Floor(Pace::Fixed),
        Contender::Floor(Pace::Growing),
        Contender::FloorOfVerdicts,
        Contender::Worker(Work::EXACTLY_ONCE),
        Contender::Worker(Work::AT_LEAST_ONCE),
    ];
    let mut rows = plan.rows::<Drained>(&contenders);
    for _ in 0..plan.rounds {
        for (contender, drained) in &mut rows {
            let one = drain::run(services, &inputs, *contender);
            eprintln!("{contender:<34} {one}");
            drained.push(one);
        }
    }
    inputs.delete(services);
    rows
}

fn latencies(plan: &Plan, services: &Services) -> Vec<(u64, Vec<(Contender, Row)>)> {
    let contenders = [
        Contender::Floor(Pace::Live(USUAL_INTERVAL)),
        Contender::Worker(Work::EXACTLY_ONCE),
        Contender::Worker(Work::AT_LEAST_ONCE),
        Contender::Worker(Work::EXACTLY_ONCE.co_partitioned()),
        Contender::Worker(Work::AT_LEAST_ONCE.co_partitioned()),
        Contender::Floor(Pace::Live(LONG_INTERVAL)),
        Contender::Worker(Work::EXACTLY_ONCE.commits_every(LONG_INTERVAL)),
    ];
    let mut all = Vec::new();
    // A broker that has just started compiles its code for a minute, which takes more than one of two cores: a round of all
    // that does not count.
    for contender in contenders {
        let one = latency::run(services, contender, 2_000, Duration::from_secs(5));
        eprintln!("2000/s {contender:<34} {one}, which does not count");
    }
    for rate in &plan.rates {
        let mut rows = plan.rows::<Latencies>(&contenders);
        for _ in 0..plan.rounds {
            for (contender, measured) in &mut rows {
                let one = latency::run(services, *contender, *rate, plan.time);
                eprintln!("{rate}/s {contender:<34} {one}");
                measured.push(one);
            }
        }
        all.push((*rate, rows.into_iter().map(|(contender, rounds)| (contender, Row::of(rounds))).collect()));
    }
    all
}
