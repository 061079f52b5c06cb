//! The product against the naive database: random rules on random worlds.
//!
//! A failure prints the seed, the rule's text, and the smallest child of it and the one contact that still disagree.

use throng::{
    model::{id::ContactId, schema::Schema, time::Timestamp},
    rule::{self, ast::Rule},
};

use crate::support::{
    generate::{self, Dice, World},
    generate_rule,
    loaded::{self, Loaded},
    naive::Naive,
};

/// Worlds of one chunk; with [`RULES`] and the instants of each world more than 20,000 rules are asked.
const WORLDS: u64 = 230;
const RULES: usize = 90;
const CONTACTS: [usize; 4] = [1, 40, 70, 130];

#[test]
fn twenty_thousand_rules_answer_as_the_naive_database_does() {
    let mut asked = 0;
    for seed in 0..WORLDS {
        let mut dice = Dice::new(seed);
        let contacts = *dice.pick(&CONTACTS);
        let world = generate::world(&mut dice, contacts);
        asked += ask(seed, &mut dice, &world, RULES);
    }
    assert!(asked >= 20_000, "{asked} rules were asked");
}

#[test]
fn worlds_of_several_chunks_answer_alike() {
    for seed in [1_000_001, 1_000_002] {
        let mut dice = Dice::new(seed);
        let mut world = generate::world(&mut dice, 300);
        // Most are blank; those with data are spread over the ids, the ends of chunks among them.
        let some = std::mem::take(&mut world.naive.contacts);
        let places = [0, 1, 4_095, 4_096, 65_534, 65_535, 65_536, 65_537, 69_631, 69_632, 131_071, 131_072];
        let mut rest = some.into_iter();
        for place in 0..132_000 {
            let taken = if places.contains(&place) || place % 500 == 7 { rest.next() } else { None };
            world.naive.contacts.push(taken.unwrap_or_else(|| generate::blank(format!("blank{place}"))));
        }
        ask(seed, &mut dice, &world, 25);
    }
}

#[test]
fn worlds_of_many_texts_answer_alike() {
    for seed in 3_000_000..3_000_004 {
        let mut dice = Dice::new(seed);
        let mut world = generate::world(&mut dice, 3_000);
        let mut contacts = std::mem::take(&mut world.naive.contacts);
        for contact in &mut contacts {
            contact.events.clear();
            generate::own_texts(&mut dice, &world.naive, contact);
        }
        world.naive.contacts = contacts;
        let loaded = loaded::load(&world.naive);
        for _ in 0..60 {
            let rule = generate_rule::text_rule(&mut dice, &world.naive, 3);
            compare(seed, &mut dice, &world, &loaded, &rule, world.nows[0]);
        }
    }
}

#[test]
fn damaged_rules_are_refused_or_read_and_never_panic() {
    let (mut read, mut refused) = (0, 0);
    for seed in 4_000_000..4_000_040 {
        let mut dice = Dice::new(seed);
        let world = generate::world(&mut dice, 20);
        let schema = &world.naive.schema;
        for _ in 0..100 {
            let whole = generate_rule::rule(&mut dice, &world.naive, 3);
            let text = damaged(&mut dice, &rule::print(&whole));
            let json = damaged(&mut dice, &rule::to_json(&whole).to_string());
            for result in [rule::parse(&text, schema), rule::from_json(&json, schema)] {
                match result {
                    Ok(rule) => {
                        read += 1;
                        round_trips(seed, &rule, schema);
                    }
                    Err(why) => {
                        refused += 1;
                        assert!(!why.render(&text).is_empty() && !why.to_string().is_empty());
                    }
                }
            }
        }
    }
    assert!(read > 200 && refused > 2_000, "{read} read, {refused} refused");
}

/// A text with a piece taken out, doubled, moved, or replaced by something awkward.
fn damaged(dice: &mut Dice, text: &str) -> String {
    const PIECES: [&str; 16] = [
        "(",
        ")",
        ",",
        "\"",
        "'",
        "`",
        "not ",
        " and ",
        "\\",
        "/",
        "9223372036854775808",
        "-",
        "#",
        "\u{301}",
        "{",
        "null",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(2) {
        let from = dice.below(chars.len() + 1);
        let to = (from + dice.below(8)).min(chars.len());
        let piece: Vec<char> = chars[from..to].to_vec();
        match dice.below(4) {
            0 => drop(chars.splice(from..to, [])),
            1 => drop(chars.splice(from..from, piece)),
            2 => drop(chars.splice(from..to, dice.pick::<&str>(&PIECES).chars())),
            _ => {
                let at = dice.below(chars.len() + 1);
                drop(chars.splice(at..at, piece));
            }
        }
    }
    chars.into_iter().collect()
}

/// Asks random rules of both sides; says how many.
fn ask(seed: u64, dice: &mut Dice, world: &World, rules: usize) -> usize {
    let loaded = loaded::load(&world.naive);
    loaded.index.check().unwrap_or_else(|law| panic!("seed {seed}: {law}"));
    for _ in 0..rules {
        let depth = 1 + dice.below(8);
        let rule = generate_rule::rule(dice, &world.naive, depth);
        round_trips(seed, &rule, &world.naive.schema);
        let now = *dice.pick(&world.nows);
        compare(seed, dice, world, &loaded, &rule, now);
    }
    rules
}

/// Both forms of a rule come back as the rule.
fn round_trips(seed: u64, rule: &Rule, schema: &Schema) {
    if trip(rule, schema).is_ok() {
        return;
    }
    let mut small = rule.clone();
    while let Some(child) = children(&small).into_iter().find(|child| trip(child, schema).is_err()) {
        small = child;
    }
    panic!("seed {seed}: {}\n{small:?}", trip(&small, schema).expect_err("it was an error just now"));
}

fn trip(rule: &Rule, schema: &Schema) -> Result<(), String> {
    rule::check(rule, schema).map_err(|why| format!("the check says {why}"))?;
    let text = rule::print(rule);
    let back = rule::parse(&text, schema).map_err(|why| why.render(&text))?;
    if back != *rule {
        return Err(format!("by text it comes back as {back:?} from\n{text}"));
    }
    let json = rule::to_json(rule).to_string();
    let back = rule::from_json(&json, schema).map_err(|why| format!("{why} in {json}"))?;
    if back != *rule {
        return Err(format!("by JSON it comes back as {back:?} from\n{json}"));
    }
    Ok(())
}

fn compare(seed: u64, dice: &mut Dice, world: &World, loaded: &Loaded, rule: &Rule, now: Timestamp) {
    let plan = loaded.plan(rule, now);
    let answer = plan.evaluate(&loaded.index);
    let wanted = world.naive.members(rule, now);
    let found = loaded.keys_of(&answer);
    if found != wanted {
        panic!("{}", disagreement(seed, &world.naive, loaded, rule, now));
    }
    assert_eq!(plan.count(&loaded.index), wanted.len() as u64, "seed {seed}: the count of {}", rule::print(rule));
    for _ in 0..6 {
        let place = dice.below(world.naive.contacts.len());
        let contact = &world.naive.contacts[place];
        let probed = plan.contains(&loaded.index, ContactId(place as u32));
        let held = world.naive.matches(rule, contact, now);
        if probed != held {
            let text = rule::print(rule);
            panic!(
                "seed {seed} at {now}: the probe says {probed} of {contact:#?}\n{text}\n{}",
                probes(world, loaded, rule, now, place)
            );
        }
    }
}

/// The smallest part of a rule on which the probe errs.
fn probes(world: &World, loaded: &Loaded, rule: &Rule, now: Timestamp, place: usize) -> String {
    let errs = |rule: &Rule| {
        let probed = loaded.plan(rule, now).contains(&loaded.index, ContactId(place as u32));
        probed != world.naive.matches(rule, &world.naive.contacts[place], now)
    };
    let mut small = rule.clone();
    while let Some(child) = children(&small).into_iter().find(|child| errs(child)) {
        small = child;
    }
    format!("in {small:?}")
}

/// The smallest part of a rule that still disagrees, and the contacts on which it does.
fn disagreement(seed: u64, naive: &Naive, loaded: &Loaded, rule: &Rule, now: Timestamp) -> String {
    let disagree = |rule: &Rule| loaded.keys(rule, now) != naive.members(rule, now);
    let mut small = rule.clone();
    while let Some(child) = children(&small).into_iter().find(|child| disagree(child)) {
        small = child;
    }
    let (found, wanted) = (loaded.keys(&small, now), naive.members(&small, now));
    let wrong = naive.contacts.iter().find(|c| found.contains(&c.key.as_str()) != wanted.contains(&c.key.as_str()));
    let says = wrong.map(|contact| found.contains(&contact.key.as_str()));
    format!(
        "seed {seed} at {now} in {}, clock {}: the product says {says:?} of {wrong:#?}\n{}\n{small:?}\npart of {}",
        naive.schema.zone().name(),
        naive.as_of,
        rule::print(&small),
        rule::print(rule),
    )
}

/// The rules that a rule is made of; and rules a little smaller.
pub fn children(rule: &Rule) -> Vec<Rule> {
    match rule {
        Rule::And(rules) | Rule::Or(rules) | Rule::Xor(rules) | Rule::Of { rules, .. } => {
            let mut smaller = rules.clone();
            if rules.len() > 2 {
                let without = |skip: usize| -> Vec<Rule> {
                    rules.iter().enumerate().filter(|(n, _)| *n != skip).map(|(_, rule)| rule.clone()).collect()
                };
                smaller.extend((0..rules.len()).map(|skip| match rule {
                    Rule::And(_) => Rule::And(without(skip)),
                    Rule::Or(_) => Rule::Or(without(skip)),
                    Rule::Xor(_) => Rule::Xor(without(skip)),
                    _ => Rule::Or(without(skip)),
                }));
            }
            smaller
        }
        Rule::Not(inner) => vec![(**inner).clone()],
        Rule::Event(test) if !test.filter.is_empty() || test.window.is_some() => {
            let mut plain = test.clone();
            plain.window = None;
            let mut bare = test.clone();
            bare.filter.clear();
            [plain, bare].into_iter().filter(|smaller| smaller != test).map(Rule::Event).collect()
        }
        _ => vec![],
    }
}
