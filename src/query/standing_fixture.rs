//! Random predicates that hang on the clock, and contacts whose facts lie where the clock does odd things.

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    index::Index,
    model::{
        calendar::{Length, Period, Unit, Zone},
        id::{ContactId, EventKindId, PropertyId},
        number::Number,
        schema::{EventKind, EventProperty, Function, Property, Schema},
        time::{Day, Timestamp},
        value::{Value, ValueType},
    },
    query::fixture::{name, number},
    rule::ast::{
        AggregateBound, AggregateTest, BucketRange, Comparison, Counts, EdgeTest, End, EventTest, Moment, Operand,
        PropertyTest, RegularTest, Rule, SequenceTest, Step, Test, TextOp, Where, Window,
    },
};

pub const DAY: i64 = 86_400_000;

/// Zones, and an instant of each near which its clocks are set or its months end.
pub const PLACES: [(&str, &str); 8] = [
    ("UTC", "2024-02-27T12:00:00Z"),
    ("Europe/Berlin", "2026-03-27T12:00:00Z"),
    ("Europe/Berlin", "2026-10-23T22:30:00Z"),
    ("America/Sao_Paulo", "2018-11-02T12:00:00Z"),
    ("America/Sao_Paulo", "2018-02-16T12:00:00Z"),
    ("Asia/Kolkata", "2027-02-26T18:30:00Z"),
    ("America/St_Johns", "2007-11-02T12:00:00Z"),
    ("Australia/Lord_Howe", "2025-04-04T12:00:00Z"),
];

/// Lengths that rules have and that facts lie away from now.
pub const LENGTHS: [Length; 14] = {
    const fn of(n: u32, unit: Unit) -> Length {
        Length { n, unit }
    }
    [
        of(0, Unit::Day),
        of(90, Unit::Second),
        of(1, Unit::Hour),
        of(1, Unit::Day),
        of(2, Unit::Day),
        of(7, Unit::Day),
        of(2, Unit::Week),
        of(30, Unit::Day),
        of(0, Unit::Month),
        of(1, Unit::Month),
        of(2, Unit::Month),
        of(6, Unit::Month),
        of(1, Unit::Year),
        of(4, Unit::Year),
    ]
};

/// Facts under a schema of their own.
pub struct Moved {
    pub schema: Arc<Schema>,
    pub index: Index,
    pub start: Timestamp,
    pub rng: Pcg64Mcg,
    /// Every instant that a fact lies at.
    pub instants: Vec<i64>,
}

fn schema(zone: Zone) -> Schema {
    let starter = Schema::starter(zone.clone());
    let mut properties = starter.property_slots().to_vec();
    for (spelling, ty) in [("seen", ValueType::Timestamp), ("born", ValueType::Date)] {
        let id = PropertyId(properties.len() as u16);
        let property = Property { id, name: name(spelling), ty, aliases: vec![], case_sensitive: false, derived: None };
        properties.push(Some(property));
    }
    let mut events = starter.event_slots().to_vec();
    for spelling in ["visit", "call"] {
        let mut kind = EventKind::plain(EventKindId(events.len() as u16), name(spelling));
        let columns = [
            ("due", ValueType::Timestamp),
            ("day", ValueType::Date),
            ("n", ValueType::Number),
            ("what", ValueType::Category),
        ];
        kind.properties = columns
            .map(|(column, ty)| EventProperty { name: name(column), ty, case_sensitive: false, dropped: false })
            .to_vec();
        events.push(Some(kind));
    }
    Schema::new(zone, properties, events)
}

impl Moved {
    /// So many contacts around a place in time.
    pub fn new(seed: u64, place: usize, contacts: u32) -> Moved {
        let (zone, start) = PLACES[place % PLACES.len()];
        let schema = Arc::new(schema(Zone::named(zone).unwrap()));
        let start = Timestamp::parse(start).unwrap();
        let index = Index::new(&schema);
        let mut world = Moved { schema, index, start, rng: Pcg64Mcg::seed_from_u64(seed), instants: vec![] };
        for n in 0..contacts {
            world.add(n);
        }
        world
    }

    /// One contact more, by number.
    pub fn add(&mut self, n: u32) {
        let (contact, _) = self.index.insert(&format!("c{n}"));
        if self.rng.random_bool(0.9) {
            let at = self.instant();
            let seen = self.schema.property("seen").unwrap().id;
            self.index.set(seen, contact, Some(&Value::Time(at)));
        }
        if self.rng.random_bool(0.9) {
            let day = self.day();
            let born = self.schema.property("born").unwrap().id;
            self.index.set(born, contact, Some(&Value::Day(day)));
        }
        if self.rng.random_bool(0.5) {
            let tags = self.schema.property("tags").unwrap().id;
            self.index.set(tags, contact, Some(&Value::Set(vec!["a".into()])));
        }
        for kind in ["visit", "visit", "visit", "call"] {
            for _ in 0..self.rng.random_range(0..3) {
                self.event(contact, kind);
            }
        }
    }

    fn event(&mut self, contact: ContactId, kind: &str) {
        let at = self.instant();
        let values = [
            Value::Time(self.instant()),
            Value::Day(self.day()),
            Value::Number(Number::from_int(self.rng.random_range(0..4))),
            Value::Text(["tea", "cup"][self.rng.random_range(0..2)].into()),
        ];
        let values = values.map(|value| Some(value).filter(|_| self.rng.random_bool(0.8)));
        let kind = self.schema.event(kind).unwrap().id;
        self.index.record_event(&self.schema, self.start, contact, kind, at, &values, None);
    }

    /// An instant about a length of the rules away from the start, often on a midnight or to the millisecond.
    pub fn instant(&mut self) -> Timestamp {
        let zone = self.schema.zone().clone();
        let length = LENGTHS[self.rng.random_range(0..LENGTHS.len())];
        let near = self.start.plus_ms(self.rng.random_range(-3..8) * DAY + self.rng.random_range(0..DAY));
        let at = match self.rng.random_range(0..8) {
            0..6 => zone.before(near, length),
            6 => zone.after(near, length),
            _ => near,
        };
        let at = match self.rng.random_range(0..4) {
            0 => zone.start_of(zone.day_of(at)).plus_ms(self.rng.random_range(-1..2)),
            1 => Timestamp(at.0 / 3_600_000 * 3_600_000),
            _ => at,
        };
        self.instants.push(at.0);
        at
    }

    fn day(&mut self) -> Day {
        let at = self.instant();
        let day = self.schema.zone().day_of(at);
        self.instants.push(self.schema.zone().start_of(day).0);
        if self.rng.random_bool(0.1) { Day::parse("2004-02-29").unwrap() } else { day }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.random_range(0..from.len())]
    }

    fn length(&mut self) -> Length {
        self.pick(&LENGTHS)
    }

    fn order(&mut self) -> Comparison {
        self.pick(&[Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge])
    }

    fn moment(&mut self) -> Moment {
        if self.rng.random_bool(0.5) { Moment::Date(self.day()) } else { Moment::Instant(self.instant()) }
    }

    /// A test of an instant or a day.
    fn temporal(&mut self, days: bool) -> Test {
        match self.rng.random_range(0..14) {
            0..3 => Test::Age(self.order(), self.length()),
            3 => Test::Within(self.length()),
            4 => Test::Next(self.length()),
            5 | 6 => Test::Ahead(self.order(), self.length()),
            7..9 => Test::InPeriod(self.pick(&Period::ALL)),
            9..11 => Test::Anniversary(self.pick(&[0, 1, 7, 30, 364, 365, 366, 400])),
            11 => Test::On(self.day()),
            12 if days => Test::Before(Moment::Date(self.day())),
            12 => Test::Before(self.moment()),
            _ => Test::IsSet,
        }
    }

    fn condition(&mut self, depth: u32) -> Where {
        let missing = self.pick(&[None, None, Some(true), Some(false)]);
        let test = |property: &str, test| Where::Test(PropertyTest { property: name(property), test, missing });
        match self.rng.random_range(0..8) {
            0 | 1 => test("due", self.temporal(false)),
            2 => test("day", self.temporal(true)),
            3 => test("n", Test::Compare(self.order(), number(self.rng.random_range(0..4)))),
            4 => {
                let pattern = self.pick(&["t", "u", "e"]).into();
                test("what", Test::Text { op: TextOp::Contains, negated: self.rng.random_bool(0.3), pattern })
            }
            5 => test("what", Test::Compare(Comparison::Ne, Operand::Text("tea".into()))),
            6 if depth > 0 => Where::Not(Box::new(self.condition(depth - 1))),
            _ if depth > 0 => {
                let both = vec![self.condition(depth - 1), self.condition(depth - 1)];
                if self.rng.random_bool(0.5) { Where::And(both) } else { Where::Or(both) }
            }
            _ => test("n", Test::IsSet),
        }
    }

    fn filter(&mut self) -> Vec<Where> {
        let some = self.pick(&[0, 0, 0, 0, 1, 2]);
        (0..some).map(|_| self.condition(2)).collect()
    }

    fn window(&mut self) -> Option<Window> {
        Some(match self.rng.random_range(0..12) {
            0 => return None,
            1..6 => Window::Last(self.length()),
            6 | 7 => Window::MoreThanAgo(self.length()),
            8 | 9 => Window::InPeriod(self.pick(&Period::ALL)),
            10 => Window::Since(self.moment()),
            _ => Window::Before(self.moment()),
        })
    }

    fn counts(&mut self) -> Counts {
        match self.rng.random_range(0..4) {
            0 | 1 => Counts::new(),
            2 => [(self.order(), self.rng.random_range(0..5))].into(),
            _ => [(self.pick(&[Comparison::Eq, Comparison::Ne]), self.rng.random_range(0..4))].into(),
        }
    }

    fn events(&mut self) -> EventTest {
        EventTest { event: name("visit"), filter: self.filter(), counts: self.counts(), window: self.window() }
    }

    fn aggregate(&mut self) -> AggregateTest {
        let function = self.pick(&[
            Function::Count,
            Function::Sum,
            Function::Min,
            Function::Max,
            Function::Avg,
            Function::Distinct,
        ]);
        AggregateTest {
            function,
            event: name("visit"),
            of: Some(name("n")),
            filter: self.filter(),
            window: self.window(),
            test: AggregateBound::Compare(self.order(), number(self.rng.random_range(0..5))),
        }
    }

    /// One predicate, or its complement.
    pub fn predicate(&mut self) -> Rule {
        let rule = self.positive();
        if self.rng.random_range(0..10) == 0 { Rule::Not(Box::new(rule)) } else { rule }
    }

    fn positive(&mut self) -> Rule {
        match self.rng.random_range(0..16) {
            0..3 => self.property("seen", false),
            3..6 => self.property("born", true),
            6..9 => Rule::Event(self.events()),
            9 => Rule::Days(self.events()),
            10 | 11 => Rule::Aggregate(self.aggregate()),
            12 => Rule::Edge(EdgeTest {
                end: self.pick(&[End::First, End::Last]),
                event: name("visit"),
                filter: self.filter(),
                having: self.filter(),
                window: self.window(),
            }),
            13 => {
                let within = [None, Some(Length { n: 20, unit: Unit::Day })][self.rng.random_range(0..2)];
                let step = |event: &str, filter| Step { event: name(event), filter };
                let steps = vec![step("visit", self.filter()), step("call", vec![])];
                Rule::Sequence(SequenceTest { steps, within, window: self.window() })
            }
            14 => Rule::Regularly(RegularTest {
                event: name("visit"),
                filter: self.filter(),
                counts: self.counts(),
                every: self.length(),
                periods: self.rng.random_range(1..6),
                at_least: self.rng.random_range(1..4),
            }),
            _ => self.other(),
        }
    }

    fn property(&mut self, property: &str, days: bool) -> Rule {
        let missing = self.pick(&[None, None, Some(true), Some(false)]);
        Rule::Property(PropertyTest { property: name(property), test: self.temporal(days), missing })
    }

    fn other(&mut self) -> Rule {
        match self.rng.random_range(0..4) {
            0 => Rule::All,
            1 => Rule::Tag("a".into()),
            2 => Rule::AllTags(vec!["a".into(), "b".into()]),
            _ => Rule::Bucket { name: "x".into(), of: 10, range: BucketRange::Below(5) },
        }
    }
}
