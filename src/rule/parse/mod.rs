//! Reading the text form: recursive descent over tokens; names are resolved by the schema as they are read.

use std::collections::HashMap;

use crate::{
    model::{
        limits,
        name::Name,
        schema::{EventKind, Schema},
    },
    rule::{
        ast::{Comparison, Rule},
        check,
        error::RuleError,
        shape,
        token::{self, Kind, Token},
    },
};

pub mod aggregate;
pub mod event;
pub mod filter;
pub mod names;
pub mod start;
pub mod test;
pub mod value;
pub mod window;

/// What reading a part gives.
pub type Parsed<T> = Result<T, RuleError>;

/// Reads a whole rule.
///
/// Errors: one, with its place.
pub fn text(source: &str, schema: &Schema) -> Parsed<Rule> {
    if source.len() > limits::RULE_BYTES_MAX {
        let message =
            format!("a rule has at most {} bytes of text; this one has {}", limits::RULE_BYTES_MAX, source.len());
        return Err(RuleError::new("too_long", message));
    }
    let mut parser = Parser::new(source, schema)?;
    if parser.kind() == &Kind::End {
        let error = parser.error_here("syntax", "the rule is empty");
        return Err(error.expecting(["a rule like Lead Score > 50", "everyone"]));
    }
    let rule = parser.any()?;
    parser.finish()?;
    check::limit::rule(&rule).map_err(|error| error.at(source, 0, source.trim_end().len()))?;
    Ok(rule)
}

/// Where the reading stands.
pub struct Parser<'a> {
    source: &'a str,
    schema: &'a Schema,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Events by phrase, and whether the phrase is negative.
    phrases: HashMap<&'a str, (&'a EventKind, bool)>,
    phrase_words_max: usize,
    /// The place of the last unquoted text that ended at a keyword.
    bare: Option<(usize, usize)>,
    /// The event of the last `where` without parentheses, for hints.
    open_where: Option<&'a EventKind>,
}

impl<'a> Parser<'a> {
    fn new(source: &'a str, schema: &'a Schema) -> Parsed<Parser<'a>> {
        let mut phrases = HashMap::new();
        for kind in schema.events() {
            for (list, negative) in [(&kind.phrases, false), (&kind.negative, true)] {
                for phrase in list {
                    phrases.entry(&**phrase).or_insert((kind, negative));
                }
            }
        }
        let phrase_words_max = phrases.keys().map(|phrase| phrase.split(' ').count()).max().unwrap_or(0);
        let tokens = token::tokens(source)?;
        Ok(Parser { source, schema, tokens, at: 0, depth: 0, phrases, phrase_words_max, bare: None, open_where: None })
    }

    // Looking.

    fn token(&self, at: usize) -> &Token {
        &self.tokens[at.min(self.tokens.len() - 1)]
    }

    fn kind_at(&self, at: usize) -> &Kind {
        &self.token(at).kind
    }

    fn kind(&self) -> &Kind {
        self.kind_at(self.at)
    }

    fn text_at(&self, at: usize) -> &'a str {
        let token = self.token(at);
        &self.source[token.from..token.to]
    }

    /// The unquoted run at a place.
    fn word_at(&self, at: usize) -> Option<&'a str> {
        (*self.kind_at(at) == Kind::Word).then(|| self.text_at(at))
    }

    fn is(&self, at: usize, word: &str) -> bool {
        self.word_at(at).is_some_and(|text| text.eq_ignore_ascii_case(word))
    }

    fn is_any(&self, at: usize, words: &[&str]) -> bool {
        self.word_at(at).is_some_and(|text| words.iter().any(|word| text.eq_ignore_ascii_case(word)))
    }

    fn are(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(place, word)| self.is(at + place, word))
    }

    // Moving.

    fn eat(&mut self, word: &str) -> bool {
        self.eat_all(&[word])
    }

    fn eat_all(&mut self, words: &[&str]) -> bool {
        let found = self.are(self.at, words);
        if found {
            self.at += words.len();
        }
        found
    }

    fn eat_kind(&mut self, kind: &Kind) -> bool {
        let found = self.kind() == kind;
        if found {
            self.at += 1;
        }
        found
    }

    fn eat_sign(&mut self) -> Option<Comparison> {
        let Kind::Sign(sign) = *self.kind() else { return None };
        self.at += 1;
        Some(sign)
    }

    fn expect(&mut self, kind: &Kind, what: &str) -> Parsed<()> {
        if self.eat_kind(kind) { Ok(()) } else { Err(self.unexpected([what])) }
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.eat(word) { Ok(()) } else { Err(self.unexpected([word])) }
    }

    // Errors.

    fn error_over(&self, from: usize, to: usize, code: &'static str, message: impl Into<String>) -> RuleError {
        self.place(RuleError::new(code, message), from, to)
    }

    /// Puts an error over the tokens `from..to`.
    fn place(&self, error: RuleError, from: usize, to: usize) -> RuleError {
        let last = self.token(to.max(from + 1) - 1);
        error.at(self.source, self.token(from).from, last.to)
    }

    fn error_here(&self, code: &'static str, message: impl Into<String>) -> RuleError {
        self.error_over(self.at, self.at + 1, code, message)
    }

    /// What stands here, for messages.
    fn found(&self) -> String {
        match self.kind() {
            Kind::End => "the end of the rule".to_owned(),
            Kind::Text(_) => "a quoted text".to_owned(),
            _ => check::quoted(self.text_at(self.at)),
        }
    }

    /// The error of a token that is not what was expected; tells when quotes would have helped.
    fn unexpected<const N: usize>(&self, expected: [&str; N]) -> RuleError {
        if let Some((from, to)) = self.bare
            && to == self.at
            && self.is_any(self.at, &names::RESERVED)
        {
            let taken = &self.source[self.token(from).from..self.token(to - 1).to];
            let message = format!("the unquoted text {} ends before {}", check::quoted(taken), self.found());
            let rest = self.line_rest(from);
            return self.error_here("unquoted_text", message).expecting([format!("the text in quotes, \"{rest}\"")]);
        }
        self.error_here("syntax", format!("{} is not expected here", self.found())).expecting(expected)
    }

    /// The words from a token up to the end of its line, a comma or a parenthesis.
    fn line_rest(&self, from: usize) -> &'a str {
        let words = (from + 1..).take_while(|at| self.word_at(*at).is_some() && !self.token(*at).starts_line);
        let last = words.take(8).last().unwrap_or(from);
        &self.source[self.token(from).from..self.token(last).to]
    }

    // Logic, loosest first.

    /// Reads one level deeper.
    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > limits::RULE_DEPTH_MAX {
            return Err(self.place(check::limit::too_deep(), self.at, self.at + 1));
        }
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn any(&mut self) -> Parsed<Rule> {
        let mut rules = vec![self.odd()?];
        while self.eat_kind(&Kind::Or) || self.eat("or") {
            rules.push(self.odd()?);
        }
        Ok(shape::any_of(rules))
    }

    fn odd(&mut self) -> Parsed<Rule> {
        let mut rules = vec![self.all()?];
        while self.eat("xor") {
            rules.push(self.all()?);
        }
        Ok(shape::odd_of(rules))
    }

    fn all(&mut self) -> Parsed<Rule> {
        let mut rules = vec![self.unary()?];
        while self.eat_kind(&Kind::And) || self.eat("and") {
            rules.push(self.unary()?);
        }
        Ok(shape::all_of(rules))
    }

    fn unary(&mut self) -> Parsed<Rule> {
        if *self.kind() == Kind::Open {
            return self.nested(Self::group);
        }
        let segment = self.are(self.at, &["not", "in", "segment"]);
        let phrase = !segment && self.is(self.at, "not") && self.phrase(self.at).is_some();
        if !phrase && (self.eat_kind(&Kind::Not) || self.eat("not")) {
            // `not (` is one level, as it is in the tree.
            return self
                .nested(|parser| if *parser.kind() == Kind::Open { parser.group() } else { parser.unary() })
                .map(shape::not);
        }
        self.predicate()
    }

    fn group(&mut self) -> Parsed<Rule> {
        self.at += 1;
        let rule = self.any()?;
        self.expect_close()?;
        Ok(rule)
    }

    fn expect_close(&mut self) -> Parsed<()> {
        self.expect(&Kind::Close, ")").map_err(|error| self.with_where_hint(error))
    }

    fn finish(&mut self) -> Parsed<()> {
        if *self.kind() == Kind::End {
            return Ok(());
        }
        if *self.kind() == Kind::Close {
            return Err(self.error_here("syntax", "this parenthesis closes none that is open"));
        }
        Err(self.unexpected(["and", "or", "the end of the rule"]))
    }

    /// A number of rules in parentheses, separated by commas.
    fn rule_list(&mut self) -> Parsed<Vec<Rule>> {
        self.expect(&Kind::Open, "(")?;
        if *self.kind() == Kind::Close {
            return Err(self.error_here("empty_list", "a list of rules may not be empty here").expecting(["a rule"]));
        }
        let mut rules = vec![self.nested(Self::any)?];
        while self.eat_kind(&Kind::Comma) {
            rules.push(self.nested(Self::any)?);
        }
        self.expect_close()?;
        Ok(rules)
    }

    /// Adds to an error that an event's property stands outside its `where`.
    fn with_where_hint(&self, mut error: RuleError) -> RuleError {
        if let Some(kind) = self.open_where
            && error.code == "unknown_property"
        {
            let hint = format!("{}; a where of {} ends here unless it is in parentheses", error.message, kind.name);
            error.message = hint;
        }
        error
    }

    /// A name that the schema does not know is found by its words up to an operator.
    fn name_of_words(&self, from: usize, to: usize) -> String {
        let words: Vec<&str> = (from..to).map(|at| self.text_at(at)).collect();
        Name::new(&words.join(" ")).map_or_else(|_| words.join(" "), |name| name.as_str().to_owned())
    }
}
