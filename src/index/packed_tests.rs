//! Packed positions against plain vectors, in every form, owned and mapped.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::codec::{
    aligned::aligned_copy,
    cursor::Cursor,
    section::{MemoryImage, SectionSink, SectionSource},
};
use crate::model::{
    number::{Number, ONE},
    time::Timestamp,
};

/// Positions of one kind: days, counts, decimals, money, instants with and without milliseconds, and the ends of lines.
pub(in crate::index) fn any_kind() -> impl Strategy<Value = BoxedStrategy<i128>> {
    let ends = [
        i128::MIN,
        i128::MAX,
        Number::MIN.0,
        Number::MAX.0,
        i64::MIN.into(),
        i64::MAX.into(),
        Timestamp::MIN.0.into(),
        Timestamp::MAX.0.into(),
        u64::MAX.into(),
        -1,
        0,
        1,
    ];
    let now = 1_790_000_000_000i128;
    prop_oneof![
        Just((18_000..21_000i128).boxed()),
        Just((0..300i128).prop_map(|n| n * ONE).boxed()),
        Just((-5_000..90_000i128).prop_map(|n| n * ONE / 100).boxed()),
        Just((-3..3i128).boxed()),
        Just(Just(7i128).boxed()),
        Just((0..100_000_000i128).prop_map(move |s| now - s * 1_000).boxed()),
        Just((0..100_000_000_000i128).prop_map(move |ms| now - ms).boxed()),
        Just((0..10_000i128).prop_map(move |ms| now - ms).boxed()),
        Just((0..20_000i128).prop_map(|days| days * 86_400_000).boxed()),
        Just((i64::MIN..=i64::MAX).prop_map(i128::from).boxed()),
        Just((Number::MIN.0..=Number::MAX.0).boxed()),
        Just(any::<i128>().boxed()),
        Just(prop::sample::select(ends.to_vec()).boxed()),
        Just(prop_oneof![20 => 0..50i128, 1 => prop::sample::select(ends.to_vec())].boxed()),
    ]
}

fn any_values(most: usize) -> impl Strategy<Value = Vec<i128>> {
    any_kind().prop_flat_map(move |kind| vec(kind, 0..most))
}

fn written(packed: &Packed) -> Bytes {
    let mut image = MemoryImage::new();
    image.begin("packed").unwrap();
    image.put(b"before").unwrap();
    packed.encode(&mut image).unwrap();
    image.section("packed").unwrap()
}

fn read(bytes: Bytes) -> Packed {
    let mut cursor = Cursor::new(bytes);
    cursor.take(6).unwrap();
    let packed = Packed::decode(&mut cursor).unwrap();
    cursor.end().unwrap();
    packed
}

fn check(packed: &Packed, values: &[i128], lo: i128, hi: i128) -> Result<(), TestCaseError> {
    prop_assert_eq!(packed.len(), values.len());
    prop_assert!(packed.iter().eq(values.iter().copied()), "{:?} is not {:?}", packed, values);
    let mut out = vec![!0u64; values.len().div_ceil(64) + 1];
    let nearby = [-1_000i128, -1, 0, 1, 1_000].map(|d| lo.saturating_add(d));
    for (lo, hi) in
        [(lo, hi), (hi, lo), (lo, lo), (i128::MIN, hi), (lo, i128::MAX)].into_iter().chain(nearby.map(|n| (n, hi)))
    {
        packed.range_into(lo, hi, &mut out);
        for at in 0..64 * out.len() {
            let wanted = values.get(at).is_some_and(|value| lo <= *value && *value <= hi);
            prop_assert_eq!(out[at / 64] >> (at % 64) & 1 == 1, wanted, "{} of {:?} in {}..={}", at, packed, lo, hi);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn values_come_back(values in any_values(300), picks in any::<[prop::sample::Index; 2]>()) {
        let [lo, hi] = picks.map(|pick| if values.is_empty() { 0 } else { *pick.get(&values) });
        let packed = Packed::from_values(&values);
        check(&packed, &values, lo, hi)?;
        let mapped = read(written(&packed));
        check(&mapped, &values, lo, hi)?;
        prop_assert_eq!(written(&mapped), written(&packed));
        let crooked = Bytes::from_owner([&[0], &written(&packed)[..]].concat()).slice(1..);
        check(&read(crooked), &values, lo, hi)?;
    }

    #[test]
    fn rows_without_a_value_cost_nothing(rows in any_kind().prop_flat_map(|kind| vec(prop::option::of(kind), 0..300))) {
        let packed = Packed::from_rows(&rows);
        prop_assert_eq!(packed.len(), rows.len());
        for (at, row) in rows.iter().enumerate() {
            prop_assert!(row.is_none_or(|value| value == packed.get(at)));
        }
        let held: Vec<i128> = rows.iter().copied().flatten().collect();
        prop_assert!(packed.memory_bytes() <= 4 + held.len().max(1) * 128 + rows.len() * width_of(&Packed::from_values(&held)));
    }

    #[test]
    fn writes_agree_with_a_vector(
        first in any_values(100),
        writes in any_kind().prop_flat_map(|kind| vec((0..130usize, prop::option::weighted(0.8, kind)), 0..150)),
        mapped in any::<bool>(),
    ) {
        let mut packed = Packed::from_values(&first);
        if mapped {
            packed = read(written(&packed));
        }
        let before = packed.clone();
        let mut rows: Vec<Option<i128>> = first.iter().copied().map(Some).collect();
        for (at, value) in writes {
            match value {
                Some(value) => {
                    let held = rows.clone();
                    packed.set(at, value, &|row| held.get(row).copied().flatten().is_some());
                    rows.resize(rows.len().max(at + 1), None);
                    rows[at] = Some(value);
                }
                None => {
                    packed.forget(at);
                    if let Some(row) = rows.get_mut(at) {
                        *row = None;
                    }
                }
            }
            prop_assert_eq!(packed.len(), rows.len());
        }
        for (at, row) in rows.iter().enumerate() {
            prop_assert!(row.is_none_or(|value| value == packed.get(at)), "row {} of {:?}", at, packed);
        }
        prop_assert!(before.iter().eq(first), "a clone stays as it was");
        prop_assert!(read(written(&packed)).iter().eq(packed.iter()));
    }

    #[test]
    fn damage_is_told_or_harmless(values in any_values(50), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = written(&Packed::from_values(&values)).to_vec();
        let at = at.index(bytes.len() - 16) + 16;
        bytes[at] ^= 1 << bit;
        let mut cursor = Cursor::new(aligned_copy(&bytes));
        cursor.take(6).unwrap();
        if let Ok(mut read) = Packed::decode(&mut cursor) {
            let mut out = vec![0; read.len().div_ceil(64)];
            read.range_into(-5, i128::MAX, &mut out);
            read.range_into(i128::MIN, 5, &mut out);
            prop_assert_eq!(read.iter().count(), read.len());
            if read.len() < 1_000 {
                read.push(i128::MIN);
            }
        }
    }
}

fn width_of(packed: &Packed) -> usize {
    match packed.codes {
        Codes::None => 0,
        Codes::U8(_) => 1,
        Codes::U16(_) => 2,
        Codes::U32(_) => 4,
        Codes::Split(_) => 6,
        Codes::U64(_) => 8,
        Codes::Wide(_) => 16,
    }
}

/// How often the form changes while the values are pushed one by one.
fn refits(values: impl Iterator<Item = i128>) -> (usize, usize) {
    let (mut packed, mut count) = (Packed::new(), 0);
    for value in values {
        let before = (packed.base, packed.step, width_of(&packed));
        packed.push(value);
        count += usize::from(before != (packed.base, packed.step, width_of(&packed)));
    }
    (count, width_of(&packed))
}

#[test]
fn growing_blocks_change_form_only_a_few_times() {
    let scattered = |n: i128| (n * 2_654_435_761) % 100_000_007;
    let now = 1_790_000_000_000;
    for (name, (count, width), most) in [
        ("ascending seconds", refits((0..4_096).map(|n| now + 1_000 * n)), 4),
        ("descending seconds", refits((0..4_096).map(|n| now - 1_000 * n)), 4),
        ("ascending milliseconds", refits((0..4_096).map(|n| now + 60_011 * n)), 4),
        ("scattered days", refits((0..4_096).map(|n| scattered(n) % 3_000)), 4),
        ("scattered milliseconds", refits((0..4_096).map(|n| now - 997 * scattered(n))), 6),
        ("scattered whole decimals", refits((0..4_096).map(|n| scattered(n) % 1_000 * ONE)), 2),
        ("scattered cents", refits((0..4_096).map(|n| scattered(n) % 100_000 * ONE / 100)), 4),
    ] {
        // Besides the changes of base and width there is one for each shorter step.
        assert!(count <= most + 10, "{name}: {count} changes of form");
        assert!(width <= most.max(4), "{name}: {width} bytes a code");
    }
}

#[test]
fn a_split_keeps_scans_at_four_bytes() {
    let now = 1_790_000_000_000i128;
    let values: Vec<i128> = (0..4_096).map(|n| now - 20_011 * 1_009 * n - if n % 10 == 0 { n } else { 0 }).collect();
    let packed = Packed::from_values(&values);
    assert!(matches!(packed.codes, Codes::Split(_)));
    assert_eq!(packed.memory_bytes(), size_of::<(Plane<u32>, Plane<u16>)>() + 4_096 * 6);
    assert!(size_of::<Packed>() <= 80, "{}", size_of::<Packed>());
}

#[test]
fn mapped_codes_are_not_copied() {
    let values: Vec<i128> = (0..4_096).map(|n| n * 70).collect();
    let bytes = written(&Packed::from_values(&values));
    let inside = bytes.as_ptr().addr()..bytes.as_ptr().addr() + bytes.len();
    let packed = read(bytes);
    let Codes::U16(plane) = &packed.codes else { panic!("{:?}", packed) };
    assert!(inside.contains(&plane.slice().as_ptr().addr()));
}
