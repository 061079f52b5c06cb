//! What the operator must act on: which file, where, doing what, and why it failed.

use std::io;
use std::path::{Path, PathBuf};

/// What kind of trouble it is; the command line has an exit code for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StorageErrorKind {
    /// Another process holds the data folder.
    Locked,
    /// A file was written by a newer version of the format.
    NewerFormat,
    /// The log is damaged in a way that a torn last write cannot explain.
    CorruptLog,
    /// A snapshot is damaged or missing.
    CorruptSnapshot,
    /// A file call failed.
    Io,
    /// There is no space left.
    NoSpace,
    /// The folder is not what it should be: not ours, mixed, or open to other users.
    Config,
}

impl StorageErrorKind {
    /// The exit code of a command that fails for it; 1 is any other trouble of the operator's, 2 the caller's.
    pub fn exit_code(self) -> u8 {
        match self {
            StorageErrorKind::Io => 1,
            StorageErrorKind::Locked => 3,
            StorageErrorKind::NewerFormat => 4,
            StorageErrorKind::CorruptLog => 5,
            StorageErrorKind::CorruptSnapshot => 6,
            StorageErrorKind::Config => 7,
            StorageErrorKind::NoSpace => 8,
        }
    }
}

/// A failure of the data folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct StorageError {
    /// The kind of trouble.
    pub kind: StorageErrorKind,
    /// The file or folder.
    pub path: PathBuf,
    /// The offset in the file, where there is one.
    pub offset: Option<u64>,
    /// What was being done: "reading", "appending to", …
    pub doing: &'static str,
    /// Why it failed, lower case, without a full stop.
    pub cause: String,
}

impl StorageError {
    /// Makes an error without an offset.
    pub fn new(
        kind: StorageErrorKind,
        doing: &'static str,
        path: impl AsRef<Path>,
        cause: impl Into<String>,
    ) -> StorageError {
        StorageError { kind, path: path.as_ref().to_owned(), offset: None, doing, cause: cause.into() }
    }

    /// Makes an error from a failed file call; a full disk is told apart.
    pub fn io(doing: &'static str, path: impl AsRef<Path>, error: &io::Error) -> StorageError {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let kind = if full { StorageErrorKind::NoSpace } else { StorageErrorKind::Io };
        StorageError::new(kind, doing, path, error.to_string())
    }

    /// Adds the offset in the file.
    pub fn at(self, offset: u64) -> StorageError {
        StorageError { offset: Some(offset), ..self }
    }

    fn sentence(&self) -> String {
        let path = self.path.display();
        match self.offset {
            Some(offset) => format!("{} \"{path}\" at offset {offset}: {}", self.doing, self.cause),
            None => format!("{} \"{path}\": {}", self.doing, self.cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_file_and_offset() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = StorageError::io("appending to", "/d/wal-0000000001", &full).at(64);
        assert_eq!(error.kind, StorageErrorKind::NoSpace);
        assert_eq!(error.to_string(), format!("appending to \"/d/wal-0000000001\" at offset 64: {full}"));
        let error = StorageError::new(StorageErrorKind::Locked, "opening", "/d", "held by process 7");
        assert_eq!(error.to_string(), "opening \"/d\": held by process 7");
    }
}
