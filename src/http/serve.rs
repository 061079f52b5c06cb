//! The server: our own accept loop, since the framework's has neither a header timeout nor a connection cap.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue},
};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::http::{
    access::Peer,
    app::App,
    pace::{Paced, Steady},
    rates::network,
    tls::Tls,
};

/// Connections at once, as a rule; past it new ones wait in the kernel's queue. A process may usually have 1,024 files
/// open, and the log must always find one.
pub const CONNECTIONS: usize = 896;
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
    /// The runtime could not be started.
    #[error("cannot start: {0}")]
    Start(std::io::Error),
}

/// A listening server that does not answer yet.
pub struct Server {
    runtime: tokio::runtime::Runtime,
    listener: TcpListener,
    address: SocketAddr,
    manners: Manners,
    tls: Option<Arc<Tls>>,
}

impl Server {
    /// Takes an address; one that others can reach only if there are keys. Port 0 takes a free one.
    /// With certificates it speaks TLS.
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
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // Each connection may have one stream under way, and questions must not wait behind them.
        let runtime = builder.enable_all().max_blocking_threads(2 * manners.connections).build();
        let runtime = runtime.map_err(ServeError::Start)?;
        let listener =
            runtime.block_on(TcpListener::bind(address)).map_err(|error| ServeError::Listen(address, error))?;
        let address = listener.local_addr().map_err(|error| ServeError::Listen(address, error))?;
        Ok(Server { runtime, listener, address, manners, tls })
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
    /// are those of the API and of what stands beside it.
    pub fn run(self, app: App, routes: impl FnOnce(App) -> Router) {
        let (news, webhooks) = (Arc::clone(&app.news), Arc::clone(&app.webhooks));
        let telling = Arc::clone(&webhooks);
        let stop = async move {
            stop_signal().await;
            // Whoever waits for news would keep the server from stopping.
            news.end();
            telling.end();
        };
        self.runtime.block_on(async move {
            webhooks.start();
            let renewal = self.tls.clone().map(|tls| tokio::spawn(renew(tls)));
            let house = House { manners: self.manners, tls: self.tls, guests: Arc::default() };
            accept(self.listener, routes(app), house, stop).await;
            renewal.inspect(|renewal| renewal.abort());
            webhooks.stop().await;
        });
        self.runtime.shutdown_timeout(DRAIN);
    }
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupt = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        // Without the second signal the first still stops the server.
        Err(_) => drop(interrupt.await),
    }
}

/// Reads the certificates again at SIGHUP and every now and then, for as long as it is polled.
async fn renew(tls: Arc<Tls>) {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup()).ok();
    loop {
        let asked = async {
            match &mut hangup {
                Some(hangup) => drop(hangup.recv().await),
                None => std::future::pending().await,
            }
        };
        let _ = timeout(LOOK_AGAIN, asked).await;
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
        let from = network(from);
        let usual = if from.is_loopback() { usize::MAX } else { CONNECTIONS_PER_ADDRESS };
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
async fn accept(listener: TcpListener, router: Router, house: House, stop: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(house.manners.connections));
    let graceful = GracefulShutdown::new();
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
                    router: router.clone(),
                    peer: peer.ip(),
                    guest,
                    manners: house.manners,
                    tls: house.tls.as_ref().map(|tls| TlsAcceptor::from(tls.current())),
                };
                tokio::spawn(served.begin(stream, graceful.watcher(), stopped.clone()));
            }
            Err(error) => {
                // Out of descriptors, most likely: give connections time to end.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop((listener, stopping));
    let _ = timeout(DRAIN, graceful.shutdown()).await;
}

/// One connection.
struct Served {
    router: Router,
    peer: IpAddr,
    guest: Guest,
    manners: Manners,
    tls: Option<TlsAcceptor>,
}

impl Served {
    /// Serves it to its end. `stopped` resolves once the server stops, which ends a connection that has not said anything
    /// yet.
    async fn begin(self, stream: TcpStream, watcher: Watcher, mut stopped: watch::Receiver<()>) {
        let _ = stream.set_nodelay(true);
        let mut first = [0];
        // A connection that says nothing is closed before it costs more than a socket.
        tokio::select! {
            said = timeout(self.manners.first_byte, stream.peek(&mut first)) => match said {
                Ok(Ok(1)) => {}
                _ => return,
            },
            _ = stopped.changed() => return,
        }
        let mut stream = Paced::of(stream, self.manners.reading);
        let Some(tls) = self.tls.clone() else { return self.go_on(stream, watcher, false).await };
        if first[0] != HANDSHAKE {
            // Unread, it would have the system reset the connection, and the answer be lost.
            let _ = timeout(self.manners.first_byte, stream.read(&mut [0; 4_096])).await;
            let _ = stream.write_all(WANTS_TLS).await;
            let _ = stream.shutdown().await;
            return;
        }
        match timeout(self.manners.first_byte, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.go_on(stream, watcher, true).await,
            Ok(Err(error)) => tracing::debug!(%error, "a connection could not be encrypted"),
            Err(_) => tracing::debug!("a connection took too long to be encrypted"),
        }
    }

    async fn go_on(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, watcher: Watcher, secure: bool) {
        let Served { router, peer, guest, manners, .. } = self;
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(manners.headers).keep_alive(true);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(64).keep_alive_interval(Some(manners.headers));
        let service = router.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            if secure {
                let proto = HeaderName::from_static("x-forwarded-proto");
                request.headers_mut().insert(proto, HeaderValue::from_static("https"));
            }
            request.map(|body| Steady::of(body, manners.body))
        });
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(guest);
    }
}
