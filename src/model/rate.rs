//! How many calls in how much time: a rate, as it is typed, kept with a key, and told.

use std::{fmt, num::NonZeroU32, str::FromStr};

use serde::{Deserialize, Serialize};

/// A span of time that calls are counted over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// `/s`
    Second,
    /// `/m`
    Minute,
    /// `/h`
    Hour,
}

/// So many calls in a span; as many may come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Rate {
    /// How many.
    pub calls: NonZeroU32,
    /// In what time.
    pub span: Span,
}

impl From<Rate> for String {
    fn from(rate: Rate) -> String {
        rate.to_string()
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Rate, String> {
        text.parse()
    }
}

impl FromStr for Rate {
    type Err = String;

    /// `50/s`, `600/m` or `1000/h`; a number alone is by the second.
    fn from_str(text: &str) -> Result<Rate, String> {
        let (calls, span) = text.split_once('/').unwrap_or((text, "s"));
        let span = match span {
            "s" => Some(Span::Second),
            "m" => Some(Span::Minute),
            "h" => Some(Span::Hour),
            _ => None,
        };
        let calls = calls.parse().ok();
        match (calls, span) {
            (Some(calls), Some(span)) => Ok(Rate { calls, span }),
            _ => {
                Err("a rate is a number of calls from 1 on, by second, minute or hour, such as 50/s, 600/m, 1000/h"
                    .into())
            }
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = match self.span {
            Span::Second => "s",
            Span::Minute => "m",
            Span::Hour => "h",
        };
        write!(f, "{}/{span}", self.calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_told() {
        for text in ["1/s", "50/s", "600/m", "4294967295/h"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!("7".parse::<Rate>().unwrap().to_string(), "7/s");
        for text in ["", "0/s", "-1/s", "1.5/s", "5/d", "5/", "/s", "4294967296/s", "5/s/s", " 5/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
