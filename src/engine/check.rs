//! The laws of the state, walked one by one.

use crate::engine::state::State;

impl State {
    /// Walks every law that must hold at any LSN and tells the first one broken:
    ///
    /// 1. ids are given in order from 0, and every stored set is a subset of the live contacts;
    /// 2. in an index of single values the postings are disjoint and their union is presence;
    /// 3. every saved rule passes its check and names segments that are there, without a cycle;
    /// 4. nothing due by `as_of` is still waiting.
    ///
    /// Errors: which law, and where.
    pub fn check(&self) -> Result<(), String> {
        let given = self.index.directory().next_id();
        if self.index.live().max().is_some_and(|max| max >= given) {
            return Err(format!("a live contact is beyond the ids given, {given}"));
        }
        self.index.check()?;
        self.book.check(&self.schema, given, self.index.live())?;
        for segment in self.book.iter() {
            if self.book.all_dependents(segment.id).contains(&segment.id) {
                return Err(format!("segment \"{}\" depends on itself", segment.name));
            }
        }
        match self.next_due() {
            Some(due) if due <= self.as_of => Err(format!("an event due at {due} still waits at {}", self.as_of)),
            _ => Ok(()),
        }
    }
}
