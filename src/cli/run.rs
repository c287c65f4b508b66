//! `sessiongate run`.

use super::{FAILURE, SUCCESS};
use crate::admin::{Admin, Shown};
use crate::app::{self, Ended, preflight};
use crate::config::Config;
use crate::io::redis::{Patience, RedisOptions, RedisStore};
use crate::ports::{StoreError, WindowStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

/// What is in flight has so long to be committed once the worker was asked to stop.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// Whoever looks a window up over HTTP waits no longer than this for Redis.
const LOOKUP_PATIENCE: Patience = Patience { connect: Duration::from_secs(1), answer: Duration::from_secs(2) };

pub(super) fn run(config: &Config) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(config))
}

async fn serve(config: &Config) -> anyhow::Result<u8> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    info!(version = env!("CARGO_PKG_VERSION"), "starting");
    // It listens from the start, so that a worker that waits for Kafka or Redis can be asked too.
    let admin = Admin::start(config).await;

    let stop = Arc::new(AtomicBool::new(false));
    let looking = tokio::task::spawn_blocking({
        let (config, stop) = (config.clone(), stop.clone());
        move || preflight::wait_until_ready(&config, &stop)
    });
    tokio::pin!(looking);
    let found = tokio::select! {
        found = &mut looking => found?,
        _ = terminate.recv() => { stop.store(true, Ordering::Relaxed); looking.await? }
        _ = interrupt.recv() => { stop.store(true, Ordering::Relaxed); looking.await? }
    };
    let found = match found {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(SUCCESS),
        Err(refused) => {
            error!("this would break the promise:\n{refused}");
            return Ok(FAILURE);
        }
    };

    let options = preflight::redis_options(config);
    let looked_at_by = |patience| RedisStore::new(&RedisOptions { patience, ..options.clone() });
    let (lookups, probe) = (looked_at_by(LOOKUP_PATIENCE)?, looked_at_by(Patience::default())?);
    let store = Arc::new(move || -> Result<Box<dyn WindowStore + Send>, StoreError> {
        Ok(Box::new(RedisStore::new(&options)?))
    });
    let parts = app::parts(config, &found);
    let instance = parts.first().map(|shard| shard.instance.clone()).unwrap_or_default();
    let mut running = app::start(parts, store)?;
    admin.show(Shown {
        instance: instance.clone(),
        boards: running.boards().to_vec(),
        store: Box::new(lookups),
        probe: Box::new(probe),
        kafka: preflight::admin_settings(config),
    })?;
    info!(shards = config.worker.shards, instance, "running");
    tokio::select! {
        ended = running.ended() => return Ok(outcome(&ended)),
        _ = terminate.recv() => info!("SIGTERM: committing what is in flight"),
        _ = interrupt.recv() => info!("SIGINT: committing what is in flight"),
    }
    running.stop();
    match tokio::time::timeout(STOP_WITHIN, running.ended()).await {
        Ok(ended) => Ok(outcome(&ended)),
        Err(_) => {
            error!(
                "not everything in flight could be committed in {STOP_WITHIN:?}; it is read again at the next start"
            );
            Ok(FAILURE)
        }
    }
}

fn outcome(ended: &Ended) -> u8 {
    match ended {
        Ended::Stopped => {
            info!("stopped; everything in flight is committed");
            SUCCESS
        }
        Ended::Refused(why) => {
            error!("cannot go on: {why}");
            FAILURE
        }
    }
}
