//! `throng audience`: whom a send goes to.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{
    failure::Failure,
    query::{pretty, print, rule_value},
    segment::{Plain, pour},
    show,
    target::encoded,
};

/// The audience of a send: segments in order of priority, without exclusions and suppressions.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  throng audience VIP 'Warm leads' --channel email --fields name,email --format csv > send.csv\n  \
    throng audience VIP --exclude 'Bought lately' --channel sms --summary\n  \
    throng audience Everyone --channel email --split exp-1 --part A=50 --part B=50 --sample 10000\n\n\
    Each contact comes once, with the first segment that holds it. Suppressions of the channel are withheld, and\n\
    counted with --summary; without a channel all suppressions are. A split deals by bucket(\"exp-1\", 10000)."
)]
pub struct Audience {
    /// Segments, those of the highest priority first.
    segments: Vec<String>,
    /// A rule whose contacts are included after the segments.
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
    /// A segment whose members are left out.
    #[arg(long, value_name = "SEGMENT")]
    exclude: Vec<String>,
    /// A rule whose contacts are left out.
    #[arg(long, value_name = "RULE")]
    exclude_rule: Vec<String>,
    /// The channel of the send, such as email.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// Split by the buckets of this name.
    #[arg(long, value_name = "NAME", requires = "part")]
    split: Option<String>,
    /// A part of the split, with its percentage: A=50; or names alone that share evenly.
    #[arg(long, value_name = "NAME[=PERCENT]", requires = "split")]
    part: Vec<String>,
    /// Draw just so many.
    #[arg(long, value_name = "N")]
    sample: Option<u64>,
    /// What the draw is seeded by; the same seed draws the same contacts.
    #[arg(long, value_name = "TEXT")]
    seed: Option<String>,
    /// Properties to print beside the key, such as name,email.
    #[arg(long, value_name = "NAMES")]
    fields: Option<String>,
    /// ndjson, csv, arrow or parquet.
    #[arg(long, default_value = "ndjson")]
    format: String,
    /// Print figures alone: how many, where they landed, who is withheld and why.
    #[arg(long)]
    summary: bool,
    #[command(flatten)]
    plain: Plain,
}

impl Audience {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        if self.segments.is_empty() && self.rule.is_empty() {
            return Err(Failure::caller("name at least one segment, or a rule with --rule"));
        }
        let body = self.body()?;
        let target = self.plain.target.open_existing()?;
        if self.summary || self.plain.json {
            let answer = target.json("POST", "/v1/audience?summary=true", Some(&body))?;
            return print(&if self.plain.json { pretty(&answer) } else { told(&answer) });
        }
        let mut path = format!("/v1/audience?format={}", encoded(&self.format));
        if let Some(fields) = &self.fields {
            path.push_str(&format!("&fields={}", encoded(fields)));
        }
        pour(target.call("POST", &path, Some("application/json"), body.to_string().into_bytes())?)
    }

    fn body(&self) -> Result<Value, Failure> {
        let groups = |names: &[String], rules: &[String]| -> Result<Value, Failure> {
            let mut groups: Vec<Value> = names.iter().map(|name| name.as_str().into()).collect();
            for rule in rules {
                groups.push(json!({"rule": rule_value(rule)?}));
            }
            Ok(groups.into())
        };
        let mut body = json!({
            "include": groups(&self.segments, &self.rule)?,
            "exclude": groups(&self.exclude, &self.exclude_rule)?,
        });
        for (member, value) in [("channel", &self.channel), ("seed", &self.seed)] {
            if let Some(value) = value {
                body[member] = value.as_str().into();
            }
        }
        if let Some(n) = self.sample {
            body["sample"] = n.into();
        }
        if let Some(by) = &self.split {
            let parts = self.part.iter().map(|part| match part.rsplit_once('=') {
                None => Ok(part.as_str().into()),
                Some((name, percent)) => {
                    let wrong = |_| Failure::caller(format!("--part {part}: {percent} is no percentage"));
                    Ok(json!({"name": name, "percent": percent.parse::<f64>().map_err(wrong)?}))
                }
            });
            body["split"] = json!({"by": by, "parts": parts.collect::<Result<Vec<Value>, Failure>>()?});
        }
        Ok(body)
    }
}

fn told(answer: &Value) -> String {
    let n = |value: &Value| show::grouped(value.as_u64().unwrap_or(0));
    let row = |what: &str, value: &Value| vec![what.to_owned(), n(value)];
    let mut rows = vec![row("included", &answer["included"]), row("excluded", &answer["excluded"])];
    for (reason, count) in answer["withheld"].as_object().into_iter().flatten() {
        rows.push(row(&format!("withheld: {reason}"), count));
    }
    rows.push(row("withheld in all", &answer["withheld_count"]));
    rows.push(row("not drawn", &answer["not_drawn"]));
    rows.push(row("audience", &answer["count"]));
    for landed in answer["segments"].as_array().into_iter().flatten() {
        rows.push(row(&format!("  from {}", landed["segment"].as_str().unwrap_or_default()), &landed["count"]));
    }
    for (part, count) in answer["parts"].as_object().into_iter().flatten() {
        rows.push(row(&format!("  part {part}"), count));
    }
    show::table(&["", "contacts"], rows)
}
