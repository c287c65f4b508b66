//! Which of librdkafka's ways to log in this build has.

use super::oauth;
use super::settings::SettingsError;
use std::collections::BTreeMap;

const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];

/// The mechanism that a client's properties name, in capitals.
pub(super) fn mechanism<'a>(property: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let named = property("sasl.mechanism").or_else(|| property("sasl.mechanisms"));
    named.map(|mechanism| mechanism.to_ascii_uppercase())
}

/// Refuses what would otherwise show only when a client is made: a login that this build has no code for, or one that
/// lacks its token.
pub(super) fn check(properties: &BTreeMap<String, String>) -> Result<(), SettingsError> {
    let property = |name: &str| properties.get(name).map(String::as_str);
    let protocol = property("security.protocol").map(str::to_ascii_lowercase);
    if protocol.is_none_or(|protocol| !protocol.starts_with("sasl")) {
        return Ok(());
    }
    // Unset, it is Kerberos.
    let mechanism = mechanism(property).unwrap_or_else(|| "GSSAPI".to_owned());
    if !MECHANISMS.contains(&mechanism.as_str()) {
        let have = MECHANISMS.join(", ");
        return Err(SettingsError::Refused(format!("sasl.mechanism is {mechanism}, and this build has {have}")));
    }
    if mechanism == "OAUTHBEARER" {
        oauth::place(property(oauth::CONFIG)).map_err(SettingsError::Refused)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_that_cannot_work_is_refused_before_a_client_is_made() {
        type Row<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let table: [Row<'_>; 7] = [
            (&[], None),
            (&[("sasl.mechanism", "GSSAPI")], None),
            (&[("security.protocol", "sasl_ssl"), ("sasl.mechanism", "SCRAM-SHA-512")], None),
            (&[("security.protocol", "SASL_PLAINTEXT"), ("sasl.mechanisms", "plain")], None),
            (&[("security.protocol", "SASL_SSL")], Some("sasl.mechanism is GSSAPI")),
            (&[("security.protocol", "SASL_SSL"), ("sasl.mechanism", "OAUTHBEARER")], Some("token_file=PATH")),
            (
                &[
                    ("security.protocol", "SASL_SSL"),
                    ("sasl.mechanism", "OAUTHBEARER"),
                    ("sasl.oauthbearer.config", "token_file=/run/token"),
                ],
                None,
            ),
        ];
        for (pairs, refused) in table {
            let properties = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            match (check(&properties), refused) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) => assert!(error.to_string().contains(words), "{error}"),
                (result, _) => panic!("{pairs:?}: {result:?}"),
            }
        }
    }
}
