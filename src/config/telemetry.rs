//! The `[telemetry]` section: where traces go.

use super::error::Fault;
use super::keys::{self, Kind};
use super::properties::read_pairs;
use super::reader::Reader;
use super::value::{FromText, mismatch};
use super::{Ratio, Secret};
use ureq::http::{HeaderName, HeaderValue, Uri};

/// Where collectors take traces unless the URL says otherwise.
const TRACES_PATH: &str = "/v1/traces";

/// Where traces go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TelemetryConfig {
    /// The URL that traces are posted to; without one, no traces are made.
    pub traces_endpoint: Option<String>,
    /// Further headers of each request.
    pub traces_headers: Option<Secret>,
    /// The share of the traces that begin here that are sampled.
    pub traces_ratio: Ratio,
    /// The name that traces are listed under.
    pub service_name: String,
}

impl TelemetryConfig {
    /// The headers, secrets included, for the client that needs them.
    pub fn headers(&self) -> Vec<(String, String)> {
        let text = self.traces_headers.as_ref().map(Secret::expose);
        text.and_then(|text| read_pairs(text).ok()).unwrap_or_default()
    }
}

pub(super) fn read(reader: &mut Reader<'_>) -> TelemetryConfig {
    TelemetryConfig {
        traces_endpoint: reader.optional(keys::TELEMETRY_TRACES_ENDPOINT.name, &keys::TELEMETRY_TRACES_ENDPOINT),
        traces_headers: reader.optional(keys::TELEMETRY_TRACES_HEADERS.name, &keys::TELEMETRY_TRACES_HEADERS),
        traces_ratio: reader.required(&keys::TELEMETRY_TRACES_RATIO),
        service_name: reader.required(&keys::TELEMETRY_SERVICE_NAME),
    }
}

/// A URL that can be posted to, with the usual path when it has none.
pub(super) fn endpoint(text: &str, kind: &Kind) -> Result<String, Fault> {
    let remedy = || format!("give {}", kind.allowed());
    if text.contains('@') {
        return Err(Fault::new("holds a login", "give it in telemetry.traces_headers"));
    }
    let uri: Uri = text.parse().map_err(|_| Fault::new("is not a URL", remedy()))?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) || text.contains(['?', '#']) {
        return Err(Fault::new("is not such a URL", remedy()));
    }
    match uri.path() {
        "" | "/" => Ok(format!("{}{TRACES_PATH}", text.trim_end_matches('/'))),
        _ => Ok(text.to_owned()),
    }
}

/// Headers that a request can hold. The fault quotes none of them.
pub(super) fn headers(text: &str, kind: &Kind) -> Result<(), Fault> {
    let fits = |(name, value): &(String, String)| {
        HeaderName::from_bytes(name.as_bytes()).is_ok() && HeaderValue::from_str(value).is_ok()
    };
    match read_pairs(text)?.iter().all(fits) {
        true => Ok(()),
        false => Err(Fault::new("holds what is no header", format!("give {}", kind.allowed()))),
    }
}

impl FromText for Ratio {
    fn from_text(text: &str, kind: &Kind) -> Result<Ratio, Fault> {
        let Kind::Ratio = kind else { return Err(mismatch(kind)) };
        let ratio = text.parse::<f64>().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
        match ratio {
            // What is finer than a millionth samples nothing that anybody would see.
            Some(ratio) => Ok(Ratio { millionths: (ratio * 1e6).round() as u32 }),
            None => Err(Fault::new("is not a share", format!("give {}", kind.allowed()))),
        }
    }

    fn placeholder() -> Ratio {
        Ratio { millionths: 0 }
    }
}
