//! Two chunks into one: each pair of forms by the shortest way.

use crate::bitmap::{
    chunk::{ARRAY_MAX, Chunk, View},
    kernels,
    words::Words,
};

/// A list this many times shorter than the other is looked up in it value by value.
const GALLOP: usize = 32;
/// Lists longer than this are met by way of words: a merge mispredicts at every other step.
const MERGE_MAX: usize = 64;

/// Contacts in both.
pub(super) fn and(a: &Chunk, b: &Chunk) -> Chunk {
    match (a.view(), b.view()) {
        (View::Empty, _) | (_, View::Empty) => Chunk::EMPTY,
        (View::Full, _) => b.clone(),
        (_, View::Full) => a.clone(),
        _ if a.is_same(b) => a.clone(),
        (View::Array(a), View::Array(b)) => {
            let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
            let mut both = Vec::with_capacity(short.len());
            common(short, long, |at| both.push(at));
            Chunk::from_sorted(&both)
        }
        (View::Array(values), View::Words(words)) | (View::Words(words), View::Array(values)) => {
            let both: Vec<u16> = values.iter().copied().filter(|&at| words.get(at)).collect();
            Chunk::from_sorted(&both)
        }
        (View::Words(a), View::Words(b)) => combined(a, b, kernels::and_counted),
    }
}

/// How many contacts are in both.
pub(super) fn and_len(a: &Chunk, b: &Chunk) -> u32 {
    match (a.view(), b.view()) {
        (View::Empty, _) | (_, View::Empty) => 0,
        (View::Full, _) => b.len(),
        (_, View::Full) => a.len(),
        (View::Array(a), View::Array(b)) => {
            let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
            let mut count = 0;
            common(short, long, |_| count += 1);
            count
        }
        (View::Array(values), View::Words(words)) | (View::Words(words), View::Array(values)) => {
            values.iter().map(|&at| u32::from(words.get(at))).sum()
        }
        (View::Words(a), View::Words(b)) => kernels::and_count(&a.0, &b.0) as u32,
    }
}

/// Contacts in either.
pub(super) fn or(a: &Chunk, b: &Chunk) -> Chunk {
    match (a.view(), b.view()) {
        (View::Empty, _) | (_, View::Full) => b.clone(),
        (_, View::Empty) | (View::Full, _) => a.clone(),
        _ if a.is_same(b) => a.clone(),
        (View::Array(a), View::Array(b)) if a.len() + b.len() <= ARRAY_MAX => {
            let mut either = Vec::with_capacity(a.len() + b.len());
            merge(a, b, |at, _| either.push(at));
            Chunk::from_sorted(&either)
        }
        (View::Words(a), View::Words(b)) => combined(a, b, kernels::or_counted),
        _ => {
            let mut words = Words::zero();
            a.load_into(&mut words);
            b.or_into(&mut words);
            Chunk::from_words(&words)
        }
    }
}

/// Contacts of `a` that `b` does not have.
pub(super) fn and_not(a: &Chunk, b: &Chunk) -> Chunk {
    match (a.view(), b.view()) {
        (View::Empty, _) | (_, View::Full) => Chunk::EMPTY,
        (_, View::Empty) => a.clone(),
        _ if a.is_same(b) => Chunk::EMPTY,
        (View::Array(a), View::Array(b)) => {
            let mut rest = Vec::with_capacity(a.len());
            merge(a, b, |at, of| {
                if of == Of::First {
                    rest.push(at)
                }
            });
            Chunk::from_sorted(&rest)
        }
        (View::Array(values), View::Words(words)) => {
            let rest: Vec<u16> = values.iter().copied().filter(|&at| !words.get(at)).collect();
            Chunk::from_sorted(&rest)
        }
        (View::Words(a), View::Words(b)) => combined(a, b, kernels::and_not_counted),
        _ => {
            let mut words = Words::zero();
            a.load_into(&mut words);
            b.and_not_into(&mut words);
            Chunk::from_words(&words)
        }
    }
}

/// Contacts in exactly one.
pub(super) fn xor(a: &Chunk, b: &Chunk) -> Chunk {
    match (a.view(), b.view()) {
        (View::Empty, _) => b.clone(),
        (_, View::Empty) => a.clone(),
        _ if a.is_same(b) => Chunk::EMPTY,
        (View::Array(a), View::Array(b)) if a.len() + b.len() <= ARRAY_MAX => {
            let mut either = Vec::with_capacity(a.len() + b.len());
            merge(a, b, |at, of| {
                if of != Of::Both {
                    either.push(at)
                }
            });
            Chunk::from_sorted(&either)
        }
        _ => {
            let (mut words, mut other) = (Words::zero(), Words::zero());
            a.load_into(&mut words);
            b.load_into(&mut other);
            let len = kernels::xor_counted(&mut words.0, &other.0) as u32;
            Chunk::from_counted(&words, len)
        }
    }
}

fn combined(a: &Words, b: &Words, kernel: fn(&mut [u64], &[u64]) -> u64) -> Chunk {
    let mut words = *a;
    let len = kernel(&mut words.0, &b.0) as u32;
    Chunk::from_counted(&words, len)
}

/// Calls `f` with every value of both lists.
fn common(short: &[u16], long: &[u16], mut f: impl FnMut(u16)) {
    if short.len() * GALLOP < long.len() {
        let mut rest = long;
        for &at in short {
            rest = &rest[rest.partition_point(|&other| other < at)..];
            if rest.first() == Some(&at) {
                f(at);
            }
        }
        return;
    }
    if short.len() > MERGE_MAX {
        let mut words = Words::zero();
        words.set_all(long);
        return short.iter().copied().filter(|&at| words.get(at)).for_each(f);
    }
    let (mut i, mut j) = (0, 0);
    while let (Some(&a), Some(&b)) = (short.get(i), long.get(j)) {
        if a == b {
            f(a);
        }
        i += usize::from(a <= b);
        j += usize::from(b <= a);
    }
}

/// Which list a value came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    First,
    Second,
    Both,
}

/// Calls `f` with every value of either list, once, ascending.
fn merge(a: &[u16], b: &[u16], mut f: impl FnMut(u16, Of)) {
    let (mut i, mut j) = (0, 0);
    while let (Some(&x), Some(&y)) = (a.get(i), b.get(j)) {
        match x.cmp(&y) {
            std::cmp::Ordering::Less => f(x, Of::First),
            std::cmp::Ordering::Greater => f(y, Of::Second),
            std::cmp::Ordering::Equal => f(x, Of::Both),
        }
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    a[i..].iter().for_each(|&at| f(at, Of::First));
    b[j..].iter().for_each(|&at| f(at, Of::Second));
}
