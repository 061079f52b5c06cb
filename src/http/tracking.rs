//! Customer-data tracking: the calls that existing SDKs send, as they send them.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    response::Response,
};
use serde_json::json;
use tower_http::cors::{Any, CorsLayer};
use xxhash_rust::xxh3::Xxh3;

use crate::{
    db::{
        database::{Once, Write},
        keys::{Grant, Scope},
    },
    http::{
        access::{self, Sender},
        app::{App, answer_json, at_lsn, idempotency_key, marked},
        body, guard,
        import::hashed,
        json::Json,
        path::{part, query_value},
        problem::{Fault, Problem},
        tracking_calls::{Asked, Call, Reader},
    },
    model::{
        id::Lsn,
        limits,
        request::{Applied, Refusal},
    },
};

/// Headers that a browser may send from any page; the last three are those of browser SDKs.
const HEADERS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    HeaderName::from_static("idempotency-key"),
    HeaderName::from_static("x-retry-count"),
    HeaderName::from_static("anonymousid"),
    HeaderName::from_static("x-requested-with"),
];
/// How long a browser may go on without asking again. Units: seconds.
const CORS_AGE: u64 = 86_400;

/// A body from which on reading its calls takes a thread that may take its time. Units: bytes.
const READ_HERE_MAX: usize = 64 << 10;

/// What lets a page of any origin make a call.
pub fn any_origin() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(HEADERS)
        .max_age(Duration::from_secs(CORS_AGE))
}

/// Takes what one kind of call says, or without `call` a batch.
///
/// Errors: what a body as a whole is refused for; [`crate::http::problem::for_sdk`] tells it as SDKs read it.
pub async fn receive(
    app: App,
    call: Option<Call>,
    uri: Uri,
    mut headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let verbose = query_value(&uri, "verbose").is_some_and(|verbose| verbose == "true");
    let (grant, bytes) = granted(&app, &uri, &headers, body).await?;
    grant.iter().for_each(|grant| access::note(&mut headers, grant));
    // Neither a key that stands in web pages nor a page that anyone may have made is believed everything.
    let trusted = match &grant {
        Some(grant) => grant.allows(Scope::Write),
        None => !guard::is_foreign(&headers, &uri),
    };
    let once = once(grant.as_ref(), trusted, &uri, &headers, &bytes)?;
    let sender = grant.as_ref().map_or_else(String::new, |grant| grant.id.clone());
    let here = call.is_some() && bytes.len() <= READ_HERE_MAX;
    let (asked, lsn) = {
        let app = app.clone();
        let read = move || {
            let body = body::parse(&bytes)?;
            let view = app.db.view();
            let (mapping, schema, received) = (&app.tracking, view.schema(), view.now());
            let reader = Reader { mapping, schema, received, sender: &sender, trusted };
            let asked = reader.read(call, &body).map_err(Problem::malformed)?;
            Ok((asked, view.lsn()))
        };
        if here { read()? } else { body::blocking(read).await? }
    };
    let Asked { kinds, requests, places, faults, calls, undated, .. } = asked;
    let mut told = Told { calls, undated, lsn, outcomes: BTreeMap::new(), replayed: false, trusted };
    faults.into_iter().for_each(|fault| told.refuse(fault));
    let by = access::by(&headers);
    if !kinds.is_empty() {
        // By itself, as it is there the first time alone, and a retry must be the same write. One that cannot be
        // declared shows in its events.
        app.submit(Write { requests: kinds, once: None, by: by.clone() }).await?;
    }
    if !requests.is_empty() {
        let written = app.submit(Write { requests, once, by }).await?;
        (told.lsn, told.replayed) = (written.lsn, written.replayed);
        for (result, place) in written.results.into_iter().zip(places) {
            match result {
                Ok(Applied::Duplicate) => drop(told.outcomes.entry(place).or_insert(Outcome::Duplicate)),
                Ok(_) => {}
                Err(Refusal { pointer, code, detail, .. }) => {
                    told.refuse(Fault { line: Some(place), pointer, code, detail });
                }
            }
        }
    }
    Ok(told.answer(verbose))
}

/// Whom a call is from, and its body: the key is looked for before more than a little is read.
async fn granted(app: &App, uri: &Uri, headers: &HeaderMap, body: Body) -> Result<(Option<Grant>, Vec<u8>), Problem> {
    let in_query = query_value(uri, "writeKey");
    match access::sender(app, headers, in_query.as_deref()) {
        Ok(Sender::Anyone) => return Ok((None, body::bytes(headers, body).await?)),
        Ok(Sender::Key(grant)) => return Ok((Some(grant), body::bytes(headers, body).await?)),
        Ok(Sender::Unknown(_)) => {}
        // A key that calls too often is not to cost what a good call costs, nor to take the room of those whose key
        // stands in the body.
        Err(problem) => {
            body::pass_over(body).await;
            return Err(problem);
        }
    }
    let (bytes, place) = app.strangers.read(app, headers, body).await?;
    let (bytes, key) = body::blocking(move || {
        // Held while it is parsed, also when nobody waits any more.
        let _place = place;
        let key = match body::parse(&bytes).ok().as_ref().and_then(|body| body.get("writeKey")) {
            Some(Json::Text(key)) => Some(key.clone()),
            _ => None,
        };
        Ok((bytes, key))
    })
    .await?;
    Ok((access::tracking(app, headers, key.or(in_query).as_deref())?, bytes))
}

/// How a retry is told: by who sends it and what is sent. What is made of that depends on the moment, and the names of
/// other calls' retries are not for everyone to take.
fn once(
    grant: Option<&Grant>,
    trusted: bool,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Once>, Problem> {
    let Some(key) = idempotency_key(headers)? else { return Ok(None) };
    let mut digest = Xxh3::new();
    digest.update(uri.path().as_bytes());
    digest.update(b"\n");
    digest.update(body);
    let who = grant.map_or("", |grant| &grant.id);
    Ok(Some(Once { key: hashed(&format!("tracking\n{who}\n{trusted}\n{key}")), digest: digest.digest() }))
}

/// What became of a call that was not simply taken.
enum Outcome {
    Duplicate,
    Refused(Fault),
}

/// What became of a body.
struct Told {
    calls: u64,
    undated: u64,
    lsn: Lsn,
    outcomes: BTreeMap<u64, Outcome>,
    replayed: bool,
    trusted: bool,
}

impl Told {
    fn refuse(&mut self, fault: Fault) {
        if let Some(place) = fault.line {
            self.outcomes.insert(place, Outcome::Refused(fault));
        }
    }

    /// SDKs take exactly this body for done, and would send again what is refused for good; so what was refused is told
    /// in headers, and in the body to whoever asks.
    fn answer(&self, verbose: bool) -> Response {
        let duplicates = self.outcomes.values().filter(|outcome| matches!(outcome, Outcome::Duplicate)).count() as u64;
        let rejected = self.outcomes.len() as u64 - duplicates;
        let accepted = self.calls - duplicates - rejected;
        let mut body = json!({"success": true});
        if verbose {
            let errors = self.outcomes.values().filter_map(|outcome| match outcome {
                Outcome::Refused(fault) if self.trusted => Some(fault.to_json()),
                // A key that stands in web pages is not told what is declared.
                Outcome::Refused(fault) => Some(Fault { detail: String::new(), ..fault.clone() }.to_json()),
                Outcome::Duplicate => None,
            });
            body["accepted"] = accepted.into();
            body["duplicates"] = duplicates.into();
            body["rejected"] = rejected.into();
            body["undated"] = self.undated.into();
            body["errors"] = errors.take(limits::IMPORT_ERRORS_TOLD_MAX).collect();
            body["lsn"] = self.lsn.0.into();
        }
        let mut response = at_lsn(answer_json(StatusCode::OK, &body), self.lsn);
        for (name, count) in
            [("throng-accepted", accepted), ("throng-duplicates", duplicates), ("throng-rejected", rejected)]
        {
            response.headers_mut().insert(name, count.into());
        }
        marked(response, self.replayed)
    }
}

/// `GET /v1/projects/{key}/settings`: what a browser or mobile SDK asks before it sends anything.
pub async fn settings(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let key = part(&uri, 2)?;
    access::tracking(&app, &access::origin(&headers), Some(&key))?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    // HTTP/2 names the host in the address instead.
    let host = text("host").or(uri.authority().map(|host| host.as_str())).unwrap_or_default();
    let protocol = text("x-forwarded-proto").filter(|protocol| *protocol == "https").unwrap_or("http");
    let body = json!({
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": format!("{host}/v1"),
                "protocol": protocol,
                "unbundledIntegrations": [],
                "addBundledMetadata": true,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            },
        },
        "plan": {"track": {"__default": {"enabled": true, "integrations": {}}}, "identify": {"__default": {"enabled": true}},
            "group": {"__default": {"enabled": true}}},
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
        "consentSettings": null,
    });
    let mut response = at_lsn(answer_json(StatusCode::OK, &body), app.db.view().lsn());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
