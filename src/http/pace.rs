//! Clients that hold on: bodies that trickle in, answers that nobody reads. Each has some patience, which waiting uses up
//! and bytes give back.

use std::{
    error::Error,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{db::clock::Stopwatch, http::traffic::Traffic};

/// What a client must keep up at least, once its patience is used up. Units: bytes a second.
pub const RATE: u32 = 1_024;

/// The time that bytes are worth.
pub fn worth(bytes: u64) -> Duration {
    Duration::from_secs_f64(bytes as f64 / f64::from(RATE))
}

/// Why a body is not waited for any longer.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("it came too slowly, below {RATE} bytes a second")]
pub struct TooSlow;

/// How long a peer may still let us wait.
struct Patience {
    most: Duration,
    left: Duration,
    waiting: Option<(Stopwatch, Pin<Box<Sleep>>)>,
}

impl Patience {
    fn of(most: Duration) -> Patience {
        Patience { most, left: most, waiting: None }
    }

    /// Notes that nothing moves; gives whether that went on for too long.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        let left = self.left;
        let (_, end) = self.waiting.get_or_insert_with(|| (Stopwatch::start(), Box::pin(sleep(left))));
        end.as_mut().poll(context).is_ready()
    }

    /// Notes that bytes moved.
    fn moved(&mut self, bytes: usize) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        self.left = (self.left + worth(bytes as u64)).min(self.most);
    }
}

/// A request's body that must keep coming while it is waited for.
pub struct Steady {
    body: Incoming,
    patience: Patience,
}

impl Steady {
    /// With so much patience.
    pub fn of(body: Incoming, most: Duration) -> Steady {
        Steady { body, patience: Patience::of(most) }
    }
}

impl HttpBody for Steady {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.patience.moved(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending if this.patience.is_over(context) => Poll::Ready(Some(Err(TooSlow.into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection whose peer must take what it is sent.
pub struct Paced<S> {
    stream: S,
    patience: Patience,
    traffic: Arc<Traffic>,
}

impl<S> Paced<S> {
    /// With so much patience; what is written is counted as its traffic.
    pub fn of(stream: S, most: Duration, traffic: Arc<Traffic>) -> Paced<S> {
        Paced { stream, patience: Patience::of(most), traffic }
    }

    fn judge(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match wrote {
            Poll::Ready(Ok(bytes)) => {
                self.patience.moved(bytes);
                self.traffic.wrote(bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending if self.patience.is_over(context) => {
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not read what it asked for")))
            }
            other => other,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, buffer);
        self.judge(context, wrote)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, buffers);
        self.judge(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn waiting_uses_patience_up_and_bytes_give_it_back() {
        let mut context = Context::from_waker(Waker::noop());
        let mut patience = Patience::of(Duration::from_millis(40));
        assert!(!patience.is_over(&mut context));
        sleep(Duration::from_millis(45)).await;
        assert!(patience.is_over(&mut context), "nothing came");
        patience.moved(1);
        assert!(patience.left < Duration::from_millis(2), "a byte is worth a millisecond");
        patience.moved(1 << 20);
        assert_eq!(patience.left, Duration::from_millis(40), "never more than at first");
    }
}
