//! The container of one chunk: nothing, everything, a short sorted list, or words; owned, or a view into a mapped file.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::bitmap::{CHUNK, patch::Patch, words::Words};

/// The most values a sorted list holds before it turns into words.
pub const ARRAY_MAX: usize = 4_096;
/// Words turn back into a list when they hold no more than this: half, so that a chunk at the edge does not flap.
pub const DEMOTE_AT: usize = ARRAY_MAX / 2;
/// The most values kept in the slot itself, without the heap.
pub const FEW_MAX: usize = 7;
/// A list moves back into the slot when it holds no more than this.
const FEW_AT: usize = FEW_MAX / 2;
/// A list that others hold is patched from so many values on; a shorter one is copied.
const PATCHED_MIN: usize = 128;

/// The contacts of one chunk, in 16 bytes. Cloning shares; a write to what is shared copies it first.
#[derive(Clone)]
pub struct Chunk(Repr);

const _: () = assert!(size_of::<Chunk>() == 16);

#[derive(Clone)]
enum Repr {
    Empty,
    Full,
    /// Ascending, one to seven.
    Few {
        len: u8,
        ids: [u16; FEW_MAX],
    },
    /// Ascending, one to `ARRAY_MAX`.
    Array(Arc<Vec<u16>>),
    /// With the number of set bits: neither none nor all.
    Words(Arc<Words>, u32),
    /// As `Array`, `len` values at byte `2 * at` of shared bytes.
    MappedArray {
        base: Arc<Bytes>,
        at: u32,
        len: u16,
    },
    /// As `Words`, at byte `2 * at` of shared bytes, where 64-byte alignment was checked.
    MappedWords {
        base: Arc<Bytes>,
        at: u32,
        len: u16,
    },
    /// A list or words that others hold too, with what was changed since; and how many values that makes.
    Patched(Arc<Patch>, u32),
}

/// What a chunk is made of, to be read without a copy.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// No contact.
    Empty,
    /// All 65,536.
    Full,
    /// These, ascending; at least one.
    Array(&'a [u16]),
    /// The set bits; neither none nor all.
    Words(&'a Words),
}

impl Chunk {
    /// No contact.
    pub const EMPTY: Chunk = Chunk(Repr::Empty);
    /// All 65,536.
    pub const FULL: Chunk = Chunk(Repr::Full);

    /// The chunk of ascending, distinct values.
    pub fn from_sorted(values: &[u16]) -> Chunk {
        debug_assert!(values.is_sorted_by(|a, b| a < b), "values ascend");
        match values.len() {
            0 => Chunk::EMPTY,
            CHUNK => Chunk::FULL,
            len if len <= FEW_MAX => {
                let mut ids = [0; FEW_MAX];
                ids[..len].copy_from_slice(values);
                Chunk(Repr::Few { len: len as u8, ids })
            }
            len if len <= ARRAY_MAX => Chunk(Repr::Array(Arc::new(values.to_vec()))),
            len => {
                let mut words = Words::zero();
                words.set_all(values);
                Chunk(Repr::Words(Arc::new(words), len as u32))
            }
        }
    }

    /// The chunk of the set bits; a list up to [`DEMOTE_AT`].
    pub fn from_words(words: &Words) -> Chunk {
        Chunk::from_counted(words, words.count())
    }

    /// As [`Chunk::from_words`], for words whose set bits were counted.
    pub fn from_counted(words: &Words, len: u32) -> Chunk {
        debug_assert_eq!(words.count(), len, "the count is right");
        match Chunk::from_few_bits(words, len) {
            Some(chunk) => chunk,
            None => Chunk(Repr::Words(Arc::new(*words), len)),
        }
    }

    fn from_few_bits(words: &Words, len: u32) -> Option<Chunk> {
        match len as usize {
            CHUNK => Some(Chunk::FULL),
            len if len <= DEMOTE_AT => {
                let mut values = Vec::with_capacity(len);
                words.for_each(|at| values.push(at));
                Some(if len <= FEW_MAX { Chunk::from_sorted(&values) } else { Chunk(Repr::Array(Arc::new(values))) })
            }
            _ => None,
        }
    }

    /// A list inside shared bytes.
    pub(super) fn mapped_array(base: &Arc<Bytes>, at: u32, len: u16) -> Chunk {
        let chunk = Chunk(Repr::MappedArray { base: base.clone(), at, len });
        match chunk.view() {
            View::Array(values) if values.len() <= FEW_MAX => Chunk::from_sorted(values),
            _ => chunk,
        }
    }

    /// Words inside shared bytes.
    pub(super) fn mapped_words(base: &Arc<Bytes>, at: u32, len: u16) -> Chunk {
        Chunk(Repr::MappedWords { base: base.clone(), at, len })
    }

    /// What it is made of.
    pub fn view(&self) -> View<'_> {
        match &self.0 {
            Repr::Empty => View::Empty,
            Repr::Full => View::Full,
            Repr::Few { len, ids } => View::Array(&ids[..usize::from(*len)]),
            Repr::Array(values) => View::Array(values),
            Repr::Words(words, _) => View::Words(words),
            Repr::MappedArray { base, at, len } => {
                let start = 2 * *at as usize;
                View::Array(bytemuck::cast_slice(&base[start..start + 2 * usize::from(*len)]))
            }
            Repr::MappedWords { base, at, .. } => {
                let start = 2 * *at as usize;
                View::Words(bytemuck::from_bytes(&base[start..start + size_of::<Words>()]))
            }
            Repr::Patched(patch, _) => patch.whole().view(),
        }
    }

    /// How many contacts; known, not counted.
    pub fn len(&self) -> u32 {
        match &self.0 {
            Repr::Empty => 0,
            Repr::Full => CHUNK as u32,
            Repr::Few { len, .. } => u32::from(*len),
            Repr::Array(values) => values.len() as u32,
            Repr::Words(_, len) | Repr::Patched(_, len) => *len,
            Repr::MappedArray { len, .. } | Repr::MappedWords { len, .. } => u32::from(*len),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self.0, Repr::Empty)
    }

    /// Whether all 65,536 are in.
    pub fn is_full(&self) -> bool {
        matches!(self.0, Repr::Full)
    }

    /// Whether `at` is in.
    pub fn contains(&self, at: u16) -> bool {
        if let Repr::Patched(patch, _) = &self.0 {
            return patch.contains(at);
        }
        match self.view() {
            View::Empty => false,
            View::Full => true,
            View::Array(values) => values.binary_search(&at).is_ok(),
            View::Words(words) => words.get(at),
        }
    }

    /// Sets in `out`, from bit `place` on, a bit for each of some ids of the chunk, which ascend, that is in; none of them
    /// is set.
    pub(super) fn gather(&self, ids: &[u32], place: usize, out: &mut [u64]) {
        match &self.0 {
            Repr::Patched(patch, _) => patch.gather(ids, place, out),
            _ => self.view().gather(ids, place, out),
        }
    }

    /// Puts `at` in; returns whether it was not.
    pub fn insert(&mut self, at: u16) -> bool {
        if self.is_to_be_patched() {
            return !self.contains(at) && (self.patch(at, self.len() + 1) || self.insert(at));
        }
        match &mut self.0 {
            Repr::Empty => *self = Chunk::from_sorted(&[at]),
            Repr::Full => return false,
            Repr::Few { len, ids } => {
                let held = usize::from(*len);
                let Err(place) = ids[..held].binary_search(&at) else { return false };
                if held < FEW_MAX {
                    ids.copy_within(place..held, place + 1);
                    ids[place] = at;
                    *len += 1;
                } else {
                    let mut values = Vec::with_capacity(2 * FEW_MAX + 2);
                    values.extend_from_slice(&ids[..]);
                    values.insert(place, at);
                    self.0 = Repr::Array(Arc::new(values));
                }
            }
            Repr::Array(values) => {
                let place = match values.last() {
                    Some(&last) if last < at => values.len(),
                    _ => match values.binary_search(&at) {
                        Ok(_) => return false,
                        Err(place) => place,
                    },
                };
                if values.len() == ARRAY_MAX {
                    self.promote();
                    return self.insert(at);
                }
                Arc::make_mut(values).insert(place, at);
            }
            Repr::Words(words, len) => {
                if words.get(at) {
                    return false;
                }
                Arc::make_mut(words).set(at);
                *len += 1;
                if *len == CHUNK as u32 {
                    self.0 = Repr::Full;
                }
            }
            Repr::MappedArray { .. } | Repr::MappedWords { .. } | Repr::Patched(..) => {
                return !self.contains(at) && {
                    self.own();
                    self.insert(at)
                };
            }
        }
        true
    }

    /// Puts values in, which ascend.
    pub fn insert_all(&mut self, ascending: &[u16]) {
        match &mut self.0 {
            Repr::Empty if ascending.len() < ARRAY_MAX => *self = Chunk::from_sorted(ascending),
            Repr::Array(values) if values.len() + ascending.len() <= ARRAY_MAX && values.last() < ascending.first() => {
                Arc::make_mut(values).extend_from_slice(ascending);
            }
            Repr::Words(words, len) if (*len as usize) + ascending.len() < CHUNK => {
                let words = Arc::make_mut(words);
                for at in ascending {
                    *len += u32::from(!words.get(*at));
                    words.set(*at);
                }
            }
            _ => ascending.iter().for_each(|at| {
                self.insert(*at);
            }),
        }
    }

    /// Takes `at` out; returns whether it was in.
    pub fn remove(&mut self, at: u16) -> bool {
        if self.is_to_be_patched() {
            return self.contains(at) && (self.patch(at, self.len() - 1) || self.remove(at));
        }
        match &mut self.0 {
            Repr::Empty => return false,
            Repr::Full => {
                let mut words = Words::full();
                words.clear(at);
                self.0 = Repr::Words(Arc::new(words), CHUNK as u32 - 1);
            }
            Repr::Few { len, ids } => {
                let held = usize::from(*len);
                let Ok(place) = ids[..held].binary_search(&at) else { return false };
                ids.copy_within(place + 1..held, place);
                *len -= 1;
                if *len == 0 {
                    self.0 = Repr::Empty;
                }
            }
            Repr::Array(values) => {
                let Ok(place) = values.binary_search(&at) else { return false };
                let values = Arc::make_mut(values);
                values.remove(place);
                if values.len() <= FEW_AT {
                    *self = Chunk::from_sorted(&std::mem::take(values));
                }
            }
            Repr::Words(words, len) => {
                if !words.get(at) {
                    return false;
                }
                let words = Arc::make_mut(words);
                words.clear(at);
                *len -= 1;
                if *len as usize <= DEMOTE_AT {
                    let few = Chunk::from_few_bits(words, *len);
                    *self = few.expect("so few bits fit a list");
                }
            }
            Repr::MappedArray { .. } | Repr::MappedWords { .. } | Repr::Patched(..) => {
                return self.contains(at) && {
                    self.own();
                    self.remove(at)
                };
            }
        }
        true
    }

    /// Whether a write would copy a payload, which others hold, for a single value.
    fn is_to_be_patched(&self) -> bool {
        match &self.0 {
            Repr::Array(values) => values.len() >= PATCHED_MIN && Arc::strong_count(values) > 1,
            Repr::Words(words, _) => Arc::strong_count(words) > 1,
            Repr::MappedArray { len, .. } => usize::from(*len) >= PATCHED_MIN,
            Repr::MappedWords { .. } | Repr::Patched(..) => true,
            Repr::Empty | Repr::Full | Repr::Few { .. } => false,
        }
    }

    /// Puts `at` in or takes it out by a patch, after which there are `len`. Where the form is to be another one, or
    /// the patch is full, it does not: it makes the payload the chunk's own, to be written to in place.
    fn patch(&mut self, at: u16, len: u32) -> bool {
        let stays = match &self.0 {
            Repr::Patched(patch, _) => patch.takes(at) && patch.keeps_its_form(len),
            _ => Patch::of(self.clone()).keeps_its_form(len),
        };
        match &mut self.0 {
            _ if !stays => self.own(),
            Repr::Patched(patch, count) => {
                Arc::make_mut(patch).toggle(at);
                *count = len;
            }
            _ => {
                let mut patch = Patch::of(self.clone());
                patch.toggle(at);
                self.0 = Repr::Patched(Arc::new(patch), len);
            }
        }
        stays
    }

    /// The same form with other values at some places; it has a payload.
    pub(super) fn toggled(&self, places: &[u16]) -> Chunk {
        match self.view() {
            View::Words(words) => {
                let (mut words, mut len) = (Arc::new(*words), self.len());
                let bits = Arc::get_mut(&mut words).expect("it was just made");
                for at in places {
                    if bits.set(*at) {
                        len += 1;
                    } else {
                        bits.clear(*at);
                        len -= 1;
                    }
                }
                Chunk(Repr::Words(words, len))
            }
            View::Array(values) => Chunk(Repr::Array(Arc::new(toggled(values, places)))),
            View::Empty | View::Full => unreachable!("only a payload is patched"),
        }
    }

    /// Turns a list into words.
    fn promote(&mut self) {
        let (mut words, len) = (Words::zero(), self.len());
        self.load_into(&mut words);
        self.0 = Repr::Words(Arc::new(words), len);
    }

    /// Copies a payload that is mapped or patched to memory of its own, in the form it has.
    fn own(&mut self) {
        if let Repr::Patched(patch, _) = &self.0 {
            *self = patch.merged();
            return;
        }
        self.0 = match self.view() {
            View::Array(values) => Repr::Array(Arc::new(values.to_vec())),
            View::Words(words) => Repr::Words(Arc::new(*words), self.len()),
            View::Empty | View::Full => return,
        };
    }

    /// Whether both have the same payload in memory (a cheap, sufficient test of equality).
    pub fn is_same(&self, other: &Chunk) -> bool {
        match (&self.0, &other.0) {
            (Repr::Empty, Repr::Empty) | (Repr::Full, Repr::Full) => true,
            (Repr::Array(a), Repr::Array(b)) => Arc::ptr_eq(a, b),
            (Repr::Words(a, _), Repr::Words(b, _)) => Arc::ptr_eq(a, b),
            (Repr::Patched(a, _), Repr::Patched(b, _)) => Arc::ptr_eq(a, b),
            (Repr::MappedArray { base: a, at, .. }, Repr::MappedArray { base: b, at: other, .. })
            | (Repr::MappedWords { base: a, at, .. }, Repr::MappedWords { base: b, at: other, .. }) => {
                Arc::ptr_eq(a, b) && at == other
            }
            _ => false,
        }
    }

    /// Heap bytes; of a mapped view none.
    pub fn memory_bytes(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        match &self.0 {
            Repr::Array(values) => COUNTS + size_of::<Vec<u16>>() + 2 * values.capacity(),
            Repr::Words(..) => COUNTS.next_multiple_of(align_of::<Words>()) + size_of::<Words>(),
            Repr::Patched(patch, _) => COUNTS + patch.memory_bytes(),
            _ => 0,
        }
    }
}

/// Ascending values without those of `places` that they have, and with the others of them.
fn toggled(values: &[u16], places: &[u16]) -> Vec<u16> {
    let mut all = Vec::with_capacity(values.len() + places.len());
    let mut rest = values;
    for at in places {
        let (before, after) = rest.split_at(rest.partition_point(|value| value < at));
        all.extend_from_slice(before);
        rest = match after.split_first() {
            Some((value, after)) if value == at => after,
            _ => {
                all.push(*at);
                after
            }
        };
    }
    all.extend_from_slice(rest);
    all
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk::EMPTY
    }
}

impl PartialEq for Chunk {
    fn eq(&self, other: &Chunk) -> bool {
        self.len() == other.len()
            && match (self.view(), other.view()) {
                _ if self.is_same(other) => true,
                (View::Array(a), View::Array(b)) => a == b,
                (View::Words(a), View::Words(b)) => a == b,
                (View::Array(values), View::Words(words)) | (View::Words(words), View::Array(values)) => {
                    values.iter().all(|&at| words.get(at))
                }
                _ => false,
            }
    }
}

impl Eq for Chunk {}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self.0 {
            Repr::Empty => "empty",
            Repr::Full => "full",
            Repr::Few { .. } => "few",
            Repr::Array(_) => "array",
            Repr::Words(..) => "words",
            Repr::MappedArray { .. } => "mapped array",
            Repr::MappedWords { .. } => "mapped words",
            Repr::Patched(..) => "patched",
        };
        write!(f, "{form} of {}", self.len())
    }
}
