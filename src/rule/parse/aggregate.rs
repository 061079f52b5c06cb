//! Aggregates in text: `sum(order.paid.amount where …) in last 30 days > 500`.

use crate::{
    model::{
        name::{self, Name},
        schema::{EventKind, Function},
    },
    rule::{
        ast::{AggregateBound, AggregateTest, Rule},
        check,
        parse::{Parsed, Parser, test::Subject},
        shape,
        token::Kind,
    },
};

/// One part of what stands in the parentheses: a word of a name, or a whole name.
struct Part {
    text: String,
    whole: bool,
}

impl<'a> Parser<'a> {
    /// Reads `FUNCTION(EVENT[.prop] [where …]) [WINDOW] op v`.
    pub fn aggregate(&mut self, function: Function) -> Parsed<Rule> {
        self.at += 2;
        let from = self.at;
        let (kind, of) = self.aggregated(function)?;
        let ty = check::event::aggregated(function, kind, of.as_ref());
        let ty = ty.map_err(|error| self.place(error, from, self.at))?;
        let filter = if self.eat("where") { shape::filter(self.conditions(kind)?) } else { Vec::new() };
        self.expect(&Kind::Close, ")")?;
        let window = if self.is(self.at, "between") && !self.second_between() { None } else { self.window()? };
        let word = Name::new(function.name()).expect("a plain word is a name");
        let subject = Subject { name: of.as_ref().filter(|_| ty_is_of(function)).unwrap_or(&word), ty };
        let from = self.at;
        let test = if self.eat("between") {
            let low = self.operand(&subject)?;
            self.expect_word("and")?;
            AggregateBound::Between(low, self.operand(&subject)?)
        } else {
            let sign = match self.eat_sign() {
                Some(sign) => sign,
                None if self.eat("is") => match self.eat("not") {
                    true => crate::rule::ast::Comparison::Ne,
                    false => crate::rule::ast::Comparison::Eq,
                },
                None => return Err(self.unexpected(["a comparison like > 500", "between"])),
            };
            AggregateBound::Compare(sign, self.operand(&subject)?)
        };
        check::event::bound(function, ty, &test).map_err(|error| self.place(error, from, self.at))?;
        Ok(Rule::Aggregate(AggregateTest { function, event: kind.name.clone(), of, filter, window, test }))
    }

    /// Whether the `between` here is a window, since a comparison or another `between` follows it.
    fn second_between(&self) -> bool {
        self.is(self.at + 2, "and")
            && (matches!(self.kind_at(self.at + 4), Kind::Sign(_)) || self.is_any(self.at + 4, &["between", "is"]))
    }

    /// Reads `EVENT[.prop]`; the longest event name wins whose rest is a property of it.
    fn aggregated(&mut self, function: Function) -> Parsed<(&'a EventKind, Option<Name>)> {
        let from = self.at;
        let parts = self.parts();
        let counts = function == Function::Count;
        for split in (1..=parts.len()).rev() {
            let Some(kind) = name_of(&parts[..split]).and_then(|name| self.schema.event(name.as_str())) else {
                continue;
            };
            if split == parts.len() {
                if counts {
                    return Ok((kind, None));
                }
                continue;
            }
            let of = name_of(&parts[split..]);
            if let Some((_, property)) = of.and_then(|of| kind.property(of.as_str())) {
                return Ok((kind, Some(property.name.clone())));
            }
        }
        if parts.is_empty() {
            return Err(self.unexpected(["an event"]));
        }
        let longest = (1..=parts.len()).rev().find_map(|split| {
            let kind = name_of(&parts[..split]).and_then(|name| self.schema.event(name.as_str()))?;
            Some((split, kind))
        });
        let error = match longest {
            Some((split, kind)) if split == parts.len() => {
                check::event::aggregated(function, kind, None).expect_err("only a count needs no property")
            }
            Some((split, kind)) => check::unknown_event_property(&joined(&parts[split..]), kind),
            None => {
                let head = joined(&parts[..1]);
                let whole = check::unknown_event(&joined(&parts), self.schema);
                if whole.suggestion.is_some() { whole } else { check::unknown_event(&head, self.schema) }
            }
        };
        Err(self.place(error, from, self.at))
    }

    fn parts(&mut self) -> Vec<Part> {
        let mut parts = Vec::new();
        loop {
            match self.kind() {
                Kind::Name(text) | Kind::Text(text) => parts.push(Part { text: text.clone(), whole: true }),
                Kind::Word if !self.is(self.at, "where") => {
                    let words = name::words(self.text_at(self.at));
                    parts.extend(words.into_iter().map(|text| Part { text, whole: false }));
                }
                _ => return parts,
            }
            self.at += 1;
        }
    }
}

/// Whether messages about the bound name the property rather than the function.
fn ty_is_of(function: Function) -> bool {
    !matches!(function, Function::Count | Function::Distinct)
}

/// The name that parts make: a whole one, or words.
fn name_of(parts: &[Part]) -> Option<Name> {
    match parts {
        [part] => Name::new(&part.text).ok(),
        _ if parts.iter().any(|part| part.whole) => None,
        _ => Name::new(&joined(parts)).ok(),
    }
}

fn joined(parts: &[Part]) -> String {
    parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join("_")
}
