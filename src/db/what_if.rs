//! What if: what saving a rule would change, and what time alone will do.

use crate::{
    db::{answer::Answer, error::Error, outline::Tested, view::View},
    engine::{
        admit_segments::well_formed_name,
        what_if::{Ahead, Shift},
    },
    model::{
        id::ContactId,
        request::{Refusal, RefusalKind, RuleSource},
        time::Day,
    },
    rule::ast::Rule,
    segment::saved::{Body, Segment},
};

/// How saving a rule would change one segment.
#[derive(Clone)]
pub struct Trial {
    /// The segment's name.
    pub segment: Box<str>,
    /// Who would enter.
    pub entering: Answer,
    /// Who would leave.
    pub leaving: Answer,
    /// How many it holds.
    pub now: u64,
    /// How many it would hold.
    pub after: u64,
}

/// What time alone will do to a segment on one day, in the database's zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForecastDay {
    /// Which day.
    pub day: Day,
    /// Entries; who enters twice counts twice.
    pub entering: u64,
    /// Exits.
    pub leaving: u64,
    /// Members at its end.
    pub size: u64,
    /// Keys of some of those who enter.
    pub entered: Vec<Box<str>>,
    /// Keys of some of those who leave.
    pub left: Vec<Box<str>>,
}

impl View {
    /// What saving a rule under a name would change: the segment itself first, then those that depend on it, pins
    /// respected. Nothing is saved. Measured now: the last write may be long ago.
    ///
    /// Errors: [`Error::NoSegment`], [`Error::Rule`] also for a cycle, [`Error::Refused`] of a static segment.
    pub fn trial(&self, name: &str, source: &RuleSource) -> Result<Vec<Trial>, Error> {
        self.dynamic(name)?;
        self.trial_of(name, &self.parse_rule(source).map_err(Error::Rule)?, &Tested::default())
    }

    /// As [`View::trial`], of a rule that [`View::parse_rule`] read, with what an outline of this view has asked already.
    ///
    /// Errors: as [`View::trial`].
    pub fn trial_of(&self, name: &str, rule: &Rule, tested: &Tested) -> Result<Vec<Trial>, Error> {
        let saved = self.dynamic(name)?;
        let shifts = self.state().trial(saved.id, rule, self.now(), tested.known())?;
        let trial = |shift: Shift| {
            let answer = |members| Answer::new(self.clone(), members);
            let segment = self.state().book.get(shift.segment)?.name.clone();
            let Shift { before, after, .. } = shift;
            Some(Trial {
                segment,
                entering: answer(after.and_not(&before)),
                leaving: answer(before.and_not(&after)),
                now: before.len(),
                after: after.len(),
            })
        };
        Ok(shifts.into_iter().filter_map(trial).collect())
    }

    fn dynamic(&self, name: &str) -> Result<&Segment, Error> {
        let saved = self.saved(name)?;
        if matches!(saved.body, Body::Static(_)) {
            return Err(Error::Refused(Refusal {
                kind: RefusalKind::Conflict,
                code: "not_dynamic",
                pointer: "/rule".into(),
                detail: format!("\"{}\" is a static list and has no rule", saved.name),
            }));
        }
        Ok(saved)
    }

    /// What a new segment of a rule would hold.
    ///
    /// Errors: [`Error::Rule`].
    pub fn trial_of_new(&self, name: &str, source: &RuleSource) -> Result<Trial, Error> {
        let name = well_formed_name(name).map_err(Error::Refused)?;
        let rule = self.parse_rule(source).map_err(Error::Rule)?;
        let entering = self.query(&rule, None)?;
        let leaving = entering.and_not(&entering);
        let after = entering.count();
        Ok(Trial { segment: name.into(), entering, leaving, now: 0, after })
    }

    /// What time alone will do to a segment, by day, the rest of today first: exact, if nothing is written. Takes as
    /// long as there is to happen.
    ///
    /// Errors: [`Error::NoSegment`].
    pub fn forecast(&self, name: &str, days: u32, samples: usize) -> Result<Vec<ForecastDay>, Error> {
        let saved = self.saved(name)?;
        let directory = |contact: ContactId| self.key(contact);
        let day = |ahead: Ahead| ForecastDay {
            day: ahead.day,
            entering: ahead.entering,
            leaving: ahead.leaving,
            size: ahead.size,
            entered: ahead.entered.into_iter().map(directory).collect(),
            left: ahead.left.into_iter().map(directory).collect(),
        };
        Ok(self.state().forecast(saved.id, self.now(), days, samples).into_iter().map(day).collect())
    }

    fn key(&self, contact: ContactId) -> Box<str> {
        self.state().index.directory().key(contact).into()
    }
}
