//! Checking a data folder offline: every file, every checksum, nothing changed.

use std::path::Path;

use crate::{
    db::error::Error,
    storage::{
        real_disk::RealDisk,
        verify::{FileReport, verify_folder},
    },
};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each file and what it holds.
    pub files: Vec<(String, String)>,
    /// What is damaged: file, offset, what was found and expected.
    pub damage: Vec<String>,
}

/// Reads every file of a folder and checks it. Nothing is changed; of a folder in use, the end of the log may look torn.
///
/// Errors: when it is no data folder or cannot be read.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    let found = verify_folder(&RealDisk, dir)?;
    let files = found.files.iter().map(|file| (file.name.clone(), told(file))).collect();
    let damage = found.damage.iter().map(|error| error.to_string()).collect();
    Ok(Report { files, damage })
}

fn told(file: &FileReport) -> String {
    let mut parts = vec![format!("{} bytes", file.bytes)];
    if file.frames > 0 {
        parts.push(format!("{} frames", file.frames));
    }
    match (file.first, file.last) {
        (Some(first), Some(last)) if first == last => parts.push(format!("at {first}")),
        (Some(first), Some(last)) => parts.push(format!("{first} to {last}")),
        (Some(first), None) => parts.push(format!("from {first}")),
        (None, _) => {}
    }
    if !file.sections.is_empty() {
        parts.push(format!("{} sections", file.sections.len()));
    }
    if !file.note.is_empty() {
        parts.push(file.note.clone());
    }
    parts.join(", ")
}
