//! Time, by hand: at the last millisecond inside and the first outside, for every form that measures it.
//!
//! Each row is a rule, the instant it is asked at, and the values that it holds and does not hold. The naive database
//! and the product must both say so.

use throng::{
    model::{
        calendar::Zone,
        id::{EventKindId, PropertyId},
        name::Name,
        schema::{EventKind, Property, Schema},
        time::{Day, Timestamp},
        value::{Value, ValueType},
    },
    rule,
};

use crate::support::{
    loaded,
    naive::{Contact, Event, Naive},
};

/// A rule at an instant, and what it holds. A value of `seen` is an instant, of `born` a day, of `visit` a list of
/// instants with spaces between; `-` is none at all.
struct Row {
    rule: &'static str,
    now: &'static str,
    inside: &'static [&'static str],
    outside: &'static [&'static str],
}

const fn row(
    rule: &'static str,
    now: &'static str,
    inside: &'static [&'static str],
    outside: &'static [&'static str],
) -> Row {
    Row { rule, now, inside, outside }
}

const MAY: &str = "2026-05-01T10:00:00Z";

fn schema(zone: &str) -> Schema {
    let zone = Zone::named(zone).unwrap();
    let starter = Schema::starter(zone.clone());
    let (mut properties, mut events) = (starter.property_slots().to_vec(), starter.event_slots().to_vec());
    for (spelling, ty) in [("seen", ValueType::Timestamp), ("born", ValueType::Date)] {
        properties.push(Some(Property {
            id: PropertyId(properties.len() as u16),
            name: Name::new(spelling).unwrap(),
            ty,
            aliases: vec![],
            case_sensitive: false,
            derived: None,
        }));
    }
    events.push(Some(EventKind::plain(EventKindId(events.len() as u16), Name::new("visit").unwrap())));
    Schema::new(zone, properties, events)
}

fn contact(rule: &str, key: String, value: &str) -> Contact {
    let mut contact = Contact { key, written: Default::default(), events: vec![] };
    let at = |text: &str| Timestamp::parse(text).unwrap_or_else(|why| panic!("{text} {why}"));
    let values: Vec<&str> = value.split_whitespace().filter(|value| *value != "-").collect();
    for (arrival, value) in values.into_iter().enumerate() {
        if rule.contains("seen") || rule.contains("born") {
            let (name, value) = match rule.contains("seen") {
                true => ("seen", Value::Time(at(value))),
                false => ("born", Value::Day(Day::parse(value).unwrap())),
            };
            contact.written.insert(name.to_owned(), value);
        } else {
            let (kind, arrival) = ("visit".to_owned(), arrival as u64);
            contact.events.push(Event { id: None, kind, at: at(value), values: Default::default(), arrival });
        }
    }
    contact
}

fn check(zone: &str, rows: &[Row]) {
    let schema = schema(zone);
    for row in rows {
        let now = Timestamp::parse(row.now).unwrap();
        let parsed = rule::parse(row.rule, &schema).unwrap_or_else(|why| panic!("{}", why.render(row.rule)));
        let mut naive = Naive::new(schema.clone(), now);
        let all = row.inside.iter().chain(row.outside);
        naive.contacts = all.enumerate().map(|(n, value)| contact(row.rule, format!("{n} {value}"), value)).collect();
        let wanted: Vec<&str> = naive.contacts[..row.inside.len()].iter().map(|contact| contact.key.as_str()).collect();
        assert_eq!(naive.members(&parsed, now), wanted, "the naive database: {} at {} in {zone}", row.rule, row.now);
        let loaded = loaded::load(&naive);
        assert_eq!(loaded.keys(&parsed, now), wanted, "the product: {} at {} in {zone}", row.rule, row.now);
    }
}

#[test]
fn ages_end_at_the_millisecond() {
    // 90 days before 1 May are 31 January: 30 of April, 31 of March, 28 of February, and one.
    const AT: &str = "2026-01-31T10:00:00Z";
    const BEFORE: &str = "2026-01-31T09:59:59.999Z";
    const AFTER: &str = "2026-01-31T10:00:00.001Z";
    const FUTURE: &str = "2026-05-01T10:00:00.001Z";
    check(
        "UTC",
        &[
            row("seen < 90 days ago", MAY, &[AFTER, MAY], &[AT, BEFORE, FUTURE, "-"]),
            row("seen <= 90 days ago", MAY, &[AFTER, AT, MAY], &[BEFORE, FUTURE, "-"]),
            row("seen > 90 days ago", MAY, &[BEFORE, "0000-01-01T00:00:00Z"], &[AT, AFTER, MAY, FUTURE, "-"]),
            row("seen >= 90 days ago", MAY, &[AT, BEFORE], &[AFTER, MAY, FUTURE, "-"]),
            row("seen in last 90 days", MAY, &[AT, AFTER, MAY], &[BEFORE, FUTURE, "-"]),
            row("seen in the last 90 days", MAY, &[AT, MAY], &[BEFORE, FUTURE]),
            row("not seen < 90 days ago", MAY, &[AT, BEFORE, FUTURE, "-"], &[AFTER, MAY]),
            row("seen < 90 days ago including missing", MAY, &["-", AFTER], &[AT]),
            row("seen in last 1 second", MAY, &["2026-05-01T09:59:59Z", MAY], &["2026-05-01T09:59:58.999Z", FUTURE]),
            row("seen in last 24 hours", MAY, &["2026-04-30T10:00:00Z"], &["2026-04-30T09:59:59.999Z"]),
            row("seen in last day", MAY, &["2026-04-30T10:00:00Z"], &["2026-04-30T09:59:59.999Z"]),
            row("seen in last 2 weeks", MAY, &["2026-04-17T10:00:00Z"], &["2026-04-17T09:59:59.999Z"]),
            row("seen > 9999999 days ago", MAY, &[], &["0000-01-01T00:00:00Z", "-"]),
            row("seen >= 9999999 days ago", MAY, &[], &["0000-01-01T00:00:00Z", "-"]),
        ],
    );
}

#[test]
fn what_lies_ahead_ends_at_the_millisecond() {
    const AT: &str = "2026-05-08T10:00:00Z";
    const BEFORE: &str = "2026-05-08T09:59:59.999Z";
    const AFTER: &str = "2026-05-08T10:00:00.001Z";
    const FIRST: &str = "2026-05-01T10:00:00.001Z";
    check(
        "UTC",
        &[
            row("seen in next 7 days", MAY, &[FIRST, BEFORE, AT], &[MAY, AFTER, "-"]),
            row("seen < 7 days ahead", MAY, &[FIRST, BEFORE], &[MAY, AT, AFTER, "-"]),
            row("seen <= 7 days ahead", MAY, &[FIRST, BEFORE, AT], &[MAY, AFTER, "-"]),
            row("seen > 7 days ahead", MAY, &[AFTER], &[MAY, FIRST, AT, "-"]),
            row("seen >= 7 days from now", MAY, &[AT, AFTER], &[MAY, FIRST, BEFORE, "-"]),
            row("seen in next 1 month", MAY, &["2026-06-01T10:00:00Z"], &["2026-06-01T10:00:00.001Z", MAY]),
            row("seen >= 9999999 days ahead", MAY, &[], &["9999-12-31T23:59:59.999Z"]),
        ],
    );
}

#[test]
fn months_and_years_step_the_calendar() {
    check(
        "UTC",
        &[
            row(
                "seen in last 1 month",
                "2026-03-31T10:00:00Z",
                &["2026-02-28T10:00:00Z"],
                &["2026-02-28T09:59:59.999Z"],
            ),
            row(
                "seen in last 1 year",
                "2024-02-29T12:00:00Z",
                &["2023-02-28T12:00:00Z"],
                &["2023-02-28T11:59:59.999Z"],
            ),
            row(
                "seen in last 4 years",
                "2024-02-29T12:00:00Z",
                &["2020-02-29T12:00:00Z"],
                &["2020-02-29T11:59:59.999Z"],
            ),
            row("seen > 13 months ago", "2026-03-31T00:00:00Z", &["2025-02-27T23:59:59.999Z"], &["2025-02-28T00:00:00Z"]),
            row("seen in next 1 month", "2024-01-31T00:00:00Z", &["2024-02-29T00:00:00Z"], &["2024-02-29T00:00:00.001Z"]),
        ],
    );
    check(
        "Europe/Berlin",
        &[
            // A day is 86,400 s, a month keeps the time on the wall.
            row("seen in last 1 day", "2026-03-29T10:00:00Z", &["2026-03-28T10:00:00Z"], &["2026-03-28T09:59:59.999Z"]),
            row("seen in last 1 month", "2026-03-29T10:00:00Z", &["2026-02-28T11:00:00Z"], &["2026-02-28T10:59:59.999Z"]),
            // 02:30 on 29 March was skipped: it is read as 03:30.
            row("seen in last 1 month", "2026-04-29T00:30:00Z", &["2026-03-29T01:30:00Z"], &["2026-03-29T01:29:59.999Z"]),
            // 02:30 on 25 October came twice: the earlier one is meant.
            row("seen in last 1 month", "2026-11-25T01:30:00Z", &["2026-10-25T00:30:00Z"], &["2026-10-25T00:29:59.999Z"]),
        ],
    );
}

#[test]
fn periods_are_those_of_the_zone() {
    // Monday 30 March, 00:30 in Berlin, the day after the clocks went ahead.
    const NOW: &str = "2026-03-29T22:30:00Z";
    check(
        "Europe/Berlin",
        &[
            row(
                "seen is today",
                NOW,
                &["2026-03-29T22:00:00Z", "2026-03-30T21:59:59.999Z"],
                &["2026-03-29T21:59:59.999Z", "2026-03-30T22:00:00Z", "-"],
            ),
            row(
                "seen is yesterday",
                NOW,
                &["2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999Z"],
                &["2026-03-28T22:59:59.999Z", "2026-03-29T22:00:00Z"],
            ),
            row(
                "seen is tomorrow",
                NOW,
                &["2026-03-30T22:00:00Z", "2026-03-31T21:59:59.999Z"],
                &["2026-03-30T21:59:59.999Z", "2026-03-31T22:00:00Z"],
            ),
            row(
                "seen is this week",
                NOW,
                &["2026-03-29T22:00:00Z", "2026-04-05T21:59:59.999Z"],
                &["2026-03-29T21:59:59.999Z", "2026-04-05T22:00:00Z"],
            ),
            row(
                "seen is last week",
                NOW,
                &["2026-03-22T23:00:00Z", "2026-03-29T21:59:59.999Z"],
                &["2026-03-22T22:59:59.999Z", "2026-03-29T22:00:00Z"],
            ),
            row("seen is next week", NOW, &["2026-04-05T22:00:00Z"], &["2026-04-05T21:59:59.999Z", "2026-04-12T22:00:00Z"]),
            row(
                "seen is last month",
                NOW,
                &["2026-01-31T23:00:00Z", "2026-02-28T22:59:59.999Z"],
                &["2026-01-31T22:59:59.999Z", "2026-02-28T23:00:00Z"],
            ),
            row("seen is this month", NOW, &["2026-02-28T23:00:00Z", "2026-03-31T21:59:59.999Z"], &["2026-03-31T22:00:00Z"]),
            row(
                "seen is next month",
                NOW,
                &["2026-03-31T22:00:00Z", "2026-04-30T21:59:59.999Z"],
                &["2026-03-31T21:59:59.999Z", "2026-04-30T22:00:00Z"],
            ),
            row("seen is this year", NOW, &["2025-12-31T23:00:00Z", "2026-12-31T22:59:59.999Z"], &["2026-12-31T23:00:00Z"]),
            row("seen is last year", NOW, &["2024-12-31T23:00:00Z"], &["2024-12-31T22:59:59.999Z", "2025-12-31T23:00:00Z"]),
            row("seen is next year", NOW, &["2026-12-31T23:00:00Z"], &["2026-12-31T22:59:59.999Z", "2027-12-31T23:00:00Z"]),
            row("born is today", NOW, &["2026-03-30"], &["2026-03-29", "2026-03-31", "-"]),
            row("born is this week", NOW, &["2026-03-30", "2026-04-05"], &["2026-03-29", "2026-04-06"]),
            // `in` rolls, `is` is the calendar's. A month before 30 March is 28 February.
            row("seen in last month", NOW, &["2026-02-27T23:30:00Z", NOW], &["2026-02-27T23:29:59.999Z"]),
        ],
    );
    check(
        "America/St_Johns",
        &[row(
            "seen is today",
            "2026-05-01T02:29:59.999Z",
            &["2026-04-30T02:30:00Z", "2026-05-01T02:29:59.999Z"],
            &["2026-04-30T02:29:59.999Z", "2026-05-01T02:30:00Z"],
        )],
    );
}

#[test]
fn days_of_odd_zones_begin_where_their_clocks_say() {
    check(
        "Asia/Kathmandu",
        &[row(
            "seen on 2026-05-01",
            MAY,
            &["2026-04-30T18:15:00Z", "2026-05-01T18:14:59.999Z"],
            &["2026-04-30T18:14:59.999Z", "2026-05-01T18:15:00Z"],
        )],
    );
    // Samoa went from 29 December 2011 straight to the 31st.
    const AROUND: [&str; 2] = ["2011-12-30T09:59:59.999Z", "2011-12-30T10:00:00Z"];
    check(
        "Pacific/Apia",
        &[
            row("seen on 2011-12-30", MAY, &[], &AROUND),
            row("seen on 2011-12-29", MAY, &["2011-12-29T10:00:00Z", AROUND[0]], &["2011-12-29T09:59:59.999Z", AROUND[1]]),
            row("seen on 2011-12-31", MAY, &[AROUND[1], "2011-12-31T09:59:59.999Z"], &[AROUND[0], "2011-12-31T10:00:00Z"]),
            row("seen is yesterday", "2011-12-31T00:00:00Z", &[], &AROUND),
        ],
    );
    // There was no midnight on 4 November 2018 in São Paulo; the day began at one.
    check(
        "America/Sao_Paulo",
        &[row(
            "seen on 2018-11-04",
            MAY,
            &["2018-11-04T03:00:00Z", "2018-11-05T01:59:59.999Z"],
            &["2018-11-04T02:59:59.999Z", "2018-11-05T02:00:00Z"],
        )],
    );
}

#[test]
fn a_date_is_the_whole_day() {
    const START: &str = "2026-04-30T22:00:00Z";
    const EARLIER: &str = "2026-04-30T21:59:59.999Z";
    const LAST: &str = "2026-05-01T21:59:59.999Z";
    const NEXT: &str = "2026-05-01T22:00:00Z";
    check(
        "Europe/Berlin",
        &[
            row("seen = 2026-05-01", MAY, &[START, LAST], &[EARLIER, NEXT, "-"]),
            row("seen != 2026-05-01", MAY, &[EARLIER, NEXT, "-"], &[START, LAST]),
            row("seen < 2026-05-01", MAY, &[EARLIER], &[START, LAST, NEXT, "-"]),
            row("seen <= 2026-05-01", MAY, &[EARLIER, START, LAST], &[NEXT, "-"]),
            row("seen > 2026-05-01", MAY, &[NEXT], &[EARLIER, START, LAST, "-"]),
            row("seen >= 2026-05-01", MAY, &[START, LAST, NEXT], &[EARLIER, "-"]),
            row("seen before 2026-05-01", MAY, &[EARLIER], &[START, "-"]),
            row("seen after 2026-05-01", MAY, &[NEXT], &[LAST, "-"]),
            row("seen between 2026-05-01 and 2026-05-01", MAY, &[START, LAST], &[EARLIER, NEXT, "-"]),
            row("seen in (2026-05-01, 2026-05-03)", MAY, &[START, "2026-05-02T22:00:00Z"], &[NEXT, EARLIER, "-"]),
            row("seen not in (2026-05-01)", MAY, &[NEXT, EARLIER, "-"], &[START, LAST]),
            row("seen = 2026-04-30T22:00:00Z", MAY, &[START], &[EARLIER, "2026-04-30T22:00:00.001Z"]),
            row("seen > 2026-05-01T00:00:00+02:00", MAY, &["2026-04-30T22:00:00.001Z"], &[START]),
            row("seen before 2026-04-30T22:00:00Z", MAY, &[EARLIER], &[START]),
            row("seen after 2026-04-30T22:00:00Z", MAY, &["2026-04-30T22:00:00.001Z"], &[START]),
            row("seen between 2026-04-30T22:00:00Z and 2026-05-01T22:00:00Z", MAY, &[START, NEXT], &[EARLIER]),
            row("seen on 9999-12-31", MAY, &["9999-12-31T00:00:00Z", "9999-12-31T22:59:59.999Z"], &["9999-12-30T22:59:59.999Z"]),
            row("born = 2026-05-01", MAY, &["2026-05-01"], &["2026-04-30", "2026-05-02", "-"]),
            row("born between 2026-05-01 and 2026-05-02", MAY, &["2026-05-01", "2026-05-02"], &["2026-04-30", "2026-05-03"]),
            row("born on 9999-12-31", MAY, &["9999-12-31"], &["9999-12-30"]),
            row("born after 2026-05-01", MAY, &["2026-05-02"], &["2026-05-01"]),
        ],
    );
}

#[test]
fn the_age_of_a_day_is_counted_from_its_start() {
    // Noon in Berlin: 30 days back is noon on 1 April, so that 1 April began earlier and 2 April later.
    check(
        "Europe/Berlin",
        &[
            row("born < 30 days ago", MAY, &["2026-04-02", "2026-05-01"], &["2026-04-01", "2026-05-02", "-"]),
            row("born > 30 days ago", MAY, &["2026-04-01"], &["2026-04-02", "-"]),
            row("born in last 1 day", MAY, &["2026-05-01"], &["2026-04-30", "2026-05-02"]),
            row("born in next 1 day", MAY, &["2026-05-02"], &["2026-05-01", "2026-05-03"]),
            row("born in last 1 day", "2026-04-30T22:00:00Z", &["2026-05-01", "2026-04-30"], &["2026-04-29", "2026-05-02"]),
        ],
    );
}

#[test]
fn anniversaries_come_round() {
    const COMMON: &str = "2026-02-28T12:00:00Z";
    const LEAP: &str = "2024-02-28T12:00:00Z";
    check(
        "UTC",
        &[
            row("born anniversary is today", COMMON, &["2000-02-28", "2000-02-29"], &["2000-02-27", "2000-03-01", "-"]),
            row("born birthday is today", LEAP, &["2000-02-28"], &["2000-02-29"]),
            row("born birthday is today", "2024-02-29T12:00:00Z", &["2000-02-29"], &["2000-02-28", "2000-03-01"]),
            row("born anniversary in next 1 day", "2025-02-27T12:00:00Z", &["2000-02-29", "2000-02-27"], &["2000-03-01"]),
            row(
                "born anniversary in next 7 days",
                "2026-12-28T12:00:00Z",
                &["1990-12-28", "1990-12-31", "1990-01-04"],
                &["1990-12-27", "1990-01-05", "-"],
            ),
            row("born anniversary in next 365 days", COMMON, &["1990-07-01", "2000-02-29", "2000-02-27"], &["-"]),
        ],
    );
    check(
        "Europe/Berlin",
        &[row(
            "seen anniversary is today",
            MAY,
            &["2020-04-30T22:00:00Z", "2020-05-01T21:59:59.999Z"],
            &["2020-04-30T21:59:59.999Z", "2020-05-01T22:00:00Z", "-"],
        )],
    );
}

#[test]
fn event_windows_end_at_the_millisecond() {
    const AT: &str = "2026-04-24T10:00:00Z";
    const BEFORE: &str = "2026-04-24T09:59:59.999Z";
    const FUTURE: &str = "2026-05-01T10:00:00.001Z";
    check(
        "UTC",
        &[
            row("did visit", MAY, &[BEFORE, MAY], &[FUTURE, "-"]),
            row("did visit in last 7 days", MAY, &[AT, MAY], &[BEFORE, FUTURE, "-"]),
            row("did not visit in last 7 days", MAY, &[BEFORE, FUTURE, "-"], &[AT, MAY]),
            row("did visit more than 7 days ago", MAY, &[BEFORE], &[AT, MAY, "-"]),
            row("did visit twice in last 7 days", MAY, &["2026-04-24T10:00:00Z 2026-05-01T10:00:00Z"], &[
                "2026-04-24T09:59:59.999Z 2026-05-01T10:00:00Z",
                "2026-04-24T10:00:00Z 2026-05-01T10:00:00.001Z",
            ]),
            row("did visit at most 1 times in last 7 days", MAY, &["-", AT, BEFORE], &["2026-04-25T00:00:00Z 2026-04-26T00:00:00Z"]),
            row("did visit since 2026-04-30", MAY, &["2026-04-30T00:00:00Z"], &["2026-04-29T23:59:59.999Z", FUTURE]),
            row("did visit before 2026-04-30", MAY, &["2026-04-29T23:59:59.999Z"], &["2026-04-30T00:00:00Z"]),
            row("did visit after 2026-04-30", MAY, &["2026-05-01T00:00:00Z"], &["2026-04-30T23:59:59.999Z", FUTURE]),
            row("did visit between 2026-04-29 and 2026-04-30", MAY, &["2026-04-29T00:00:00Z", "2026-04-30T23:59:59.999Z"], &[
                "2026-04-28T23:59:59.999Z",
                "2026-05-01T00:00:00Z",
            ]),
            row("did visit between 2026-04-29T00:00:00Z and 2026-04-30T00:00:00Z", MAY, &["2026-04-29T00:00:00Z"], &[
                "2026-04-30T00:00:00Z",
                "2026-04-28T23:59:59.999Z",
            ]),
            row("did visit after 2026-04-30T00:00:00Z", MAY, &["2026-04-30T00:00:00.001Z"], &["2026-04-30T00:00:00Z"]),
            row("last visit in last 7 days", MAY, &[AT, "2026-01-01T00:00:00Z 2026-04-24T10:00:00Z"], &[BEFORE, "-", FUTURE]),
            row("first visit in last 7 days", MAY, &[AT], &["2026-01-01T00:00:00Z 2026-04-24T10:00:00Z", "-"]),
        ],
    );
    check(
        "Europe/Berlin",
        &[
            row("did visit during this month", MAY, &["2026-04-30T22:00:00Z"], &["2026-04-30T21:59:59.999Z", FUTURE]),
            row("did visit during last month", MAY, &["2026-03-31T22:00:00Z", "2026-04-30T21:59:59.999Z"], &[
                "2026-03-31T21:59:59.999Z",
                "2026-04-30T22:00:00Z",
            ]),
            row("did visit on at least 2 days", MAY, &["2026-04-29T21:59:59.999Z 2026-04-29T22:00:00Z"], &[
                "2026-04-29T22:00:00Z 2026-04-30T21:59:59.999Z",
                "2026-04-29T22:00:00Z 2026-05-01T10:00:00.001Z",
                "-",
            ]),
        ],
    );
}

#[test]
fn sequences_and_spans_end_at_the_millisecond() {
    check(
        "UTC",
        &[
            row("did visit then visit", MAY, &["2026-04-01T00:00:00Z 2026-04-01T00:00:00.001Z"], &[
                "2026-04-01T00:00:00Z 2026-04-01T00:00:00Z",
                "2026-04-01T00:00:00Z",
                "2026-04-01T00:00:00Z 2026-05-01T10:00:00.001Z",
            ]),
            row("did visit then visit within 1 hour", MAY, &["2026-04-01T00:00:00Z 2026-04-01T01:00:00Z"], &[
                "2026-04-01T00:00:00Z 2026-04-01T01:00:00.001Z",
            ]),
            row("did visit then visit in last 7 days", MAY, &["2026-04-24T10:00:00Z 2026-05-01T10:00:00Z"], &[
                "2026-04-24T09:59:59.999Z 2026-05-01T10:00:00Z",
            ]),
            row(
                "did visit then visit then visit within 1 hour",
                MAY,
                // The first of the middle two is too early for the last, the second is not.
                &["2026-04-01T00:00:00Z 2026-04-01T00:10:00Z 2026-04-01T00:50:00Z 2026-04-01T01:45:00Z"],
                &["2026-04-01T00:00:00Z 2026-04-01T00:40:00Z 2026-04-01T01:45:00Z"],
            ),
            row("did visit in at least 2 of the last 2 weeks", MAY, &[
                "2026-04-24T10:00:00Z 2026-05-01T10:00:00Z",
                "2026-04-17T10:00:00.001Z 2026-04-24T10:00:00.001Z",
            ], &[
                "2026-04-24T10:00:00.001Z 2026-05-01T10:00:00Z",
                "2026-04-17T10:00:00Z 2026-05-01T10:00:00Z",
                "2026-04-24T10:00:00Z 2026-05-01T10:00:00.001Z",
                "-",
            ]),
            row(
                "did visit in at least 2 of the last 3 months",
                "2026-03-31T10:00:00Z",
                // Back from the 31st: 28 February, 31 January, 31 December.
                &["2026-02-28T10:00:00Z 2026-03-31T10:00:00Z", "2026-01-31T10:00:00Z 2026-02-28T10:00:00Z"],
                &["2026-02-28T10:00:00.001Z 2026-03-31T10:00:00Z", "2026-01-31T10:00:00.001Z 2026-02-28T10:00:00Z"],
            ),
        ],
    );
}
