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

const DAY_MS: i64 = 86_400_000;
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

#[test]
fn time_that_passes_at_once_is_told_as_if_step_by_step() {
    let db = Database::open(Options::default().at(START)).unwrap();
    for days in [1, 2, 3] {
        let rule = RuleSource::Text(format!("created in last {days} days").into());
        let (name, source) = (format!("Last {days}").into(), SegmentSource::Rule(rule));
        db.write(Request::CreateSegment(SegmentCreate { name, description: None, source })).unwrap();
    }
    let created = |key: &str, ms| {
        let at = Input::Text(START.plus_ms(ms).to_string().into());
        let values = vec![(Name::new("created").unwrap(), at)];
        Request::Contact(ContactWrite { key: ContactKey::new(key).unwrap(), mode: WriteMode::Merge, values })
    };
    db.write(vec![created("ann", -7), created("bob", -5)]).unwrap();
    let newest = db.view().feed_bounds().newest;
    db.move_clock(START.plus_ms(10 * DAY_MS)).unwrap();
    let page = db.view().feed(newest, &mut Followed::all(), 100).unwrap();
    let told: Vec<_> = page.changes.into_iter().map(|change| (change.at.0 - START.0, change.kind)).collect();
    let left = |key: &str| FeedKind::Left(Some(key.into()));
    let wanted = [1, 2, 3].map(|days| [(days * DAY_MS - 7, left("ann")), (days * DAY_MS - 5, left("bob"))]);
    let wanted = wanted.concat();
    let is_near = |told: &(i64, FeedKind), wanted: &(i64, FeedKind)| {
        // A window holds what is exactly so old or not: a millisecond, as the contract says.
        told.1 == wanted.1 && (0..=1).contains(&(told.0 - wanted.0))
    };
    assert!(told.len() == 6 && told.iter().zip(&wanted).all(|(told, wanted)| is_near(told, wanted)), "{told:?}");
    for days in [1, 2, 3] {
        assert_eq!(db.view().member_count(&format!("Last {days}")).unwrap(), 0);
    }
    db.view().check().unwrap();
}
