//! Random rules in two languages: as people write them, and as SQL that tells them of row `m` of `moment` in the tables of
//! [`crate::support::sql_past`], at any instant.

use std::collections::BTreeSet;

use crate::support::generate::Dice;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// What is written behind a number, and how long one is.
const LENGTHS: &[(i64, &str, i64)] = &[
    (30, "minutes", HOUR / 60),
    (2, "hours", HOUR),
    (6, "hours", HOUR),
    (12, "hours", HOUR),
    (36, "hours", HOUR),
    (1, "day", DAY),
    (2, "days", DAY),
    (3, "days", DAY),
    (5, "days", DAY),
    (9, "days", DAY),
    (1, "week", 7 * DAY),
];

/// A rule in both languages.
pub struct Told {
    /// As people write it.
    pub text: String,
    /// 0 or 1, of row `m`.
    pub sql: String,
}

fn told(text: impl Into<String>, sql: impl Into<String>) -> Told {
    Told { text: text.into(), sql: sql.into() }
}

/// Makes rules.
pub struct Teller<'a> {
    /// What is chosen.
    pub dice: &'a mut Dice,
    /// How far the rules look back and ahead. Units: milliseconds.
    pub lengths: &'a mut BTreeSet<i64>,
    /// Rules may name the segments before this one, `s 0` and on.
    pub segment: i64,
    /// Whether the calendar is that of SQLite.
    pub is_utc: bool,
}

/// `FROM … WHERE …` of the contact's events of these kinds that have happened.
fn events(kinds: &str) -> String {
    format!(
        "FROM event e WHERE e.contact=m.contact AND e.kind IN ({kinds}) AND e.since<=m.write AND m.write<e.until AND \
         e.at<=m.at"
    )
}

/// `FROM … WHERE …` of the values of a property.
fn values(name: &str) -> String {
    format!("FROM value v WHERE v.contact=m.contact AND v.name='{name}' AND v.since<=m.write AND m.write<v.until")
}

/// The kinds that count as activity.
const ACTIVITY: &str = "'purchase', 'conversation', 'email_opened'";

impl Teller<'_> {
    /// A rule at most so deep.
    pub fn rule(&mut self, depth: usize) -> Told {
        if depth <= 1 || self.dice.chance(30) {
            return self.leaf();
        }
        let parts: Vec<Told> = (0..2 + self.dice.below(2)).map(|_| self.rule(depth - 1)).collect();
        let joined = |of: fn(&Told) -> &str, word: &str| {
            parts.iter().map(|part| format!("({})", of(part))).collect::<Vec<_>>().join(word)
        };
        let (texts, sqls) = (|word| joined(|part| &part.text, word), |word| joined(|part| &part.sql, word));
        match self.dice.below(12) {
            0..4 => told(texts(" and "), sqls(" AND ")),
            4..8 => told(texts(" or "), sqls(" OR ")),
            8 => told(texts(" xor "), format!("({})%2=1", sqls("+"))),
            9 => told(format!("at least 2 of ({})", texts(", ")), format!("({})>=2", sqls("+"))),
            _ => told(format!("not ({})", parts[0].text), format!("NOT ({})", parts[0].sql)),
        }
    }

    fn length(&mut self) -> (String, i64) {
        let (n, unit, ms) = *self.dice.pick(LENGTHS);
        self.lengths.insert(n * ms);
        (format!("{n} {unit}"), n * ms)
    }

    fn leaf(&mut self) -> Told {
        match self.dice.below(12) {
            0..2 => self.of_values(),
            2..4 => self.of_instants(),
            4..6 if self.segment > 0 => {
                let other = self.dice.between(0, self.segment - 1);
                let sql = format!(
                    "EXISTS(SELECT 1 FROM truth t WHERE t.segment={other} AND t.contact=m.contact AND t.write=m.write \
                     AND t.at=m.at AND t.is_in)"
                );
                let (not, word) = if self.dice.chance(40) { ("not ", "NOT ") } else { ("", "") };
                told(format!("{not}in segment \"s {other}\""), format!("{word}{sql}"))
            }
            6 => self.of_derived(),
            _ => self.of_events(),
        }
    }

    fn of_values(&mut self) -> Told {
        let n = self.dice.between(4, 16);
        let word = *self.dice.pick(&["DE", "FR", "US"]);
        let score = values("lead_score");
        let (country, tags) = (values("country"), values("tags"));
        match self.dice.below(6) {
            0 => told(format!("lead_score > {n}"), format!("EXISTS(SELECT 1 {score} AND v.x>{n})")),
            1 => told(format!("lead_score <= {n}"), format!("EXISTS(SELECT 1 {score} AND v.x<={n})")),
            2 => told("lead_score is not set", format!("NOT EXISTS(SELECT 1 {score})")),
            3 => told(format!("country = {word}"), format!("EXISTS(SELECT 1 {country} AND v.x='{word}')")),
            // Who has none is not there either.
            4 => told(format!("country != {word}"), format!("NOT EXISTS(SELECT 1 {country} AND v.x='{word}')")),
            _ => told("Has tag \"VIP\"", format!("EXISTS(SELECT 1 {tags} AND v.x='VIP')")),
        }
    }

    fn of_instants(&mut self) -> Told {
        let name = *self.dice.pick(&["created", "renewal"]);
        let (length, ms) = self.length();
        let holds = |test: &str| format!("EXISTS(SELECT 1 {} AND {test})", values(name));
        let age = "m.at-v.x";
        match self.dice.below(7) {
            0 => told(format!("{name} < {length} ago"), holds(&format!("{age}>=0 AND {age}<{ms}"))),
            1 => told(format!("{name} > {length} ago"), holds(&format!("{age}>{ms}"))),
            2 => told(format!("{name} >= {length} ago"), holds(&format!("{age}>={ms}"))),
            3 => told(format!("{name} in last {length}"), holds(&format!("{age} BETWEEN 0 AND {ms}"))),
            4 => told(format!("{name} in next {length}"), holds(&format!("v.x>m.at AND v.x-m.at<={ms}"))),
            5 => told(format!("{name} > {length} ahead"), holds(&format!("v.x-m.at>{ms}"))),
            _ => {
                let same =
                    "EXISTS(SELECT 1 FROM day d WHERE v.x>=d.start AND v.x<d.until AND m.at>=d.start AND m.at<d.until)";
                told(format!("{name} is today"), holds(same))
            }
        }
    }

    /// Of what is computed of events.
    fn of_derived(&mut self) -> Told {
        let (length, ms) = self.length();
        let n = self.dice.between(10, 60);
        let (spent, newest) = (events("'purchase'"), events(ACTIVITY));
        // Without an event there is no newest one, and no sum.
        let newest = |test: &str| format!("COALESCE((SELECT {test} FROM (SELECT max(e.at) AS x {newest})), 0)");
        match self.dice.below(5) {
            0 => told(format!("purchase_total >= ${n}"), format!("COALESCE((SELECT sum(e.amount) {spent}), 0)>={n}")),
            1 => told(format!("last_activity < {length} ago"), newest(&format!("m.at-x<{ms}"))),
            2 => told(format!("last_activity > {length} ago"), newest(&format!("m.at-x>{ms}"))),
            3 => told("last_activity is not set", newest("x IS NULL")),
            _ => {
                let before = "EXISTS(SELECT 1 FROM day d JOIN day t ON t.n=d.n+1 WHERE x>=d.start AND x<d.until AND \
                              m.at>=t.start AND m.at<t.until)";
                told("last_activity is yesterday", newest(before))
            }
        }
    }

    fn of_events(&mut self) -> Told {
        let kind = *self.dice.pick(&["purchase", "conversation", "email_opened", "email_sent"]);
        let (length, ms) = self.length();
        let all = events(&format!("'{kind}'"));
        let late = format!("{all} AND e.at>=m.at-{ms}");
        let bought = format!("{} AND e.at>=m.at-{ms}", events("'purchase'"));
        let n = self.dice.between(2, 3);
        match self.dice.below(11) {
            0 => told(format!("did {kind} in last {length}"), format!("EXISTS(SELECT 1 {late})")),
            1 => told(format!("did not {kind} in last {length}"), format!("NOT EXISTS(SELECT 1 {late})")),
            2 => told(
                format!("did {kind} at least {n} times in last {length}"),
                format!("(SELECT count(*) {late})>={n}"),
            ),
            3 => told(format!("did {kind} exactly 1 time in last {length}"), format!("(SELECT count(*) {late})=1")),
            4 => {
                let n = 10 * n;
                let text = format!("sum(purchase.amount) in last {length} > ${n}");
                told(text, format!("COALESCE((SELECT sum(e.amount) {bought}), 0)>{n}"))
            }
            5 => {
                let text = format!("distinct(purchase.product) in last {length} >= 2");
                told(text, format!("(SELECT count(DISTINCT e.product) {bought})>=2"))
            }
            6 => {
                let text = format!("did purchase where (amount > 20) in last {length}");
                told(text, format!("EXISTS(SELECT 1 {bought} AND e.amount>20)"))
            }
            7 => {
                let text = format!("last {kind} more than {length} ago");
                told(text, format!("COALESCE((SELECT max(e.at)<m.at-{ms} {all}), 0)"))
            }
            8 => {
                let (within, most) = self.length();
                let (first, then) = (events("'conversation'"), bought);
                let first = first.replace("e.", "b.").replace("event e", "event b");
                told(
                    format!("did conversation then purchase within {within} in last {length}"),
                    format!(
                        "EXISTS(SELECT 1 {then} AND EXISTS(SELECT 1 {first} AND b.at>=m.at-{ms} AND b.at<e.at AND \
                         e.at-b.at<={most}))"
                    ),
                )
            }
            9 if self.is_utc => {
                // A month back is 28 to 31 days, and jumps where days start.
                self.lengths.extend((28..=31).map(|days| days * DAY));
                let month = "unixepoch(m.at/1000,'unixepoch','-1 months','floor')*1000+m.at%1000";
                told(format!("did {kind} in last 1 month"), format!("EXISTS(SELECT 1 {all} AND e.at>={month})"))
            }
            _ => {
                let same = "EXISTS(SELECT 1 FROM day d WHERE e.at>=d.start AND e.at<d.until AND m.at>=d.start AND \
                            m.at<d.until)";
                told(format!("did {kind} today"), format!("EXISTS(SELECT 1 {all} AND {same})"))
            }
        }
    }
}
