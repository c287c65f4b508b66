//! One connection that is made when it is needed, and given up at the first error.

use super::server::{Server, exchange_beside};
use crate::ports::StoreError;
use redis::{Connection, Pipeline, ServerErrorKind, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Asks all connections that were made of the same options to be made anew: what one of them saw may mean that the address
/// leads to another server by now, and that others still talk to the one before.
#[derive(Clone, Default, Debug)]
pub struct Renewals(Arc<AtomicU64>);

impl Renewals {
    /// From the next use on.
    pub(super) fn ask(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn asked(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A script with the name that Redis knows it by.
pub(super) struct ScriptFile {
    text: String,
    hash: String,
}

impl ScriptFile {
    pub(super) fn new(text: impl Into<String>) -> ScriptFile {
        let text = text.into();
        ScriptFile { hash: redis::Script::new(&text).get_hash().to_owned(), text }
    }

    /// What it does.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The SHA-1 of its text.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }
}

pub(super) struct Link {
    server: Server,
    patience: Patience,
    connection: Option<Connection>,
    renewals: Renewals,
    /// How often renewal had been asked for when the connection was made.
    renewed: u64,
}

impl Link {
    /// Connects to nothing yet.
    pub(super) fn new(server: Server, patience: Patience, renewals: Renewals) -> Link {
        Link { server, patience, connection: None, renewals, renewed: 0 }
    }

    /// Asks for all connections to be made anew, this one too.
    pub(super) fn renew_all(&self) {
        self.renewals.ask();
    }

    /// Runs the commands in one round trip and gives their answers in order, errors of the server among them.
    pub(super) fn send(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.send_beside(pipeline, &mut || {})
    }

    fn send_beside(&mut self, pipeline: &Pipeline, meanwhile: &mut dyn FnMut()) -> Result<Vec<Value>, StoreError> {
        let asked = self.renewals.asked();
        let mut connection = match self.connection.take() {
            Some(connection) if self.renewed == asked => connection,
            _ => self.server.connect(self.patience)?,
        };
        self.renewed = asked;
        let answers =
            exchange_beside(&mut connection, pipeline, meanwhile).map_err(|error| self.server.error(&error))?;
        self.connection = Some(connection);
        Ok(answers)
    }

    /// As `send`; the first error that the server answers is the error of all.
    pub(super) fn ask(&mut self, pipeline: &Pipeline) -> Result<Vec<Value>, StoreError> {
        self.ask_beside(pipeline, &mut || {})
    }

    /// The same, and something is done while the answers are on their way; not if nothing could be sent.
    pub(super) fn ask_beside(
        &mut self,
        pipeline: &Pipeline,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<Vec<Value>, StoreError> {
        let answers = self.send_beside(pipeline, meanwhile)?;
        self.refuse_errors(answers)
    }

    /// Runs calls of a script in one round trip, and in a second one when the server does not know the script (it
    /// restarted, was flushed, or is another one by now). The calls must be repeatable: some may then run twice.
    pub(super) fn run_script(&mut self, script: &ScriptFile, calls: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let mut answers = self.send(calls)?;
        if answers.iter().any(is_unknown_script) {
            let mut load_and_call = redis::pipe();
            load_and_call.cmd("SCRIPT").arg("LOAD").arg(&script.text);
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
                return Err(self.server.refusal(error));
            }
        }
        Ok(answers)
    }
}

fn is_unknown_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::NoScript))
}
