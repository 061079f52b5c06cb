//! The calls about who is in a segment.

use serde_json::{Value, json};

use crate::http::{
    access::Needs,
    call::{CSV, Call, Chapter, JSON, NDJSON, PLAIN},
    calls::segments::creates,
    components::{key, title},
    members::{self, ARROW, PARQUET},
    roaring_list, segments,
    shape::{anything, asks, cursor, list, nullable, object, position, text, whole, whole_of, word},
};
use crate::model::limits;

const NAME: &str = "The segment's name, percent-encoded, without regard to case.";

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "members",
        about: "Who is in a segment: streamed as of one instant, and edited by hand.",
        calls: vec![stream(), edit()],
    }
}

/// What a stream of contacts takes that is also exported as files.
pub(super) fn exports(call: Call) -> Call {
    let words: &[&str] = match cfg!(feature = "columnar") {
        true => &["ndjson", "csv", "arrow", "parquet", "roaring"],
        false => &["ndjson", "csv", "roaring"],
    };
    columns(formats(call, words))
        .gives(200, "", roaring_list::MEDIA, anything(), Value::Null)
        .tells("Throng-Database", text(), "The identity of the database, in which alone ids mean something.")
        .tells(
            "Throng-Roaring-Bytes",
            whole(),
            "Of a Roaring list: how long the bitmap is; the keys of its ids follow.",
        )
}

/// What a stream of contacts takes of which more is said than the key.
pub(super) fn tables(call: Call) -> Call {
    let words: &[&str] =
        if cfg!(feature = "columnar") { &["ndjson", "csv", "arrow", "parquet"] } else { &["ndjson", "csv"] };
    columns(formats(call, words)).query("after", cursor(), "The `Throng-Next` of the page before.").query(
        "limit",
        whole_of(1, limits::PAGE_MAX as u64),
        "Contacts of a page.",
    )
}

fn columns(mut call: Call) -> Call {
    for media in if cfg!(feature = "columnar") { &[ARROW, PARQUET][..] } else { &[] } {
        call = call.gives(200, "", media, anything(), Value::Null);
    }
    call
}

fn formats(call: Call, words: &[&str]) -> Call {
    call.query_like("format", word(words), "How they are written; by `Accept`, if it is missing.", "ndjson")
        .query_like("fields", text(), "Properties beside the key, with commas between.", "name,lead_score")
        .gives(200, "The contacts.", NDJSON, text(), json!("{\"key\":\"u-1\",\"name\":\"Ada\",\"lead_score\":80}\n"))
        .gives(200, "", CSV, text(), json!("key,name,lead_score\r\nu-1,Ada,80\r\n"))
        .tells("Throng-Count", whole(), "How many there are, also on a page.")
}

fn stream() -> Call {
    let call =
        Call::get(Needs::Read, "segmentMembers", "/v1/segments/{name}/members", members::get, "The members, streamed")
            .says("As of one instant, in constant memory. Without `limit` it is everyone.")
            .part("name", title(), NAME, "VIP customers")
            .query("after", cursor(), "The `Throng-Next` of the page before.")
            .query("limit", whole_of(1, limits::PAGE_MAX as u64), "Contacts of a page.")
            .query("at_lsn", position(), "As of this earlier write, while the history lasts.");
    exports(call)
        .tells("Throng-Seq", whole(), "The last entry of the feed that they hold.")
        .tells("Throng-Next", text(), "On a page: the `after` of the next one.")
        .fails(&[400, 404, 410, 422])
}

/// What an edit of a list or of pins takes and answers.
pub(super) fn edits(call: Call) -> Call {
    let keys = || nullable(list(key()));
    let body =
        asks([], [("add", keys()), ("remove", keys()), ("include", keys()), ("exclude", keys()), ("clear", keys())]);
    let shape =
        object([("count", nullable(whole())), ("unknown", list(text())), ("lsn", whole())], [("unknown_ids", whole())]);
    let mode = word(&["add", "remove", "replace", "include", "exclude", "clear"]);
    creates(call)
        .says(
            "On a list `add` and `remove`; on a rule pins: `include` and `exclude` beat the rule, `clear` returns a \
             contact to it. A list of keys may be sent as text, one a line, as CSV (the column that the first row \
             heads `key`, else the first), or as a Roaring list of this database, with `mode`.",
        )
        .query(
            "mode",
            mode,
            "What is done with a list sent as text, CSV or Roaring; `add`, if it is missing. Beside JSON it is 400.",
        )
        .query("database", text(), "Whose ids a bitmap alone has: the `Throng-Database` of its export.")
        .writes()
        .takes(JSON, body, json!({"add": ["u-1"], "remove": ["u-2"]}))
        .takes(PLAIN, text(), "u-1\nu-2\n")
        .takes(CSV, text(), "key\nu-1\nu-2\n")
        .takes(roaring_list::MEDIA, anything(), Value::Null)
        .answers(shape, json!({"count": 1, "unknown": ["u-2"], "lsn": 14}))
        .fails(&[404, 409])
}

fn edit() -> Call {
    let call = Call::post(
        Needs::Write,
        "editMembers",
        "/v1/segments/{name}/members",
        segments::edit_members,
        "Edit a list, or pin contacts in or out",
    );
    edits(call.part("name", title(), NAME, "Webinar list"))
}
