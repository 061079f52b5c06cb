//! The laws of an algebra of sets hold for random rules on random worlds, whatever way the plan takes through them.

use std::sync::atomic::{AtomicU64, Ordering};

use throng::{
    bitmap::posting::Posting,
    model::time::Timestamp,
    rule::{self, ast::Rule},
};

use crate::support::{
    generate::{self, Dice},
    generate_rule,
    loaded::{self, Loaded},
    long::{asked, on_all_cores},
};

/// Rules asked of one world, three at a time.
const TRIPLES: u64 = 500;
const CONTACTS: [usize; 4] = [1, 12, 25, 45];

fn and(rules: &[&Rule]) -> Rule {
    Rule::And(rules.iter().map(|rule| (*rule).clone()).collect())
}

fn or(rules: &[&Rule]) -> Rule {
    Rule::Or(rules.iter().map(|rule| (*rule).clone()).collect())
}

fn xor(rules: &[&Rule]) -> Rule {
    Rule::Xor(rules.iter().map(|rule| (*rule).clone()).collect())
}

fn not(rule: &Rule) -> Rule {
    Rule::Not(Box::new(rule.clone()))
}

/// Both sides of each law.
fn laws(a: &Rule, b: &Rule, c: &Rule) -> [(&'static str, Rule, Rule); 12] {
    [
        ("De Morgan of and", not(&and(&[a, b])), or(&[&not(a), &not(b)])),
        ("De Morgan of or", not(&or(&[a, b])), and(&[&not(a), &not(b)])),
        ("absorption by or", or(&[a, &and(&[a, b])]), a.clone()),
        ("absorption by and", and(&[a, &or(&[a, b])]), a.clone()),
        ("nobody is in and out", and(&[a, &not(a)]), Rule::None),
        ("everyone is in or out", or(&[a, &not(a)]), Rule::All),
        ("and over or", and(&[a, &or(&[b, c])]), or(&[&and(&[a, b]), &and(&[a, c])])),
        ("or over and", or(&[a, &and(&[b, c])]), and(&[&or(&[a, b]), &or(&[a, c])])),
        ("not twice", not(&not(a)), a.clone()),
        ("one or the other", xor(&[a, b]), and(&[&or(&[a, b]), &not(&and(&[a, b]))])),
        ("any order of and", and(&[a, b, c]), and(&[c, a, b])),
        ("any order of or", or(&[a, &not(b), c]), or(&[c, a, &not(b)])),
    ]
}

/// The members of each side of each law. What stands on one side of several laws is asked once; everything that is
/// asked is counted, too, which goes another way through the plan.
fn members(loaded: &Loaded, rules: &[&Rule], now: Timestamp) -> Vec<Posting> {
    let mut known: Vec<(&Rule, Posting)> = vec![];
    for rule in rules {
        if known.iter().all(|(asked, _)| asked != rule) {
            let plan = loaded.plan(rule, now);
            let found = plan.evaluate(&loaded.index);
            assert_eq!(plan.count(&loaded.index), found.len(), "a count is the length: {}", rule::print(rule));
            known.push((rule, found));
        }
    }
    let of = |rule: &&Rule| known.iter().find(|(asked, _)| asked == rule).expect("it was asked").1.clone();
    rules.iter().map(of).collect()
}

#[test]
fn the_laws_of_sets_hold() {
    let (seed, cases) = (asked("THRONG_LAWS_SEED", 1), asked("THRONG_LAWS", 100_000));
    let held = AtomicU64::new(0);
    on_all_cores(cases.div_ceil(TRIPLES), &|number| {
        let seed = seed * 1_000_000_007 + number;
        let mut dice = Dice::new(seed);
        let contacts = *dice.pick(&CONTACTS);
        let world = generate::world(&mut dice, contacts);
        let loaded = loaded::load(&world.naive);
        for _ in 0..TRIPLES {
            let mut rule = || {
                let depth = 1 + dice.below(3);
                generate_rule::rule(&mut dice, &world.naive, depth)
            };
            let [a, b, c] = [rule(), rule(), rule()];
            let now = *dice.pick(&world.nows);
            let laws = laws(&a, &b, &c);
            let sides: Vec<&Rule> = laws.iter().flat_map(|(_, left, right)| [left, right]).collect();
            for ((law, left, right), found) in laws.iter().zip(members(&loaded, &sides, now).chunks(2)) {
                let told = || format!("{law}\n{}\n{}", rule::print(left), rule::print(right));
                assert!(found[0].iter().eq(found[1].iter()), "seed {seed} at {now}: {}", told());
            }
            held.fetch_add(1, Ordering::Relaxed);
        }
    });
    let held = held.into_inner();
    println!("seed {seed}: {held} cases of each of 12 laws");
    assert!(held >= cases, "{held} cases");
}
