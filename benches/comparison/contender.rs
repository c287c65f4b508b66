//! Who is measured: the floor and the worker, each as a process of its own.

use crate::floor::{self, Cadence, Writes};
use crate::site::{PARTITIONS, Services};
use std::fmt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How the floor commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Every 50 ms or 10,000 records.
    Fixed,
    /// Each transaction grows while the one before it is committed.
    Growing,
    /// As the worker does in live traffic: after so many milliseconds, and growing.
    Live(u64),
}

/// The worker's `worker.commit_interval` in milliseconds, unless it is told otherwise.
pub const USUAL_INTERVAL: u64 = 10;
/// One that asks less of the brokers.
pub const LONG_INTERVAL: u64 = 50;
/// The most records that the worker puts into one transaction.
const MOST_RECORDS: usize = 50_000;

impl Pace {
    fn cadence(self) -> Cadence {
        match self {
            Pace::Fixed => Cadence::Fixed { interval: Duration::from_millis(50), records: 10_000 },
            Pace::Growing => Cadence::Growing { interval: Duration::from_millis(2), records: MOST_RECORDS },
            Pace::Live(ms) => Cadence::Growing { interval: Duration::from_millis(ms), records: MOST_RECORDS },
        }
    }

    /// As the process that is the floor is told it.
    fn argument(self) -> String {
        match self {
            Pace::Fixed => "fixed".to_owned(),
            Pace::Growing => "growing".to_owned(),
            Pace::Live(ms) => ms.to_string(),
        }
    }

    fn of_argument(argument: &str) -> Pace {
        match argument {
            "fixed" => Pace::Fixed,
            "growing" => Pace::Growing,
            ms => Pace::Live(ms.parse().unwrap()),
        }
    }
}

/// Who is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contender {
    Floor(Pace),
    /// The floor with growing transactions, which writes as much as the worker does.
    FloorOfVerdicts,
    /// The worker.
    Worker(Work),
}

/// How a worker is configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Work {
    guarantee: &'static str,
    partitioning: &'static str,
    interval: u64,
}

impl Work {
    /// As it is unless it is told otherwise.
    pub const EXACTLY_ONCE: Work = Work { guarantee: "exactly-once", partitioning: "any", interval: USUAL_INTERVAL };
    pub const AT_LEAST_ONCE: Work = Work { guarantee: "at-least-once", ..Work::EXACTLY_ONCE };

    /// Told that a customer's inbound records and intents share a partition number, as those of the load do.
    pub const fn co_partitioned(self) -> Work {
        Work { partitioning: "co-partitioned", ..self }
    }

    /// With another `worker.commit_interval`.
    pub const fn commits_every(self, interval: u64) -> Work {
        Work { interval, ..self }
    }
}

impl Contender {
    /// The floor that a contender in live traffic is held against: that with the same commit interval.
    pub fn live_floor(self) -> Contender {
        match self {
            Contender::Floor(_) | Contender::FloorOfVerdicts => self,
            Contender::Worker(work) => Contender::Floor(Pace::Live(work.interval)),
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Contender::Floor(Pace::Fixed) => "floor, every 50 ms or 10,000".to_owned(),
            Contender::Floor(Pace::Growing) => "floor, growing transactions".to_owned(),
            Contender::FloorOfVerdicts => "floor, growing, writes verdicts".to_owned(),
            Contender::Floor(Pace::Live(ms)) => format!("floor, every {ms} ms"),
            Contender::Worker(Work { guarantee, partitioning, interval }) => {
                let mut name = format!("worker, {guarantee}");
                if *partitioning != "any" {
                    name = format!("{name}, {partitioning}");
                }
                if *interval != USUAL_INTERVAL {
                    name = format!("{name}, every {interval} ms");
                }
                name
            }
        })
    }
}

/// The names that a run uses, and what it runs on.
#[derive(Clone, Debug)]
pub struct Names {
    /// Of everything that belongs to this run alone.
    pub prefix: String,
    pub inbound: String,
    pub intents: String,
    /// Of each input.
    pub partitions: i32,
    /// Of the worker, unless it decides itself.
    pub shards: Option<u32>,
}

impl Names {
    pub fn group(&self) -> String {
        format!("{}group", self.prefix)
    }

    pub fn session_send(&self) -> String {
        format!("{}session-send", self.prefix)
    }

    pub fn template_required(&self) -> String {
        format!("{}template-required", self.prefix)
    }

    fn window_event(&self) -> String {
        format!("{}window-event", self.prefix)
    }

    pub fn dead_letter(&self) -> String {
        format!("{}dead-letter", self.prefix)
    }

    pub fn inputs(&self) -> Vec<String> {
        vec![self.inbound.clone(), self.intents.clone()]
    }

    pub fn outputs(&self) -> Vec<String> {
        vec![self.session_send(), self.template_required(), self.window_event(), self.dead_letter()]
    }
}

/// A running contender; it ends with this value.
pub struct Process(Child);

impl Process {
    pub fn start(contender: Contender, names: &Names, services: &Services) -> Process {
        let mut command = match contender {
            Contender::Floor(pace) => floor_command(pace, Writes::Intents, names, services),
            Contender::FloorOfVerdicts => floor_command(Pace::Growing, Writes::Verdicts, names, services),
            Contender::Worker(work) => worker_command(work, names, services),
        };
        Process(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn assert_running(&mut self) {
        assert!(self.0.try_wait().unwrap().is_none(), "the contender ended by itself");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn worker_command(work: Work, names: &Names, services: &Services) -> Command {
    // Another build of the same worker may be measured with the same load.
    let path = crate::text("BENCH_WORKER").unwrap_or_else(|| env!("CARGO_BIN_EXE_sessiongate").to_owned());
    let mut command = Command::new(path);
    command.arg("run").env("SESSIONGATE_LOG", "warn");
    for (name, value) in [
        ("KAFKA_BROKERS", &services.brokers),
        ("KAFKA_GROUP_ID", &names.group()),
        ("REDIS_URL", &services.redis_url),
        ("ADMIN_LISTEN", &"127.0.0.1:0".to_owned()),
        ("TOPICS_INBOUND_MESSAGE", &names.inbound),
        ("TOPICS_OUTBOUND_INTENT", &names.intents),
        ("TOPICS_SESSION_SEND", &names.session_send()),
        ("TOPICS_TEMPLATE_REQUIRED", &names.template_required()),
        ("TOPICS_WINDOW_EVENT", &names.window_event()),
        ("TOPICS_DEAD_LETTER", &names.dead_letter()),
        ("WORKER_GUARANTEE", &work.guarantee.to_owned()),
        ("WORKER_PARTITIONING", &work.partitioning.to_owned()),
        ("WORKER_COMMIT_INTERVAL", &format!("{}ms", work.interval)),
    ] {
        command.env(format!("SESSIONGATE_{name}"), value);
    }
    if let Some(shards) = names.shards {
        command.env("SESSIONGATE_WORKER_SHARDS", shards.to_string());
    }
    command
}

fn floor_command(pace: Pace, writes: Writes, names: &Names, services: &Services) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let writes = if writes == Writes::Verdicts { "verdicts" } else { "intents" };
    command.arg("floor").arg(pace.argument()).arg(writes);
    command.args([&services.brokers, &names.group(), &names.inbound, &names.intents, &names.session_send()]);
    command
}

/// What a process started as the floor does.
pub fn be_the_floor() -> ! {
    let arguments: Vec<String> = std::env::args().skip(2).collect();
    let [pace, writes, brokers, group, inbound, intents, output] = arguments.try_into().unwrap();
    let cadence = Pace::of_argument(&pace).cadence();
    let writes = if writes == "verdicts" { Writes::Verdicts } else { Writes::Intents };
    let partitions = PARTITIONS;
    floor::run(&floor::Settings { brokers, group, inbound, intents, output, partitions, cadence, writes })
}
