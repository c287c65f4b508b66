//! The HTTP side: what a worker tells of itself. It reads what the shards publish and never touches a shard.

mod access;
mod routes;
pub mod status;

use crate::config::AdminConfig;
use crate::shard::aside::AsideBoard;
use crate::shard::runner::Board;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

/// The HTTP side at work. It ends with this value.
pub struct Admin {
    site: Arc<Site>,
    task: Option<JoinHandle<()>>,
}

/// What there is to be shown.
struct Site {
    group_id: String,
    worker: OnceLock<Worker>,
    aside: OnceLock<AsideBoard>,
}

struct Worker {
    instance: String,
    boards: Vec<Arc<Board>>,
}

impl Admin {
    /// Listens, on the runtime that this is called on. A worker whose address is taken works without.
    pub async fn start(config: &AdminConfig, group_id: &str) -> Admin {
        let site = Arc::new(Site { group_id: group_id.to_owned(), worker: OnceLock::new(), aside: OnceLock::new() });
        let task = match listen(config.listen).await {
            Ok((listener, address)) => {
                info!(%address, "the HTTP side listens");
                let routes = routes::routes(site.clone(), config.token.clone());
                Some(tokio::spawn(async move {
                    if let Err(error) = axum::serve(listener, routes).await {
                        error!("the HTTP side ended: {error}");
                    }
                }))
            }
            Err(error) => {
                warn!(
                    "{} cannot be listened on ({error}): this worker shows no status. Set admin.listen \
                     (SESSIONGATE_ADMIN_LISTEN) to a free address; port 0 takes any free one",
                    config.listen
                );
                None
            }
        };
        Admin { site, task }
    }

    /// From now on the threads beside the shards are shown.
    pub fn show_aside(&self, board: AsideBoard) {
        let _ = self.site.aside.set(board);
    }

    /// From now on the worker's shards are shown.
    pub fn show(&self, instance: &str, boards: &[Arc<Board>]) {
        let worker = Worker { instance: instance.to_owned(), boards: boards.to_vec() };
        // A process starts one worker; a second would not be shown.
        let _ = self.site.worker.set(worker);
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
