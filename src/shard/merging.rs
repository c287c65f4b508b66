//! Merging beside everything else: while the store takes the windows of one transaction, the shard works on the next.

use crate::job_thread::{Ended, JobThread};
use crate::ports::{MergeCall, MergeOutcome, StoreError, Waker, WindowStore};

/// How merges have ended.
#[derive(Debug)]
pub enum Merged {
    /// The store has answered.
    Answered(Vec<MergeOutcome>),
    /// It has not: nothing is known of what became of them.
    Unanswered(Vec<MergeCall>, StoreError),
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
    /// What could not be handed over.
    left: Vec<MergeCall>,
}

impl MergeThread {
    /// Merges into that store; `wake` is called whenever merges have ended.
    pub fn start<S: WindowStore + Send + 'static>(mut store: S, wake: Waker) -> std::io::Result<MergeThread> {
        let merge = move |calls: Vec<MergeCall>, tell: &dyn Fn(Merged)| match store.merge(&calls) {
            Ok(outcomes) => tell(Merged::Answered(outcomes)),
            Err(error) => tell(Merged::Unanswered(calls, error)),
        };
        let thread = JobThread::start("merges", merge, move || wake())?;
        Ok(MergeThread { thread, is_busy: false, left: Vec::new() })
    }
}

impl Merging for MergeThread {
    fn begin(&mut self, calls: Vec<MergeCall>) {
        self.is_busy = true;
        // After a panic of the thread every merge fails until somebody looks at it.
        self.left = self.thread.give(calls).err().unwrap_or_default();
    }

    fn ended(&mut self) -> Option<Merged> {
        if !self.is_busy {
            return None;
        }
        let merged = self.thread.told().unwrap_or_else(|Ended| {
            let error = StoreError::Unavailable("the merging thread has ended".to_owned());
            Some(Merged::Unanswered(std::mem::take(&mut self.left), error))
        });
        self.is_busy = merged.is_none();
        merged
    }
}
