//! Which columns are what, which types are taken, and what is said of those that are not.

use postgres::types::{Kind, Type};

use crate::cli::from_postgres::{
    Rows,
    columns::{Role, Shape, read},
};

fn user(name: &str, kind: Kind) -> Type {
    Type::new(name.into(), 99_999, kind, "public".into())
}

fn shaped(ty: &Type) -> Option<Shape> {
    read("a", ty, Rows::Contacts).ok().map(|column| column.shape)
}

#[test]
fn types_are_read_by_what_they_are_made_of() {
    let mood = user("mood", Kind::Enum(vec!["glad".into()]));
    let email = user("email", Kind::Domain(Type::TEXT));
    let cents = user("cents", Kind::Domain(Type::INT4));
    assert_eq!(shaped(&mood), Some(Shape::Text));
    assert_eq!(shaped(&email), Some(Shape::Text));
    assert_eq!(shaped(&cents), Some(Shape::Whole(4)));
    assert_eq!(shaped(&user("citext", Kind::Simple)), Some(Shape::Text));
    let moods = user("_mood", Kind::Array(mood));
    assert_eq!(shaped(&moods), Some(Shape::List(Box::new(Shape::Text))));
    let dates = Shape::List(Box::new(Shape::Day));
    assert_eq!(shaped(&Type::DATE_ARRAY), Some(dates));
    for ty in [Type::MONEY, Type::BYTEA, Type::INTERVAL, Type::TIME, Type::INET, Type::POINT, Type::XML, Type::VOID] {
        assert_eq!(shaped(&ty), None, "{ty}");
    }
    assert_eq!(shaped(&Type::JSONB_ARRAY), None);
    assert_eq!(shaped(&Type::MONEY_ARRAY), None);
}

#[test]
fn a_type_that_is_not_taken_is_told_with_what_helps() {
    let told = |ty: &Type| read("Net \"x\"", ty, Rows::Contacts).unwrap_err();
    for (ty, help) in [
        (Type::MONEY, "column \"Net \"x\"\" is of the type money; how many digits it has"),
        (Type::MONEY, "\"Net \"\"x\"\"\"::numeric"),
        (Type::BYTEA, "encode(\"Net \"\"x\"\"\", 'hex')"),
        (Type::INTERVAL, "extract(epoch FROM"),
        (Type::INET, "host("),
        (Type::TIMETZ, "::text is a text"),
        (Type::JSON_ARRAY, "array_to_string("),
        (user("address", Kind::Composite(Vec::new())), "its parts one by one"),
    ] {
        assert!(told(&ty).contains(help), "{}", told(&ty));
    }
}

#[test]
fn keys_ids_and_times_of_events_are_what_they_must_be() {
    let role = |name: &str, ty: Type, rows: Rows| read(name, &ty, rows).map(|column| (column.name, column.role));
    assert_eq!(role("KEY", Type::INT8, Rows::Contacts), Ok(("key".into(), Role::Key)));
    assert_eq!(role("key", Type::UUID, Rows::Contacts), Ok(("key".into(), Role::Key)));
    assert_eq!(role("firstName", Type::TEXT, Rows::Contacts), Ok(("firstName".into(), Role::Property)));
    assert_eq!(role("key", Type::TEXT, Rows::Events), Ok(("key".into(), Role::Property)));
    assert_eq!(role("id", Type::INT4, Rows::Events), Ok(("id".into(), Role::Key)));
    assert_eq!(role("id", Type::INT4, Rows::Contacts), Ok(("id".into(), Role::Property)));
    assert_eq!(role("Contact", Type::TEXT, Rows::Events), Ok(("contact".into(), Role::Key)));
    assert_eq!(role("at", Type::DATE, Rows::Events), Ok(("at".into(), Role::Member)));
    assert_eq!(role("properties", Type::JSONB, Rows::Events), Ok(("properties".into(), Role::Properties)));
    for (name, ty, rows, why) in [
        ("key", Type::TIMESTAMPTZ, Rows::Contacts, "a text or a whole number"),
        ("key", Type::BOOL, Rows::Contacts, "a text or a whole number"),
        ("event", Type::INT4, Rows::Events, "the name of an event is a text"),
        ("at", Type::INT8, Rows::Events, "a time or a date"),
        ("properties", Type::TEXT, Rows::Events, "json or jsonb"),
        ("a`b", Type::TEXT, Rows::Contacts, "column \"a`b\""),
    ] {
        assert!(role(name, ty, rows).unwrap_err().contains(why), "{name}");
    }
}
