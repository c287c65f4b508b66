//! Where each partition's log, its committed offset and its history lie.

use super::consumer::Consumer;
use super::producer::Producer;
use super::settings::HistorySource;
use super::sys::{ListedOffset, OffsetSpec, PendingOffsets};
use super::topology::Known;
use super::words::Words;
use crate::core::ids::{Offset, Partition};
use crate::core::record::{Stream, StreamPartition};
use crate::core::time::Timestamp;
use crate::ports::{Located, Location, LogError};
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset as ListOffset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::Duration;

/// One offset per partition.
pub(super) type Listed = BTreeMap<StreamPartition, ListedOffset>;

/// A question to be answered for `locate`.
pub(super) struct Locating<'a> {
    pub(super) consumer: &'a Consumer,
    pub(super) lookup: &'a Producer,
    pub(super) known: &'a Known,
    pub(super) history: HistorySource,
    pub(super) call_timeout: Duration,
}

impl Locating<'_> {
    /// Asks and puts the answers together.
    pub(super) fn locate(&self, partitions: &[StreamPartition], since: Timestamp) -> Result<Location, LogError> {
        let committed = self.committed()?;
        let [low, high, stable] = self.bounds(partitions)?;
        // Only after the high watermarks: an end that was observed before the history begins is never behind it.
        let is_truncated = |partition: &&StreamPartition| low.get(*partition).is_some_and(|listed| listed.offset > 0);
        let truncated: Vec<StreamPartition> = partitions.iter().filter(is_truncated).copied().collect();
        let (history, first) = match self.history {
            HistorySource::FromStart => (BTreeMap::new(), BTreeMap::new()),
            HistorySource::ByTime => {
                (self.not_before(partitions, since)?, self.not_before(&truncated, Timestamp::from_millis(0))?)
            }
        };
        let located = |partition: &StreamPartition| -> Result<Located, LogError> {
            let (low, high) = (offset_of(&low, partition)?, offset_of(&high, partition)?);
            let stable = offset_of(&stable, partition)?.min(high);
            let time_of = |listed: &ListedOffset| Timestamp::from_millis(listed.timestamp_ms);
            let beginning = history.get(partition);
            let found = match beginning {
                _ if partition.stream == Stream::Intent => high,
                None => low,
                Some(listed) if listed.offset < 0 => high,
                Some(listed) => Offset(listed.offset).min(high).max(low),
            };
            let truncated_at =
                beginning.filter(|listed| low.0 > 0 && listed.offset >= low.0 && listed.timestamp_ms >= 0).map(time_of);
            let oldest =
                first.get(partition).filter(|listed| listed.offset >= 0 && listed.timestamp_ms >= 0).map(time_of);
            let (committed, words) = committed.get(partition).cloned().unzip();
            let Words { topic_id: committed_for, newest } = words.unwrap_or_default();
            Ok(Located {
                partition: *partition,
                committed,
                committed_for,
                newest,
                low,
                high,
                stable,
                history: found,
                oldest,
                truncated_at,
            })
        };
        Ok(Location {
            topology: self.known.inbound.clone(),
            intents_id: self.known.intents_id.clone(),
            group_has_offsets: !committed.is_empty(),
            since,
            partitions: partitions.iter().map(located).collect::<Result<_, _>>()?,
        })
    }

    /// The group's offsets in all partitions of both topics, and what was committed with each. Offsets of a transaction that
    /// is still open are waited for.
    fn committed(&self) -> Result<BTreeMap<StreamPartition, (Offset, Words)>, LogError> {
        let all =
            |stream, count: i32| (0..count).map(move |number| StreamPartition { stream, partition: Partition(number) });
        let partitions: Vec<StreamPartition> = all(Stream::Inbound, self.known.inbound.partitions)
            .chain(all(Stream::Intent, self.known.intent_partitions))
            .collect();
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in &partitions {
            list.add_partition(self.consumer.topic(partition.stream), partition.partition.0);
        }
        let unavailable =
            |what: &str| LogError::Unavailable(self.consumer.explain(&format!("reading committed offsets: {what}")));
        let answer = self
            .consumer
            .client()
            .committed_offsets(list, self.call_timeout)
            .map_err(|error| unavailable(&error.to_string()))?;
        let mut committed = BTreeMap::new();
        for (partition, element) in partitions.iter().zip(answer.elements()) {
            element.error().map_err(|error| unavailable(&error.to_string()))?;
            if let ListOffset::Offset(offset) = element.offset() {
                committed.insert(*partition, (Offset(offset), Words::read(element.metadata())));
            }
        }
        Ok(committed)
    }

    /// The first offsets that are still there, the high watermarks, and the last stable offsets.
    fn bounds(&self, partitions: &[StreamPartition]) -> Result<[Listed; 3], LogError> {
        let low = self.ask(partitions, OffsetSpec::Earliest)?;
        let high = self.ask(partitions, OffsetSpec::Latest)?;
        let stable = self.ask(partitions, OffsetSpec::LastStable)?;
        Ok([self.answer(low)?, self.answer(high)?, self.answer(stable)?])
    }

    fn not_before(&self, partitions: &[StreamPartition], since: Timestamp) -> Result<Listed, LogError> {
        let inbound: Vec<StreamPartition> =
            partitions.iter().copied().filter(|partition| partition.stream == Stream::Inbound).collect();
        let asked = self.ask(&inbound, OffsetSpec::NotBefore(since.as_millis()))?;
        self.answer(asked)
    }

    fn ask(&self, partitions: &[StreamPartition], spec: OffsetSpec) -> Result<Option<PendingOffsets>, LogError> {
        ask(self.consumer, self.lookup, partitions, spec, self.call_timeout)
    }

    fn answer(&self, asked: Option<PendingOffsets>) -> Result<Listed, LogError> {
        asked.map_or(Ok(BTreeMap::new()), |asked| answer(self.consumer, self.lookup, &asked, self.call_timeout))
    }
}

/// Asks for one offset of each partition; nothing is asked when there is none.
pub(super) fn ask(
    consumer: &Consumer,
    lookup: &Producer,
    partitions: &[StreamPartition],
    spec: OffsetSpec,
    wait: Duration,
) -> Result<Option<PendingOffsets>, LogError> {
    if partitions.is_empty() {
        return Ok(None);
    }
    let names: Vec<(&str, i32)> =
        partitions.iter().map(|place| (consumer.topic(place.stream), place.partition.0)).collect();
    PendingOffsets::ask(lookup.handle(), &names, spec, wait)
        .map(Some)
        .map_err(|error| LogError::Unavailable(lookup.explain(&error.text)))
}

/// Waits for an answer; every partition of it must be good.
pub(super) fn answer(
    consumer: &Consumer,
    lookup: &Producer,
    asked: &PendingOffsets,
    wait: Duration,
) -> Result<Listed, LogError> {
    let answered = asked.take(wait);
    lookup.serve();
    let unavailable = |what: &str| LogError::Unavailable(lookup.explain(&format!("listing offsets: {what}")));
    let listed = answered.ok_or_else(|| unavailable("no answer in time"))?;
    let listed = listed.map_err(|error| unavailable(&error.text))?;
    let mut offsets = BTreeMap::new();
    for entry in listed {
        if let Some(code) = entry.error {
            return Err(unavailable(&format!("{} partition {}: {code}", entry.topic, entry.partition)));
        }
        let partition = Partition(entry.partition);
        let place = match entry.topic == consumer.topic(Stream::Inbound) {
            true => StreamPartition::inbound(partition),
            false => StreamPartition::intent(partition),
        };
        offsets.insert(place, entry);
    }
    Ok(offsets)
}

/// A partition's offset in an answer.
pub(super) fn offset_of(listed: &Listed, partition: &StreamPartition) -> Result<Offset, LogError> {
    listed
        .get(partition)
        .filter(|entry| entry.offset >= 0)
        .map(|entry| Offset(entry.offset))
        .ok_or_else(|| LogError::Unavailable(format!("listing offsets: no answer for {partition:?}")))
}
