//! Many positions in few bits: base + step × code, with codes of 1, 2, 4 or 8 bytes, or whole when that cannot be.
//!
//! Milliseconds that are mostly whole seconds but reach too far for four bytes are split: four bytes of seconds, which
//! are all that a scan reads, and two of milliseconds, looked at only in the seconds at either end.

use std::ops::Range;

use bytes::Bytes;

use crate::bitmap::kernels::{self, Code};
use crate::index::packed_fit::{FINE, Fit, Span, Width};

/// The most positions of one `Packed`.
pub const PACKED_MAX: usize = 65_536;

/// Rows whose edges of a split range are looked at together.
const PIECE: usize = 4_096;

/// A list of i128 positions. Which of them mean something is the caller's to know.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    pub(super) base: i128,
    pub(super) step: u64,
    pub(super) len: u32,
    pub(super) codes: Codes,
}

/// The codes, one for each position.
#[derive(Clone, Debug, Default)]
pub(super) enum Codes {
    /// All are zero.
    #[default]
    None,
    U8(Plane<u8>),
    U16(Plane<u16>),
    U32(Plane<u32>),
    U64(Plane<u64>),
    /// Whole steps of [`FINE`], and what is left of each position.
    Split(Box<(Plane<u32>, Plane<u16>)>),
    /// The positions themselves.
    Wide(Plane<i128>),
}

/// Codes of one width: owned, or a view into a mapped file whose alignment was checked.
#[derive(Clone, Debug)]
pub(super) enum Plane<T> {
    Owned(Vec<T>),
    Mapped(Box<Bytes>),
}

impl<T: bytemuck::Pod + PartialEq> Plane<T> {
    pub(super) fn slice(&self) -> &[T] {
        match self {
            Plane::Owned(codes) => codes,
            Plane::Mapped(bytes) => bytemuck::cast_slice(bytes),
        }
    }

    fn own(&mut self) -> &mut Vec<T> {
        if let Plane::Mapped(bytes) = self {
            *self = Plane::Owned(bytemuck::cast_slice(bytes).to_vec());
        }
        match self {
            Plane::Owned(codes) => codes,
            Plane::Mapped(_) => unreachable!("it was just copied"),
        }
    }

    /// Writes a code at a place, or one past the end after as many zeros as are missing.
    fn put(&mut self, at: usize, code: T) {
        let codes = self.own();
        if at >= codes.len() {
            // Powers of two, so that a whole block leaves nothing unused.
            if at >= codes.capacity() {
                codes.reserve_exact((at + 1).next_power_of_two() - codes.len());
            }
            codes.resize(at + 1, T::zeroed());
        }
        codes[at] = code;
    }

    fn clear(&mut self, at: usize) {
        if self.slice()[at] != T::zeroed() {
            self.own()[at] = T::zeroed();
        }
    }

    fn memory_bytes(&self) -> usize {
        match self {
            Plane::Owned(codes) => size_of::<T>() * codes.capacity(),
            Plane::Mapped(_) => size_of::<Bytes>(),
        }
    }
}

/// Narrows codes that were checked to fit.
fn narrowed<T: TryFrom<u64>>(codes: impl Iterator<Item = u64>) -> Plane<T> {
    let narrow = |code| T::try_from(code).ok().expect("the fit was made for these codes");
    Plane::Owned(codes.map(narrow).collect())
}

impl Packed {
    /// No position.
    pub fn new() -> Packed {
        Packed::default()
    }

    /// These positions, packed tightly.
    ///
    /// Panics: past [`PACKED_MAX`] positions; so do the other ways to grow.
    pub fn from_values(values: &[i128]) -> Packed {
        let span = Span::of(values.iter().copied());
        Packed::encoded(span.map_or_else(Fit::nothing, |span| Fit::tight(&span)), values.iter().copied().map(Some))
    }

    /// These positions, packed tightly; where there is none, anything may be read later.
    pub fn from_rows(rows: &[Option<i128>]) -> Packed {
        let span = Span::of(rows.iter().copied().flatten());
        Packed::encoded(span.map_or_else(Fit::nothing, |span| Fit::tight(&span)), rows.iter().copied())
    }

    fn encoded(fit: Fit, rows: impl ExactSizeIterator<Item = Option<i128>>) -> Packed {
        let len = rows.len();
        assert!(len <= PACKED_MAX, "{len} positions are more than {PACKED_MAX}");
        let distance = |row: Option<i128>| row.map_or(0, |value| value.wrapping_sub(fit.base) as u128);
        let codes = |row| (distance(row) / u128::from(fit.step)) as u64;
        let codes = match fit.width {
            Width::None => Codes::None,
            Width::U8 => Codes::U8(narrowed(rows.map(codes))),
            Width::U16 => Codes::U16(narrowed(rows.map(codes))),
            Width::U32 => Codes::U32(narrowed(rows.map(codes))),
            Width::U64 => Codes::U64(narrowed(rows.map(codes))),
            Width::Split => {
                let parts = |row| (codes(row) as u32, (distance(row) % u128::from(FINE)) as u16);
                let (whole, fine) = rows.map(parts).unzip();
                Codes::Split(Box::new((Plane::Owned(whole), Plane::Owned(fine))))
            }
            Width::Wide => Codes::Wide(Plane::Owned(rows.map(Option::unwrap_or_default).collect())),
        };
        Packed { base: fit.base, step: fit.step, len: len as u32, codes }
    }

    /// How many positions.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Position `at`.
    ///
    /// Panics: past the end.
    pub fn get(&self, at: usize) -> i128 {
        assert!(at < self.len(), "position {at} of {}", self.len);
        match &self.codes {
            Codes::None => self.base,
            Codes::U8(codes) => self.at_code(u64::from(codes.slice()[at])),
            Codes::U16(codes) => self.at_code(u64::from(codes.slice()[at])),
            Codes::U32(codes) => self.at_code(u64::from(codes.slice()[at])),
            Codes::U64(codes) => self.at_code(codes.slice()[at]),
            Codes::Split(planes) => {
                self.at_code(u64::from(planes.0.slice()[at])).wrapping_add(i128::from(planes.1.slice()[at]))
            }
            Codes::Wide(positions) => positions.slice()[at],
        }
    }

    #[inline]
    fn at_code(&self, code: u64) -> i128 {
        self.base.wrapping_add((u128::from(code) * u128::from(self.step)) as i128)
    }

    /// Replaces or adds position `at` (grows to `at + 1`). `held` says of every other place whether it means something;
    /// the rest may change.
    pub fn set(&mut self, at: usize, value: i128, held: &dyn Fn(usize) -> bool) {
        assert!(at < PACKED_MAX, "position {at} is past {PACKED_MAX}");
        let grown = self.len().max(at + 1);
        if !self.put(at, value) {
            *self = self.refitted(grown, at, value, held);
        }
        self.len = grown as u32;
    }

    /// Writes position `at` if its code fits.
    fn put(&mut self, at: usize, value: i128) -> bool {
        // Distances within one line are exact; one that wraps is far beyond every code.
        let Some(distance) = value.checked_sub(self.base).and_then(|d| u128::try_from(d).ok()) else {
            return self.put_wide(at, value);
        };
        let (code, left) = match u64::try_from(distance) {
            Ok(short) if self.step > 0 => (short / self.step, short % self.step),
            Err(_) if self.step > 0 => {
                let step = u128::from(self.step);
                (u64::try_from(distance / step).unwrap_or(u64::MAX), (distance % step) as u64)
            }
            _ => return false,
        };
        let exact = left == 0;
        match &mut self.codes {
            Codes::None => exact && code == 0,
            Codes::U8(codes) if exact => u8::try_from(code).map(|code| codes.put(at, code)).is_ok(),
            Codes::U16(codes) if exact => u16::try_from(code).map(|code| codes.put(at, code)).is_ok(),
            Codes::U32(codes) if exact => u32::try_from(code).map(|code| codes.put(at, code)).is_ok(),
            Codes::U64(codes) if exact && code < u64::MAX => {
                codes.put(at, code);
                true
            }
            Codes::Split(planes) => match u32::try_from(code) {
                Ok(code) => {
                    planes.0.put(at, code);
                    planes.1.put(at, left as u16);
                    true
                }
                Err(_) => false,
            },
            _ => self.put_wide(at, value),
        }
    }

    fn put_wide(&mut self, at: usize, value: i128) -> bool {
        match &mut self.codes {
            Codes::Wide(positions) => {
                positions.put(at, value);
                true
            }
            _ => false,
        }
    }

    /// The same positions and one more, in a form with room around them.
    fn refitted(&self, len: usize, at: usize, value: i128, held: &dyn Fn(usize) -> bool) -> Packed {
        let row = |row: usize| match row {
            _ if row == at => Some(value),
            _ if row < self.len() && held(row) => Some(self.get(row)),
            _ => None,
        };
        let rows: Vec<Option<i128>> = (0..len).map(row).collect();
        let span = Span::of(rows.iter().copied().flatten()).expect("there is the new position");
        Packed::encoded(Fit::roomy(&span), rows.into_iter())
    }

    /// Forgets what place `at` held; it reads as anything afterwards.
    pub fn forget(&mut self, at: usize) {
        if at >= self.len() {
            return;
        }
        match &mut self.codes {
            Codes::None => {}
            Codes::U8(codes) => codes.clear(at),
            Codes::U16(codes) => codes.clear(at),
            Codes::U32(codes) => codes.clear(at),
            Codes::U64(codes) => codes.clear(at),
            Codes::Split(planes) => {
                planes.0.clear(at);
                planes.1.clear(at);
            }
            Codes::Wide(positions) => positions.clear(at),
        }
    }

    /// Adds a position at the end; all before it mean something.
    pub fn push(&mut self, value: i128) {
        self.set(self.len(), value, &|_| true);
    }

    /// Appends all positions, which fit, in order.
    pub fn append_to(&self, out: &mut Vec<u32>) {
        // The width is looked at once and not for every position.
        match &self.codes {
            Codes::U8(codes) => out.extend(codes.slice().iter().map(|code| self.at_code((*code).into()) as u32)),
            Codes::U16(codes) => out.extend(codes.slice().iter().map(|code| self.at_code((*code).into()) as u32)),
            Codes::U32(codes) => out.extend(codes.slice().iter().map(|code| self.at_code((*code).into()) as u32)),
            Codes::None | Codes::U64(_) | Codes::Split(_) | Codes::Wide(_) => {
                out.extend(self.iter().map(|position| position as u32));
            }
        }
    }

    /// Appends the positions whose bits are set, which fit, in order.
    pub fn pick_into(&self, wanted: &[u64], out: &mut Vec<i64>) {
        let (base, step) = (self.base as i64, self.step as i64);
        let at_code = |code: u64| base.wrapping_add(step.wrapping_mul(code as i64));
        match &self.codes {
            Codes::None => pick(wanted, self.len(), out, |_| base),
            Codes::U8(codes) => pick_codes(wanted, codes, out, |code| at_code(code.into())),
            Codes::U16(codes) => pick_codes(wanted, codes, out, |code| at_code(code.into())),
            Codes::U32(codes) => pick_codes(wanted, codes, out, |code| at_code(code.into())),
            Codes::U64(codes) => pick_codes(wanted, codes, out, at_code),
            Codes::Split(planes) => {
                let (whole, fine) = (planes.0.slice(), planes.1.slice());
                pick(wanted, self.len(), out, |at| at_code(whole[at].into()).wrapping_add(fine[at].into()));
            }
            Codes::Wide(positions) => pick_codes(wanted, positions, out, |position| position as i64),
        }
    }

    /// Appends the positions of a range, which fit, in order.
    pub fn read_range(&self, range: Range<usize>, out: &mut Vec<i64>) {
        let (base, step) = (self.base as i64, self.step as i64);
        let at_code = |code: u64| base.wrapping_add(step.wrapping_mul(code as i64));
        match &self.codes {
            Codes::None => out.extend(range.map(|_| base)),
            Codes::U8(codes) => out.extend(codes.slice()[range].iter().map(|code| at_code((*code).into()))),
            Codes::U16(codes) => out.extend(codes.slice()[range].iter().map(|code| at_code((*code).into()))),
            Codes::U32(codes) => out.extend(codes.slice()[range].iter().map(|code| at_code((*code).into()))),
            Codes::U64(codes) => out.extend(codes.slice()[range].iter().map(|code| at_code(*code))),
            Codes::Split(planes) => {
                let both = planes.0.slice()[range.clone()].iter().zip(&planes.1.slice()[range]);
                out.extend(both.map(|(whole, fine)| at_code((*whole).into()).wrapping_add((*fine).into())));
            }
            Codes::Wide(positions) => out.extend(positions.slice()[range].iter().map(|position| *position as i64)),
        }
    }

    /// All positions, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = i128> + DoubleEndedIterator + '_ {
        (0..self.len()).map(|at| self.get(at))
    }

    /// Bit `i` of `out` = `lo <= position i <= hi`. Overwrites all of `out`; bits past the end are clear.
    ///
    /// Panics: when `out` has not a bit for every position.
    pub fn range_into(&self, lo: i128, hi: i128, out: &mut [u64]) {
        assert!(self.len() <= 64 * out.len(), "a bit for every position");
        if lo > hi {
            return out.fill(0);
        }
        match &self.codes {
            Codes::None => fill(out, if lo <= self.base && self.base <= hi { self.len() } else { 0 }),
            Codes::U8(codes) => self.mask(codes, lo, hi, out),
            Codes::U16(codes) => self.mask(codes, lo, hi, out),
            Codes::U32(codes) => self.mask(codes, lo, hi, out),
            Codes::U64(codes) => self.mask(codes, lo, hi, out),
            Codes::Split(planes) => self.mask_split(&planes.0, &planes.1, lo, hi, out),
            Codes::Wide(positions) => {
                out.fill(0);
                for (at, position) in positions.slice().iter().enumerate() {
                    out[at / 64] |= u64::from(lo <= *position && *position <= hi) << (at % 64);
                }
            }
        }
    }

    fn mask<T>(&self, codes: &Plane<T>, lo: i128, hi: i128, out: &mut [u64])
    where
        T: Code + bytemuck::Pod + TryFrom<u128>,
    {
        // A bound beyond the type is the type's last code; a lower bound there leaves nothing.
        let step = u128::from(self.step.max(1));
        let first = if lo <= self.base { 0 } else { lo.saturating_sub(self.base) as u128 };
        let (Ok(first), true) = (T::try_from(first.div_ceil(step)), self.base <= hi) else {
            return out.fill(0);
        };
        let last = hi.saturating_sub(self.base) as u128 / step;
        let most = u128::MAX >> (128 - 8 * size_of::<T>());
        let last = T::try_from(last.min(most)).ok().expect("bounded by the type");
        kernels::range_mask(codes.slice(), first, last, out);
    }

    fn mask_split(&self, whole: &Plane<u32>, fine: &Plane<u16>, lo: i128, hi: i128, out: &mut [u64]) {
        self.mask(whole, lo.saturating_sub(i128::from(FINE) - 1), hi, out);
        // Now the mask may be too wide in the whole step of either end, never too narrow.
        let step = i128::from(FINE);
        let end = |bound: i128| {
            let distance = bound.saturating_sub(self.base);
            u32::try_from(distance.div_euclid(step)).ok().map(|code| (code, distance.rem_euclid(step) as u16))
        };
        let pieces = whole.slice().chunks(PIECE).zip(fine.slice().chunks(PIECE)).zip(out.chunks_mut(PIECE / 64));
        for ((whole, fine), out) in pieces {
            if let Some((code, least)) = end(lo).filter(|(_, least)| *least > 0) {
                drop_edge(whole, fine, code, out, |left| left < least);
            }
            if let Some((code, most)) = end(hi) {
                drop_edge(whole, fine, code, out, |left| left > most);
            }
        }
    }

    /// Heap bytes; mapped codes count as none.
    pub fn memory_bytes(&self) -> usize {
        match &self.codes {
            Codes::None => 0,
            Codes::U8(codes) => codes.memory_bytes(),
            Codes::U16(codes) => codes.memory_bytes(),
            Codes::U32(codes) => codes.memory_bytes(),
            Codes::U64(codes) => codes.memory_bytes(),
            Codes::Split(planes) => size_of_val(&**planes) + planes.0.memory_bytes() + planes.1.memory_bytes(),
            Codes::Wide(positions) => positions.memory_bytes(),
        }
    }
}

fn pick_codes<T: bytemuck::Pod + PartialEq>(
    wanted: &[u64],
    codes: &Plane<T>,
    out: &mut Vec<i64>,
    read: impl Fn(T) -> i64,
) {
    for (word, codes) in wanted.iter().zip(codes.slice().chunks(64)) {
        match *word {
            u64::MAX => out.extend(codes.iter().map(|code| read(*code))),
            word => each_bit(word, |bit| out.push(read(codes[bit]))),
        }
    }
}

/// Appends what is read at each place below `len` whose bit is set.
fn pick(wanted: &[u64], len: usize, out: &mut Vec<i64>, read: impl Fn(usize) -> i64) {
    for (word, from) in wanted.iter().zip((0..len).step_by(64)) {
        match *word {
            u64::MAX => out.extend((from..len.min(from + 64)).map(&read)),
            word => each_bit(word, |bit| out.push(read(from + bit))),
        }
    }
}

fn each_bit(mut word: u64, mut f: impl FnMut(usize)) {
    while word != 0 {
        f(word.trailing_zeros() as usize);
        word &= word - 1;
    }
}

/// Sets the first `len` bits and clears the rest.
fn fill(out: &mut [u64], len: usize) {
    out.fill(0);
    out[..len / 64].fill(!0);
    if !len.is_multiple_of(64) {
        out[len / 64] = (1 << (len % 64)) - 1;
    }
}

/// Clears the rows of one whole step whose rest is out of range.
fn drop_edge(whole: &[u32], fine: &[u16], code: u32, out: &mut [u64], outside: impl Fn(u16) -> bool) {
    let mut edge = [0; PIECE / 64];
    kernels::range_mask(whole, code, code, &mut edge);
    for (at, (slot, &word)) in out.iter_mut().zip(&edge).enumerate() {
        let mut left = word;
        while left != 0 {
            let bit = left.trailing_zeros() as usize;
            *slot &= !(u64::from(outside(fine[64 * at + bit])) << bit);
            left &= left - 1;
        }
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
pub(in crate::index) mod tests;
