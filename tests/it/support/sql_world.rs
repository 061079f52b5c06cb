//! A naive database's facts as tables of SQLite in memory, and rules asked of them.
//!
//! `contacts` has a row each, `e<kind>` the events of a kind, `s<property>` and `e<kind>s<place>` the texts of sets,
//! `members` those of segments. Numbers take three columns, texts two: as written and as compared.

use rusqlite::{Connection, functions::FunctionFlags, params_from_iter, types::Value as Cell};
use throng::model::{
    schema::{Derived, EventKind, Function, Property, Source, Writer},
    time::Timestamp,
    value::{Value, ValueType},
};

use crate::support::{
    naive::{Contact, Members, Naive},
    spelling,
    sql_rule::{cell_of, distinct, event_cell, extreme, number_columns},
    sql_test::parts,
    sql_time::Sql,
};

/// The tables of a world.
pub struct Tables {
    connection: Connection,
}

/// Fills tables with the facts of a naive database, and works out derived properties and members there.
pub fn fill(naive: &Naive) -> Tables {
    let tables = Tables { connection: Connection::open_in_memory().expect("SQLite opens in memory") };
    tables.functions(naive);
    tables.create(naive);
    for (place, contact) in naive.contacts.iter().enumerate() {
        tables.contact(naive, place, contact);
    }
    let sql = Sql { naive, now: naive.as_of };
    for property in naive.schema.properties() {
        if let Some(derived) = &property.derived {
            tables.derive(&sql, property, derived);
        }
    }
    tables.members(&sql);
    tables
}

impl Tables {
    /// The places of the contacts that a rule's expression holds.
    pub fn ask(&self, expression: &str) -> Vec<u32> {
        let query = format!("SELECT c.id FROM contacts c WHERE {expression} ORDER BY c.id");
        let mut statement =
            self.connection.prepare(&query).unwrap_or_else(|error| panic!("SQLite says {error} to\n{query}"));
        let rows = statement.query_map([], |row| row.get(0)).expect("the query starts");
        rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("SQLite says {error} at\n{query}"))
    }

    /// The rows of a query, numbers and texts as texts.
    pub fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let mut statement =
            self.connection.prepare(query).unwrap_or_else(|error| panic!("SQLite says {error} to\n{query}"));
        let width = statement.column_count();
        let cell = |cell: Cell| match cell {
            Cell::Integer(number) => number.to_string(),
            Cell::Real(number) => number.to_string(),
            Cell::Text(text) => text,
            Cell::Null => String::new(),
            other => panic!("no figure is {other:?}"),
        };
        let row = |row: &rusqlite::Row<'_>| (0..width).map(|at| Ok(cell(row.get(at)?))).collect();
        let rows = statement.query_map([], row).expect("the query starts");
        rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("SQLite says {error} at\n{query}"))
    }

    /// Runs statements.
    pub fn run(&self, statement: &str) {
        self.connection.execute_batch(statement).unwrap_or_else(|error| panic!("SQLite says {error} to\n{statement}"));
    }

    fn insert(&self, table: &str, values: Vec<Cell>) {
        let places = vec!["?"; values.len()].join(",");
        let mut statement =
            self.connection.prepare_cached(&format!("INSERT INTO {table} VALUES({places})")).expect("a known table");
        statement.execute(params_from_iter(values)).expect("the row fits");
    }

    /// What SQL has no equal of: comparison without case, regular expressions, a hash, the days of a zone.
    fn functions(&self, naive: &Naive) {
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
        let text = |name: &str, sensitive: bool| {
            self.connection.create_scalar_function(name, 1, flags, move |context| {
                let text: Option<String> = context.get(0)?;
                Ok(text.map(|text| spelling::comparable(&text, sensitive)))
            })
        };
        text("fold", false).and(text("nfc", true)).expect("the functions are taken");
        let almanac = naive.almanac.clone();
        let starts = self.connection.create_scalar_function("day_start", 1, flags, move |context| {
            let day: Option<i64> = context.get(0)?;
            Ok(day.map(|day| almanac.start_of(day).min(1 << 60) as i64))
        });
        let almanac = naive.almanac.clone();
        let days = self.connection.create_scalar_function("day_of", 1, flags, move |context| {
            let at: Option<i64> = context.get(0)?;
            Ok(at.map(|at| almanac.day_of(at.into())))
        });
        let found = self.connection.create_scalar_function("regexp", 2, flags, |context| {
            let (pattern, text): (String, Option<String>) = (context.get(0)?, context.get(1)?);
            Ok(text.map(|text| spelling::passes(&text, throng::rule::ast::TextOp::Regex, &pattern, true)))
        });
        let dealt = self.connection.create_scalar_function("bucket", 3, flags, |context| {
            let (key, name, of): (String, String, u32) = (context.get(0)?, context.get(1)?, context.get(2)?);
            Ok(spelling::bucket(&key, &name, of))
        });
        starts.and(days).and(found).and(dealt).expect("the functions are taken");
    }

    fn create(&self, naive: &Naive) {
        let mut statement = String::from("BEGIN; CREATE TABLE contacts(id INTEGER PRIMARY KEY, key TEXT NOT NULL");
        let mut sets = String::new();
        let set = |name: String| {
            format!("CREATE TABLE {name}(owner INT, x TEXT, xf TEXT); CREATE INDEX {name}i ON {name}(owner); ")
        };
        for property in naive.schema.properties() {
            let n = property.id.index();
            statement += &declared(&format!("p{n}"), property.ty);
            if property.ty == ValueType::Set {
                sets += &set(format!("s{n}"));
            }
        }
        statement += "); CREATE TABLE members(segment INT, contact INT, PRIMARY KEY(segment, contact)); ";
        for kind in naive.schema.events() {
            let k = kind.id.index();
            statement += &format!("CREATE TABLE e{k}(id INTEGER PRIMARY KEY, contact INT, at INT");
            for (place, property) in kind.properties.iter().enumerate() {
                statement += &declared(&format!("q{place}"), property.ty);
                if property.ty == ValueType::Set {
                    sets += &set(format!("e{k}s{place}"));
                }
            }
            statement += &format!("); CREATE INDEX e{k}i ON e{k}(contact, at, id); ");
        }
        statement += "CREATE TABLE ahead(n INTEGER PRIMARY KEY); WITH RECURSIVE days(n) AS (SELECT 0 UNION ALL \
                      SELECT n+1 FROM days WHERE n<800) INSERT INTO ahead SELECT n FROM days; ";
        self.run(&(statement + &sets + "COMMIT"));
    }

    fn contact(&self, naive: &Naive, place: usize, contact: &Contact) {
        let id = place as i64;
        let mut row = vec![Cell::Integer(id), Cell::Text(contact.key.clone())];
        for property in naive.schema.properties() {
            let value = contact.written.get(property.name.as_str());
            cells(&mut row, value, property.ty, property.case_sensitive);
            self.texts(&format!("s{}", property.id.index()), id, value, property.case_sensitive);
        }
        self.insert("contacts", row);
        for event in &contact.events {
            let kind = naive.schema.event(&event.kind).expect("a declared kind");
            let (k, id) = (kind.id.index(), event.arrival as i64);
            let mut row = vec![Cell::Integer(id), Cell::Integer(place as i64), Cell::Integer(event.at.0)];
            for (place, property) in kind.properties.iter().enumerate() {
                let value = event.values.get(property.name.as_str());
                cells(&mut row, value, property.ty, property.case_sensitive);
                self.texts(&format!("e{k}s{place}"), id, value, property.case_sensitive);
            }
            self.insert(&format!("e{k}"), row);
        }
    }

    fn texts(&self, table: &str, owner: i64, value: Option<&Value>, sensitive: bool) {
        if let Some(Value::Set(texts)) = value {
            for text in texts {
                let compared = Cell::Text(spelling::comparable(text, sensitive));
                self.insert(table, vec![Cell::Integer(owner), Cell::Text(text.to_string()), compared]);
            }
        }
    }

    /// Puts a derived property's value in the place of what was written.
    fn derive(&self, sql: &Sql<'_>, property: &Property, derived: &Derived) {
        let cell = cell_of(property);
        let column = cell.column.trim_start_matches("c.").to_owned();
        let written = &cell.column;
        let computed = match &derived.source {
            Source::Latest { event } => newest(sql, event.as_ref().map(|name| name.as_str())),
            Source::OpenClose { open, close } => open_state(sql, open.as_str(), close.as_str()),
            Source::Aggregate { function: Function::Avg, .. } => return self.as_the_naive_says(sql.naive, property),
            Source::Aggregate { function, event, of } => {
                let kind = sql.schema().event(event.as_str()).expect("a declared kind");
                let events = passed(sql, kind);
                let of = of.as_ref().map(|of| event_cell(kind, of.as_str(), "e"));
                let query = match (function, &of) {
                    (Function::Count, None) => format!("SELECT nullif(count(*),0) AS x {events}"),
                    (Function::Count, Some(of)) => format!("SELECT nullif(count({}),0) AS x {events}", of.column),
                    (Function::Distinct, Some(of)) => {
                        format!("SELECT nullif(x,0) AS x FROM ({})", distinct(of, &events))
                    }
                    (Function::Sum, Some(of)) => format!("SELECT sum({}) AS x {events}", of.column),
                    (Function::Min | Function::Max, Some(of)) => extreme(of, &events, *function == Function::Min),
                    (function, of) => panic!("no {function:?} of {:?}", of.as_ref().map(|of| &of.column)),
                };
                if property.ty == ValueType::Number {
                    assert_eq!(derived.writer, Writer::Refuse, "derived numbers of these worlds are not written");
                    let parts = match function {
                        // A whole number in units of the last digit.
                        Function::Count | Function::Distinct => "x/1000000,x%1000000*1000000,x*0".to_owned(),
                        _ => number_columns("x"),
                    };
                    let columns = number_columns(&column);
                    return self.run(&format!("UPDATE contacts AS c SET ({columns})=(SELECT {parts} FROM ({query}))"));
                }
                query
            }
        };
        let computed = format!("({computed})");
        let value = match derived.writer {
            Writer::Refuse => computed,
            Writer::UntilNext => format!("COALESCE({written},{computed})"),
            Writer::Add => format!("COALESCE({written}+{computed},{written},{computed})"),
            Writer::Max => format!("COALESCE(max({written},{computed}),{written},{computed})"),
        };
        self.run(&format!("UPDATE contacts AS c SET {column}={value}"));
    }

    /// A mean that is rounded to 18 digits, half to even, is beyond whole numbers of 64 bits.
    fn as_the_naive_says(&self, naive: &Naive, property: &Property) {
        assert_eq!(property.ty, ValueType::Number, "means of these worlds are numbers");
        let column = format!("p{}", property.id.index());
        for (place, contact) in naive.contacts.iter().enumerate() {
            let Some(Value::Number(number)) = naive.value(contact, property.name.as_str()) else { continue };
            let [high, middle, low] = parts(number.0);
            let columns = number_columns(&column);
            self.run(&format!("UPDATE contacts SET ({columns})=({high},{middle},{low}) WHERE id={place}"));
        }
    }

    /// Those of each segment, in order: a segment may name the ones before it.
    fn members(&self, sql: &Sql<'_>) {
        for (place, saved) in sql.naive.segments.iter().enumerate() {
            let listed = |name: &str, keys: &std::collections::BTreeSet<String>| {
                self.run(&format!("CREATE TEMP TABLE {name}(key TEXT PRIMARY KEY)"));
                for key in keys {
                    self.insert(name, vec![Cell::Text(key.clone())]);
                }
            };
            listed("pinned_in", &saved.include);
            listed("pinned_out", &saved.exclude);
            let held = match &saved.members {
                Members::Rule(rule) => sql.rule(rule),
                Members::List(keys) => {
                    listed("list", keys);
                    "c.key IN (SELECT key FROM list)".to_owned()
                }
            };
            self.run(&format!(
                "INSERT INTO members SELECT {place}, c.id FROM contacts c WHERE ({held} OR c.key IN (SELECT key FROM \
                 pinned_in)) AND c.key NOT IN (SELECT key FROM pinned_out)"
            ));
            self.connection.flush_prepared_statement_cache();
            self.run("DROP TABLE pinned_in; DROP TABLE pinned_out; DROP TABLE IF EXISTS list");
        }
    }
}

/// The events of a kind that have come to pass by the world's clock.
fn passed(sql: &Sql<'_>, kind: &EventKind) -> String {
    format!("FROM e{} e WHERE e.contact=c.id AND e.at<={}", kind.id.index(), sql.naive.as_of.0)
}

/// The instant of the newest event of a kind, or of those that count as activity.
fn newest(sql: &Sql<'_>, kind: Option<&str>) -> String {
    let kinds = sql.schema().events().filter(|known| match kind {
        Some(kind) => known.name.as_str() == kind,
        None => known.activity,
    });
    let each: Vec<String> = kinds.map(|kind| format!("SELECT e.at AS at {}", passed(sql, kind))).collect();
    format!("SELECT max(at) FROM ({})", each.join(" UNION ALL "))
}

/// Whether more of the one kind than of the other have come to pass; nothing when there are none of either.
fn open_state(sql: &Sql<'_>, open: &str, close: &str) -> String {
    let count = |name: &str| {
        let kind = sql.schema().event(name).expect("a declared kind");
        format!("(SELECT count(*) {})", passed(sql, kind))
    };
    let (open, close) = (count(open), count(close));
    format!("SELECT CASE WHEN {open}+{close}>0 THEN {open}>{close} END")
}

/// The columns of a value.
fn declared(name: &str, ty: ValueType) -> String {
    match ty {
        ValueType::Number => format!(", {name} INT, {name}m INT, {name}l INT"),
        ty if ty.is_text() => format!(", {name} TEXT, {name}f TEXT"),
        _ => format!(", {name} INT"),
    }
}

/// Appends a value's columns.
fn cells(row: &mut Vec<Cell>, value: Option<&Value>, ty: ValueType, sensitive: bool) {
    match value {
        None => {
            let many = if ty == ValueType::Number { 3 } else { 1 + usize::from(ty.is_text()) };
            row.extend(vec![Cell::Null; many]);
        }
        Some(Value::Text(text)) => {
            row.extend([Cell::Text(text.to_string()), Cell::Text(spelling::comparable(text, sensitive))]);
        }
        Some(Value::Number(number)) => row.extend(parts(number.0).map(|part| Cell::Integer(part as i64))),
        Some(Value::Flag(flag)) => row.push(Cell::Integer((*flag).into())),
        Some(Value::Money(minor)) => row.push(Cell::Integer(*minor)),
        Some(Value::Time(Timestamp(at))) => row.push(Cell::Integer(*at)),
        Some(Value::Day(day)) => row.push(Cell::Integer(day.0.into())),
        // The texts lie in a table of their own; here is only that there are some.
        Some(Value::Set(_)) => row.push(Cell::Integer(1)),
    }
}
