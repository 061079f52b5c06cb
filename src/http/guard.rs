//! What browsers and proxies bring from elsewhere: told by the headers that they set, and refused.
//!
//! A page on another site can send a form, or text without asking first. Browsers mark such calls with `Origin` and
//! `Sec-Fetch-Site`; programs send neither and are not concerned. Reads need no such guard: no answer allows another
//! site to see it. But a page may have its own name lead to this machine, and then calls under that name are of its own
//! site; without keys, the name that a caller uses must be one that no one else can give.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};

use crate::http::problem::Problem;

/// What proxies add for whom they call.
const PASSED_ON: [HeaderName; 3] =
    [header::FORWARDED, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-forwarded-host")];

/// Names, besides those of loopback, under which a server without keys may be called.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<[String]>);

impl Hosts {
    /// These names, without ports.
    pub fn of(names: &[String]) -> Hosts {
        Hosts(names.iter().map(|name| name.trim().to_ascii_lowercase()).collect())
    }

    fn knows(&self, host: &str) -> bool {
        self.0.iter().any(|known| known.eq_ignore_ascii_case(name_of(host)))
    }

    /// Lets a call pass that reached this machine under a name of its own, and not by way of a proxy that serves others.
    ///
    /// Errors: 403.
    pub fn admit(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
        let told = headers.get_all(header::HOST).iter().map(|host| host.to_str().unwrap_or("?"));
        // HTTP/2 names the host in the address instead.
        let hosts: Vec<&str> = told.chain(uri.authority().map(|host| host.as_str())).collect();
        let foreign = hosts.iter().find(|host| !is_loopback(host) && !self.knows(host));
        if hosts.is_empty() || foreign.is_some() {
            let detail = format!(
                "without keys this server is called as localhost, 127.0.0.1 or [::1], and not as \"{}\"; name others \
                 with --allow-host, or make a key with \"throng key create\"",
                foreign.unwrap_or(&""),
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, "strange_host", detail));
        }
        if !hosts.iter().any(|host| self.knows(host)) && PASSED_ON.iter().any(|name| headers.contains_key(name)) {
            let detail = "without keys no proxy may pass calls on; make a key with \"throng key create\", or name the \
                          proxy's host with --allow-host if all whom it serves may do everything";
            return Err(Problem::new(StatusCode::FORBIDDEN, "forwarded", detail));
        }
        Ok(())
    }
}

fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether a host, with or without a port, is this machine by a name that no one else can give.
fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Whether a browser says that a page of another site sends this.
/// Source: the Fetch Metadata and Origin checks of OWASP's notes on cross-site request forgery.
pub fn is_foreign(headers: &HeaderMap, uri: &Uri) -> bool {
    let text = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = headers.get("sec-fetch-site") {
        return !matches!(site.to_str(), Ok("same-origin" | "none"));
    }
    match text(header::ORIGIN) {
        None => false,
        // A sandboxed frame, a redirect over sites, a file: all say `null`.
        Some(origin) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            // HTTP/2 names the host in the address instead.
            host.is_none() || host != text(header::HOST).or(uri.authority().map(|host| host.as_str()))
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
            is_foreign(&headers, &Uri::from_static("/"))
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
        assert!(
            is_foreign(&headers, &Uri::from_static("/"))
                && !is_foreign(&headers, &Uri::from_static("https://throng.example/")),
            "as HTTP/2 names it"
        );
        assert!(foreign(&[("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[("sec-fetch-site", "same-site"), ("origin", "http://127.0.0.1:7171")]));
    }

    #[test]
    fn without_keys_only_names_of_this_machine_are_served() {
        let hosts = Hosts::of(&["Throng.internal".into()]);
        let judged = |pairs: &[(&'static str, &'static str)], uri: &'static str| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_static(value));
            }
            hosts.admit(&headers, &Uri::from_static(uri)).map_err(|problem| problem.code)
        };
        for host in ["localhost:7171", "127.0.0.1", "127.8.0.1:1", "[::1]:7171", "LOCALHOST", "throng.INTERNAL:80"] {
            assert_eq!(judged(&[("host", host)], "/"), Ok(()), "{host}");
        }
        for host in ["db.example:7171", "127.0.0.1.db.example", "10.0.0.1", "", "localhost.evil.example", "[::2]"] {
            assert_eq!(judged(&[("host", host)], "/"), Err("strange_host"), "{host}");
        }
        assert_eq!(judged(&[], "/"), Err("strange_host"));
        assert_eq!(judged(&[], "http://localhost:7171/"), Ok(()), "as HTTP/2 names it");
        assert_eq!(judged(&[("host", "localhost")], "http://db.example/"), Err("strange_host"), "both must be");
        assert_eq!(judged(&[("host", "localhost"), ("host", "db.example")], "/"), Err("strange_host"));
        for name in ["forwarded", "x-forwarded-for", "x-forwarded-host"] {
            assert_eq!(judged(&[("host", "localhost"), (name, "10.0.0.7")], "/"), Err("forwarded"), "{name}");
            assert_eq!(judged(&[("host", "throng.internal"), (name, "10.0.0.7")], "/"), Ok(()), "{name}");
        }
    }
}
