//! The files of the audit log: a line each deed, a file a day, the oldest given up.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use tracing_appender::rolling::{RollingFileAppender, Rotation};

use crate::{
    cli::failure::Failure,
    db::clock::system_now,
    http::{audit::Audit, audit_lines::Pages, audit_list::Shelf},
    model::time::{Day, Timestamp},
};

const PREFIX: &str = "audit";
const SUFFIX: &str = "jsonl";

/// Where deeds are recorded.
#[derive(Args, Clone, Debug)]
pub struct AuditLog {
    /// A folder for the audit log, a file of JSON lines a day: who changed what, when, and how it went, without names.
    #[arg(long, global = true, value_name = "DIR", env = "THRONG_AUDIT_LOG")]
    audit_log: Option<PathBuf>,
    /// How many days of it the server keeps, today included.
    #[arg(long, global = true, value_name = "N", env = "THRONG_AUDIT_DAYS", default_value_t = 365, value_parser = clap::value_parser!(u16).range(1..))]
    audit_days: u16,
}

impl AuditLog {
    /// Opens it for a command, which removes nothing: it may have been told of other days than the server.
    ///
    /// Errors: a folder that cannot be written to.
    pub fn open(&self) -> Result<Audit, Failure> {
        let Some(dir) = &self.audit_log else { return Ok(Audit::default()) };
        started(Audit::to(Box::new(files(dir)?)))
    }

    /// Opens it for the server, which gives up what is too old, now and at the end of each day.
    ///
    /// Errors: a folder that cannot be written to.
    pub fn keep(&self) -> Result<Audit, Failure> {
        let Some(dir) = &self.audit_log else { return Ok(Audit::default()) };
        let mut kept = Kept { files: files(dir)?, dir: dir.clone(), days: self.audit_days, pruned: None };
        kept.prune(system_now());
        Ok(started(Audit::to(Box::new(kept)))?.read_from(Box::new(Files(dir.clone()))))
    }
}

fn started(audit: io::Result<Audit>) -> Result<Audit, Failure> {
    audit.map_err(|error| Failure::operator(format!("the audit log cannot be written: {error}")))
}

/// The files, to be read.
struct Files(PathBuf);

impl Shelf for Files {
    fn days(&self) -> io::Result<Vec<Day>> {
        let names = fs::read_dir(&self.0)?.map(|entry| Ok(entry?.file_name()));
        let names: Vec<_> = names.collect::<io::Result<_>>()?;
        let mut days: Vec<Day> = names.iter().filter_map(|name| day_of(name.to_str()?)).collect();
        days.sort_unstable();
        Ok(days)
    }

    fn open(&self, day: Day) -> io::Result<Option<Box<dyn Pages>>> {
        match File::open(self.0.join(format!("{PREFIX}.{day}.{SUFFIX}"))) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn files(dir: &Path) -> Result<RollingFileAppender, Failure> {
    let files = RollingFileAppender::builder().rotation(Rotation::DAILY);
    let files = files.filename_prefix(PREFIX).filename_suffix(SUFFIX).build(dir);
    let failed = |error: &dyn std::fmt::Display| Failure::operator(format!("{}: {error}", dir.display()));
    let files = files.map_err(|error| failed(&error))?;
    mend(dir).map_err(|error| failed(&error))?;
    Ok(files)
}

/// Ends a line of today that broke off in another process, as on a full disk, so that it does not spoil the next one.
fn mend(dir: &Path) -> io::Result<()> {
    let now = system_now().to_string();
    let name = format!("{PREFIX}.{}.{SUFFIX}", now.get(..10).unwrap_or_default());
    let mut file = match File::options().read(true).append(true).open(dir.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file?,
    };
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// The files of so many days. Which day one is of is told by its name alone: when a file was made is another thing once
/// it was copied.
struct Kept {
    files: RollingFileAppender,
    dir: PathBuf,
    days: u16,
    pruned: Option<Day>,
}

impl Kept {
    fn prune(&mut self, now: Timestamp) {
        let Ok(today) = Day::parse(now.to_string().get(..10).unwrap_or_default()) else { return };
        if self.pruned == Some(today) {
            return;
        }
        self.pruned = Some(today);
        let first = today.plus_days(1 - i64::from(self.days));
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_old = name.to_str().and_then(day_of).is_some_and(|day| day < first);
            if is_old
                && entry.file_type().is_ok_and(|kind| kind.is_file())
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(%error, file = ?name, "an old file of the audit log could not be removed");
            }
        }
    }
}

/// Of which day a file is.
fn day_of(name: &str) -> Option<Day> {
    Day::parse(name.strip_prefix(PREFIX)?.strip_prefix('.')?.strip_suffix(SUFFIX)?.strip_suffix('.')?).ok()
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.prune(system_now());
        self.files.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.files.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::audit::{Deed, Outcome};

    #[test]
    fn only_the_server_removes_files_and_only_those_of_days_long_gone() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let names = |days: &[&str]| days.iter().map(|day| format!("audit.{day}.jsonl")).collect::<Vec<_>>();
        let there = || {
            let mut names: Vec<String> =
                fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        // Made in an order that is not that of their days, as by a copy.
        let all = names(&["2026-05-03", "2026-05-01", "2026-05-02", "2026-04-30", "2026-02-31"]);
        for name in all.iter().map(String::as_str).chain(["audit.jsonl", "other.2026-01-01.jsonl", "audit.2026-01-01"])
        {
            fs::write(dir.join(name), "{}\n").unwrap();
        }
        let before = there();
        let log = AuditLog { audit_log: Some(dir.to_owned()), audit_days: 1 };
        log.open().unwrap();
        assert!(before.iter().all(|name| there().contains(name)), "a command removes nothing");
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let mut kept = Kept { files: files(dir).unwrap(), dir: dir.to_owned(), days: 2, pruned: None };
        let is_there = |day: &str| there().contains(&names(&[day])[0]);
        kept.prune(at("2026-05-03T23:59:59Z"));
        let gone: Vec<String> = before.iter().filter(|name| !there().contains(name)).cloned().collect();
        assert_eq!(gone, names(&["2026-04-30", "2026-05-01"]));
        kept.days = 1;
        kept.prune(at("2026-05-03T23:59:59Z"));
        assert!(is_there("2026-05-02"), "it is looked once a day");
        kept.prune(at("2026-05-04T00:00:00Z"));
        assert!(!is_there("2026-05-02") && !is_there("2026-05-03"));
        // Today's stays, also where one day is kept.
        let audit = log.keep().unwrap();
        audit.record(&Deed::typed("createKey", Outcome::Done));
        let text: String = there().iter().map(|name| fs::read_to_string(dir.join(name)).unwrap()).collect();
        assert!(text.contains("createKey"), "{text}");
    }

    #[test]
    fn a_line_that_broke_off_before_does_not_spoil_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let log = AuditLog { audit_log: Some(dir.to_owned()), audit_days: 1 };
        let text = || {
            let files = fs::read_dir(dir).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
            files.collect::<String>()
        };
        log.open().unwrap().record(&Deed::typed("createKey", Outcome::Done));
        let whole = text();
        // Midnight may pass meanwhile; then there is nothing to mend.
        let file = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
        fs::write(&file, format!("{whole}{{\"at\":\"20")).unwrap();
        log.open().unwrap().record(&Deed::typed("revokeKey", Outcome::Done));
        let told: Vec<_> = text().lines().map(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()).collect();
        assert_eq!(told, [true, false, true], "{}", text());
    }
}
