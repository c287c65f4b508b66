//! Taking what a poll brought: what belongs to a cursor of ours goes into lanes and the inbound queue.

use super::Engine;
use super::step::{Batch, InboundItem, IntentItem};
use crate::core::frontier::Topology;
use crate::core::lane::{Pending, Question, Waiting};
use crate::core::record::{ReasonCode, Reject, Stream, StreamPartition};
use crate::core::time::Now;
use crate::ports::{OutOfRange, ReachedEnd};
use std::sync::Arc;

/// So many records are looked up ahead of their turn. Most look-ups miss the processor's caches, and it waits for several
/// at a time where nothing rests on the answers; with more, the first would be gone again.
pub(super) const FETCHED_AT_A_TIME: usize = 64;

impl Engine {
    pub(super) fn take(&mut self, batch: Batch, now: Now) {
        if let Some(settled) = &batch.settled {
            self.settled(settled, now);
        }
        if !std::mem::take(&mut self.is_resting) {
            let most = batch.inbound.len().max(batch.intents.len());
            self.inbound_is_behind = batch.inbound.len() >= self.rules.batch_records;
            self.took_all = most < self.rules.batch_records && !batch.is_cut;
        }
        if let Some(topology) = batch.topology {
            self.new_topology(topology);
        }
        self.take_inbound(batch.inbound, now);
        let mut intents = batch.intents.into_iter();
        while !intents.as_slice().is_empty() {
            self.fetch_ids(intents.as_slice().get(..FETCHED_AT_A_TIME).unwrap_or(intents.as_slice()));
            intents.by_ref().take(FETCHED_AT_A_TIME).for_each(|item| self.take_intent(item, now));
        }
        for reached in batch.ends {
            self.take_end(reached);
        }
        for out_of_range in batch.out_of_range {
            self.take_out_of_range(out_of_range);
        }
        if !self.incoming.is_empty() || batch.has_news {
            self.pace.evaluate_soon(now.mono_ms);
        }
        if let Some(change) = batch.assignment {
            self.assignment(change);
        }
    }

    fn new_topology(&mut self, topology: Arc<Topology>) {
        let made_anew = self.topology.as_ref().is_some_and(|old| old.topic_id != topology.topic_id);
        self.topology = Some(topology);
        if made_anew {
            let partitions: Vec<_> = self.inbound.keys().copied().collect();
            partitions.into_iter().for_each(|partition| self.lose(partition));
        }
    }

    /// Gets what is about to be looked for into the processor's caches. Records come in long rows of one partition.
    fn fetch_ids(&self, items: &[IntentItem]) {
        for row in items.chunk_by(|one, next| one.record.partition == next.record.partition) {
            let lane = row.first().and_then(|first| self.lanes.get(&first.record.partition));
            let Some(lane) = lane else { continue };
            row.iter().enumerate().for_each(|(nth, item)| lane.noted.fetch(nth, &item.decoded));
        }
    }

    fn take_inbound(&mut self, mut items: Vec<InboundItem>, now: Now) {
        items.retain(|item| {
            let Some(cursor) = self.inbound.get_mut(&item.record.partition) else { return false };
            // What was fetched before the cursor moved would look like a gap in the log.
            let is_ours = cursor.placed && item.epoch == cursor.epoch && item.record.offset >= cursor.taken;
            if is_ours {
                cursor.taken = item.record.offset.next();
            }
            is_ours
        });
        // Items are large: mostly they stay where they are.
        if self.incoming.is_empty() {
            self.incoming = items;
            self.incoming_since_ms = now.mono_ms;
        } else {
            self.incoming.append(&mut items);
        }
    }

    fn take_intent(&mut self, item: IntentItem, now: Now) {
        let IntentItem { epoch, record, decoded } = item;
        let partition = StreamPartition::intent(record.partition);
        let Some(lane) = self.lanes.get_mut(&record.partition) else { return };
        if epoch != lane.epoch || record.offset < lane.next || self.to_locate.contains(&partition) {
            return;
        }
        lane.next = record.offset.next();
        let duplicate = lane.noted.note_intent(record.offset, &decoded);
        if record.offset < lane.emit_from {
            return;
        }
        let pending = match decoded.intent {
            Err(reject) => Pending::Refuse(reject),
            Ok(_) if duplicate => Pending::Refuse(Reject::new(
                ReasonCode::DuplicateIntent,
                "the same business_id and intent_id lay shortly before in this partition",
            )),
            Ok(intent) => {
                let print = intent.key_print();
                Pending::Judge(Question { intent, print, seen: None })
            }
        };
        let read_at_ms = self.excused.counting_ms(now.mono_ms);
        lane.push(Waiting { record, pending, read_at_ms, ends: None });
    }

    fn take_end(&mut self, reached: ReachedEnd) {
        if reached.partition.stream == Stream::Inbound {
            self.reached.push(reached);
        }
    }

    fn take_out_of_range(&mut self, OutOfRange { epoch, partition }: OutOfRange) {
        match partition.stream {
            Stream::Inbound => {
                if self.inbound.get(&partition.partition).is_some_and(|cursor| cursor.epoch == epoch) {
                    self.lose(partition.partition);
                }
            }
            Stream::Intent => {
                if self.lanes.get(&partition.partition).is_some_and(|lane| lane.epoch == epoch) {
                    self.to_locate.insert(partition);
                }
            }
        }
    }
}
