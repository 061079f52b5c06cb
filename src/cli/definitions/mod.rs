//! `throng segment import`: segment definitions of other systems as rules of ours, and what could not be carried over.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::{
    failure::Failure,
    query::{pretty, print},
    target::{Target, Where},
};

pub mod dittofeed;
pub mod mautic;
pub mod parts;
pub mod posthog;
pub mod shopify;

use parts::Definition;

/// Whose definitions they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum System {
    Mautic,
    Dittofeed,
    Posthog,
    Shopify,
}

/// Save segments by the definitions of another system.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  throng segment import --from posthog cohorts.json --dry-run\n  \
    throng segment import --from shopify segments.txt --partial\n\n\
    Mautic, Dittofeed, PostHog: JSON as their API answers it. Shopify: a line for each segment, NAME: QUERY.\n\
    What means what is in docs/MIGRATING.md. Declare or import properties and events first: a rule may name only what\n\
    is there.")]
pub struct Import {
    /// Whose definitions they are.
    #[arg(long, value_enum)]
    from: System,
    /// The file.
    file: PathBuf,
    /// Only say what would be saved; a database that is there judges the rules, one that is not is not made.
    #[arg(long)]
    dry_run: bool,
    /// Save also segments of which a part cannot be said, without that part.
    #[arg(long)]
    partial: bool,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
}

/// Reads a file.
///
/// Errors: when it is not what the system writes.
fn read(system: System, text: &str) -> Result<Vec<Definition>, String> {
    if system == System::Shopify {
        return shopify::read(text);
    }
    let document: Value = serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
    match system {
        System::Mautic => mautic::read(&document),
        System::Dittofeed => dittofeed::read(&document),
        System::Posthog | System::Shopify => posthog::read(&document),
    }
}

impl Import {
    /// Reads, saves what can be saved, and prints what became of each.
    pub fn run(self) -> Result<(), Failure> {
        let shown = self.file.display();
        let text = fs::read_to_string(&self.file);
        let text = text.map_err(|error| Failure::caller(format!("{shown} cannot be read: {error}")))?;
        let found = read(self.from, &text).map_err(|wrong| Failure::caller(format!("{shown}: {wrong}")))?;
        if found.is_empty() {
            return Err(Failure::caller(format!("{shown}: there is no segment in it")));
        }
        let target = self.open()?;
        let (mut rows, mut refused) = (Vec::new(), 0);
        for definition in in_order(found) {
            let row = self.one(target.as_ref(), definition);
            refused += usize::from(row["outcome"] == "refused");
            rows.push(row);
        }
        match self.json {
            true => print(&pretty(&json!({"segments": rows, "refused": refused})))?,
            false => rows.iter().try_for_each(|row| print(&told(row)))?,
        }
        match refused {
            0 => Ok(()),
            n => Err(Failure::caller(format!("{n} of {} segments were refused", rows.len()))),
        }
    }

    fn open(&self) -> Result<Option<Target>, Failure> {
        let is_there = self.target.url.is_some() || self.target.folder.data.exists();
        if self.dry_run && !is_there {
            return Ok(None);
        }
        self.target.open_existing().map(Some)
    }

    /// What becomes of one segment.
    fn one(&self, target: Option<&Target>, definition: Definition) -> Value {
        let Definition { name, description, rule, lost, notes } = definition;
        let mut row = json!({"name": name, "lost": lost, "notes": notes});
        let refuse = |mut row: Value, why: String| {
            row["outcome"] = "refused".into();
            row["why"] = why.into();
            row
        };
        let Some(rule) = rule else { return refuse(row, "nothing of it can be said".into()) };
        row["rule"] = rule.clone();
        if !lost.is_empty() && !self.partial {
            return refuse(row, "a part of it cannot be said; --partial saves the rest".into());
        }
        let judged = target.map(|target| match self.dry_run {
            true => target.json("POST", "/v1/rules/parse", Some(&json!({"rule": rule}))),
            false => {
                let mut body = json!({"name": name, "rule": rule});
                if let Some(description) = &description {
                    body["description"] = description.as_str().into();
                }
                target.json("POST", "/v1/segments", Some(&body))
            }
        });
        match judged {
            Some(Err(failure)) => return refuse(row, failure.message),
            Some(Ok(answer)) => {
                row["text"] = if self.dry_run { answer["text"].clone() } else { answer["rule"].clone() };
                row["count"] = answer["count"].clone();
            }
            None => {}
        }
        row["outcome"] = if self.dry_run { "fine" } else { "saved" }.into();
        row
    }
}

/// Those that others name first.
fn in_order(found: Vec<Definition>) -> Vec<Definition> {
    let mut waiting: BTreeMap<usize, Definition> = found.into_iter().enumerate().collect();
    let mut order = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_free = |definition: &Definition| {
            let named = definition.rule.as_ref().map(parts::segments_of).unwrap_or_default();
            !named.iter().any(|name| waiting.values().any(|other| other.name == *name && other.name != definition.name))
        };
        let next = waiting.iter().find(|(_, definition)| is_free(definition)).map(|(place, _)| *place);
        // In a circle the first one is refused by the database, which tells why.
        let next = next.or_else(|| waiting.keys().next().copied());
        order.extend(next.and_then(|place| waiting.remove(&place)));
    }
    order
}

fn told(row: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!("{}: {}", text(&row["name"]), text(&row["outcome"]))];
    if let Some(why) = row["why"].as_str() {
        lines.push(format!("  why: {why}"));
    }
    let rule = if row["text"].is_string() { text(&row["text"]) } else { row["rule"].to_string() };
    lines.push(format!("  rule: {}", rule.replace('\n', " ")));
    let part = |line: &Value| format!("{}: {}", text(&line["part"]), text(&line["why"]));
    lines
        .extend(row["lost"].as_array().into_iter().flatten().map(|lost| format!("  not carried over: {}", part(lost))));
    lines.extend(row["notes"].as_array().into_iter().flatten().map(|note| format!("  note: {}", part(note))));
    lines.join("\n")
}
