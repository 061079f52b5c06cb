//! When to look again: the next instants at which time alone may change a predicate, complete up to a horizon.

use crate::{
    index::bag::Bag,
    model::{id::ContactId, time::Timestamp},
};

/// Entries beyond which the later half goes, to be found again when the horizon is reached, as a share of the
/// contacts, and at least so many.
const SHARE: u64 = 256;
const LEAST: u64 = 1_024;
const MOST: u64 = 65_536;

/// Instants and whom to look at then. An entry may be out of date: whoever looks asks the facts.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    entries: Bag<(Timestamp, ContactId)>,
    /// Every check up to and at this instant is among the entries; `None`: every check there is.
    horizon: Option<Timestamp>,
}

impl Agenda {
    /// How many entries are worth finding at a time among so many contacts: finding them costs a look at everyone.
    pub fn size(contacts: u64) -> usize {
        (contacts / SHARE).clamp(LEAST, MOST) as usize
    }

    /// The agenda of entries in order that are complete up to a horizon.
    pub fn new(entries: &[(Timestamp, ContactId)], horizon: Option<Timestamp>) -> Agenda {
        Agenda { entries: Bag::from_sorted(entries), horizon }
    }

    /// When to look next: at an entry, or just behind the horizon for new ones.
    pub fn next(&self) -> Option<Timestamp> {
        match self.entries.first() {
            Some((at, _)) => Some(at),
            None => self.horizon.map(|horizon| horizon.plus_ms(1)),
        }
    }

    /// Takes out those to look at by an instant; says, too, whether new entries must be found after that.
    pub fn take(&mut self, now: Timestamp) -> (Vec<ContactId>, bool) {
        let taken = self.entries.take_while(|(at, _)| *at <= now);
        let over = self.entries.is_empty() && self.horizon.is_some();
        (taken.into_iter().map(|(_, contact)| contact).collect(), over)
    }

    /// Notes that a contact is to be looked at. What lies beyond the horizon will be found when that is reached.
    pub fn note(&mut self, at: Timestamp, contact: ContactId, size: usize) {
        if self.horizon.is_some_and(|horizon| at > horizon) || self.entries.contains((at, contact)) {
            return;
        }
        self.entries.insert((at, contact));
        if self.entries.len() > 2 * size {
            self.shorten(size);
        }
    }

    /// Brings the horizon nearer, so that about `size` entries stay.
    fn shorten(&mut self, size: usize) {
        let Some((last, _)) = self.entries.iter().nth(size) else { return };
        let first = self.entries.first().map(|(at, _)| at);
        // All entries of an instant stay or go together.
        let horizon = if first == Some(last) { last } else { last.plus_ms(-1) };
        self.entries.retain(|(at, _)| *at <= horizon);
        self.horizon = Some(horizon);
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.entries.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(n: u32) -> ContactId {
        ContactId(n)
    }

    #[test]
    fn entries_are_taken_in_time_and_once() {
        let mut agenda = Agenda::new(&[(Timestamp(5), who(1)), (Timestamp(7), who(2))], None);
        agenda.note(Timestamp(6), who(3), 10);
        agenda.note(Timestamp(6), who(3), 10);
        assert_eq!(agenda.next(), Some(Timestamp(5)));
        assert_eq!(agenda.take(Timestamp(6)), (vec![who(1), who(3)], false));
        assert_eq!(agenda.take(Timestamp(9)), (vec![who(2)], false));
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn beyond_the_horizon_nothing_is_kept_and_new_entries_are_asked_for() {
        let mut agenda = Agenda::new(&[(Timestamp(5), who(1))], Some(Timestamp(5)));
        agenda.note(Timestamp(6), who(2), 10);
        assert_eq!(agenda.take(Timestamp(5)), (vec![who(1)], true));
        assert_eq!(agenda.next(), Some(Timestamp(6)), "just behind the horizon");
    }

    #[test]
    fn many_entries_bring_the_horizon_nearer() {
        let mut agenda = Agenda::default();
        for n in 0..9 {
            agenda.note(Timestamp(i64::from(n / 2)), who(n), 4);
        }
        assert_eq!(agenda.take(Timestamp(100)).0.len(), 4, "instants 0 and 1");
        assert_eq!(agenda.next(), Some(Timestamp(2)));
        let mut same = Agenda::default();
        (0..9).for_each(|n| same.note(Timestamp(3), who(n), 4));
        assert_eq!(same.take(Timestamp(3)).0.len(), 9, "an instant stays whole");
    }
}
