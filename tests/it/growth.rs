//! Growth against SQLite: the days of segments through weeks of writes, time and new rules. SQLite has every fact with the
//! writes that made and ended it, and says by itself how many were in at each day's end, how many entered and how many left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicU64, Ordering},
};

use rusqlite::types::Value as Cell;
use throng::{
    ContactKey, ContactWrite, Database, EventWrite, Input, Number, Options, Request, RuleSource, Timestamp, View,
    WriteMode, Zone,
    db::{figures::Asked, past::DayRecord},
    model::{
        calendar::{Length, Unit},
        request::{MembersEdit, MembersMode, PropertyPatch, SchemaPatch, SegmentCreate, SegmentSource, SegmentUpdate},
    },
};

use crate::{
    figures_sql::{create, options},
    support::{
        almanac::{Almanac, ms, number},
        generate::{Dice, NOWS, ZONES},
        generate_schema::name,
        long::{asked, on_all_cores},
        sql_instant::Teller,
        sql_past::{Past, PastDay, PastEvent},
    },
};

const DAY: i64 = 86_400_000;
const DAYS: i64 = 24;
const CONTACTS: i64 = 9;
/// Segments of a run; the last one is a list.
const SEGMENTS: i64 = 8;
const LIST: i64 = SEGMENTS - 1;

#[test]
fn growth_is_what_sqlite_says_of_the_facts_of_those_days() {
    let (first, runs) = (asked("THRONG_GROWTH_SEED", 0), asked("THRONG_GROWTHS", 48));
    let sums: [AtomicU64; 5] = Default::default();
    on_all_cores(runs, &|number| {
        for (sum, more) in sums.iter().zip(Weeks::new(first + number).run()) {
            sum.fetch_add(more, Ordering::Relaxed);
        }
    });
    let sums = sums.map(AtomicU64::into_inner);
    let [days, entered, left, by_time, twice] = sums;
    println!(
        "seed {first}: {runs} runs, {days} days of segments, {entered} entered and {left} left, {by_time} of them by \
         time, {twice} times somebody twice on a day"
    );
    let least = [100, 50, 40, 30].map(|each| each * runs);
    assert!(sums.iter().zip(least).all(|(sum, least)| *sum >= least), "{sums:?}, at least {least:?}");
    assert!(2 * twice >= runs, "{twice} times somebody entered twice on a day");
}

/// Weeks of writes to a database and to the tables of the past.
struct Weeks {
    seed: u64,
    dice: Dice,
    folder: tempfile::TempDir,
    db: Option<Database>,
    past: Past,
    almanac: Almanac,
    zone: Zone,
    start: Timestamp,
    now: Timestamp,
    /// Instants of facts.
    instants: Vec<i64>,
    /// How far rules look.
    lengths: BTreeSet<i64>,
    /// The rule of each segment, as people write it; that of a list is empty.
    rules: BTreeMap<i64, String>,
    events: i64,
}

impl Weeks {
    fn new(seed: u64) -> Weeks {
        let mut dice = Dice::new(seed ^ 0x6A0);
        let zone = Zone::named(if seed.is_multiple_of(3) { "UTC" } else { dice.pick::<&str>(ZONES) }).unwrap();
        let start = Timestamp::parse(dice.pick::<&str>(NOWS)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let settings = options(folder.path(), zone.clone(), start);
        // A third of the runs is in a folder, and goes through restarts.
        let settings = if seed % 3 == 1 { settings } else { Options { dir: None, ..settings } };
        let mut weeks = Weeks {
            seed,
            dice,
            folder,
            db: Some(Database::open(settings).unwrap()),
            past: Past::new(),
            almanac: Almanac::new(zone.name()),
            zone,
            start,
            now: start,
            instants: vec![start.0],
            lengths: BTreeSet::from([0]),
            rules: BTreeMap::new(),
            events: 0,
        };
        let renewal = PropertyPatch { ty: Some("timestamp".into()), ..PropertyPatch::default() };
        let properties = vec![(name("renewal"), Some(renewal))];
        weeks.write(vec![Request::Schema(SchemaPatch { properties, events: vec![] })]);
        weeks.some_writes();
        weeks
    }

    /// Tells how many days were compared, how many entered and left on them, how many of these by time, and how often
    /// somebody entered twice on a day.
    fn run(mut self) -> [u64; 5] {
        let end = self.start.plus_ms(DAYS * DAY);
        while self.now < end || (self.rules.len() as i64) < SEGMENTS {
            self.move_clock();
            match self.dice.below(100) {
                0..12 if (self.rules.len() as i64) < SEGMENTS => self.make(),
                0..6 => self.edit_rule(),
                6..14 => self.pin(),
                14..18 => self.erase(),
                18..21 if self.seed % 3 == 1 => self.restart(),
                _ => self.some_writes(),
            }
        }
        self.edit_rule();
        self.move_clock();
        self.past.write(self.now.0);
        self.compare()
    }

    fn db(&self) -> &Database {
        self.db.as_ref().expect("it is closed only to be opened again")
    }

    /// Writes what the past was told already.
    fn write(&self, requests: Vec<Request>) {
        for said in self.db().write(requests).unwrap().results {
            said.unwrap_or_else(|refusal| panic!("seed {}: {refusal:?}", self.seed));
        }
    }

    /// To an instant as far from a fact as a rule looks, to one just beside it, to a day's start or its last millisecond,
    /// anywhere, or nowhere.
    fn move_clock(&mut self) {
        let now = self.now.0;
        let (dice, beside) = (&mut self.dice, [0, 0, 1, -1]);
        let next = match dice.below(14) {
            0 => now,
            1..5 => {
                let lengths: Vec<i64> = self.lengths.iter().copied().collect();
                let near = |at: &i64| (now..now + DAY).contains(at);
                let turns = (0..50).map(|_| dice.pick(&self.instants) + dice.pick(&lengths) * dice.pick(&[1, 1, -1]));
                let turn = turns.into_iter().find(near);
                turn.map_or(now + 1, |turn| turn + dice.pick(&beside))
            }
            5 => now + dice.between(0, 5_000),
            6 => self.almanac.start_of(self.almanac.day_of(now.into()) + 1) as i64 + dice.pick(&beside),
            7 => now + dice.between(0, 2 * DAY),
            8..10 => now + dice.between(0, DAY / 2),
            _ => now + dice.between(0, DAY / 12),
        };
        self.now = Timestamp(next.max(now));
        self.db().move_clock(self.now).unwrap();
    }

    /// A few contacts and events, as one write.
    fn some_writes(&mut self) {
        self.past.write(self.now.0);
        let many = 1 + self.dice.below(4);
        let requests = (0..many).map(|_| match self.dice.below(20) {
            0..9 => self.event(),
            9 => {
                let there = self.past.events();
                if there.is_empty() {
                    return self.contact();
                }
                let id = *self.dice.pick(&there);
                self.past.remove_event(id);
                Request::RemoveEvent(format!("e-{id}").into())
            }
            _ => self.contact(),
        });
        let requests = requests.collect();
        self.write(requests);
    }

    /// Around now: before it for the most part.
    fn near(&mut self) -> Timestamp {
        let back = match self.dice.below(10) {
            0 => 0,
            1..3 => -self.dice.between(0, DAY / 24),
            3..5 => -self.dice.between(0, DAY),
            5..7 => -self.dice.between(0, 10 * DAY),
            7 => -self.dice.between(0, 40 * DAY),
            _ => self.dice.between(0, 6 * DAY),
        };
        let at = self.now.plus_ms(back);
        self.instants.push(at.0);
        at
    }

    /// A contact; of some there is much more than of others.
    fn whom(&mut self) -> i64 {
        self.dice.between(1, CONTACTS).min(self.dice.between(1, CONTACTS))
    }

    fn event(&mut self) -> Request {
        let kinds = ["purchase", "purchase", "conversation", "email_opened", "email_opened", "email_sent"];
        let kind = *self.dice.pick(&kinds);
        self.events += 1;
        let mut event =
            PastEvent { id: self.events, contact: self.whom(), kind, at: self.near().0, amount: None, product: None };
        let mut properties = vec![];
        if kind == "purchase" {
            let (amount, product) = (self.dice.between(1, 40), *self.dice.pick(&["a", "b", "c"]));
            (event.amount, event.product) = (Some(amount), Some(product));
            properties.push((name("amount"), Input::Number(Number::from_int(amount))));
            properties.push((name("product"), Input::Text(product.into())));
        }
        self.past.event(&event);
        let id = Some(format!("e-{}", event.id).into());
        let at = Some(Timestamp(event.at));
        Request::Event(EventWrite { id, contact: key(event.contact), event: name(kind), at, properties })
    }

    fn contact(&mut self) -> Request {
        let contact = self.whom();
        let was_there = self.past.is_there(contact);
        self.past.sight(contact);
        let replaces = self.dice.chance(20);
        let mut values = vec![];
        for property in ["lead_score", "country", "tags", "created", "renewal"] {
            if !self.dice.chance(40) {
                // The instant of first sight stays.
                if replaces && was_there && property != "created" {
                    self.past.set(contact, property, []);
                }
                continue;
            }
            let (input, cells) = self.value(property);
            self.past.set(contact, property, cells);
            values.push((name(property), input));
        }
        let mode = if replaces { WriteMode::Replace } else { WriteMode::Merge };
        Request::Contact(ContactWrite { key: key(contact), mode, values })
    }

    fn value(&mut self, property: &str) -> (Input, Vec<Cell>) {
        let text = |text: &str| (Input::Text(text.into()), vec![Cell::Text(text.to_owned())]);
        match property {
            "created" | "renewal" => {
                let at = self.near();
                (Input::Text(at.to_string().into()), vec![Cell::Integer(at.0)])
            }
            _ if self.dice.chance(15) => (Input::Null, vec![]),
            "lead_score" => {
                let score = self.dice.between(0, 20);
                (Input::Number(Number::from_int(score)), vec![Cell::Integer(score)])
            }
            "country" => text(self.dice.pick::<&str>(&["DE", "FR", "US"])),
            _ => {
                let tags: Vec<&str> = ["VIP", "New"].into_iter().filter(|_| self.dice.chance(50)).collect();
                let inputs = tags.iter().map(|tag| Input::Text((*tag).into())).collect();
                (Input::List(inputs), tags.iter().map(|tag| Cell::Text((*tag).to_owned())).collect())
            }
        }
    }

    /// A random rule for a segment, which may name those before it.
    fn rule(&mut self, segment: i64) -> (RuleSource, String) {
        let Weeks { dice, lengths, zone, .. } = self;
        let depth = 1 + dice.below(3);
        let told = Teller { dice, lengths, segment, is_utc: zone.name() == "UTC" }.rule(depth);
        self.rules.insert(segment, told.text.clone());
        (RuleSource::Text(told.text.into()), told.sql)
    }

    fn make(&mut self) {
        let segment = self.rules.len() as i64;
        self.past.write(self.now.0);
        if segment == LIST {
            self.rules.insert(LIST, String::new());
            self.past.rule(LIST, "0");
            let source = SegmentSource::Members(vec![]);
            let list = SegmentCreate { name: called(LIST), description: None, source };
            return self.write(vec![Request::CreateSegment(list)]);
        }
        let (text, sql) = self.rule(segment);
        self.past.rule(segment, &sql);
        self.write(vec![create(&called(segment), text)]);
    }

    fn edit_rule(&mut self) {
        let segment = self.dice.between(0, (self.rules.len() as i64 - 1).min(LIST - 1));
        let Some(before) = self.rules.get(&segment).cloned() else { return };
        let (text, sql) = self.rule(segment);
        if self.rules[&segment] == before {
            return;
        }
        self.past.write(self.now.0);
        self.past.rule(segment, &sql);
        let update = SegmentUpdate { segment: called(segment), name: None, description: None, rule: Some(text) };
        self.write(vec![Request::UpdateSegment(update)]);
    }

    /// Pins a contact, or lets it go; of a list adds it or takes it out.
    fn pin(&mut self) {
        let contact = self.whom();
        if self.rules.is_empty() || !self.past.is_there(contact) {
            return self.some_writes();
        }
        let newest = self.rules.len() as i64 - 1;
        let segment = if self.dice.chance(30) { newest } else { self.dice.between(0, newest) };
        let (mode, pinned) = *self.dice.pick(match segment {
            LIST => &[(MembersMode::Add, Some(true)), (MembersMode::Add, Some(true)), (MembersMode::Remove, None)],
            _ => &[(MembersMode::Include, Some(true)), (MembersMode::Exclude, Some(false)), (MembersMode::Clear, None)],
        });
        self.past.write(self.now.0);
        self.past.pin(segment, contact, pinned);
        let edits = vec![(mode, vec![key(contact)])];
        self.write(vec![Request::EditMembers(MembersEdit { segment: called(segment), edits, create: false })]);
    }

    fn erase(&mut self) {
        let contact = self.whom();
        if self.past.is_there(contact) {
            self.past.write(self.now.0);
            self.past.erase(contact);
            self.write(vec![Request::Erase(key(contact))]);
        }
    }

    fn restart(&mut self) {
        let db = self.db.take().expect("it is open");
        if self.dice.chance(50) {
            db.snapshot().unwrap();
        }
        db.close().unwrap();
        drop(db);
        self.db = Some(Database::open(options(self.folder.path(), self.zone.clone(), self.now)).unwrap());
    }

    fn compare(&mut self) -> [u64; 5] {
        self.lengths.iter().for_each(|length| self.past.length(*length));
        let day = |at: Timestamp| self.almanac.day_of(ms(at));
        // Whatever counts on a day of these weeks is of the day itself or of the one before.
        for day in day(self.start) - 2..=day(self.now) + 1 {
            self.past.day(day, self.almanac.start_of(day) as i64, self.almanac.start_of(day + 1) as i64);
        }
        let (days, view) = (self.past.days(), self.db().view());
        assert_eq!(view.now(), self.now);
        for run in days.chunk_by(|a, b| a.segment == b.segment) {
            let segment = run[0].segment;
            let told = || {
                let versions = view.versions(&called(segment)).unwrap();
                let rules: Vec<String> =
                    versions.iter().map(|version| format!("from {}: {}", version.at, version.rule.text)).collect();
                let (zone, rules, changes) = (self.zone.name(), rules.join("\n"), self.past.changes(segment));
                format!("seed {} from {} in {zone}\n{rules}\n{changes}", self.seed, self.start)
            };
            let (found, total) = growth(&view, segment, None, None);
            let first = found.iter().zip(run).find(|(found, wanted)| found != wanted);
            assert!(
                first.is_none() && found.len() == run.len(),
                "{} of {}: {first:?}, {}",
                found.len(),
                run.len(),
                told()
            );
            assert_eq!(Some(total), run.last().map(|day| day.size), "{}", told());
            let [from, to] = [(); 2].map(|()| self.dice.between(run[0].day - 2, run[run.len() - 1].day + 2));
            let wanted: Vec<&PastDay> = run.iter().filter(|of| (from..=to).contains(&of.day)).collect();
            if from <= to {
                let start = |day: i64| Timestamp(self.almanac.start_of(day) as i64);
                let (found, _) = growth(&view, segment, Some(start(from)), Some(start(to + 1)));
                assert_eq!(found.iter().collect::<Vec<_>>(), wanted, "from {from} to {to}: {}", told());
            }
        }
        let sum = |of: fn(&PastDay) -> u64| days.iter().map(of).sum::<u64>();
        let [by_time, twice] = self.past.odd_ones();
        [days.len() as u64, sum(|day| day.entered), sum(|day| day.left), by_time, twice]
    }
}

/// The days of a segment, and its members now.
fn growth(view: &View, segment: i64, from: Option<Timestamp>, to: Option<Timestamp>) -> (Vec<PastDay>, u64) {
    let some = Length { n: 1, unit: Unit::Day };
    let asked = Asked { from, to, engagement: None, window: some, goal: None, within: some };
    let figures = view.figures(&called(segment), &asked).unwrap();
    let day = |of: &DayRecord| {
        let DayRecord { day, size, entered, left, version } = *of;
        PastDay { segment, day: number(day), size, entered, left, version }
    };
    (figures.growth.iter().map(day).collect(), figures.total)
}

fn key(contact: i64) -> ContactKey {
    ContactKey::new(&format!("c-{contact}")).unwrap()
}

fn called(segment: i64) -> Box<str> {
    format!("s {segment}").into()
}
