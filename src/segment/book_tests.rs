//! Tests of the book.

use std::sync::Arc;

use crate::{
    codec::section::MemoryImage,
    model::{
        calendar::Zone,
        id::{ContactId, SegmentId},
        request::MembersMode,
        schema::Schema,
        time::Timestamp,
    },
    rule::{self, ast::Rule},
    segment::{
        book::{Book, posting_of},
        saved::{Body, Dynamic, RuleText, Segment, Version},
    },
};

fn schema() -> Schema {
    Schema::starter(Zone::utc())
}

fn dynamic(book: &mut Book, name: &str, text: &str) -> SegmentId {
    let rule = rule::parse(text, &schema()).unwrap();
    let versions = vec![Version { number: 1, at: Timestamp(1), by: None, rule: RuleText::of(&rule) }];
    let body = Body::Dynamic(Dynamic {
        rule: Arc::new(rule),
        versions,
        include: Default::default(),
        exclude: Default::default(),
    });
    insert(book, name, body)
}

fn listed(book: &mut Book, name: &str, members: &[u32]) -> SegmentId {
    let members: Vec<ContactId> = members.iter().map(|id| ContactId(*id)).collect();
    insert(book, name, Body::Static(posting_of(&members)))
}

fn insert(book: &mut Book, name: &str, body: Body) -> SegmentId {
    let id = book.next_id();
    let at = Timestamp(1);
    book.insert(Segment { id, name: name.into(), description: None, created: at, updated: at, body, channels: None });
    id
}

fn check(book: &Book) {
    book.check(&schema(), 100, &posting_of(&(0..100).map(ContactId).collect::<Vec<_>>())).unwrap();
}

fn newest(book: &Book, id: SegmentId) -> RuleText {
    let Body::Dynamic(dynamic) = &book.get(id).unwrap().body else { panic!("it has a rule") };
    dynamic.newest().rule.clone()
}

#[test]
fn names_are_found_without_case_and_renames_reach_the_rules() {
    let mut book = Book::default();
    let vip = listed(&mut book, "VIP", &[1, 2]);
    let hot = dynamic(&mut book, "Hot", "in segment \"vip\" AND lead_score > 5");
    let cold = dynamic(&mut book, "Cold", "not in segment \"hot\"");
    check(&book);
    assert_eq!(book.find(" vIp ").unwrap().id, vip);
    assert_eq!(book.dependents(vip).iter().map(|segment| segment.id).collect::<Vec<_>>(), [hot]);
    assert_eq!(book.all_dependents(vip), [hot, cold]);
    let before = book.clone();
    book.rename(vip, "Gold", Timestamp(2), &schema());
    check(&book);
    assert!(book.find("VIP").is_none() && book.find("gold").is_some());
    assert!(newest(&book, hot).text.contains("\"Gold\""), "{:?}", newest(&book, hot));
    assert_eq!(book.get(hot).unwrap().version(), 1, "the rule says what it said");
    assert_eq!(book.dependents(vip).len(), 1);
    assert!(before.find("VIP").is_some(), "a clone stays");
    book.remove(cold);
    assert!(book.find("cold").is_none());
    check(&book);
}

#[test]
fn rules_have_versions() {
    let mut book = Book::default();
    let id = dynamic(&mut book, "Hot", "lead_score > 5");
    let rule = rule::parse("lead_score > 9", &schema()).unwrap();
    book.set_rule(id, Arc::new(rule.clone()), RuleText::of(&rule), Timestamp(7), None);
    let segment = book.get(id).unwrap();
    assert_eq!((segment.version(), segment.created, segment.updated), (2, Timestamp(1), Timestamp(7)));
    assert_eq!(newest(&book, id).parse(&schema()).unwrap(), rule);
    check(&book);
}

#[test]
fn pins_beat_each_other_by_the_last_word() {
    let mut book = Book::default();
    let id = dynamic(&mut book, "Hot", "lead_score > 5");
    let contacts = [ContactId(3), ContactId(4)];
    assert!(book.edit_list(id, MembersMode::Include, &contacts, Timestamp(2)));
    assert!(book.edit_list(id, MembersMode::Exclude, &contacts[..1], Timestamp(2)));
    assert!(!book.edit_list(id, MembersMode::Exclude, &contacts[..1], Timestamp(3)), "it was so already");
    assert!(!book.edit_list(id, MembersMode::Add, &contacts, Timestamp(3)), "no list to add to");
    check(&book);
    let pins = |book: &Book| {
        let Body::Dynamic(dynamic) = book.get(id).unwrap().body.clone() else { panic!("it has a rule") };
        (dynamic.include.iter().collect::<Vec<_>>(), dynamic.exclude.iter().collect::<Vec<_>>())
    };
    assert_eq!(pins(&book), (vec![4], vec![3]));
    book.erase(ContactId(4));
    assert!(book.edit_list(id, MembersMode::Clear, &contacts, Timestamp(3)));
    assert_eq!(pins(&book), (vec![], vec![]));
}

#[test]
fn the_book_comes_back_from_its_image() {
    let mut book = Book::default();
    let gone = listed(&mut book, "gone", &[9]);
    listed(&mut book, "list", &[1, 5, 99]);
    let hot = dynamic(&mut book, "hot", "in segment \"list\"");
    book.edit_list(hot, MembersMode::Exclude, &[ContactId(5)], Timestamp(2));
    book.remove(gone);
    let mut image = MemoryImage::new();
    book.encode(&mut image).unwrap();
    let back = Book::decode(&schema(), &image).unwrap();
    check(&back);
    assert!(back.iter().eq(book.iter()));
    assert_eq!(back.next_id(), SegmentId(3), "ids are not given again");
    let bytes = image.sections_mut().get_mut("segments/book").unwrap();
    bytes.truncate(bytes.len() - 1);
    assert!(Book::decode(&schema(), &image).is_err());
}

#[test]
fn broken_laws_are_told() {
    let mut book = Book::default();
    listed(&mut book, "list", &[100]);
    assert!(book.check(&schema(), 100, &posting_of(&[])).unwrap_err().contains("not live"));
    let mut book = Book::default();
    let id = dynamic(&mut book, "hot", "lead_score > 5");
    book.set_rule(id, Arc::new(Rule::All), RuleText::of(&Rule::None), Timestamp(2), None);
    assert!(book.check(&schema(), 100, &posting_of(&[])).unwrap_err().contains("newest version"));
}
