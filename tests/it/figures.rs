//! Figures of random worlds against the naive database and against SQLite: breakdowns, engagement, overlaps, the
//! recency-frequency-money grid.

use std::collections::{BTreeMap, BTreeSet};

use throng::{
    analytics::{
        breakdown::{Counts, Held, breakdown},
        cuts::Step,
        engagement::doers,
        overlap::overlap,
        rfm::{Cell, grid},
    },
    bitmap::posting::Posting,
    model::{
        schema::Property,
        time::Timestamp,
        value::{Value, ValueType},
    },
    rule::ast::Rule,
};

use crate::support::{
    almanac::ms,
    generate::{self, Dice},
    generate_rule,
    loaded::{self, Loaded},
    naive::{Contact, Event, Naive},
    spelling,
    sql_time::Sql,
    sql_world::{self, Tables},
};

const WORLDS: u64 = 60;
/// Ranges of one property that SQLite is asked for, at most: there may be hundreds of days.
const SQL_RANGES_MAX: usize = 40;
/// Rows that hold every value of such a world.
const ALL: usize = 1_000;

/// A world, loaded into the product and into SQLite, and a set of its contacts.
struct Case {
    told: String,
    naive: Naive,
    loaded: Loaded,
    tables: Tables,
    now: Timestamp,
    members: Posting,
    /// The same as an expression.
    expression: String,
}

impl Case {
    fn new(seed: u64) -> (Case, Dice) {
        let mut dice = Dice::new(seed ^ 0xF16);
        let contacts = *dice.pick(&[1, 30, 60, 120]);
        let world = generate::world(&mut dice, contacts);
        let (loaded, tables) = (loaded::load(&world.naive), sql_world::fill(&world.naive));
        let (rule, now) = (some_rule(&mut dice, &world.naive), *dice.pick(&world.nows));
        let members = loaded.plan(&rule, now).evaluate(&loaded.index);
        // The rule is asked once; every figure is then of those whom SQLite says it holds.
        let held = Sql { naive: &world.naive, now }.rule(&rule);
        tables.run(&format!(
            "CREATE TEMP TABLE picked(id INTEGER PRIMARY KEY); INSERT INTO picked SELECT c.id FROM contacts c WHERE {held}"
        ));
        let expression = "(c.id IN (SELECT id FROM picked))".to_owned();
        (Case { told: format!("seed {seed}"), naive: world.naive, loaded, tables, now, members, expression }, dice)
    }

    fn places(&self) -> impl Iterator<Item = (bool, &Contact)> {
        self.naive.contacts.iter().enumerate().map(|(place, contact)| (self.members.contains(place as u32), contact))
    }
}

fn some_rule(dice: &mut Dice, naive: &Naive) -> Rule {
    if dice.chance(15) { Rule::All } else { generate_rule::rule(dice, naive, 3) }
}

/// What a contact has of a property, as it is compared; of an email its domain.
fn held(naive: &Naive, contact: &Contact, property: &Property) -> Option<Vec<String>> {
    let compared = |text: &str| spelling::comparable(text, property.case_sensitive);
    match naive.value(contact, property.name.as_str())? {
        Value::Text(text) if property.ty == ValueType::Email => {
            let domain = spelling::domain(&text).filter(|domain| !domain.is_empty());
            Some(domain.map(|domain| spelling::comparable(domain, false)).into_iter().collect())
        }
        Value::Text(text) => Some(vec![compared(&text)]),
        Value::Set(texts) => Some(texts.iter().map(|text| compared(text)).collect()),
        Value::Flag(flag) => Some(vec![flag.to_string()]),
        _ => panic!("ordered values have ranges"),
    }
}

#[test]
fn breakdowns_agree_with_the_naive_database_and_sqlite() {
    let (mut texts, mut ranges) = (0, 0);
    for seed in 0..WORLDS {
        let (case, mut dice) = Case::new(seed);
        for property in case.naive.schema.properties() {
            if property.ty.is_ordered() {
                ranges += by_range(&case, &mut dice, property);
            } else {
                texts += by_value(&case, &mut dice, property);
            }
        }
    }
    println!("{texts} values, {ranges} ranges");
    assert!(texts > 2_000 && ranges > 2_000, "{texts} values, {ranges} ranges");
}

fn by_value(case: &Case, dice: &mut Dice, property: &Property) -> u64 {
    let told = format!("{}: by {}", case.told, property.name);
    let zone = case.naive.schema.zone();
    let whole = breakdown(&case.loaded.index, property, (zone, None), &case.members, ALL);
    let mut wanted: BTreeMap<String, Counts> = BTreeMap::new();
    let mut missing = Counts::default();
    for (is_member, contact) in case.places() {
        match held(&case.naive, contact, property) {
            None => add(&mut missing, is_member),
            Some(values) => {
                values.into_iter().for_each(|value| add(wanted.entry(value).or_default(), is_member));
            }
        }
    }
    let is_flag = property.ty == ValueType::Boolean;
    let key = |held: &Held| match held {
        Held::Text(text) if property.ty == ValueType::Email => text.to_string(),
        Held::Text(text) => spelling::comparable(text, property.case_sensitive),
        Held::Flag(flag) => flag.to_string(),
        Held::Range(..) => panic!("{told}: a range"),
    };
    let found: Vec<(String, Counts)> = whole.rows.iter().map(|(held, counts)| (key(held), *counts)).collect();
    let mut ordered: Vec<(String, Counts)> =
        wanted.iter().filter(|(_, counts)| counts.members > 0).map(|(key, counts)| (key.clone(), *counts)).collect();
    ordered.sort_by_key(|(key, counts)| (std::cmp::Reverse(counts.members), key.clone()));
    if is_flag {
        let of = |flag: bool| wanted.get(&flag.to_string()).copied().unwrap_or_default();
        ordered = [true, false].map(|flag| (flag.to_string(), of(flag))).to_vec();
    }
    assert_eq!(found, ordered, "{told}");
    assert_eq!((whole.missing, whole.other_values), (missing, 0), "{told}");
    sql_values(case, property, &ordered, &told);
    if !is_flag {
        let top = 1 + dice.below(3);
        let some = breakdown(&case.loaded.index, property, (zone, None), &case.members, top);
        assert_eq!(some.rows, whole.rows[..top.min(whole.rows.len())], "{told}: the first {top}");
        assert_eq!(some.other_values as usize, whole.rows.len() - some.rows.len(), "{told}");
        let shown: BTreeSet<String> = some.rows.iter().map(|(held, _)| key(held)).collect();
        let mut other = Counts::default();
        for (is_member, contact) in case.places() {
            let is_shown = |values: &Vec<String>| values.iter().any(|value| shown.contains(value));
            if held(&case.naive, contact, property).is_some_and(|values| !is_shown(&values)) {
                add(&mut other, is_member);
            }
        }
        assert_eq!(some.other, other, "{told}: the others");
        spellings(case, property, &whole.rows, &told);
    }
    found.len() as u64
}

fn add(counts: &mut Counts, is_member: bool) {
    counts.everyone += 1;
    counts.members += u64::from(is_member);
}

/// A value is told in the spelling that most contacts have.
fn spellings(case: &Case, property: &Property, rows: &[(Held, Counts)], told: &str) {
    if property.ty == ValueType::Email {
        return;
    }
    let mut spelled: BTreeMap<String, u64> = BTreeMap::new();
    for contact in &case.naive.contacts {
        match case.naive.value(contact, property.name.as_str()) {
            Some(Value::Text(text)) => *spelled.entry(text.into()).or_default() += 1,
            Some(Value::Set(texts)) => {
                texts.into_iter().for_each(|text| *spelled.entry(text.into()).or_default() += 1);
            }
            _ => {}
        }
    }
    for (held, _) in rows {
        let Held::Text(text) = held else { continue };
        let same = spelled.iter().filter(|(other, _)| spelling::same(other, text, property.case_sensitive));
        let best = same.max_by_key(|(text, count)| (**count, std::cmp::Reverse(*text))).map(|(text, _)| text.as_str());
        assert_eq!(best, Some(&**text), "{told}");
    }
}

fn sql_values(case: &Case, property: &Property, ordered: &[(String, Counts)], told: &str) {
    let (n, expression) = (property.id.index(), &case.expression);
    let query = match property.ty {
        ValueType::Set => {
            format!("SELECT s.xf, sum({expression}), count(*) FROM s{n} s JOIN contacts c ON c.id=s.owner GROUP BY 1")
        }
        ValueType::Boolean => {
            format!(
                "SELECT iif(p{n}, 'true', 'false'), sum({expression}), count(*) FROM contacts c WHERE p{n} IS NOT NULL GROUP BY 1"
            )
        }
        ValueType::Email => return,
        _ => format!("SELECT p{n}f, sum({expression}), count(*) FROM contacts c WHERE p{n} IS NOT NULL GROUP BY 1"),
    };
    let row =
        |(key, counts): &(String, Counts)| vec![key.clone(), counts.members.to_string(), counts.everyone.to_string()];
    let mut rows: Vec<Vec<String>> = ordered.iter().filter(|(_, counts)| counts.members > 0).map(row).collect();
    rows.sort();
    let mut said: Vec<Vec<String>> = case.tables.rows(&query).into_iter().filter(|row| row[1] != "0").collect();
    said.sort();
    assert_eq!(rows, said, "{told}: {query}");
}

fn by_range(case: &Case, dice: &mut Dice, property: &Property) -> u64 {
    let told = format!("{}: by {}", case.told, property.name);
    let (zone, n) = (case.naive.schema.zone(), property.id.index());
    let step =
        Step::of_word(dice.pick::<&str>(&Step::words())).filter(|_| property.ty.is_temporal() && dice.chance(50));
    let found = breakdown(&case.loaded.index, property, (zone, step), &case.members, ALL);
    let value = |contact: &Contact| case.naive.value(contact, property.name.as_str())?.ordered();
    let mut before = None;
    for (place, (held, counts)) in found.rows.iter().enumerate() {
        let Held::Range(from, to) = held else { panic!("{told}: {held:?}") };
        assert!(before.is_none() || before == Some(*from), "{told}: ranges touch");
        before = Some(*to);
        let mut wanted = Counts::default();
        let is_in = |at: i128| from.is_none_or(|from| from <= at) && to.is_none_or(|to| at < to);
        case.places().filter(|(_, contact)| value(contact).is_some_and(is_in)).for_each(|(is, _)| add(&mut wanted, is));
        assert_eq!(*counts, wanted, "{told}: {held:?}");
        if property.ty == ValueType::Number || place >= SQL_RANGES_MAX {
            continue;
        }
        let bound =
            |at: &Option<i128>, open: i64| at.map_or(open, |at| at.clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        let query = format!(
            "SELECT coalesce(sum({}),0), count(*) FROM contacts c WHERE p{n}>={} AND p{n}{}",
            case.expression,
            bound(from, i64::MIN),
            to.as_ref().map_or("<=9223372036854775807".into(), |_| format!("<{}", bound(to, 0))),
        );
        let wanted = vec![counts.members.to_string(), counts.everyone.to_string()];
        assert_eq!(case.tables.rows(&query), [wanted], "{told}: {query}");
    }
    let mut with = found.missing;
    for (_, counts) in &found.rows {
        with = Counts { members: with.members + counts.members, everyone: with.everyone + counts.everyone };
    }
    let all = Counts { members: case.members.len(), everyone: case.naive.contacts.len() as u64 };
    assert_eq!(with, all, "{told}: everyone is in one row");
    found.rows.len() as u64
}

#[test]
fn engagement_agrees_with_the_naive_database_and_sqlite() {
    let mut some = 0;
    for seed in 0..WORLDS {
        let (case, mut dice) = Case::new(seed);
        for _ in 0..6 {
            let kinds: Vec<_> = case.naive.schema.events().filter(|_| dice.chance(30)).collect();
            let length = generate_rule::length(&mut dice);
            let from = Timestamp(case.naive.almanac.before(ms(case.now), length).max(ms(Timestamp::MIN)) as i64);
            let ids: Vec<_> = kinds.iter().map(|kind| kind.id).collect();
            let did = doers(&case.loaded.index, &ids, (from, case.now));
            let found: Vec<u64> = did.each.iter().chain([&did.any]).map(|set| set.and_len(&case.members)).collect();
            let did = |contact: &Contact, kind: Option<&str>| {
                let is_kind = |name: &str| match kind {
                    Some(kind) => kind == name,
                    None => kinds.iter().any(|kind| kind.name.as_str() == name),
                };
                contact.events.iter().any(|event| is_kind(&event.kind) && (from..=case.now).contains(&event.at))
            };
            let count =
                |kind| case.places().filter(|(is_member, contact)| *is_member && did(contact, kind)).count() as u64;
            let mut wanted: Vec<u64> = kinds.iter().map(|kind| count(Some(kind.name.as_str()))).collect();
            wanted.push(count(None));
            assert_eq!(found, wanted, "{}: {length}", case.told);
            let (from, to, expression) = (from.0, case.now.0, &case.expression);
            let table = |id: &throng::model::id::EventKindId| {
                format!("EXISTS(SELECT 1 FROM e{} e WHERE e.contact=c.id AND e.at BETWEEN {from} AND {to})", id.index())
            };
            let any: Vec<String> = ids.iter().map(table).collect();
            let any = if any.is_empty() { "0".to_owned() } else { any.join(" OR ") };
            let said = case.tables.rows(&format!("SELECT count(*) FROM contacts c WHERE ({expression}) AND ({any})"));
            assert_eq!(said, [[found[kinds.len()].to_string()]], "{}: {length}", case.told);
            some += u64::from(found[kinds.len()] > 0);
        }
    }
    assert!(some > WORLDS, "{some} answers are not empty");
}

#[test]
fn overlaps_agree_with_the_naive_database_and_sqlite() {
    let mut shared = 0;
    for seed in 0..WORLDS {
        let (case, mut dice) = Case::new(seed);
        let rules: Vec<Rule> = (0..2 + dice.below(5)).map(|_| some_rule(&mut dice, &case.naive)).collect();
        let sets: Vec<Posting> =
            rules.iter().map(|rule| case.loaded.plan(rule, case.now).evaluate(&case.loaded.index)).collect();
        let found = overlap(&sets);
        let sql = Sql { naive: &case.naive, now: case.now };
        let asked: Vec<BTreeSet<u32>> =
            rules.iter().map(|rule| case.tables.ask(&sql.rule(rule)).into_iter().collect()).collect();
        let mut exactly = vec![0u64; 1 << rules.len()];
        for (place, contact) in case.naive.contacts.iter().enumerate() {
            let naive = rules.iter().map(|rule| case.naive.matches(rule, contact, case.now));
            let naive: usize = naive.enumerate().map(|(bit, is)| usize::from(is) << bit).sum();
            let sqlite = asked.iter().enumerate().map(|(bit, set)| usize::from(set.contains(&(place as u32))) << bit);
            assert_eq!(naive, sqlite.sum::<usize>(), "{}: the judges disagree", case.told);
            exactly[naive] += u64::from(naive > 0);
        }
        let with = |bits: usize| (0..exactly.len()).filter(|at| at & bits == bits).map(|at| exactly[at]).sum::<u64>();
        assert_eq!(found.exactly.as_ref(), Some(&exactly), "{}", case.told);
        for (a, b, both) in &found.pairs {
            assert_eq!(*both, with(1 << a | 1 << b), "{}", case.told);
        }
        let whole = exactly.len() - 1;
        assert_eq!((found.joint, found.union), (with(whole), exactly.iter().sum()), "{}", case.told);
        assert_eq!(found.in_all_of(), Some((0..=whole).map(with).collect()), "{}", case.told);
        shared += u64::from(found.joint > 0);
    }
    assert!(shared > WORLDS / 10, "{shared} overlaps are not empty");
}

#[test]
fn grids_agree_with_the_naive_database_and_sqlite() {
    let (mut cells, mut by_sql) = (0, 0);
    for seed in 0..WORLDS {
        let (case, mut dice) = Case::new(seed);
        for kind in case.naive.schema.events() {
            let is_sum = |ty| matches!(ty, ValueType::Number | ValueType::Money(_));
            let places = kind.properties.iter().enumerate().filter(|(_, property)| is_sum(property.ty));
            for (place, property) in places {
                let from = if dice.chance(50) { Timestamp::MIN } else { case.now.plus_ms(-dice.between(0, 1 << 36)) };
                let log = case.loaded.index.events().kind(kind.id).unwrap();
                let found = grid(log, place, (from, case.now), &case.members);
                let mut rows: Vec<[i128; 3]> = Vec::new();
                for (_, contact) in case.places().filter(|(is_member, _)| *is_member) {
                    let counts =
                        |event: &&Event| event.kind == kind.name.as_str() && (from..=case.now).contains(&event.at);
                    let events: Vec<_> = contact.events.iter().filter(counts).collect();
                    let Some(newest) = events.iter().map(|event| i128::from(event.at.0)).max() else { continue };
                    let value = |event: &&Event| event.values.get(property.name.as_str())?.ordered();
                    rows.push([newest, events.len() as i128, events.iter().filter_map(value).sum()]);
                }
                let score = |of: usize, figure: i128| {
                    1 + (5 * rows.iter().filter(|row| row[of] < figure).count() / rows.len()) as u8
                };
                let mut wanted: BTreeMap<[u8; 3], Cell> = BTreeMap::new();
                for row in &rows {
                    let scores = std::array::from_fn(|of| score(of, row[of]));
                    let cell = wanted.entry(scores).or_insert(Cell { scores, contacts: 0, events: 0, money: 0 });
                    *cell = Cell {
                        contacts: cell.contacts + 1,
                        events: cell.events + row[1] as u64,
                        money: cell.money + row[2],
                        ..*cell
                    };
                }
                let told = format!("{}: {}.{}", case.told, kind.name, property.name);
                assert_eq!(found.cells, wanted.into_values().collect::<Vec<Cell>>(), "{told}");
                assert_eq!((found.scored, found.without), (rows.len() as u64, case.members.len() - rows.len() as u64));
                for (of, bands) in found.bands.iter().enumerate() {
                    let banded: u64 = bands.iter().map(|band| band.contacts).sum();
                    assert_eq!(banded, found.scored, "{told}");
                    let is_right = |row: &[i128; 3]| {
                        let band = bands.iter().find(|band| band.score == score(of, row[of])).unwrap();
                        (band.least..=band.most).contains(&row[of])
                    };
                    assert!(rows.iter().all(is_right), "{told}");
                }
                cells += found.cells.len();
                let small = found.cells.iter().all(|cell| cell.money.abs() < 1 << 60);
                if matches!(property.ty, ValueType::Money(_)) && small {
                    sql_grid(&case, &found.cells, (kind.id.index(), place), from, &told);
                    by_sql += found.cells.len();
                }
            }
        }
    }
    println!("{cells} cells, {by_sql} by SQLite");
    assert!(cells > 1_500 && by_sql > 500, "{cells} cells, {by_sql} by SQLite");
}

fn sql_grid(case: &Case, cells: &[Cell], (kind, place): (usize, usize), from: Timestamp, told: &str) {
    let (expression, now, from) = (&case.expression, case.now.0, from.0);
    let score = |of: &str| format!("1+(rank() OVER (ORDER BY {of})-1)*5/(SELECT count(*) FROM f)");
    let query = format!(
        "WITH f AS (SELECT e.contact, max(e.at) r, count(*) f, coalesce(sum(e.q{place}),0) m FROM e{kind} e JOIN contacts c \
         ON c.id=e.contact WHERE ({expression}) AND e.at BETWEEN {from} AND {now} GROUP BY 1), s AS (SELECT {} rs, {} fs, \
         {} ms, f, m FROM f) SELECT rs, fs, ms, count(*), sum(f), sum(m) FROM s GROUP BY 1,2,3 ORDER BY 1,2,3",
        score("r"),
        score("f"),
        score("m")
    );
    let row = |cell: &Cell| {
        let [r, f, m] = cell.scores;
        vec![
            r.to_string(),
            f.to_string(),
            m.to_string(),
            cell.contacts.to_string(),
            cell.events.to_string(),
            cell.money.to_string(),
        ]
    };
    assert_eq!(cells.iter().map(row).collect::<Vec<_>>(), case.tables.rows(&query), "{told}: {query}");
}
