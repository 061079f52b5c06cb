//! Answers of the page: HTML, the headers that keep it safe, and errors as a page.

use askama::Template;
use axum::{
    extract::{FromRequestParts, Request},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};

use crate::{
    db::view::View,
    http::{
        access::{self, Needs},
        app::App,
        problem::{BASIC, Problem},
    },
    web::tell,
};

/// What every page is sent with. Scripts and styles come from this server's own files alone, no other site may frame
/// the page, and no address of it is told to another.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Who looks at a page: with a key that only reads, it offers nothing that writes.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// Whether the API would let them write.
    pub may_write: bool,
    /// Whether it would let them operate the server.
    pub may_operate: bool,
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Visitor, Problem> {
        let may = |needs| access::may(app, &parts.headers, needs);
        Ok(Visitor { may_write: may(Needs::Write), may_operate: may(Needs::Admin) })
    }
}

/// What stands around every page.
pub struct Frame {
    /// How many contacts there are.
    pub contacts: String,
    /// The instant that the page is as of, for people.
    pub now: String,
    /// The database's time zone.
    pub zone: String,
    /// Whether who looks may write.
    pub may_write: bool,
}

impl Frame {
    /// The frame of a page of a view.
    pub fn of(view: &View, visitor: Visitor) -> Frame {
        Frame {
            contacts: tell::grouped(view.everyone().count()),
            now: tell::instant(view.now(), view.schema().zone()),
            zone: view.schema().zone().name().to_owned(),
            may_write: visitor.may_write,
        }
    }
}

/// A page that says what went wrong.
#[derive(Template)]
#[template(path = "error.html", config = "src/web/askama.toml")]
struct ErrorPage<'a> {
    status: u16,
    title: &'a str,
    detail: &'a str,
}

/// A page as an answer.
///
/// Errors: 500 when the template fails, which it does only if writing to memory does.
pub fn page(template: &impl Template) -> Result<Response, Problem> {
    let page = template.render();
    let page = page.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
    let mut response = Html(page).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Nothing is at an address of the page.
pub async fn nothing_here() -> Problem {
    Problem::not_found("There is no page at this address.")
}

/// Adds the headers, and makes a page of every error.
pub async fn finish(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let problem = response.extensions_mut().remove::<Problem>();
        let title = match status {
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::UNAUTHORIZED => "This server wants a key",
            StatusCode::FORBIDDEN => "Not for you",
            _ => status.canonical_reason().unwrap_or("Error"),
        };
        let detail = match &problem {
            _ if status == StatusCode::UNAUTHORIZED => {
                "Load the page again, give a key that may read as the user name, and leave the password empty."
            }
            Some(problem) => &problem.detail,
            None => "The request could not be answered.",
        };
        let text = ErrorPage { status: status.as_u16(), title, detail }.render().unwrap_or_else(|_| title.to_owned());
        response = (status, Html(text)).into_response();
        if status == StatusCode::UNAUTHORIZED {
            // The browser asks for it, keeps it while it runs, and sends it with the calls of the page's scripts.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(BASIC));
        }
    }
    for (name, value) in HEADERS {
        // What brings a policy of its own has a stricter one.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
