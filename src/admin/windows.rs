//! `GET /v1/windows/...` and `POST /v1/windows`.

use super::answer::{error, starting};
use super::desk::{DeskError, Looked};
use super::lookup::{Held, MAX_WINDOWS, ManyShown, OneShown, Readings, Subject, Subjects, Wanted};
use super::{Site, Worker};
use crate::core::ids::{Partition, WindowKey};
use crate::ports::{ReadRequest, Snapshot};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Kafka has so long to tell its ends; without them nothing is proven, and what Redis holds is told all the same.
const ENDS_WITHIN: Duration = Duration::from_millis(750);

pub(super) async fn one(
    State(site): State<Arc<Site>>,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Response {
    let Ok(Path((channel, business_id, customer_id))) = path else {
        return error(StatusCode::BAD_REQUEST, "invalid_field", "the path is not readable as UTF-8");
    };
    let wanted = match Wanted::new(Subject { channel, business_id, customer_id }, &site.policy) {
        Ok(wanted) => wanted,
        Err((code, message)) => return error(StatusCode::UNPROCESSABLE_ENTITY, code, &message),
    };
    let Some(worker) = site.worker.get() else { return starting() };
    match look_up(&site, worker, std::slice::from_ref(&wanted)).await {
        Ok((held, readings)) => match held.first() {
            Some(held) => Json(OneShown::new(&wanted, held, &readings)).into_response(),
            None => error(StatusCode::SERVICE_UNAVAILABLE, "redis_unavailable", "Redis told less than it was asked"),
        },
        Err(refused) => refused,
    }
}

pub(super) async fn many(State(site): State<Arc<Site>>, body: Result<Bytes, BytesRejection>) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejected) if rejected.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "ask for fewer windows in one call");
        }
        Err(_) => return error(StatusCode::BAD_REQUEST, "unreadable_body", "the body broke off"),
    };
    let subjects: Subjects = match serde_json::from_slice(&body) {
        Ok(subjects) => subjects,
        // The library's words name fields and places, not values of strings.
        Err(wrong) => {
            let message =
                format!("the body is not what was expected at line {}, column {}", wrong.line(), wrong.column());
            return error(StatusCode::BAD_REQUEST, "invalid_body", &message);
        }
    };
    if subjects.windows.len() > MAX_WINDOWS {
        let message = format!("at most {MAX_WINDOWS} windows in one call");
        return error(StatusCode::PAYLOAD_TOO_LARGE, "too_large", &message);
    }
    let mut wanted = Vec::with_capacity(subjects.windows.len());
    for (place, subject) in subjects.windows.into_iter().enumerate() {
        match Wanted::new(subject, &site.policy) {
            Ok(one) => wanted.push(one),
            Err((code, message)) => {
                return error(StatusCode::UNPROCESSABLE_ENTITY, code, &format!("windows[{place}]: {message}"));
            }
        }
    }
    let Some(worker) = site.worker.get() else { return starting() };
    match look_up(&site, worker, &wanted).await {
        Ok((windows, readings)) => Json(ManyShown::new(&wanted, &windows, &readings)).into_response(),
        Err(refused) => refused,
    }
}

/// Asks for the ends first: a frontier that is read afterwards has had the time to reach them.
async fn look_up(site: &Site, worker: &Worker, wanted: &[Wanted]) -> Result<(Vec<Held>, Readings), Response> {
    let ends = worker.log.ends_since(Instant::now(), ENDS_WITHIN).await;
    let last = worker.log.last();
    let topic = ends.as_ref().or(last.ends.as_ref()).map(|look| look.topic.clone());
    let partitions: Vec<Partition> = (0..topic.map_or(0, |topic| topic.partitions)).map(Partition).collect();
    let windows: Vec<WindowKey> = wanted.iter().map(|wanted| wanted.key.clone()).collect();
    let advice = if site.heeds_refusals { windows.clone() } else { Vec::new() };
    let request = ReadRequest { frontiers: partitions.clone(), windows, advice };
    let looked = worker.desk.read(request).await.map_err(|refused| {
        let code = match &refused {
            DeskError::Busy => "busy",
            DeskError::Unavailable(_) => "redis_unavailable",
        };
        error(StatusCode::SERVICE_UNAVAILABLE, code, &refused.to_string())
    })?;
    let Looked { snapshot, sent, received } = looked;
    let Snapshot { frontiers, windows, advice, clock } = snapshot;
    let frontiers = partitions.into_iter().zip(frontiers).collect();
    let mut advice = advice.into_iter();
    let held =
        windows.into_iter().map(|window| Held { window, refused: advice.next().and_then(|it| it.known().copied()) });
    let readings = Readings { partitioning: site.partitioning, frontiers, ends, clock, sent, received };
    Ok((held.collect(), readings))
}
