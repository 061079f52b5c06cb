//! TLS: a server with a certificate, clients that trust it and those that do not, and certificates renewed while it runs.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::{Command, Output, Stdio},
    sync::Arc,
};

use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, pki_types::pem::PemObject};
use serde_json::json;

use crate::support::server::Server;

/// An authority of our own.
fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()).unwrap()
}

/// Writes a certificate for this machine that the authority vouches for, and its key.
fn write_pair(at: &Path, issuer: &CertifiedIssuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    fs::write(at.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(at.join("cert.pem"), certificate.pem()).unwrap();
    fs::write(at.join("ca.pem"), issuer.pem()).unwrap();
}

fn throng(at: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_throng")).args(arguments).current_dir(at).output().unwrap()
}

fn paths(at: &Path) -> [String; 2] {
    ["cert.pem", "key.pem"].map(|name| at.join(name).display().to_string())
}

fn started(at: &Path) -> Server {
    let [certificate, key] = paths(at);
    Server::start(&at.join("data"), &["--tls-cert", &certificate, "--tls-key", &key])
}

/// A connection by TLS that trusts the authority and offers these protocols.
fn connect(
    address: &str,
    authority: &str,
    offered: &[&[u8]],
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let connection = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

#[test]
fn the_command_line_speaks_to_a_server_that_it_trusts() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_pair(at, &authority("one"));
    let server = started(at);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    fs::write(at.join("c.csv"), "key,lead_score\nx,3\ny,4\n").unwrap();
    let told = throng(at, &["import", "c.csv", "--url", &server.url, "--ca-cert", "ca.pem"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = throng(at, &["query", "lead_score > 3", "--server", &server.url, "--ca-cert", "ca.pem"]);
    assert!(String::from_utf8_lossy(&told.stdout).starts_with("1 contact"), "{told:?}");
    // Somebody else's authority, and a file that is none.
    fs::write(at.join("other.pem"), authority("two").pem()).unwrap();
    let told = throng(at, &["query", "everyone", "--url", &server.url, "--ca-cert", "other.pem"]);
    let said = String::from_utf8_lossy(&told.stderr).to_lowercase();
    assert_eq!(told.status.code(), Some(1), "{said}");
    assert!(said.contains("certificate"), "{said}");
    let told = throng(at, &["query", "everyone", "--url", &server.url, "--ca-cert", "c.csv"]);
    assert_eq!(told.status.code(), Some(2));
    // Who speaks in clear is told.
    let address = server.url.strip_prefix("https://").unwrap();
    let mut clear = TcpStream::connect(address).unwrap();
    clear.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut told = String::new();
    let _ = clear.read_to_string(&mut told);
    assert!(told.starts_with("HTTP/1.1 400") && told.ends_with("use https\n"), "{told}");
}

#[test]
fn clients_agree_on_a_protocol_and_are_served_by_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_pair(at, &authority("one"));
    let server = started(at);
    let (address, authority) =
        (server.url.strip_prefix("https://").unwrap(), fs::read_to_string(at.join("ca.pem")).unwrap());
    let agreed =
        |offered: &[&[u8]]| connect(address, &authority, offered).unwrap().conn.alpn_protocol().map(<[u8]>::to_vec);
    assert_eq!(agreed(&[b"h2", b"http/1.1"]).as_deref(), Some(&b"h2"[..]));
    assert_eq!(agreed(&[b"http/1.1"]).as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(agreed(&[]), None);
    let mut stream = connect(address, &authority, &[b"http/1.1"]).unwrap();
    stream
        .write_all(b"GET /v1/projects/any/settings HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200") && told.contains("\"protocol\":\"https\""), "{told}");
}

#[test]
fn a_client_that_agrees_on_keys_and_then_says_nothing_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_pair(at, &authority("one"));
    let [certificate, key] = paths(at);
    let arguments = ["--tls-cert", &certificate, "--tls-key", &key, "--first-byte-timeout", "1s"];
    let server = Server::start(&at.join("data"), &arguments);
    let (address, authority) =
        (server.url.strip_prefix("https://").unwrap(), fs::read_to_string(at.join("ca.pem")).unwrap());
    for said in [&b""[..], b"P"] {
        let mut stream = connect(address, &authority, &[]).unwrap();
        stream.write_all(said).unwrap();
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        assert!(told.is_empty());
    }
}

#[test]
fn new_certificates_are_taken_while_it_runs_and_bad_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (first, second) = (authority("one"), authority("two"));
    write_pair(at, &first);
    let server = started(at);
    let address = server.url.strip_prefix("https://").unwrap();
    let hangup = || assert!(Command::new("kill").args(["-HUP", &server.pid().to_string()]).status().unwrap().success());
    let mut held = connect(address, &first.pem(), &[]).unwrap();
    assert!(connect(address, &second.pem(), &[]).is_err());
    // A key that is not the certificate's changes nothing.
    fs::write(at.join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    hangup();
    assert!(connect(address, &first.pem(), &[]).is_ok());
    write_pair(at, &second);
    hangup();
    while connect(address, &second.pem(), &[]).is_err() {
        std::thread::yield_now();
    }
    assert!(connect(address, &first.pem(), &[]).is_err(), "the old authority does not vouch for the new one");
    held.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut told = String::new();
    held.read_to_string(&mut told).unwrap();
    assert!(told.starts_with("HTTP/1.1 200"), "a connection lives through it: {told}");
    // Without a signal too: the files are looked at every now and then.
    write_pair(at, &first);
    while connect(address, &first.pem(), &[]).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn files_that_are_no_good_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write_pair(at, &authority("one"));
    fs::write(at.join("none.pem"), "nothing\n").unwrap();
    fs::write(at.join("other.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    for (certificate, key, said) in [
        ("cert.pem", "other.pem", "not that of the first certificate"),
        ("none.pem", "key.pem", "holds none"),
        ("cert.pem", "none.pem", "no private key"),
        ("cert.pem", "cert.pem", "no private key"),
        ("missing.pem", "key.pem", "missing.pem"),
    ] {
        let told = throng(at, &["serve", "--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key]);
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.code() == Some(2) && text.contains(said), "{certificate} {key}: {text}");
    }
    for one in [["--tls-cert", "cert.pem"], ["--tls-key", "key.pem"]] {
        let told = throng(at, &["serve", "--listen", "127.0.0.1:0", one[0], one[1]]);
        assert!(told.status.code() == Some(2) && String::from_utf8_lossy(&told.stderr).contains("wants"), "{told:?}");
    }
    // A certificate is no key: who is not on this machine still wants one.
    let told = throng(at, &["serve", "--listen", "0.0.0.0:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(told.status.code() == Some(2) && String::from_utf8_lossy(&told.stderr).contains("loopback"), "{told:?}");
}

#[test]
fn settings_come_from_the_line_then_the_environment_then_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let file = at.join("throng.toml");
    let data = at.join("data").display().to_string();
    fs::write(
        &file,
        format!("data = \"{data}\"\nclock = \"2026-05-01T00:00:00Z\"\nrate-limit = \"1/s\"\nfailed-logins = \"2/s\"\n"),
    )
    .unwrap();
    let told = throng(at, &["config", "check", "throng.toml"]);
    assert_eq!(String::from_utf8_lossy(&told.stdout), "throng.toml is fine: 4 settings\n");
    let mut child = Command::new(env!("CARGO_BIN_EXE_throng"))
        .args(["serve", "--config", "throng.toml", "--listen", "127.0.0.1:0", "--rate-limit", "1000/s"])
        .current_dir(at)
        .env("THRONG_RATE_LIMIT", "2/s")
        .env("THRONG_FAILED_LOGINS", "7/m")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = String::new();
    let mut stderr = child.stderr.take().unwrap();
    let url = loop {
        let mut bytes = [0; 256];
        let read = stderr.read(&mut bytes).unwrap();
        assert!(read > 0, "{told}");
        told.push_str(&String::from_utf8_lossy(&bytes[..read]));
        if let Some((url, _)) = told.rsplit_once("page is at ").and_then(|(_, rest)| rest.split_once("/\n")) {
            break url.to_owned();
        }
    };
    let agent = crate::support::server::agent();
    let status = crate::support::server::call(&agent, &url, "GET", "/v1/status", &[], Vec::new()).unwrap().json();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(status["now"], "2026-05-01T00:00:00Z");
    assert_eq!(status["limits"]["rate"], json!({"per_key": "1000/s", "per_address": "1000/s", "failed_logins": "7/m"}));
    fs::write(&file, "listn = 1\n").unwrap();
    for arguments in [&["config", "check", "throng.toml"][..], &["serve", "--config", "throng.toml"]] {
        let told = throng(at, arguments);
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(
            told.status.code() == Some(2) && text.contains("throng.toml:1: ") && text.contains("\"listen\""),
            "{text}"
        );
    }
}
