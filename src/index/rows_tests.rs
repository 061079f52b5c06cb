//! Rows of codes against a map of sets.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{bitmap::words::Words, codec::section::MemoryImage, index::rows::CodeRows};

type Model = BTreeMap<u32, BTreeSet<u32>>;

/// A few codes with very many contacts, some with several, most with one or none.
fn code(dice: &mut Pcg64Mcg) -> u32 {
    match dice.random_range(0..4) {
        0 | 1 => dice.random_range(0..4) * 700,
        2 => dice.random_range(0..200),
        _ => dice.random_range(0..3_000),
    }
}

fn agrees(rows: &CodeRows, model: &Model) {
    let empty = BTreeSet::new();
    for code in 0..3_100 {
        let wanted = model.get(&code).unwrap_or(&empty);
        let here = rows.get(code);
        assert_eq!(here.len(), wanted.len() as u64);
        let mut ids = vec![];
        here.for_each(|id| ids.push(id));
        assert!(ids.iter().eq(wanted));
        assert!(here.to_posting().iter().eq(ids.iter().copied()));
        assert!(ids.iter().take(3).all(|id| here.contains(*id)) && !here.contains(999_999));
        let mut words = Words::zero();
        here.or_into(1, &mut words);
        assert!(words.iter().map(|row| 65_536 + u32::from(row)).eq(wanted.range(65_536..131_072).copied()));
    }
}

#[test]
fn rows_grow_shrink_and_survive_the_image() {
    let mut dice = Pcg64Mcg::seed_from_u64(3);
    let (mut rows, mut model, mut kept) = (CodeRows::default(), Model::new(), vec![]);
    // More goes in than out at first, then the reverse, so that lists become postings and lists again.
    for weight in [9, 9, 5, 1, 1, 6] {
        for _ in 0..12_000 {
            let code = code(&mut dice);
            let set = model.entry(code).or_default();
            if dice.random_range(0..10) < weight {
                let id = dice.random_range(0..200_000);
                assert_eq!(rows.insert(code, id), set.insert(id));
            } else if let Some(id) = set.iter().nth(dice.random_range(0..=set.len() / 2)).copied() {
                set.remove(&id);
                assert!(rows.remove(code, id) && !rows.remove(code, id));
            }
        }
        agrees(&rows, &model);
        kept.push((rows.clone(), model.clone()));
        let mut image = MemoryImage::new();
        rows.encode("r", 3_000, &mut image).unwrap();
        let back = CodeRows::decode("r", &image).unwrap();
        let mut again = MemoryImage::new();
        back.encode("r", 3_000, &mut again).unwrap();
        assert_eq!(image, again);
        rows = back;
        agrees(&rows, &model);
    }
    kept.iter().for_each(|(rows, model)| agrees(rows, model));
}

#[test]
fn many_at_once_leave_what_one_by_one_leaves() {
    let mut dice = Pcg64Mcg::seed_from_u64(4);
    let (mut rows, mut single, mut model) = (CodeRows::default(), CodeRows::default(), Model::new());
    for round in 0..12 {
        let (mut pairs, first) = (vec![], round * 20_000);
        for _ in 0..10_000 {
            // Mostly newcomers, so that lists grow at their ends, and some from before.
            let (code, id) = (code(&mut dice), dice.random_range(first..first + 20_000));
            let id = if dice.random_range(0..50) == 0 { id / 2 } else { id };
            if model.entry(code).or_default().insert(id) {
                pairs.push(u64::from(code) << 32 | u64::from(id));
            }
        }
        let shared = rows.clone();
        pairs.iter().for_each(|pair| assert!(single.insert((pair >> 32) as u32, *pair as u32)));
        rows.insert_all(&mut pairs);
        assert!(pairs.is_empty());
        agrees(&rows, &model);
        let (mut image, mut other) = (MemoryImage::new(), MemoryImage::new());
        rows.encode("r", 3_000, &mut image).unwrap();
        single.encode("r", 3_000, &mut other).unwrap();
        assert!(image == other, "one form, whichever way");
        if round % 3 == 2 {
            rows = CodeRows::decode("r", &image).unwrap();
        }
        drop(shared);
    }
}
