//! Records as long as a verdict, with as many headers: what the contract asks of whoever writes one.

use super::NO_ERROR;
use rdkafka_sys::*;
use std::ffi::{c_int, c_void};
use std::io::Write;
use std::slice::from_raw_parts;

/// What a verdict says besides what its intent did.
const ADDED: &[u8] = br#","window":{"opened_at":"2026-11-22T10:15:30.123Z","last_inbound_at":"2026-11-22T10:15:30.123Z","expires_at":"2026-11-23T10:15:30.123Z"},"decided_at":"2026-11-22T10:15:30.123Z","source":{"topic":"outbound-intent","partition":0,"offset":1000000}}"#;

type Value = rd_kafka_vu_s__bindgen_ty_1;

/// Copies an intent with what a verdict adds to it. The client, the topic and the message are alive.
pub(super) unsafe fn produce(producer: *mut rd_kafka_t, output: *mut rd_kafka_topic_t, intent: &rd_kafka_message_t) {
    // SAFETY: as the caller promises; key, value and headers are copied before the call returns.
    unsafe {
        let (key, value) = (bytes(intent.key, intent.key_len), bytes(intent.payload, intent.len));
        let whole = [value.strip_suffix(b"}").unwrap_or(value), ADDED].concat();
        let headers = headers(intent, key);
        let values = [
            of(rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT, Value { rkt: output }),
            of(rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION, Value { i32_: intent.partition }),
            of(rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: RD_KAFKA_MSG_F_COPY as c_int }),
            of(rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE, Value { mem: memory(&whole) }),
            of(rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY, Value { mem: memory(key) }),
            of(rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS, Value { headers }),
        ];
        let error = rd_kafka_produceva(producer, values.as_ptr(), values.len());
        assert!(error.is_null(), "{:?}", rd_kafka_error_code(error));
    }
}

unsafe fn headers(intent: &rd_kafka_message_t, key: &[u8]) -> *mut rd_kafka_headers_t {
    let mut id = *b"outbound-intent/0/0000000000/verdict";
    let _ = write!(&mut id[18..28], "{:010}", intent.offset);
    let texts: [(&[u8], &[u8]); 7] = [
        (b"ce_specversion", b"1.0"),
        (b"ce_id", &id),
        (b"ce_source", b"/sessiongate"),
        (b"ce_type", b"sessiongate.session-send.v1"),
        (b"ce_subject", key),
        (b"ce_time", b"2026-11-22T10:15:30.123Z"),
        (b"content-type", b"application/json"),
    ];
    unsafe {
        let list = rd_kafka_headers_new(texts.len());
        for (name, value) in texts {
            let value_size = value.len() as isize;
            let added =
                rd_kafka_header_add(list, name.as_ptr().cast(), name.len() as isize, value.as_ptr().cast(), value_size);
            assert!(added == NO_ERROR);
        }
        list
    }
}

fn of(vtype: rd_kafka_vtype_t, u: Value) -> rd_kafka_vu_t {
    rd_kafka_vu_t { vtype, u }
}

unsafe fn bytes<'a>(pointer: *mut c_void, length: usize) -> &'a [u8] {
    if pointer.is_null() { &[] } else { unsafe { from_raw_parts(pointer.cast::<u8>(), length) } }
}

fn memory(bytes: &[u8]) -> rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: bytes.as_ptr().cast_mut().cast(), size: bytes.len() }
}
