//! A thread that does one job after the other beside its owner's work.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Takes jobs, and tells later what came of them. Dropped, it ends after the jobs it has.
pub struct JobThread<Job, Told> {
    /// None once nothing more is to come.
    jobs: Option<Sender<Job>>,
    told: Receiver<Told>,
    thread: Option<JoinHandle<()>>,
}

/// The thread has ended, which only a panic makes it do before its owner.
#[derive(Debug)]
pub struct Ended;

impl<Job: Send + 'static, Told: Send + 'static> JobThread<Job, Told> {
    /// `work` does a job and tells what it has to tell; `wake` is called after each job.
    pub fn start(
        name: &str,
        mut work: impl FnMut(Job, &dyn Fn(Told)) + Send + 'static,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<JobThread<Job, Told>> {
        let (jobs, given) = channel();
        let (tell, told) = channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            for job in given {
                // Nobody listens any more only when the owner is being dropped.
                work(job, &|news| drop(tell.send(news)));
                wake();
            }
        })?;
        Ok(JobThread { jobs: Some(jobs), told, thread: Some(thread) })
    }

    /// Hands a job over.
    pub fn give(&self, job: Job) -> Result<(), Ended> {
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or(Ended)
    }

    /// What it has told, if anything.
    pub fn told(&self) -> Result<Option<Told>, Ended> {
        match self.told.try_recv() {
            Ok(told) => Ok(Some(told)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Ended),
        }
    }

    /// Waits for what it tells; none when it tells nothing in that time.
    pub fn wait(&self, time: Duration) -> Result<Option<Told>, Ended> {
        match self.told.recv_timeout(time) {
            Ok(told) => Ok(Some(told)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Ended),
        }
    }
}

impl<Job, Told> Drop for JobThread<Job, Told> {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was told when it happened.
            let _ = thread.join();
        }
    }
}
