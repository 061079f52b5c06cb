//! Answers for one contact that the columns of first and last times give without a look at the log.

use crate::{
    index::Index,
    model::{id::ContactId, time::Timestamp},
    query::{behavior::Behavior, spans::CountTest},
    rule::ast::End,
};

/// Whether a test of events holds for a contact, where no filter has to be made ready for it; `None` where one has.
/// `newest` is the time of the contact's newest event of the first source's kind, whenever that is.
pub fn holds(behavior: &Behavior, index: &Index, contact: ContactId, newest: Option<i128>) -> Option<bool> {
    match behavior {
        Behavior::Count(source, test) if source.filter.is_pass() => {
            let Some(log) = index.events().kind(source.kind) else {
                return Some(test.accepts(0));
            };
            let (first, last) = (i128::from(source.first), i128::from(source.last));
            let count = match newest {
                None => 0,
                Some(newest) if newest < first || first > last => 0,
                Some(newest) if newest <= last && is_of_some(test) => 1,
                Some(_) => log.count_in(contact, source.first, source.last) as u64,
            };
            Some(test.accepts(count))
        }
        Behavior::Edge { source, end, having, first, last } if source.filter.is_pass() && having.is_pass() => {
            let log = index.events().kind(source.kind);
            let at = match end {
                End::First => {
                    log.and_then(|log| log.first().get(contact.0)).filter(|at| *at <= i128::from(source.last))
                }
                End::Last if newest.is_some_and(|at| at <= i128::from(source.last)) => newest,
                End::Last => log.and_then(|log| log.newest(contact, Timestamp(source.last))).map(|at| i128::from(at.0)),
            };
            Some(at.is_some_and(|at| i128::from(*first) <= at && at <= i128::from(*last)))
        }
        _ => None,
    }
}

/// Whether a test only asks if there is one or none.
pub fn is_of_some(test: &CountTest) -> bool {
    *test == CountTest::SOME || *test == CountTest::NONE
}
