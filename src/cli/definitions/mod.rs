//! `throng segment import`: segment definitions of other systems as rules of ours, and what could not be carried over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::{
    failure::Failure,
    query::{pretty, print},
    target::{Target, Where, encoded},
};

pub mod dittofeed;
pub mod mautic;
pub mod parts;
pub mod posthog;
pub mod shopify;

use parts::{Definition, Part};

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
        let (mut rows, mut seen) = (Vec::new(), Seen::default());
        for (place, definition) in in_order(found) {
            rows.push(self.one(target.as_ref(), place, definition, &mut seen));
        }
        let refused = rows.iter().filter(|row| row["outcome"] == "refused").count();
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

    /// What becomes of one segment; `seen` is what became of those before it.
    fn one(&self, target: Option<&Target>, place: usize, definition: Definition, seen: &mut Seen) -> Value {
        let Definition { name, description, rule, needs, lost, mut notes } = definition;
        let partly = needs.iter().filter(|need| seen.passed.contains(*need)).filter_map(|need| seen.partial.get(need));
        notes.extend(partly.map(|other| Part {
            part: format!("in segment \"{other}\""),
            why: "of that segment a part is not carried over".into(),
        }));
        if !lost.is_empty() || needs.iter().any(|need| seen.partial.contains_key(need)) {
            seen.partial.insert(place, name.clone());
        }
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
        // By place: a segment of the same name that is another one must not stand in for it.
        if needs.iter().any(|need| !seen.passed.contains(need)) {
            return refuse(row, "a segment that it names is refused, or names it in turn".into());
        }
        let judged = target.map(|target| match self.dry_run {
            true => self.judge(target, &name, &rule, seen),
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
            Some(Ok(_)) if self.dry_run && !needs.is_empty() => {}
            Some(Ok(answer)) => {
                row["text"] = if self.dry_run { answer["text"].clone() } else { answer["rule"].clone() };
                row["count"] = answer["count"].clone();
            }
            None => {}
        }
        seen.passed.insert(place);
        seen.names.insert(name.to_lowercase());
        row["outcome"] = match self.dry_run {
            false => "saved",
            true if needs.is_empty() => "fine",
            true => {
                row["why"] = "it names segments of this file, and is told as text once they are saved".into();
                "waits"
            }
        }
        .into();
        row
    }

    /// What the database says of a rule that is not saved; segments of the same file are not there yet.
    fn judge(&self, target: &Target, name: &str, rule: &Value, seen: &Seen) -> Result<Value, Failure> {
        let taken = |whose| Err(Failure::caller(format!("{whose} has the name \"{name}\" already")));
        if seen.names.contains(&name.to_lowercase()) {
            return taken("another segment of this file");
        }
        if target.json("GET", &format!("/v1/segments/{}", encoded(name)), None).is_ok() {
            return taken("a segment of the database");
        }
        target.json("POST", "/v1/rules/parse", Some(&json!({"rule": parts::without_segments(rule)})))
    }
}

/// What became of the segments before one, by their places in the file.
#[derive(Default)]
struct Seen {
    /// Those that were saved, or would be.
    passed: BTreeSet<usize>,
    /// Names of those.
    names: BTreeSet<String>,
    /// Names of those of which a part is lost, or of a segment that they name.
    partial: BTreeMap<usize, String>,
}

/// Those that others name first, with their places in the file.
fn in_order(found: Vec<Definition>) -> Vec<(usize, Definition)> {
    let mut waiting: BTreeMap<usize, Definition> = found.into_iter().enumerate().collect();
    let mut order = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_free = |definition: &Definition| !definition.needs.iter().any(|need| waiting.contains_key(need));
        let next = waiting.iter().find(|(_, definition)| is_free(definition)).map(|(place, _)| *place);
        // In a circle each is refused for what it names.
        let next = next.or_else(|| waiting.keys().next().copied());
        order.extend(next.and_then(|place| Some((place, waiting.remove(&place)?))));
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
    if rule != "null" {
        lines.push(format!("  rule: {}", rule.replace('\n', " ")));
    }
    let part = |line: &Value| format!("{}: {}", text(&line["part"]), text(&line["why"]));
    lines
        .extend(row["lost"].as_array().into_iter().flatten().map(|lost| format!("  not carried over: {}", part(lost))));
    lines.extend(row["notes"].as_array().into_iter().flatten().map(|note| format!("  note: {}", part(note))));
    lines.join("\n")
}
