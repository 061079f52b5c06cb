//! What is answered while the data folder is being opened: the process lives, and may not be used yet.

use axum::{
    Router,
    body::Body,
    http::StatusCode,
    middleware::from_fn,
    routing::{any, get},
};

use crate::http::{
    body,
    problem::{self, Problem, STARTING},
    system,
};

/// When to ask again. Units: seconds.
const RETRY_AFTER: u32 = 1;

/// Every path, until the routes of the API take over.
pub(super) fn router() -> Router {
    let routes = Router::new().route("/healthz", get(system::health)).fallback(any(not_yet));
    routes.layer(from_fn(problem::finish))
}

async fn not_yet(body: Body) -> Problem {
    body::pass_over(body).await;
    let detail = "the data folder is being opened; try again shortly";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, STARTING, detail);
    // It may be an SDK that calls.
    Problem { retry_after: Some(RETRY_AFTER), for_sdk: true, ..problem }
}
