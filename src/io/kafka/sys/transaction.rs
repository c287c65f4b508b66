//! The transactional calls. The wrapper's own commit waits in steps of 100 ms; these return when it is done.

use super::{Handle, NativeError, ffi, millis};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::time::Duration;

/// The consumer's membership of its group, as it is at this moment.
pub(in super::super) struct GroupMetadata(*mut ffi::rd_kafka_consumer_group_metadata_t);

// SAFETY: a copy of names and numbers that nothing else refers to.
unsafe impl Send for GroupMetadata {}

impl GroupMetadata {
    /// Asks the consumer; none without a group.
    pub fn of(consumer: &Handle) -> Option<GroupMetadata> {
        // SAFETY: the client is alive; null when it has no group.
        let pointer = unsafe { ffi::rd_kafka_consumer_group_metadata(consumer.native()) };
        (!pointer.is_null()).then_some(GroupMetadata(pointer))
    }

    /// Whether it is a member's: one that was expelled loses its generation or its id, as the broker put it.
    pub fn is_of_member(&self) -> bool {
        // SAFETY: ours until drop; the id is a C string that lives as long.
        unsafe {
            let id = ffi::rd_kafka_consumer_group_metadata_member_id(self.0);
            ffi::rd_kafka_consumer_group_metadata_generation_id(self.0) >= 0 && !id.is_null() && *id != 0
        }
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { ffi::rd_kafka_consumer_group_metadata_destroy(self.0) }
    }
}

/// Takes the transactional id over from whoever had it.
pub(in super::super) fn init(producer: &Handle, at_most: Duration) -> Result<(), NativeError> {
    // SAFETY: the client is alive; an error returned is ours.
    unsafe { NativeError::check(ffi::rd_kafka_init_transactions(producer.native(), millis(at_most))) }
}

/// Begins a transaction; local.
pub(in super::super) fn begin(producer: &Handle) -> Result<(), NativeError> {
    // SAFETY: as in `init`.
    unsafe { NativeError::check(ffi::rd_kafka_begin_transaction(producer.native())) }
}

/// Adds consumed offsets to the open transaction.
pub(in super::super) fn send_offsets(
    producer: &Handle,
    offsets: &TopicPartitionList,
    group: &GroupMetadata,
    at_most: Duration,
) -> Result<(), NativeError> {
    // SAFETY: as in `init`; list and membership are only read, and outlive the call.
    unsafe {
        let (list, wait) = (offsets.ptr(), millis(at_most));
        NativeError::check(ffi::rd_kafka_send_offsets_to_transaction(producer.native(), list, group.0, wait))
    }
}

/// Commits the open transaction. After a retriable error the outcome is open until a later call tells it.
pub(in super::super) fn commit(producer: &Handle, at_most: Duration) -> Result<(), NativeError> {
    // SAFETY: as in `init`.
    unsafe { NativeError::check(ffi::rd_kafka_commit_transaction(producer.native(), millis(at_most))) }
}

/// Aborts the open transaction.
pub(in super::super) fn abort(producer: &Handle, at_most: Duration) -> Result<(), NativeError> {
    // SAFETY: as in `init`.
    unsafe { NativeError::check(ffi::rd_kafka_abort_transaction(producer.native(), millis(at_most))) }
}
