//! Lines of JSON on their way out, a block at a time: as much as the reader takes, and no more in memory.

use axum::{
    http::{HeaderValue, header},
    response::Response,
};

use crate::http::{problem::Problem, streams::Streams};

/// Streams what `more` appends to a block, until it says that there is no more.
///
/// Errors: 503 when there are too many streams.
pub fn stream(
    streams: &Streams,
    mut more: impl FnMut(&mut Vec<u8>) -> bool + Send + 'static,
) -> Result<Response, Problem> {
    let (outlet, body) = streams.answer()?;
    tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        loop {
            let mut block = Vec::new();
            let goes_on = more(&mut block);
            // Nothing takes the block when the reader has gone: then there is no one to write for.
            outlet.send(block)?;
            if !goes_on {
                return outlet.end();
            }
        }
    });
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}
