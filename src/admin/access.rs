//! Who may ask: whoever presents the token, when there is one.

use crate::config::Secret;
use axum::http::{HeaderMap, header};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Whether a request with these headers may be answered.
pub(super) fn is_allowed(headers: &HeaderMap, token: Option<&Secret>) -> bool {
    let Some(token) = token else { return true };
    let presented = headers.get(header::AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
    // How long it takes tells nothing of how much was guessed right, only of the length.
    presented.is_some_and(|presented| presented.ct_eq(token.expose().as_bytes()).into())
}

/// What stands behind `Bearer`, whose case does not matter (RFC 9110, 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| rest.trim_ascii())
}

/// Whether the request names this machine itself or an address, not a name that somebody could make lead here.
pub(super) fn is_own_name(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Ok(host) = host.to_str() else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = Secret::new("open-sesame");
        let table = [
            (None, false),
            (Some("Bearer open-sesame"), true),
            (Some("bearer  open-sesame "), true),
            (Some("Bearer open-sesam"), false),
            (Some("Bearer open-sesame2"), false),
            (Some("Bearer Open-sesame"), false),
            (Some("Bearer "), false),
            (Some("Bearer"), false),
            (Some("Basic open-sesame"), false),
            (Some("open-sesame"), false),
        ];
        for (value, allowed) in table {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(is_allowed(&headers, Some(&token)), allowed, "{value:?}");
            assert!(is_allowed(&headers, None), "{value:?}");
        }
    }

    #[test]
    fn only_this_machine_and_addresses_are_names_of_its_own() {
        let table = [
            ("127.0.0.1:8080", true),
            ("localhost:8080", true),
            ("LOCALHOST", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("10.1.2.3", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:80", false),
            ("", false),
        ];
        for (host, own) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(is_own_name(&headers), own, "{host}");
        }
        assert!(is_own_name(&HeaderMap::new()), "no browser leaves it out");
    }
}
