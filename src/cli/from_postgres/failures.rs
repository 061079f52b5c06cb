//! What PostgreSQL says when it refuses, with the place in the query, and who must act.

use postgres::error::{DbError, ErrorPosition, SqlState};

use crate::cli::{
    failure::Failure,
    from_postgres::{address::chain, query::Query},
};

/// How passwords are given, for who gave none or a wrong one.
const PASSWORDS: &str = "the password comes from the address, PGPASSWORD, PGPASSFILE or ~/.pgpass";

/// Why there is no connection to a database.
pub(super) fn unreachable(shown: &str, error: &postgres::Error) -> Failure {
    let Some(refused) = error.as_db_error() else {
        let why = chain(error);
        let help = if why.contains("password missing") { format!("; {PASSWORDS}") } else { String::new() };
        return Failure::operator(format!("{shown} cannot be reached: {why}{help}"));
    };
    let is_password = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    let help = if is_password.contains(refused.code()) { format!("\n  {PASSWORDS}") } else { String::new() };
    Failure::operator(format!("{shown} refuses the connection: {}{help}", sentence(refused)))
}

/// Why a query did not give its rows.
pub(super) fn refused(shown: &str, error: &postgres::Error, query: &Query) -> Failure {
    let Some(refused) = error.as_db_error() else {
        return Failure::operator(format!("the connection to {shown} broke off: {}", chain(error)));
    };
    let mut message = format!("PostgreSQL says: {}", sentence(refused));
    if let Some(ErrorPosition::Original(at)) = refused.position() {
        let at = (*at as usize).saturating_sub(query.before);
        if let Some(line) = pointed(query, at) {
            message = format!("{message}\n{line}");
        }
    }
    // What the server ends, or what it has no room for, is nothing that the query could mend.
    // Nor is what another transaction stands in the way of: a standby cancels long readers so.
    let classes = ["08", "25P", "40", "53", "55", "57", "58", "XX"];
    let is_operators = classes.iter().any(|class| refused.code().code().starts_with(class));
    if is_operators { Failure::operator(message) } else { Failure::caller(message) }
}

fn sentence(error: &DbError) -> String {
    let mut told = format!("{} (SQLSTATE {})", error.message(), error.code().code());
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        told = format!("{told}\n  {more}");
    }
    told
}

/// The line of the query with a caret under a place; places count characters from 1.
fn pointed(query: &Query, at: usize) -> Option<String> {
    let sql: Vec<char> = query.text.chars().skip(query.before).collect();
    let at = at.checked_sub(1).filter(|at| *at < sql.len())?;
    let start = sql[..at].iter().rposition(|c| *c == '\n').map_or(0, |end| end + 1);
    let end = sql[at..].iter().position(|c| *c == '\n').map_or(sql.len(), |end| at + end);
    let number = sql[..at].iter().filter(|c| **c == '\n').count() + 1;
    let line: String = sql[start..end].iter().map(|c| if c.is_control() { ' ' } else { *c }).collect();
    let head = format!("  line {number}: ");
    Some(format!("{head}{line}\n{}^", " ".repeat(head.chars().count() + at - start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_place() {
        let query = Query { text: "SELECT (\nSELECT a,\n\t ü b\n)".into(), before: 9, mark: None };
        assert_eq!(pointed(&query, 8).unwrap(), "  line 1: SELECT a,\n                 ^");
        assert_eq!(pointed(&query, 15).unwrap(), "  line 2:   ü b\n              ^");
        assert!(pointed(&query, 0).is_none() && pointed(&query, 99).is_none());
    }
}
