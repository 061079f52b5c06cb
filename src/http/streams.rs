//! Bodies that hold a thread for as long as their client takes, in and out: how many at once, and for how long.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, http::StatusCode};
use bytes::Bytes;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_stream::Stream;

use crate::http::{pace::worth, problem::Problem};

/// Answers at once that are made while they are read. A client of HTTP/2 has many in one connection.
pub const ANSWERS_MAX: usize = 128;
/// Bodies at once that are worked off while they come.
pub const BODIES_MAX: usize = 128;
/// Blocks that wait for a slow reader; past it the stream waits for the reader.
const BLOCKS_WAITING: usize = 4;

/// Room for such bodies.
pub struct Streams {
    answers: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    reading: Duration,
}

impl Streams {
    /// A reader may let a block wait for so long, besides the time that the block is worth.
    pub fn of(reading: Duration) -> Streams {
        let room = |most| Arc::new(Semaphore::new(most));
        Streams { answers: room(ANSWERS_MAX), bodies: room(BODIES_MAX), reading }
    }

    /// Begins an answer: what is sent to the outlet is its body. To be called within the runtime.
    ///
    /// Errors: 503 when there are too many.
    pub fn answer(&self) -> Result<(Outlet, Body), Problem> {
        let permit = admitted(&self.answers, "answers are streamed", ANSWERS_MAX)?;
        let (sender, receiver) = mpsc::channel(BLOCKS_WAITING);
        let outlet = Outlet { sender, runtime: Handle::current(), reading: self.reading, _permit: permit };
        Ok((outlet, Body::from_stream(Blocks { receiver, is_over: false })))
    }

    /// Begins to work off a body, which goes on until what is given is dropped.
    ///
    /// Errors: 503 when there are too many.
    pub fn body(&self) -> Result<OwnedSemaphorePermit, Problem> {
        admitted(&self.bodies, "imports are under way", BODIES_MAX)
    }
}

fn admitted(room: &Arc<Semaphore>, what: &str, most: usize) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(room).try_acquire_owned().map_err(|_| {
        let detail = format!("{most} {what} already; try again shortly");
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail);
        Problem { retry_after: Some(5), ..problem }
    })
}

/// Where a thread that may block sends the blocks of an answer.
pub struct Outlet {
    /// `None` is the end: an answer that lacks it broke off, and its reader must be able to tell.
    sender: mpsc::Sender<Option<Bytes>>,
    runtime: Handle,
    reading: Duration,
    _permit: OwnedSemaphorePermit,
}

impl Outlet {
    /// Sends a block; waits while the reader is slow.
    ///
    /// Errors: when the reader has gone, or takes nothing.
    pub fn send(&self, block: Vec<u8>) -> io::Result<()> {
        if block.is_empty() {
            return Ok(());
        }
        let patience = self.reading + worth(block.len() as u64);
        self.pass(Some(block.into()), patience)
    }

    /// Says that all was sent.
    ///
    /// Errors: as those of [`Outlet::send`].
    pub fn end(self) -> io::Result<()> {
        self.pass(None, self.reading)
    }

    fn pass(&self, block: Option<Bytes>, patience: Duration) -> io::Result<()> {
        let sent = self.runtime.block_on(self.sender.send_timeout(block, patience));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// The blocks as they come.
struct Blocks {
    receiver: mpsc::Receiver<Option<Bytes>>,
    is_over: bool,
}

impl Stream for Blocks {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let block = ready!(self.receiver.poll_recv(context));
        self.is_over = !matches!(block, Some(Some(_)));
        Poll::Ready(match block {
            Some(Some(block)) => Some(Ok(block)),
            Some(None) => None,
            None => Some(Err(io::Error::other("the answer broke off"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use tokio::task::spawn_blocking;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn an_answer_that_broke_off_does_not_look_whole() {
        let streams = Streams::of(SHORT);
        for is_whole in [true, false] {
            let (outlet, body) = streams.answer().unwrap();
            let sent = spawn_blocking(move || {
                outlet.send(b"some".to_vec())?;
                if is_whole { outlet.end() } else { Ok(()) }
            });
            sent.await.unwrap().unwrap();
            assert_eq!(to_bytes(body, 100).await.is_ok(), is_whole);
        }
    }

    #[tokio::test]
    async fn a_reader_that_takes_nothing_gives_its_thread_and_its_room_back() {
        let streams = Streams::of(SHORT);
        let mut begun: Vec<(Outlet, Body)> = (0..ANSWERS_MAX).map(|_| streams.answer().unwrap()).collect();
        let refused = streams.answer().err().expect("there is no room");
        assert_eq!((refused.status.as_u16(), refused.code), (503, "too_many_streams"));
        let (outlet, body) = begun.pop().unwrap();
        let sent = spawn_blocking(move || (0..=BLOCKS_WAITING).try_for_each(|_| outlet.send(b"x".to_vec())));
        assert!(sent.await.unwrap().is_err(), "the last found no room");
        assert!(streams.answer().is_ok());
        assert!(to_bytes(body, 100).await.is_err(), "and what is there does not look whole");
    }
}
