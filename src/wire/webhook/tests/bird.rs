//! Bird's messages: whose they are, and of when.

use super::*;

const BUSINESS: &str = r#""id":"m","channelId":"b""#;
const CREATED: &str = r#""createdAt":"2026-03-14T09:22:04Z""#;
const CREATED_AT_MS: i64 = 1_773_480_124_000;

/// A message of a customer with that contact and those further members.
fn incoming(contact: &str, rest: &str) -> DecodedInbound {
    let sender = format!(r#""sender":{{"contact":{{{contact}}}}}"#);
    decode(format!(r#"{{{BUSINESS},"direction":"incoming",{sender},"body":{{"type":"text"}}{rest}}}"#))
}

/// A send to that contact that the provider refused.
fn refused(contact: &str, rest: &str) -> DecodedInbound {
    let receiver = format!(r#""receiver":{{"contacts":[{{{contact}}}]}}"#);
    let failure = r#""failure":{"source":{"code":"131047"}}"#;
    decode(format!(r#"{{{BUSINESS},"direction":"outgoing",{receiver},{failure}{rest}}}"#))
}

#[test]
fn a_time_that_is_missing_or_rotten_is_not_replaced_by_the_records() {
    let rfc = "invalid_field createdAt is not an RFC 3339 time, such as 2026-11-22T10:15:30.123Z";
    let table = [
        ("", "missing_field createdAt is required"),
        (r#","createdAt":null"#, "missing_field createdAt is required"),
        (r#","createdAt":"""#, rfc),
        (r#","createdAt":"yesterday""#, rfc),
        (r#","createdAt":1773480124"#, "invalid_field createdAt is not a string"),
        (r#","createdAt":{}"#, "invalid_field createdAt is not a string"),
        (
            r#","createdAt":"2026-03-14T09:22:04Z","meta":{"extraInformation":{"timestamp":"soon"}}"#,
            "invalid_field meta.extraInformation.timestamp is no number",
        ),
    ];
    let contact = r#""identifierValue":"+491""#;
    for (rest, detail) in table {
        for decoded in [incoming(contact, rest), refused(contact, rest)] {
            assert_eq!(details(&decoded), [detail], "{rest}");
            assert_eq!((decoded.events.len(), decoded.deliveries.len()), (0, 0), "{rest}");
        }
    }
    let rest = r#","meta":{"extraInformation":{"timestamp":"1773480120"}}"#;
    assert_eq!(
        incoming(contact, rest).events[0].occurred_at.as_millis(),
        1_773_480_120_000,
        "WhatsApp's own time is enough"
    );
    let created = format!(",{CREATED}");
    assert_eq!(refused(contact, &created).deliveries[0].occurred_at.as_millis(), CREATED_AT_MS);
}
