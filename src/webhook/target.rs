//! Where a webhook may go: one reading of its address for the check and for the call, and what its name may resolve to.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use hyper::Uri;

use crate::{
    model::limits,
    webhook::address::{is_loopback, is_metadata, is_public},
};

/// Which addresses may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// The public network by https alone.
    #[default]
    Public,
    /// Also this machine's loopback, by http too and at any port: for a server that serves this machine alone.
    Loopback,
    /// Everything: private networks and plain http. For a network that one trusts.
    Any,
}

impl FromStr for Reach {
    type Err = String;

    fn from_str(text: &str) -> Result<Reach, String> {
        match text {
            "public" => Ok(Reach::Public),
            "loopback" => Ok(Reach::Loopback),
            "any" => Ok(Reach::Any),
            _ => Err(format!("\"{text}\" is not public, loopback or any")),
        }
    }
}

/// An address that was read and may be asked for, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether it is called by https.
    pub tls: bool,
    /// Name or address of the host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and port as they go into the header.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Whether only loopback addresses will do: by http, or at another port than https has.
    loopback_only: bool,
}

/// Ports of https that are called on the public network.
const PUBLIC_PORTS: [u16; 2] = [443, 8443];

impl Target {
    /// Reads the address of a webhook.
    ///
    /// Errors: a sentence that says what is wrong with it.
    pub fn parse(url: &str, reach: Reach) -> Result<Target, String> {
        let max = limits::WEBHOOK_URL_BYTES_MAX;
        if url.len() > max {
            return Err(format!("the address has {} bytes, at most {max}", url.len()));
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "an address is printable ASCII: percent-encode its path, and write a host in its xn-- form".into()
            );
        }
        if url.contains(['#', '\\']) {
            return Err("an address has no fragment and no backslash".into());
        }
        let uri: Uri = url.parse().map_err(|_| "this is not an address such as https://example.com/hook".to_owned())?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("an address begins with https://".into()),
        };
        let authority = uri.authority().map(|authority| authority.as_str()).unwrap_or_default();
        if authority.contains('@') {
            return Err("an address holds no user name and no password".into());
        }
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        if host.is_empty() || host.contains('%') {
            return Err("the address has no host".into());
        }
        let port = match authority.rsplit_once(':') {
            // What stands behind the last colon of a bracketed address without a port ends with the bracket.
            Some((_, digits)) if !digits.ends_with(']') => {
                digits.parse().ok().filter(|port| *port > 0).ok_or("the address has no port between 1 and 65535")?
            }
            _ => {
                if tls {
                    443
                } else {
                    80
                }
            }
        };
        let path = match uri.path_and_query().map_or("/", |path| path.as_str()) {
            path if path.starts_with('/') => path.to_owned(),
            query => format!("/{query}"),
        };
        let plain = !tls || !PUBLIC_PORTS.contains(&port);
        let mut target = Target { tls, host, port, authority: authority.to_owned(), path, loopback_only: false };
        target.loopback_only = plain && reach == Reach::Loopback;
        target.judge_text(reach, plain)?;
        Ok(target)
    }

    /// What can be told without resolving the host.
    fn judge_text(&self, reach: Reach, plain: bool) -> Result<(), String> {
        let literal: Option<IpAddr> = self.host.parse().ok();
        if reach == Reach::Public && plain {
            return Err(format!("webhooks go to https, port {} or {}", PUBLIC_PORTS[0], PUBLIC_PORTS[1]));
        }
        if reach != Reach::Any && literal.is_some_and(|address| reach == Reach::Public || !is_loopback(address)) {
            return Err("webhooks go to hosts with a name, not to addresses in figures".into());
        }
        if self.loopback_only && literal.is_none() && !is_localhost(&self.host) {
            return Err("by http, and at other ports than 443 and 8443, webhooks go to this machine alone".into());
        }
        Ok(())
    }

    /// Chooses where to connect to from what the host resolved to; one address that may not be called refuses all.
    ///
    /// Errors: `None` of them may.
    pub fn choose(&self, addresses: &[IpAddr], reach: Reach, own: Option<SocketAddr>) -> Option<Vec<SocketAddr>> {
        let may = |address: IpAddr| match reach {
            Reach::Any => !address.is_unspecified() && !address.is_multicast() && !is_metadata(address),
            Reach::Public => is_public(address),
            Reach::Loopback if self.loopback_only => is_loopback(address),
            Reach::Loopback => is_public(address) || is_loopback(address),
        };
        let is_own = |address: IpAddr| {
            own.is_some_and(|own| {
                let ip = own.ip().to_canonical();
                own.port() == self.port && (ip == address || ip.is_unspecified() && is_loopback(address))
            })
        };
        // An IPv4 address that is written as an IPv6 one is judged as what is called by it.
        let mut all = addresses.iter().map(IpAddr::to_canonical);
        let fine = !addresses.is_empty() && all.all(|address| may(address) && !is_own(address));
        fine.then(|| addresses.iter().map(|address| SocketAddr::new(*address, self.port)).collect())
    }
}

/// The names that mean this machine (RFC 6761).
fn is_localhost(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(url: &str, reach: Reach) -> bool {
        Target::parse(url, reach).is_ok()
    }

    #[test]
    fn addresses_are_read_strictly() {
        let public = Target::parse("https://Example.com/hook?x=1", Reach::Public).unwrap();
        let Target { tls, host, port, path, .. } = &public;
        assert_eq!((*tls, host.as_str(), *port, path.as_str()), (true, "example.com", 443, "/hook?x=1"));
        assert_eq!(Target::parse("http://[::1]:8080", Reach::Any).unwrap().port, 8080);
        assert_eq!(Target::parse("https://example.com?x=1", Reach::Public).unwrap().path, "/?x=1");
        assert_eq!(Target::parse("http://[::1]/x", Reach::Any).unwrap().host, "::1");
        for bad in [
            "",
            "example.com",
            "/hook",
            "ftp://example.com/",
            "https://",
            "https:///x",
            "https://u:p@example.com/",
            "https://u@example.com/",
            "https://example.com:0/",
            "https://example.com:70000/",
            "https://exämple.com/",
            "https://example.com/a b",
            "https://example.com/#x",
            "https://example.com\\@evil.com/",
            "javascript:alert(1)",
            "https://example.com:443x/",
            "file:///etc/passwd",
            "https://example.com/\n",
            "https://[fe80::1%25eth0]/",
        ] {
            assert!(!ok(bad, Reach::Any), "{bad}");
        }
        assert!(!ok(&format!("https://example.com/{}", "x".repeat(3_000)), Reach::Any));
    }

    #[test]
    fn how_far_they_reach_is_a_setting() {
        for (url, public, loopback) in [
            ("https://example.com/", true, true),
            ("https://example.com:8443/", true, true),
            ("https://example.com:9000/", false, false),
            ("http://example.com/", false, false),
            ("https://93.184.216.34/", false, false),
            ("https://169.254.169.254/", false, false),
            ("http://10.0.0.1/", false, false),
            ("http://127.0.0.1:9/", false, true),
            ("http://localhost:9/", false, true),
            ("http://app.localhost/", false, true),
            ("https://[::1]/", false, true),
            ("https://[::ffff:10.0.0.1]/", false, false),
        ] {
            assert_eq!((ok(url, Reach::Public), ok(url, Reach::Loopback)), (public, loopback), "{url}");
            assert!(ok(url, Reach::Any), "{url}");
        }
    }

    #[test]
    fn one_address_that_may_not_be_called_refuses_all() {
        let addresses = |text: &str| text.split(' ').map(|one| one.parse().unwrap()).collect::<Vec<IpAddr>>();
        let chosen = |url: &str, reach, list: &str, own: Option<&str>| {
            let target = Target::parse(url, reach).unwrap();
            target.choose(&addresses(list), reach, own.map(|own| own.parse().unwrap())).is_some()
        };
        let (public, local) = ("https://example.com/", "http://localhost:81/");
        assert!(chosen(public, Reach::Public, "93.184.216.34 2606:4700::1", None));
        assert!(!chosen(public, Reach::Public, "93.184.216.34 10.0.0.1", None));
        assert!(!chosen(public, Reach::Public, "127.0.0.1", None));
        assert!(!chosen(public, Reach::Loopback, "10.0.0.1", None));
        assert!(chosen(local, Reach::Loopback, "127.0.0.1 ::1", None));
        assert!(!chosen(local, Reach::Loopback, "127.0.0.1 93.184.216.34", None));
        assert!(chosen(public, Reach::Any, "10.0.0.1", None));
        assert!(!chosen(public, Reach::Any, "0.0.0.0", None));
        assert!(!chosen(local, Reach::Loopback, "127.0.0.1", Some("127.0.0.1:81")), "itself");
        assert!(!chosen(local, Reach::Any, "127.0.0.1", Some("0.0.0.0:81")), "itself");
        assert!(chosen(local, Reach::Loopback, "127.0.0.1", Some("127.0.0.1:82")));
        for (own, address) in [
            ("127.0.0.1:81", "::ffff:127.0.0.1"),
            ("[::ffff:127.0.0.1]:81", "127.0.0.1"),
            ("[::]:81", "::ffff:127.0.0.1"),
            ("0.0.0.0:81", "::1"),
        ] {
            assert!(!chosen(local, Reach::Any, address, Some(own)), "itself, {own} as {address}");
            assert!(!chosen(local, Reach::Loopback, address, Some(own)), "itself, {own} as {address}");
        }
        for never in "0.0.0.0 :: ::ffff:0.0.0.0 224.0.0.1 ::ffff:224.0.0.1 ff02::1 169.254.169.254 169.254.1.1 \
            ::ffff:169.254.169.254 64:ff9b::169.254.169.254 2002:a9fe:a9fe::1 fe80::1 febf::1 fd00:ec2::254 \
            100.100.100.200 192.0.0.192"
            .split_whitespace()
        {
            assert!(!chosen(public, Reach::Any, never, None), "{never}");
        }
        for fine in "10.0.0.1 ::ffff:10.0.0.1 fd00::1 fec0::1 192.168.1.1 100.64.0.1".split_whitespace() {
            assert!(chosen(public, Reach::Any, fine, None), "{fine}");
        }
        assert!(Target::parse(public, Reach::Any).unwrap().choose(&[], Reach::Any, None).is_none());
    }
}
