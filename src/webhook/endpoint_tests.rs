//! Endpoints: secrets that change, dead letters, replays, gaps, clocks.

use super::*;

fn endpoint() -> Endpoint {
    Endpoint {
        id: "wh_1".into(),
        url: "https://example.com/".into(),
        description: None,
        segments: vec![("VIP".into(), vec![SegmentId(3)])],
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
        dead: VecDeque::new(),
        dead_dropped: 0,
        replays: VecDeque::new(),
        made_by: None,
    }
}

fn letter(seq: u64) -> DeadLetter {
    let (first, last) = (Timestamp(1), Timestamp(2));
    let contact = Some(ContactId(seq as u32 % 7));
    DeadLetter {
        seq,
        id: format!("m{seq}"),
        contact,
        tries: 5,
        first,
        last,
        outcome: Outcome::Status(400),
        told: false,
    }
}

#[test]
fn an_old_secret_signs_for_a_day() {
    let (mut endpoint, day) = (endpoint(), ROTATION_MS);
    for at in [0, 1_000] {
        endpoint.rotate(Secret::random().unwrap(), Timestamp(at));
    }
    let signing = |at: i64| endpoint.signing(Timestamp(at)).count();
    assert_eq!([signing(2_000), signing(day - 1), signing(day), signing(day + 1_000)], [3, 3, 2, 1]);
    for at in 0..100 {
        endpoint.rotate(Secret::random().unwrap(), Timestamp(at));
    }
    assert_eq!(endpoint.signing(Timestamp(0)).count(), 1 + limits::WEBHOOK_OLD_SECRETS_MAX);
}

#[test]
fn dead_letters_are_bounded_and_counted() {
    let mut endpoint = endpoint();
    let many = limits::WEBHOOK_DEAD_LETTERS_MAX as u64 + 10;
    for seq in 1..=many {
        endpoint.bury(letter(seq));
        endpoint.bury(letter(seq));
    }
    assert_eq!((endpoint.dead.len(), endpoint.dead_dropped), (limits::WEBHOOK_DEAD_LETTERS_MAX, 10));
    endpoint.expire(many, Timestamp(0));
    assert_eq!((endpoint.dead.len() as u64, endpoint.dead_dropped), (1, many - 1));
}

#[test]
fn what_is_missing_is_told_once() {
    let mut endpoint = endpoint();
    endpoint.bury(letter(5));
    let contact = Some(ContactId(5));
    assert!(endpoint.is_missing(contact) && !endpoint.is_missing(Some(ContactId(6))) && !endpoint.is_missing(None));
    endpoint.taken(9, contact, false);
    assert!(!endpoint.is_missing(contact) && endpoint.dead.len() == 1 && endpoint.position == 9);
    endpoint.replay([(5, 5), (5, 5)]).unwrap();
    endpoint.taken(5, contact, true);
    assert!(endpoint.dead.is_empty() && endpoint.replays.is_empty() && endpoint.position == 9);
}

#[test]
fn replays_go_through_their_range_and_are_bounded() {
    let mut endpoint = endpoint();
    endpoint.replay([(1, 3), (2, 2), (8, 9)]).unwrap();
    assert_eq!(endpoint.replays, [(1, 3), (8, 9)]);
    for seq in [1, 2, 3, 8] {
        endpoint.pass(seq, true);
    }
    assert_eq!((endpoint.replays.front(), endpoint.position), (Some(&(9, 9)), 4));
    let many = (10..).step_by(2).map(|seq| (seq, seq)).take(limits::WEBHOOK_REPLAYS_MAX);
    assert!(endpoint.replay(many).is_err());
    assert_eq!(endpoint.replays.len(), limits::WEBHOOK_REPLAYS_MAX);
}

#[test]
fn a_range_is_passed_by_its_own_entries_alone() {
    let mut endpoint = endpoint();
    endpoint.replay([(2, 9), (900, 950)]).unwrap();
    endpoint.expire(10, Timestamp(0));
    endpoint.pass(5, true);
    assert_eq!(endpoint.replays, [(900, 950)]);
}

#[test]
fn a_feed_that_is_not_the_one_that_was_told_is_a_gap_at_once() {
    let met = |position: u64, is_other: bool| {
        let mut endpoint = Endpoint { position, ..endpoint() };
        [3, 8].into_iter().for_each(|seq| endpoint.bury(letter(seq)));
        endpoint.replay([(2, 9), (8, 8)]).unwrap();
        let is_gap = endpoint.meet(1, 5, is_other, Timestamp(7));
        (is_gap, endpoint)
    };
    let (is_gap, endpoint) = met(5, false);
    assert!(!is_gap && endpoint.gap.is_none() && endpoint.dead.len() == 2);
    let (is_gap, mut endpoint) = met(9, false);
    let gap = Gap { at: Timestamp(7), after: 9, oldest: 1, newest: 5, reason: GapReason::Ahead };
    assert!(is_gap && endpoint.gap == Some(gap) && endpoint.position == 5);
    assert_eq!((endpoint.dead.len(), endpoint.dead_dropped, &endpoint.replays), (1, 1, &[(2, 5)].into()));
    assert!(!endpoint.meet(1, 50, false, Timestamp(8)), "it grows past the place that was told");
    endpoint.miss(40, 60, GapReason::TooOld, Timestamp(9));
    assert_eq!((endpoint.gap.map(|gap| gap.after), endpoint.position), (Some(9), 39), "one gap, from its beginning");
    let (is_gap, endpoint) = met(4, true);
    assert!(is_gap && endpoint.dead.is_empty() && endpoint.replays.is_empty() && endpoint.position == 4);
    assert_eq!(endpoint.gap.map(|gap| gap.reason), Some(GapReason::Salvaged));
}

#[test]
fn a_clock_that_was_set_does_not_lengthen_a_wait() {
    let (day, hour) = (24 * 3_600_000, Duration::from_secs(3_600));
    let trouble = |last: i64, next: i64| Trouble {
        id: "m".into(),
        tries: 1,
        refused: 0,
        first: Timestamp(last),
        last: Timestamp(last),
        next: Timestamp(next),
        outcome: Outcome::Timeout,
    };
    let wait = |mut trouble: Trouble, now: i64| trouble.wait(Timestamp(now), hour).as_millis();
    assert_eq!(wait(trouble(1_000, 6_000), 2_000), 4_000);
    assert_eq!(wait(trouble(1_000, 6_000), 9_000), 0);
    assert_eq!(wait(trouble(300 * day, 300 * day + 5_000), 2_000), 5_000, "it was a year ahead");
    assert_eq!(wait(trouble(0, 300 * day), 1), hour.as_millis(), "never longer than the plan's longest");
    let mut kept = trouble(300 * day, 300 * day + 5_000);
    kept.wait(Timestamp(2_000), hour);
    assert_eq!(kept.wait(Timestamp(6_000), hour).as_millis(), 1_000, "the wait goes on from there");
}

#[test]
fn what_is_kept_comes_back() {
    let mut endpoint = endpoint();
    endpoint.bury(letter(5));
    endpoint.trouble = Some(Trouble {
        id: "m5".into(),
        tries: 2,
        refused: 1,
        first: Timestamp(1),
        last: Timestamp(3),
        next: Timestamp(9),
        outcome: Outcome::Timeout,
    });
    let text = serde_json::to_vec(&endpoint).unwrap();
    assert_eq!(serde_json::from_slice::<Endpoint>(&text).unwrap(), endpoint);
}
