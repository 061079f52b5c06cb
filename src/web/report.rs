//! The report: all segments, or some, with their figures, as one file that needs nothing else. It has no script, asks
//! nobody for anything, and is of one instant.

use std::sync::LazyLock;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::{
    db::{
        browse::Dependent,
        figures::{Asked, Doers},
        past::DayRecord,
        record::SegmentInfo,
        review::Advice,
        view::View,
    },
    http::{
        app::{App, at_lsn},
        body,
        figures::{length, names},
        path::Params,
        problem::Problem,
        query::text_in_lines,
    },
    model::{
        calendar::{Length, Unit},
        limits,
    },
    web::{
        chart,
        definition::{self, Line},
        report_parts::{Conversion, Matrix, conversion, matrix},
        tell,
    },
};

/// Segments that have a part of their own; of more, the largest have one. So many may be named.
const DETAILS_MAX: usize = 100;
/// Reports that are made at once: each takes a thread and its memory for seconds.
static AT_ONCE: Semaphore = Semaphore::const_new(2);
/// Segments of the table that have a small line.
const SPARKS_MAX: usize = 1_000;
/// Pieces of advice that are told; of more, the weightiest.
const ADVICE_MAX: usize = 500;
/// Days of the charts when nobody says.
const DAYS: u32 = 90;
/// How far back engagement counts when nobody says.
const WINDOW: Length = Length { n: 30, unit: Unit::Day };
/// How soon the goal must be done when nobody says.
const WITHIN: Length = Length { n: 14, unit: Unit::Day };

/// The look of the page, and what a page of paper needs beside.
static STYLE: LazyLock<String> =
    LazyLock::new(|| [include_str!("assets/page.css"), include_str!("assets/report.css")].concat());
/// What the file may do: be read. It stands in the file itself too, so that it also holds where nobody sends it.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'")
});

/// What is asked for.
struct Wanted {
    /// These alone, in this order; none stands for all.
    segments: Vec<String>,
    days: u32,
    asked: Asked,
}

/// A line of the table of all segments.
struct Row {
    name: String,
    /// The number of its part, if it has one.
    part: Option<usize>,
    kind: &'static str,
    count: String,
    share: String,
    spark: String,
    updated: String,
}

/// One segment.
struct Part {
    number: usize,
    name: String,
    kind: &'static str,
    description: String,
    count: String,
    share: String,
    version: u32,
    created: String,
    updated: String,
    chart: String,
    /// Days on which something changed, the newest first.
    days: Vec<DayRecord>,
    entered: String,
    left: String,
    lines: Vec<Line>,
    rule: String,
    engaged: String,
    engaged_share: String,
    conversion: Option<Conversion>,
    dependents: Vec<Dependent>,
}

#[derive(Template)]
#[template(path = "report.html", config = "src/web/askama.toml")]
struct Report {
    style: &'static str,
    policy: &'static str,
    version: &'static str,
    lsn: u64,
    as_of: String,
    now: String,
    zone: String,
    contacts: String,
    events: String,
    is_all: bool,
    rows: Vec<Row>,
    parts: Vec<Part>,
    /// How many segments have no part of their own.
    without_part: usize,
    days_asked: u32,
    window: String,
    engaged_everyone: String,
    goal: Option<String>,
    within: String,
    overlap: Option<Matrix>,
    advice: Vec<Advice>,
    /// How many pieces of advice there are.
    advised: usize,
    reviewed: String,
    unreviewed: String,
    compared: String,
    uncompared: String,
}

/// `GET /ui/report?segment=&goal=&within=&engagement=&window=&days=`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let known = ["segment", "goal", "within", "engagement", "window", "days"];
    let params = Params::read_many(&uri, &known, &["segment", "engagement"])?;
    let wanted = wanted(&params)?;
    let turn = AT_ONCE.acquire().await.expect("it is never closed");
    body::blocking(move || {
        // Kept while the thread works, also when the caller has gone.
        let _turn = turn;
        let view = app.db.view();
        let page = report(&view, &wanted).map_err(|problem| problem.at(view.lsn()))?.render();
        let page =
            page.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", error.to_string()))?;
        let mut response = at_lsn(page.into_response(), view.lsn());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let policy = HeaderValue::from_str(&format!("{}; frame-ancestors 'none'", *POLICY));
        headers.insert(header::CONTENT_SECURITY_POLICY, policy.expect("the policy is ASCII"));
        Ok(response)
    })
    .await
}

fn wanted(params: &Params) -> Result<Wanted, Problem> {
    let goal = params.text("goal").map(str::trim).filter(|goal| !goal.is_empty()).map(str::to_owned);
    if params.text("within").is_some() && goal.is_none() {
        return Err(Problem::malformed("\"within\" is how soon after entering a \"goal\" is done, which is missing"));
    }
    let days = params.parsed::<u32>("days")?.unwrap_or(DAYS);
    if !(1..=limits::REPORT_DAYS_MAX).contains(&days) {
        let detail = format!("\"days\" is 1 to {}, not {days}", limits::REPORT_DAYS_MAX);
        return Err(Problem::refused("bad_days", detail));
    }
    let asked = Asked {
        from: None,
        to: None,
        engagement: names(params, "engagement"),
        window: length(params, "window")?.unwrap_or(WINDOW),
        goal,
        within: length(params, "within")?.unwrap_or(WITHIN),
    };
    let segments = params.texts("segment").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    let segments: Vec<String> = segments.collect();
    if segments.len() > DETAILS_MAX {
        let detail = format!("a report names at most {DETAILS_MAX} segments, not {}", segments.len());
        return Err(Problem::refused("too_many_segments", detail));
    }
    Ok(Wanted { segments, days, asked })
}

/// The segments of the report with their sizes: those that are named in the order named, else the largest first.
fn chosen(view: &View, names: &[String]) -> Result<Vec<(SegmentInfo, u64)>, Problem> {
    let mut chosen: Vec<(SegmentInfo, u64)> = Vec::new();
    if names.is_empty() {
        for segment in view.segments() {
            let count = view.member_count(&segment.name)?;
            chosen.push((segment, count));
        }
        chosen.sort_by_cached_key(|(segment, count)| (std::cmp::Reverse(*count), segment.name.to_lowercase()));
        return Ok(chosen);
    }
    for name in names {
        let segment = view.named(name)?;
        if !chosen.iter().any(|(known, _)| known.name == segment.name) {
            let count = view.member_count(&segment.name)?;
            chosen.push((segment, count));
        }
    }
    Ok(chosen)
}

fn report(view: &View, wanted: &Wanted) -> Result<Report, Problem> {
    let (zone, asked, status) = (view.schema().zone(), &wanted.asked, view.status());
    let chosen = chosen(view, &wanted.segments)?;
    let everyone = view.everyone().count();
    let doers = view.doers(asked.engagement.as_deref(), asked.window)?;
    let from = Some(zone.day_of(view.now()).plus_days(1 - i64::from(wanted.days)));
    let (mut rows, mut parts) = (Vec::with_capacity(chosen.len()), Vec::new());
    for (place, (segment, count)) in chosen.iter().enumerate() {
        let has_part = place < DETAILS_MAX;
        let days = if has_part || place < SPARKS_MAX { view.history(&segment.name, from, None)? } else { Vec::new() };
        rows.push(Row {
            name: segment.name.to_string(),
            part: has_part.then_some(place + 1),
            kind: kind(segment),
            count: tell::grouped(*count),
            share: tell::share(*count, everyone),
            spark: chart::spark(&days, zone.day_of(view.now()), i64::from(wanted.days)),
            updated: tell::instant(segment.updated, zone),
        });
        if has_part {
            parts.push(part(view, (segment, *count), place + 1, (&doers, asked), &days)?);
        }
    }
    let review = view.review(&wanted.segments)?;
    let compared: Vec<String> =
        chosen.iter().filter(|(_, count)| *count > 0).map(|(segment, _)| segment.name.to_string()).collect();
    Ok(Report {
        style: &STYLE,
        policy: &POLICY,
        version: status.version,
        lsn: view.lsn().0,
        as_of: tell::instant(view.now(), zone),
        now: view.now().to_string(),
        zone: zone.name().to_owned(),
        contacts: tell::grouped(everyone),
        events: tell::grouped(status.events),
        is_all: wanted.segments.is_empty(),
        without_part: rows.len() - parts.len(),
        rows,
        parts,
        days_asked: wanted.days,
        window: asked.window.to_string(),
        engaged_everyone: tell::share(doers.count(), everyone),
        goal: asked.goal.as_deref().map(tell::label),
        within: asked.within.to_string(),
        overlap: matrix(view, &compared, limits::OVERLAP_SEGMENTS_MAX)?,
        advised: review.advice.len(),
        advice: review.advice.into_iter().take(ADVICE_MAX).collect(),
        reviewed: tell::grouped(review.reviewed),
        unreviewed: tell::nonzero(review.unreviewed),
        compared: tell::grouped(review.compared),
        uncompared: tell::nonzero(review.uncompared),
    })
}

fn kind(segment: &SegmentInfo) -> &'static str {
    if segment.rule.is_some() { "dynamic" } else { "static" }
}

fn part(
    view: &View,
    (segment, count): (&SegmentInfo, u64),
    number: usize,
    (doers, asked): (&Doers, &Asked),
    days: &[DayRecord],
) -> Result<Part, Problem> {
    let (zone, name) = (view.schema().zone(), &*segment.name);
    let engaged = view.engagement(name, doers)?.engaged;
    let (entered, left) = days.iter().fold((0, 0), |sum, day| (sum.0 + day.entered, sum.1 + day.left));
    Ok(Part {
        number,
        name: name.to_owned(),
        kind: kind(segment),
        description: segment.description.as_deref().unwrap_or_default().to_owned(),
        count: tell::grouped(count),
        share: tell::share(count, view.everyone().count()),
        version: segment.version,
        created: tell::instant(segment.created, zone),
        updated: tell::instant(segment.updated, zone),
        chart: chart::growth(days, &chart::Course::of(view, segment)),
        days: days.iter().rev().filter(|day| day.entered > 0 || day.left > 0).copied().collect(),
        entered: tell::grouped(entered),
        left: tell::grouped(left),
        lines: definition::lines(view, name)?,
        rule: segment.rule.as_ref().map(|forms| text_in_lines(&forms.text, view.schema())).unwrap_or_default(),
        engaged: tell::grouped(engaged),
        engaged_share: tell::share(engaged, count),
        conversion: view.conversion(name, asked)?.map(|found| conversion(&found, asked.within, zone)),
        dependents: view.dependents(name)?,
    })
}
