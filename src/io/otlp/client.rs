//! Requests to the collector, one at a time on the exporter's own thread.

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use rustls::pki_types::CertificateDer;
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
        let trusted = if encrypts { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
        Client::trusting(timeout, &trusted)
    }

    fn trusting(timeout: Duration, authorities: &[CertificateDer<'_>]) -> Client {
        let authorities = authorities.iter().map(|it| Certificate::from_der(it).to_owned()).collect::<Vec<_>>();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::Specific(Arc::new(authorities)))
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        // Neither a proxy nor whom an answer points to shall see the headers.
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .tls_config(tls);
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    /// Answers one request over TLS, and says what it was.
    fn answer_one(listener: TcpListener, config: ServerConfig) -> JoinHandle<std::io::Result<String>> {
        thread::spawn(move || {
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(connection, listener.accept()?.0);
            let mut request = Vec::new();
            while !request.ends_with(b"spans") {
                let mut some = [0; 1_024];
                let count = stream.read(&mut some)?;
                request.extend_from_slice(&some[..count]);
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
            stream.flush()?;
            Ok(String::from_utf8_lossy(&request).into_owned())
        })
    }

    #[test]
    fn a_collector_is_told_over_tls_when_it_is_trusted_and_only_then() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        for is_trusted in [true, false] {
            let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
            let certificate = made.cert.der().clone();
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
            let config = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
            let config =
                config.unwrap().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("https://localhost:{}/v1/traces", listener.local_addr().unwrap().port());
            let server = answer_one(listener, config);
            let authorities = if is_trusted { vec![certificate] } else { vec![] };
            let client = Client::trusting(Duration::from_secs(20), &authorities);
            let answer = client.ask(Request::post(url).body(Bytes::from_static(b"spans")).unwrap());
            assert_eq!(answer.is_ok_and(|answer| answer.body() == "ok"), is_trusted);
            let asked = server.join().unwrap().is_ok_and(|request| request.starts_with("POST /v1/traces HTTP/1.1"));
            assert_eq!(asked, is_trusted);
        }
    }
}
