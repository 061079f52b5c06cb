//! `throng segment history` and `diff`: the past of a segment.

use clap::Args;
use serde_json::Value;

use crate::cli::{
    failure::Failure,
    query::{pretty, print, printed},
    segment::Named,
    show,
};

/// How a segment grew, by day.
#[derive(Args, Debug)]
pub struct History {
    #[command(flatten)]
    named: Named,
    /// From this day on, such as 2026-05-01.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Up to this day.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

/// Who entered and who left between two LSNs.
#[derive(Args, Debug)]
pub struct Diff {
    #[command(flatten)]
    named: Named,
    /// The earlier write.
    #[arg(long, value_name = "LSN")]
    from_lsn: u64,
    /// The later write [default: the last one].
    #[arg(long, value_name = "LSN")]
    to_lsn: Option<u64>,
}

impl History {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let days = [("from", self.from), ("to", self.to)];
        let query: Vec<String> =
            days.into_iter().filter_map(|(name, day)| day.map(|day| format!("{name}={day}"))).collect();
        let answer = target.json("GET", &format!("{path}/history?{}", query.join("&")), None)?;
        if self.named.is_json() {
            return print(&pretty(&answer));
        }
        let number = |row: &Value, key: &str| show::grouped(row[key].as_u64().unwrap_or(0));
        let rows = answer["days"].as_array().into_iter().flatten().map(|row| {
            let day = row["day"].as_str().unwrap_or_default().to_owned();
            vec![day, number(row, "size"), number(row, "entered"), number(row, "left"), row["version"].to_string()]
        });
        print(&show::table(&["day", "members", "entered", "left", "version"], rows.collect()))
    }
}

impl Diff {
    /// Asks page by page and prints: `+` entered, `-` left.
    pub fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let path = format!("{path}/diff?limit=10000&from_lsn={}", self.from_lsn);
        let mut to = self.to_lsn;
        let mut after = String::new();
        loop {
            let to_lsn = to.map_or(String::new(), |lsn| format!("&to_lsn={lsn}"));
            let page = target.json("GET", &format!("{path}{to_lsn}{after}"), None)?;
            for change in page["changes"].as_array().into_iter().flatten() {
                let sign = if change["kind"] == "entered" { "+" } else { "-" };
                let line = match self.named.is_json() {
                    true => change.to_string(),
                    false => format!("{sign} {}", change["contact"].as_str().unwrap_or_default()),
                };
                if !printed(&line)? {
                    return Ok(());
                }
            }
            let Some(next) = page["next"].as_str() else {
                let number = |key: &str| show::grouped(page[key].as_u64().unwrap_or(0));
                let erased = page["erased"].as_u64().filter(|erased| *erased > 0);
                let erased = erased.map_or(String::new(), |erased| format!(", {} erased since", show::grouped(erased)));
                eprintln!("{} entered, {} left{erased}", number("entered"), number("left"));
                return Ok(());
            };
            after = format!("&after={next}");
            // The pages are of one view, whose last write the first page named.
            to = page["to_lsn"].as_u64();
        }
    }
}
