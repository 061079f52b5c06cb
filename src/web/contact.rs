//! One contact: what is known of it, what it did, which segments hold it and why, what is due. And finding one.

use std::collections::HashSet;

use askama::Template;
use axum::{extract::State, http::Uri, response::Response};

use crate::{
    db::{browse::EventRecord, record::ContactRecord, view::View},
    http::{
        app::App,
        body,
        path::{Params, part},
        problem::Problem,
    },
    model::{calendar::Zone, name::Name, request::RuleSource, value::Value},
    web::{
        answer::{self, Frame, Visitor},
        tell,
    },
};

/// Events of a page of a timeline.
const EVENTS: usize = 100;
/// Segments that are shown of many; the others are found by a search.
const SEGMENTS: usize = 100;
/// Contacts that a search shows.
const FOUND: usize = 50;
/// Properties that a search looks into, as far as they are texts.
const SEARCHED: [&str; 3] = ["name", "email", "company"];

struct Deed {
    event: String,
    at: String,
    is_ahead: bool,
    values: Vec<(String, String)>,
}

struct Membership {
    name: String,
    path: Option<String>,
    is_member: bool,
}

/// The segments of a contact that are shown.
struct Memberships {
    shown: Vec<Membership>,
    /// How many match the search, shown or not.
    found: usize,
    /// How many hold the contact.
    held: usize,
    /// How many there are.
    total: usize,
}

#[derive(Template)]
#[template(path = "contact.html", config = "src/web/askama.toml")]
struct ContactPage {
    frame: Frame,
    key: String,
    path: String,
    title: String,
    properties: Vec<(String, String)>,
    events: Vec<Deed>,
    /// Which of how many are shown, unless it is all.
    span: Option<String>,
    event_count: String,
    /// How many events the pages of the newer and the older ones skip.
    newer: Option<usize>,
    older: Option<usize>,
    segments: Memberships,
    search: String,
}

/// A contact that a search found.
struct Found {
    key: String,
    path: Option<String>,
    about: Vec<String>,
}

#[derive(Template)]
#[template(path = "contacts.html", config = "src/web/askama.toml")]
struct ContactsPage {
    frame: Frame,
    search: String,
    heads: Vec<String>,
    found: Vec<Found>,
    count: String,
    is_all: bool,
}

/// `GET /ui/contacts/{key}?q=&skip=`
pub async fn get(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let key = part(&uri, 2)?;
    let params = Params::read(&uri, &["q", "skip"])?;
    let search = params.text("q").unwrap_or_default().trim().to_owned();
    let skipped = params.parsed::<usize>("skip")?.unwrap_or(0);
    body::blocking(move || {
        let view = app.db.view();
        let unknown = || Problem::not_found(format!("There is no contact \"{key}\"."));
        let record = view.contact(&key).ok_or_else(unknown)?;
        let (events, count) = view.events_of(&key, skipped, EVENTS).ok_or_else(unknown)?;
        let segments = memberships(&view, &view.segments_of(&key).ok_or_else(unknown)?, &search);
        let zone = view.schema().zone();
        let title = match record.values.iter().find(|(name, _)| name.as_str() == "name") {
            Some((_, Value::Text(text))) => text.to_string(),
            _ => key.clone(),
        };
        answer::page(&ContactPage {
            frame: Frame::of(&view, visitor),
            path: tell::encoded(&key),
            title,
            properties: properties(&view, &record),
            events: events.iter().map(|event| deed(event, &view, zone)).collect(),
            span: span(skipped, events.len(), count),
            newer: (skipped > 0).then(|| skipped.saturating_sub(EVENTS)),
            older: Some(skipped + events.len()).filter(|end| !events.is_empty() && (*end as u64) < count),
            event_count: tell::grouped(count),
            segments,
            search,
            key: key.clone(),
        })
    })
    .await
}

/// `101 to 200 of 260`, `100 of 260`; nothing where all are shown.
fn span(skipped: usize, shown: usize, count: u64) -> Option<String> {
    let (first, last) = (skipped as u64 + 1, (skipped + shown) as u64);
    match (skipped, shown) {
        (0, _) if last >= count => None,
        (0, _) => Some(format!("{} of {}", tell::grouped(last), tell::grouped(count))),
        (_, 0) => Some(format!("none of {} from here on", tell::grouped(count))),
        _ => Some(format!("{} to {} of {}", tell::grouped(first), tell::grouped(last), tell::grouped(count))),
    }
}

/// The segments of a name with the search in it, those that hold the contact first.
fn memberships(view: &View, holding: &[Box<str>], search: &str) -> Memberships {
    let held: HashSet<&str> = holding.iter().map(|name| &**name).collect();
    let (segments, wanted) = (view.segments(), search.to_lowercase());
    let named = segments.iter().map(|segment| (&*segment.name, segment.name.to_lowercase()));
    let mut found: Vec<_> = named.filter(|(_, folded)| folded.contains(&wanted)).collect();
    found.sort_by(|(a, a_folded), (b, b_folded)| (!held.contains(a), a_folded).cmp(&(!held.contains(b), b_folded)));
    let shown = found.iter().take(SEGMENTS).map(|(name, _)| Membership {
        name: (*name).to_owned(),
        path: tell::path(name),
        is_member: held.contains(name),
    });
    Memberships { shown: shown.collect(), found: found.len(), held: held.len(), total: segments.len() }
}

fn properties(view: &View, record: &ContactRecord) -> Vec<(String, String)> {
    let told = record.values.iter().filter_map(|(name, value)| {
        let ty = view.schema().property(name.as_str())?.ty;
        Some((tell::label(name.as_str()), tell::value(value, ty, view.schema().zone())))
    });
    told.collect()
}

fn deed(event: &EventRecord, view: &View, zone: &Zone) -> Deed {
    let values = event.values.iter();
    Deed {
        event: tell::label(event.event.as_str()),
        at: tell::instant(event.at, zone),
        is_ahead: event.at > view.now(),
        values: values.map(|(name, value, ty)| (tell::label(name.as_str()), tell::value(value, *ty, zone))).collect(),
    }
}

/// `GET /ui/contacts?q=`: by key, or by a part of the name, email or company.
pub async fn find(State(app): State<App>, visitor: Visitor, uri: Uri) -> Result<Response, Problem> {
    let search = Params::read(&uri, &["q"])?.text("q").unwrap_or_default().trim().to_owned();
    body::blocking(move || {
        let view = app.db.view();
        let searched = SEARCHED.into_iter().filter_map(|name| view.schema().property(name));
        let searched: Vec<Name> =
            searched.filter(|property| property.ty.is_text()).map(|property| property.name.clone()).collect();
        let answer = match search.as_str() {
            "" => view.everyone(),
            search => view.query(&view.parse_rule(&containing(&searched, search))?, None)?,
        };
        let mut records = answer.contacts(None, FOUND, Some(&searched)).items;
        let mut count = answer.count();
        if let Some(exact) = view.contact(&search).filter(|_| !search.is_empty()) {
            count += u64::from(!answer.contains(&search));
            records.retain(|record| record.key != exact.key);
            records.insert(0, exact);
            records.truncate(FOUND);
        }
        let cell = |record: &ContactRecord, name: &Name| match record.values.iter().find(|(known, _)| known == name) {
            Some((_, Value::Text(text))) => text.to_string(),
            _ => String::new(),
        };
        let found = records.iter().map(|record| Found {
            key: record.key.to_string(),
            path: tell::path(&record.key),
            about: searched.iter().map(|name| cell(record, name)).collect(),
        });
        let found: Vec<Found> = found.collect();
        answer::page(&ContactsPage {
            frame: Frame::of(&view, visitor),
            heads: searched.iter().map(|name| tell::label(name.as_str())).collect(),
            is_all: found.len() as u64 == count,
            count: tell::grouped(count),
            search,
            found,
        })
    })
    .await
}

/// The rule that some property has the text in it.
fn containing(properties: &[Name], text: &str) -> RuleSource {
    let test = |name: &Name| serde_json::json!({"property": name.as_str(), "op": "contains", "value": text});
    let tests: Vec<serde_json::Value> = properties.iter().map(test).collect();
    RuleSource::Json(serde_json::json!({"or": tests}).to_string().into())
}
