//! `GET /v1/audit`: the audit log a page at a time, from either end. A page looks through so much of it and no more, and
//! goes on where it stopped.

use std::io::{self, SeekFrom};

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::Response,
};
use serde_json::Value;

use crate::{
    http::{
        app::{App, answer_bytes, at_lsn},
        audit_lines::{Line, Lines, Pages},
        body,
        call::JSON,
        paging,
        path::Params,
        problem::Problem,
    },
    model::time::{Day, Timestamp},
};

/// How much of the log a page looks through; with less than a whole page it says where to go on. Units: bytes.
const LOOKED_MAX: u64 = 8 << 20;
/// Words for how a deed went.
pub const OUTCOMES: [&str; 4] = ["done", "refused", "failed", "unknown"];
/// Where pages begin.
pub const ORDERS: [&str; 2] = ["newest", "oldest"];

/// Where the audit log is kept: a file of lines a day.
pub trait Shelf: Send + Sync {
    /// The days that have a file, in order.
    ///
    /// Errors: those of the folder.
    fn days(&self) -> io::Result<Vec<Day>>;

    /// When the file of a day was last written to, or later; `None` once it was removed.
    ///
    /// Errors: those of the file.
    fn written(&self, day: Day) -> io::Result<Option<Timestamp>>;

    /// The file of a day; `None` once it was removed.
    ///
    /// Errors: those of the file.
    fn open(&self, day: Day) -> io::Result<Option<Box<dyn Pages>>>;
}

/// A place between two lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    day: Day,
    at: u64,
}

/// What is asked for.
struct Asked {
    is_back: bool,
    limit: usize,
    after: Option<Place>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Members and what they must be.
    wanted: Vec<(&'static str, String)>,
}

/// What was found.
#[derive(Default)]
struct Found {
    /// As they stand in the file: parsed they would take many times the room.
    entries: Vec<Vec<u8>>,
    /// Lines that are no record: what a full disk broke off.
    unreadable: u64,
    next: Option<Place>,
}

/// `GET /v1/audit`
pub async fn list(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let asked = Asked::read(&uri)?;
    body::blocking(move || {
        let Some(shelf) = app.audit.shelf() else {
            let detail = "this server keeps no audit log; start it with --audit-log DIR";
            return Err(Problem::new(StatusCode::NOT_FOUND, "no_audit_log", detail));
        };
        let found = asked.find(shelf)?;
        Ok(at_lsn(answer_bytes(StatusCode::OK, JSON, found.to_json()), app.db.view().lsn()))
    })
    .await
}

fn one_of(params: &Params, name: &str, words: &[&str]) -> Result<Option<String>, Problem> {
    let word = params.text(name).map(str::to_owned);
    match word.filter(|word| !words.contains(&word.as_str())) {
        Some(word) => Err(Problem::malformed(format!("\"{name}\" is one of {}, not \"{word}\"", words.join(", ")))),
        None => Ok(params.text(name).map(str::to_owned)),
    }
}

impl Asked {
    fn read(uri: &Uri) -> Result<Asked, Problem> {
        let known = ["order", "limit", "after", "since", "until", "action", "by", "target", "outcome"];
        let params = Params::read(uri, &known)?;
        let instant = |name: &str| {
            let parsed = params.text(name).map(|text| (text, Timestamp::parse(text)));
            parsed.map(|(text, at)| at.map_err(|error| Problem::malformed(format!("\"{name}\": \"{text}\" {error}"))))
        };
        let (since, until) = (instant("since").transpose()?, instant("until").transpose()?);
        let order = one_of(&params, "order", &ORDERS)?;
        one_of(&params, "outcome", &OUTCOMES)?;
        let wanted = ["action", "by", "target", "outcome"].into_iter();
        let wanted = wanted.filter_map(|name| params.text(name).map(|text| (name, text.to_owned()))).collect();
        Ok(Asked {
            is_back: order.as_deref() != Some("oldest"),
            limit: paging::limit(params.parsed("limit")?)?,
            after: params.text("after").map(place).transpose()?,
            since,
            until,
            wanted,
        })
    }

    /// The days to look at, in order. A line may be written a moment after its instant, on the day after; where a day's
    /// file could not be made, its lines stand in the last one that could.
    fn days(&self, shelf: &dyn Shelf) -> Result<Vec<Day>, Problem> {
        let day = |at: Timestamp| Day(i32::try_from(at.0.div_euclid(86_400_000)).unwrap_or(i32::MAX));
        let mut days = shelf.days().map_err(unreadable)?;
        if let Some(Place { day, .. }) = self.after
            && !days.contains(&day)
        {
            return Err(gone());
        }
        if let Some(since) = self.since {
            // A file of before may have later lines, the last one or, where another process made those after it and lets
            // nobody else write to them, an earlier one.
            let mut kept = Vec::with_capacity(days.len());
            for known in days {
                let is_of_then = known >= day(since);
                if is_of_then || shelf.written(known).map_err(unreadable)?.is_some_and(|written| written >= since) {
                    kept.push(known);
                }
            }
            days = kept;
        }
        days.retain(|known| self.until.is_none_or(|until| *known <= day(until).plus_days(1)));
        if self.is_back {
            days.reverse();
        }
        if let Some(after) = self.after {
            days.retain(|day| if self.is_back { *day <= after.day } else { *day >= after.day });
        }
        Ok(days)
    }

    fn find(&self, shelf: &dyn Shelf) -> Result<Found, Problem> {
        let (mut found, mut looked) = (Found::default(), 0);
        for day in self.days(shelf)? {
            let Some(mut file) = shelf.open(day).map_err(unreadable)? else { continue };
            let end = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
            let at = self.after.filter(|after| after.day == day).map(|after| after.at.min(end));
            let lines = if self.is_back { Lines::backward(file, at) } else { Ok(Lines::onward(file, at.unwrap_or(0))) };
            let mut lines = lines.map_err(unreadable)?;
            while let Some(line) = lines.more().map_err(unreadable)? {
                let (before, length) = (if self.is_back { line.to } else { line.from }, line.to - line.from);
                let is_over = looked + length > LOOKED_MAX && looked > 0;
                if is_over || !self.take(&line, &mut found) {
                    found.next = Some(Place { day, at: before });
                    return Ok(found);
                }
                looked += length;
            }
        }
        Ok(found)
    }

    /// Looks at a line; gives whether there was room for it.
    fn take(&self, line: &Line, found: &mut Found) -> bool {
        // What a line that broke off is ended by.
        if line.bytes.is_empty() {
            return true;
        }
        let entry = serde_json::from_slice::<Value>(&line.bytes).ok().filter(|entry| entry["action"].is_string());
        let at = entry.as_ref().and_then(|entry| Timestamp::parse(entry["at"].as_str()?).ok());
        let (Some(entry), Some(at)) = (entry, at) else {
            found.unreadable += 1;
            return true;
        };
        let is_wanted = self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
            && self.wanted.iter().all(|(name, text)| entry[*name] == **text);
        if is_wanted && found.entries.len() == self.limit {
            return false;
        }
        if is_wanted {
            found.entries.push(line.bytes.clone());
        }
        true
    }
}

impl Found {
    fn to_json(&self) -> Vec<u8> {
        let mut body = b"{\"entries\":[".to_vec();
        body.extend(self.entries.join(&b','));
        body.extend(format!("],\"unreadable\":{}", self.unreadable).into_bytes());
        if let Some(Place { day, at }) = self.next {
            body.extend(format!(",\"next\":\"{day}.{at}\"").into_bytes());
        }
        body.push(b'}');
        body
    }
}

fn place(text: &str) -> Result<Place, Problem> {
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    let is_day = |day: &str| day.bytes().map(shape).eq(*b"0000-00-00");
    let parts = text.split_once('.').filter(|(day, _)| is_day(day));
    let parts = parts.and_then(|(day, at)| Some((day, at.parse().ok()?)));
    let (day, at) = parts.ok_or_else(|| Problem::malformed("\"after\" is not a \"next\" of the audit log"))?;
    // A day that there is not has no file either.
    Ok(Place { day: Day::parse(day).map_err(|_| gone())?, at })
}

fn unreadable(error: io::Error) -> Problem {
    tracing::warn!(%error, "the audit log cannot be read");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "storage", "the audit log cannot be read; the log says why")
}

fn gone() -> Problem {
    let detail = "the day that \"after\" names is no longer kept (--audit-days); begin without it";
    Problem::new(StatusCode::GONE, "cursor_too_old", detail)
}

#[cfg(test)]
#[path = "audit_list_tests.rs"]
mod tests;
