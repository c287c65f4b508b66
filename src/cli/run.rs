//! `sessiongate run`.

use super::{FAILURE, MISCONFIGURED, SUCCESS};
use crate::admin::{Admin, Shown};
use crate::app::aside::{self, Aside};
use crate::app::traces::Traces;
use crate::app::{self, Ended, Running, StoreMaker, preflight, template_reader, traces};
use crate::config::Config;
use crate::io::redis::{Patience, RedisOptions, RedisStore};
use crate::ports::{StoreError, WindowStore};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
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
            error!("{refused}");
            return Ok(if refused.is_misconfigured { MISCONFIGURED } else { FAILURE });
        }
    };

    let options = preflight::redis_options(config);
    let store: StoreMaker = Arc::new(move || -> Result<Box<dyn WindowStore + Send>, StoreError> {
        Ok(Box::new(RedisStore::new(&options)?))
    });
    let (mut aside, board) = aside::start(config, &found, store.clone())?;
    admin.show_aside(board);
    // No negative verdict before the status of its template is known.
    let knowing = tokio::task::spawn_blocking({
        let (templates, stop) = (aside.templates().clone(), stop.clone());
        move || template_reader::wait_until_ready(&templates, &stop)
    });
    tokio::pin!(knowing);
    let knows = tokio::select! {
        knows = &mut knowing => knows?,
        why = aside.broken() => { stop.store(true, Ordering::Relaxed); return Ok(outcome(&Ended::Refused(why))) }
        _ = terminate.recv() => { stop.store(true, Ordering::Relaxed); knowing.await? }
        _ = interrupt.recv() => { stop.store(true, Ordering::Relaxed); knowing.await? }
    };
    let code = match knows {
        true => work(config, &found, store, &admin, &mut aside, &mut terminate, &mut interrupt).await?,
        false => SUCCESS,
    };
    // What the shards wrote last is heeded by whoever goes on with the group.
    let ending = tokio::task::spawn_blocking(move || aside.end());
    if tokio::time::timeout(STOP_WITHIN, ending).await.is_err() {
        error!("reports could not be passed on in {STOP_WITHIN:?}; they are read again at the next start");
    }
    Ok(code)
}

/// The shards, from their start to their end.
async fn work(
    config: &Config,
    found: &preflight::Found,
    store: StoreMaker,
    admin: &Admin,
    aside: &mut Aside,
    terminate: &mut Signal,
    interrupt: &mut Signal,
) -> anyhow::Result<u8> {
    let mut parts = app::parts(config, found);
    let instance = parts.first().map(|shard| shard.instance.clone()).unwrap_or_default();
    // Verdicts are worth more than traces of them.
    let traces = traces::start(config, &instance).unwrap_or_else(|error| {
        error!("traces stay off: {error}");
        None
    });
    for shard in &mut parts {
        shard.templates = aside.templates().clone();
        shard.tracing = traces.as_ref().map(|traces| traces.tracing().clone());
    }
    let running = app::start(parts, store)?;
    let options = preflight::redis_options(config);
    let lookups = RedisStore::new(&RedisOptions { patience: LOOKUP_PATIENCE, ..options.clone() })?;
    admin.show(Shown {
        instance: instance.clone(),
        boards: running.boards().to_vec(),
        spans: traces.as_ref().map(Traces::tally),
        store: Box::new(lookups),
        probe: Box::new(RedisStore::new(&options)?),
        kafka: preflight::admin_settings(config),
    })?;
    info!(shards = config.worker.shards, instance, "running");
    let code = until_stopped(running, aside, terminate, interrupt).await;
    if let Some(traces) = traces {
        tokio::task::spawn_blocking(move || traces.end()).await?;
    }
    Ok(code)
}

/// The shards until they have left, by themselves or because they were asked to.
async fn until_stopped(mut running: Running, aside: &mut Aside, terminate: &mut Signal, interrupt: &mut Signal) -> u8 {
    let mut broken = None;
    tokio::select! {
        ended = running.ended() => return outcome(&ended),
        why = aside.broken() => broken = Some(Ended::Refused(why)),
        _ = terminate.recv() => info!("SIGTERM: committing what is in flight"),
        _ = interrupt.recv() => info!("SIGINT: committing what is in flight"),
    }
    running.stop();
    match tokio::time::timeout(STOP_WITHIN, running.ended()).await {
        Ok(ended) => outcome(&broken.unwrap_or(ended)),
        Err(_) => {
            error!(
                "not everything in flight could be committed in {STOP_WITHIN:?}; it is read again at the next start"
            );
            FAILURE
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
