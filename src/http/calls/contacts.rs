//! The calls about contacts and events.

use serde_json::{Value, json};

use crate::{
    http::{
        access::Needs,
        call::{CSV, Call, Chapter, JSON, NDJSON},
        components::{key, title},
        contacts, events,
        members::PARQUET,
        shape::{
            any, anything, asks, flag, instant, list, list_of, named, nullable, object, text, text_of, whole, word,
        },
        why,
    },
    model::limits,
};

const KEY: &str = "The contact's key, percent-encoded.";

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "contacts",
        about: "People: a key, properties, events, and the segments that hold them.",
        calls: vec![
            list_all(),
            import(),
            put(),
            patch(),
            get(),
            erase(),
            segments_of(),
            why(),
            look_up(),
            record(),
            take_away(),
        ],
    }
}

fn list_all() -> Call {
    let shape =
        object([("contacts", list(named("Contact"))), ("count", whole()), ("lsn", whole())], [("next", text())]);
    let example = json!({"contacts": [{"key": "u-1", "name": "Ada", "lead_score": 80}], "count": 1, "lsn": 7});
    Call::get(
        Needs::Read,
        "listContacts",
        "/v1/contacts",
        contacts::list,
        "Page through contacts in order of first sight",
    )
    .paged()
    .answers(shape, example)
}

fn import() -> Call {
    let shape = object(
        [
            ("accepted", whole()),
            ("created", whole()),
            ("updated", whole()),
            ("rejected", whole()),
            ("errors", list(named("Fault"))),
            ("lsn", whole()),
        ],
        [],
    );
    let example = json!({"accepted": 2, "created": 2, "updated": 0, "rejected": 0, "errors": [], "lsn": 8});
    let call = Call::post(
        Needs::Write,
        "importContacts",
        "/v1/contacts/import",
        contacts::import,
        "Import contacts as a stream of any length",
    )
    .says(
        "Good records go in, bad ones are told by line (the first 100). gzip and zstd are unpacked \
             (`Content-Encoding`). The types of new columns are settled over the first 10,000 records of the call. In \
             CSV an empty field leaves the value as it is, several values are separated by `;`. In a Parquet file a null \
             does, lists are sets, and a fault's line is the row.",
    )
    .query("mode", word(&["merge", "replace"]), "`merge` leaves absent values as they are; `replace` drops them.")
    .writes()
    .takes(
        NDJSON,
        text(),
        "{\"key\":\"u-2\",\"name\":\"Bob\",\"tags\":[\"Customer\"]}\n{\"key\":\"u-3\",\"lead_score\":95}\n",
    )
    .takes(CSV, text(), "key,name,lead_score\nu-2,Bob,12.5\nu-3,Cem,95\n");
    parquet(call).answers(shape, example)
}

/// A call that also takes a Parquet file, if this program does.
fn parquet(call: Call) -> Call {
    if cfg!(feature = "columnar") { call.takes(PARQUET, anything(), Value::Null) } else { call }
}

fn written() -> Value {
    object([("key", text()), ("lsn", whole())], [])
}

fn at_import(call: Call) -> Call {
    // The fixed route of the import hides the contact with the key `import`.
    call.part("key", key(), KEY, "u-1").also_at("/v1/contacts/import")
}

fn put() -> Call {
    let example = json!({"name": "Ada", "email": "ada@example.com", "tags": ["VIP"], "lead_score": 80});
    let answer = json!({"key": "u-1", "lsn": 9});
    at_import(Call::put(Needs::Write, "putContact", "/v1/contacts/{key}", contacts::put, "Create or replace a contact"))
        .writes()
        .takes(JSON, named("Values"), example)
        .gives(200, "It was there and is replaced.", JSON, written(), answer.clone())
        .gives(201, "It is new.", JSON, written(), answer)
        .leads_to(200, "getContact", &[("key", "$response.body#/key")])
        .leads_to(201, "getContact", &[("key", "$response.body#/key")])
        .leads_to(201, "patchContact", &[("key", "$response.body#/key")])
        .leads_to(201, "eraseContact", &[("key", "$response.body#/key")])
        .fails(&[422])
}

fn patch() -> Call {
    let example = json!({"lead_score": 81, "name": null, "tags": {"add": ["Customer"], "remove": ["VIP"]}});
    let answer = json!({"key": "u-1", "lsn": 10});
    at_import(Call::patch(Needs::Write, "patchContact", "/v1/contacts/{key}", contacts::patch, "Change some values of a contact"))
        .says("What is absent stays, `null` removes, `{\"add\":[…],\"remove\":[…]}` edits a set. An unknown key makes a contact.")
        .writes()
        .takes(JSON, named("Values"), example)
        .gives(200, "It is changed.", JSON, written(), answer.clone())
        .gives(201, "It is new.", JSON, written(), answer)
        .leads_to(201, "getContact", &[("key", "$response.body#/key")])
        .leads_to(201, "contactSegments", &[("key", "$response.body#/key")])
}

fn get() -> Call {
    let example = json!({"key": "u-1", "name": "Ada", "tags": ["VIP"], "lead_score": 80});
    at_import(Call::get(Needs::Read, "getContact", "/v1/contacts/{key}", contacts::get, "Read a contact"))
        .answers(named("Contact"), example)
        .fails(&[400, 404])
}

fn erase() -> Call {
    at_import(Call::delete(
        Needs::Write,
        "eraseContact",
        "/v1/contacts/{key}",
        contacts::delete,
        "Erase a contact with its events",
    ))
    .says("It leaves every segment, index and later snapshot.")
    .writes()
    .gives_nothing("It is erased.")
    .fails(&[404, 422])
}

fn segments_of() -> Call {
    let shape = object([("contact", text()), ("segments", list(text())), ("as_of", instant()), ("lsn", whole())], []);
    let example = json!({"contact": "u-1", "segments": ["VIP customers"], "as_of": "2026-05-01T00:00:00Z", "lsn": 10});
    Call::get(
        Needs::Read,
        "contactSegments",
        "/v1/contacts/{key}/segments",
        contacts::segments,
        "The segments that hold a contact",
    )
    .says("Read off sets that are kept: nothing is evaluated.")
    .part("key", key(), KEY, "u-1")
    .answers(shape, example)
    .fails(&[400, 404])
}

fn why() -> Call {
    let suppression = object([("name", text()), ("channels", list(text()))], []);
    let next = object([("at", instant()), ("member", flag())], []);
    let shape = object(
        [("member", flag()), ("since", nullable(instant())), ("as_of", instant()), ("lsn", whole())],
        [
            ("why", named("Why")),
            ("pinned", nullable(word(&["in", "out"]))),
            ("suppressions", list(suppression)),
            ("next_change", nullable(next)),
            ("next_change_after", instant()),
            ("smallest_change", nullable(named("SingleChange"))),
            ("other_changes", list(named("SingleChange"))),
        ],
    );
    let example = json!({"member": true, "since": "2026-05-01T00:00:00Z", "as_of": "2026-05-01T00:00:00Z", "lsn": 10});
    Call::get(
        Needs::Read,
        "whyMember",
        "/v1/contacts/{key}/segments/{name}",
        why::get,
        "Whether a segment holds a contact, and why",
    )
    .says("With `explain` also the rule node by node, what time alone will change, and what would change it.")
    .part("key", key(), KEY, "u-1")
    .part("name", title(), "The segment's name, percent-encoded.", "VIP customers")
    .query_like("explain", flag(), "Tell why.", true)
    .answers(shape, example)
    .fails(&[400, 404, 422])
}

fn look_up() -> Call {
    let result = object([("contact", text()), ("segments", list(text()))], [("unknown", flag())]);
    let shape = object([("results", list(result)), ("as_of", instant()), ("lsn", whole())], []);
    let body =
        asks([("contacts", list_of(text(), limits::LOOKUP_CONTACTS_MAX))], [("segments", nullable(list(text())))]);
    let example = json!({
        "results": [
            {"contact": "u-1", "segments": ["VIP customers"]},
            {"contact": "nobody", "unknown": true, "segments": []},
        ],
        "as_of": "2026-05-01T00:00:00Z", "lsn": 10,
    });
    Call::post(
        Needs::Read,
        "lookUp",
        "/v1/lookup",
        contacts::lookup,
        "The segments of many contacts, in the order asked",
    )
    .takes(JSON, body, json!({"contacts": ["u-1", "nobody"], "segments": ["VIP customers"]}))
    .answers(shape, example)
    .fails(&[404])
}

fn record() -> Call {
    let shape = object(
        [
            ("accepted", whole()),
            ("duplicates", whole()),
            ("rejected", whole()),
            ("errors", list(named("Fault"))),
            ("lsn", whole()),
        ],
        [],
    );
    let event = json!({
        "id": "e-1", "contact": "u-1", "event": "purchase", "at": "2026-04-20T10:00:00Z",
        "properties": {"amount": 120},
    });
    let line = format!("{event}\n");
    let answer = json!({"accepted": 1, "duplicates": 0, "rejected": 0, "errors": [], "lsn": 11});
    let call = Call::post(Needs::Write, "recordEvents", "/v1/events", events::post, "Record events")
        .says("One event, an array of them, or a stream of NDJSON of any length. Bad ones are told by their place.")
        .writes()
        .takes(JSON, any(vec![named("Event"), list(named("Event"))]), event)
        .takes(NDJSON, text(), line);
    parquet(call).answers(shape, answer)
}

fn take_away() -> Call {
    Call::delete(Needs::Write, "removeEvent", "/v1/events/{id}", events::delete, "Take an event away")
        .says("What was derived from it, and memberships, follow.")
        .part("id", text_of(1, limits::KEY_BYTES_MAX), "The event's id, percent-encoded.", "e-1")
        .writes()
        .gives_nothing("It is gone.")
        .fails(&[404])
}
