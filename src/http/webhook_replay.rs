//! What a webhook was told, what it could not be told, and what it is told again.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use crate::{
    db::{error::Error, feed::FeedKind, view::View},
    http::{
        app::{App, answer_json, at_lsn},
        body, feed,
        json::Json,
        paging,
        path::{Params, part},
        problem::Problem,
        webhooks::{bad, outcome_json, try_json, webhook_json},
        wire,
    },
    model::limits,
    webhook::{
        endpoint::{DeadLetter, Endpoint},
        error::HookError,
        slot::Slot,
    },
};

/// A message that was given up; what it says is looked up, so that nobody who was erased is named.
fn letter_json(letter: &DeadLetter, view: &View) -> Value {
    let mut object = outcome_json(letter.outcome);
    object["id"] = json!(letter.id);
    object["seq"] = letter.seq.into();
    object["tries"] = letter.tries.into();
    object["first_try"] = letter.first.to_string().into();
    object["last_try"] = letter.last.to_string().into();
    if let Some(change) = view.feed_entry(letter.seq) {
        object["segment"] = json!(change.segment);
        object["kind"] = feed::word(&change.kind).into();
        if let FeedKind::Entered(contact) | FeedKind::Left(contact) = &change.kind {
            object["contact"] = json!(contact);
            object["contact_id"] = json!(change.contact.map(|contact| contact.0));
            if change.is_erased {
                object["erased"] = true.into();
            }
        }
    }
    object
}

/// `GET /v1/webhooks/{id}/deliveries`: the last tries, and the messages that were given up.
pub async fn deliveries(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let params = Params::read(&uri, &["after", "limit"])?;
    let limit = paging::limit(params.parsed("limit")?)?;
    let after: u64 = params.parsed("after")?.unwrap_or(0);
    let slot = app.webhooks.get(&part(&uri, 2)?)?;
    let view = app.db.view();
    let (mut letters, dropped) = {
        let endpoint = slot.endpoint();
        (Vec::from(endpoint.dead.clone()), endpoint.dead_dropped)
    };
    letters.sort_by_key(|letter| letter.seq);
    letters.retain(|letter| letter.seq > after && letter.seq >= view.feed_bounds().oldest);
    let more = letters.len() > limit;
    letters.truncate(limit);
    let tries: Vec<Value> = slot.tries().iter().take(limit).map(try_json).collect();
    let mut body = json!({
        "deliveries": tries,
        "dead_letters": letters.iter().map(|letter| letter_json(letter, &view)).collect::<Vec<_>>(),
        "dead_letters_dropped": dropped,
        "lsn": view.lsn().0,
    });
    if more {
        body["next"] = json!(letters.last().map(|letter| letter.seq.to_string()));
    }
    Ok(answer_json(StatusCode::OK, &body))
}

/// `POST /v1/webhooks/{id}/replay`: all dead letters, some of them, or a range of the feed once more.
pub async fn replay(State(app): State<App>, uri: Uri, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let id = part(&uri, 2)?;
    let slot = app.webhooks.get(&id)?;
    let request = body::json_or_nothing(&headers, body).await?.unwrap_or(Json::Object(Vec::new()));
    wire::only_members(&request, &["seqs", "from", "to"])?;
    let ranges = ranges(&app, &slot, &request)?;
    let queued: u64 = ranges.iter().map(|(from, to)| to - from + 1).sum();
    let slot = app.webhooks.change(&id, |endpoint| endpoint.replay(ranges).map_err(HookError::Refused)).await?;
    let view = app.db.view();
    let mut object = webhook_json(&slot.endpoint(), &view);
    object["queued"] = queued.into();
    Ok(at_lsn(answer_json(StatusCode::ACCEPTED, &object), view.lsn()))
}

/// What a call to replay asks for, as ranges of the feed.
fn ranges(app: &App, slot: &Slot, request: &Json) -> Result<Vec<(u64, u64)>, Problem> {
    let bounds = app.db.view().feed_bounds();
    let kept = |seq: u64| match seq {
        0 => Err(bad("from", "bad_replay", "entries are numbered from 1")),
        seq if seq > bounds.newest => Err(Error::CursorAhead { after: seq, bounds }.into()),
        seq if seq < bounds.oldest => Err(Error::CursorTooOld { after: seq, bounds }.into()),
        seq => Ok(seq),
    };
    let (from, to) = (wire::count_member(request, "from")?, wire::count_member(request, "to")?);
    match (request.get("seqs"), from, to) {
        (Some(Json::List(seqs)), None, None) => {
            let number = |seq: &Json| match seq {
                Json::Number(digits) => digits.parse().ok(),
                _ => None,
            };
            let wrong = || bad("seqs", "wrong_type", "\"seqs\" is a list of numbers of entries");
            if seqs.len() > limits::WEBHOOK_REPLAYS_MAX {
                let detail = format!("\"seqs\" names at most {} entries", limits::WEBHOOK_REPLAYS_MAX);
                return Err(bad("seqs", "too_many", detail));
            }
            let mut seqs =
                seqs.iter().map(|seq| kept(number(seq).ok_or_else(wrong)?)).collect::<Result<Vec<_>, Problem>>()?;
            seqs.sort_unstable();
            seqs.dedup();
            Ok(seqs.into_iter().map(|seq| (seq, seq)).collect())
        }
        (None | Some(Json::Null), Some(from), to) => {
            let (from, to) = (kept(from)?, kept(to.unwrap_or(bounds.newest))?);
            if from > to {
                return Err(bad("to", "bad_replay", "\"to\" comes before \"from\""));
            }
            Ok(vec![(from, to)])
        }
        (None | Some(Json::Null), None, None) => {
            let mut seqs: Vec<u64> = slot.endpoint().dead.iter().map(|letter| letter.seq).collect();
            seqs.retain(|seq| *seq >= bounds.oldest);
            seqs.sort_unstable();
            Ok(seqs.into_iter().map(|seq| (seq, seq)).collect())
        }
        _ => Err(bad(
            "seqs",
            "bad_replay",
            "a replay takes \"seqs\", or \"from\" and \"to\", or nothing for all dead letters",
        )),
    }
}

/// `DELETE /v1/webhooks/{id}/replay`: what waits to be told again is not told again.
pub async fn cancel_replay(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    Params::read(&uri, &[])?;
    let cancelled = |endpoint: &mut Endpoint| {
        endpoint.replays.clear();
        endpoint.replay_trouble = None;
        Ok(())
    };
    app.webhooks.change(&part(&uri, 2)?, cancelled).await?;
    Ok(at_lsn(StatusCode::NO_CONTENT.into_response(), app.db.view().lsn()))
}
