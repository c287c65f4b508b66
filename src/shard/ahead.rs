//! Polling ahead: while the store is asked about one turn's records, those of the next are taken and decoded.
//!
//! Only in a backlog, where the next poll would find as many as it may take. What was taken is handed on with the next poll:
//! the engine cannot tell it from records that came a moment later.

use super::engine::step::{Batch, Take};
use super::hands::Fault;
use std::mem;
use std::time::{Duration, Instant};

/// What was polled and not handed on yet.
#[derive(Default)]
pub struct Ahead {
    polled: Option<Result<Batch, Fault>>,
    /// What the last poll was asked for, while there is a backlog.
    again: Option<Take>,
    /// How long it took to poll what waits.
    took: Duration,
    /// How much of the step under way was spent on polling ahead.
    beside: Duration,
    /// How much of the step under way was spent before.
    before: Duration,
}

impl Ahead {
    /// Another step begins.
    pub(super) fn begin_step(&mut self) {
        (self.beside, self.before) = (Duration::ZERO, Duration::ZERO);
    }

    /// Polls once, unless there is no backlog, or something waits already.
    pub(super) fn poll(&mut self, poll: impl FnOnce(Take) -> Result<Batch, Fault>) {
        if let (None, Some(take)) = (&self.polled, self.again) {
            let began = Instant::now();
            self.polled = Some(poll(take));
            self.took = began.elapsed();
            self.beside = self.took;
        }
    }

    /// How long a step took by itself: without what was polled ahead beside it, and with the time that its own records took
    /// ahead of it.
    pub(super) fn correct(&self, elapsed: Duration) -> Duration {
        elapsed.saturating_sub(self.beside) + self.before
    }

    /// What the next poll is answered with, if anything waits. One that takes no records leaves them where they are.
    pub(super) fn answer(&mut self, take: Take) -> Option<Result<Batch, Fault>> {
        match self.polled.take()? {
            Ok(mut batch) if take.takes_nothing() => {
                let (settled, assignment) = (batch.settled.take(), batch.assignment.take());
                let topology = batch.topology.take();
                let is_news = settled.is_some() || assignment.is_some() || topology.is_some();
                self.polled = Some(Ok(batch));
                is_news.then(|| Ok(Batch { settled, assignment, topology, ..Batch::default() }))
            }
            polled => {
                self.before = mem::take(&mut self.took);
                Some(polled)
            }
        }
    }

    /// Learns from a poll that was answered whether there is a backlog.
    pub(super) fn learn(&mut self, take: Take, batch: &Batch) {
        if !take.takes_nothing() {
            let is_full = batch.inbound.len() >= take.max_inbound || batch.intents.len() >= take.max_intents;
            self.again = (is_full || batch.is_cut).then_some(Take { wait_ms: 0, ..take });
        }
    }

    /// Everything was given up since: how a commit before that ended is no news of any that comes.
    pub(super) fn forget_settled(&mut self) {
        if let Some(Ok(batch)) = &mut self.polled {
            batch.settled = None;
        }
    }

    /// The topic was looked at since: what waits knows less.
    pub(super) fn forget_topology(&mut self) {
        if let Some(Ok(batch)) = &mut self.polled {
            batch.topology = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::frontier::Topology;
    use crate::core::ids::TopicId;
    use crate::ports::{LogError, Settled};

    const TAKE: Take = Take { wait_ms: 50, max_inbound: 2, max_intents: 2 };
    const REST: Take = Take { max_inbound: 0, max_intents: 0, ..TAKE };

    fn behind() -> Ahead {
        let mut ahead = Ahead::default();
        ahead.learn(TAKE, &Batch { is_cut: true, ..Batch::default() });
        ahead
    }

    fn news() -> Batch {
        let topology = Topology { topic_id: TopicId::unknown(), partitions: 1 };
        Batch { settled: Some(Settled::Committed), topology: Some(topology.into()), is_cut: true, ..Batch::default() }
    }

    #[test]
    fn nothing_is_taken_ahead_but_in_a_backlog_and_only_once() {
        let mut ahead = Ahead::default();
        ahead.poll(|_| panic!("there was no poll yet"));
        ahead.learn(TAKE, &Batch::default());
        ahead.poll(|_| panic!("all there was came"));
        let mut ahead = behind();
        ahead.learn(REST, &Batch::default());
        ahead.poll(|take| {
            assert_eq!(take, Take { wait_ms: 0, ..TAKE });
            Ok(news())
        });
        ahead.poll(|_| panic!("something waits"));
        assert!(ahead.answer(TAKE).is_some_and(|batch| batch.is_ok_and(|batch| batch.is_cut)));
        assert!(ahead.answer(TAKE).is_none());
    }

    #[test]
    fn what_is_polled_ahead_counts_as_polling_and_not_as_what_it_was_done_beside() {
        let second = Duration::from_secs(1);
        let mut ahead = behind();
        assert_eq!(ahead.correct(second), second);
        ahead.poll(|_| Ok(news()));
        let took = ahead.took;
        assert_eq!(ahead.correct(second), second - took);
        ahead.begin_step();
        assert!(ahead.answer(REST).is_some() && ahead.correct(second) == second, "no records were told yet");
        ahead.begin_step();
        assert!(ahead.answer(TAKE).is_some());
        assert_eq!(ahead.correct(second), second + took);
        ahead.begin_step();
        assert_eq!(ahead.correct(second), second);
    }

    #[test]
    fn who_takes_no_records_is_told_the_news_and_leaves_the_rest() {
        let mut ahead = behind();
        ahead.poll(|_| Ok(news()));
        let Some(Ok(told)) = ahead.answer(REST) else { panic!("there is news") };
        assert!(told.settled.is_some() && told.topology.is_some() && !told.is_cut);
        assert!(ahead.answer(REST).is_none());
        let Some(Ok(rest)) = ahead.answer(TAKE) else { panic!("records were left") };
        assert!(rest.settled.is_none() && rest.topology.is_none() && rest.is_cut);
    }

    #[test]
    fn a_fault_is_told_to_whoever_polls_next_and_old_news_goes_with_a_closer_look_and_an_abort() {
        let mut ahead = behind();
        ahead.poll(|_| Err(LogError::Unavailable("away".to_owned()).into()));
        assert!(ahead.answer(REST).is_some_and(|polled| polled.is_err()));
        ahead.poll(|_| Ok(news()));
        ahead.forget_topology();
        let Some(Ok(batch)) = ahead.answer(TAKE) else { panic!("something waits") };
        assert!(batch.topology.is_none() && batch.settled.is_some());
        ahead.poll(|_| Ok(news()));
        ahead.forget_settled();
        assert!(ahead.answer(TAKE).is_some_and(|polled| polled.is_ok_and(|batch| batch.settled.is_none())));
    }
}
