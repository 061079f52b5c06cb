//! The laws of the state, walked one by one.

use crate::engine::state::State;

impl State {
    /// Walks the laws 1 to 8 of docs/ARCHITECTURE.md, which must hold at any LSN, and tells the first one broken.
    ///
    /// Errors: which law, and where.
    pub fn check(&self) -> Result<(), String> {
        let given = self.index.directory().next_id();
        if self.index.live().max().is_some_and(|max| max >= given) {
            return Err(format!("a live contact is beyond the ids given, {given}"));
        }
        self.index.check()?;
        self.index.check_derived(&self.schema, self.as_of)?;
        self.book.check(&self.schema, given, self.index.live())?;
        for segment in self.book.iter() {
            if self.book.all_dependents(segment.id).contains(&segment.id) {
                return Err(format!("segment \"{}\" depends on itself", segment.name));
            }
        }
        match self.index.next_due() {
            Some(due) if due <= self.as_of => Err(format!("an event due at {due} still waits at {}", self.as_of)),
            _ => self.live.check(self.facts(), self.as_of),
        }
    }
}
