//! What every handler shares: the database, the listings under way, and how writes and answers are made.

#[cfg(feature = "columnar")]
use std::io::Read;
use std::{ops::Deref, sync::Arc};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};
use xxhash_rust::xxh3::xxh3_64;

#[cfg(feature = "columnar")]
use crate::{
    db::spool::Spool,
    http::{
        import::{ImportError, import_records},
        parquet_records::{self, Rows},
    },
};
use crate::{
    db::{
        database::{Database, Once, Write},
        error::Error,
        keys::Keyring,
        record::Written,
        view::View,
    },
    http::{
        access,
        audit::Audit,
        body,
        guard::Hosts,
        import::{Summary, hashed, import_once},
        meter::Calls,
        news::News,
        paging::{Cursor, Listings},
        problem::Problem,
        rates::Rates,
        records::Kind,
        serve::Manners,
        strangers::Strangers,
        streams::Streams,
        tracking_map::Mapping,
    },
    model::{
        id::Lsn,
        limits,
        request::{Applied, Request},
    },
    webhook::{
        registry::{Settings, Webhooks},
        target::Reach,
    },
};

/// The header that says as of which write an answer is.
pub const LSN: &str = "throng-lsn";
/// The header that marks the answer to a call that was already done.
const REPLAYED: &str = "idempotency-replayed";
/// Longest idempotency key. Units: bytes.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// What every handler shares. A clone is one count, as each call makes several on every core.
#[derive(Clone)]
pub struct App(Arc<Fittings>);

impl Deref for App {
    type Target = Fittings;

    fn deref(&self) -> &Fittings {
        &self.0
    }
}

/// What is behind an [`App`].
#[derive(Clone)]
pub struct Fittings {
    /// The database.
    pub db: Database,
    /// The listings under way.
    pub listings: Arc<Listings>,
    /// What was published, for those who wait.
    pub news: Arc<News>,
    /// Who outside is told of it.
    pub webhooks: Arc<Webhooks>,
    /// What was called.
    pub calls: Arc<Calls>,
    /// What tracking calls become.
    pub tracking: Arc<Mapping>,
    /// Who may call.
    pub keys: Arc<Keyring>,
    /// How often.
    pub rates: Arc<Rates>,
    /// Room for Parquet files that are sent.
    pub uploads: Arc<Semaphore>,
    /// Where it is recorded who changed what.
    pub audit: Arc<Audit>,
    /// Room for bodies that are streamed.
    pub streams: Arc<Streams>,
    /// Room for bodies of whoever may show a key in them.
    pub strangers: Arc<Strangers>,
    /// Under which names, besides loopback's, while there are no keys; `None` for callers in this process, who are not
    /// looked at.
    pub hosts: Option<Hosts>,
}

impl App {
    /// Serves a database to this process alone: webhooks can be edited, and nobody is told.
    pub fn new(db: Database) -> App {
        App::with(db, Settings { reach: Reach::Loopback, deliver: false, ..Settings::default() })
    }

    /// The same; webhooks are told once they are started.
    pub fn with(db: Database, settings: Settings) -> App {
        App(Arc::new(Fittings {
            news: News::of(&db),
            webhooks: Webhooks::open(&db, settings),
            db,
            listings: Arc::default(),
            calls: Arc::default(),
            tracking: Arc::default(),
            keys: Arc::default(),
            rates: Arc::default(),
            uploads: Arc::new(Semaphore::new(limits::PARQUET_UPLOADS_MAX)),
            audit: Arc::default(),
            streams: Arc::new(Streams::of(Manners::default().reading)),
            strangers: Arc::default(),
            hosts: None,
        }))
    }

    /// The same with something exchanged.
    pub fn fitted(self, exchange: impl FnOnce(Fittings) -> Fittings) -> App {
        App(Arc::new(exchange(Arc::unwrap_or_clone(self.0))))
    }

    /// What a listing is read from: the view of its cursor, or everything as of now.
    pub fn view(&self, cursor: Option<&Cursor>) -> View {
        cursor.map_or_else(|| self.db.view(), |cursor| cursor.view.clone())
    }

    /// Writes requests as one batch; answered when durable and visible. An `Idempotency-Key` makes a retry safe.
    ///
    /// Errors: those of the database; single refusals are among the results.
    pub async fn write(&self, requests: Vec<Request>, headers: &HeaderMap, uri: &Uri) -> Result<Written, Problem> {
        let once = once(&requests, "", headers, uri)?;
        self.submit(Write { requests, once, by: access::by(headers) }).await
    }

    /// Submits one write.
    ///
    /// Errors: those of the database; single refusals are among the results.
    pub async fn submit(&self, write: Write) -> Result<Written, Problem> {
        let (sender, receiver) = oneshot::channel();
        let done = Box::new(move |outcome: Result<Written, Error>| {
            // Nobody waits any more when the caller has hung up; the write stands all the same.
            let _ = sender.send(outcome);
        });
        self.db.submit(write, done);
        match receiver.await {
            Ok(outcome) => Ok(outcome?),
            // The callback is dropped unused only when the writer stops in the middle of this very entry.
            Err(_) => Err(Error::OutcomeUnknown("the writer stopped".into()).into()),
        }
    }

    /// Writes one request.
    ///
    /// Errors: those of the database, and the request's refusal.
    pub async fn write_one(&self, request: Request, headers: &HeaderMap, uri: &Uri) -> Result<Done, Problem> {
        self.write_part(request, "", headers, uri).await
    }

    /// Writes one request of a call that takes several writes; under an `Idempotency-Key` each part counts once.
    ///
    /// Errors: as [`App::write_one`].
    pub async fn write_part(
        &self,
        request: Request,
        part: &str,
        headers: &HeaderMap,
        uri: &Uri,
    ) -> Result<Done, Problem> {
        let requests = vec![request];
        let once = once(&requests, part, headers, uri)?;
        let Written { lsn, results, replayed } = self.submit(Write { requests, once, by: access::by(headers) }).await?;
        match results.into_iter().next() {
            Some(Ok(applied)) => Ok(Done { applied, lsn, replayed }),
            Some(Err(refusal)) => Err(refusal.into()),
            None => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the write had no result")),
        }
    }

    /// Streams a body into the database. Under an `Idempotency-Key` each of its batches counts once.
    ///
    /// Errors: when the stream as a whole cannot be read, or the database fails.
    pub async fn import(&self, kind: Kind, headers: HeaderMap, body: Body) -> Result<Summary, Problem> {
        let db = self.db.clone();
        let key = idempotency_key(&headers)?.map(str::to_owned);
        let reader = body::reader(&headers, body)?;
        let room = self.streams.body()?;
        body::blocking(move || {
            let _room = room;
            Ok(import_once(&db, kind, reader, key.as_deref(), &mut |_| {})?)
        })
        .await
    }
}

/// Streams a Parquet file into the database: to a place in the data folder first, as such a file begins at its end.
#[cfg(feature = "columnar")]
impl App {
    /// Errors: 503 when several come already, 413 and 507 when it is too large, 422 when it cannot be read, and as
    /// [`App::import`].
    pub async fn import_parquet(&self, rows: Rows, headers: HeaderMap, body: Body) -> Result<Summary, Problem> {
        let db = self.db.clone();
        let key = idempotency_key(&headers)?.map(str::to_owned);
        let Ok(permit) = Arc::clone(&self.uploads).try_acquire_owned() else {
            let detail = format!("{} Parquet files come in already; try again shortly", limits::PARQUET_UPLOADS_MAX);
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_uploads", detail);
            return Err(Problem { retry_after: Some(5), ..problem });
        };
        let reader = body::reader(&headers, body)?;
        let room = self.streams.body()?;
        body::blocking(move || {
            // Until the file is gone: its room on the disk, and what its pages take unpacked.
            let (_permit, _room) = (permit, room);
            let zone = db.view().schema().zone().clone();
            let file = Arc::new(spooled(&db, reader)?);
            let records = parquet_records::open(file, rows, zone).map_err(ImportError::Format)?;
            Ok(import_records(&db, records, key.as_deref(), &mut |_| {})?)
        })
        .await
    }
}

#[cfg(feature = "columnar")]
fn spooled(db: &Database, mut reader: Box<dyn Read + Send>) -> Result<Spool, Problem> {
    let (mut spool, mut buffer) = (db.spool()?, vec![0; 256 << 10]);
    loop {
        let read = reader.read(&mut buffer);
        let read = read.map_err(|error| Problem::malformed(format!("the body broke off: {error}")))?;
        if read == 0 {
            return Ok(spool);
        }
        if spool.size() + read as u64 > limits::PARQUET_BYTES_MAX {
            let detail = format!("a Parquet file that is sent has at most {} bytes", limits::PARQUET_BYTES_MAX);
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail));
        }
        spool.append(&buffer[..read])?;
    }
}

/// One request that was done, now or by an earlier call under the same idempotency key.
#[derive(Clone, Debug)]
pub struct Done {
    /// What became of it.
    pub applied: Applied,
    /// The write.
    pub lsn: Lsn,
    /// Whether this call only tells what an earlier one did.
    pub replayed: bool,
}

impl Done {
    /// This and what another write of the same call did.
    pub fn and(self, other: Done) -> Done {
        Done { lsn: self.lsn.max(other.lsn), replayed: self.replayed && other.replayed, ..self }
    }

    /// The answer to it, with the write in a header unless the answer is as of a later one, and the mark of a replay.
    pub fn tell(&self, mut response: Response) -> Response {
        response.headers_mut().entry(LSN).or_insert(self.lsn.0.into());
        marked(response, self.replayed)
    }

    /// An answer without a body.
    pub fn tell_nothing(&self) -> Response {
        self.tell(StatusCode::NO_CONTENT.into_response())
    }
}

/// Marks the answer to a call that an earlier one under the same idempotency key had already done.
pub fn marked(mut response: Response, replayed: bool) -> Response {
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Says as of which write an answer is.
pub fn at_lsn(mut response: Response, lsn: Lsn) -> Response {
    response.headers_mut().insert(LSN, lsn.0.into());
    response
}

/// The `Idempotency-Key` of a call.
///
/// Errors: 400 when it is too long or not printable.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(key) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let is_fine = |key: &&str| (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&key.len()) && !key.contains('\t');
    let key = key.to_str().ok().filter(is_fine);
    key.map(Some).ok_or_else(|| {
        let detail = format!("\"Idempotency-Key\" is 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable ASCII characters");
        Problem::malformed(detail)
    })
}

/// How a retry is told. A header's value has no line end, so a part has a key of its own.
fn once(requests: &[Request], part: &str, headers: &HeaderMap, uri: &Uri) -> Result<Option<Once>, Problem> {
    let Some(key) = idempotency_key(headers)? else {
        return Ok(None);
    };
    let digest = xxh3_64(format!("{} {requests:?}", uri.path()).as_bytes());
    let key = if part.is_empty() { hashed(key) } else { hashed(&format!("{key}\n{part}")) };
    Ok(Some(Once { key, digest }))
}

/// A JSON answer; the `lsn` of the body stands in a header too.
pub fn answer_json(status: StatusCode, body: &Value) -> Response {
    let response = answer_bytes(status, "application/json", body.to_string().into_bytes());
    match body.get("lsn").and_then(Value::as_u64) {
        Some(lsn) => at_lsn(response, Lsn(lsn)),
        None => response,
    }
}

/// An answer of a media type.
pub fn answer_bytes(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static(media))], body).into_response()
}
