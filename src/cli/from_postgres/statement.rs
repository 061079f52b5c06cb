//! Where the one statement of a query ends: what stands behind its last semicolon must not be put into another query.

/// The statement without a semicolon at its end and what is said behind it. Whether it is one, and any good, is for
/// PostgreSQL to say.
///
/// Quotes, comments and dollars are read as with `standard_conforming_strings`, which is on since 9.1.
pub(super) fn bare(sql: &str) -> &str {
    let mut reader = Reader { sql, at: 0 };
    let mut end = None;
    while let Some(passed) = reader.pass() {
        match passed {
            // Perhaps the last one: it is, if nothing comes behind it.
            Passed::Semicolon => end = end.or(Some(reader.at - 1)),
            Passed::Nothing => {}
            Passed::Something => end = None,
        }
    }
    sql[..end.unwrap_or(sql.len())].trim()
}

/// What was read.
enum Passed {
    Semicolon,
    /// A blank or a comment.
    Nothing,
    Something,
}

struct Reader<'a> {
    sql: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.sql[self.at..]
    }

    /// Moves past a text, or to the end where it does not come.
    fn past(&mut self, text: &str) {
        self.at = self.rest().find(text).map_or(self.sql.len(), |found| self.at + found + text.len());
    }

    /// Passes one part; `None` at the end.
    fn pass(&mut self) -> Option<Passed> {
        let first = self.rest().chars().next()?;
        // A part of a word begins nothing.
        let is_apart = |c: char| !(c.is_alphanumeric() || c == '_' || c == '$');
        let before = self.sql[..self.at].chars().next_back();
        if self.rest().starts_with("--") {
            self.past("\n");
            return Some(Passed::Nothing);
        }
        if self.rest().starts_with("/*") {
            self.comment();
            return Some(Passed::Nothing);
        }
        self.at += first.len_utf8();
        Some(match first {
            ';' => Passed::Semicolon,
            c if c.is_whitespace() => Passed::Nothing,
            '\'' => {
                let escapes = matches!(before, Some('e' | 'E'))
                    && self.sql[..self.at - 2].chars().next_back().is_none_or(is_apart);
                self.text(escapes);
                Passed::Something
            }
            '"' => {
                self.past("\"");
                Passed::Something
            }
            '$' if before.is_none_or(is_apart) => {
                self.dollars();
                Passed::Something
            }
            _ => Passed::Something,
        })
    }

    /// A comment, with those inside of it.
    fn comment(&mut self) {
        let mut depth = 0;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
            } else {
                let Some(c) = rest.chars().next() else { return };
                self.at += c.len_utf8();
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// A text behind its first quote. A doubled quote ends one and begins the next.
    fn text(&mut self, escapes: bool) {
        while let Some(c) = self.rest().chars().next() {
            self.at += c.len_utf8();
            if c == '\'' {
                return;
            }
            if c == '\\' && escapes {
                self.at += self.rest().chars().next().map_or(0, char::len_utf8);
            }
        }
    }

    /// A text in dollars, `$$ … $$` or `$tag$ … $tag$`, behind the first one; a parameter such as `$1` is none.
    fn dollars(&mut self) {
        let tag: String = self.rest().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let is_tag = !tag.starts_with(|c: char| c.is_ascii_digit()) && self.rest()[tag.len()..].starts_with('$');
        if is_tag {
            self.at += tag.len() + 1;
            self.past(&format!("${tag}$"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_last_semicolon_is_left_out() {
        for (sql, is) in [
            ("SELECT 1", "SELECT 1"),
            ("\n SELECT 1 ;\n; ", "SELECT 1"),
            ("SELECT 1; -- note", "SELECT 1"),
            ("SELECT 1; /* a; /* b */ c */ ; -- d\n", "SELECT 1"),
            ("SELECT 1 -- all; of it\n", "SELECT 1 -- all; of it"),
            ("SELECT 1 /* ; */", "SELECT 1 /* ; */"),
            ("SELECT ';' AS a, \";\" FROM t;", "SELECT ';' AS a, \";\" FROM t"),
            ("SELECT 'it''s; -- x'; -- y", "SELECT 'it''s; -- x'"),
            ("SELECT E'\\'; --'; -- y", "SELECT E'\\'; --'"),
            ("SELECT type'\\'; -- y", "SELECT type'\\'"),
            ("SELECT $$a;$$, $t$ $$; $t$; --", "SELECT $$a;$$, $t$ $$; $t$"),
            ("SELECT a$b$, $1; -- $", "SELECT a$b$, $1"),
            ("SELECT ü; -- ü", "SELECT ü"),
            // Two statements, and what never ends, are refused by PostgreSQL, as they are.
            ("SELECT 1; SELECT 2; --", "SELECT 1; SELECT 2"),
            ("SELECT 'a; -- b", "SELECT 'a; -- b"),
            ("SELECT 1; /* a", "SELECT 1"),
            (" ; -- nothing", ""),
            ("-- nothing", "-- nothing"),
        ] {
            assert_eq!(bare(sql), is, "{sql}");
        }
    }
}
