//! W3C Trace Context in the headers of records: <https://www.w3.org/TR/trace-context/>.

use super::headers::{TRACE_HEADERS, trace_header};
use crate::core::record::Record;
use crate::ports::OutputRecord;
use crate::ports::spans::TraceContext;
use bytes::Bytes;

/// More than the `traceparent` of a span takes in a record that had none.
pub const MAX_ADDED_BYTES: usize = 96;

const PARENT: &str = TRACE_HEADERS[0];
const STATE: &str = TRACE_HEADERS[1];
/// `00-` and 32 digits, `-` and 16 digits, `-` and two.
const PARENT_BYTES: usize = 55;

/// The span that a record was sent in, when its `traceparent` can be read.
pub fn context_of(record: &Record) -> Option<TraceContext> {
    parse(trace_header(record, PARENT)?.value.as_deref()?)
}

/// The `tracestate` of an output.
pub fn state_of(output: &OutputRecord) -> Option<Bytes> {
    output.header(STATE).map(Bytes::copy_from_slice)
}

/// Makes that span the one that an output is sent in. Its `tracestate` stays only when the trace goes on.
pub fn set_context(output: &mut OutputRecord, context: TraceContext, goes_on: bool) {
    output.retain_headers(|name| name != PARENT.as_bytes() && (goes_on || name != STATE.as_bytes()));
    output.push_header(PARENT, Some(format(context).as_bytes()));
}

fn format(TraceContext { trace_id, span_id, flags }: TraceContext) -> String {
    format!("00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
}

fn parse(text: &[u8]) -> Option<TraceContext> {
    let version = hex(text.get(..2)?)?;
    // Later versions may append; what they have in common with this one is read.
    let fits = match version {
        0 => text.len() == PARENT_BYTES,
        0xff => false,
        _ => text.len() == PARENT_BYTES || text.get(PARENT_BYTES) == Some(&b'-'),
    };
    let has_dashes = [2, 35, 52].iter().all(|place| text.get(*place) == Some(&b'-'));
    if !fits || !has_dashes {
        return None;
    }
    let context = TraceContext {
        trace_id: hex(text.get(3..35)?)?,
        span_id: u64::try_from(hex(text.get(36..52)?)?).ok()?,
        flags: u8::try_from(hex(text.get(53..55)?)?).ok()?,
    };
    (context.trace_id != 0 && context.span_id != 0).then_some(context)
}

/// Lower-case hexadecimal digits, as the standard asks for.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number: u128, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::headers::header;

    const PARENT_OF_THE_STANDARD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_reads_back_as_it_was_written() {
        let context = parse(PARENT_OF_THE_STANDARD.as_bytes()).unwrap();
        let expected = TraceContext {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span_id: 0x00f0_67aa_0ba9_02b7,
            flags: 1,
        };
        assert_eq!(context, expected);
        assert_eq!(format(context), PARENT_OF_THE_STANDARD);
        assert!(context.is_sampled());
        let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-the-future-holds";
        assert_eq!(parse(later.as_bytes()), Some(TraceContext { flags: 0, ..expected }));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for text in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7_01",
            "00-4bf92f3577b34da6a3ce929d0e0e473 -00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0\u{e9}",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_trace_that_goes_on_keeps_its_state_and_one_that_begins_has_none() {
        let before = || {
            let mut output = OutputRecord::new("topic".into(), None, None, None);
            output.push_header("ce_id", Some(b"1"));
            output.push_header(PARENT, Some(b"bad"));
            output.push_header(STATE, Some(b"vendor=1"));
            output
        };
        let context = TraceContext { trace_id: 1, span_id: 2, flags: 1 };
        let mut output = before();
        set_context(&mut output, context, true);
        let written = header(PARENT, "00-00000000000000000000000000000001-0000000000000002-01");
        assert_eq!(output.to_headers(), [header("ce_id", "1"), header(STATE, "vendor=1"), written.clone()]);
        assert_eq!(state_of(&output).as_deref(), Some(&b"vendor=1"[..]));
        let mut output = before();
        set_context(&mut output, context, false);
        assert_eq!(output.to_headers(), [header("ce_id", "1"), written.clone()]);
        let added = written.name.len() + written.value.map_or(0, |value| value.len()) + 10;
        assert!(added <= MAX_ADDED_BYTES);
    }
}
