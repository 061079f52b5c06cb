//! The directory: which key is which contact, and who is live.

use crate::{bitmap::posting::Posting, model::id::ContactId};

/// Keys and ids of contacts. Ids are given in order of first sight, from 0, and never again.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    live: Posting,
}

impl Directory {
    /// The contact of a key.
    pub fn id(&self, key: &str) -> Option<ContactId> {
        let _ = key;
        unimplemented!()
    }

    /// The key of a contact; empty once it was erased.
    pub fn key(&self, contact: ContactId) -> &str {
        let _ = contact;
        unimplemented!()
    }

    /// Finds the contact of a key or gives it the next id; says whether it is new.
    pub fn insert(&mut self, key: &str) -> (ContactId, bool) {
        let _ = key;
        unimplemented!()
    }

    /// Forgets a contact and its key; its id is not given again. Says whether it was live.
    pub fn erase(&mut self, contact: ContactId) -> bool {
        let _ = contact;
        unimplemented!()
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
        unimplemented!()
    }

    /// The stable hash of a contact's key (the low half of xxh3-64) that buckets are dealt by.
    pub fn bucket_hash(&self, contact: ContactId) -> u32 {
        let _ = contact;
        unimplemented!()
    }

    /// Overwrites `out` with the bucket hashes of a chunk's contacts, by their place in the chunk.
    pub fn bucket_hashes_into(&self, chunk: usize, out: &mut Vec<u32>) {
        let _ = (chunk, out);
        unimplemented!()
    }
}

/// The hash that buckets are dealt by, of a key.
pub fn bucket_hash_of(key: &str) -> u32 {
    xxhash_rust::xxh3::xxh3_64(key.as_bytes()) as u32
}
