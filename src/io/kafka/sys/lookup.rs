//! Questions to the brokers whose answers arrive on a queue of their own: offsets and topics.

use super::queue::Queue;
use super::{Handle, NativeError, c_string, ffi, millis, text};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use std::ffi::{CString, c_char};
use std::slice;
use std::time::Duration;

/// Which offset of a partition is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum OffsetSpec {
    /// The first that is still there.
    Earliest,
    /// The high watermark: what a hung transaction holds back counts too.
    Latest,
    /// The last stable offset: nothing at or above an open transaction counts.
    LastStable,
    /// The first whose record is not older than this (milliseconds since 1970).
    NotBefore(i64),
}

/// An answer about one partition.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct ListedOffset {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset; -1 when no record is that young.
    pub offset: i64,
    /// The timestamp of the record there, when it was asked for by time; else -1.
    pub timestamp_ms: i64,
    /// Why there is no answer.
    pub error: Option<RDKafkaErrorCode>,
}

/// A question about offsets that is under way.
pub(in super::super) struct PendingOffsets(Queue);

impl PendingOffsets {
    /// Asks for one offset of each partition.
    pub fn ask(
        client: &Handle,
        partitions: &[(&str, i32)],
        spec: OffsetSpec,
        at_most: Duration,
    ) -> Result<PendingOffsets, NativeError> {
        let queue = Queue::new(client);
        let raw = match spec {
            OffsetSpec::Earliest => i64::from(ffi::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_EARLIEST as i32),
            OffsetSpec::Latest | OffsetSpec::LastStable => {
                i64::from(ffi::rd_kafka_OffsetSpec_t::RD_KAFKA_OFFSET_SPEC_LATEST as i32)
            }
            OffsetSpec::NotBefore(ms) => ms.max(0),
        };
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            // The list's offset field carries the question, and every question is a valid offset or one of the two
            // logical ones, so that setting it cannot fail.
            let _ = list.add_partition(topic, *partition).set_offset(Offset::from_raw(raw));
        }
        let isolation = match spec {
            OffsetSpec::LastStable => ffi::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
            _ => ffi::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
        };
        let options = Options::new(client, ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, at_most)?;
        // SAFETY: the client is alive; list and options are copied; the queue lives until the answer is not wanted
        // any more (librdkafka counts its own references to it).
        unsafe {
            NativeError::check(ffi::rd_kafka_AdminOptions_set_isolation_level(options.0, isolation))?;
            ffi::rd_kafka_ListOffsets(client.native(), list.ptr(), options.0, queue.pointer);
        }
        Ok(PendingOffsets(queue))
    }

    /// The answer, if it comes in time.
    pub fn take(&self, wait: Duration) -> Option<Result<Vec<ListedOffset>, NativeError>> {
        let event = Event::poll(&self.0, wait)?;
        Some(event.check().map(|()| event.offsets()))
    }
}

/// What the brokers know of a topic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct DescribedTopic {
    /// Its name.
    pub name: String,
    /// Its id in base64, when the brokers have ids.
    pub id: Option<String>,
    /// Its number of partitions.
    pub partitions: i32,
    /// Why there is no answer.
    pub error: Option<RDKafkaErrorCode>,
}

/// A question about topics that is under way.
pub(in super::super) struct PendingTopics(Queue);

impl PendingTopics {
    /// Asks for topics by name. It never creates one.
    pub fn ask(client: &Handle, names: &[&str], at_most: Duration) -> Result<PendingTopics, NativeError> {
        let queue = Queue::new(client);
        let names: Vec<CString> = names.iter().map(|name| c_string(name)).collect();
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let options = Options::new(client, ffi::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, at_most)?;
        // SAFETY: the client is alive; names and options are copied; for the queue see `PendingOffsets`.
        unsafe {
            let topics = ffi::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            ffi::rd_kafka_DescribeTopics(client.native(), topics, options.0, queue.pointer);
            ffi::rd_kafka_TopicCollection_destroy(topics);
        }
        Ok(PendingTopics(queue))
    }

    /// The answer, if it comes in time.
    pub fn take(&self, wait: Duration) -> Option<Result<Vec<DescribedTopic>, NativeError>> {
        let event = Event::poll(&self.0, wait)?;
        Some(event.check().map(|()| event.topics()))
    }
}

struct Options(*mut ffi::rd_kafka_AdminOptions_t);

impl Options {
    fn new(client: &Handle, api: ffi::rd_kafka_admin_op_t, at_most: Duration) -> Result<Options, NativeError> {
        let mut reason = [0 as c_char; 256];
        // SAFETY: the client is alive; the buffer for the reason is writable for its length.
        unsafe {
            let options = Options(ffi::rd_kafka_AdminOptions_new(client.native(), api));
            let set = ffi::rd_kafka_AdminOptions_set_request_timeout(
                options.0,
                millis(at_most),
                reason.as_mut_ptr(),
                reason.len(),
            );
            if set == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Ok(options);
            }
            Err(NativeError { text: text(reason.as_ptr()), ..NativeError::of_code(set) })
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { ffi::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

struct Event(*mut ffi::rd_kafka_event_t);

impl Event {
    fn poll(queue: &Queue, wait: Duration) -> Option<Event> {
        let event = queue.poll_event(wait);
        (!event.is_null()).then_some(Event(event))
    }

    fn check(&self) -> Result<(), NativeError> {
        // SAFETY: the event is ours until drop, and so is its text.
        unsafe {
            let code = ffi::rd_kafka_event_error(self.0);
            if code == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Ok(());
            }
            Err(NativeError { text: text(ffi::rd_kafka_event_error_string(self.0)), ..NativeError::of_code(code) })
        }
    }

    fn offsets(&self) -> Vec<ListedOffset> {
        let mut count = 0;
        // SAFETY: an event of another kind gives null, which is checked; the entries live as long as the event.
        unsafe {
            let result = ffi::rd_kafka_event_ListOffsets_result(self.0);
            if result.is_null() {
                return Vec::new();
            }
            let infos = ffi::rd_kafka_ListOffsets_result_infos(result, &raw mut count);
            entries(infos, count)
                .iter()
                .map(|info| {
                    let place = &*ffi::rd_kafka_ListOffsetsResultInfo_topic_partition(*info);
                    ListedOffset {
                        topic: text(place.topic),
                        partition: place.partition,
                        offset: place.offset,
                        timestamp_ms: ffi::rd_kafka_ListOffsetsResultInfo_timestamp(*info),
                        error: error_of(place.err),
                    }
                })
                .collect()
        }
    }

    fn topics(&self) -> Vec<DescribedTopic> {
        let mut count = 0;
        // SAFETY: as in `offsets`.
        unsafe {
            let result = ffi::rd_kafka_event_DescribeTopics_result(self.0);
            if result.is_null() {
                return Vec::new();
            }
            let topics = ffi::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            entries(topics, count).iter().map(|topic| describe(*topic)).collect()
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { ffi::rd_kafka_event_destroy(self.0) }
    }
}

/// # Safety
/// The description is valid.
unsafe fn describe(topic: *const ffi::rd_kafka_TopicDescription_t) -> DescribedTopic {
    let mut partitions = 0;
    // SAFETY: valid by contract; a missing id and a missing error are null, the latter reads as "no error".
    unsafe {
        ffi::rd_kafka_TopicDescription_partitions(topic, &raw mut partitions);
        let id = ffi::rd_kafka_TopicDescription_topic_id(topic);
        let known = !id.is_null()
            && (ffi::rd_kafka_Uuid_most_significant_bits(id), ffi::rd_kafka_Uuid_least_significant_bits(id)) != (0, 0);
        DescribedTopic {
            name: text(ffi::rd_kafka_TopicDescription_name(topic)),
            id: known.then(|| text(ffi::rd_kafka_Uuid_base64str(id))),
            partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
            error: error_of(ffi::rd_kafka_error_code(ffi::rd_kafka_TopicDescription_error(topic))),
        }
    }
}

fn error_of(code: ffi::rd_kafka_resp_err_t) -> Option<RDKafkaErrorCode> {
    (code != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
}

/// # Safety
/// The pointer is null, or an array of that many entries that outlives `'a`.
unsafe fn entries<'a, T>(array: *mut *const T, count: usize) -> &'a [*const T] {
    if array.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: by contract.
    unsafe { slice::from_raw_parts(array.cast_const(), count) }
}
