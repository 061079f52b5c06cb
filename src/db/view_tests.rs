//! Tests of what a view tells: rules, segments, memberships.

use std::sync::Arc;

use crate::{
    db::{database::Database, error::Error, options::Options},
    model::{
        name::{ContactKey, Name},
        number::Number,
        request::{
            Applied, ContactWrite, Input, MembersEdit, MembersMode, Request, RuleSource, SegmentCreate, SegmentSource,
            SegmentUpdate, WriteMode,
        },
        time::Timestamp,
    },
};

const START: Timestamp = Timestamp(1_777_593_600_000); // 2026-05-01T00:00:00Z

fn key(text: &str) -> ContactKey {
    ContactKey::new(text).unwrap()
}

fn contact(who: &str, score: i64, created: &str) -> Request {
    let values = vec![
        (Name::new("lead_score").unwrap(), Input::Number(Number::from_int(score))),
        (Name::new("created").unwrap(), Input::Text(created.into())),
    ];
    Request::Contact(ContactWrite { key: key(who), mode: WriteMode::Merge, values })
}

fn segment(name: &str, source: SegmentSource) -> Request {
    Request::CreateSegment(SegmentCreate { name: name.into(), description: Some("for tests".into()), source })
}

fn text(rule: &str) -> RuleSource {
    RuleSource::Text(rule.into())
}

fn pin(segment: &str, mode: MembersMode, keys: &[&str]) -> Request {
    let keys = keys.iter().map(|who| key(who)).collect();
    Request::EditMembers(MembersEdit { segment: segment.into(), edits: vec![(mode, keys)], create: false })
}

fn people() -> Database {
    let db = Database::open(Options::default().at(START)).unwrap();
    let written = db
        .write(vec![
            contact("ann", 10, "2026-04-30"),
            contact("bob", 60, "2026-04-01"),
            contact("cid", 90, "2026-04-29"),
            segment("Hot", SegmentSource::Rule(text("lead_score > 50"))),
            segment("List", SegmentSource::Members(vec![key("ann"), key("cid")])),
            segment("Both", SegmentSource::Rule(text("in segment \"hot\" and in segment \"LIST\""))),
        ])
        .unwrap();
    assert!(written.results.iter().all(|result| *result == Ok(Applied::Created)), "{:?}", written.results);
    db
}

fn keys(db: &Database, rule: &str) -> Vec<String> {
    let view = db.view();
    let rule = view.parse_rule(&text(rule)).unwrap();
    let answer = view.query(&rule, None).unwrap();
    assert_eq!(answer.count(), view.count(&rule, None).unwrap());
    for who in ["ann", "bob", "cid"] {
        assert_eq!(view.holds(&rule, who).unwrap(), view.has_contact(who).then(|| answer.contains(who)), "{who}");
    }
    answer.keys(None, 100).items.into_iter().map(String::from).collect()
}

#[test]
fn rules_are_read_asked_and_explained() {
    let db = people();
    assert_eq!(keys(&db, "lead_score >= 60"), ["bob", "cid"]);
    assert_eq!(keys(&db, "created < 14 days ago and not in segment \"hot\""), ["ann"]);
    assert_eq!(keys(&db, "in segment \"both\""), ["cid"]);
    let view = db.view();
    let recent = view.parse_rule(&text("created in last 3 days")).unwrap();
    assert_eq!(view.count(&recent, None).unwrap(), 2);
    assert_eq!(view.count(&recent, Some(START.plus_ms(2 * 86_400_000))).unwrap(), 1, "windows move with as_of");
    let plan = view.explain(&recent, None).unwrap();
    assert_eq!(plan.count, 2);
    let json = RuleSource::Json(Arc::from("{\"segment\":\"Hot\"}"));
    assert_eq!(view.count(&view.parse_rule(&json).unwrap(), None).unwrap(), 2);
}

#[test]
fn unknown_segments_in_rules_point_and_suggest() {
    let db = people();
    let error = db.view().parse_rule(&text("lead_score > 1 and in segment \"Hott\"")).unwrap_err();
    assert_eq!((error.code, error.offset, error.suggestion.as_deref()), ("unknown_segment", 31, Some("Hot")));
    let error = db.view().parse_rule(&text("lead_score > ")).unwrap_err();
    assert!(!error.message.is_empty());
    assert!(matches!(db.view().members("nope"), Err(Error::NoSegment(_))));
}

#[test]
fn memberships_follow_writes_pins_and_the_clock() {
    let db = people();
    let of = |who: &str| {
        let names = db.view().segments_of(who).unwrap();
        names.into_iter().map(String::from).collect::<Vec<_>>()
    };
    assert_eq!(
        (of("ann"), of("bob"), of("cid")),
        (vec!["List".into()], vec!["Hot".into()], vec!["Hot".into(), "List".into(), "Both".into()])
    );
    assert_eq!(db.view().segments_of("nobody"), None);
    db.write(vec![pin("hot", MembersMode::Include, &["ann"]), pin("hot", MembersMode::Exclude, &["bob"])]).unwrap();
    assert_eq!(of("ann"), ["Hot", "List", "Both"]);
    assert_eq!(db.view().member_count("HOT").unwrap(), 2);
    assert!(!db.view().is_member("hot", "bob").unwrap());
    assert_eq!(keys(&db, "lead_score > 50"), ["bob", "cid"], "a rule is the rule alone");
    db.write(pin("hot", MembersMode::Clear, &["ann", "bob"])).unwrap();
    assert_eq!(of("bob"), ["Hot"]);
    db.write(segment("New", SegmentSource::Rule(text("created in last 2 days")))).unwrap();
    assert_eq!(db.view().member_count("new").unwrap(), 2);
    db.move_clock(START.plus_ms(86_400_001)).unwrap();
    assert_eq!(db.view().member_count("new").unwrap(), 0);
    db.write(Request::Erase(key("cid"))).unwrap();
    assert_eq!(db.view().member_count("list").unwrap(), 1);
    db.view().check().unwrap();
}

#[test]
fn segments_tell_their_versions() {
    let db = people();
    let update = SegmentUpdate {
        segment: "hot".into(),
        name: Some("Warm".into()),
        description: Some(None),
        rule: Some(text("lead_score > 20")),
    };
    assert_eq!(db.write(Request::UpdateSegment(update)).unwrap().results, [Ok(Applied::Updated)]);
    let view = db.view();
    let info = view.segment("warm").unwrap();
    assert_eq!((&*info.name, info.version, info.description.as_deref()), ("Warm", 2, None));
    let versions = view.versions("WARM").unwrap();
    assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [1, 2]);
    assert_ne!(versions[0].rule, versions[1].rule);
    assert_eq!(view.versions("list"), Some(vec![]));
    assert!(view.segment("both").unwrap().rule.unwrap().text.contains("Warm"), "the name follows into rules");
    assert_eq!(view.segments().len(), 3);
    assert_eq!(view.status().segments, 3);
}
