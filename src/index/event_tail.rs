//! The newest events of a page, in the order of their arrival, until they are merged into its packed part.

/// Says that an event has no id.
pub const NO_ID: u32 = u32::MAX;

/// One value of one event of the tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    property: u16,
    /// Whether it says where the codes of a set are: their first place and their number.
    set: bool,
    low: u64,
    high: i64,
}

impl Cell {
    fn position(self) -> i128 {
        i128::from(self.high) << 64 | i128::from(self.low)
    }
}

/// A value on its way into an event: a position on its type's line, or the codes of a set.
///
/// Flags are positions 0 and 1, texts the position of their dictionary code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Of anything but a set.
    One(i128),
    /// Of a set: its dictionary codes, in the order written.
    Many(Vec<u32>),
}

/// Events as they came, row by row. A row is named by its place.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    slots: Vec<u16>,
    times: Vec<i64>,
    ids: Vec<u32>,
    /// Where the cells of each row end.
    ends: Vec<u32>,
    cells: Vec<Cell>,
    /// The codes of sets; a set's cell says where they begin and how many they are.
    codes: Vec<u32>,
}

impl Tail {
    /// How many events wait here.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Adds an event after all others.
    pub fn push(&mut self, slot: u16, at: i64, id: u32, entries: &[(u16, Entry)]) {
        self.slots.push(slot);
        self.times.push(at);
        self.ids.push(id);
        for (property, entry) in entries {
            let (set, low, high) = match entry {
                Entry::One(position) => (false, *position as u64, (*position >> 64) as i64),
                Entry::Many(codes) => {
                    let from = self.codes.len() as u64;
                    self.codes.extend_from_slice(codes);
                    (true, from, codes.len() as i64)
                }
            };
            self.cells.push(Cell { property: *property, set, low, high });
        }
        self.ends.push(self.cells.len() as u32);
    }

    /// The contact's place in the page, by row.
    pub fn slots(&self) -> &[u16] {
        &self.slots
    }

    /// When. Units: milliseconds.
    pub fn time(&self, row: usize) -> i64 {
        self.times[row]
    }

    /// The reference of the event's id, or [`NO_ID`].
    pub fn id(&self, row: usize) -> u32 {
        self.ids[row]
    }

    /// Whether some event has an id.
    pub fn has_ids(&self) -> bool {
        self.ids.iter().any(|id| *id != NO_ID)
    }

    fn cells(&self, row: usize) -> &[Cell] {
        let from = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.cells[from..self.ends[row] as usize]
    }

    fn cell(&self, row: usize, property: usize) -> Option<Cell> {
        self.cells(row).iter().find(|cell| usize::from(cell.property) == property).copied()
    }

    /// A value as it was pushed.
    pub fn entry(&self, row: usize, property: usize) -> Option<Entry> {
        let cell = self.cell(row, property)?;
        Some(if cell.set { Entry::Many(self.many(row, property)?.to_vec()) } else { Entry::One(cell.position()) })
    }

    /// The position of a value that is no set.
    pub fn one(&self, row: usize, property: usize) -> Option<i128> {
        self.cell(row, property).filter(|cell| !cell.set).map(Cell::position)
    }

    /// The codes of a set.
    pub fn many(&self, row: usize, property: usize) -> Option<&[u32]> {
        let cell = self.cell(row, property).filter(|cell| cell.set)?;
        let from = usize::try_from(cell.low).ok()?;
        self.codes.get(from..from.checked_add(usize::try_from(cell.high).ok()?)?)
    }

    /// One more than the greatest property position in use.
    pub fn width(&self) -> usize {
        self.cells.iter().map(|cell| usize::from(cell.property) + 1).max().unwrap_or(0)
    }

    /// Rows in the order of contact, time and arrival.
    pub fn sorted(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = (0..self.slots.len() as u32).collect();
        rows.sort_by_key(|row| (self.slots[*row as usize], self.times[*row as usize], *row));
        rows
    }

    /// Rows of one contact in the order of time and arrival.
    pub fn rows_of(&self, slot: u16) -> Vec<u32> {
        let mut rows = Vec::new();
        self.each_of(slot, |row| rows.push(row));
        rows.sort_by_key(|row| (self.times[*row as usize], *row));
        rows
    }

    /// Calls `f` with the rows of one contact in the order of arrival.
    pub fn each_of(&self, slot: u16, mut f: impl FnMut(u32)) {
        // In blocks, so that a contact without a row here costs a vector compare for each block.
        for (block, slots) in self.slots.chunks(64).enumerate() {
            if slots.iter().fold(false, |found, s| found | (*s == slot)) {
                let hits = slots.iter().enumerate().filter(|(_, s)| **s == slot);
                hits.for_each(|(i, _)| f((block * 64 + i) as u32));
            }
        }
    }

    /// The tail without the rows that `keep` refuses.
    pub fn retained(&self, mut keep: impl FnMut(usize) -> bool) -> Tail {
        self.mapped(&mut keep, &mut |_| true)
    }

    /// The tail without the values of one property.
    pub fn without_property(&self, property: usize) -> Tail {
        self.mapped(&mut |_| true, &mut |cell| cell != property)
    }

    fn mapped(&self, row_kept: &mut dyn FnMut(usize) -> bool, cell_kept: &mut dyn FnMut(usize) -> bool) -> Tail {
        let mut out = Tail::default();
        for row in (0..self.len()).filter(|row| row_kept(*row)) {
            out.slots.push(self.slots[row]);
            out.times.push(self.times[row]);
            out.ids.push(self.ids[row]);
            for cell in self.cells(row).iter().filter(|cell| cell_kept(usize::from(cell.property))) {
                // Codes that nobody points to any more are left behind when the page is merged.
                out.cells.push(*cell);
            }
            out.ends.push(out.cells.len() as u32);
        }
        out.codes.clone_from(&self.codes);
        out
    }

    /// Bytes on the heap.
    pub fn memory_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u16>()
            + self.times.capacity() * size_of::<i64>()
            + (self.ids.capacity() + self.ends.capacity() + self.codes.capacity()) * size_of::<u32>()
            + self.cells.capacity() * size_of::<Cell>()
    }
}
