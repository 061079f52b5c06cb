//! Secrets and signatures after Standard Webhooks 1.0: HMAC-SHA256 over id, time and body.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// How a secret begins as text.
const PREFIX: &str = "whsec_";
/// Bytes of a secret that is made here.
const SECRET_BYTES: usize = 32;
/// Bytes that the standard allows.
const ALLOWED: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that signs; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    /// Makes one from the system's randomness.
    ///
    /// Errors: when the system gives none.
    pub fn random() -> std::io::Result<Secret> {
        let mut bytes = [0u8; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Secret(format!("{PREFIX}{}", STANDARD.encode(bytes))))
    }

    /// Takes one from outside: base64 of 24 to 64 bytes, with or without `whsec_` before it.
    ///
    /// Errors: a sentence.
    pub fn parse(text: &str) -> Result<Secret, String> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let bytes = STANDARD.decode(encoded).ok().filter(|bytes| ALLOWED.contains(&bytes.len()));
        let bytes = bytes.ok_or("a secret is \"whsec_\" and the base64 of 24 to 64 random bytes")?;
        Ok(Secret(format!("{PREFIX}{}", STANDARD.encode(bytes))))
    }

    /// The secret as text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn sign(&self, id: &str, at: i64, body: &[u8]) -> String {
        let key = STANDARD.decode(self.0.trim_start_matches(PREFIX)).unwrap_or_default();
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// The header `webhook-signature`: one signature for each secret. `at` is in seconds since 1970.
pub fn signatures<'a>(secrets: impl Iterator<Item = &'a Secret>, id: &str, at: i64, body: &[u8]) -> String {
    secrets.map(|secret| secret.sign(id, at, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard_holds() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signatures([&secret].into_iter(), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_differ_are_taken_back_and_are_not_shown() {
        let (one, other) = (Secret::random().unwrap(), Secret::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(Secret::parse(one.reveal()).unwrap(), one);
        assert_eq!(format!("{one:?}"), "Secret(***)");
        for bad in
            ["", "whsec_", "whsec_abc", "whsec_AAAA", "no base64 at all!", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa w"]
        {
            assert!(Secret::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(signatures([&one, &other].into_iter(), "a", 1, b"").split(' ').count(), 2);
    }
}
