//! The product against SQLite: random rules on random worlds, each translated to SQL and asked of tables in memory.
//!
//! A difference prints the seed, the rule, its smallest part that still differs, that part's SQL, a contact, and what
//! the naive database says, which decides who is wrong.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use throng::{
    model::{schema::Schema, time::Timestamp, value::ValueType},
    rule::{
        self,
        ast::{AggregateBound, Comparison, PropertyTest, Rule, Test, Where, Window},
    },
};

use crate::{
    oracle::children,
    support::{
        generate::{self, Dice, World},
        generate_rule,
        loaded::{self, Loaded},
        long::asked,
        sql_time::Sql,
        sql_world::{self, Tables},
    },
};

/// Rules asked in all; `THRONG_SQL_RULES` asks for another number, `THRONG_SQL_SEED` begins elsewhere.
const RULES: u64 = 200_000;
/// Rules of one world.
const BATCH: u64 = 400;
/// Every so many rules one is misread on purpose.
const SLIPS_EVERY: u64 = 20;
/// The first world's seed.
const SEED: u64 = 7_000_000;
/// Worlds that showed an error once.
const REGRESSIONS: [u64; 1] = [8_000_185];
/// Contacts of a world; they have about a dozen events each.
const CONTACTS: [usize; 8] = [7, 20, 30, 40, 50, 60, 80, 200];

/// Every kind of predicate that is counted, a line each; all of them must be asked.
const KINDS: &str = include_str!("../cases/predicates.txt");

/// What was asked.
#[derive(Default)]
struct Tally {
    rules: u64,
    /// Rules that hold some and not all.
    dividing: u64,
    deepest: usize,
    /// Rules that were misread on purpose, and those of them whose answer told so.
    slips: u64,
    seen: u64,
    /// Predicates by kind.
    kinds: BTreeMap<String, u64>,
}

#[test]
fn two_hundred_thousand_rules_answer_as_sqlite_does() {
    let (wanted, first) = (asked("THRONG_SQL_RULES", RULES), asked("THRONG_SQL_SEED", SEED));
    let worlds = wanted.div_ceil(BATCH);
    let next = AtomicU64::new(0);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            if place >= worlds + REGRESSIONS.len() as u64 {
                return tally;
            }
            let known = REGRESSIONS.get(place as usize).copied();
            ask(known.unwrap_or(first + place - REGRESSIONS.len() as u64), &mut tally);
        }
    };
    let many = thread::available_parallelism().map_or(1, usize::from);
    let tallies: Vec<Tally> = thread::scope(|scope| {
        let workers: Vec<_> = (0..many).map(|_| scope.spawn(work)).collect();
        // A difference in one thread fails the test with its message.
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut sum = Tally::default();
    for tally in tallies {
        sum.rules += tally.rules;
        sum.dividing += tally.dividing;
        sum.deepest = sum.deepest.max(tally.deepest);
        sum.slips += tally.slips;
        sum.seen += tally.seen;
        tally.kinds.into_iter().for_each(|(kind, count)| *sum.kinds.entry(kind).or_default() += count);
    }
    let Tally { rules, dividing, deepest, slips, seen, kinds } = sum;
    println!(
        "seed {first}: {rules} rules, {dividing} dividing, depth {deepest}, worlds up to {}; of {slips} misread on \
         purpose {seen} told so",
        first + worlds
    );
    kinds.iter().for_each(|(kind, count)| println!("{count:>9} {kind}"));
    assert!(rules >= wanted, "{rules} rules were asked");
    assert!(dividing * 2 > rules, "only {dividing} of {rules} rules hold some and not all");
    assert!(deepest >= 8, "the deepest rule was {deepest} deep");
    assert!(seen * 8 > slips, "only {seen} of {slips} rules that were misread on purpose told so");
    if wanted >= RULES {
        let rare: Vec<&str> = KINDS.lines().filter(|kind| kinds.get(*kind).is_none_or(|count| *count < 20)).collect();
        assert_eq!(rare, Vec::<&str>::new(), "every kind of predicate is asked often");
    }
}

fn ask(seed: u64, tally: &mut Tally) {
    let mut dice = Dice::new(seed);
    let contacts = *dice.pick(&CONTACTS);
    let world = generate::world(&mut dice, contacts);
    let loaded = loaded::load(&world.naive);
    let tables = sql_world::fill(&world.naive);
    for number in 0..BATCH {
        // All depths up to eight, more of the small ones.
        let depth = 1 + dice.below(8).min(dice.below(12));
        let rule = generate_rule::rule(&mut dice, &world.naive, depth);
        let now = *dice.pick(&world.nows);
        // The product hears the rule as people and programs send it.
        let told = told(&rule, &world.naive.schema, number % 2 == 0);
        let plan = loaded.plan(&told, now);
        let found: Vec<u32> = plan.evaluate(&loaded.index).iter().collect();
        let sql = Sql { naive: &world.naive, now };
        let wanted = tables.ask(&sql.rule(&rule));
        if found != wanted {
            panic!("{}", difference(seed, &world, &loaded, &tables, &rule, now));
        }
        if number % 4 == 0 {
            let count = plan.count(&loaded.index);
            assert_eq!(count, wanted.len() as u64, "seed {seed}: the count of {}", rule::print(&rule));
        }
        if number % SLIPS_EVERY == 0
            && let Some(slipped) = slipped(&rule)
        {
            tally.slips += 1;
            tally.seen += u64::from(tables.ask(&sql.rule(&slipped)) != found);
        }
        tally.rules += 1;
        tally.dividing += u64::from(!found.is_empty() && found.len() < contacts);
        tally.deepest = tally.deepest.max(depth_of(&rule));
        note(&rule, &world.naive.schema, &mut tally.kinds);
    }
}

/// A rule with every end of a range that is in taken for one that is out, and the reverse; none if there is no end.
fn slipped(rule: &Rule) -> Option<Rule> {
    let swapped = |comparison: Comparison| match comparison {
        Comparison::Lt => Comparison::Le,
        Comparison::Le => Comparison::Lt,
        Comparison::Gt => Comparison::Ge,
        Comparison::Ge => Comparison::Gt,
        Comparison::Eq | Comparison::Ne => comparison,
    };
    let all = |rules: &[Rule]| -> Vec<Rule> {
        rules.iter().map(|rule| slipped(rule).unwrap_or_else(|| rule.clone())).collect()
    };
    let other = match rule {
        Rule::And(rules) => Rule::And(all(rules)),
        Rule::Or(rules) => Rule::Or(all(rules)),
        Rule::Xor(rules) => Rule::Xor(all(rules)),
        Rule::Of { quantity, n, rules } => Rule::Of { quantity: *quantity, n: *n, rules: all(rules) },
        Rule::Not(inner) => Rule::Not(Box::new(slipped(inner)?)),
        Rule::Property(test) => {
            let mut test = test.clone();
            match &mut test.test {
                Test::Compare(comparison, _) | Test::Age(comparison, _) | Test::Ahead(comparison, _) => {
                    *comparison = swapped(*comparison);
                }
                _ => return None,
            }
            Rule::Property(test)
        }
        Rule::Aggregate(test) => {
            let mut test = test.clone();
            let AggregateBound::Compare(comparison, _) = &mut test.test else { return None };
            *comparison = swapped(*comparison);
            Rule::Aggregate(test)
        }
        _ => return None,
    };
    (other != *rule).then_some(other)
}

fn told(rule: &Rule, schema: &Schema, as_text: bool) -> Rule {
    if as_text {
        let text = rule::print(rule);
        return rule::parse(&text, schema).unwrap_or_else(|error| panic!("{}", error.render(&text)));
    }
    let json = rule::to_json(rule).to_string();
    rule::from_json(&json, schema).unwrap_or_else(|error| panic!("{error} in {json}"))
}

/// The smallest part of a rule that still differs, and a contact on which it does.
fn difference(seed: u64, world: &World, loaded: &Loaded, tables: &Tables, rule: &Rule, now: Timestamp) -> String {
    let naive = &world.naive;
    let sql = Sql { naive, now };
    let product = |rule: &Rule| -> Vec<u32> { loaded.plan(rule, now).evaluate(&loaded.index).iter().collect() };
    let differs = |rule: &Rule| product(rule) != tables.ask(&sql.rule(rule));
    let mut small = rule.clone();
    while let Some(child) = children(&small).into_iter().find(|child| differs(child)) {
        small = child;
    }
    let (found, wanted) = (product(&small), tables.ask(&sql.rule(&small)));
    let place = (0..naive.contacts.len() as u32).find(|place| found.contains(place) != wanted.contains(place));
    let contact = place.map(|place| &naive.contacts[place as usize]);
    format!(
        "seed {seed} at {now} in {}, clock {}: the product says {:?}, SQLite {:?}, the naive database {:?} of \
         {contact:#?}\n{}\n{small:?}\n{}\npart of {}",
        naive.schema.zone().name(),
        naive.as_of,
        place.map(|place| found.contains(&place)),
        place.map(|place| wanted.contains(&place)),
        contact.map(|contact| naive.matches(&small, contact, now)),
        rule::print(&small),
        sql.rule(&small),
        rule::print(rule),
    )
}

fn depth_of(rule: &Rule) -> usize {
    match rule {
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            1 + rules.iter().map(depth_of).max().unwrap_or(0)
        }
        Rule::Not(rule) => 1 + depth_of(rule),
        _ => 1,
    }
}

/// The first word of what a value prints as.
fn word(value: &dyn std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// Counts the predicates of a rule by kind.
fn note(rule: &Rule, schema: &Schema, kinds: &mut BTreeMap<String, u64>) {
    let mut add = |kind: String| *kinds.entry(kind).or_default() += 1;
    match rule {
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) => {
            add(word(rule));
            rules.iter().for_each(|rule| note(rule, schema, kinds));
        }
        Rule::Of { quantity, rules, .. } => {
            add(word(quantity));
            rules.iter().for_each(|rule| note(rule, schema, kinds));
        }
        Rule::Not(inner) => {
            add(word(rule));
            note(inner, schema, kinds);
        }
        Rule::Property(test) => {
            let ty = schema.property(test.property.as_str()).expect("a known property").ty;
            note_test(test, ty, kinds);
        }
        Rule::Event(test) | Rule::Days(test) => {
            add(word(rule) + if test.counts.is_empty() { "" } else { " counts" });
            note_events(test.event.as_str(), &test.filter, test.window, schema, kinds);
        }
        Rule::Aggregate(test) => {
            let kind = schema.event(test.event.as_str()).expect("a known kind");
            let of = test.of.as_ref().map(|of| kind.property(of.as_str()).expect("a known property").1.ty);
            let bound = if matches!(test.test, AggregateBound::Between(..)) { " Between" } else { "" };
            add(format!("{} {}{bound}", word(&test.function), of.map_or("events".into(), type_word)));
            note_events(test.event.as_str(), &test.filter, test.window, schema, kinds);
        }
        Rule::Edge(test) => {
            add(word(&test.end) + if test.having.is_empty() { "" } else { " having" });
            note_events(test.event.as_str(), &test.filter, test.window, schema, kinds);
            note_events(test.event.as_str(), &test.having, None, schema, kinds);
        }
        Rule::Sequence(test) => {
            add(word(rule) + if test.within.is_none() { "" } else { " within" });
            for step in &test.steps {
                note_events(step.event.as_str(), &step.filter, test.window, schema, kinds);
            }
        }
        Rule::Regularly(test) => {
            add(word(rule));
            note_events(test.event.as_str(), &test.filter, None, schema, kinds);
        }
        Rule::Bucket { range, .. } => add(format!("Bucket {}", word(range))),
        Rule::EmailDomain { property, .. } => {
            add(word(rule) + if property.is_none() { "" } else { " property" });
        }
        Rule::All | Rule::None | Rule::Tag(_) | Rule::AnyTag(_) | Rule::AllTags(_) | Rule::Segment(_) => {
            add(word(rule))
        }
    }
}

fn note_events(
    event: &str,
    filter: &[Where],
    window: Option<Window>,
    schema: &Schema,
    kinds: &mut BTreeMap<String, u64>,
) {
    if let Some(window) = window {
        *kinds.entry(format!("window {}", word(&window))).or_default() += 1;
    }
    for condition in filter {
        match condition {
            Where::And(list) | Where::Or(list) => {
                *kinds.entry(format!("where {}", word(condition))).or_default() += 1;
                note_events(event, list, None, schema, kinds);
            }
            Where::Not(inner) => {
                *kinds.entry("where Not".into()).or_default() += 1;
                note_events(event, std::slice::from_ref(inner), None, schema, kinds);
            }
            Where::Test(test) => {
                *kinds.entry("where Test".into()).or_default() += 1;
                let kind = schema.event(event).expect("a known kind");
                note_test(test, kind.property(test.property.as_str()).expect("a known property").1.ty, kinds);
            }
        }
    }
}

fn type_word(ty: ValueType) -> String {
    ty.name().to_owned()
}

fn note_test(test: &PropertyTest, ty: ValueType, kinds: &mut BTreeMap<String, u64>) {
    let named = match &test.test {
        Test::Compare(comparison, _) => word(comparison),
        Test::Age(comparison, _) | Test::Ahead(comparison, _) => format!("{} {}", word(&test.test), word(comparison)),
        Test::In { negated, .. } => (if *negated { "NotIn" } else { "In" }).to_owned(),
        Test::Text { op, negated, .. } => format!("{}{}", if *negated { "Not" } else { "" }, word(op)),
        Test::InPeriod(period) => format!("{} {}", word(&test.test), word(period)),
        other => word(other),
    };
    *kinds.entry(format!("{named} {}", type_word(ty))).or_default() += 1;
    if let Some(missing) = test.missing {
        *kinds.entry(format!("missing {missing}")).or_default() += 1;
    }
}
