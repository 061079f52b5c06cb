//! A filter of events made ready for one index: texts have become codes of its dictionaries.

use crate::{
    bitmap::posting::Posting,
    index::{
        dictionary::Dictionary, event_group::EventGroup, event_index::EventIndex, event_marks::RowFilter,
        event_page::Page,
    },
    model::calendar::Zone,
    query::{
        behavior::Filter,
        spans::Spans,
        value_test::{Anniversary, Pattern, Texts, ValueTest},
    },
};

/// How much is worth doing before the first event is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Many events will be looked at: resolve every text against the dictionary once.
    Many,
    /// A few events will be looked at: ask the texts as they come.
    Few,
}

/// A page's column is scanned once for each of so many spans or codes; for more, each of its values is looked up.
const SCANS_MAX: usize = 8;
/// Lists longer than this are asked text by text when few events will be looked at.
const FEW_TEXTS: usize = 16;

/// A filter that reads the log of one kind.
#[derive(Clone, Debug)]
pub enum Sieve<'a> {
    /// All of these.
    All(Vec<Sieve<'a>>),
    /// Any of these.
    Any(Vec<Sieve<'a>>),
    /// The complement.
    Not(Box<Sieve<'a>>),
    /// Has a value.
    Present(usize),
    /// Has this flag.
    Flag(usize, bool),
    /// Has a position in the spans.
    Spans(usize, &'a Spans),
    /// Has a position with such a month and day.
    Anniversary(usize, &'a Anniversary, &'a Zone),
    /// Has a code, or one of a set, that is one of these.
    Codes(usize, Codes<'a>),
}

/// Which codes of a dictionary pass.
#[derive(Clone, Debug)]
pub enum Codes<'a> {
    /// These, ascending.
    Few(Vec<u32>),
    /// These.
    Many(Posting),
    /// Those whose text is listed.
    Listed(&'a Dictionary, &'a Texts),
    /// Those whose text passes.
    Passing(&'a Dictionary, &'a Pattern),
}

impl Codes<'_> {
    fn has(&self, code: u32) -> bool {
        match self {
            Codes::Few(codes) => codes.binary_search(&code).is_ok(),
            Codes::Many(codes) => codes.contains(code),
            Codes::Listed(dictionary, texts) => texts.has(dictionary.get(code)),
            Codes::Passing(dictionary, pattern) => pattern.has(dictionary.get(code)),
        }
    }
}

impl<'a> Sieve<'a> {
    /// Makes a filter ready for a log.
    pub fn new(filter: &'a Filter, log: &'a EventIndex, zone: &'a Zone, effort: Effort) -> Sieve<'a> {
        let all = |filters: &'a [Filter]| filters.iter().map(|filter| Sieve::new(filter, log, zone, effort)).collect();
        match filter {
            Filter::All(filters) => Sieve::All(all(filters)),
            Filter::Any(filters) => Sieve::Any(all(filters)),
            Filter::Not(inner) => Sieve::Not(Box::new(Sieve::new(inner, log, zone, effort))),
            Filter::Test(property, test) => match test {
                ValueTest::Present => Sieve::Present(*property),
                ValueTest::Flag(flag) => Sieve::Flag(*property, *flag),
                ValueTest::Spans(spans) => Sieve::Spans(*property, spans),
                ValueTest::Anniversary(calendar) => Sieve::Anniversary(*property, calendar, zone),
                ValueTest::Texts(texts) => Sieve::Codes(*property, listed(log.dictionary(*property), texts, effort)),
                ValueTest::Pattern(pattern) => {
                    let codes = match (log.dictionary(*property), effort) {
                        (None, _) => Codes::Few(vec![]),
                        (Some(dictionary), Effort::Many) => Codes::Many(dictionary.codes_matching(pattern.compiled())),
                        (Some(dictionary), Effort::Few) => Codes::Passing(dictionary, pattern),
                    };
                    Sieve::Codes(*property, codes)
                }
            },
        }
    }

    /// Whether every event passes.
    pub fn is_pass(&self) -> bool {
        matches!(self, Sieve::All(sieves) if sieves.is_empty())
    }
}

impl RowFilter for Sieve<'_> {
    fn narrow(&self, page: &Page, rows: &mut [u64]) {
        match self {
            Sieve::All(sieves) => sieves.iter().for_each(|sieve| sieve.narrow(page, rows)),
            Sieve::Any(sieves) => {
                let mut any = vec![0; rows.len()];
                for sieve in sieves {
                    let mut some = rows.to_vec();
                    sieve.narrow(page, &mut some);
                    any.iter_mut().zip(&some).for_each(|(any, some)| *any |= some);
                }
                rows.copy_from_slice(&any);
            }
            Sieve::Not(sieve) => {
                let mut some = rows.to_vec();
                sieve.narrow(page, &mut some);
                rows.iter_mut().zip(&some).for_each(|(row, some)| *row &= !some);
            }
            Sieve::Present(property) => page.keep_present(*property, rows),
            Sieve::Flag(property, flag) => page.keep_between(*property, &[one(u32::from(*flag))], rows),
            Sieve::Spans(property, spans) if spans.as_slice().len() <= SCANS_MAX => {
                page.keep_between(*property, spans.as_slice(), rows);
            }
            Sieve::Spans(property, spans) => page.keep_passing(*property, &|value| spans.contains(value), rows),
            Sieve::Anniversary(property, calendar, zone) => {
                page.keep_passing(*property, &|value| calendar.contains(value, zone), rows);
            }
            Sieve::Codes(_, Codes::Few(codes)) if codes.is_empty() => rows.fill(0),
            Sieve::Codes(property, Codes::Few(codes)) if codes.len() <= SCANS_MAX && !page.has_sets(*property) => {
                let spans: Vec<(i128, i128)> = codes.iter().copied().map(one).collect();
                page.keep_between(*property, &spans, rows);
            }
            Sieve::Codes(property, codes) => page.keep_passing(*property, &|code| codes.has(code as u32), rows),
        }
    }

    fn passes(&self, group: &EventGroup<'_>, i: usize) -> bool {
        match self {
            Sieve::All(sieves) => sieves.iter().all(|sieve| sieve.passes(group, i)),
            Sieve::Any(sieves) => sieves.iter().any(|sieve| sieve.passes(group, i)),
            Sieve::Not(sieve) => !sieve.passes(group, i),
            Sieve::Present(property) => group.is_set(*property, i),
            Sieve::Flag(property, flag) => group.flag(*property, i) == Some(*flag),
            Sieve::Spans(property, spans) => group.ordered(*property, i).is_some_and(|v| spans.contains(v)),
            Sieve::Anniversary(property, calendar, zone) => {
                group.ordered(*property, i).is_some_and(|v| calendar.contains(v, zone))
            }
            Sieve::Codes(property, codes) => match group.text_code(*property, i) {
                Some(code) => codes.has(code),
                None => group.set_codes(*property, i).is_some_and(|set| set.iter().any(|code| codes.has(*code))),
            },
        }
    }
}

/// The span of one code or flag.
fn one(code: u32) -> (i128, i128) {
    (code.into(), code.into())
}

fn listed<'a>(dictionary: Option<&'a Dictionary>, texts: &'a Texts, effort: Effort) -> Codes<'a> {
    let Some(dictionary) = dictionary else {
        return Codes::Few(vec![]);
    };
    if effort == Effort::Few && texts.len() > FEW_TEXTS {
        return Codes::Listed(dictionary, texts);
    }
    let mut codes: Vec<u32> = texts.iter().flat_map(|text| dictionary.find_equal(text)).collect();
    codes.sort_unstable();
    codes.dedup();
    Codes::Few(codes)
}
