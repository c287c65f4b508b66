//! Asks the Sentinels which Redis is the primary.

use super::access::{Node, SentinelAccess, Way};
use super::errors;
use super::link::Patience;
use super::server::{exchange, open};
use crate::ports::StoreError;
use redis::Value;
use std::collections::VecDeque;

pub(super) struct Sentinels {
    master: String,
    /// In front whoever is asked first: the one that answered last, unless its answer led nowhere.
    ways: VecDeque<Way>,
}

impl Sentinels {
    /// They are reached as Redis is, but for the login.
    pub(super) fn new(access: &SentinelAccess, redis: &Way) -> Result<Sentinels, StoreError> {
        let SentinelAccess { nodes, master, login } = access;
        let login_keys = "redis.sentinel.username and redis.sentinel.password";
        let way = |node| Ok(Way { login: login.clone(), database: 0, login_keys, ..redis.to(node)? });
        Ok(Sentinels { master: master.clone(), ways: nodes.iter().map(way).collect::<Result<_, StoreError>>()? })
    }

    /// Where the primary is, as the first Sentinel says that knows it.
    pub(super) fn primary(&mut self, patience: Patience) -> Result<Node, StoreError> {
        let mut gravest = None;
        for _ in 0..self.ways.len() {
            match self.ask_first(patience) {
                Ok(node) => return Ok(node),
                Err(error) => gravest = Some(errors::graver(gravest, error)),
            }
            self.pass_on();
        }
        Err(gravest.unwrap_or_else(errors::no_sentinel))
    }

    /// What the first Sentinel said leads nowhere: another is asked first from now on.
    pub(super) fn pass_on(&mut self) {
        self.ways.rotate_left(1);
    }

    fn ask_first(&self, patience: Patience) -> Result<Node, StoreError> {
        let Some(way) = self.ways.front() else { return Err(errors::no_sentinel()) };
        let address = way.info().addr();
        let mut connection = open(way, patience)?;
        let mut question = redis::pipe();
        question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&self.master);
        let answers = exchange(&mut connection, &question).map_err(|error| errors::of_connection(&error, address))?;
        match answers.into_iter().next() {
            Some(Value::Nil) => Err(errors::unknown_master(address, &self.master)),
            Some(Value::ServerError(error)) => Err(errors::of_sentinel(&error, address, way.login_keys)),
            Some(answer) => node(answer).ok_or_else(|| errors::unexpected_answer("SENTINEL")),
            None => Err(errors::unexpected_answer("SENTINEL")),
        }
    }
}

fn node(answer: Value) -> Option<Node> {
    let (host, port): (String, u16) = redis::from_redis_value(answer).ok()?;
    Some(Node { host, port })
}
