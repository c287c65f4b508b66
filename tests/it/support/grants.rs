//! Grants rights at a broker: the arguments of `kafka-acls.sh --add`, said in Kafka's own protocol.

use std::io::{Read, Write};
use std::net::TcpStream;

const CREATE_ACLS: i16 = 30;
const VERSION: i16 = 1;
const ALLOW: i8 = 3;

/// Does what `kafka-acls.sh` would do with these arguments at the plain listener of these brokers.
pub fn grant(brokers: &str, arguments: &str) {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    let values =
        |name: &str| -> Vec<&str> { words.windows(2).filter(|pair| pair[0] == name).map(|pair| pair[1]).collect() };
    let pattern = if values("--resource-pattern-type") == ["prefixed"] { 4 } else { 3 };
    let principal = values("--allow-principal")[0];
    let mut grants = Vec::new();
    for (option, resource) in [("--topic", 2), ("--group", 3), ("--transactional-id", 5)] {
        for name in values(option) {
            for operation in values("--operation") {
                let mut grant = vec![resource];
                grant.extend(string(name));
                grant.push(pattern);
                grant.extend(string(principal));
                grant.extend(string("*"));
                grant.extend([number(operation), ALLOW as u8]);
                grants.push(grant);
            }
        }
    }
    assert!(!grants.is_empty(), "{arguments} grants nothing");
    let mut body = Vec::new();
    body.extend(CREATE_ACLS.to_be_bytes());
    body.extend(VERSION.to_be_bytes());
    body.extend(1_i32.to_be_bytes());
    body.extend(string("tests"));
    body.extend((grants.len() as i32).to_be_bytes());
    grants.iter().for_each(|grant| body.extend(grant));
    assert_granted(&answer(brokers, &body), grants.len());
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes(), text.as_bytes()].concat()
}

/// The number of an operation in the protocol.
fn number(operation: &str) -> u8 {
    match operation {
        "Read" => 3,
        "Write" => 4,
        "DescribeConfigs" => 10,
        other => panic!("{other} is no operation that this test knows"),
    }
}

fn answer(brokers: &str, body: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(brokers).unwrap();
    stream.write_all(&[&(body.len() as i32).to_be_bytes(), body].concat()).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; i32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Correlation, throttle time, number of results; of each its error's code and no text.
fn assert_granted(answer: &[u8], count: usize) {
    let results = answer.get(12..).unwrap_or_default();
    let is_granted = |result: &[u8]| result[..2] == [0, 0];
    assert!(results.len() == 4 * count && results.chunks(4).all(is_granted), "not everything is granted: {answer:?}");
}
