//! Applying inbound records: what customers did becomes windows, held until the store has them.

use super::Engine;
use super::known::Known;
use super::notice::Notice;
use super::rules::Partitioning;
use super::step::{InboundItem, Touched};
use super::take::FETCHED_AT_A_TIME;
use crate::core::emission::{DeadLetter, Emission, WindowChange, WindowEvent};
use crate::core::ids::{CustomerId, Partition};
use crate::core::inbound::InboundEvent;
use crate::core::partitioner::home;
use crate::core::policy::{Effect, is_known};
use crate::core::record::{Record, StreamPartition};
use crate::core::time::{Now, Span, Timestamp};
use crate::core::window::Window;
use crate::ports::Progress;

/// One event of a record.
struct Act<'a> {
    record: &'a Record,
    index: usize,
    event: &'a InboundEvent,
    touched: &'a [Touched],
    /// When it counts as done.
    at: Timestamp,
    /// Whether anything of it is sent out.
    emits: bool,
}

impl Engine {
    /// Applies everything that was taken; records of cursors that have to be placed anew are dropped.
    ///
    /// What has ended is judged by the store's `clock`, by which keys expire: a worker whose own clock is wrong must not
    /// decide for all the others what is still open.
    pub(super) fn apply_incoming(&mut self, known: &Known<'_>, clock: Timestamp, now: Now) {
        let incoming = std::mem::take(&mut self.incoming);
        let since_ms = self.counts_from_ms(now.mono_ms - self.incoming_since_ms, now);
        // Records come in long rows of one partition.
        for row in incoming.chunk_by(|one, next| one.cursor() == next.cursor()) {
            self.apply_row(row, known, clock, since_ms, now);
        }
    }

    fn apply_row(&mut self, row: &[InboundItem], known: &Known<'_>, clock: Timestamp, since_ms: i64, now: Now) {
        let Some((partition, epoch)) = row.first().map(InboundItem::cursor) else { return };
        let Some(cursor) = self.inbound.get_mut(&partition) else { return };
        if !cursor.placed || cursor.epoch != epoch {
            return;
        }
        let (mut from, emit_from) = (cursor.next, cursor.emit_from);
        cursor.next = row.last().map_or(from, |item| item.record.offset.next());
        cursor.newest = row.iter().map(|item| item.record.timestamp).fold(cursor.newest, Timestamp::max);
        let newest = Some(cursor.newest);
        cursor.note_progress();
        for items in row.chunks(FETCHED_AT_A_TIME) {
            items.iter().flat_map(|item| &item.touched).for_each(|touched| self.holding.fetch(touched.print));
            for item in items {
                let to = item.record.offset.next();
                self.holding.extend(partition, (from, to), self.rules.windows_per_call, now.mono_ms);
                from = to;
                self.transaction.count_record(since_ms);
                self.apply(item, item.record.offset >= emit_from, known, clock);
            }
        }
        if from > emit_from {
            let progress = Progress { next: from, newest };
            self.transaction.set_progress(StreamPartition::inbound(partition), progress, now.mono_ms);
        }
    }

    /// A cursor at the end: what lies between its last record and there is nothing that is ever delivered.
    pub(super) fn apply_reached(&mut self, now: Now) {
        for reached in std::mem::take(&mut self.reached) {
            let partition = reached.partition.partition;
            let Some(cursor) = self.inbound.get_mut(&partition) else { continue };
            if !cursor.placed || cursor.epoch != reached.epoch {
                continue;
            }
            cursor.caught_up = true;
            if reached.offset > cursor.next {
                let from = cursor.next;
                cursor.next = reached.offset;
                cursor.taken = cursor.taken.max(reached.offset);
                self.holding.extend(partition, (from, reached.offset), self.rules.windows_per_call, now.mono_ms);
            }
        }
    }

    fn apply(&mut self, item: &InboundItem, emits: bool, known: &Known<'_>, clock: Timestamp) {
        for (index, (event, touched)) in item.events().enumerate() {
            let effect = self.rules.policy.effect(event, item.record.timestamp, clock);
            if emits {
                self.tell(event, effect, item.record.partition);
            }
            if let Effect::Opens { at, .. } = effect {
                self.open(&Act { record: &item.record, index, event, touched, at, emits }, known);
            }
        }
        if emits {
            let ignored = item.decoded.ignored.iter();
            self.notices.extend(ignored.map(|it| Notice::UnknownKind { kind: it.kind.clone(), times: it.times }));
            for reject in &item.decoded.rejects {
                let letter = DeadLetter { record: item.record.clone(), reject: reject.clone() };
                self.transaction.emit(Emission::DeadLetter(Box::new(letter)));
            }
            self.report(item);
        }
    }

    fn tell(&mut self, event: &InboundEvent, effect: Effect, partition: Partition) {
        match effect {
            Effect::Late => self.notices.push(Notice::LateInbound),
            Effect::Opens { clamped: true, .. } => self.notices.push(Notice::FutureInbound),
            Effect::Opens { clamped: false, .. } | Effect::Nothing => {}
        }
        if !is_known(&event.kind) {
            self.notices.push(Notice::UnknownKind { kind: event.kind.clone(), times: 1 });
        }
        let Some(topology) = self.topology.as_ref().filter(|_| self.rules.partitioning == Partitioning::CoPartitioned)
        else {
            return;
        };
        for customer in event.customers() {
            if home(&event.business_id, customer, topology.partitions) != partition {
                self.notices.push(Notice::Misplaced { partition });
            }
        }
    }

    fn open(&mut self, act: &Act<'_>, known: &Known<'_>) {
        let Some(channel) = self.rules.policy.channel(act.event.channel.as_str()) else { return };
        let length = channel.window.length;
        for (Touched { print, seen }, customer) in act.touched.iter().zip(act.event.customers()) {
            // What this turn did to it before is held.
            let elsewhere = (known.window(*print), *seen);
            let own = Window::opened_by(act.at, act.record.position());
            let key = || act.event.window_key(customer);
            let (before, after) = self.holding.hold(act.record.partition, (*print, key), own, elsewhere, length);
            if !act.emits {
                continue;
            }
            if before.map(|before| before.last_inbound_at) == Some(after.last_inbound_at) {
                self.notices.push(Notice::UnmovedWindow);
                continue;
            }
            let touches = before.is_some_and(|before| act.at < before.expires_at(length));
            self.tell_window(act, customer, (after, length), touches);
        }
    }

    fn tell_window(&mut self, act: &Act<'_>, customer: &CustomerId, (window, length): (Window, Span), touches: bool) {
        let change = match touches {
            true if !self.rules.emit_refreshed => return,
            true => WindowChange::Refreshed,
            false => WindowChange::Opened,
        };
        self.transaction.emit(Emission::WindowEvent(Box::new(WindowEvent {
            record: act.record.clone(),
            event_index: act.index,
            change,
            // Its own time may not be believed: whoever reads the event is told what the window counts from.
            cause: InboundEvent { occurred_at: act.at, ..act.event.clone() },
            customer_id: customer.clone(),
            window,
            window_length: length,
        })));
    }
}
