//! JSON documents with places: every value knows its bytes, numbers stay as written, no key comes twice.
//!
//! A reader of our own, because a rule's errors point into its source, and because the usual one keeps the last of
//! two equal keys.

use crate::rule::error::RuleError;

/// Nesting that the reader takes; a rule's own depth is judged later and is less.
const DEPTH_MAX: usize = 256;

/// A value and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    /// What it is.
    pub value: Value,
    /// First byte.
    pub from: usize,
    /// First byte after it.
    pub to: usize,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Flag(bool),
    /// A number as written.
    Number(Box<str>),
    /// A string, unescaped.
    Text(Box<str>),
    /// An array.
    List(Vec<Json>),
    /// An object in the order written.
    Object(Vec<(Box<str>, Json)>),
}

impl Json {
    /// What it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Flag(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

/// Reads one document.
///
/// Errors: malformed JSON, a key that comes twice, too deep a nesting; with place and pointer.
pub fn read(source: &str) -> Result<Json, RuleError> {
    let mut reader = Reader { source, at: 0, path: Vec::new() };
    let json = reader.value()?;
    reader.space();
    if reader.at < source.len() {
        return Err(reader.error("bad_json", "something follows the end of the document"));
    }
    Ok(json)
}

/// Adds a key or an index to a pointer (RFC 6901).
pub fn pointer(path: &str, step: &str) -> String {
    format!("{path}/{}", step.replace('~', "~0").replace('/', "~1"))
}

struct Reader<'a> {
    source: &'a str,
    at: usize,
    path: Vec<String>,
}

impl Reader<'_> {
    fn error(&self, code: &'static str, message: impl Into<String>) -> RuleError {
        let width = self.source[self.at..].chars().next().map_or(0, char::len_utf8);
        let pointer = self.path.iter().fold(String::new(), |path, step| pointer(&path, step));
        RuleError::new(code, message).at(self.source, self.at, self.at + width).in_json(pointer)
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self) -> Result<Json, RuleError> {
        self.space();
        let from = self.at;
        if self.path.len() > DEPTH_MAX {
            return Err(self.error("too_deep", "the document nests too deep"));
        }
        let value = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.list()?,
            Some(b'"') => Value::Text(self.string()?.into()),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Json { value, from, to: self.at })
    }

    fn word(&mut self) -> Result<Value, RuleError> {
        for (word, value) in [("null", Value::Null), ("true", Value::Flag(true)), ("false", Value::Flag(false))] {
            if self.source[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        let message =
            if self.at == self.source.len() { "the document ends too early" } else { "this is no JSON value" };
        Err(self.error("bad_json", message).expecting(["an object", "an array", "a string", "a number"]))
    }

    fn number(&mut self) -> Result<Value, RuleError> {
        let from = self.at;
        let digits = |reader: &mut Self| {
            let start = reader.at;
            while reader.peek().is_some_and(|b| b.is_ascii_digit()) {
                reader.at += 1;
            }
            reader.at - start
        };
        self.eat(b'-');
        let zero = self.peek() == Some(b'0');
        let whole = digits(self);
        let mut good = whole > 0 && !(zero && whole > 1);
        if self.eat(b'.') {
            good &= digits(self) > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            let _ = self.eat(b'+') || self.eat(b'-');
            good &= digits(self) > 0;
        }
        if good {
            return Ok(Value::Number(self.source[from..self.at].into()));
        }
        self.at = from;
        Err(self.error("bad_json", "this is no JSON number"))
    }

    fn list(&mut self) -> Result<Value, RuleError> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Value::List(items));
        }
        loop {
            self.path.push(items.len().to_string());
            items.push(self.value()?);
            self.path.pop();
            self.space();
            if self.eat(b']') {
                return Ok(Value::List(items));
            }
            if !self.eat(b',') {
                return Err(self.error("bad_json", "the array goes on in no way known").expecting([",", "]"]));
            }
        }
    }

    fn object(&mut self) -> Result<Value, RuleError> {
        self.at += 1;
        let mut entries: Vec<(Box<str>, Json)> = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Value::Object(entries));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("bad_json", "a key is missing").expecting(["a key in double quotes"]));
            }
            let start = self.at;
            let key = self.string()?;
            if entries.iter().any(|(known, _)| **known == *key) {
                self.at = start;
                return Err(self.error("duplicate_key", format!("the key \"{key}\" comes twice in this object")));
            }
            if entries.len() > 64 {
                self.at = start;
                return Err(self.error("unknown_key", "no object of a rule has so many keys"));
            }
            self.space();
            if !self.eat(b':') {
                return Err(self.error("bad_json", "a colon is missing after the key").expecting([":"]));
            }
            self.path.push(key.clone());
            let value = self.value()?;
            self.path.pop();
            entries.push((key.into(), value));
            self.space();
            if self.eat(b'}') {
                return Ok(Value::Object(entries));
            }
            if !self.eat(b',') {
                return Err(self.error("bad_json", "the object goes on in no way known").expecting([",", "}"]));
            }
        }
    }

    fn string(&mut self) -> Result<String, RuleError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.source[self.at..].chars().next() {
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(text);
                }
                '\\' => text.push(self.escape()?),
                _ if u32::from(c) < 0x20 => {
                    return Err(self.error("bad_json", "a control character in a string must be escaped"));
                }
                _ => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
        self.at = start;
        Err(self.error("bad_json", "this string is never closed"))
    }

    fn escape(&mut self) -> Result<char, RuleError> {
        let start = self.at;
        self.at += 2;
        let escaped = self.source.as_bytes().get(start + 1);
        let c = match escaped {
            Some(b'"') => Some('"'),
            Some(b'\\') => Some('\\'),
            Some(b'/') => Some('/'),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            Some(b'u') => self.unicode(),
            _ => None,
        };
        c.ok_or_else(|| {
            self.at = start;
            self.error("bad_json", "this escape is not known, or names no character")
        })
    }

    /// Four hexadecimal digits, or two surrogates.
    fn unicode(&mut self) -> Option<char> {
        let first = self.hex()?;
        if !(0xD800..0xDC00).contains(&first) {
            return char::from_u32(first);
        }
        if !self.source[self.at..].starts_with("\\u") {
            return None;
        }
        self.at += 2;
        let second = self.hex().filter(|second| (0xDC00..0xE000).contains(second))?;
        char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.source.get(self.at..self.at + 4)?;
        let code = digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())??;
        self.at += 4;
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_read_as_the_usual_reader_reads_them() {
        for good in
            [r#"{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00\n",true,null,{}],"b":{"c":[]}}"#, " [ ] ", "0", "\"\"", "-0.5"]
        {
            assert!(read(good).is_ok(), "{good}");
            assert!(serde_json::from_str::<serde_json::Value>(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "01",
            "1.",
            "--1",
            "nul",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"a\nb\"",
            "1 2",
            "NaN",
            "{a:1}",
            "'a'",
            "\"\\u+123\"",
        ] {
            assert!(read(bad).is_err(), "{bad}");
            assert!(serde_json::from_str::<serde_json::Value>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_key_comes_once_and_depth_ends() {
        let error = read(r#"{"and":[{"a":1,"b":2,"a":3}]}"#).unwrap_err();
        assert_eq!((error.code, error.pointer.as_deref(), error.offset), ("duplicate_key", Some("/and/0"), 21));
        assert_eq!(read(&"[".repeat(100_000)).unwrap_err().code, "too_deep");
    }
}
