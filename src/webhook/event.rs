//! Messages: what an endpoint is sent, as a CloudEvent 1.0 in structured mode.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    db::feed::{FeedChange, FeedKind},
    model::time::Timestamp,
    webhook::endpoint::{Gap, Kind},
};

/// The media type of a message.
pub const MEDIA: &str = "application/cloudevents+json";

/// A message, ready to be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same on every try, over restarts too, and never that of another message.
    pub id: String,
    /// The body.
    pub body: Vec<u8>,
}

/// What else is said with an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// An earlier message of the same contact was given up.
    pub gap: bool,
    /// It was asked for again.
    pub replay: bool,
}

/// The kind of an entry.
pub fn kind_of(change: &FeedChange) -> Kind {
    match change.kind {
        FeedKind::Entered(_) => Kind::Entered,
        FeedKind::Left(_) => Kind::Left,
        FeedKind::Bulk { .. } => Kind::Bulk,
    }
}

/// The id of the message of an entry. The number of the entry alone would not do: after a restored backup another entry
/// may have it. So a digest of what never changes of an entry stands beside it.
pub fn id_of(endpoint: &str, change: &FeedChange) -> String {
    let FeedChange { seq, at, cause, lsn, version, .. } = change;
    let digest = xxh3_64(format!("{seq} {} {cause} {lsn} {version} {}", at.0, kind_of(change).word()).as_bytes());
    format!("{endpoint}_{seq}_{digest:016x}")
}

/// The message of an entry. It holds the contact's key and number and nothing else about it.
pub fn of_change(endpoint: &str, change: &FeedChange, marks: Marks) -> Message {
    let FeedChange { seq, at, segment, kind, cause, lsn, version, .. } = change;
    let id = id_of(endpoint, change);
    let word = kind_of(change).word();
    let mut data = json!({
        "seq": seq, "at": at.to_string(), "segment": segment, "kind": word, "cause": cause, "lsn": lsn.0,
        "version": version,
    });
    let mut subject = None;
    match kind {
        FeedKind::Entered(contact) | FeedKind::Left(contact) => {
            data["contact"] = json!(contact);
            data["contact_id"] = json!(change.contact.map(|contact| contact.0));
            if change.is_erased {
                data["erased"] = true.into();
            }
            subject = contact.as_deref();
        }
        FeedKind::Bulk { entered, left } => {
            data["entered"] = (*entered).into();
            data["left"] = (*left).into();
            data["changes"] = format!("/v1/feed/{seq}/changes").into();
        }
    }
    for (mark, is_on) in [("gap", marks.gap), ("replay", marks.replay)] {
        if is_on {
            data[mark] = true.into();
        }
    }
    let source = format!("/v1/segments/{}", utf8_percent_encode(segment, NON_ALPHANUMERIC));
    let mut event = cloud_event(&id, &source, &format!("throng.segment.{word}"), *at, data);
    // As wide as the largest number, so that the texts are in order, too.
    event["sequence"] = format!("{seq:020}").into();
    if let Some(subject) = subject {
        event["subject"] = subject.into();
    }
    Message { id, body: event.to_string().into_bytes() }
}

/// The message that entries are missing for good: the feed no longer reaches back to them, or it is another one.
pub fn of_gap(endpoint: &str, gap: &Gap) -> Message {
    let Gap { at, after, oldest, newest, reason, .. } = gap;
    let id = gap.id(endpoint);
    let data = json!({
        "after": after, "oldest": oldest, "newest": newest, "reason": reason.word(),
        "resync": "read the members of the segments that you follow (GET /v1/segments/{name}/members); what follows here \
                   may tell some of it a second time, which changes nothing: an entry says where a contact is afterwards",
    });
    let event = cloud_event(&id, &format!("/v1/webhooks/{endpoint}"), "throng.webhook.gap", *at, data);
    Message { id, body: event.to_string().into_bytes() }
}

/// A message that only tells that messages arrive.
pub fn of_test(endpoint: &str, nonce: u128, now: Timestamp) -> Message {
    let id = format!("{endpoint}_test_{nonce:032x}");
    let data = json!({"test": true});
    let event = cloud_event(&id, &format!("/v1/webhooks/{endpoint}"), "throng.webhook.test", now, data);
    Message { id, body: event.to_string().into_bytes() }
}

fn cloud_event(id: &str, source: &str, ty: &str, time: Timestamp, data: Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": source, "type": ty, "time": time.to_string(),
        "datacontenttype": "application/json", "data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{ContactId, Lsn};

    fn entry(seq: u64, kind: FeedKind) -> FeedChange {
        let at = Timestamp::parse("2026-05-01T10:00:00Z").unwrap();
        let key = match &kind {
            FeedKind::Entered(key) | FeedKind::Left(key) => Some(key),
            FeedKind::Bulk { .. } => None,
        };
        let (contact, is_erased) = (key.map(|_| ContactId(3)), key.is_some_and(Option::is_none));
        let segment = "Big & VIP".into();
        FeedChange { seq, at, segment, kind, contact, is_erased, cause: "write", lsn: Lsn(9), version: 2 }
    }

    fn read(message: &Message) -> Value {
        serde_json::from_slice(&message.body).unwrap()
    }

    #[test]
    fn an_entry_is_a_cloud_event() {
        let message = of_change("wh_1", &entry(7, FeedKind::Entered(Some("u-1".into()))), Marks::default());
        let event = read(&message);
        assert_eq!(event["specversion"], "1.0");
        assert_eq!((&event["id"], &event["type"]), (&json!(message.id), &json!("throng.segment.entered")));
        assert_eq!((&event["source"], &event["subject"]), (&json!("/v1/segments/Big%20%26%20VIP"), &json!("u-1")));
        assert_eq!(
            (&event["time"], &event["sequence"]),
            (&json!("2026-05-01T10:00:00Z"), &json!("00000000000000000007"))
        );
        let data = json!({
            "seq": 7, "at": "2026-05-01T10:00:00Z", "segment": "Big & VIP", "kind": "entered", "contact": "u-1",
            "contact_id": 3, "cause": "write", "lsn": 9, "version": 2,
        });
        assert_eq!(event["data"], data);
        assert!(!message.id.contains('.'), "the standard signs id, time and body with full stops between");
        let marked = of_change("wh_1", &entry(7, FeedKind::Left(None)), Marks { gap: true, replay: true });
        let data = &read(&marked)["data"];
        assert_eq!((&data["gap"], &data["replay"], &data["erased"]), (&json!(true), &json!(true), &json!(true)));
        assert_eq!((&data["contact"], &data["contact_id"]), (&Value::Null, &json!(3)));
        let bulk = read(&of_change("wh_1", &entry(8, FeedKind::Bulk { entered: 3, left: 0 }), Marks::default()));
        assert_eq!((&bulk["data"]["entered"], &bulk["data"]["changes"]), (&json!(3), &json!("/v1/feed/8/changes")));
    }

    #[test]
    fn ids_are_the_same_for_the_same_entry_alone() {
        let entered = |key: &str| entry(7, FeedKind::Entered(Some(key.into())));
        let id = id_of("wh_1", &entered("u-1"));
        assert_eq!(id, id_of("wh_1", &FeedChange { segment: "renamed".into(), ..entered("u-1") }));
        assert_eq!(id, id_of("wh_1", &entry(7, FeedKind::Entered(None))), "also when the contact was erased since");
        let others = [
            id_of("wh_2", &entered("u-1")),
            id_of("wh_1", &entry(8, FeedKind::Entered(None))),
            id_of("wh_1", &entry(7, FeedKind::Left(None))),
            id_of("wh_1", &FeedChange { at: Timestamp(0), ..entered("u-1") }),
            id_of("wh_1", &FeedChange { lsn: Lsn(10), ..entered("u-1") }),
        ];
        assert!(others.iter().all(|other| *other != id));
    }
}
