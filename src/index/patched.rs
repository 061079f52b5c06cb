//! Packed positions, and a few that were written since: a write copies these few, and the many once for all of them.
//!
//! A block of a column is 16 KiB, and where contacts are many nearly every write of a batch falls into another block.

use std::sync::Arc;

use crate::index::packed::Packed;

/// The most rows that wait to be packed.
pub(super) const ROWS_MAX: usize = 24;

/// A list of positions, most of them packed. Which of them mean something is the caller's to know.
#[derive(Clone, Debug, Default)]
pub(super) struct Patched {
    packed: Arc<Packed>,
    rows: Option<Arc<Rows>>,
}

/// Rows written since the others were packed.
#[derive(Clone, Debug)]
struct Rows {
    len: u8,
    /// Ascending; the first `len` count, here and of the positions.
    places: [u16; ROWS_MAX],
    positions: [i128; ROWS_MAX],
}

impl Rows {
    const NONE: Rows = Rows { len: 0, places: [0; ROWS_MAX], positions: [0; ROWS_MAX] };

    fn places(&self) -> &[u16] {
        &self.places[..usize::from(self.len)]
    }

    fn get(&self, at: usize) -> Option<i128> {
        let place = self.places().binary_search(&(at as u16)).ok()?;
        Some(self.positions[place])
    }

    fn iter(&self) -> impl Iterator<Item = (usize, i128)> + '_ {
        self.places().iter().map(|at| usize::from(*at)).zip(self.positions)
    }

    /// Writes a row; returns whether there was room for it.
    fn put(&mut self, at: usize, position: i128) -> bool {
        let len = usize::from(self.len);
        match self.places().binary_search(&(at as u16)) {
            Ok(place) => self.positions[place] = position,
            Err(_) if len == ROWS_MAX => return false,
            Err(place) => {
                self.places.copy_within(place..len, place + 1);
                self.positions.copy_within(place..len, place + 1);
                (self.places[place], self.positions[place]) = (at as u16, position);
                self.len += 1;
            }
        }
        true
    }
}

impl Patched {
    /// Packed positions and rows written since, whose places ascend and are at most [`ROWS_MAX`].
    pub(super) fn new(packed: Packed, rows: &[(usize, i128)]) -> Patched {
        let mut written = Rows::NONE;
        let all = rows.iter().all(|(at, position)| written.put(*at, *position));
        debug_assert!(all, "there is room for them");
        Patched { packed: Arc::new(packed), rows: (!rows.is_empty()).then(|| Arc::new(written)) }
    }

    /// Those that are packed.
    pub(super) fn packed(&self) -> &Packed {
        &self.packed
    }

    /// The rows written since, their places ascending.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, i128)> + '_ {
        self.rows.iter().flat_map(|rows| rows.iter())
    }

    /// Position `at`; anything where none was written.
    pub(super) fn get(&self, at: usize) -> i128 {
        match self.rows.as_ref().and_then(|rows| rows.get(at)) {
            Some(position) => position,
            None if at < self.packed.len() => self.packed.get(at),
            None => 0,
        }
    }

    /// `out` = the positions of the first `len` rows, which fit; anything where none was written.
    pub(super) fn read_into(&self, len: usize, out: &mut Vec<i64>) {
        out.clear();
        self.packed.read_range(0..self.packed.len(), out);
        out.resize(len, 0);
        self.rows().for_each(|(at, position)| out[at] = position as i64);
    }

    /// Writes position `at`. `held` says of every other place whether it means something; the rest may change.
    pub(super) fn set(&mut self, at: usize, position: i128, held: &dyn Fn(usize) -> bool) {
        let rows = self.rows.get_or_insert_with(|| Arc::new(Rows::NONE));
        if !Arc::make_mut(rows).put(at, position) {
            self.pack(&|place| place != at && held(place));
            self.set(at, position, held);
        }
    }

    /// Forgets what place `at` held; it reads as anything afterwards.
    pub(super) fn forget(&mut self, at: usize, held: &dyn Fn(usize) -> bool) {
        self.pack(held);
        Arc::make_mut(&mut self.packed).forget(at);
    }

    /// Packs the rows that wait. What is packed at the place of one that still waits is old or nothing, and widens no fit.
    fn pack(&mut self, held: &dyn Fn(usize) -> bool) {
        let Some(rows) = self.rows.take() else { return };
        let packed = Arc::make_mut(&mut self.packed);
        for (at, position) in rows.iter() {
            let waits = |place: usize| place > at && rows.places().binary_search(&(place as u16)).is_ok();
            packed.set(at, position, &|place| held(place) && !waits(place));
        }
    }

    /// Bit `i` of `out` = `lo <= position i <= hi`. Overwrites all of `out`; bits where none was written say nothing.
    pub(super) fn range_into(&self, lo: i128, hi: i128, out: &mut [u64]) {
        self.packed.range_into(lo, hi, out);
        for (at, position) in self.rows() {
            let (word, bit) = (&mut out[at / 64], at % 64);
            *word = *word & !(1 << bit) | u64::from(lo <= position && position <= hi) << bit;
        }
    }

    /// Heap bytes; mapped codes count as none.
    pub(super) fn memory_bytes(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        let rows = if self.rows.is_some() { COUNTS + size_of::<Rows>() } else { 0 };
        COUNTS + size_of::<Packed>() + self.packed.memory_bytes() + rows
    }
}
