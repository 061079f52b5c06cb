//! Reading of leaves: a whole chunk of candidates by words, or a few by one.

use crate::{
    bitmap::{CHUNK, kernels, words::Words},
    index::{
        column::Column,
        event_group::EventGroup,
        event_index::EventIndex,
        event_picks::{Picked, each_picked},
    },
    model::id::ContactId,
    query::{
        bucket::spread,
        plan::{Node, NodeId},
        prepare::{Access, RowTest},
        reader::{Reader, Shortcut},
        spans::Spans,
        worker::{FEW, Worker},
    },
};

impl Worker<'_, '_> {
    /// The contact at a place of the chunk.
    fn contact(&self, at: u16) -> ContactId {
        ContactId((self.chunk * CHUNK) as u32 + u32::from(at))
    }

    /// Keeps of the candidates those in a leaf or, negated, those not in it.
    pub(in crate::query) fn leaf(&mut self, leaf: usize, negated: bool, set: &mut Words) {
        let prepared = self.prepared;
        match &prepared.access[leaf] {
            Access::Posting(posting) => {
                let chunk = posting.chunk(self.chunk);
                if negated { chunk.and_not_into(set) } else { chunk.and_into(set) }
            }
            Access::Postings(postings) if negated => {
                for posting in postings {
                    posting.chunk(self.chunk).and_not_into(set);
                }
            }
            access => {
                let mut found = self.take();
                self.found(access, set, &mut found);
                if negated {
                    set.and_not(&found)
                } else {
                    set.and(&found)
                }
                self.give(found);
            }
        }
    }

    /// `found` = the contacts of the chunk in a leaf, or at least those of them that are candidates.
    fn found(&mut self, access: &Access<'_>, set: &Words, found: &mut Words) {
        match access {
            Access::Posting(posting) => posting.chunk(self.chunk).load_into(found),
            Access::Postings(postings) => {
                found.fill(false);
                for posting in postings {
                    posting.chunk(self.chunk).or_into(found);
                }
            }
            Access::Scan(column, spans) => self.scan(column, spans, found),
            Access::Rows(column, test) => self.rows(column, test, set, found),
            Access::Spread(salt, from, to) => self.spread(*salt, *from, *to, set, found),
            Access::Events(reader, differs) => self.events(reader, *differs, set, found),
        }
    }

    fn scan(&mut self, column: &Column, spans: &Spans, found: &mut Words) {
        match spans.as_slice() {
            [(first, last)] => column.range_into(self.chunk, *first, *last, found),
            spans => {
                found.fill(false);
                let mut one = self.take();
                for (first, last) in spans {
                    column.range_into(self.chunk, *first, *last, &mut one);
                    found.or(&one);
                }
                self.give(one);
            }
        }
    }

    fn rows(&mut self, column: &Column, test: &RowTest<'_>, set: &Words, found: &mut Words) {
        found.fill(false);
        for (at, position) in column.iter_chunk(self.chunk) {
            if set.get(at) && test.has(position) {
                found.set(at);
            }
        }
    }

    fn spread(&mut self, salt: u64, from: u32, to: u32, set: &Words, found: &mut Words) {
        if set.count() <= FEW {
            found.fill(false);
            for at in set.iter() {
                let hash = spread(self.prepared.index.directory().bucket_hash(self.contact(at)), salt);
                if (from..=to).contains(&hash) {
                    found.set(at);
                }
            }
            return;
        }
        let mut hashes = std::mem::take(&mut self.hashes);
        self.prepared.index.directory().bucket_hashes_into(self.chunk, &mut hashes);
        for hash in &mut hashes {
            *hash = spread(*hash, salt);
        }
        kernels::range_mask(&hashes, from, to, &mut found.0);
        self.hashes = hashes;
    }

    fn events(&mut self, reader: &Reader<'_>, differs: bool, set: &Words, found: &mut Words) {
        let Some(log) = reader.log() else {
            return found.fill(false);
        };
        if let Some(shortcut) = reader.shortcut() {
            return self.by_columns(reader, log, shortcut, set, found);
        }
        let mut near = self.take();
        near.copy_from(set);
        self.near(reader, &mut near);
        found.fill(false);
        if let Some(order) = reader.order().filter(|_| !differs) {
            let (mut sure, mut in_time) = (self.take(), self.take());
            order.sort_out(self.chunk, &mut near, found, [&mut sure, &mut in_time]);
            self.give(sure);
            self.give(in_time);
        }
        if near.is_zero() {
            return self.give(near);
        }
        if let Some(count) = reader.plain_count() {
            let accepts = |number| count.passes(number) != differs;
            log.counts_into(self.chunk, &near, reader.asked(0), reader.filter(0), accepts, found);
        } else if let Some(distinct) = reader.distinct() {
            let base = self.contact(0).0;
            let accepts = |count| reader.holds_counted(count) != differs;
            let alone = |at, group: &EventGroup<'_>| reader.holds_of(ContactId(base + u32::from(at)), group) != differs;
            let which = (reader.asked(0), reader.filter(0));
            log.distinct_into(self.chunk, &near, which, distinct, accepts, alone, found);
        } else if let Some(asks) = reader.asks() {
            let (base, mut room) = (self.contact(0).0, Default::default());
            each_picked(&asks, self.chunk, &near, |at, picked| {
                let holds = match picked {
                    Picked::Read(read) => reader.holds_read(read, &mut room),
                    Picked::Group(group) => reader.holds_of(ContactId(base + u32::from(at)), group),
                };
                if holds != differs {
                    found.set(at);
                }
            });
        } else {
            let base = self.contact(0).0;
            // Who has no event that passes is as if without any, and was left out.
            log.for_each_passing(self.chunk, &near, reader.asked(0), reader.filter(0), |at, group| {
                if reader.holds_of(ContactId(base + u32::from(at)), group) != differs {
                    found.set(at);
                }
            });
        }
        self.give(near);
    }

    /// Drops candidates whose first and last times say that no event of theirs lies in the window.
    fn near(&mut self, reader: &Reader<'_>, near: &mut Words) {
        for log in reader.logs() {
            match log {
                Some(log) => log.presence().chunk(self.chunk).and_into(near),
                None => near.fill(false),
            }
        }
        let (first, _) = reader.window();
        if let (Some(log), true) = (reader.log(), first > i64::MIN) {
            let mut late = self.take();
            log.last().range_into(self.chunk, i128::from(first), i128::MAX, &mut late);
            near.and(&late);
            self.give(late);
        }
    }

    fn by_columns(
        &mut self,
        reader: &Reader<'_>,
        log: &EventIndex,
        shortcut: Shortcut,
        set: &Words,
        found: &mut Words,
    ) {
        match shortcut {
            Shortcut::Window(first, last) => log.window_into(self.chunk, first, last, found),
            Shortcut::First(first, last) => {
                log.first().range_into(self.chunk, i128::from(first), i128::from(last), found);
            }
            Shortcut::Last(first, last, now) => {
                log.last().range_into(self.chunk, i128::from(first), i128::from(last), found);
                // Whose last event is yet to come is asked for the one before.
                let mut later = self.take();
                log.last().range_into(self.chunk, i128::from(now) + 1, i128::MAX, &mut later);
                later.and(set);
                for at in later.iter() {
                    if reader.holds(self.contact(at)) {
                        found.set(at);
                    }
                }
                self.give(later);
            }
        }
    }

    /// Whether a leaf holds one contact of the chunk.
    fn has(&self, leaf: usize, at: u16) -> bool {
        let contact = self.contact(at);
        match &self.prepared.access[leaf] {
            Access::Posting(posting) => posting.contains(contact.0),
            Access::Postings(postings) => postings.iter().any(|posting| posting.contains(contact.0)),
            Access::Scan(column, spans) => column.get(contact.0).is_some_and(|position| spans.contains(position)),
            Access::Rows(column, test) => column.get(contact.0).is_some_and(|position| test.has(position)),
            Access::Spread(salt, from, to) => {
                let hash = self.prepared.index.directory().bucket_hash(contact);
                (*from..=*to).contains(&spread(hash, *salt))
            }
            Access::Events(reader, differs) => reader.holds(contact) != *differs,
        }
    }

    /// Keeps of a few those that every child holds.
    pub(in crate::query) fn sift_all(&mut self, children: &[NodeId], few: &mut Vec<u16>) {
        for child in children {
            if few.is_empty() {
                return;
            }
            self.sift(*child, few);
        }
    }

    /// Keeps of a few, ascending, those that a node holds.
    pub(in crate::query) fn sift(&mut self, id: NodeId, few: &mut Vec<u16>) {
        let prepared = self.prepared;
        let order = &prepared.order[id.index()];
        if !order.is_empty()
            && let Some(kept) = self.kept(id)
        {
            return few.retain(|at| kept.get(*at));
        }
        match prepared.plan.node(id) {
            Node::All => {}
            Node::None => few.clear(),
            Node::Leaf(leaf, negated) => few.retain(|at| self.has(*leaf as usize, *at) != *negated),
            Node::And(_) => self.sift_all(order, few),
            Node::Or(_) => {
                let (mut left, mut found) = (std::mem::take(few), Vec::new());
                for child in order {
                    if left.is_empty() {
                        break;
                    }
                    let mut part = left.clone();
                    self.sift(*child, &mut part);
                    left.retain(|at| part.binary_search(at).is_err());
                    found.append(&mut part);
                }
                found.sort_unstable();
                *few = found;
            }
            Node::Parity(_, odd) => self.sift_counted(order, few, |count| (count % 2 == 1) == *odd),
            Node::Of(_, least, most, inside) => {
                self.sift_counted(order, few, |count| (*least..=*most).contains(&count) == *inside);
            }
        }
    }

    fn sift_counted(&mut self, children: &[NodeId], few: &mut Vec<u16>, passes: impl Fn(u32) -> bool) {
        let mut counts = vec![0u32; few.len()];
        for child in children {
            let mut part = few.clone();
            self.sift(*child, &mut part);
            let mut rest = part.iter().peekable();
            for (at, count) in few.iter().zip(&mut counts) {
                *count += u32::from(rest.next_if_eq(&at).is_some());
            }
        }
        let mut counts = counts.into_iter();
        few.retain(|_| counts.next().is_some_and(&passes));
    }
}
