//! The events of one kind of 1,024 neighboring contacts: a packed part in order, and a tail of newcomers.

use std::{ops::Range, sync::Arc};

use crate::{
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SinkError},
    },
    index::{
        event_pack::Pieces,
        event_plane::{Plane, PlaneBuilder},
        event_tail::{Entry, NO_ID, Tail},
    },
};

/// Contacts of a page.
pub const PAGE: usize = 1_024;
const WORDS: usize = PAGE / 64;

/// A tail may grow to an eighth of the packed part, within these bounds, before it is merged.
const TAIL_MIN: usize = 256;
const TAIL_MAX: usize = 8_192;
/// Rows are 32 bits wide; more events of one kind than this do not fit 1,024 contacts.
const EVENTS_MAX: usize = u32::MAX as usize >> 1;

/// Events in the order of contact, time and arrival, in narrow columns. Never changed once made.
#[derive(Clone, Debug)]
pub(super) struct Base {
    /// A bit for each contact that has events here.
    pub(super) present: [u64; WORDS],
    /// The first row of each present contact, and the end.
    pub(super) starts: Pieces,
    pub(super) times: Pieces,
    /// 0, or one more than the reference of the event's id.
    ids: Option<Pieces>,
    /// By property position.
    planes: Vec<Option<Plane>>,
}

/// A page. Rows below the length of the packed part are there, the others in the tail.
#[derive(Clone, Debug)]
pub struct Page {
    pub(super) base: Arc<Base>,
    pub(super) tail: Tail,
}

impl Base {
    fn empty() -> Base {
        let starts = Pieces::from_values(&[0]);
        Base { present: [0; WORDS], starts, times: Pieces::from_values(&[]), ids: None, planes: Vec::new() }
    }

    fn len(&self) -> usize {
        self.times.len()
    }

    fn range(&self, slot: u16) -> Range<usize> {
        let (word, bit) = (usize::from(slot) / 64, slot % 64);
        if self.present[word] >> bit & 1 == 0 {
            return 0..0;
        }
        let before: u32 = self.present[..word].iter().map(|w| w.count_ones()).sum();
        let rank = (before + (self.present[word] & ((1 << bit) - 1)).count_ones()) as usize;
        self.starts.get(rank) as usize..self.starts.get(rank + 1) as usize
    }

    /// Present contacts, in order.
    pub(super) fn slots(&self) -> impl Iterator<Item = u16> + '_ {
        let words = self.present.iter().enumerate();
        words.flat_map(|(at, word)| bits(*word).map(move |bit| (at * 64) as u16 + bit))
    }

    /// Present contacts and their rows, in order.
    fn groups(&self) -> impl Iterator<Item = (u16, Range<usize>)> {
        self.slots().scan((0, 0), |(rank, from), slot| {
            *rank += 1;
            let to = self.starts.get(*rank) as usize;
            Some((slot, std::mem::replace(from, to)..to))
        })
    }

    fn time(&self, row: usize) -> i64 {
        self.times.get(row) as i64
    }

    pub(super) fn plane(&self, property: usize) -> Option<&Plane> {
        self.planes.get(property).and_then(Option::as_ref)
    }
}

impl Page {
    /// A page without events.
    pub fn empty() -> Page {
        Page { base: Arc::new(Base::empty()), tail: Tail::default() }
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.base.len() + self.tail.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every event is in the packed part.
    pub fn is_merged(&self) -> bool {
        self.tail.is_empty()
    }

    /// Makes ready for a write to a page that may be shared. A copy made for every write is kept short: a tail that is
    /// long for a page written to again and again is merged instead of copied.
    pub fn make_mut(page: &mut Arc<Page>) -> &mut Page {
        if Arc::get_mut(page).is_none() {
            let short = 4 * page.base.len().isqrt();
            let copy = if page.tail.len() > short.clamp(64, 1_024) { page.merged() } else { Page::clone(page) };
            *page = Arc::new(copy);
        }
        Arc::get_mut(page).expect("a page just made has one owner")
    }

    /// Adds an event after all others of its time.
    pub fn push(&mut self, slot: u16, at: i64, id: u32, entries: &[(u16, Entry)]) {
        if self.tail.len() >= (self.base.len() / 8).clamp(TAIL_MIN, TAIL_MAX) {
            *self = self.merged();
        }
        self.tail.push(slot, at, id, entries);
    }

    /// The contacts that have events in the tail, a bit each.
    pub fn in_tail(&self) -> [u64; WORDS] {
        let mut found = [0; WORDS];
        self.tail.slots().iter().for_each(|slot| found[usize::from(*slot) / 64] |= 1 << (slot % 64));
        found
    }

    /// The rows of a contact in the packed part.
    pub fn packed_rows(&self, slot: u16) -> Range<usize> {
        self.base.range(slot)
    }

    /// The rows of a contact in the order of time and arrival, if some of them are in the tail.
    pub fn mixed_rows(&self, slot: u16) -> Option<Vec<u32>> {
        let tail = self.tail.rows_of(slot);
        if tail.is_empty() {
            return None;
        }
        let mut rows = Vec::with_capacity(tail.len() + self.base.range(slot).len());
        self.interleave(self.base.range(slot), &tail, &mut rows);
        Some(rows)
    }

    /// Merges rows of the packed part with rows of the tail, those of the packed part first at equal times.
    fn interleave(&self, packed: Range<usize>, tail: &[u32], rows: &mut Vec<u32>) {
        let mut tail = tail.iter().peekable();
        let base_len = self.base.len() as u32;
        for row in packed {
            let at = self.base.time(row);
            while let Some(newcomer) = tail.next_if(|newcomer| self.tail.time(**newcomer as usize) < at) {
                rows.push(base_len + newcomer);
            }
            rows.push(row as u32);
        }
        rows.extend(tail.map(|newcomer| base_len + newcomer));
    }

    /// Calls `f` with every contact that has events and its rows in order: a run of the packed part, or, where some
    /// are in the tail, a list.
    pub fn for_each(&self, mut f: impl FnMut(u16, Range<usize>, Option<&[u32]>)) {
        let sorted = self.tail.sorted();
        let mut runs = sorted.chunk_by(|a, b| self.tail.slots()[*a as usize] == self.tail.slots()[*b as usize]);
        let mut next = runs.next();
        let mut rows = Vec::new();
        let slot_of = |run: &[u32]| self.tail.slots()[run[0] as usize];
        for (slot, range) in self.base.groups() {
            while let Some(run) = next.filter(|run| slot_of(run) < slot) {
                rows.clear();
                self.interleave(0..0, run, &mut rows);
                f(slot_of(run), 0..0, Some(&rows));
                next = runs.next();
            }
            match next.filter(|run| slot_of(run) == slot) {
                None => f(slot, range, None),
                Some(run) => {
                    rows.clear();
                    self.interleave(range.clone(), run, &mut rows);
                    f(slot, range, Some(&rows));
                    next = runs.next();
                }
            }
        }
        while let Some(run) = next {
            rows.clear();
            self.interleave(0..0, run, &mut rows);
            f(slot_of(run), 0..0, Some(&rows));
            next = runs.next();
        }
    }

    /// Calls `f` with every row of a contact, in no order.
    pub fn each_row(&self, slot: u16, mut f: impl FnMut(usize)) {
        self.base.range(slot).for_each(&mut f);
        self.tail.each_of(slot, |row| f(self.base.len() + row as usize));
    }

    /// How many events of a contact lie in `lo..=hi`. Units: milliseconds.
    pub fn count_in(&self, slot: u16, lo: i64, hi: i64) -> usize {
        let mut count = self.packed_between(slot, lo, hi).len();
        self.tail.each_of(slot, |row| count += usize::from((lo..=hi).contains(&self.tail.time(row as usize))));
        count
    }

    /// Sets the bits of the rows of the packed part that lie in `lo..=hi`. Units: milliseconds.
    pub fn packed_in(&self, lo: i64, hi: i64, rows: &mut Vec<u64>) {
        self.base.times.range_into(lo.into(), hi.into(), rows);
    }

    /// Sets the bits of the contacts with an event in `lo..=hi`. `rows` is a scratch. Units: milliseconds.
    pub fn window_into(&self, lo: i64, hi: i64, rows: &mut Vec<u64>, out: &mut [u64]) {
        let base = &*self.base;
        base.times.range_into(lo.into(), hi.into(), rows);
        let mut set = |slot: u16| out[usize::from(slot) / 64] |= 1 << (slot % 64);
        let found: u32 = rows.iter().map(|word| word.count_ones()).sum();
        if found as usize > PAGE / 8 {
            let has_one =
                |rows: &[u64], range: Range<usize>| range.into_iter().any(|row| rows[row / 64] >> (row % 64) & 1 == 1);
            base.groups().filter(|(_, range)| has_one(rows, range.clone())).for_each(|(slot, _)| set(slot));
        } else if found > 0 {
            let mut slots = base.slots().enumerate();
            let mut rank_of = 0;
            let mut slot_at = |rank: usize| slots.find(|(at, _)| *at == rank).map(|(_, slot)| slot);
            for (place, word) in rows.iter().enumerate() {
                let mut word = *word;
                while word != 0 {
                    let row = place * 64 + word.trailing_zeros() as usize;
                    word &= word - 1;
                    // The group whose start is the last one not after the row.
                    let next = partition(rank_of..base.starts.len(), |rank| base.starts.get(rank) <= row as i128);
                    if next > rank_of {
                        rank_of = next;
                        slot_at(next - 1).into_iter().for_each(&mut set);
                    }
                }
            }
        }
        for (row, slot) in self.tail.slots().iter().enumerate() {
            if (lo..=hi).contains(&self.tail.time(row)) {
                set(*slot);
            }
        }
    }

    /// The times of every so many events of the packed part, and of the tail. Units: milliseconds.
    pub fn sample(&self, step: usize, out: &mut Vec<i64>) {
        out.extend((step / 2..self.base.len()).step_by(step).map(|row| self.base.time(row)));
        out.extend((step / 2..self.tail.len()).step_by(step).map(|row| self.tail.time(row)));
    }

    /// The newest time of a contact that is not after `limit`, and the oldest time.
    pub fn bounds(&self, slot: u16, limit: i64) -> Option<(i64, i64)> {
        let range = self.packed_between(slot, i64::MIN, limit);
        let mut bounds = (!range.is_empty()).then(|| (self.base.time(range.start), self.base.time(range.end - 1)));
        self.tail.each_of(slot, |row| {
            let at = self.tail.time(row as usize);
            if at <= limit {
                bounds = Some(bounds.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
            }
        });
        bounds
    }

    /// The rows of a contact in the packed part that lie in `lo..=hi`. Units: milliseconds.
    pub(super) fn packed_between(&self, slot: u16, lo: i64, hi: i64) -> Range<usize> {
        let range = self.base.range(slot);
        let from = partition(range.clone(), |row| self.base.time(row) < lo);
        from..partition(from..range.end, |row| self.base.time(row) <= hi)
    }

    /// When. Units: milliseconds.
    pub fn time(&self, row: usize) -> i64 {
        match row.checked_sub(self.base.len()) {
            None => self.base.time(row),
            Some(row) => self.tail.time(row),
        }
    }

    /// The reference of the event's id, or [`NO_ID`].
    pub fn id(&self, row: usize) -> u32 {
        match row.checked_sub(self.base.len()) {
            None => self.base.ids.as_ref().map_or(NO_ID, |ids| (ids.get(row) as u32).wrapping_sub(1)),
            Some(row) => self.tail.id(row),
        }
    }

    /// The position of a value that is no set.
    pub fn one(&self, row: usize, property: usize) -> Option<i128> {
        match row.checked_sub(self.base.len()) {
            None => self.base.plane(property)?.one(row),
            Some(row) => self.tail.one(row, property),
        }
    }

    /// The codes of a set; `None` when the event has none.
    pub fn many(&self, row: usize, property: usize) -> Option<Vec<u32>> {
        match row.checked_sub(self.base.len()) {
            None => self.base.plane(property)?.many(row),
            Some(row) => self.tail.many(row, property).map(<[u32]>::to_vec),
        }
    }

    /// One more than the greatest property position in use.
    pub fn width(&self) -> usize {
        self.base.planes.len().max(self.tail.width())
    }

    /// The same events, all in the packed part.
    pub fn merged(&self) -> Page {
        self.retained(|_| true)
    }

    /// The page without the rows that `keep` refuses; when any go, the rest is packed anew.
    pub fn retained(&self, mut keep: impl FnMut(usize) -> bool) -> Page {
        let mut rows = Vec::with_capacity(self.len());
        self.for_each(|slot, range, mixed| match mixed {
            Some(list) => rows.extend(list.iter().map(|row| (slot, *row as usize))),
            None => rows.extend(range.map(|row| (slot, row))),
        });
        rows.retain(|(_, row)| keep(*row));
        Page { base: Arc::new(self.pack(&rows)), tail: Tail::default() }
    }

    fn pack(&self, rows: &[(u16, usize)]) -> Base {
        let mut present = [0u64; WORDS];
        let mut starts = Vec::new();
        for (place, (slot, _)) in rows.iter().enumerate() {
            if place == 0 || rows[place - 1].0 != *slot {
                starts.push(place as i128);
                present[usize::from(*slot) / 64] |= 1 << (slot % 64);
            }
        }
        starts.push(rows.len() as i128);
        let times: Vec<i128> = rows.iter().map(|(_, row)| i128::from(self.time(*row))).collect();
        let ids: Vec<i128> = if self.base.ids.is_some() || self.tail.has_ids() {
            rows.iter().map(|(_, row)| i128::from(self.id(*row).wrapping_add(1))).collect()
        } else {
            Vec::new()
        };
        let mut planes: Vec<Option<Plane>> = (0..self.width()).map(|property| self.plane(rows, property)).collect();
        planes.truncate(planes.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        let ids = ids.iter().any(|id| *id != 0).then(|| Pieces::from_values(&ids));
        Base { present, starts: Pieces::from_values(&starts), times: Pieces::from_values(&times), ids, planes }
    }

    fn plane(&self, rows: &[(u16, usize)], property: usize) -> Option<Plane> {
        let base_len = self.base.len();
        let packed = self.base.plane(property);
        let mut builder = PlaneBuilder::default();
        for (_, row) in rows {
            match row.checked_sub(base_len) {
                None => builder.copy(packed, *row),
                Some(row) => builder.entry(self.tail.entry(row, property)),
            }
        }
        builder.finish()
    }

    /// The page without the values of one property.
    pub fn without_property(&self, property: usize) -> Page {
        let mut base = Base::clone(&self.base);
        if let Some(plane) = base.planes.get_mut(property) {
            *plane = None;
        }
        base.planes.truncate(base.planes.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        Page { base: Arc::new(base), tail: self.tail.without_property(property) }
    }

    /// Bytes on the heap or in a mapping.
    pub fn memory_bytes(&self) -> usize {
        let base = &self.base;
        let planes: usize = base.planes.iter().flatten().map(Plane::memory_bytes).sum();
        size_of::<Base>()
            + base.starts.memory_bytes()
            + base.times.memory_bytes()
            + base.ids.as_ref().map_or(0, Pieces::memory_bytes)
            + planes
            + self.tail.memory_bytes()
    }

    /// Writes the packed part; the page must be merged.
    pub fn encode(&self, out: &mut dyn SectionSink) -> Result<(), SinkError> {
        debug_assert!(self.is_merged(), "only a merged page is written");
        let base = &self.base;
        out.align(8)?;
        for word in base.present {
            out.put(&word.to_le_bytes())?;
        }
        out.put(&u32::from(base.ids.is_some()).to_le_bytes())?;
        out.put(&(base.planes.len() as u32).to_le_bytes())?;
        base.starts.encode(out)?;
        base.times.encode(out)?;
        if let Some(ids) = &base.ids {
            ids.encode(out)?;
        }
        base.planes.iter().try_for_each(|plane| Plane::encode(plane.as_ref(), out))
    }

    /// Reads what [`Page::encode`] wrote, in place.
    pub fn decode(from: &mut Cursor, width_max: usize) -> Result<Page, Damage> {
        from.align(8)?;
        let mut present = [0u64; WORDS];
        for word in &mut present {
            *word = from.u64()?;
        }
        let (has_ids, width) = (from.u32()?, from.u32()? as usize);
        if has_ids > 1 || width > width_max {
            return Err(from.damage(format!("at most {width_max} properties of events"), width));
        }
        let starts = Pieces::decode(from, PAGE + 1)?;
        let times = Pieces::decode(from, EVENTS_MAX)?;
        let ids = if has_ids == 1 { Some(Pieces::decode(from, times.len())?) } else { None };
        let planes = (0..width).map(|_| Plane::decode(from, times.len())).collect::<Result<Vec<_>, Damage>>()?;
        let base = Base { present, starts, times, ids, planes };
        base.check().map_err(|what| from.damage("events in order", what))?;
        Ok(Page { base: Arc::new(base), tail: Tail::default() })
    }

    /// Walks the packed part whole: contacts and times in order, no value out of place.
    pub fn check(&self) -> Result<(), String> {
        self.base.check()?;
        for (slot, range) in self.base.groups() {
            let sorted = range.clone().skip(1).all(|row| self.base.time(row - 1) <= self.base.time(row));
            if range.is_empty() || !sorted {
                return Err(format!("the events of contact {slot} of a page are empty or out of order"));
            }
        }
        self.base.planes.iter().flatten().try_for_each(Plane::check)
    }
}

impl Base {
    /// What must hold for every read to stay within bounds.
    fn check(&self) -> Result<(), String> {
        let groups: u32 = self.present.iter().map(|word| word.count_ones()).sum();
        let len = self.times.len();
        if self.starts.len() != groups as usize + 1 {
            return Err(format!("{} starts of {groups} contacts", self.starts.len()));
        }
        let mut before = 0;
        for i in 0..self.starts.len() {
            let start = self.starts.get(i);
            if start < before || start > len as i128 || (i == 0 && start != 0) {
                return Err(format!("a start at {start} after {before} in {len} events"));
            }
            before = start;
        }
        let ids_fit = self.ids.as_ref().is_none_or(|ids| ids.len() == len);
        if before != len as i128 || !ids_fit {
            return Err(format!("groups that end at {before} of {len} events"));
        }
        Ok(())
    }
}

/// The places of the bits that are set, ascending.
pub(super) fn bits(mut word: u64) -> impl Iterator<Item = u16> {
    std::iter::from_fn(move || {
        let bit = word.trailing_zeros() as u16;
        word &= word.checked_sub(1)?;
        Some(bit)
    })
}

/// The first row of a sorted run for which `before` no longer holds.
pub fn partition(range: Range<usize>, before: impl Fn(usize) -> bool) -> usize {
    let (mut lo, mut hi) = (range.start, range.end);
    while lo < hi {
        let middle = lo + (hi - lo) / 2;
        if before(middle) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    lo
}
