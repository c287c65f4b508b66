//! A worker as a process of its own: the built binary, killed for good when the test is over.

use super::site::Site;
use std::fs::File;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Settings that let the group and the brokers give up a killed worker after a moment.
pub const QUICK: [(&str, &str); 2] = [
    ("KAFKA_CONSUMER", "session.timeout.ms=2000,heartbeat.interval.ms=300"),
    ("KAFKA_PRODUCER", "transaction.timeout.ms=3000"),
];

pub struct Worker {
    child: Child,
    log: TempDir,
}

impl Worker {
    /// Starts `sessiongate run` with two shards.
    pub fn start(site: &Site) -> Worker {
        Worker::with(site, &[])
    }

    /// The same, with further settings (`WORKER_SHARDS` stands for `SESSIONGATE_WORKER_SHARDS`).
    pub fn with(site: &Site, settings: &[(&str, &str)]) -> Worker {
        Worker::logging_to(site, settings, None)
    }

    /// The same, and nothing that it logs can be written.
    pub fn mute(site: &Site, settings: &[(&str, &str)]) -> Worker {
        Worker::logging_to(site, settings, Some(File::options().write(true).open("/dev/full").unwrap()))
    }

    fn logging_to(site: &Site, settings: &[(&str, &str)], errors: Option<File>) -> Worker {
        let log = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessiongate"));
        command.arg("run").envs(site.environment()).env("SESSIONGATE_WORKER_SHARDS", "2").current_dir(log.path());
        // To the eyes of whoever asks for the log, else to a file that a test may read.
        match (std::env::var("SESSIONGATE_TEST_WORKER_LOG"), errors) {
            (Ok(level), None) => command.env("SESSIONGATE_LOG", level),
            (_, errors) => {
                let errors = errors.unwrap_or_else(|| File::create(log.path().join("log")).unwrap());
                command.env("SESSIONGATE_LOG", "info").stderr(errors)
            }
        };
        for (name, value) in settings {
            command.env(format!("SESSIONGATE_{name}"), value);
        }
        Worker { child: command.stdin(Stdio::null()).spawn().unwrap(), log }
    }

    /// What it has logged so far, from the level of info on.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path().join("log")).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY-free: the signal goes out through the shell's own tool, since `unsafe` is not for tests.
        let name = format!("-{signal}");
        let done = Command::new("kill").args([&name, &self.pid().to_string()]).status().unwrap();
        assert!(done.success(), "kill {name}");
    }

    /// kill -9, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn stop(mut self) -> ExitStatus {
        self.signal(15);
        self.wait(Duration::from_secs(60))
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, at_most: Duration) -> ExitStatus {
        ended_within(&mut self.child, at_most)
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Its resident memory at its highest, in kilobytes.
    pub fn peak_memory_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the worker's log:\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a process to end by itself; one that does not is killed.
pub fn ended_within(child: &mut Child, at_most: Duration) -> ExitStatus {
    let end = Instant::now() + at_most;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() >= end {
            let _ = child.kill();
            panic!("process {} did not end within {at_most:?}", child.id());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}
