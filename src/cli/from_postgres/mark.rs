//! How far an import came: the mark in a small file, replaced whole once the rows up to it are on disk.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::cli::{failure::Failure, from_postgres::query::Start};

/// The version of the file.
const VERSION: u64 = 1;

/// What an import is, that a mark of another one never passes for its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Host, port and database.
    pub(super) from: String,
    /// A hash of the query and of what its rows are; its text may hold what is nobody's business.
    pub(super) query: String,
    /// The column that marks.
    pub(super) watermark: String,
    /// Its type.
    pub(super) ty: String,
}

/// Where what was imported is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// The database of ours, by its identity.
    pub(super) database: String,
    /// Its write that holds all rows up to the mark.
    pub(super) lsn: u64,
}

/// What the file says.
struct Kept {
    mark: String,
    identity: Identity,
    position: Position,
}

impl Kept {
    /// Reads it; `None` is no such file.
    fn of(text: &[u8]) -> Option<(u64, Option<Kept>)> {
        let told: Value = serde_json::from_slice(text).ok()?;
        let word = |key: &str| told[key].as_str().map(str::to_owned);
        let read = || {
            let (from, query, watermark, ty) = (word("from")?, word("query")?, word("watermark")?, word("type")?);
            let position = Position { database: word("database")?, lsn: told["lsn"].as_u64()? };
            Some(Kept { mark: word("mark")?, identity: Identity { from, query, watermark, ty }, position })
        };
        Some((told["version"].as_u64()?, read()))
    }

    fn text(&self) -> String {
        let Identity { from, query, watermark, ty } = &self.identity;
        let Position { database, lsn } = &self.position;
        let told = json!({
            "version": VERSION, "mark": self.mark, "from": from, "query": query, "watermark": watermark, "type": ty,
            "database": database, "lsn": lsn,
        });
        format!("{told:#}\n")
    }
}

/// The mark of one import.
pub(super) struct Book {
    path: PathBuf,
    identity: Identity,
    /// What the last run kept, if it counts.
    last: Option<String>,
    /// Held while an import runs: of two at once one would write older rows over newer ones.
    _lock: File,
}

/// A hash of texts, for names and comparisons.
pub(super) fn hashed(parts: &[&str]) -> String {
    format!("{:032x}", xxh3_128(parts.join("\0").as_bytes()))
}

impl Book {
    /// Opens the file; `now` is where our database is. Without `looks` what is in it does not count.
    ///
    /// Errors: another run that is under way; a file that cannot be read; a mark of another import, or of rows that our database does not have.
    pub(super) fn open(path: PathBuf, identity: Identity, now: &Position, looks: bool) -> Result<Book, Failure> {
        let lock = locked(&path)?;
        let book = |last| Book { path: path.clone(), identity: identity.clone(), last, _lock: lock };
        if !looks {
            return Ok(book(None));
        }
        let shown = path.display();
        let ways = "--restart reads everything again";
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(book(None)),
            Err(error) => return Err(Failure::operator(format!("{shown} cannot be read: {error}"))),
        };
        let kept = match Kept::of(&text) {
            Some((VERSION, Some(kept))) => kept,
            Some((version, _)) if version != VERSION => {
                return Err(Failure::caller(format!("{shown} is of another version of this program; {ways}")));
            }
            _ => return Err(Failure::caller(format!("{shown} is not the mark of an import; {ways}"))),
        };
        let goes_on = format!("{ways}, --since '{}' goes on", kept.mark);
        let differs = [
            ("address", kept.identity.from != identity.from),
            ("query, role or options", kept.identity.query != identity.query),
            ("watermark", (&kept.identity.watermark, &kept.identity.ty) != (&identity.watermark, &identity.ty)),
        ];
        if let Some((what, _)) = differs.iter().find(|(_, differs)| *differs) {
            let told = format!("the {what} is not that of the last run of this import ({shown})");
            return Err(Failure::caller(format!("{told}: {goes_on}; --name makes it an import of its own")));
        }
        if kept.position.database != now.database || kept.position.lsn > now.lsn {
            let told = "what the last run brought is not in this database: it is another one, or an older state of it";
            return Err(Failure::caller(format!("{told} ({shown}): {goes_on}")));
        }
        Ok(book(Some(kept.mark)))
    }

    /// What the last run kept.
    pub(super) fn start(&self) -> Start {
        self.last.clone().map_or(Start::First, Start::Kept)
    }

    /// Keeps a mark, durably: all rows up to it are in `position`.
    ///
    /// Errors: when it cannot be written; the rows are in nevertheless, and come again at the next run.
    pub(super) fn keep(&mut self, mark: &str, position: Position) -> Result<(), Failure> {
        let kept = Kept { mark: mark.to_owned(), identity: self.identity.clone(), position };
        replace(&self.path, kept.text().as_bytes()).map_err(|error| {
            let told = "the rows are in, but how far they came could not be kept; the next run brings them again";
            Failure::operator(format!("{}: {told}: {error}", self.path.display()))
        })?;
        self.last = Some(mark.to_owned());
        Ok(())
    }

    /// The file, for people.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Replaces a file whole: who reads it sees the old one or the new one, over power cuts, too.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let beside = hidden(path, "tmp");
    let written =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&beside, path)
        });
    if written.is_err() {
        // It is no use to anybody; what went wrong is told anyhow.
        let _ = fs::remove_file(&beside);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// A file beside another one, for this program alone.
fn hidden(path: &Path, what: &str) -> PathBuf {
    path.with_file_name(format!(".{}.{what}", path.file_name().unwrap_or_default().to_string_lossy()))
}

fn locked(path: &Path) -> Result<File, Failure> {
    let beside = hidden(path, "lock");
    let failed = |error: io::Error| Failure::operator(format!("{}: {error}", beside.display()));
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::operator(format!("another run of this import is under way ({})", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
