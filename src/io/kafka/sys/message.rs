//! A consumed message, or an event in its place.

use super::{ffi, text};
use crate::core::record::Header;
use bytes::Bytes;
use rdkafka::error::RDKafkaErrorCode;
use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};
use std::slice;

/// A message that is ours.
pub(in super::super) struct Message {
    pointer: *mut ffi::rd_kafka_message_t,
}

impl Message {
    /// Takes a message over.
    ///
    /// # Safety
    /// The pointer is a valid message that nobody else destroys.
    pub(super) unsafe fn from_owned(pointer: *mut ffi::rd_kafka_message_t) -> Message {
        Message { pointer }
    }

    fn raw(&self) -> &ffi::rd_kafka_message_t {
        // SAFETY: valid until drop, by the contract of `from_owned`.
        unsafe { &*self.pointer }
    }

    /// The error that stands in place of a message, with its text.
    pub fn error(&self) -> Option<RDKafkaErrorCode> {
        let code = self.raw().err;
        (code != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| code.into())
    }

    /// The text of the error.
    pub fn error_text(&self) -> String {
        // SAFETY: the text lives as long as the message.
        unsafe { text(ffi::rd_kafka_message_errstr(self.pointer)) }
    }

    /// Its partition.
    pub fn partition(&self) -> i32 {
        self.raw().partition
    }

    /// Its offset; of an end-of-partition event, the next offset that would be fetched.
    pub fn offset(&self) -> i64 {
        self.raw().offset
    }

    /// Its timestamp in milliseconds since 1970; -1 when it has none.
    pub fn timestamp_ms(&self) -> i64 {
        // SAFETY: the message is valid; the kind of timestamp may be left out.
        unsafe { ffi::rd_kafka_message_timestamp(self.pointer, null_mut()) }
    }

    /// Its key.
    pub fn key(&self) -> Option<&[u8]> {
        // SAFETY: pointer and length belong together and live as long as the message.
        unsafe { bytes(self.raw().key, self.raw().key_len) }
    }

    /// Its value.
    pub fn value(&self) -> Option<&[u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.raw().payload, self.raw().len) }
    }

    /// Its headers in order.
    pub fn headers(&self) -> Vec<Header> {
        let mut headers = null_mut();
        // SAFETY: the list belongs to the message, which outlives this call.
        let found = unsafe { ffi::rd_kafka_message_headers(self.pointer, &raw mut headers) };
        if found != ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Vec::new();
        }
        let mut list = Vec::new();
        loop {
            let (mut name, mut value, mut length) = (null::<c_char>(), null::<c_void>(), 0usize);
            // SAFETY: the three places are ours; what they point to lives as long as the message.
            let header = unsafe {
                let got =
                    ffi::rd_kafka_header_get_all(headers, list.len(), &raw mut name, &raw mut value, &raw mut length);
                (got == ffi::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR).then(|| Header {
                    name: text(name).into(),
                    value: bytes(value, length).map(Bytes::copy_from_slice),
                })
            };
            match header {
                Some(header) => list.push(header),
                None => return list,
            }
        }
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        // SAFETY: ours by the contract of `from_owned`, and destroyed once.
        unsafe { ffi::rd_kafka_message_destroy(self.pointer) }
    }
}

/// Bytes in librdkafka's memory.
///
/// # Safety
/// The pointer is null, or readable for that length and for as long as the caller says.
unsafe fn bytes<'a>(pointer: *const c_void, length: usize) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, readable by contract.
    Some(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), length) })
}
