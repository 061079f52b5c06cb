//! Writes that another site makes a browser send: refused, as the browser tells where they come from.
//!
//! A page on another site can send a form, or text without asking first. Browsers mark such calls with `Origin` and
//! `Sec-Fetch-Site`; programs send neither and are not concerned. Reads need no guard: no answer allows another site
//! to see it.

use axum::{
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::http::problem::Problem;

/// Lets reads, and writes that do not come from another site, pass.
pub async fn same_origin(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // HTTP/2 names the host in the address instead.
    let named = request.uri().authority().map(|host| host.as_str());
    if !reads && is_foreign(request.headers(), named) {
        let detail = "a write that a page of another site sends through a browser is refused";
        return Problem::new(StatusCode::FORBIDDEN, "cross_site", detail).into_response();
    }
    next.run(request).await
}

/// Source: the Fetch Metadata and Origin checks of OWASP's notes on cross-site request forgery.
fn is_foreign(headers: &HeaderMap, named: Option<&str>) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.to_str(), Ok("same-origin" | "none"));
    }
    match text(header::ORIGIN) {
        None => false,
        // A sandboxed frame, a redirect over sites, a file: all say `null`.
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            host.is_none() || host != text(header::HOST).or(named)
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_a_browser_marks_as_foreign_is() {
        let foreign = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("host", HeaderValue::from_static("127.0.0.1:7171"));
            pairs.iter().for_each(|(name, value)| drop(headers.insert(*name, HeaderValue::from_static(value))));
            is_foreign(&headers, None)
        };
        assert!(!foreign(&[]));
        assert!(!foreign(&[("origin", "http://127.0.0.1:7171")]));
        assert!(!foreign(&[("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:7171")]));
        assert!(!foreign(&[("sec-fetch-site", "none")]));
        for origin in ["https://evil.example", "http://127.0.0.1:7172", "null", "http://localhost:7171"] {
            assert!(foreign(&[("origin", origin)]), "{origin}");
        }
        let mut headers = HeaderMap::new();
        headers.insert("origin", HeaderValue::from_static("https://throng.example"));
        assert!(is_foreign(&headers, None) && !is_foreign(&headers, Some("throng.example")), "as HTTP/2 names it");
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:7171")]));
    }
}
