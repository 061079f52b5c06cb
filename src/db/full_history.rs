//! A small history that holds every command, every type and every structure of an image, for tests of files.

use std::sync::Arc;

use crate::{
    db::{
        database::{Database, Once, Write},
        record::Written,
    },
    engine::command::Command,
    model::{
        currency::Currency,
        name::{ContactKey, Name},
        number::Number,
        request::{
            Applied, ContactMerge, ContactWrite, EventPatch, EventPropertyPatch, EventWrite, Input, MembersEdit,
            MembersMode, Message, PropertyPatch, Request, RuleSource, SchemaPatch, SegmentCreate, SegmentSource,
            SegmentUpdate, SuppressionWrite, WriteMode,
        },
        schema::{Derived, Function, Source, Writer},
        time::Timestamp,
    },
};

/// When it begins: 2026-05-01T00:00:00Z.
pub(super) const START: Timestamp = Timestamp(1_777_593_600_000);

/// Every command by its name, so that a new one is missed.
pub(super) const COMMANDS: [&str; 14] = [
    "Found",
    "Tick",
    "Declare",
    "Contact",
    "Erase",
    "Event",
    "RemoveEvent",
    "CreateSegment",
    "UpdateSegment",
    "DeleteSegment",
    "EditMembers",
    "Remember",
    "Merge",
    "Messages",
];

/// The name of a command.
pub(super) fn command_name(command: &Command) -> &'static str {
    match command {
        Command::Found(_) => COMMANDS[0],
        Command::Tick => COMMANDS[1],
        Command::Declare(_) => COMMANDS[2],
        Command::Contact(_) => COMMANDS[3],
        Command::Erase(_) => COMMANDS[4],
        Command::Event(_) => COMMANDS[5],
        Command::RemoveEvent(_) => COMMANDS[6],
        Command::CreateSegment(_) => COMMANDS[7],
        Command::UpdateSegment(_) => COMMANDS[8],
        Command::DeleteSegment(_) => COMMANDS[9],
        Command::EditMembers { .. } => COMMANDS[10],
        Command::Remember { .. } => COMMANDS[11],
        Command::Merge { .. } => COMMANDS[12],
        Command::Messages(_) => COMMANDS[13],
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key(text: &str) -> ContactKey {
    ContactKey::new(text).unwrap()
}

fn keys(texts: &[&str]) -> Vec<ContactKey> {
    texts.iter().map(|text| key(text)).collect()
}

fn text(text: &str) -> Input {
    Input::Text(text.into())
}

fn number(text: &str) -> Input {
    Input::Number(Number::parse(text).unwrap())
}

fn rule(text: &str) -> SegmentSource {
    SegmentSource::Rule(RuleSource::Text(text.into()))
}

fn create(name: &str, source: SegmentSource) -> SegmentCreate {
    SegmentCreate { name: name.into(), description: Some(format!("about {name}").into()), source }
}

fn update(segment: &str) -> SegmentUpdate {
    SegmentUpdate { segment: segment.into(), name: None, description: None, rule: None }
}

fn merge(who: &str, values: Vec<(&str, Input)>) -> Request {
    let values = values.into_iter().map(|(property, value)| (name(property), value)).collect();
    Request::Contact(ContactWrite { key: key(who), mode: WriteMode::Merge, values })
}

fn replace(who: &str, values: Vec<(&str, Input)>) -> Request {
    let values = values.into_iter().map(|(property, value)| (name(property), value)).collect();
    Request::Contact(ContactWrite { key: key(who), mode: WriteMode::Replace, values })
}

fn event(who: &str, what: &str, at: Timestamp, id: Option<&str>, properties: Vec<(&str, Input)>) -> Request {
    let properties = properties.into_iter().map(|(property, value)| (name(property), value)).collect();
    Request::Event(EventWrite {
        id: id.map(Into::into),
        contact: key(who),
        event: name(what),
        at: Some(at),
        properties,
    })
}

/// Writes, and requires that all of it is admitted.
fn all(db: &Database, write: impl Into<Write>) {
    let written = db.write(write).unwrap();
    for result in &written.results {
        assert!(result.is_ok(), "{result:?}");
    }
}

/// Does everything that can be done, under names of a round of its own.
pub(super) fn deeds(db: &Database, round: u32) {
    let r = |text: &str| format!("{text}_{round}");
    declare(db, &r);
    people(db, &r);
    segments(db, &r);
    // Before time passes and hides what pins and rules say.
    db.view().check().unwrap();
    let now = db.view().now();
    // What refers to what is gone by now, what is due by time, what is remembered, and a clock that moves.
    all(db, vec![Request::RemoveEvent(r("visit-b").into()), Request::Erase(key(&r("gone")))]);
    all(db, Request::Merge(ContactMerge { from: key(&r("visitor")), into: key(&r("eve")) }));
    let message = || Request::Message(Message { digest: round.into(), requests: vec![merge(&r("eve"), vec![])] });
    all(db, message());
    assert_eq!(db.write(message()).unwrap().results, [Ok(Applied::Duplicate)]);
    all(db, Request::Tick(Timestamp::MIN));
    db.move_clock(now.plus_ms(3 * 86_400_000)).unwrap();
    let requests = vec![
        merge(&r("ann"), vec![("lead_score", number("11"))]),
        merge(&r("ann"), vec![("lead_score", text("eleven"))]),
        Request::RemoveEvent(r("no-such-event").into()),
        Request::EditMembers(MembersEdit {
            segment: r("List").into(),
            edits: vec![(MembersMode::Add, keys(&[&r("bob"), &r("stranger")]))],
            create: false,
        }),
    ];
    let once = Some(Once { key: r("once").into(), digest: u64::MAX - u64::from(round) });
    let written = db.write(Write { requests, once, by: Some("a key".into()) }).unwrap();
    assert_eq!(written.results.iter().filter(|result| result.is_err()).count(), 2, "{:?}", written.results);
}

fn declare(db: &Database, r: &dyn Fn(&str) -> String) {
    let types = ["text", "email", "category", "boolean", "number", "money", "timestamp", "date", "set"];
    let patch = |ty: &str| {
        let currency = (ty == "money").then(|| Currency::of_code("EUR").unwrap());
        PropertyPatch { ty: Some(ty.into()), currency, ..PropertyPatch::default() }
    };
    let mut properties: Vec<(Name, Option<PropertyPatch>)> =
        types.iter().map(|ty| (name(&r(&format!("my_{ty}"))), Some(patch(ty)))).collect();
    properties[0].1.as_mut().unwrap().case_sensitive = Some(true);
    properties[8].1.as_mut().unwrap().aliases = Some(vec![name(&r("labels"))]);
    properties.push((name(&r("dropped")), Some(patch("category"))));
    let visit = name(&r("visit"));
    for (function, writer) in Function::ALL.into_iter().zip([
        Writer::Add,
        Writer::Add,
        Writer::Refuse,
        Writer::Max,
        Writer::Refuse,
        Writer::Refuse,
    ]) {
        let of = (function != Function::Count).then(|| name("pages"));
        let source = Source::Aggregate { function, event: visit.clone(), of };
        let derived = Some(Some(Derived { source, writer }));
        properties.push((
            name(&r(&format!("visit_{}", function.name()))),
            Some(PropertyPatch { derived, ..PropertyPatch::default() }),
        ));
    }
    let latest = Source::Latest { event: Some(visit.clone()) };
    let open = Source::OpenClose { open: visit.clone(), close: name("purchase") };
    for (spelling, source, writer) in [("visit_latest", latest, Writer::Max), ("visiting", open, Writer::UntilNext)] {
        let derived = Some(Some(Derived { source, writer }));
        properties.push((name(&r(spelling)), Some(PropertyPatch { derived, ..PropertyPatch::default() })));
    }
    let event_property = |ty: &str| EventPropertyPatch { ty: Some(ty.into()), ..EventPropertyPatch::default() };
    let mut of_visit: Vec<(Name, Option<EventPropertyPatch>)> =
        types.iter().map(|ty| (name(&format!("a_{ty}")), Some(event_property(ty)))).collect();
    of_visit.push((name("pages"), Some(event_property("number"))));
    of_visit.push((name("gone"), Some(event_property("text"))));
    let kind = EventPatch {
        phrases: Some(vec![r("paid visit").into()]),
        negative: Some(vec![r("paid no visit").into()]),
        label: Some(Some(name("a_text"))),
        activity: Some(false),
        properties: of_visit,
    };
    let events = vec![(visit.clone(), Some(kind)), (name(&r("dropped_kind")), Some(EventPatch::default()))];
    all(db, Request::Schema(SchemaPatch { properties, events }));
    let drop = EventPatch { properties: vec![(name("gone"), None)], ..EventPatch::default() };
    let events = vec![(visit, Some(drop)), (name(&r("dropped_kind")), None)];
    all(db, Request::Schema(SchemaPatch { properties: vec![(name(&r("dropped")), None)], events }));
}

fn people(db: &Database, r: &dyn Fn(&str) -> String) {
    let now = db.view().now();
    let property = |ty: &str| r(&format!("my_{ty}"));
    let values = |number_text: &str, word: &str| {
        vec![
            (property("text"), text(&format!("Straße {word}"))),
            (property("email"), text(&format!("{word}@Example.org"))),
            (property("category"), text(word)),
            (property("boolean"), Input::Flag(word.len().is_multiple_of(2))),
            (property("number"), number(number_text)),
            (property("money"), number("12.34")),
            (property("timestamp"), text("2026-04-30T23:59:59.999Z")),
            (property("date"), text("2024-02-29")),
            (property("set"), Input::List(vec![text("blue"), text(word), text("größer")])),
        ]
    };
    let full = |who: &str, number_text: &str, word: &str| {
        let values = values(number_text, word);
        let mut values: Vec<(&str, Input)> =
            values.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        values.extend([
            ("city", text("Lyon")),
            ("tags", Input::List(vec![text("VIP")])),
            ("purchase_total", number("5")),
        ]);
        merge(who, values)
    };
    all(
        db,
        vec![
            full(&r("ann"), "-0.000000000000000001", "ann"),
            full(&r("bob"), "9007199254740993", "robert"),
            full(&r("gone"), "7", "ghost"),
            merge(&r("eve"), vec![("city", text("Oslo")), ("company", Input::Null)]),
        ],
    );
    let at = |hours: i64| now.plus_ms(-hours * 3_600_000);
    let visit = r("visit");
    let rich = vec![
        ("a_text", text("Front door")),
        ("a_email", text("door@example.org")),
        ("a_category", text("walk-in")),
        ("a_boolean", Input::Flag(true)),
        ("a_number", number("2.5")),
        ("a_money", number("9.99")),
        ("a_timestamp", text("2026-05-01T08:00:00Z")),
        ("a_date", text("2026-05-01")),
        ("a_set", Input::List(vec![text("x"), text("y")])),
        ("pages", number("3")),
    ];
    all(
        db,
        vec![
            event(&r("ann"), &visit, at(30), Some(&r("visit-a")), rich),
            event(&r("ann"), &visit, at(3), Some(&r("visit-b")), vec![("pages", number("8"))]),
            event(&r("bob"), &visit, at(1), None, vec![]),
            event(&r("visitor"), &visit, at(2), Some(&r("visit-v")), vec![("a_text", text("Back door"))]),
            merge(&r("visitor"), vec![("city", text("Bergen")), ("company", text("Acme"))]),
            event(&r("gone"), &visit, at(2), Some(&r("visit-c")), vec![("a_text", text("Back door"))]),
            event(&r("bob"), "purchase", at(5), None, vec![("amount", number("120")), ("product", text("Lamp"))]),
            // Due while the clock moves, and long after.
            event(&r("eve"), &visit, now.plus_ms(86_400_000), None, vec![("pages", number("1"))]),
            event(&r("eve"), "purchase", now.plus_ms(400 * 86_400_000), None, vec![("amount", number("3"))]),
        ],
    );
    all(db, replace(&r("bob"), vec![("city", text("Rome")), (&property("set"), Input::List(vec![text("red")]))]));
}

fn segments(db: &Database, r: &dyn Fn(&str) -> String) {
    let visit = r("visit");
    let json = RuleSource::Json(Arc::from(r#"{"property":"city","op":"eq","value":"Lyon"}"#));
    let edit = |segment: &str, mode, who: &[&str]| {
        Request::EditMembers(MembersEdit { segment: r(segment).into(), edits: vec![(mode, keys(who))], create: true })
    };
    all(
        db,
        vec![
            Request::CreateSegment(create(&r("Lyon"), SegmentSource::Rule(json))),
            Request::CreateSegment(create(&r("Lately"), rule(&format!("did {visit} in last 2 days")))),
            Request::CreateSegment(create(
                &r("Both"),
                rule(&format!("in segment \"{}\" AND Has tag \"VIP\"", r("Lyon"))),
            )),
            Request::CreateSegment(create(&r("List"), SegmentSource::Members(keys(&[&r("ann"), &r("eve")])))),
            Request::CreateSegment(create(&r("Frozen"), SegmentSource::Frozen(r("Lyon").into()))),
            Request::CreateSegment(create(&r("Doomed"), rule("city is set"))),
        ],
    );
    all(
        db,
        vec![
            edit("List", MembersMode::Add, &[&r("bob"), &r("new")]),
            edit("List", MembersMode::Remove, &[&r("ann")]),
            edit("Frozen", MembersMode::Replace, &[&r("eve"), &r("gone")]),
            edit("Lately", MembersMode::Include, &[&r("eve"), &r("new")]),
            edit("Lately", MembersMode::Exclude, &[&r("bob")]),
            edit("Lately", MembersMode::Clear, &[&r("new")]),
            merge(&r("eve"), vec![("city", text("Lyon"))]),
        ],
    );
    let changed = rule(&format!("city in (Lyon, Rome) OR did {visit} where (pages > 5)"));
    let SegmentSource::Rule(changed) = changed else { unreachable!("it was made of a rule") };
    all(
        db,
        vec![
            Request::UpdateSegment(SegmentUpdate { rule: Some(changed), ..update(&r("Lyon")) }),
            Request::UpdateSegment(SegmentUpdate { description: Some(None), ..update(&r("List")) }),
            Request::UpdateSegment(SegmentUpdate { name: Some(r("Renamed").into()), ..update(&r("Both")) }),
            Request::DeleteSegment(r("Doomed").into()),
            Request::Suppression(SuppressionWrite::Create(
                create(&r("Bounced"), rule("city = Rome")),
                vec!["email".into()],
            )),
            Request::Suppression(SuppressionWrite::Create(
                create(&r("Unsubscribed"), SegmentSource::Members(keys(&[&r("ann")]))),
                vec![],
            )),
            Request::Suppression(SuppressionWrite::Update(update(&r("Bounced")), Some(vec!["sms".into()]))),
            Request::Suppression(SuppressionWrite::Edit(MembersEdit {
                segment: r("Unsubscribed").into(),
                edits: vec![(MembersMode::Add, keys(&[&r("eve")]))],
                create: false,
            })),
            Request::Suppression(SuppressionWrite::Create(create(&r("Over"), rule("city = Rome")), vec![])),
            Request::Suppression(SuppressionWrite::Delete(r("Over").into())),
        ],
    );
}

/// A write under an idempotency key, the same each time: the first is done, the others are answered as it was.
pub(super) fn last_word(db: &Database) -> Written {
    let requests =
        vec![merge("ann_1", vec![("lead_score", number("12"))]), Request::RemoveEvent("no-such-event".into())];
    db.write(Write { requests, once: Some(Once { key: "last word".into(), digest: u64::MAX }), by: None }).unwrap()
}

/// So many contacts that share most of their values: sets as bitmaps, lists that are long, columns of several blocks.
pub(super) fn crowd(db: &Database, count: u32) {
    let member = |n: u32| {
        let mut values = vec![("country", text("France"))];
        if n.is_multiple_of(7) {
            values.push(("lead_score", Input::Number(Number::from_int(i64::from(n % 900)))));
        }
        merge(&format!("c{n}"), values)
    };
    all(db, (0..count).map(member).collect::<Vec<_>>());
    all(db, Request::CreateSegment(create("French", rule("country = France"))));
    all(db, (0..40).map(|n| merge(&format!("c{}", n * 3), vec![("country", text("Spain"))])).collect::<Vec<_>>());
}
