//! `throng watch`: how segments grow and shrink, as it happens.

use std::{collections::BTreeMap, thread, time::Duration};

use clap::Args;
use serde_json::Value;

use crate::cli::{failure::Failure, query::printed, show, target::Where};

/// Show how segments grow and shrink: a line whenever a count changes, until stopped.
#[derive(Args, Debug)]
pub struct Watch {
    /// The segments to watch; all when none is named.
    names: Vec<String>,
    /// Look every so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    every: f64,
    /// Stop after so many looks; 0 goes on until stopped.
    #[arg(long, value_name = "N", default_value_t = 0)]
    looks: u64,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
}

impl Watch {
    /// Watches until stopped.
    pub fn run(self) -> Result<(), Failure> {
        if !(self.every > 0.0 && self.every <= 86_400.0) {
            return Err(Failure::caller("--every is more than 0 and at most 86400 seconds"));
        }
        let target = self.target.open_existing()?;
        let mut before: BTreeMap<String, u64> = BTreeMap::new();
        let mut look = 0;
        loop {
            let answer = target.json("GET", "/v1/segments?limit=100000", None)?;
            let now = self.counts(&answer)?;
            for (name, count) in &now {
                let old = before.get(name).copied();
                // A closed pipe ends the watch, or it would go on unseen.
                if old != Some(*count) && !printed(&self.line(&answer, name, *count, old))? {
                    return Ok(());
                }
            }
            for name in before.keys().filter(|name| !now.contains_key(*name)) {
                eprintln!("{name} is gone");
            }
            before = now;
            look += 1;
            if look == self.looks {
                return Ok(());
            }
            thread::sleep(Duration::from_secs_f64(self.every));
        }
    }

    fn counts(&self, answer: &Value) -> Result<BTreeMap<String, u64>, Failure> {
        let all = answer["segments"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|segment| Some((segment["name"].as_str()?.to_owned(), segment["count"].as_u64()?)));
        let all: BTreeMap<String, u64> = all.collect();
        let same = |a: &str, b: &str| a.to_lowercase() == b.to_lowercase();
        if let Some(name) = self.names.iter().find(|name| !all.keys().any(|known| same(known, name))) {
            return Err(Failure::caller(format!("there is no segment \"{name}\"")));
        }
        let wanted = |known: &str| self.names.is_empty() || self.names.iter().any(|name| same(known, name));
        Ok(all.into_iter().filter(|(name, _)| wanted(name)).collect())
    }

    fn line(&self, answer: &Value, name: &str, count: u64, old: Option<u64>) -> String {
        let at = answer["as_of"].as_str().unwrap_or_default();
        let change = old.map(|old| count as i64 - old as i64);
        if self.json {
            return serde_json::json!({"at": at, "segment": name, "count": count, "change": change}).to_string();
        }
        let change = change.map_or(String::new(), |change| format!("  ({change:+})"));
        format!("{at}  {name}: {}{change}", show::grouped(count))
    }
}
