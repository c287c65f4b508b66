//! The paths and their answers. Every answer but the page, the metrics and the events is JSON, errors too.

use super::Site;
use super::access::{is_allowed, is_own_name};
use super::answer::{foreign_host, guarded, method_not_allowed, not_found, too_slow, unauthorized};
use super::health::{self, Health};
use super::metrics;
use super::status::WorkerStatus;
use super::{events, windows};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Json, Router};
use std::sync::Arc;
use std::time::Duration;

/// Enough for as many look-ups as one call may hold.
const MAX_BODY_BYTES: usize = 512 * 1024;
/// A request must be there and answered within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

const OPENAPI: &str = include_str!("openapi.json");
/// Empty of data: it asks for the token itself, and for everything else with it.
const CONSOLE: &str = include_str!("console.html");
/// Nothing but what stands in the page, and nothing but this worker.
const CONSOLE_MAY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; \
                           img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Who may ask for a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Whoever has the token, when there is one.
    Token,
    /// Anybody: it says nothing that is worth hiding.
    Open,
}

/// Every path with what it answers.
fn table() -> Vec<(&'static str, Door, MethodRouter<Arc<Site>>)> {
    vec![
        ("/", Door::Open, get(console)),
        ("/healthz", Door::Open, get(healthz)),
        ("/readyz", Door::Open, get(readyz)),
        ("/metrics", Door::Token, get(metrics_page)),
        ("/openapi.json", Door::Open, get(openapi)),
        ("/v1/status", Door::Token, get(status)),
        ("/v1/events", Door::Token, get(events::events)),
        ("/v1/windows", Door::Token, post(windows::many)),
        ("/v1/windows/{channel}/{business_id}/{customer_id}", Door::Token, get(windows::one)),
    ]
}

/// All of them, behind the token if there is one.
pub(super) fn routes(site: Arc<Site>) -> Router {
    let mut router = Router::new();
    for (path, door, answers) in table() {
        let answers = match door {
            Door::Open => answers,
            Door::Token => answers.layer(middleware::from_fn_with_state(site.clone(), guard)),
        };
        router = router.route(path, answers);
    }
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_time))
        .layer(middleware::map_response(|response| async { guarded(response) }))
        .with_state(site)
}

/// Lets those in who have the token. Without a token, a browser must not be lured here: a page from elsewhere whose
/// name leads to this address would read what only this machine may.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if !is_allowed(request.headers(), site.token.as_ref()) {
        return unauthorized();
    }
    if site.token.is_none() && !is_own_name(request.headers()) {
        return foreign_host();
    }
    next.run(request).await
}

async fn in_time(request: Request, next: Next) -> Response {
    tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await.unwrap_or_else(|_| too_slow())
}

async fn console() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, CONSOLE_MAY)];
    (headers, CONSOLE).into_response()
}

async fn healthz(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    shown(&site, &headers, health::liveness(site.worker.get()))
}

async fn readyz(State(site): State<Arc<Site>>, headers: HeaderMap) -> Response {
    shown(&site, &headers, health::readiness(site.worker.get(), site.pulse.misplaced_lately()))
}

/// Probes have no token and need only the code; so does a page that was lured here.
fn shown(site: &Site, headers: &HeaderMap, health: Health) -> Response {
    let code = if health.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let may_know = is_allowed(headers, site.token.as_ref()) && (site.token.is_some() || is_own_name(headers));
    let health = if may_know { health } else { health.without_details() };
    (code, Json(health)).into_response()
}

async fn metrics_page(State(site): State<Arc<Site>>) -> Response {
    let ready = health::readiness(site.worker.get(), site.pulse.misplaced_lately());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], metrics::page(&site, &ready)).into_response()
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

async fn status(State(site): State<Arc<Site>>) -> Json<WorkerStatus> {
    Json(site.status())
}

#[cfg(test)]
mod tests;
