//! `throng segment show`, `funnel`, `breakdown`, `overlap`, `rfm` and `review`: figures, with sparklines.

use clap::Args;
use serde_json::Value;

use crate::cli::{
    failure::Failure,
    query::{pretty, print},
    segment::{Named, Plain, described},
    show,
    target::encoded,
};

/// Days that a sparkline shows, at most: one character each.
const SPARK_DAYS: usize = 60;
/// Characters of a bar.
const BAR: f64 = 24.0;

/// One segment with its figures.
#[derive(Args, Debug)]
pub struct Show {
    #[command(flatten)]
    named: Named,
    /// Events that count as engagement, such as email_opened,conversation [default: all that count as activity].
    #[arg(long, value_name = "EVENTS")]
    engagement: Option<String>,
    /// How far back engagement counts.
    #[arg(long, value_name = "LENGTH", default_value = "30d")]
    window: String,
    /// An event: how many of those who entered did it soon after.
    #[arg(long, value_name = "EVENT")]
    goal: Option<String>,
    /// How soon after entering the goal must be done [default: 14d].
    #[arg(long, value_name = "LENGTH", requires = "goal")]
    within: Option<String>,
    /// From this day on, such as 2026-05-01.
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Up to this day.
    #[arg(long, value_name = "DAY")]
    to: Option<String>,
}

/// A segment by the values of a property.
#[derive(Args, Debug)]
pub struct Breakdown {
    #[command(flatten)]
    named: Named,
    /// The property, such as country.
    #[arg(long, value_name = "PROPERTY")]
    by: String,
    /// Of dates: day, week, month, quarter, year or decade [default: what fits].
    #[arg(long)]
    step: Option<String>,
    /// Values that are told one by one.
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
}

/// How segments overlap.
#[derive(Args, Debug)]
pub struct Overlap {
    /// The segments' names, in any case.
    #[arg(required = true, num_args = 2..)]
    names: Vec<String>,
    #[command(flatten)]
    plain: Plain,
}

/// The recency-frequency-money grid.
#[derive(Args, Debug)]
pub struct Rfm {
    /// Of this segment [default: of everyone].
    #[arg(long, value_name = "NAME")]
    segment: Option<String>,
    /// The event [default: purchase].
    #[arg(long)]
    event: Option<String>,
    /// Its property that is summed up [default: amount].
    #[arg(long, value_name = "PROPERTY")]
    of: Option<String>,
    /// How far back events count [default: all].
    #[arg(long, value_name = "LENGTH")]
    window: Option<String>,
    #[command(flatten)]
    plain: Plain,
}

/// Advice about one segment, or all.
#[derive(Args, Debug)]
pub struct Review {
    /// The segment's name, in any case [default: all segments].
    name: Option<String>,
    #[command(flatten)]
    plain: Plain,
}

/// The query string of what is given.
fn query(pairs: &[(&str, Option<&str>)]) -> String {
    let given = pairs.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    given.collect::<Vec<String>>().join("&")
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

fn count(row: &Value, key: &str) -> u64 {
    row[key].as_u64().unwrap_or(0)
}

fn grouped(row: &Value, key: &str) -> String {
    show::grouped(count(row, key))
}

/// A share as people read it.
fn percent(share: &Value) -> String {
    // Numbers keep the digits that they were sent with.
    share.to_string().parse::<f64>().map_or_else(|_| "-".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

fn times(lift: &Value) -> String {
    lift.to_string().parse::<f64>().map_or_else(|_| "-".to_owned(), |lift| format!("{lift:.2}"))
}

impl Show {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let mut segment = target.json("GET", &path, None)?;
        let asked = query(&[
            ("engagement", self.engagement.as_deref()),
            ("window", Some(&self.window)),
            ("goal", self.goal.as_deref()),
            ("within", self.within.as_deref()),
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
        ]);
        let figures = target.json("GET", &format!("{path}/analytics?{asked}"), None)?;
        if self.named.is_json() {
            segment["analytics"] = figures;
            return print(&pretty(&segment));
        }
        let mut lines = vec![described(&segment)];
        let mut line = |what: &str, told: String| lines.push(format!("{what:<12} {told}"));
        line("share", format!("{} of {} contacts", percent(&figures["share"]), grouped(&figures, "everyone")));
        grown(&figures, &mut line);
        engaged(&figures["engagement"], &mut line);
        if !figures["conversion"].is_null() {
            converted(&figures["conversion"], &mut line);
        }
        print(&lines.join("\n"))
    }
}

fn grown(figures: &Value, line: &mut dyn FnMut(&str, String)) {
    let days: Vec<&Value> = figures["growth"].as_array().into_iter().flatten().collect();
    let shown = &days[days.len().saturating_sub(SPARK_DAYS)..];
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else { return };
    let of = |key: &str| shown.iter().map(|day| count(day, key)).collect::<Vec<u64>>();
    let span = format!("{} to {}", text(first, "day"), text(last, "day"));
    line("size", format!("{}  {span}", show::sparkline(&of("size"))));
    for key in ["entered", "left"] {
        let figures = of(key);
        let sum = show::grouped(figures.iter().sum());
        line(key, format!("{}  {sum} in all", show::sparkline(&figures)));
    }
}

fn engaged(figures: &Value, line: &mut dyn FnMut(&str, String)) {
    let everyone = &figures["everyone"];
    let rate = percent(&figures["rate"]);
    let window = text(figures, "window");
    let told = format!(
        "{rate} in the last {window} (everyone {}, lift {})",
        percent(&everyone["rate"]),
        times(&figures["lift"])
    );
    line("engaged", told);
    for event in figures["events"].as_array().into_iter().flatten().filter(|event| count(event, "engaged") > 0) {
        line("", format!("{:>7}  {}", percent(&event["rate"]), text(event, "event")));
    }
}

fn converted(figures: &Value, line: &mut dyn FnMut(&str, String)) {
    let (closed, open) = (&figures["closed"], &figures["open"]);
    let (goal, within) = (text(figures, "goal"), text(figures, "within"));
    let told = format!(
        "{} of {} who entered did {goal} within {within}",
        percent(&figures["rate"]),
        grouped(closed, "entered")
    );
    // A rate of a part of the entries is never shown as if it were of all.
    if figures["complete"] == false {
        let since = text(figures, "known_since");
        line("converted", format!("not all is known; since {since}, as far as the feed reaches back:"));
        line("", told);
        if count(figures, "unlisted") > 0 {
            let unlisted = grouped(figures, "unlisted");
            line("", format!("of {unlisted} more entries it is not known any more whose they were"));
        }
    } else {
        line("converted", told);
    }
    if count(open, "entered") > 0 {
        line(
            "",
            format!("{} of {} more, whose time is not over", grouped(open, "converted"), grouped(open, "entered")),
        );
    }
}

/// Prints a segment's rule node by node.
pub fn funnel(named: &Named) -> Result<(), Failure> {
    let (target, path) = named.open()?;
    let answer = target.json("GET", &format!("{path}/funnel"), None)?;
    if named.is_json() {
        return print(&pretty(&answer));
    }
    let mut rows = Vec::new();
    part(&answer["rule"], 0, &mut rows);
    let pins = &answer["pins"];
    for (key, sign) in [("included", "pinned in"), ("excluded", "pinned out")] {
        if count(pins, key) > 0 {
            rows.push(vec![sign.to_owned(), grouped(pins, key), String::new(), String::new()]);
        }
    }
    rows.push(vec!["members".to_owned(), grouped(&answer, "total"), percent(&answer["share"]), String::new()]);
    print(&show::table(&["part", "count", "share", "so far"], rows))
}

fn part(node: &Value, depth: usize, rows: &mut Vec<Vec<String>>) {
    if node.is_null() {
        return;
    }
    let parts: Vec<&Value> = node["parts"].as_array().into_iter().flatten().collect();
    let name = if parts.is_empty() { text(node, "rule").to_owned() } else { text(node, "kind").to_uppercase() };
    let so_far = node["so_far"].as_u64().map_or_else(String::new, show::grouped);
    rows.push(vec![format!("{}{name}", "  ".repeat(depth)), grouped(node, "count"), percent(&node["share"]), so_far]);
    parts.into_iter().for_each(|node| part(node, depth + 1, rows));
}

impl Breakdown {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        let (target, path) = self.named.open()?;
        let limit = self.limit.map(|limit| limit.to_string());
        let asked = query(&[("by", Some(&self.by)), ("step", self.step.as_deref()), ("limit", limit.as_deref())]);
        let answer = target.json("GET", &format!("{path}/breakdown?{asked}"), None)?;
        if self.named.is_json() {
            return print(&pretty(&answer));
        }
        let row = |name: String, row: &Value| {
            let share = row["share"].to_string().parse::<f64>().unwrap_or(0.0);
            let bar = "█".repeat((share * BAR).round() as usize);
            vec![name, grouped(row, "count"), percent(&row["share"]), times(&row["lift"]), bar]
        };
        let name = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut rows: Vec<Vec<String>> =
            answer["values"].as_array().into_iter().flatten().map(|value| row(name(&value["value"]), value)).collect();
        if count(&answer["other"], "count") > 0 {
            rows.push(row(format!("({} other values)", grouped(&answer["other"], "values")), &answer["other"]));
        }
        if count(&answer["missing"], "count") > 0 {
            rows.push(row("(none)".to_owned(), &answer["missing"]));
        }
        print(&show::table(&[text(&answer, "by"), "count", "share", "lift", ""], rows))
    }
}

impl Overlap {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.plain.target.open_existing()?;
        let names: Vec<String> = self.names.iter().map(|name| format!("segments={}", encoded(name))).collect();
        let answer = target.json("GET", &format!("/v1/overlap?{}", names.join("&")), None)?;
        if self.plain.json {
            return print(&pretty(&answer));
        }
        let rows = answer["pairs"].as_array().into_iter().flatten().map(|pair| {
            let names = format!("{} ∩ {}", text(pair, "a"), text(pair, "b"));
            let shares = [&pair["jaccard"], &pair["share_of_a"], &pair["share_of_b"]].map(percent);
            [vec![names, grouped(pair, "both")], shares.to_vec()].concat()
        });
        let table = show::table(&["pair", "both", "jaccard", "of the first", "of the second"], rows.collect());
        let joint = &answer["joint"];
        let all = format!(
            "in all: {}; in any: {}; jaccard {}",
            grouped(joint, "count"),
            grouped(&answer, "union"),
            percent(&joint["jaccard"])
        );
        print(&format!("{table}\n{all}"))
    }
}

impl Rfm {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.plain.target.open_existing()?;
        let asked = query(&[
            ("segment", self.segment.as_deref()),
            ("event", self.event.as_deref()),
            ("of", self.of.as_deref()),
            ("window", self.window.as_deref()),
        ]);
        let answer = target.json("GET", &format!("/v1/analytics/rfm?{asked}"), None)?;
        if self.plain.json {
            return print(&pretty(&answer));
        }
        let scored: Vec<&Value> = answer["grid"].as_array().into_iter().flatten().collect();
        let rows = scored.into_iter().enumerate().rev().map(|(score, row)| {
            let counts = row.as_array().into_iter().flatten().map(|count| show::grouped(count.as_u64().unwrap_or(0)));
            [vec![format!("recency {}", score + 1)], counts.collect()].concat()
        });
        let header = ["", "frequency 1", "2", "3", "4", "5"];
        let told = format!(
            "{} scored; {} without {}",
            grouped(&answer, "scored"),
            grouped(&answer, "without"),
            text(&answer, "event")
        );
        print(&format!("{}\n{told}", show::table(&header, rows.collect())))
    }
}

impl Review {
    /// Asks and prints.
    pub fn run(self) -> Result<(), Failure> {
        let target = self.plain.target.open_existing()?;
        let path = match &self.name {
            Some(name) => format!("/v1/segments/{}/review", encoded(name)),
            None => "/v1/review".to_owned(),
        };
        let answer = target.json("GET", &path, None)?;
        if self.plain.json {
            return print(&pretty(&answer));
        }
        let mut lines = Vec::new();
        for found in answer["findings"].as_array().into_iter().flatten() {
            let (severity, code) = (text(found, "severity"), text(found, "code"));
            lines.push(format!("{severity:<8} {}: {} [{code}]", text(found, "segment"), text(found, "detail")));
            lines.push(format!("{:<8} {}", "", text(found, "suggestion")));
        }
        let [problems, warnings, hints] = ["problems", "warnings", "hints"].map(|key| grouped(&answer, key));
        lines.push(format!(
            "{} reviewed: {problems} problems, {warnings} warnings, {hints} hints",
            grouped(&answer, "reviewed")
        ));
        print(&lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rate_of_a_part_of_the_entries_says_since_when() {
        let told = |complete: bool| {
            let figures = json!({
                "goal": "purchase", "within": "14 days", "rate": 0.25, "closed": {"entered": 8, "converted": 2},
                "open": {"entered": 4, "converted": 2}, "complete": complete, "unlisted": if complete { 0 } else { 20_000 },
                "known_since": "2026-05-01T10:30:00Z",
            });
            let mut lines = Vec::new();
            converted(&figures, &mut |what, told| lines.push(format!("{what}|{told}")));
            lines
        };
        assert_eq!(told(true)[0], "converted|25.0 % of 8 who entered did purchase within 14 days");
        let partly = told(false);
        let since = "converted|not all is known; since 2026-05-01T10:30:00Z, as far as the feed reaches back:";
        assert_eq!(
            (partly[0].as_str(), partly[1].as_str()),
            (since, "|25.0 % of 8 who entered did purchase within 14 days")
        );
        assert!(partly[2].contains("20,000 more entries"), "{partly:?}");
    }
}
