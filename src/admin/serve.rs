//! Connections, so that whoever misbehaves on one of them costs the others nothing.

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tracing::{debug, warn};

/// What connections may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// So many at once; Kafka and Redis need file descriptors too. Beyond it the oldest idle one is closed: a probe that
    /// comes anew is answered whatever hangs about.
    pub(super) connections: usize,
    /// The head of a request must be there within this time, also of the next one on an idle connection.
    pub(super) head_within: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 512, head_within: Duration::from_secs(10) }
    }
}

/// After an error of the listener itself, which is most often a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// One of them.
struct Connection {
    task: AbortHandle,
    /// A request is being answered on it.
    is_busy: Arc<AtomicBool>,
}

/// Serves until it is dropped, and all connections with it.
pub(super) async fn serve(listener: TcpListener, routes: Router, limits: Limits) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.head_within).max_buf_size(16 * 1024);
    let mut tasks = JoinSet::new();
    let mut oldest_first: VecDeque<Connection> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("the HTTP side cannot take a connection: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while tasks.try_join_next().is_some() {}
        make_room(&mut oldest_first, limits.connections);
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let is_busy = Arc::new(AtomicBool::new(false));
        let (answering, answers) = (is_busy.clone(), TowerToHyperService::new(routes.clone()));
        let service = service_fn(move |request| {
            answering.store(true, Ordering::Relaxed);
            let (answering, answer) = (answering.clone(), answers.call(request));
            async move {
                let answer = answer.await;
                answering.store(false, Ordering::Relaxed);
                answer
            }
        });
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let task = tasks.spawn(async move {
            if let Err(error) = connection.await {
                debug!("a connection to the HTTP side ended: {error}");
            }
        });
        oldest_first.push_back(Connection { task, is_busy });
    }
}

/// Closes the oldest connection that nobody is answered on, or else the oldest, when there is no room for another.
fn make_room(oldest_first: &mut VecDeque<Connection>, limit: usize) {
    oldest_first.retain(|connection| !connection.task.is_finished());
    if oldest_first.len() < limit {
        return;
    }
    let idle = oldest_first.iter().position(|connection| !connection.is_busy.load(Ordering::Relaxed));
    if let Some(closed) = oldest_first.remove(idle.unwrap_or(0)) {
        closed.task.abort();
    }
}
