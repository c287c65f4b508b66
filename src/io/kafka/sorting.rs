//! What a message of the consumer's queues is: a record, the end of a partition, or trouble.

use super::context::{is_fatal, is_outage};
use super::cursors::Cursors;
use super::shelf::Shelf;
use super::sys::Message;
use crate::core::ids::{Offset, Partition};
use crate::core::record::{Record, Stream, StreamPartition};
use crate::core::time::Timestamp;
use crate::ports::{Fetched, LogError, OutOfRange, Polled, ReachedEnd};
use rdkafka::error::RDKafkaErrorCode;

/// Puts a message where it belongs in the answer.
pub(super) fn sort(
    stream: Stream,
    message: &Message,
    cursors: &mut Cursors,
    shelf: &mut Shelf,
    polled: &mut Polled,
) -> Result<(), LogError> {
    let (partition, offset) = (message.partition(), Offset(message.offset()));
    let place = StreamPartition { stream, partition: Partition(partition) };
    let Some(cursor) = cursors.get_mut(stream, partition) else { return Ok(()) };
    match message.error() {
        None => {
            // A second lock on the door: what lies below the cursor was fetched for an earlier place of it.
            if offset >= cursor.next {
                cursor.next = offset.next();
                polled.records.push(Fetched { epoch: cursor.epoch, record: record(place, message, shelf) });
            }
            Ok(())
        }
        Some(RDKafkaErrorCode::PartitionEOF) => {
            cursor.next = cursor.next.max(offset);
            let end = ReachedEnd { epoch: cursor.epoch, partition: place, offset };
            match polled.ends.iter_mut().find(|other| other.partition == place) {
                Some(other) => *other = end,
                None => polled.ends.push(end),
            }
            Ok(())
        }
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
            cursor.stopped = true;
            let report = OutOfRange { epoch: cursor.epoch, partition: place };
            if !polled.out_of_range.contains(&report) {
                polled.out_of_range.push(report);
            }
            Ok(())
        }
        Some(code) => trouble(place, code, message),
    }
}

/// An error of one partition. What cannot be read must not be passed over.
fn trouble(place: StreamPartition, code: RDKafkaErrorCode, message: &Message) -> Result<(), LogError> {
    let StreamPartition { stream, partition } = place;
    let text = format!("{stream:?} partition {partition}, offset {}: {}", message.offset(), message.error_text());
    let unreadable = matches!(
        code,
        RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::BadCompression
            | RDKafkaErrorCode::Underflow
            | RDKafkaErrorCode::InvalidMessage
            | RDKafkaErrorCode::InvalidMessageSize
            | RDKafkaErrorCode::NotImplemented
            | RDKafkaErrorCode::UnsupportedFeature
    );
    if unreadable || is_fatal(code) {
        return Err(LogError::Fatal(text));
    }
    if is_outage(code) {
        return Err(LogError::Unavailable(text));
    }
    tracing::debug!("{text}");
    Ok(())
}

fn record(place: StreamPartition, message: &Message, shelf: &mut Shelf) -> Record {
    Record {
        stream: place.stream,
        partition: place.partition,
        offset: Offset(message.offset()),
        timestamp: Timestamp::from_millis(message.timestamp_ms()),
        key: message.key().map(|key| shelf.put(key)),
        value: message.value().map(|value| shelf.put(value)),
        headers: message.headers(),
    }
}
