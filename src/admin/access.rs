//! Who may ask: whoever presents the token, when there is one.

use crate::config::Secret;
use axum::http::{HeaderMap, header};
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
}
