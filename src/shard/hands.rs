//! Performing the engine's steps on the ports. No decision is made here.

use super::ahead::Ahead;
use super::codec::Codec;
use super::engine::step::{Batch, Found, InboundItem, Input, IntentItem, Locate, Plan, Reading, Step, Take};
use super::merging::{Merged, Merging};
use super::neighbours::Neighbours;
use super::tracer::Tracer;
use crate::core::emission::Emission;
use crate::core::frontier::Ends;
use crate::core::record::{Stream, StreamPartition};
use crate::core::time::Span;
use crate::ports::{
    Clock, Log, LogError, PollRequest, Polled, Progress, ReadRequest, Snapshot, StoreError, WindowStore,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// So many outputs are encoded at a time: they go on while the processor's caches still hold them.
const PORTION: usize = 256;

/// What the engine's steps are performed with.
pub struct Hands<L, S, C> {
    /// The log.
    pub log: L,
    /// The store.
    pub store: S,
    /// The clock.
    pub clock: C,
    /// Bytes to domain and back.
    pub codec: Codec,
    /// Merges beside everything else; without it, the store merges in between.
    pub merging: Option<Box<dyn Merging>>,
    /// The other shards of the process; none where it is alone.
    pub neighbours: Option<Neighbours>,
    /// The spans of what is done; none unless somebody collects them.
    pub tracer: Option<Tracer>,
    /// What was polled while the store was asked.
    pub ahead: Ahead,
}

/// What came of a step.
#[derive(Debug)]
pub enum Performed {
    /// The engine goes on with this.
    Answer(Input),
    /// Kafka said nothing of ends, for this reason; the engine goes on with what else was read.
    Partly(Input, Fault),
    /// There was no answer; the engine goes on with this and tries again.
    Unavailable(Input, Fault),
    /// The log is of no more use: a new shard has to be started.
    Broken(LogError),
    /// The engine has left.
    Left(Option<super::engine::step::Halt>),
}

/// Why there was no answer.
#[derive(Debug)]
pub enum Fault {
    /// The log's reason.
    Log(LogError),
    /// The store's reason.
    Store(StoreError),
}

impl From<LogError> for Fault {
    fn from(error: LogError) -> Fault {
        Fault::Log(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Store(error)
    }
}

impl<L: Log, S: WindowStore, C: Clock> Hands<L, S, C> {
    /// Performs one step.
    pub fn perform(&mut self, step: Step) -> Performed {
        // The largest steps are handed on as they are.
        let step = match (step, &mut self.merging) {
            (Step::Read(plan), _) => return self.perform_read(plan),
            (Step::Merge(calls), Some(merging)) => {
                merging.begin(calls);
                return Performed::Answer(Input::MergeBegun);
            }
            (Step::Poll(take), Some(merging)) => match merging.ended() {
                Some(Merged::Answered(outcomes)) => return Performed::Answer(Input::Merged(outcomes)),
                Some(Merged::Unanswered(calls, error)) => return unanswered(Step::Merge(calls), error.into()),
                Some(Merged::Broken(why)) => return Performed::Broken(LogError::Fatal(why.to_owned())),
                None => Step::Poll(take),
            },
            (step, _) => step,
        };
        let done = match &step {
            Step::Poll(take) => self.poll(*take).map(|batch| Input::Polled(Box::new(batch))),
            Step::Locate(locate) => self.locate(locate),
            Step::StartFrontiers(starts) => {
                self.store.start_frontiers(starts).map(Input::FrontiersStarted).map_err(Fault::from)
            }
            Step::Assign(starts) => self.log.assign(starts).map(|()| Input::CursorsMoved).map_err(Fault::from),
            Step::Seek(starts) => self.log.seek(starts).map(|()| Input::CursorsMoved).map_err(Fault::from),
            Step::SetPaused(paused) => self.log.set_paused(paused).map(|()| Input::PausesSet).map_err(Fault::from),
            Step::Produce(emissions) => self.produce(emissions),
            Step::Commit(progress) => self.commit(progress),
            Step::Merge(calls) => self.store.merge(calls).map(Input::Merged).map_err(Fault::from),
            Step::Abort => self.abort(),
            Step::Release => self.log.release().map(|()| Input::Released).map_err(Fault::from),
            Step::Halt(halt) => return Performed::Left(Some(halt.clone())),
            Step::Stopped | Step::Read(_) => return Performed::Left(None),
        };
        match done {
            Ok(input) => Performed::Answer(input),
            Err(fault) => unanswered(step, fault),
        }
    }

    fn poll(&mut self, take: Take) -> Result<Batch, Fault> {
        let mut batch = match self.ahead.answer(take) {
            Some(polled) => polled?,
            None => poll_and_decode(&mut self.log, &self.codec, take)?,
        };
        batch.has_news = self.neighbours.as_ref().is_some_and(Neighbours::have_news);
        self.ahead.learn(take, &batch);
        if let Some(tracer) = &mut self.tracer {
            tracer.polled(&batch, self.clock.now().wall);
        }
        Ok(batch)
    }

    /// Frontiers first: bounds that are read afterwards cannot lie below them.
    fn locate(&mut self, locate: &Locate) -> Result<Input, Fault> {
        let inbound = locate.partitions.iter().filter(|partition| partition.stream == Stream::Inbound);
        let frontiers: Vec<_> = inbound.map(|partition| partition.partition).collect();
        let snapshot = self.store.read(&ReadRequest { frontiers, ..ReadRequest::default() })?;
        // Should our clock run ahead of the store's, then its time says what is still open there.
        let ahead = (self.clock.now().wall - snapshot.clock).max(Span::ZERO);
        let mut location = self.log.locate(&locate.partitions, locate.since - ahead)?;
        self.ahead.forget_topology();
        let mut others = Vec::new();
        if !location.group_has_offsets {
            let frontiers = location.topology.all().collect();
            others = self.store.read(&ReadRequest { frontiers, ..ReadRequest::default() })?.frontiers;
            if others.iter().any(|frontier| frontier.known().is_some()) {
                // Another shard may have begun between both looks. It commits offsets before it starts frontiers, so
                // that a look from now on shows them.
                location = self.log.locate(&locate.partitions, locate.since - ahead)?;
            }
        }
        Ok(Input::Located(Box::new(Found { location, frontiers: snapshot.frontiers, others, clock: snapshot.clock })))
    }

    fn perform_read(&mut self, plan: Plan) -> Performed {
        // Before the store is read: what they have merged since would be asked of it.
        let others = self.neighbours.as_ref().map(Neighbours::told).unwrap_or_default();
        let sent = self.clock.now();
        let (snapshot, ends) = self.read(&plan);
        let read = |snapshot, ends, plan| Input::Read(Box::new(Reading { plan, others, snapshot, ends, sent }));
        match (snapshot, ends) {
            (Ok(snapshot), Ok(ends)) => Performed::Answer(read(snapshot, ends, plan)),
            // One partition without a leader is enough for that: it must not hold up what needs no ends.
            (Ok(snapshot), Err(error @ LogError::Unavailable(_))) => {
                Performed::Partly(read(snapshot, Ends::default(), plan), error.into())
            }
            (Err(error), _) => unanswered(Step::Read(plan), error.into()),
            (Ok(_), Err(error)) => unanswered(Step::Read(plan), error.into()),
        }
    }

    /// The ends are asked for first and awaited last, so that both answers travel at the same time.
    fn read(&mut self, plan: &Plan) -> (Result<Snapshot, StoreError>, Result<Ends, LogError>) {
        let asked = (!plan.ends.is_empty()).then(|| self.log.request_ends(&plan.ends));
        let Hands { log, store, codec, ahead, .. } = self;
        let snapshot = store.read_beside(&plan.request, &mut || ahead.poll(|take| poll_and_decode(log, codec, take)));
        // Also after a failed read: an answer left behind would be taken for the next one.
        let ends = asked.map_or(Ok(Ends::default()), |asked| asked.and_then(|()| log.take_ends()));
        (snapshot, ends)
    }

    fn produce(&mut self, emissions: &[Emission]) -> Result<Input, Fault> {
        let now = self.clock.now().wall;
        for portion in emissions.chunks(PORTION) {
            let mut outputs: Vec<_> = portion.iter().map(|emission| self.codec.encode(emission, now)).collect();
            if let Some(tracer) = &mut self.tracer {
                tracer.trace(portion, &mut outputs, now);
            }
            self.log.produce(outputs)?;
        }
        Ok(Input::Produced)
    }

    fn commit(&mut self, progress: &BTreeMap<StreamPartition, Progress>) -> Result<Input, Fault> {
        self.log.begin_commit(progress)?;
        if let Some(tracer) = &mut self.tracer {
            tracer.commit_begun();
        }
        Ok(Input::CommitBegun)
    }

    fn abort(&mut self) -> Result<Input, Fault> {
        self.log.abort()?;
        self.ahead.forget_settled();
        if let Some(tracer) = &mut self.tracer {
            tracer.aborted();
        }
        Ok(Input::Aborted)
    }
}

/// Takes records and says what is in them.
fn poll_and_decode<L: Log>(log: &mut L, codec: &Codec, take: Take) -> Result<Batch, Fault> {
    let Take { wait_ms, max_inbound, max_intents } = take;
    let wait = Duration::from_millis(wait_ms.max(0).unsigned_abs());
    let polled = log.poll(PollRequest { wait, max_inbound, max_intents })?;
    let Polled { settled, assignment, records, is_cut, ends, out_of_range, topology } = polled;
    let mut batch = Batch { settled, assignment, is_cut, ends, out_of_range, topology, ..Batch::default() };
    // Items are large: growing step by step would copy each of them again.
    let inbound = records.iter().filter(|fetched| fetched.record.stream == Stream::Inbound).count();
    batch.inbound.reserve_exact(inbound);
    batch.intents.reserve_exact(records.len() - inbound);
    for fetched in records {
        let (epoch, record) = (fetched.epoch, fetched.record);
        match record.stream {
            Stream::Inbound => {
                let decoded = codec.decode_inbound(&record);
                batch.inbound.push(InboundItem::new(epoch, record, decoded));
            }
            Stream::Intent => {
                let decoded = codec.decode_intent(&record);
                batch.intents.push(IntentItem { epoch, record, decoded });
            }
        }
    }
    Ok(batch)
}

fn unanswered(step: Step, fault: Fault) -> Performed {
    match fault {
        Fault::Log(error @ LogError::Fatal(_)) => Performed::Broken(error),
        Fault::Log(LogError::MustAbort(_)) if !matches!(step, Step::Abort) => {
            Performed::Unavailable(Input::MustAbort, fault)
        }
        fault => Performed::Unavailable(Input::Failed(step), fault),
    }
}
