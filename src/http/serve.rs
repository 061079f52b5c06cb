//! The server: our own accept loop, since the framework's has neither a header timeout nor a connection cap.

use std::{net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::timeout,
};

use crate::http::app::App;

/// Connections at once; past it new ones wait in the kernel's queue. A process may usually have 1,024 files open, and the
/// log must always find one.
const CONNECTIONS_MAX: usize = 896;
/// How long a connection may take to send its first byte.
const FIRST_BYTE: Duration = Duration::from_secs(60);
/// How long a request's headers may take, counted from the end of the request before.
const HEADERS: Duration = Duration::from_secs(60);
/// How long requests under way may take once the server stops.
const DRAIN: Duration = Duration::from_secs(10);

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
}

impl Server {
    /// Takes an address; one that others can reach only if there are keys. Port 0 takes a free one.
    ///
    /// Errors: [`ServeError`].
    pub fn bind(address: SocketAddr, keyed: bool) -> Result<Server, ServeError> {
        if !keyed && !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        // Each connection may have one stream under way, and questions must not wait behind them.
        let runtime = builder.enable_all().max_blocking_threads(2 * CONNECTIONS_MAX).build();
        let runtime = runtime.map_err(ServeError::Start)?;
        let listener =
            runtime.block_on(TcpListener::bind(address)).map_err(|error| ServeError::Listen(address, error))?;
        let address = listener.local_addr().map_err(|error| ServeError::Listen(address, error))?;
        Ok(Server { runtime, listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
            accept(self.listener, routes(app), stop).await;
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

/// Accepts connections until `stop` resolves, then drains.
pub async fn accept(listener: TcpListener, router: Router, stop: impl Future<Output = ()>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
            Ok((stream, _)) => serve_connection(stream, router.clone(), permit, &graceful, stopped.clone()),
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

/// Serves one connection on a task of its own. `stopped` resolves once the server stops, which ends a connection that
/// has not said anything yet.
fn serve_connection(
    stream: TcpStream,
    router: Router,
    permit: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
    mut stopped: watch::Receiver<()>,
) {
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).keep_alive(true);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(64).keep_alive_interval(Some(FIRST_BYTE));
    let watcher = graceful.watcher();
    tokio::spawn(async move {
        // A connection that says nothing is closed before it costs more than a socket.
        tokio::select! {
            said = timeout(FIRST_BYTE, stream.readable()) => if said.is_err() { return },
            _ = stopped.changed() => return,
        }
        let service = TowerToHyperService::new(router);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
        drop(permit);
    });
}
