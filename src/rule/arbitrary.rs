//! Random rules that are valid for a schema of their own, for round-trip tests.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::{
    model::{
        calendar::{Length, Period, Unit, Zone},
        currency::Currency,
        id::{EventKindId, PropertyId},
        name::Name,
        number::Number,
        schema::{EventKind, EventProperty, Function, Property, Schema},
        time::{Day, Timestamp},
        value::ValueType,
    },
    rule::{
        ast::{
            AggregateBound, AggregateTest, BucketRange, Comparison, Counts, EdgeTest, End, EventTest, Moment, Operand,
            PropertyTest, Quantity, RegularTest, Rule, SequenceTest, Step, Test, TextOp, Where, Window,
        },
        shape,
    },
};

const TYPES: [ValueType; 10] = [
    ValueType::Text,
    ValueType::Email,
    ValueType::Category,
    ValueType::Boolean,
    ValueType::Number,
    ValueType::Money(Currency::USD),
    ValueType::Timestamp,
    ValueType::Date,
    ValueType::Set,
    ValueType::Number,
];

/// The starter schema with names added that try to be misread.
pub fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(make_schema);
    &SCHEMA
}

const ODD: [&str; 35] = [
    "a",
    "a in",
    "a not",
    "a is",
    "a between",
    "a contains",
    "a anniversary",
    "a is set",
    "has",
    "no",
    "not",
    "and",
    "x+y",
    "3d",
    "último acesso",
    "purchased",
    "first purchase",
    "last purchase",
    "did",
    "count",
    "everyone",
    "tag line",
    "a within",
    "amount",
    "a b c",
    "order paid",
    "first a",
    "not a",
    "a does",
    "in",
    "email domain",
    "a.b",
    "true",
    "a at least",
    "date of birth",
];

fn make_schema() -> Schema {
    let starter = Schema::starter(Zone::utc());
    let name = |text: &str| Name::new(text).unwrap();
    let mut properties = starter.property_slots().to_vec();
    for (place, spelling) in ODD.iter().enumerate() {
        for (suffix, ty) in [("", TYPES[place % 10]), (" t", TYPES[(place + 6) % 10])] {
            properties.push(Some(Property {
                id: PropertyId(properties.len() as u16),
                name: name(&format!("{spelling}{suffix}")),
                ty,
                aliases: vec![],
                case_sensitive: false,
                derived: None,
            }));
        }
    }
    let events = odd_events(&starter);
    Schema::new(Zone::utc(), properties, events)
}

fn odd_events(starter: &Schema) -> Vec<Option<EventKind>> {
    let name = |text: &str| Name::new(text).unwrap();
    let mut events = starter.event_slots().to_vec();
    let kinds = [
        "a",
        "a in",
        "a during",
        "a then b",
        "b",
        "order",
        "order paid",
        "order paid amount",
        "not",
        "a not",
        "a on",
        "a at",
        "a where",
        "then",
        "purchase amount",
        "activity",
        "x-y z",
        "ünï",
    ];
    for spelling in kinds {
        let mut kind = EventKind::plain(EventKindId(events.len() as u16), name(spelling));
        kind.phrases = vec![format!("{} now", spelling.replace('-', " ")).into(), format!("did {spelling} it").into()];
        kind.negative = vec![format!("not {}", spelling.replace('-', " ")).into()];
        let columns = ["amount", "paid amount", "note", "a in", "at", "flag", "a", "product", "day", "labels"];
        kind.properties = columns
            .iter()
            .zip([4, 5, 0, 4, 6, 3, 7, 2, 7, 8])
            .map(|(column, ty)| EventProperty {
                name: name(column),
                ty: TYPES[ty],
                case_sensitive: false,
                dropped: false,
            })
            .collect();
        events.push(Some(kind));
    }
    events
}

fn text() -> BoxedStrategy<Box<str>> {
    let odd = prop::sample::select(vec![
        "\"",
        "\\",
        "\n",
        "a\\\"b",
        "São Paulo",
        "and",
        "#",
        "1,000",
        "`",
        "\u{1}x",
        "'",
        "VIP",
    ]);
    prop_oneof![
        odd.prop_map(Into::into),
        "[a-z ]{1,8}".prop_map(|s: String| s.into()),
        "\\PC{1,6}".prop_map(|s: String| s.into())
    ]
    .boxed()
}

fn texts() -> BoxedStrategy<Vec<Box<str>>> {
    prop::collection::vec(text(), 1..4).boxed()
}

fn length() -> BoxedStrategy<Length> {
    (0u32..400, 0usize..7).prop_map(|(n, unit)| Length { n, unit: Unit::ALL[unit] }).boxed()
}

fn day() -> BoxedStrategy<Day> {
    (Day::MIN.0..=Day::MAX.0).prop_map(Day).boxed()
}

fn instant() -> BoxedStrategy<Timestamp> {
    (Timestamp::MIN.0..=Timestamp::MAX.0).prop_map(Timestamp).boxed()
}

fn moment(ty: ValueType) -> BoxedStrategy<Moment> {
    match ty {
        ValueType::Date => day().prop_map(Moment::Date).boxed(),
        _ => prop_oneof![day().prop_map(Moment::Date), instant().prop_map(Moment::Instant)].boxed(),
    }
}

fn operand(ty: ValueType) -> BoxedStrategy<Operand> {
    match ty {
        ValueType::Text | ValueType::Email | ValueType::Category | ValueType::Set => {
            text().prop_map(Operand::Text).boxed()
        }
        ValueType::Boolean => any::<bool>().prop_map(Operand::Flag).boxed(),
        ValueType::Number => prop_oneof![
            (-1000i64..1000).prop_map(|n| Operand::Number(Number::from_int(n))),
            (Number::MIN.0..=Number::MAX.0).prop_map(|n| Operand::Number(Number(n))),
        ]
        .boxed(),
        ValueType::Money(currency) => any::<i64>().prop_map(move |minor| Operand::Money(minor, currency)).boxed(),
        ValueType::Timestamp | ValueType::Date => moment(ty)
            .prop_map(|moment| match moment {
                Moment::Date(day) => Operand::Date(day),
                Moment::Instant(at) => Operand::Instant(at),
            })
            .boxed(),
    }
}

fn range(ty: ValueType) -> BoxedStrategy<(Operand, Operand)> {
    (operand(ty), operand(ty))
        .prop_filter("one kind", |(low, high)| std::mem::discriminant(low) == std::mem::discriminant(high))
        .boxed()
}

fn comparison() -> BoxedStrategy<Comparison> {
    use Comparison::{Eq, Ge, Gt, Le, Lt, Ne};
    prop::sample::select(vec![Eq, Ne, Lt, Le, Gt, Ge]).boxed()
}

fn order() -> BoxedStrategy<Comparison> {
    prop::sample::select(vec![Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge]).boxed()
}

fn period() -> BoxedStrategy<Period> {
    prop::sample::select(Period::ALL.to_vec()).boxed()
}

fn test(ty: ValueType) -> BoxedStrategy<Test> {
    let set = prop::sample::select(vec![Test::IsSet, Test::IsNotSet]);
    let equal = (any::<bool>(), operand(ty))
        .prop_map(|(eq, v)| Test::Compare(if eq { Comparison::Eq } else { Comparison::Ne }, v));
    let listed = (any::<bool>(), prop::collection::vec(operand(ty), 1..4))
        .prop_map(|(negated, values)| Test::In { negated, values });
    let mut all = vec![set.boxed(), equal.boxed(), listed.boxed()];
    if ty.is_ordered() {
        all.push((comparison(), operand(ty)).prop_map(|(sign, v)| Test::Compare(sign, v)).boxed());
        all.push(range(ty).prop_map(|(low, high)| Test::Between(low, high)).boxed());
    }
    if ty.is_text() || ty == ValueType::Set {
        let op = prop::sample::select(vec![TextOp::Contains, TextOp::StartsWith, TextOp::EndsWith]);
        all.push(
            (op, any::<bool>(), text()).prop_map(|(op, negated, pattern)| Test::Text { op, negated, pattern }).boxed(),
        );
        let glob = prop::sample::select(vec!["a*", "?\\*\\?\\\\", "\"x\"", "/a/"]);
        all.push(
            (glob, any::<bool>())
                .prop_map(|(p, negated)| Test::Text { op: TextOp::Glob, negated, pattern: p.into() })
                .boxed(),
        );
        let regex = prop::sample::select(vec!["^a/b$", "a\\/b", "(?i)x\\d+", "[\"']\\\\", "a\nb", "#x", "a\\\\/"]);
        all.push(
            (regex, any::<bool>())
                .prop_map(|(p, negated)| Test::Text { op: TextOp::Regex, negated, pattern: p.into() })
                .boxed(),
        );
    }
    if ty == ValueType::Set {
        all.push(texts().prop_map(Test::HasAll).boxed());
    }
    if ty.is_temporal() {
        all.push((order(), length()).prop_map(|(sign, n)| Test::Age(sign, n)).boxed());
        all.push((order(), length()).prop_map(|(sign, n)| Test::Ahead(sign, n)).boxed());
        all.push(length().prop_map(Test::Within).boxed());
        all.push(length().prop_map(Test::Next).boxed());
        all.push(day().prop_map(Test::On).boxed());
        all.push(moment(ty).prop_map(Test::Before).boxed());
        all.push(moment(ty).prop_map(Test::After).boxed());
        all.push(period().prop_map(Test::InPeriod).boxed());
        all.push((0u32..40).prop_map(Test::Anniversary).boxed());
    }
    prop::strategy::Union::new(all).boxed()
}

fn property_test(name: Name, ty: ValueType) -> BoxedStrategy<PropertyTest> {
    let missing = prop::option::weighted(0.2, any::<bool>());
    (test(ty), missing)
        .prop_map(move |(test, missing)| {
            let missing = missing.filter(|_| !matches!(test, Test::IsSet | Test::IsNotSet));
            PropertyTest { property: name.clone(), test, missing }
        })
        .boxed()
}

fn kind() -> BoxedStrategy<EventKind> {
    prop::sample::select(schema().events().cloned().collect::<Vec<_>>()).boxed()
}

fn condition(kind: &EventKind) -> BoxedStrategy<Where> {
    let columns: Vec<_> = kind.properties.iter().map(|p| (p.name.clone(), p.ty)).collect();
    let leaf = prop::sample::select(columns).prop_flat_map(|(name, ty)| property_test(name, ty)).prop_map(Where::Test);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Where::And),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Where::Or),
            inner.prop_map(|item| Where::Not(Box::new(item))),
        ]
    })
    .boxed()
}

fn filter(kind: &EventKind) -> BoxedStrategy<Vec<Where>> {
    prop::collection::vec(condition(kind), 0..3).prop_map(shape::filter).boxed()
}

fn window() -> BoxedStrategy<Option<Window>> {
    let at = || moment(ValueType::Timestamp);
    let some = prop_oneof![
        length().prop_map(Window::Last),
        at().prop_map(Window::Since),
        at().prop_map(Window::Before),
        at().prop_map(Window::After),
        (day(), day()).prop_map(|(a, b)| Window::Between(Moment::Date(a), Moment::Date(b))),
        (instant(), instant()).prop_map(|(a, b)| Window::Between(Moment::Instant(a), Moment::Instant(b))),
        length().prop_map(Window::MoreThanAgo),
        period().prop_map(Window::InPeriod),
    ];
    prop::option::of(some).boxed()
}

fn counts() -> BoxedStrategy<Counts> {
    prop::collection::btree_map(comparison(), prop_oneof![0u64..4, any::<u64>()], 0..3).prop_map(shape::counts).boxed()
}

fn event_test() -> BoxedStrategy<EventTest> {
    kind()
        .prop_flat_map(|kind| (Just(kind.name.clone()), filter(&kind), counts(), window()))
        .prop_map(|(event, filter, counts, window)| EventTest { event, filter, counts, window })
        .boxed()
}

fn aggregate() -> BoxedStrategy<Rule> {
    let choice = kind().prop_flat_map(|kind| {
        let columns: Vec<_> = kind.properties.iter().map(|p| (p.name.clone(), p.ty)).collect();
        (Just(kind), prop::sample::select(columns), 0usize..6, any::<bool>())
    });
    choice
        .prop_flat_map(|(kind, (column, ty), place, bare)| {
            let function = match Function::ALL[place] {
                Function::Sum | Function::Avg if !matches!(ty, ValueType::Number | ValueType::Money(_)) => {
                    Function::Distinct
                }
                Function::Min | Function::Max if !ty.is_ordered() => Function::Distinct,
                function => function,
            };
            let counted = matches!(function, Function::Count | Function::Distinct);
            let of = (!(bare && function == Function::Count)).then_some(column);
            let ty = if counted { ValueType::Number } else { ty };
            let bound = prop_oneof![
                (comparison(), operand(ty)).prop_map(|(sign, v)| AggregateBound::Compare(sign, v)),
                range(ty).prop_map(|(low, high)| AggregateBound::Between(low, high)),
            ];
            (Just((function, kind.name.clone(), of)), filter(&kind), window(), bound)
        })
        .prop_map(|((function, event, of), filter, window, test)| {
            Rule::Aggregate(AggregateTest { function, event, of, filter, window, test })
        })
        .boxed()
}

fn sequence() -> BoxedStrategy<Rule> {
    let step = kind()
        .prop_flat_map(|kind| (Just(kind.name.clone()), filter(&kind)))
        .prop_map(|(event, filter)| Step { event, filter });
    let within = prop::option::of(length()).prop_map(|n| n.filter(|n| n.exact_ms().is_some()));
    (prop::collection::vec(step, 2..4), within, window())
        .prop_map(|(steps, within, window)| Rule::Sequence(SequenceTest { steps, within, window }))
        .boxed()
}

fn leaf() -> BoxedStrategy<Rule> {
    let properties: Vec<_> = schema().properties().map(|p| (p.name.clone(), p.ty)).collect();
    let emails: Vec<Name> =
        schema().properties().filter(|p| p.ty == ValueType::Email).map(|p| p.name.clone()).collect();
    let domains = prop::collection::vec("[a-z]{1,5}\\.com".prop_map(|s: String| s.into()), 1..3);
    let property = prop::sample::select(properties)
        .prop_flat_map(|(name, ty)| (property_test(name, ty), Just(ty == ValueType::Set)))
        .prop_map(|(test, is_set)| shape::property(test, is_set));
    let edge =
        (any::<bool>(), kind().prop_flat_map(|kind| (Just(kind.name.clone()), filter(&kind), filter(&kind), window())))
            .prop_map(|(first, (event, filter, having, window))| {
                Rule::Edge(EdgeTest { end: if first { End::First } else { End::Last }, event, filter, having, window })
            });
    let regular =
        (event_test(), 1u32..5, 0usize..7, 1u32..20, 0u32..9).prop_map(|(test, n, unit, periods, at_least)| {
            let EventTest { event, filter, counts, .. } = test;
            let every = Length { n, unit: Unit::ALL[unit] };
            Rule::Regularly(RegularTest { event, filter, counts, every, periods, at_least })
        });
    let bucket =
        (text(), prop_oneof![Just(10_000u32), 1u32..200], any::<u32>(), any::<u32>()).prop_map(|(name, of, a, b)| {
            let (a, b) = (a % of, b % of);
            let range = if a % 2 == 0 { BucketRange::Below(b) } else { BucketRange::Between(a.min(b), a.max(b)) };
            Rule::Bucket { name, of, range }
        });
    prop_oneof![
        8 => property,
        1 => Just(Rule::All),
        1 => Just(Rule::None),
        1 => text().prop_map(Rule::Tag),
        1 => texts().prop_map(Rule::AnyTag),
        1 => texts().prop_map(Rule::AllTags),
        1 => (prop::sample::select(emails), domains).prop_map(|(name, domains)| shape::email_domain(&name, domains)),
        4 => event_test().prop_map(Rule::Event),
        2 => event_test().prop_map(Rule::Days),
        3 => aggregate(),
        2 => edge,
        2 => sequence(),
        2 => regular,
        1 => text().prop_filter("no blank name", |name| !name.trim().is_empty()).prop_map(Rule::Segment),
        1 => bucket,
    ]
    .boxed()
}

/// A rule of any shape.
pub fn rule() -> BoxedStrategy<Rule> {
    leaf()
        .prop_recursive(4, 20, 4, |inner| {
            let many = || prop::collection::vec(inner.clone(), 2..4);
            let quantity = prop::sample::select(vec![Quantity::AtLeast, Quantity::AtMost, Quantity::Exactly]);
            prop_oneof![
                many().prop_map(Rule::And),
                many().prop_map(Rule::Or),
                many().prop_map(Rule::Xor),
                inner.clone().prop_map(shape::not),
                (quantity, 0u32..5, prop::collection::vec(inner.clone(), 1..4))
                    .prop_map(|(quantity, n, rules)| Rule::Of { quantity, n, rules }),
            ]
        })
        .boxed()
}
