//! One segment: its definition, how many it holds, who they are, how it grew, who depends on it.

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};

use crate::{
    db::{
        browse::Dependent,
        feed::{FeedChange, FeedKind},
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
        query::text_in_lines,
        webhooks::{Consumer, consumers},
    },
    model::{calendar::Zone, name::Name},
    web::{
        answer::{self, Frame, Visitor},
        chart,
        definition::{self, Line},
        tell,
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

/// A column that may be chosen.
struct Column {
    name: String,
    label: String,
    is_chosen: bool,
}

/// A member with its cells.
struct Member {
    key: String,
    path: Option<String>,
    cells: Vec<String>,
}

/// A change as it is told.
struct Told {
    at: String,
    kind: &'static str,
    contact: Option<(String, Option<String>)>,
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
    lines: Vec<Line>,
    count: u64,
    told_count: String,
    share: String,
    columns: Vec<Column>,
    events: Vec<(String, String)>,
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
    dependents: Vec<Named>,
    /// `None` when the webhooks cannot be read.
    consumers: Option<Vec<Consumer>>,
}

/// What names the segment in its rule; a suppression has no page.
struct Named {
    name: String,
    path: Option<String>,
    is_suppression: bool,
}

fn named(dependent: &Dependent) -> Named {
    let (name, is_suppression) = (dependent.name.to_string(), dependent.is_suppression);
    Named { path: if is_suppression { None } else { tell::path(&name) }, name, is_suppression }
}

/// Where a page of members begins. Most people look at the first and go: no view is kept for them. The second begins
/// after a place, whatever the view; from there on all pages show one instant.
enum Start {
    First,
    After(Place),
    Listing(Cursor),
}

impl Start {
    fn cursor(&self) -> Option<&Cursor> {
        match self {
            Start::Listing(cursor) => Some(cursor),
            Start::First | Start::After(_) => None,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Start::First => None,
            Start::After(place) => Some(*place),
            Start::Listing(cursor) => Some(cursor.place),
        }
    }
}

/// `GET /ui/segments/{name}`
pub async fn get(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let name = part(&uri, 2)?;
    // A form sends a box once for each choice.
    let params = Params::read_many(&uri, &["field", "fields", "after", "from", "days"], &["field"])?;
    let days = params.parsed::<i64>("days")?.filter(|days| RANGES.contains(days)).unwrap_or(RANGES[1]);
    let asked: Vec<String> = match params.text("fields") {
        Some(list) => list.split(',').map(str::to_owned).collect(),
        None => params.texts("field").map(str::to_owned).collect(),
    };
    let start = match (params.text("after"), params.parsed("from")?) {
        (Some(after), _) => Start::Listing(app.listings.resume(after)?),
        (None, Some(place)) => Start::After(Place(place)),
        (None, None) => Start::First,
    };
    body::blocking(move || {
        let view = app.view(start.cursor());
        let segment = view.segment(&name).ok_or_else(|| unknown(&name))?;
        answer::page(&segment_page(&app, &view, visitor, &segment, &asked, &start, days)?)
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
    visitor: Visitor,
    segment: &SegmentInfo,
    asked: &[String],
    start: &Start,
    range: i64,
) -> Result<SegmentPage, Problem> {
    let zone = view.schema().zone();
    let (name, everyone) = (&*segment.name, view.everyone().count());
    let count = view.member_count(name)?;
    let chosen = chosen_columns(view, asked);
    let (members, next) = members(view, name, &chosen, start.place())?;
    let days = view.history(name, Some(zone.day_of(view.now()).plus_days(1 - range)), None)?;
    let columns = view.schema().properties().map(|property| Column {
        name: property.name.to_string(),
        label: tell::label(property.name.as_str()),
        is_chosen: chosen.contains(&property.name),
    });
    let events = view.schema().events().map(|kind| (kind.name.to_string(), tell::label(kind.name.as_str())));
    let dependents = view.dependents(name)?;
    Ok(SegmentPage {
        frame: Frame::of(view, visitor),
        name: name.to_owned(),
        path: tell::encoded(name),
        description: segment.description.as_deref().unwrap_or_default().to_owned(),
        is_dynamic: segment.rule.is_some(),
        version: segment.version,
        created: tell::instant(segment.created, zone),
        updated: tell::instant(segment.updated, zone),
        rule: segment.rule.as_ref().map(|forms| text_in_lines(&forms.text, view.schema())).unwrap_or_default(),
        lines: definition::lines(view, name)?,
        count,
        told_count: tell::grouped(count),
        share: tell::share(count, everyone),
        columns: columns.collect(),
        events: events.collect(),
        fields: chosen.iter().map(Name::as_str).collect::<Vec<_>>().join(","),
        heads: chosen.iter().map(|name| tell::label(name.as_str())).collect(),
        members,
        next: next.map(|place| match start {
            Start::First => format!("from={}", place.0),
            Start::After(_) | Start::Listing(_) => format!("after={}", app.listings.next(view, place)),
        }),
        is_later: start.place().is_some(),
        ranges: RANGES.iter().map(|days| Range { days: *days, is_chosen: *days == range }).collect(),
        chart: chart::growth(&days, &chart::Course::of(view, segment)),
        days: days.into_iter().rev().take(90).collect(),
        changes: view.newest_changes(name, CHANGES)?.iter().map(|change| told(change, zone)).collect(),
        seq: view.feed_bounds().newest,
        dependents: dependents.iter().map(named).collect(),
        consumers: consumers(app, view, name, visitor.may_operate).ok(),
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
        Member { key: record.key.to_string(), path: tell::path(&record.key), cells }
    };
    Ok((page.items.iter().map(member).collect(), page.next))
}

fn told(change: &FeedChange, zone: &Zone) -> Told {
    let linked = |key: &Option<Box<str>>| key.as_deref().map(|key| (key.to_owned(), tell::path(key)));
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
