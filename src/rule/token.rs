//! Words: the text form cut into tokens with their places.

use crate::rule::{ast::Comparison, error::RuleError};

/// What a token is. An unquoted run is always a [`Kind::Word`]: what it means depends on where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An unquoted run: a keyword, a part of a name, a number, a date, a bare string.
    Word,
    /// A quoted string, unescaped.
    Text(String),
    /// A name in back-ticks.
    Name(String),
    /// A regular expression between slashes, after `matches`.
    Regex(String),
    /// A comparison sign.
    Sign(Comparison),
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `!`
    Not,
    /// After the last token.
    End,
}

/// A token and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// First byte.
    pub from: usize,
    /// First byte after it.
    pub to: usize,
    /// Whether it is the first of its line.
    pub starts_line: bool,
}

/// Cuts a text into tokens; the last one is [`Kind::End`].
///
/// Errors: an unclosed quote, an unknown escape, a curly quote, a control character.
pub fn tokens(source: &str) -> Result<Vec<Token>, RuleError> {
    let mut lexer = Lexer { source, at: 0, tokens: Vec::new(), starts_line: true };
    while lexer.step()? {}
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    tokens: Vec<Token>,
    starts_line: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn error(&self, code: &'static str, message: impl Into<String>, from: usize, to: usize) -> RuleError {
        RuleError::new(code, message).at(self.source, from, to)
    }

    fn push(&mut self, kind: Kind, to: usize) {
        let token = Token { kind, from: self.at, to, starts_line: self.starts_line };
        self.starts_line = false;
        self.tokens.push(token);
        self.at = to;
    }

    /// Skips white space and comments, then reads one token; false after the end.
    fn step(&mut self) -> Result<bool, RuleError> {
        let mut spaced = self.at == 0;
        loop {
            let Some(c) = self.rest().chars().next() else {
                self.push(Kind::End, self.at);
                return Ok(false);
            };
            if c.is_whitespace() {
                self.starts_line |= c == '\n';
                spaced = true;
                self.at += c.len_utf8();
            } else if c == '#' && spaced {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else {
                self.token(c)?;
                return Ok(true);
            }
        }
    }

    fn token(&mut self, c: char) -> Result<(), RuleError> {
        let signs = [
            ("<=", Kind::Sign(Comparison::Le)),
            (">=", Kind::Sign(Comparison::Ge)),
            ("<>", Kind::Sign(Comparison::Ne)),
            ("!=", Kind::Sign(Comparison::Ne)),
            ("==", Kind::Sign(Comparison::Eq)),
            ("&&", Kind::And),
            ("||", Kind::Or),
            ("≤", Kind::Sign(Comparison::Le)),
            ("≥", Kind::Sign(Comparison::Ge)),
            ("≠", Kind::Sign(Comparison::Ne)),
            ("<", Kind::Sign(Comparison::Lt)),
            (">", Kind::Sign(Comparison::Gt)),
            ("=", Kind::Sign(Comparison::Eq)),
            ("!", Kind::Not),
            ("(", Kind::Open),
            (")", Kind::Close),
            (",", Kind::Comma),
        ];
        if let Some((sign, kind)) = signs.into_iter().find(|(sign, _)| self.rest().starts_with(sign)) {
            self.push(kind, self.at + sign.len());
            return Ok(());
        }
        match c {
            '"' | '\'' => self.string(c),
            '`' => self.name(),
            '/' if self.after_matches() => self.regex(),
            '“' | '”' | '‘' | '’' | '«' | '»' => {
                let message = format!("{c} is no quotation mark of the rule language");
                let error = self.error("bad_character", message, self.at, self.at + c.len_utf8());
                Err(error.expecting(["a straight quotation mark, \" or '"]))
            }
            _ if c.is_control() => {
                let message = format!("a control character (U+{:04X}) is not allowed here", u32::from(c));
                Err(self.error("bad_character", message, self.at, self.at + c.len_utf8()))
            }
            _ => {
                let to = self.word_end();
                self.push(Kind::Word, to);
                Ok(())
            }
        }
    }

    fn after_matches(&self) -> bool {
        self.tokens.last().is_some_and(|token| {
            let text = &self.source[token.from..token.to];
            token.kind == Kind::Word && (text.eq_ignore_ascii_case("matches") || text.eq_ignore_ascii_case("match"))
        })
    }

    /// Where the unquoted run that starts here ends.
    fn word_end(&self) -> usize {
        let rest = self.rest();
        let mut numeric = true;
        let mut previous = ' ';
        for (place, c) in rest.char_indices() {
            let after = &rest[place + c.len_utf8()..];
            let next = after.chars().next().unwrap_or(' ');
            let goes_on = match c {
                ',' => numeric && previous.is_ascii_digit() && three_digits(after),
                '\'' => previous.is_alphanumeric() && next.is_alphanumeric(),
                '!' => next != '=',
                '&' | '|' => next != c,
                '(' | ')' | '"' | '`' | '=' | '<' | '>' | '≤' | '≥' | '≠' | '“' | '”' | '«' | '»' => false,
                _ => !c.is_whitespace() && !c.is_control(),
            };
            if !goes_on {
                return self.at + place;
            }
            numeric &=
                c.is_ascii_digit() || c == ',' || (!c.is_alphanumeric() && !previous.is_ascii_digit() && c != '.');
            previous = c;
        }
        self.source.len()
    }

    fn string(&mut self, quote: char) -> Result<(), RuleError> {
        let start = self.at;
        let mut text = String::new();
        let mut chars = self.source[start + 1..].char_indices();
        while let Some((place, c)) = chars.next() {
            if c == quote {
                self.push(Kind::Text(text), start + 1 + place + 1);
                return Ok(());
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let from = start + 1 + place;
            match chars.next().map(|(_, escape)| escape) {
                Some(escape @ ('"' | '\'' | '\\')) => text.push(escape),
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                // Escapes of globs keep their backslash, so that they need not be doubled.
                Some(escape @ ('*' | '?')) => text.extend(['\\', escape]),
                Some('u') => {
                    let digits: String = chars.by_ref().map(|(_, c)| c).take(8).take_while(|c| *c != '}').collect();
                    text.push(self.unicode_escape(&digits, from)?);
                }
                other => {
                    let to = from + 1 + other.map_or(0, char::len_utf8);
                    let error = self.error("bad_string", "this escape is not known in a string", from, to);
                    return Err(error.expecting(["\\\"", "\\\\", "\\n", "\\u{…}"]));
                }
            }
        }
        let message = format!("this quotation mark is never closed by another {quote}");
        Err(self.error("bad_string", message, start, start + 1))
    }

    fn unicode_escape(&self, digits: &str, from: usize) -> Result<char, RuleError> {
        let code = digits.strip_prefix('{').and_then(|hex| u32::from_str_radix(hex, 16).ok());
        code.and_then(char::from_u32).ok_or_else(|| {
            let error = self.error("bad_string", "this escape names no character", from, from + 2);
            error.expecting(["\\u{…} with 1 to 6 hexadecimal digits"])
        })
    }

    fn name(&mut self) -> Result<(), RuleError> {
        let start = self.at;
        match self.source[start + 1..].find('`') {
            Some(length) => {
                let name = self.source[start + 1..start + 1 + length].to_owned();
                self.push(Kind::Name(name), start + length + 2);
                Ok(())
            }
            None => Err(self.error("bad_string", "this back-tick is never closed by another `", start, start + 1)),
        }
    }

    /// A regular expression up to an unescaped slash; `\/` stands for a slash, other escapes are the expression's.
    fn regex(&mut self) -> Result<(), RuleError> {
        let start = self.at;
        let mut pattern = String::new();
        let mut chars = self.source[start + 1..].char_indices();
        while let Some((place, c)) = chars.next() {
            match c {
                '/' => {
                    self.push(Kind::Regex(pattern), start + 1 + place + 1);
                    return Ok(());
                }
                '\n' => break,
                '\\' => match chars.next() {
                    Some((_, '/')) => pattern.push('/'),
                    Some((_, escaped)) => pattern.extend(['\\', escaped]),
                    None => break,
                },
                _ => pattern.push(c),
            }
        }
        Err(self.error("bad_regex", "this regular expression is never closed by another /", start, start + 1))
    }
}

/// Whether exactly three digits follow, as after a thousands separator.
fn three_digits(after: &str) -> bool {
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    digits == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        tokens(source).unwrap().iter().filter(|t| t.kind != Kind::End).map(|t| &source[t.from..t.to]).collect()
    }

    #[test]
    fn commas_between_groups_of_three_belong_to_numbers() {
        assert_eq!(
            words("$1,000.50 1,000,000 1,00 1, 000 a1,000"),
            ["$1,000.50", "1,000,000", "1", ",", "00", "1", ",", "000", "a1", ",", "000"]
        );
        assert_eq!(words("-3.5,000 -1,000"), ["-3.5", ",", "000", "-1,000"]);
    }

    #[test]
    fn comments_start_at_a_line_or_after_a_space() {
        assert_eq!(words("#all\na = C#7 # rest\n\"x # y\""), ["a", "=", "C#7", "\"x # y\""]);
    }

    #[test]
    fn words_hold_what_values_hold() {
        assert_eq!(
            words("O'Brien AT&T a&&b Yahoo! a!=b x@y.z http://a/b"),
            ["O'Brien", "AT&T", "a", "&&", "b", "Yahoo!", "a", "!=", "b", "x@y.z", "http://a/b"]
        );
    }

    #[test]
    fn strings_are_unescaped_and_errors_point() {
        let kind = |source: &str| tokens(source).unwrap()[0].kind.clone();
        assert_eq!(kind(r#""a\"\\\n\u{e9}\*""#), Kind::Text("a\"\\\né\\*".to_owned()));
        assert_eq!(kind("'it'"), Kind::Text("it".to_owned()));
        assert_eq!(tokens("a = \"b").unwrap_err().offset, 4);
        assert_eq!(tokens(r#""\u{110000}""#).unwrap_err().code, "bad_string");
        assert_eq!(tokens("x matches /a\\/b\\d/").unwrap()[2].kind, Kind::Regex("a/b\\d".to_owned()));
    }
}
