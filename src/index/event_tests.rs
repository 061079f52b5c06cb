//! The log of events against a plain list of them.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, RngExt, SeedableRng, seq::IndexedRandom};

use crate::{
    bitmap::{CHUNK, words::Words},
    codec::section::MemoryImage,
    index::{event_group::EventGroup, event_index::EventIndex, event_marks::RowFilter, event_page::Page},
    model::{
        currency::Currency,
        id::{ContactId, EventKindId},
        name::Name,
        number::Number,
        schema::{EventKind, EventProperty},
        time::{Day, Timestamp},
        value::{Value, ValueType},
    },
};

const TYPES: [(&str, ValueType); 7] = [
    ("amount", ValueType::Money(Currency::USD)),
    ("product", ValueType::Text),
    ("gift", ValueType::Boolean),
    ("score", ValueType::Number),
    ("delivery", ValueType::Timestamp),
    ("day", ValueType::Date),
    ("items", ValueType::Set),
];

fn property(name: &str, ty: ValueType) -> EventProperty {
    EventProperty { name: Name::new(name).unwrap(), ty, case_sensitive: false, dropped: false }
}

fn kind(count: usize) -> EventKind {
    let plain = EventKind::plain(EventKindId(3), Name::new("purchase").unwrap());
    EventKind { properties: TYPES[..count].iter().map(|(name, ty)| property(name, *ty)).collect(), ..plain }
}

fn text(random: &mut impl Rng) -> Box<str> {
    format!("Text {}", random.random_range(0..30)).into()
}

fn value(random: &mut impl Rng, ty: ValueType) -> Option<Value> {
    if random.random_range(0..4) == 0 {
        return None;
    }
    Some(match ty {
        ValueType::Text | ValueType::Email | ValueType::Category => Value::Text(text(random)),
        ValueType::Boolean => Value::Flag(random.random()),
        ValueType::Number => Value::Number(match random.random_range(0..20) {
            0 => Number::MAX,
            1 => Number::MIN,
            _ => Number::from_int(random.random_range(-50..50)),
        }),
        ValueType::Money(_) => Value::Money(random.random_range(-100..100_000)),
        ValueType::Timestamp => Value::Time(Timestamp(random.random_range(-5_000_000..5_000_000))),
        ValueType::Date => Value::Day(Day(random.random_range(-1_000..30_000))),
        ValueType::Set => {
            let texts: BTreeSet<Box<str>> = (0..random.random_range(1..4)).map(|_| text(random)).collect();
            Value::Set(texts.into_iter().collect())
        }
    })
}

/// Some contacts of several pages and chunks, one of them with most of the events.
fn contact(random: &mut impl Rng) -> u32 {
    match random.random_range(0..10) {
        0..4 => random.random_range(0..40),
        4 => random.random_range(1_020..1_030),
        5 => random.random_range(65_530..65_540),
        6 => 200_000,
        _ => 7,
    }
}

fn time(random: &mut impl Rng) -> i64 {
    let coarse = random.random_range(-40..40) * 1_000;
    if random.random_range(0..5) == 0 { coarse + random.random_range(0..1_000) } else { coarse }
}

#[derive(Clone, Debug, PartialEq)]
struct Event {
    at: i64,
    values: Vec<Option<Value>>,
    id: Option<u32>,
}

/// Events by contact, in the order of arrival.
#[derive(Clone, Default)]
struct Model(BTreeMap<u32, Vec<Event>>);

impl Model {
    fn sorted(&self, contact: u32) -> Vec<Event> {
        let mut events = self.0.get(&contact).cloned().unwrap_or_default();
        events.sort_by_key(|event| event.at);
        events
    }
}

fn events_of(index: &EventIndex, group: &EventGroup<'_>) -> Vec<Event> {
    let event = |i: usize| Event {
        at: group.time(i).0,
        values: (0..index.types.len()).map(|property| index.value(group, property, i)).collect(),
        id: group.id(i),
    };
    (0..group.len()).map(event).collect()
}

/// What was recorded before a property was declared lacks it.
fn widened(events: Vec<Event>, width: usize) -> Vec<Event> {
    let widen = |mut event: Event| {
        event.values.resize(width, None);
        event
    };
    events.into_iter().map(widen).collect()
}

fn compare(index: &EventIndex, model: &Model, random: &mut impl Rng) {
    index.check().unwrap();
    let width = index.types.len();
    for contact in model.0.keys().copied().chain([5_000_000]) {
        let sorted = widened(model.sorted(contact), width);
        assert_eq!(events_of(index, &index.group(ContactId(contact))), sorted, "contact {contact}");
        let limit = time(random);
        let newest = sorted.iter().map(|event| event.at).filter(|at| *at <= limit).max();
        assert_eq!(index.newest(ContactId(contact), Timestamp(limit)).map(|at| at.0), newest);
    }
    assert_eq!(index.len(), model.0.values().map(|events| events.len() as u64).sum::<u64>());
    let present: Vec<u32> = model.0.iter().filter(|(_, events)| !events.is_empty()).map(|(id, _)| *id).collect();
    assert!(index.presence().iter().eq(present.iter().copied()));
    let mut asked = Words::boxed();
    present.iter().filter(|_| random.random()).for_each(|id| {
        asked.set((*id % CHUNK as u32) as u16);
    });
    let (mut seen, mut picked) = (Vec::new(), Vec::new());
    for chunk in 0..index.chunk_count() {
        let id = |slot: u16| (chunk * CHUNK) as u32 + u32::from(slot);
        index.for_each_group(chunk, |slot, group| seen.push((id(slot), events_of(index, group))));
        let window = (time(random), time(random));
        let filter = Odd(random.random_range(0..width.max(1)), random.random_range(0..3));
        for filter in [None, Some(&filter as &dyn RowFilter)] {
            let mut told = BTreeSet::new();
            index.for_each_passing(chunk, &asked, window, filter, |slot, group| {
                let is_one = |i: &usize| filter.is_none_or(|filter| filter.passes(group, *i));
                let inside = (0..group.len()).filter(|i| (window.0..=window.1).contains(&group.time(*i).0));
                let passing: Vec<usize> = inside.filter(is_one).collect();
                assert!(
                    group.passing(window, |i| is_one(&i)).eq(passing.iter().copied()),
                    "{} in {window:?}",
                    id(slot)
                );
                assert!(group.passing(window, |i| is_one(&i)).rev().eq(passing.iter().rev().copied()));
                told.insert(id(slot));
                if filter.is_none() {
                    picked.push((id(slot), events_of(index, group)));
                }
            });
            for contact in present.iter().filter(|contact| **contact as usize / CHUNK == chunk) {
                let group = index.group(ContactId(*contact));
                let is_one = |i: &usize| filter.is_none_or(|filter| filter.passes(&group, *i));
                let wanted = asked.get(*contact as u16) && group.between(window.0, window.1).any(|i| is_one(&i));
                assert!(!wanted || told.contains(contact), "{contact} in {window:?}");
            }
        }
    }
    let all: Vec<_> = present.iter().map(|id| (*id, widened(model.sorted(*id), width))).collect();
    assert_eq!(seen, all);
    let is_asked = |one: &(u32, _)| asked.get((one.0 % CHUNK as u32) as u16);
    assert!(picked.iter().all(|one| is_asked(one) && all.contains(one)));
    windows(index, model, random);
}

/// Lets events pass by their value of a property: those that have none, those between some, those with an odd one.
struct Odd(usize, u32);

impl RowFilter for Odd {
    fn narrow(&self, page: &Page, rows: &mut [u64]) {
        match self.1 {
            0 => {
                let mut present = rows.to_vec();
                page.keep_present(self.0, &mut present);
                rows.iter_mut().zip(&present).for_each(|(row, present)| *row &= !present);
            }
            1 if !page.has_sets(self.0) => page.keep_between(self.0, &[(1, 1), (3, 900)], rows),
            _ => page.keep_passing(self.0, &|value| value % 2 != 0, rows),
        }
    }

    fn passes(&self, group: &EventGroup<'_>, i: usize) -> bool {
        let one = group.ordered(self.0, i);
        match self.1 {
            0 => !group.is_set(self.0, i),
            1 if one.is_some() => one.is_some_and(|value| value == 1 || (3..=900).contains(&value)),
            _ if one.is_some() => one.is_some_and(|value| value % 2 != 0),
            _ => group.set_codes(self.0, i).is_some_and(|codes| codes.iter().any(|code| code % 2 != 0)),
        }
    }
}

fn windows(index: &EventIndex, model: &Model, random: &mut impl Rng) {
    for _ in 0..12 {
        let (mut lo, mut hi) = (time(random), time(random));
        match random.random_range(0..6) {
            0 => lo = i64::MIN,
            1 => hi = i64::MAX,
            2 => hi = lo,
            _ => {}
        }
        let mut expected = BTreeSet::new();
        for (id, events) in &model.0 {
            let count = events.iter().filter(|event| (lo..=hi).contains(&event.at)).count();
            assert_eq!(index.count_in(ContactId(*id), lo, hi), count);
            assert_eq!(index.group(ContactId(*id)).between(lo, hi).len(), count);
            if count > 0 {
                expected.insert(*id);
            }
        }
        let mut found = BTreeSet::new();
        let mut words = Words::boxed();
        for chunk in 0..=index.chunk_count() {
            words.fill(true);
            index.window_into(chunk, lo, hi, &mut words);
            found.extend(words.iter().map(|slot| (chunk * CHUNK) as u32 + u32::from(slot)));
        }
        assert_eq!(found, expected, "{lo}..={hi}");
        let (few, many) = (random.random_range(0..3), random.random_range(0..5));
        let passes = |count: usize| (few..=many).contains(&count);
        let sparse = random.random();
        let mut of = Words::boxed();
        (0..CHUNK).filter(|_| random.random_ratio(if sparse { 1 } else { 30 }, 40)).for_each(|at| {
            of.set(at as u16);
        });
        for chunk in 0..=index.chunk_count() {
            words.fill(false);
            let filter = Odd(random.random_range(0..index.types.len().max(1)), random.random_range(0..3));
            for filter in [None, Some(&filter as &dyn RowFilter)] {
                words.fill(false);
                index.counts_into(chunk, &of, (lo, hi), filter, passes, &mut words);
                for id in model.0.keys().filter(|id| **id as usize / CHUNK == chunk && of.get(**id as u16)) {
                    let group = index.group(ContactId(*id));
                    let is_one = |i: &usize| filter.is_none_or(|filter| filter.passes(&group, *i));
                    let count = group.between(lo, hi).filter(is_one).count();
                    let expected = passes(count) && index.presence().contains(*id);
                    assert_eq!(words.get(*id as u16), expected, "{id}: {count} in {lo}..={hi}, {few}..={many}");
                }
            }
        }
    }
}

fn image(index: &EventIndex) -> MemoryImage {
    let mut image = MemoryImage::new();
    index.encode("log", &mut image).unwrap();
    image
}

fn step(index: &mut EventIndex, model: &mut Model, random: &mut impl Rng, next_id: &mut u32) {
    let id = contact(random);
    let events = model.0.entry(id).or_default();
    match random.random_range(0..400) {
        0..380 => {
            let values: Vec<_> = index.types.iter().map(|ty| ty.and_then(|ty| value(random, ty))).collect();
            let reference = (random.random_range(0..3) == 0).then(|| {
                *next_id += 1;
                *next_id
            });
            let at = time(random);
            index.record(ContactId(id), Timestamp(at), &values, reference);
            events.push(Event { at, values, id: reference });
        }
        380..396 => {
            let with_id: Vec<u32> = events.iter().filter_map(|event| event.id).collect();
            let Some(reference) = with_id.choose(random) else { return };
            let place = events.iter().position(|event| event.id == Some(*reference)).unwrap();
            let at = events.remove(place).at;
            let taken = index.remove(ContactId(id), *reference).unwrap();
            assert_eq!((taken.at.0, taken.id), (at, Some(*reference)));
            assert_eq!(index.remove(ContactId(id), *reference), None);
        }
        396 => {
            let mut taken: Vec<_> = index.erase(ContactId(id)).iter().map(|taken| (taken.at.0, taken.id)).collect();
            let mut gone: Vec<_> = events.drain(..).map(|event| (event.at, event.id)).collect();
            taken.sort_unstable();
            gone.sort_unstable();
            assert_eq!(taken, gone);
        }
        397 => index.settle(),
        398 => *index = EventIndex::decode("log", &image(index)).unwrap(),
        _ => {}
    }
}

#[test]
fn a_log_is_a_list_of_events() {
    for seed in 0..6 {
        let mut random = rand_pcg::Pcg64::seed_from_u64(seed);
        let (mut index, mut model, mut next_id) = (EventIndex::new(&kind(4)), Model::default(), 0);
        let mut held = Vec::new();
        for round in 0..8 {
            for _ in 0..random.random_range(1..700) {
                step(&mut index, &mut model, &mut random, &mut next_id);
            }
            compare(&index, &model, &mut random);
            held.push((index.clone(), model.clone()));
            if round == 3 {
                index.sync_kind(&kind(7));
            }
        }
        for (clone, model) in &held {
            compare(clone, model, &mut random);
        }
        let back = EventIndex::decode("log", &image(&index)).unwrap();
        compare(&back, &model, &mut random);
        assert_eq!(image(&index), image(&back));
        index.settle();
        assert_eq!(image(&index), image(&back), "merging leaves no trace");
    }
}

#[test]
fn a_dropped_property_is_gone_and_one_declared_anew_is_empty() {
    let mut random = rand_pcg::Pcg64::seed_from_u64(1);
    let (mut index, mut model, mut next_id) = (EventIndex::new(&kind(7)), Model::default(), 0);
    for _ in 0..900 {
        step(&mut index, &mut model, &mut random, &mut next_id);
    }
    let mut without = kind(7);
    without.properties[1].dropped = true;
    without.properties[6].dropped = true;
    without.properties.push(property("product", ValueType::Category));
    assert!(index.sync_kind(&without) && !index.sync_kind(&without));
    for event in model.0.values_mut().flatten() {
        (event.values[1], event.values[6]) = (None, None);
    }
    compare(&index, &model, &mut random);
    assert!(index.dictionary(1).is_none() && index.dictionary(7).is_some_and(|texts| texts.is_empty()));
    for _ in 0..900 {
        step(&mut index, &mut model, &mut random, &mut next_id);
    }
    compare(&index, &model, &mut random);
}

#[test]
fn an_event_with_time_and_amount_takes_sixteen_bytes() {
    let mut random = rand_pcg::Pcg64::seed_from_u64(5);
    let mut index = EventIndex::new(&kind(1));
    let start = 1_750_000_000_000;
    for _ in 0..200_000 {
        let at = start + random.random_range(0..31_536_000) * 1_000;
        let amount = Some(Value::Money(random.random_range(100..50_000)));
        index.record(ContactId(random.random_range(0..20_000)), Timestamp(at), &[amount], None);
    }
    index.settle();
    index.check().unwrap();
    let each = index.memory_bytes() as f64 / index.len() as f64;
    assert!(each <= 16.0, "{each} bytes");
}

#[test]
fn damaged_logs_do_not_load_or_load_without_panic() {
    let mut random = rand_pcg::Pcg64::seed_from_u64(9);
    let (mut index, mut model, mut next_id) = (EventIndex::new(&kind(7)), Model::default(), 0);
    for _ in 0..600 {
        step(&mut index, &mut model, &mut random, &mut next_id);
    }
    let whole = image(&index);
    for _ in 0..400 {
        let mut damaged = whole.clone();
        let bytes = damaged.sections_mut().get_mut("log").unwrap();
        let at = random.random_range(0..bytes.len());
        if random.random() {
            bytes.truncate(at)
        } else {
            bytes[at] ^= 1 << random.random_range(0..8)
        }
        if let Ok(index) = EventIndex::decode("log", &damaged) {
            for chunk in 0..index.chunk_count() {
                index.for_each_group(chunk, |_, group| {
                    (0..group.len()).for_each(|i| assert!(group.id(i) != Some(u32::MAX) && !group.is_empty()));
                });
            }
        }
    }
}
