//! The rule language against data files: what is read, how it is written, and how errors look.
//!
//! A case is a block of lines: those that start with `> ` are the rule (text, or JSON when it starts with `{`), the
//! rest is what must come of it. `UPDATE_CASES=1` writes the files anew.

use std::{fmt::Write, fs, path::Path};

use throng::{
    model::{
        calendar::Zone,
        currency::Currency,
        id::{EventKindId, PropertyId},
        name::Name,
        schema::{EventKind, EventProperty, Property, Schema},
        value::ValueType,
    },
    rule::{self, ast::Rule, error::RuleError},
};

/// The starter schema and what a user could have added.
fn schema() -> Schema {
    let starter = Schema::starter(Zone::utc());
    let name = |spelling: &str| Name::new(spelling).unwrap();
    let euro = Currency::of_code("EUR").unwrap();
    let mut properties = starter.property_slots().to_vec();
    for (spelling, alias, ty) in [
        ("cidade", None, ValueType::Text),
        ("ultima_compra", None, ValueType::Timestamp),
        ("birth_date", Some("birthday"), ValueType::Date),
        ("groups", None, ValueType::Set),
        ("work_email", None, ValueType::Email),
        ("mrr", None, ValueType::Money(euro)),
        ("x+y", None, ValueType::Number),
        ("product", None, ValueType::Text),
        ("date_of_birth", None, ValueType::Date),
        ("purchased", None, ValueType::Timestamp),
    ] {
        let id = PropertyId(properties.len() as u16);
        let aliases = alias.map(name).into_iter().collect();
        properties.push(Some(Property { id, name: name(spelling), ty, aliases, case_sensitive: false, derived: None }));
    }
    let mut events = starter.event_slots().to_vec();
    for (spelling, columns) in [
        ("visit", vec![("page", ValueType::Text), ("seconds", ValueType::Number)]),
        ("order", vec![("paid_amount", ValueType::Number)]),
        ("order_paid", vec![("amount", ValueType::Number), ("sku", ValueType::Text), ("at", ValueType::Timestamp)]),
    ] {
        let mut kind = EventKind::plain(EventKindId(events.len() as u16), name(spelling));
        kind.properties = columns
            .into_iter()
            .map(|(column, ty)| EventProperty { name: name(column), ty, case_sensitive: false, dropped: false })
            .collect();
        events.push(Some(kind));
    }
    Schema::new(Zone::utc(), properties, events)
}

fn read(source: &str, schema: &Schema) -> Result<Rule, RuleError> {
    if source.starts_with('{') { rule::from_json(source, schema) } else { rule::parse(source, schema) }
}

/// What must come of a good rule: its canonical text and JSON, which both read back as the same rule.
fn good(source: &str, schema: &Schema) -> String {
    let rule = match read(source, schema) {
        Ok(rule) => rule,
        Err(error) => return format!("{}\n", error.render(source)),
    };
    let (text, json) = (rule::print(&rule), rule::to_json(&rule).to_string());
    assert_eq!(rule::parse(&text, schema).as_ref(), Ok(&rule), "{source} was written as {text}");
    assert_eq!(rule::from_json(&json, schema).as_ref(), Ok(&rule), "{source} was written as {json}");
    assert_eq!(rule::parse(&rule::lines(&rule, schema), schema).as_ref(), Ok(&rule), "{source} in lines");
    assert_eq!(rule::check(&rule, schema), Ok(()), "{source}");
    format!("{text}\n{json}\n")
}

/// What must come of a bad rule: its code, one line, and the drawing.
fn bad(source: &str, schema: &Schema) -> String {
    match read(source, schema) {
        Ok(rule) => format!("good: {}\n", rule::print(&rule)),
        Err(error) => {
            let drawn: Vec<String> = error.render(source).lines().map(|line| line.trim_end().to_owned()).collect();
            format!("{} at {}\n{error}\n{}\n", error.code, error.offset, drawn.join("\n"))
        }
    }
}

fn check(file: &str, answer: fn(&str, &Schema) -> String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/rules").join(file);
    let written = fs::read_to_string(&path).unwrap();
    let schema = schema();
    let mut expected = String::new();
    for block in written.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty()) {
        let (source, notes): (Vec<&str>, Vec<&str>) = block.lines().partition(|line| line.starts_with("> "));
        for note in notes.iter().filter(|line| line.starts_with("# ")) {
            writeln!(expected, "{note}").unwrap();
        }
        if !source.is_empty() {
            let lines: Vec<&str> = source.iter().map(|line| &line[2..]).collect();
            writeln!(expected, "{}", source.join("\n")).unwrap();
            expected.push_str(&answer(&lines.join("\n"), &schema));
        }
        expected.push('\n');
    }
    if std::env::var_os("UPDATE_CASES").is_some() {
        fs::write(&path, expected).unwrap();
        return;
    }
    for (number, (found, wanted)) in expected.lines().zip(written.lines()).enumerate() {
        assert_eq!(found, wanted, "{file}, line {}", number + 1);
    }
    assert_eq!(expected.trim_end(), written.trim_end(), "{file}");
}

#[test]
fn every_form_is_read_and_written() {
    check("valid.txt", good);
}

#[test]
fn every_error_is_told() {
    check("errors.txt", bad);
}

#[test]
fn the_product_page_parses_verbatim_on_an_empty_database() {
    let schema = Schema::starter(Zone::utc());
    let lines = "Name contains \"...\"                      Had conversation in last 7 days       Lead score > 50
Email domain is \"company.com\"            Opened email campaign                 Has open ticket
Created in last 30 days                  Booked appointment                    Purchase value > $1000
Has tag \"VIP\"                            Submitted form";
    let rules: Vec<&str> =
        lines.lines().flat_map(|line| line.split("   ")).map(str::trim).filter(|r| !r.is_empty()).collect();
    assert_eq!(rules.len(), 11);
    let blocks = [
        "(Tag = \"Customer\" AND Country = \"US\")\nOR\n(Lead Score > 80)",
        "Purchase Total > $1000\nAND Has Tag \"Customer\"\nAND Last Activity < 90 days ago",
        "Has Tag \"Customer\"\nAND Last Activity > 30 days ago\nAND No conversation in 60 days",
        "Lead Score > 70\nAND Status = \"Active\"\nAND Created < 14 days ago",
        "Has Tag \"Newsletter\"\nAND Email Consent = true",
    ];
    for source in rules.into_iter().chain(blocks) {
        let rule = rule::parse(source, &schema).unwrap_or_else(|error| panic!("{}", error.render(source)));
        assert_eq!(rule::parse(&rule::print(&rule), &schema).as_ref(), Ok(&rule), "{source}");
    }
}

#[test]
fn lines_say_events_as_the_schema_does() {
    let schema = Schema::starter(Zone::utc());
    for (source, said) in [
        ("did not conversation in last 60 days", "no conversation in last 60 days"),
        ("No conversation", "no conversation"),
        ("did conversation at least 2 times", "had conversation at least 2 times"),
        ("did not conversation at least 2 times", "did not conversation at least 2 times"),
        (
            "did email_opened where campaign = \"Spring\" in last 30 days",
            "opened email campaign \"Spring\" in last 30 days",
        ),
        (
            "Lead Score > 5 AND (did conversation OR No tag \"x\")",
            "lead_score > 5\nAND (had conversation or no tag \"x\")",
        ),
        ("Has tag \"a\" OR Has tag \"b\"", "has tag \"a\"\nOR has tag \"b\""),
        ("NOT (Has tag \"a\" AND Has no open ticket)", "not (has tag \"a\" and not (open_ticket = true))"),
    ] {
        let rule = rule::parse(source, &schema).unwrap();
        let lines = rule::lines(&rule, &schema);
        assert_eq!(lines, said, "{source}");
        assert_eq!(rule::parse(&lines, &schema).as_ref(), Ok(&rule), "{source}");
    }
}
