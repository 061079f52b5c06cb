//! Laws of the rule language: what is written is read back, nothing panics, nothing overflows, nothing takes long.

use proptest::prelude::*;

use crate::{
    model::{calendar::Zone, schema::Schema},
    rule::{self, arbitrary, ast::Rule, segments_named},
};

fn starter() -> Schema {
    Schema::starter(Zone::utc())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, max_shrink_iters: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(rule in arbitrary::rule()) {
        let schema = arbitrary::schema();
        rule::check(&rule, schema).map_err(|e| TestCaseError::fail(format!("{rule:?}: {e}")))?;
        let text = rule::print(&rule);
        let read = rule::parse(&text, schema).map_err(|e| TestCaseError::fail(e.render(&text)))?;
        prop_assert_eq!(&read, &rule, "{}", text);
        let json = rule::to_json(&rule).to_string();
        let read = rule::from_json(&json, schema).map_err(|e| TestCaseError::fail(format!("{e} in {json}")))?;
        prop_assert_eq!(&read, &rule, "{}", json);
    }
}

const SOUP: [&str; 72] = [
    "(",
    ")",
    ",",
    "and",
    "or",
    "not",
    "xor",
    "did",
    "then",
    "where",
    "having",
    "at",
    "least",
    "2",
    "of",
    "in",
    "last",
    "30",
    "days",
    "purchase",
    "purchase.amount",
    "sum(",
    "count(",
    "lead",
    "score",
    "lead_score",
    "\"VIP\"",
    "tag",
    "has",
    "no",
    "any",
    "all",
    "is",
    "set",
    "between",
    "=",
    "!=",
    "<",
    ">",
    "$1,000",
    "2026-05-01",
    "2026-05-01T10:00:00Z",
    "ago",
    "ahead",
    "first",
    "last",
    "once",
    "times",
    "on",
    "segment",
    "sample",
    "10%",
    "bucket(",
    "email",
    "domain",
    "conversation",
    "had",
    "matches",
    "/a/",
    "`x`",
    "within",
    "missing",
    "including",
    "every",
    "exactly",
    "not in",
    "created",
    "amount",
    "&&",
    "||",
    "!",
    "#",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_never_panics(words in prop::collection::vec(prop::sample::select(SOUP.to_vec()), 0..25)) {
        let text = words.join(" ");
        match rule::parse(&text, &starter()) {
            Ok(rule) => prop_assert_eq!(rule::parse(&rule::print(&rule), &starter()), Ok(rule)),
            Err(error) => prop_assert!(!error.render(&text).is_empty() && error.offset <= text.len()),
        }
    }

    #[test]
    fn any_characters_never_panic(text in "\\PC{0,60}", json in "[\\[\\]{}\",:a-z0-9 \\\\]{0,60}") {
        if let Err(error) = rule::parse(&text, &starter()) {
            prop_assert!(!error.render(&text).is_empty());
        }
        if let Err(error) = rule::from_json(&json, &starter()) {
            prop_assert!(error.pointer.is_some() && !error.render(&json).is_empty());
        }
    }
}

#[test]
fn limits_hold_on_both_sides() {
    let schema = starter();
    let code = |text: &str| rule::parse(text, &schema).err().map(|error| error.code);
    let nots = |n: usize| format!("{}everyone", "not ".repeat(n));
    assert_eq!(code(&nots(63)), None);
    assert_eq!(code(&nots(64)), Some("too_deep"));
    assert_eq!(code(&"(".repeat(60_000)), Some("too_deep"));
    assert_eq!(code(&format!("{}everyone", "not ".repeat(16_000))), Some("too_deep"));
    let many = |n: usize| vec!["Tag=\"a\""; n].join(" or ");
    assert_eq!(code(&many(1_000)), None);
    assert_eq!(code(&many(1_001)), Some("too_many_predicates"));
    let list = |n: usize| format!("Lead Score in ({})", vec!["1"; n].join(", "));
    assert_eq!(code(&list(10_000)), None);
    assert_eq!(code(&list(10_001)), Some("too_many_values"));
    assert_eq!(code(&format!("everyone{}", " ".repeat(65_528))), None);
    assert_eq!(code(&format!("everyone{}", " ".repeat(65_529))), Some("too_long"));
    let nested = |n: usize| format!("{}{{\"all\":true}}{}", "{\"not\":".repeat(n), "}".repeat(n));
    assert!(rule::from_json(&nested(63), &schema).is_ok());
    assert_eq!(rule::from_json(&nested(64), &schema).unwrap_err().code, "too_deep");
    assert_eq!(rule::from_json(&"[".repeat(1 << 20), &schema).unwrap_err().code, "too_deep");
}

#[test]
fn long_texts_are_read_in_time_that_grows_with_their_length() {
    let schema = starter();
    for unit in [
        "lead ",
        "a.",
        "did ",
        "has no ",
        "last ",
        "at least 2 of (",
        "did purchase where ",
        "no one and ",
        "count(",
        "_",
        "`a` ",
    ] {
        let text = unit.repeat(64 * 1024 / unit.len());
        let _ = rule::parse(&text, &schema);
    }
}

#[test]
fn segments_are_named_once_in_order() {
    let rule = rule::parse("in segment \"B\" and not (in segment \"a\" or in segment b)", &starter()).unwrap();
    assert_eq!(segments_named(&rule), ["B", "a"]);
}

#[test]
fn errors_are_drawn_with_a_caret() {
    let text = "Has tag \"VIP\"\nAND Lead Scroe > 50";
    let error = rule::parse(text, &starter()).unwrap_err();
    assert_eq!((error.line, error.column, error.offset), (2, 5, 18));
    assert_eq!(error.suggestion.as_deref(), Some("lead_score"));
    let drawn = error.render(text);
    assert!(drawn.contains("AND Lead Scroe > 50") && drawn.contains("^^^^^^^^^^ did you mean lead_score?"), "{drawn}");
    assert_eq!(rule::parse("everyone", &starter()), Ok(Rule::All));
}

#[test]
fn errors_at_odd_line_ends_are_drawn() {
    for source in ["\r\r", "\r", "", "\n\r\n", "name =\r\r\n", "a\rb", "é\r"] {
        let error = super::parse(source, arbitrary::schema()).unwrap_err();
        assert!(!error.render(source).is_empty(), "{source:?}");
    }
}
