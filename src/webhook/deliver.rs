//! The task of an endpoint: one message at a time, in the order of the feed, until it is taken or given up.
//!
//! What it holds in memory is one short page of the feed; the feed itself is what waits. The place up to which it has
//! told moves after the receiver has answered, never before: a stop in between repeats a message, under its old id.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use crate::{
    db::{
        clock::{Stopwatch, system_now},
        feed::{FeedBounds, FeedChange, FeedPage, Followed},
    },
    model::id::ContactId,
    webhook::{
        client::Link,
        endpoint::{DeadLetter, Status, Trouble, Try},
        event::{self, Marks, Message},
        plan::{Outcome, Verdict},
        registry::{Slot, Webhooks, sign},
    },
};

/// Entries that are read at a time.
const PAGE: usize = 64;
/// Entries that are looked through on the spot; more are looked through on a thread that may take its time.
const HERE_MAX: u64 = 4_096;

/// How long a connection may be idle and still be used; most receivers close theirs about then, and after that the name
/// of the host is looked up again.
const LINK_IDLE: Duration = Duration::from_secs(30);

/// What a message is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// An entry of the feed, in its turn.
    Entry(u64, Option<ContactId>),
    /// An entry that was asked for again.
    Replay(u64, Option<ContactId>),
    /// Entries that are missing; the feed goes on after this one.
    Gap(u64),
}

/// What is to be done.
enum Next {
    /// Nothing, until something happens.
    Rest,
    /// Nothing, for so long.
    Wait(Duration),
    /// This is to be sent.
    Send(Message, Of),
    /// Something was passed over: look again.
    Again,
}

/// Entries that were read ahead, and up to where there is nothing else to tell.
#[derive(Default)]
struct Ahead {
    changes: VecDeque<FeedChange>,
    next: Option<u64>,
}

/// Tells an endpoint until it is deleted or the server stops.
pub(super) async fn run(hooks: Arc<Webhooks>, slot: Arc<Slot>) {
    let (mut stopping, mut changes, mut news) = (hooks.stopping(), slot.changes(), hooks.news());
    let mut link: Option<Link> = None;
    let mut ahead = Ahead::default();
    let (mut seen, mut idle) = (0, Stopwatch::start());
    loop {
        if *stopping.borrow_and_update() || slot.is_gone() {
            return;
        }
        news.borrow_and_update();
        let count = *changes.borrow_and_update();
        if count != seen {
            (ahead, link, seen) = (Ahead::default(), None, count);
        }
        match next(&hooks, &slot, &mut ahead).await {
            Next::Again => {}
            Next::Rest => {
                rest(&mut stopping, &mut changes, &mut news, None).await;
            }
            Next::Wait(wait) => {
                // What was read may be out of date by then, and a contact may have been erased.
                (ahead, link) = (Ahead::default(), None);
                rest(&mut stopping, &mut changes, &mut news, Some(wait)).await;
            }
            Next::Send(message, of) => {
                let (url, signed) = {
                    let endpoint = slot.endpoint();
                    (endpoint.url.clone(), sign(&endpoint, &message))
                };
                if idle.elapsed() > LINK_IDLE {
                    link = None;
                }
                let took = Stopwatch::start();
                let sent = hooks.client.send(&url, &signed, &mut link).await;
                let took_ms = took.elapsed_us() / 1_000;
                idle = Stopwatch::start();
                if !sent.outcome.is_taken() {
                    ahead = Ahead::default();
                }
                settle(&hooks, &slot, &message, of, (sent.outcome, sent.retry_after, took_ms));
            }
        }
    }
}

/// Waits until something happens, or for so long; new entries do not shorten a wait.
async fn rest(
    stopping: &mut watch::Receiver<bool>,
    changes: &mut watch::Receiver<u64>,
    news: &mut watch::Receiver<u64>,
    wait: Option<Duration>,
) {
    tokio::select! {
        _ = stopping.changed() => {}
        _ = changes.changed() => {}
        _ = news.changed(), if wait.is_none() => {}
        () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
    }
}

/// What is to be done now.
async fn next(hooks: &Webhooks, slot: &Slot, ahead: &mut Ahead) -> Next {
    let (position, replay, wait) = {
        let endpoint = slot.endpoint();
        if !endpoint.is_active() {
            return Next::Rest;
        }
        let wait = endpoint.trouble.as_ref().map_or(0, |trouble| trouble.next.0 - system_now().0);
        (endpoint.position, endpoint.replays.front().copied(), wait)
    };
    if wait > 0 {
        return Next::Wait(Duration::from_millis(wait.unsigned_abs()));
    }
    if let Some((from, to)) = replay {
        return replayed(hooks, slot, from, to).await;
    }
    if let Some(change) = ahead.changes.pop_front() {
        return told(hooks, slot, change, false);
    }
    if let Some(passed) = ahead.next.take() {
        if passed > position {
            slot.endpoint().pass(passed, false);
            hooks.touch();
        }
        return Next::Again;
    }
    match page(hooks, slot, position).await {
        Ok(page) if page.changes.is_empty() && page.next == position => Next::Rest,
        Ok(page) => {
            *ahead = Ahead { changes: page.changes.into(), next: Some(page.next) };
            Next::Again
        }
        Err(bounds) => {
            // What came before the oldest entry, or after the newest, will not come any more.
            let goes_on = if position > bounds.newest { bounds.newest } else { bounds.oldest - 1 };
            Next::Send(event::of_gap(&slot.endpoint().id, position, bounds, system_now()), Of::Gap(goes_on))
        }
    }
}

/// The entries after a place that are of the endpoint's segments.
///
/// Errors: what the feed holds, when it does not hold what follows the place.
async fn page(hooks: &Webhooks, slot: &Slot, position: u64) -> Result<FeedPage, FeedBounds> {
    let view = hooks.db.view();
    let bounds = view.feed_bounds();
    if position + 1 < bounds.oldest || position > bounds.newest {
        return Err(bounds);
    }
    let before = slot.endpoint().segments.clone();
    let mut followed = Followed::restored(before.clone());
    let here = bounds.newest - position <= HERE_MAX;
    let read = move || (view.feed(position, &mut followed, PAGE), followed);
    let (page, followed) = if here { read() } else { spawn_blocking(read).await.map_err(|_| bounds)? };
    if followed.names() != before {
        let mut endpoint = slot.endpoint();
        if endpoint.segments == before {
            endpoint.segments = followed.names().to_vec();
        }
    }
    // It was asked of one view, so the bounds that were looked at above hold.
    page.map_err(|_| bounds)
}

/// The next entry of those that were asked for again, if one is still there and wanted.
async fn replayed(hooks: &Webhooks, slot: &Slot, from: u64, to: u64) -> Next {
    let view = hooks.db.view();
    let is_dead = slot.endpoint().dead.iter().any(|letter| letter.seq == from);
    let change = match view.feed_entry(from) {
        // What was given up was wanted once, whatever the endpoint follows by now.
        Some(change) if is_dead => Some(change),
        _ => {
            let from = from.max(view.feed_bounds().oldest);
            let page = page(hooks, slot, from - 1).await;
            page.ok().and_then(|page| page.changes.into_iter().next())
        }
    };
    match change {
        Some(change) if change.seq <= to => told(hooks, slot, change, true),
        _ => {
            slot.endpoint().pass(to, true);
            hooks.touch();
            Next::Again
        }
    }
}

/// The message of an entry, unless the endpoint does not want its kind.
fn told(hooks: &Webhooks, slot: &Slot, change: FeedChange, is_replay: bool) -> Next {
    let contact = hooks.db.view().feed_contact(change.seq);
    let mut endpoint = slot.endpoint();
    let is_dead = is_replay && endpoint.dead.iter().any(|letter| letter.seq == change.seq);
    if !is_dead && !endpoint.kinds.contains(&event::kind_of(&change)) {
        endpoint.pass(change.seq, is_replay);
        hooks.touch();
        return Next::Again;
    }
    let marks = Marks { gap: !is_replay && endpoint.is_missing(contact), replay: is_replay };
    let message = event::of_change(&endpoint.id, &change, marks);
    let of = if is_replay { Of::Replay(change.seq, contact) } else { Of::Entry(change.seq, contact) };
    Next::Send(message, of)
}

/// What follows from a call.
fn settle(hooks: &Webhooks, slot: &Slot, message: &Message, of: Of, call: (Outcome, Option<Duration>, u64)) {
    let (outcome, retry_after, took_ms) = call;
    let now = system_now();
    let mut endpoint = slot.endpoint();
    let before = endpoint.trouble.take().filter(|trouble| trouble.id == message.id);
    let (tries, first) = before.map_or((1, now), |trouble| (trouble.tries + 1, trouble.first));
    let mut verdict = hooks.settings.plan.judge(outcome, retry_after, &message.id, tries);
    if let (Of::Gap(_), Verdict::GiveUp) = (of, verdict) {
        // Nothing tells of a gap that was not told, so it is tried for as long as the endpoint is.
        verdict = Verdict::Again(hooks.settings.plan.receiver.last().copied().unwrap_or_default());
    }
    if let (Of::Replay(..), Verdict::Again(_), Outcome::Status(400..=499)) = (of, verdict, outcome)
        && !matches!(outcome, Outcome::Status(408 | 425 | 429))
    {
        // Whoever asked for it again knows; the feed does not wait for it.
        verdict = Verdict::GiveUp;
    }
    let mut next = None;
    match (verdict, of) {
        (Verdict::Taken, of) => {
            endpoint.failing_since = None;
            match of {
                Of::Entry(seq, contact) => endpoint.taken(seq, contact, false),
                Of::Replay(seq, contact) => endpoint.taken(seq, contact, true),
                // After a restored backup the place lies before the one that was told.
                Of::Gap(goes_on) => endpoint.position = goes_on,
            }
        }
        (Verdict::Gone, _) => {
            endpoint.status = Status::Gone;
            tracing::warn!(webhook = endpoint.id, "disabled: the receiver answered 410 Gone");
        }
        (Verdict::Again(wait), _) => {
            let at = now.plus_ms(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX));
            next = Some(at);
            endpoint.trouble = Some(Trouble { id: message.id.clone(), tries, first, next: at, outcome });
        }
        (Verdict::GiveUp, Of::Entry(seq, contact) | Of::Replay(seq, contact)) => {
            let id = message.id.clone();
            endpoint.bury(DeadLetter { seq, id, contact, tries, first, last: now, outcome, told: false });
            endpoint.pass(seq, matches!(of, Of::Replay(..)));
            tracing::warn!(webhook = endpoint.id, seq, outcome = outcome.word(), "a message was given up");
        }
        (Verdict::GiveUp, Of::Gap(_)) => {}
    }
    if !outcome.is_taken() && verdict != Verdict::Gone {
        let since = *endpoint.failing_since.get_or_insert(now);
        let failing = Duration::from_millis((now.0 - since.0).unsigned_abs());
        if failing >= hooks.settings.disable_after && endpoint.is_active() {
            endpoint.status = Status::Failing;
            tracing::error!(webhook = endpoint.id, "disabled: nothing could be delivered for too long");
        }
    }
    drop(endpoint);
    hooks.touch();
    let seq = match of {
        Of::Entry(seq, _) | Of::Replay(seq, _) => Some(seq),
        Of::Gap(_) => None,
    };
    slot.note(Try { id: message.id.clone(), seq, at: now, tries, outcome, took_ms, next });
}
