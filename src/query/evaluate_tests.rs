//! Random plans over several chunks of every density: all ways to ask agree with asking each contact.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    bitmap::posting::Posting,
    model::{
        calendar::{Length, Unit},
        id::ContactId,
        number::Number,
        value::Value,
    },
    query::{
        context::Body,
        explain::explain,
        fixture::{World, did, did_in, eq, is, not, number},
        prepare::Prepared,
        why::why,
    },
    rule::ast::{BucketRange, Comparison, EventTest, Operand, Quantity, Rule, Test, TextOp, Window},
};

const CONTACTS: u32 = 66_500;

/// Two chunks: a full one with holes, and a short one. Values are everything from one in ten thousand to all.
fn world() -> World {
    let mut world = World::new("UTC", "2026-05-01T12:00:00Z");
    let mut rng = Pcg64Mcg::seed_from_u64(7);
    for n in 0..CONTACTS {
        let id = world.contact(&format!("c{n}"));
        let mut tags: Vec<Box<str>> = Vec::new();
        for (tag, one_in) in [("all", 1), ("half", 2), ("tenth", 10), ("hundredth", 100), ("rare", 9_000)] {
            if rng.random_range(0..one_in) == 0 {
                tags.push(tag.into());
            }
        }
        world.set(id, "tags", Value::Set(tags));
        if n % 3 > 0 {
            world.set(id, "lead_score", Value::Number(Number::from_int(rng.random_range(0..1_000))));
        }
        if n % 16 == 0 {
            let city = ["Rome", "Oslo", "Lima", "Pisa"][rng.random_range(0..4)];
            world.set(id, "city", Value::Text(city.into()));
        }
        if n % 40 == 0 {
            for _ in 0..rng.random_range(1..4) {
                let ms = world.now.0 - rng.random_range(-5..60) * 86_400_000;
                let when = crate::model::time::Timestamp(ms).to_string();
                world.event(id, "purchase", &when, &[("amount", Value::Money(rng.random_range(0..100)))]);
            }
        }
    }
    for id in (0..CONTACTS).step_by(1_009) {
        world.index.erase(ContactId(id));
    }
    let listed: Posting = (0..CONTACTS).filter(|id| id % 777 < 5).collect();
    world.segment("listed", Body::Static(listed));
    world.dynamic("saved", Rule::Xor(vec![Rule::Tag("half".into()), eq("city", "Rome")]));
    world
}

fn leaf(rng: &mut Pcg64Mcg) -> Rule {
    let last = |n| Window::Last(Length { n, unit: Unit::Day });
    let n = rng.random_range(0..1_000);
    match rng.random_range(0..14) {
        0 => Rule::Tag("all".into()),
        1 => Rule::Tag("half".into()),
        2 => Rule::Tag("tenth".into()),
        3 => Rule::Tag("hundredth".into()),
        4 | 5 => Rule::Tag("rare".into()),
        6 => Rule::AnyTag(vec!["rare".into(), "hundredth".into(), "unknown".into()]),
        7 => is("lead_score", Test::Compare(Comparison::Gt, number(n))),
        8 => is(
            "lead_score",
            Test::In { negated: false, values: (0..n / 30).map(|k| number(k * 7)).chain([number(n)]).collect() },
        ),
        9 => is("city", Test::Text { op: TextOp::Contains, negated: false, pattern: "i".into() }),
        10 => Rule::Bucket { name: "x".into(), of: 1_000, range: BucketRange::Below(n as u32) },
        11 => Rule::Event(did_in("purchase", last(n as u32 % 40))),
        12 => {
            let counts = [([Comparison::Le, Comparison::Ge][rng.random_range(0..2)], 2)].into();
            Rule::Event(EventTest { counts, window: Some(last(n as u32 % 40)), ..did("purchase") })
        }
        _ => Rule::Segment(["listed", "saved"][rng.random_range(0..2)].into()),
    }
}

fn rule(rng: &mut Pcg64Mcg, depth: u32) -> Rule {
    if depth == 0 {
        return leaf(rng);
    }
    let some =
        |rng: &mut Pcg64Mcg| -> Vec<Rule> { (0..rng.random_range(2..5)).map(|_| rule(rng, depth - 1)).collect() };
    match rng.random_range(0..9) {
        0 => leaf(rng),
        1..4 => Rule::And(some(rng)),
        4 | 5 => Rule::Or(some(rng)),
        6 => Rule::Xor(some(rng)),
        7 => not(rule(rng, depth - 1)),
        _ => {
            let rules = some(rng);
            let quantity = [Quantity::AtLeast, Quantity::AtMost, Quantity::Exactly][rng.random_range(0..3)];
            Rule::Of { quantity, n: rng.random_range(0..4), rules }
        }
    }
}

#[test]
fn all_ways_to_ask_agree_over_chunks_of_every_density() {
    let world = world();
    let mut rng = Pcg64Mcg::seed_from_u64(11);
    let live: Vec<u32> = world.index.live().iter().collect();
    for round in 0..150 {
        let rule = rule(&mut rng, round % 4);
        let plan = world.bind(&rule).unwrap();
        let posting = plan.evaluate(&world.index);
        assert_eq!(plan.count(&world.index), posting.len(), "{rule:?}");
        assert_eq!(posting.and_len(world.index.live()), posting.len(), "{rule:?}");
        let members: Vec<u32> = posting.iter().take(50).collect();
        let sampled = (0..150).map(|_| live[rng.random_range(0..live.len())]).chain(members);
        for id in sampled {
            assert_eq!(plan.contains(&world.index, ContactId(id)), posting.contains(id), "{id} {rule:?}");
        }
        let opposite = world.bind(&not(rule.clone())).unwrap();
        assert_eq!(opposite.count(&world.index) + posting.len(), live.len() as u64, "{rule:?}");
    }
}

#[test]
fn a_few_candidates_are_sifted_as_many_are_narrowed() {
    let world = world();
    let mut rng = Pcg64Mcg::seed_from_u64(23);
    for round in 0..100 {
        let inner = rule(&mut rng, round % 3);
        let both = world.bind(&Rule::And(vec![Rule::Tag("rare".into()), inner.clone()])).unwrap();
        let all = world.bind(&inner).unwrap().evaluate(&world.index);
        let rare = world.bind(&Rule::Tag("rare".into())).unwrap().evaluate(&world.index);
        assert_eq!(both.evaluate(&world.index), rare.and(&all), "{inner:?}");
    }
}

#[test]
fn the_erased_have_no_part_in_anything() {
    let world = world();
    let plan = world.bind(&not(Rule::Tag("unknown".into()))).unwrap();
    assert_eq!(plan.evaluate(&world.index), *world.index.live());
    assert!(!plan.contains(&world.index, ContactId(0)));
    assert_eq!(world.bind(&Rule::All).unwrap().evaluate(&world.index), *world.index.live());
}

#[test]
fn explanations_count_every_node_in_the_order_of_work() {
    let world = world();
    let rule = Rule::And(vec![
        Rule::Event(EventTest { counts: [(Comparison::Ge, 2)].into(), ..did("purchase") }),
        is("lead_score", Test::Compare(Comparison::Ge, Operand::Number(Number::from_int(500)))),
        Rule::Tag("half".into()),
        Rule::Tag("hundredth".into()),
    ]);
    let plan = world.bind(&rule).unwrap();
    let ticks = std::cell::Cell::new(0);
    let explained = explain(&plan, &world.index, &|| {
        ticks.set(ticks.get() + 5);
        ticks.get()
    });
    assert_eq!(explained.count, plan.count(&world.index));
    assert_eq!(explained.nanos, 5);
    let using: Vec<&str> = explained.children.iter().map(|child| child.using.as_str()).collect();
    assert_eq!(using, ["posting", "posting", "column scan", "event log of the candidates"]);
    let prepared = Prepared::new(&plan, &world.index);
    assert!(explained.children.iter().all(|child| child.count < prepared.index.live().len()));
    assert!(explained.children[0].count < explained.children[1].count, "the rarer tag first");
    let member = plan.evaluate(&world.index).min().unwrap();
    let why = why(&plan, &world.index, ContactId(member));
    assert!(why.holds && why.children.len() == 4 && why.children.iter().all(|child| child.holds));
}
