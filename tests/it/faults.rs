//! What breaks in the field, broken under traffic: every intent still gets one verdict, and no verdict is wrong.

mod broker;
mod cluster;
mod scale;
mod sentinel;
mod store;
mod story;
mod workers;

use crate::support::live::{Finding, Live};
use crate::support::site::Site;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

/// With so many seconds of traffic a fault, rounds are long and dense, and the fault comes back again and again.
const CHAOS_SECONDS: &str = "SESSIONGATE_TEST_CHAOS_SECONDS";
/// A file that takes a line for each fault.
const CHAOS_TABLE: &str = "SESSIONGATE_TEST_CHAOS_TABLE";

/// How dense the traffic is, and how often the fault comes.
#[derive(Clone, Copy)]
struct Pace {
    each_per_second: u32,
    times: u32,
    before: Duration,
    after: Duration,
    /// How long what falls silent stays so.
    silence: Duration,
}

impl Pace {
    fn from_environment() -> Pace {
        match std::env::var(CHAOS_SECONDS) {
            Err(_) => Pace {
                each_per_second: 500,
                times: 1,
                before: Duration::from_secs(2),
                after: Duration::from_secs(3),
                silence: Duration::from_secs(3),
            },
            Ok(seconds) => {
                let seconds: u32 = seconds.parse().expect("a number of seconds");
                let times = (seconds / 10).max(1);
                let each = Duration::from_secs(seconds.into()) / times;
                Pace {
                    each_per_second: 1_000,
                    times,
                    before: each / 3,
                    after: each - each / 3,
                    silence: Duration::from_secs(6),
                }
            }
        }
    }
}

/// One fault under traffic.
struct Round<'a> {
    fault: &'static str,
    site: &'a Site,
    pace: Pace,
    at_least_once: bool,
}

impl<'a> Round<'a> {
    fn new(fault: &'static str, site: &'a Site) -> Round<'a> {
        Round { fault, site, pace: Pace::from_environment(), at_least_once: false }
    }

    /// Makes the fault happen while the traffic goes on, and sees that nothing came out wrong. Gives what it came to.
    fn run(&self, mut fault: impl FnMut(&Live<'_>, Pace)) -> Finding {
        let live = Live::start(self.site, self.pace.each_per_second);
        live.wait_until_settled();
        for _ in 0..self.pace.times {
            live.go_on_for(self.pace.before);
            fault(&live, self.pace);
            live.go_on_for(self.pace.after);
            live.wait_for_a_new_verdict();
        }
        let finding = live.finish(self.at_least_once);
        println!("{}: {finding}", self.fault);
        self.write_row(&finding);
        assert!(finding.is_right(), "{}: {finding}", self.fault);
        finding
    }

    fn write_row(&self, finding: &Finding) {
        let Ok(path) = std::env::var(CHAOS_TABLE) else { return };
        let Finding { outcome, waits, wrong_windows } = finding;
        let counts = [
            outcome.verdicts,
            outcome.lost,
            outcome.duplicate,
            outcome.false_closed,
            outcome.timed_out,
            outcome.false_open,
            outcome.dead,
            *wrong_windows,
        ];
        let counts = counts.map(|count| count.to_string()).join("\t");
        let (negative, positive) = (waits.negative.as_millis(), waits.positive.as_millis());
        let row = format!("{}\t{counts}\t{negative}\t{positive}\n", self.fault);
        let mut table = OpenOptions::new().append(true).create(true).open(path).unwrap();
        table.write_all(row.as_bytes()).unwrap();
    }
}
