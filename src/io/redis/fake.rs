//! A server of a test's own that gives the same answer to whatever it is asked.

use super::access::Node;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// Where it is.
pub(super) fn server(answer: String) -> Node {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let node = node(listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, answer) = (connection.unwrap(), answer.clone());
            thread::spawn(move || {
                let mut question = [0; 4096];
                while connection.read(&mut question).is_ok_and(|length| length > 0) {
                    connection.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    node
}

/// Where no server is.
pub(super) fn nowhere() -> Node {
    node(1)
}

fn node(port: u16) -> Node {
    Node { host: "127.0.0.1".to_owned(), port }
}

/// As Redis writes a text.
pub(super) fn text(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}
