//! The calls of librdkafka that its Rust wrapper lacks. What is `unsafe` of Kafka lives here; everything offered is safe.

#![allow(unsafe_code)]

mod brokers;
mod lookup;
mod message;
mod produce;
mod queue;
mod token;
mod transaction;

pub(super) use brokers::set_first_rebalance_delay;
pub(super) use lookup::{DescribedTopic, ListedOffset, OffsetSpec, PendingOffsets, PendingTopics};
pub(super) use message::Message;
pub(super) use produce::{TopicHandle, flush};
pub(super) use queue::{Queue, WakeUp};
pub(super) use token::set_oauth_token;
pub(super) use transaction::{GroupMetadata, abort, begin, commit, init, send_offsets};

use rdkafka::admin::AdminClient;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use rdkafka_sys as ffi;
use std::ffi::{CStr, CString, c_char, c_int};
use std::sync::Arc;
use std::time::Duration;

/// A live librdkafka client.
///
/// # Safety
/// The pointer must stay valid for as long as the implementing value lives.
pub(super) unsafe trait Native: Send + Sync {
    /// The client itself.
    fn native(&self) -> *mut ffi::rd_kafka_t;
}

// SAFETY: the wrapper destroys its client in its own drop, not before.
unsafe impl<C: ConsumerContext + 'static> Native for BaseConsumer<C> {
    fn native(&self) -> *mut ffi::rd_kafka_t {
        self.client().native_ptr()
    }
}

// SAFETY: as above.
unsafe impl<C: ProducerContext + 'static> Native for BaseProducer<C> {
    fn native(&self) -> *mut ffi::rd_kafka_t {
        self.client().native_ptr()
    }
}

// SAFETY: as above.
unsafe impl<C: ClientContext + 'static> Native for AdminClient<C> {
    fn native(&self) -> *mut ffi::rd_kafka_t {
        self.inner().native_ptr()
    }
}

/// Keeps a client alive for what was made from it.
pub(super) type Handle = Arc<dyn Native>;

/// An error of librdkafka, with what it says about trying again.
#[derive(Clone, Debug)]
pub(super) struct NativeError {
    /// Its code.
    pub code: RDKafkaErrorCode,
    /// Its text, which names the cause.
    pub text: String,
    /// The same call may be made again.
    pub retriable: bool,
    /// The open transaction must be aborted.
    pub requires_abort: bool,
}

impl NativeError {
    fn of_code(code: ffi::rd_kafka_resp_err_t) -> NativeError {
        // SAFETY: the text is static.
        let text = unsafe { text(ffi::rd_kafka_err2str(code)) };
        NativeError { code: code.into(), text, retriable: false, requires_abort: false }
    }

    /// An error of our own.
    pub fn local(text: &str) -> NativeError {
        NativeError { code: RDKafkaErrorCode::Fail, text: text.to_owned(), retriable: false, requires_abort: false }
    }

    /// Takes an error object over; a null pointer means success.
    ///
    /// # Safety
    /// The pointer is null, or an error object that nobody else owns.
    unsafe fn check(error: *mut ffi::rd_kafka_error_t) -> Result<(), NativeError> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not null, and ours to read and to destroy.
        unsafe {
            let taken = NativeError {
                code: ffi::rd_kafka_error_code(error).into(),
                text: text(ffi::rd_kafka_error_string(error)),
                retriable: ffi::rd_kafka_error_is_retriable(error) != 0,
                requires_abort: ffi::rd_kafka_error_txn_requires_abort(error) != 0,
            };
            ffi::rd_kafka_error_destroy(error);
            Err(taken)
        }
    }
}

/// Copies a C string.
///
/// # Safety
/// The pointer is null or a C string that lives through the call.
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, a C string by contract.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// A topic's name for C. A NUL in it could never be a topic: the empty name is refused by librdkafka in its place.
fn c_string(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

fn millis(time: Duration) -> c_int {
    c_int::try_from(time.as_millis()).unwrap_or(c_int::MAX)
}
