//! Figures of random histories against the naive database and SQLite: funnels and conversion; and what is proven about
//! rules, which no data may belie.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use throng::{
    analytics::{
        conversion::{Conversion, Goal, conversion, entries},
        funnel::{Part, funnel},
        relation::relation,
    },
    model::{
        calendar::{Length, Unit},
        id::{ContactId, EventKindId, PropertyId, SegmentId},
        time::Timestamp,
        value::ValueType,
    },
    query::sense::never_holds,
    rule::{self, ast::Rule},
    segment::{feed::What, saved::Body},
};

use crate::{
    live,
    support::{
        almanac::ms,
        generate::{self, Dice},
        generate_rule, loaded,
        naive::{Contact, Naive},
        spelling,
    },
};

const SEEDS: u64 = 24;
const DAYS: i64 = 12;

#[test]
fn funnels_count_what_the_naive_database_does() {
    let mut parts = 0;
    for seed in 0..SEEDS {
        let (state, naive) = live::grown_beside(seed, DAYS);
        for segment in state.book.listed() {
            let Body::Dynamic(dynamic) = &segment.body else { continue };
            let told = format!("seed {seed}: \"{}\"", segment.name);
            let found = funnel(&state.live, &state.book, dynamic, state.index.live()).expect("all predicates are kept");
            parts += compare(&naive, &dynamic.rule, &found.rule, &told);
            let saved = naive.segments.iter().find(|saved| spelling::same(&saved.name, &segment.name, false)).unwrap();
            let held = |contact: &&Contact| naive.matches(&dynamic.rule, contact, naive.as_of);
            let there = |keys: &BTreeSet<String>, is_held: bool| {
                let pinned = naive.contacts.iter().filter(|contact| keys.contains(&contact.key));
                pinned.filter(|contact| held(contact) == is_held).count() as u64
            };
            let only_in: BTreeSet<String> = saved.include.difference(&saved.exclude).cloned().collect();
            assert_eq!(
                (found.pinned_in, found.pinned_out),
                (there(&only_in, false), there(&saved.exclude, true)),
                "{told}"
            );
            let members = state.live.members(segment.id).len();
            assert_eq!(found.rule.count + found.pinned_in - found.pinned_out, members, "{told}");
        }
    }
    assert!(parts > 400, "{parts} parts");
}

/// Compares a part and those below; tells how many they are.
fn compare(naive: &Naive, rule: &Rule, part: &Part, told: &str) -> u64 {
    let holds = |rule: &Rule, contact: &Contact| naive.matches(rule, contact, naive.as_of);
    let count =
        |holds: &dyn Fn(&Contact) -> bool| naive.contacts.iter().filter(|contact| holds(contact)).count() as u64;
    assert_eq!((&part.text, part.count), (&rule::print(rule), count(&|contact| holds(rule, contact))), "{told}");
    let (inner, all): (&[Rule], _) = match rule {
        Rule::And(rules) => (rules, Some(true)),
        Rule::Or(rules) => (rules, Some(false)),
        Rule::Xor(rules) | Rule::Of { rules, .. } => (rules, None),
        Rule::Not(inner) => (std::slice::from_ref(&**inner), None),
        _ => (&[], None),
    };
    assert_eq!(part.parts.len(), inner.len(), "{told}: {}", part.text);
    let mut parts = 1;
    for (place, (rule, part)) in inner.iter().zip(&part.parts).enumerate() {
        parts += compare(naive, rule, part, told);
        let upto = &inner[..=place];
        let so_far = all.map(|all| {
            count(&|contact| match all {
                true => upto.iter().all(|rule| holds(rule, contact)),
                false => upto.iter().any(|rule| holds(rule, contact)),
            })
        });
        assert_eq!(part.so_far, so_far, "{told}: {}", part.text);
    }
    parts
}

/// Entries of a segment: contact, instant.
type Entered = Vec<(u32, i64)>;

#[test]
fn conversion_agrees_with_the_naive_database_and_sqlite() {
    let (mut asked, mut converted, mut open) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (state, naive) = live::grown_beside(seed, DAYS);
        let mut dice = Dice::new(seed ^ 0xC0);
        let mut entered: BTreeMap<SegmentId, Entered> = BTreeMap::new();
        for (seq, change) in state.live.feed().from(0) {
            let all = entered.entry(change.segment).or_default();
            match change.what {
                What::Entered(contact) => all.push((contact.0, change.at.0)),
                What::Left(_) => {}
                What::Bulk(..) => {
                    let lists = state.live.feed().lists(seq).unwrap();
                    all.extend(lists.entered.iter().map(|contact| (contact, change.at.0)));
                }
            }
        }
        for segment in state.book.listed() {
            let all = entered.remove(&segment.id).unwrap_or_default();
            let tables = Connection::open_in_memory().unwrap();
            tables
                .execute_batch("CREATE TABLE n(contact INT, at INT); CREATE TABLE g(kind INT, contact INT, at INT)")
                .unwrap();
            fill_goals(&tables, &state, &naive);
            for kind in naive.schema.events() {
                let within =
                    Length { n: dice.between(0, 80) as u32, unit: *dice.pick(&[Unit::Hour, Unit::Day, Unit::Hour]) };
                let from = state.as_of.plus_ms(-dice.between(0, 2 * DAYS * 86_400_000));
                let to = if dice.chance(50) { state.as_of.plus_ms(1) } else { from.plus_ms(dice.between(0, 1 << 30)) };
                let told = format!("seed {seed}: \"{}\", {} within {within}", segment.name, kind.name);
                let read = entries(state.live.feed(), segment.id, from, to);
                let zone = naive.schema.zone();
                let at_once = dice.chance(50);
                let goal = Goal { kind: kind.id, within, zone, now: state.as_of, at_once };
                let found = conversion(&state.index, &read, &goal);
                let some: Entered = all.iter().copied().filter(|(_, at)| (from.0..to.0).contains(at)).collect();
                assert_eq!(found.entries, some.len() as u64, "{told}");
                assert_eq!(read.causes.values().sum::<u64>(), found.entries, "{told}");
                assert!(read.unlisted == 0 && read.known_since == Timestamp::MIN, "{told}");
                assert_eq!(found, by_hand(&state, &naive, &some, (kind.name.as_str(), within, at_once)), "{told}");
                by_sql(&tables, &state, &some, (kind.id, within, at_once), &found, &told);
                asked += 1;
                converted += found.converted;
                open += found.entered - found.closed;
            }
        }
    }
    println!("{asked} asked, {converted} converted, {open} open");
    assert!(asked > 500 && converted > 500 && open > 500, "{asked} asked, {converted} converted, {open} open");
}

fn by_hand(
    state: &throng::engine::state::State,
    naive: &Naive,
    entered: &Entered,
    (kind, within, at_once): (&str, Length, bool),
) -> Conversion {
    let now = state.as_of;
    let mut contacts: BTreeMap<u32, [bool; 3]> = BTreeMap::new();
    let mut erased = BTreeSet::new();
    for (id, at) in entered {
        if !state.index.live().contains(*id) {
            erased.insert(*id);
            continue;
        }
        let key = state.index.directory().key(ContactId(*id));
        let contact = naive.contacts.iter().find(|contact| contact.key == key).unwrap();
        let end = naive.almanac.after(i128::from(*at), within);
        let is_goal = |event: &crate::support::naive::Event| {
            event.kind == kind
                && (event.at.0 > *at || at_once && event.at.0 == *at)
                && ms(event.at) <= end
                && event.at <= now
        };
        let found = contacts.entry(*id).or_default();
        let (done, is_over) = (contact.events.iter().any(is_goal), end <= ms(now));
        found[0] |= done;
        found[1] |= is_over;
        found[2] |= done && is_over;
    }
    let count = |is: &dyn Fn(&[bool; 3]) -> bool| contacts.values().filter(|contact| is(contact)).count() as u64;
    Conversion {
        entries: entered.len() as u64,
        entered: contacts.len() as u64,
        erased: erased.len() as u64,
        converted: count(&|[converted, ..]| *converted),
        closed: count(&|[_, closed, _]| *closed),
        closed_converted: count(&|[.., both]| *both),
        open_converted: count(&|[converted, closed, _]| *converted && !*closed),
    }
}

fn fill_goals(tables: &Connection, state: &throng::engine::state::State, naive: &Naive) {
    let mut statement = tables.prepare("INSERT INTO g VALUES(?,?,?)").unwrap();
    for contact in &naive.contacts {
        let id = state.index.directory().id(&contact.key).unwrap();
        for event in &contact.events {
            let kind = naive.schema.event(&event.kind).unwrap();
            statement.execute([i64::from(kind.id.0), i64::from(id.0), event.at.0]).unwrap();
        }
    }
}

fn by_sql(
    tables: &Connection,
    state: &throng::engine::state::State,
    entered: &Entered,
    (kind, within, at_once): (EventKindId, Length, bool),
    found: &Conversion,
    told: &str,
) {
    tables.execute("DELETE FROM n", []).unwrap();
    let mut insert = tables.prepare_cached("INSERT INTO n VALUES(?,?)").unwrap();
    for (contact, at) in entered.iter().filter(|(contact, _)| state.index.live().contains(*contact)) {
        insert.execute([i64::from(*contact), *at]).unwrap();
    }
    let (now, length) = (state.as_of.0, within.exact_ms().unwrap());
    let after = if at_once { ">=" } else { ">" };
    let query = format!(
        "WITH e AS (SELECT contact, at+{length}<={now} over, EXISTS(SELECT 1 FROM g WHERE g.kind={kind} AND \
         g.contact=n.contact AND g.at{after}n.at AND g.at<=n.at+{length} AND g.at<={now}) done FROM n), each AS \
         (SELECT max(over) closed, max(done) done, max(over AND done) both FROM e GROUP BY contact) SELECT count(*), \
         coalesce(sum(closed),0), coalesce(sum(done),0), coalesce(sum(both),0), coalesce(sum(done AND NOT closed),0) \
         FROM each"
    );
    let row: [i64; 5] = tables
        .query_row(&query, [], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
        .unwrap();
    let wanted = [found.entered, found.closed, found.converted, found.closed_converted, found.open_converted];
    assert_eq!(wanted.map(|count| count as i64), row, "{told}: {query}");
}

#[test]
fn what_is_proven_no_data_belies() {
    let (mut tried, mut proven) = (0, 0);
    for seed in 0..100 {
        let mut dice = Dice::new(seed ^ 0x5E);
        let world = generate::world(&mut dice, 40);
        let (naive, loaded) = (&world.naive, loaded::load(&world.naive));
        let is_single = |property: PropertyId| {
            naive.schema.property_by_id(property).is_some_and(|known| known.ty != ValueType::Set)
        };
        let mut pool: Vec<Rule> = (0..60).map(|_| generate_rule::rule(&mut dice, naive, 1)).collect();
        let subject = |rule: &Rule| match rule {
            Rule::Property(test) => test.property.to_string(),
            Rule::Event(test) => format!("event {}", test.event),
            _ => String::new(),
        };
        pool.sort_by_key(subject);
        for run in pool.chunk_by(|a, b| subject(a) == subject(b)) {
            for _ in 0..run.len() {
                let some = |dice: &mut Dice| {
                    let rule = dice.pick(run).clone();
                    if dice.chance(30) { Rule::Not(Box::new(rule)) } else { rule }
                };
                let mut rules = vec![some(&mut dice), some(&mut dice)];
                rules.push(Rule::Or(vec![some(&mut dice), some(&mut dice)]));
                rules.push(Rule::Not(Box::new(Rule::And(vec![some(&mut dice), some(&mut dice)]))));
                let rule = Rule::And(rules);
                let now = *dice.pick(&world.nows);
                tried += 1;
                if never_holds(&loaded.plan(&rule, now), &is_single) {
                    proven += 1;
                    let members = naive.members(&rule, now);
                    assert!(members.is_empty(), "seed {seed}: {members:?} are in {}", rule::print(&rule));
                }
            }
        }
    }
    println!("{tried} rules, of {proven} it is proven that they hold no one");
    assert!(proven * 20 > tried, "{proven} of {tried} proven");
}

#[test]
fn sets_are_related_as_their_contacts_are() {
    let mut found = 0;
    for seed in 0..60 {
        let mut dice = Dice::new(seed ^ 0x4E);
        let world = generate::world(&mut dice, 60);
        let loaded = loaded::load(&world.naive);
        let mut sets = Vec::new();
        for _ in 0..8 {
            let rule = generate_rule::rule(&mut dice, &world.naive, 2);
            let plan = loaded.plan(&rule, world.naive.as_of);
            let keys: BTreeSet<&str> = world.naive.members(&rule, world.naive.as_of).into_iter().collect();
            sets.push((plan.evaluate(&loaded.index), keys));
        }
        for (a, keys_of_a) in &sets {
            for (b, keys_of_b) in &sets {
                let (both, either) = ((keys_of_a & keys_of_b).len() as u64, (keys_of_a | keys_of_b).len() as u64);
                let is_within = both > 0 && both == a.len().min(b.len());
                let wanted = (is_within || both > 0 && 2 * both >= either).then_some((both, either));
                assert_eq!(relation(a, b, &mut 0).map(|found| (found.both, found.either)), wanted, "seed {seed}");
                found += u64::from(wanted.is_some());
            }
        }
    }
    assert!(found > 500, "{found} pairs");
}
