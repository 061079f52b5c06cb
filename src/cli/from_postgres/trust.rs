//! What a PostgreSQL server must prove before anything is sent to it: the modes of `sslmode`, over rustls.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use postgres::config::SslMode;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::cli::failure::Failure;

/// The modes, for who named another one.
const MODES: &str = "sslmode is disable, prefer, require, verify-ca or verify-full";

/// What is checked of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Nothing: what is sent is hidden from who listens, and not from who stands between.
    Anyone,
    /// That an authority that is trusted vouches for it.
    Vouched,
    /// That it is moreover for this very host.
    Host,
}

impl Trust {
    /// What a mode asks for, as `libpq` means it.
    ///
    /// Errors: a mode that there is not.
    pub(super) fn of(mode: Option<&str>, names_authorities: bool) -> Result<(Trust, SslMode), String> {
        Ok(match mode {
            Some("disable") => (Trust::Anyone, SslMode::Disable),
            None | Some("prefer") => (Trust::Anyone, SslMode::Prefer),
            // Who names an authority wants it to be asked.
            Some("require") if !names_authorities => (Trust::Anyone, SslMode::Require),
            Some("require" | "verify-ca") => (Trust::Vouched, SslMode::Require),
            Some("verify-full") => (Trust::Host, SslMode::Require),
            Some(other) => return Err(format!("{MODES}, not {other}")),
        })
    }
}

/// Files, all of them PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    /// Who may vouch for the server; without it whom this machine trusts.
    pub(super) authorities: Option<PathBuf>,
    /// Our own certificate, if the server wants one.
    pub(super) own: Option<PathBuf>,
    /// Its private key.
    pub(super) key: Option<PathBuf>,
}

/// What makes connections secure.
///
/// Errors: files that are no good.
pub(super) fn connector(trust: Trust, files: &Certificates) -> Result<MakeRustlsConnect, Failure> {
    let provider = Arc::new(ring::default_provider());
    let wrong = |error: Error| Failure::caller(format!("the certificates for PostgreSQL are no good: {error}"));
    let chain = match trust {
        Trust::Anyone => None,
        Trust::Vouched | Trust::Host => {
            let roots = Arc::new(roots(files.authorities.as_deref())?);
            let built = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build();
            Some(built.map_err(|error| Failure::caller(format!("the authorities are no good: {error}")))?)
        }
    };
    let verifier = Arc::new(Verifier { chain, trust, provider: provider.clone() });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(wrong)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match (&files.own, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(own), Some(key)) => {
            builder.with_client_auth_cert(certificates(own)?, private_key(key)?).map_err(wrong)?
        }
        _ => return Err(Failure::caller("sslcert and sslkey belong together: a certificate and its private key")),
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(MakeRustlsConnect::new(config))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::caller(format!("{} cannot be read: {error}", file.display())))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(Failure::caller(format!("{} holds no certificate as PEM", file.display()))),
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, Failure> {
    PrivateKeyDer::from_pem_slice(&read(file)?)
        .map_err(|_| Failure::caller(format!("{} holds no private key as PEM, unencrypted", file.display())))
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let found = match file {
        Some(file) => certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (taken, _) = roots.add_parsable_certificates(found);
    match (taken, file) {
        (0, Some(file)) => Err(Failure::caller(format!("{} holds no authority that can be used", file.display()))),
        (0, None) => Err(Failure::operator("this machine trusts no authorities; sslrootcert names a file of them")),
        _ => Ok(roots),
    }
}

/// Judges a server by what is asked.
#[derive(Debug)]
struct Verifier {
    chain: Option<Arc<WebPkiServerVerifier>>,
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else { return Ok(ServerCertVerified::assertion()) };
        match chain.verify_server_cert(end, between, name, ocsp, now) {
            // The name is looked at last: who is vouched for gets this far.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.trust == Trust::Vouched => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, end, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        end: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, end, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
