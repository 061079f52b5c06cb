//! Tests of one property in text: what follows its name.

use crate::{
    model::{
        calendar::{Length, Period, Unit},
        name::Name,
        value::ValueType,
    },
    rule::{
        ast::{Comparison, Moment, Operand, PropertyTest, Test, TextOp},
        check,
        parse::{Parsed, Parser},
        shape,
        token::Kind,
    },
};

/// The property that a test is about.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Its canonical name.
    pub name: &'a Name,
    /// Its type.
    pub ty: ValueType,
}

impl Parser<'_> {
    /// Reads what follows a property's name, checked against its type.
    pub fn property_test(&mut self, subject: Subject<'_>) -> Parsed<PropertyTest> {
        let from = self.at;
        let test = self.operator_and_operand(&subject)?;
        let missing = if self.eat_all(&["including", "missing"]) {
            Some(true)
        } else if self.eat_all(&["excluding", "missing"]) {
            Some(false)
        } else {
            None
        };
        let test = PropertyTest { property: subject.name.clone(), test, missing };
        check::test::fits(subject.name, subject.ty, &test).map_err(|error| self.place(error, from, self.at))?;
        Ok(test)
    }

    fn operator_and_operand(&mut self, subject: &Subject<'_>) -> Parsed<Test> {
        if let Some(sign) = self.eat_sign() {
            return self.comparison(subject, sign);
        }
        if self.eat("is") {
            return self.after_is(subject);
        }
        if self.eat("between") {
            return self.between(subject);
        }
        if self.are(self.at, &["not", "in"]) {
            self.at += 2;
            return Ok(Test::In { negated: true, values: self.operands(subject)? });
        }
        if self.eat_all(&["has", "all"]) {
            self.eat("of");
            return self.strings().map(Test::HasAll);
        }
        if self.eat_all(&["has", "any"]) {
            self.eat("of");
            return Ok(Test::In { negated: false, values: self.operands(subject)? });
        }
        if let Some(test) = self.text_test(subject)? {
            return Ok(test);
        }
        if let Some(test) = self.time_test(subject)? {
            return Ok(test);
        }
        if self.eat("in") {
            return Ok(Test::In { negated: false, values: self.operands(subject)? });
        }
        let operators = check::test::operators(subject.ty).iter().map(|operator| (*operator).to_owned());
        let message = format!("after {} an operator is missing", check::quoted(subject.name.as_str()));
        Err(self.error_here("syntax", message).expecting(operators))
    }

    /// Refuses an operator that does not fit the type, pointing at the token before.
    fn require(&self, subject: &Subject<'_>, fits: bool, operator: &str) -> Parsed<()> {
        if fits {
            return Ok(());
        }
        let error = check::test::misfit(subject.name, subject.ty, operator);
        Err(self.place(error, self.at - 1, self.at))
    }

    fn comparison(&mut self, subject: &Subject<'_>, sign: Comparison) -> Parsed<Test> {
        let equality = matches!(sign, Comparison::Eq | Comparison::Ne);
        self.require(subject, equality || subject.ty.is_ordered(), self.text_at(self.at - 1))?;
        let units = self.word_at(self.at + 1).and_then(Unit::of_word);
        let aged = self.is_any(self.at + 2, &["ago", "ahead"]);
        if !subject.ty.is_temporal() && units.is_some() && aged {
            let error = check::test::misfit(subject.name, subject.ty, "age");
            return Err(self.place(error, self.at, self.at + 3));
        }
        if subject.ty.is_temporal() && (units.is_some() || aged) {
            let from = self.at;
            let length = self.length()?;
            let test = if self.eat("ago") {
                Test::Age(sign, length)
            } else if self.eat("ahead") || self.eat_all(&["from", "now"]) {
                Test::Ahead(sign, length)
            } else {
                return Err(self.unexpected(["ago", "ahead"]));
            };
            let fits = check::test::operator_fits(subject.name, subject.ty, &test);
            fits.map_err(|error| self.place(error, from, self.at))?;
            return Ok(test);
        }
        self.not_empty(sign)?;
        Ok(Test::Compare(sign, self.operand(subject)?))
    }

    /// An empty quoted text is told apart here, where the sign is known.
    fn not_empty(&self, sign: Comparison) -> Parsed<()> {
        match self.kind() {
            Kind::Text(text) if text.is_empty() => {
                let form = if sign == Comparison::Ne { "!= \"\"" } else { "= \"\"" };
                let mut error = check::test::text("", form).expect_err("it is empty");
                if sign == Comparison::Ne {
                    error.message = "!= \"\" always holds: an empty text counts as missing".to_owned();
                    error.suggestion = Some("is set".to_owned());
                }
                Err(self.place(error, self.at, self.at + 1))
            }
            _ => Ok(()),
        }
    }

    fn after_is(&mut self, subject: &Subject<'_>) -> Parsed<Test> {
        if self.eat("not") {
            if self.is_any(self.at, &["set", "known"]) && self.ends_presence() {
                self.at += 1;
                return Ok(Test::IsNotSet);
            }
            if self.is(self.at, "empty") && self.ends_presence() {
                self.at += 1;
                return Ok(Test::IsSet);
            }
            if self.eat("in") {
                return Ok(Test::In { negated: true, values: self.operands(subject)? });
            }
            return self.comparison(subject, Comparison::Ne);
        }
        if self.is_any(self.at, &["set", "known"]) && self.ends_presence() {
            self.at += 1;
            return Ok(Test::IsSet);
        }
        if self.is_any(self.at, &["unknown", "empty"]) && self.ends_presence() {
            self.at += 1;
            return Ok(Test::IsNotSet);
        }
        if self.eat("between") {
            return self.between(subject);
        }
        if subject.ty.is_temporal() {
            if let Some(period) = self.period() {
                return Ok(Test::InPeriod(period));
            }
            if let Some(test) = self.time_test(subject)? {
                return Ok(test);
            }
        }
        if self.eat("in") {
            return Ok(Test::In { negated: false, values: self.operands(subject)? });
        }
        self.comparison(subject, Comparison::Eq)
    }

    /// Whether the word here is not the first of a longer bare text.
    fn ends_presence(&self) -> bool {
        let after = self.at + 1;
        self.word_at(after).is_none()
            || self.token(after).starts_line
            || self.is_any(after, &crate::rule::parse::names::RESERVED)
            || self.is_any(after, &["having", "once", "twice", "more", "fewer", "less", "during", "on"])
    }

    fn between(&mut self, subject: &Subject<'_>) -> Parsed<Test> {
        self.require(subject, subject.ty.is_ordered(), "between")?;
        let from = self.at;
        let low = self.operand(subject)?;
        self.expect_word("and")?;
        let high = self.operand(subject)?;
        check::test::same_kind(&low, &high).map_err(|error| self.place(error, from, self.at))?;
        Ok(Test::Between(low, high))
    }

    fn text_test(&mut self, subject: &Subject<'_>) -> Parsed<Option<Test>> {
        let forms: [(&[&str], TextOp, bool); 8] = [
            (&["contains"], TextOp::Contains, false),
            (&["starts", "with"], TextOp::StartsWith, false),
            (&["ends", "with"], TextOp::EndsWith, false),
            (&["matches"], TextOp::Glob, false),
            (&["does", "not", "contain"], TextOp::Contains, true),
            (&["does", "not", "start", "with"], TextOp::StartsWith, true),
            (&["does", "not", "end", "with"], TextOp::EndsWith, true),
            (&["does", "not", "match"], TextOp::Glob, true),
        ];
        let from = self.at;
        let Some((words, op, negated)) = forms.into_iter().find(|(words, _, _)| self.eat_all(words)) else {
            if self.is(self.at, "does") {
                self.at += 2;
                return Err(self.unexpected(["contain", "start with", "end with", "match"]));
            }
            return Ok(None);
        };
        let fits = subject.ty.is_text() || subject.ty == ValueType::Set;
        if !fits {
            let error = check::test::misfit(subject.name, subject.ty, &words.join(" "));
            return Err(self.place(error, from, self.at));
        }
        let from = self.at;
        let (op, pattern) = match (op, self.kind().clone()) {
            (TextOp::Glob, Kind::Regex(pattern)) => {
                self.at += 1;
                (TextOp::Regex, pattern.into())
            }
            (TextOp::Glob, Kind::Word) if self.is(from, "regex") && matches!(self.kind_at(from + 1), Kind::Text(_)) => {
                self.at += 1;
                (TextOp::Regex, self.string(None)?)
            }
            _ => (op, self.string(None)?),
        };
        check::test::pattern_fits(op, &pattern).map_err(|error| self.place(error, from, self.at))?;
        Ok(Some(Test::Text { op, negated, pattern }))
    }

    /// Reads `in last …`, `in next …`, `on D`, `before T`, `after T`, a period, an anniversary.
    fn time_test(&mut self, subject: &Subject<'_>) -> Parsed<Option<Test>> {
        let from = self.at;
        let test = if let Some(test) = self.rolling()? {
            Some(test)
        } else if self.eat("on") {
            match self.moment(Some(subject))? {
                Moment::Date(day) => Some(Test::On(day)),
                Moment::Instant(_) => {
                    let error = self.error_over(self.at - 1, self.at, "type_mismatch", "on takes a whole day");
                    return Err(error.expecting(["a date like 2026-05-01"]));
                }
            }
        } else if self.eat("before") {
            self.require(subject, subject.ty.is_temporal(), "before")?;
            Some(Test::Before(self.moment(Some(subject))?))
        } else if self.eat("after") {
            self.require(subject, subject.ty.is_temporal(), "after")?;
            Some(Test::After(self.moment(Some(subject))?))
        } else if self.eat("during") || self.period_ahead() {
            let period = self.period();
            Some(Test::InPeriod(period.ok_or_else(|| self.unexpected(["today", "this week", "last month"]))?))
        } else if self.is_any(self.at, &["anniversary", "birthday"]) {
            self.at += 1;
            Some(self.anniversary()?)
        } else {
            None
        };
        if let Some(test) = &test {
            let fits = check::test::operator_fits(subject.name, subject.ty, test);
            fits.map_err(|error| self.place(error, from, self.at))?;
        }
        Ok(test)
    }

    /// Reads `in [the] last N unit`, `in [the] next N unit`, `within …`.
    fn rolling(&mut self) -> Parsed<Option<Test>> {
        let within = self.is(self.at, "within");
        if !within && !self.is(self.at, "in") {
            return Ok(None);
        }
        let after = self.at + 1 + usize::from(self.is(self.at + 1, "the"));
        if self.is(after, "last") {
            self.at = after + 1;
            return Ok(Some(Test::Within(self.length_or_one()?)));
        }
        if self.is(after, "next") {
            self.at = after + 1;
            return Ok(Some(Test::Next(self.length_or_one()?)));
        }
        if self.is(after, "this") {
            self.at = after;
            let period = self.period();
            return Ok(Some(Test::InPeriod(period.ok_or_else(|| self.unexpected(["this week", "this month"]))?)));
        }
        if within {
            self.at = after;
            return Ok(Some(Test::Within(self.length()?)));
        }
        Ok(None)
    }

    fn anniversary(&mut self) -> Parsed<Test> {
        if self.eat_all(&["is", "today"]) {
            return Ok(Test::Anniversary(0));
        }
        self.eat("is");
        if !self.eat("in") {
            return Err(self.unexpected(["is today", "in next 7 days"]));
        }
        self.eat("the");
        self.expect_word("next")?;
        let from = self.at;
        let length = self.length_or_one()?;
        anniversary_days(length).map(Test::Anniversary).ok_or_else(|| {
            let error = self.error_over(from, self.at, "bad_unit", "an anniversary is looked for within so many days");
            error.expecting(["days"])
        })
    }

    /// Whether a calendar period stands here.
    pub fn period_ahead(&self) -> bool {
        self.period_here().is_some()
    }

    /// Reads a calendar period, if one stands here.
    pub fn period(&mut self) -> Option<Period> {
        let (words, period) = self.period_here()?;
        self.at += words;
        Some(period)
    }

    fn period_here(&self) -> Option<(usize, Period)> {
        Period::ALL.into_iter().find_map(|period| {
            let words: Vec<&str> = period.name().split('_').collect();
            self.are(self.at, &words).then_some((words.len(), period))
        })
    }

    /// Reads `has P`: true, or set.
    pub fn has(&self, subject: Subject<'_>) -> Test {
        match subject.ty {
            ValueType::Boolean => Test::Compare(Comparison::Eq, Operand::Flag(true)),
            _ => Test::IsSet,
        }
    }

    /// `has no P`: not true, or not set.
    pub fn has_no(&self, subject: Subject<'_>) -> crate::rule::ast::Rule {
        let test = |test| PropertyTest { property: subject.name.clone(), test, missing: None };
        match subject.ty {
            ValueType::Boolean => shape::not(crate::rule::ast::Rule::Property(test(self.has(subject)))),
            _ => crate::rule::ast::Rule::Property(test(Test::IsNotSet)),
        }
    }
}

/// The days of a length that an anniversary may have.
pub fn anniversary_days(length: Length) -> Option<u32> {
    (length.unit == Unit::Day).then_some(length.n)
}
