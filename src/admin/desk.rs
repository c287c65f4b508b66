//! Window look-ups: one thread with a connection of its own, and a short queue before it.
//!
//! However many ask, Redis sees one connection more, and a Redis that hangs holds up nobody but those who asked.

use crate::core::time::Now;
use crate::io::clock::SystemClock;
use crate::ports::{Clock, ReadRequest, Snapshot, StoreError, WindowStore};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use tokio::sync::oneshot;

/// So many look-ups may wait; further ones are refused.
const QUEUE: usize = 64;

/// What was read, and between which two moments.
pub(super) struct Looked {
    pub(super) snapshot: Snapshot,
    pub(super) sent: Now,
    pub(super) received: Now,
}

/// Why nothing was read.
#[derive(thiserror::Error, Debug)]
pub(super) enum DeskError {
    #[error("too many look-ups wait already")]
    Busy,
    #[error("{0}")]
    Unavailable(String),
}

struct Job {
    request: ReadRequest,
    reply: oneshot::Sender<Result<Looked, StoreError>>,
}

/// Where look-ups are handed in. The thread ends with this value.
pub(super) struct Desk {
    jobs: SyncSender<Job>,
}

impl Desk {
    pub(super) fn open(store: Box<dyn WindowStore + Send>) -> io::Result<Desk> {
        let (jobs, waiting) = sync_channel(QUEUE);
        thread::Builder::new().name("look-ups".to_owned()).spawn(move || serve(store, &waiting))?;
        Ok(Desk { jobs })
    }

    pub(super) async fn read(&self, request: ReadRequest) -> Result<Looked, DeskError> {
        let (reply, answer) = oneshot::channel();
        let gone = || DeskError::Unavailable("look-ups have ended".to_owned());
        self.jobs.try_send(Job { request, reply }).map_err(|error| match error {
            TrySendError::Full(_) => DeskError::Busy,
            TrySendError::Disconnected(_) => gone(),
        })?;
        let answer = answer.await.map_err(|_| gone())?;
        answer.map_err(|error| DeskError::Unavailable(error.to_string()))
    }
}

fn serve(mut store: Box<dyn WindowStore + Send>, waiting: &Receiver<Job>) {
    let clock = SystemClock::new();
    while let Ok(Job { request, reply }) = waiting.recv() {
        // Who gave up meanwhile is not worth a round trip.
        if reply.is_closed() {
            continue;
        }
        let sent = clock.now();
        let looked = store.read(&request).map(|snapshot| Looked { snapshot, sent, received: clock.now() });
        // Nobody waits any more: nothing is lost.
        let _ = reply.send(looked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Timestamp;
    use crate::ports::{AdviceWrite, FrontierStart, MergeCall, MergeOutcome};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    /// Answers each read when it is let.
    struct Hanging {
        let_go: Receiver<()>,
        reads: Arc<AtomicUsize>,
    }

    impl WindowStore for Hanging {
        fn read(&mut self, _: &ReadRequest) -> Result<Snapshot, StoreError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            self.let_go.recv().map_err(|_| StoreError::Unavailable("gone".to_owned()))?;
            let clock = Timestamp::from_millis(0);
            Ok(Snapshot { frontiers: Vec::new(), windows: Vec::new(), advice: Vec::new(), clock })
        }

        fn merge(&mut self, _: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
            Ok(Vec::new())
        }

        fn start_frontiers(&mut self, _: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
            Ok(Vec::new())
        }

        fn advise(&mut self, _: &[AdviceWrite]) -> Result<(), StoreError> {
            Ok(())
        }
    }

    #[test]
    fn while_redis_hangs_look_ups_are_refused_and_those_that_gave_up_are_not_made() {
        let (go, let_go) = channel();
        let reads = Arc::new(AtomicUsize::new(0));
        let desk = Desk::open(Box::new(Hanging { let_go, reads: reads.clone() })).unwrap();
        let ask = || {
            let (reply, answer) = oneshot::channel();
            (desk.jobs.try_send(Job { request: ReadRequest::default(), reply }), answer)
        };
        let (_, first) = ask();
        while reads.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let mut waiting: Vec<_> = (0..QUEUE).map(|_| ask().1).collect();
        assert!(matches!(ask().0, Err(TrySendError::Full(_))), "one more than the queue holds");
        let last = waiting.pop().unwrap();
        drop(waiting);
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert!(first.blocking_recv().unwrap().is_ok() && last.blocking_recv().unwrap().is_ok());
        assert_eq!(reads.load(Ordering::SeqCst), 2, "whoever gave up cost nothing");
    }
}
