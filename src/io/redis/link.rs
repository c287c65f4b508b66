//! One connection that is made when it is needed, and given up at the first error.

use super::errors;
use crate::ports::StoreError;
use redis::{
    Client, Connection, ConnectionAddr, IntoConnectionInfo, Pipeline, ProtocolVersion, RedisResult, ServerErrorKind,
    Value,
};
use std::time::Duration;

/// How long to wait for Redis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// For a connection, its greeting included.
    pub connect: Duration,
    /// For each answer, and for sending.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { connect: Duration::from_secs(2), answer: Duration::from_secs(5) }
    }
}

/// A script with the name that Redis knows it by.
pub(super) struct ScriptFile {
    text: &'static str,
    hash: String,
}

impl ScriptFile {
    pub(super) fn new(text: &'static str) -> ScriptFile {
        ScriptFile { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// The SHA-1 of its text.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }
}

pub(super) struct Link {
    client: Client,
    patience: Patience,
    connection: Option<Connection>,
}

impl Link {
    /// Connects to nothing yet; says what is wrong with the URL.
    pub(super) fn new(url: &str, patience: Patience) -> Result<Link, StoreError> {
        let info = url.into_connection_info().map_err(|error| errors::bad_url(&error))?;
        let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        // Without one, building the TLS client would panic.
        if is_tls && rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(errors::no_tls());
        }
        let tcp_settings = info.tcp_settings().clone().set_nodelay(true);
        // The library's greeting waits for each of its answers by itself: one less to wait for when Redis hangs.
        let settings = info.redis_settings().clone().set_skip_set_lib_name().set_protocol(ProtocolVersion::RESP2);
        let info = info.set_tcp_settings(tcp_settings).set_redis_settings(settings);
        let client = Client::open(info).map_err(|error| errors::bad_url(&error))?;
        Ok(Link { client, patience, connection: None })
    }

    /// Runs the commands in one round trip and gives their answers in order, errors of the server among them.
    pub(super) fn send(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let answers = self.try_send(pipeline);
        if answers.is_err() {
            self.connection = None;
        }
        answers.map_err(|error| errors::of_connection(&error, self.client.get_connection_info().addr()))
    }

    /// As `send`; the first error that the server answers is the error of all.
    pub(super) fn ask(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let answers = self.send(pipeline)?;
        self.refuse_errors(answers)
    }

    /// Runs calls of a script in one round trip, and in a second one when the server does not know the script (it
    /// restarted, was flushed, or is another one by now). The calls must be repeatable: some may then run twice.
    pub(super) fn run_script(&mut self, script: &ScriptFile, calls: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let mut answers = self.send(calls)?;
        if answers.iter().any(is_unknown_script) {
            let mut load_and_call = redis::pipe();
            load_and_call.cmd("SCRIPT").arg("LOAD").arg(script.text);
            calls.cmd_iter().for_each(|call| {
                load_and_call.add_command(call.clone());
            });
            answers = self.ask(&load_and_call)?;
            answers.remove(0);
        }
        self.refuse_errors(answers)
    }

    /// The answers, or the first error among them.
    pub(super) fn refuse_errors(&mut self, answers: Vec<Value>) -> Result<Vec<Value>, StoreError> {
        for answer in &answers {
            if let Value::ServerError(error) = answer {
                // After a failover the address may lead to another server.
                self.connection = None;
                return Err(errors::of_server(error));
            }
        }
        Ok(answers)
    }

    // Not the library's own query: after a time-out it would go on to wait for each further answer.
    fn try_send(&mut self, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(connect(&self.client, self.patience)?),
        };
        connection.send_packed_command(&pipeline.get_packed_pipeline())?;
        (0..pipeline.len()).map(|_| connection.recv_response()).collect()
    }
}

fn connect(client: &Client, patience: Patience) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(patience.connect)?;
    connection.set_read_timeout(Some(patience.answer))?;
    connection.set_write_timeout(Some(patience.answer))?;
    Ok(connection)
}

fn is_unknown_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_work_is_refused_before_anything_is_sent() {
        let table = [
            ("127.0.0.1:6379", "redis.url"),
            ("http://127.0.0.1", "redis.url"),
            ("redis://127.0.0.1/first", "redis.url"),
            // Tests install no cryptography, and rustls would panic without.
            ("rediss://127.0.0.1", "TLS"),
        ];
        for (url, word) in table {
            match Link::new(url, Patience::default()) {
                Err(StoreError::Refused(text)) => assert!(text.contains(word), "{url}: {text}"),
                Err(error) => panic!("{url}: {error:?}"),
                Ok(_) => panic!("{url} is taken"),
            }
        }
        for url in ["redis://worker:geheim@redis.example:6380/3", "redis://[::1]", "unix:///run/redis.sock"] {
            assert!(Link::new(url, Patience::default()).is_ok(), "{url}");
        }
    }
}
