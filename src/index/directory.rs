//! The directory: which key is which contact, and who is live.

use xxhash_rust::xxh3::xxh3_64;

use crate::{
    bitmap::{CHUNK, posting::Posting},
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SectionSource, SinkError},
    },
    index::{hash_index::HashIndex, numbers::Numbers, strings::Strings},
    model::{
        id::ContactId,
        planted::{Bug, planted},
    },
};

/// Keys and ids of contacts. Ids are given in order of first sight, from 0, and never again.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    keys: Strings,
    hashes: HashIndex,
    buckets: Numbers,
    live: Posting,
}

impl Directory {
    /// The contact of a key.
    pub fn id(&self, key: &str) -> Option<ContactId> {
        self.find(xxh3_64(key.as_bytes()), key)
    }

    fn find(&self, hash: u64, key: &str) -> Option<ContactId> {
        self.hashes.find(hash, |id| self.keys.bytes(id) == key.as_bytes()).map(ContactId)
    }

    /// The key of a contact; empty once it was erased.
    pub fn key(&self, contact: ContactId) -> &str {
        self.keys.get(contact.0)
    }

    /// Finds the contact of a key or gives it the next id; says whether it is new.
    pub fn insert(&mut self, key: &str) -> (ContactId, bool) {
        let hash = xxh3_64(key.as_bytes());
        if let Some(contact) = self.find(hash, key) {
            return (contact, false);
        }
        let id = if planted(Bug::ReuseIds) && self.len() < u64::from(self.next_id()) {
            let free = (0..self.next_id()).find(|id| !self.live.contains(*id)).expect("someone was erased");
            self.keys.set(free, key);
            free
        } else {
            self.keys.push(key)
        };
        self.hashes.insert(hash, id);
        self.buckets.set(id, hash as u32);
        self.live.insert(id);
        (ContactId(id), true)
    }

    /// Forgets a contact and its key; its id is not given again. Says whether it was live.
    pub fn erase(&mut self, contact: ContactId) -> bool {
        if !self.live.remove(contact.0) {
            return false;
        }
        self.hashes.remove(xxh3_64(self.keys.bytes(contact.0)), contact.0);
        self.keys.set(contact.0, "");
        self.buckets.set(contact.0, 0);
        true
    }

    /// The contacts that are live.
    pub fn live(&self) -> &Posting {
        &self.live
    }

    /// How many contacts are live.
    pub fn len(&self) -> u64 {
        self.live.len()
    }

    /// Returns whether no contact is live.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The id that the next new contact gets: one above every id given.
    pub fn next_id(&self) -> u32 {
        self.keys.len()
    }

    /// The stable hash of a contact's key (the low half of xxh3-64) that buckets are dealt by; 0 once erased.
    pub fn bucket_hash(&self, contact: ContactId) -> u32 {
        self.buckets.get(contact.0)
    }

    /// Overwrites `out` with the bucket hashes of a chunk's contacts, by their place in the chunk.
    pub fn bucket_hashes_into(&self, chunk: usize, out: &mut Vec<u32>) {
        let from = u32::try_from(chunk.saturating_mul(CHUNK)).unwrap_or(u32::MAX).min(self.next_id());
        out.clear();
        self.buckets.copy_into(from, self.next_id().min(from.saturating_add(CHUNK as u32)), out);
    }

    /// Bytes of heap by part, about.
    pub fn memory(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("texts", self.keys.memory_bytes()),
            ("hashes", self.hashes.memory_bytes()),
            ("buckets", self.buckets.memory_bytes()),
            ("live", self.live.memory_bytes() as u64),
        ]
    }

    /// Checks that the live contacts are those with a key and that each is found by it.
    pub fn check(&self) -> Result<(), String> {
        if self.live.max().is_some_and(|last| last >= self.next_id()) {
            return Err("a contact is live whose id was never given".into());
        }
        for contact in (0..self.next_id()).map(ContactId) {
            let key = self.key(contact);
            if key.is_empty() == self.live.contains(contact.0) {
                return Err(format!("contact {contact} is live without a key or has a key without being live"));
            }
            if !key.is_empty() && (self.id(key) != Some(contact) || self.bucket_hash(contact) != bucket_hash_of(key)) {
                return Err(format!("contact {contact} is not found by its key"));
            }
        }
        let hashed = self.hashes.len() as u64;
        if hashed == self.len() { Ok(()) } else { Err(format!("{} live contacts, but {hashed} hashes", self.len())) }
    }

    /// Writes the directory as sections whose names begin with `name`.
    pub fn encode(&self, name: &str, sink: &mut dyn SectionSink) -> Result<(), SinkError> {
        self.keys.encode(&format!("{name}/strings"), sink)?;
        self.hashes.encode(&format!("{name}/hashes"), sink)?;
        self.buckets.encode(&format!("{name}/buckets"), self.next_id(), sink)?;
        sink.begin(&format!("{name}/live"))?;
        self.live.encode(sink)
    }

    /// Reads what [`Directory::encode`] wrote.
    pub fn decode(name: &str, source: &dyn SectionSource) -> Result<Directory, Damage> {
        let keys = Strings::decode(&format!("{name}/strings"), source)?;
        let hashes = HashIndex::decode(&format!("{name}/hashes"), source)?;
        let (buckets, len) = Numbers::decode(&format!("{name}/buckets"), source)?;
        let section = format!("{name}/live");
        let live = Posting::decode(&mut Cursor::of(&section, source.section(&section)?))?;
        if len != keys.len() as usize || live.max().is_some_and(|last| last >= keys.len()) {
            return Err(Damage::at(name, 0, format!("{} contacts", keys.len()), format!("{len} or more")));
        }
        Ok(Directory { keys, hashes, buckets, live })
    }
}

/// The hash that buckets are dealt by, of a key.
pub fn bucket_hash_of(key: &str) -> u32 {
    xxh3_64(key.as_bytes()) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::codec::section::MemoryImage;

    fn agrees(directory: &Directory, model: &BTreeMap<String, u32>, next: u32) {
        directory.check().unwrap();
        assert_eq!((directory.len(), directory.next_id()), (model.len() as u64, next));
        for n in 0..4_000 {
            let key = format!("user-{n}");
            assert_eq!(directory.id(&key).map(|id| id.0), model.get(&key).copied());
        }
        model.iter().for_each(|(key, id)| assert_eq!(directory.key(ContactId(*id)), key));
    }

    #[test]
    fn ids_are_given_in_order_and_never_again() {
        let (mut directory, mut model, mut next) = (Directory::default(), BTreeMap::new(), 0);
        let mut kept = vec![];
        for i in 0..9_000u32 {
            let n = i.wrapping_mul(2_654_435_761) % 3_500;
            let key = format!("user-{n}");
            if i % 3 == 2 {
                let id = model.remove(&key);
                assert_eq!(id.map(|id| directory.erase(ContactId(id))), id.map(|_| true));
                assert!(id.is_none_or(|id| !directory.erase(ContactId(id)) && directory.key(ContactId(id)).is_empty()));
            } else {
                let wanted = model.get(&key).copied();
                let (id, new) = directory.insert(&key);
                assert_eq!((id.0, new), (wanted.unwrap_or(next), wanted.is_none()));
                next += u32::from(new);
                model.insert(key, id.0);
            }
            if i % 2_500 == 2_499 {
                kept.push((directory.clone(), model.clone(), next));
                let mut image = MemoryImage::new();
                directory.encode("keys", &mut image).unwrap();
                directory = Directory::decode("keys", &image).unwrap();
                agrees(&directory, &model, next);
            }
        }
        kept.iter().for_each(|(directory, model, next)| agrees(directory, model, *next));
        let mut hashes = vec![];
        directory.bucket_hashes_into(0, &mut hashes);
        assert_eq!(hashes.len(), next as usize);
        assert!((0..next).all(|id| hashes[id as usize] == directory.bucket_hash(ContactId(id))));
        directory.bucket_hashes_into(1, &mut hashes);
        assert!(hashes.is_empty());
    }
}
