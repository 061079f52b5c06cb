//! Paths and query strings, decoded by hand so that any key or name works, `import` among them.

use std::str::FromStr;

use axum::http::Uri;
use percent_encoding::percent_decode_str;

use crate::http::problem::Problem;

/// The n-th part of the path, from 0, percent-decoded.
///
/// Errors: 400 when it is not UTF-8.
pub fn part(uri: &Uri, n: usize) -> Result<String, Problem> {
    let raw = uri.path().split('/').nth(n + 1).unwrap_or_default();
    match percent_decode_str(raw).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::malformed(format!("the path's part \"{raw}\" is not UTF-8"))),
    }
}

/// A value of the query string, whatever else stands in it.
pub fn query_value(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let (_, raw) = pairs.into_iter().find(|(known, _)| *known == name)?;
    percent_decode_str(raw).decode_utf8().ok().map(String::from)
}

/// The parameters of a query string.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query string; refuses a name that is not `known` or stands twice.
    ///
    /// Errors: 400 with the name.
    pub fn read(uri: &Uri, known: &[&str]) -> Result<Params, Problem> {
        Params::read_many(uri, known, &[])
    }

    /// As [`Params::read`]; some of the `known` may stand more than once.
    ///
    /// Errors: 400 with the name.
    pub fn read_many(uri: &Uri, known: &[&str], many: &[&str]) -> Result<Params, Problem> {
        let mut params: Vec<(String, String)> = Vec::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |raw: &str| {
                let spaced = raw.replace('+', " ");
                percent_decode_str(&spaced).decode_utf8().map(String::from)
            };
            let (Ok(name), Ok(value)) = (decode(name), decode(value)) else {
                return Err(Problem::malformed(format!("the query's \"{pair}\" is not UTF-8")));
            };
            if !known.contains(&name.as_str()) {
                let detail =
                    format!("the query parameter \"{name}\" is not known here; known are: {}", known.join(", "));
                return Err(Problem::malformed(detail));
            }
            if !many.contains(&name.as_str()) && params.iter().any(|(other, _)| *other == name) {
                return Err(Problem::malformed(format!("the query parameter \"{name}\" stands twice")));
            }
            params.push((name, value));
        }
        Ok(Params(params))
    }

    /// The value of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The values of a parameter that may stand more than once.
    pub fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter as a number or a boolean.
    ///
    /// Errors: 400 when it is not one.
    pub fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let kind = std::any::type_name::<T>();
        let wanted = match kind {
            "bool" => "true or false",
            "f64" => "a number",
            _ => "a whole number",
        };
        text.parse().map(Some).map_err(|_| Problem::malformed(format!("\"{name}\" must be {wanted}, not \"{text}\"")))
    }
}
