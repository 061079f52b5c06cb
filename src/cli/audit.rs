//! The files of the audit log: a line each deed, a file a day, the oldest given up.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use clap::Args;

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
        started(Audit::to(Box::new(Kept::open(dir, None, system_now())?)))
    }

    /// Opens it for the server, which gives up what is too old, now and at the end of each day.
    ///
    /// Errors: a folder that cannot be written to.
    pub fn keep(&self) -> Result<Audit, Failure> {
        let Some(dir) = &self.audit_log else { return Ok(Audit::default()) };
        let kept = Kept::open(dir, Some(self.audit_days), system_now())?;
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

    fn written(&self, day: Day) -> io::Result<Option<Timestamp>> {
        match fs::metadata(self.0.join(named(day))) {
            // A system may keep whole seconds.
            Ok(told) => Ok(Some(Timestamp(told.mtime().saturating_add(1).saturating_mul(1_000)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, day: Day) -> io::Result<Option<Box<dyn Pages>>> {
        match File::open(self.0.join(named(day))) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Today's file and those of the days before. Which day one is of is told by its name alone: when a file was made is
/// another thing once it was copied.
struct Kept {
    dir: PathBuf,
    /// How many days are kept; those before go. `None` for all.
    days: Option<u16>,
    /// What is written to, and of which day it is.
    file: File,
    day: Day,
    /// Whether a line is to be ended before the next one.
    is_torn: bool,
    /// The day and the file at which it was last looked for what goes.
    pruned: Option<(Day, Day)>,
    /// The day whose file could not be made, which was told.
    told: Option<Day>,
}

impl Kept {
    /// Opens today's file, and gives up what is too old.
    ///
    /// Errors: a folder that cannot be written to.
    fn open(dir: &Path, days: Option<u16>, now: Timestamp) -> Result<Kept, Failure> {
        let day = day_at(now);
        let file = fs::create_dir_all(dir).and_then(|()| opened(dir, day));
        let (file, is_torn) = file.map_err(|error| Failure::operator(format!("{}: {error}", dir.display())))?;
        let mut kept = Kept { dir: dir.to_owned(), days, file, is_torn, day, pruned: None, told: None };
        kept.prune(day);
        Ok(kept)
    }

    fn write_at(&mut self, now: Timestamp, bytes: &[u8]) -> io::Result<usize> {
        let today = day_at(now);
        if self.day != today {
            match opened(&self.dir, today) {
                Ok((file, is_torn)) => (self.file, self.is_torn, self.day) = (file, is_torn, today),
                // It is tried again with the next line; until then none is lost that finds room in the last file.
                Err(error) if self.told != Some(today) => {
                    self.told = Some(today);
                    tracing::error!(%error, %today, goes_on = %self.day, "a day's file of the audit log could not be made");
                }
                Err(_) => {}
            }
        }
        self.prune(today);
        if self.is_torn {
            self.file.write_all(b"\n")?;
            self.is_torn = false;
        }
        // Whole, or the rest of a line might come to the next day's file.
        self.file.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Removes the files of days that are not kept, but never the one that is written to.
    fn prune(&mut self, today: Day) {
        let Some(days) = self.days.filter(|_| self.pruned != Some((today, self.day))) else { return };
        self.pruned = Some((today, self.day));
        let first = today.plus_days(1 - i64::from(days)).min(self.day);
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

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_at(system_now(), bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The day of an instant, in UTC.
fn day_at(at: Timestamp) -> Day {
    Day(i32::try_from(at.0.div_euclid(86_400_000)).unwrap_or(i32::MAX))
}

fn named(day: Day) -> String {
    format!("{PREFIX}.{day}.{SUFFIX}")
}

/// The file of a day, and whether its last line broke off in another process, as on a full disk.
fn opened(dir: &Path, day: Day) -> io::Result<(File, bool)> {
    let mut file = File::options().read(true).append(true).create(true).open(dir.join(named(day)))?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    Ok((file, last != *b"\n"))
}

/// Of which day a file is.
fn day_of(name: &str) -> Option<Day> {
    Day::parse(name.strip_prefix(PREFIX)?.strip_prefix('.')?.strip_suffix(SUFFIX)?.strip_suffix('.')?).ok()
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
        let is_there = |day: &str| there().contains(&names(&[day])[0]);
        Kept::open(dir, Some(2), at("2026-05-03T23:59:59Z")).unwrap();
        let gone: Vec<String> = before.iter().filter(|name| !there().contains(name)).cloned().collect();
        assert_eq!(gone, names(&["2026-04-30", "2026-05-01"]));
        let mut kept = Kept::open(dir, Some(2), at("2026-05-03T23:59:59Z")).unwrap();
        kept.days = Some(1);
        kept.write_at(at("2026-05-03T23:59:59Z"), b"{}\n").unwrap();
        assert!(is_there("2026-05-02"), "it is looked once a day");
        kept.write_at(at("2026-05-04T00:00:00Z"), b"{}\n").unwrap();
        assert!(!is_there("2026-05-02") && !is_there("2026-05-03") && is_there("2026-05-04"));
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

    #[test]
    fn where_a_day_s_file_cannot_be_made_the_last_one_stays_and_has_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let (monday, tuesday) = (dir.join("audit.2026-05-04.jsonl"), dir.join("audit.2026-05-05.jsonl"));
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let mut kept = Kept::open(dir, Some(1), at("2026-05-04T12:00:00Z")).unwrap();
        let mut write = |now: &str, line: &[u8]| kept.write_at(at(now), line).unwrap();
        write("2026-05-04T12:00:00Z", b"one\n");
        // Whoever may do everything is not stopped by rights; what stands in the way of a file is.
        fs::create_dir(&tuesday).unwrap();
        write("2026-05-05T00:00:00Z", b"two\n");
        write("2026-05-05T00:00:01Z", b"three\n");
        assert_eq!(fs::read_to_string(&monday).unwrap(), "one\ntwo\nthree\n");
        fs::remove_dir(&tuesday).unwrap();
        write("2026-05-05T00:00:02Z", b"four\n");
        assert_eq!(fs::read_to_string(&tuesday).unwrap(), "four\n");
        assert!(!monday.exists(), "one day is kept, and it has its file");
    }
}
