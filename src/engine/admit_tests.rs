//! Tests of admission and of applying what was admitted.

use crate::{
    codec::section::MemoryImage,
    engine::{
        admit::{Admitted, OnceKey, admit},
        apply::apply,
        command::{Batch, Stamp},
        record,
        state::State,
    },
    model::{
        calendar::Zone,
        id::{ContactId, Lsn},
        limits,
        name::{ContactKey, Name},
        number::Number,
        request::{
            Applied, ContactJoin, ContactMerge, ContactWrite, EventWrite, Input, MembersEdit, MembersMode, Refusal,
            Request, RuleSource, SchemaPatch, SegmentCreate, SegmentSource, SegmentUpdate, SuppressionWrite, WriteMode,
        },
        time::Timestamp,
        value::{Value, ValueType},
    },
};

/// A database that logs what it admits.
struct Bench {
    state: State,
    log: Vec<(Stamp, Vec<u8>)>,
}

const START: i64 = 1_777_593_600_000; // 2026-05-01T00:00:00Z

impl Bench {
    fn new() -> Bench {
        let mut bench = Bench { state: State::empty(), log: Vec::new() };
        bench.run(START, vec![Request::Found(Zone::utc())]);
        bench
    }

    fn run(&mut self, at: i64, requests: Vec<Request>) -> Vec<Result<Applied, Refusal>> {
        let stamp = Stamp { lsn: Lsn(self.state.lsn.0 + 1), at: Timestamp(at) };
        let Admitted { batch, results, .. } = admit(&mut self.state, stamp, &requests, None);
        if batch.commands.is_empty() {
            assert_ne!(self.state.lsn, stamp.lsn, "nothing admitted, nothing moved");
        } else {
            self.log.push((stamp, record::encode(stamp.at, &batch)));
        }
        self.state.check().unwrap();
        results
    }

    fn one(&mut self, request: Request) -> Result<Applied, Refusal> {
        let at = self.state.as_of.0;
        self.run(at, vec![request]).remove(0)
    }

    fn value(&self, key: &str, property: &str) -> Option<Value> {
        let property = self.state.schema.property(property).unwrap().id;
        self.state.index.value(property, self.state.index.directory().id(key).unwrap())
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key(text: &str) -> ContactKey {
    ContactKey::new(text).unwrap()
}

fn text(text: &str) -> Input {
    Input::Text(text.into())
}

fn number(n: i64) -> Input {
    Input::Number(Number::from_int(n))
}

fn tags(names: &[&str]) -> Input {
    Input::List(names.iter().map(|name| text(name)).collect())
}

fn contact(who: &str, mode: WriteMode, values: Vec<(&str, Input)>) -> Request {
    let values = values.into_iter().map(|(property, input)| (name(property), input)).collect();
    Request::Contact(ContactWrite { key: key(who), mode, values })
}

fn merge(who: &str, values: Vec<(&str, Input)>) -> Request {
    contact(who, WriteMode::Merge, values)
}

fn event(id: Option<&str>, who: &str, what: &str, at: Option<i64>, properties: Vec<(&str, Input)>) -> Request {
    Request::Event(EventWrite {
        id: id.map(Into::into),
        contact: key(who),
        event: name(what),
        at: at.map(Timestamp),
        properties: properties.into_iter().map(|(property, input)| (name(property), input)).collect(),
    })
}

fn image(state: &State) -> MemoryImage {
    let mut image = MemoryImage::new();
    state.encode(&mut image).unwrap();
    image
}

fn code(result: Result<Applied, Refusal>) -> &'static str {
    result.unwrap_err().code
}

#[test]
fn contacts_are_made_merged_and_replaced() {
    let mut bench = Bench::new();
    let values = vec![("name", text("Ann")), ("tags", tags(&["VIP", "New"])), ("lead_score", number(7))];
    assert_eq!(bench.one(merge("u1", values)), Ok(Applied::Created));
    assert_eq!(bench.value("u1", "created"), Some(Value::Time(Timestamp(START))));
    let edit = Input::Edit { add: vec![text("vip"), text("Old")], remove: vec![text("NEW")] };
    assert_eq!(bench.one(merge("u1", vec![("tag", edit), ("name", Input::Null)])), Ok(Applied::Updated));
    assert_eq!(bench.value("u1", "tags"), Some(Value::Set(vec!["VIP".into(), "Old".into()])));
    assert_eq!(bench.value("u1", "name"), None);
    bench.run(START + 9, vec![contact("u1", WriteMode::Replace, vec![("name", text("Bo"))])]);
    assert_eq!(bench.value("u1", "lead_score"), None);
    assert_eq!(bench.value("u1", "created"), Some(Value::Time(Timestamp(START))), "first sight stays");
    let twice = vec![("created_at", text("2020-01-01")), ("created", text("2021-01-01"))];
    assert_eq!(code(bench.one(merge("u2", twice))), "duplicate_name");
    assert_eq!(bench.state.index.directory().id("u2"), None, "a refused record leaves no trace");
    let created = vec![("created", text("2020-01-01"))];
    bench.one(merge("u2", created)).unwrap();
    assert_eq!(bench.value("u2", "created"), Some(Value::Time(Timestamp::parse("2020-01-01T00:00:00Z").unwrap())));
}

#[test]
fn each_request_is_judged_by_itself_in_order() {
    let mut bench = Bench::new();
    let results = bench.run(
        START,
        vec![
            merge("a", vec![("lead_score", number(1))]),
            merge("b", vec![("lead_score", text("x"))]),
            merge("a", vec![("tags", Input::Edit { add: vec![text("T")], remove: vec![] })]),
            event(Some("e1"), "c", "purchase", None, vec![("amount", number(5))]),
            event(Some("e1"), "c", "purchase", None, vec![("amount", number(5))]),
            Request::Erase(key("a")),
            merge("a", vec![]),
        ],
    );
    let told: Vec<_> = results.iter().map(|result| result.as_ref().map_err(|refusal| refusal.code)).collect();
    let expected = [
        Ok(&Applied::Created),
        Err("wrong_type"),
        Ok(&Applied::Updated),
        Ok(&Applied::Recorded),
        Ok(&Applied::Duplicate),
        Ok(&Applied::Removed),
        Ok(&Applied::Created),
    ];
    assert_eq!(told, expected);
    assert_eq!(bench.value("c", "purchase_total"), Some(Value::Money(500)));
    assert_eq!(bench.value("a", "lead_score"), None, "a contact of the same key is another one");
    assert_eq!(code(bench.one(Request::Erase(key("nobody")))), "unknown_contact");
    assert_eq!(code(bench.one(Request::RemoveEvent("nothing".into()))), "unknown_event");
    assert_eq!(code(bench.one(Request::Found(Zone::utc()))), "founded");
    assert_eq!(code(bench.one(Request::Tick(Timestamp(START + 1)))), "clock_ahead");
}

#[test]
fn unknown_names_are_declared_once_by_all_values_of_the_batch() {
    let mut bench = Bench::new();
    let results = bench.run(
        START,
        vec![
            merge("a", vec![("zip", Input::Cell("12345".into())), ("score", Input::Cell("5".into()))]),
            merge("b", vec![("zip", Input::Cell("01234".into())), ("score", Input::Cell("".into()))]),
            event(None, "a", "visit", None, vec![("pages", number(3)), ("junk", Input::Null)]),
            event(None, "b", "visit", None, vec![("pages", number(4))]),
            merge("c", vec![("nested", Input::Object)]),
        ],
    );
    assert!(results[..4].iter().all(Result::is_ok), "{results:?}");
    assert_eq!(results[4].as_ref().unwrap_err().code, "no_type");
    let schema = &bench.state.schema;
    assert_eq!(schema.property("zip").unwrap().ty, ValueType::Text);
    assert_eq!(schema.property("score").unwrap().ty, ValueType::Number);
    assert!(schema.property("nested").is_none());
    let visit = schema.event("visit").unwrap();
    assert_eq!((visit.properties.len(), visit.properties[0].ty), (1, ValueType::Number));
    assert_eq!(code(bench.one(merge("a", vec![("score", text("high"))]))), "wrong_type");
}

#[test]
fn future_events_come_due_with_any_later_batch() {
    let mut bench = Bench::new();
    bench.one(event(Some("f"), "a", "purchase", Some(START + 1_000), vec![("amount", number(3))])).unwrap();
    assert_eq!(bench.value("a", "purchase_total"), None);
    assert_eq!(bench.state.next_due(), Some(Timestamp(START + 1_000)));
    bench.run(START + 999, vec![merge("b", vec![])]);
    assert_eq!(bench.value("a", "purchase_total"), None);
    bench.run(START + 1_000, vec![Request::Tick(Timestamp(START + 1_000))]);
    assert_eq!(bench.value("a", "purchase_total"), Some(Value::Money(300)));
    assert_eq!(bench.state.next_due(), None);
    bench.one(Request::RemoveEvent("f".into())).unwrap();
    assert_eq!(bench.value("a", "purchase_total"), None);
}

#[test]
fn static_lists_take_keys_and_tell_unknown_ones() {
    let mut bench = Bench::new();
    bench.run(START, ["a", "b", "c"].map(|who| merge(who, vec![])).into());
    let create = |name: &str, members: &[&str]| {
        let source = SegmentSource::Members(members.iter().map(|who| key(who)).collect());
        Request::CreateSegment(SegmentCreate { name: name.into(), description: None, source })
    };
    assert_eq!(bench.one(create("VIP", &["a", "zz"])), Ok(Applied::Created));
    assert_eq!(code(bench.one(create(" vip ", &[]))), "name_taken");
    assert_eq!(code(bench.one(create(" ", &[]))), "bad_name");
    let description = Some(Some("x".repeat(16 * 1024 + 1).into()));
    let long = SegmentUpdate { segment: "vip".into(), name: None, description, rule: None };
    assert_eq!(code(bench.one(Request::UpdateSegment(long))), "value_too_long");
    let edit = |edits: Vec<(MembersMode, Vec<&str>)>, create| {
        let edits = edits.into_iter().map(|(mode, keys)| (mode, keys.into_iter().map(key).collect())).collect();
        Request::EditMembers(MembersEdit { segment: "vip".into(), edits, create })
    };
    let both = vec![(MembersMode::Add, vec!["b", "y"]), (MembersMode::Remove, vec!["a"])];
    assert_eq!(bench.one(edit(both, false)), Ok(Applied::Members { unknown: vec![key("y")] }));
    let members = |bench: &Bench| {
        let segment = bench.state.book.find("VIP").unwrap().clone();
        let crate::segment::saved::Body::Static(list) = &segment.body else { panic!("it is static") };
        list.iter().map(|id| bench.state.index.directory().key(ContactId(id)).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(members(&bench), ["b"]);
    bench.one(edit(vec![(MembersMode::Replace, vec!["c", "new", "new"])], true)).unwrap();
    assert_eq!(members(&bench), ["c", "new"]);
    bench.one(Request::Erase(key("c"))).unwrap();
    assert_eq!(members(&bench), ["new"]);
    assert_eq!(code(bench.one(edit(vec![(MembersMode::Include, vec!["a"])], false))), "not_dynamic");
    assert_eq!(bench.one(Request::DeleteSegment("Vip".into())), Ok(Applied::Removed));
    assert_eq!(code(bench.one(Request::DeleteSegment("Vip".into()))), "unknown_segment");
}

#[test]
fn outcomes_are_remembered_in_the_same_batch() {
    let mut bench = Bench::new();
    let stamp = Stamp { lsn: Lsn(2), at: Timestamp(START) };
    let once = OnceKey { key: "retry", digest: 9 };
    let admitted = admit(&mut bench.state, stamp, &[merge("a", vec![("name", number(1))])], Some(once));
    assert_eq!(admitted.batch.commands.len(), 1, "refused, but remembered");
    let kept = bench.state.memory.find("retry", stamp.at).unwrap();
    assert_eq!((kept.digest, kept.lsn, kept.results()), (9, Lsn(2), admitted.results));
}

#[test]
fn two_contacts_become_one() {
    let mut bench = Bench::new();
    let many = |from: usize, to: usize| Input::List((from..to).map(|n| text(&format!("t{n}"))).collect());
    bench.one(merge("anon", vec![("city", text("Oslo")), ("status", text("new")), ("tags", many(0, 900))])).unwrap();
    bench.one(event(Some("e1"), "anon", "purchase", Some(START), vec![("amount", number(7))])).unwrap();
    bench.run(START + 1_000, vec![merge("user", vec![("status", text("old")), ("tags", many(800, 1_100))])]);
    bench.one(event(None, "user", "purchase", Some(START), vec![("amount", number(5))])).unwrap();
    bench.one(event(Some("ahead"), "anon", "purchase", Some(START + 9_000), vec![("amount", number(1))])).unwrap();
    let join = |from: &str, into: &str| Request::Merge(ContactMerge { from: key(from), into: key(into) });
    for (from, into) in [("nobody", "user"), ("user", "user"), ("nobody", "no one")] {
        assert_eq!(bench.one(join(from, into)), Ok(Applied::Unchanged));
    }
    assert_eq!(bench.one(join("anon", "user")), Ok(Applied::Updated));
    assert_eq!(bench.state.index.directory().id("anon"), None);
    assert_eq!(bench.value("user", "city"), Some(Value::Text("Oslo".into())));
    assert_eq!(bench.value("user", "status"), Some(Value::Text("old".into())));
    let created = Some(Value::Time(Timestamp(START + 1_000)));
    assert_eq!(bench.value("user", "created"), created);
    let Some(Value::Set(tags)) = bench.value("user", "tags") else { panic!("a set") };
    assert_eq!((tags.len(), &*tags[0], &*tags[999]), (limits::SET_VALUES_MAX, "t800", "t699"));
    assert_eq!(bench.value("user", "purchase_total"), Some(Value::Money(1_200)));
    // What is to come comes to the one that stayed, and ids lead to it.
    bench.run(START + 9_000, vec![Request::Tick(Timestamp(START + 9_000))]);
    assert_eq!(bench.value("user", "purchase_total"), Some(Value::Money(1_300)));
    bench.one(Request::RemoveEvent("e1".into())).unwrap();
    assert_eq!(bench.value("user", "purchase_total"), Some(Value::Money(600)));
    // Whoever is made for it was first seen when the other was, and may be given up in turn.
    assert_eq!(bench.one(join("user", "later")), Ok(Applied::Created));
    assert_eq!(bench.value("later", "created"), created);
    bench.state.check().unwrap();
}

#[test]
fn two_become_one_with_what_is_written_or_stay_two() {
    let mut bench = Bench::new();
    bench.one(merge("anon", vec![("city", text("Oslo")), ("tags", tags(&["a", "b"]))])).unwrap();
    let join = |from: &str, into: &str, score: Input| {
        let edit = Input::Edit { add: vec![text("c")], remove: vec![text("a")] };
        let write = merge(into, vec![("plan", text("pro")), ("lead_score", score), ("tags", edit)]);
        let Request::Contact(write) = write else { unreachable!("it writes a contact") };
        Request::Join(ContactJoin { from: key(from), write })
    };
    // What is refused leaves both as they were, and declares nothing.
    assert_eq!(code(bench.one(join("anon", "user", text("high")))), "wrong_type");
    assert!(bench.state.index.directory().id("user").is_none() && bench.state.schema.property("plan").is_none());
    assert_eq!(bench.one(join("anon", "user", number(7))), Ok(Applied::Created));
    assert!(bench.state.index.directory().id("anon").is_none());
    let held = ["city", "plan"].map(|name| bench.value("user", name));
    assert_eq!(held, ["Oslo", "pro"].map(|text| Some(Value::Text(text.into()))));
    assert_eq!(bench.value("user", "tags"), Some(Value::Set(vec!["b".into(), "c".into()])));
    assert_eq!(bench.value("user", "created"), Some(Value::Time(Timestamp(START))));
    // Without somebody to give up it is the write alone.
    assert_eq!(bench.one(join("nobody", "other", number(1))), Ok(Applied::Created));
    assert_eq!(bench.one(join("user", "other", number(2))), Ok(Applied::Updated));
    assert_eq!(bench.one(join("other", "other", number(3))), Ok(Applied::Updated));
    assert_eq!(bench.value("other", "city"), Some(Value::Text("Oslo".into())));
}

#[test]
fn what_a_visitor_wrote_hides_nothing_of_a_user() {
    let mut bench = Bench::new();
    let join = |from: &str| Request::Merge(ContactMerge { from: key(from), into: key("user") });
    bench.one(merge("first", vec![("open_ticket", Input::Flag(true))])).unwrap();
    bench.one(merge("second", vec![("open_ticket", Input::Flag(true))])).unwrap();
    bench.one(merge("user", vec![])).unwrap();
    bench.one(join("first")).unwrap();
    assert_eq!(bench.value("user", "open_ticket"), Some(Value::Flag(true)), "the user had none");
    for kind in ["ticket_opened", "ticket_closed"] {
        bench.one(event(None, "user", kind, None, vec![])).unwrap();
    }
    assert_eq!(bench.value("user", "open_ticket"), Some(Value::Flag(false)));
    bench.one(join("second")).unwrap();
    assert_eq!(bench.value("user", "open_ticket"), Some(Value::Flag(false)), "the user's own events tell");
    bench.state.check().unwrap();
}

#[test]
fn one_log_gives_one_state_byte_for_byte() {
    let mut bench = Bench::new();
    for round in 0..40i64 {
        let who = |n: i64| format!("u{}", (round * 7 + n) % 23);
        bench.run(
            START + round * 500,
            vec![
                merge(&who(0), vec![("tags", tags(&["a", "b"])), ("lead_score", number(round)), ("extra", text("x"))]),
                merge(&who(1), vec![("lead_score", text("no"))]),
                event(
                    Some(&format!("e{}", round % 31)),
                    &who(2),
                    "purchase",
                    Some(START + round * 900),
                    vec![("amount", number(round))],
                ),
                contact(&who(3), WriteMode::Replace, vec![("open_ticket", Input::Flag(true))]),
                event(None, &who(3), "ticket_opened", None, vec![]),
                Request::Erase(key(&who(5))),
            ],
        );
    }
    let mut replayed = State::empty();
    let mut from_image = None;
    for (place, (stamp, bytes)) in bench.log.iter().enumerate() {
        let (at, batch): (Timestamp, Batch) = record::decode(bytes).unwrap();
        assert_eq!(at, stamp.at);
        apply(&mut replayed, *stamp, &batch);
        if let Some(state) = &mut from_image {
            apply(state, *stamp, &batch);
        } else if place == 20 {
            from_image = Some(State::decode(&image(&replayed)).unwrap());
        }
    }
    assert!(image(&replayed) == image(&bench.state), "replaying gives the same bytes");
    let from_image = from_image.unwrap();
    from_image.check().unwrap();
    for contact in bench.state.index.live().iter().map(ContactId) {
        for property in bench.state.schema.properties() {
            let value = |state: &State| state.index.value(property.id, contact);
            assert_eq!(value(&from_image), value(&bench.state), "{contact} {}", property.name);
        }
    }
    assert!(image(&State::decode(&image(&replayed)).unwrap()) == image(&replayed), "an image is read and written back");
}

#[test]
fn erasure_leaves_no_trace() {
    let mut bench = Bench::new();
    let canary = "canary-4711";
    let values = vec![("name", text(canary)), ("tags", tags(&[canary])), ("odd", text(canary))];
    bench.one(merge(canary, values)).unwrap();
    bench.one(event(Some(canary), canary, "form_submitted", None, vec![("form", text(canary))])).unwrap();
    let holds = |bench: &Bench| {
        let image = image(&bench.state);

        image.sections().values().any(|bytes| bytes.windows(canary.len()).any(|w| w == canary.as_bytes()))
    };
    assert!(holds(&bench));
    bench.one(Request::Erase(key(canary))).unwrap();
    assert!(!holds(&bench));
}

fn rule_segment(name: &str, rule: &str) -> Request {
    let source = SegmentSource::Rule(RuleSource::Text(rule.into()));
    Request::CreateSegment(SegmentCreate { name: name.into(), description: None, source })
}

fn update(segment: &str, name: Option<&str>, rule: Option<&str>) -> Request {
    Request::UpdateSegment(SegmentUpdate {
        segment: segment.into(),
        name: name.map(Into::into),
        description: None,
        rule: rule.map(|rule| RuleSource::Text(rule.into())),
    })
}

#[test]
fn rules_of_segments_are_judged_with_what_they_name() {
    let mut bench = Bench::new();
    assert_eq!(bench.one(rule_segment("A", "lead_score > 5")), Ok(Applied::Created));
    assert_eq!(bench.one(rule_segment("B", "in segment \"a\"")), Ok(Applied::Created));
    assert_eq!(code(bench.one(rule_segment("C", "in segment \"nope\""))), "unknown_segment");
    assert_eq!(code(bench.one(rule_segment("C", "lead_score contains \"x\""))), "bad_rule");
    let cycle = bench.one(update("a", None, Some("in segment \"B\""))).unwrap_err();
    assert_eq!(cycle.code, "cycle");
    assert!(cycle.detail.contains("A → B → A"), "{}", cycle.detail);
    assert_eq!(code(bench.one(rule_segment("Own", "in segment \"own\""))), "cycle");
    let used = bench.one(Request::DeleteSegment("A".into())).unwrap_err();
    assert_eq!((used.code, used.detail.contains("\"B\"")), ("in_use", true));
    assert_eq!(bench.one(update("A", Some("Alpha"), None)), Ok(Applied::Updated));
    assert_eq!(bench.one(update("alpha", Some("Alpha"), None)), Ok(Applied::Unchanged));
    assert_eq!(code(bench.one(update("Alpha", Some("b"), None))), "name_taken");
    assert_eq!(bench.one(Request::DeleteSegment("B".into())), Ok(Applied::Removed));
    assert_eq!(bench.one(update("Alpha", None, Some("lead_score > 6"))), Ok(Applied::Updated));
    assert_eq!(bench.state.book.find("alpha").unwrap().version(), 2);
}

#[test]
fn a_schema_change_that_saved_rules_do_not_fit_is_refused() {
    let mut bench = Bench::new();
    bench.one(rule_segment("Cities", "city = \"Rome\"")).unwrap();
    let drop_city = || Request::Schema(SchemaPatch { properties: vec![(name("city"), None)], events: vec![] });
    let refusal = bench.one(drop_city()).unwrap_err();
    assert_eq!((refusal.code, refusal.detail.contains("\"Cities\"")), ("in_use", true));
    bench.one(Request::DeleteSegment("cities".into())).unwrap();
    bench.one(merge("a", vec![("city", text("Rome"))])).unwrap();
    assert_eq!(bench.one(drop_city()), Ok(Applied::Updated));
    assert_eq!(bench.one(merge("a", vec![("city", number(4))])), Ok(Applied::Updated), "declared anew, by inference");
    assert_eq!(bench.value("a", "city"), Some(Value::Number(Number::from_int(4))));
}

#[test]
fn a_rule_may_not_make_those_that_name_it_too_deep() {
    let mut bench = Bench::new();
    let rule = |levels: usize, inner: &str| {
        let json = format!("{}{inner}{}", "{\"not\":".repeat(levels), "}".repeat(levels));
        RuleSource::Json(json.into())
    };
    let create = |name: &str, rule| {
        let source = SegmentSource::Rule(rule);
        Request::CreateSegment(SegmentCreate { name: name.into(), description: None, source })
    };
    bench.one(create("s0", rule(0, r#"{"all":true}"#))).unwrap();
    for n in 1..=8 {
        let inner = format!(r#"{{"segment":"s{}"}}"#, n - 1);
        bench.one(create(&format!("s{n}"), rule(60, &inner))).unwrap();
    }
    let deeper = Request::UpdateSegment(SegmentUpdate {
        segment: "s0".into(),
        name: None,
        description: None,
        rule: Some(rule(60, r#"{"all":true}"#)),
    });
    assert_eq!(code(bench.one(deeper)), "bad_rule", "it names no segment, but s8 would go too deep");
}

#[test]
fn a_record_of_too_many_names_is_refused_at_once() {
    let mut bench = Bench::new();
    let names: Vec<String> = (0..300_000).map(|n| format!("n{n}")).collect();
    let values: Vec<(&str, Input)> = names.iter().map(|name| (&**name, number(1))).collect();
    assert_eq!(code(bench.one(merge("a", values.clone()))), "too_many");
    assert_eq!(code(bench.one(event(None, "a", "purchase", None, values))), "too_many");
}

#[test]
fn suppressions_have_names_of_their_own() {
    let mut bench = Bench::new();
    assert_eq!(bench.one(rule_segment("VIP", "lead_score > 5")), Ok(Applied::Created));
    let make = |name: &str, rule: &str| {
        let Request::CreateSegment(create) = rule_segment(name, rule) else { unreachable!("it makes a segment") };
        Request::Suppression(SuppressionWrite::Create(create, vec!["SMS".into(), "sms".into()]))
    };
    assert_eq!(bench.one(make("vip", "in segment \"VIP\"")), Ok(Applied::Created));
    assert_eq!(bench.state.book.find_suppression("VIP").unwrap().channels, Some(vec!["sms".into()]));
    assert_eq!(bench.state.book.find("vip").unwrap().channels, None);
    assert_eq!(code(bench.one(make("Vip", "everyone"))), "name_taken");
    let used = bench.one(Request::DeleteSegment("VIP".into())).unwrap_err();
    assert_eq!((used.code, &*used.detail), ("in_use", "segment \"VIP\" is used by the suppression \"vip\""));
    assert_eq!(bench.one(update("VIP", None, Some("lead_score > 6"))), Ok(Applied::Updated));
    let delete = |name: &str| Request::Suppression(SuppressionWrite::Delete(name.into()));
    assert_eq!(code(bench.one(delete("nope"))), "unknown_suppression");
    assert_eq!(bench.one(delete("VIP")), Ok(Applied::Removed));
    assert_eq!(bench.one(Request::DeleteSegment("VIP".into())), Ok(Applied::Removed));
}
