//! `throng segment`: save, list, read, change and delete segments.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{
    definitions,
    failure::Failure,
    figures, past,
    query::{caret_source, pretty, print, rule_value},
    show,
    target::{Target, Where, encoded},
    what_if::{Forecast, Freeze, Pin, Preview, Revert, Why},
};

/// Save, list, read, change and delete segments.
#[derive(Args, Debug)]
pub struct Segment {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all segments with their counts.
    List(Plain),
    /// Show one segment with its figures: growth, engagement, conversion.
    Show(figures::Show),
    /// Show how many each part of a segment's rule holds.
    Funnel(Named),
    /// Show a segment by the values of a property, with lift against everyone.
    Breakdown(figures::Breakdown),
    /// Show how segments overlap.
    Overlap(figures::Overlap),
    /// Show the recency-frequency-money grid of a segment or of everyone.
    Rfm(figures::Rfm),
    /// Review one segment or all: what is wrong or could be better, and what to do.
    Review(figures::Review),
    /// Save a segment by a rule, or a static one by a list of keys.
    Create(Create),
    /// Save segments by the definitions of Mautic, Dittofeed, PostHog or Shopify.
    Import(definitions::Import),
    /// Change a segment's name, description or rule.
    Update(Update),
    /// Delete a segment; refused while another one uses it.
    Delete(Named),
    /// Print the members, one a line.
    Members(Members),
    /// Add contacts to a static segment.
    Add(Keys),
    /// Take contacts out of a static segment.
    Remove(Keys),
    /// Pin contacts into or out of a dynamic segment, whatever its rule says.
    Pin(Pin),
    /// Show the versions of a segment's rule.
    Versions(Named),
    /// Show how a segment grew, day by day.
    History(past::History),
    /// Print who entered and who left between two LSNs, one a line.
    Diff(past::Diff),
    /// Show what a rule would change before it is saved.
    Preview(Preview),
    /// Show who will enter and leave by the passing of time alone, day by day.
    Forecast(Forecast),
    /// Make a static copy of whom a segment holds now.
    Freeze(Freeze),
    /// Take up an earlier version of the rule again.
    Revert(Revert),
    /// Show why a contact is in a segment or not, until when, and what would change it.
    Why(Why),
}

/// What every command takes.
#[derive(Args, Debug)]
pub struct Plain {
    /// Print JSON for programs.
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) target: Where,
}

/// What every command about one segment takes.
#[derive(Args, Debug)]
pub struct Named {
    /// The segment's name, in any case.
    pub(super) name: String,
    #[command(flatten)]
    pub(super) plain: Plain,
}

#[derive(Args, Debug)]
struct Create {
    #[command(flatten)]
    named: Named,
    /// The rule, as text or JSON.
    #[arg(long, required_unless_present = "members", conflicts_with = "members")]
    rule: Option<String>,
    /// A static segment of the keys in this file, one a line.
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
}

#[derive(Args, Debug)]
struct Update {
    #[command(flatten)]
    named: Named,
    /// A new name.
    #[arg(long = "rename", value_name = "NAME")]
    new_name: Option<String>,
    /// A new rule, as text or JSON.
    #[arg(long)]
    rule: Option<String>,
    /// A new description.
    #[arg(long)]
    description: Option<String>,
}

#[derive(Args, Debug)]
struct Members {
    #[command(flatten)]
    named: Named,
    /// Properties to print beside the key, such as name,email.
    #[arg(long, value_name = "NAMES")]
    fields: Option<String>,
    /// ndjson or csv.
    #[arg(long, default_value = "ndjson")]
    format: String,
    /// At most so many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// As they were at this LSN, while the history lasts.
    #[arg(long, value_name = "LSN")]
    at_lsn: Option<u64>,
}

#[derive(Args, Debug)]
struct Keys {
    #[command(flatten)]
    named: Named,
    /// The contacts' keys.
    #[arg(required = true)]
    keys: Vec<String>,
}

impl Named {
    /// The target, which must be there, and the path of the segment.
    pub fn open(&self) -> Result<(Target, String), Failure> {
        Ok((self.plain.target.open_existing()?, format!("/v1/segments/{}", encoded(&self.name))))
    }

    /// Whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.plain.json
    }

    /// Prints a segment.
    pub(super) fn done(&self, answer: &Value) -> Result<(), Failure> {
        if self.plain.json {
            return print(&pretty(answer));
        }
        tell_unknown(answer);
        print(&described(answer))
    }
}

impl Segment {
    /// Does what is asked and prints.
    pub fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::List(plain) => list(&plain),
            Action::Show(show) => show.run(),
            Action::Funnel(named) => figures::funnel(&named),
            Action::Breakdown(breakdown) => breakdown.run(),
            Action::Overlap(overlap) => overlap.run(),
            Action::Rfm(rfm) => rfm.run(),
            Action::Review(review) => review.run(),
            Action::Create(create) => create.run(),
            Action::Import(import) => import.run(),
            Action::Update(update) => update.run(),
            Action::Delete(named) => {
                let (target, path) = named.open()?;
                target.json("DELETE", &path, None)?;
                print(&format!("deleted {}", named.name))
            }
            Action::Members(members) => members.run(),
            Action::Add(keys) => keys.run("add"),
            Action::Remove(keys) => keys.run("remove"),
            Action::History(history) => history.run(),
            Action::Diff(diff) => diff.run(),
            Action::Pin(pin) => pin.run(),
            Action::Preview(preview) => preview.run(),
            Action::Forecast(forecast) => forecast.run(),
            Action::Freeze(freeze) => freeze.run(),
            Action::Revert(revert) => revert.run(),
            Action::Why(why) => why.run(),
            Action::Versions(named) => {
                let (target, path) = named.open()?;
                let answer = target.json("GET", &format!("{path}/versions?limit=100000"), None)?;
                if named.plain.json {
                    return print(&pretty(&answer));
                }
                let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
                let rows = answer["versions"].as_array().into_iter().flatten();
                let rows = rows.map(|row| vec![row["version"].to_string(), text(row, "at"), text(row, "rule")]);
                print(&show::table(&["version", "at", "rule"], rows.collect()))
            }
        }
    }
}

impl Create {
    fn run(self) -> Result<(), Failure> {
        let target = self.named.plain.target.open()?;
        let mut body = json!({"name": self.named.name});
        if let Some(description) = &self.description {
            body["description"] = description.as_str().into();
        }
        if let Some(rule) = &self.rule {
            body["rule"] = rule_value(rule)?;
        }
        if let Some(file) = &self.members {
            body["kind"] = "static".into();
            body["members"] = keys_of(file)?.into();
        }
        let source = caret_source(self.rule.as_deref().unwrap_or_default(), &body["rule"]);
        let answer = target.json("POST", "/v1/segments", Some(&body)).map_err(|f| f.with_caret(&source))?;
        self.named.done(&answer)
    }
}

impl Update {
    fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let mut body = json!({});
        for (member, value) in [("name", &self.new_name), ("description", &self.description)] {
            if let Some(value) = value {
                body[member] = value.as_str().into();
            }
        }
        if let Some(rule) = &self.rule {
            body["rule"] = rule_value(rule)?;
        }
        let source = caret_source(self.rule.as_deref().unwrap_or_default(), &body["rule"]);
        let answer = target.json("PATCH", &path, Some(&body)).map_err(|f| f.with_caret(&source))?;
        self.named.done(&answer)
    }
}

impl Members {
    fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let mut path = format!("{path}/members?format={}", encoded(&self.format));
        let number = |n: Option<u64>| n.map(|n| n.to_string());
        let asked = [("fields", self.fields.clone()), ("limit", number(self.limit)), ("at_lsn", number(self.at_lsn))];
        for (name, value) in asked {
            if let Some(value) = value {
                path.push_str(&format!("&{name}={}", encoded(&value)));
            }
        }
        pour(target.call("GET", &path, None, Vec::new())?)
    }
}

impl Keys {
    fn run(self, edit: &str) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let answer = target.json("POST", &format!("{path}/members"), Some(&json!({edit: self.keys})))?;
        if self.named.plain.json {
            return print(&pretty(&answer));
        }
        tell_unknown(&answer);
        print(&format!("{} members", show::grouped(answer["count"].as_u64().unwrap_or(0))))
    }
}

/// Prints a stream as it comes; a closed pipe is no failure.
pub(super) fn pour(mut stream: impl Read) -> Result<(), Failure> {
    match std::io::copy(&mut stream, &mut std::io::stdout().lock()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::operator(format!("the answer broke off: {error}")))
        }
        _ => Ok(()),
    }
}

/// The keys of a file, one a line.
pub(super) fn keys_of(file: &Path) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::caller(format!("{} cannot be read: {error}", file.display())))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// Tells the keys that no contact has.
pub(super) fn tell_unknown(answer: &Value) {
    let unknown: Vec<&str> = answer["unknown"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !unknown.is_empty() {
        eprintln!("unknown, left out: {}", unknown.join(", "));
    }
}

fn list(plain: &Plain) -> Result<(), Failure> {
    let answer = plain.target.open_existing()?.json("GET", "/v1/segments?limit=100000", None)?;
    if plain.json {
        return print(&pretty(&answer));
    }
    let rows = answer["segments"].as_array().into_iter().flatten().map(|segment| {
        let text = |key: &str| segment[key].as_str().unwrap_or_default().to_owned();
        let count = show::grouped(segment["count"].as_u64().unwrap_or(0));
        vec![text("name"), text("kind"), count, text("rule")]
    });
    print(&show::table(&["segment", "kind", "count", "rule"], rows.collect()))
}

pub(super) fn described(segment: &Value) -> String {
    let text = |key: &str| segment[key].as_str().unwrap_or_default().to_owned();
    let mut rows = vec![
        vec!["segment".to_owned(), text("name")],
        vec!["kind".to_owned(), text("kind")],
        vec!["count".to_owned(), show::grouped(segment["count"].as_u64().unwrap_or(0))],
        vec!["version".to_owned(), segment["version"].to_string()],
        vec!["created".to_owned(), text("created")],
        vec!["updated".to_owned(), text("updated")],
    ];
    for key in ["rule", "description"] {
        if segment[key].is_string() {
            rows.push(vec![key.to_owned(), text(key)]);
        }
    }
    rows.iter().map(|row| format!("{:<12} {}", row[0], row[1])).collect::<Vec<_>>().join("\n")
}
