//! Tests of one property, of a contact or of an event, in SQL.

use throng::{
    model::value::ValueType,
    rule::ast::{Comparison, Moment, Operand, PropertyTest, Test, TextOp},
};

use crate::support::{almanac::number, sql_time::Sql};

/// A number is three parts of 12 digits each, the first one signed, so that sums of many stay whole numbers.
pub const PART: i128 = 1_000_000_000_000;

/// Where a value lies.
pub struct Cell {
    /// Its column; of a number the first of three, of a text the one as written.
    pub column: String,
    /// The table of a set's texts.
    pub set: String,
    /// The row that owns them.
    pub owner: String,
    /// What it is.
    pub ty: ValueType,
    /// Whether case counts.
    pub case_sensitive: bool,
}

/// A text as a literal.
pub fn quoted(text: &str) -> String {
    assert!(!text.contains('\0'), "SQLite's texts end at a zero");
    format!("'{}'", text.replace('\'', "''"))
}

/// A number's three parts.
pub fn parts(number: i128) -> [i128; 3] {
    let (rest, low) = (number.div_euclid(PART), number.rem_euclid(PART));
    [rest.div_euclid(PART), rest.rem_euclid(PART), low]
}

/// The three columns of a number.
pub fn triple(column: &str) -> String {
    format!("({column},{column}m,{column}l)")
}

/// The sign of a comparison.
pub fn sign(comparison: Comparison) -> &'static str {
    match comparison {
        Comparison::Eq => "=",
        Comparison::Ne => "<>",
        Comparison::Lt => "<",
        Comparison::Le => "<=",
        Comparison::Gt => ">",
        Comparison::Ge => ">=",
    }
}

impl Cell {
    /// The form of a text that is compared.
    fn comparable(&self, text: &str) -> String {
        format!("{}({})", if self.case_sensitive { "nfc" } else { "fold" }, quoted(text))
    }

    /// Whether the text, or some text of the set, passes a test, which is given the column.
    fn some(&self, test: impl Fn(&str) -> String) -> String {
        if self.ty == ValueType::Set {
            return format!("EXISTS(SELECT 1 FROM {} s WHERE s.owner={} AND {})", self.set, self.owner, test("s.x"));
        }
        test(&self.column)
    }
}

impl Sql<'_> {
    /// Whether a value, or its absence, passes a test.
    pub fn passes(&self, test: &PropertyTest, cell: &Cell) -> String {
        let negative = match &test.test {
            Test::IsSet => return format!("({} IS NOT NULL)", cell.column),
            Test::IsNotSet => return format!("({} IS NULL)", cell.column),
            Test::Compare(Comparison::Ne, _) => true,
            Test::In { negated, .. } | Test::Text { negated, .. } => *negated,
            _ => false,
        };
        let missing = u8::from(test.missing.unwrap_or(negative));
        let not = if negative { "NOT " } else { "" };
        let holds = self.holds(&test.test, cell);
        if cell.ty == ValueType::Set {
            return format!("(CASE WHEN {} IS NULL THEN {missing} ELSE {not}({holds}) END)", cell.column);
        }
        // What is compared with nothing is NULL.
        format!("COALESCE({not}({holds}),{missing})")
    }

    fn holds(&self, test: &Test, cell: &Cell) -> String {
        match test {
            Test::IsSet | Test::IsNotSet => unreachable!("answered before"),
            Test::Compare(Comparison::Ne, operand) => self.compares(Comparison::Eq, cell, operand),
            Test::Compare(comparison, operand) => self.compares(*comparison, cell, operand),
            Test::Between(from, to) => {
                let (from, to) = (self.compares(Comparison::Ge, cell, from), self.compares(Comparison::Le, cell, to));
                format!("{from} AND {to}")
            }
            Test::In { values, .. } => {
                let any: Vec<String> = values.iter().map(|value| self.compares(Comparison::Eq, cell, value)).collect();
                any.join(" OR ")
            }
            Test::HasAll(wanted) => {
                let all: Vec<String> = wanted.iter().map(|text| self.has(cell, text)).collect();
                all.join(" AND ")
            }
            Test::Text { op, pattern, .. } => cell.some(|column| text_test(cell, column, *op, pattern)),
            Test::On(day) => self.compares(Comparison::Eq, cell, &Operand::Date(*day)),
            Test::Before(moment) => self.compares(Comparison::Lt, cell, &operand(*moment)),
            Test::After(moment) => self.compares(Comparison::Gt, cell, &operand(*moment)),
            _ => self.holds_by_time(test, cell),
        }
    }

    fn holds_by_time(&self, test: &Test, cell: &Cell) -> String {
        let (now, is_day) = (self.now.0, cell.ty == ValueType::Date);
        let at = if is_day { self.start_of(&cell.column) } else { cell.column.clone() };
        match test {
            Test::Age(comparison, length) => {
                let then = self.moved(*length, -1);
                match comparison {
                    Comparison::Lt => format!("{at}>{then} AND {at}<={now}"),
                    Comparison::Le => format!("{at}>={then} AND {at}<={now}"),
                    Comparison::Gt => format!("{at}<{then}"),
                    Comparison::Ge => format!("{at}<={then}"),
                    Comparison::Eq | Comparison::Ne => unreachable!("no such age test"),
                }
            }
            Test::Within(length) => format!("{at} BETWEEN {} AND {now}", self.moved(*length, -1)),
            Test::Next(length) => format!("{at}>{now} AND {at}<={}", self.moved(*length, 1)),
            Test::Ahead(comparison, length) => {
                format!("{at}>{now} AND {at}{}{}", sign(*comparison), self.moved(*length, 1))
            }
            Test::InPeriod(period) => {
                let (from, to) = self.period(*period);
                if is_day {
                    return format!("{0}>={from} AND {0}<{to}", cell.column);
                }
                format!("{at}>={} AND {at}<{}", self.start_of(&from), self.start_of(&to))
            }
            Test::Anniversary(n) => {
                let day = if is_day { cell.column.clone() } else { self.day_of(&cell.column) };
                // Whether it exists is never NULL.
                format!("CASE WHEN {} IS NOT NULL THEN {} END", cell.column, self.anniversary(&day, *n))
            }
            other => unreachable!("{other:?} is not of time"),
        }
    }

    /// Whether a text, or a set, has a text as it is compared.
    pub fn has(&self, cell: &Cell, text: &str) -> String {
        let wanted = cell.comparable(text);
        cell.some(|column| format!("{column}f={wanted}"))
    }

    /// Whether a value stands in a relation to an operand; NULL when there is none.
    pub fn compares(&self, comparison: Comparison, cell: &Cell, operand: &Operand) -> String {
        let (x, op) = (&cell.column, sign(comparison));
        match operand {
            Operand::Text(wanted) => self.has(cell, wanted),
            Operand::Flag(wanted) => format!("({x}={})", u8::from(*wanted)),
            Operand::Number(wanted) => {
                let [high, middle, low] = parts(wanted.0);
                format!("({}{op}({high},{middle},{low}))", triple(x))
            }
            Operand::Money(minor, _) => format!("({x}{op}{minor})"),
            Operand::Instant(at) => format!("({x}{op}{})", at.0),
            Operand::Date(day) if cell.ty == ValueType::Date => format!("({x}{op}{})", number(*day)),
            Operand::Date(day) => {
                let (start, end) = self.whole(*day);
                match comparison {
                    Comparison::Eq => format!("({x}>={start} AND {x}<{end})"),
                    Comparison::Ne => format!("({x}<{start} OR {x}>={end})"),
                    Comparison::Lt => format!("({x}<{start})"),
                    Comparison::Le => format!("({x}<{end})"),
                    Comparison::Gt => format!("({x}>={end})"),
                    Comparison::Ge => format!("({x}>={start})"),
                }
            }
        }
    }

    /// Whether the part of an address after its last `@` is one of some domains.
    pub fn has_domain(&self, cell: &Cell, domains: &[Box<str>]) -> String {
        let x = &cell.column;
        // What is left when everything but `@` is trimmed off the end is all up to the last one.
        let local = format!("rtrim({x},replace({x},'@',''))");
        let wanted: Vec<String> = domains.iter().map(|domain| format!("fold({})", quoted(domain))).collect();
        let domain = format!("fold(substr({x},length({local})+1))");
        format!("COALESCE(instr({x},'@')>0 AND {domain} IN ({}),0)", wanted.join(","))
    }
}

fn text_test(cell: &Cell, column: &str, op: TextOp, pattern: &str) -> String {
    let (text, wanted) = (format!("{column}f"), cell.comparable(pattern));
    match op {
        TextOp::Contains => format!("instr({text},{wanted})>0"),
        TextOp::StartsWith => format!("substr({text},1,length({wanted}))={wanted}"),
        TextOp::EndsWith => {
            format!("(length({text})>=length({wanted}) AND substr({text},-length({wanted}))={wanted})")
        }
        TextOp::Glob => format!("{text} GLOB {}", glob(cell, pattern)),
        TextOp::Regex => format!("{column} REGEXP {}", quoted(pattern)),
    }
}

/// A glob of `*`, `?` and `\` escapes as SQLite's, which escapes by sets of one.
fn glob(cell: &Cell, pattern: &str) -> String {
    let mut out: Vec<String> = vec![];
    let mut plain = String::new();
    let mut chars = pattern.chars();
    let flush = |plain: &mut String, out: &mut Vec<String>| {
        if !plain.is_empty() {
            // Literal text is compared as any text is; then what SQLite would read as a sign is escaped.
            out.push(format!("replace({},'[','[[]')", cell.comparable(plain)));
            plain.clear();
        }
    };
    while let Some(c) = chars.next() {
        let sign = match c {
            '*' | '?' => c.to_string(),
            '\\' => match chars.next() {
                Some(escaped @ ('*' | '?')) => format!("[{escaped}]"),
                Some(escaped) => {
                    plain.push(escaped);
                    continue;
                }
                None => {
                    plain.push('\\');
                    continue;
                }
            },
            other => {
                plain.push(other);
                continue;
            }
        };
        flush(&mut plain, &mut out);
        out.push(quoted(&sign));
    }
    flush(&mut plain, &mut out);
    if out.is_empty() { "''".into() } else { out.join("||") }
}

fn operand(moment: Moment) -> Operand {
    match moment {
        Moment::Date(day) => Operand::Date(day),
        Moment::Instant(at) => Operand::Instant(at),
    }
}
