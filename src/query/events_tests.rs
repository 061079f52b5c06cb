//! Tests of behavior at the edges of time, count and order.

use crate::{
    model::{
        calendar::{Length, Period, Unit},
        currency::Currency,
        number::Number,
        schema::Function,
        value::Value,
    },
    query::fixture::{World, at, day, did, did_in, eq, name, not, number, wherever},
    rule::ast::{
        AggregateBound, AggregateTest, Comparison, Counts, EdgeTest, End, EventTest, Moment, Operand, RegularTest,
        Rule, SequenceTest, Step, Test, TextOp, Where, Window,
    },
};

fn days(n: u32) -> Length {
    Length { n, unit: Unit::Day }
}

fn usd(minor: i64) -> Operand {
    Operand::Money(minor, Currency::USD)
}

fn bought(world: &mut World, key: &str, when: &str, amount: Option<i64>, product: &str) {
    let id = world.contact(key);
    let mut values = vec![("product", Value::Text(product.into()))];
    values.extend(amount.map(|amount| ("amount", Value::Money(amount))));
    world.event(id, "purchase", when, &values);
}

/// Noon on 1 May 2026. `ada` buys often, `bob` once and once to come, `cy` long ago, `dee` without amounts, `eve` never.
fn world() -> World {
    let mut world = World::new("UTC", "2026-05-01T12:00:00Z");
    for key in ["ada", "bob", "cy", "dee", "eve"] {
        world.contact(key);
    }
    bought(&mut world, "ada", "2026-05-01T12:00:00Z", Some(10_00), "Tea");
    bought(&mut world, "ada", "2026-04-24T12:00:00Z", Some(20_00), "tea");
    bought(&mut world, "ada", "2026-04-24T11:59:59.999Z", Some(40_00), "Cup");
    bought(&mut world, "bob", "2026-05-01T12:00:00.001Z", Some(99_00), "Pot");
    bought(&mut world, "bob", "2026-04-30T00:00:00Z", Some(30_00), "Cup");
    bought(&mut world, "cy", "2020-02-29T10:00:00Z", Some(5_00), "Pot");
    bought(&mut world, "dee", "2026-04-30T10:00:00Z", None, "Tea");
    world
}

fn counted(kind: &str, counts: &[(Comparison, u64)], window: Option<Window>) -> Rule {
    let counts: Counts = counts.iter().copied().collect();
    Rule::Event(EventTest { counts, window, ..did(kind) })
}

fn with(filter: Vec<Where>) -> Rule {
    Rule::Event(EventTest { filter, ..did("purchase") })
}

#[test]
fn windows_hold_both_ends_and_nothing_to_come() {
    let world = world();
    let last = |n| Rule::Event(did_in("purchase", Window::Last(days(n))));
    assert_eq!(world.who(&Rule::Event(did("purchase"))), "ada bob cy dee");
    assert_eq!(world.who(&last(7)), "ada bob dee");
    assert_eq!(world.who(&counted("purchase", &[(Comparison::Ge, 2)], Some(Window::Last(days(7))))), "ada");
    assert_eq!(world.who(&counted("purchase", &[(Comparison::Ge, 3)], Some(Window::Last(days(7))))), "");
    assert_eq!(world.who(&counted("purchase", &[(Comparison::Ge, 3)], Some(Window::Last(days(8))))), "ada");
    assert_eq!(
        world.who(&counted("purchase", &[(Comparison::Eq, 1)], None)),
        "bob cy dee",
        "what is to come is not counted"
    );
    assert_eq!(world.who(&not(last(7))), "cy eve");
    assert_eq!(world.who(&Rule::Event(did_in("purchase", Window::MoreThanAgo(days(7))))), "ada cy");
    let before = Window::Before(Moment::Date(day("2020-02-29")));
    assert_eq!(world.who(&Rule::Event(did_in("purchase", before))), "");
    let since = Window::Since(Moment::Instant(at("2026-05-01T12:00:00Z")));
    assert_eq!(world.who(&Rule::Event(did_in("purchase", since))), "ada");
    let after = Window::After(Moment::Instant(at("2026-05-01T12:00:00Z")));
    assert_eq!(world.who(&Rule::Event(did_in("purchase", after))), "");
    let yesterday = Window::InPeriod(Period::Yesterday);
    assert_eq!(world.who(&Rule::Event(did_in("purchase", yesterday))), "bob dee");
    assert_eq!(world.who(&Rule::Event(did_in("purchase", Window::InPeriod(Period::NextWeek)))), "");
    assert_eq!(
        world.who(&not(Rule::Event(did_in("purchase", Window::InPeriod(Period::NextWeek))))),
        "ada bob cy dee eve"
    );
}

#[test]
fn a_count_of_none_is_a_count() {
    let world = world();
    use Comparison::{Eq, Ge, Le, Lt, Ne};
    let count = |counts: &[(Comparison, u64)]| world.who(&counted("purchase", counts, None));
    assert_eq!(count(&[(Le, 1)]), "bob cy dee eve");
    assert_eq!(count(&[(Eq, 0)]), "eve");
    assert_eq!(count(&[(Ne, 1)]), "ada eve");
    assert_eq!(count(&[(Ge, 1), (Ne, 1)]), "ada");
    assert_eq!(count(&[(Ge, 0)]), "ada bob cy dee eve");
    assert_eq!(count(&[(Lt, 0)]), "");
    assert_eq!(world.who(&not(counted("purchase", &[(Le, 1)], None))), "ada");
}

#[test]
fn filters_ask_of_the_same_event() {
    let world = world();
    let product = |text: &str| wherever("product", Test::Compare(Comparison::Eq, Operand::Text(text.into())));
    let over = |minor| wherever("amount", Test::Compare(Comparison::Gt, usd(minor)));
    assert_eq!(world.who(&with(vec![product("tea")])), "ada dee");
    assert_eq!(world.who(&with(vec![product("tea"), over(20_00)])), "");
    assert_eq!(world.who(&with(vec![product("cup"), over(20_00)])), "ada bob");
    assert_eq!(world.who(&with(vec![Where::Or(vec![product("pot"), over(35_00)])])), "ada cy");
    assert_eq!(world.who(&with(vec![Where::Not(Box::new(over(1)))])), "dee", "no amount is not over");
    assert_eq!(world.who(&with(vec![wherever("amount", Test::IsNotSet)])), "dee");
    assert_eq!(world.who(&with(vec![wherever("amount", Test::Compare(Comparison::Ne, usd(5_00)))])), "ada bob dee");
    let ends = Test::Text { op: TextOp::EndsWith, negated: false, pattern: "P".into() };
    assert_eq!(world.who(&with(vec![wherever("product", ends)])), "ada bob");
    let unknown = Test::Compare(Comparison::Eq, Operand::Text("Milk".into()));
    assert_eq!(world.who(&with(vec![wherever("product", unknown)])), "");
    let both = Rule::And(vec![with(vec![product("cup")]), not(eq("city", "Rome"))]);
    assert_eq!(world.who(&both), "ada bob");
}

fn figure(function: Function, of: Option<&str>, comparison: Comparison, operand: Operand) -> Rule {
    Rule::Aggregate(AggregateTest {
        function,
        event: name("purchase"),
        of: of.map(name),
        filter: vec![],
        window: None,
        test: AggregateBound::Compare(comparison, operand),
    })
}

#[test]
fn figures_of_nothing_are_zero_or_missing() {
    let world = world();
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    let amount = Some("amount");
    assert_eq!(world.who(&figure(Function::Sum, amount, Eq, usd(70_00))), "ada");
    assert_eq!(world.who(&figure(Function::Sum, amount, Lt, usd(70_00))), "bob cy dee eve");
    assert_eq!(world.who(&figure(Function::Sum, amount, Le, usd(0))), "dee eve");
    assert_eq!(world.who(&figure(Function::Min, amount, Lt, usd(30_00))), "ada cy");
    assert_eq!(world.who(&figure(Function::Max, amount, Ne, usd(5_00))), "ada bob dee eve", "a complement");
    assert_eq!(world.who(&figure(Function::Count, None, Eq, number(0))), "eve");
    assert_eq!(world.who(&figure(Function::Count, amount, Eq, number(0))), "dee eve");
    assert_eq!(world.who(&figure(Function::Distinct, Some("product"), Eq, number(2))), "ada", "Tea is tea");
    assert_eq!(world.who(&figure(Function::Distinct, Some("product"), Ge, number(0))), "ada bob cy dee eve");
    // 70.00 by 3 is 23.33 and a third.
    assert_eq!(world.who(&figure(Function::Avg, amount, Gt, usd(23_33))), "ada bob");
    assert_eq!(world.who(&figure(Function::Avg, amount, Lt, usd(23_34))), "ada cy");
    assert_eq!(world.who(&figure(Function::Avg, amount, Eq, usd(23_33))), "");
    let between = Rule::Aggregate(AggregateTest {
        function: Function::Sum,
        event: name("purchase"),
        of: amount.map(name),
        filter: vec![wherever("product", Test::Compare(Eq, Operand::Text("cup".into())))],
        window: None,
        test: AggregateBound::Between(usd(30_00), usd(40_00)),
    });
    assert_eq!(world.who(&between), "ada bob");
}

#[test]
fn the_first_and_last_are_chosen_before_they_are_judged() {
    let world = world();
    let edge = |end, filter: Vec<Where>, having: Vec<Where>, window| {
        world.who(&Rule::Edge(EdgeTest { end, event: name("purchase"), filter, having, window }))
    };
    let product = |text: &str| wherever("product", Test::Compare(Comparison::Eq, Operand::Text(text.into())));
    assert_eq!(edge(End::Last, vec![], vec![], None), "ada bob cy dee");
    assert_eq!(edge(End::Last, vec![], vec![], Some(Window::Last(days(1)))), "ada", "bob's last so far was before");
    assert_eq!(edge(End::Last, vec![], vec![], Some(Window::Last(days(2)))), "ada bob dee");
    assert_eq!(edge(End::First, vec![], vec![], Some(Window::Last(days(2)))), "bob dee");
    assert_eq!(edge(End::Last, vec![], vec![product("cup")], None), "bob");
    assert_eq!(edge(End::Last, vec![product("cup")], vec![], None), "ada bob");
    assert_eq!(edge(End::Last, vec![product("cup")], vec![], Some(Window::Last(days(7)))), "bob");
    assert_eq!(edge(End::First, vec![], vec![product("cup")], None), "ada bob");
}

fn sequence(steps: &[(&str, &str)], within: Option<u32>, window: Option<Window>) -> Rule {
    let step = |(event, product): &(&str, &str)| Step {
        event: name(event),
        filter: match *product {
            "" => vec![],
            text => vec![wherever("product", Test::Compare(Comparison::Eq, Operand::Text(text.into())))],
        },
    };
    Rule::Sequence(SequenceTest {
        steps: steps.iter().map(step).collect(),
        within: within.map(|n| Length { n, unit: Unit::Hour }),
        window,
    })
}

#[test]
fn sequences_find_a_way_where_the_first_one_fails() {
    let mut world = World::new("UTC", "2026-05-01T12:00:00Z");
    // The first A leads nowhere: B comes too late after it, and C too late after that B.
    for (key, times) in [("ada", [1, 5, 6, 7]), ("bob", [1, 5, 9, 13])] {
        for (hour, product) in times.into_iter().zip(["A", "A", "B", "C"]) {
            bought(&mut world, key, &format!("2026-04-30T{hour:02}:00:00Z"), None, product);
        }
    }
    bought(&mut world, "cy", "2026-04-30T10:00:00Z", None, "A");
    bought(&mut world, "cy", "2026-04-30T10:00:00Z", None, "B");
    let id = world.contact("dee");
    bought(&mut world, "dee", "2026-04-30T10:00:00Z", None, "A");
    world.event(id, "ticket_opened", "2026-04-30T11:00:00Z", &[]);
    world.event(id, "ticket_closed", "2026-05-01T13:00:00Z", &[]);
    let abc = [("purchase", "a"), ("purchase", "b"), ("purchase", "c")];
    assert_eq!(world.who(&sequence(&abc, None, None)), "ada bob");
    assert_eq!(world.who(&sequence(&abc, Some(1), None)), "ada");
    assert_eq!(world.who(&sequence(&abc, Some(4), None)), "ada bob");
    assert_eq!(world.who(&sequence(&abc, Some(3), None)), "ada");
    assert_eq!(world.who(&sequence(&abc[..2], None, None)), "ada bob", "at once is not after");
    let window = Some(Window::Since(Moment::Instant(at("2026-04-30T05:30:00Z"))));
    assert_eq!(world.who(&sequence(&abc, None, window)), "");
    assert_eq!(world.who(&not(sequence(&abc, None, None))), "cy dee");
    let kinds = [("purchase", ""), ("ticket_opened", "")];
    assert_eq!(world.who(&sequence(&kinds, Some(1), None)), "dee");
    let to_come = [("purchase", ""), ("ticket_opened", ""), ("ticket_closed", "")];
    assert_eq!(world.who(&sequence(&to_come, None, None)), "");
}

#[test]
fn days_are_those_of_the_zone_and_spans_roll_back_from_now() {
    let mut world = World::new("Europe/Berlin", "2026-05-01T12:00:00Z");
    for when in ["2026-04-29T22:30:00Z", "2026-04-30T10:00:00Z", "2026-04-30T21:59:59Z"] {
        bought(&mut world, "ada", when, None, "A");
    }
    for when in ["2026-04-30T21:59:59Z", "2026-04-30T22:00:00Z", "2026-05-01T12:00:00Z"] {
        bought(&mut world, "bob", when, None, "A");
    }
    world.contact("eve");
    let on = |counts: &[(Comparison, u64)]| {
        world.who(&Rule::Days(EventTest { counts: counts.iter().copied().collect(), ..did("purchase") }))
    };
    assert_eq!(on(&[(Comparison::Ge, 2)]), "bob");
    assert_eq!(on(&[(Comparison::Eq, 1)]), "ada");
    assert_eq!(on(&[(Comparison::Le, 1)]), "ada eve");
    let regular = |counts: &[(Comparison, u64)], every, periods, at_least| {
        world.who(&Rule::Regularly(RegularTest {
            event: name("purchase"),
            filter: vec![],
            counts: counts.iter().copied().collect(),
            every,
            periods,
            at_least,
        }))
    };
    let hours = |n| Length { n, unit: Unit::Hour };
    assert_eq!(regular(&[], hours(24), 2, 2), "ada", "10:00 is within the second day back, 21:59 in the first");
    assert_eq!(regular(&[], hours(14), 1, 1), "bob", "22:00 is 14 hours ago, which is the span before");
    assert_eq!(regular(&[(Comparison::Ge, 2)], hours(15), 1, 1), "bob");
    assert_eq!(regular(&[(Comparison::Eq, 0)], hours(24), 3, 3), "eve");
    assert_eq!(regular(&[(Comparison::Eq, 0)], hours(24), 3, 2), "bob eve");
    assert_eq!(regular(&[], Length { n: 1, unit: Unit::Month }, u32::MAX, 1), "ada bob");
    assert_eq!(regular(&[(Comparison::Le, 0)], Length { n: 1, unit: Unit::Second }, u32::MAX, u32::MAX), "eve");
}

#[test]
fn filters_measure_from_now() {
    let mut world = World::new("UTC", "2026-05-01T12:00:00Z");
    let id = world.contact("ada");
    world.event(id, "purchase", "2026-04-30T10:00:00Z", &[("amount", Value::Money(1))]);
    let rule = Rule::Event(EventTest {
        filter: vec![wherever("amount", Test::In { negated: false, values: vec![usd(1), usd(2)] })],
        ..did("purchase")
    });
    assert_eq!(world.who(&rule), "ada");
    let _ = Number::from_int(1);
}
