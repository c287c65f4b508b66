//! Merging beside everything else: while the store takes the windows of one transaction, the shard works on the next.

use crate::ports::{MergeCall, MergeOutcome, StoreError, Waker, WindowStore};
use std::sync::mpsc::{Receiver, SendError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};

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
    /// None once nothing more is to come.
    calls: Option<Sender<Vec<MergeCall>>>,
    ended: Receiver<Merged>,
    /// Merges were handed over, and nothing was heard of them.
    is_busy: bool,
    /// What could not be handed over.
    left: Vec<MergeCall>,
    thread: Option<JoinHandle<()>>,
}

impl MergeThread {
    /// Merges into that store; `wake` is called whenever merges have ended.
    pub fn start<S: WindowStore + Send + 'static>(mut store: S, wake: Waker) -> std::io::Result<MergeThread> {
        let (calls, batches) = channel::<Vec<MergeCall>>();
        let (tell, ended) = channel();
        let thread = thread::Builder::new().name("merges".into()).spawn(move || {
            for calls in batches {
                let merged = match store.merge(&calls) {
                    Ok(outcomes) => Merged::Answered(outcomes),
                    Err(error) => Merged::Unanswered(calls, error),
                };
                // Nobody listens any more only when the shard is being dropped.
                let _ = tell.send(merged);
                wake();
            }
        })?;
        Ok(MergeThread { calls: Some(calls), ended, is_busy: false, left: Vec::new(), thread: Some(thread) })
    }
}

impl Merging for MergeThread {
    fn begin(&mut self, calls: Vec<MergeCall>) {
        self.is_busy = true;
        // It ends before its turn only by a panic, and then every merge fails until somebody looks at it.
        if let Some(Err(SendError(calls))) = self.calls.as_ref().map(|thread| thread.send(calls)) {
            self.left = calls;
        }
    }

    fn ended(&mut self) -> Option<Merged> {
        if !self.is_busy {
            return None;
        }
        let merged = match self.ended.try_recv() {
            Ok(merged) => merged,
            Err(TryRecvError::Empty) => return None,
            Err(TryRecvError::Disconnected) => {
                let error = StoreError::Unavailable("the merging thread has ended".to_owned());
                Merged::Unanswered(std::mem::take(&mut self.left), error)
            }
        };
        self.is_busy = false;
        Some(merged)
    }
}

impl Drop for MergeThread {
    fn drop(&mut self) {
        self.calls = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was told when it happened.
            let _ = thread.join();
        }
    }
}
