//! A set by the values of a property: how many have each value, here and among everyone.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap};

use crate::{
    analytics::{
        cuts::{Step, cuts},
        sweep::{summed, sweep},
    },
    bitmap::{posting::Posting, words::Words},
    index::{Index, column::Column, matching::key, property::PropertyIndex, rows::Rows},
    model::{calendar::Zone, schema::Property},
};

/// Codes that one task looks at, at least.
const TASK: u32 = 16_384;
/// Tasks, at most: each keeps as many of its values as are told in the end, and nothing else.
const TASKS_MAX: u32 = 64;

/// What the contacts of one row have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// This text, in its most common spelling; of an email its domain.
    Text(Box<str>),
    /// This flag.
    Flag(bool),
    /// An ordered value from the first, which is in, to the second, which is not; an end that is not there is open.
    Range(Option<i128>, Option<i128>),
}

/// How many there are, in the set and among everyone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of the set.
    pub members: u64,
    /// Of everyone.
    pub everyone: u64,
}

/// A set by the values of a property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// Values of the set, those of most contacts first; ranges in their order.
    pub rows: Vec<(Held, Counts)>,
    /// How many values of the set are not among the rows.
    pub other_values: u64,
    /// Who has a value, but none of those among the rows.
    pub other: Counts,
    /// Who has no value.
    pub missing: Counts,
}

/// Breaks a set down by a property; of texts the `top` values are told.
pub fn breakdown(
    index: &Index,
    property: &Property,
    (zone, step): (&Zone, Option<Step>),
    members: &Posting,
    top: usize,
) -> Breakdown {
    let counts = |of: &Posting| Counts { members: of.and_len(members), everyone: of.len() };
    let all = Counts { members: members.len(), everyone: index.live().len() };
    let Some(held) = index.property(property.id) else {
        return Breakdown { missing: all, ..Breakdown::default() };
    };
    let mut found = match held {
        PropertyIndex::Flag(flags) => {
            let rows = [(true, flags.yes()), (false, flags.no())];
            let rows = rows.into_iter().map(|(flag, of)| (Held::Flag(flag), counts(of)));
            Breakdown { rows: rows.collect(), ..Breakdown::default() }
        }
        PropertyIndex::Ordered(ty, column) => {
            Breakdown { rows: by_range(column, &cuts(column, *ty, step, zone), members), ..Breakdown::default() }
        }
        PropertyIndex::Set(set) => {
            let (text, rows) = (|code| set.text(code), |code| set.rows_of(code));
            let equal = |text: &str| set.codes_equal(text);
            let (end, sensitive) = (set.code_end(), set.case_sensitive());
            Texts { end, text: &text, rows: &rows, equal: &equal, crowded: set.crowded(), sensitive }
                .breakdown(members, top)
        }
        PropertyIndex::Text(_, texts) => match texts.domains() {
            Some(domains) => {
                let (text, rows) = (|code| domains.text(code), |code| domains.rows_of(code));
                let equal = |text: &str| domains.code(text).into_iter().collect();
                let end = domains.code_end();
                // Domains are kept folded: none is equal to another.
                Texts { end, text: &text, rows: &rows, equal: &equal, crowded: Vec::new(), sensitive: true }
                    .breakdown(members, top)
            }
            None => {
                let (text, rows) = (|code| texts.text(code), |code| texts.rows_of(code));
                let equal = |text: &str| texts.codes_equal(text);
                let (end, sensitive) = (texts.code_end(), texts.case_sensitive());
                Texts { end, text: &text, rows: &rows, equal: &equal, crowded: texts.crowded(), sensitive }
                    .breakdown(members, top)
            }
        },
    };
    let with = counts(&held.present());
    found.missing = Counts { members: all.members - with.members, everyone: all.everyone - with.everyone };
    if let PropertyIndex::Text(..) | PropertyIndex::Set(_) = held {
        let shown = counts(&shown(held, &found.rows));
        found.other = Counts { members: with.members - shown.members, everyone: with.everyone - shown.everyone };
    }
    found
}

/// The contacts that have one of the values shown.
fn shown(held: &PropertyIndex, rows: &[(Held, Counts)]) -> Posting {
    rows.iter().fold(Posting::new(), |all, (value, _)| match (value, held) {
        (Held::Text(text), PropertyIndex::Set(set)) => all.or(&set.equal(text)),
        (Held::Text(text), PropertyIndex::Text(_, texts)) if texts.domains().is_some() => {
            all.or(&texts.domain(text).unwrap_or_default())
        }
        (Held::Text(text), PropertyIndex::Text(_, texts)) => all.or(&texts.equal(text)),
        _ => all,
    })
}

/// Texts by code.
struct Texts<'a, T, R, E> {
    end: u32,
    text: &'a T,
    rows: &'a R,
    /// The codes of the spellings that are equal to a text.
    equal: &'a E,
    /// The codes that may be equal to others, as `group << 32 | code`, by group; all others are values by themselves.
    crowded: Vec<u64>,
    sensitive: bool,
}

/// The values of most members, so many at most, and how many values there are in all.
struct Best {
    top: usize,
    /// By how many members, then by the text as it is compared; with a code of it.
    kept: BTreeMap<(u64, Reverse<String>), u32>,
    values: u64,
}

impl Best {
    fn new(top: usize) -> Best {
        Best { top, kept: BTreeMap::new(), values: 0 }
    }

    /// Takes a value in that some members have.
    fn add<'t>(&mut self, members: u64, code: u32, key: impl FnOnce() -> Cow<'t, str>) {
        self.values += 1;
        if self.kept.len() < self.top {
            self.kept.insert((members, Reverse(key().into_owned())), code);
            return;
        }
        let Some(((least, last), _)) = self.kept.first_key_value().filter(|((least, _), _)| members >= *least) else {
            return;
        };
        let key = key();
        if members > *least || *key < *last.0 {
            self.kept.pop_first();
            self.kept.insert((members, Reverse(key.into_owned())), code);
        }
    }

    fn and(mut self, other: Best) -> Best {
        let values = self.values + other.values;
        for ((members, Reverse(key)), code) in other.kept {
            self.add(members, code, || key.into());
        }
        Best { values, ..self }
    }
}

impl<'a, T, R, E> Texts<'a, T, R, E>
where
    T: Fn(u32) -> &'a str + Sync,
    R: Fn(u32) -> Rows<'a> + Sync,
    E: Fn(&str) -> Vec<u32> + Sync,
{
    fn breakdown(&self, members: &Posting, top: usize) -> Breakdown {
        let mut is_crowded = vec![0u64; self.end as usize / 64 + 1];
        for entry in &self.crowded {
            let code = *entry as u32;
            is_crowded[code as usize / 64] |= 1 << (code % 64);
        }
        let task = TASK.max(self.end.div_ceil(TASKS_MAX));
        let alone = sweep(self.end.div_ceil(task) as usize, |number| {
            let (from, mut best) = (number as u32 * task, Best::new(top));
            for code in from..self.end.min(from.saturating_add(task)) {
                if is_crowded[code as usize / 64] >> (code % 64) & 1 == 1 {
                    continue;
                }
                let members = members_in(&(self.rows)(code), members);
                if members > 0 {
                    best.add(members, code, || self.key(code));
                }
            }
            best
        });
        let groups: Vec<&[u64]> = self.crowded.chunk_by(|a, b| a >> 32 == b >> 32).collect();
        let size = groups.len().div_ceil(TASKS_MAX as usize).max(1);
        let tasks: Vec<&[&[u64]]> = groups.chunks(size).collect();
        let crowded = sweep(tasks.len(), |number| {
            let mut best = Best::new(top);
            tasks[number].iter().for_each(|group| self.add_group(group, members, &mut best));
            best
        });
        let best = alone.into_iter().chain(crowded).fold(Best::new(top), Best::and);
        let rows = best.kept.into_iter().rev().map(|((members, _), code)| self.row(code, members));
        let rows: Vec<(Held, Counts)> = rows.collect();
        Breakdown { other_values: best.values - rows.len() as u64, rows, ..Breakdown::default() }
    }

    /// A code's text as it is compared.
    fn key(&self, code: u32) -> Cow<'a, str> {
        key((self.text)(code), self.sensitive)
    }

    /// Adds the values of codes that may be equal.
    fn add_group(&self, group: &[u64], members: &Posting, best: &mut Best) {
        let mut values: BTreeMap<Cow<'_, str>, (u64, u32)> = BTreeMap::new();
        for code in group.iter().map(|entry| *entry as u32) {
            let members = members_in(&(self.rows)(code), members);
            if members > 0 {
                values.entry(self.key(code)).or_insert((0, code)).0 += members;
            }
        }
        values.into_iter().for_each(|(key, (members, code))| best.add(members, code, || key));
    }

    /// The row of all spellings that are equal to one.
    fn row(&self, code: u32, members: u64) -> (Held, Counts) {
        let spelled = (self.equal)((self.text)(code)).into_iter();
        let spelled: Vec<(u64, &str)> = spelled.map(|code| ((self.rows)(code).len(), (self.text)(code))).collect();
        let everyone = spelled.iter().map(|(contacts, _)| contacts).sum();
        let common = spelled.iter().min_by_key(|(contacts, text)| (Reverse(*contacts), *text));
        let text = common.map_or((self.text)(code), |(_, text)| text);
        (Held::Text(text.into()), Counts { members, everyone })
    }
}

fn members_in(rows: &Rows<'_>, members: &Posting) -> u64 {
    match rows {
        Rows::Many(posting) => posting.and_len(members),
        few => {
            let mut count = 0;
            few.for_each(|id| count += u64::from(members.contains(id)));
            count
        }
    }
}

/// Counts the values of a column by range. A range at either end that no one is in is left out.
fn by_range(column: &Column, cuts: &[i128], members: &Posting) -> Vec<(Held, Counts)> {
    let ends = [None].into_iter().chain(cuts.iter().copied().map(Some)).chain([None]);
    let ends: Vec<Option<i128>> = ends.collect();
    if cuts.is_empty() {
        return Vec::new();
    }
    let counted = sweep(column.chunk_count(), |chunk| {
        let mut counts = vec![0u64; 2 * (ends.len() - 1)];
        let mut found = Words::boxed();
        for (pair, range) in counts.chunks_mut(2).zip(ends.windows(2)) {
            let last = range[1].map_or(i128::MAX, |end| end - 1);
            column.range_into(chunk, range[0].unwrap_or(i128::MIN), last, &mut found);
            pair[0] = u64::from(found.count());
            members.chunk(chunk).and_into(&mut found);
            pair[1] = u64::from(found.count());
        }
        counts
    });
    let counts = summed(counted, 2 * (ends.len() - 1));
    let row = |(range, pair): (&[Option<i128>], &[u64])| {
        (Held::Range(range[0], range[1]), Counts { members: pair[1], everyone: pair[0] })
    };
    let mut rows: Vec<(Held, Counts)> = ends.windows(2).zip(counts.chunks(2)).map(row).collect();
    while rows.last().is_some_and(|(_, counts)| counts.everyone == 0) {
        rows.pop();
    }
    let empty = rows.iter().take_while(|(_, counts)| counts.everyone == 0).count();
    rows.drain(..empty);
    rows
}
