//! When to look again: the next instants at which time alone may change a predicate, complete up to a horizon.

use crate::{
    index::bag::Bag,
    model::{id::ContactId, time::Timestamp},
};

/// Entries beyond which the later half goes, to be found again when the horizon is reached, as a share of the
/// contacts, and at most.
const SHARE: u64 = 256;
const MOST: usize = 65_536;

/// Instants and whom to look at then. An entry may be out of date: whoever looks asks the facts.
#[derive(Clone, Debug, Default)]
pub struct Agenda {
    entries: Bag<(Timestamp, ContactId)>,
    /// Every check up to and at this instant is among the entries; `None`: every check there is.
    horizon: Option<Timestamp>,
    /// Whether at the horizon, which has no entries then, everyone is to be looked at: they would be too many.
    is_sweep: bool,
}

/// What an agenda says at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Look at these.
    At(Vec<ContactId>),
    /// Look at these, then find new entries.
    Last(Vec<ContactId>),
    /// Look at everyone, then find new entries.
    Everywhere,
}

impl Agenda {
    /// How many entries, at least `least`, are worth finding at a time among so many contacts: finding them costs a
    /// look at everyone.
    pub fn size(contacts: u64, least: usize) -> usize {
        usize::try_from(contacts / SHARE).unwrap_or(MOST).min(MOST).max(least)
    }

    /// The agenda of entries in order that are complete up to a horizon; `size` of them are few enough to be kept.
    pub fn new(entries: &[(Timestamp, ContactId)], horizon: Option<Timestamp>, size: usize) -> Agenda {
        let mut agenda = Agenda { entries: Bag::from_sorted(entries), horizon, is_sweep: false };
        if entries.len() > 2 * size {
            agenda.shorten(size);
        }
        agenda
    }

    /// When to look next.
    pub fn next(&self) -> Option<Timestamp> {
        self.entries.first().map(|(at, _)| at).or(self.horizon)
    }

    /// The last instant up to which its entries tell all there is to do; `None`: they tell it for ever.
    pub fn complete_up_to(&self) -> Option<Timestamp> {
        if self.is_sweep { self.horizon.map(|horizon| horizon.plus_ms(-1)) } else { self.horizon }
    }

    /// The instants of the entries up to one, in order.
    pub fn due(&self, until: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        self.entries.iter().map(|(at, _)| at).take_while(move |at| *at <= until)
    }

    /// Takes out the entries up to an instant, up to which they are complete.
    pub fn take_due(&mut self, until: Timestamp) -> Vec<(Timestamp, ContactId)> {
        self.entries.take_while(|(at, _)| *at <= until)
    }

    /// Puts an entry back that was taken too early.
    pub fn put_back(&mut self, at: Timestamp, contact: ContactId) {
        if !self.entries.contains((at, contact)) {
            self.entries.insert((at, contact));
        }
    }

    /// Takes out what is to be done by an instant.
    pub fn take(&mut self, now: Timestamp) -> Look {
        if self.is_sweep && self.horizon.is_some_and(|horizon| horizon <= now) {
            return Look::Everywhere;
        }
        let taken = self.entries.take_while(|(at, _)| *at <= now);
        let contacts = taken.into_iter().map(|(_, contact)| contact).collect();
        if self.entries.is_empty() && self.horizon.is_some() && !self.is_sweep {
            Look::Last(contacts)
        } else {
            Look::At(contacts)
        }
    }

    /// Whether a look is to be noted: it lies within the horizon, for the others will be found when that is reached.
    pub fn wants(&self, at: Timestamp, contact: ContactId) -> bool {
        let is_beyond = |horizon: Timestamp| at > horizon || (self.is_sweep && at == horizon);
        !self.horizon.is_some_and(is_beyond) && !self.entries.contains((at, contact))
    }

    /// Notes that a contact is to be looked at, if that is wanted.
    pub fn note(&mut self, at: Timestamp, contact: ContactId, size: usize) {
        if !self.wants(at, contact) {
            return;
        }
        self.entries.insert((at, contact));
        self.limit(size);
    }

    /// Brings the horizon nearer when there are more than twice so many entries.
    pub fn limit(&mut self, size: usize) {
        if self.entries.len() > size.saturating_mul(2) {
            self.shorten(size);
        }
    }

    /// Brings the horizon nearer, so that at most about `size` entries stay.
    fn shorten(&mut self, size: usize) {
        let Some((last, _)) = self.entries.iter().nth(size) else { return };
        // All entries of an instant stay or go together; if there are too many of one, everyone is looked at then.
        let many = self.entries.iter().skip_while(|(at, _)| *at < last).take_while(|(at, _)| *at == last);
        self.is_sweep = many.count() > size;
        let horizon = if self.is_sweep { last } else { last.plus_ms(-1) };
        self.horizon = Some(horizon);
        let is_sweep = self.is_sweep;
        self.entries.retain(|(at, _)| *at < horizon || (!is_sweep && *at == horizon));
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
        let mut agenda = Agenda::new(&[(Timestamp(5), who(1)), (Timestamp(7), who(2))], None, 10);
        agenda.note(Timestamp(6), who(3), 10);
        agenda.note(Timestamp(6), who(3), 10);
        assert_eq!(agenda.next(), Some(Timestamp(5)));
        assert_eq!(agenda.take(Timestamp(6)), Look::At(vec![who(1), who(3)]));
        assert_eq!(agenda.take(Timestamp(9)), Look::At(vec![who(2)]));
        assert_eq!(agenda.next(), None);
    }

    #[test]
    fn beyond_the_horizon_nothing_is_kept_and_new_entries_are_asked_for() {
        let mut agenda = Agenda::new(&[(Timestamp(5), who(1))], Some(Timestamp(5)), 10);
        agenda.note(Timestamp(6), who(2), 10);
        assert_eq!(agenda.take(Timestamp(5)), Look::Last(vec![who(1)]));
    }

    #[test]
    fn many_entries_bring_the_horizon_nearer() {
        let mut agenda = Agenda::default();
        for n in 0..9 {
            agenda.note(Timestamp(i64::from(n / 2)), who(n), 4);
        }
        assert_eq!(agenda.take(Timestamp(100)), Look::Last((0..4).map(who).collect()), "instants 0 and 1");
    }

    #[test]
    fn at_an_instant_of_too_many_everyone_is_looked_at() {
        let mut agenda = Agenda::default();
        agenda.note(Timestamp(1), who(100), 4);
        (0..9).for_each(|n| agenda.note(Timestamp(3), who(n), 4));
        agenda.note(Timestamp(2), who(101), 4);
        assert_eq!(agenda.take(Timestamp(2)), Look::At(vec![who(100), who(101)]));
        assert_eq!(agenda.next(), Some(Timestamp(3)));
        assert_eq!(agenda.take(Timestamp(3)), Look::Everywhere);
        let same: Vec<_> = (0..30).map(|n| (Timestamp(7), who(n))).collect();
        assert_eq!(Agenda::new(&same, None, 4).take(Timestamp(7)), Look::Everywhere);
    }
}
