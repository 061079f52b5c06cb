//! Postings against ordered sets of the standard library, in every form and from mapped bytes.

use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use rand::{RngExt, SeedableRng};

use crate::bitmap::{
    CHUNK,
    chunk::{ARRAY_MAX, Chunk, DEMOTE_AT, View},
    posting::Posting,
    words::Words,
};
use crate::codec::{
    aligned::aligned_copy,
    cursor::Cursor,
    section::{MemoryImage, SectionSink, SectionSource},
};

/// What one chunk of a sample holds: `count` values `step` apart from `first` on, wrapping around.
fn any_values() -> impl Strategy<Value = BTreeSet<u16>> {
    let counts = prop_oneof![
        Just(0usize),
        1..10usize,
        5..300usize,
        DEMOTE_AT - 2..DEMOTE_AT + 3,
        ARRAY_MAX - 3..ARRAY_MAX + 4,
        Just(30_000),
        CHUNK - 2..CHUNK + 1,
    ];
    (counts, any::<u16>(), prop_oneof![Just(1u16), Just(3), Just(31), Just(40_503)])
        .prop_map(|(count, first, step)| (0..count).map(|n| first.wrapping_add(step.wrapping_mul(n as u16))).collect())
}

fn any_set() -> impl Strategy<Value = BTreeSet<u32>> {
    vec((prop_oneof![3 => 0..4u32, 1 => Just(65_535u32), 1 => 0..300u32], any_values()), 0..5).prop_map(|chunks| {
        chunks
            .into_iter()
            .flat_map(|(key, values)| values.into_iter().map(move |at| key << 16 | u32::from(at)))
            .collect()
    })
}

/// A posting of any form, for tests of other files.
pub(super) fn any_posting() -> impl Strategy<Value = Posting> {
    any_set().prop_map(|set| set.into_iter().collect())
}

fn written(posting: &Posting, before: usize) -> Bytes {
    let mut image = MemoryImage::new();
    image.begin("posting").unwrap();
    image.put(&vec![0; before]).unwrap();
    posting.encode(&mut image).unwrap();
    image.section("posting").unwrap()
}

fn read(bytes: Bytes, before: usize) -> Posting {
    let mut cursor = Cursor::new(bytes);
    cursor.take(before).unwrap();
    let posting = Posting::decode(&mut cursor).unwrap();
    cursor.end().unwrap();
    posting
}

fn check(posting: &Posting, set: &BTreeSet<u32>) -> Result<(), TestCaseError> {
    prop_assert_eq!(posting.to_ids(), set.iter().copied().collect::<Vec<_>>());
    prop_assert_eq!(posting.len(), set.len() as u64);
    prop_assert_eq!(posting.is_empty(), set.is_empty());
    prop_assert!(posting.iter().eq(set.iter().copied()));
    prop_assert_eq!((posting.min(), posting.max()), (set.first().copied(), set.last().copied()));
    for (at, chunk) in posting.chunks() {
        let view_len = match chunk.view() {
            View::Empty => 0,
            View::Full => CHUNK,
            View::Array(values) => values.len(),
            View::Words(words) => words.count() as usize,
        };
        prop_assert_eq!((view_len, chunk.is_empty()), (chunk.len() as usize, false), "{:?} at {}", chunk, at);
        prop_assert!(!matches!(chunk.view(), View::Array(values) if values.len() > ARRAY_MAX));
        prop_assert!(!matches!(chunk.view(), View::Words(words) if words.count() as usize <= DEMOTE_AT));
    }
    Ok(())
}

#[derive(Clone, Debug)]
enum Change {
    Insert(u32),
    Remove(u32),
    Run(u32, u32),
    Drop(u32, u32),
    /// So many at once, so far apart.
    All(u32, u32, u32),
    Share,
}

fn any_change() -> impl Strategy<Value = Change> {
    let id = || (0..4u32, any::<u16>()).prop_map(|(key, at)| key << 16 | u32::from(at));
    prop_oneof![
        4 => id().prop_map(Change::Insert),
        4 => id().prop_map(Change::Remove),
        1 => (id(), 0..5_000u32).prop_map(|(id, n)| Change::Run(id, n)),
        1 => (id(), 0..5_000u32).prop_map(|(id, n)| Change::Drop(id, n)),
        1 => (id(), 0..5_000u32, 1..40u32).prop_map(|(id, n, apart)| Change::All(id, n, apart)),
        1 => Just(Change::Share),
    ]
}

/// Applies the changes to both, checking each answer; what was shared on the way must stay as it was.
fn change(posting: &mut Posting, set: &mut BTreeSet<u32>, changes: &[Change]) -> Result<(), TestCaseError> {
    let mut shared = Vec::new();
    for step in changes {
        match *step {
            Change::Insert(id) => prop_assert_eq!(posting.insert(id), set.insert(id)),
            Change::Remove(id) => prop_assert_eq!(posting.remove(id), set.remove(&id)),
            Change::Run(id, n) => (id..id + n).try_for_each(|id| {
                prop_assert_eq!(posting.insert(id), set.insert(id));
                Ok(())
            })?,
            Change::Drop(id, n) => (id..id + n).try_for_each(|id| {
                prop_assert_eq!(posting.remove(id), set.remove(&id));
                Ok(())
            })?,
            Change::All(id, n, apart) => {
                let ids: Vec<u32> = (0..n).map(|k| id + k * apart).collect();
                posting.insert_all(&ids);
                set.extend(ids);
            }
            Change::Share => shared.push((posting.clone(), set.clone())),
        }
    }
    shared.iter().try_for_each(|(posting, set)| check(posting, set))?;
    check(posting, set)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn operations_agree_with_sets(a in any_set(), b in any_set()) {
        let (p, q): (Posting, Posting) = (a.iter().copied().collect(), b.iter().copied().collect());
        check(&p, &a)?;
        for (p, q) in [(&p, &q), (&read(written(&p, 0), 0), &q), (&p, &read(written(&q, 0), 0))] {
            check(&p.and(q), &(&a & &b))?;
            check(&p.or(q), &(&a | &b))?;
            check(&p.and_not(q), &(&a - &b))?;
            check(&p.xor(q), &(&a ^ &b))?;
            prop_assert_eq!(p.and_len(q), (&a & &b).len() as u64);
            prop_assert_eq!(p == q, a == b);
        }
        check(&p.and(&p), &a)?;
        check(&p.or(&p.clone()), &a)?;
        check(&p.xor(&p), &BTreeSet::new())?;
        check(&p.and_not(&p), &BTreeSet::new())?;
    }

    #[test]
    fn changes_agree_with_sets(set in any_set(), changes in vec(any_change(), 0..40)) {
        let mut posting: Posting = set.iter().copied().collect();
        change(&mut posting, &mut set.clone(), &changes)?;
        let mut mapped = read(written(&set.iter().copied().collect(), 0), 0);
        let untouched = mapped.clone();
        change(&mut mapped, &mut set.clone(), &changes)?;
        check(&untouched, &set)?;
        prop_assert_eq!(&posting, &mapped);
        prop_assert_eq!(written(&posting, 0), written(&mapped, 0), "one form, whatever the history");
    }

    #[test]
    fn writes_among_readers_agree_with_sets(values in any_values(), toggles in vec((any::<u16>(), 0..8u8), 1..250)) {
        let mut set: BTreeSet<u32> = values.iter().map(|at| u32::from(*at)).collect();
        let mut posting: Posting = set.iter().copied().collect();
        let mapped = read(written(&posting, 0), 0);
        let (mut mapped, mut held) = (mapped, Vec::new());
        for (at, kind) in toggles {
            // Near the values, so that some are taken out, too.
            let at = u32::from(if kind < 4 { at } else { values.iter().nth(usize::from(at) % values.len().max(1)).copied().unwrap_or(at) });
            for posting in [&mut posting, &mut mapped] {
                prop_assert_eq!(posting.contains(at), set.contains(&at));
                match set.contains(&at) {
                    true => prop_assert!(posting.remove(at) && !posting.remove(at)),
                    false => prop_assert!(posting.insert(at) && !posting.insert(at)),
                }
            }
            if !set.insert(at) {
                set.remove(&at);
            }
            if kind % 2 == 0 {
                held.push((posting.clone(), mapped.clone(), set.clone()));
            }
            if kind == 0 {
                check(&posting, &set)?;
            }
        }
        for (posting, mapped, set) in &held {
            prop_assert_eq!(posting, mapped);
            prop_assert!(posting.iter().eq(set.iter().copied()));
            prop_assert_eq!(&read(written(mapped, 0), 0), posting);
        }
        check(&mapped, &set)?;
        check(&posting, &set)?;
    }

    #[test]
    fn places_agree_with_sets(set in any_set(), ids in vec((0..5u32, any::<u16>()), 1..50)) {
        let posting: Posting = set.iter().copied().collect();
        let sorted: Vec<u32> = set.iter().copied().collect();
        for id in ids.into_iter().map(|(key, at)| key << 16 | u32::from(at)).chain([0, u32::MAX]) {
            prop_assert_eq!(posting.contains(id), set.contains(&id));
            let rank = sorted.partition_point(|&other| other < id);
            prop_assert_eq!(posting.rank(id), rank as u64);
            prop_assert_eq!(posting.select(rank as u64), sorted.get(rank).copied());
            prop_assert!(posting.iter_from(id).take(100).eq(sorted[rank..].iter().copied().take(100)));
        }
    }

    #[test]
    fn chunks_load_and_combine_with_words(a in any_values(), b in any_values()) {
        let chunk = Chunk::from_sorted(&a.iter().copied().collect::<Vec<_>>());
        let mut words = Words::boxed();
        for (op, wanted) in [(0, a.clone()), (1, &a | &b), (2, &b & &a), (3, &b - &a)] {
            words.fill(false);
            b.iter().for_each(|&at| assert!(words.set(at)));
            match op {
                0 => chunk.load_into(&mut words),
                1 => chunk.or_into(&mut words),
                2 => chunk.and_into(&mut words),
                _ => chunk.and_not_into(&mut words),
            }
            prop_assert!(words.iter().eq(wanted.iter().copied()));
            let back = Chunk::from_words(&words);
            prop_assert!(back.iter().eq(wanted.iter().copied()));
            prop_assert_eq!(back, Chunk::from_sorted(&wanted.into_iter().collect::<Vec<_>>()));
        }
    }

    #[test]
    fn any_order_makes_the_same_set(mut ids in vec(0..200_000u32, 0..300)) {
        let set: BTreeSet<u32> = ids.iter().copied().collect();
        check(&ids.iter().copied().collect(), &set)?;
        ids.reverse();
        check(&ids.iter().copied().collect(), &set)?;
    }

    #[test]
    fn snapshots_come_back(posting in any_posting(), before in 0..130usize) {
        let before = before / 8 * 8;
        prop_assert_eq!(&read(written(&posting, before), before), &posting);
        let crooked = Bytes::from_owner([&[0], &written(&posting, before)[..]].concat()).slice(1..);
        prop_assert_eq!(&read(crooked, before), &posting, "bytes without alignment are copied");
    }

    #[test]
    fn damage_is_told_or_harmless(posting in any_posting(), at in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut bytes = written(&posting, 0).to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(read) = Posting::decode(&mut Cursor::new(aligned_copy(&bytes))) {
            check(&read, &read.iter().collect())?;
        }
        bytes[at] ^= 1 << bit;
        let cut = at.min(bytes.len().saturating_sub(1));
        prop_assert!(Posting::decode(&mut Cursor::new(aligned_copy(&bytes[..cut]))).is_err());
    }
}

#[test]
fn mapped_payloads_are_not_copied() {
    let posting: Posting = (0..200_000).filter(|id| id % 3 == 0).chain((400_000..500_000).step_by(50)).collect();
    let bytes = written(&posting, 0);
    let inside = bytes.as_ptr() as usize..bytes.as_ptr() as usize + bytes.len();
    let mapped = read(bytes, 0);
    assert_eq!(mapped.memory_bytes() - read(written(&Posting::new(), 0), 0).memory_bytes(), {
        let slots = mapped.chunks().count() * 18;
        slots + 16 + 56
    });
    for (_, chunk) in mapped.chunks() {
        let at = match chunk.view() {
            View::Words(words) => words.0.as_ptr() as usize,
            View::Array(values) => values.as_ptr() as usize,
            View::Empty | View::Full => continue,
        };
        assert!(inside.contains(&at), "{chunk:?} was copied");
    }
}

#[test]
fn ranges_and_the_last_chunk() {
    for n in [0, 1, 65_535, 65_536, 65_537, 200_000] {
        assert!(Posting::range(n).iter().eq(0..n), "{n}");
    }
    let mut posting = Posting::from_iter([u32::MAX]);
    assert!(posting.contains(u32::MAX) && !posting.insert(u32::MAX) && posting.chunk_count() == CHUNK);
    assert!(posting.remove(u32::MAX) && posting.is_empty() && posting.chunk_count() == 0);
    assert!(posting.chunk(1 << 40).is_empty());
}

#[test]
fn chunks_are_replaced_whole() {
    let mut posting = Posting::range(100);
    posting.set_chunk(3, Chunk::FULL);
    posting.set_chunk(0, Chunk::from_sorted(&[9]));
    posting.set_chunk(7, Chunk::EMPTY);
    assert_eq!((posting.len(), posting.chunk_count()), (65_537, 4));
    posting.set_chunk(3, Chunk::EMPTY);
    assert_eq!(posting.iter().collect::<Vec<_>>(), [9]);
    posting.set_chunk(0, Chunk::EMPTY);
    assert!(posting.is_same(&Posting::new()));
}

#[test]
fn a_write_copies_only_the_chunk_it_touches() {
    let mut posting: Posting = (0..400_000).filter(|id| id % 2 == 0).collect();
    let before = posting.clone();
    assert!(posting.insert(1) && !posting.insert(2));
    let same: Vec<bool> = posting.chunks().zip(before.chunks()).map(|((_, a), (_, b))| a.is_same(b)).collect();
    assert_eq!(same, [false, true, true, true, true, true, true]);
}

#[test]
fn a_write_among_readers_copies_no_payload_until_there_were_many() {
    let mut posting: Posting = (0..60_000).filter(|id| id % 2 == 0).collect();
    let (before, bytes) = (posting.clone(), posting.memory_bytes());
    let mut held = Vec::new();
    let form = |posting: &Posting| format!("{:?}", posting.chunk(0));
    for at in 0..48 {
        held.push(posting.clone());
        assert!(posting.insert(2 * at + 1));
        assert!(form(&posting).starts_with("patched"), "{at}");
        assert!(posting.memory_bytes() < bytes + 512, "{} bytes", posting.memory_bytes());
    }
    held.push(posting.clone());
    assert!(posting.insert(99) && form(&posting).starts_with("words"));
    assert!(held.iter().enumerate().all(|(at, held)| held.len() == 30_000 + at as u64));
    assert_eq!((posting.and_not(&before).len(), before.and_not(&posting).len()), (49, 0));
}

#[test]
fn writes_beside_readers_are_noted_and_put_together_for_whoever_asks() {
    let mut random = rand_pcg::Pcg64::seed_from_u64(5);
    for round in 0..12 {
        let chunks = random.random_range(6..14u32);
        let everyone: Vec<u32> = (0..chunks * 65_536).step_by(random.random_range(5..900)).collect();
        let mut set: BTreeSet<u32> = everyone.iter().copied().filter(|_| random.random_bool(0.5)).collect();
        let mut posting: Posting = set.iter().copied().collect();
        let mut held: Vec<(Posting, BTreeSet<u32>)> = Vec::new();
        for step in 0..1_500 {
            if random.random_bool(0.3) {
                held.push((posting.clone(), set.clone()));
            }
            if random.random_bool(0.02) {
                held.clear();
            }
            match random.random_range(0..100) {
                0 => assert_eq!(posting.chunks().map(|(_, chunk)| u64::from(chunk.len())).sum::<u64>(), posting.len()),
                1 => {
                    let mut some: Vec<u32> = (0..40).map(|_| random.random_range(0..chunks * 65_536)).collect();
                    some.sort_unstable();
                    some.dedup();
                    posting.insert_all(&some);
                    set.extend(some);
                }
                2 => {
                    let at = random.random_range(0..chunks);
                    posting.set_chunk(at as usize, Chunk::from_sorted(&[1, 9]));
                    set.retain(|id| id >> 16 != at);
                    set.extend([at << 16 | 1, at << 16 | 9]);
                }
                _ => {
                    let id = everyone[random.random_range(0..everyone.len())];
                    if random.random_bool(0.5) {
                        assert_eq!(posting.insert(id), set.insert(id), "{round} {step}");
                    } else {
                        assert_eq!(posting.remove(id), set.remove(&id), "{round} {step}");
                    }
                }
            }
            assert_eq!(posting.len(), set.len() as u64, "{round} {step}");
            let mut asked: Vec<u32> = (0..20).map(|_| everyone[random.random_range(0..everyone.len())]).collect();
            asked.sort_unstable();
            asked.dedup();
            let mut bits = [0];
            posting.gather(&asked, &mut bits);
            for (place, id) in asked.iter().enumerate() {
                assert_eq!((posting.contains(*id), bits[0] >> place & 1 == 1), (set.contains(id), set.contains(id)));
            }
            if step % 250 == 0 {
                check(&posting, &set).unwrap();
                held.iter()
                    .for_each(|(posting, set)| assert!(posting.iter().eq(set.iter().copied()), "{round} {step}"));
            }
        }
        set.iter().for_each(|id| assert!(posting.remove(*id)));
        assert!(posting.is_same(&Posting::new()));
    }
}
