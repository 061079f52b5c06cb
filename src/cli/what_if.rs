//! `throng segment preview`, `forecast`, `why`, `pin`, `freeze` and `revert`.

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{
    failure::Failure,
    query::{caret_source, pretty, print, rule_value},
    segment::{Named, tell_unknown},
    show,
    target::encoded,
};

fn figure(value: &Value) -> String {
    show::grouped(value.as_u64().unwrap_or(0))
}

/// Some keys of a list, in one line.
fn keys(list: &Value) -> String {
    let keys: Vec<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    keys.join(", ")
}

/// Show what a rule would change before it is saved.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  throng segment preview VIP --rule 'Purchase Total > $500'\n\n\
    Nothing is saved; `throng segment update VIP --rule …` saves it. Pins count as they will.")]
pub(super) struct Preview {
    #[command(flatten)]
    named: Named,
    /// The rule, as text or JSON.
    #[arg(long)]
    rule: String,
    /// How many keys to show of those who enter and leave.
    #[arg(long, value_name = "N", default_value_t = 5)]
    sample: u64,
    /// The segment is not there yet: everyone whom the rule holds for enters.
    #[arg(long)]
    new: bool,
}

impl Preview {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let rule = rule_value(&self.rule)?;
        let source = caret_source(&self.rule, &rule);
        let path = format!("{path}/preview?new={}", self.new);
        let body = json!({"rule": rule, "sample": self.sample});
        let answer = target.json("POST", &path, Some(&body)).map_err(|f| f.with_caret(&source))?;
        if self.named.plain.json {
            return print(&pretty(&answer));
        }
        let row = |trial: &Value| {
            let name = trial["segment"].as_str().unwrap_or_default().to_owned();
            let figures = ["now", "entering", "leaving", "after"].map(|member| figure(&trial[member]));
            std::iter::once(name).chain(figures).collect::<Vec<_>>()
        };
        let dependents = answer["dependents"].as_array().into_iter().flatten();
        let rows = std::iter::once(&answer).chain(dependents).map(row).collect();
        let mut text = show::table(&["segment", "now", "enter", "leave", "then"], rows);
        for (member, word) in [("entering", "enter"), ("leaving", "leave")] {
            let some = keys(&answer["samples"][member]);
            if !some.is_empty() {
                text.push_str(&format!("\n{word}: {some}"));
            }
        }
        print(&text)
    }
}

/// Show who will enter and leave by the passing of time alone, day by day.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  throng segment forecast 'At risk' --days 30\n\n\
    Exact, if nothing is written meanwhile. The first day is the rest of today, in the database's time zone.")]
pub(super) struct Forecast {
    #[command(flatten)]
    named: Named,
    /// How many days, today included.
    #[arg(long, value_name = "N", default_value_t = 7)]
    days: u32,
    /// How many keys to show of those who enter and leave on each day.
    #[arg(long, value_name = "N", default_value_t = 3)]
    sample: u64,
}

impl Forecast {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let path = format!("{path}/forecast?days={}&sample={}", self.days, self.sample);
        let answer = target.json("GET", &path, None)?;
        if self.named.plain.json {
            return print(&pretty(&answer));
        }
        let row = |day: &Value| {
            vec![
                day["day"].as_str().unwrap_or_default().to_owned(),
                figure(&day["entering"]),
                figure(&day["leaving"]),
                figure(&day["size"]),
                keys(&day["samples"]["entering"]),
                keys(&day["samples"]["leaving"]),
            ]
        };
        let rows = answer["days"].as_array().into_iter().flatten().map(row).collect();
        print(&show::table(&["day", "enter", "leave", "then", "entering", "leaving"], rows))
    }
}

/// Make a static copy of whom a segment holds now.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  throng segment freeze VIP --as 'VIP of May'")]
pub(super) struct Freeze {
    #[command(flatten)]
    named: Named,
    /// The name of the copy [default: the segment's with the day].
    #[arg(long = "as", value_name = "NAME")]
    copy: Option<String>,
}

impl Freeze {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let body = self.copy.map(|copy| json!({"name": copy}));
        let answer = target.json("POST", &format!("{path}/freeze"), body.as_ref())?;
        self.named.done(&answer)
    }
}

/// Take up an earlier version of the rule again; it becomes a new version.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  throng segment versions VIP\n  throng segment revert VIP --to 3")]
pub(super) struct Revert {
    #[command(flatten)]
    named: Named,
    /// The number of the version.
    #[arg(long = "to", value_name = "VERSION")]
    version: u32,
}

impl Revert {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let answer = target.json("POST", &format!("{path}/revert"), Some(&json!({"version": self.version})))?;
        self.named.done(&answer)
    }
}

/// Pin contacts into or out of a dynamic segment, whatever its rule says.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  throng segment pin VIP --in u-1 --in u-2 --out u-3\n  throng segment pin VIP --clear u-1"
)]
pub(super) struct Pin {
    #[command(flatten)]
    named: Named,
    /// A key to pin in.
    #[arg(long = "in", value_name = "KEY")]
    include: Vec<String>,
    /// A key to pin out; it wins over --in.
    #[arg(long = "out", value_name = "KEY")]
    exclude: Vec<String>,
    /// A key to return to the rule.
    #[arg(long, value_name = "KEY")]
    clear: Vec<String>,
}

impl Pin {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<(), Failure> {
        if self.include.is_empty() && self.exclude.is_empty() && self.clear.is_empty() {
            return Err(Failure::caller("name contacts with --in, --out or --clear"));
        }
        let (target, path) = self.named.open()?;
        let body = json!({"include": self.include, "exclude": self.exclude, "clear": self.clear});
        let answer = target.json("POST", &format!("{path}/members"), Some(&body))?;
        if self.named.plain.json {
            return print(&pretty(&answer));
        }
        tell_unknown(&answer);
        print(&format!("{} members", figure(&answer["count"])))
    }
}

/// Show why a contact is in a segment or not, until when, and what would change it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  throng segment why VIP u-1\n\n\
    + is a part of the rule that holds, - one that does not; behind it stand the value that decides it and the index\n\
    that the value lies in.")]
pub(super) struct Why {
    #[command(flatten)]
    named: Named,
    /// The contact's key.
    key: String,
}

impl Why {
    /// Asks and prints.
    pub(super) fn run(self) -> Result<(), Failure> {
        let target = self.named.plain.target.open_existing()?;
        let path = format!("/v1/contacts/{}/segments/{}?explain=true", encoded(&self.key), encoded(&self.named.name));
        let answer = target.json("GET", &path, None)?;
        if self.named.plain.json {
            return print(&pretty(&answer));
        }
        print(&self.told(&answer))
    }

    fn told(&self, answer: &Value) -> String {
        let (key, name) = (&self.key, &self.named.name);
        let mut lines = vec![match (answer["member"] == true, answer["since"].as_str()) {
            (true, Some(since)) => format!("{key} is in \"{name}\" since {since}"),
            (true, None) => format!("{key} is in \"{name}\""),
            (false, _) => format!("{key} is not in \"{name}\""),
        }];
        if let Some(how) = answer["pinned"].as_str() {
            lines.push(format!("pinned {how} by hand, whatever the rule says"));
        }
        reasons(&answer["why"], 1, &mut lines);
        for suppression in answer["suppressions"].as_array().into_iter().flatten() {
            let channels = keys(&suppression["channels"]);
            let channels = if channels.is_empty() { "every channel".to_owned() } else { channels };
            lines.push(format!("suppressed by \"{}\": {channels}", suppression["name"].as_str().unwrap_or_default()));
        }
        lines.push(match (answer["next_change"]["at"].as_str(), answer["next_change_after"].as_str()) {
            (Some(at), _) => {
                let word = if answer["next_change"]["member"] == true { "enters" } else { "leaves" };
                format!("by time alone {word} at {at}")
            }
            (None, Some(at)) => format!("time alone changes nothing up to {at}"),
            (None, None) => "time alone changes nothing".to_owned(),
        });
        if let Some(must) = answer["smallest_change"]["must"].as_str() {
            let value = &answer["smallest_change"]["value"];
            let now = if value.is_null() { String::new() } else { format!(" (is {value})") };
            lines.push(format!("smallest change: {must}{now}"));
        }
        lines.join("\n")
    }
}

/// A tree of reasons, a line each.
fn reasons(node: &Value, depth: usize, lines: &mut Vec<String>) {
    let sign = if node["holds"] == true { '+' } else { '-' };
    let mut line = format!("{}{sign} {}", "  ".repeat(depth), node["rule"].as_str().unwrap_or_default());
    if let Some(index) = node["index"].as_str() {
        let value = if node["value"].is_null() { "nothing".to_owned() } else { node["value"].to_string() };
        line.push_str(&format!("   [{value}; {index}]"));
    }
    if let Some(how) = node["pinned"].as_str() {
        line.push_str(&format!("   [pinned {how}]"));
    }
    lines.push(line);
    for child in node["children"].as_array().into_iter().flatten() {
        reasons(child, depth + 1, lines);
    }
}
