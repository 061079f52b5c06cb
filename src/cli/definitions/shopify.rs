//! Shopify's customer segments: a text query each, on lines of `NAME: QUERY`.

use serde_json::{Value, json};

use crate::cli::definitions::parts::{Definition, Report, group, length, not, number, presence, property, time};

/// Parentheses within each other at most.
const DEPTH_MAX: usize = 32;

/// Reads segments; empty lines and those that begin with `#` are passed over.
///
/// Errors: a line without a name.
pub fn read(text: &str) -> Result<Vec<Definition>, String> {
    let lines =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let one = |(place, line): (usize, &str)| {
        let (name, query) = line.split_once(": ").ok_or(format!("line {}: it is not NAME: QUERY", place + 1))?;
        let mut report = Report::default();
        let rule = match tokens(query) {
            Ok(tokens) => {
                let mut reader = Reader { tokens: &tokens, at: 0, report: &mut report };
                let rule = reader.any(0);
                // A word that is left over would be a part that is dropped.
                if reader.at < tokens.len() {
                    let rest: Vec<&str> = tokens[reader.at..].iter().map(|token| token.text.as_str()).collect();
                    report.lose(rest.join(" "), "it cannot be read from here on");
                    None
                } else {
                    rule
                }
            }
            Err(why) => report.lose(query, why),
        };
        Ok(report.close(name.trim(), None, rule))
    };
    lines.map(one).collect()
}

struct Token {
    text: String,
    is_quoted: bool,
}

fn tokens(query: &str) -> Result<Vec<Token>, String> {
    let mut tokens = vec![];
    let mut rest = query.trim_start();
    while let Some(first) = rest.chars().next() {
        let (text, is_quoted, used) = match first {
            '\'' | '"' => {
                let end = rest[1..].find(first).ok_or("a quote is never closed")? + 1;
                (rest[1..end].to_owned(), true, end + 1)
            }
            '(' | ')' | ',' => (first.to_string(), false, 1),
            '=' | '<' | '>' | '!' => {
                let used =
                    if rest[1..].starts_with('=') || (first == '<' && rest[1..].starts_with('>')) { 2 } else { 1 };
                (rest[..used].to_owned(), false, used)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "'\"(),=<>!".contains(c);
                let used = rest.find(ends).unwrap_or(rest.len());
                (rest[..used].to_owned(), false, used)
            }
        };
        tokens.push(Token { text, is_quoted });
        rest = rest[used..].trim_start();
    }
    Ok(tokens)
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    report: &'a mut Report,
}

impl Reader<'_> {
    fn is(&self, word: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| !token.is_quoted && token.text.eq_ignore_ascii_case(word))
    }

    fn eat(&mut self, word: &str) -> bool {
        let is = self.is(word);
        self.at += usize::from(is);
        is
    }

    fn word(&mut self) -> Option<&Token> {
        self.at += 1;
        self.tokens.get(self.at - 1)
    }

    fn any(&mut self, depth: usize) -> Option<Value> {
        let mut parts = vec![self.all(depth)];
        while self.eat("OR") {
            parts.push(self.all(depth));
        }
        group("or", parts)
    }

    fn all(&mut self, depth: usize) -> Option<Value> {
        let mut parts = vec![self.one(depth)];
        while self.eat("AND") {
            parts.push(self.one(depth));
        }
        group("and", parts)
    }

    fn one(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            // What is left is told by the caller.
            return None;
        }
        if self.eat("NOT") {
            let (start, lost) = (self.at, self.report.lost.len());
            let rule = self.one(depth + 1);
            return self.report.negate(format!("NOT {}", self.words(start)), lost, rule);
        }
        if self.eat("(") {
            let inside = self.any(depth + 1);
            // Without its end, what follows is left over, which the caller tells.
            return if self.eat(")") { inside } else { self.report.lose("(", "a parenthesis is never closed") };
        }
        let start = self.at;
        let told = self.test();
        let part = self.words(start);
        told.or_else(|| self.report.lose(part, "this filter, its operator or its value has no counterpart"))
    }

    /// What was read since a place.
    fn words(&self, start: usize) -> String {
        let end = self.at.min(self.tokens.len());
        let words: Vec<&str> = self.tokens[start.min(end)..end].iter().map(|token| token.text.as_str()).collect();
        words.join(" ")
    }

    /// One filter: an attribute, an operator, a value. What cannot be said is read to its end all the same.
    fn test(&mut self) -> Option<Value> {
        let attribute = self.word()?.text.clone();
        if self.is("(") {
            self.skip_call();
            // `= true` belongs to the call.
            if self.tokens.get(self.at).is_some_and(|token| !token.is_quoted && comparison(&token.text).is_some()) {
                self.at += 2;
            }
            return None;
        }
        if self.eat("IS") {
            let is_set = self.eat("NOT");
            return self.eat("NULL").then(|| empty(&attribute, is_set)).flatten();
        }
        if self.eat("BETWEEN") {
            let from = self.word()?.text.clone();
            let to = self.eat("AND").then(|| self.word().map(|token| token.text.clone())).flatten()?;
            return between(&attribute, &from, &to);
        }
        let is_not = self.eat("NOT");
        if self.is("MATCHES") {
            self.at += 1;
            self.skip_call();
            return None;
        }
        let operator = if self.eat("CONTAINS") { "CONTAINS".to_owned() } else { self.word()?.text.clone() };
        let value = self.word()?.text.clone();
        let rule = tested(&attribute, &operator, &value)?;
        Some(if is_not { not(rule) } else { rule })
    }

    fn skip_call(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.tokens.get(self.at) {
            depth += match token.text.as_str() {
                "(" if !token.is_quoted => 1,
                ")" if !token.is_quoted => -1,
                _ => 0,
            };
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }
}

/// Our name of an attribute that is a plain property.
fn name(attribute: &str) -> Option<&'static str> {
    Some(match attribute {
        "amount_spent" => "purchase_total",
        "customer_added_date" => "created",
        "customer_cities" => "city",
        "customer_countries" => "country",
        "customer_language" => "language",
        "customer_tags" => "tags",
        _ => return None,
    })
}

fn empty(attribute: &str, is_set: bool) -> Option<Value> {
    match attribute {
        "last_order_date" | "first_order_date" => {
            let bought = json!({"event": "purchase"});
            Some(if is_set { bought } else { not(bought) })
        }
        _ => Some(presence(name(attribute)?, is_set)),
    }
}

fn comparison(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "=" => "eq",
        "!=" | "<>" => "ne",
        "<" => "lt",
        "<=" => "le",
        ">" => "gt",
        ">=" => "ge",
        _ => return None,
    })
}

fn read_number(text: &str) -> Option<Value> {
    number(&Value::from(text))
}

fn between(attribute: &str, from: &str, to: &str) -> Option<Value> {
    let ends = |read: &dyn Fn(&str) -> Option<Value>| Some(json!([read(from)?, read(to)?]));
    match attribute {
        "number_of_orders" => {
            Some(json!({"event": "purchase", "count": {"ge": read_number(from)?, "le": read_number(to)?}}))
        }
        "amount_spent" => Some(property("purchase_total", "between", ends(&read_number)?)),
        "customer_added_date" => Some(property("created", "between", ends(&time)?)),
        "last_order_date" => Some(json!({"last": "purchase", "window": {"between": ends(&time)?}})),
        "first_order_date" => Some(json!({"first": "purchase", "window": {"between": ends(&time)?}})),
        _ => None,
    }
}

fn tested(attribute: &str, operator: &str, value: &str) -> Option<Value> {
    if operator == "CONTAINS" {
        return match attribute {
            "customer_tags" => Some(json!({"tag": value})),
            // A country stands as `US`, a region as `US-CA`, which no property has.
            "customer_countries" => Some(property("country", "eq", value.into())),
            "customer_cities" => {
                let city = value.rsplit('-').next().unwrap_or(value);
                (city == value).then(|| property("city", "eq", value.into()))
            }
            _ => None,
        };
    }
    let word = comparison(operator)?;
    match attribute {
        "number_of_orders" => Some(json!({"event": "purchase", "count": {word: read_number(value)?}})),
        "amount_spent" => Some(property("purchase_total", word, read_number(value)?)),
        "customer_email_domain" => {
            let rule = json!({"email_domain": value});
            match word {
                "eq" => Some(rule),
                "ne" => Some(not(rule)),
                _ => None,
            }
        }
        "customer_language" => matches!(word, "eq" | "ne").then(|| property("language", word, value.into())),
        "customer_added_date" => added(word, value),
        "last_order_date" | "first_order_date" => ordered(attribute, word, value),
        "email_subscription_status" => {
            let is = |yes: bool| property("email_consent", "eq", yes.into());
            match (value, word) {
                ("SUBSCRIBED", "eq") => Some(is(true)),
                ("SUBSCRIBED", "ne") => Some(not(is(true))),
                ("UNSUBSCRIBED", "eq") => Some(is(false)),
                ("UNSUBSCRIBED", "ne") => Some(not(is(false))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// `-30d`, `-4w`, `-12m`, `-1y`.
fn ago(text: &str) -> Option<Value> {
    let rest = text.strip_prefix('-')?;
    let unit = match rest.chars().next_back()? {
        'd' => "day",
        'w' => "week",
        'm' => "month",
        'y' => "year",
        _ => return None,
    };
    length(rest.get(..rest.len() - 1)?.parse().ok().filter(|n| *n > 0)?, unit)
}

fn added(word: &str, value: &str) -> Option<Value> {
    if let Some(time) = time(value) {
        return Some(property("created", word, time));
    }
    let length = ago(value)?;
    // Nobody is added ahead of time.
    Some(match word {
        "lt" => property("created", "age_gt", length),
        "le" => property("created", "age_ge", length),
        "gt" => property("created", "age_lt", length),
        "ge" => property("created", "age_le", length),
        _ => return None,
    })
}

fn ordered(attribute: &str, word: &str, value: &str) -> Option<Value> {
    let member = if attribute == "last_order_date" { "last" } else { "first" };
    let window = match (word, time(value), ago(value)) {
        ("eq", Some(day), _) => json!({"between": [day, day]}),
        ("lt", Some(day), _) => json!({"before": day}),
        ("gt", Some(day), _) => json!({"after": day}),
        ("ge", Some(day), _) => json!({"since": day}),
        ("lt", None, Some(length)) => json!({"more_than_ago": length}),
        ("gt" | "ge", None, Some(length)) => json!({"last": length}),
        _ => return None,
    };
    Some(json!({member: "purchase", "window": window}))
}
