//! Columns against ordered maps of the standard library.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::codec::{
    aligned::aligned_copy,
    cursor::Cursor,
    section::{MemoryImage, SectionSink, SectionSource},
};
use crate::index::{
    packed::{Packed, tests::any_kind},
    patched::ROWS_MAX,
};

fn written(column: &Column) -> bytes::Bytes {
    let mut image = MemoryImage::new();
    image.begin("column").unwrap();
    image.put(b"x").unwrap();
    column.encode(&mut image).unwrap();
    image.section("column").unwrap()
}

fn read(bytes: bytes::Bytes) -> Column {
    let mut cursor = Cursor::new(bytes);
    cursor.take(1).unwrap();
    let column = Column::decode(&mut cursor).unwrap();
    cursor.end().unwrap();
    column
}

fn check(column: &Column, model: &BTreeMap<u32, i128>, bounds: &[i128]) -> Result<(), TestCaseError> {
    prop_assert_eq!(column.len(), model.len() as u64);
    prop_assert!(column.present().iter().eq(model.keys().copied()));
    prop_assert!(column.iter().eq(model.iter().map(|(id, value)| (*id, *value))));
    prop_assert_eq!(column.min(), model.values().min().copied());
    prop_assert_eq!(column.max(), model.values().max().copied());
    let mut out = Words::boxed();
    for chunk in 0..column.chunk_count() + 1 {
        let rows: Vec<(u16, i128)> =
            model.range((chunk << 16) as u32..=(chunk << 16) as u32 | 0xffff).map(|(id, v)| (*id as u16, *v)).collect();
        prop_assert!(column.iter_chunk(chunk).eq(rows.iter().copied()));
        let zone = column.chunk_zone(chunk);
        prop_assert_eq!(zone.is_some(), !rows.is_empty());
        prop_assert!(rows.iter().all(|(_, v)| zone.is_some_and(|(min, max)| min <= *v && *v <= max)));
        for (&lo, &hi) in bounds.iter().flat_map(|lo| bounds.iter().map(move |hi| (lo, hi))) {
            column.range_into(chunk, lo, hi, &mut out);
            let wanted = rows.iter().filter(|(_, v)| lo <= *v && *v <= hi).map(|(row, _)| *row);
            prop_assert!(out.iter().eq(wanted), "{}..={} in chunk {}", lo, hi, chunk);
        }
    }
    Ok(())
}

/// Ids of three chunks, mostly around the edges of blocks.
fn any_id() -> impl Strategy<Value = u32> {
    prop_oneof![0..200u32, 4_090..4_100u32, 65_530..65_540u32, 69_630..69_640u32, 0..200_000u32]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn writes_agree_with_a_map(
        runs in any_kind().prop_flat_map(|kind| {
            let write = || (any_id(), prop::option::weighted(0.8, kind.clone()));
            (vec(write(), 0..150), vec(write(), 0..60), vec(kind.clone(), 1..3))
        }),
    ) {
        let (first, second, mut bounds) = runs;
        let (mut column, mut model) = (Column::new(), BTreeMap::new());
        bounds.extend([i128::MIN, i128::MAX]);
        let write = |column: &mut Column, model: &mut BTreeMap<u32, i128>, id: u32, value: Option<i128>| {
            let old = match value {
                Some(value) => model.insert(id, value),
                None => model.remove(&id),
            };
            prop_assert_eq!(column.set(id, value), old);
            prop_assert_eq!(column.get(id), value);
            Ok(())
        };
        for &(id, value) in &first {
            write(&mut column, &mut model, id, value)?;
        }
        check(&column, &model, &bounds)?;
        let (kept, kept_model) = (column.clone(), model.clone());
        let (mut mapped, mut mapped_model) = (read(written(&column)), model.clone());
        check(&mapped, &model, &bounds)?;
        for &(id, value) in &second {
            write(&mut column, &mut model, id, value)?;
            write(&mut mapped, &mut mapped_model, id, value)?;
        }
        check(&column, &model, &bounds)?;
        check(&kept, &kept_model, &bounds)?;
        check(&mapped, &model, &bounds)?;
        prop_assert_eq!(written(&column), written(&mapped), "one history, one form");
    }

    #[test]
    fn damage_is_told_or_harmless(
        writes in any_kind().prop_flat_map(|kind| vec((any_id(), kind), 1..40)),
        at in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let mut column = Column::new();
        for (id, value) in writes {
            column.set(id, Some(value));
        }
        let mut bytes = written(&column).to_vec();
        let at = at.index(bytes.len() - 16) + 16;
        bytes[at] ^= 1 << bit;
        let mut cursor = Cursor::new(aligned_copy(&bytes));
        cursor.take(1).unwrap();
        if let Ok(read) = Column::decode(&mut cursor) {
            let mut out = Words::boxed();
            for chunk in 0..read.chunk_count() {
                read.range_into(chunk, -10, 1 << 40, &mut out);
            }
            prop_assert_eq!(read.iter().count() as u64, read.len());
            let _ = (read.min(), read.max());
        }
        bytes[at] ^= 1 << bit;
        let mut cursor = Cursor::new(aligned_copy(&bytes[..at]));
        cursor.take(1).unwrap();
        prop_assert!(Column::decode(&mut cursor).is_err());
    }
}

#[test]
fn bounds_grow_exact_again() {
    let mut column = Column::new();
    for id in 0..100 {
        column.set(id, Some(i128::from(id)));
    }
    column.set(0, Some(50));
    assert_eq!(column.chunk_zone(0), Some((0, 99)), "too wide at first");
    for turn in 0..5_000 {
        column.set(7, Some(10 + turn % 2));
    }
    assert_eq!((column.chunk_zone(0), column.min()), (Some((1, 99)), Some(1)));
    for id in 0..100 {
        column.set(id, None);
    }
    assert!(column.is_empty() && column.chunk_zone(0).is_none() && column.zone().is_none() && column.max().is_none());
}

#[test]
fn a_write_copies_a_few_rows_and_a_block_once_for_many() {
    let mut column = Column::new();
    for id in 0..140_000 {
        column.set(id, Some(i128::from(id % 1_000)));
    }
    let mut held = vec![column.clone()];
    let packed = |column: &Column| -> Vec<*const Packed> {
        (0..3)
            .flat_map(|chunk| {
                column.blocks(chunk).map(|(_, block)| block.values.packed() as *const Packed).collect::<Vec<_>>()
            })
            .collect()
    };
    let same = |a: &Column, b: &Column| packed(a).into_iter().zip(packed(b)).filter(|(a, b)| a == b).count();
    for turn in 0..ROWS_MAX as u32 {
        column.set(70_000 + turn, Some(3));
        held.push(column.clone());
    }
    assert_eq!(packed(&column).len(), 35);
    assert!(same(&column, &held[0]) >= 34, "at most once is the block packed on the way");
    let many = column.clone();
    column.set(70_500, Some(3));
    column.set(70_000, None);
    assert_eq!(same(&column, &many), 34);
    for (turn, held) in held.iter().enumerate() {
        let of = |id: u32| i128::from(if id >= 70_000 && id < 70_000 + turn as u32 { 3 } else { id % 1_000 });
        (69_990..70_040).for_each(|id| assert_eq!(held.get(id), Some(of(id)), "{id} after {turn}"));
    }
    assert_eq!((column.get(70_000), column.get(70_001), column.get(70_500)), (None, Some(3), Some(3)));
}

#[test]
fn values_written_one_by_one_take_no_more_room_than_a_fit_with_some_to_spare() {
    use rand::{RngExt, SeedableRng, seq::SliceRandom};
    let mut dice = rand_pcg::Pcg64Mcg::seed_from_u64(1);
    let mut ids: Vec<u32> = (0..CHUNK as u32).collect();
    ids.shuffle(&mut dice);
    let mut column = Column::new();
    for (number, id) in ids.iter().enumerate() {
        // Whole hundreds, then tens, then cents: the step is found out bit by bit.
        let step = [1_000, 100, 10, 1][(number / 4_000).min(3)];
        column.set(*id, Some(dice.random_range(0..100_000 / step) * step));
    }
    let most = CHUNK * size_of::<u32>() + CHUNK / 8 + BLOCKS * 1_024;
    assert!(column.memory_bytes() < most + most / 4, "{} bytes for {CHUNK} values", column.memory_bytes());
}
