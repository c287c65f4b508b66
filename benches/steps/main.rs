//! What the steps of a record cost by themselves: decoding, deciding, encoding.
//!
//! `cargo bench --bench steps` measures time. `make instructions` counts the processor's instructions under valgrind,
//! which come out the same whatever else the machine does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod work;

use criterion::{BatchSize, Criterion};
use std::process::Command;
use work::{STEPS, Work};

/// As in the worker.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How many records are counted.
const COUNTED: usize = 2_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["instructions", ..] => STEPS.iter().for_each(|step| println!("{step:<28}{:>8} instructions", count(step))),
        ["once", step] => {
            let mut work = Work::new(step);
            (0..COUNTED / work.records()).for_each(|_| work.run());
            for _ in 0..COUNTED / work.records() {
                work.prepare();
                measured(&mut work);
            }
        }
        _ => measure_time(),
    }
}

/// Only what happens in here is counted.
#[inline(never)]
fn measured(work: &mut Work) {
    work.perform();
}

fn measure_time() {
    let mut criterion = Criterion::default().configure_from_args();
    for step in STEPS {
        let mut work = Work::new(step);
        let mut group = criterion.benchmark_group(step);
        group.throughput(criterion::Throughput::Elements(work.records() as u64));
        let work = std::cell::RefCell::new(&mut work);
        group.bench_function("records", |bencher| {
            bencher.iter_batched(
                || work.borrow_mut().prepare(),
                |()| work.borrow_mut().perform(),
                BatchSize::PerIteration,
            );
        });
        group.finish();
    }
    criterion.final_summary();
}

/// The instructions that a record takes.
fn count(step: &str) -> usize {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=steps::measured"])
        .arg(std::env::current_exe().unwrap())
        .args(["once", step])
        .output()
        .expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find(|line| line.contains("Collected")).unwrap_or_else(|| panic!("{text}"));
    let total: usize = line.split(':').nth(1).and_then(|number| number.trim().parse().ok()).unwrap();
    total / COUNTED
}
