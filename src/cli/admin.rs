//! `throng snapshot`, `throng verify`, `throng status`: for whoever runs the database.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::{
    cli::{
        failure::Failure,
        query::{pretty, print},
        show,
        target::{DEFAULT_FOLDER, Where},
    },
    db::verify,
};

/// Write a snapshot, so that the next start is quick.
#[derive(Args, Debug)]
pub struct Snapshot {
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
}

impl Snapshot {
    /// Writes it and prints what it holds.
    pub fn run(self) -> Result<(), Failure> {
        let answer = self.target.open_existing()?.json("POST", "/v1/snapshot", None)?;
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
        let rows = rows.into_iter().map(|(key, value)| format!("{key:<16} {value}"));
        print(&rows.collect::<Vec<_>>().join("\n"))?;
        let memory = answer["memory_bytes"].as_object().into_iter().flatten();
        print(&show::table(
            &["index", "memory"],
            memory.map(|(index, bytes)| vec![index.clone(), size(bytes)]).collect(),
        ))
    }
}

/// Check every file of a data folder for damage; changes nothing.
#[derive(Args, Debug)]
pub struct Verify {
    /// The data folder; no server may be using it.
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
        Err(Failure::operator(format!("damage found:\n  {}", report.damage.join("\n  "))))
    }
}
