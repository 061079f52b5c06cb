//! A small world for the tests of this room.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    index::Index,
    model::{
        calendar::Zone,
        id::{ContactId, SegmentId},
        name::Name,
        number::Number,
        schema::Schema,
        time::{Day, Timestamp},
        value::Value,
    },
    query::{
        bind::bind,
        context::{BindError, Body, Context, SegmentView, Segments},
        plan::Plan,
    },
    rule::ast::{Comparison, Counts, EventTest, Operand, PropertyTest, Rule, Test, Where, Window},
};

/// Facts, segments and a clock.
pub struct World {
    pub schema: Schema,
    pub index: Index,
    pub segments: BTreeMap<String, SegmentView>,
    pub now: Timestamp,
    pub as_of: Timestamp,
}

impl Segments for World {
    fn resolve(&self, name: &str) -> Option<SegmentView> {
        self.segments.get(&name.to_lowercase()).cloned()
    }
}

impl World {
    /// No one, in a zone, at an instant.
    pub fn new(zone: &str, now: &str) -> World {
        let schema = Schema::starter(Zone::named(zone).unwrap());
        let now = at(now);
        World { index: Index::new(&schema), schema, segments: BTreeMap::new(), now, as_of: now }
    }

    pub fn contact(&mut self, key: &str) -> ContactId {
        self.index.insert(key).0
    }

    pub fn set(&mut self, contact: ContactId, property: &str, value: Value) {
        let property = self.schema.property(property).unwrap().id;
        self.index.set(property, contact, Some(&value));
    }

    /// Records an event; amounts and the like go by name.
    pub fn event(&mut self, contact: ContactId, kind: &str, when: &str, values: &[(&str, Value)]) {
        let kind = self.schema.event(kind).unwrap();
        let value = |name: &str| values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let values: Vec<Option<Value>> = kind.properties.iter().map(|property| value(property.name.as_str())).collect();
        self.index.record_event(&self.schema, self.as_of, contact, kind.id, at(when), &values, None);
    }

    pub fn segment(&mut self, name: &str, body: Body) {
        let id = SegmentId(self.segments.len() as u32);
        self.segments.insert(name.to_lowercase(), SegmentView { id, name: name.into(), body });
    }

    pub fn dynamic(&mut self, name: &str, rule: Rule) {
        let body = Body::Dynamic { rule: Arc::new(rule), include: Default::default(), exclude: Default::default() };
        self.segment(name, body);
    }

    pub fn bind(&self, rule: &Rule) -> Result<Plan, BindError> {
        bind(rule, &Context { schema: &self.schema, segments: self, now: self.now, as_of: self.as_of })
    }

    /// The keys of those whom a rule holds. All ways to ask must agree.
    pub fn members(&self, rule: &Rule) -> Vec<String> {
        let plan = self.bind(rule).unwrap();
        let posting = plan.evaluate(&self.index);
        assert_eq!(plan.count(&self.index), posting.len(), "{rule:?}");
        for id in self.index.live().iter() {
            assert_eq!(plan.contains(&self.index, ContactId(id)), posting.contains(id), "{id} {rule:?}");
        }
        posting.iter().map(|id| self.index.directory().key(ContactId(id)).to_owned()).collect()
    }

    /// The same, as one text with the keys parted by spaces.
    pub fn who(&self, rule: &Rule) -> String {
        self.members(rule).join(" ")
    }
}

pub fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

pub fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub fn number(n: i64) -> Operand {
    Operand::Number(Number::from_int(n))
}

pub fn is(property: &str, test: Test) -> Rule {
    Rule::Property(PropertyTest { property: name(property), test, missing: None })
}

pub fn eq(property: &str, text: &str) -> Rule {
    is(property, Test::Compare(Comparison::Eq, Operand::Text(text.into())))
}

pub fn not(rule: Rule) -> Rule {
    Rule::Not(Box::new(rule))
}

pub fn did(kind: &str) -> EventTest {
    EventTest { event: name(kind), filter: vec![], counts: Counts::new(), window: None }
}

pub fn did_in(kind: &str, window: Window) -> EventTest {
    EventTest { window: Some(window), ..did(kind) }
}

pub fn wherever(property: &str, test: Test) -> Where {
    Where::Test(PropertyTest { property: name(property), test, missing: None })
}
