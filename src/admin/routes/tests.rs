use super::*;
use crate::admin::serve::{Limits, serve};
use crate::config::{Config, Sources};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use ureq::http::Response as Answer;

const TOKEN: &str = "open-sesame-open-sesame";

fn site(file: &str) -> Arc<Site> {
    let sources = Sources {
        file: Some(file),
        names: Vec::new(),
        lookup: &|_| None,
        read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        cores: 1,
        allow_short_guard: false,
    };
    Arc::new(Site::new(&Config::load(&sources).unwrap().0))
}

fn with_token() -> Arc<Site> {
    site(&format!("[admin]\ntoken = '{TOKEN}'"))
}

/// Serves as `run` does before Kafka and Redis are there, while `client` asks at the address it is given.
fn serving(site: Arc<Site>, limits: Limits, client: impl FnOnce(&str) + Send + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(serve(listener, routes(site), limits));
        tokio::task::spawn_blocking(move || client(&address)).await.unwrap();
        server.abort();
    });
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent()
}

fn ask(method: &str, address: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer<ureq::Body> {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    match body.is_empty() {
        true => agent().run(request.body(()).unwrap()).unwrap(),
        false => agent().run(request.body(body).unwrap()).unwrap(),
    }
}

fn json(mut answer: Answer<ureq::Body>) -> (u16, Value) {
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
}

#[test]
fn a_worker_that_still_waits_for_kafka_and_redis_says_so() {
    serving(site(""), Limits::default(), |address| {
        let (code, told) = json(ask("GET", address, "/v1/status", &[], b""));
        assert_eq!((code, &told["shards"], &told["instance"]), (200, &Value::Array(Vec::new()), &Value::Null));
        assert_eq!(json(ask("GET", address, "/healthz", &[], b"")).0, 200);
        let (code, told) = json(ask("GET", address, "/readyz", &[], b""));
        assert_eq!((code, &told["checks"][0]["name"]), (503, &"started".into()), "{told}");
        let mut metrics = ask("GET", address, "/metrics", &[], b"");
        let text = metrics.body_mut().read_to_string().unwrap();
        assert!(text.contains("\nsessiongate_ready{check=\"all\"} 0\n"), "{text}");
        let (code, told) = json(ask("GET", address, "/v1/windows/whatsapp/106/5511", &[], b""));
        assert_eq!((code, &told["error"]["code"]), (503, &"starting".into()));
    });
}

/// Method, path, body, token; then the status and the error's code.
type Asked<'a> = (&'a str, &'a str, &'a [u8], Option<&'a str>, u16, Option<&'a str>);

#[test]
fn every_error_is_json_with_a_code() {
    serving(with_token(), Limits::default(), |address| {
        let right = Some(TOKEN);
        let windows = "/v1/windows";
        let too_many =
            format!("{{\"windows\":[{}]}}", vec!["{\"business_id\":\"1\",\"customer_id\":\"2\"}"; 1_001].join(","));
        let too_large = vec![b' '; 10 * 1024 * 1024];
        let table: [Asked<'_>; 15] = [
            ("GET", "/v1/status", b"", right, 200, None),
            ("GET", "/v1/nothing", b"", right, 404, Some("not_found")),
            ("GET", "/v1/nothing", b"", None, 404, Some("not_found")),
            ("DELETE", "/v1/status", b"", right, 405, Some("method_not_allowed")),
            ("GET", "/v1/status", b"", None, 401, Some("unauthorized")),
            ("GET", "/v1/status", b"", Some("open"), 401, Some("unauthorized")),
            ("GET", "/metrics", b"", None, 401, Some("unauthorized")),
            ("GET", "/v1/events", b"", None, 401, Some("unauthorized")),
            ("GET", "/v1/windows/whatsapp/106/5511", b"", None, 401, Some("unauthorized")),
            ("GET", "/v1/windows/carrier-pigeon/106/5511", b"", right, 422, Some("unknown_channel")),
            ("GET", "/v1/windows/whatsapp/a:b/5511", b"", right, 422, Some("invalid_field")),
            ("GET", "/v1/windows/whatsapp/106/%ff", b"", right, 400, Some("invalid_field")),
            ("POST", windows, b"{\"windows\":[{\"business_id\":\"secret\"}]}", right, 400, Some("invalid_body")),
            ("POST", windows, too_many.as_bytes(), right, 413, Some("too_large")),
            (
                "POST",
                windows,
                b"{\"windows\":[{\"business_id\":\"1\",\"customer_id\":\"\"}]}",
                right,
                422,
                Some("invalid_field"),
            ),
        ];
        for (method, path, body, token, status, code) in table {
            let bearer = format!("Bearer {}", token.unwrap_or_default());
            let headers = [("Authorization", bearer.as_str())];
            let answer = ask(method, address, path, if token.is_some() { &headers } else { &[] }, body);
            let challenged = answer.headers().contains_key("www-authenticate");
            let (told, body) = json(answer);
            assert_eq!((told, body["error"]["code"].as_str()), (status, code), "{method} {path} {token:?}: {body}");
            assert_eq!(challenged, status == 401, "{method} {path}");
            assert!(!body.to_string().contains("secret"), "{body}");
        }
        // Refused before all of it is read, which a client may notice as a broken connection.
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /v1/windows HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: {}\r\n\r\n",
            too_large.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let _ = stream.write_all(&too_large);
        let mut start = [0; 12];
        if stream.read_exact(&mut start).is_ok() {
            assert_eq!(&start, b"HTTP/1.1 413");
        }
    });
}

#[test]
fn probes_need_no_token_and_learn_no_details_without_it() {
    serving(with_token(), Limits::default(), |address| {
        let bearer = format!("Bearer {TOKEN}");
        for path in ["/healthz", "/readyz"] {
            let (code, told) = json(ask("GET", address, path, &[], b""));
            assert!(code != 401 && told["checks"][0]["detail"].is_null(), "{path}: {told}");
            let (_, told) = json(ask("GET", address, path, &[("Authorization", &bearer)], b""));
            assert!(told["checks"][0]["detail"].is_string(), "{path}: {told}");
        }
    });
}

#[test]
fn without_a_token_a_page_from_elsewhere_cannot_make_its_name_lead_here() {
    serving(site(""), Limits::default(), |address| {
        let (code, told) = json(ask("GET", address, "/v1/status", &[("Host", "evil.example:8080")], b""));
        assert_eq!((code, &told["error"]["code"]), (403, &"foreign_host".into()));
        let (code, told) = json(ask("GET", address, "/healthz", &[("Host", "evil.example")], b""));
        assert!(
            code == 200 && told["checks"][0]["detail"].is_null(),
            "a page that was lured here learns nothing: {told}"
        );
        assert_eq!(json(ask("GET", address, "/v1/status", &[("Host", "localhost")], b"")).0, 200);
    });
}

#[test]
fn whoever_is_slow_loses_the_connection_and_whoever_comes_anew_is_answered() {
    let limits = Limits { connections: 20, head_within: std::time::Duration::from_millis(300) };
    serving(site(""), limits, |address| {
        let mut slow = TcpStream::connect(address).unwrap();
        slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: local").unwrap();
        let mut told = Vec::new();
        let _ = slow.read_to_end(&mut told);
        assert!(!String::from_utf8_lossy(&told).contains("200 OK"), "it was answered without a head");

        let idle: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(json(ask("GET", address, "/healthz", &[], b"")).0, 200, "past {} idle connections", idle.len());
    });
}

#[test]
fn the_description_names_every_path_and_no_other() {
    let described: Value = serde_json::from_str(OPENAPI).unwrap();
    assert_eq!(described["info"]["version"], env!("CARGO_PKG_VERSION"));
    let paths = described["paths"].as_object().unwrap();
    let served: BTreeSet<String> = table().into_iter().map(|(path, _, _)| path.to_owned()).collect();
    assert_eq!(paths.keys().cloned().collect::<BTreeSet<_>>(), served);
    let doors: Vec<(String, Door)> = table().into_iter().map(|(path, door, _)| (path.to_owned(), door)).collect();
    let described = described.clone();
    serving(with_token(), Limits::default(), move |address| {
        for (path, door) in doors {
            let operations = described["paths"][&path].as_object().unwrap();
            let asked =
                path.replace("{channel}", "whatsapp").replace("{business_id}", "1").replace("{customer_id}", "2");
            for method in ["get", "post", "put", "delete"] {
                let answer = ask(&method.to_uppercase(), address, &asked, &[], b"");
                let code = answer.status().as_u16();
                match operations.get(method) {
                    Some(operation) => {
                        let is_secured = !operation["security"].as_array().unwrap().is_empty();
                        assert_eq!(is_secured, door == Door::Token, "{method} {path}");
                        assert_eq!(is_secured, code == 401, "{method} {path}: {code}");
                        assert!(operation["responses"][code.to_string()].is_object(), "{method} {path}: {code}");
                    }
                    None => assert_eq!(code, 405, "{method} {path}"),
                }
            }
        }
    });
}
