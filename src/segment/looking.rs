//! Asking one predicate of those who were touched.

use crate::{
    bitmap::chunk::Chunk,
    model::{id::ContactId, time::Timestamp},
    query::asking::Hinge,
    segment::{
        live::{Facts, Predicate},
        settle::{Tuning, chunk_of},
    },
};

/// Positions that several predicates hang on, read once.
#[derive(Debug, Default)]
pub(super) struct Hinges(Vec<(Hinge, Vec<ContactId>, Vec<Option<i128>>)>);

impl Hinges {
    /// The positions of the contacts of a run, in its order.
    fn of(&mut self, hinge: Hinge, facts: Facts<'_>, run: &[(u32, ContactId)]) -> &[Option<i128>] {
        let contacts = || run.iter().map(|(_, contact)| *contact);
        let known = self.0.iter().position(|(known, of, _)| *known == hinge && contacts().eq(of.iter().copied()));
        let place = known.unwrap_or_else(|| {
            let positions = contacts().map(|contact| hinge.position(facts.index, contact)).collect();
            self.0.push((hinge, contacts().collect(), positions));
            self.0.len() - 1
        });
        &self.0[place].2
    }
}

/// What asking a predicate of some contacts found.
pub(super) struct Found {
    /// Contacts for whom it is not as it was, and what it is now.
    pub(super) flips: Vec<(u32, bool)>,
    /// Chunks in which it is not as it was.
    pub(super) chunks: Vec<(usize, Chunk)>,
    /// When to look again at whom.
    pub(super) checks: Vec<(Timestamp, ContactId)>,
}

impl Found {
    pub(super) fn is_nothing(&self) -> bool {
        self.flips.is_empty() && self.chunks.is_empty() && self.checks.is_empty()
    }
}

/// Asks a predicate of contacts, which are ascending.
pub(super) fn look(
    predicate: &Predicate,
    facts: Facts<'_>,
    run: &[(u32, ContactId)],
    now: Timestamp,
    tuning: Tuning,
    hinges: &mut Hinges,
) -> Found {
    let mut found = Found { flips: vec![], chunks: vec![], checks: vec![] };
    let mut whole = Vec::new();
    let mut standing = predicate.standing();
    standing.set_now(now);
    let positions = standing.hinge().map(|hinge| hinges.of(hinge, facts, run));
    let ids: Vec<u32> = run.iter().map(|(_, contact)| contact.0).collect();
    let mut before = vec![0; ids.len().div_ceil(64)];
    predicate.truth.gather(&ids, &mut before);
    let many = if standing.reads().kinds.is_empty() { tuning.values } else { tuning.events };
    let mut number = 0;
    for contacts in run.chunk_by(|a, b| chunk_of(a.1.0) == chunk_of(b.1.0)) {
        if contacts.len() >= many {
            whole.push(chunk_of(contacts[0].1.0));
        }
        for (number, (_, contact)) in (number..).zip(contacts) {
            if !facts.index.live().contains(contact.0) {
                continue;
            }
            // Where the chunk is answered as a whole, only the time of the next look is asked for.
            let next = if contacts.len() < many {
                let (holds, next) =
                    standing.ask(facts.index, *contact, positions.and_then(|positions| positions[number]));
                if holds != (before[number / 64] >> (number % 64) & 1 == 1) {
                    found.flips.push((contact.0, holds));
                }
                next
            } else if predicate.is_timed {
                standing.next_check(facts.index, *contact)
            } else {
                None
            };
            if let Some(at) = next.filter(|at| predicate.agenda.wants(*at, *contact)) {
                found.checks.push((at, *contact));
            }
        }
        number += contacts.len();
    }
    if !whole.is_empty() {
        let truths = standing.evaluate_chunks(facts.index, &whole);
        let changed = whole.into_iter().zip(truths).filter(|(chunk, truth)| predicate.truth.chunk(*chunk) != truth);
        found.chunks.extend(changed);
    }
    found
}
