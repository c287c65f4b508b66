//! Merging beside everything else: while the store takes what is committed, the shard works on.

use crate::job_thread::JobThread;
use crate::ports::{MergeCall, MergeOutcome, StoreError, Waker, WindowStore};

/// How merges have ended.
#[derive(Debug)]
pub enum Merged {
    /// The store has answered.
    Answered(Vec<MergeOutcome>),
    /// It has not: nothing is known of what became of them.
    Unanswered(Vec<MergeCall>, StoreError),
    /// Whoever merged has ended, and will not again.
    Broken(&'static str),
}

/// Takes merges and tells later how they ended; one batch of them is under way at a time.
pub trait Merging {
    /// Begins.
    fn begin(&mut self, calls: Vec<MergeCall>);

    /// How they have ended, once.
    fn ended(&mut self) -> Option<Merged>;
}

/// A thread with a connection of its own.
pub struct MergeThread {
    thread: JobThread<Vec<MergeCall>, Merged>,
    /// Merges were handed over, and nothing was heard of them.
    is_busy: bool,
}

impl MergeThread {
    /// Merges into that store; `wake` is called whenever merges have ended.
    pub fn start<S: WindowStore + Send + 'static>(mut store: S, wake: Waker) -> std::io::Result<MergeThread> {
        let merge = move |calls: Vec<MergeCall>, tell: &dyn Fn(Merged)| match store.merge(&calls) {
            Ok(outcomes) => tell(Merged::Answered(outcomes)),
            Err(error) => tell(Merged::Unanswered(calls, error)),
        };
        let thread = JobThread::start("merges", merge, move || wake())?;
        Ok(MergeThread { thread, is_busy: false })
    }
}

impl Merging for MergeThread {
    fn begin(&mut self, calls: Vec<MergeCall>) {
        self.is_busy = true;
        // Should the thread have panicked, whoever asks for the end is told.
        let _ = self.thread.give(calls);
    }

    fn ended(&mut self) -> Option<Merged> {
        if !self.is_busy {
            return None;
        }
        let merged = self.thread.told().unwrap_or(Some(Merged::Broken("the merging thread has ended")));
        self.is_busy = merged.is_none();
        merged
    }
}
