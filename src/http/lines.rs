//! Lines of JSON on their way out, a block at a time: as much as the reader takes, and no more in memory.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// Blocks that wait for a slow reader; past it the stream waits for the reader.
const BLOCKS_WAITING: usize = 4;

/// Streams what `more` appends to a block, until it says that there is no more.
pub fn stream(mut more: impl FnMut(&mut Vec<u8>) -> bool + Send + 'static) -> Response {
    let (sender, receiver) = mpsc::channel::<Bytes>(BLOCKS_WAITING);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut block = Vec::new();
            let goes_on = more(&mut block);
            // The reader has gone when nothing takes the block: then there is no one to write for.
            if sender.blocking_send(block.into()).is_err() || !goes_on {
                return;
            }
        }
    });
    let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, std::io::Error>)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}
