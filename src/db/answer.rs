//! An answer: a set of contacts at one view, told as keys, counts and records.

use crate::{
    db::{
        record::{ContactRecord, Page, Place},
        view::View,
    },
    model::name::Name,
};

/// A set of contacts at one view. Cheap to clone and to keep.
#[derive(Clone)]
pub struct Answer {
    view: View,
}

impl Answer {
    /// The view that it was asked of.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// How many contacts.
    pub fn count(&self) -> u64 {
        unimplemented!()
    }

    /// Whether a contact is among them.
    pub fn contains(&self, key: &str) -> bool {
        let _ = key;
        unimplemented!()
    }

    /// Keys in order of first sight.
    pub fn keys(&self, after: Option<Place>, limit: usize) -> Page<Box<str>> {
        let _ = (after, limit);
        unimplemented!()
    }

    /// Contacts in order of first sight, with the values of the `fields` (canonical names or aliases), or all.
    pub fn contacts(&self, after: Option<Place>, limit: usize, fields: Option<&[Name]>) -> Page<ContactRecord> {
        let _ = (after, limit, fields);
        unimplemented!()
    }

    /// Up to `n` keys drawn evenly without repeats; one seed always draws the same.
    pub fn sample(&self, n: usize, seed: u64) -> Vec<Box<str>> {
        let _ = (n, seed);
        unimplemented!()
    }

    /// Hands every key to `each` until it says to stop.
    pub fn for_each_key(&self, each: impl FnMut(&str) -> std::ops::ControlFlow<()>) {
        let _ = each;
        unimplemented!()
    }
}
