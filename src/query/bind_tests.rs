//! Tests of binding: logic, missing values, segments, samples.

use crate::{
    bitmap::posting::Posting,
    model::{
        calendar::{Length, Unit},
        number::Number,
        value::Value,
    },
    query::{
        context::{BindError, Body},
        fixture::{World, at, eq, is, name, not, number},
    },
    rule::ast::{BucketRange, Comparison, Operand, PropertyTest, Quantity, Rule, Test, TextOp},
};

fn world() -> World {
    let mut world = World::new("UTC", "2026-05-01T12:00:00Z");
    let rows = [
        ("ada", Some("US"), Some(80), vec!["VIP", "Customer"], Some("ada@Example.com")),
        ("bob", Some("us"), Some(20), vec!["vip"], Some("bob@mail.example.com")),
        ("cy", Some("DE"), None, vec![], Some("a@b@example.com")),
        ("dee", None, Some(50), vec!["Customer"], None),
        ("eve", None, None, vec![], Some("nobody")),
    ];
    for (key, country, score, tags, email) in rows {
        let id = world.contact(key);
        if let Some(country) = country {
            world.set(id, "country", Value::Text(country.into()));
        }
        if let Some(score) = score {
            world.set(id, "lead_score", Value::Number(Number::from_int(score)));
        }
        if !tags.is_empty() {
            world.set(id, "tags", Value::Set(tags.into_iter().map(Into::into).collect()));
        }
        if let Some(email) = email {
            world.set(id, "email", Value::Text(email.into()));
        }
    }
    world
}

fn score(comparison: Comparison, n: i64) -> Test {
    Test::Compare(comparison, number(n))
}

fn with_missing(property: &str, test: Test, missing: bool) -> Rule {
    Rule::Property(PropertyTest { property: name(property), test, missing: Some(missing) })
}

#[test]
fn negative_operators_are_complements_and_positive_ones_need_a_value() {
    let world = world();
    let text = |text: &str| Operand::Text(text.into());
    let ne = || Test::Compare(Comparison::Ne, text("US"));
    assert_eq!(world.who(&eq("country", "US")), "ada bob");
    assert_eq!(world.who(&is("country", ne())), "cy dee eve");
    assert_eq!(world.who(&with_missing("country", ne(), false)), "cy");
    assert_eq!(world.who(&not(with_missing("country", ne(), false))), "ada bob dee eve");
    assert_eq!(world.who(&is("lead_score", score(Comparison::Lt, 60))), "bob dee");
    assert_eq!(world.who(&with_missing("lead_score", score(Comparison::Lt, 60), true)), "bob cy dee eve");
    assert_eq!(world.who(&not(with_missing("lead_score", score(Comparison::Lt, 60), true))), "ada");
    assert_eq!(world.who(&is("country", Test::IsNotSet)), "dee eve");
    assert_eq!(world.who(&not(is("country", Test::IsSet))), "dee eve");
    let none_of = Test::In { negated: true, values: vec![text("de"), text("fr")] };
    assert_eq!(world.who(&is("country", none_of)), "ada bob dee eve");
    let between = Test::Between(number(20), number(50));
    assert_eq!(world.who(&is("lead_score", between)), "bob dee");
    let never = Test::Between(number(50), number(20));
    assert_eq!(world.who(&is("lead_score", never.clone())), "");
    assert_eq!(world.who(&not(is("lead_score", never))), "ada bob cy dee eve");
}

#[test]
fn sets_match_by_some_value_and_domains_by_what_follows_the_last_at() {
    let world = world();
    let tags = |texts: &[&str]| texts.iter().map(|text| Box::from(*text)).collect::<Vec<Box<str>>>();
    assert_eq!(world.who(&Rule::Tag("VIP".into())), "ada bob");
    assert_eq!(world.who(&Rule::AnyTag(tags(&["customer", "nobody has it"]))), "ada dee");
    assert_eq!(world.who(&Rule::AllTags(tags(&["customer", "vip"]))), "ada");
    assert_eq!(world.who(&not(Rule::AllTags(tags(&["customer", "vip"])))), "bob cy dee eve");
    assert_eq!(world.who(&is("tags", Test::HasAll(tags(&["Customer"])))), "ada dee");
    let starts = |negated| Test::Text { op: TextOp::StartsWith, negated, pattern: "cust".into() };
    assert_eq!(world.who(&is("tags", starts(false))), "ada dee");
    assert_eq!(world.who(&is("tags", starts(true))), "bob cy eve");
    let domain = |text: &str| Rule::EmailDomain { property: None, domains: tags(&[text]) };
    assert_eq!(world.who(&domain("example.COM")), "ada cy");
    assert_eq!(world.who(&not(domain("example.com"))), "bob dee eve");
    let regex = |pattern: &str| Test::Text { op: TextOp::Regex, negated: false, pattern: pattern.into() };
    assert_eq!(world.who(&is("email", regex("Example"))), "ada");
    assert_eq!(world.who(&is("email", regex("(?i)example\\.com$"))), "ada bob cy");
}

#[test]
fn logic_is_that_of_sets() {
    let world = world();
    let (us, vip, high) = (eq("country", "us"), Rule::Tag("vip".into()), is("lead_score", score(Comparison::Gt, 40)));
    let rules = vec![us, vip, high];
    let of = |quantity, n| Rule::Of { quantity, n, rules: rules.clone() };
    assert_eq!(world.who(&Rule::And(rules.clone())), "ada");
    assert_eq!(world.who(&not(Rule::And(rules.clone()))), "bob cy dee eve");
    assert_eq!(world.who(&Rule::Or(rules.clone())), "ada bob dee");
    assert_eq!(world.who(&Rule::Xor(rules.clone())), "ada dee");
    assert_eq!(world.who(&not(Rule::Xor(rules.clone()))), "bob cy eve");
    assert_eq!(world.who(&of(Quantity::AtLeast, 2)), "ada bob");
    assert_eq!(world.who(&of(Quantity::AtMost, 2)), "bob cy dee eve");
    assert_eq!(world.who(&of(Quantity::Exactly, 2)), "bob");
    assert_eq!(world.who(&not(of(Quantity::Exactly, 2))), "ada cy dee eve");
    assert_eq!(world.who(&of(Quantity::Exactly, 0)), "cy eve");
    assert_eq!(world.who(&Rule::All), "ada bob cy dee eve");
    assert_eq!(world.who(&not(Rule::All)), "");
}

#[test]
fn segments_are_put_in_place_with_their_pins() {
    let mut world = world();
    let posting = |ids: &[u32]| ids.iter().copied().collect::<Posting>();
    world.segment("Listed", Body::Static(posting(&[1, 2, 77])));
    let rule = std::sync::Arc::new(Rule::Tag("vip".into()));
    world.segment("VIP", Body::Dynamic { rule, include: posting(&[4, 3, 99]), exclude: posting(&[1, 3]) });
    let segment = |name: &str| Rule::Segment(name.into());
    assert_eq!(world.who(&segment("listed")), "bob cy", "the erased and unknown are in no segment");
    assert_eq!(world.who(&segment("vip")), "ada eve");
    assert_eq!(world.who(&not(segment("VIP"))), "bob cy dee");
    world.dynamic("Both", Rule::Or(vec![segment("vip"), segment("listed")]));
    assert_eq!(world.who(&Rule::And(vec![segment("both"), not(Rule::Tag("vip".into()))])), "cy eve");
}

#[test]
fn segments_are_as_of_the_clock_and_the_question_is_as_of_its_own() {
    let mut world = world();
    let ada = world.contact("ada");
    world.set(ada, "created", Value::Time(at("2026-04-30T12:00:00Z")));
    let fresh = is("created", Test::Within(Length { n: 2, unit: Unit::Day }));
    world.dynamic("Fresh", fresh.clone());
    assert_eq!(world.who(&fresh), "ada");
    world.now = at("2026-06-01T00:00:00Z");
    assert_eq!(world.who(&fresh), "");
    assert_eq!(world.who(&Rule::Segment("fresh".into())), "ada");
}

#[test]
fn what_segments_cannot_be_is_told_with_its_path() {
    let mut world = world();
    let segment = |name: &str| Rule::Segment(name.into());
    world.dynamic("A", Rule::And(vec![Rule::Tag("vip".into()), segment("b")]));
    world.dynamic("B", not(segment("C")));
    world.dynamic("C", Rule::Or(vec![Rule::Tag("vip".into()), segment("b")]));
    let error = world.bind(&segment("a")).unwrap_err();
    assert_eq!(error.to_string(), "a segment may not depend on itself: B → C → B");
    world.dynamic("C", segment("gone"));
    let error = world.bind(&segment("a")).unwrap_err();
    assert_eq!(error.to_string(), "there is no segment \"gone\" (named by A → B → C)");
    world.dynamic("s0", Rule::Tag("vip".into()));
    for n in 1..100 {
        world.dynamic(&format!("s{n}"), segment(&format!("s{}", n - 1)));
    }
    assert!(world.bind(&segment("s60")).is_ok());
    assert!(matches!(world.bind(&segment("s99")), Err(BindError::TooDeep { .. })));
}

#[test]
fn segments_named_many_times_are_answered_once() {
    let mut world = world();
    world.dynamic("s0", Rule::Tag("vip".into()));
    let mut deep = Rule::Tag("vip".into());
    for n in 1..50 {
        let inner = || Rule::Segment(format!("s{}", n - 1).into());
        let both = |text: &str| Rule::And(vec![inner(), eq("country", text)]);
        world.dynamic(&format!("s{n}"), Rule::Or(vec![both("us"), both("de"), not(inner())]));
        deep = Rule::Segment(format!("s{n}").into());
    }
    // Spelled out, this rule has 3^49 predicates.
    let plan = world.bind(&deep).unwrap();
    assert!(plan.len() < 1_000);
    world.who(&deep);
    let explained = crate::query::explain::explain(&plan, &world.index, &|| 0);
    assert_eq!(explained.count, plan.count(&world.index));
}

#[test]
fn the_deepest_rules_fit_the_stack() {
    let mut world = world();
    let mut last = "tag".to_owned();
    world.dynamic("tag", Rule::Tag("vip".into()));
    for segment in 0..8 {
        let mut rule = Rule::Segment(last.as_str().into());
        for level in 0..30 {
            let other = is("lead_score", score(Comparison::Gt, segment * 100 + level));
            rule = if level % 2 == 0 { Rule::And(vec![rule, other]) } else { Rule::Xor(vec![rule, not(other)]) };
        }
        last = format!("s{segment}");
        world.dynamic(&last, rule);
    }
    let deep = Rule::Segment(last.as_str().into());
    let at_once = std::thread::Builder::new().stack_size(2 << 20);
    at_once.spawn(move || world.who(&deep)).unwrap().join().unwrap();
}

#[test]
fn samples_nest_and_cover() {
    let world = world();
    let bucket = |range| Rule::Bucket { name: "x".into(), of: 4, range };
    let mut all: Vec<String> = (0..4).flat_map(|n| world.members(&bucket(BucketRange::Between(n, n)))).collect();
    all.sort();
    assert_eq!(all.join(" "), "ada bob cy dee eve");
    assert_eq!(world.who(&bucket(BucketRange::Below(0))), "");
    assert_eq!(world.who(&bucket(BucketRange::Below(9))), "ada bob cy dee eve");
    let half = world.members(&bucket(BucketRange::Below(2)));
    assert!(world.members(&bucket(BucketRange::Below(1))).iter().all(|key| half.contains(key)));
}
