//! Customer-data tracking: the calls that existing SDKs send, as they send them.

use std::collections::BTreeMap;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::from_fn,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{Any, CorsLayer},
};

use crate::{
    db::keys::Scope,
    http::{
        access,
        app::{App, answer_json, marked},
        body,
        json::Json,
        path::{part, query_value},
        problem::{self, Fault, Problem},
        tracking_calls::{Asked, Call, Reader},
    },
    model::{id::Lsn, request::Applied},
};

/// The paths of each call; each is answered with a slash at its end too.
const CALLS: [(&[&str], Option<Call>); 7] = [
    (&["/v1/identify", "/v1/i"], Some(Call::Identify)),
    (&["/v1/track", "/v1/t"], Some(Call::Track)),
    (&["/v1/page", "/v1/p"], Some(Call::Page)),
    (&["/v1/screen", "/v1/s"], Some(Call::Screen)),
    (&["/v1/group", "/v1/g"], Some(Call::Group)),
    (&["/v1/alias", "/v1/a"], Some(Call::Alias)),
    (&["/v1/batch", "/v1/import", "/v1/b", "/beacon/v1/batch"], None),
];
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

/// The routes of the tracking calls; a page of any origin may make them.
pub fn routes() -> Router<App> {
    let mut router = Router::new().route("/v1/projects/{key}/settings", get(settings));
    for (paths, call) in CALLS {
        let door = move |State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body| {
            receive(app, call, uri, headers, body)
        };
        for path in paths {
            router = router.route(path, post(door)).route(&format!("{path}/"), post(door));
        }
    }
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(HEADERS)
        .max_age(std::time::Duration::from_secs(CORS_AGE));
    router.layer(CatchPanicLayer::new()).layer(from_fn(problem::finish)).layer(cors)
}

async fn receive(app: App, call: Option<Call>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    match taken(app, call, uri, headers, body).await {
        Ok(response) => response,
        Err(problem) => Problem { for_sdk: true, ..problem }.into_response(),
    }
}

async fn taken(app: App, call: Option<Call>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let verbose = query_value(&uri, "verbose").is_some_and(|verbose| verbose == "true");
    let body = body::any_json(&headers, body).await?;
    let key = match body.get("writeKey") {
        Some(Json::Text(key)) => Some(key.clone()),
        _ => query_value(&uri, "writeKey"),
    };
    let grant = access::tracking(&app, &headers, key.as_deref())?;
    // Neither a key that stands in web pages nor a page that anyone may have made gives up users.
    let merges_users = match grant {
        Some(grant) => grant.allows(Scope::Write),
        None => access::of_this_machine(&headers).is_ok(),
    };
    let (asked, lsn) = {
        let app = app.clone();
        let read = move || {
            let view = app.db.view();
            let reader = Reader { mapping: &app.tracking, schema: view.schema(), received: view.now(), merges_users };
            let asked = reader.read(call, &body).map_err(Problem::malformed)?;
            Ok((asked, view.lsn()))
        };
        if call.is_some() { read()? } else { body::blocking(read).await? }
    };
    let Asked { requests, places, faults, calls } = asked;
    let mut told = Told { calls, lsn, outcomes: BTreeMap::new(), replayed: false };
    faults.into_iter().for_each(|fault| told.refuse(fault));
    if !requests.is_empty() {
        let written = app.write(requests, &headers, &uri).await?;
        (told.lsn, told.replayed) = (written.lsn, written.replayed);
        for (result, place) in written.results.into_iter().zip(places) {
            match result {
                Ok(Applied::Duplicate) => drop(told.outcomes.entry(place).or_insert(Outcome::Duplicate)),
                Ok(_) => {}
                Err(refusal) => {
                    let crate::model::request::Refusal { pointer, code, detail, .. } = refusal;
                    told.refuse(Fault { line: Some(place), pointer, code, detail });
                }
            }
        }
    }
    Ok(told.answer(verbose))
}

/// What became of a call that was not simply taken.
enum Outcome {
    Duplicate,
    Refused(Fault),
}

/// What became of a body.
struct Told {
    calls: u64,
    lsn: Lsn,
    outcomes: BTreeMap<u64, Outcome>,
    replayed: bool,
}

impl Told {
    fn refuse(&mut self, fault: Fault) {
        // The kind of a view that could not be declared shows in the view itself.
        if let Some(place) = fault.line.filter(|place| *place > 0) {
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
                Outcome::Refused(fault) => Some(fault.to_json()),
                Outcome::Duplicate => None,
            });
            body["accepted"] = accepted.into();
            body["duplicates"] = duplicates.into();
            body["rejected"] = rejected.into();
            body["errors"] = errors.take(crate::model::limits::IMPORT_ERRORS_TOLD_MAX).collect();
            body["lsn"] = self.lsn.0.into();
        }
        let mut response = crate::http::app::at_lsn(answer_json(StatusCode::OK, &body), self.lsn);
        for (name, count) in
            [("throng-accepted", accepted), ("throng-duplicates", duplicates), ("throng-rejected", rejected)]
        {
            response.headers_mut().insert(name, count.into());
        }
        marked(response, self.replayed)
    }
}

/// `GET /v1/projects/{key}/settings`: what a browser or mobile SDK asks before it sends anything.
async fn settings(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let key = part(&uri, 2)?;
    access::tracking(&app, &HeaderMap::new(), Some(&key))?;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").unwrap_or_default();
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
    let mut response = answer_json(StatusCode::OK, &body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
