//! Random tests of one property, of a contact or of an event.

use throng::{
    model::{
        calendar::Period,
        name::Name,
        number::Number,
        value::{Value, ValueType},
    },
    rule::ast::{Comparison, Moment, Operand, PropertyTest, Test, TextOp},
};

use crate::support::{
    generate::{self, Dice, TEXTS},
    generate_rule::{length, moment},
    naive::Naive,
};

/// Regular expressions that find something in some texts.
const REGEXES: &[&str] = &[
    "^a",
    "(?i)são",
    r"\d+",
    "[a-m]$",
    "^$|x/y",
    "(?i)^customer$",
    "(?s)line.break",
    r"\bUS\b",
    ".*@company",
    "[^a-z]+",
    "é|\u{e9}",
    r"\\",
    "(a|b)+c?",
    r"^\S+$",
    "\"",
    "🦀",
    "user0[0-9]{2}",
    r"\w",
    "(?i)STRASSE|straße",
    "/",
];

type Taken<'a> = &'a dyn Fn(&mut Dice) -> Option<Value>;

const ORDER: [Comparison; 4] = [Comparison::Lt, Comparison::Le, Comparison::Gt, Comparison::Ge];

/// A random test of a property of a type; `taken` draws a value that the data has.
pub fn property(dice: &mut Dice, naive: &Naive, property: Name, ty: ValueType, taken: Taken<'_>) -> PropertyTest {
    let missing = if dice.chance(15) { Some(dice.chance(50)) } else { None };
    // Plain tests of a contact's tags have nodes of their own.
    let tags = property.as_str() == "tags" && missing.is_none();
    let test = match dice.below(12) {
        0 => Test::IsSet,
        1 => Test::IsNotSet,
        2..4 if !tags => {
            let comparison = if dice.chance(50) { Comparison::Eq } else { Comparison::Ne };
            Test::Compare(comparison, operand(dice, naive, ty, taken))
        }
        4..6 if !tags => {
            let values = (0..=dice.below(4)).map(|_| operand(dice, naive, ty, taken)).collect();
            Test::In { negated: dice.chance(40), values }
        }
        _ => special(dice, naive, ty, taken, tags),
    };
    let presence = matches!(test, Test::IsSet | Test::IsNotSet);
    PropertyTest { property, test, missing: missing.filter(|_| !presence) }
}

fn special(dice: &mut Dice, naive: &Naive, ty: ValueType, taken: Taken<'_>, tags: bool) -> Test {
    match ty {
        ValueType::Text | ValueType::Email | ValueType::Category => text_test(dice, taken),
        ValueType::Set if !tags && dice.chance(30) => {
            Test::HasAll((0..=dice.below(2)).map(|_| text_operand(dice, taken)).collect())
        }
        ValueType::Set => text_test(dice, taken),
        ValueType::Boolean => Test::Compare(Comparison::Eq, operand(dice, naive, ty, taken)),
        ValueType::Number | ValueType::Money(_) => ordered(dice, naive, ty, taken),
        ValueType::Timestamp | ValueType::Date if dice.chance(30) => ordered(dice, naive, ty, taken),
        ValueType::Timestamp | ValueType::Date => temporal(dice, naive, ty),
    }
}

fn ordered(dice: &mut Dice, naive: &Naive, ty: ValueType, taken: Taken<'_>) -> Test {
    if dice.chance(30) {
        let (from, to) = same_kind(operand(dice, naive, ty, taken), operand(dice, naive, ty, taken));
        return Test::Between(from, to);
    }
    Test::Compare(*dice.pick(&ORDER), operand(dice, naive, ty, taken))
}

/// Two ends of a span: of one kind and, mostly, in order.
pub fn same_kind(a: Operand, b: Operand) -> (Operand, Operand) {
    match (&a, &b) {
        (Operand::Date(_), Operand::Instant(_)) | (Operand::Instant(_), Operand::Date(_)) => (a.clone(), a),
        (Operand::Number(x), Operand::Number(y)) if x > y => (b, a),
        (Operand::Money(x, _), Operand::Money(y, _)) if x > y => (b, a),
        (Operand::Date(x), Operand::Date(y)) if x > y => (b, a),
        (Operand::Instant(x), Operand::Instant(y)) if x > y => (b, a),
        _ => (a, b),
    }
}

fn temporal(dice: &mut Dice, naive: &Naive, ty: ValueType) -> Test {
    let day = generate::day(dice, naive);
    let moment = if ty == ValueType::Date { Moment::Date(day) } else { moment(dice, naive) };
    match dice.below(10) {
        0 | 1 => Test::Age(*dice.pick(&ORDER), length(dice)),
        2 => Test::Within(length(dice)),
        3 => Test::Next(length(dice)),
        4 => Test::Ahead(*dice.pick(&ORDER), length(dice)),
        5 => Test::On(day),
        6 => Test::Before(moment),
        7 => Test::After(moment),
        8 => Test::InPeriod(*dice.pick(&Period::ALL)),
        _ => Test::Anniversary(*dice.pick(&[0, 0, 1, 2, 7, 30, 59, 364, 365, 366, 100_000])),
    }
}

/// A random operand for a type.
pub fn operand(dice: &mut Dice, naive: &Naive, ty: ValueType, taken: Taken<'_>) -> Operand {
    let value = if dice.chance(85) { taken(dice) } else { None };
    let value = value.unwrap_or_else(|| generate::value(dice, naive, ty, false));
    let beside = *dice.pick(&[0, 0, 0, 1, -1]);
    match (ty, value) {
        (_, Value::Text(text)) => Operand::Text(respelled(dice, &text)),
        (_, Value::Set(texts)) => Operand::Text(respelled(dice, dice_pick(&texts))),
        (_, Value::Flag(flag)) => Operand::Flag(flag),
        (_, Value::Number(number)) => {
            let moved = Number(number.0 + i128::from(beside));
            Operand::Number(moved.checked().unwrap_or(number))
        }
        (ValueType::Money(currency), Value::Money(minor)) => Operand::Money(minor.saturating_add(beside), currency),
        (_, Value::Time(at)) if dice.chance(40) => {
            let day = naive.almanac.day_of(i128::from(at.0)) + beside;
            Operand::Date(throng::model::time::Day(0).plus_days(day))
        }
        (_, Value::Time(at)) => Operand::Instant(at.plus_ms(beside)),
        (_, Value::Day(day)) => Operand::Date(day.plus_days(beside)),
        (ty, value) => panic!("{value:?} of type {ty:?}"),
    }
}

fn dice_pick(texts: &[Box<str>]) -> &str {
    &texts[texts.len() - 1]
}

/// A text in another case, or decomposed, or as it is.
pub fn respelled(dice: &mut Dice, text: &str) -> Box<str> {
    use unicode_normalization::UnicodeNormalization;
    let text: String = match dice.below(8) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        2 => text.nfd().collect(),
        3 => text.nfc().collect(),
        _ => text.to_owned(),
    };
    text.into()
}

fn text_operand(dice: &mut Dice, taken: Taken<'_>) -> Box<str> {
    match taken(dice) {
        Some(Value::Text(text)) => respelled(dice, &text),
        Some(Value::Set(texts)) => respelled(dice, dice_pick(&texts)),
        _ => (*dice.pick(TEXTS)).into(),
    }
}

fn text_test(dice: &mut Dice, taken: Taken<'_>) -> Test {
    let op = *dice.pick(&[TextOp::Contains, TextOp::StartsWith, TextOp::EndsWith, TextOp::Glob, TextOp::Regex]);
    let source = text_operand(dice, taken);
    let chars: Vec<char> = source.chars().collect();
    let from = dice.below(chars.len());
    let to = (from + 1 + dice.below(5)).min(chars.len());
    let pattern: String = match op {
        TextOp::Contains => chars[from..to].iter().collect(),
        TextOp::StartsWith => chars[..to].iter().collect(),
        TextOp::EndsWith => chars[from..].iter().collect(),
        TextOp::Glob => glob(dice, &chars, from, to),
        TextOp::Regex => (*dice.pick(REGEXES)).to_owned(),
    };
    Test::Text { op, negated: dice.chance(30), pattern: pattern.into() }
}

/// A glob that matches a text, or nearly: a part replaced, the rest escaped.
fn glob(dice: &mut Dice, chars: &[char], from: usize, to: usize) -> String {
    let escaped = |part: &[char]| -> String {
        let escape = |c: &char| if matches!(c, '*' | '?' | '\\') { format!("\\{c}") } else { c.to_string() };
        part.iter().map(escape).collect()
    };
    match dice.below(5) {
        0 => format!("{}*", escaped(&chars[..to])),
        1 => format!("*{}", escaped(&chars[from..])),
        2 => format!("{}{}{}", escaped(&chars[..from]), "?".repeat(to - from), escaped(&chars[to..])),
        3 => format!("*{}*", escaped(&chars[from..to])),
        _ => format!("{}*{}", escaped(&chars[..from]), escaped(&chars[to..])),
    }
}
