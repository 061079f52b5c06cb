//! What decides one predicate for one contact: the value, and where in the index it lies.

use crate::{
    index::{Index, property::PropertyIndex},
    model::{
        id::{ContactId, PropertyId},
        schema::Function,
        time::Timestamp,
        value::{Value, ValueType},
    },
    query::{
        behavior::Behavior,
        bucket,
        plan::Leaf,
        reader::{Found, Reader, Shortcut},
        sieve::Effort,
        spans::Wide,
        standing::Standing,
        value_test::ValueTest,
    },
    rule::ast::Rule,
};

/// The fact that decides a predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The value of a property, or that there is none.
    Property(PropertyId, Option<Value>),
    /// So many events, days or spans.
    Count(u64),
    /// A figure over events and its type; `None` when no event bears on it.
    Figure(ValueType, Option<Value>),
    /// When the event that counts was; `None` when there is none.
    At(Option<Timestamp>),
    /// The bucket that the contact is dealt into, and of how many.
    Bucket(u32, u32),
    /// Nothing that one value tells.
    Nothing,
}

/// What decides a predicate for a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The fact.
    pub fact: Fact,
    /// Where in the index it lies.
    pub found_in: &'static str,
}

impl Standing {
    /// What decides it for a live contact, at its now.
    pub fn decided(&self, index: &Index, contact: ContactId) -> Decided {
        if let Rule::Bucket { name, of, .. } = self.rule() {
            let hash = index.directory().bucket_hash(contact);
            let fact = Fact::Bucket(bucket::bucket(hash, bucket::salt(name), *of), *of);
            return Decided { fact, found_in: "hash of the key" };
        }
        match self.leaf() {
            Some(Leaf::Value(property, test)) => Decided {
                fact: Fact::Property(*property, index.value(*property, contact)),
                found_in: place_of(index, *property, test),
            },
            Some(Leaf::Domain(property, _)) => {
                Decided { fact: Fact::Property(*property, index.value(*property, contact)), found_in: "domain posting" }
            }
            Some(Leaf::Behavior(behavior, _)) => {
                let reader = Reader::new(behavior, index, self.clock(), Effort::Few);
                let fact = match reader.told(contact) {
                    Found::Count(count) => Fact::Count(count),
                    Found::Figure(sum, count) => figure(behavior, index, Some((sum, count))),
                    Found::At(at) => Fact::At(Some(at)),
                    Found::Missing if matches!(**behavior, Behavior::Edge { .. }) => Fact::At(None),
                    Found::Missing => figure(behavior, index, None),
                    Found::Nothing => Fact::Nothing,
                };
                let found_in = match reader.shortcut() {
                    Some(Shortcut::Window(..)) => "first and last columns, event log",
                    Some(Shortcut::First(..)) => "first column",
                    Some(Shortcut::Last(..)) => "last column",
                    None => "event log",
                };
                Decided { fact, found_in }
            }
            Some(Leaf::Spread(..) | Leaf::Pinned(_)) | None => Decided { fact: Fact::Nothing, found_in: "nothing" },
        }
    }
}

fn place_of(index: &Index, property: PropertyId, test: &ValueTest) -> &'static str {
    match (index.property(property), test) {
        (_, ValueTest::Present) => "presence posting",
        (Some(PropertyIndex::Ordered(..)), _) => "column",
        (_, ValueTest::Pattern(_)) => "dictionary",
        _ => "posting",
    }
}

/// The figure of an aggregate as a value of its type; an average is cut off behind the smallest unit.
fn figure(behavior: &Behavior, index: &Index, found: Option<(Wide, u32)>) -> Fact {
    let ty = match behavior {
        Behavior::Aggregate { source, function, of: Some(of), .. }
            if !matches!(function, Function::Count | Function::Distinct) =>
        {
            index.events().kind(source.kind).and_then(|log| log.property_type(*of)).unwrap_or(ValueType::Number)
        }
        _ => ValueType::Number,
    };
    let position = found.and_then(|(sum, count)| sum.divided(count));
    let fits = |position: &i128| ty == ValueType::Number || ty.is_ordered() && i64::try_from(*position).is_ok();
    Fact::Figure(ty, position.filter(fits).map(|position| Value::from_ordered(ty, position)))
}
