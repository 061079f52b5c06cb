//! The past as tables of SQLite in memory: every fact with the write that made it so and the one that ended it. From
//! these SQL alone tells who was in which segment at every instant, and what the days of each were.
//!
//! A rule is an expression about row `m` of `moment`: a contact after a write, at an instant up to the next write. A fact
//! counts where `since <= m.write < until`; what is to come by then has an instant of its own, which is past `m.at`.

use rusqlite::{Connection, params, types::Value as Cell};
use throng::Timestamp;

/// No write ended it yet.
const OPEN: i64 = i64::MAX;

const TABLES: &str = "
    CREATE TABLE writes(n INTEGER PRIMARY KEY, at INT);
    CREATE TABLE person(contact INT, since INT, until INT);
    CREATE TABLE value(contact INT, name TEXT, x, since INT, until INT);
    CREATE INDEX value_of ON value(contact, name);
    CREATE TABLE event(id INT, contact INT, kind TEXT, at INT, amount INT, product TEXT, since INT, until INT);
    CREATE INDEX event_of ON event(contact, kind, at);
    CREATE TABLE pin(segment INT, contact INT, is_in INT, since INT, until INT);
    CREATE INDEX pin_of ON pin(segment, contact);
    CREATE TABLE version(segment INT, n INT, rule TEXT, since INT, until INT);
    CREATE TABLE length(ms INTEGER PRIMARY KEY);
    CREATE TABLE day(n INTEGER PRIMARY KEY, start INT, until INT);
    CREATE TABLE moment(contact INT, write INT, at INT, PRIMARY KEY(contact, write, at)) WITHOUT ROWID;
    CREATE TABLE truth(segment INT, contact INT, write INT, at INT, is_in INT,
        PRIMARY KEY(segment, contact, write, at)) WITHOUT ROWID;";

/// Every moment at which anything can be another than just before: each write, and between it and the next one each
/// instant that is as far from a fact's as a rule looks, and the one after it; and each day's beginning.
const MOMENTS: &str = "
    CREATE TABLE span(n INTEGER PRIMARY KEY, at INT, until INT);
    INSERT INTO span SELECT n, at, lead(at, 1, at) OVER (ORDER BY n) FROM writes;
    CREATE INDEX span_at ON span(at, until);
    CREATE TABLE turn(contact INT, at INT, PRIMARY KEY(contact, at)) WITHOUT ROWID;
    INSERT OR IGNORE INTO turn SELECT fact.contact, fact.at+length.ms+after.ms
        FROM (SELECT contact, at FROM event UNION SELECT contact, x FROM value WHERE name IN ('created', 'renewal')) fact,
            length, (SELECT 0 AS ms UNION SELECT 1) after
        WHERE fact.at+length.ms+after.ms BETWEEN (SELECT min(at) FROM writes) AND (SELECT max(at) FROM writes);
    INSERT OR IGNORE INTO turn SELECT contact, start FROM person, day;
    INSERT INTO moment SELECT contact, n, at FROM person, span
        UNION SELECT turn.contact, span.n, turn.at FROM turn JOIN span ON turn.at BETWEEN span.at AND span.until;";

/// Each change is one, however soon it is undone; who was in before the first moment of a segment: nobody.
const DAYS: &str = "
    CREATE TABLE change(segment INT, contact INT, write INT, at INT, entered INT);
    INSERT INTO change SELECT segment, contact, write, at, is_in FROM (
        SELECT *, lag(is_in, 1, 0) OVER (PARTITION BY segment, contact ORDER BY write, at) AS was FROM truth)
        WHERE is_in<>was;
    CREATE INDEX change_of ON change(segment, at);
    WITH made AS (SELECT segment, min(at) AS at FROM version JOIN writes ON writes.n=version.since GROUP BY segment),
        whoever AS (SELECT DISTINCT contact FROM person)
    SELECT made.segment, day.n,
        (SELECT count(*) FROM whoever WHERE (SELECT is_in FROM truth t WHERE t.segment=made.segment
            AND t.contact=whoever.contact AND t.at<day.until ORDER BY t.write DESC, t.at DESC LIMIT 1)),
        (SELECT count(*) FROM change c WHERE c.segment=made.segment AND c.at>=day.start AND c.at<day.until AND c.entered),
        (SELECT count(*) FROM change c WHERE c.segment=made.segment AND c.at>=day.start AND c.at<day.until
            AND NOT c.entered),
        (SELECT max(version.n) FROM version JOIN writes ON writes.n=version.since
            WHERE version.segment=made.segment AND writes.at<day.until)
    FROM made JOIN day ON day.until>made.at AND day.start<=(SELECT max(at) FROM writes)
    ORDER BY made.segment, day.n";

/// One day of a segment.
#[derive(Debug, PartialEq)]
pub struct PastDay {
    /// Which segment.
    pub segment: i64,
    /// Which day, as a day number.
    pub day: i64,
    /// Members at its end.
    pub size: u64,
    /// Entries on it.
    pub entered: u64,
    /// Exits on it.
    pub left: u64,
    /// The version of the rule at its end.
    pub version: u32,
}

/// An event as it is kept.
pub struct PastEvent {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub contact: i64,
    /// Of which kind.
    pub kind: &'static str,
    /// When. Units: milliseconds.
    pub at: i64,
    /// In whole units, of a purchase.
    pub amount: Option<i64>,
    /// What was bought.
    pub product: Option<&'static str>,
}

/// The past so far.
pub struct Past {
    connection: Connection,
    write: i64,
    at: i64,
}

impl Past {
    /// Before the first write.
    pub fn new() -> Past {
        let past = Past { connection: Connection::open_in_memory().expect("SQLite opens in memory"), write: 0, at: 0 };
        past.run(TABLES);
        past
    }

    /// A write comes, at an instant: what is told next is its doing.
    pub fn write(&mut self, at: i64) {
        (self.write, self.at) = (self.write + 1, at);
        self.execute("INSERT INTO writes VALUES(?,?)", params![self.write, at]);
    }

    /// A contact is written to: made, as of this write, if it is not there.
    pub fn sight(&self, contact: i64) {
        if !self.is_there(contact) {
            self.execute("INSERT INTO person VALUES(?,?,?)", params![contact, self.write, OPEN]);
            self.set(contact, "created", [Cell::Integer(self.at)]);
        }
    }

    /// Whether a contact is there.
    pub fn is_there(&self, contact: i64) -> bool {
        let query = "SELECT EXISTS(SELECT 1 FROM person WHERE contact=? AND until=?)";
        self.connection.query_row(query, [contact, OPEN], |row| row.get(0)).expect("one row")
    }

    /// The values of a contact's property are these alone: none, one, or those of a set.
    pub fn set(&self, contact: i64, name: &str, values: impl IntoIterator<Item = Cell>) {
        let ended = "UPDATE value SET until=? WHERE contact=? AND name=? AND until=?";
        self.execute(ended, params![self.write, contact, name, OPEN]);
        for value in values {
            self.execute("INSERT INTO value VALUES(?,?,?,?,?)", params![contact, name, value, self.write, OPEN]);
        }
    }

    /// An event is recorded.
    pub fn event(&self, event: &PastEvent) {
        let PastEvent { id, contact, kind, at, amount, product } = event;
        self.sight(*contact);
        let row = params![id, contact, kind, at, amount, product, self.write, OPEN];
        self.execute("INSERT INTO event VALUES(?,?,?,?,?,?,?,?)", row);
    }

    /// An event is taken away.
    pub fn remove_event(&self, id: i64) {
        self.execute("UPDATE event SET until=? WHERE id=? AND until=?", params![self.write, id, OPEN]);
    }

    /// The events that are there.
    pub fn events(&self) -> Vec<i64> {
        let mut statement = self.connection.prepare_cached("SELECT id FROM event WHERE until=?").expect("a query");
        let rows = statement.query_map([OPEN], |row| row.get(0)).expect("the query starts");
        rows.collect::<Result<_, _>>().expect("numbers")
    }

    /// A contact is erased, from everything.
    pub fn erase(&self, contact: i64) {
        for table in ["person", "value", "event", "pin"] {
            let ended = format!("UPDATE {table} SET until=? WHERE contact=? AND until=?");
            self.execute(&ended, params![self.write, contact, OPEN]);
        }
    }

    /// A contact is pinned in or out of a segment, or neither; who is in a list is pinned in.
    pub fn pin(&self, segment: i64, contact: i64, pinned: Option<bool>) {
        let ended = "UPDATE pin SET until=? WHERE segment=? AND contact=? AND until=?";
        self.execute(ended, params![self.write, segment, contact, OPEN]);
        if let Some(is_in) = pinned {
            self.execute("INSERT INTO pin VALUES(?,?,?,?,?)", params![segment, contact, is_in, self.write, OPEN]);
        }
    }

    /// A segment has a rule from now on.
    pub fn rule(&self, segment: i64, rule: &str) {
        let ended = "UPDATE version SET until=? WHERE segment=? AND until=?";
        self.execute(ended, params![self.write, segment, OPEN]);
        let next = "INSERT INTO version SELECT ?1, 1+count(*), ?2, ?3, ?4 FROM version WHERE segment=?1";
        self.execute(next, params![segment, rule, self.write, OPEN]);
    }

    /// Some rule looks so far back or ahead.
    pub fn length(&self, ms: i64) {
        self.execute("INSERT OR IGNORE INTO length VALUES(?),(?)", params![ms, -ms]);
    }

    /// A day, its first instant and that of the next one.
    pub fn day(&self, day: i64, start: i64, until: i64) {
        self.execute("INSERT INTO day VALUES(?,?,?)", params![day, start, until]);
    }

    /// The days of each segment from the one on which it was made to that of the last write.
    pub fn days(&self) -> Vec<PastDay> {
        self.run(MOMENTS);
        let query = "SELECT segment, rule, since, until FROM version ORDER BY segment, n";
        let mut statement = self.connection.prepare(query).expect("a query");
        let versions = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
        let versions: Vec<(i64, String, i64, i64)> =
            versions.expect("the query starts").collect::<Result<_, _>>().expect("versions");
        for (segment, rule, since, until) in versions {
            let pinned = |is_in: i64| {
                format!(
                    "EXISTS(SELECT 1 FROM pin p WHERE p.segment={segment} AND p.contact=m.contact AND p.is_in={is_in} \
                     AND p.since<=m.write AND m.write<p.until)"
                )
            };
            let (pinned_in, pinned_out) = (pinned(1), pinned(0));
            self.run(&format!(
                "INSERT INTO truth SELECT {segment}, m.contact, m.write, m.at, EXISTS(SELECT 1 FROM person p WHERE \
                 p.contact=m.contact AND p.since<=m.write AND m.write<p.until) AND (({rule}) OR {pinned_in}) AND NOT \
                 {pinned_out} FROM moment m WHERE m.write>={since} AND m.write<{until}"
            ));
        }
        let (setup, query) = DAYS.rsplit_once(';').expect("a query behind a semicolon");
        self.run(setup);
        let mut statement = self.connection.prepare(query).unwrap_or_else(|error| panic!("SQLite says {error}"));
        let day = |row: &rusqlite::Row<'_>| {
            let count = |at: usize| row.get::<_, i64>(at).map(|count| count as u64);
            Ok(PastDay {
                segment: row.get(0)?,
                day: row.get(1)?,
                size: count(2)?,
                entered: count(3)?,
                left: count(4)?,
                version: row.get(5)?,
            })
        };
        let rows = statement.query_map([], day).expect("the query starts");
        rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("SQLite says {error}"))
    }

    /// Of what [`Past::days`] found: how many changes came by time alone, and how often somebody entered twice on a day.
    pub fn odd_ones(&self) -> [u64; 2] {
        let by_time = "SELECT count(*) FROM change JOIN writes ON writes.n=change.write WHERE change.at>writes.at";
        let twice = "SELECT count(*) FROM (SELECT 1 FROM change JOIN day ON at>=start AND at<day.until WHERE entered \
                     GROUP BY segment, contact, day.n HAVING count(*)>1)";
        [by_time, twice].map(|query| {
            let count: i64 = self.connection.query_row(query, [], |row| row.get(0)).expect("a count");
            count as u64
        })
    }

    /// The changes of a segment that [`Past::days`] found, a line each.
    pub fn changes(&self, segment: i64) -> String {
        let query = "SELECT contact, write, at, entered FROM change WHERE segment=? ORDER BY contact, write, at";
        let mut statement = self.connection.prepare(query).expect("a query");
        let line = |row: &rusqlite::Row<'_>| {
            let (contact, write, at, entered): (i64, i64, i64, bool) = row.try_into()?;
            let (at, word) = (Timestamp(at), if entered { "entered" } else { "left" });
            Ok(format!("contact {contact} {word} after write {write} at {at}\n"))
        };
        let lines = statement.query_map([segment], line).expect("the query starts");
        lines.collect::<Result<_, _>>().expect("changes")
    }

    fn run(&self, statements: &str) {
        self.connection
            .execute_batch(statements)
            .unwrap_or_else(|error| panic!("SQLite says {error} to\n{statements}"));
    }

    fn execute(&self, statement: &str, row: &[&dyn rusqlite::ToSql]) {
        let mut prepared =
            self.connection.prepare_cached(statement).unwrap_or_else(|error| panic!("{error}: {statement}"));
        prepared.execute(row).unwrap_or_else(|error| panic!("SQLite says {error} to\n{statement}"));
    }
}
