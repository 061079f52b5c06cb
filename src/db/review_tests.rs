//! Tests of the review's bounds on its own work.

use super::*;
use crate::{
    db::{database::Database, options::Options},
    model::{
        name::{ContactKey, Name},
        number::Number,
        request::{Applied, ContactWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
    },
};

const SEGMENTS: i64 = 70;

/// A hundred contacts, and segments of which many are like the one before.
fn filled() -> Database {
    let db = Database::open(Options::default().at(Timestamp(1_777_593_600_000))).unwrap();
    let contact = |n: i64| {
        let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(n)))];
        let key = ContactKey::new(&format!("c{n}")).unwrap();
        Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values })
    };
    let segment = |n: i64| {
        let rule = RuleSource::Text(format!("lead_score > {} and lead_score < 200", n / 2).into());
        let (name, source) = (format!("Segment {n}").into(), SegmentSource::Rule(rule));
        Request::CreateSegment(SegmentCreate { name, description: None, source })
    };
    let requests: Vec<Request> = (0..100).map(contact).chain((1..=SEGMENTS).map(segment)).collect();
    let written = db.write(requests).unwrap();
    assert!(written.results.iter().all(|result| *result == Ok(Applied::Created)), "{:?}", written.results);
    db
}

fn pairs(review: &Review) -> Vec<&Advice> {
    let of_pairs = ["duplicate", "near_duplicate", "subset", "many_overlaps"];
    review.advice.iter().filter(|advice| of_pairs.contains(&advice.code)).collect()
}

#[test]
fn what_the_work_allows_is_reviewed_and_the_rest_is_counted() {
    let db = filled();
    let view = db.view();
    let all = view.review(&[]).unwrap();
    assert_eq!((all.reviewed, all.unreviewed, all.compared, all.uncompared), (70, 0, 70, 0));
    assert!(!pairs(&all).is_empty());
    // The work is summed up after every 64 segments; what came before is compared in every pair.
    let some = view.review_within(&[], Work { looks: 1, ..WORK }).unwrap();
    assert_eq!((some.reviewed, some.compared, some.uncompared), (70, 64, 6));
    assert!(!pairs(&some).is_empty() && pairs(&some).len() < pairs(&all).len());
    let none = view.review_within(&[], Work { looks: 0, ..WORK }).unwrap();
    assert_eq!((none.compared, none.uncompared, pairs(&none).len()), (0, 70, 0));
    // Each rule has two predicates; the first is looked at however many it has.
    for (predicates, reviewed) in [(0, 1), (1, 1), (2, 1), (3, 1), (4, 2), (139, 69), (140, 70)] {
        let found = view.review_within(&[], Work { predicates, ..WORK }).unwrap();
        assert_eq!((found.reviewed, found.unreviewed), (reviewed, 70 - reviewed), "{predicates}");
    }
}

#[test]
fn a_named_segment_is_compared_with_all_others() {
    let db = filled();
    let found = db.view().review(&["Segment 3".into()]).unwrap();
    assert_eq!((found.reviewed, found.compared, found.uncompared), (1, 70, 0));
    let same = found.advice.iter().find(|advice| advice.code == "duplicate").unwrap();
    assert!(same.related.iter().any(|name| **name == *"Segment 2"), "{same:?}");
}

#[test]
fn what_belongs_together_is_told_once_and_a_frozen_copy_is_no_duplicate() {
    let db = Database::open(Options::default().at(Timestamp(1_777_593_600_000))).unwrap();
    let contact = |n: i64| {
        let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(n)))];
        let key = ContactKey::new(&format!("c{n}")).unwrap();
        Request::Contact(ContactWrite { key, mode: WriteMode::Merge, values })
    };
    let segment = |(name, rule): (&str, &str)| {
        let source = SegmentSource::Rule(RuleSource::Text(rule.into()));
        Request::CreateSegment(SegmentCreate { name: name.into(), description: None, source })
    };
    let rules = [
        ("Half of them", "lead_score >= 50"),
        ("The same half", "lead_score > 49"),
        ("That half again", "not (lead_score < 50)"),
        ("Nearly half", "lead_score > 50"),
        ("Nearly that", "lead_score > 51"),
    ];
    let requests: Vec<Request> = (0..100).map(contact).chain(rules.into_iter().map(segment)).collect();
    let written = db.write(requests).unwrap();
    assert!(written.results.iter().all(|result| *result == Ok(Applied::Created)), "{:?}", written.results);
    let source = SegmentSource::Frozen("Half of them".into());
    let frozen = Request::CreateSegment(SegmentCreate { name: "Half of then".into(), description: None, source });
    assert_eq!(db.write(vec![frozen]).unwrap().results, [Ok(Applied::Created)]);
    let found = db.view().review(&[]).unwrap();
    let of = |code: &str| -> Vec<(String, Vec<String>)> {
        let of_code = found.advice.iter().filter(|advice| advice.code == code);
        let related = |advice: &Advice| advice.related.iter().map(|name| name.to_string()).collect();
        of_code.map(|advice| (advice.segment.to_string(), related(advice))).collect()
    };
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(of("duplicate"), [("That half again".to_owned(), names(&["Half of them", "The same half"]))]);
    let near = of("near_duplicate");
    assert_eq!(
        near,
        [("Nearly that".to_owned(), names(&["Half of them", "The same half", "That half again", "Nearly half"]))]
    );
}
