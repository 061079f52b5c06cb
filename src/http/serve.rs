//! The server: our own accept loop, since the framework's has neither a header timeout nor a connection cap.

use std::{
    collections::HashMap,
    future::pending,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    signal::unix::{Signal, SignalKind, signal},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::ServiceExt;

use crate::db::open_files::allow_open_files;
use crate::http::{
    access::Peer,
    app::{App, Fittings},
    heads,
    pace::{Paced, Steady},
    preface::Begun,
    rates::network,
    starting,
    streams::{self, Streams},
    tls::Tls,
    traffic::{Answer, Traffic, Verdict, Watch},
};
use crate::model::limits;

/// Connections at once, as a rule; past it new ones wait in the kernel's queue. A process may usually have 1,024 files
/// open.
pub const CONNECTIONS: usize = 896;
/// Files that a process must be able to open beside its connections: the log must always find one.
const FILES_BESIDE: usize = 128;
/// Threads for questions, which must not wait behind bodies that are streamed.
const THREADS_FOR_QUESTIONS: usize = 512;
/// Connections of one other machine, as a rule.
pub const CONNECTIONS_PER_ADDRESS: usize = 256;
/// Between two looks at the files of the certificate, besides those that a signal asks for.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// What whoever speaks in clear to a port that wants TLS is told.
const WANTS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 34\r\n\
    Connection: close\r\n\r\nthis port is encrypted: use https\n";
/// The first byte of a TLS handshake (RFC 8446, 5.1).
const HANDSHAKE: u8 = 0x16;
/// How long requests under way may take once the server stops.
const DRAIN: Duration = Duration::from_secs(10);

/// How many clients there may be, and how long each may take.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Connections at once.
    pub connections: usize,
    /// Connections of one address at once; `None` for the usual, which loopback is free of.
    pub connections_per_address: Option<usize>,
    /// How long a connection may take to send its first byte, and to agree on how it is encrypted.
    pub first_byte: Duration,
    /// How long a request's headers may take, counted from the end of the request before.
    pub headers: Duration,
    /// How long a body may be waited for; what comes buys more time.
    pub body: Duration,
    /// How long a client may leave unread what it is sent; what it reads buys more time.
    pub reading: Duration,
}

impl Default for Manners {
    fn default() -> Manners {
        Manners {
            connections: CONNECTIONS,
            connections_per_address: None,
            first_byte: Duration::from_secs(10),
            headers: Duration::from_secs(60),
            body: Duration::from_secs(30),
            reading: Duration::from_secs(120),
        }
    }
}

/// Why the server could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Without keys the server serves everyone, so it listens on loopback alone.
    #[error(
        "{0} is not a loopback address; without keys Throng listens only on loopback, such as 127.0.0.1:7171; \
         make a key with \"throng key create\" to serve others"
    )]
    NotLoopback(SocketAddr),
    /// The address could not be taken.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// So many connections would leave no room for the files of the database.
    #[error(
        "{connections} connections need {needed} open files, and this process may have {limit}: allow it more \
         (\"ulimit -n\", or LimitNOFILE of a systemd unit), or give --connections less"
    )]
    Files {
        /// Connections that were asked for.
        connections: usize,
        /// Files that those need.
        needed: u64,
        /// Files that there may be.
        limit: u64,
    },
    /// The runtime could not be started.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

/// A listening server: it says that it is starting until it is run.
pub struct Server {
    runtime: tokio::runtime::Runtime,
    address: SocketAddr,
    manners: Manners,
    tls: Option<Arc<Tls>>,
    hangup: Signal,
    /// What is answered from now on, on connections that are there, too.
    routes: watch::Sender<Router>,
    /// Has no more connections accepted, and those that are there drained.
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Takes an address; one that others can reach only if there are keys. Port 0 takes a free one.
    /// With certificates it speaks TLS. Whoever calls is told from here on that it is starting.
    ///
    /// Errors: [`ServeError`].
    pub fn bind(
        address: SocketAddr,
        keyed: bool,
        manners: Manners,
        tls: Option<Arc<Tls>>,
    ) -> Result<Server, ServeError> {
        if !keyed && !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        allow_files(manners.connections)?;
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let threads = THREADS_FOR_QUESTIONS + streams::ANSWERS_MAX + streams::BODIES_MAX;
        let runtime = builder.enable_all().max_blocking_threads(threads).build();
        let runtime = runtime.map_err(ServeError::Start)?;
        // From here on, as by itself the signal would end a server that is still reading its folder, or has no TLS.
        let hangup = {
            let _inside = runtime.enter();
            signal(SignalKind::hangup()).map_err(ServeError::Start)?
        };
        let listener =
            runtime.block_on(TcpListener::bind(address)).map_err(|error| ServeError::Listen(address, error))?;
        let address = listener.local_addr().map_err(|error| ServeError::Listen(address, error))?;
        let ((routes, offered), (stop, stopped)) = (watch::channel(starting::router()), oneshot::channel());
        let house = House { manners, tls: tls.clone(), guests: Arc::default(), routes: offered };
        let accepting = runtime.spawn(accept(listener, house, async { drop(stopped.await) }));
        Ok(Server { runtime, address, manners, tls, hangup, routes, stop, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as one types it, without a slash at the end.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls.is_some() { "https" } else { "http" }, self.address)
    }

    /// Answers, and tells webhooks, until SIGTERM or SIGINT; then finishes what is under way and returns. `routes`
    /// are those of the API and of what stands beside it; `ready` is called once they are served.
    pub fn run(self, app: App, routes: impl FnOnce(App) -> Router, ready: impl FnOnce()) {
        let streams = Arc::new(Streams::of(self.manners.reading));
        let app = app.fitted(|fittings| Fittings { streams, ..fittings });
        let (news, webhooks) = (Arc::clone(&app.news), Arc::clone(&app.webhooks));
        self.runtime.block_on(async move {
            webhooks.start();
            let renewal = self.tls.map(|tls| tokio::spawn(renew(tls, self.hangup)));
            let stop = stop_signal();
            drop(self.routes.send_replace(routes(app)));
            ready();
            stop.await;
            // Whoever waits for news would keep the server from stopping.
            news.end();
            webhooks.end();
            let _ = self.stop.send(());
            let _ = self.accepting.await;
            renewal.inspect(|renewal| renewal.abort());
            webhooks.stop().await;
        });
        self.runtime.shutdown_timeout(DRAIN);
    }
}

/// Has the system allow this process as many files as its connections and the rest need.
fn allow_files(connections: usize) -> Result<(), ServeError> {
    let needed = (connections + FILES_BESIDE) as u64;
    allow_open_files(needed).map_err(|limit| ServeError::Files { connections, needed, limit })
}

/// Resolves at SIGTERM or SIGINT, which are heard from this call on. One that cannot be heard leaves the other.
fn stop_signal() -> impl Future<Output = ()> {
    let [mut interrupt, mut terminate] =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok());
    let heard = async |signal: &mut Option<Signal>| match signal {
        Some(signal) => drop(signal.recv().await),
        None => pending().await,
    };
    async move {
        tokio::select! {
            () = heard(&mut interrupt) => {}
            () = heard(&mut terminate) => {}
        }
    }
}

/// Reads the certificates again at SIGHUP and every now and then, for as long as it is polled.
async fn renew(tls: Arc<Tls>, mut hangup: Signal) {
    loop {
        let _ = timeout(LOOK_AGAIN, hangup.recv()).await;
        let looking = Arc::clone(&tls);
        match tokio::task::spawn_blocking(move || looking.look()).await {
            Ok(Ok(false)) => {}
            Ok(Ok(true)) => tracing::info!("new certificates are used for connections from now on"),
            Ok(Err(why)) => tracing::warn!(%why, "new certificates are no good; those of before stay in use"),
            Err(_) => return,
        }
    }
}

/// What every connection meets.
struct House {
    manners: Manners,
    tls: Option<Arc<Tls>>,
    guests: Arc<Mutex<HashMap<IpAddr, usize>>>,
    routes: watch::Receiver<Router>,
}

/// One connection of an address.
struct Guest {
    from: IpAddr,
    guests: Arc<Mutex<HashMap<IpAddr, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = guests.get_mut(&self.from) {
            *count -= 1;
            if *count == 0 {
                guests.remove(&self.from);
            }
        }
    }
}

impl House {
    /// Lets one in, unless its address has enough connections.
    fn admit(&self, from: IpAddr, permit: OwnedSemaphorePermit) -> Option<Guest> {
        // Looked at before it is cut to its network, which of ::1 is not loopback's.
        let usual = if from.to_canonical().is_loopback() { usize::MAX } else { CONNECTIONS_PER_ADDRESS };
        let from = network(from);
        let most = self.manners.connections_per_address.unwrap_or(usual);
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let count = guests.entry(from).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Guest { from, guests: Arc::clone(&self.guests), _permit: permit })
    }
}

/// Accepts connections until `stop` resolves, then drains.
async fn accept(listener: TcpListener, house: House, stop: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(house.manners.connections));
    let (stopping, stopped) = watch::channel(());
    let mut stop = pin!(stop);
    loop {
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit.expect("the semaphore is never closed"),
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let Some(guest) = house.admit(peer.ip(), permit) else {
                    tracing::debug!("a connection was closed: its address has as many as one may have");
                    continue;
                };
                let served = Served {
                    routes: house.routes.clone(),
                    peer: peer.ip(),
                    guest,
                    manners: house.manners,
                    tls: house.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current())),
                };
                tokio::spawn(served.begin(stream, stopped.clone()));
            }
            Err(error) => {
                // Out of descriptors, most likely: give connections time to end.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop((listener, stopping));
    // Each connection has a permit until it ends.
    let all = u32::try_from(house.manners.connections).unwrap_or(u32::MAX);
    let _ = timeout(DRAIN, permits.acquire_many(all)).await;
}

/// One connection.
struct Served {
    routes: watch::Receiver<Router>,
    peer: IpAddr,
    guest: Guest,
    manners: Manners,
    tls: Option<TlsAcceptor>,
}

impl Served {
    /// Serves it to its end. `stopped` resolves once the server stops, which ends a connection that has not said anything
    /// yet.
    async fn begin(self, stream: TcpStream, mut stopped: watch::Receiver<()>) {
        let _ = stream.set_nodelay(true);
        let traffic = Arc::<Traffic>::default();
        let opened = tokio::select! {
            opened = self.open(stream, &traffic) => opened,
            _ = stopped.changed() => return,
        };
        match opened {
            Some(Opened::Clear(stream)) => self.go_on(stream, traffic, stopped, false).await,
            Some(Opened::Secure(stream)) => self.go_on(*stream, traffic, stopped, true).await,
            None => {}
        }
    }

    /// Hears what a connection speaks. Each step has its time, so that one that says nothing, or half of what is needed,
    /// is closed before it costs more than a socket.
    async fn open(&self, stream: TcpStream, traffic: &Arc<Traffic>) -> Option<Opened> {
        let patience = self.manners.first_byte;
        let mut first = [0];
        let Ok(Ok(1)) = timeout(patience, stream.peek(&mut first)).await else { return None };
        let mut stream = Paced::of(stream, self.manners.reading, Arc::clone(traffic));
        let Some(tls) = &self.tls else {
            return timeout(patience, Begun::hear(stream)).await.ok()?.ok().map(Opened::Clear);
        };
        if first[0] != HANDSHAKE {
            // Unread, it would have the system reset the connection, and the answer be lost.
            let _ = timeout(patience, stream.read(&mut [0; 4_096])).await;
            let _ = stream.write_all(WANTS_TLS).await;
            let _ = stream.shutdown().await;
            return None;
        }
        let secure = timeout(patience, tls.accept(stream)).await;
        let secure = secure.inspect_err(|_| tracing::debug!("a connection took too long to be encrypted")).ok()?;
        let secure = secure.inspect_err(|error| tracing::debug!(%error, "a connection could not be encrypted")).ok()?;
        let begun = timeout(patience, Begun::hear(secure)).await.ok()?.ok()?;
        Some(Opened::Secure(Box::new(begun)))
    }

    async fn go_on(
        self,
        stream: Begun<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>,
        traffic: Arc<Traffic>,
        mut stopped: watch::Receiver<()>,
        secure: bool,
    ) {
        let Served { routes, peer, guest, manners, .. } = self;
        let is_http_2 = stream.is_http_2();
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder = if is_http_2 { builder.http2_only() } else { builder.http1_only() };
        let head_bytes = limits::HEAD_BYTES_MAX as u32;
        builder.http1().timer(TokioTimer::new()).header_read_timeout(manners.headers).keep_alive(true);
        builder.http1().max_buf_size(heads::BUFFER);
        builder.http2().max_header_list_size(head_bytes);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(64).keep_alive_interval(Some(manners.headers));
        let counted = Arc::clone(&traffic);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let call = counted.call();
            request.extensions_mut().insert(Peer(peer));
            if secure {
                let proto = HeaderName::from_static("x-forwarded-proto");
                request.headers_mut().insert(proto, HeaderValue::from_static("https"));
            }
            let router = if heads::fits(&request) { routes.borrow().clone() } else { heads::refusing() };
            let answer = router.oneshot(request.map(|body| Body::new(Steady::of(body, manners.body))));
            async move { answer.await.map(|answer| answer.map(|body| Answer::of(body, call))) }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut watch = Watch::of(traffic, manners.headers, manners.reading);
        let mut is_stopping = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    break;
                }
                _ = stopped.changed(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                // HTTP/1 has one call at a time: its own timer and that of the socket see all that there is.
                () = sleep(watch.every()), if is_http_2 => match watch.look() {
                    Verdict::Stay => {}
                    Verdict::Finish => connection.as_mut().graceful_shutdown(),
                    Verdict::Close => break,
                },
            }
        }
        drop(guest);
    }
}

/// A connection whose client was heard.
enum Opened {
    Clear(Begun<Paced<TcpStream>>),
    Secure(Box<Begun<TlsStream<Paced<TcpStream>>>>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_may_have_any_number_of_connections_and_others_not() {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let house = House {
            manners: Manners::default(),
            tls: None,
            guests: Arc::default(),
            routes: watch::channel(starting::router()).1,
        };
        let all_are_let_in = |from: &str| {
            let permit = || Arc::clone(&room).try_acquire_owned().unwrap();
            let guests: Vec<_> =
                (0..=CONNECTIONS_PER_ADDRESS).map(|_| house.admit(from.parse().unwrap(), permit())).collect();
            guests.iter().all(Option::is_some)
        };
        assert!(["127.0.0.1", "::1", "::ffff:127.0.0.1"].into_iter().all(all_are_let_in));
        assert!(!["203.0.113.7", "2001:db8::1", "::2"].into_iter().any(all_are_let_in));
    }
}
