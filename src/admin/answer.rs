//! Errors as JSON, and what every answer carries.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error with a stable code and a line for a person.
pub(super) fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

pub(super) async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "not_found", "there is nothing under this path; GET /openapi.json tells what there is")
}

pub(super) async fn method_not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path is not asked with this method")
}

pub(super) fn unauthorized() -> Response {
    let answer = error(StatusCode::UNAUTHORIZED, "unauthorized", "present admin.token: Authorization: Bearer TOKEN");
    ([(header::WWW_AUTHENTICATE, "Bearer")], answer).into_response()
}

pub(super) fn foreign_host() -> Response {
    let message = "without admin.token this is asked by its address or as localhost only: a page from elsewhere could \
                   make a name lead here";
    error(StatusCode::FORBIDDEN, "foreign_host", message)
}

pub(super) fn too_slow() -> Response {
    error(StatusCode::REQUEST_TIMEOUT, "timeout", "the request was not there, or not answered, in time")
}

pub(super) fn starting() -> Response {
    error(StatusCode::SERVICE_UNAVAILABLE, "starting", "the worker still waits for Kafka and Redis: ask /readyz")
}

/// What keeps browsers from making more of an answer than it is, and caches from keeping it.
const GUARDS: [(HeaderName, HeaderValue); 3] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

pub(super) fn guarded(mut response: Response) -> Response {
    response.headers_mut().extend(GUARDS);
    response
}
