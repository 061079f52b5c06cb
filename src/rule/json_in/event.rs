//! Events in JSON: events, aggregates, first and last, sequences, days, regularity, windows, conditions.

use crate::{
    model::{
        name::Name,
        schema::{EventKind, Function},
    },
    rule::{
        ast::{
            AggregateBound, AggregateTest, Counts, EdgeTest, End, EventTest, RegularTest, Rule, SequenceTest, Step,
            Where, Window,
        },
        check,
        json_in::{At, Fields, Reader, test::SIGNS},
        parse::{Parsed, test::Subject},
        shape, suggest,
    },
};

impl<'a> Reader<'a> {
    /// Reads a node about events, if it is one.
    pub fn event_node(&self, fields: &mut Fields<'a>, depth: usize) -> Parsed<Option<Rule>> {
        if let Some(function) = fields.take("aggregate") {
            return self.aggregate(&function, fields, depth).map(Some);
        }
        if let Some(name) = fields.take("event") {
            let kind = self.kind(&name)?;
            let filter = self.filter(fields, "where", kind, depth)?;
            let counts = match fields.take("count") {
                Some(bounds) => {
                    let mut bounds = self.fields(&bounds)?;
                    let counts = self.counts(&mut bounds)?;
                    self.close(&bounds, &SIGNS.map(|(sign, _)| sign))?;
                    counts
                }
                None => Counts::new(),
            };
            let window = self.optional_window(fields)?;
            return Ok(Some(Rule::Event(EventTest { event: kind.name.clone(), filter, counts, window })));
        }
        for (key, end) in [("first", End::First), ("last", End::Last)] {
            if let Some(name) = fields.take(key) {
                let kind = self.kind(&name)?;
                let filter = self.filter(fields, "where", kind, depth)?;
                let having = self.filter(fields, "having", kind, depth)?;
                let window = self.optional_window(fields)?;
                return Ok(Some(Rule::Edge(EdgeTest { end, event: kind.name.clone(), filter, having, window })));
            }
        }
        if let Some(steps) = fields.take("sequence") {
            return self.sequence(&steps, fields, depth).map(Some);
        }
        if let Some(days) = fields.take("days") {
            return self.days(&days, depth).map(Some);
        }
        match fields.take("regularly") {
            Some(regular) => self.regularly(&regular, depth).map(Some),
            None => Ok(None),
        }
    }

    fn kind(&self, at: &At<'a>) -> Parsed<&'a EventKind> {
        let spelling = self.text(at)?;
        let kind = Name::new(spelling).ok().and_then(|name| self.schema.event(name.as_str()));
        kind.ok_or_else(|| self.place(check::unknown_event(spelling, self.schema), at))
    }

    /// Reads `{"ge":2,"le":5}`; takes the signs and leaves the rest.
    fn counts(&self, fields: &mut Fields<'a>) -> Parsed<Counts> {
        let mut counts = Counts::new();
        for (key, sign) in SIGNS {
            if let Some(n) = fields.take(key) {
                counts.insert(sign, self.whole_long(&n)?);
            }
        }
        if counts.is_empty() {
            let error = self.error(&fields.at, "missing_key", "a bound like {\"ge\":2} is missing");
            return Err(error.expecting(SIGNS.map(|(sign, _)| format!("\"{sign}\""))));
        }
        Ok(shape::counts(counts))
    }

    /// Reads a list of conditions that must all hold.
    fn filter(&self, fields: &mut Fields<'a>, key: &str, kind: &'a EventKind, depth: usize) -> Parsed<Vec<Where>> {
        let Some(list) = fields.take(key) else { return Ok(Vec::new()) };
        let items = self.items(&list)?;
        let conditions: Vec<Where> =
            items.iter().map(|item| self.condition(item, kind, depth + 1)).collect::<Parsed<_>>()?;
        Ok(shape::filter(conditions))
    }

    fn condition(&self, at: &At<'a>, kind: &'a EventKind, depth: usize) -> Parsed<Where> {
        if depth > crate::model::limits::RULE_DEPTH_MAX {
            return Err(self.place(check::limit::too_deep(), at));
        }
        let mut fields = self.fields(at)?;
        for (key, many) in [("and", Where::And as fn(Vec<Where>) -> Where), ("or", Where::Or)] {
            let Some(list) = fields.take(key) else { continue };
            let items = self.items(&list)?;
            let mut items: Vec<Where> =
                items.iter().map(|item| self.condition(item, kind, depth + 1)).collect::<Parsed<_>>()?;
            self.close(&fields, &["and", "or", "not"])?;
            return match items.len() {
                0 => Err(self.error(&list, "empty_list", "a list of conditions may not be empty")),
                1 => Ok(items.remove(0)),
                _ => Ok(many(items)),
            };
        }
        if let Some(inner) = fields.take("not") {
            let inner = self.condition(&inner, kind, depth + 1)?;
            self.close(&fields, &["and", "or", "not"])?;
            return Ok(Where::Not(Box::new(inner)));
        }
        let name_at = self.need(&mut fields, "property")?;
        let spelling = self.text(&name_at)?;
        let found = Name::new(spelling).ok().and_then(|name| kind.property(name.as_str()));
        let Some((_, property)) = found else {
            return Err(self.place(check::unknown_event_property(spelling, kind), &name_at));
        };
        self.property_test(&property.name, property.ty, &mut fields).map(Where::Test)
    }

    fn optional_window(&self, fields: &mut Fields<'a>) -> Parsed<Option<Window>> {
        fields.take("window").map(|at| self.window(&at)).transpose()
    }

    fn window(&self, at: &At<'a>) -> Parsed<Window> {
        let keys = ["last", "since", "before", "after", "between", "more_than_ago", "period"];
        let mut fields = self.fields(at)?;
        let Some((key, value)) = keys.iter().find_map(|key| fields.take(key).map(|value| (*key, value))) else {
            self.close(&fields, &keys)?;
            let error = self.error(at, "bad_shape", "this is no window");
            return Err(error.expecting(["{\"last\":{\"n\":30,\"unit\":\"days\"}}"]));
        };
        let window = match key {
            "last" => Window::Last(self.length(&value)?),
            "since" => Window::Since(self.moment(&value)?),
            "before" => Window::Before(self.moment(&value)?),
            "after" => Window::After(self.moment(&value)?),
            "between" => {
                let [low, high] = self.pair(&value)?;
                Window::Between(self.moment(&low)?, self.moment(&high)?)
            }
            "more_than_ago" => Window::MoreThanAgo(self.length(&value)?),
            _ => Window::InPeriod(self.period(&value)?),
        };
        self.close(&fields, &keys)?;
        check::event::window(&window).map_err(|error| self.place(error, &value))?;
        Ok(window)
    }

    fn aggregate(&self, function_at: &At<'a>, fields: &mut Fields<'a>, depth: usize) -> Parsed<Rule> {
        let word = self.text(function_at)?;
        let Some(function) = Function::ALL.into_iter().find(|function| function.name() == word) else {
            let names = Function::ALL.map(Function::name);
            let error = self.error(function_at, "bad_function", format!("{} is no aggregate", check::quoted(word)));
            return Err(error.suggesting(suggest::nearest(word, names)).expecting(names));
        };
        let kind = self.kind(&self.need(fields, "event")?)?;
        let of_at = fields.take("of");
        let of = of_at.as_ref().map(|at| {
            let spelling = self.text(at)?;
            let found = Name::new(spelling).ok().and_then(|name| kind.property(name.as_str()));
            let unknown = || self.place(check::unknown_event_property(spelling, kind), at);
            found.map(|(_, property)| property.name.clone()).ok_or_else(unknown)
        });
        let of = of.transpose()?;
        let ty = check::event::aggregated(function, kind, of.as_ref());
        let ty = ty.map_err(|error| self.place(error, of_at.as_ref().unwrap_or(&fields.at)))?;
        let filter = self.filter(fields, "where", kind, depth)?;
        let window = self.optional_window(fields)?;
        let op_at = self.need(fields, "op")?;
        let op = self.text(&op_at)?;
        let value = self.need(fields, "value")?;
        let name = Name::new(function.name()).expect("a plain word is a name");
        let subject = Subject { name: of.as_ref().unwrap_or(&name), ty };
        let test = if op == "between" {
            let [low, high] = self.pair(&value)?;
            AggregateBound::Between(self.operand(&low, &subject)?, self.operand(&high, &subject)?)
        } else if let Some((_, sign)) = SIGNS.iter().find(|(name, _)| *name == op) {
            AggregateBound::Compare(*sign, self.operand(&value, &subject)?)
        } else {
            let known = SIGNS.map(|(sign, _)| sign).into_iter().chain(["between"]);
            let error =
                self.error(&op_at, "unknown_op", format!("an aggregate is not compared by {}", check::quoted(op)));
            return Err(error.suggesting(suggest::nearest(op, known.clone())).expecting(known));
        };
        check::event::bound(function, ty, &test).map_err(|error| self.place(error, &value))?;
        Ok(Rule::Aggregate(AggregateTest { function, event: kind.name.clone(), of, filter, window, test }))
    }

    fn sequence(&self, steps_at: &At<'a>, fields: &mut Fields<'a>, depth: usize) -> Parsed<Rule> {
        let items = self.items(steps_at)?;
        if items.len() < 2 {
            return Err(self.error(steps_at, "bad_sequence", "a sequence has two steps or more"));
        }
        let step = |item: &At<'a>| {
            let mut fields = self.fields(item)?;
            let kind = self.kind(&self.need(&mut fields, "event")?)?;
            let filter = self.filter(&mut fields, "where", kind, depth)?;
            self.close(&fields, &["event", "where"])?;
            Ok(Step { event: kind.name.clone(), filter })
        };
        let steps = items.iter().map(step).collect::<Parsed<_>>()?;
        let within = match fields.take("within") {
            Some(at) => {
                let length = self.length(&at)?;
                check::event::within(length).map_err(|error| self.place(error, &at))?;
                Some(length)
            }
            None => None,
        };
        let window = self.optional_window(fields)?;
        Ok(Rule::Sequence(SequenceTest { steps, within, window }))
    }

    fn days(&self, at: &At<'a>, depth: usize) -> Parsed<Rule> {
        let mut fields = self.fields(at)?;
        let kind = self.kind(&self.need(&mut fields, "event")?)?;
        let filter = self.filter(&mut fields, "where", kind, depth)?;
        let window = self.optional_window(&mut fields)?;
        let counts = self.counts(&mut fields)?;
        self.close(&fields, &["event", "where", "window", "ge", "eq", "ne", "lt", "le", "gt"])?;
        Ok(Rule::Days(EventTest { event: kind.name.clone(), filter, counts, window }))
    }

    fn regularly(&self, at: &At<'a>, depth: usize) -> Parsed<Rule> {
        let mut fields = self.fields(at)?;
        let kind = self.kind(&self.need(&mut fields, "event")?)?;
        let filter = self.filter(&mut fields, "where", kind, depth)?;
        let counts = match fields.take("count") {
            Some(bounds) => {
                let mut bounds = self.fields(&bounds)?;
                let counts = self.counts(&mut bounds)?;
                self.close(&bounds, &SIGNS.map(|(sign, _)| sign))?;
                counts
            }
            None => Counts::new(),
        };
        let every = self.length(&self.need(&mut fields, "every")?)?;
        let periods = self.whole(&self.need(&mut fields, "periods")?)?;
        let at_least = self.whole(&self.need(&mut fields, "at_least")?)?;
        self.close(&fields, &["event", "where", "count", "every", "periods", "at_least"])?;
        check::event::spans(every, periods).map_err(|error| self.place(error, at))?;
        Ok(Rule::Regularly(RegularTest { event: kind.name.clone(), filter, counts, every, periods, at_least }))
    }
}
