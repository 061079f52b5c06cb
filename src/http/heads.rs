//! Heads of requests: how large they may be.

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode},
    middleware::from_fn,
    routing::any,
};

use crate::{
    http::{
        body,
        problem::{self, Problem},
    },
    model::limits,
};

/// What a connection of HTTP/1 holds of a head at most, whatever it says: one that is a little too large is still told so.
/// Units: bytes.
pub(super) const BUFFER: usize = 4 * limits::HEAD_BYTES_MAX;

/// Whether the target and the headers of a request are within the limit together.
pub(super) fn fits<T>(request: &Request<T>) -> bool {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    target + headers.sum::<usize>() <= limits::HEAD_BYTES_MAX
}

/// What answers a request whose head is too large.
pub(super) fn refusing() -> Router {
    Router::new().fallback(any(too_large)).layer(from_fn(problem::finish))
}

async fn too_large(body: Body) -> Problem {
    body::pass_over(body).await;
    let detail = format!("the target and the headers of a request have at most {} bytes", limits::HEAD_BYTES_MAX);
    Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", detail)
}
