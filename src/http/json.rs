//! JSON as it is sent: read strictly, so that nothing is lost between the bytes and the tree.
//!
//! Numbers keep their digits, a repeated key is refused, nesting is bounded.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::model::limits;

/// The key under which the JSON library hands over a number with all its digits.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// How the error of a document that is nested too deeply begins.
pub const TOO_DEEP: &str = "nested deeper than";

/// The member of a body that holds a rule, and how much deeper that may go: a rule takes two levels of JSON for each of
/// its own.
const RULE_KEY: &str = "rule";
const RULE_LEVELS: usize = 2 * limits::RULE_DEPTH_MAX;

/// Reads a document of ours into the library's tree, however deep it is.
///
/// Errors: when it is no JSON.
pub fn tree(text: &[u8]) -> serde_json::Result<serde_json::Value> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    reader.disable_recursion_limit();
    let tree = serde::Deserialize::deserialize(&mut reader)?;
    reader.end()?;
    Ok(tree)
}

/// A JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Flag(bool),
    /// A number, as its digits stand in the text.
    Number(String),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, in the order written, no key twice.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one document.
    ///
    /// Errors: a sentence with line and column, for malformed text, invalid UTF-8, a repeated key or deep nesting.
    pub fn parse(bytes: &[u8]) -> Result<Json, String> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        // The depth is bounded here; the library's own bound is below what a rule may take.
        reader.disable_recursion_limit();
        let tree = Node { depth: 0, deepest: limits::JSON_DEPTH_MAX }
            .deserialize(&mut reader)
            .map_err(|error| error.to_string())?;
        reader.end().map_err(|error| error.to_string())?;
        Ok(tree)
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Flag(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "an array",
            Json::Object(_) => "an object",
        }
    }

    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => members.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Json::Null | Json::Flag(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => None,
        }
    }
}

impl fmt::Display for Json {
    /// Writes the document back, with every digit as it was.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Flag(flag) => write!(f, "{flag}"),
            Json::Number(digits) => f.write_str(digits),
            Json::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Json::List(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Json::Object(members) => {
                f.write_str("{")?;
                for (place, (key, value)) in members.iter().enumerate() {
                    let comma = if place == 0 { "" } else { "," };
                    write!(f, "{comma}{}:{value}", serde_json::Value::from(key.as_str()))?;
                }
                f.write_str("}")
            }
        }
    }
}

/// Reads one node at a depth.
#[derive(Clone, Copy)]
struct Node {
    depth: usize,
    deepest: usize,
}

impl Node {
    /// The reader of what is inside this node, unless that would be too deep.
    fn child<E: serde::de::Error>(self) -> Result<Node, E> {
        if self.depth >= self.deepest {
            return Err(E::custom(format_args!("{TOO_DEEP} {} levels", limits::JSON_DEPTH_MAX)));
        }
        Ok(Node { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Json, E> {
        Ok(Json::Number(n.to_string()))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Json, E> {
        Ok(Json::Number(n.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let child = self.child::<A::Error>()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(child)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object: Vec<(String, Json)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if key == NUMBER_KEY && object.is_empty() {
                return members.next_value::<String>().map(Json::Number);
            }
            let mut child = self.child::<A::Error>()?;
            if self.depth == 0 && key == RULE_KEY {
                child.deepest += RULE_LEVELS;
            }
            let value = members.next_value_seed(child)?;
            // A scan is quicker than a table while there are few keys.
            let repeated = if object.len() < 16 {
                object.iter().any(|(name, _)| *name == key)
            } else {
                if seen.is_empty() {
                    seen.extend(object.iter().map(|(name, _)| name.clone()));
                }
                !seen.insert(key.clone())
            };
            if repeated {
                return Err(A::Error::custom(format_args!("the key \"{key}\" stands twice in one object")));
            }
            object.push((key, value));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Json, String> {
        Json::parse(text.as_bytes())
    }

    #[test]
    fn documents_come_back_digit_by_digit() {
        for text in [
            r#"{"a":[1,2.50,-3e+7,12345678901234567890123],"b":{"c":null,"d":true},"e":"\u0001\"é"}"#,
            "[]",
            "{}",
            "0.1",
            "\"x\"",
        ] {
            assert_eq!(read(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        assert!(read(r#"{"a":1,"a":2}"#).unwrap_err().contains("stands twice"));
        let many: Vec<String> = (0..40).map(|i| format!("\"k{}\":1", i % 39)).collect();
        assert!(read(&format!("{{{}}}", many.join(","))).unwrap_err().contains("stands twice"));
        assert!(read(r#"{"a":NaN}"#).is_err());
        assert!(read("{} {}").is_err());
        assert!(Json::parse(b"\"\xff\"").is_err());
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        let rule = |n: usize| format!("{{\"rule\":{}}}", deep(n));
        assert!(read(&rule(190)).is_ok() && read(&rule(100_000)).is_err(), "a rule may go deeper");
        assert!(read(&deep(64)).is_ok());
        assert!(read(&deep(65)).unwrap_err().contains("nested deeper"));
        assert!(read(&deep(100_000)).unwrap_err().contains("nested deeper"));
    }
}
