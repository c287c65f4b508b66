//! The server that commands go to: a fixed one, one of a cluster, or whichever the Sentinels name.

use super::access::{Access, Way};
use super::errors;
use super::link::Patience;
use super::sentinel::Sentinels;
use crate::ports::StoreError;
use redis::{Connection, Pipeline, RedisError, RedisResult, ServerError, Value};

pub(super) struct Server {
    way: Way,
    sentinels: Option<Sentinels>,
    is_in_cluster: bool,
}

impl Server {
    /// Connects to nothing yet; says what is wrong with what it was told.
    pub(super) fn new(url: &str, access: &Access) -> Result<Server, StoreError> {
        let way = Way::new(url, access)?;
        let sentinels = access.sentinel.as_ref().map(|sentinel| Sentinels::new(sentinel, &way)).transpose()?;
        Ok(Server { way, sentinels, is_in_cluster: false })
    }

    /// A server that owns slots of a cluster, among others.
    pub(super) fn in_cluster(way: Way) -> Server {
        Server { way, sentinels: None, is_in_cluster: true }
    }

    /// Opens a connection and logs in; with Sentinels, to a server that says itself that it is the primary.
    pub(super) fn connect(&mut self, patience: Patience) -> Result<Connection, StoreError> {
        let Some(sentinels) = &mut self.sentinels else { return open(&self.way, patience) };
        self.way = self.way.to(&sentinels.primary(patience)?)?;
        let primary = self.open_primary(patience);
        if let (Err(_), Some(sentinels)) = (&primary, &mut self.sentinels) {
            // The one that named it may be cut off from the others, and would name it again.
            sentinels.pass_on();
        }
        primary
    }

    fn open_primary(&self, patience: Patience) -> Result<Connection, StoreError> {
        let mut connection = open(&self.way, patience)?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("ROLE");
        let answers = exchange(&mut connection, &pipeline).map_err(|error| self.error(&error))?;
        match answers.first() {
            Some(Value::Array(role)) if role.first().is_some_and(|role| is_text(role, "master")) => Ok(connection),
            Some(Value::ServerError(error)) => Err(self.refusal(error)),
            _ => Err(errors::not_primary(self.way.info().addr())),
        }
    }

    /// The connection failed.
    pub(super) fn error(&self, error: &RedisError) -> StoreError {
        errors::of_connection(error, self.way.info().addr())
    }

    /// The server answered with an error.
    pub(super) fn refusal(&self, error: &ServerError) -> StoreError {
        match error.code() {
            // The Sentinels will name another.
            "READONLY" if self.sentinels.is_some() => errors::not_primary(self.way.info().addr()),
            "MOVED" | "ASK" if self.is_in_cluster => errors::slot_on_its_way(),
            _ => errors::of_server(error, self.way.login_keys),
        }
    }
}

/// Opens a connection and logs in.
pub(super) fn open(way: &Way, patience: Patience) -> Result<Connection, StoreError> {
    let mut greeting = redis::pipe();
    if let Some(password) = &way.login.password {
        greeting.cmd("AUTH").arg(&way.login.username).arg(password);
    }
    if way.database != 0 {
        greeting.cmd("SELECT").arg(way.database);
    }
    let address = way.info().addr();
    let greet = || -> RedisResult<(Connection, Vec<Value>)> {
        let mut connection = way.client.get_connection_with_timeout(patience.connect)?;
        connection.set_read_timeout(Some(patience.answer))?;
        connection.set_write_timeout(Some(patience.answer))?;
        let answers = exchange(&mut connection, &greeting)?;
        Ok((connection, answers))
    };
    let (connection, answers) = greet().map_err(|error| errors::of_connection(&error, address))?;
    let logs_in = way.login.password.is_some();
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Value::ServerError(error) if logs_in && number == 0 => {
                return Err(errors::of_login(error, address, way.login_keys));
            }
            Value::ServerError(error) => return Err(errors::of_server(error, way.login_keys)),
            _ => {}
        }
    }
    Ok(connection)
}

/// Sends the commands and takes their answers. Not the library's own query: after a time-out it would go on to wait
/// for each further answer.
pub(super) fn exchange(connection: &mut Connection, pipeline: &Pipeline) -> RedisResult<Vec<Value>> {
    exchange_beside(connection, pipeline, &mut || {})
}

/// The same, and something is done while the answers are on their way; not if nothing could be sent.
pub(super) fn exchange_beside(
    connection: &mut Connection,
    pipeline: &Pipeline,
    meanwhile: &mut dyn FnMut(),
) -> RedisResult<Vec<Value>> {
    if pipeline.is_empty() {
        return Ok(Vec::new());
    }
    connection.send_packed_command(&pipeline.get_packed_pipeline())?;
    meanwhile();
    (0..pipeline.len()).map(|_| connection.recv_response()).collect()
}

fn is_text(value: &Value, text: &str) -> bool {
    matches!(value, Value::BulkString(bytes) if bytes == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::redis::access::{Login, Node, SentinelAccess};
    use crate::io::redis::fake;
    use crate::io::redis::link::{Link, Renewals};

    #[test]
    fn a_sentinel_whose_word_leads_nowhere_is_not_asked_first_again() {
        let redis = |role| fake::server(format!("*1\r\n{}", fake::text(role)));
        let primary = redis("master");
        for former in [redis("slave"), fake::nowhere()] {
            let sentinel = |names: &Node| {
                let (host, port) = (fake::text(&names.host), fake::text(&names.port.to_string()));
                fake::server(format!("*2\r\n{host}{port}"))
            };
            let nodes = vec![sentinel(&former), sentinel(&primary)];
            let sentinel = SentinelAccess { nodes, master: "windows".to_owned(), login: Login::default() };
            let access = Access { sentinel: Some(sentinel), ..Access::default() };
            let mut server = Server::new("redis://127.0.0.1", &access).unwrap();
            assert!(matches!(server.connect(Patience::default()), Err(StoreError::Unavailable(_))), "{former}");
            assert!(server.connect(Patience::default()).is_ok(), "{former}");
        }
    }

    #[test]
    fn a_key_that_moves_about_in_a_cluster_asks_for_no_other_configuration() {
        for code in ["MOVED", "ASK"] {
            let node = fake::server(format!("-{code} 7 127.0.0.1:7000\r\n"));
            let way = Way::new(&format!("redis://{node}"), &Access::default()).unwrap();
            let ask = |server: Server| {
                let mut link = Link::new(server, Patience::default(), Renewals::default());
                link.ask(redis::pipe().cmd("GET").arg("key")).unwrap_err().to_string()
            };
            let alone = ask(Server::new(&format!("redis://{node}"), &Access::default()).unwrap());
            assert!(alone.contains("redis.cluster.nodes"), "{alone}");
            let in_cluster = ask(Server::in_cluster(way));
            assert!(in_cluster.contains("on its way"), "{in_cluster}");
        }
    }
}
