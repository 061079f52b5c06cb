//! The text and the set index against maps.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::{
    bitmap::posting::Posting,
    codec::section::MemoryImage,
    index::{
        domains::domain_of,
        matching::{TextMatch, key_of},
        set::SetIndex,
        text::{CodeBits, TextIndex},
    },
    model::id::ContactId,
};

const IDS: u32 = 140_000;

/// Some common texts, some rare ones; most are emails.
fn text(dice: &mut Pcg64Mcg) -> String {
    let n: u32 = dice.random_range(0..20_000);
    match dice.random_range(0..6) {
        0 => ["US", "us", "De", "São Paulo", "SÃO PAULO"][n as usize % 5].to_owned(),
        1 => format!("Person {n}"),
        2 => format!("p{n}@Example.com"),
        3 => format!("p{n}@example{}.org", n % 50),
        4 => format!("odd@name@x{n}.net"),
        _ => format!("{n}@"),
    }
}

fn select(model: &BTreeMap<u32, String>, pass: impl Fn(&str) -> bool) -> Vec<u32> {
    model.iter().filter(|(_, text)| pass(text)).map(|(id, _)| *id).collect()
}

fn same(posting: &Posting, ids: &[u32]) -> bool {
    posting.len() == ids.len() as u64 && posting.iter().eq(ids.iter().copied())
}

fn text_agrees(index: &TextIndex, model: &BTreeMap<u32, String>, dice: &mut Pcg64Mcg) {
    index.check().unwrap();
    assert!(index.present().iter().eq(model.keys().copied()));
    for _ in 0..200 {
        let id = dice.random_range(0..IDS);
        assert_eq!(index.value(ContactId(id)), model.get(&id).map(String::as_str));
    }
    for wanted in [text(dice), text(dice), "us".to_owned(), "são paulo".to_owned(), "nobody".to_owned()] {
        let case_sensitive = index.case_sensitive();
        let key = key_of(&wanted, case_sensitive);
        let ids = select(model, |text| key_of(text, case_sensitive) == key);
        assert!(same(&index.equal(&wanted), &ids), "{wanted}");
        assert_eq!(index.equal_len(&wanted), ids.len() as u64);
        let two = select(model, |text| [&key, "de"].contains(&key_of(text, case_sensitive).as_str()));
        assert!(same(&index.any_of(&[&wanted, "de"]), &two));
    }
    for test in
        [TextMatch::contains("example1", false), TextMatch::starts_with("p", false), TextMatch::glob("*", false)]
    {
        let codes = index.search(&test).first(usize::MAX);
        let ids = select(model, |text| test.matches_text(text, index.case_sensitive()));
        assert!(same(&index.rows(&codes), &ids), "{test:?}");
        assert_eq!(index.rows_len(&codes), ids.len() as u64);
        let few: Posting = codes.iter().take(5).collect();
        for codes in [&codes, &few] {
            let all = index.rows(codes);
            let wanted = CodeBits::of(codes);
            assert!((0..index.chunk_count()).all(|chunk| index.rows_in(&wanted, chunk) == *all.chunk(chunk)));
        }
    }
    for domain in ["example.com", "example7.org", "x17.net", "nowhere.com", ""] {
        let ids = select(model, |text| domain_of(text).is_some_and(|d| d == domain));
        assert_eq!(index.domain_len(domain), ids.len() as u64);
        assert!(same(&index.domain(domain).unwrap_or_default(), &ids), "{domain}");
    }
    let shown: u64 = index.breakdown_len().map(|(_, rows)| rows).sum();
    assert_eq!(shown, model.len() as u64);
    assert!(index.breakdown().all(|(text, rows)| rows.iter().all(|id| model[&id] == text)));
}

#[test]
fn texts_answer_like_a_map_across_images_and_clones() {
    let mut dice = Pcg64Mcg::seed_from_u64(11);
    let (mut index, mut model, mut kept) = (TextIndex::new(false, true), BTreeMap::new(), vec![]);
    for round in 0..4 {
        for _ in 0..15_000 {
            let id = dice.random_range(0..IDS);
            let new = (dice.random_range(0..5) > 0).then(|| text(&mut dice));
            let before = match &new {
                Some(new) => model.insert(id, new.clone()),
                None => model.remove(&id),
            };
            assert_eq!(index.set(ContactId(id), new.as_deref()), before != new);
        }
        assert!(!index.set(ContactId(IDS + round), Some("")), "an empty text is none");
        text_agrees(&index, &model, &mut dice);
        kept.push((index.clone(), model.clone()));
        let mut image = MemoryImage::new();
        index.encode("t", &mut image).unwrap();
        index = TextIndex::decode(true, "t", &image).unwrap();
        let mut again = MemoryImage::new();
        index.encode("t", &mut again).unwrap();
        assert_eq!(image, again);
        text_agrees(&index, &model, &mut dice);
    }
    for (index, model) in &mut kept {
        text_agrees(index, model, &mut dice);
        index.set_case_sensitive(true);
        text_agrees(index, model, &mut dice);
    }
}

fn tag(dice: &mut Pcg64Mcg) -> String {
    let n: u32 = dice.random_range(0..1_000);
    match dice.random_range(0..5) {
        0 => "VIP".to_owned(),
        1 => "vip".to_owned(),
        2 => format!("rare {n}"),
        3 => format!("Tag{}", n % 30),
        _ => String::new(),
    }
}

/// The rule: no empty texts, and none equal to one before.
fn distinct(texts: &[String], case_sensitive: bool) -> Vec<String> {
    let mut keys = BTreeSet::new();
    texts.iter().filter(|text| !text.is_empty() && keys.insert(key_of(text, case_sensitive))).cloned().collect()
}

fn set_agrees(index: &SetIndex, model: &BTreeMap<u32, Vec<String>>) {
    index.check().unwrap();
    let case_sensitive = index.case_sensitive();
    assert!(index.present().iter().eq(model.keys().copied()));
    assert!((0..IDS).step_by(7).all(|id| index.value(ContactId(id)) == *model.get(&id).unwrap_or(&vec![])));
    let having = |pass: &dyn Fn(&String) -> bool| -> Vec<u32> {
        model.iter().filter(|(_, texts)| texts.iter().any(pass)).map(|(id, _)| *id).collect()
    };
    for wanted in ["vip", "TAG3", "rare 17", "none"] {
        let key = key_of(wanted, case_sensitive);
        let ids = having(&|text| key_of(text, case_sensitive) == key);
        assert!(same(&index.equal(wanted), &ids), "{wanted}");
        assert_eq!(index.equal_len(wanted), ids.len() as u64);
    }
    let test = TextMatch::contains("are 1", case_sensitive);
    let ids = having(&|text| test.matches_text(text, case_sensitive));
    assert!(same(&index.rows(&index.search(&test).first(usize::MAX)), &ids));
    let shown: u64 = index.breakdown_len().map(|(_, rows)| rows).sum();
    assert_eq!(shown, model.values().map(|texts| texts.len() as u64).sum::<u64>());
}

#[test]
fn sets_answer_like_a_map_across_images_and_clones() {
    let mut dice = Pcg64Mcg::seed_from_u64(13);
    let (mut index, mut model) = (SetIndex::new(true), BTreeMap::<u32, Vec<String>>::new());
    let mut kept = vec![];
    for case_sensitive in [true, false, false, true] {
        index.set_case_sensitive(case_sensitive);
        model.values_mut().for_each(|texts| *texts = distinct(texts, case_sensitive));
        set_agrees(&index, &model);
        for _ in 0..15_000 {
            let id = dice.random_range(0..IDS / 4);
            let texts: Vec<String> = (0..dice.random_range(0..24)).map(|_| tag(&mut dice)).collect();
            let before = model.get(&id).cloned().unwrap_or_default();
            let (after, changed) = if dice.random_range(0..2) == 0 {
                (texts.clone(), index.set(ContactId(id), &texts))
            } else {
                let (remove, add) = texts.split_at(texts.len() / 2);
                let gone: BTreeSet<String> = remove.iter().map(|text| key_of(text, case_sensitive)).collect();
                let rest = before.iter().filter(|text| !gone.contains(&key_of(text, case_sensitive)));
                (rest.chain(add).cloned().collect(), index.edit(ContactId(id), add, remove))
            };
            let after = distinct(&after, case_sensitive);
            assert_eq!(changed, before != after);
            if after.is_empty() {
                model.remove(&id)
            } else {
                model.insert(id, after)
            };
        }
        set_agrees(&index, &model);
        kept.push((index.clone(), model.clone()));
        let mut image = MemoryImage::new();
        index.encode("s", &mut image).unwrap();
        index = SetIndex::decode("s", &image).unwrap();
        let mut again = MemoryImage::new();
        index.encode("s", &mut again).unwrap();
        assert_eq!(image, again);
        set_agrees(&index, &model);
    }
    kept.iter().for_each(|(index, model)| set_agrees(index, model));
}
