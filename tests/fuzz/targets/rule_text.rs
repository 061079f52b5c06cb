//! Any text is a rule or a clear error; a rule prints to a text and a JSON that read back as the same rule.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use throng::{
    model::{calendar::Zone, schema::Schema},
    rule,
};

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::starter(Zone::utc()));

fuzz_target!(|text: &str| {
    match rule::parse(text, &SCHEMA) {
        Ok(tree) => {
            assert_eq!(rule::parse(&rule::print(&tree), &SCHEMA).as_ref(), Ok(&tree), "{}", rule::print(&tree));
            assert_eq!(rule::from_json(&rule::to_json(&tree).to_string(), &SCHEMA), Ok(tree));
        }
        Err(error) => assert!(!error.render(text).is_empty()),
    }
});
