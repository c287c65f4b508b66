//! A store whose calls are counted and timed.

use super::runner::Board;
use super::tally::StoreCall;
use crate::ports::{
    AdviceWrite, FrontierStart, MergeCall, MergeOutcome, ReadRequest, Snapshot, StoreError, WindowStore,
};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A shard's store, measured on the shard's board.
pub struct MeteredStore<S> {
    store: S,
    board: Arc<Board>,
}

impl<S> MeteredStore<S> {
    /// Measures that store's calls there. Every kind of call comes from one thread alone.
    pub fn new(store: S, board: Arc<Board>) -> MeteredStore<S> {
        MeteredStore { store, board }
    }

    fn measure<T>(
        &mut self,
        call: StoreCall,
        perform: impl FnOnce(&mut S) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let began = Instant::now();
        let answer = perform(&mut self.store);
        self.board.tally.count_store_call(call, answer.is_ok(), began.elapsed());
        answer
    }
}

impl<S: WindowStore> WindowStore for MeteredStore<S> {
    fn read(&mut self, request: &ReadRequest) -> Result<Snapshot, StoreError> {
        self.measure(StoreCall::Read, |store| store.read(request))
    }

    /// What is done meanwhile does not count.
    fn read_beside(&mut self, request: &ReadRequest, meanwhile: &mut dyn FnMut()) -> Result<Snapshot, StoreError> {
        let (began, mut elsewhere) = (Instant::now(), Duration::ZERO);
        let answer = self.store.read_beside(request, &mut || {
            let began = Instant::now();
            meanwhile();
            elsewhere += began.elapsed();
        });
        let waited = began.elapsed().saturating_sub(elsewhere);
        self.board.tally.count_store_call(StoreCall::Read, answer.is_ok(), waited);
        answer
    }

    fn merge(&mut self, calls: &[MergeCall]) -> Result<Vec<MergeOutcome>, StoreError> {
        self.measure(StoreCall::Merge, |store| store.merge(calls))
    }

    fn start_frontiers(&mut self, starts: &[FrontierStart]) -> Result<Vec<bool>, StoreError> {
        self.measure(StoreCall::Start, |store| store.start_frontiers(starts))
    }

    /// No shard does.
    fn advise(&mut self, writes: &[AdviceWrite]) -> Result<(), StoreError> {
        self.store.advise(writes)
    }
}
