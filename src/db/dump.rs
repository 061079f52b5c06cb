//! Everything that a database says, as lines of text: for tests that compare one with what another said.

use std::fmt::Write;

use crate::{
    db::{
        answer::Answer,
        feed::{FeedKind, Followed},
        record::{ContactRecord, SegmentInfo},
        view::View,
    },
    model::{
        request::RuleSource,
        schema::{Property, Source},
        value::Value,
    },
};

/// Keys of a list that are written out, at most.
const KEYS_SHOWN: usize = 12;

/// Rules that read every structure of an index.
const RULES: [&str; 22] = [
    "city is not Lyon",
    "city is Lyon",
    "my_text_1 contains \"aße\"",
    "my_text_2 is not set",
    "did visit_2 \"Front door\"",
    "my_email_1 domain is \"example.org\"",
    "my_category_1 in (ann, ghost)",
    "my_boolean_1 = false",
    "my_number_1 < 0",
    "my_money_1 between 12 and 13",
    "my_timestamp_1 on 2026-05-01",
    "my_date_2 anniversary in next 366 days",
    "my_set_1 has all of (\"red\")",
    "Has tag \"VIP\"",
    "country = France",
    "lead_score > 450",
    "did visit_1 where (pages > 2) in last 90 days",
    "sum(visit_1.pages) between 1 and 7",
    "did purchase then visit_1 within 2 days",
    "purchase_total > $100",
    "visit_distinct_1 = 1 OR Has visiting_2",
    "in segment \"List_1\" AND not in segment \"Frozen_1\"",
];

/// What a view says, line by line.
pub(super) fn dump(view: &View) -> String {
    let mut out = String::new();
    let status = view.status();
    let mut line = |text: String| writeln!(out, "{text}").expect("a string takes every line");
    line(format!("now {}", view.now()));
    line(format!("lsn {} seq {} zone {} due {:?}", view.lsn(), status.seq, status.zone, status.next_due));
    line(format!("contacts {} events {} segments {}", status.contacts, status.events, status.segments));
    view.schema().properties().for_each(|property| line(told_property(property)));
    for kind in view.schema().events() {
        let label = kind.label.as_ref().map(|label| label.as_str());
        let activity = kind.activity;
        line(format!("event {} {:?} {:?} {label:?} activity {activity}", kind.name, kind.phrases, kind.negative));
        for property in &kind.properties {
            let (ty, dropped) = (property.ty.name(), property.dropped);
            line(format!("  {} {ty} case {} dropped {dropped}", property.name, property.case_sensitive));
        }
    }
    for contact in view.everyone().contacts(None, usize::MAX, None).items {
        // Of a crowd, a few stand for all; the counts of rules tell of the rest.
        let number = contact.key.strip_prefix('c').and_then(|digits| digits.parse::<u32>().ok());
        if number.is_none_or(|number| number % 700 == 0) {
            line(told_contact(&contact));
        }
    }
    for segment in view.segments() {
        line(told_segment(&segment));
        line(format!("  members {}", told_answer(&view.members(&segment.name).expect("it was just listed"))));
        for version in view.versions(&segment.name).unwrap_or_default() {
            line(format!("  version {} at {}: {}", version.version, version.at, version.rule.text));
        }
        for day in view.history(&segment.name, None, None).unwrap_or_default() {
            line(format!("  day {}: {} +{} -{} v{}", day.day, day.size, day.entered, day.left, day.version));
        }
    }
    for suppression in view.suppressions() {
        line(format!("suppression {:?} {}", suppression.channels, told_segment(&suppression.info)));
        let members = view.suppressed(&suppression.info.name).expect("it was just listed");
        line(format!("  members {}", told_answer(&members)));
    }
    told_feed(view).into_iter().for_each(&mut line);
    for text in RULES {
        let rule = view.parse_rule(&RuleSource::Text(text.into())).expect("the history declares what these rules name");
        line(format!("rule {text}: {}", told_answer(&view.query(&rule, None).expect("it was just checked"))));
    }
    out
}

fn told_property(property: &Property) -> String {
    let derived = property.derived.as_ref().map(|derived| {
        let source = match &derived.source {
            Source::Aggregate { function, event, of } => {
                format!("{} {event} {}", function.name(), of.as_ref().map_or("", |of| of.as_str()))
            }
            Source::Latest { event } => format!("latest {}", event.as_ref().map_or("", |event| event.as_str())),
            Source::OpenClose { open, close } => format!("open {open} {close}"),
        };
        format!("{source}, written: {}", derived.writer.name())
    });
    let aliases: Vec<&str> = property.aliases.iter().map(|alias| alias.as_str()).collect();
    let (name, ty, case) = (&property.name, property.ty.name(), property.case_sensitive);
    format!("property {name} {ty} {aliases:?} case {case} derived {derived:?}")
}

fn told_value(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("{text:?}"),
        Value::Flag(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Money(minor) => format!("{minor} minor"),
        Value::Time(at) => at.to_string(),
        Value::Day(day) => day.to_string(),
        Value::Set(items) => format!("{items:?}"),
    }
}

fn told_contact(contact: &ContactRecord) -> String {
    let values = contact.values.iter().map(|(name, value)| format!("{name}={}", told_value(value)));
    format!("contact {}: {}", contact.key, values.collect::<Vec<_>>().join(" "))
}

fn told_segment(segment: &SegmentInfo) -> String {
    let SegmentInfo { name, description, rule, version, created, updated } = segment;
    let rule = rule.as_ref().map(|rule| format!("{} = {}", rule.text, rule.json));
    format!("segment {name:?} {description:?} v{version} made {created} changed {updated}: {rule:?}")
}

fn told_answer(answer: &Answer) -> String {
    let page = answer.keys(None, KEYS_SHOWN);
    let more = if page.next.is_some() { " …" } else { "" };
    format!("{}: {}{more}", answer.count(), page.items.join(" "))
}

fn told_feed(view: &View) -> Vec<String> {
    let page = view.feed(0, &mut Followed::all(), usize::MAX).expect("the feed is read from its beginning");
    let told = page.changes.into_iter().map(|change| {
        let what = match change.kind {
            // The key of an erased contact is kept for a day in memory, and in no file.
            FeedKind::Entered(key) => format!("entered {}", key.as_deref().unwrap_or("someone erased")),
            FeedKind::Left(key) => format!("left {}", key.as_deref().unwrap_or("someone erased")),
            FeedKind::Bulk { entered, left } => {
                let lists = view.bulk_lists(change.seq).map(|lists| (lists.entered.count(), lists.left.count()));
                format!("bulk +{entered} -{left}, lists {:?}", lists.ok())
            }
        };
        let (seq, at, segment, cause) = (change.seq, change.at, &change.segment, change.cause);
        format!("feed {seq} {at} {segment:?} v{} {what}, {cause}, lsn {}", change.version, change.lsn)
    });
    told.collect()
}
