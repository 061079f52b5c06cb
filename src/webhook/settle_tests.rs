//! What follows from calls, one after the other, without a server.

use super::*;
use crate::webhook::{
    endpoint::{Gap, GapReason, Kind},
    sign::Secret,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);
const HOUR_MS: i64 = 3_600_000;

fn endpoint() -> Endpoint {
    Endpoint {
        id: "wh_1".into(),
        url: "https://example.com/".into(),
        description: None,
        segments: vec![],
        kinds: Kind::ALL.to_vec(),
        secret: Secret::random().unwrap(),
        old_secrets: vec![],
        status: Status::Active,
        created: Timestamp(0),
        updated: Timestamp(0),
        position: 4,
        gap: None,
        trouble: None,
        replay_trouble: None,
        failing_since: None,
        failing_ms: 0,
        dead: Default::default(),
        dead_dropped: 0,
        replays: Default::default(),
        made_by: None,
    }
}

fn call(of: Of, outcome: Outcome, now: i64) -> Call<'static> {
    let now = Timestamp(now);
    Call { id: "m5", of, outcome, retry_after: None, now, tried_for: Duration::ZERO, is_changed: false }
}

fn settle(endpoint: &mut Endpoint, call: Call<'_>) -> Settled {
    endpoint.settle(&Plan::default(), 5 * DAY, &call)
}

const ENTRY: Of = Of::Entry(5, Some(ContactId(1)));

#[test]
fn trouble_of_the_receiver_is_no_refusal() {
    let mut endpoint = endpoint();
    for n in 0..6 {
        assert!(settle(&mut endpoint, call(ENTRY, Outcome::Status(503), n)).next.is_some());
    }
    for n in 6..10 {
        let settled = settle(&mut endpoint, call(ENTRY, Outcome::Status(404), n));
        assert!(settled.next.is_some(), "refusal {}", n - 5);
        assert_eq!(settled.tries as i64, n + 1);
    }
    assert_eq!(settle(&mut endpoint, call(ENTRY, Outcome::Status(404), 10)).next, None, "the fifth refusal");
    assert_eq!((endpoint.dead.len(), endpoint.dead[0].tries, endpoint.position), (1, 11, 5));
}

#[test]
fn steps_of_the_clock_and_rests_of_the_server_disable_nothing() {
    let mut endpoint = endpoint();
    let failed = |now: i64, tried_for: Duration| Call { tried_for, ..call(ENTRY, Outcome::Timeout, now) };
    let start = 1_000 * HOUR_MS;
    for (now, what) in [
        (start, "the first failure"),
        (start - 200 * HOUR_MS, "the clock was set back"),
        (start + 200 * HOUR_MS, "the clock was set forward, or the server was down"),
    ] {
        assert!(!settle(&mut endpoint, failed(now, Duration::from_secs(60))).is_disabled, "{what}");
    }
    assert!(!settle(&mut endpoint, failed(start + 201 * HOUR_MS, 4 * DAY)).is_disabled);
    assert!(settle(&mut endpoint, failed(start + 202 * HOUR_MS, DAY)).is_disabled, "five days of tries");
    assert_eq!(endpoint.status, Status::Failing);
}

#[test]
fn a_call_to_what_the_endpoint_was_settles_nothing_but_success() {
    let mut endpoint = endpoint();
    let changed = |of, outcome| Call { is_changed: true, ..call(of, outcome, 9) };
    for outcome in [Outcome::Status(410), Outcome::Status(500), Outcome::Status(400), Outcome::Timeout] {
        let before = endpoint.clone();
        assert_eq!(settle(&mut endpoint, changed(ENTRY, outcome)).next, None);
        assert_eq!(endpoint, before, "{outcome:?}");
    }
    settle(&mut endpoint, changed(ENTRY, Outcome::Status(200)));
    assert_eq!(endpoint.position, 5);
    endpoint.replay([(3, 9)]).unwrap();
    settle(&mut endpoint, changed(Of::Replay(5, None), Outcome::Status(200)));
    assert_eq!(endpoint.replays, [(3, 9)]);
}

#[test]
fn a_gap_says_the_same_until_it_is_taken() {
    let mut endpoint = endpoint();
    let gap = Gap { at: Timestamp(1), after: 4, oldest: 9, newest: 20, reason: GapReason::TooOld };
    endpoint.gap = Some(gap.clone());
    let id = gap.id("wh_1");
    let told = |outcome| Call { id: &id, ..call(Of::Gap, outcome, 2) };
    for tries in 1..20 {
        let settled = settle(&mut endpoint, told(Outcome::Status(500)));
        assert!(settled.tries == tries && settled.next.is_some());
        assert_eq!(endpoint.gap.as_ref(), Some(&gap));
    }
    settle(&mut endpoint, Call { id: "another", ..told(Outcome::Status(200)) });
    assert!(endpoint.gap.is_some());
    settle(&mut endpoint, told(Outcome::Status(200)));
    assert!(endpoint.gap.is_none() && endpoint.trouble.is_none());
}

#[test]
fn replays_and_the_feed_are_tried_apart() {
    let mut endpoint = endpoint();
    endpoint.replay([(2, 2)]).unwrap();
    settle(&mut endpoint, call(ENTRY, Outcome::Status(500), 1));
    settle(&mut endpoint, Call { id: "m2", ..call(Of::Replay(2, None), Outcome::Timeout, 2) });
    assert_eq!(settle(&mut endpoint, call(ENTRY, Outcome::Status(500), 3)).tries, 2);
    let of = |trouble: &Option<Trouble>| trouble.as_ref().map(|trouble| (trouble.id.clone(), trouble.tries));
    assert_eq!(of(&endpoint.trouble), Some(("m5".into(), 2)));
    assert_eq!(of(&endpoint.replay_trouble), Some(("m2".into(), 1)));
    settle(&mut endpoint, Call { id: "m2", ..call(Of::Replay(2, None), Outcome::Status(400), 4) });
    assert!(endpoint.replays.is_empty() && endpoint.dead.len() == 1 && endpoint.replay_trouble.is_none());
}
