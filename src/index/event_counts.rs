//! How many events of each contact of a page lie in a window and pass: counted for all of them together.

use crate::index::{
    event_group::EventGroup,
    event_marks::RowFilter,
    event_page::{PAGE, Page, bits},
    event_picks::Picks,
};

/// Room to count the events of a page in, kept from page to page.
#[derive(Debug)]
pub struct CountRoom {
    picks: Picks,
    /// By contact of the page; read where there are events alone.
    counts: Box<[u32; PAGE]>,
}

impl Default for CountRoom {
    fn default() -> CountRoom {
        CountRoom { picks: Picks::default(), counts: Box::new([0; PAGE]) }
    }
}

impl Page {
    /// Sets the bits of the contacts with events of whom the number of events in `lo..=hi` that the filter, if there is
    /// one, lets pass is accepted. Units: milliseconds.
    pub fn counts_into(
        &self,
        (lo, hi): (i64, i64),
        filter: Option<&dyn RowFilter>,
        accepts: &impl Fn(usize) -> bool,
        room: &mut CountRoom,
        out: &mut [u64],
    ) {
        let CountRoom { picks, counts } = room;
        picks.find(self, (lo, hi), filter);
        self.base.slots().for_each(|slot| counts[usize::from(slot)] = picks.count(slot));
        let mut present = self.base.present;
        let is_one = |row: u32| {
            let only = [row];
            filter.is_none_or(|filter| filter.passes(&EventGroup::at(self, 0..0, Some(&only)), 0))
        };
        let packed = self.base.times.len();
        for (row, slot) in self.tail.slots().iter().enumerate() {
            let slot = usize::from(*slot);
            if present[slot / 64] >> (slot % 64) & 1 == 0 {
                present[slot / 64] |= 1 << (slot % 64);
                counts[slot] = 0;
            }
            let counts_too = (lo..=hi).contains(&self.tail.time(row)) && is_one((packed + row) as u32);
            counts[slot] += u32::from(counts_too);
        }
        for (at, word) in present.iter().enumerate() {
            for bit in bits(*word) {
                let bit = usize::from(bit);
                out[at] |= u64::from(accepts(counts[at * 64 + bit] as usize)) << bit;
            }
        }
    }
}
