//! Tests of schema patches.

use crate::model::{
    calendar::Zone,
    currency::Currency,
    name::Name,
    request::{EventPatch, EventPropertyPatch, PropertyPatch, Refusal, RefusalKind, SchemaPatch},
    schema::{Derived, Function, Schema, Source, Writer},
    value::ValueType,
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn typed(ty: &str) -> PropertyPatch {
    PropertyPatch { ty: Some(ty.into()), ..PropertyPatch::default() }
}

fn property(schema: &Schema, property: &str, change: Option<PropertyPatch>) -> Result<Schema, Refusal> {
    schema.patched(&SchemaPatch { properties: vec![(name(property), change)], events: vec![] })
}

fn event(schema: &Schema, event: &str, change: Option<EventPatch>) -> Result<Schema, Refusal> {
    schema.patched(&SchemaPatch { properties: vec![], events: vec![(name(event), change)] })
}

fn starter() -> Schema {
    Schema::starter(Zone::utc())
}

fn refused(result: Result<Schema, Refusal>) -> (&'static str, RefusalKind) {
    let refusal = result.unwrap_err();
    (refusal.code, refusal.kind)
}

#[test]
fn properties_are_declared_merged_and_dropped() {
    let plan = PropertyPatch { aliases: Some(vec![name("tier"), name("plan")]), ..typed("text") };
    let schema = property(&starter(), "plan", Some(plan)).unwrap();
    let declared = schema.property("tier").unwrap();
    assert_eq!((declared.name.as_str(), declared.id.0, declared.aliases.len()), ("plan", 16, 1));
    let merged = PropertyPatch { case_sensitive: Some(true), ..PropertyPatch::default() };
    let schema = property(&schema, "plan", Some(merged)).unwrap();
    assert!(schema.property("tier").unwrap().case_sensitive, "what is not named stays");
    let schema = property(&schema, "plan", None).unwrap();
    assert!(schema.property("plan").is_none() && schema.property("tier").is_none());
    let schema = property(&schema, "plan", Some(typed("number"))).unwrap();
    assert_eq!(schema.property("plan").unwrap().id.0, 17, "ids are not reused");
}

#[test]
fn types_never_change() {
    let schema = starter();
    assert_eq!(refused(property(&schema, "lead_score", Some(typed("text")))), ("type_change", RefusalKind::Conflict));
    assert!(property(&schema, "lead_score", Some(typed("number"))).is_ok());
    let eur = PropertyPatch { currency: Currency::of_code("EUR"), ..PropertyPatch::default() };
    assert_eq!(refused(property(&schema, "purchase_total", Some(eur.clone()))).0, "type_change");
    assert_eq!(refused(property(&schema, "lead_score", Some(eur))).0, "not_money");
    let both =
        SchemaPatch { properties: vec![(name("city"), None), (name("city"), Some(typed("number")))], events: vec![] };
    assert_eq!(refused(schema.patched(&both)).0, "dropped");
    let amount = EventPropertyPatch { ty: Some("number".into()), ..EventPropertyPatch::default() };
    let change = EventPatch { properties: vec![(name("amount"), Some(amount))], ..EventPatch::default() };
    assert_eq!(refused(event(&schema, "purchase", Some(change))).0, "type_change");
}

#[test]
fn names_and_types_are_checked() {
    let schema = starter();
    assert_eq!(refused(property(&schema, "tag", Some(typed("text")))), ("name_taken", RefusalKind::Conflict));
    assert_eq!(refused(property(&schema, "key", Some(typed("text")))).0, "reserved_name");
    assert_eq!(refused(property(&schema, "x", Some(typed("string")))).0, "unknown_type");
    assert_eq!(refused(property(&schema, "x", Some(PropertyPatch::default()))).0, "missing_type");
    assert_eq!(refused(property(&schema, "x", None)), ("unknown_property", RefusalKind::NotFound));
    let alias = PropertyPatch { aliases: Some(vec![name("email")]), ..PropertyPatch::default() };
    assert_eq!(refused(property(&schema, "city", Some(alias))).0, "name_taken");
    let case = PropertyPatch { case_sensitive: Some(true), ..typed("number") };
    assert_eq!(refused(property(&schema, "x", Some(case))).0, "not_text");
}

#[test]
fn events_carry_phrases_labels_and_properties() {
    let minutes = EventPropertyPatch { ty: Some("number".into()), ..EventPropertyPatch::default() };
    let webinar = EventPatch {
        phrases: Some(vec!["Attended  Webinar".into()]),
        negative: Some(vec!["no webinar".into()]),
        label: Some(Some(name("title"))),
        properties: vec![(name("minutes"), Some(minutes))],
        ..EventPatch::default()
    };
    let schema = event(&starter(), "webinar", Some(webinar)).unwrap();
    let kind = schema.event("webinar").unwrap();
    assert_eq!(&*kind.phrases[0], "attended webinar");
    assert_eq!(kind.property("title").unwrap().1.ty, ValueType::Text, "a label declares its property");
    let taken = EventPatch { phrases: Some(vec!["no webinar".into()]), ..EventPatch::default() };
    assert_eq!(refused(event(&schema, "talk", Some(taken))).0, "phrase_taken");
    let drop_label = EventPatch { properties: vec![(name("title"), None)], ..EventPatch::default() };
    assert_eq!(refused(event(&schema, "webinar", Some(drop_label.clone()))).0, "in_use");
    let unlabelled = EventPatch { label: Some(None), ..drop_label };
    let schema = event(&schema, "webinar", Some(unlabelled)).unwrap();
    assert_eq!(schema.event("webinar").unwrap().properties.len(), 2, "the place of a dropped one is kept");
    let by_number = EventPatch { label: Some(Some(name("minutes"))), ..EventPatch::default() };
    assert_eq!(refused(event(&schema, "webinar", Some(by_number))).0, "bad_label");
}

#[test]
fn derived_properties_hold_what_they_use() {
    let schema = starter();
    assert_eq!(refused(event(&schema, "purchase", None)).0, "in_use");
    let source = |function, of: Option<&str>| Source::Aggregate { function, event: name("purchase"), of: of.map(name) };
    let derived = |function, of, writer| PropertyPatch {
        derived: Some(Some(Derived { source: source(function, of), writer })),
        ..PropertyPatch::default()
    };
    let ltv = property(&schema, "ltv", Some(derived(Function::Sum, Some("amount"), Writer::Add))).unwrap();
    assert_eq!(ltv.property("ltv").unwrap().ty, ValueType::Money(Currency::USD));
    let buys = property(&schema, "buys", Some(derived(Function::Count, None, Writer::Refuse))).unwrap();
    assert_eq!(buys.property("buys").unwrap().ty, ValueType::Number);
    assert_eq!(
        refused(property(&schema, "x", Some(derived(Function::Sum, Some("product"), Writer::Add)))).0,
        "bad_derived"
    );
    assert_eq!(
        refused(property(&schema, "x", Some(derived(Function::Sum, Some("nope"), Writer::Add)))).0,
        "bad_derived"
    );
    let typed_wrong = PropertyPatch { ty: Some("text".into()), ..derived(Function::Count, None, Writer::Refuse) };
    assert_eq!(refused(property(&schema, "x", Some(typed_wrong))).0, "bad_derived");
    let plain = PropertyPatch { derived: Some(None), ..PropertyPatch::default() };
    let schema =
        property(&property(&schema, "purchase_total", Some(plain.clone())).unwrap(), "purchase_value", Some(plain));
    assert!(event(&schema.unwrap(), "purchase", None).is_ok(), "nothing uses it any more");
}

#[test]
fn there_is_a_limit() {
    let new: Vec<_> = (0..4_081).map(|n| (name(&format!("p{n}")), ValueType::Number)).collect();
    assert!(starter().with_properties(&new[..4_080]).is_ok());
    let refusal = starter().with_properties(&new).unwrap_err();
    assert_eq!((refusal.code, refusal.kind), ("too_many", RefusalKind::TooLarge));
}
