//! The task of an endpoint: one message at a time, in the order of the feed, until it is taken or given up.
//!
//! What it holds in memory is one short page of the feed; the feed itself is what waits. The place up to which it has
//! told moves after the receiver has answered, never before: a stop in between repeats a message, under its old id.

use std::{collections::VecDeque, panic::resume_unwind, sync::Arc, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time::sleep};

use crate::{
    db::{
        clock::{Stopwatch, system_now},
        feed::{FeedBounds, FeedPage, Followed},
    },
    webhook::{
        client::{Link, Sent},
        endpoint::{GapReason, Trouble, Try},
        event::{self, Marks, Message},
        registry::{Webhooks, sign},
        settle::{Call, Of, Settled},
        slot::Slot,
    },
};

/// Entries that are read at a time.
const PAGE: usize = 64;
/// Entries that are looked through on the spot; more are looked through on a thread that may take its time.
const HERE_MAX: u64 = 4_096;
/// Names of segments that are looked up on the spot.
const NAMES_HERE_MAX: usize = 16;

/// How long a connection may be idle and still be used; most receivers close theirs about then, and after that the name
/// of the host is looked up again.
const LINK_IDLE: Duration = Duration::from_secs(30);

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

/// Why entries cannot be read.
enum Missed {
    /// The feed, which holds these, does not hold what follows the place.
    Gone(FeedBounds),
    /// The server stops.
    Stopped,
}

/// Numbers of entries that were found ahead, and up to where there is nothing else to tell. What an entry tells is read
/// when it is sent, for a contact may be erased until then.
#[derive(Default)]
struct Ahead {
    seqs: VecDeque<u64>,
    next: Option<u64>,
}

/// Where a task is: the feed and what was asked for again take turns, so neither waits for the other.
#[derive(Default)]
struct Course {
    feed: Ahead,
    replay: Ahead,
    /// Whether it is the feed's turn.
    is_feed: bool,
    /// Whether the feed waits for a time, which new entries do not shorten.
    is_waiting: bool,
}

/// Tells an endpoint until it is deleted or the server stops.
pub(super) async fn run(hooks: Arc<Webhooks>, slot: Arc<Slot>) {
    let (mut stopping, mut changes, mut news) = (hooks.stopping(), slot.changes(), hooks.news());
    let mut link: Option<Link> = None;
    let mut course = Course::default();
    let (mut seen, mut idle) = (0, Stopwatch::start());
    loop {
        if *stopping.borrow_and_update() || slot.is_gone() {
            return;
        }
        news.borrow_and_update();
        let count = *changes.borrow_and_update();
        if count != seen {
            (course, link, seen) = (Course::default(), None, count);
        }
        match next(&hooks, &slot, &mut course).await {
            Next::Again => {}
            Next::Rest => {
                rest(&mut stopping, &mut changes, &mut news, None, true).await;
            }
            Next::Wait(wait) => {
                link = None;
                rest(&mut stopping, &mut changes, &mut news, Some(wait), !course.is_waiting).await;
            }
            Next::Send(message, of) => {
                let (url, signed) = {
                    let endpoint = slot.endpoint();
                    if slot.changed() != seen {
                        continue;
                    }
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
                    (course.feed, course.replay) = (Ahead::default(), Ahead::default());
                }
                settle(&hooks, &slot, &message, of, (sent, took_ms, seen));
            }
        }
    }
}

/// Waits until something happens, or for so long.
async fn rest(
    stopping: &mut watch::Receiver<bool>,
    changes: &mut watch::Receiver<u64>,
    news: &mut watch::Receiver<u64>,
    wait: Option<Duration>,
    hears_news: bool,
) {
    tokio::select! {
        _ = stopping.changed() => {}
        _ = changes.changed() => {}
        _ = news.changed(), if hears_news => {}
        () = sleep(wait.unwrap_or_default()), if wait.is_some() => {}
    }
}

/// What is to be done now.
async fn next(hooks: &Arc<Webhooks>, slot: &Slot, course: &mut Course) -> Next {
    if !slot.endpoint().is_active() {
        return Next::Rest;
    }
    let mut soonest: Option<Duration> = None;
    course.is_waiting = false;
    for is_feed in [course.is_feed, !course.is_feed] {
        let found = if is_feed {
            of_feed(hooks, slot, &mut course.feed).await
        } else {
            of_replays(hooks, slot, &mut course.replay).await
        };
        match found {
            Next::Rest => {}
            Next::Wait(wait) => {
                course.is_waiting |= is_feed;
                soonest = Some(soonest.map_or(wait, |soonest| soonest.min(wait)));
            }
            found => {
                course.is_feed = !is_feed;
                return found;
            }
        }
    }
    soonest.map_or(Next::Rest, Next::Wait)
}

fn waits(hooks: &Webhooks, trouble: &mut Option<Trouble>) -> Option<Duration> {
    let wait = trouble.as_mut()?.wait(system_now(), hooks.settings.plan.longest());
    (!wait.is_zero()).then_some(wait)
}

/// What follows in the feed.
async fn of_feed(hooks: &Arc<Webhooks>, slot: &Slot, ahead: &mut Ahead) -> Next {
    let position = {
        let mut endpoint = slot.endpoint();
        if let Some(wait) = waits(hooks, &mut endpoint.trouble) {
            return Next::Wait(wait);
        }
        if let Some(gap) = &endpoint.gap {
            return Next::Send(event::of_gap(&endpoint.id, gap), Of::Gap);
        }
        endpoint.position
    };
    if let Some(seq) = ahead.seqs.pop_front() {
        if seq < hooks.db.view().feed_bounds().oldest {
            // It was found and is gone since; reading again tells of the gap.
            *ahead = Ahead::default();
            return Next::Again;
        }
        return told(hooks, slot, seq, false);
    }
    if let Some(passed) = ahead.next.take() {
        if passed > position {
            slot.endpoint().pass(passed, false);
            hooks.touch();
        }
        return Next::Again;
    }
    match page(hooks, slot, position, u64::MAX).await {
        Ok(page) if page.changes.is_empty() && page.next == position => Next::Rest,
        Ok(page) => {
            *ahead = ahead_of(page);
            Next::Again
        }
        Err(Missed::Stopped) => Next::Rest,
        Err(Missed::Gone(FeedBounds { oldest, newest })) => {
            slot.endpoint().miss(oldest, newest, GapReason::TooOld, system_now());
            // Kept before it is told, so that after a kill it is told in the same words.
            if let Err(error) = hooks.save().await {
                tracing::warn!(%error, "a gap could not be kept yet; it is tried again");
                hooks.touch();
            }
            Next::Again
        }
    }
}

fn ahead_of(page: FeedPage) -> Ahead {
    Ahead { seqs: page.changes.into_iter().map(|change| change.seq).collect(), next: Some(page.next) }
}

/// What follows of that which was asked for again.
async fn of_replays(hooks: &Webhooks, slot: &Slot, ahead: &mut Ahead) -> Next {
    let (from, to, is_dead) = {
        let mut endpoint = slot.endpoint();
        let Some((from, to)) = endpoint.replays.front().copied() else { return Next::Rest };
        if let Some(wait) = waits(hooks, &mut endpoint.replay_trouble) {
            return Next::Wait(wait);
        }
        (from, to, endpoint.dead.iter().any(|letter| letter.seq == from))
    };
    if is_dead {
        // What was given up was wanted once, whatever the endpoint follows by now.
        *ahead = Ahead::default();
        return told(hooks, slot, from, true);
    }
    while let Some(seq) = ahead.seqs.pop_front() {
        if (from..=to).contains(&seq) {
            return told(hooks, slot, seq, true);
        }
    }
    if let Some(passed) = ahead.next.take().filter(|passed| (from..=to).contains(passed)) {
        slot.endpoint().pass(passed, true);
        hooks.touch();
        return Next::Again;
    }
    let from = from.max(hooks.db.view().feed_bounds().oldest);
    match page(hooks, slot, from - 1, to).await {
        Ok(page) => *ahead = ahead_of(page),
        Err(Missed::Stopped) => return Next::Rest,
        Err(Missed::Gone(_)) => {
            slot.endpoint().pass(to, true);
            hooks.touch();
        }
    }
    Next::Again
}

/// The entries after a place, up to another, that are of the endpoint's segments.
///
/// Errors: [`Missed`].
async fn page(hooks: &Webhooks, slot: &Slot, after: u64, to: u64) -> Result<FeedPage, Missed> {
    let view = hooks.db.view();
    let bounds = view.feed_bounds();
    if after + 1 < bounds.oldest || after > bounds.newest {
        return Err(Missed::Gone(bounds));
    }
    let before = slot.endpoint().segments.clone();
    let mut followed = Followed::restored(before.clone());
    let here = bounds.newest.min(to).saturating_sub(after) <= HERE_MAX && before.len() <= NAMES_HERE_MAX;
    let read = move || (view.feed_until(after, to, &mut followed, PAGE), followed);
    let (page, followed) = match here {
        true => read(),
        false => match spawn_blocking(read).await {
            Ok(read) => read,
            // A fault of the program is no gap: it goes on to whoever begins again after one.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(_) => return Err(Missed::Stopped),
            },
        },
    };
    if followed.names() != before {
        let mut endpoint = slot.endpoint();
        if endpoint.segments == before {
            endpoint.segments = followed.names().to_vec();
        }
    }
    // It was asked of one view, so the bounds that were looked at above hold.
    page.map_err(|_| Missed::Gone(bounds))
}

/// The message of an entry, unless it is gone or the endpoint does not want its kind.
fn told(hooks: &Webhooks, slot: &Slot, seq: u64, is_replay: bool) -> Next {
    let view = hooks.db.view();
    let change = view.feed_entry(seq);
    let contact = change.as_ref().and_then(|change| change.contact);
    let mut endpoint = slot.endpoint();
    let is_dead = is_replay && endpoint.dead.iter().any(|letter| letter.seq == seq);
    let wanted = change.filter(|change| is_dead || endpoint.kinds.contains(&event::kind_of(change)));
    let Some(change) = wanted else {
        // One that has just gone from the feed is seen as a gap at the next look.
        if is_replay || view.feed_bounds().oldest <= seq {
            endpoint.pass(seq, is_replay);
            hooks.touch();
        }
        return Next::Again;
    };
    let marks = Marks { gap: !is_replay && endpoint.is_missing(contact), replay: is_replay };
    let message = event::of_change(&endpoint.id, &change, marks);
    Next::Send(message, if is_replay { Of::Replay(seq, contact) } else { Of::Entry(seq, contact) })
}

/// What follows from a call that began when there had been so many changes.
fn settle(hooks: &Webhooks, slot: &Slot, message: &Message, of: Of, (sent, took_ms, seen): (Sent, u64, u64)) {
    let Sent { outcome, retry_after } = sent;
    let (now, tried_for) = (system_now(), slot.tried_for());
    let mut endpoint = slot.endpoint();
    let is_changed = slot.changed() != seen;
    let call = Call { id: &message.id, of, outcome, retry_after, now, tried_for, is_changed };
    let settled = endpoint.settle(&hooks.settings.plan, hooks.settings.disable_after, &call);
    drop(endpoint);
    hooks.touch();
    if settled.is_disabled || outcome.is_taken() && slot.set_faulty(false) {
        hooks.tell_alarm();
    }
    let Settled { tries, next, .. } = settled;
    slot.note(Try { id: message.id.clone(), seq: of.seq(), at: now, tries, outcome, took_ms, next });
}
