//! One segment: its definition, how many it holds, who they are, how it grew, who depends on it.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};

use crate::{
    db::{
        feed::{FeedChange, FeedKind},
        outline::Outline,
        past::DayRecord,
        record::{Place, SegmentInfo},
        view::View,
    },
    http::{
        app::App,
        body,
        paging::Cursor,
        path::{Params, part},
        problem::Problem,
    },
    model::{calendar::Zone, name::Name, request::RuleSource},
    web::{
        answer::{self, Frame},
        chart, tell,
    },
};

/// Members of a page.
const MEMBERS: usize = 25;
/// Changes that are shown before anything happens.
const CHANGES: usize = 15;
/// Days of the chart that may be chosen.
const RANGES: [i64; 3] = [30, 90, 365];
/// Columns that are shown unless others are chosen, as far as the schema has them.
const COLUMNS: [&str; 4] = ["name", "email", "country", "last_activity"];

/// A node of the definition.
pub struct Part {
    /// How deep it lies; at most what the style sheet indents.
    pub depth: usize,
    /// What joins its parts, for people, or the predicate.
    pub text: String,
    /// Whether it is a predicate.
    pub is_test: bool,
    /// How many contacts it holds for, alone.
    pub count: String,
    /// The same as a share of all.
    pub share: String,
}

/// A column that may be chosen.
struct Column {
    name: String,
    label: String,
    is_chosen: bool,
}

/// A member with its cells.
struct Member {
    key: String,
    path: String,
    cells: Vec<String>,
}

/// A change as it is told.
struct Told {
    at: String,
    kind: &'static str,
    contact: Option<(String, String)>,
    text: String,
    cause: &'static str,
}

/// A range of the chart.
struct Range {
    days: i64,
    is_chosen: bool,
}

#[derive(Template)]
#[template(path = "segment.html", config = "src/web/askama.toml")]
struct SegmentPage {
    frame: Frame,
    name: String,
    path: String,
    description: String,
    is_dynamic: bool,
    version: u32,
    created: String,
    updated: String,
    rule: String,
    parts: Vec<Part>,
    count: u64,
    told_count: String,
    share: String,
    everyone: u64,
    columns: Vec<Column>,
    fields: String,
    heads: Vec<String>,
    members: Vec<Member>,
    next: Option<String>,
    is_later: bool,
    ranges: Vec<Range>,
    chart: String,
    days: Vec<DayRecord>,
    changes: Vec<Told>,
    seq: u64,
    dependents: Vec<(String, String)>,
}

/// `GET /ui/segments/{name}`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    // A form sends a box once for each choice.
    let params = Params::read_many(&uri, &["field", "fields", "after", "days"], &["field"])?;
    let days = params.parsed::<i64>("days")?.filter(|days| RANGES.contains(days)).unwrap_or(RANGES[1]);
    let asked: Vec<String> = match params.text("fields") {
        Some(list) => list.split(',').map(str::to_owned).collect(),
        None => params.texts("field").map(str::to_owned).collect(),
    };
    let cursor = params.text("after").map(|after| app.listings.resume(after)).transpose()?;
    body::blocking(move || {
        let view = app.view(cursor.as_ref());
        let segment = view.segment(&name).ok_or_else(|| unknown(&name))?;
        answer::page(&segment_page(&app, &view, &segment, &asked, cursor.as_ref(), days)?)
    })
    .await
}

/// 404 for a segment.
pub fn unknown(name: &str) -> Problem {
    Problem::not_found(format!("There is no segment \"{name}\"."))
}

fn segment_page(
    app: &App,
    view: &View,
    segment: &SegmentInfo,
    asked: &[String],
    cursor: Option<&Cursor>,
    range: i64,
) -> Result<SegmentPage, Problem> {
    let zone = view.schema().zone();
    let (name, everyone) = (&*segment.name, view.everyone().count());
    let count = view.member_count(name)?;
    let chosen = chosen_columns(view, asked);
    let (members, next) = members(view, name, &chosen, cursor.map(|cursor| cursor.place))?;
    let days = view.history(name, Some(zone.day_of(view.now()).plus_days(1 - range)), None)?;
    let columns = view.schema().properties().map(|property| Column {
        name: property.name.to_string(),
        label: tell::label(property.name.as_str()),
        is_chosen: chosen.contains(&property.name),
    });
    let dependents = view.dependents(name)?;
    Ok(SegmentPage {
        frame: Frame::of(view),
        name: name.to_owned(),
        path: tell::encoded(name),
        description: segment.description.as_deref().unwrap_or_default().to_owned(),
        is_dynamic: segment.rule.is_some(),
        version: segment.version,
        created: tell::instant(segment.created, zone),
        updated: tell::instant(segment.updated, zone),
        rule: segment.rule.as_ref().map(|forms| forms.text.to_string()).unwrap_or_default(),
        parts: parts(view, segment, everyone)?,
        count,
        told_count: tell::grouped(count),
        share: tell::share(count, everyone),
        everyone,
        columns: columns.collect(),
        fields: chosen.iter().map(Name::as_str).collect::<Vec<_>>().join(","),
        heads: chosen.iter().map(|name| tell::label(name.as_str())).collect(),
        members,
        next: next.map(|place| app.listings.next(view, place)),
        is_later: cursor.is_some(),
        ranges: RANGES.iter().map(|days| Range { days: *days, is_chosen: *days == range }).collect(),
        chart: chart::growth(&days),
        days: days.into_iter().rev().take(90).collect(),
        changes: view.newest_changes(name, CHANGES)?.iter().map(|change| told(change, zone)).collect(),
        seq: view.feed_bounds().newest,
        dependents: dependents.iter().map(|name| (name.to_string(), tell::encoded(name))).collect(),
    })
}

/// The columns asked for, those that are known, in the order of the schema; the usual ones when none is.
fn chosen_columns(view: &View, asked: &[String]) -> Vec<Name> {
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<Name> {
        let known = view.schema().properties().map(|property| &property.name);
        known.filter(|name| wanted(name.as_str())).cloned().collect()
    };
    let chosen = of(&|name| asked.iter().any(|asked| asked == name));
    if chosen.is_empty() { of(&|name| COLUMNS.contains(&name)) } else { chosen }
}

fn members(
    view: &View,
    name: &str,
    columns: &[Name],
    after: Option<Place>,
) -> Result<(Vec<Member>, Option<Place>), Problem> {
    let page = view.members(name)?.contacts(after, MEMBERS, Some(columns));
    let zone = view.schema().zone();
    let member = |record: &crate::db::record::ContactRecord| {
        let cell = |column: &Name| {
            let found = record.values.iter().find(|(name, _)| name == column)?;
            let ty = view.schema().property(column.as_str())?.ty;
            Some(tell::value(&found.1, ty, zone))
        };
        let cells = columns.iter().map(|column| cell(column).unwrap_or_default()).collect();
        Member { key: record.key.to_string(), path: tell::encoded(&record.key), cells }
    };
    Ok((page.items.iter().map(member).collect(), page.next))
}

/// The definition as it was written, a line for each part; nothing for a list.
pub fn parts(view: &View, segment: &SegmentInfo, everyone: u64) -> Result<Vec<Part>, Problem> {
    let Some(forms) = &segment.rule else { return Ok(Vec::new()) };
    let rule = view.parse_rule(&RuleSource::Json((&*forms.json).into()))?;
    let mut lines = Vec::new();
    flatten(&view.outline(&rule, None)?, 0, everyone, &mut lines);
    Ok(lines)
}

fn flatten(node: &Outline, depth: usize, everyone: u64, lines: &mut Vec<Part>) {
    let n = ["at_least", "at_most", "exactly"].into_iter().find_map(|word| node.json.get(word));
    let n = n.map(ToString::to_string).unwrap_or_default();
    let text = match node.kind {
        "and" => "all of".to_owned(),
        "or" => "any of".to_owned(),
        "xor" => "an odd number of".to_owned(),
        "not" => "not".to_owned(),
        "at_least" => format!("at least {n} of"),
        "at_most" => format!("at most {n} of"),
        "exactly" => format!("exactly {n} of"),
        _ => node.text.clone(),
    };
    lines.push(Part {
        depth: depth.min(8),
        text,
        is_test: node.kind == "test",
        count: tell::grouped(node.count),
        share: tell::share(node.count, everyone),
    });
    node.children.iter().for_each(|child| flatten(child, depth + 1, everyone, lines));
}

fn told(change: &FeedChange, zone: &Zone) -> Told {
    let linked = |key: &Option<Box<str>>| key.as_deref().map(|key| (key.to_owned(), tell::encoded(key)));
    let (kind, contact, text) = match &change.kind {
        FeedKind::Entered(key) => ("entered", linked(key), "an erased contact".to_owned()),
        FeedKind::Left(key) => ("left", linked(key), "an erased contact".to_owned()),
        FeedKind::Bulk { entered, left } => {
            ("bulk", None, format!("{} entered, {} left", tell::grouped(*entered), tell::grouped(*left)))
        }
    };
    Told { at: tell::instant(change.at, zone), kind, contact, text, cause: cause(change.cause) }
}

/// Why a membership changed, for people.
fn cause(word: &str) -> &'static str {
    match word {
        "write" => "by a write",
        "time" => "by time",
        "rule" => "by the rule",
        "manual" => "by hand",
        _ => "by an erasure",
    }
}
