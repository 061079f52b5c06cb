//! Access keys: who may do what. A key is `thr_ID_SECRET`; the file has the hash of the secret alone.
//!
//! The secret has 256 bits of chance, so one hash is enough: there is nothing to guess, and a slow hash on every call
//! would be a gift to whoever wants to keep the server busy. Hashes are compared in constant time, and an unknown id
//! costs as much as a known one.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    db::{
        clock::{Stopwatch, system_now},
        error::Error,
    },
    model::{limits, rate::Rate, time::Timestamp},
    storage::{
        error::{StorageError, StorageErrorKind},
        keys_file::{edit_keys, read_keys},
        names::KEYS,
        real_disk::RealDisk,
    },
};

/// What every key begins with.
const PREFIX: &str = "thr";
/// Letters of an id and of a secret: 71 and 256 bits of chance.
const ID_LETTERS: usize = 12;
const SECRET_LETTERS: usize = 43;
const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How long a key that was revoked may still be taken.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// What a key lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Ask: contacts, segments, members, the feed, exports.
    Read,
    /// Write: contacts, events, segments, the schema.
    Write,
    /// Send tracking calls, and nothing else: for keys that stand in web pages and apps.
    Track,
    /// Everything, operation included.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Write, Scope::Track, Scope::Admin];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Track => "track",
            Scope::Admin => "admin",
        }
    }

    /// The scope of a name.
    pub fn named(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// A key as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Its public part, which may stand in logs.
    pub id: String,
    /// What it is for.
    pub name: String,
    /// What it lets do.
    pub scopes: Vec<Scope>,
    /// When it was made, as RFC 3339.
    pub created: String,
    /// How often it may call, if not as often as the server lets others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// The SHA-256 of its secret in hexadecimal digits; none once it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct File {
    version: u32,
    keys: Vec<Key>,
}

/// What whoever showed a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The key's id.
    pub id: String,
    /// What it lets do.
    pub scopes: Vec<Scope>,
    /// How often it may call, if that was said of it.
    pub rate: Option<Rate>,
}

impl Grant {
    /// Whether it lets do this.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }
}

/// The keys of a data folder, looked at again while they are asked for.
#[derive(Debug, Default)]
pub struct Keyring {
    dir: Option<PathBuf>,
    keys: ArcSwap<File>,
    looked: Mutex<Option<(Stopwatch, Bytes)>>,
}

impl Keyring {
    /// The keys of a folder; none, if it has no file of keys.
    ///
    /// Errors: when the file cannot be read, for then nobody can be let in.
    pub fn open(dir: &Path) -> Result<Keyring, Error> {
        let keyring = Keyring { dir: Some(dir.to_owned()), ..Keyring::default() };
        keyring.look()?;
        Ok(keyring)
    }

    /// Whether there are keys: then nobody is served without one.
    pub fn is_keyed(&self) -> bool {
        self.refresh();
        !self.keys.load().keys.is_empty()
    }

    /// Whom a key names; `None` when it is none of ours, or was revoked.
    pub fn grant(&self, key: &str) -> Option<Grant> {
        self.refresh();
        let (id, secret) = parts(key).unwrap_or(("", ""));
        let shown = Sha256::digest(secret.as_bytes());
        let keys = self.keys.load();
        let found = keys.keys.iter().find(|key| key.id == id && key.revoked.is_none());
        let kept = found.and_then(|key| unhex(key.hash.as_deref()?)).unwrap_or_default();
        let same = bool::from(shown.as_slice().ct_eq(&kept));
        found.filter(|_| same).map(|key| Grant { id: key.id.clone(), scopes: key.scopes.clone(), rate: key.rate })
    }

    /// Reads the file again if the last look at it is some time ago. What cannot be read changes nothing: whoever was
    /// let in stays, and whoever was not stays out.
    fn refresh(&self) {
        let last = self.looked.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(at, _)| *at);
        if self.dir.is_some()
            && last.is_none_or(|at| at.elapsed() >= LOOK_AGAIN)
            && let Err(error) = self.look()
        {
            tracing::warn!(%error, "the keys could not be read again; those of before hold");
        }
    }

    fn look(&self) -> Result<(), Error> {
        let Some(dir) = &self.dir else { return Ok(()) };
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = looked.take().map(|(_, bytes)| bytes);
        let read = read_keys(&RealDisk, dir);
        let known = before.clone().unwrap_or_default();
        *looked = Some((Stopwatch::start(), known));
        // A file that is gone opens no door that was closed.
        let Some(bytes) = read? else { return Ok(()) };
        if before.as_ref() != Some(&bytes) {
            self.keys.store(Arc::new(decode(dir, &bytes)?));
            *looked = Some((Stopwatch::start(), bytes));
        }
        Ok(())
    }
}

/// Makes a key and returns it: it is nowhere to be had again.
///
/// Errors: those of the folder; no name, or one that is too long; no scope.
pub fn create_key(dir: &Path, name: &str, scopes: &[Scope], rate: Option<Rate>) -> Result<(Key, String), Error> {
    if name.trim().is_empty() || name.len() > limits::NAME_BYTES_MAX || scopes.is_empty() {
        let told = format!("a key has a name of 1 to {} bytes, and at least one scope", limits::NAME_BYTES_MAX);
        return Err(config(dir, told));
    }
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    let (id, secret) = (random(ID_LETTERS)?, random(SECRET_LETTERS)?);
    let key = Key {
        id: id.clone(),
        name: name.to_owned(),
        scopes,
        created: system_now().to_string(),
        rate,
        revoked: None,
        hash: Some(hex(&Sha256::digest(secret.as_bytes()))),
    };
    let made = key.clone();
    edit(dir, |keys| {
        keys.push(key);
        Ok(())
    })?;
    Ok((made, format!("{PREFIX}_{id}_{secret}")))
}

/// Revokes the key of an id: a running server knows within half a second.
///
/// Errors: those of the folder; an id that no key has.
pub fn revoke_key(dir: &Path, id: &str) -> Result<Key, Error> {
    edit(dir, |keys| {
        let Some(key) = keys.iter_mut().find(|key| key.id == id) else {
            return Err(config(dir, format!("there is no key \"{id}\"")));
        };
        key.hash = None;
        let now: Timestamp = system_now();
        key.revoked.get_or_insert_with(|| now.to_string());
        Ok(key.clone())
    })
}

/// The keys of a folder, in order of making.
///
/// Errors: those of the folder.
pub fn list_keys(dir: &Path) -> Result<Vec<Key>, Error> {
    match read_keys(&RealDisk, dir)? {
        Some(bytes) => Ok(decode(dir, &bytes)?.keys),
        None => Ok(Vec::new()),
    }
}

fn edit<T>(dir: &Path, change: impl FnOnce(&mut Vec<Key>) -> Result<T, Error>) -> Result<T, Error> {
    edit_keys(&RealDisk, dir, |bytes| {
        let mut file = bytes.map(|bytes| decode(dir, &bytes)).transpose()?.unwrap_or_default();
        file.version = 1;
        let told = change(&mut file.keys)?;
        Ok((serde_json::to_vec_pretty(&file).expect("keys are plain values"), told))
    })
}

fn decode(dir: &Path, bytes: &[u8]) -> Result<File, Error> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| config(dir, error.to_string()))?;
    match file.version {
        1 => Ok(file),
        other => Err(config(dir, format!("version {other} of the file of keys is not known; 1 is the newest"))),
    }
}

fn config(dir: &Path, cause: String) -> Error {
    StorageError::new(StorageErrorKind::Config, "reading", dir.join(KEYS), cause).into()
}

/// The id and the secret of a key, if it has the form of one.
fn parts(key: &str) -> Option<(&str, &str)> {
    let (id, secret) = key.strip_prefix(PREFIX)?.strip_prefix('_')?.split_once('_')?;
    let letters = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| LETTERS.contains(&byte));
    (letters(id, ID_LETTERS) && letters(secret, SECRET_LETTERS)).then_some((id, secret))
}

/// Letters by chance, each as likely as the others.
fn random(count: usize) -> Result<String, Error> {
    let mut text = String::with_capacity(count);
    let mut bytes = [0; 64];
    while text.len() < count {
        getrandom::fill(&mut bytes).map_err(|error| {
            let cause = format!("the system has no random numbers: {error}");
            StorageError::new(StorageErrorKind::Io, "making a key", Path::new(KEYS), cause)
        })?;
        let fair = bytes.iter().filter(|byte| usize::from(**byte) < 256 / LETTERS.len() * LETTERS.len());
        let left = count - text.len();
        text.extend(fair.take(left).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])));
    }
    Ok(text)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..digits.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
