//! The calls about webhooks.

use serde_json::{Value, json};

use crate::{
    http::{
        access::Needs,
        call::{Call, Chapter, JSON},
        components::title,
        shape::{
            asks, flag, instant, list, list_of, nullable, object, position, said, text, text_of, whole, whole_of, word,
        },
        webhook_replay, webhooks,
    },
    model::limits,
};

/// What a webhook may be told of.
const KINDS: [&str; 3] = ["entered", "left", "bulk"];
/// What a call may come to.
const OUTCOMES: [&str; 8] =
    ["delivered", "status", "timeout", "connection", "unresolved", "denied", "tls", "malformed"];
/// The webhook of the examples.
const EXAMPLE: &str = "wh_crm";
const AT: &str = "2026-05-01T00:00:00Z";

/// The chapter.
pub fn chapter() -> Chapter {
    Chapter {
        name: "webhooks",
        about: "Addresses of yours that are told who enters and who leaves: signed, in order, at least once.",
        calls: vec![create(), list_all(), get(), patch(), delete(), test(), rotate(), deliveries(), replay(), cancel()],
    }
}

/// The shape of a webhook, with what a call adds to it.
fn webhook<const N: usize>(more: [(&str, Value); N]) -> Value {
    let trouble = object(
        [("outcome", word(&OUTCOMES)), ("status", nullable(whole())), ("id", text()), ("tries", whole())],
        [("first_try", instant()), ("next_try", instant())],
    );
    let must = [
        ("id", text()),
        ("url", text()),
        ("description", nullable(text())),
        ("segments", list(text())),
        ("kinds", list(word(&KINDS))),
        ("status", word(&["active", "paused", "disabled"])),
        ("paused", flag()),
        ("reason", nullable(text())),
        ("created", instant()),
        ("updated", instant()),
        ("position", said(whole(), "The entry of the feed up to which it was told.")),
        ("behind", said(whole(), "Entries that it was not told yet.")),
        ("trouble", nullable(trouble)),
        ("failing_since", nullable(instant())),
        ("dead_letters", whole()),
        ("replays", whole()),
        ("old_secret_until", nullable(instant())),
    ];
    object(must, more)
}

fn secret() -> (&'static str, Value) {
    ("secret", said(text(), "`whsec_` and base64; shown here and never again."))
}

fn example(more: Value) -> Value {
    let mut example = json!({
        "id": EXAMPLE, "url": "https://hooks.example/throng", "description": null, "segments": ["VIP customers"],
        "kinds": ["entered", "left"], "status": "active", "paused": false, "reason": null, "created": AT,
        "updated": AT, "position": 1, "behind": 0, "trouble": null, "failing_since": null, "dead_letters": 0,
        "replays": 0, "old_secret_until": null,
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        example[name] = value.clone();
    }
    example
}

/// What a body may say of a webhook, whether it makes or changes one.
fn said_of_it() -> [(&'static str, Value); 5] {
    [
        ("description", nullable(text_of(0, limits::WEBHOOK_DESCRIPTION_BYTES_MAX))),
        ("segments", nullable(list_of(title(), limits::WEBHOOK_SEGMENTS_MAX))),
        ("kinds", nullable(list(word(&KINDS)))),
        ("paused", nullable(flag())),
        ("status", nullable(word(&["active", "paused"]))),
    ]
}

fn url() -> Value {
    text_of(1, limits::WEBHOOK_URL_BYTES_MAX)
}

fn of_one(call: Call) -> Call {
    call.part("id", text(), "The webhook's id.", EXAMPLE).fails(&[400, 404])
}

fn create() -> Call {
    let [description, segments, kinds, paused, status] = said_of_it();
    let id = json!({"type": ["string", "null"], "pattern": "^wh_[a-z0-9]{1,40}$"});
    let after = said(nullable(whole()), "Tell from after this entry of the feed on; from now on, if it is missing.");
    let may = [
        ("id", said(id, "A name of your own for it.")),
        description,
        segments,
        kinds,
        paused,
        status,
        ("secret", said(nullable(text_of(1, 200)), "One of yours: `whsec_` and the base64 of 24 to 64 bytes.")),
        ("after", after),
    ];
    let body = asks([("url", url())], may);
    let asked =
        json!({"url": "https://hooks.example/throng", "segments": ["VIP customers"], "kinds": ["entered", "left"]});
    let made = example(json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}));
    let call = Call::post(
        Needs::Admin,
        "createWebhook",
        "/v1/webhooks",
        webhooks::create,
        "Tell an address who enters and leaves",
    )
    .says(
        "Without `segments` it is told of all, without `kinds` of every kind. Messages are CloudEvents, signed \
             after Standard Webhooks; the secret is in this answer and in no other.",
    )
    .writes()
    .takes(JSON, body, asked)
    .gives(201, "It is made.", JSON, webhook([secret()]), made);
    let links = ["getWebhook", "patchWebhook", "testWebhook", "webhookDeliveries", "replayWebhook", "deleteWebhook"];
    let call = links.iter().fold(call, |call, to| call.leads_to(201, to, &[("id", "$response.body#/id")]));
    call.fails(&[409, 410])
}

fn list_all() -> Call {
    let shape = object([("webhooks", list(webhook([]))), ("count", whole()), ("lsn", whole())], [("next", text())]);
    let answer = json!({"webhooks": [example(json!({}))], "count": 1, "lsn": 15});
    Call::get(Needs::Admin, "listWebhooks", "/v1/webhooks", webhooks::list, "Webhooks, in order of creation")
        .paged()
        .answers(shape, answer)
}

fn get() -> Call {
    of_one(Call::get(
        Needs::Admin,
        "getWebhook",
        "/v1/webhooks/{id}",
        webhooks::get,
        "Read a webhook, and how it fares",
    ))
    .answers(webhook([]), example(json!({})))
}

fn patch() -> Call {
    let [description, segments, kinds, paused, status] = said_of_it();
    let body = asks([], [("url", nullable(url())), description, segments, kinds, paused, status]);
    of_one(Call::patch(
        Needs::Admin,
        "patchWebhook",
        "/v1/webhooks/{id}",
        webhooks::patch,
        "Pause, resume or change a webhook",
    ))
    .says(
        "What the body does not name stays. What happens in a pause is told after it, in order. A webhook that is \
             disabled goes on when it is resumed.",
    )
    .takes(JSON, body, json!({"paused": true}))
    .answers(webhook([]), example(json!({"paused": true, "status": "paused"})))
    .fails(&[507])
}

fn delete() -> Call {
    of_one(Call::delete(Needs::Admin, "deleteWebhook", "/v1/webhooks/{id}", webhooks::delete, "Delete a webhook"))
        .gives_nothing("It is gone.")
        .fails(&[507])
}

/// The shape of one try.
fn tried<const N: usize>(more: [(&str, Value); N]) -> Value {
    let must = [
        ("id", text()),
        ("seq", nullable(whole())),
        ("at", instant()),
        ("try", whole_of(1, u64::from(u32::MAX))),
        ("outcome", word(&OUTCOMES)),
        ("status", nullable(whole())),
        ("took_ms", whole()),
        ("next_try", nullable(instant())),
    ];
    object(must, more)
}

fn test() -> Call {
    let answer = json!({
        "id": "wh_crm_test_3f2a9d0c5e6b4f7a8c1d2e3f4a5b6c7d", "seq": null, "at": AT, "try": 1, "outcome": "delivered",
        "status": 200, "took_ms": 12, "next_try": null, "delivered": true,
    });
    of_one(Call::post(Needs::Admin, "testWebhook", "/v1/webhooks/{id}/test", webhooks::test, "Send a test message now"))
        .says("Once, whatever the status of the webhook. The answer says what it came to.")
        .answers(tried([("delivered", flag())]), answer)
        .fails(&[409])
}

fn rotate() -> Call {
    let answer = example(json!({
        "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "old_secret_until": "2026-05-02T00:00:00Z",
    }));
    of_one(Call::post(Needs::Admin, "rotateWebhook", "/v1/webhooks/{id}/rotate", webhooks::rotate, "Make a new secret"))
        .says("The one before signs beside it for a day, so messages have two signatures.")
        .answers(webhook([secret()]), answer)
        .fails(&[507])
}

fn deliveries() -> Call {
    let letter = object(
        [
            ("id", text()),
            ("seq", whole()),
            ("tries", whole()),
            ("first_try", instant()),
            ("last_try", instant()),
            ("outcome", word(&OUTCOMES)),
            ("status", nullable(whole())),
        ],
        [
            ("segment", text()),
            ("kind", word(&KINDS)),
            ("contact", nullable(text())),
            ("contact_id", whole()),
            ("erased", flag()),
        ],
    );
    let shape = object(
        [
            ("deliveries", list(tried([]))),
            ("dead_letters", list(letter)),
            ("dead_letters_dropped", whole()),
            ("lsn", whole()),
        ],
        [("next", text())],
    );
    let id = "wh_crm_1_9f86d081884c7d65";
    let answer = json!({
        "deliveries": [{"id": id, "seq": 1, "at": AT, "try": 5, "outcome": "status", "status": 422, "took_ms": 9,
                        "next_try": null}],
        "dead_letters": [{"id": id, "seq": 1, "tries": 5, "first_try": AT, "last_try": AT, "outcome": "status",
                          "status": 422, "segment": "VIP customers", "kind": "entered", "contact": "u-1", "contact_id": 1}],
        "dead_letters_dropped": 0, "lsn": 15,
    });
    let path = "/v1/webhooks/{id}/deliveries";
    of_one(Call::get(
        Needs::Admin,
        "webhookDeliveries",
        path,
        webhook_replay::deliveries,
        "The last tries, and what was given up",
    ))
    .says("Tries are remembered since the start of the server, the newest first; dead letters come by pages.")
    .query("after", position(), "The `next` of the page before.")
    .limited()
    .answers(shape, answer)
    .fails(&[422])
}

fn replay() -> Call {
    let seq = || whole_of(1, u64::MAX >> 1);
    let seqs = json!({"type": ["array", "null"], "items": seq(), "maxItems": limits::WEBHOOK_REPLAYS_MAX});
    let body = asks([], [("seqs", seqs), ("from", nullable(seq())), ("to", nullable(seq()))]);
    of_one(Call::post(
        Needs::Admin,
        "replayWebhook",
        "/v1/webhooks/{id}/replay",
        webhook_replay::replay,
        "Tell entries again",
    ))
    .says("All dead letters, the entries `seqs`, or the feed from `from` to `to`; under their old ids.")
    .takes(JSON, body, json!({}))
    .or_nothing()
    .gives(202, "They wait to be told.", JSON, webhook([("queued", whole())]), example(json!({"queued": 0})))
    .fails(&[410, 507])
}

fn cancel() -> Call {
    let path = "/v1/webhooks/{id}/replay";
    of_one(Call::delete(
        Needs::Admin,
        "cancelReplay",
        path,
        webhook_replay::cancel_replay,
        "Do not tell again what waits",
    ))
    .gives_nothing("Nothing waits to be told again.")
    .fails(&[507])
}
