//! Conditions on an event in text: `where …` and `having …`.

use crate::{
    model::schema::EventKind,
    rule::{
        ast::{PropertyTest, Where},
        check,
        parse::{Parsed, Parser, test::Subject},
        token::Kind,
    },
};

impl<'a> Parser<'a> {
    /// Reads what follows `where`: conditions joined by `and` as long as they can only be meant for the event.
    pub fn conditions(&mut self, kind: &'a EventKind) -> Parsed<Vec<Where>> {
        let grouped = *self.kind() == Kind::Open;
        let mut conditions = vec![self.condition(kind)?];
        while self.joins(kind, grouped)? {
            self.at += 1;
            conditions.push(self.condition(kind)?);
        }
        self.open_where = Some(kind);
        Ok(conditions)
    }

    /// Whether an `and` here goes on with a condition of the event.
    ///
    /// Errors: what follows could be meant for the event or for the contact.
    fn joins(&self, kind: &'a EventKind, grouped: bool) -> Parsed<bool> {
        if *self.kind() != Kind::And && !self.is(self.at, "and") {
            return Ok(false);
        }
        let mut from = self.at + 1;
        while self.is(from, "not") || *self.kind_at(from) == Kind::Not {
            from += 1;
        }
        if *self.kind_at(from) == Kind::Open {
            return Ok(!grouped && self.group_is_of(from, kind));
        }
        let Some((end, name)) = self.event_property(from, kind).filter(|(end, _)| self.operator(*end)) else {
            return Ok(false);
        };
        let contact = self.property(from).filter(|(end, _)| self.operator(*end));
        let phrase = self.phrase(from).is_some();
        if contact.is_none() && !phrase {
            return Ok(true);
        }
        if grouped || contact.as_ref().is_some_and(|(other, _)| *other > end) {
            return Ok(false);
        }
        let message = format!(
            "{} could be a property of the event {} or of the contact; put the where in parentheses",
            check::quoted(name.as_str()),
            check::quoted(kind.name.as_str())
        );
        let error = self.error_over(from, end, "ambiguous_where", message);
        Err(error.expecting(["where (… and …)", "where (…) and …"]))
    }

    /// Whether a parenthesis opens on a property that only the event has.
    fn group_is_of(&self, open: usize, kind: &'a EventKind) -> bool {
        let mut from = open;
        while self.is(from, "not") || matches!(self.kind_at(from), Kind::Not | Kind::Open) {
            from += 1;
        }
        let of_event = self.event_property(from, kind).is_some_and(|(end, _)| self.operator(end));
        let of_contact = self.property(from).is_some_and(|(end, _)| self.operator(end));
        of_event && !of_contact && self.phrase(from).is_none()
    }

    fn condition(&mut self, kind: &'a EventKind) -> Parsed<Where> {
        if self.eat_kind(&Kind::Not) || self.eat("not") {
            return Ok(Where::Not(Box::new(self.nested(|parser| parser.condition(kind))?)));
        }
        if self.eat_kind(&Kind::Open) {
            let condition = self.nested(|parser| parser.any_condition(kind))?;
            self.expect(&Kind::Close, ")")?;
            return Ok(condition);
        }
        self.condition_test(kind).map(Where::Test)
    }

    fn any_condition(&mut self, kind: &'a EventKind) -> Parsed<Where> {
        let mut items = vec![self.all_conditions(kind)?];
        while self.eat_kind(&Kind::Or) || self.eat("or") {
            items.push(self.all_conditions(kind)?);
        }
        Ok(single(items, Where::Or))
    }

    fn all_conditions(&mut self, kind: &'a EventKind) -> Parsed<Where> {
        let mut items = vec![self.condition(kind)?];
        while self.eat_kind(&Kind::And) || self.eat("and") {
            items.push(self.condition(kind)?);
        }
        Ok(single(items, Where::And))
    }

    fn condition_test(&mut self, kind: &'a EventKind) -> Parsed<PropertyTest> {
        let Some((end, name)) = self.event_property(self.at, kind) else { return Err(self.unknown_condition(kind)) };
        let ty = check::event_property(&name, kind).map_err(|error| self.place(error, self.at, end))?;
        self.at = end;
        self.property_test(Subject { name: &name, ty })
    }

    fn unknown_condition(&self, kind: &EventKind) -> crate::rule::error::RuleError {
        let (name, end) = match self.kind() {
            Kind::Name(name) => (name.clone(), self.at + 1),
            Kind::Word => {
                let end = self.unknown_end(self.at);
                (self.name_of_words(self.at, end), end)
            }
            _ => return self.unexpected(["a property of the event"]),
        };
        self.place(check::unknown_event_property(&name, kind), self.at, end)
    }
}

fn single(mut items: Vec<Where>, many: fn(Vec<Where>) -> Where) -> Where {
    match items.pop() {
        Some(item) if items.is_empty() => item,
        Some(item) => {
            items.push(item);
            many(items)
        }
        None => many(items),
    }
}
