//! Requests to the collector, one at a time on the exporter's own thread.

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use std::future::{self, Future};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// An answer says little; a page of some proxy's may say more.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Asks and waits, at most so long as it was told.
#[derive(Debug)]
pub(super) struct Client(ureq::Agent);

impl Client {
    /// A client that trusts whom the machine trusts.
    pub(super) fn new(timeout: Duration, encrypts: bool) -> Client {
        // Neither a proxy nor whom an answer points to shall see the headers.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None);
        let config = match encrypts {
            true => config.tls_config(tls()),
            false => config,
        };
        Client(config.build().new_agent())
    }

    fn ask(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(parts, &body[..]))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(MAX_ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(parts, Bytes::from(body)))
    }
}

fn tls() -> TlsConfig {
    let trusted = rustls_native_certs::load_native_certs().certs;
    let trusted: Vec<_> = trusted.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(trusted)))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

impl HttpClient for Client {
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(future::ready(self.ask(request)))
    }
}
