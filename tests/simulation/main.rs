//! The real engine and the real wire code over a fake log, store and clock, from one seed.
//!
//! `SESSIONGATE_SIM_SEEDS=10000` runs that many seeds; `SESSIONGATE_SIM_SEED=n` runs one and tells what it saw.

mod check;
mod driver;
mod log;
mod rng;
mod sabotage;
mod store;
mod world;

use driver::Simulation;
use world::{MUTANTS, Mutant};

/// Runs one seed; an error says which invariant does not hold.
fn run(seed: u64, mutant: Option<Mutant>) -> Result<(), String> {
    Simulation::new(seed, mutant).run()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn the_invariants_hold_under_every_fault() {
    if let Some(seed) = number("SESSIONGATE_SIM_SEED") {
        return run(seed, None).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let count = number("SESSIONGATE_SIM_SEEDS").unwrap_or(300);
    let fresh = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64 >> 8;
    let fixed = (0..count).chain((0..count / 4).map(|i| fresh.wrapping_add(i)));
    println!("{count} fixed seeds, {} fresh ones from {fresh}", count / 4);
    let failed =
        fixed.filter_map(|seed| run(seed, None).err().map(|error| format!("SESSIONGATE_SIM_SEED={seed}: {error}")));
    let failed: Vec<_> = failed.take(10).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn in_calm_weather_every_negative_is_proven() {
    for seed in 0..200 {
        Simulation::new(seed, None).run_calmly().unwrap_or_else(|error| panic!("calm seed {seed}: {error}"));
    }
}

#[test]
fn every_deliberate_mistake_is_caught_within_500_seeds() {
    for mutant in MUTANTS {
        let caught = (0..500).find_map(|seed| run(seed, Some(mutant)).err().map(|error| (seed, error)));
        let (seed, error) = caught.unwrap_or_else(|| panic!("{mutant:?} was not caught"));
        println!("{mutant:?} caught by seed {seed}: {error}");
    }
}
