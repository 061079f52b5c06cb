//! The API without a socket: the same routes over a database in this process, for the command line and tests.

use std::io::Read;

use axum::{Router, body::Body, http::Request};
use tokio::runtime::{Builder, Runtime};
use tokio_stream::StreamExt;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tower::ServiceExt;

/// Routes over a database in this process.
pub struct Local {
    runtime: Runtime,
    router: Router,
}

/// What a call came back with.
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body, read as it is made.
    pub body: Box<dyn Read + Send>,
}

impl Local {
    /// Offers what some routes lead to.
    ///
    /// Errors: when no threads can be started.
    pub fn of(router: Router) -> std::io::Result<Local> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Local { runtime, router })
    }

    /// Makes one call; `path` is percent-encoded and may have a query string.
    ///
    /// Errors: when the path or the media type is malformed.
    pub fn call(&self, method: &str, path: &str, media: Option<&str>, body: Vec<u8>) -> Result<Reply, String> {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(media) = media {
            request = request.header("content-type", media);
        }
        let request = request.body(Body::from(body)).map_err(|error| error.to_string())?;
        let response = self.runtime.block_on(self.router.clone().oneshot(request));
        let response = response.unwrap_or_else(|never| match never {});
        let status = response.status().as_u16();
        let stream = response.into_body().into_data_stream().map(|chunk| chunk.map_err(std::io::Error::other));
        let reader = SyncIoBridge::new_with_handle(StreamReader::new(stream), self.runtime.handle().clone());
        Ok(Reply { status, body: Box::new(reader) })
    }
}
