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

#[test]
fn a_username_is_never_the_customer_and_a_bsuid_is_one_id_more() {
    let phone = r#""identifierKey":"phonenumber","identifierValue":"+491""#;
    let bare = r#""identifierValue":"+491""#;
    let name = r#""identifierKey":"whatsappusername","identifierValue":"ada""#;
    let user = r#""identifierKey":"whatsappbsuid","identifierValue":"+DE.1""#;
    let bsuid = r#""whatsappusername":"ada","whatsappbsuid":"DE.1""#;
    let required =
        "missing_field meta.extraInformation.whatsappbsuid is required: a username may change, and is no customer";
    let spaced = "invalid_field meta.extraInformation.whatsappbsuid holds whitespace or a control character";
    let table = [
        (phone, "", Ok("491")),
        (phone, bsuid, Ok("491 DE.1")),
        (bare, bsuid, Ok("491 DE.1")),
        (phone, r#""whatsappbsuid":"491""#, Ok("491")),
        // Who is known by a number is not refused for an id beside it.
        (phone, r#""whatsappbsuid":"""#, Ok("491")),
        (phone, r#""whatsappbsuid":"DE 1""#, Ok("491")),
        (phone, r#""whatsappbsuid":{}"#, Ok("491")),
        (name, bsuid, Ok("DE.1")),
        (&name.replace("whatsappusername", "WhatsAppUsername"), bsuid, Ok("DE.1")),
        (name, "", Err(required)),
        (name, r#""whatsappusername":"ada""#, Err(required)),
        (name, r#""whatsappbsuid":null"#, Err(required)),
        (name, r#""whatsappbsuid":"""#, Err(required)),
        (name, r#""whatsappbsuid":"DE 1""#, Err(spaced)),
        (user, "", Ok("+DE.1")),
        (user, r#""whatsappbsuid":"DE.2""#, Ok("+DE.1")),
        (r#""identifierKey":7.5,"identifierValue":"ada""#, bsuid, Err("invalid_field identifierKey is not a string")),
    ];
    for (contact, extra, expected) in table {
        let rest = format!(r#",{CREATED},"meta":{{"extraInformation":{{{extra}}}}}"#);
        let (wrote, failed) = (incoming(contact, &rest), refused(contact, &rest));
        let windows: Vec<_> = wrote.events.iter().flat_map(|event| event.customers()).map(|it| it.as_str()).collect();
        let advised: Vec<_> = failed.deliveries.iter().map(|it| it.customer_id.as_str()).collect();
        let ids = expected.unwrap_or_default();
        assert_eq!((windows.join(" "), advised.join(" ")), (ids.to_owned(), ids.to_owned()), "{contact} {extra}");
        let refusals: Vec<_> = expected.err().into_iter().collect();
        assert_eq!((details(&wrote), details(&failed)), (own(&refusals), own(&refusals)), "{contact} {extra}");
    }
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
