//! The calls about suppressions.

use serde_json::{Value, json};

use crate::{
    http::{
        access::Needs,
        call::{Call, Chapter, JSON},
        calls::{
            members::{edits, exports},
            segments::{creates, members, told},
        },
        components::title,
        shape::{asks, instant, list, named, nullable, object, text, text_of, whole},
        suppressions,
    },
    model::limits,
};

const NAME: &str = "The suppression's name, percent-encoded, without regard to case.";

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "suppressions",
        about: "Named masks over every audience of their channels: unsubscribed, bounced, no consent.",
        calls: vec![create(), list_all(), get(), put(), patch(), delete(), stream(), edit()],
    }
}

fn example() -> Value {
    json!({
        "name": "unsubscribed", "description": null, "kind": "dynamic", "count": 0, "version": 1,
        "channels": ["email"], "created": "2026-05-01T00:00:00Z", "updated": "2026-05-01T00:00:00Z",
        "rule": "email_consent is false", "rule_json": {"property": "email_consent", "op": "eq", "value": false},
        "lsn": 15,
    })
}

fn named_call(call: Call) -> Call {
    call.part("name", title(), NAME, "unsubscribed").fails(&[400, 404])
}

/// At most 64 different ones; one that is told twice counts once, which no schema says.
fn channels() -> (&'static str, Value) {
    ("channels", nullable(list(text_of(1, limits::NAME_BYTES_MAX))))
}

fn create() -> Call {
    let [description, kind, rule, keys] = members();
    let body = asks([("name", title())], [description, kind, rule, keys, channels()]);
    let call = creates(Call::post(
        Needs::Write,
        "createSuppression",
        "/v1/suppressions",
        suppressions::create,
        "Make a suppression",
    ))
    .says("By a rule or a list. Without `channels` it is one of every channel.")
    .writes()
    .takes(JSON, body, json!({"name": "unsubscribed", "channels": ["email"], "rule": "Email Consent is false"}))
    .gives(201, "It is made.", JSON, told("Suppression"), example());
    let links = ["getSuppression", "suppressed", "patchSuppression", "deleteSuppression"];
    let call = links.iter().fold(call, |call, to| call.leads_to(201, to, &[("name", "$response.body#/name")]));
    call.fails(&[404, 409])
}

fn list_all() -> Call {
    let shape = object(
        [("suppressions", list(named("Suppression"))), ("count", whole()), ("as_of", instant()), ("lsn", whole())],
        [("next", text())],
    );
    let answer = json!({"suppressions": [example()], "count": 1, "as_of": "2026-05-01T00:00:00Z", "lsn": 15});
    Call::get(
        Needs::Read,
        "listSuppressions",
        "/v1/suppressions",
        suppressions::list,
        "Suppressions, in order of creation",
    )
    .paged()
    .answers(shape, answer)
}

fn get() -> Call {
    named_call(Call::get(
        Needs::Read,
        "getSuppression",
        "/v1/suppressions/{name}",
        suppressions::get,
        "Read a suppression",
    ))
    .answers(named("Suppression"), example())
}

fn put() -> Call {
    let [description, kind, rule, keys] = members();
    let body = asks([], [("name", nullable(title())), description, kind, rule, keys, channels()]);
    let call = Call::put(
        Needs::Write,
        "putSuppression",
        "/v1/suppressions/{name}",
        suppressions::put,
        "Create or replace a suppression",
    );
    creates(named_call(call))
        .writes()
        .takes(JSON, body, json!({"channels": ["email", "sms"], "rule": "Email Consent is false"}))
        .answers(told("Suppression"), example())
        .gives(201, "It is new.", JSON, told("Suppression"), example())
        .fails(&[409])
}

fn patch() -> Call {
    let [description, _, rule, _] = members();
    let body = asks([], [("name", nullable(title())), description, rule, channels()]);
    named_call(Call::patch(
        Needs::Write,
        "patchSuppression",
        "/v1/suppressions/{name}",
        suppressions::patch,
        "Change a suppression",
    ))
    .says("What the body does not name stays.")
    .writes()
    .takes(JSON, body, json!({"channels": ["email"]}))
    .answers(told("Suppression"), example())
    .fails(&[409])
}

fn delete() -> Call {
    let call = Call::delete(
        Needs::Write,
        "deleteSuppression",
        "/v1/suppressions/{name}",
        suppressions::delete,
        "Delete a suppression",
    );
    named_call(call).writes().gives_nothing("It is gone.").fails(&[409, 422])
}

fn stream() -> Call {
    let call = Call::get(
        Needs::Read,
        "suppressed",
        "/v1/suppressions/{name}/members",
        suppressions::members,
        "Whom it holds, streamed",
    );
    exports(named_call(call)).fails(&[422])
}

fn edit() -> Call {
    let call = Call::post(
        Needs::Write,
        "editSuppression",
        "/v1/suppressions/{name}/members",
        suppressions::edit_members,
        "Edit its list or its pins",
    );
    edits(call.part("name", title(), NAME, "bounced").fails(&[400]))
}
