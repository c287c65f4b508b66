//! `GET /v1/events`: what happens, as server-sent events. First `history`, the last minutes; then `moment` every second.

use super::Site;
use super::answer::error;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;

/// So many may follow at once.
const MAX_FOLLOWERS: usize = 16;

pub(super) async fn events(State(site): State<Arc<Site>>) -> Response {
    if site.pulse.followers() >= MAX_FOLLOWERS {
        return error(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many follow already");
    }
    let moments = site.pulse.follow();
    let history = event("history", &site.pulse.history());
    let told = stream::unfold((Some(history), moments), |(first, mut moments)| async move {
        if let Some(first) = first {
            return Some((Ok::<Event, Infallible>(first), (None, moments)));
        }
        moments.changed().await.ok()?;
        let latest = moments.borrow_and_update().clone();
        Some((Ok(event("moment", &latest.as_deref())), (None, moments)))
    });
    Sse::new(told).into_response()
}

/// What cannot be written as JSON does not occur; it would be told as nothing.
fn event(name: &str, value: &impl Serialize) -> Event {
    Event::default().event(name).data(serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()))
}
