//! Producing: one call with key, value, headers and timestamp, over a topic handle that is looked up once.

use super::{Handle, NativeError, c_string, ffi, millis};
use crate::ports::OutputRecord;
use std::ffi::{c_char, c_int, c_void};
use std::ptr::null_mut;
use std::time::Duration;

/// A topic of a producer.
pub(in super::super) struct TopicHandle {
    pointer: *mut ffi::rd_kafka_topic_t,
    handle: Handle,
}

// SAFETY: librdkafka's topic handles are locked inside and may be used from any thread.
unsafe impl Send for TopicHandle {}

/// A header list that librdkafka takes over when a message was accepted.
struct Headers(*mut ffi::rd_kafka_headers_t);

impl TopicHandle {
    /// A handle for a topic; it need not exist yet.
    pub fn new(handle: &Handle, name: &str) -> Result<TopicHandle, NativeError> {
        let name = c_string(name);
        // SAFETY: the client is alive; without a configuration the client's own is used.
        let pointer = unsafe { ffi::rd_kafka_topic_new(handle.native(), name.as_ptr(), null_mut()) };
        if pointer.is_null() {
            // SAFETY: no arguments.
            return Err(NativeError::of_code(unsafe { ffi::rd_kafka_last_error() }));
        }
        Ok(TopicHandle { pointer, handle: handle.clone() })
    }

    /// Puts a record into the producer's queue, which copies it.
    pub fn produce(&self, record: &OutputRecord) -> Result<(), NativeError> {
        let headers = Headers::of(record);
        let mut values = [EMPTY; 6];
        let mut count = 0;
        let mut push = |vtype, u| {
            values[count] = ffi::rd_kafka_vu_t { vtype, u };
            count += 1;
        };
        push(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT, Value { rkt: self.pointer });
        push(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: ffi::RD_KAFKA_MSG_F_COPY as c_int });
        push(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE, Value { mem: memory(record.value()) });
        push(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY, Value { mem: memory(record.key()) });
        if let Some(timestamp) = record.timestamp {
            push(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP, Value { i64_: timestamp.as_millis() });
        }
        if !headers.0.is_null() {
            push(ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS, Value { headers: headers.0 });
        }
        // SAFETY: the client and the topic are alive, the first `count` values are set, and each one's union field is
        // the one that its type names. Key and value are copied before the call returns.
        let produced =
            unsafe { NativeError::check(ffi::rd_kafka_produceva(self.handle.native(), values.as_ptr(), count)) };
        if produced.is_ok() {
            headers.were_taken_over();
        }
        produced
    }
}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: our reference, given back once, while the client is alive.
        unsafe { ffi::rd_kafka_topic_destroy(self.pointer) }
    }
}

type Value = ffi::rd_kafka_vu_s__bindgen_ty_1;

const EMPTY: ffi::rd_kafka_vu_t =
    ffi::rd_kafka_vu_t { vtype: ffi::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END, u: Value { i64_: 0 } };

fn memory(bytes: Option<&[u8]>) -> ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    let (pointer, size) = bytes.map_or((null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()));
    ffi::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: pointer, size }
}

impl Headers {
    fn of(record: &OutputRecord) -> Headers {
        if record.header_count() == 0 {
            return Headers(null_mut());
        }
        // SAFETY: a new list is ours; names and values are copied, with their lengths given.
        unsafe {
            let list = ffi::rd_kafka_headers_new(record.header_count());
            for header in record.headers() {
                let value = memory(header.value);
                let (name, name_size) = (header.name.as_ptr().cast::<c_char>(), header.name.len() as isize);
                ffi::rd_kafka_header_add(
                    list,
                    name,
                    name_size,
                    value.ptr.cast_const().cast::<c_void>(),
                    value.size as isize,
                );
            }
            Headers(list)
        }
    }

    fn were_taken_over(mut self) {
        self.0 = null_mut();
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: still ours: a message that was not accepted leaves its headers to the caller.
            unsafe { ffi::rd_kafka_headers_destroy(self.0) }
        }
    }
}

/// Waits until nothing is on its way; false when the time was too short.
pub(in super::super) fn flush(producer: &Handle, at_most: Duration) -> bool {
    // SAFETY: the client is alive.
    let done = unsafe { ffi::rd_kafka_flush(producer.native(), millis(at_most)) };
    done == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR
}
