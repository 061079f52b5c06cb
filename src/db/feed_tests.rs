//! Tests of the feed as an embedded database offers it.

use std::sync::mpsc;

use crate::{
    db::{
        database::Database,
        error::Error,
        feed::{FeedKind, Followed},
        options::Options,
    },
    model::{
        id::Lsn,
        name::{ContactKey, Name},
        number::Number,
        request::{ContactWrite, Input, Request, RuleSource, SegmentCreate, SegmentSource, WriteMode},
        time::Timestamp,
    },
};

const START: Timestamp = Timestamp(1_777_593_600_000); // 2026-05-01T00:00:00Z

fn score(key: &str, score: i64) -> Request {
    let values = vec![(Name::new("lead_score").unwrap(), Input::Number(Number::from_int(score)))];
    Request::Contact(ContactWrite { key: ContactKey::new(key).unwrap(), mode: WriteMode::Merge, values })
}

fn hot() -> Database {
    let db = Database::open(Options::default().at(START)).unwrap();
    let source = SegmentSource::Rule(RuleSource::Text("lead_score > 50".into()));
    db.write(Request::CreateSegment(SegmentCreate { name: "Hot".into(), description: None, source })).unwrap();
    db
}

#[test]
fn listeners_hear_of_what_views_show_until_they_say_no() {
    let db = hot();
    let (sender, heard) = mpsc::channel();
    db.on_publish(Box::new(move |seq| sender.send(seq).is_ok()));
    for (score_now, newest) in [(60, 2), (70, 2), (10, 3)] {
        db.write(score("ann", score_now)).unwrap();
        // The writer answers first and tells then: what was told last may be of the write before.
        let told = heard.iter().find(|told| *told >= newest);
        assert_eq!(told, Some(newest));
        assert_eq!(db.view().feed_bounds().newest, newest);
    }
    drop(heard);
    db.write(score("ann", 90)).unwrap();
    let page = db.view().feed(1, &mut Followed::all(), 10).unwrap();
    let key = |key: &str| Some(key.into());
    let kinds: Vec<FeedKind> = page.changes.into_iter().map(|change| change.kind).collect();
    assert_eq!(kinds, [FeedKind::Entered(key("ann")), FeedKind::Left(key("ann")), FeedKind::Entered(key("ann"))]);
}

#[test]
fn a_view_tells_no_more_than_it_holds() {
    let db = hot();
    let old = db.view();
    let lsn = db.write(score("ann", 60)).unwrap().lsn;
    assert_eq!(old.feed(0, &mut Followed::all(), 10).unwrap().next, 1);
    assert!(matches!(old.feed(2, &mut Followed::all(), 10), Err(Error::CursorAhead { after: 2, .. })));
    assert!(matches!(old.members_at("hot", lsn), Err(Error::LsnAhead { .. })));
    assert!(matches!(old.bulk_lists(2), Err(Error::NoBulk(2))));
    let view = db.view();
    assert_eq!(view.members_at("hot", lsn).unwrap().answer.count(), 1);
    assert_eq!(view.members_at("hot", old.lsn()).unwrap().answer.count(), 0);
    assert!(matches!(view.members_at("hot", Lsn(1)), Err(Error::MadeLater { .. })));
    assert!(matches!(Followed::named(&view, ["hot", "cold"]), Err(Error::NoSegment(name)) if &*name == "cold"));
}

#[test]
fn the_calendar_has_a_last_day() {
    let db = Database::open(Options::default().at(Timestamp::MAX.plus_ms(-60_000))).unwrap();
    let source = SegmentSource::Rule(RuleSource::Text("lead_score > 50".into()));
    db.write(Request::CreateSegment(SegmentCreate { name: "Hot".into(), description: None, source })).unwrap();
    db.write(score("ann", 60)).unwrap();
    let days = db.view().history("hot", None, None).unwrap();
    assert_eq!(days.iter().map(|day| day.size).collect::<Vec<_>>(), [1]);
    let ahead = db.view().forecast("hot", 30, 3).unwrap();
    assert_eq!(ahead.iter().map(|day| (day.day, day.size)).collect::<Vec<_>>(), [(days[0].day, 1)]);
}
