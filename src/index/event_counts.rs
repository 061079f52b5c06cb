//! How many events of each contact of a page lie in a window and pass: counted for all of them together.

use crate::index::{
    event_group::EventGroup,
    event_marks::RowFilter,
    event_page::{PAGE, Page, bits},
};

/// Room to count the events of a page in, kept from page to page.
#[derive(Debug)]
pub struct CountRoom {
    /// The rows that count, a bit each.
    rows: Vec<u64>,
    /// The first row of each present contact, and the end.
    starts: Vec<u32>,
    /// How many rows that count come before each word.
    before: Vec<u32>,
    /// By contact of the page; read where there are events alone.
    counts: Box<[u32; PAGE]>,
}

impl Default for CountRoom {
    fn default() -> CountRoom {
        CountRoom { rows: vec![], starts: vec![], before: vec![], counts: Box::new([0; PAGE]) }
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
        let CountRoom { rows, starts, before, counts } = room;
        self.marks_into((lo, hi), filter, rows);
        self.base.starts.read_into(starts);
        rows.push(0);
        before.clear();
        before.extend(rows.iter().scan(0, |sum, word| Some(std::mem::replace(sum, *sum + word.count_ones()))));
        // How many rows that count come before a row: what a group has is the difference of its ends.
        let rank = |row: u32| {
            let (word, bit) = (row as usize / 64, row % 64);
            before[word] + (rows[word] & ((1 << bit) - 1)).count_ones()
        };
        let mut from = 0;
        for (slot, end) in self.base.slots().zip(&starts[1..]) {
            let to = rank(*end);
            counts[usize::from(slot)] = to - from;
            from = to;
        }
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
