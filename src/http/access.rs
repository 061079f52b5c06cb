//! Who may call: keys and their scopes, call by call; without keys everyone on this machine.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    db::keys::{Grant, Scope},
    http::{app::App, body, problem::Problem},
};

/// The header under which handlers find the id of the caller's key.
const BY: &str = "throng-by";

/// The id of the key that let a call pass.
pub fn by(headers: &HeaderMap) -> Option<Box<str>> {
    headers.get(BY).and_then(|id| id.to_str().ok()).map(Into::into)
}

/// What a call wants of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: it tells nothing of the data.
    Nothing,
    /// A key of a scope.
    Scope(Scope),
}

/// What a call of a method and a path wants. Whatever is not named here wants a scope all the same.
pub fn needs(method: &Method, path: &str) -> Needs {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let reads = *method == Method::GET || *method == Method::HEAD;
    match parts.as_slice() {
        ["healthz" | "readyz" | "openapi.json" | "docs" | "docs.css" | "docs.js"] if reads => Needs::Nothing,
        ["v1", "webhooks" | "keys", ..] | ["v1", "snapshot"] => Needs::Scope(Scope::Admin),
        ["v1", "clock"] if !reads => Needs::Scope(Scope::Admin),
        // Questions that come in a body.
        ["v1", "query" | "lookup" | "audience"]
        | ["v1", "query", "explain"]
        | ["v1", "rules", "parse"]
        | ["v1", "segments", _, "preview"] => Needs::Scope(Scope::Read),
        _ if reads => Needs::Scope(Scope::Read),
        _ => Needs::Scope(Scope::Write),
    }
}

/// Lets a call pass, or answers 401 or 403.
pub async fn check(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let needs = needs(request.method(), request.uri().path());
    match judge(&app, needs, request.headers()) {
        Ok(grant) => {
            // What a caller says of itself counts for nothing.
            request.headers_mut().remove(BY);
            if let Some(id) = grant.and_then(|grant| HeaderValue::from_str(&grant.id).ok()) {
                request.headers_mut().insert(BY, id);
            }
            next.run(request).await
        }
        Err(problem) => {
            body::pass_over(request.into_body()).await;
            problem.into_response()
        }
    }
}

fn judge(app: &App, needs: Needs, headers: &HeaderMap) -> Result<Option<Grant>, Problem> {
    if !app.keys.is_keyed() {
        return of_this_machine(headers).map(|()| None);
    }
    let Needs::Scope(scope) = needs else { return Ok(None) };
    let grant = granted(app, shown(headers).as_deref())?;
    if grant.allows(scope) { Ok(Some(grant)) } else { Err(forbidden(&grant, scope.name())) }
}

/// Whom a tracking call is from, by its headers or the key in its body or query; `None` without keys.
///
/// Errors: 401, 403.
pub fn tracking(app: &App, headers: &HeaderMap, other: Option<&str>) -> Result<Option<Grant>, Problem> {
    if !app.keys.is_keyed() {
        return Ok(None);
    }
    let by_header = shown(headers).and_then(|key| app.keys.grant(&key));
    // Some SDKs authenticate to another party in the header and name the key in the body.
    let grant = match by_header {
        Some(grant) => grant,
        None => granted(app, other.or(shown(headers).as_deref()))?,
    };
    if grant.allows(Scope::Track) || grant.allows(Scope::Write) {
        return Ok(Some(grant));
    }
    Err(forbidden(&grant, "track or write"))
}

fn granted(app: &App, key: Option<&str>) -> Result<Grant, Problem> {
    let Some(key) = key else {
        let detail = "this server wants a key: \"Authorization: Bearer thr_…\", or Basic with the key as the user name";
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "no_key", detail));
    };
    let unknown = "the key is none of this server's, or was revoked";
    app.keys.grant(key).ok_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "invalid_key", unknown))
}

fn forbidden(grant: &Grant, wanted: &str) -> Problem {
    let scopes: Vec<&str> = grant.scopes.iter().map(|scope| scope.name()).collect();
    let detail = format!("this call wants a key of the scope {wanted}; the key {} has {}", grant.id, scopes.join(", "));
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

/// The key of the header `Authorization`: a bearer's, or the user name of Basic, with or without a colon behind it.
pub fn shown(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Some(rest.to_owned()),
        "basic" => {
            let pair = String::from_utf8(decoded(rest)?).ok()?;
            Some(pair.split_once(':').map_or(pair.as_str(), |(user, _)| user).to_owned())
        }
        _ => None,
    }
}

/// Base64, with or without padding.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    Some(out)
}

/// Without keys whoever reaches the server is served, and web pages reach it through the browser of whoever opens them:
/// by calling it from elsewhere, or under a name of their own that leads to this machine. Programs are not looked at.
///
/// Errors: 403 for a call from a page of another machine.
pub fn of_this_machine(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_browser = text(header::USER_AGENT).is_some_and(|agent| agent.starts_with("Mozilla/"));
    let strange_host = text(header::HOST).is_some_and(|host| is_browser && !is_loopback(host));
    let strange_origin =
        text(header::ORIGIN).is_some_and(|origin| origin.split_once("://").is_none_or(|(_, host)| !is_loopback(host)));
    if strange_host || strange_origin {
        let detail = "without keys no web page of another machine may call; make a key with \"throng key create\"";
        return Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", detail));
    }
    Ok(())
}

/// Whether a host, with or without a port, is this machine by a name that no one else can give.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_every_form() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            shown(&headers)
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer  abc ").as_deref(), Some("abc"));
        assert_eq!(of("Basic d2s6").as_deref(), Some("wk"));
        assert_eq!(of("Basic d2s=").as_deref(), Some("wk"));
        assert_eq!(of("Basic d2s").as_deref(), Some("wk"));
        assert_eq!(of("Basic d2s6c2VjcmV0").as_deref(), Some("wk"));
        assert_eq!((of("Basic *"), of("Digest x"), of("abc")), (None, None, None));
    }

    #[test]
    fn what_is_of_this_machine() {
        let judged = |pairs: &[(header::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            pairs.iter().for_each(|(name, value)| drop(headers.insert(name, value.parse().unwrap())));
            of_this_machine(&headers).is_ok()
        };
        let browser = (header::USER_AGENT, "Mozilla/5.0 (X11)");
        assert!(judged(&[]) && judged(&[(header::HOST, "db.example")]));
        for host in ["localhost:7171", "127.0.0.1", "[::1]:7171", "LOCALHOST"] {
            assert!(judged(&[browser.clone(), (header::HOST, host)]), "{host}");
        }
        for host in ["db.example:7171", "127.0.0.1.db.example", "10.0.0.1", ""] {
            assert!(!judged(&[browser.clone(), (header::HOST, host)]), "{host}");
        }
        assert!(judged(&[(header::ORIGIN, "http://localhost:3000")]));
        assert!(!judged(&[(header::ORIGIN, "https://evil.example")]) && !judged(&[(header::ORIGIN, "null")]));
    }
}
