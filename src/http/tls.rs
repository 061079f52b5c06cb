//! How the server proves who it is: certificates and their key, read again while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// The bytes of both files.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The chain of certificates, the server's own first, as PEM.
    pub certificates: Vec<u8>,
    /// The private key of the first, as PEM.
    pub key: Vec<u8>,
}

/// Reads both files.
type Source = Box<dyn Fn() -> Result<Pair, String> + Send + Sync>;

/// A server's certificates.
pub struct Tls {
    source: Source,
    last: Mutex<Last>,
    current: ArcSwap<ServerConfig>,
}

/// What was read last.
struct Last {
    taken: Pair,
    /// What was no good since, and why; it is told once.
    refused: Option<(Option<Pair>, String)>,
}

impl Tls {
    /// Reads them.
    ///
    /// Errors: files that cannot be read, hold no certificate or no key, or do not belong together.
    pub fn open(source: impl Fn() -> Result<Pair, String> + Send + Sync + 'static) -> Result<Arc<Tls>, String> {
        let pair = source()?;
        let current = ArcSwap::new(config(&pair)?);
        Ok(Arc::new(Tls { source: Box::new(source), last: Mutex::new(Last { taken: pair, refused: None }), current }))
    }

    /// What a connection that comes now is told.
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again. Those that are no good change nothing.
    ///
    /// Errors: as those of [`Tls::open`], once for the same files. Gives whether they were others.
    pub fn look(&self) -> Result<bool, String> {
        let read = (self.source)().map_err(|why| (None, why));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if read.as_ref().is_ok_and(|pair| *pair == last.taken) {
            last.refused = None;
            return Ok(false);
        }
        let made = read.and_then(|pair| match config(&pair) {
            Ok(made) => Ok((pair, made)),
            Err(why) => Err((Some(pair), why)),
        });
        match made {
            Ok((taken, made)) => {
                self.current.store(made);
                *last = Last { taken, refused: None };
                Ok(true)
            }
            Err(refused) if last.refused.as_ref() == Some(&refused) => Ok(false),
            Err(refused) => {
                let why = refused.1.clone();
                last.refused = Some(refused);
                Err(why)
            }
        }
    }
}

fn config(pair: &Pair) -> Result<Arc<ServerConfig>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pair.certificates).collect();
    let chain = chain.map_err(|error| format!("the file of certificates is not PEM: {error}"))?;
    if chain.is_empty() {
        return Err("the file of certificates holds none: it wants \"-----BEGIN CERTIFICATE-----\"".into());
    }
    let key = PrivateKeyDer::from_pem_slice(&pair.key)
        .map_err(|error| format!("the file of the key holds no private key as PEM, unencrypted: {error}"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let made = builder.with_no_client_auth().with_single_cert(chain, key);
    let mut config = made.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "the private key is not that of the first certificate".to_owned(),
        error => format!("the certificate and its key are no good: {error}"),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Has clients of this process encrypt by the library that the server uses, too.
pub fn settle_provider() {
    // Somebody was first: it was this very function.
    let _ = CryptoProvider::install_default(ring::default_provider());
}
