//! SASL/OAUTHBEARER: the token stands in a file that somebody else keeps fresh, such as an orchestrator that projects a
//! service account's token, or a helper beside the worker. It is read again whenever the client needs a newer one.
//!
//! The file is named in `sasl.oauthbearer.config`: `token_file=PATH`, and `principal=NAME` when the brokers go by another
//! name than the token's `sub`.

use super::login;
use super::settings::SettingsError;
use super::sys::{Native, set_oauth_token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rdkafka::client::OAuthToken;
use rdkafka::config::ClientConfig;
use std::fs;

pub(super) const CONFIG: &str = "sasl.oauthbearer.config";

/// The claims of a token that the client must know.
#[derive(serde::Deserialize)]
struct Claims {
    /// Seconds since 1970.
    exp: f64,
    sub: Option<String>,
}

/// Gives a new client its first token, if it uses any: without one it connects to nobody.
pub(super) fn give_token(client: &dyn Native, config: &ClientConfig) -> Result<(), SettingsError> {
    if login::mechanism(|property| config.get(property)).as_deref() != Some("OAUTHBEARER") {
        return Ok(());
    }
    let token = token(config.get(CONFIG)).map_err(SettingsError::NoToken)?;
    set_oauth_token(client, &token).map_err(|error| SettingsError::NoToken(error.text))
}

/// The token that stands in the file now. No error quotes it.
pub(super) fn token(config: Option<&str>) -> Result<OAuthToken, String> {
    let (path, principal) = place(config)?;
    let text = fs::read_to_string(&path).map_err(|error| format!("the token file {path} cannot be read: {error}"))?;
    let token = text.trim().to_owned();
    let claims = claims(&token).ok_or_else(|| format!("the token file {path} holds no JWT with the claim `exp`"))?;
    let principal_name = principal
        .or(claims.sub)
        .ok_or_else(|| format!("the token in {path} has no claim `sub`: add principal=NAME to {CONFIG}"))?;
    Ok(OAuthToken { token, principal_name, lifetime_ms: (claims.exp * 1_000.0) as i64 })
}

/// The file and the principal that are configured.
pub(super) fn place(config: Option<&str>) -> Result<(String, Option<String>), String> {
    let value = |name: &str| {
        let mut parts = config.unwrap_or_default().split(|c: char| c == ',' || c.is_whitespace());
        parts.find_map(|part| Some(part.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
    };
    match value("token_file") {
        Some(path) => Ok((path, value("principal"))),
        None => Err(format!("OAUTHBEARER needs a file with the token: set {CONFIG} to token_file=PATH")),
    }
}

fn claims(token: &str) -> Option<Claims> {
    let payload = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part(r#"{"alg":"none"}"#), part(claims))
    }

    fn read_error(config: &str) -> String {
        token(Some(config)).map(|token| token.principal_name).unwrap_err()
    }

    #[test]
    fn a_token_is_read_with_its_end_and_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let config = format!("token_file={}", path.display());
        let read = |text: &str, config: &str| {
            fs::write(&path, text).unwrap();
            token(Some(config)).map(|token| (token.principal_name, token.lifetime_ms))
        };
        let whole = jwt(r#"{"sub":"gate","exp":1700000000.5}"#);
        assert_eq!(read(&format!("{whole}\n"), &config), Ok(("gate".into(), 1_700_000_000_500)));
        let named = format!("{config},principal=other");
        assert_eq!(read(&whole, &named), Ok(("other".into(), 1_700_000_000_500)));
        for wrong in ["", "geheim", "a.geheim.b", &jwt(r#"{"sub":"geheim"}"#), &jwt(r#"{"exp":1}"#)] {
            let error = read(wrong, &config).unwrap_err();
            assert!(error.contains("token") && !error.contains("geheim"), "{error}");
        }
        fs::remove_file(&path).unwrap();
        assert!(read_error(&config).contains("cannot be read"));
    }
}
