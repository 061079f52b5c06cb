//! What is read from files for secure connections: the server's certificate and key, and whom a client trusts.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::{
    cli::failure::Failure,
    http::tls::{Pair, Tls, settle_provider},
};

/// The certificates of a server by the files of its flags; none without.
///
/// Errors: one file without the other; files that are no good.
pub fn server(certificates: Option<&PathBuf>, key: Option<&PathBuf>) -> Result<Option<Arc<Tls>>, Failure> {
    let (certificates, key) = match (certificates, key) {
        (None, None) => return Ok(None),
        (Some(certificates), Some(key)) => (certificates.clone(), key.clone()),
        (Some(_), None) => return Err(Failure::caller("--tls-cert wants --tls-key: the file of its private key")),
        (None, Some(_)) => return Err(Failure::caller("--tls-key wants --tls-cert: the file of its certificate")),
    };
    let told = format!("{}, {}", certificates.display(), key.display());
    let source = move || Ok(Pair { certificates: read(&certificates)?, key: read(&key)? });
    Tls::open(source).map(Some).map_err(|why| Failure::caller(format!("{why} ({told})")))
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// Whom a client trusts: the authorities of a file, or those of this machine.
///
/// Errors: a file that cannot be read or has no certificate; a machine that trusts nobody.
pub fn client(authorities: Option<&Path>) -> Result<TlsConfig, Failure> {
    settle_provider();
    let roots: Vec<Certificate<'static>> = match authorities {
        Some(file) => {
            let bytes = read(file).map_err(Failure::caller)?;
            let items = parse_pem(&bytes).filter_map(Result::ok);
            let roots: Vec<_> = items
                .filter_map(|item| match item {
                    PemItem::Certificate(certificate) => Some(certificate),
                    _ => None,
                })
                .collect();
            if roots.is_empty() {
                return Err(Failure::caller(format!("{} holds no certificate as PEM", file.display())));
            }
            roots
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
        }
    };
    if roots.is_empty() {
        let told = "this machine trusts no authorities; --ca-cert names a file of the one that signed the server's certificate";
        return Err(Failure::operator(told));
    }
    Ok(TlsConfig::builder().root_certs(RootCerts::from(roots)).build())
}
