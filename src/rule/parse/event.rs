//! Events in text: `did …`, phrases, counts, sequences, days, regularity, first and last.

use crate::{
    model::{calendar::Length, schema::EventKind},
    rule::{
        ast::{
            Comparison, Counts, EdgeTest, End, EventTest, Operand, PropertyTest, RegularTest, Rule, SequenceTest, Step,
            Test, Where, Window,
        },
        check,
        error::RuleError,
        parse::{Parsed, Parser},
        shape, suggest,
        token::Kind,
    },
};

impl<'a> Parser<'a> {
    /// Reads `did [not] EVENT …`, unless a phrase is meant.
    pub fn did(&mut self) -> Parsed<Option<Rule>> {
        let not = self.is(self.at + 1, "not");
        let from = self.at + 1 + usize::from(not);
        let named = self.event(from);
        let goes_on = named.as_ref().is_some_and(|(end, _)| self.event_goes_on(*end));
        if !goes_on && (self.phrase(self.at).is_some() || self.property(self.at).is_some()) {
            return Ok(None);
        }
        let Some((end, kind)) = named else { return Err(self.unknown_event(from)) };
        self.at = end;
        let rule = self.event_rule(kind)?;
        Ok(Some(if not { shape::not(rule) } else { rule }))
    }

    /// The error of an event that is not known at a place.
    pub fn unknown_event(&self, from: usize) -> RuleError {
        let (name, end) = match self.kind_at(from) {
            Kind::Name(name) | Kind::Text(name) => (name.clone(), from + 1),
            Kind::Word => {
                let mut end = from + 1;
                while end < from + 8 && self.word_at(end).is_some() && !self.event_goes_on(end) {
                    end += 1;
                }
                (self.name_of_words(from, end), end)
            }
            _ => {
                let error = self.error_over(from, from + 1, "syntax", "the name of an event is missing");
                return error.expecting(["an event"]);
            }
        };
        let mut error = check::unknown_event(&name, self.schema);
        if error.suggestion.is_none() {
            let whole: Vec<&str> = (self.at..end).map(|at| self.text_at(at)).collect();
            error.suggestion = suggest::predicate(&whole.join(" "), self.schema);
        }
        self.place(error, from, end)
    }

    /// Reads what follows an event or a phrase.
    pub fn event_rule(&mut self, kind: &'a EventKind) -> Parsed<Rule> {
        let event = kind.name.clone();
        let filter = self.event_filter(kind)?;
        if self.is(self.at, "then") {
            return self.sequence(Step { event, filter });
        }
        let (mut counts, mut window) = (None, None);
        loop {
            let from = self.at;
            if self.are(from, &["in", "at", "least"]) && window.is_none() {
                let counts = shape::counts(counts.unwrap_or_default());
                return self.regular(EventTest { event, filter, counts, window: None });
            }
            if self.is(from, "on") && self.event_goes_on(from) {
                if counts.is_some() {
                    let message = "a rule counts times or days, not both";
                    return Err(self.error_here("syntax", message).expecting(["a window like in last 30 days"]));
                }
                self.at += 1;
                let counts = shape::counts(self.bounds("day")?);
                let window = if window.is_some() { window } else { self.window()? };
                return Ok(Rule::Days(EventTest { event, filter, counts, window }));
            }
            if counts.is_none() && self.bounds_ahead() {
                counts = Some(self.bounds("time")?);
            }
            if window.is_none() {
                window = self.window()?;
            }
            if self.at == from {
                break;
            }
        }
        Ok(Rule::Event(EventTest { event, filter, counts: shape::counts(counts.unwrap_or_default()), window }))
    }

    /// Reads a label in quotes and a `where`.
    fn event_filter(&mut self, kind: &'a EventKind) -> Parsed<Vec<Where>> {
        let mut conditions = Vec::new();
        if matches!(self.kind(), Kind::Text(_)) {
            conditions.push(self.label(kind)?);
        }
        if self.eat("where") {
            let more = self.conditions(kind)?;
            conditions = if conditions.is_empty() {
                shape::filter(more)
            } else {
                conditions.into_iter().chain(shape::filter(more)).collect()
            };
        }
        Ok(conditions)
    }

    fn label(&mut self, kind: &EventKind) -> Parsed<Where> {
        let from = self.at;
        let Some(label) = &kind.label else {
            let message = format!(
                "the event {} has no label property that a name could filter",
                check::quoted(kind.name.as_str())
            );
            return Err(self.error_here("no_label", message).expecting(["where"]));
        };
        let value = self.string(None)?;
        let test = Test::Compare(Comparison::Eq, Operand::Text(value));
        let test = PropertyTest { property: label.clone(), test, missing: None };
        check::condition_test(&test, kind).map_err(|error| self.place(error, from, self.at))?;
        Ok(Where::Test(test))
    }

    /// Reads `then B [then C …] [within N unit] [WINDOW]`.
    fn sequence(&mut self, first: Step) -> Parsed<Rule> {
        let mut steps = vec![first];
        while self.eat("then") {
            self.eat("did");
            let (end, kind) = match (self.event(self.at), self.phrase(self.at)) {
                (Some((end, kind)), phrase) if phrase.is_none() || self.event_goes_on(end) => (end, kind),
                (_, Some((end, (kind, false)))) => (end, kind),
                _ => return Err(self.unknown_event(self.at)),
            };
            self.at = end;
            let filter = self.event_filter(kind)?;
            steps.push(Step { event: kind.name.clone(), filter });
        }
        let mut within = None;
        let after = self.at + 1 + usize::from(self.is(self.at + 1, "the"));
        if self.is(self.at, "within") && !self.is(after, "last") {
            self.at += 1;
            let from = self.at;
            let length = self.length()?;
            check::event::within(length).map_err(|error| self.place(error, from, self.at))?;
            within = Some(length);
        }
        let window = self.window()?;
        Ok(Rule::Sequence(SequenceTest { steps, within, window }))
    }

    /// Reads `in at least K of the last M unit` or `… of the last M periods of N unit`.
    fn regular(&mut self, test: EventTest) -> Parsed<Rule> {
        self.at += 3;
        let at_least = self.whole()?;
        for word in ["of", "the", "last"] {
            self.expect_word(word)?;
        }
        let from = self.at;
        let periods = self.whole()?;
        let every = if self.eat("periods") || self.eat("period") {
            self.expect_word("of")?;
            self.length()?
        } else {
            Length { n: 1, unit: self.unit()? }
        };
        check::event::spans(every, periods).map_err(|error| self.place(error, from, self.at))?;
        let EventTest { event, filter, counts, .. } = test;
        Ok(Rule::Regularly(RegularTest { event, filter, counts, every, periods, at_least }))
    }

    /// Reads `first|last EVENT [where …] [having …] [WINDOW]`.
    pub fn edge(&mut self) -> Parsed<Option<Rule>> {
        let end = match self.word_at(self.at) {
            Some(word) if word.eq_ignore_ascii_case("first") => End::First,
            Some(word) if word.eq_ignore_ascii_case("last") => End::Last,
            _ => return Ok(None),
        };
        let Some((after, kind)) = self.event(self.at + 1) else {
            let spelled = matches!(self.kind_at(self.at + 1), Kind::Word | Kind::Name(_) | Kind::Text(_));
            if !spelled || self.operator(self.at + 1) {
                return Ok(None);
            }
            let until = self.unknown_end(self.at);
            let whole: Vec<&str> = (self.at..until).map(|at| self.text_at(at)).collect();
            let mut error = self.unknown_event(self.at + 1);
            if let Some(property) = suggest::property(&whole.join(" "), self.schema) {
                error.suggestion = Some(property);
            }
            return Err(error);
        };
        self.at = after;
        let filter = self.event_filter(kind)?;
        let having = if self.eat("having") { shape::filter(self.conditions(kind)?) } else { Vec::new() };
        let window = self.window()?;
        Ok(Some(Rule::Edge(EdgeTest { end, event: kind.name.clone(), filter, having, window })))
    }

    /// Whether bounds on a count start here.
    fn bounds_ahead(&self) -> bool {
        let (at, after) = (self.at, self.at + 1);
        self.is_any(at, &["once", "twice", "exactly"])
            || self.is(at, "at") && self.is_any(after, &["least", "most"])
            || self.are(at, &["not", "exactly"])
            || self.is_any(at, &["more", "fewer", "less"]) && self.is(after, "than") && !self.ago_ahead()
    }

    /// Whether `more than N unit` starts here, a window and no count.
    fn ago_ahead(&self) -> bool {
        self.word_at(self.at + 3).and_then(crate::model::calendar::Unit::of_word).is_some()
    }

    /// Reads `at least 2 and at most 5 times`; `noun` is `time` or `day`.
    fn bounds(&mut self, noun: &str) -> Parsed<Counts> {
        let nouns = [noun.to_owned(), format!("{noun}s")];
        let nouns: Vec<&str> = nouns.iter().map(String::as_str).collect();
        let mut counts = Counts::new();
        loop {
            let from = self.at;
            let sign = self.bound_sign()?;
            let (n, closed) = if self.eat("once") {
                (1, true)
            } else if self.eat("twice") {
                (2, true)
            } else {
                (self.whole_long()?, false)
            };
            if counts.insert(sign, n).is_some() {
                return Err(self.error_over(from, self.at, "syntax", "this bound is given twice"));
            }
            if closed && noun == "time" {
                return Ok(counts);
            }
            if self.is_any(self.at, &nouns) {
                self.at += 1;
                return Ok(counts);
            }
            if !self.eat("and") {
                return Err(self.unexpected([nouns[1]]));
            }
        }
    }

    fn bound_sign(&mut self) -> Parsed<Comparison> {
        let forms: [(&[&str], Comparison); 7] = [
            (&["at", "least"], Comparison::Ge),
            (&["at", "most"], Comparison::Le),
            (&["not", "exactly"], Comparison::Ne),
            (&["exactly"], Comparison::Eq),
            (&["more", "than"], Comparison::Gt),
            (&["fewer", "than"], Comparison::Lt),
            (&["less", "than"], Comparison::Lt),
        ];
        if let Some((_, sign)) = forms.into_iter().find(|(words, _)| self.eat_all(words)) {
            return Ok(sign);
        }
        if self.is_any(self.at, &["once", "twice"]) {
            return Ok(Comparison::Eq);
        }
        Err(self.unexpected(["at least", "at most", "exactly", "more than", "fewer than"]))
    }

    /// A window that must be there or not at all.
    pub fn checked_window(&self, window: Window, from: usize) -> Parsed<Window> {
        check::event::window(&window).map_err(|error| self.place(error, from, self.at))?;
        Ok(window)
    }
}
