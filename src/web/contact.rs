//! One contact: what is known of it, what it did, which segments hold it and why, what is due. And finding one.

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
        answer::{self, Frame},
        tell,
    },
};

/// Events of a timeline.
const EVENTS: usize = 100;
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
    path: String,
    is_member: bool,
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
    event_count: String,
    segments: Vec<Membership>,
    held: usize,
}

/// A contact that a search found.
struct Found {
    key: String,
    path: String,
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

/// `GET /ui/contacts/{key}`
pub async fn get(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let key = part(&uri, 2)?;
    Params::read(&uri, &[])?;
    body::blocking(move || {
        let view = app.db.view();
        let unknown = || Problem::not_found(format!("There is no contact \"{key}\"."));
        let record = view.contact(&key).ok_or_else(unknown)?;
        let (events, count) = view.events_of(&key, EVENTS).ok_or_else(unknown)?;
        let holding = view.segments_of(&key).ok_or_else(unknown)?;
        let zone = view.schema().zone();
        let mut segments: Vec<Membership> = view
            .segments()
            .iter()
            .map(|segment| Membership {
                name: segment.name.to_string(),
                path: tell::encoded(&segment.name),
                is_member: holding.contains(&segment.name),
            })
            .collect();
        segments.sort_by_key(|segment| (!segment.is_member, segment.name.to_lowercase()));
        let title = match record.values.iter().find(|(name, _)| name.as_str() == "name") {
            Some((_, Value::Text(text))) => text.to_string(),
            _ => key.clone(),
        };
        answer::page(&ContactPage {
            frame: Frame::of(&view),
            path: tell::encoded(&key),
            title,
            properties: properties(&view, &record),
            events: events.iter().map(|event| deed(event, &view, zone)).collect(),
            event_count: tell::grouped(count),
            held: holding.len(),
            segments,
            key: key.clone(),
        })
    })
    .await
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
pub async fn find(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
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
            path: tell::encoded(&record.key),
            about: searched.iter().map(|name| cell(record, name)).collect(),
        });
        let found: Vec<Found> = found.collect();
        answer::page(&ContactsPage {
            frame: Frame::of(&view),
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
