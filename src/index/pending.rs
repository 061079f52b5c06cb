//! Events dated ahead of the clock, in the order in which they come due.

use crate::{
    codec::{
        cursor::{Cursor, Writer},
        damage::Damage,
    },
    index::bag::Bag,
    model::{
        id::{ContactId, EventKindId},
        time::Timestamp,
    },
};

/// An event that is to come due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// Of what kind.
    pub kind: EventKindId,
    /// Whose.
    pub contact: ContactId,
}

/// Events that are to come due.
pub type Pending = Bag<Due>;

impl Bag<Due> {
    /// When the next one comes due.
    pub fn next(&self) -> Option<Timestamp> {
        self.first().map(|due| due.at)
    }

    /// Takes out everything due at `as_of` or before, in order.
    pub fn take_due(&mut self, as_of: Timestamp) -> Vec<Due> {
        self.take_while(|due| due.at <= as_of)
    }

    /// Writes every entry.
    pub fn encode(&self, out: &mut Writer) {
        out.varint(self.len() as u64);
        for due in self.iter() {
            out.i64(due.at.0);
            out.u16(due.kind.0);
            out.u32(due.contact.0);
        }
    }

    /// Reads what [`Bag::encode`] wrote.
    pub fn decode(from: &mut Cursor) -> Result<Pending, Damage> {
        let len = from.count(from.remaining())?;
        let mut sorted: Vec<Due> = Vec::new();
        for _ in 0..len {
            let (at, kind, contact) = (from.i64()?, from.u16()?, from.u32()?);
            let due = Due { at: Timestamp(at), kind: EventKindId(kind), contact: ContactId(contact) };
            if sorted.last().is_some_and(|last| *last > due) {
                return Err(from.damage("pending events in order", format!("{due:?}")));
            }
            sorted.push(due);
        }
        Ok(Pending::from_sorted(&sorted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_and_fall_due_in_order() {
        let due = |at: i64, kind: u16, contact: u32| Due {
            at: Timestamp(at),
            kind: EventKindId(kind),
            contact: ContactId(contact),
        };
        let mut pending = Pending::default();
        for entry in [due(7, 0, 1), due(3, 1, 9), due(3, 0, 2), due(9, 1, 1)] {
            pending.insert(entry);
        }
        let mut out = Writer::new();
        pending.encode(&mut out);
        let mut back = Pending::decode(&mut Cursor::new(out.into_vec().into())).unwrap();
        assert_eq!(back.next(), Some(Timestamp(3)));
        assert_eq!(back.take_due(Timestamp(7)), [due(3, 0, 2), due(3, 1, 9), due(7, 0, 1)]);
        assert_eq!(back.next(), Some(Timestamp(9)));
    }
}
