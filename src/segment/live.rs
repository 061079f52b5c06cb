//! Live membership: who is in every segment, kept right at every write and at every instant.
//!
//! Each distinct predicate of the saved rules has a set of those for whom it holds, each segment a set of members.
//! What a write or the clock may have changed is noted as touches; [`Live::settle`] asks the touched predicates of the
//! touched contacts again, and of what flipped follows which segments to look at.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    bitmap::posting::Posting,
    index::{Index, bag::Bag, trie::Trie},
    model::{
        id::{ContactId, EventKindId, Lsn, PropertyId, SegmentId},
        schema::Schema,
        time::Timestamp,
    },
    query::{
        context::{Body, SegmentView, Segments},
        standing::Standing,
    },
    rule::ast::Rule,
    segment::{
        agenda::Agenda,
        book::Book,
        feed::{Cause, Feed},
        formula::{Formula, Sets},
        history::History,
        holders::Holders,
        settle::Tuning,
        since::Since,
        touches::Touches,
    },
};

/// How long the entry by which an erased contact left tells its key. Units: milliseconds.
pub const ERASED_KEPT_MS: i64 = 86_400_000;

/// The facts that memberships follow.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Everything declared.
    pub schema: &'a Arc<Schema>,
    /// What is known of every contact.
    pub index: &'a Index,
    /// The saved segments.
    pub book: &'a Book,
}

/// When and why something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The instant.
    pub at: Timestamp,
    /// The batch.
    pub lsn: Lsn,
    /// Why.
    pub cause: Cause,
}

/// Everything that is kept of segments. Cloning is cheap; a clone stays as it was.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// By place.
    pub(super) predicates: Trie<Predicate>,
    /// The places of predicates.
    pub(super) places: Arc<HashMap<Rule, u32>>,
    /// The place of the next new predicate.
    pub(super) next_place: u32,
    /// By segment id.
    pub(super) kept: Trie<Kept>,
    /// The members of those that are segments once more, by chunk.
    pub(super) holders: Holders,
    pub(super) readers: Arc<Readers>,
    /// When each timed predicate is to be looked at next.
    pub(super) wakes: Bag<(Timestamp, u32)>,
    pub(super) feed: Feed,
    /// Empty between batches.
    pub(super) touches: Touches,
    pub(super) tuning: Tuning,
}

/// A distinct predicate of the saved rules.
#[derive(Clone, Debug)]
pub(super) struct Predicate {
    /// Shared by all clones as a scratch: whoever asks it sets its instant first.
    pub(super) standing: Arc<Mutex<Standing>>,
    pub(super) is_timed: bool,
    /// Those for whom it holds.
    pub(super) truth: Posting,
    /// Whether it holds of a contact of whom nothing is known.
    pub(super) of_nobody: bool,
    /// The segments whose rules have it.
    pub(super) users: Arc<Vec<SegmentId>>,
    pub(super) agenda: Agenda,
    /// Its entry among the wakes.
    pub(super) wake: Option<Timestamp>,
}

impl Predicate {
    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        // A panic while it is held leaves it whole: its instant is set anew at every use.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of a segment.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) members: Posting,
    pub(super) since: Since,
    pub(super) history: History,
    /// `None` of a static list.
    pub(super) formula: Option<Arc<Formula>>,
    /// One more than the highest rank among the segments that it names; 0 if it names none.
    pub(super) rank: u32,
    /// The segments whose rules name it.
    pub(super) users: Arc<Vec<SegmentId>>,
    /// Whether a contact of whom nothing is known is a member.
    pub(super) of_nobody: bool,
    /// Whether it is a segment and no suppression.
    pub(super) is_listed: bool,
}

/// Which predicates read which facts.
#[derive(Clone, Debug, Default)]
pub(super) struct Readers {
    /// By property id.
    pub(super) properties: Vec<Vec<u32>>,
    /// By event kind id.
    pub(super) kinds: Vec<Vec<u32>>,
    /// Those that read the key alone.
    pub(super) keys: Vec<u32>,
    /// Those that hold of a contact of whom nothing is known.
    pub(super) of_nobody: Vec<u32>,
    /// The segments that hold a contact of whom nothing is known.
    pub(super) holding_nobody: Vec<SegmentId>,
}

/// The saved segments as sets of whom they hold; what a question needs of them.
#[derive(Clone, Copy)]
pub struct Holding<'a> {
    /// The saved segments.
    pub book: &'a Book,
    /// Who is in them.
    pub live: &'a Live,
}

impl Segments for Holding<'_> {
    fn resolve(&self, name: &str) -> Option<SegmentView> {
        let segment = self.book.find(name)?;
        let body = Body::Static(self.live.members(segment.id).clone());
        Some(SegmentView { id: segment.id, name: segment.name.clone(), body })
    }
}

impl Sets for Live {
    fn predicate(&self, slot: u32) -> &Posting {
        &self.predicates.get(slot).expect("a formula names predicates that are kept").truth
    }

    fn members(&self, id: SegmentId) -> &Posting {
        static NO_ONE: std::sync::LazyLock<Posting> = std::sync::LazyLock::new(Posting::new);
        self.kept.get(id.0).map_or(&NO_ONE, |kept| &kept.members)
    }
}

impl Live {
    /// The members of a segment; no one, of an unknown one.
    pub fn members(&self, id: SegmentId) -> &Posting {
        Sets::members(self, id)
    }

    /// When a member entered a segment.
    pub fn since(&self, id: SegmentId, contact: ContactId) -> Option<Timestamp> {
        let kept = self.kept.get(id.0)?;
        if kept.members.contains(contact.0) { kept.since.of_member(contact) } else { None }
    }

    /// How a segment grew.
    pub fn history(&self, id: SegmentId) -> History {
        self.kept.get(id.0).map(|kept| kept.history.clone()).unwrap_or_default()
    }

    /// Whether the rule of a segment, or of one that it names, asks about events of a kind, or about what is computed
    /// of them.
    pub fn asks_about(&self, id: SegmentId, kind: EventKindId, index: &Index) -> bool {
        let reads = |predicate: &Predicate| {
            let standing = predicate.standing();
            let reads = standing.reads();
            reads.kinds.contains(&kind) || index.derived_from(kind).any(|property| reads.properties.contains(&property))
        };
        let asks = |id: &SegmentId| {
            let formula = self.kept.get(id.0).and_then(|kept| kept.formula.as_ref());
            let places = formula.map(|formula| formula.parts().predicates).unwrap_or_default();
            places.iter().any(|place| self.predicates.get(*place).is_some_and(reads))
        };
        asks(&id) || self.named_by(id).iter().any(asks)
    }

    /// The segments that the rule of a segment names, and those that theirs name.
    pub fn named_by(&self, id: SegmentId) -> BTreeSet<SegmentId> {
        let (mut named, mut left) = (BTreeSet::new(), vec![id]);
        while let Some(id) = left.pop() {
            let formula = self.kept.get(id.0).and_then(|kept| kept.formula.as_ref());
            let more = formula.map(|formula| formula.parts().segments).unwrap_or_default();
            left.extend(more.into_iter().filter(|other| named.insert(*other)));
        }
        named
    }

    /// The changes in order.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// How many distinct predicates are kept.
    pub fn predicate_count(&self) -> usize {
        self.places.len()
    }

    /// When time alone may change a membership next; never later than it does.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| at)
    }

    /// Those for whom a predicate holds as of the facts, if a saved rule has it.
    pub fn truth(&self, predicate: &Rule) -> Option<&Posting> {
        self.places.get(predicate).and_then(|place| self.predicates.get(*place)).map(|predicate| &predicate.truth)
    }

    /// A part of a saved rule as logic over the sets that are kept; `None` when a predicate of it is not kept.
    pub fn formula_of(&self, book: &Book, part: &Rule) -> Option<Formula> {
        let mut is_whole = true;
        let mut place = |predicate: &Rule| match self.places.get(predicate) {
            Some(place) => *place,
            None => {
                is_whole = false;
                0
            }
        };
        let formula = Formula::of(part, &mut place, &|name| book.find(name).map(|segment| segment.id));
        is_whole.then_some(formula)
    }

    /// Chooses other ways to the answers, which stay the same; tests try them all.
    pub fn tune(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }

    /// The segments that hold a contact, in order of creation.
    pub fn segments_of(&self, contact: ContactId) -> Vec<SegmentId> {
        self.holders.of(contact, self)
    }

    /// Whether look-ups of some contacts ask many segments one by one, which [`Live::tidy`] would mend.
    pub fn has_slack(&self) -> bool {
        self.holders.has_slack()
    }

    /// Writes down for the contacts of one chunk which segments hold them, where that is only known by segment. No answer
    /// changes.
    pub fn tidy(&mut self) {
        self.catch_up();
    }

    /// Whether no write can change a membership: no rule is kept.
    pub fn is_idle(&self) -> bool {
        self.places.is_empty() && self.readers.holding_nobody.is_empty()
    }

    /// Notes that a contact was made.
    pub fn touch_new(&mut self, contact: ContactId) {
        if !self.is_idle() {
            self.touches.new_contact(contact);
        }
    }

    /// Notes that a value may have changed.
    pub fn touch_property(&mut self, contact: ContactId, property: PropertyId) {
        if self.readers.properties.get(property.index()).is_some_and(|readers| !readers.is_empty()) {
            self.touches.property(contact, property);
        }
    }

    /// Notes that an event came or went, or came due.
    pub fn touch_kind(&mut self, contact: ContactId, kind: EventKindId) {
        if self.readers.kinds.get(kind.index()).is_some_and(|readers| !readers.is_empty()) {
            self.touches.kind(contact, kind);
        }
    }

    /// Forgets the keys of contacts that were erased a day before an instant.
    pub fn forget_erased(&mut self, now: Timestamp) {
        self.feed.forget_erased(now.plus_ms(-ERASED_KEPT_MS));
    }

    /// Bytes of memory by part, about.
    pub fn memory(&self) -> Vec<(String, u64)> {
        let (mut truths, mut agendas) = (0, 0);
        self.predicates.each(&mut |_, predicate| {
            truths += predicate.truth.memory_bytes() as u64;
            agendas += predicate.agenda.memory_bytes() as u64;
        });
        let (mut members, mut since) = (0, 0);
        self.kept.each(&mut |_, kept| {
            members += kept.members.memory_bytes() as u64;
            since += kept.since.memory_bytes();
        });
        let parts = [
            ("predicates", truths),
            ("agendas", agendas),
            ("members", members),
            ("since", since),
            ("holders", self.holders.memory_bytes()),
            ("feed", self.feed.memory_bytes()),
        ];
        parts.into_iter().map(|(part, bytes)| (format!("segments/{part}"), bytes)).collect()
    }
}
