//! The servers of a cluster: what they own, and a connection to each.

use super::map::SlotMap;
use crate::io::redis::access::{Node, Way};
use crate::io::redis::link::{Patience, ScriptFile};
use crate::io::redis::server::{exchange, open};
use crate::io::redis::{RedisOptions, errors};
use crate::ports::StoreError;
use redis::{Connection, Pipeline, RedisResult, Value};
use std::sync::Arc;

/// Why the servers did not do as they were told.
pub(super) enum Trouble {
    /// They own other slots by now: with another map the same may be tried again.
    Moved,
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Store(error)
    }
}

pub(super) struct Fleet {
    way: Way,
    patience: Patience,
    /// Where to ask when nobody is known.
    seeds: Vec<Node>,
    map: Option<Arc<SlotMap>>,
    /// One for each owner of the map.
    connections: Vec<Option<Connection>>,
    scripts: Vec<String>,
}

impl Fleet {
    /// Connects to nothing yet. Every server is taught these scripts.
    pub(super) fn new(options: &RedisOptions, scripts: &[&ScriptFile]) -> Result<Fleet, StoreError> {
        Ok(Fleet {
            way: Way::new(&options.url, &options.access)?,
            patience: options.patience,
            seeds: options.access.cluster.clone(),
            map: None,
            connections: Vec::new(),
            scripts: scripts.iter().map(|script| script.text().to_owned()).collect(),
        })
    }

    /// The way to one of the servers.
    pub(super) fn way_to(&self, node: &Node) -> Result<Way, StoreError> {
        self.way.to(node)
    }

    /// The slot map, asked for when it is not known.
    pub(super) fn map(&mut self) -> Result<Arc<SlotMap>, StoreError> {
        if let Some(map) = &self.map {
            return Ok(map.clone());
        }
        let mut gravest = None;
        for node in self.seeds.clone() {
            match self.ask_for_map(&node) {
                Ok(map) => {
                    let map = Arc::new(map);
                    self.connections = map.owners.iter().map(|_| None).collect();
                    // Whoever is known now may be asked when the configured ones have gone.
                    self.seeds.retain(|seed| *seed != node);
                    self.seeds.insert(0, node);
                    let unknown = map.owners.iter().map(|owner| &owner.node).filter(|node| !self.seeds.contains(node));
                    let unknown: Vec<Node> = unknown.cloned().collect();
                    self.seeds.extend(unknown);
                    self.map = Some(map.clone());
                    return Ok(map);
                }
                Err(error) => gravest = Some(errors::graver(gravest, error)),
            }
        }
        Err(gravest.unwrap_or_else(errors::no_cluster_node))
    }

    fn ask_for_map(&self, node: &Node) -> Result<SlotMap, StoreError> {
        let way = self.way.to(node)?;
        let mut connection = open(&way, self.patience)?;
        let mut question = redis::pipe();
        question.cmd("CLUSTER").arg("NODES");
        send(&mut connection, &question).map_err(|error| errors::of_connection(&error, way.info().addr()))?;
        match connection.recv_response().map_err(|error| errors::of_connection(&error, way.info().addr()))? {
            Value::ServerError(error) => Err(errors::of_cluster_nodes(&error, way.info().addr(), way.login_keys)),
            Value::BulkString(text) => {
                let map = SlotMap::parse(&String::from_utf8_lossy(&text), node);
                map.ok_or_else(|| errors::no_whole_cluster(way.info().addr()))
            }
            _ => Err(errors::unexpected_answer("CLUSTER NODES")),
        }
    }

    /// Forgets the map and everything that hangs on it.
    pub(super) fn forget(&mut self) {
        self.map = None;
        self.connections.clear();
    }

    /// Sends each owner of the map its commands, all before any answer is waited for, and gives the answers in the order
    /// of owners and commands. Any error of a server is the error of all.
    pub(super) fn ask(&mut self, map: &SlotMap, pipelines: &[Pipeline]) -> Result<Vec<Vec<Value>>, Trouble> {
        let answers = self.exchange(map, pipelines);
        if answers.is_err() {
            // What was not read yet would be taken for the answer to something else.
            self.forget();
        }
        answers
    }

    fn exchange(&mut self, map: &SlotMap, pipelines: &[Pipeline]) -> Result<Vec<Vec<Value>>, Trouble> {
        let mut ways = Vec::with_capacity(map.owners.len());
        for ((owner, pipeline), connection) in map.owners.iter().zip(pipelines).zip(&mut self.connections) {
            let way = self.way.to(&owner.node)?;
            if pipeline.is_empty() {
                ways.push(way);
                continue;
            }
            let connection = match connection {
                Some(connection) => connection,
                none => none.insert(connect(&way, self.patience, &self.scripts)?),
            };
            send(connection, pipeline).map_err(|error| errors::of_connection(&error, way.info().addr()))?;
            ways.push(way);
        }
        let mut all = Vec::with_capacity(pipelines.len());
        for ((way, pipeline), connection) in ways.iter().zip(pipelines).zip(&mut self.connections) {
            let mut answers = Vec::with_capacity(pipeline.len());
            for _ in 0..pipeline.len() {
                let Some(connection) = connection else { return Err(Trouble::Moved) };
                let answer =
                    connection.recv_response().map_err(|error| errors::of_connection(&error, way.info().addr()))?;
                answers.push(refuse_error(answer, way)?);
            }
            all.push(answers);
        }
        Ok(all)
    }
}

/// A key that is not where the map has it is no error of the server's; one that is on its way is nowhere for sure.
fn refuse_error(answer: Value, way: &Way) -> Result<Value, Trouble> {
    let Value::ServerError(error) = &answer else { return Ok(answer) };
    Err(match error.code() {
        "MOVED" => Trouble::Moved,
        "ASK" => Trouble::Store(errors::slot_on_its_way()),
        "READONLY" => Trouble::Moved,
        _ => Trouble::Store(errors::of_server(error, way.login_keys)),
    })
}

fn connect(way: &Way, patience: Patience, scripts: &[String]) -> Result<Connection, StoreError> {
    let mut connection = open(way, patience)?;
    let mut lessons = redis::pipe();
    for script in scripts {
        lessons.cmd("SCRIPT").arg("LOAD").arg(script);
    }
    let answers =
        exchange(&mut connection, &lessons).map_err(|error| errors::of_connection(&error, way.info().addr()))?;
    for answer in &answers {
        if let Value::ServerError(error) = answer {
            return Err(errors::of_server(error, way.login_keys));
        }
    }
    Ok(connection)
}

fn send(connection: &mut Connection, pipeline: &Pipeline) -> RedisResult<()> {
    connection.send_packed_command(&pipeline.get_packed_pipeline())
}
