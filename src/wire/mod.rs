//! Bytes to domain and back: what arrives is decoded or refused with a reason, what is decided is encoded.
//!
//! Everything here is a function of its arguments. Absent: clocks, I/O, logging, configuration. What arrives is not
//! trusted: no input may panic, and no refusal repeats content (names of fields and lengths only).

pub mod canonical;
mod dead_letter;
pub mod decoder;
mod digits;
mod envelope;
mod fields;
mod findings;
mod forward;
mod headers;
mod json;
pub mod letter;
mod marks;
mod names;
mod origin;
pub mod output;
mod place;
mod scan;
mod template;
pub mod time;
pub mod trace_context;
mod webhook;
mod words;
