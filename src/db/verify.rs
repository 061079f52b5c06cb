//! Checking a data folder offline: every file, every checksum, nothing changed.

use std::path::Path;

use crate::{
    db::error::Error,
    engine::{image, record},
    storage::{
        disk::Disk,
        real_disk::RealDisk,
        verify::{FileReport, Versions, verify_versions},
    },
};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each file and what it holds.
    pub files: Vec<(String, String)>,
    /// What is damaged: file, offset, what was found and expected.
    pub damage: Vec<String>,
    /// The exit code that says so; 0 without damage.
    pub exit_code: u8,
}

/// How often it is looked whether damage is still there: in a folder in use, files come and go under the reader.
const LOOKS: usize = 3;

/// Reads every file of a folder and checks it. Nothing is changed, and a server may be using the folder; then the end of
/// the log may look torn.
///
/// Errors: when it is no data folder or cannot be read.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    verify_on(&RealDisk, dir)
}

/// As [`verify`], of a folder on another medium than the machine's own disk.
///
/// Errors: as [`verify`].
pub fn verify_on(disk: &dyn Disk, dir: &Path) -> Result<Report, Error> {
    let versions = Versions { payload: &record::check_version, section: (image::STATE, &image::check_version) };
    let mut found = verify_versions(disk, dir, versions)?;
    for _ in 1..LOOKS {
        if found.damage.is_empty() {
            break;
        }
        let before = std::mem::take(&mut found.damage);
        found = verify_versions(disk, dir, versions)?;
        found.damage.retain(|error| before.iter().any(|seen| (&seen.path, seen.kind) == (&error.path, error.kind)));
    }
    let files = found.files.iter().map(|file| (file.name.clone(), told(file))).collect();
    let damage = found.damage.iter().map(|error| error.to_string()).collect();
    let exit_code = found.damage.first().map_or(0, |error| error.kind.exit_code());
    Ok(Report { files, damage, exit_code })
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
