//! The values of one event property in a page's packed part: a position for each event, or a run of codes for sets.

use bytes::Bytes;

use crate::{
    codec::{
        cursor::Cursor,
        damage::Damage,
        section::{SectionSink, SinkError},
    },
    index::{event_pack::Pieces, event_page::bits, event_tail::Entry},
};

/// The most codes of all sets of one page; far beyond what fits in memory, it only stops damage from asking for more.
const CODES_MAX: usize = 1 << 40;

/// Values by row.
#[derive(Clone, Debug)]
pub struct Plane {
    /// A bit for each row that has a value, little-endian; `None` when all have.
    present: Option<Bytes>,
    len: usize,
    /// Of sets: where the codes of each row begin, and the end.
    starts: Option<Pieces>,
    /// A position for each row, or all codes of the sets.
    values: Pieces,
}

/// Gathers the values of a plane row by row.
#[derive(Default)]
pub struct PlaneBuilder {
    rows: Vec<Option<i128>>,
    /// Where the codes of each row end, once a set was seen.
    ends: Vec<usize>,
    codes: Vec<i128>,
    sets: bool,
    any: bool,
}

impl PlaneBuilder {
    /// Takes the value of a row of a plane.
    pub fn copy(&mut self, plane: Option<&Plane>, row: usize) {
        let entry = plane.and_then(|plane| match plane.starts {
            None => plane.one(row).map(Entry::One),
            Some(_) => plane.many(row).map(Entry::Many),
        });
        self.entry(entry);
    }

    /// Takes a value, or that there is none.
    pub fn entry(&mut self, entry: Option<Entry>) {
        self.any |= entry.is_some();
        match entry {
            None => self.rows.push(None),
            Some(Entry::One(position)) => self.rows.push(Some(position)),
            Some(Entry::Many(codes)) => {
                self.sets = true;
                self.rows.push(Some(0));
                self.codes.extend(codes.iter().map(|code| i128::from(*code)));
            }
        }
        self.ends.push(self.codes.len());
    }

    /// The plane, or `None` when no row has a value.
    pub fn finish(self) -> Option<Plane> {
        if !self.any {
            return None;
        }
        let len = self.rows.len();
        let present = self.rows.iter().any(Option::is_none).then(|| {
            let mut bits = vec![0u8; len.div_ceil(64) * 8];
            let held = self.rows.iter().enumerate().filter(|(_, value)| value.is_some());
            held.for_each(|(row, _)| bits[row / 8] |= 1 << (row % 8));
            Bytes::from(bits)
        });
        if self.sets {
            let starts: Vec<i128> = std::iter::once(0).chain(self.ends.iter().map(|end| *end as i128)).collect();
            let (starts, values) = (Some(Pieces::from_values(&starts)), Pieces::from_values(&self.codes));
            return Some(Plane { present, len, starts, values });
        }
        Some(Plane { present, len, starts: None, values: Pieces::from_rows(&self.rows) })
    }
}

impl Plane {
    fn holds(&self, row: usize) -> bool {
        self.present.as_ref().is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1)
    }

    /// The position of a value that is no set.
    pub fn one(&self, row: usize) -> Option<i128> {
        (self.starts.is_none() && self.holds(row)).then(|| self.values.get(row))
    }

    /// The codes of a set.
    pub fn many(&self, row: usize) -> Option<Vec<u32>> {
        let starts = self.starts.as_ref().filter(|_| self.holds(row))?;
        let range = starts.get(row) as usize..starts.get(row + 1) as usize;
        Some(range.map(|at| self.values.get(at) as u32).collect())
    }

    /// Whether its values are sets.
    pub fn has_sets(&self) -> bool {
        self.starts.is_some()
    }

    /// Keeps of some rows, as bits, those that have a value.
    pub fn keep_present(&self, rows: &mut [u64]) {
        let Some(bits) = &self.present else { return };
        for (row, held) in rows.iter_mut().zip(bits.as_chunks::<8>().0) {
            *row &= u64::from_le_bytes(*held);
        }
    }

    /// Appends the values, which are no sets and fit, of some rows that have one, in order.
    pub fn pick_into(&self, rows: &[u64], out: &mut Vec<i64>) {
        self.values.pick_into(rows, out);
    }

    /// Keeps of some rows those whose value, which is no set, lies in one of the spans.
    pub fn keep_between(&self, spans: &[(i128, i128)], rows: &mut [u64]) {
        if self.starts.is_some() {
            return rows.fill(0);
        }
        let (mut found, mut one) = (vec![0u64; rows.len()], Vec::new());
        for (lo, hi) in spans {
            self.values.range_into(*lo, *hi, &mut one);
            found.iter_mut().zip(&one).for_each(|(found, one)| *found |= one);
        }
        rows.iter_mut().zip(&found).for_each(|(row, found)| *row &= found);
        self.keep_present(rows);
    }

    /// Keeps of some rows those of which the value or one code of the set passes.
    pub fn keep_passing(&self, passes: &dyn Fn(i128) -> bool, rows: &mut [u64]) {
        self.keep_present(rows);
        for (place, word) in rows.iter_mut().enumerate() {
            for bit in bits(*word) {
                let row = place * 64 + usize::from(bit);
                let of = match &self.starts {
                    None => row..row + 1,
                    Some(starts) => starts.get(row) as usize..starts.get(row + 1) as usize,
                };
                if !of.into_iter().any(|at| passes(self.values.get(at))) {
                    *word &= !(1 << bit);
                }
            }
        }
    }

    /// Heap bytes; mapped codes count as none.
    pub fn memory_bytes(&self) -> usize {
        let present = self.present.as_ref().map_or(0, Bytes::len);
        size_of::<Plane>() + present + self.values.memory_bytes() + self.starts.as_ref().map_or(0, Pieces::memory_bytes)
    }

    /// Appends a plane, or that there is none, to the open section of `out`.
    pub fn encode(plane: Option<&Plane>, out: &mut dyn SectionSink) -> Result<(), SinkError> {
        let Some(plane) = plane else {
            return out.put(&0u32.to_le_bytes());
        };
        let form = 1 + 2 * u32::from(plane.present.is_some()) + 4 * u32::from(plane.starts.is_some());
        out.put(&form.to_le_bytes())?;
        if let Some(bits) = &plane.present {
            out.put(bits)?;
        }
        if let Some(starts) = &plane.starts {
            starts.encode(out)?;
        }
        plane.values.encode(out)
    }

    /// Reads in place what [`Plane::encode`] wrote for `len` rows.
    pub fn decode(from: &mut Cursor, len: usize) -> Result<Option<Plane>, Damage> {
        let form = from.u32()?;
        if form == 0 {
            return Ok(None);
        }
        if form > 7 || form & 1 == 0 {
            return Err(from.damage("the form of a plane", form));
        }
        let present = if form & 2 != 0 { Some(from.take_array(len.div_ceil(64), 8)?) } else { None };
        let starts = if form & 4 != 0 { Some(Pieces::decode(from, len + 1)?) } else { None };
        let values = Pieces::decode(from, if starts.is_some() { CODES_MAX } else { len })?;
        let plane = Plane { present, len, starts, values };
        plane.bounds().map_err(|what| from.damage("the values of a property", what))?;
        Ok(Some(plane))
    }

    /// What must hold for every read to stay within bounds.
    fn bounds(&self) -> Result<(), String> {
        let Some(starts) = &self.starts else {
            let fits = self.values.len() == self.len;
            return if fits { Ok(()) } else { Err(format!("{} values of {} events", self.values.len(), self.len)) };
        };
        let ordered = (1..starts.len()).all(|i| starts.get(i - 1) <= starts.get(i));
        let ends = starts.len() == self.len + 1
            && starts.get(0) == 0
            && starts.get(self.len) == self.values.len() as i128
            && ordered;
        if ends { Ok(()) } else { Err(format!("sets of {} events out of order", self.len)) }
    }

    /// Walks the plane whole.
    pub fn check(&self) -> Result<(), String> {
        self.bounds()?;
        if (0..self.len).all(|row| !self.holds(row)) {
            return Err("a plane without a value is kept".into());
        }
        Ok(())
    }
}
