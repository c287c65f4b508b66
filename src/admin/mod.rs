//! The HTTP side: what a worker tells of itself, and windows looked up for whoever asks. It reads what the shards publish
//! and has connections of its own, so that nothing it does holds a shard up.

mod access;
mod answer;
mod desk;
mod events;
mod health;
mod log_watch;
mod lookup;
pub mod metrics;
mod pulse;
mod routes;
mod serve;
pub mod status;
mod store_watch;
mod windows;

pub use store_watch::StoreProbe;

use crate::config::{Config, Partitioning, Secret};
use crate::core::policy::Policy;
use crate::io::kafka::KafkaSettings;
use crate::ports::WindowStore;
use crate::ports::spans::SpanTally;
use crate::shard::aside::AsideBoard;
use crate::shard::runner::Board;
use axum::Router;
use desk::Desk;
use log_watch::LogWatch;
use pulse::Pulse;
use serve::Limits;
use status::WorkerStatus;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use store_watch::StoreWatch;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::{info, warn};

/// The HTTP side at work. It ends with this value.
pub struct Admin {
    site: Arc<Site>,
    address: Option<SocketAddr>,
    tasks: Vec<JoinHandle<()>>,
}

/// A worker that has begun, and what it is looked at with.
pub struct Shown {
    /// The process's name within its group.
    pub instance: String,
    /// What its shards publish.
    pub boards: Vec<Arc<Board>>,
    /// What became of spans; none when no traces are made.
    pub spans: Option<Arc<SpanTally>>,
    /// For look-ups.
    pub store: Box<dyn WindowStore + Send>,
    /// For readiness.
    pub probe: Box<dyn StoreProbe + Send>,
    /// For ends and lag.
    pub kafka: KafkaSettings,
}

/// How soon an address that was taken is tried again.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What there is to be shown.
struct Site {
    group_id: String,
    inbound_topic: String,
    intent_topic: String,
    policy: Policy,
    partitioning: Partitioning,
    /// Refusals are remembered, and stand against windows.
    heeds_refusals: bool,
    token: Option<Secret>,
    worker: OnceLock<Worker>,
    pulse: Pulse,
    aside: OnceLock<AsideBoard>,
}

struct Worker {
    instance: String,
    boards: Vec<Arc<Board>>,
    spans: Option<Arc<SpanTally>>,
    desk: Desk,
    store: StoreWatch,
    log: LogWatch,
}

impl Site {
    fn new(config: &Config) -> Site {
        Site {
            group_id: config.kafka.group_id.clone(),
            inbound_topic: config.topics.inbound_message.clone(),
            intent_topic: config.topics.outbound_intent.clone(),
            policy: config.policy(),
            partitioning: config.worker.partitioning,
            heeds_refusals: config.topics.delivery_status.is_some(),
            token: config.admin.token.clone(),
            worker: OnceLock::new(),
            pulse: Pulse::default(),
            aside: OnceLock::new(),
        }
    }

    fn status(&self) -> WorkerStatus {
        let worker = self.worker.get();
        let boards = worker.map_or(&[][..], |worker| &worker.boards);
        let status = WorkerStatus::new(&self.group_id, worker.map(|worker| worker.instance.as_str()), boards);
        status.with_aside(self.aside.get())
    }
}

impl Admin {
    /// Listens, on the runtime that this is called on. A worker whose address is taken works without, and listens once it
    /// is free.
    pub async fn start(config: &Config) -> Admin {
        let site = Arc::new(Site::new(config));
        let mut admin = Admin { site: site.clone(), address: None, tasks: Vec::new() };
        let routes = routes::routes(site.clone());
        match listen(config.admin.listen).await {
            Ok((listener, address)) => {
                admin.address = Some(address);
                admin.tasks.push(tokio::spawn(serve::serve(listener, routes, Limits::default())));
            }
            Err(error) => {
                warn!(
                    "{} cannot be listened on ({error}): this worker shows nothing until it can. Free it, or set \
                     admin.listen (SESSIONGATE_ADMIN_LISTEN) to a free address; port 0 takes any free one",
                    config.admin.listen
                );
                admin.tasks.push(tokio::spawn(serve_once_free(config.admin.listen, routes)));
            }
        }
        admin.tasks.push(tokio::spawn(pulse::beat(site)));
        admin
    }

    /// Where it listens; none when it could not at the start.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// From now on the threads beside the shards are shown.
    pub fn show_aside(&self, board: AsideBoard) {
        let _ = self.site.aside.set(board);
    }

    /// From now on the worker's shards are shown. A process starts one worker; a second would not be shown.
    pub fn show(&self, shown: Shown) -> io::Result<()> {
        let Shown { instance, boards, spans, store, probe, kafka } = shown;
        let (desk, store, log) = (Desk::open(store)?, StoreWatch::start(probe)?, LogWatch::start(kafka)?);
        let _ = self.site.worker.set(Worker { instance, boards, spans, desk, store, log });
        Ok(())
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    info!(%address, "the HTTP side listens");
    Ok((listener, address))
}

/// Whoever had the address is most often this worker's predecessor, and on its way out.
async fn serve_once_free(address: SocketAddr, routes: Router) {
    loop {
        tokio::time::sleep(LISTEN_AGAIN_AFTER).await;
        if let Ok((listener, _)) = listen(address).await {
            return serve::serve(listener, routes, Limits::default()).await;
        }
    }
}
