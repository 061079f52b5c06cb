//! A plan made ready for one index: how each leaf is read, what it is thought to hold, in which order to work.

use rayon::prelude::*;

use crate::{
    bitmap::{chunk::Chunk, posting::Posting},
    index::{Index, column::Column, lexicon_search::Search, property::PropertyIndex, text::CodeBits},
    model::{calendar::Zone, id::PropertyId},
    query::{
        estimate,
        fused::fusible,
        plan::{Leaf, Node, NodeId, Plan},
        reader::Reader,
        sieve::Effort,
        spans::Spans,
        value_test::{Anniversary, Texts, ValueTest},
    },
};

/// Lists up to this long keep a posting for each text; the chunks are united as they are visited.
const POSTINGS_MAX: usize = 16;
/// Up to so many spans, a chunk is scanned once for each (3 to 24 µs); beyond, each row is looked up among the spans
/// (6 ms a chunk).
const SCANS_MAX: usize = 256;
/// Anniversaries over more years than this are asked row by row. Units: milliseconds and days.
const YEARS_MAX: (i128, i128) = (400 * 366 * 86_400_000, 400 * 366);

/// How a leaf is read.
#[derive(Clone, Debug)]
pub enum Access<'a> {
    /// One posting.
    Posting(Posting),
    /// Any of several.
    Postings(Vec<Posting>),
    /// A scan of a column's codes for each span.
    Scan(&'a Column, Spans),
    /// A look at each row of a column.
    Rows(&'a Column, RowTest<'a>),
    /// The key hashes.
    Spread(u64, u32, u32),
    /// The logs of events. The flag is set when the leaf holds those for whom the test does not.
    Events(Box<Reader<'a>>, bool),
}

/// A test of one row of a column.
#[derive(Clone, Debug)]
pub enum RowTest<'a> {
    /// In one of many spans.
    Spans(&'a Spans),
    /// In one of many spans, made for this index.
    Made(Spans),
    /// On such a month and day.
    Calendar(&'a Anniversary, &'a Zone),
}

impl RowTest<'_> {
    /// Whether a position passes.
    pub fn has(&self, position: i128) -> bool {
        match self {
            RowTest::Spans(spans) => spans.contains(position),
            RowTest::Made(spans) => spans.contains(position),
            RowTest::Calendar(calendar, zone) => calendar.contains(position, zone),
        }
    }
}

/// How dear a node is to ask of a contact, from cheap to dear. Conjunctions ask the cheap first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Price {
    /// Words are at hand.
    Posting,
    /// A column is scanned, or hashes are mixed.
    Column,
    /// Columns of first and last times are scanned, the log seldom.
    Window,
    /// The log is read.
    Log,
}

/// A plan made ready for one index.
#[derive(Debug)]
pub struct Prepared<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The facts.
    pub index: &'a Index,
    /// How each leaf is read.
    pub access: Vec<Access<'a>>,
    /// For each node its children in the order of work.
    pub order: Vec<Vec<NodeId>>,
    /// For each node how many contacts it is thought to hold.
    pub estimates: Vec<f64>,
    /// For each node how dear it is.
    pub prices: Vec<Price>,
    /// For each node whether it is kept once answered, because several nodes ask it.
    pub kept: Vec<bool>,
    /// For each node whether it is set algebra over postings and nothing else.
    pub fusible: Vec<bool>,
    /// Units: nanoseconds of one thread, about, for all of a chunk.
    pub chunk_nanos: u64,
}

impl<'a> Prepared<'a> {
    /// Makes a plan ready.
    pub fn new(plan: &'a Plan, index: &'a Index) -> Prepared<'a> {
        let access: Vec<Access<'a>> = plan.leaves.iter().map(|labeled| access_of(&labeled.leaf, plan, index)).collect();
        let mut prepared = Prepared {
            plan,
            index,
            access,
            order: vec![],
            estimates: vec![],
            prices: vec![],
            kept: vec![],
            fusible: vec![],
            chunk_nanos: 0,
        };
        prepared.rank();
        prepared
    }

    /// Finds estimates, prices, order and sharing; children come before their parents.
    fn rank(&mut self) {
        let live = self.index.live().len() as f64;
        let leaves: Vec<f64> = self.access.iter().map(|access| estimate::leaf(access, live).min(live)).collect();
        let mut parents = vec![0u32; self.plan.nodes.len()];
        for node in &self.plan.nodes {
            let estimate = estimate::node(node, live, &leaves, &self.estimates);
            let price = match node {
                Node::Leaf(leaf, _) => price_of(&self.access[*leaf as usize]),
                _ => node.children().iter().map(|child| self.prices[child.index()]).max().unwrap_or(Price::Posting),
            };
            let mut order = node.children().to_vec();
            let rank = |id: &NodeId| (self.prices[id.index()], self.estimates[id.index()]);
            match node {
                Node::Or(_) => order.sort_by(|a, b| {
                    let ((price_a, a), (price_b, b)) = (rank(a), rank(b));
                    price_a.cmp(&price_b).then(b.total_cmp(&a))
                }),
                _ => order.sort_by(|a, b| {
                    let ((price_a, a), (price_b, b)) = (rank(a), rank(b));
                    price_a.cmp(&price_b).then(a.total_cmp(&b))
                }),
            }
            for child in node.children() {
                parents[child.index()] += 1;
            }
            self.estimates.push(estimate);
            self.prices.push(price);
            self.order.push(order);
        }
        let shared = |(node, parents): (&Node, &u32)| *parents > 1 && self.is_worth_keeping(node);
        self.kept = self.plan.nodes.iter().zip(&parents).map(shared).collect();
        self.fusible = fusible(self.plan, &self.access, &self.kept);
        self.chunk_nanos = self.access.iter().map(nanos_of).sum();
    }

    fn is_worth_keeping(&self, node: &Node) -> bool {
        match node {
            Node::All | Node::None => false,
            Node::Leaf(leaf, _) => {
                matches!(self.access[*leaf as usize], Access::Postings(_) | Access::Scan(..) | Access::Spread(..))
            }
            _ => true,
        }
    }
}

fn price_of(access: &Access<'_>) -> Price {
    match access {
        Access::Posting(_) | Access::Postings(_) => Price::Posting,
        Access::Scan(..) | Access::Rows(..) | Access::Spread(..) => Price::Column,
        Access::Events(reader, _) if reader.shortcut().is_some() => Price::Window,
        Access::Events(..) => Price::Log,
    }
}

/// Nanoseconds for a chunk, about.
fn nanos_of(access: &Access<'_>) -> u64 {
    match access {
        Access::Posting(_) => 150,
        Access::Postings(postings) => 150 * postings.len() as u64,
        Access::Scan(_, spans) => 5_000 * spans.as_slice().len() as u64,
        Access::Rows(..) => 6_000_000,
        Access::Spread(..) => 60_000,
        Access::Events(reader, _) if reader.shortcut().is_some() => 20_000,
        Access::Events(..) => 500_000,
    }
}

pub(in crate::query) fn access_of<'a>(leaf: &'a Leaf, plan: &'a Plan, index: &'a Index) -> Access<'a> {
    match leaf {
        Leaf::Value(property, test) => value_access(*property, test, plan, index),
        Leaf::Domain(property, domains) => {
            let Some(PropertyIndex::Text(_, texts)) = index.property(*property) else {
                return Access::Posting(Posting::new());
            };
            of_postings(domains.iter().filter_map(|domain| texts.domain(domain)).collect())
        }
        Leaf::Behavior(behavior, differs) => {
            Access::Events(Box::new(Reader::new(behavior, index, &plan.clock, Effort::Many)), *differs)
        }
        Leaf::Spread(salt, from, to) => Access::Spread(*salt, *from, *to),
        Leaf::Pinned(pinned) => Access::Posting(pinned.posting.clone()),
    }
}

fn of_postings(mut postings: Vec<Posting>) -> Access<'static> {
    postings.retain(|posting| !posting.is_empty());
    if postings.len() <= POSTINGS_MAX {
        return match postings.pop() {
            None => Access::Posting(Posting::new()),
            Some(only) if postings.is_empty() => Access::Posting(only),
            Some(last) => {
                postings.push(last);
                Access::Postings(postings)
            }
        };
    }
    Access::Posting(postings.iter().fold(Posting::new(), |all, posting| all.or(posting)))
}

fn value_access<'a>(property: PropertyId, test: &'a ValueTest, plan: &'a Plan, index: &'a Index) -> Access<'a> {
    let Some(property) = index.property(property) else {
        return Access::Posting(Posting::new());
    };
    let posting = match (property, test) {
        (PropertyIndex::Ordered(_, column), ValueTest::Present) => column.present().clone(),
        (property, ValueTest::Present) => property.present(),
        (PropertyIndex::Flag(flags), ValueTest::Flag(flag)) => {
            if *flag {
                flags.yes().clone()
            } else {
                flags.no().clone()
            }
        }
        (PropertyIndex::Ordered(_, column), ValueTest::Spans(spans)) => {
            return match spans.as_slice().len() {
                ..=SCANS_MAX => Access::Scan(column, spans.clone()),
                _ => Access::Rows(column, RowTest::Spans(spans)),
            };
        }
        (PropertyIndex::Ordered(_, column), ValueTest::Anniversary(calendar)) => {
            let zone = &plan.clock.zone;
            return match calendar_spans(calendar, column, zone) {
                Some(spans) if spans.as_slice().len() <= SCANS_MAX => Access::Scan(column, spans),
                Some(spans) => Access::Rows(column, RowTest::Made(spans)),
                None => Access::Rows(column, RowTest::Calendar(calendar, zone)),
            };
        }
        (PropertyIndex::Text(_, texts), ValueTest::Texts(wanted)) => {
            return listed(wanted, |text| texts.equal(text), || texts.any_of(&wanted.iter().collect::<Vec<&str>>()));
        }
        (PropertyIndex::Set(sets), ValueTest::Texts(wanted)) => {
            return listed(
                wanted,
                |text| sets.equal(text),
                || {
                    let mut codes: Vec<u32> = wanted.iter().flat_map(|text| sets.codes_equal(text)).collect();
                    codes.sort_unstable();
                    codes.dedup();
                    sets.rows(&codes.into_iter().collect())
                },
            );
        }
        (PropertyIndex::Text(_, texts), ValueTest::Pattern(pattern)) => {
            let codes = codes_passing(&texts.search(pattern.compiled()));
            texts.few_rows(&codes).unwrap_or_else(|| {
                let wanted = CodeBits::of(&codes);
                by_chunks(texts.chunk_count(), |chunk| texts.rows_in(&wanted, chunk))
            })
        }
        (PropertyIndex::Set(sets), ValueTest::Pattern(pattern)) => {
            sets.rows(&codes_passing(&sets.search(pattern.compiled())))
        }
        _ => Posting::new(),
    };
    Access::Posting(posting)
}

fn listed(wanted: &Texts, equal: impl Fn(&str) -> Posting, any: impl Fn() -> Posting) -> Access<'static> {
    if wanted.len() <= POSTINGS_MAX { of_postings(wanted.iter().map(equal).collect()) } else { Access::Posting(any()) }
}

/// The codes whose texts pass.
fn codes_passing(search: &Search<'_>) -> Posting {
    by_chunks(search.chunk_count(), |chunk| search.chunk(chunk))
}

/// A set made chunk by chunk, by several threads where there is more than one chunk.
fn by_chunks(count: usize, make: impl Fn(usize) -> Chunk + Sync) -> Posting {
    if count <= 1 {
        return Posting::from_chunks((0..count).map(|at| (at, make(at))));
    }
    let chunks: Vec<Chunk> = (0..count).into_par_iter().map(&make).collect();
    Posting::from_chunks(chunks.into_iter().enumerate())
}

/// The spans of an anniversary over what a column holds, if they are few enough to be worth making.
fn calendar_spans(calendar: &Anniversary, column: &Column, zone: &Zone) -> Option<Spans> {
    let (least, most) = (column.min()?, column.max()?);
    let limit = if calendar.of_instants() { YEARS_MAX.0 } else { YEARS_MAX.1 };
    (most - least <= limit).then(|| calendar.spans(least, most, zone))
}
