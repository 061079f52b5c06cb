//! The ids that callers gave their events: who has which, so that the same id twice counts once.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::dictionary::Dictionary,
    model::id::{ContactId, EventKindId},
};

/// Places of a leaf and leaves of a branch: a write copies a leaf, a branch's pointers and the root's.
const LEAF: usize = 512;
const BRANCH: usize = 256;
/// Says that no event has the reference.
const FREE: u64 = u64::MAX;

/// Every event id in use, its reference (which the log keeps), and whose event it is.
#[derive(Clone, Debug)]
pub struct EventIds {
    texts: Dictionary,
    branches: Vec<Arc<Vec<Arc<Leaf>>>>,
}

#[derive(Clone, Debug)]
enum Leaf {
    Owned(Vec<u64>),
    /// Little-endian, in a mapped snapshot.
    Mapped(Bytes),
}

impl Default for EventIds {
    fn default() -> EventIds {
        EventIds { texts: Dictionary::new(true), branches: Vec::new() }
    }
}

impl Leaf {
    fn get(&self, at: usize) -> u64 {
        match self {
            Leaf::Owned(places) => places.get(at).copied().unwrap_or(FREE),
            Leaf::Mapped(bytes) => match bytes.get(at * 8..at * 8 + 8) {
                Some(place) => place.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)),
                None => FREE,
            },
        }
    }

    fn owned(&mut self) -> &mut Vec<u64> {
        if let Leaf::Mapped(bytes) = self {
            *self = Leaf::Owned((0..bytes.len() / 8).map(|at| self.get(at)).collect());
        }
        match self {
            Leaf::Owned(places) => places,
            Leaf::Mapped(_) => unreachable!("it was just copied"),
        }
    }
}

impl EventIds {
    /// How many ids are in use.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The reference of an id.
    pub fn find(&self, id: &str) -> Option<u32> {
        self.texts.find_exact(id)
    }

    /// The id of a reference in use.
    pub fn text(&self, reference: u32) -> Option<&str> {
        self.place(reference).map(|_| self.texts.get(reference))
    }

    /// Whose event a reference names, and of which kind.
    pub fn place(&self, reference: u32) -> Option<(EventKindId, ContactId)> {
        let leaf = reference as usize / LEAF;
        let place = self.branches.get(leaf / BRANCH)?.get(leaf % BRANCH)?.get(reference as usize % LEAF);
        (place != FREE).then_some((EventKindId((place >> 32) as u16), ContactId(place as u32)))
    }

    /// Takes an id into use; `None` when it is in use already.
    pub fn insert(&mut self, id: &str, kind: EventKindId, contact: ContactId) -> Option<u32> {
        if self.find(id).is_some() {
            return None;
        }
        let reference = self.texts.intern(id);
        self.set(reference, u64::from(kind.0) << 32 | u64::from(contact.0));
        Some(reference)
    }

    /// Forgets an id; it may be used again.
    pub fn remove(&mut self, reference: u32) {
        if self.place(reference).is_some() {
            self.texts.release(reference);
            self.set(reference, FREE);
        }
    }

    /// Says that the event of a reference in use is another contact's.
    pub fn give(&mut self, reference: u32, contact: ContactId) {
        if let Some((kind, _)) = self.place(reference) {
            self.set(reference, u64::from(kind.0) << 32 | u64::from(contact.0));
        }
    }

    fn set(&mut self, reference: u32, place: u64) {
        let (leaf, at) = (reference as usize / LEAF, reference as usize % LEAF);
        while self.branches.len() <= leaf / BRANCH {
            self.branches.push(Arc::default());
        }
        let branch = Arc::make_mut(&mut self.branches[leaf / BRANCH]);
        while branch.len() <= leaf % BRANCH {
            branch.push(Arc::new(Leaf::Owned(Vec::new())));
        }
        let places = Arc::make_mut(&mut branch[leaf % BRANCH]).owned();
        if places.len() <= at {
            places.resize(at + 1, FREE);
        }
        places[at] = place;
    }

    /// Every reference in use, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.texts.iter().map(|(reference, _)| reference)
    }

    /// Bytes of memory, about.
    pub fn memory_bytes(&self) -> u64 {
        let leaves = self.branches.iter().flat_map(|branch| branch.iter());
        let places = leaves.map(|leaf| match leaf.as_ref() {
            Leaf::Owned(places) => places.capacity() * 8 + 64,
            Leaf::Mapped(_) => 64,
        });
        self.texts.memory_bytes() + places.sum::<usize>() as u64
    }

    /// Writes the ids as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.texts.encode(&format!("{name}/texts"), sink)?;
        sink.begin(&format!("{name}/places"))?;
        let end = self.texts.code_end() as usize;
        for start in (0..end).step_by(LEAF) {
            let leaf = start / LEAF;
            let held = self.branches.get(leaf / BRANCH).and_then(|branch| branch.get(leaf % BRANCH));
            let places = (0..(end - start).min(LEAF)).map(|at| held.map_or(FREE, |leaf| leaf.get(at)));
            sink.put(&places.flat_map(u64::to_le_bytes).collect::<Vec<u8>>())?;
        }
        Ok(())
    }

    /// Reads in place what [`EventIds::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<EventIds, Damage> {
        let texts = Dictionary::decode(&format!("{name}/texts"), source)?;
        let section = format!("{name}/places");
        let mut from = Cursor::of(&section, source.section(&section)?);
        let end = texts.code_end() as usize;
        let mut leaves = Vec::new();
        for start in (0..end).step_by(LEAF) {
            leaves.push(Arc::new(Leaf::Mapped(from.take_array((end - start).min(LEAF), 8)?)));
        }
        from.end()?;
        Ok(EventIds { texts, branches: leaves.chunks(BRANCH).map(|branch| Arc::new(branch.to_vec())).collect() })
    }
}
