//! Reading the JSON form: one object a node, with exactly the keys of one shape.

use crate::{
    model::{name::Name, schema::Schema, value::ValueType},
    rule::{
        ast::{BucketRange, Quantity, Rule},
        check,
        error::RuleError,
        json::{self, Json, Value},
        parse::Parsed,
        shape,
    },
};

pub mod event;
pub mod operand;
pub mod test;

/// Reads a whole rule.
///
/// Errors: one, with its place and its pointer.
pub fn document(source: &str, schema: &Schema) -> Parsed<Rule> {
    let json = json::read(source)?;
    let reader = Reader { source, schema };
    let rule = reader.rule(&At::root(&json), 1)?;
    check::limit::rule(&rule).map_err(|error| reader.place(error, &At::root(&json)))?;
    Ok(rule)
}

/// A value and the pointer to it.
#[derive(Clone)]
pub struct At<'a> {
    /// The value.
    pub json: &'a Json,
    /// Where it is in the document.
    pub path: String,
}

impl<'a> At<'a> {
    fn root(json: &'a Json) -> At<'a> {
        At { json, path: String::new() }
    }

    fn step(&self, json: &'a Json, step: &str) -> At<'a> {
        At { json, path: json::pointer(&self.path, step) }
    }
}

/// An object whose keys are taken one by one, so that what is left over is known.
pub struct Fields<'a> {
    /// The object.
    pub at: At<'a>,
    left: Vec<(&'a str, &'a Json)>,
}

impl<'a> Fields<'a> {
    /// Takes a key.
    pub fn take(&mut self, key: &str) -> Option<At<'a>> {
        let place = self.left.iter().position(|(known, _)| *known == key)?;
        let (key, json) = self.left.remove(place);
        Some(self.at.step(json, key))
    }
}

/// Reads values by a schema.
pub struct Reader<'a> {
    source: &'a str,
    /// What names mean.
    pub schema: &'a Schema,
}

/// The keys that tell the shapes of a node apart.
const SHAPES: [&str; 25] = [
    "and",
    "or",
    "xor",
    "not",
    "all",
    "none",
    "at_least",
    "at_most",
    "exactly",
    "property",
    "tag",
    "any_tag",
    "all_tags",
    "email_domain",
    "event",
    "aggregate",
    "first",
    "last",
    "sequence",
    "days",
    "regularly",
    "segment",
    "bucket",
    "of",
    "op",
];

impl<'a> Reader<'a> {
    /// Puts an error over a value.
    pub fn place(&self, error: RuleError, at: &At<'_>) -> RuleError {
        error.at(self.source, at.json.from, at.json.to).in_json(at.path.clone())
    }

    /// An error over a value.
    pub fn error(&self, at: &At<'_>, code: &'static str, message: impl Into<String>) -> RuleError {
        self.place(RuleError::new(code, message), at)
    }

    /// The error of a value of the wrong JSON type.
    pub fn wrong(&self, at: &At<'_>, expected: &str) -> RuleError {
        self.error(at, "bad_shape", format!("{} is not expected here", at.json.kind())).expecting([expected])
    }

    /// An object's fields.
    pub fn fields(&self, at: &At<'a>) -> Parsed<Fields<'a>> {
        match &at.json.value {
            Value::Object(entries) => {
                let left = entries.iter().map(|(key, json)| (&**key, json)).collect();
                Ok(Fields { at: at.clone(), left })
            }
            _ => Err(self.wrong(at, "an object")),
        }
    }

    /// A field that must be there.
    pub fn need(&self, fields: &mut Fields<'a>, key: &str) -> Parsed<At<'a>> {
        fields.take(key).ok_or_else(|| {
            let error = self.error(&fields.at, "missing_key", format!("the key \"{key}\" is missing"));
            error.expecting([format!("\"{key}\"")])
        })
    }

    /// Refuses what is left of an object.
    pub fn close(&self, fields: &Fields<'a>, known: &[&str]) -> Parsed<()> {
        let Some((key, json)) = fields.left.first() else { return Ok(()) };
        let at = fields.at.step(json, key);
        let error = self.error(&at, "unknown_key", format!("the key \"{key}\" has no place in this object"));
        let others = known.iter().copied().filter(|known| known != key);
        Err(error.suggesting(crate::rule::suggest::nearest(key, others)))
    }

    /// An array's values.
    pub fn items(&self, at: &At<'a>) -> Parsed<Vec<At<'a>>> {
        match &at.json.value {
            Value::List(items) => {
                Ok(items.iter().enumerate().map(|(place, json)| at.step(json, &place.to_string())).collect())
            }
            _ => Err(self.wrong(at, "an array")),
        }
    }

    /// A string.
    pub fn text(&self, at: &At<'a>) -> Parsed<&'a str> {
        match &at.json.value {
            Value::Text(text) => Ok(text),
            _ => Err(self.wrong(at, "a string")),
        }
    }

    /// A whole number of up to 64 bits.
    pub fn whole_long(&self, at: &At<'a>) -> Parsed<u64> {
        let Value::Number(number) = &at.json.value else { return Err(self.wrong(at, "a whole number")) };
        if number.bytes().all(|b| b.is_ascii_digit()) {
            return number.parse().map_err(|_| self.error(at, "bad_number", format!("{number} is beyond 64 bits")));
        }
        let message = format!("{number} is not a whole number, 0 or more");
        Err(self.error(at, "bad_number", message).expecting(["a whole number"]))
    }

    /// A whole number of up to 32 bits.
    pub fn whole(&self, at: &At<'a>) -> Parsed<u32> {
        let number = self.whole_long(at)?;
        let too_large = || self.error(at, "out_of_range", format!("{number} is too large here; at most {}", u32::MAX));
        u32::try_from(number).map_err(|_| too_large())
    }

    /// One or more texts in an array.
    pub fn texts(&self, at: &At<'a>) -> Parsed<Vec<Box<str>>> {
        let items = self.items(at)?;
        check::test::list(items.len()).map_err(|error| self.place(error, at))?;
        items.iter().map(|item| self.text(item).map(Into::into)).collect()
    }

    /// Reads one node; `depth` is its own.
    fn rule(&self, at: &At<'a>, depth: usize) -> Parsed<Rule> {
        if depth > crate::model::limits::RULE_DEPTH_MAX {
            return Err(self.place(check::limit::too_deep(), at));
        }
        let mut fields = self.fields(at)?;
        let rule = match self.logic(&mut fields, depth)? {
            Some(rule) => rule,
            None => match self.leaf(&mut fields, depth)? {
                Some(rule) => rule,
                None => return Err(self.no_shape(&fields)),
            },
        };
        self.close(&fields, &SHAPES)?;
        Ok(rule)
    }

    fn no_shape(&self, fields: &Fields<'a>) -> RuleError {
        if !fields.left.is_empty()
            && let Err(error) = self.close(fields, &SHAPES)
        {
            return error.expecting(["a node like {\"property\":…,\"op\":…,\"value\":…}"]);
        }
        let error = self.error(&fields.at, "bad_shape", "this object is no node of a rule");
        error.expecting(["a node like {\"property\":…,\"op\":…,\"value\":…}"])
    }

    fn rules(&self, at: &At<'a>, depth: usize) -> Parsed<Vec<Rule>> {
        self.items(at)?.iter().map(|item| self.rule(item, depth + 1)).collect()
    }

    fn logic(&self, fields: &mut Fields<'a>, depth: usize) -> Parsed<Option<Rule>> {
        for (key, joined) in
            [("and", shape::all_of as fn(Vec<Rule>) -> Rule), ("or", shape::any_of), ("xor", shape::odd_of)]
        {
            if let Some(list) = fields.take(key) {
                return self.rules(&list, depth).map(joined).map(Some);
            }
        }
        if let Some(inner) = fields.take("not") {
            return self.rule(&inner, depth + 1).map(shape::not).map(Some);
        }
        for (key, constant) in [("all", Rule::All), ("none", Rule::None)] {
            if let Some(value) = fields.take(key) {
                let good = value.json.value == Value::Flag(true);
                return if good { Ok(Some(constant)) } else { Err(self.wrong(&value, "true")) };
            }
        }
        for (key, quantity) in
            [("at_least", Quantity::AtLeast), ("at_most", Quantity::AtMost), ("exactly", Quantity::Exactly)]
        {
            if let Some(number) = fields.take(key) {
                let n = self.whole(&number)?;
                let of = self.need(fields, "of")?;
                let rules = self.rules(&of, depth)?;
                if rules.is_empty() {
                    return Err(self.error(&of, "empty_list", "a list of rules may not be empty here"));
                }
                return Ok(Some(Rule::Of { quantity, n, rules }));
            }
        }
        Ok(None)
    }

    fn leaf(&self, fields: &mut Fields<'a>, depth: usize) -> Parsed<Option<Rule>> {
        if let Some(domains) = fields.take("email_domain") {
            return self.email_domain(&domains, fields).map(Some);
        }
        if let Some(name) = fields.take("property") {
            return self.contact_property(&name, fields).map(Some);
        }
        if let Some(tag) = fields.take("tag") {
            let list = vec![self.text(&tag)?.into()];
            check::tags(&list, self.schema).map_err(|error| self.place(error, &tag))?;
            return Ok(list.into_iter().next().map(Rule::Tag));
        }
        for (key, node) in [("any_tag", Rule::AnyTag as fn(Vec<Box<str>>) -> Rule), ("all_tags", Rule::AllTags)] {
            if let Some(tags) = fields.take(key) {
                let list = self.texts(&tags)?;
                check::tags(&list, self.schema).map_err(|error| self.place(error, &tags))?;
                return Ok(Some(node(list)));
            }
        }
        if let Some(name) = fields.take("segment") {
            let text = self.text(&name)?;
            check::segment(text).map_err(|error| self.place(error, &name))?;
            return Ok(Some(Rule::Segment(text.into())));
        }
        if let Some(name) = fields.take("bucket") {
            return self.bucket(&name, fields).map(Some);
        }
        self.event_node(fields, depth)
    }

    fn contact_property(&self, name: &At<'a>, fields: &mut Fields<'a>) -> Parsed<Rule> {
        let spelling = self.text(name)?;
        let property = Name::new(spelling).ok().and_then(|name| self.schema.property(name.as_str()));
        let Some(property) = property else {
            return Err(self.place(check::unknown_property(spelling, self.schema), name));
        };
        let test = self.property_test(&property.name, property.ty, fields)?;
        Ok(shape::property(test, property.ty == ValueType::Set))
    }

    fn email_domain(&self, domains: &At<'a>, fields: &mut Fields<'a>) -> Parsed<Rule> {
        let given = fields.take("property");
        let spelling = given.as_ref().map_or(Ok("email"), |given| self.text(given))?;
        let name_at = given.as_ref().unwrap_or(&fields.at);
        let property = Name::new(spelling).ok().and_then(|name| self.schema.property(name.as_str()));
        let Some(property) = property else {
            return Err(self.place(check::unknown_property(spelling, self.schema), name_at));
        };
        check::email_property(&property.name, property.ty).map_err(|error| self.place(error, name_at))?;
        let list = match &domains.json.value {
            Value::Text(domain) => vec![domain.clone()],
            Value::List(_) => self.texts(domains)?,
            _ => return Err(self.wrong(domains, "a domain or an array of domains")),
        };
        check::domains(&list).map_err(|error| self.place(error, domains))?;
        Ok(shape::email_domain(&property.name, list))
    }

    fn bucket(&self, name_at: &At<'a>, fields: &mut Fields<'a>) -> Parsed<Rule> {
        let name = self.text(name_at)?;
        let of = self.whole(&self.need(fields, "of")?)?;
        let range = match (fields.take("lt"), fields.take("between")) {
            (Some(below), None) => BucketRange::Below(self.whole(&below)?),
            (None, Some(pair)) => {
                let [low, high] = self.pair(&pair)?;
                BucketRange::Between(self.whole(&low)?, self.whole(&high)?)
            }
            _ => {
                let error = self.error(&fields.at, "missing_key", "a bucket has \"lt\" or \"between\"");
                return Err(error.expecting(["\"lt\"", "\"between\""]));
            }
        };
        check::bucket(name, of, range).map_err(|error| self.place(error, &fields.at))?;
        Ok(Rule::Bucket { name: name.into(), of, range })
    }

    /// Exactly two values.
    pub fn pair(&self, at: &At<'a>) -> Parsed<[At<'a>; 2]> {
        let items = self.items(at)?;
        <[At<'a>; 2]>::try_from(items).map_err(|_| self.error(at, "bad_shape", "between takes two values"))
    }
}
