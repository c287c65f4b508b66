//! `statuses[]`: what became of something the business sent, or of a call it made.

use super::super::loose;
use super::{CHANNEL, Change, Read, event};
use crate::core::delivery::{FailedDelivery, OUTSIDE_WINDOW_CODES};
use crate::core::ids::Channel;
use crate::wire::fields::{Fields, missing};
use crate::wire::findings::{Findings, unusable};

const STATUS: [&str; 7] = ["id", "status", "type", "timestamp", "recipient_id", "recipient_user_id", "errors"];
const ERROR: [&str; 1] = ["code"];

const FAILED: &str = "failed";

type Status<'a> = Fields<'a, 7>;

pub(super) fn read<'a>(raw: &'a str, change: &Change<'a>, findings: &mut Findings) -> Read {
    let fields = Fields::read(raw, &STATUS).map_err(|_| unusable("is not an object"))?;
    let status = match loose::text(&fields, "status")? {
        Some(status) => status.to_ascii_lowercase(),
        // Only what has failed has errors.
        None if fields.is_array("errors") => FAILED.to_owned(),
        None => return Err(missing("status")),
    };
    if loose::word(&fields, "type") == "call" {
        return call(&status, &fields, change, findings);
    }
    if status == FAILED
        && let Some(error_code) = outside_window(&fields)
    {
        failed(error_code, &fields, change, findings)?;
    }
    Ok(None)
}

/// What the customer did about a call of the business.
fn call<'a>(status: &str, fields: &Status<'a>, change: &Change<'a>, findings: &mut Findings) -> Read {
    let kind = match status {
        "accepted" => "call_accepted",
        "ringing" => "call_ringing",
        "rejected" => "call_rejected",
        other => {
            findings.ignore(&format!("call.{other}"));
            return Ok(None);
        }
    };
    let ids = (loose::id(fields, "recipient_id")?, loose::id(fields, "recipient_user_id")?);
    let person = change.people.find(ids.0, ids.1).ok_or_else(|| missing("recipient_id"))?;
    let occurred_at = loose::required_seconds(fields, "timestamp")?;
    event(change, loose::required_id(fields, "id")?, person, kind, occurred_at)
}

/// The first of its errors that says that the window is closed.
fn outside_window(fields: &Status<'_>) -> Option<u32> {
    let mut found = None;
    loose::each(fields.raw("errors")?, |_, error| {
        let error = Fields::read(error, &ERROR).ok();
        let code = error.and_then(|error| error.raw("code")).and_then(loose::number);
        found = found.or(code.filter(|code| OUTSIDE_WINDOW_CODES.contains(code)));
    });
    found
}

/// It counts for each id of the customer: nobody knows under which one the next intent comes.
fn failed<'a>(
    error_code: u32,
    fields: &Status<'a>,
    change: &Change<'a>,
    findings: &mut Findings,
) -> Result<(), crate::core::record::Reject> {
    let ids = (loose::id(fields, "recipient_id")?, loose::id(fields, "recipient_user_id")?);
    let person = change.people.find(ids.0, ids.1).ok_or_else(|| missing("recipient_id"))?;
    let occurred_at = loose::required_seconds(fields, "timestamp")?;
    for customer_id in std::iter::once(person.id).chain(person.aliases) {
        findings.delivery(FailedDelivery {
            channel: Channel::new(CHANNEL),
            business_id: change.business.clone()?,
            customer_id,
            error_code,
            occurred_at,
        });
    }
    Ok(())
}
