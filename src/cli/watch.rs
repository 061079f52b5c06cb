//! `throng watch`: who enters and who leaves which segment, as it happens.

use std::{
    io::{IsTerminal, stderr, stdout},
    thread,
    time::Duration,
};

use clap::Args;
use serde_json::Value;

use crate::{
    cli::{
        failure::Failure,
        query::printed,
        show,
        target::{Target, Where, encoded},
    },
    db::error::Who,
};

/// How long one call waits for a change. Units: seconds.
const WAIT: u64 = 30;
/// The longest pause before a server that is away is called again.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Show who enters and who leaves which segment, a line each, until stopped.
///
/// Watching goes on where it was after the connection broke or the server was started again: nothing is missed, nothing
/// is shown twice.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  throng watch --url http://127.0.0.1:7171\n  throng watch VIP \"At risk\"\n  \
    throng watch --from 0 --no-follow --json          everything that is kept, then stop\n\n\
    A change of more than 10,000 contacts, and a segment's first fill, is one line with its counts.")]
pub struct Watch {
    /// The segments to watch, deleted ones among them; all when none is named.
    names: Vec<String>,
    /// A segment to watch; may be given several times.
    #[arg(long = "segment", value_name = "NAME")]
    segments: Vec<String>,
    /// Begin after this entry of the feed; 0 is the oldest kept [default: the newest].
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// Stop after so many changes; 0 goes on until stopped.
    #[arg(long, value_name = "N", default_value_t = 0)]
    changes: u64,
    /// Show what is there and stop.
    #[arg(long)]
    no_follow: bool,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
}

impl Watch {
    /// Watches until stopped.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.target.open_existing()?;
        let mut after = match self.from {
            Some(from) => from,
            None => target.json("GET", "/v1/status", None)?["seq"].as_u64().unwrap_or(0),
        };
        let mut left = if self.changes == 0 { u64::MAX } else { self.changes };
        // The first call fails for good: a wrong name or address is a slip, not a broken connection.
        let mut page = self.page(&target, after, true)?;
        if !self.no_follow && stderr().is_terminal() {
            eprintln!("watching {} from entry {after}; Ctrl-C stops", self.what());
        }
        loop {
            for change in page["changes"].as_array().into_iter().flatten() {
                // A closed pipe ends the watch, or it would go on unseen.
                if !printed(&self.line(change))? {
                    return Ok(());
                }
                left -= 1;
                if left == 0 {
                    return Ok(());
                }
            }
            let next = page["next"].as_u64().unwrap_or(after);
            let is_end = page["changes"].as_array().is_none_or(Vec::is_empty);
            if self.no_follow && is_end {
                return Ok(());
            }
            after = next;
            page = self.next_page(&target, &mut after)?;
        }
    }

    fn what(&self) -> String {
        let names: Vec<&str> = self.names.iter().chain(&self.segments).map(String::as_str).collect();
        if names.is_empty() { "all segments".into() } else { names.join(", ") }
    }

    fn page(&self, target: &Target, after: u64, at_once: bool) -> Result<Value, Failure> {
        let wait = if at_once || self.no_follow { 0 } else { WAIT };
        let mut path = format!("/v1/feed?after={after}&wait={wait}");
        for name in self.names.iter().chain(&self.segments) {
            path.push_str(&format!("&segment={}", encoded(name)));
        }
        target.json("GET", &path, None)
    }

    /// What comes after an entry, however long the server is away meanwhile. When entries were dropped before they
    /// were read, that is told, and it goes on with the oldest that is left.
    fn next_page(&self, target: &Target, after: &mut u64) -> Result<Value, Failure> {
        let mut pause = Duration::from_millis(250);
        loop {
            let failure = match self.page(target, *after, false) {
                Ok(page) => return Ok(page),
                Err(failure) => failure,
            };
            let kept = failure.problem.as_ref().map(|problem| (problem["oldest"].as_u64(), problem["newest"].as_u64()));
            match kept {
                Some((Some(oldest), Some(newest))) => {
                    let on = if *after > newest { newest } else { oldest.saturating_sub(1) };
                    eprintln!("{}", failure.message);
                    eprintln!("going on after entry {on}; counts and members may differ from what the lines add up to");
                    *after = on;
                }
                _ if failure.who == Who::Operator && matches!(target, Target::Server(..)) => {
                    if pause < Duration::from_millis(500) {
                        eprintln!("{}; trying again", failure.message);
                    }
                    thread::sleep(pause);
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                _ => return Err(failure),
            }
        }
    }

    fn line(&self, change: &Value) -> String {
        if self.json {
            return change.to_string();
        }
        let text = |key: &str| change[key].as_str().unwrap_or_default();
        let number = |key: &str| show::grouped(change[key].as_u64().unwrap_or(0));
        let what = match text("kind") {
            "bulk" => format!("{} entered, {} left", number("entered"), number("left")),
            kind => {
                let sign = if kind == "entered" { "+" } else { "-" };
                let erased = || format!("(erased, {})", change["contact_id"]);
                format!("{sign} {}", change["contact"].as_str().map_or_else(erased, str::to_owned))
            }
        };
        let seq = change["seq"].to_string();
        let line = format!("{seq:>8}  {}  {}: {what}  ({})", text("at"), text("segment"), text("cause"));
        match (stdout().is_terminal(), text("kind")) {
            (true, "entered") => format!("\u{1b}[32m{line}\u{1b}[0m"),
            (true, "left") => format!("\u{1b}[31m{line}\u{1b}[0m"),
            _ => line,
        }
    }
}
