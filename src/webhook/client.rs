//! Outgoing calls: resolve, check, connect to what was checked, send, and take little of the answer.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Body as _, Incoming},
    client::conn::http1::{self, SendRequest},
    header,
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::OnceCell,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{
    db::clock::system_now,
    webhook::{
        event::{MEDIA, Message},
        plan::{Outcome, retry_after},
        target::{Reach, Target},
    },
};

/// How much of an answer is read; what it says is not kept. Units: bytes.
const ANSWER_BYTES_MAX: usize = 16 << 10;
/// How long the head of an answer may be. Units: bytes.
const HEAD_BYTES_MAX: usize = 32 << 10;

/// A message with its headers.
#[derive(Clone, Debug)]
pub struct Signed<'a> {
    /// The message.
    pub message: &'a Message,
    /// When it is sent. Units: seconds since 1970.
    pub at: i64,
    /// The signatures over it.
    pub signatures: String,
    /// The trace of the call that has it sent. What the feed has sent is part of none: it tells of writes whose traces
    /// ended, perhaps days before.
    pub trace: Option<Carried>,
}

/// The trace that a call is part of: values of the headers `traceparent` and `tracestate` (W3C Trace Context).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The trace, and what of it calls.
    pub parent: String,
    /// What tracing systems say of it.
    pub state: Option<String>,
}

/// How calls are made.
#[derive(Clone, Debug)]
pub struct Client {
    /// Which addresses may be called.
    pub reach: Reach,
    /// Where this server itself listens, which is never called.
    pub own: Option<SocketAddr>,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long a whole call may take.
    pub total: Duration,
}

/// A connection that is kept for the next message. Gone when it is dropped, whatever was under way.
pub struct Link {
    /// Where it leads; a webhook may have got another address since.
    place: (bool, String, u16),
    sender: SendRequest<Full<Bytes>>,
    running: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// What a call came to, and how long the receiver asks to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// What it came to.
    pub outcome: Outcome,
    /// What `Retry-After` says.
    pub retry_after: Option<Duration>,
}

impl From<Outcome> for Sent {
    fn from(outcome: Outcome) -> Sent {
        Sent { outcome, retry_after: None }
    }
}

impl Client {
    /// Sends a message once. `link` is the connection of the call before, if it still stands, and becomes that of the
    /// next one.
    pub async fn send(&self, url: &str, signed: &Signed<'_>, link: &mut Option<Link>) -> Sent {
        let Ok(target) = Target::parse(url, self.reach) else {
            return Outcome::Denied.into();
        };
        let before = link.take().filter(|link| !link.sender.is_closed() && link.place == place(&target));
        match timeout(self.total, self.exchange(&target, signed, before)).await {
            Ok(Ok((response, used))) => finish(response, used, link).await,
            Ok(Err(outcome)) => outcome.into(),
            Err(_late) => Outcome::Timeout.into(),
        }
    }

    async fn exchange(
        &self,
        target: &Target,
        signed: &Signed<'_>,
        before: Option<Link>,
    ) -> Result<(Response<Incoming>, Link), Outcome> {
        if let Some(mut kept) = before
            && let Ok(response) = call(&mut kept, target, signed).await
        {
            return Ok((response, kept));
        }
        // A kept connection may have been closed by the receiver at any time, so its failure says nothing.
        let mut fresh = self.connect(target).await?;
        let response = call(&mut fresh, target, signed).await?;
        Ok((response, fresh))
    }

    async fn connect(&self, target: &Target) -> Result<Link, Outcome> {
        match timeout(self.connect, self.open(target)).await {
            Ok(opened) => opened,
            Err(_late) => Err(Outcome::Timeout),
        }
    }

    /// Resolves, checks, and connects to an address that was checked.
    async fn open(&self, target: &Target) -> Result<Link, Outcome> {
        let resolved = lookup_host((target.host.as_str(), target.port)).await.map_err(|_| Outcome::Unresolved)?;
        let addresses: Vec<IpAddr> = resolved.map(|address| address.ip()).collect();
        if addresses.is_empty() {
            return Err(Outcome::Unresolved);
        }
        let chosen = target.choose(&addresses, self.reach, self.own).ok_or(Outcome::Denied)?;
        let mut stream = None;
        // Each has its share of the time, so that one that swallows everything does not use up that of the others.
        let share = self.connect / u32::try_from(chosen.len()).unwrap_or(u32::MAX);
        for address in chosen {
            if let Ok(Ok(open)) = timeout(share, TcpStream::connect(address)).await {
                stream = Some(open);
                break;
            }
        }
        let stream = stream.ok_or(Outcome::Connection)?;
        let _ = stream.set_nodelay(true);
        if !target.tls {
            return handshake(stream, target).await;
        }
        let name = ServerName::try_from(target.host.clone()).map_err(|_| Outcome::Tls)?;
        let secured = TlsConnector::from(tls().await.ok_or(Outcome::Tls)?).connect(name, stream).await;
        handshake(secured.map_err(|_| Outcome::Tls)?, target).await
    }

    /// Whether the host resolves to what may not be called; one that does not resolve now may do so later.
    pub async fn is_denied(&self, target: &Target) -> bool {
        let resolved = timeout(self.connect, lookup_host((target.host.as_str(), target.port))).await;
        let Ok(Ok(resolved)) = resolved else { return false };
        let addresses: Vec<IpAddr> = resolved.map(|address| address.ip()).collect();
        !addresses.is_empty() && target.choose(&addresses, self.reach, self.own).is_none()
    }
}

fn place(target: &Target) -> (bool, String, u16) {
    (target.tls, target.host.clone(), target.port)
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    target: &Target,
) -> Result<Link, Outcome> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| Outcome::Connection)?;
    let running = tokio::spawn(async move {
        // How it ended shows in the call that it carried.
        let _ = connection.await;
    });
    Ok(Link { place: place(target), sender, running })
}

async fn call(link: &mut Link, target: &Target, signed: &Signed<'_>) -> Result<Response<Incoming>, Outcome> {
    let mut request = Request::post(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::USER_AGENT, concat!("throng/", env!("CARGO_PKG_VERSION")))
        .header(header::CONTENT_TYPE, MEDIA)
        .header("webhook-id", &signed.message.id)
        .header("webhook-timestamp", signed.at)
        .header("webhook-signature", &signed.signatures);
    if let Some(trace) = &signed.trace {
        request = request.header("traceparent", &trace.parent);
        request = trace.state.iter().fold(request, |request, state| request.header("tracestate", state));
    }
    let request = request.body(Full::new(Bytes::from(signed.message.body.clone()))).map_err(|_| Outcome::Denied)?;
    link.sender.ready().await.map_err(|_| Outcome::Connection)?;
    link.sender.send_request(request).await.map_err(|error| match error.is_parse() {
        true => Outcome::Malformed,
        false => Outcome::Connection,
    })
}

/// Takes note of an answer; if it is short and whole, the connection is kept.
async fn finish(response: Response<Incoming>, link: Link, kept: &mut Option<Link>) -> Sent {
    let asked = response.headers().get(header::RETRY_AFTER).and_then(|asked| asked.to_str().ok());
    let retry_after = asked.and_then(|asked| retry_after(asked, system_now().0));
    let sent = Sent { outcome: Outcome::Status(response.status().as_u16()), retry_after };
    let mut body = response.into_body();
    // The status is what counts: a body that is slow or breaks off costs the connection and nothing else.
    if body.is_end_stream() || timeout(DRAIN, drained(&mut body)).await.unwrap_or(false) {
        *kept = Some(link);
    }
    sent
}

/// How long the rest of an answer may take whose status is known.
const DRAIN: Duration = Duration::from_millis(500);

async fn drained(body: &mut Incoming) -> bool {
    let mut left = ANSWER_BYTES_MAX;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// How secure connections are made: by the certificates that this machine trusts. They are read once there are any.
async fn tls() -> Option<Arc<ClientConfig>> {
    static CONFIG: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();
    let made = CONFIG.get_or_try_init(|| async {
        // Files are read: not on a thread that others wait for.
        spawn_blocking(trusted).await.ok().flatten().ok_or(())
    });
    made.await.ok().cloned()
}

fn trusted() -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "certificates that this machine trusts could not be read");
    }
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        tracing::error!("this machine has no certificates to trust, so no webhook can be sent by https");
        return None;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    Some(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}
