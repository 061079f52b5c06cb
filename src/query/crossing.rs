//! Who comes across an end of a test that moves with now, by an instant: found by scans, perhaps with others.

use crate::{
    bitmap::words::Words,
    index::{column::Column, event_index::EventIndex},
    model::time::Timestamp,
    query::{
        behavior::Behavior,
        bounds::Clock,
        look_ahead::Ahead,
        moving::{Moving, What, is_far},
        quick::is_of_some,
    },
    rule::ast::{Comparison, End},
};

/// Positions that come across either end of a test.
#[derive(Clone, Copy, Debug)]
pub struct Crossed {
    spans: [(i128, i128); 2],
    /// Now, after which positions are not known yet.
    now: i128,
}

/// No position.
const NONE: (i128, i128) = (0, -1);

/// Which positions come across an end of a test after now and up to an instant; `None` where an end does not move
/// steadily.
pub fn of_values(moving: &Moving, clock: &Clock, until: Timestamp) -> Option<Crossed> {
    let what = moving.what();
    if !matches!(what, What::Age(..) | What::Ahead(..)) || what.calendar_length().is_some() {
        return None;
    }
    let (first, last) = what.instants(clock);
    let by = i128::from(until.0) - clock.now();
    let span = |from: i128, to: i128| if moving.of_days() { clock.days_starting(from, to) } else { (from, to) };
    // What enters lies after the last instant that passes, what leaves begins with the first.
    let entering = if is_far(last) { NONE } else { span(last + 1, last + by) };
    let leaving = if is_far(first) { NONE } else { span(first, first + by) };
    Some(Crossed { spans: [leaving, entering], now: clock.now() })
}

/// The same of a test of events, all of whose changes come with an event that crosses an end of its window.
pub fn of_events(ahead: &Ahead<'_>, until: Timestamp) -> Option<Crossed> {
    let motion = ahead.motion;
    let others_move = !motion.having.is_empty() || motion.filters.iter().any(|slots| !slots.is_empty());
    if others_move || motion.rolling.is_some() {
        return None;
    }
    of_values(&motion.window, ahead.clock, until)
}

impl Crossed {
    /// `out` = the contacts of a chunk whose value crosses.
    pub fn in_column(&self, column: &Column, chunk: usize, out: &mut Words) {
        column.range_into(chunk, self.spans[0].0, self.spans[0].1, out);
        if self.spans[1] != NONE {
            let mut more = Words::boxed();
            column.range_into(chunk, self.spans[1].0, self.spans[1].1, &mut more);
            out.or(&more);
        }
    }

    /// `out` = the contacts of a chunk with an event that crosses.
    pub fn in_log(&self, ahead: &Ahead<'_>, chunk: usize, out: &mut Words) {
        let Some(log) = ahead.index.events().kind(ahead.behavior.sources()[0].kind) else { return out.fill(false) };
        let leaving = matches!(ahead.motion.window.what(), What::Age(Comparison::Le, _));
        match ahead.behavior {
            Behavior::Count(source, test) if source.filter.is_pass() && leaving && is_of_some(test) => {
                self.by_newest(log, chunk, out);
            }
            Behavior::Edge { source, end, having, .. } if source.filter.is_pass() && having.is_pass() => match end {
                End::First => self.in_column(log.first(), chunk, out),
                End::Last => self.by_newest(log, chunk, out),
            },
            _ => {
                out.fill(false);
                let mut more = Words::boxed();
                for source in ahead.behavior.sources() {
                    let Some(log) = ahead.index.events().kind(source.kind) else { continue };
                    for (from, to) in self.spans.into_iter().filter(|span| span.0 <= span.1) {
                        log.window_into(chunk, clamped(from), clamped(to), &mut more);
                        out.or(&more);
                    }
                }
            }
        }
    }

    /// Those whose newest event crosses; of whom events are after now, the newest one by now is not in the column.
    fn by_newest(&self, log: &EventIndex, chunk: usize, out: &mut Words) {
        self.in_column(log.last(), chunk, out);
        let mut later = Words::boxed();
        log.last().range_into(chunk, self.now + 1, i128::MAX, &mut later);
        out.or(&later);
    }
}

fn clamped(position: i128) -> i64 {
    position.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}
