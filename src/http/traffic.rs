//! What goes on in one HTTP/2 connection. A client there can hold on without the socket showing it: by windows that it
//! leaves shut, and by answering pings and asking nothing.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use crate::{
    db::clock::Stopwatch,
    http::pace::{RATE, worth},
};

/// Counts of one connection.
#[derive(Default)]
pub struct Traffic {
    calls: AtomicU64,
    open: AtomicUsize,
    untaken: AtomicUsize,
    written: AtomicU64,
}

impl Traffic {
    /// Counts a call, which is under way until what is given is dropped.
    pub fn call(self: &Arc<Traffic>) -> Call {
        self.calls.fetch_add(1, Relaxed);
        self.open.fetch_add(1, Relaxed);
        Call { traffic: Arc::clone(self), is_untaken: false }
    }

    /// Counts bytes that the socket took.
    pub fn wrote(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Relaxed);
    }
}

/// A call under way.
pub struct Call {
    traffic: Arc<Traffic>,
    is_untaken: bool,
}

impl Call {
    /// Notes whether a part of the answer waits for the client to take it.
    fn untaken(&mut self, is_untaken: bool) {
        if is_untaken && !self.is_untaken {
            self.traffic.untaken.fetch_add(1, Relaxed);
        } else if self.is_untaken && !is_untaken {
            self.traffic.untaken.fetch_sub(1, Relaxed);
        }
        self.is_untaken = is_untaken;
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.untaken(false);
        self.traffic.open.fetch_sub(1, Relaxed);
    }
}

/// An answer's body. Its next part is asked for once the client has room for the last.
pub struct Answer {
    body: Body,
    call: Call,
}

impl Answer {
    /// The body of the answer to a call.
    pub fn of(body: Body, call: Call) -> Answer {
        Answer { body, call }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        self.call.untaken(matches!(polled, Poll::Ready(Some(Ok(_)))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Stay,
    /// It is asked to end: what is under way is finished, nothing new begun.
    Finish,
    /// It ends now.
    Close,
}

/// Who looks at a connection now and then.
pub struct Watch {
    traffic: Arc<Traffic>,
    idle: Duration,
    reading: Duration,
    /// As of the last look.
    seen: (u64, u64),
    looked: Stopwatch,
    quiet: Option<Stopwatch>,
    left: Duration,
    is_asked: bool,
}

impl Watch {
    /// A connection may be without a call for `idle`, and leave unread what it is sent for `reading`; what it reads buys
    /// more time.
    pub fn of(traffic: Arc<Traffic>, idle: Duration, reading: Duration) -> Watch {
        let looked = Stopwatch::start();
        Watch { traffic, idle, reading, seen: (0, 0), looked, quiet: None, left: reading, is_asked: false }
    }

    /// How often to look.
    pub fn every(&self) -> Duration {
        (self.idle.min(self.reading) / 8).clamp(Duration::from_millis(50), Duration::from_secs(5))
    }

    /// Looks.
    pub fn look(&mut self) -> Verdict {
        let (calls, written) = (self.traffic.calls.load(Relaxed), self.traffic.written.load(Relaxed));
        let since = std::mem::replace(&mut self.looked, Stopwatch::start()).elapsed();
        let moved = worth(written - self.seen.1);
        let is_quiet = self.traffic.open.load(Relaxed) == 0 && calls == self.seen.0;
        self.seen = (calls, written);
        // Of a connection that was asked to end, all that is left is to be read.
        if self.is_asked || self.traffic.untaken.load(Relaxed) > 0 {
            self.left = (self.left + moved).min(self.reading).saturating_sub(since);
            if self.left.is_zero() {
                tracing::debug!("a connection was closed: its client reads less than {RATE} bytes a second");
                return Verdict::Close;
            }
        } else {
            self.left = self.reading;
        }
        if !is_quiet {
            self.quiet = None;
        } else if self.quiet.get_or_insert_with(Stopwatch::start).elapsed() >= self.idle && !self.is_asked {
            self.is_asked = true;
            return Verdict::Finish;
        }
        Verdict::Stay
    }
}

#[cfg(test)]
mod tests {
    use std::{task::Waker, thread::sleep};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_connection_without_calls_is_asked_to_end_and_ended_if_it_does_not() {
        let traffic = Arc::<Traffic>::default();
        let mut watch = Watch::of(Arc::clone(&traffic), SHORT, SHORT);
        let call = traffic.call();
        for _ in 0..3 {
            assert_eq!(watch.look(), Verdict::Stay, "a call is under way, and nobody waits for its reader");
            sleep(SHORT);
        }
        drop(call);
        for end in [Verdict::Finish, Verdict::Close] {
            let mut told = std::iter::repeat_with(|| {
                sleep(SHORT);
                watch.look()
            });
            assert_eq!(told.find(|told| *told != Verdict::Stay), Some(end));
        }
    }

    #[test]
    fn an_answer_that_is_not_taken_ends_its_connection_unless_bytes_move() {
        let traffic = Arc::<Traffic>::default();
        let mut watch = Watch::of(Arc::clone(&traffic), LONG, SHORT);
        let mut answer = Answer::of(Body::from("some"), traffic.call());
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut answer).poll_frame(&mut context).is_ready());
        sleep(SHORT);
        assert_eq!(watch.look(), Verdict::Close, "it was handed over and not taken");
        let mut watch = Watch::of(Arc::clone(&traffic), LONG, LONG);
        sleep(SHORT);
        assert_eq!(watch.look(), Verdict::Stay);
        assert!(watch.left < LONG);
        watch.left = SHORT;
        traffic.wrote(1 << 20);
        assert_eq!(watch.look(), Verdict::Stay);
        assert!(watch.left > 10 * SHORT, "what is read buys time");
        assert!(Pin::new(&mut answer).poll_frame(&mut context).is_ready());
        assert_eq!(traffic.untaken.load(Relaxed), 0, "the end was asked for: all was taken");
    }
}
