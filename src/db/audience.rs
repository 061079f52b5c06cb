//! Audiences: whom a send goes to. Included in order of priority, each contact once; excluded; withheld by
//! suppressions; drawn; split. All of one view.

use crate::{
    bitmap::posting::Posting,
    db::{
        answer::Answer,
        error::Error,
        record::{ContactRecord, Page, Place},
        suppression::masks,
        view::View,
    },
    model::{id::ContactId, name::Name, request::RuleSource},
    query::bucket,
    rule,
};

/// Whom a send asks for.
#[derive(Clone, Debug)]
pub enum Group {
    /// The members of a segment.
    Segment(Box<str>),
    /// Those that a rule holds for, under a name; `None` is its canonical text.
    Rule(Option<Box<str>>, RuleSource),
}

/// A part of an audience that is split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its name.
    pub name: Box<str>,
    /// Its first bucket.
    pub first: u32,
    /// The bucket behind its last.
    pub end: u32,
}

/// How an audience is split: by the buckets of a name, as `bucket("name", of)` deals them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The name.
    pub by: Box<str>,
    /// How many buckets.
    pub of: u32,
    /// The parts; who is in the buckets of none has no part.
    pub shares: Vec<Share>,
}

/// A draw from an audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// How many.
    pub n: u64,
    /// One seed draws the same of the same contacts, and nearly the same when few of them change.
    pub seed: Box<str>,
}

/// What a send asks for.
#[derive(Clone, Debug)]
pub struct AudienceAsk {
    /// Who is asked for, in order of priority.
    pub include: Vec<Group>,
    /// Who is left out.
    pub exclude: Vec<Group>,
    /// The channel of the send; `None` may be any.
    pub channel: Option<Box<str>>,
    /// How it is split.
    pub split: Option<Split>,
    /// Whether only some are drawn.
    pub draw: Option<Draw>,
}

/// Some of an audience, counted under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The name.
    pub name: Box<str>,
    /// How many.
    pub count: u64,
}

/// The audience of a send. Cheap to clone and to keep.
#[derive(Clone)]
pub struct Audience {
    members: Answer,
    landed: Vec<(Box<str>, Posting)>,
    split: Option<Split>,
    /// Contacts asked for, before anything was taken away.
    pub included: u64,
    /// Of those, contacts that were excluded.
    pub excluded: u64,
    /// Of the rest, contacts that some suppression withholds.
    pub withheld: u64,
    /// The suppressions that withhold some, each with all whom it withholds.
    pub reasons: Vec<Counted>,
    /// Of the rest, contacts that were not drawn.
    pub undrawn: u64,
}

/// Where one contact of an audience landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landing<'a> {
    /// The first of the groups asked for that holds it.
    pub group: &'a str,
    /// Its part.
    pub part: Option<&'a str>,
}

impl View {
    fn group(&self, group: &Group) -> Result<(Box<str>, Posting), Error> {
        match group {
            Group::Segment(name) => {
                let saved = self.saved(name)?;
                Ok((saved.name.clone(), self.state().live.members(saved.id).clone()))
            }
            Group::Rule(name, source) => {
                let rule = self.parse_rule(source).map_err(Error::Rule)?;
                let name = name.clone().unwrap_or_else(|| rule::print(&rule).into());
                Ok((name, self.query(&rule, None)?.into_members()))
            }
        }
    }

    /// Whom a send goes to.
    ///
    /// Errors: [`Error::NoSegment`], [`Error::Rule`].
    pub fn audience(&self, ask: &AudienceAsk) -> Result<Audience, Error> {
        let mut all = Posting::new();
        let mut landed: Vec<(Box<str>, Posting)> = Vec::new();
        for group in &ask.include {
            let (name, members) = self.group(group)?;
            let new = members.and_not(&all);
            all = all.or(&new);
            match landed.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = known.or(&new),
                None => landed.push((name, new)),
            }
        }
        let included = all.len();
        for group in &ask.exclude {
            all = all.and_not(&self.group(group)?.1);
        }
        let excluded = included - all.len();
        let asked = all.clone();
        let mut reasons = Vec::new();
        for mask in self.state().book.suppressions().filter(|mask| masks(mask, ask.channel.as_deref())) {
            let members = self.state().live.members(mask.id);
            let count = asked.and_len(members);
            if count > 0 {
                reasons.push(Counted { name: mask.name.clone(), count });
                all = all.and_not(members);
            }
        }
        let (withheld, left) = (asked.len() - all.len(), all.len());
        if let Some(draw) = &ask.draw {
            all = self.drawn(all, draw);
        }
        let undrawn = left - all.len();
        let members = Answer::new(self.clone(), all);
        Ok(Audience { members, landed, split: ask.split.clone(), included, excluded, withheld, reasons, undrawn })
    }

    /// The `n` whose keys hash lowest under the seed.
    fn drawn(&self, all: Posting, draw: &Draw) -> Posting {
        if all.len() <= draw.n {
            return all;
        }
        let Some(last) = usize::try_from(draw.n).ok().and_then(|n| n.checked_sub(1)) else { return Posting::new() };
        let salt = bucket::salt(&format!("draw:{}", draw.seed));
        let directory = self.state().index.directory();
        let hash = |id: u32| (bucket::spread(directory.bucket_hash(ContactId(id)), salt), id);
        let mut hashed: Vec<(u32, u32)> = all.iter().map(hash).collect();
        hashed.select_nth_unstable(last);
        let mut drawn: Vec<u32> = hashed[..=last].iter().map(|(_, id)| *id).collect();
        drawn.sort_unstable();
        drawn.into_iter().collect()
    }
}

impl Audience {
    /// Who it is.
    pub fn members(&self) -> &Answer {
        &self.members
    }

    /// How many of it landed in each group, in order of priority.
    pub fn landed(&self) -> Vec<Counted> {
        let members = self.members.posting();
        let counted =
            |(name, group): &(Box<str>, Posting)| Counted { name: name.clone(), count: members.and_len(group) };
        self.landed.iter().map(counted).collect()
    }

    /// How many of it are in each part, and how many in none; `None` when it is not split. Looks at everyone.
    pub fn parts(&self) -> Option<(Vec<Counted>, u64)> {
        let split = self.split.as_ref()?;
        let mut counts = vec![0; split.shares.len()];
        let mut none = 0;
        for id in self.members.posting().iter() {
            match self.share(split, id) {
                Some(at) => counts[at] += 1,
                None => none += 1,
            }
        }
        let counted = split.shares.iter().zip(counts);
        Some((counted.map(|(share, count)| Counted { name: share.name.clone(), count }).collect(), none))
    }

    /// Whether it is split.
    pub fn is_split(&self) -> bool {
        self.split.is_some()
    }

    fn share(&self, split: &Split, id: u32) -> Option<usize> {
        let hash = self.members.view().state().index.directory().bucket_hash(ContactId(id));
        let number = bucket::bucket(hash, bucket::salt(&split.by), split.of);
        split.shares.iter().position(|share| (share.first..share.end).contains(&number))
    }

    fn landing(&self, id: u32) -> Landing<'_> {
        let group = self.landed.iter().find(|(_, group)| group.contains(id)).map_or("", |(name, _)| name);
        let share = self.split.as_ref().and_then(|split| Some(&*split.shares[self.share(split, id)?].name));
        Landing { group, part: share }
    }

    /// Contacts in order of first sight with the values of the `fields`, and where they landed.
    pub fn contacts(&self, after: Option<Place>, limit: usize, fields: &[Name]) -> Page<(ContactRecord, Landing<'_>)> {
        let view = self.members.view();
        let fields = view.fields(Some(fields));
        self.members.page(after, limit, |id| (view.record(ContactId(id), &fields), self.landing(id)))
    }
}
