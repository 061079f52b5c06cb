//! `throng snapshot`, `throng verify`, `throng salvage`, `throng status`: for whoever runs the database.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::{
    cli::{
        failure::Failure,
        query::{pretty, print},
        show,
        target::{DEFAULT_FOLDER, Target, Where},
    },
    db::{
        salvage::{SalvageWish, salvage},
        verify,
    },
    model::id::Lsn,
};

/// Write a snapshot, so that the next start is quick; or copy a data folder.
#[derive(Args, Debug)]
pub struct Snapshot {
    /// Copy the live snapshot and the log after it to this folder, which must not be there or be empty, and verify the
    /// copy; of a data folder only, not of a server.
    #[arg(long, value_name = "COPY", conflicts_with = "url")]
    to: Option<PathBuf>,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
}

impl Snapshot {
    /// Writes it and prints what it holds.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.target.open_existing()?;
        if let (Some(to), Target::Folder(db, _)) = (&self.to, &target) {
            let lsn = db.copy_to(to)?.0;
            return match self.json {
                true => print(&pretty(&serde_json::json!({"lsn": lsn}))),
                false => print(&format!("everything up to LSN {lsn} was copied to {} and verified", to.display())),
            };
        }
        let answer = target.json("POST", "/v1/snapshot", None)?;
        if self.json {
            return print(&pretty(&answer));
        }
        let number = |key: &str| answer[key].as_u64().unwrap_or(0);
        let (bytes, took) = (show::bytes(number("bytes")), show::duration(number("took_us")));
        print(&format!("a snapshot of LSN {} was written: {bytes} in {took}", number("lsn")))
    }
}

/// Figures: contacts, events, memory by index, log and snapshot.
#[derive(Args, Debug)]
pub struct Status {
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
}

impl Status {
    /// Prints the figures.
    pub fn run(self) -> Result<(), Failure> {
        let answer = self.target.open_existing()?.json("GET", "/v1/status", None)?;
        if self.json {
            return print(&pretty(&answer));
        }
        let number = |value: &Value| show::grouped(value.as_u64().unwrap_or(0));
        let size = |value: &Value| show::bytes(value.as_u64().unwrap_or(0));
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        let mut rows = vec![("version", text("version"))];
        for key in ["contacts", "events", "segments", "lsn"] {
            rows.push((key, number(&answer[key])));
        }
        rows.push(("now", text("now")));
        rows.push(("clock", text("clock")));
        rows.push(("time zone", text("time_zone")));
        rows.push(("snapshot", format!("{} at LSN {}", size(&answer["snapshot"]["bytes"]), answer["snapshot"]["lsn"])));
        rows.push(("log since then", size(&answer["log"]["bytes"])));
        if answer["read_only"].is_string() {
            rows.push(("reads only", text("read_only")));
        }
        let disk = &answer["disk"];
        if disk.is_object() {
            let step = disk["step"].as_str().unwrap_or_default();
            let (free, ballast) = (size(&disk["free_bytes"]), size(&disk["ballast_bytes"]));
            rows.push(("disk", format!("{step}: {free} free, {ballast} of ballast")));
        }
        if answer["erasing"] == true {
            rows.push(("erasing", "files still hold somebody who was erased; the next snapshot ends that".into()));
        }
        for alarm in answer["alarms"].as_array().into_iter().flatten() {
            let word = |key: &str| alarm[key].as_str().unwrap_or_default().to_owned();
            rows.push(("ALARM", format!("{} since {}: {}", word("code"), word("since"), word("detail"))));
        }
        let rows = rows.into_iter().map(|(key, value)| format!("{key:<16} {value}"));
        print(&rows.collect::<Vec<_>>().join("\n"))?;
        let memory = answer["memory_bytes"].as_object().into_iter().flatten();
        let mut memory: Vec<(&String, u64)> = memory.map(|(index, n)| (index, n.as_u64().unwrap_or(0))).collect();
        memory.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        let total = memory.iter().map(|(_, bytes)| bytes).sum();
        let rows = memory.iter().filter(|(_, bytes)| *bytes >= 1_024);
        let rows = rows.map(|(index, bytes)| vec![(*index).clone(), show::bytes(*bytes)]);
        let rows = rows.chain([vec!["all".to_owned(), show::bytes(total)]]);
        print(&show::table(&["index", "memory"], rows.collect()))
    }
}

/// Check every file of a data folder for damage; changes nothing.
#[derive(Args, Debug)]
pub struct Verify {
    /// The data folder; a server may be using it.
    #[arg(long, value_name = "DIR", env = "THRONG_DATA", default_value = DEFAULT_FOLDER)]
    data: PathBuf,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

impl Verify {
    /// Checks and prints what was found; damage is a failure.
    pub fn run(self) -> Result<(), Failure> {
        let report = verify::verify(&self.data)?;
        let damage: Vec<Value> = report.damage.iter().map(|damage| damage.as_str().into()).collect();
        if self.json {
            let files: Vec<Value> =
                report.files.iter().map(|(name, what)| serde_json::json!({"file": name, "holds": what})).collect();
            print(&pretty(&serde_json::json!({"files": files, "damage": damage})))?;
        } else {
            let rows = report.files.iter().map(|(name, what)| vec![name.clone(), what.clone()]);
            print(&show::table(&["file", "holds"], rows.collect()))?;
        }
        if report.damage.is_empty() {
            if !self.json {
                print("no damage found")?;
            }
            return Ok(());
        }
        let told = format!("damage found:\n  {}", report.damage.join("\n  "));
        Err(Failure { code: report.exit_code, ..Failure::operator(told) })
    }
}

/// Write what of a damaged data folder still verifies to a new folder; the damaged one is only read.
#[derive(Args, Debug)]
pub struct Salvage {
    /// The damaged data folder; no server may be using it.
    #[arg(long, value_name = "DIR", env = "THRONG_DATA", default_value = DEFAULT_FOLDER)]
    data: PathBuf,
    /// The new folder: not there, or empty.
    #[arg(long, value_name = "NEW")]
    to: PathBuf,
    /// Nothing after this write.
    #[arg(long, value_name = "LSN", conflicts_with = "skip")]
    up_to_lsn: Option<u64>,
    /// Go on behind damage with the writes that verify and fit what is before them; else it ends at the first damage.
    #[arg(long)]
    skip: bool,
    /// Begin with the intact snapshot before the newest one.
    #[arg(long)]
    from_previous: bool,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
}

impl Salvage {
    /// Writes the folder and prints what is left out.
    pub fn run(self) -> Result<(), Failure> {
        let wish = SalvageWish { up_to: self.up_to_lsn.map(Lsn), skip: self.skip, from_previous: self.from_previous };
        let done = salvage(&self.data, &self.to, wish)?;
        if !self.json {
            return print(&format!("{}the new folder is {}", done.report(), self.to.display()));
        }
        let discarded = done.discarded.iter();
        let discarded: Vec<Value> = discarded
            .map(|(first, last, why)| serde_json::json!({"first": first.0, "last": last.0, "why": why}))
            .collect();
        print(&pretty(&serde_json::json!({
            "from_lsn": done.from.map(|lsn| lsn.0), "lsn": done.lsn.0, "contacts": done.contacts,
            "discarded": discarded, "notes": done.notes,
        })))
    }
}
