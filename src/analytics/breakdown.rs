//! A set by the values of a property: how many have each value, here and among everyone.

use std::collections::BTreeMap;

use rayon::prelude::*;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    analytics::{
        cuts::{Step, cuts},
        sweep::{summed, sweep},
    },
    bitmap::{posting::Posting, words::Words},
    index::{Index, column::Column, matching::key, property::PropertyIndex, rows::Rows},
    model::{calendar::Zone, schema::Property},
};

/// Codes that one task looks at.
const TASK: u32 = 16_384;

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
            Texts { end: set.code_end(), text: &text, rows: &rows, equal: &equal, sensitive: set.case_sensitive() }
                .breakdown(members, top)
        }
        PropertyIndex::Text(_, texts) => match texts.domains() {
            Some(domains) => {
                let (text, rows) = (|code| domains.text(code), |code| domains.rows_of(code));
                let equal = |text: &str| domains.code(text).into_iter().collect();
                Texts { end: domains.code_end(), text: &text, rows: &rows, equal: &equal, sensitive: true }
                    .breakdown(members, top)
            }
            None => {
                let (text, rows) = (|code| texts.text(code), |code| texts.rows_of(code));
                let equal = |text: &str| texts.codes_equal(text);
                let sensitive = texts.case_sensitive();
                Texts { end: texts.code_end(), text: &text, rows: &rows, equal: &equal, sensitive }
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
    sensitive: bool,
}

impl<'a, T, R, E> Texts<'a, T, R, E>
where
    T: Fn(u32) -> &'a str + Sync,
    R: Fn(u32) -> Rows<'a> + Sync,
    E: Fn(&str) -> Vec<u32> + Sync,
{
    fn breakdown(&self, members: &Posting, top: usize) -> Breakdown {
        // Of each code that a member has: the hash of the text as it is compared, the code, how many members.
        let tasks = sweep(self.end.div_ceil(TASK) as usize, |task| {
            let from = task as u32 * TASK;
            let counted = (from..self.end.min(from + TASK)).filter_map(|code| {
                let members = members_in(&(self.rows)(code), members);
                (members > 0).then(|| (xxh3_64(key((self.text)(code), self.sensitive).as_bytes()), code, members))
            });
            counted.collect::<Vec<(u64, u32, u64)>>()
        });
        let mut counted: Vec<(u64, u32, u64)> = tasks.into_iter().flatten().collect();
        counted.par_sort_unstable();
        // By how many members, then by the text as it is compared.
        let mut best: BTreeMap<(u64, std::cmp::Reverse<String>), u32> = BTreeMap::new();
        let mut values = 0;
        for run in counted.chunk_by(|a, b| a.0 == b.0) {
            let mut groups: BTreeMap<String, (u64, u32)> = BTreeMap::new();
            if run.len() == 1 && best.len() == top && best.keys().next().is_some_and(|least| least.0 > run[0].2) {
                values += 1;
                continue;
            }
            for (_, code, members) in run {
                let key = key((self.text)(*code), self.sensitive).into_owned();
                groups.entry(key).or_insert((0, *code)).0 += members;
            }
            values += groups.len() as u64;
            for (key, (members, code)) in groups {
                best.insert((members, std::cmp::Reverse(key)), code);
                if best.len() > top {
                    best.pop_first();
                }
            }
        }
        let rows = best.into_iter().rev().map(|((members, _), code)| self.row(code, members));
        let rows: Vec<(Held, Counts)> = rows.collect();
        Breakdown { other_values: values - rows.len() as u64, rows, ..Breakdown::default() }
    }

    /// The row of all spellings that are equal to one.
    fn row(&self, code: u32, members: u64) -> (Held, Counts) {
        let spelled = (self.equal)((self.text)(code)).into_iter();
        let spelled: Vec<(u64, &str)> = spelled.map(|code| ((self.rows)(code).len(), (self.text)(code))).collect();
        let everyone = spelled.iter().map(|(contacts, _)| contacts).sum();
        let common = spelled.iter().min_by_key(|(contacts, text)| (std::cmp::Reverse(*contacts), *text));
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
