//! The lexicon against a map and a loop: every text looked at, every time.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use regex::Regex;

use crate::{
    codec::section::MemoryImage,
    index::{
        lexicon::Lexicon,
        lexicon_search::AUTOMATON_MIN,
        matching::{TextMatch, key_of},
    },
};

const SYLLABLES: [&str; 16] =
    ["an", "AN", "ber", "Ber", "ca", "é", "É", "e\u{301}", "-", " ", "do", "ß", "lin", "東京", "x", "42"];

fn word(dice: &mut Pcg64Mcg) -> String {
    (0..dice.random_range(1..7)).map(|_| SYLLABLES[dice.random_range(0..SYLLABLES.len())]).collect()
}

fn image(lexicon: &Lexicon) -> MemoryImage {
    let mut image = MemoryImage::new();
    lexicon.encode("t", &mut image).unwrap();
    image
}

fn tests(dice: &mut Pcg64Mcg, case_sensitive: bool) -> Vec<TextMatch> {
    let mut needle = || word(dice);
    let mut tests = vec![
        TextMatch::contains(&needle(), case_sensitive),
        TextMatch::contains("erc", case_sensitive),
        TextMatch::contains("n", case_sensitive),
        TextMatch::starts_with(&needle(), case_sensitive),
        TextMatch::ends_with(&needle(), case_sensitive),
        TextMatch::equal(&needle(), case_sensitive),
        TextMatch::glob("*ber*lin?*", case_sensitive),
        TextMatch::glob(&format!("{}*", needle()), case_sensitive),
        TextMatch::glob("*", case_sensitive),
    ];
    let globs = ["*n*", "c*an*é", "*é*ber", "an*an*n", "*42*", "ber*-*", "*東京*x", "* *"];
    tests.extend(globs.map(|glob| TextMatch::glob(glob, case_sensitive)));
    // With a word boundary an automaton gives up where a text is not ASCII.
    let regexes = ["^[A-Z].*(lin|é)$", r"\bber\b", r"(?i)BER.*\d", "^.{3}$", "x*", "^$", r"[^a-z]\W", "東.*(an|do)+-?"];
    tests.extend(regexes.map(|regex| TextMatch::regex(Regex::new(regex).unwrap())));
    tests
}

fn agrees(lexicon: &Lexicon, model: &BTreeMap<String, u32>, dice: &mut Pcg64Mcg) {
    lexicon.check().unwrap();
    assert_eq!(lexicon.len(), model.len());
    let case_sensitive = lexicon.case_sensitive();
    for test in tests(dice, case_sensitive) {
        let passing = model.iter().filter(|(text, _)| test.matches(text, &key_of(text, case_sensitive)));
        let mut wanted: Vec<u32> = passing.map(|(_, code)| *code).collect();
        wanted.sort_unstable();
        assert!(lexicon.codes_matching(&test).iter().eq(wanted.iter().copied()), "{test:?}");
    }
    // Texts that are equal are of one group; and a text of none has no equal.
    let crowded = lexicon.crowded();
    assert!(crowded.is_sorted() && crowded.chunk_by(|a, b| a >> 32 == b >> 32).all(|group| group.len() > 1));
    let group: BTreeMap<u32, u64> = crowded.iter().map(|entry| (*entry as u32, entry >> 32)).collect();
    assert!(group.keys().all(|code| model.values().any(|known| known == code)), "of codes in use");
    for (text, code) in model {
        let equal = lexicon.find_equal(text);
        assert!(equal.len() == 1 || group.contains_key(code), "{text}");
        assert!(equal.len() == 1 || equal.iter().all(|other| group.get(other) == group.get(code)), "{text}");
    }
    for _ in 0..50 {
        let text = word(dice);
        let key = key_of(&text, case_sensitive);
        let equal = model.iter().filter(|(other, _)| key_of(other, case_sensitive) == key);
        let mut wanted: Vec<u32> = equal.map(|(_, code)| *code).collect();
        wanted.sort_unstable();
        assert_eq!(lexicon.find_equal(&text), wanted);
        assert_eq!(lexicon.find_exact(&text), model.get(&text).copied());
    }
}

fn change(lexicon: &mut Lexicon, model: &mut BTreeMap<String, u32>, dice: &mut Pcg64Mcg, steps: usize) {
    for _ in 0..steps {
        let text = word(dice);
        if dice.random_range(0..4) == 0 {
            if let Some(code) = model.remove(&text) {
                lexicon.remove(code);
                assert_eq!(lexicon.get(code), "");
            }
        } else {
            let (code, new) = lexicon.intern(&text);
            assert_eq!(model.get(&text).is_none(), new);
            assert_eq!(*model.entry(text.clone()).or_insert(code), code);
            assert_eq!(lexicon.get(code), text);
        }
    }
}

#[test]
fn it_answers_like_a_loop_across_images_clones_and_changes_of_the_case_rule() {
    for case_sensitive in [false, true] {
        let mut dice = Pcg64Mcg::seed_from_u64(7);
        let mut lexicon = Lexicon::new(case_sensitive);
        let mut model = BTreeMap::new();
        let mut kept = vec![];
        for round in 0..4 {
            change(&mut lexicon, &mut model, &mut dice, 3_000);
            agrees(&lexicon, &model, &mut dice);
            kept.push((lexicon.clone(), model.clone()));
            let written = image(&lexicon);
            let back = Lexicon::decode("t", &written).unwrap();
            assert_eq!(image(&back), written);
            agrees(&back, &model, &mut dice);
            // Two writers go on, one over the image, one as it was: they stay the same, byte for byte.
            let (mut again, mut other_model) = (dice.clone(), model.clone());
            let mut over = back;
            change(&mut over, &mut other_model, &mut again, 500);
            change(&mut lexicon, &mut model, &mut dice, 500);
            assert_eq!(image(&over), image(&lexicon));
            lexicon = over;
            if round == 2 {
                lexicon.set_case_sensitive(!case_sensitive);
                agrees(&lexicon, &model, &mut dice);
            }
        }
        assert!(lexicon.code_end() > AUTOMATON_MIN, "trigrams and automata were in use");
        kept.iter().for_each(|(lexicon, model)| agrees(lexicon, model, &mut dice));
    }
}

#[test]
fn a_removed_text_leaves_no_trace() {
    let mut lexicon = Lexicon::new(false);
    let mut canary = 0;
    for n in 0..5_000 {
        lexicon.intern(&format!("contact number {n}"));
        if n == 700 {
            canary = lexicon.intern("Qyzzvx").0;
        }
    }
    let without = image(&lexicon);
    assert!(!lexicon.codes_matching(&TextMatch::contains("yzzv", false)).is_empty());
    lexicon.remove(canary);
    lexicon = Lexicon::decode("t", &image(&lexicon)).unwrap();
    let grams = |image: &MemoryImage| image.sections()["t/grams/grams"].len();
    assert_eq!(grams(&image(&lexicon)), grams(&without) - 4 * 4, "qyz, yzz, zzv and zvx are gone");
    let found = |needle: &[u8]| {
        image(&lexicon).sections().values().any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    };
    assert!(!found(b"Qyzzvx") && !found(b"qyzzvx"));
    assert_eq!(lexicon.intern("another"), (canary, true), "the code is given again");
    assert!(lexicon.codes_matching(&TextMatch::contains("nothe", false)).contains(canary));
}
