//! What an operator asks of a cluster: the same as of one server, of all of them.

use super::Cluster;
use super::map::Owner;
use crate::core::ids::WindowKey;
use crate::io::redis::errors;
use crate::io::redis::operator::{
    Erased, Health, NO_PARTITION, StoredWindow, WindowFilter, WindowScan, ask_window, take_window, write_nothing,
};
use crate::io::redis::server::Server;
use crate::io::redis::standalone::Standalone;
use crate::ports::StoreError;
use redis::Pipeline;
use std::collections::BTreeSet;

impl Cluster {
    /// Of all servers that own slots, what is worst.
    pub(in super::super) fn health(&mut self) -> Result<Health, StoreError> {
        self.ask_servers(|servers| {
            let mut worst: Option<Health> = None;
            for server in servers {
                let health = server.health()?;
                worst = Some(match worst {
                    Some(worst) => worse(worst, health),
                    None => health,
                });
            }
            worst.ok_or_else(errors::no_cluster_node)
        })
    }

    /// See `RedisStore::check_writable`.
    pub(in super::super) fn check_writable(&mut self) -> Result<(), StoreError> {
        self.under_map(|cluster, map| {
            let nothing = |owner| write_nothing(&cluster.frontier_key(NO_PARTITION, owner));
            let pipelines: Vec<Pipeline> = map.owners.iter().map(nothing).collect();
            // A write of the worker's begins with the scripts: who may not load them shall hear of it here.
            cluster.fleet.run(map, &pipelines).map(drop)
        })
    }

    /// See `RedisStore::estimate_windows`.
    pub(in super::super) fn estimate_windows(&mut self) -> Result<u64, StoreError> {
        self.ask_servers(|servers| servers.iter_mut().map(Standalone::estimate_windows).sum())
    }

    /// Reads one window; None when there is nothing.
    pub(in super::super) fn get_window(&mut self, key: &WindowKey) -> Result<Option<StoredWindow>, StoreError> {
        let name = self.keys.window(key);
        self.under_map(|cluster, map| {
            let mut pipelines = vec![redis::pipe(); map.owners.len()];
            let owner = map.owner_of(&name);
            ask_window(&mut pipelines[owner], &name);
            let answers = cluster.fleet.ask(map, &pipelines)?.swap_remove(owner);
            Ok(take_window(key.clone(), &mut answers.into_iter())?)
        })
    }

    /// Lists windows, server after server. After an error it ends.
    pub(in super::super) fn scan_windows<'a>(
        &'a mut self,
        filter: &WindowFilter,
        limit: usize,
    ) -> Box<dyn Iterator<Item = Result<StoredWindow, StoreError>> + 'a> {
        let servers = match self.servers() {
            Err(error) => return Box::new(std::iter::once(Err(error))),
            Ok(servers) => servers,
        };
        let filter = filter.clone();
        let windows = servers.into_iter().flat_map(move |server| WindowScan::of(server, &filter, limit)).take(limit);
        let (fleet, mut has_failed) = (&mut self.fleet, false);
        Box::new(windows.map_while(move |window| {
            if has_failed {
                return None;
            }
            if window.is_err() {
                has_failed = true;
                fleet.forget();
            }
            Some(window)
        }))
    }

    /// See `RedisStore::find_advice`.
    pub(in super::super) fn find_advice(&mut self, filter: &WindowFilter) -> Result<BTreeSet<WindowKey>, StoreError> {
        self.ask_servers(|servers| {
            let mut found = BTreeSet::new();
            for server in servers {
                found.append(&mut server.find_advice(filter)?);
            }
            Ok(found)
        })
    }

    /// Removes a window and the advice on it, which may lie on another server.
    pub(in super::super) fn erase(&mut self, key: &WindowKey) -> Result<Erased, StoreError> {
        let names = [self.keys.window(key), self.keys.advice(key)];
        self.under_map(|cluster, map| {
            let mut pipelines = vec![redis::pipe(); map.owners.len()];
            for name in &names {
                pipelines[map.owner_of(name)].cmd("DEL").arg(name);
            }
            let mut answers: Vec<_> = cluster.fleet.ask(map, &pipelines)?.into_iter().map(Vec::into_iter).collect();
            // In the order in which they were asked, where both lie on one server.
            let [window, advice] = names.each_ref().map(|name| answers[map.owner_of(name)].next());
            Ok(Erased::told_by(window.as_ref(), advice.as_ref())?)
        })
    }

    /// Asks the owners of slots, over connections of their own. After an error others may own them.
    fn ask_servers<T>(
        &mut self,
        ask: impl FnOnce(&mut [Standalone]) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let answer = ask(&mut self.servers()?);
        if answer.is_err() {
            self.fleet.forget();
        }
        answer
    }

    fn servers(&mut self) -> Result<Vec<Standalone>, StoreError> {
        let map = self.fleet.map()?;
        let server = |owner: &Owner| {
            let way = self.fleet.way_to(&owner.node)?;
            Standalone::of(Server::in_cluster(way), &self.options)
        };
        map.owners.iter().map(server).collect()
    }
}

fn worse(one: Health, other: Health) -> Health {
    let numbers = |health: &Health| -> Vec<u32> { health.version.split('.').map_while(|it| it.parse().ok()).collect() };
    let is_sound = |policy: &Option<String>| policy.as_deref() == Some("noeviction");
    let clock = one.clock.max(other.clock);
    let eviction_policy = match (&one.eviction_policy, &other.eviction_policy) {
        (policy, sound) if is_sound(sound) => policy.clone(),
        (None, Some(policy)) => Some(policy.clone()),
        (Some(unsound), None) if !is_sound(&one.eviction_policy) => Some(unsound.clone()),
        (_, policy) => policy.clone(),
    };
    let older = if numbers(&other) < numbers(&one) { other } else { one };
    Health { clock, eviction_policy, ..older }
}
