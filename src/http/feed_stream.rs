//! The feed as a live stream of events (server-sent events, HTML Standard §9.2).
//!
//! A reader costs its place in the feed and one page of it: while it is slow nothing is kept for it, and once the feed
//! no longer reaches back to its place it is told so, and how to start again.

use std::{io::Write as _, pin::Pin, time::Duration};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use bytes::Bytes;
use serde_json::json;
use tokio::{
    sync::mpsc,
    time::{Sleep, sleep},
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

use crate::{
    db::feed::{FeedPage, Followed},
    http::{
        app::App,
        feed::{read, word, write_change},
        news::Ear,
        problem::Problem,
    },
};

/// Entries that are read for a reader at a time.
const PAGE: usize = 512;
/// How long a reader hears nothing before it is told that the connection still stands.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What is sent first: how long a reader should wait before it connects again. Units: milliseconds.
const GREETING: &str = "retry: 1000\n\n";

/// The last entry that a reader says it has seen.
///
/// Errors: 400 when it is not a number.
pub fn last_event(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let text = id.to_str().unwrap_or("?").trim();
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |_| Problem::malformed(format!("\"Last-Event-ID\" is the number of an entry, not \"{text}\""));
    text.parse().map(Some).map_err(wrong)
}

/// One reader.
pub struct Stream {
    app: App,
    ear: Ear,
    /// The last entry that was looked at for the reader.
    seen: u64,
    /// The last number that it was told.
    told: u64,
    followed: Followed,
    sender: mpsc::Sender<Bytes>,
}

impl Stream {
    /// Answers with a stream of what follows an entry.
    ///
    /// Errors: 410 when the entry is too old or has not come; 503 when too many wait.
    pub async fn open(app: App, after: u64, followed: Followed) -> Result<Response, Problem> {
        let mut ear = app.news.listen()?;
        ear.is_over();
        let (page, followed) = read(&app, after, followed, PAGE).await?;
        let (sender, receiver) = mpsc::channel::<Bytes>(1);
        let stream = Stream { app, ear, seen: after, told: after, followed, sender };
        tokio::spawn(stream.run(page));
        let mut response = Response::new(Body::from_stream(ReceiverStream::new(receiver).map(Ok::<_, std::io::Error>)));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Else a proxy may hold back what it has not got enough of.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        Ok(response)
    }

    /// Sends a page, then what follows it, until the reader goes, falls too far behind, or the server stops.
    async fn run(mut self, first: FeedPage) {
        let mut block = GREETING.as_bytes().to_vec();
        let mut quiet = Box::pin(sleep(HEARTBEAT));
        let (mut page, mut is_over) = (first, false);
        loop {
            self.write(&mut block, &page);
            let is_more = page.changes.len() == PAGE;
            if !block.is_empty() {
                if self.sender.send(std::mem::take(&mut block).into()).await.is_err() {
                    return;
                }
                quiet = Box::pin(sleep(HEARTBEAT));
            }
            // What is left the reader gets when it connects again.
            if is_over || !is_more && !self.wait(&mut quiet, &mut block).await {
                return;
            }
            is_over = self.ear.is_over();
            page = match read(&self.app, self.seen, std::mem::take(&mut self.followed), PAGE).await {
                Ok((page, followed)) => {
                    self.followed = followed;
                    page
                }
                Err(problem) => {
                    let _ = self.sender.send(gone(&problem).into()).await;
                    return;
                }
            };
        }
    }

    fn write(&mut self, block: &mut Vec<u8>, page: &FeedPage) {
        for change in &page.changes {
            write!(block, "id: {}\nevent: {}\ndata: ", change.seq, word(&change.kind)).expect("memory takes it");
            write_change(block, change);
            block.extend_from_slice(b"\n\n");
            self.told = change.seq;
        }
        self.seen = page.next;
    }

    /// Waits for news, and lets the reader know in time that the connection stands and how far it has come. Gives
    /// whether it is still there.
    async fn wait(&mut self, quiet: &mut Pin<Box<Sleep>>, block: &mut Vec<u8>) -> bool {
        tokio::select! {
            () = self.ear.news() => {}
            () = quiet => {
                block.extend_from_slice(b": still here\n");
                if self.seen > self.told {
                    // A number without an event moves the place from which a reader resumes, and is not shown to it.
                    writeln!(block, "id: {}", self.seen).expect("memory takes it");
                    self.told = self.seen;
                }
                block.push(b'\n');
            }
            () = self.sender.closed() => return false,
        }
        true
    }
}

/// The last event for a reader who cannot go on.
fn gone(problem: &Problem) -> Vec<u8> {
    let mut body = json!({"code": problem.code, "detail": problem.detail});
    if let Some(bounds) = problem.kept {
        body["oldest"] = bounds.oldest.into();
        body["newest"] = bounds.newest.into();
    }
    format!("event: gone\ndata: {body}\n\n").into_bytes()
}
