//! The query as it is sent: as it was given, or only from a mark on, in the order of a column.

use crate::cli::from_postgres::columns::{Column, Shape, quoted};

/// How much of a time is read again unless it is said otherwise: transactions that took longer are rare. Units: seconds.
const OVERLAP_SECONDS: u64 = 300;

/// What a query is put into when only some of its rows are wanted.
const ALIAS: &str = "rows_of_the_query";

/// A column that marks how far an import came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Marker {
    /// As the query calls it.
    pub(super) column: String,
    kind: Kind,
    /// How much is read again: seconds of a time, days of a date, or a number.
    overlap: u64,
}

/// The kinds of columns that can mark it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Instant,
    Wall,
    Day,
    Whole(u8),
    Numeric,
}

/// Where a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Everything is read.
    First,
    /// What the last run kept; a little before it is read again.
    Kept(String),
    /// A value that was named.
    Named(String),
}

/// SQL to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// The whole text.
    pub(super) text: String,
    /// The characters in it before the query as it was given.
    pub(super) before: usize,
    /// Its one parameter, if it has one.
    pub(super) mark: Option<String>,
}

impl Query {
    /// The query as it was given.
    pub(super) fn plain(sql: &str) -> Query {
        Query { text: sql.to_owned(), before: 0, mark: None }
    }
}

impl Marker {
    /// The column of that name, and how much before a mark is read again.
    ///
    /// Errors: a column that is not there, is of a type without an order in time, or another kind of length.
    pub(super) fn find(columns: &[Column], name: &str, overlap: Option<&str>) -> Result<Marker, String> {
        let exact = columns.iter().find(|column| column.spelling == name);
        let column = exact.or_else(|| columns.iter().find(|column| column.spelling.eq_ignore_ascii_case(name)));
        let Some(column) = column else {
            let names = columns.iter().map(|column| column.spelling.as_str()).collect::<Vec<_>>().join(", ");
            return Err(format!("the query has no column \"{name}\" to mark it by, it has {names}"));
        };
        let kind = match column.shape {
            Shape::Instant => Kind::Instant,
            Shape::Wall => Kind::Wall,
            Shape::Day => Kind::Day,
            Shape::Whole(bytes) => Kind::Whole(bytes),
            Shape::Numeric => Kind::Numeric,
            _ => {
                let ty = column.ty.name();
                return Err(format!("--watermark wants a time, a date or a number; \"{name}\" is of the type {ty}"));
            }
        };
        Ok(Marker { column: column.spelling.clone(), kind, overlap: kind.overlap(overlap)? })
    }

    /// The type of the column, as SQL calls it.
    pub(super) fn ty(&self) -> &'static str {
        match self.kind {
            Kind::Instant => "timestamptz",
            Kind::Wall => "timestamp",
            Kind::Day => "date",
            Kind::Whole(2) => "int2",
            Kind::Whole(4) => "int4",
            Kind::Whole(_) => "int8",
            Kind::Numeric => "numeric",
        }
    }

    /// The query from a start on, in order; its last column is the mark of a row as a text that no setting changes.
    ///
    /// Rows without a value come last and every time: what they will be is not known. A time that lies ahead marks the
    /// present, or all rows until then would be missed; where a time or date is without a zone that is the present of
    /// `zone`, in which such values are read.
    pub(super) fn query(&self, sql: &str, start: &Start, zone: &str) -> Query {
        let column = format!("{ALIAS}.{}", quoted(&self.column));
        let head = format!("SELECT {ALIAS}.*, {} FROM (\n", self.printed(&column, zone));
        let (bound, mark) = match start {
            Start::First => (None, None),
            Start::Kept(mark) => (Some(self.bound(self.overlap)), Some(mark.clone())),
            Start::Named(mark) => (Some(self.bound(0)), Some(mark.clone())),
        };
        let only = bound.map_or(String::new(), |bound| format!(" WHERE ({column} >= {bound} OR {column} IS NULL)"));
        let text = format!("{head}{sql}\n) AS {ALIAS}{only} ORDER BY {column}");
        Query { text, before: head.chars().count(), mark }
    }

    /// Whether a mark of a row is one: a NUMERIC may be none.
    pub(super) fn is_mark(&self, mark: &str) -> bool {
        !mark.is_empty() && (self.kind != Kind::Numeric || !mark.contains(|c: char| c.is_ascii_alphabetic()))
    }

    fn printed(&self, column: &str, zone: &str) -> String {
        let at_most = |now: &str| format!("CASE WHEN {column} > {now} THEN {now} ELSE {column} END");
        let here = format!("pg_catalog.timezone('{zone}', pg_catalog.now())");
        // What lies before all time has no such text; it is a value nevertheless, and comes once.
        let text = |at: &str, form: &str| {
            format!("COALESCE(pg_catalog.to_char({at}, '{form}'), CASE WHEN {column} IS NOT NULL THEN '' END)")
        };
        match self.kind {
            Kind::Instant => {
                let instant = at_most("pg_catalog.now()");
                text(&format!("pg_catalog.timezone('UTC', {instant})"), "YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"")
            }
            Kind::Wall => text(&at_most(&here), "YYYY-MM-DD\"T\"HH24:MI:SS.US"),
            Kind::Day => text(&at_most(&format!("CAST({here} AS date)")), "YYYY-MM-DD"),
            Kind::Whole(_) | Kind::Numeric => format!("CAST({column} AS text)"),
        }
    }

    /// The least value that is read. Whole numbers are compared as the widest, so that none is too small to take from.
    fn bound(&self, overlap: u64) -> String {
        let ty = if matches!(self.kind, Kind::Whole(_)) { "int8" } else { self.ty() };
        let mark = format!("CAST(CAST($1 AS text) AS {ty})");
        match (self.kind, overlap) {
            (_, 0) => mark,
            (Kind::Instant | Kind::Wall, seconds) => format!("{mark} - interval '{seconds} seconds'"),
            (Kind::Day | Kind::Whole(_) | Kind::Numeric, less) => format!("{mark} - {less}"),
        }
    }
}

impl Kind {
    fn overlap(self, told: Option<&str>) -> Result<u64, String> {
        let Some(text) = told else {
            return Ok(if matches!(self, Kind::Instant | Kind::Wall) { OVERLAP_SECONDS } else { 0 });
        };
        let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let number = digits.parse::<u32>().map(u64::from).ok();
        let seconds = match unit {
            "s" => Some(1),
            "m" => Some(60),
            "h" => Some(3_600),
            "d" => Some(86_400),
            _ => None,
        };
        let found = match (self, number, seconds) {
            (_, Some(0), _) if unit.is_empty() => Some(0),
            (Kind::Instant | Kind::Wall, Some(number), Some(seconds)) => Some(number * seconds),
            (Kind::Day, Some(number), Some(86_400)) => Some(number),
            (Kind::Whole(_) | Kind::Numeric, Some(number), None) if unit.is_empty() => Some(number),
            _ => None,
        };
        found.ok_or_else(|| {
            let wants = match self {
                Kind::Instant | Kind::Wall => "a length such as 90s, 5m, 2h or 1d, as the column is a time",
                Kind::Day => "days such as 1d, as the column is a date",
                Kind::Whole(_) | Kind::Numeric => "a plain number, as the column is one",
            };
            format!("--overlap wants {wants}, not \"{text}\"")
        })
    }
}

#[cfg(test)]
mod tests {
    use postgres::types::Type;

    use super::*;
    use crate::cli::from_postgres::columns::Role;

    fn column(spelling: &str, shape: Shape, ty: Type) -> Column {
        Column { name: spelling.into(), spelling: spelling.into(), role: Role::Property, shape, ty }
    }

    fn all() -> Vec<Column> {
        vec![
            column("updated_at", Shape::Instant, Type::TIMESTAMPTZ),
            column("Changed \"on\"", Shape::Day, Type::DATE),
            column("version", Shape::Whole(4), Type::INT4),
            column("name", Shape::Text, Type::TEXT),
        ]
    }

    #[test]
    fn a_query_is_wrapped_so_that_nothing_in_it_counts() {
        let marker = Marker::find(&all(), "changed \"ON\"", Some("2d")).unwrap();
        let query = marker.query("SELECT 1 -- of all", &Start::Kept("2026-05-01".into()), "Europe/Berlin");
        let column = "rows_of_the_query.\"Changed \"\"on\"\"\"";
        let end = format!(
            "FROM (\nSELECT 1 -- of all\n) AS rows_of_the_query \
             WHERE ({column} >= CAST(CAST($1 AS text) AS date) - 2 OR {column} IS NULL) ORDER BY {column}"
        );
        assert!(query.text.ends_with(&end), "{}", query.text);
        assert_eq!(query.text.chars().skip(query.before).take(8).collect::<String>(), "SELECT 1");
        assert_eq!(query.mark.as_deref(), Some("2026-05-01"));
        assert!(query.text.contains("CAST(pg_catalog.timezone('Europe/Berlin', pg_catalog.now()) AS date)"));
        let first = marker.query("SELECT 1", &Start::First, "UTC");
        assert!(first.mark.is_none() && !first.text.contains("$1") && first.text.contains("ORDER BY"));
    }

    #[test]
    fn what_is_read_again_is_told_in_the_units_of_the_column() {
        let bound = |name: &str, overlap: Option<&str>, start: Start| {
            Marker::find(&all(), name, overlap).map(|marker| marker.query("SELECT 1", &start, "UTC").text)
        };
        let kept = || Start::Kept("1".into());
        assert!(bound("updated_at", None, kept()).unwrap().contains("AS timestamptz) - interval '300 seconds'"));
        assert!(bound("updated_at", Some("2h"), kept()).unwrap().contains("interval '7200 seconds'"));
        assert!(!bound("updated_at", Some("0"), kept()).unwrap().contains("interval"));
        assert!(!bound("updated_at", None, Start::Named("1".into())).unwrap().contains("interval"));
        assert!(bound("version", Some("1000"), kept()).unwrap().contains("AS int8) - 1000"));
        for (name, overlap) in [("version", "5m"), ("updated_at", "5"), ("updated_at", "-5m"), ("updated_at", "m")] {
            assert!(bound(name, Some(overlap), kept()).unwrap_err().contains("--overlap wants"), "{name} {overlap}");
        }
        assert!(bound("Changed \"on\"", Some("5m"), kept()).unwrap_err().contains("days"));
        assert!(bound("name", None, kept()).unwrap_err().contains("of the type text"));
        assert!(bound("nothing", None, kept()).unwrap_err().contains("it has updated_at"));
    }
}
