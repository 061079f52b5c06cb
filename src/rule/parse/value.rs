//! Values in text: strings, numbers, money, dates, instants, lengths, lists.

use crate::{
    model::{
        calendar::{Length, Unit},
        currency::{Currency, MoneyError},
        number::Number,
        time::{Day, Timestamp},
        value::ValueType,
    },
    rule::{
        ast::{Moment, Operand},
        check,
        error::RuleError,
        parse::{Parsed, Parser, names::RESERVED, test::Subject},
        token::Kind,
    },
};

impl Parser<'_> {
    /// Reads an operand of the subject's type.
    pub fn operand(&mut self, subject: &Subject<'_>) -> Parsed<Operand> {
        let from = self.at;
        let operand = match subject.ty {
            ValueType::Text | ValueType::Email | ValueType::Category | ValueType::Set => {
                Operand::Text(self.string(Some(subject))?)
            }
            ValueType::Boolean => Operand::Flag(self.flag(subject)?),
            ValueType::Number => Operand::Number(self.plain_number(subject)?),
            ValueType::Money(currency) => self.money(subject, currency)?,
            ValueType::Timestamp | ValueType::Date => match self.moment(Some(subject))? {
                Moment::Date(day) => Operand::Date(day),
                Moment::Instant(at) => Operand::Instant(at),
            },
        };
        let fits = check::test::operand(subject.name, subject.ty, &operand);
        fits.map_err(|error| self.place(error, from, self.at))?;
        Ok(operand)
    }

    /// Reads one or more operands in parentheses.
    pub fn operands(&mut self, subject: &Subject<'_>) -> Parsed<Vec<Operand>> {
        self.list(|parser| parser.operand(subject))
    }

    /// Reads one or more texts in parentheses.
    pub fn strings(&mut self) -> Parsed<Vec<Box<str>>> {
        self.list(|parser| parser.string(None))
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let open = self.at;
        self.expect(&Kind::Open, "a list in parentheses, like (a, b)")?;
        let mut items = Vec::new();
        loop {
            if items.is_empty() && *self.kind() == Kind::Close {
                break;
            }
            if let Some(word) = self.word_at(self.at)
                && word.contains(',')
            {
                let message = format!("in a list, {} could be one number or several", check::quoted(word));
                let expected = [word.replace(',', ""), word.replace(',', "_"), word.replace(',', ", ")];
                return Err(self.error_here("comma_in_list", message).expecting(expected));
            }
            items.push(item(self)?);
            if !self.eat_kind(&Kind::Comma) {
                break;
            }
        }
        if *self.kind() != Kind::Close {
            return Err(self.unexpected(["a comma", ")"]));
        }
        self.at += 1;
        check::test::list(items.len()).map_err(|error| self.place(error, open, self.at))?;
        Ok(items)
    }

    /// Reads a string, quoted or a run of bare words. For a subject, a bare number or the like is refused.
    pub fn string(&mut self, subject: Option<&Subject<'_>>) -> Parsed<Box<str>> {
        let from = self.at;
        if let Kind::Text(text) = self.kind() {
            let text = text.as_str().into();
            self.at += 1;
            return Ok(text);
        }
        let mut to = from;
        while self.word_at(to).is_some() && !self.is_any(to, &RESERVED) && (to == from || !self.token(to).starts_line) {
            to += 1;
        }
        if to == from {
            return Err(self.unexpected(["a text in quotes"]));
        }
        let text = &self.source[self.token(from).from..self.token(to - 1).to];
        if let (Some(subject), true) = (subject, to == from + 1)
            && let Some(what) = literal(text)
        {
            let error = check::test::wrong_operand(subject.name, subject.ty, what);
            return Err(self.place(error.suggesting(Some(format!("\"{text}\""))), from, to));
        }
        self.at = to;
        self.bare = Some((from, to));
        Ok(text.into())
    }

    fn flag(&mut self, subject: &Subject<'_>) -> Parsed<bool> {
        let flag = self.is(self.at, "true");
        if !flag && !self.is(self.at, "false") {
            return Err(self.wrong_value(subject));
        }
        self.at += 1;
        Ok(flag)
    }

    /// The error of what stands here not being a value of the subject's type.
    fn wrong_value(&self, subject: &Subject<'_>) -> RuleError {
        let found = match self.kind() {
            Kind::Text(_) => "a text",
            Kind::Word => match literal(self.text_at(self.at)) {
                Some(what) => what,
                None if self.is_any(self.at, &RESERVED) => {
                    return self.unexpected([check::test::wanted(subject.ty).as_str()]);
                }
                None => "a text",
            },
            _ => return self.unexpected([check::test::wanted(subject.ty).as_str()]),
        };
        self.place(check::test::wrong_operand(subject.name, subject.ty, found), self.at, self.at + 1)
    }

    fn plain_number(&mut self, subject: &Subject<'_>) -> Parsed<Number> {
        let number = match self.word_at(self.at) {
            Some(word) if starts_number(word) && date_like(word).is_none() && money(word).is_none() => {
                self.number_of(word)?
            }
            _ => return Err(self.wrong_value(subject)),
        };
        if self.word_at(self.at + 1).is_some_and(|word| word.len() == 3 && Currency::of_code(word).is_some()) {
            let error = check::test::wrong_operand(subject.name, subject.ty, "an amount of money");
            return Err(self.place(error, self.at, self.at + 2));
        }
        self.at += 1;
        Ok(number)
    }

    fn number_of(&self, word: &str) -> Parsed<Number> {
        let wrong = |what: &str| self.error_here("bad_number", format!("{} {what}", check::quoted(word)));
        let Some(decimal) = decimal(word) else {
            return Err(wrong("is not a number").expecting(["a number like 50, -3.5, 1_000 or 1,000"]));
        };
        Number::parse(&decimal).map_err(|error| wrong(&error.to_string()))
    }

    fn money(&mut self, subject: &Subject<'_>, currency: Currency) -> Parsed<Operand> {
        let from = self.at;
        let Some(word) = self.word_at(from).filter(|word| starts_number(word) || money(word).is_some()) else {
            return Err(self.wrong_value(subject));
        };
        if date_like(word).is_some() {
            return Err(self.wrong_value(subject));
        }
        let (given, amount) = match money(word) {
            Some((given, amount)) => (Some(given), amount),
            None => (None, word.to_owned()),
        };
        self.at += 1;
        let given = given.or_else(|| self.currency_code()).unwrap_or(currency);
        if given != currency {
            let error = check::test::operand(subject.name, subject.ty, &Operand::Money(0, given));
            return Err(self.place(error.expect_err("the currency differs"), from, self.at));
        }
        let decimal = decimal(&amount).ok_or(MoneyError::Malformed);
        let minor = decimal.and_then(|decimal| currency.parse_minor(&decimal)).map_err(|error| {
            let message = format!("{} {error}", check::quoted(word));
            self.error_over(from, from + 1, "bad_number", message).expecting([check::test::wanted(subject.ty)])
        })?;
        Ok(Operand::Money(minor, currency))
    }

    /// A currency's code after an amount.
    fn currency_code(&mut self) -> Option<Currency> {
        let code = self.word_at(self.at).filter(|word| word.len() == 3)?;
        let currency = Currency::of_code(code)?;
        self.at += 1;
        Some(currency)
    }

    /// Reads a date or an instant, quoted or not.
    pub fn moment(&mut self, subject: Option<&Subject<'_>>) -> Parsed<Moment> {
        let text = match self.kind() {
            Kind::Text(text) => text.clone(),
            Kind::Word => self.text_at(self.at).to_owned(),
            _ => String::new(),
        };
        let moment = match date_like(&text) {
            Some(Like::Date) => Day::parse(&text).map(Moment::Date),
            Some(Like::Instant) => Timestamp::parse(&text).map(Moment::Instant),
            None => {
                return Err(match subject {
                    Some(subject) => self.wrong_value(subject),
                    None => self.unexpected(["a date like 2026-05-01 or an instant like 2026-05-01T10:00:00Z"]),
                });
            }
        };
        let moment =
            moment.map_err(|error| self.error_here("bad_date", format!("{} {error}", check::quoted(&text))))?;
        self.at += 1;
        Ok(moment)
    }

    /// Reads `N unit`.
    pub fn length(&mut self) -> Parsed<Length> {
        let n = self.whole()?;
        let unit = self.unit()?;
        Ok(Length { n, unit })
    }

    /// Reads `[N] unit`; without a number it is one.
    pub fn length_or_one(&mut self) -> Parsed<Length> {
        match self.word_at(self.at).and_then(Unit::of_word) {
            Some(unit) => {
                self.at += 1;
                Ok(Length { n: 1, unit })
            }
            None => self.length(),
        }
    }

    /// Reads a unit of time.
    pub fn unit(&mut self) -> Parsed<Unit> {
        let Some(unit) = self.word_at(self.at).and_then(Unit::of_word) else {
            let units = ["seconds", "minutes", "hours", "days", "weeks", "months", "years"];
            let mut error = self.unexpected(units);
            if let Some(word) = self.word_at(self.at) {
                error = error.suggesting(crate::rule::suggest::nearest(word, units));
            }
            return Err(error);
        };
        self.at += 1;
        Ok(unit)
    }

    /// Reads a whole number that fits 32 bits.
    pub fn whole(&mut self) -> Parsed<u32> {
        let number = self.whole_long()?;
        u32::try_from(number).map_err(|_| {
            let message = format!("{number} is too large here; at most {}", u32::MAX);
            self.error_over(self.at - 1, self.at, "out_of_range", message)
        })
    }

    /// Reads a whole number that fits 64 bits.
    pub fn whole_long(&mut self) -> Parsed<u64> {
        let Some(word) = self.word_at(self.at).filter(|word| starts_number(word)) else {
            return Err(self.unexpected(["a whole number"]));
        };
        let decimal = decimal(word).filter(|decimal| decimal.bytes().all(|b| b.is_ascii_digit()));
        let number = decimal.ok_or_else(|| {
            let message = format!("{} is not a whole number", check::quoted(word));
            self.error_here("bad_number", message).expecting(["a whole number, 0 or more"])
        })?;
        let number = number.parse().map_err(|_| {
            let message = format!("{} is beyond 64 bits", check::quoted(word));
            self.error_here("bad_number", message)
        })?;
        self.at += 1;
        Ok(number)
    }
}

/// Which of the two a text has the look of.
enum Like {
    Date,
    Instant,
}

/// Whether a text has the look of a date or an instant; it may still be a bad one.
fn date_like(text: &str) -> Option<Like> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = text[digits..].strip_prefix('-')?;
    let month = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits < 2 || month == 0 || !rest[month..].starts_with('-') {
        return None;
    }
    let time = rest.contains(['T', 't', ':', ' ']);
    Some(if time { Like::Instant } else { Like::Date })
}

/// Whether a word starts as numbers do.
fn starts_number(word: &str) -> bool {
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    digits.starts_with(|c: char| c.is_ascii_digit())
}

/// A number without its separators, or nothing when they are misplaced.
pub fn decimal(word: &str) -> Option<String> {
    let bytes = word.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let underscores = word.match_indices('_').all(|(at, _)| digit(at.checked_sub(1)) && digit(Some(at + 1)));
    if !underscores {
        return None;
    }
    if word.contains(',') {
        let whole = word.split('.').next().unwrap_or(word).trim_start_matches(['-', '+']);
        let mut groups = whole.split(',');
        let first = groups.next().unwrap_or("");
        if first.is_empty() || first.len() > 3 || groups.any(|group| group.len() != 3) {
            return None;
        }
    }
    Some(word.chars().filter(|c| !matches!(c, '_' | ',')).collect())
}

/// The currency and the amount of a word such as `$1,000`, `-€5`, `50€` or `1000USD`.
fn money(word: &str) -> Option<(Currency, String)> {
    let (sign, rest) = match word.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", word),
    };
    let first = rest.chars().next()?;
    if let Some(currency) = Currency::of_sign(first) {
        let amount = &rest[first.len_utf8()..];
        return starts_number(amount).then(|| (currency, format!("{sign}{amount}")));
    }
    if !first.is_ascii_digit() {
        return None;
    }
    let last = rest.chars().next_back()?;
    if let Some(currency) = Currency::of_sign(last) {
        return Some((currency, format!("{sign}{}", &rest[..rest.len() - last.len_utf8()])));
    }
    let at = rest.len().checked_sub(3).filter(|at| rest.is_char_boundary(*at))?;
    let currency = rest[at..].bytes().all(|b| b.is_ascii_alphabetic()).then(|| Currency::of_code(&rest[at..]))??;
    Some((currency, format!("{sign}{}", &rest[..at])))
}

/// What a lone unquoted word is when it is no text.
fn literal(word: &str) -> Option<&'static str> {
    let number = || starts_number(word) && decimal(word).is_some_and(|decimal| Number::parse(&decimal).is_ok());
    match word {
        _ if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("false") => Some("true or false"),
        _ if money(word).is_some_and(|(_, amount)| decimal(&amount).is_some_and(|d| Number::parse(&d).is_ok())) => {
            Some("an amount of money")
        }
        _ if number() => Some("a number"),
        _ if Day::parse(word).is_ok() => Some("a date"),
        _ if Timestamp::parse(word).is_ok() => Some("an instant"),
        _ => None,
    }
}
