//! The servers of a cluster: what they own, and a connection to each.

use super::map::{Owner, SlotMap};
use crate::io::redis::access::{Node, Way};
use crate::io::redis::link::{Patience, ScriptFile};
use crate::io::redis::server::{exchange, open};
use crate::io::redis::{RedisOptions, errors};
use crate::ports::StoreError;
use redis::{Connection, Pipeline, RedisResult, Value};
use std::collections::VecDeque;
use std::sync::Arc;

/// Why the servers did not do as they were told.
pub(super) enum Trouble {
    /// What was known of them is outdated: who owns what, or which scripts they were taught. By what they are known for
    /// now the same may be tried again.
    Outdated,
    /// By now another map is known than the one that was gone by.
    Remapped,
    /// Anything else.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Store(error)
    }
}

/// A connection to one of the servers.
struct Line {
    connection: Connection,
    /// Whether the server was taught the scripts over it.
    is_taught: bool,
}

pub(super) struct Fleet {
    way: Way,
    patience: Patience,
    configured: Vec<Node>,
    /// Whom to ask for the map: in front whoever told the present one.
    seeds: VecDeque<Node>,
    map: Option<Arc<SlotMap>>,
    /// One for each owner of the map.
    connections: Vec<Option<Line>>,
    scripts: Vec<String>,
}

impl Fleet {
    /// Connects to nothing yet. Servers are taught these scripts when they are to run one: whoever only reads and deletes
    /// needs no right to.
    pub(super) fn new(options: &RedisOptions, scripts: &[&ScriptFile]) -> Result<Fleet, StoreError> {
        Ok(Fleet {
            way: Way::new(&options.url, &options.access)?,
            patience: options.patience,
            configured: options.access.cluster.clone(),
            seeds: options.access.cluster.iter().cloned().collect(),
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
        let map = self.find_map()?;
        Ok(self.go_by(map))
    }

    /// Asks all owners whether one of them knows a later map, which is then the one that is known.
    pub(super) fn confirm(&mut self, map: &SlotMap) -> Result<(), Trouble> {
        let mut question = redis::pipe();
        question.cmd("CLUSTER").arg("NODES");
        let answers = self.ask(map, &vec![question; map.owners.len()])?;
        let told = map.owners.iter().zip(answers).filter_map(|(Owner { node, .. }, answers)| match answers.first() {
            Some(Value::BulkString(text)) => Some((SlotMap::parse(&String::from_utf8_lossy(text), node)?, node)),
            _ => None,
        });
        match told
            .filter(|(other, _)| other.version() > map.version())
            .max_by(|(one, _), (other, _)| one.version().cmp(&other.version()))
        {
            None => Ok(()),
            Some((later, teller)) => {
                self.seeds.push_front(teller.clone());
                self.go_by(later);
                Err(Trouble::Remapped)
            }
        }
    }

    fn go_by(&mut self, map: SlotMap) -> Arc<SlotMap> {
        self.connections = map.owners.iter().map(|_| None).collect();
        // Owners hear of slots that move before their replicas do, and may be asked when the configured ones have gone.
        let (teller, owners) = (self.seeds.front(), map.owners.iter().map(|owner| &owner.node));
        let configured = self.seeds.iter().filter(|seed| self.configured.contains(seed));
        let mut seeds = VecDeque::new();
        for node in teller.into_iter().chain(owners).chain(configured) {
            if !seeds.contains(node) {
                seeds.push_back(node.clone());
            }
        }
        self.seeds = seeds;
        self.map.insert(Arc::new(map)).clone()
    }

    /// The map of the first server that tells one.
    fn find_map(&mut self) -> Result<SlotMap, StoreError> {
        let mut gravest = None;
        for _ in 0..self.seeds.len() {
            let Some(node) = self.seeds.front() else { break };
            match self.ask_for_map(node) {
                Ok(map) => return Ok(map),
                Err(error) => gravest = Some(errors::graver(gravest, error)),
            }
            self.seeds.rotate_left(1);
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

    /// Forgets the map and everything that hangs on it. Another server is asked for the next one: the one that told this
    /// may be cut off from the others, and would tell it again.
    pub(super) fn forget(&mut self) {
        if self.map.take().is_some() {
            self.seeds.rotate_left(1);
        }
        self.connections.clear();
    }

    /// Sends each owner of the map its commands, all before any answer is waited for, and gives the answers in the order
    /// of owners and commands. Any error of a server is the error of all.
    pub(super) fn ask(&mut self, map: &SlotMap, pipelines: &[Pipeline]) -> Result<Vec<Vec<Value>>, Trouble> {
        self.ask_of(map, pipelines, false)
    }

    /// The same for commands that run scripts.
    pub(super) fn run(&mut self, map: &SlotMap, pipelines: &[Pipeline]) -> Result<Vec<Vec<Value>>, Trouble> {
        self.ask_of(map, pipelines, true)
    }

    fn ask_of(
        &mut self,
        map: &SlotMap,
        pipelines: &[Pipeline],
        runs_scripts: bool,
    ) -> Result<Vec<Vec<Value>>, Trouble> {
        let answers = self.exchange(map, pipelines, runs_scripts);
        if answers.is_err() {
            // What was not read yet would be taken for the answer to something else.
            self.forget();
        }
        answers
    }

    fn exchange(
        &mut self,
        map: &SlotMap,
        pipelines: &[Pipeline],
        runs_scripts: bool,
    ) -> Result<Vec<Vec<Value>>, Trouble> {
        let mut ways = Vec::with_capacity(map.owners.len());
        for ((owner, pipeline), connection) in map.owners.iter().zip(pipelines).zip(&mut self.connections) {
            let way = self.way.to(&owner.node)?;
            if pipeline.is_empty() {
                ways.push(way);
                continue;
            }
            let line = match connection {
                Some(line) => line,
                none => none.insert(Line { connection: open(&way, self.patience)?, is_taught: false }),
            };
            if runs_scripts && !line.is_taught {
                teach(&mut line.connection, &way, &self.scripts)?;
                line.is_taught = true;
            }
            send(&mut line.connection, pipeline).map_err(|error| errors::of_connection(&error, way.info().addr()))?;
            ways.push(way);
        }
        let mut all = Vec::with_capacity(pipelines.len());
        for ((way, pipeline), connection) in ways.iter().zip(pipelines).zip(&mut self.connections) {
            let mut answers = Vec::with_capacity(pipeline.len());
            for _ in 0..pipeline.len() {
                let Some(Line { connection, .. }) = connection else { return Err(Trouble::Outdated) };
                let answer =
                    connection.recv_response().map_err(|error| errors::of_connection(&error, way.info().addr()))?;
                answers.push(refuse_error(answer, way)?);
            }
            all.push(answers);
        }
        Ok(all)
    }
}

/// A key that is not where the map has it is no error of the server's, and neither is a script that it was made to forget.
/// A key that is on its way is nowhere for sure.
fn refuse_error(answer: Value, way: &Way) -> Result<Value, Trouble> {
    let Value::ServerError(error) = &answer else { return Ok(answer) };
    Err(match error.code() {
        "MOVED" | "READONLY" | "NOSCRIPT" => Trouble::Outdated,
        "ASK" => Trouble::Store(errors::slot_on_its_way()),
        _ => Trouble::Store(errors::of_server(error, way.login_keys)),
    })
}

fn teach(connection: &mut Connection, way: &Way, scripts: &[String]) -> Result<(), StoreError> {
    let mut lessons = redis::pipe();
    for script in scripts {
        lessons.cmd("SCRIPT").arg("LOAD").arg(script);
    }
    let answers = exchange(connection, &lessons).map_err(|error| errors::of_connection(&error, way.info().addr()))?;
    for answer in &answers {
        if let Value::ServerError(error) = answer {
            return Err(errors::of_server(error, way.login_keys));
        }
    }
    Ok(())
}

fn send(connection: &mut Connection, pipeline: &Pipeline) -> RedisResult<()> {
    connection.send_packed_command(&pipeline.get_packed_pipeline())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::redis::access::Access;
    use crate::io::redis::{Renewals, fake};

    fn fleet(cluster: Vec<Node>) -> Fleet {
        let options = RedisOptions {
            url: "redis://127.0.0.1".to_owned(),
            access: Access { cluster, ..Access::default() },
            key_prefix: String::new(),
            inbound_topic: "inbound-message".to_owned(),
            patience: Patience::default(),
            renewals: Renewals::default(),
        };
        Fleet::new(&options, &[]).unwrap()
    }

    /// A server that tells a map with this server as the owner of everything.
    fn teller(owner: &Node, epoch: u32) -> Node {
        let nodes = format!("a1 {owner}@17001 master - 0 0 {epoch} connected 0-16383\n");
        fake::server(fake::text(&nodes))
    }

    /// Whether the owners answer.
    fn is_answered(fleet: &mut Fleet) -> bool {
        let map = fleet.map().unwrap();
        let mut question = redis::pipe();
        question.cmd("PING");
        fleet.ask(&map, &[question]).is_ok()
    }

    #[test]
    fn a_server_whose_map_leads_nowhere_is_not_asked_first_again() {
        let owner = fake::server("+PONG\r\n".to_owned());
        let mut fleet = fleet(vec![fake::nowhere(), teller(&fake::nowhere(), 1), teller(&owner, 2)]);
        assert!(!is_answered(&mut fleet));
        assert!(is_answered(&mut fleet));
    }

    #[test]
    fn owners_are_asked_for_a_later_map_than_the_one_that_is_known() {
        let next = fake::server("+PONG\r\n".to_owned());
        let owner = teller(&next, 2);
        let known = |epoch| {
            let mut fleet = fleet(vec![teller(&owner, epoch)]);
            let map = fleet.map().unwrap();
            (fleet, map)
        };
        let (mut fleet, later) = known(3);
        assert!(fleet.confirm(&later).is_ok());
        assert!(fleet.connections[0].is_some(), "connections stay");
        let (mut fleet, earlier) = known(1);
        assert!(matches!(fleet.confirm(&earlier), Err(Trouble::Remapped)));
        assert_eq!((fleet.map().unwrap().owners[0].epoch, &fleet.seeds[0]), (2, &owner));
        assert!(is_answered(&mut fleet));
    }
}
