//! Where a predicate starts: the language's own forms, then event phrases, then properties, then first and last.

use crate::{
    model::{schema::Function, value::ValueType},
    rule::{
        ast::{BucketRange, Comparison, PropertyTest, Quantity, Rule},
        check,
        parse::{Parsed, Parser, names::RESERVED, test::Subject},
        shape, suggest,
        token::Kind,
    },
};

/// Buckets that a percentage is counted in.
pub const SAMPLE_BUCKETS: u32 = 10_000;

impl Parser<'_> {
    /// Reads one predicate.
    pub fn predicate(&mut self) -> Parsed<Rule> {
        if let Some(rule) = self.form()? {
            return Ok(rule);
        }
        if let Some((end, (kind, negative))) = self.phrase(self.at) {
            self.at = end;
            let rule = self.event_rule(kind)?;
            return Ok(if negative { shape::not(rule) } else { rule });
        }
        if let Some(rule) = self.possession()? {
            return Ok(rule);
        }
        if let Some((end, property)) = self.property(self.at).filter(|(end, _)| !self.edge_ahead(*end)) {
            let from = self.at;
            self.at = end;
            if property.ty == ValueType::Email && self.is(self.at, "domain") && self.operator(self.at) {
                self.at += 1;
                return self.email_domain(Subject { name: &property.name, ty: property.ty }, from);
            }
            let subject = Subject { name: &property.name, ty: property.ty };
            let test = self.property_test(subject)?;
            return Ok(shape::property(test, property.ty == ValueType::Set));
        }
        if let Some(rule) = self.edge()? {
            return Ok(rule);
        }
        Err(self.unknown_start())
    }

    /// Whether what reads as a property called `first` or `last` has an event after it and no operator, so that it is
    /// the event's first or last.
    fn edge_ahead(&self, end: usize) -> bool {
        end == self.at + 1
            && self.is_any(self.at, &["first", "last"])
            && !self.operator(end)
            && self.event(end).is_some()
    }

    fn unknown_start(&self) -> crate::rule::error::RuleError {
        if let Kind::Name(name) = self.kind() {
            let error = check::unknown_property(name, self.schema);
            return self.with_where_hint(self.place(error, self.at, self.at + 1));
        }
        let word = *self.kind() == Kind::Word;
        if !word || self.is_any(self.at, &RESERVED) {
            return self.unexpected(["a property", "an event phrase", "did", "has", "not", "("]);
        }
        let end = self.unknown_end(self.at);
        let name = self.name_of_words(self.at, end);
        let error = match self.operator(end) {
            true => check::unknown_property(&name, self.schema),
            false => {
                let spoken: Vec<&str> = (self.at..end).map(|at| self.text_at(at)).collect();
                let message =
                    format!("{} is no property, event phrase or form of a rule", check::quoted(&spoken.join(" ")));
                crate::rule::error::RuleError::new("unknown_property", message)
            }
        };
        let suggestion = suggest::predicate(&name, self.schema);
        self.with_where_hint(self.place(error.suggesting(suggestion), self.at, end))
    }

    /// Reads the forms that need no look at the schema to be told apart.
    fn form(&mut self) -> Parsed<Option<Rule>> {
        let at = self.at;
        if let Some(function) = self.aggregate_ahead() {
            return self.aggregate(function).map(Some);
        }
        if self.is(at, "did") {
            return self.did();
        }
        if self.is(at, "everyone") && !self.operator(at + 1) {
            self.at += 1;
            return Ok(Some(Rule::All));
        }
        if self.are(at, &["no", "one"]) && !self.operator(at + 2) {
            self.at += 2;
            return Ok(Some(Rule::None));
        }
        if self.are(at, &["in", "segment"]) {
            self.at += 2;
            return self.segment().map(Some);
        }
        if self.is(at, "sample")
            && self.word_at(at + 1).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        {
            self.at += 1;
            return self.sample().map(Some);
        }
        if self.is(at, "bucket") && *self.kind_at(at + 1) == Kind::Open {
            self.at += 2;
            return self.bucket().map(Some);
        }
        for (words, quantity) in [
            (&["at", "least"][..], Quantity::AtLeast),
            (&["at", "most"], Quantity::AtMost),
            (&["exactly"], Quantity::Exactly),
        ] {
            if self.are(at, words) && !self.operator(at + words.len()) {
                self.at += words.len();
                let n = self.whole()?;
                self.expect_word("of")?;
                return Ok(Some(Rule::Of { quantity, n, rules: self.rule_list()? }));
            }
        }
        if self.are(at, &["email", "domain"]) && self.operator(at + 1) {
            return self.plain_email_domain().map(Some);
        }
        self.tags()
    }

    fn plain_email_domain(&mut self) -> Parsed<Rule> {
        let from = self.at;
        let Some(property) = self.schema.property("email") else {
            return Err(self.place(check::unknown_property("email", self.schema), from, from + 1));
        };
        self.at += 2;
        self.email_domain(Subject { name: &property.name, ty: property.ty }, from)
    }

    /// Reads what follows `P domain`.
    fn email_domain(&mut self, subject: Subject<'_>, from: usize) -> Parsed<Rule> {
        let fits = check::email_property(subject.name, subject.ty);
        fits.map_err(|error| self.place(error, from, self.at))?;
        let sign = self.eat_sign();
        let negated = match sign {
            Some(Comparison::Eq) => false,
            Some(Comparison::Ne) => true,
            Some(_) => {
                self.at -= 1;
                return Err(self.unexpected(["is", "=", "!=", "in", "not in"]));
            }
            None => {
                let is = self.eat("is");
                let not = self.eat("not");
                if !is && !self.is(self.at, "in") {
                    return Err(self.unexpected(["is", "=", "!=", "in", "not in"]));
                }
                not
            }
        };
        if sign.is_none() && ["set", "known", "unknown", "empty"].iter().any(|word| self.is(self.at, word)) {
            let hint = format!("{} is set", subject.name);
            return Err(self.unexpected(["a domain in quotes"]).suggesting(Some(hint)));
        }
        let start = self.at;
        let domains = if sign.is_none() && self.eat("in") { self.strings()? } else { vec![self.string(None)?] };
        check::domains(&domains).map_err(|error| self.place(error, start, self.at))?;
        let rule = shape::email_domain(subject.name, domains);
        Ok(if negated { shape::not(rule) } else { rule })
    }

    /// Reads `[has [no]] tag "x"`, `no tag "x"`, `[has] any tag of (…)`, `[has] all tags of (…)`.
    fn tags(&mut self) -> Parsed<Option<Rule>> {
        let from = self.at;
        let has = usize::from(self.is(from, "has"));
        for (words, all) in [
            (&["any", "tag", "of"], false),
            (&["any", "tags", "of"], false),
            (&["all", "tags", "of"], true),
            (&["all", "tag", "of"], true),
        ] {
            if self.are(from + has, words) {
                self.at += has + words.len();
                let list = self.strings()?;
                check::tags(&list, self.schema).map_err(|error| self.place(error, from, self.at))?;
                return Ok(Some(if all { Rule::AllTags(list) } else { Rule::AnyTag(list) }));
            }
        }
        let no = usize::from(self.is(from + has, "no"));
        let after = from + has + no + 1;
        if !self.is_any(after - 1, &["tag", "tags"]) || !self.tag_follows(after) {
            return Ok(None);
        }
        self.at = after;
        let tag = self.string(None)?;
        let list = [tag];
        check::tags(&list, self.schema).map_err(|error| self.place(error, from, self.at))?;
        let [tag] = list;
        Ok(Some(if no == 1 { shape::not(Rule::Tag(tag)) } else { Rule::Tag(tag) }))
    }

    /// Whether a tag's text stands after `tag`, and no operator, longer property or end.
    fn tag_follows(&self, at: usize) -> bool {
        match self.kind_at(at) {
            Kind::Text(_) => true,
            Kind::Word => {
                let longer = self.property(at - 1).is_some_and(|(end, _)| end > at);
                !longer && !self.operator(at) && !self.is_any(at, &RESERVED) && !self.token(at).starts_line
            }
            _ => false,
        }
    }

    /// Reads `has P`, `has no P`, `no P`.
    fn possession(&mut self) -> Parsed<Option<Rule>> {
        let has = self.is(self.at, "has");
        let no = self.is(self.at + usize::from(has), "no");
        if !has && !no || self.operator(self.at + usize::from(has) + usize::from(no)) {
            return Ok(None);
        }
        let from = self.at + usize::from(has) + usize::from(no);
        let longest = self.runs(from, |name| self.schema.property(name)).into_iter().next();
        let Some((end, property)) = longest else {
            if !matches!(self.kind_at(from), Kind::Word | Kind::Name(_)) || self.property(self.at).is_some() {
                return Ok(None);
            }
            let end = self.unknown_end(from);
            let name = match self.kind_at(from) {
                Kind::Name(name) => name.clone(),
                _ => self.name_of_words(from, end),
            };
            let suggestion = suggest::property(&name, self.schema).or_else(|| {
                let whole = self.name_of_words(self.at, end);
                suggest::predicate(&whole, self.schema)
            });
            let error = check::unknown_property(&name, self.schema).suggesting(suggestion);
            return Err(self.with_where_hint(self.place(error, from, end)));
        };
        self.at = end;
        let subject = Subject { name: &property.name, ty: property.ty };
        if no {
            return Ok(Some(self.has_no(subject)));
        }
        let test = PropertyTest { property: property.name.clone(), test: self.has(subject), missing: None };
        Ok(Some(Rule::Property(test)))
    }

    fn segment(&mut self) -> Parsed<Rule> {
        let from = self.at;
        let name = self.string(None)?;
        check::segment(&name).map_err(|error| self.place(error, from, self.at))?;
        Ok(Rule::Segment(name))
    }

    /// Reads `10% [of "name"]`.
    fn sample(&mut self) -> Parsed<Rule> {
        let from = self.at;
        let word = self.word_at(from).unwrap_or_default();
        let number = match word.strip_suffix('%') {
            Some(number) => {
                self.at += 1;
                number
            }
            None => {
                self.at += 1;
                self.expect_word("%")?;
                word
            }
        };
        let share = crate::rule::parse::value::decimal(number)
            .and_then(|decimal| crate::model::number::parse_scaled(&decimal, 2, false).ok())
            .and_then(|hundredths| u32::try_from(hundredths).ok())
            .filter(|share| *share <= SAMPLE_BUCKETS);
        let Some(share) = share else {
            let message = format!("{} is no share from 0% to 100% in steps of 0.01%", check::quoted(word));
            return Err(self.error_over(from, self.at, "bad_number", message));
        };
        let start = self.at;
        let name = if self.eat("of") { self.string(None)? } else { "sample".into() };
        let range = BucketRange::Below(share);
        let fits = check::bucket(&name, SAMPLE_BUCKETS, range);
        fits.map_err(|error| self.place(error, start, self.at))?;
        Ok(Rule::Bucket { name, of: SAMPLE_BUCKETS, range })
    }

    /// Reads `"name", N) < n` or `… between a and b`.
    fn bucket(&mut self) -> Parsed<Rule> {
        let from = self.at;
        let name = self.string(None)?;
        self.expect(&Kind::Comma, ",")?;
        let of = self.whole()?;
        self.expect(&Kind::Close, ")")?;
        let range = if self.eat_kind(&Kind::Sign(Comparison::Lt)) {
            BucketRange::Below(self.whole()?)
        } else if self.eat("between") {
            let low = self.whole()?;
            self.expect_word("and")?;
            BucketRange::Between(low, self.whole()?)
        } else {
            return Err(self.unexpected(["< 10", "between 10 and 19"]));
        };
        check::bucket(&name, of, range).map_err(|error| self.place(error, from, self.at))?;
        Ok(Rule::Bucket { name, of, range })
    }

    fn aggregate_ahead(&self) -> Option<Function> {
        let word = self.word_at(self.at)?;
        let function = Function::ALL.into_iter().find(|function| word.eq_ignore_ascii_case(function.name()))?;
        (*self.kind_at(self.at + 1) == Kind::Open).then_some(function)
    }
}
