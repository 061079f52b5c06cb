//! The feed: who entered and who left, as pages, by waiting for what comes, and the exact lists of large changes.

use std::{io::Write as _, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header},
    response::Response,
};

use crate::{
    db::{
        feed::{FeedChange, FeedKind, FeedPage, Followed},
        record::Place,
    },
    http::{
        app::{App, answer_bytes, at_lsn},
        body,
        feed_stream::{self, Stream},
        lines, paging,
        path::{Params, part},
        problem::Problem,
        wire,
    },
    model::id::ContactId,
};

/// How long a call may wait for a change. Units: seconds.
const WAIT_MAX: f64 = 60.0;
/// Entries that are looked through on the spot; more are looked through on a thread that may take its time.
const HERE_MAX: u64 = 4_096;
/// Keys of an exact list that are read at a time.
const BLOCK: usize = 4_096;

/// `GET /v1/feed`
pub async fn get(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let params = Params::read_many(&uri, &["after", "segment", "limit", "wait"], &["segment"])?;
    let after = params.parsed::<u64>("after")?.unwrap_or(0);
    let limit = paging::limit(params.parsed("limit")?)?;
    let wait = params.parsed::<f64>("wait")?.unwrap_or(0.0);
    if !(0.0..=WAIT_MAX).contains(&wait) {
        return Err(Problem::refused("bad_wait", format!("\"wait\" is 0 to {WAIT_MAX} seconds, not {wait}")));
    }
    let followed = Followed::named(&app.db.view(), params.texts("segment"))?;
    let last_event = feed_stream::last_event(&headers)?;
    if asks_for_stream(&headers) {
        let after = last_event.unwrap_or(after);
        return Stream::open(app, after, followed).await;
    }
    let (page, _) = page(&app, after, followed, limit, Duration::from_secs_f64(wait)).await?;
    Ok(at_lsn(answer_bytes(StatusCode::OK, "application/json", page_json(&page)), page.lsn))
}

fn asks_for_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.to_ascii_lowercase().contains("text/event-stream")
}

/// What follows an entry; if nothing does, waits for it.
async fn page(
    app: &App,
    mut after: u64,
    mut followed: Followed,
    limit: usize,
    wait: Duration,
) -> Result<(FeedPage, Followed), Problem> {
    if wait.is_zero() {
        return read(app, after, followed, limit).await;
    }
    let mut ear = app.news.listen()?;
    let mut late = std::pin::pin!(tokio::time::sleep(wait));
    loop {
        let is_over = ear.is_over();
        let page;
        (page, followed) = read(app, after, followed, limit).await?;
        if is_over || !page.changes.is_empty() {
            return Ok((page, followed));
        }
        after = page.next;
        tokio::select! {
            () = ear.news() => {}
            () = &mut late => return Ok((page, followed)),
        }
    }
}

/// What follows an entry, now.
///
/// Errors: 410 when the entry is too old or has not come.
pub async fn read(
    app: &App,
    after: u64,
    mut followed: Followed,
    limit: usize,
) -> Result<(FeedPage, Followed), Problem> {
    let view = app.db.view();
    let bounds = view.feed_bounds();
    if bounds.newest.saturating_sub(after.max(bounds.oldest - 1)) <= HERE_MAX {
        return Ok((view.feed(after, &mut followed, limit)?, followed));
    }
    body::blocking(move || Ok((view.feed(after, &mut followed, limit)?, followed))).await
}

fn page_json(page: &FeedPage) -> Vec<u8> {
    let mut out = b"{\"changes\":[".to_vec();
    for (place, change) in page.changes.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write_change(&mut out, change);
    }
    write!(out, "],\"next\":{}}}", page.next).expect("writing to memory cannot fail");
    out
}

/// The word for what an entry tells.
pub fn word(kind: &FeedKind) -> &'static str {
    match kind {
        FeedKind::Entered(_) => "entered",
        FeedKind::Left(_) => "left",
        FeedKind::Bulk { .. } => "bulk",
    }
}

/// Appends an entry as an object on one line.
pub fn write_change(out: &mut Vec<u8>, change: &FeedChange) {
    let FeedChange { seq, at, segment, kind, contact: id, is_erased, cause, lsn, version } = change;
    let fits = "writing to memory cannot fail";
    write!(out, "{{\"seq\":{seq},\"at\":\"{at}\",").expect(fits);
    if let (FeedKind::Entered(contact) | FeedKind::Left(contact), Some(id)) = (kind, id) {
        write_contact(out, *id, contact.as_deref(), *is_erased);
        out.push(b',');
    }
    out.extend_from_slice(b"\"segment\":");
    wire::write_text(out, segment);
    write!(out, ",\"kind\":\"{}\"", word(kind)).expect(fits);
    if let FeedKind::Bulk { entered, left } = kind {
        write!(out, ",\"entered\":{entered},\"left\":{left}").expect(fits);
    }
    write!(out, ",\"cause\":\"{cause}\",\"lsn\":{lsn},\"version\":{version}").expect(fits);
    if let FeedKind::Bulk { .. } = kind {
        write!(out, r#","changes":"/v1/feed/{seq}/changes""#).expect(fits);
    }
    out.push(b'}');
}

/// Who it is, as members of an object: a contact that is gone is told by its number.
fn write_contact(out: &mut Vec<u8>, id: ContactId, key: Option<&str>, is_erased: bool) {
    out.extend_from_slice(b"\"contact\":");
    match key {
        Some(key) => wire::write_text(out, key),
        None => out.extend_from_slice(b"null"),
    }
    write!(out, ",\"contact_id\":{}", id.0).expect("writing to memory cannot fail");
    if is_erased {
        out.extend_from_slice(b",\"erased\":true");
    }
}

/// `GET /v1/feed/{seq}/changes`: who entered and who left in a large change, a line each.
pub async fn changes(State(app): State<App>, uri: Uri) -> Result<Response, Problem> {
    let text = part(&uri, 2)?;
    let seq: u64 = text.parse().map_err(|_| Problem::malformed(format!("\"{text}\" is not the number of an entry")))?;
    let view = app.db.view();
    let lists = view.bulk_lists(seq)?;
    let counts = [("throng-entered", lists.entered.count()), ("throng-left", lists.left.count())];
    let mut halves = vec![(lists.left, "left"), (lists.entered, "entered")];
    let mut place: Option<Place> = None;
    let mut response = lines::stream(&app.streams, move |block| {
        let Some((list, kind)) = halves.last() else { return false };
        let page = list.keys(place, BLOCK);
        for (id, key) in page.items {
            block.push(b'{');
            write_contact(block, id, key.as_deref(), key.is_none());
            writeln!(block, ",\"kind\":\"{kind}\"}}").expect("writing to memory cannot fail");
        }
        place = page.next;
        if place.is_none() {
            halves.pop();
        }
        !halves.is_empty()
    })?;
    for (name, count) in counts {
        response.headers_mut().insert(name, count.into());
    }
    Ok(at_lsn(response, view.lsn()))
}
