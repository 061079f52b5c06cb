//! Tests of events answered for whole pages against asking each contact.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    model::{
        calendar::{Length, Unit},
        id::ContactId,
        number::Number,
        schema::Function,
        time::Timestamp,
        value::Value,
    },
    query::fixture::{World, did, name, wherever},
    rule::ast::{
        AggregateBound, AggregateTest, Comparison, Counts, EventTest, Operand, RegularTest, Rule, SequenceTest, Step,
        Test, Where, Window,
    },
};

const HOUR_MS: i64 = 3_600_000;
/// Two pages and a half.
const CONTACTS: usize = 2_560;

/// Contacts with up to forty events of three kinds around the hour that Berlin skips in March; products are spelled
/// with some of so many numbers, in either case.
fn crowd(dice: &mut Pcg64Mcg, products: u32) -> World {
    let mut world = World::new("Europe/Berlin", "2026-04-02T12:00:00Z");
    let ids: Vec<ContactId> = (0..CONTACTS).map(|number| world.contact(&format!("c{number}"))).collect();
    let kinds = ["purchase", "ticket_opened", "conversation"];
    for _ in 0..24_000 {
        // A few have much of it; and the last few hundred events of a page are not packed yet.
        let who = dice.random_range(0..CONTACTS);
        let who = if dice.random_bool(0.3) { who / 50 } else { who };
        let kind = kinds[dice.random_range(0..10usize).min(2)];
        let at = Timestamp(world.now.0 + dice.random_range(-7 * 24 * HOUR_MS / 60_000..HOUR_MS / 60_000) * 60_000);
        let product = format!("{}{}", ["p", "P"][dice.random_range(0..2)], dice.random_range(0..products));
        let mut values = vec![];
        if kind == "purchase" && dice.random_bool(0.9) {
            values.push(("product", Value::Text(product.as_str().into())));
        }
        world.event(ids[who], kind, &at.to_string(), &values);
    }
    world
}

fn hours(n: u32) -> Length {
    Length { n, unit: Unit::Hour }
}

fn window(dice: &mut Pcg64Mcg) -> Option<Window> {
    match dice.random_range(0..3) {
        0 => Some(Window::Last(hours(dice.random_range(1..180)))),
        1 => Some(Window::MoreThanAgo(hours(dice.random_range(1..100)))),
        _ => None,
    }
}

fn filter(dice: &mut Pcg64Mcg, kind: &str) -> Vec<Where> {
    match dice.random_range(0..3) {
        0 if kind == "purchase" => {
            vec![wherever("product", Test::Compare(Comparison::Ne, Operand::Text("p1".into())))]
        }
        _ => vec![],
    }
}

fn counts(dice: &mut Pcg64Mcg) -> Counts {
    let comparisons = [Comparison::Ge, Comparison::Eq, Comparison::Le, Comparison::Ne];
    match dice.random_range(0..3) {
        0 => Counts::new(),
        _ => [(comparisons[dice.random_range(0..4)], dice.random_range(0..5))].into_iter().collect(),
    }
}

fn rule(dice: &mut Pcg64Mcg) -> Rule {
    let kinds = ["purchase", "ticket_opened", "conversation"];
    let kind = kinds[dice.random_range(0..3)];
    match dice.random_range(0..4) {
        0 => Rule::Days(EventTest {
            filter: filter(dice, kind),
            counts: counts(dice),
            window: window(dice),
            ..did(kind)
        }),
        1 => Rule::Regularly(RegularTest {
            event: name(kind),
            filter: filter(dice, kind),
            counts: counts(dice),
            every: [hours(30), Length { n: 1, unit: Unit::Day }, Length { n: 1, unit: Unit::Month }]
                [dice.random_range(0..3)],
            periods: dice.random_range(1..20),
            at_least: dice.random_range(0..4),
        }),
        2 => Rule::Aggregate(AggregateTest {
            function: Function::Distinct,
            event: name("purchase"),
            of: Some(name("product")),
            filter: filter(dice, "purchase"),
            window: window(dice),
            test: AggregateBound::Compare(
                [Comparison::Ge, Comparison::Eq, Comparison::Lt][dice.random_range(0..3)],
                Operand::Number(Number::from_int(dice.random_range(0..6))),
            ),
        }),
        _ => {
            let steps = (0..dice.random_range(2..4)).map(|_| {
                let kind = kinds[dice.random_range(0..3)];
                Step { event: name(kind), filter: filter(dice, kind) }
            });
            let steps = steps.collect();
            let within = dice.random_bool(0.6).then(|| hours(dice.random_range(1..60)));
            Rule::Sequence(SequenceTest { steps, within, window: window(dice) })
        }
    }
}

#[test]
fn what_is_found_for_whole_pages_is_what_each_contact_says() {
    for (seed, products) in [(1, 3), (2, 40), (3, 400)] {
        let mut dice = Pcg64Mcg::seed_from_u64(seed);
        let world = crowd(&mut dice, products);
        let mut some = 0;
        for _ in 0..60 {
            // Of few contacts of a page each is read by itself.
            let rule = match dice.random_bool(0.3) {
                true => Rule::And(vec![rule(&mut dice), rule(&mut dice), rule(&mut dice)]),
                false => rule(&mut dice),
            };
            let members = world.members(&rule).len();
            some += usize::from(0 < members && members < CONTACTS);
        }
        assert!(some > 30, "{some} of 60 rules told contacts apart");
    }
}
