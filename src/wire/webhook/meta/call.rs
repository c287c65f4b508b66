//! `calls[]`: calls of customers, and how calls of the business went on.

use super::super::loose;
use super::{Change, Read, digits, event};
use crate::wire::fields::{Fields, invalid, missing};
use crate::wire::findings::{Findings, unusable};

const CALL: [&str; 8] = ["id", "from", "to", "from_user_id", "to_user_id", "event", "direction", "timestamp"];

pub(super) fn read<'a>(raw: &'a str, change: &Change<'a>, findings: &mut Findings) -> Read {
    let fields = Fields::read(raw, &CALL).map_err(|_| unusable("is not an object"))?;
    let is_customers = match &*loose::word(&fields, "direction") {
        "USER_INITIATED" => true,
        "BUSINESS_INITIATED" => false,
        "" => return Err(missing("direction")),
        _ => return Err(invalid("direction", "is neither USER_INITIATED nor BUSINESS_INITIATED")),
    };
    let kind = match (&*loose::word(&fields, "event"), is_customers) {
        ("connect", true) => "call",
        ("connect", false) => "call_connect",
        ("terminate", _) => "call_terminate",
        (other, _) => {
            findings.ignore(&format!("call.{other}"));
            return Ok(None);
        }
    };
    let from = (loose::id(&fields, "from")?, loose::id(&fields, "from_user_id")?);
    let to = (loose::id(&fields, "to")?, loose::id(&fields, "to_user_id")?);
    // The direction says who called. Numbers have been seen the wrong way round: the business's own is never the
    // customer's.
    let is_own = |id: &Option<std::borrow::Cow<'_, str>>| {
        id.as_deref().is_some_and(|id| !change.own_number.is_empty() && digits(id) == change.own_number)
    };
    let (customer, other) = if is_customers { (from, to) } else { (to, from) };
    let (phone, user) = if is_own(&customer.0) { other } else { customer };
    let person = change.people.find(phone, user).ok_or_else(|| missing("from"))?;
    let occurred_at = loose::required_seconds(&fields, "timestamp")?;
    event(change, loose::required_id(&fields, "id")?, person, kind, occurred_at)
}
