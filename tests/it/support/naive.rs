//! The naive database: rows in plain structures, and rules answered one contact at a time straight from the tables of
//! the rule language. It shares the nouns with the product, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use throng::{
    model::{
        schema::Schema,
        time::{Day, Timestamp},
        value::Value,
    },
    rule::ast::{BucketRange, Comparison, Moment, Operand, PropertyTest, Quantity, Rule, Test},
};

use crate::support::{
    almanac::{Almanac, FAR, ms, number},
    spelling,
};

/// Everything there is.
#[derive(Clone)]
pub struct Naive {
    /// What is declared.
    pub schema: Schema,
    /// The calendar of the schema's zone.
    pub almanac: Almanac,
    /// Up to when the clock has come.
    pub as_of: Timestamp,
    /// In order of first sight.
    pub contacts: Vec<Contact>,
    /// In order of creation.
    pub segments: Vec<Saved>,
    /// How many events have arrived.
    pub arrivals: u64,
}

/// One contact.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its key.
    pub key: String,
    /// What was written, by canonical name; for a derived property this is the writer's part.
    pub written: BTreeMap<String, Value>,
    /// In order of arrival.
    pub events: Vec<Event>,
}

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The caller's id.
    pub id: Option<String>,
    /// Its kind, by canonical name.
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
    /// Its properties, by canonical name.
    pub values: BTreeMap<String, Value>,
    /// Its place among all arrivals.
    pub arrival: u64,
}

/// A saved segment.
#[derive(Clone, Debug)]
pub struct Saved {
    /// Its name as written.
    pub name: String,
    /// Who is in it.
    pub members: Members,
    /// Who was pinned in, by key.
    pub include: BTreeSet<String>,
    /// Who was pinned out, by key.
    pub exclude: BTreeSet<String>,
}

impl Saved {
    /// A segment without pins.
    pub fn new(name: &str, members: Members) -> Saved {
        Saved { name: name.to_owned(), members, include: BTreeSet::new(), exclude: BTreeSet::new() }
    }
}

/// Who is in a segment.
#[derive(Clone, Debug)]
pub enum Members {
    /// Those whom a rule holds.
    Rule(Rule),
    /// Those listed.
    List(BTreeSet<String>),
}

impl Naive {
    /// An empty database.
    pub fn new(schema: Schema, as_of: Timestamp) -> Naive {
        let almanac = Almanac::new(schema.zone().name());
        Naive { schema, almanac, as_of, contacts: vec![], segments: vec![], arrivals: 0 }
    }

    /// The keys of those whom a rule holds at `now`, in order of first sight.
    pub fn members(&self, rule: &Rule, now: Timestamp) -> Vec<&str> {
        let held = self.contacts.iter().filter(|contact| self.matches(rule, contact, now));
        held.map(|contact| contact.key.as_str()).collect()
    }

    /// Whether a rule holds a contact at `now`.
    pub fn matches(&self, rule: &Rule, contact: &Contact, now: Timestamp) -> bool {
        let holds = |rule: &Rule| self.matches(rule, contact, now);
        let tagged = |tag: &str| self.has_tag(contact, tag);
        match rule {
            Rule::All => true,
            Rule::None => false,
            Rule::And(rules) => rules.iter().all(holds),
            Rule::Or(rules) => rules.iter().any(holds),
            Rule::Xor(rules) => rules.iter().filter(|rule| holds(rule)).count() % 2 == 1,
            Rule::Not(rule) => !holds(rule),
            Rule::Of { quantity, n, rules } => {
                let held = rules.iter().filter(|rule| holds(rule)).count() as u64;
                match quantity {
                    Quantity::AtLeast => held >= u64::from(*n),
                    Quantity::AtMost => held <= u64::from(*n),
                    Quantity::Exactly => held == u64::from(*n),
                }
            }
            Rule::Property(test) => {
                let property = self.schema.property(test.property.as_str()).expect("checked: a known property");
                let value = self.value(contact, property.name.as_str());
                self.passes(test, value.as_ref(), property.case_sensitive, now)
            }
            Rule::Tag(tag) => tagged(tag),
            Rule::AnyTag(tags) => tags.iter().any(|tag| tagged(tag)),
            Rule::AllTags(tags) => tags.iter().all(|tag| tagged(tag)),
            Rule::EmailDomain { property, domains } => {
                let property = property.as_ref().map_or("email", |name| name.as_str());
                match self.value(contact, property) {
                    Some(Value::Text(address)) => spelling::domain(&address)
                        .is_some_and(|domain| domains.iter().any(|wanted| spelling::same(domain, wanted, false))),
                    _ => false,
                }
            }
            Rule::Event(test) => self.did(test, contact, now),
            Rule::Aggregate(test) => self.aggregates(test, contact, now),
            Rule::Edge(test) => self.at_edge(test, contact, now),
            Rule::Sequence(test) => self.in_sequence(test, contact, now),
            Rule::Days(test) => self.on_days(test, contact, now),
            Rule::Regularly(test) => self.regularly(test, contact, now),
            Rule::Segment(name) => self.in_segment(name, contact),
            Rule::Bucket { name, of, range } => {
                let bucket = spelling::bucket(&contact.key, name, *of);
                match range {
                    BucketRange::Below(end) => bucket < *end,
                    BucketRange::Between(from, to) => (*from..=*to).contains(&bucket),
                }
            }
        }
    }

    fn has_tag(&self, contact: &Contact, tag: &str) -> bool {
        let sensitive = self.schema.property("tags").is_some_and(|tags| tags.case_sensitive);
        match self.value(contact, "tags") {
            Some(Value::Set(tags)) => tags.iter().any(|held| spelling::same(held, tag, sensitive)),
            _ => false,
        }
    }

    /// Memberships are those of the clock, whatever moment a question is asked for.
    pub fn in_segment(&self, name: &str, contact: &Contact) -> bool {
        let saved = self.segments.iter().find(|saved| spelling::same(&saved.name, name, false));
        let saved = saved.expect("checked: a known segment");
        let held = match &saved.members {
            Members::Rule(rule) => self.matches(rule, contact, self.as_of),
            Members::List(keys) => keys.contains(&contact.key),
        };
        (held || saved.include.contains(&contact.key)) && !saved.exclude.contains(&contact.key)
    }

    /// Whether a value, or its absence, passes a test.
    pub fn passes(&self, test: &PropertyTest, value: Option<&Value>, sensitive: bool, now: Timestamp) -> bool {
        let negative = match &test.test {
            Test::IsSet => return value.is_some(),
            Test::IsNotSet => return value.is_none(),
            Test::Compare(Comparison::Ne, _) => true,
            Test::In { negated, .. } | Test::Text { negated, .. } => *negated,
            _ => false,
        };
        match value {
            None => test.missing.unwrap_or(negative),
            Some(value) => self.holds(&test.test, value, sensitive, now) != negative,
        }
    }

    /// Whether a value passes the positive form of a test.
    fn holds(&self, test: &Test, value: &Value, sensitive: bool, now: Timestamp) -> bool {
        let texts = || match value {
            Value::Text(text) => std::slice::from_ref(text),
            Value::Set(texts) => texts.as_slice(),
            other => panic!("{test:?} on {other:?}"),
        };
        let age_test = |from: i128, to: i128| (from..=to).contains(&self.instant(value));
        let (now, one) = (ms(now), 1);
        match test {
            Test::IsSet | Test::IsNotSet => unreachable!("answered before"),
            Test::Compare(Comparison::Ne, operand) => self.compares(Comparison::Eq, value, operand, sensitive),
            Test::Compare(comparison, operand) => self.compares(*comparison, value, operand, sensitive),
            Test::Between(from, to) => {
                self.compares(Comparison::Ge, value, from, sensitive)
                    && self.compares(Comparison::Le, value, to, sensitive)
            }
            Test::In { values, .. } => values.iter().any(|v| self.compares(Comparison::Eq, value, v, sensitive)),
            Test::HasAll(wanted) => {
                wanted.iter().all(|wanted| texts().iter().any(|text| spelling::same(text, wanted, sensitive)))
            }
            Test::Text { op, pattern, .. } => {
                texts().iter().any(|text| spelling::passes(text, *op, pattern, sensitive))
            }
            Test::Age(comparison, length) => {
                let then = self.almanac.before(now, *length);
                match comparison {
                    Comparison::Lt => age_test(then + one, now),
                    Comparison::Le => age_test(then, now),
                    Comparison::Gt => age_test(-FAR * 2, then - one),
                    Comparison::Ge => age_test(-FAR * 2, then),
                    Comparison::Eq | Comparison::Ne => unreachable!("no such age test"),
                }
            }
            Test::Within(length) => age_test(self.almanac.before(now, *length), now),
            Test::Next(length) => age_test(now + one, self.almanac.after(now, *length)),
            Test::Ahead(comparison, length) => {
                let then = self.almanac.after(now, *length);
                match comparison {
                    Comparison::Lt => age_test(now + one, then - one),
                    Comparison::Le => age_test(now + one, then),
                    Comparison::Gt => age_test(then + one, FAR * 2),
                    Comparison::Ge => age_test(then.max(now + one), FAR * 2),
                    Comparison::Eq | Comparison::Ne => unreachable!("no such age test"),
                }
            }
            Test::On(day) => self.compares(Comparison::Eq, value, &Operand::Date(*day), sensitive),
            Test::Before(moment) => self.compares(Comparison::Lt, value, &operand(*moment), sensitive),
            Test::After(moment) => self.compares(Comparison::Gt, value, &operand(*moment), sensitive),
            Test::InPeriod(period) => {
                let (from, to) = self.almanac.period(*period, now);
                match value {
                    Value::Day(day) => (from..to).contains(&number(*day)),
                    other => (self.almanac.start_of(from)..self.almanac.start_of(to)).contains(&self.instant(other)),
                }
            }
            Test::Anniversary(n) => {
                let day = match value {
                    Value::Day(day) => number(*day),
                    other => self.almanac.day_of(self.instant(other)),
                };
                self.almanac.anniversary(day, now, *n)
            }
        }
    }

    /// The instant of a value; a day's is its start.
    fn instant(&self, value: &Value) -> i128 {
        match value {
            Value::Time(at) => ms(*at),
            Value::Day(day) => self.almanac.start_of(number(*day)),
            other => panic!("{other:?} is no instant"),
        }
    }

    /// Whether a value stands in a relation to an operand.
    pub fn compares(&self, comparison: Comparison, value: &Value, operand: &Operand, sensitive: bool) -> bool {
        let ordering = match (value, operand) {
            (Value::Text(text), Operand::Text(wanted)) => return spelling::same(text, wanted, sensitive),
            (Value::Set(texts), Operand::Text(wanted)) => {
                return texts.iter().any(|text| spelling::same(text, wanted, sensitive));
            }
            (Value::Flag(flag), Operand::Flag(wanted)) => return flag == wanted,
            (Value::Number(number), Operand::Number(wanted)) => number.cmp(wanted),
            (Value::Money(minor), Operand::Money(wanted, _)) => minor.cmp(wanted),
            (Value::Day(day), Operand::Date(wanted)) => day.cmp(wanted),
            (Value::Time(at), Operand::Instant(wanted)) => at.cmp(wanted),
            (Value::Time(at), Operand::Date(day)) => {
                // The whole day is one point: before it, in it, or past it.
                let (start, end) = self.whole(*day);
                if ms(*at) < start {
                    std::cmp::Ordering::Less
                } else if ms(*at) < end {
                    std::cmp::Ordering::Equal
                } else {
                    std::cmp::Ordering::Greater
                }
            }
            (value, operand) => panic!("{value:?} against {operand:?}"),
        };
        match comparison {
            Comparison::Eq => ordering.is_eq(),
            Comparison::Ne => ordering.is_ne(),
            Comparison::Lt => ordering.is_lt(),
            Comparison::Le => ordering.is_le(),
            Comparison::Gt => ordering.is_gt(),
            Comparison::Ge => ordering.is_ge(),
        }
    }

    /// First instant of a day, and of the next.
    pub fn whole(&self, day: Day) -> (i128, i128) {
        (self.almanac.start_of(number(day)), self.almanac.start_of(number(day) + 1))
    }
}

fn operand(moment: Moment) -> Operand {
    match moment {
        Moment::Date(day) => Operand::Date(day),
        Moment::Instant(at) => Operand::Instant(at),
    }
}
