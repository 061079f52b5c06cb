//! `throng query`: ask a rule.

use std::io::{Read, Write};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{
    cli::{failure::Failure, show, target::Where},
    http::json::tree,
};

/// What to give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Give {
    /// How many.
    Count,
    /// Their keys, one a line.
    Keys,
    /// The contacts, one JSON object a line.
    Contacts,
    /// Some keys drawn at random.
    Sample,
}

impl Give {
    fn word(self) -> &'static str {
        match self {
            Give::Count => "count",
            Give::Keys => "keys",
            Give::Contacts => "contacts",
            Give::Sample => "sample",
        }
    }
}

/// Ask a rule: a count, keys, contacts, a sample, or its plan.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  throng query 'Has tag \"VIP\"'\n  \
    throng query '(Tag = \"Customer\" AND Country = \"US\") OR (Lead Score > 80)' --give keys --limit 10\n  \
    throng query 'Last Activity > 30 days ago AND No conversation in 60 days' --explain\n  \
    echo '{\"tag\":\"VIP\"}' | throng query -\n\nThe language is in docs/RULES.md.")]
pub struct Query {
    /// The rule, as text or as JSON; `-` reads it from standard input.
    rule: String,
    /// What to give back.
    #[arg(long, value_enum, default_value = "count")]
    give: Give,
    /// At most so many keys, contacts or samples.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Measure ages and windows from this instant or date, now or later.
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<String>,
    /// Show the plan: each part with its index, its count and its time.
    #[arg(long, conflicts_with_all = ["give", "limit"])]
    explain: bool,
    /// Print JSON for programs.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Where,
}

impl Query {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        let source = rule_text(&self.rule)?;
        let rule = rule_value(&source)?;
        let source = caret_source(&source, &rule);
        let target = self.target.open_existing()?;
        let mut body = json!({"rule": rule});
        if let Some(as_of) = &self.as_of {
            body["as_of"] = as_of.as_str().into();
        }
        if self.explain {
            let plan = target.json("POST", "/v1/query/explain", Some(&body)).map_err(|f| f.with_caret(&source))?;
            return print(&if self.json { pretty(&plan) } else { plan_text(&plan) });
        }
        body["return"] = self.give.word().into();
        body["limit"] = self.limit.unwrap_or(if self.give == Give::Sample { 10 } else { 1_000 }).into();
        let answer = target.json("POST", "/v1/query", Some(&body)).map_err(|f| f.with_caret(&source))?;
        if self.json {
            return print(&pretty(&answer));
        }
        let count = answer["count"].as_u64().unwrap_or(0);
        let took = answer["took_us"].as_u64().unwrap_or(0);
        let list = answer["keys"].as_array().or(answer["contacts"].as_array());
        let lines: Vec<String> = list.into_iter().flatten().map(line).collect();
        if self.give == Give::Count {
            return print(&format!("{} contacts ({})", show::grouped(count), show::duration(took)));
        }
        if !lines.is_empty() {
            print(&lines.join("\n"))?;
        }
        eprintln!(
            "{} of {} contacts ({})",
            show::grouped(lines.len() as u64),
            show::grouped(count),
            show::duration(took)
        );
        Ok(())
    }
}

fn line(item: &Value) -> String {
    item.as_str().map_or_else(|| item.to_string(), str::to_owned)
}

/// The rule as typed, or from standard input.
fn rule_text(argument: &str) -> Result<String, Failure> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::caller(format!("standard input cannot be read: {error}")))?;
    Ok(text)
}

/// A rule as the API takes it: JSON when it looks like an object, else text.
pub fn rule_value(source: &str) -> Result<Value, Failure> {
    if source.trim_start().starts_with('{') {
        return tree(source.as_bytes())
            .map_err(|error| Failure::caller(format!("the rule looks like JSON and is not: {error}")));
    }
    Ok(source.into())
}

/// What the places of an error count in: a JSON rule is sent without the line breaks it was typed with.
pub fn caret_source(source: &str, rule: &Value) -> String {
    if rule.is_string() { source.to_owned() } else { rule.to_string() }
}

/// Prints a text and a line end; a closed pipe is no failure.
pub fn print(text: &str) -> Result<(), Failure> {
    printed(text).map(drop)
}

/// As [`print()`]; gives whether anyone still reads.
pub fn printed(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::operator(format!("cannot print: {error}"))),
    }
}

/// JSON with line breaks.
pub fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn plan_text(answer: &Value) -> String {
    let mut rows = Vec::new();
    plan_rows(&answer["plan"], 0, &mut rows);
    let took = show::duration(answer["took_us"].as_u64().unwrap_or(0));
    let count = show::grouped(answer["count"].as_u64().unwrap_or(0));
    let rule = answer["rule"].as_str().unwrap_or_default();
    let table = show::table(&["node", "index", "estimated", "count", "time"], rows);
    format!("{rule}\n{table}\n{count} contacts ({took} with every node measured alone)")
}

fn plan_rows(node: &Value, depth: usize, rows: &mut Vec<Vec<String>>) {
    let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| show::grouped(node[key].as_u64().unwrap_or(0));
    let took = show::duration(node["took_us"].as_f64().unwrap_or(0.0) as u64);
    rows.push(vec![
        format!("{}{}", "  ".repeat(depth), text("label")),
        text("index"),
        number("estimated"),
        number("count"),
        took,
    ]);
    for child in node["children"].as_array().into_iter().flatten() {
        plan_rows(child, depth + 1, rows);
    }
}
