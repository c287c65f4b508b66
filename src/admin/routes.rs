//! The paths and their answers. Every answer is JSON, errors too.

use super::access::is_allowed;
use super::status::WorkerStatus;
use super::{Site, Worker};
use crate::config::Secret;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use std::sync::Arc;

/// All of them, behind the token if there is one.
pub(super) fn routes(site: Arc<Site>, token: Option<Secret>) -> Router {
    let guard = move |request: Request, next: Next| {
        let allowed = is_allowed(request.headers(), token.as_ref());
        async move { if allowed { next.run(request).await } else { unauthorized() } }
    };
    Router::new()
        .route("/v1/status", get(status))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(guard))
        .with_state(site)
}

async fn status(State(site): State<Arc<Site>>) -> Json<WorkerStatus> {
    let worker = site.worker.get();
    let boards = worker.map_or(&[][..], |Worker { boards, .. }| boards);
    let status = WorkerStatus::new(&site.group_id, worker.map(|worker| worker.instance.as_str()), boards);
    Json(status.with_aside(site.aside.get()))
}

async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, "not_found", "there is nothing under this path")
}

async fn method_not_allowed() -> Response {
    error(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path is not asked with this method")
}

fn unauthorized() -> Response {
    let answer = error(StatusCode::UNAUTHORIZED, "unauthorized", "present admin.token: Authorization: Bearer TOKEN");
    ([(header::WWW_AUTHENTICATE, "Bearer")], answer).into_response()
}

fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, Json(json!({ "error": { "code": code, "message": message } }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::OnceLock;
    use ureq::http::Response as Answer;

    fn ask(method: &str, url: &str, token: Option<&str>) -> Answer<ureq::Body> {
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().new_agent();
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        agent.run(request.body(()).unwrap()).unwrap()
    }

    /// Serves as `run` does, with that token, while `client` asks at the base URL it is given.
    fn serve(token: Option<&str>, client: impl FnOnce(&str) + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let base = format!("http://{}", listener.local_addr().unwrap());
            let site = Arc::new(Site { group_id: "worker".into(), worker: OnceLock::new(), aside: OnceLock::new() });
            let server = tokio::spawn(axum::serve(listener, routes(site, token.map(Secret::new))).into_future());
            tokio::task::spawn_blocking(move || client(&base)).await.unwrap();
            server.abort();
        });
    }

    #[test]
    fn a_worker_that_still_waits_for_kafka_and_redis_shows_no_shards() {
        serve(None, |base| {
            let mut answer = ask("GET", &format!("{base}/v1/status"), None);
            assert_eq!(answer.status(), 200);
            let status: WorkerStatus = serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
            assert_eq!(status, WorkerStatus::new("worker", None, &[]));
        });
    }

    #[test]
    fn every_error_is_json_with_a_code() {
        serve(Some("open-sesame"), |base| {
            let right = Some("open-sesame");
            let table = [
                ("GET", "/v1/status", right, 200, None),
                ("GET", "/v1/nothing", right, 404, Some("not_found")),
                ("GET", "/", right, 404, Some("not_found")),
                ("DELETE", "/v1/status", right, 405, Some("method_not_allowed")),
                ("GET", "/v1/status", None, 401, Some("unauthorized")),
                ("GET", "/v1/status", Some("open"), 401, Some("unauthorized")),
                ("GET", "/v1/nothing", None, 401, Some("unauthorized")),
            ];
            for (method, path, token, status, code) in table {
                let mut answer = ask(method, &format!("{base}{path}"), token);
                let body: serde_json::Value =
                    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap();
                assert_eq!(answer.status(), status, "{method} {path} {token:?}");
                assert_eq!(body["error"]["code"].as_str(), code, "{method} {path} {token:?}");
                assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401, "{method} {path}");
            }
        });
    }
}
