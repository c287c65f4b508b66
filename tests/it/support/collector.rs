//! A collector of traces that keeps what it is sent, or one that never answers.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// One request.
#[derive(Clone, Debug)]
pub struct Posted {
    pub head: String,
    pub body: Vec<u8>,
}

impl Posted {
    pub fn decoded(&self) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest::decode(self.body.as_slice()).expect("a request of the protocol")
    }
}

/// Listens on 127.0.0.1 until the process ends.
pub struct Collector {
    address: String,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Collector {
    /// One that takes everything.
    pub fn start() -> Collector {
        Collector::with(true)
    }

    /// One that takes connections and never says a word.
    pub fn that_hangs() -> Collector {
        Collector::with(false)
    }

    fn with(answers: bool) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let posted: Arc<Mutex<Vec<Posted>>> = Arc::default();
        let kept = posted.clone();
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if answers {
                    let kept = kept.clone();
                    thread::spawn(move || serve(stream, &kept));
                } else {
                    held.push(stream);
                }
            }
        });
        Collector { address, posted }
    }

    /// The URL, as an operator gives it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was sent so far.
    pub fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// The spans that it was sent so far.
    pub fn spans(&self) -> Vec<Span> {
        let requests = self.posted().into_iter().flat_map(|posted| posted.decoded().resource_spans);
        requests.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

fn serve(stream: TcpStream, posted: &Mutex<Vec<Posted>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(request) = next(&mut reader) {
        posted.lock().unwrap().push(request);
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n";
        if (&stream).write_all(answer).is_err() {
            return;
        }
    }
}

fn next(reader: &mut BufReader<TcpStream>) -> Option<Posted> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = vec![0; length?];
    reader.read_exact(&mut body).ok()?;
    Some(Posted { head, body })
}

/// Attributes as texts.
pub fn told(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => panic!("an attribute of another type: {other:?}"),
    };
    let value = |it: &KeyValue| it.value.as_ref().and_then(|value| value.value.as_ref()).map(text).unwrap_or_default();
    attributes.iter().map(|it| (it.key.clone(), value(it))).collect()
}

/// A span's `traceparent`.
pub fn traceparent(trace_id: &[u8], span_id: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("00-{}-{}-01", hex(trace_id), hex(span_id))
}
