//! Random worlds from a seed: a zone, a schema, contacts and their events, and the instants to ask at.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use throng::model::{
    calendar::{Length, Period, Unit, Zone},
    number::{Number, ONE},
    schema::{EventKind, Property, Writer},
    time::{Day, Timestamp},
    value::{Value, ValueType},
};

use crate::support::{
    generate_schema::schema,
    naive::{Contact, Event, Members, Naive, Saved},
};

/// A seeded source of choices.
pub struct Dice(Pcg64Mcg);

impl Dice {
    /// The source of a seed.
    pub fn new(seed: u64) -> Dice {
        Dice(Pcg64Mcg::seed_from_u64(seed))
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0.random_range(0..n)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// A seed for another source.
    pub fn seed(&mut self) -> u64 {
        self.0.random()
    }

    /// True in `percent` of cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of a list.
    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Zones with every oddity: half hours, a skipped day, days without a midnight.
pub const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
];

/// Instants worth being at: DST changes, month ends, 29 February, a day that Apia skipped, year ends, the last second
/// of 32 bits, a year that has no 29 February though it is divisible by four, a leap second.
pub const NOWS: &[&str] = &[
    "2026-05-01T10:00:00Z",
    "2026-03-29T01:30:00Z",
    "2026-10-25T00:59:59.999Z",
    "2024-02-29T12:00:00Z",
    "2025-02-28T23:59:59.999Z",
    "2011-12-31T10:00:00Z",
    "2026-01-01T00:00:00Z",
    "2026-11-01T05:30:00.001Z",
    "2018-11-04T03:30:00Z",
    "2026-03-31T23:30:00Z",
    "2028-03-01T00:00:00Z",
    "1998-06-30T00:00:00Z",
    "2038-01-19T03:14:07.999Z",
    "2026-01-31T12:00:00Z",
    "2100-02-28T23:59:59.999Z",
    "2016-12-31T23:59:59.999Z",
];

/// Texts of every kind that is compared: composed and not, folding in one step and in none, with marks and signs.
pub const TEXTS: &[&str] = &[
    "Customer",
    "customer",
    "CUSTOMER",
    "VIP",
    "US",
    "us",
    "DE",
    "São Paulo",
    "SÃO PAULO",
    "Sa\u{303}o Paulo",
    "Straße",
    "STRASSE",
    "ΣΊΣΥΦΟΣ",
    "Σίσυφος",
    "σίσυφοσ",
    "İstanbul",
    "istanbul",
    "ISTANBUL",
    "ıstanbul",
    "\u{212A}elvin",
    "kelvin",
    "é",
    "e\u{301}",
    "E\u{301}cole",
    "école",
    "👩‍👩‍👧 family",
    "🦀",
    "日本語テキスト",
    "тест",
    "ТЕСТ",
    "ﬁne",
    "FINE",
    "a",
    "A",
    " padded ",
    "two  spaces",
    "line\nbreak",
    "tab\tbed",
    "quo\"te",
    "apo'strophe",
    "back\\slash",
    "per%cent",
    "star*red",
    "what?",
    "# hash",
    "a, b",
    "(paren)",
    "and",
    "or not in",
    "true",
    "50",
    "-3.5",
    "2026-05-01",
    "$1000",
    "x/y",
    "\u{1E9E}",
    "ǅ",
    "ǆ",
    "Ǆ",
    "ϐ",
    "β",
    "Ω",
    "\u{2126}",
    "ﬀ",
    "\u{3a9}mega",
    "naïve",
    "nai\u{308}ve",
    "a\u{301}\u{323}",
    "a\u{323}\u{301}",
    "trial",
    "active",
    "Active",
    "lead",
    "in last 7 days",
    "aaaaaaaaaaab",
    "ab",
    "abc",
    "abcd",
    "bcd",
];

/// Addresses, some of them odd.
pub const EMAILS: &[&str] = &[
    "ann@company.com",
    "Bob@Company.COM",
    "c@sub.company.com",
    "d@example.org",
    "no-at-sign",
    "two@at@company.com",
    "e@",
    "@start.com",
    "ümlaut@münchen.de",
    "U@MÜNCHEN.DE",
    "f@mu\u{308}nchen.de",
    "g@company.co",
    "h@xcompany.com",
];

/// Lengths that rules and data share, so that ends of windows are hit.
pub const LENGTHS: &[(u32, Unit)] = &[
    (1, Unit::Second),
    (90, Unit::Second),
    (1, Unit::Minute),
    (30, Unit::Minute),
    (1, Unit::Hour),
    (24, Unit::Hour),
    (1, Unit::Day),
    (2, Unit::Day),
    (7, Unit::Day),
    (14, Unit::Day),
    (30, Unit::Day),
    (60, Unit::Day),
    (90, Unit::Day),
    (1, Unit::Week),
    (14, Unit::Week),
    (1, Unit::Month),
    (3, Unit::Month),
    (13, Unit::Month),
    (1, Unit::Year),
    (4, Unit::Year),
    (28, Unit::Year),
    (365, Unit::Day),
    (366, Unit::Day),
    (3_000, Unit::Year),
    (9_999_999, Unit::Day),
    (0, Unit::Day),
];

const LEAP_DAYS: &[&str] = &["2024-02-29", "2000-02-29", "1996-02-29", "2028-02-29"];

/// The calendars of some zones begin later than the first instant there is, so the first day is left alone.
const SECOND_DAY: i64 = Timestamp::MIN.0 + 86_400_000;

/// A random world.
pub struct World {
    /// Its data.
    pub naive: Naive,
    /// Instants to ask at; the first is the data's own clock, the others are later.
    pub nows: Vec<Timestamp>,
}

/// A world of a seed with so many contacts.
pub fn world(dice: &mut Dice, contacts: usize) -> World {
    let zone = Zone::named(dice.pick::<&str>(ZONES)).expect("a zone of the built-in table");
    let now = Timestamp::parse(dice.pick::<&str>(NOWS)).expect("well formed");
    let mut naive = Naive::new(schema(dice, zone), now);
    let (_, length) = edge(dice, &naive, now);
    let mut nows = vec![now, now.plus_ms(1), now.plus_ms(1_000), length.max(now)];
    nows.dedup();
    for place in 0..contacts {
        let contact = contact(dice, &mut naive, place);
        naive.contacts.push(contact);
    }
    for place in 0..3 {
        // A segment may name those before it.
        let rule = crate::support::generate_rule::rule(dice, &naive, 3);
        let mut saved = Saved::new(&format!("Équipe {place} \"x\""), Members::Rule(rule));
        for contact in &naive.contacts {
            if dice.chance(10) {
                let pins = if dice.chance(50) { &mut saved.include } else { &mut saved.exclude };
                pins.insert(contact.key.clone());
            }
        }
        naive.segments.push(saved);
    }
    let listed = naive.contacts.iter().filter(|_| dice.chance(40)).map(|contact| contact.key.clone()).collect();
    naive.segments.push(Saved::new("in last 7 days", Members::List(listed)));
    World { naive, nows }
}

fn contact(dice: &mut Dice, naive: &mut Naive, place: usize) -> Contact {
    let properties: Vec<Property> = naive.schema.properties().cloned().collect();
    let gaps = *dice.pick(&[5, 30, 60]);
    let mut written = BTreeMap::new();
    for property in &properties {
        let refused = property.derived.as_ref().is_some_and(|derived| derived.writer == Writer::Refuse);
        if !refused && !dice.chance(if property.derived.is_some() { 75 } else { gaps }) {
            let value = value(dice, naive, property.ty, property.case_sensitive);
            written.insert(property.name.to_string(), value);
        }
    }
    let kinds: Vec<EventKind> = naive.schema.events().cloned().collect();
    let mut events: Vec<Event> = vec![];
    let busy = *dice.pick(&[0, 1, 3, 8]);
    for kind in &kinds {
        let many = if dice.chance(3) { 40 } else { dice.below(busy + 1) };
        for _ in 0..many {
            let event = event(dice, naive, kind);
            events.push(event);
        }
    }
    let key = match place % 7 {
        0 => format!("u-{place}"),
        1 => format!("🦀{place}"),
        2 => format!("a/b {place}?#"),
        _ => format!("key{place}"),
    };
    Contact { key, written, events }
}

/// A random event of a kind.
pub fn event(dice: &mut Dice, naive: &mut Naive, kind: &EventKind) -> Event {
    let mut values = BTreeMap::new();
    for property in kind.properties.iter().filter(|property| !property.dropped) {
        if !dice.chance(25) {
            values.insert(property.name.to_string(), value(dice, naive, property.ty, property.case_sensitive));
        }
    }
    naive.arrivals += 1;
    let at = instant(dice, naive);
    Event { id: None, kind: kind.name.to_string(), at, values, arrival: naive.arrivals }
}

/// A random value of a type. Texts of case-sensitive properties are composed.
pub fn value(dice: &mut Dice, naive: &Naive, ty: ValueType, _case_sensitive: bool) -> Value {
    match ty {
        ValueType::Text => Value::Text(text(dice).into()),
        ValueType::Email => Value::Text((*dice.pick(EMAILS)).into()),
        ValueType::Category => Value::Text(TEXTS[dice.below(14)].into()),
        ValueType::Boolean => Value::Flag(dice.chance(50)),
        ValueType::Number => Value::Number(decimal(dice)),
        ValueType::Money(_) => Value::Money(minor(dice)),
        ValueType::Timestamp => Value::Time(instant(dice, naive)),
        ValueType::Date => Value::Day(day(dice, naive)),
        ValueType::Set => {
            let mut texts: Vec<Box<str>> = vec![];
            for _ in 0..=dice.below(5) {
                let text = TEXTS[dice.below(20)];
                if texts.iter().all(|held| !crate::support::spelling::same(held, text, false)) {
                    texts.push(text.into());
                }
            }
            Value::Set(texts)
        }
    }
}

/// A random text: one of the list, or one with a number so that distinct values are many.
pub fn text(dice: &mut Dice) -> String {
    match dice.below(10) {
        0..7 => (*dice.pick(TEXTS)).to_owned(),
        7 => format!("{} {}", dice.pick(TEXTS), dice.below(50)),
        8 => format!("{}{}", dice.pick(TEXTS), dice.pick(TEXTS)),
        _ => format!("user{:05}", dice.below(3_000)),
    }
}

/// A random decimal, sometimes extreme.
pub fn decimal(dice: &mut Dice) -> Number {
    match dice.below(20) {
        0 => Number::MIN,
        1 => Number::MAX,
        2 => Number(i128::from(dice.between(-3, 3))),
        3 => Number(i128::from(dice.between(-1_000, 1_000)) * ONE / 8),
        4 => Number(ONE / 3 * i128::from(dice.between(-5, 5))),
        5 => Number::from_int(dice.between(i64::MIN, i64::MAX)),
        6..9 => Number::from_int(dice.between(-5, 5)),
        _ => Number::from_int(dice.between(0, 100)),
    }
}

/// A random amount in minor units, sometimes extreme.
pub fn minor(dice: &mut Dice) -> i64 {
    match dice.below(20) {
        0 => 1 << 50,
        1 => -(1 << 50),
        2..5 => dice.between(-3, 3),
        5..8 => 100_000 + dice.between(-1, 1),
        _ => dice.between(0, 200_000),
    }
}

/// A window's end before or after an instant, to the millisecond or just beside it: back, ahead.
fn edge(dice: &mut Dice, naive: &Naive, now: Timestamp) -> (Timestamp, Timestamp) {
    let (n, unit) = *dice.pick(&LENGTHS[..20]);
    let length = Length { n, unit };
    let beside = *dice.pick(&[0, 0, 0, 1, -1, 1_000, -1_000]);
    let at = |ms: i128| Timestamp(0).plus_ms(ms as i64).plus_ms(beside);
    let now = i128::from(now.0);
    (at(naive.almanac.before(now, length)), at(naive.almanac.after(now, length)))
}

/// A random instant: at ends of windows, days and periods around the clock, in the past, in the future, far away.
pub fn instant(dice: &mut Dice, naive: &Naive) -> Timestamp {
    let now = naive.as_of;
    let at = match dice.below(20) {
        0..4 => edge(dice, naive, now).0,
        4 => edge(dice, naive, now).1,
        5..8 => {
            let start = naive.almanac.start_of(i64::from(day(dice, naive).0)) as i64;
            Timestamp(start).plus_ms(*dice.pick(&[0, 0, -1, 1]))
        }
        8 => Timestamp(*dice.pick(&[SECOND_DAY, Timestamp::MAX.0, 0, -1, now.0])),
        9 => now.plus_ms(*dice.pick(&[0, 1, -1, 1_000, 3_600_000])),
        10 => now.plus_ms(dice.between(0, 40 * 86_400) * 1_000),
        11..16 => now.plus_ms(-dice.between(0, 100 * 86_400) * 1_000),
        _ => now.plus_ms(-dice.between(0, 800 * 86_400_000)),
    };
    at.max(Timestamp(SECOND_DAY))
}

/// A random day: near the clock, at ends of periods, a 29 February, far away.
pub fn day(dice: &mut Dice, naive: &Naive) -> Day {
    let today = naive.almanac.day_of(i128::from(naive.as_of.0));
    let at = |day: i64| Day(0).plus_days(day);
    match dice.below(16) {
        0..4 => at(today + dice.between(-3, 3)),
        4..7 => {
            let period = *dice.pick(&Period::ALL);
            let (from, to) = naive.almanac.period(period, i128::from(naive.as_of.0));
            at(*dice.pick(&[from - 1, from, to - 1, to]))
        }
        7 => Day::parse(dice.pick::<&str>(LEAP_DAYS)).expect("a day"),
        8 => *dice.pick(&[Day::MIN, Day::MAX, Day(0), Day(-1)]),
        9 => at(today + dice.between(0, 400)),
        10..13 => at(today - dice.between(0, 100)),
        _ => at(today - dice.between(0, 25_000)),
    }
}

/// A contact without any data.
pub fn blank(key: String) -> Contact {
    Contact { key, written: BTreeMap::new(), events: vec![] }
}

/// Puts a text of its own, longer than most, in every text property of a contact that has one.
pub fn own_texts(dice: &mut Dice, naive: &Naive, contact: &mut Contact) {
    const PARTS: [&str; 12] = ["an", "Mar", "lou", "STR", "ß", "são", "o\u{308}s", "Σ", "日", "-", " ", "\u{1F980}"];
    for property in naive.schema.properties().filter(|property| property.ty.is_text()) {
        if let Some(Value::Text(text)) = contact.written.get_mut(property.name.as_str()) {
            let word: String = (0..2 + dice.below(6)).map(|_| *dice.pick::<&str>(&PARTS)).collect();
            *text = format!("{word}{}{text}", dice.below(10_000)).into();
        }
    }
}
