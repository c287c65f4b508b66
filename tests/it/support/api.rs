//! A worker's HTTP side, as a client sees it.

use super::exposition::Exposition;
use super::services::free_port;
use super::site::BUSINESS;
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An address that nobody listens on, for the moment.
pub fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

/// Where a worker listens, or will.
pub struct Api {
    pub address: String,
    agent: ureq::Agent,
}

impl Api {
    /// At an address that is free for the moment.
    pub fn new() -> Api {
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None);
        let agent = config.timeout_global(Some(Duration::from_secs(20))).build().new_agent();
        Api { address: free_address(), agent }
    }

    /// What a worker needs to be told to listen here.
    pub fn settings(&self) -> [(&str, &str); 1] {
        [("ADMIN_LISTEN", &self.address)]
    }

    /// The code and the JSON of the answer, if anybody listens.
    pub fn get(&self, path: &str) -> Option<(u16, Value)> {
        let mut answer = self.agent.get(format!("http://{}{path}", self.address)).call().ok()?;
        let body = answer.body_mut().read_to_string().ok()?;
        Some((answer.status().as_u16(), serde_json::from_str(&body).unwrap_or(Value::String(body))))
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("http://{}{path}", self.address));
        let mut answer = request.send(body.to_string()).unwrap();
        let body = answer.body_mut().read_to_string().unwrap();
        (answer.status().as_u16(), serde_json::from_str(&body).unwrap())
    }

    pub fn window(&self, customer: &str) -> Value {
        let (code, told) = self.get(&format!("/v1/windows/whatsapp/{BUSINESS}/{customer}")).unwrap();
        assert_eq!(code, 200, "{told}");
        told
    }

    /// The page as Prometheus gets it.
    pub fn metrics_page(&self) -> Option<String> {
        match self.get("/metrics")? {
            (200, Value::String(page)) => Some(page),
            other => panic!("no page of metrics: {other:?}"),
        }
    }

    pub fn metrics(&self) -> Option<Exposition> {
        Some(Exposition::parse(&self.metrics_page()?))
    }

    /// Whether it answers that it is not ready.
    pub fn is_red(&self) -> bool {
        self.get("/readyz").is_some_and(|(code, _)| code == 503)
    }

    pub fn is_ready(&self) -> bool {
        self.get("/readyz").is_some_and(|(code, _)| code == 200)
    }

    /// What a check of readiness found.
    pub fn check(&self, name: &str) -> Option<(bool, String)> {
        let (_, told) = self.get("/readyz")?;
        let check = told["checks"].as_array()?.iter().find(|check| check["name"] == name)?.clone();
        Some((check["ok"].as_bool()?, check["detail"].as_str()?.to_owned()))
    }

    /// The first so many events of the stream, each with its name.
    pub fn events(&self, count: usize) -> Vec<(String, Value)> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET /v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", self.address).unwrap();
        let (mut events, mut name) = (Vec::new(), String::new());
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let Some(told) = line.strip_prefix("event: ") {
                name = told.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                events.push((name.clone(), serde_json::from_str(data).unwrap()));
                if events.len() == count {
                    break;
                }
            }
        }
        events
    }
}
