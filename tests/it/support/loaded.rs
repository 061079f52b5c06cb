//! The product's index filled with the facts of a naive database, and rules asked of it.

use std::sync::Arc;

use throng::{
    bitmap::posting::Posting,
    index::Index,
    model::{
        fold::fold,
        id::{ContactId, SegmentId},
        schema::Schema,
        time::Timestamp,
    },
    query::{
        bind::bind,
        context::{Body, Context, SegmentView, Segments},
        plan::Plan,
    },
    rule::ast::Rule,
};

use crate::support::naive::{Members, Naive, Saved};

/// The product's side of a world.
pub struct Loaded {
    /// What is declared.
    pub schema: Schema,
    /// The facts.
    pub index: Index,
    as_of: Timestamp,
    segments: Vec<SegmentView>,
}

impl Segments for Loaded {
    fn resolve(&self, name: &str) -> Option<SegmentView> {
        self.segments.iter().find(|segment| fold(&segment.name) == fold(name)).cloned()
    }
}

/// Fills an index, events first so that written values of derived properties stand.
pub fn load(naive: &Naive) -> Loaded {
    let schema = naive.schema.clone();
    let mut index = Index::new(&schema);
    index.sync_events(&schema, naive.as_of);
    for contact in &naive.contacts {
        let (id, new) = index.insert(&contact.key);
        assert!(new, "keys are distinct");
        for event in &contact.events {
            let kind = schema.event(&event.kind).expect("a declared kind");
            let value = |name: &str| event.values.get(name).cloned();
            let values: Vec<_> = kind.properties.iter().map(|property| value(property.name.as_str())).collect();
            index.record_event(&schema, naive.as_of, id, kind.id, event.at, &values, None);
        }
        for property in schema.properties() {
            let written = contact.written.get(property.name.as_str());
            if property.derived.is_some() {
                index.write_derived(&schema, naive.as_of, property.id, id, written);
            } else {
                index.set(property.id, id, written);
            }
            let (found, wanted) = (index.value(property.id, id), naive.value(contact, property.name.as_str()));
            assert_eq!(found, wanted, "{} of {contact:#?}", property.name);
        }
    }
    let mut loaded = Loaded { schema, index, as_of: naive.as_of, segments: vec![] };
    loaded.segments = naive.segments.iter().enumerate().map(|(n, saved)| loaded.segment(n, saved)).collect();
    loaded
}

impl Loaded {
    fn segment(&self, n: usize, saved: &Saved) -> SegmentView {
        let posting = |keys: &mut dyn Iterator<Item = &String>| {
            let mut posting = Posting::new();
            for id in keys.filter_map(|key| self.index.directory().id(key)) {
                posting.insert(id.0);
            }
            posting
        };
        let body = match &saved.members {
            Members::List(keys) => Body::Static(posting(&mut keys.iter())),
            Members::Rule(rule) => Body::Dynamic {
                rule: Arc::new(rule.clone()),
                include: posting(&mut saved.include.iter()),
                exclude: posting(&mut saved.exclude.iter()),
            },
        };
        SegmentView { id: SegmentId(n as u32), name: saved.name.as_str().into(), body }
    }

    /// Binds a rule at an instant.
    pub fn plan(&self, rule: &Rule, now: Timestamp) -> Plan {
        let context = Context { schema: &self.schema, segments: self, now, as_of: self.as_of };
        bind(rule, &context).unwrap_or_else(|why| panic!("{why}: {rule:?}"))
    }

    /// The keys of those whom a rule holds, in order of id.
    pub fn keys(&self, rule: &Rule, now: Timestamp) -> Vec<&str> {
        self.keys_of(&self.plan(rule, now).evaluate(&self.index))
    }

    /// The keys of a set of contacts.
    pub fn keys_of(&self, posting: &Posting) -> Vec<&str> {
        posting.iter().map(|id| self.index.directory().key(ContactId(id))).collect()
    }
}
